//! Which of argument, policy and operator policy counts.

use serde_json::json;

use super::*;
use crate::topology::ApplyTo;

fn policy(definition: serde_json::Value) -> Policy {
    Policy {
        name: Name::parse("p").unwrap(),
        pattern: String::new(),
        apply_to: ApplyTo::All,
        priority: 0,
        definition: definition.as_object().cloned().unwrap_or_default(),
    }
}

#[test]
fn of_numbers_the_lowest_counts() {
    let arguments =
        QueueArguments { message_ttl_ms: Some(50), max_length: Some(7), ..QueueArguments::default() };
    let user = policy(json!({ "message-ttl": 40, "max-length": 9, "expires": 100 }));
    let operator = policy(json!({ "message-ttl": 60, "expires": 80, "max-length-bytes": 1000 }));
    let rules = Rules::new(&arguments, Some(&user), Some(&operator));
    assert_eq!(rules.message_ttl_ms, Some(40));
    assert_eq!(rules.max_length, Some(7));
    assert_eq!(rules.expires_ms, Some(80));
    assert_eq!(rules.max_length_bytes, Some(1000));
}

#[test]
fn of_others_the_arguments_then_the_operators() {
    let user = policy(
        json!({ "overflow": "reject-publish", "dead-letter-exchange": "d", "dead-letter-routing-key": "k" }),
    );
    let operator = policy(json!({ "overflow": "drop-head" }));
    let rules = Rules::new(&QueueArguments::default(), Some(&user), Some(&operator));
    assert_eq!(rules.overflow, Overflow::DropHead);
    let to = rules.dead_letter.unwrap();
    assert_eq!((&*to.exchange, to.routing_key.as_deref()), ("d", Some("k")));
    let arguments = QueueArguments {
        overflow: Some(Overflow::RejectPublishDeadLetter),
        dead_letter_exchange: Some(Name::parse("own").unwrap()),
        ..QueueArguments::default()
    };
    let rules = Rules::new(&arguments, Some(&user), Some(&operator));
    assert_eq!(rules.overflow, Overflow::RejectPublishDeadLetter);
    assert_eq!(&*rules.dead_letter.unwrap().exchange, "own");
}

#[test]
fn a_message_expires_at_the_earlier_of_both_times() {
    let message = |expiration: &str| {
        let mut properties = Vec::new();
        let expiration = Some(expiration.as_bytes()).filter(|text| !text.is_empty());
        model::message::Properties { expiration, ..Default::default() }.encode(&mut properties);
        Message::new(b"", b"q", &properties, b"").unwrap()
    };
    let of_queue = Rules { message_ttl_ms: Some(50), ..Rules::default() };
    let cases =
        [("", 0, 1050), ("20", 1020, 1020), ("134217728000", 134_217_729_000, 1050), ("0", 1000, 1000)];
    for (expiration, without, with) in cases {
        assert_eq!(Rules::default().expires_at_ms(&message(expiration), 1000), without, "{expiration}");
        assert_eq!(of_queue.expires_at_ms(&message(expiration), 1000), with, "{expiration}");
    }
}

#[test]
fn only_quorum_queues_limit_deliveries() {
    let quorum = |delivery_limit| QueueArguments {
        kind: QueueKind::Quorum,
        delivery_limit,
        ..QueueArguments::default()
    };
    let limit =
        |arguments: &QueueArguments, user| Rules::new(arguments, Some(&policy(user)), None).delivery_limit;
    assert_eq!(limit(&QueueArguments::default(), json!({ "delivery-limit": 5 })), None);
    assert_eq!(limit(&quorum(None), json!({})), Some(20));
    assert_eq!(limit(&quorum(None), json!({ "delivery-limit": 5 })), Some(5));
    assert_eq!(limit(&quorum(Some(3)), json!({ "delivery-limit": 5 })), Some(3));
}

fn quorum() -> QueueArguments {
    QueueArguments { kind: QueueKind::Quorum, ..QueueArguments::default() }
}

#[test]
fn of_delivery_limits_one_below_zero_counts_only_alone() {
    for (argument, user, operator, limit) in [
        (Some(2), Some(-1), None, Some(2)),
        (Some(-1), Some(2), None, Some(2)),
        (None, Some(2), Some(-1), Some(2)),
        (Some(-1), Some(-2), Some(3), Some(3)),
        (Some(2), Some(-1), Some(1), Some(1)),
        (Some(0), Some(-1), None, Some(0)),
        (Some(-1), Some(-2), Some(-3), None),
        (None, Some(-1), None, None),
        (None, None, None, Some(20)),
    ] {
        let arguments = QueueArguments { delivery_limit: argument, ..quorum() };
        let policy = |limit: Option<i64>| limit.map(|limit| policy(json!({ "delivery-limit": limit })));
        let rules = Rules::new(&arguments, policy(user).as_ref(), policy(operator).as_ref());
        assert_eq!(rules.delivery_limit, limit, "{argument:?} {user:?} {operator:?}");
    }
}

#[test]
fn in_quorum_queues_a_policy_says_what_happens_above_a_limit() {
    let (drop, reject) = (Overflow::DropHead, Overflow::RejectPublish);
    for (argument, user, operator, overflow) in [
        (Some(drop), Some("reject-publish"), None, reject),
        (Some(reject), Some("drop-head"), None, drop),
        (Some(drop), None, Some("reject-publish"), reject),
        (None, Some("reject-publish"), Some("drop-head"), drop),
        (None, Some("reject-publish-dlx"), None, drop),
        (Some(reject), Some("reject-publish-dlx"), None, drop),
        (Some(reject), None, Some("reject-publish-dlx"), drop),
        (Some(reject), None, None, reject),
    ] {
        let arguments = QueueArguments { overflow: argument, ..quorum() };
        let policy = |word: Option<&str>| word.map(|word| policy(json!({ "overflow": word })));
        let rules = Rules::new(&arguments, policy(user).as_ref(), policy(operator).as_ref());
        assert_eq!(rules.overflow, overflow, "{argument:?} {user:?} {operator:?}");
    }
}
