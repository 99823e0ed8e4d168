//! Who the peer is, and what that entitles to.

use std::sync::Arc;

use broker::{Broker, Settings, access::password::PasswordHash};
use model::{Command, Event, Refusal, Secret, SessionCommand, SessionEvent, Table, message::Properties};

use crate::peer::{NoBell, Peer, broker, broker_with, name};

/// RabbitMQ: its own users' passwords do not expire, and any secret is taken.
#[test]
fn a_new_secret_is_taken() {
    let mut peer = Peer::new(&broker());
    peer.deliveries();
    peer.0.handle_command(0, Command::UpdateSecret { secret: Secret::new("anything") });
    assert!(matches!(peer.0.poll_event(), Some(Event::SecretUpdated)));
}

fn is_let_in(broker: &Arc<Broker>, user: &str, password: &str, is_loopback: bool) -> bool {
    let mut client = broker.connect(Arc::new(NoBell), is_loopback, [0; 16]);
    let password = Secret::new(password);
    let is_login = broker.is_login(&name(user), &password, is_loopback);
    client.handle_command(0, Command::Authenticate { mechanism: "PLAIN", user: name(user), password });
    match client.poll_event() {
        Some(Event::Authenticated { .. }) => assert!(is_login),
        Some(Event::AuthenticationRefused { .. }) => assert!(!is_login),
        other => panic!("{other:?}"),
    }
    is_login
}

fn add_user(broker: &Broker, user: &str, tags: &[&str]) {
    let password = PasswordHash::of(&Secret::new("p"), [0; 4]);
    let tags = tags.iter().map(|tag| name(tag)).collect();
    let entry =
        |topology: &broker::topology::Topology| Ok(topology.set_user(&name(user), password, tags).ok());
    broker.change(0, entry).unwrap();
}

#[test]
fn a_user_of_the_loopback_is_refused_elsewhere() {
    let broker = broker_with(Settings { loopback_users: vec![name("guest")], ..Settings::default() });
    add_user(&broker, "other", &[]);
    assert!(is_let_in(&broker, "guest", "guest", true));
    assert!(!is_let_in(&broker, "guest", "guest", false));
    assert!(!is_let_in(&broker, "guest", "wrong", true));
    assert!(is_let_in(&broker, "other", "p", false));
}

#[test]
fn only_an_impersonator_publishes_in_the_name_of_another() {
    let broker = broker();
    let mut peer = Peer::new(&broker);
    peer.declare("q", 0);
    let of = |user: &'static str| Properties { user_id: Some(user.as_bytes()), ..Properties::default() };
    peer.publish("q", of("guest"), "");
    assert!(peer.events().is_empty());
    peer.publish("q", of("other"), "");
    let refusal = Refusal::UserIdMismatch { claimed: "other".to_owned(), user: name("guest") };
    peer.expect_refusal(&refusal);
    let password = PasswordHash::of(&Secret::new("guest"), [0; 4]);
    let tags = vec![name("administrator"), name("impersonator")];
    broker.change(0, |topology| Ok(topology.set_user(&name("guest"), password, tags).ok())).unwrap();
    let mut peer = Peer::new(&broker);
    peer.publish("q", of("other"), "");
    assert!(peer.events().is_empty());
    peer.get("q");
    assert_eq!(peer.deliveries().len(), 1);
}

/// RabbitMQ: the prefix, and sixteen bytes in base64 without padding, of the alphabet for URLs.
#[test]
fn names_that_the_broker_makes_up_have_rabbitmqs_shape() {
    let is_of_shape = |made: &str, prefix: &str| {
        let tail = made.strip_prefix(prefix).unwrap_or_default();
        tail.len() == 22 && tail.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let mut peer = Peer::new(&broker());
    let mut made = Vec::new();
    for _ in 0..2 {
        peer.declare_as("", |_| {});
        let Some(SessionEvent::QueueDeclared { queue, .. }) = peer.events().pop() else { panic!("no queue") };
        assert!(is_of_shape(&queue, "amq.gen-"), "{queue}");
        peer.ask(SessionCommand::Consume(model::command::Consume {
            queue: queue.clone(),
            consumer: name(""),
            no_ack: true,
            exclusive: false,
            nowait: false,
            arguments: Table::default(),
        }));
        let Some(SessionEvent::Consuming { consumer, .. }) = peer.events().pop() else {
            panic!("no consumer")
        };
        assert!(is_of_shape(&consumer, "amq.ctag-"), "{consumer}");
        made.extend([queue, consumer]);
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 4, "each is another");
}

/// As RabbitMQ's command line does: whoever runs the node needs no permission, and nobody's exclusive queue stops them.
#[test]
fn an_operator_needs_no_permission_and_touches_exclusive_queues() {
    let broker = broker();
    let mut owner = Peer::new(&broker);
    owner.declare_as("mine", |wish| (wish.exclusive, wish.nowait) = (true, true));
    owner.publish("mine", Properties::default(), "");
    let mut stranger = Peer::new(&broker);
    stranger.ask(SessionCommand::PurgeQueue { queue: name("mine"), nowait: false });
    let refused = stranger.events();
    assert!(format!("{refused:?}").contains("Refused"), "{refused:?}");
    let (mut operator, opened) = operator(&broker, "/");
    assert!(matches!(opened, Event::Opened), "{opened:?}");
    operator.ask(SessionCommand::Open);
    operator.events();
    operator.ask(SessionCommand::PurgeQueue { queue: name("mine"), nowait: false });
    let purged = operator.events();
    assert!(format!("{purged:?}").contains("messages: 1"), "{purged:?}");
}

fn operator(broker: &Arc<Broker>, vhost: &str) -> (Peer, Event) {
    let mut client = broker.connect(Arc::new(NoBell), true, [1; 16]);
    client.authenticate_operator(name("operator"));
    client.handle_command(0, Command::Open { vhost: name(vhost), client_properties: Table::default() });
    let said = client.poll_event().unwrap();
    (Peer(client), said)
}

#[test]
fn an_operator_comes_in_where_limits_keep_others_out() {
    let full = Settings { connections_max: Some(0), sessions_max: Some(0), ..Settings::default() };
    let broker = broker_with(full);
    let (_, said) = operator(&broker, "nowhere");
    assert!(matches!(said, Event::Refused(Refusal::VhostNotFound { .. })), "{said:?}");
    let (mut operator, said) = operator(&broker, "/");
    assert!(matches!(said, Event::Opened), "{said:?}");
    operator.ask(SessionCommand::Open);
    assert!(matches!(operator.events().as_slice(), [SessionEvent::Opened]));
}
