//! Super streams, and what the protocol of streams would show.

use serde_json::json;

use super::lists::{self, Listing};
use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    table::Empty,
    tool::{CTL, DIAGNOSTICS, STREAMS},
};

/// Partitions of a super stream.
const PARTITIONS_MAX: usize = 1000;
/// RabbitMQ's mark of the exchange of a super stream.
const MARK: &str = "x-super-stream";
const TOOLS: u8 = CTL | DIAGNOSTICS | STREAMS;
const LIST: &str = "[--vhost <vhost>] [<column> ...]";

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "add_super_stream",
        STREAMS,
        Group::Streams,
        "<name> [--vhost <vhost>] [--partitions <partitions>] [--binding-keys <binding-keys>]",
        "Makes an exchange with a stream for each of its keys",
        add,
    )
    .words(1, 1)
    .options(&[
        Opt::value("--partitions", "<partitions>", "how many streams; 3 without it"),
        Opt::value("--binding-keys", "<binding-keys>", "the keys of the streams, with commas between"),
        Opt::value("--routing-keys", "<routing-keys>", "the same, as it was called before"),
        Opt::value("--max-length-bytes", "<max-length-bytes>", "retention by size: bytes of each stream"),
        Opt::value("--max-age", "<max-age>", "retention by age, such as 7D"),
        Opt::value("--stream-max-segment-size-bytes", "<bytes>", "bytes of a segment of each stream"),
        Opt::value("--leader-locator", "<leader-locator>", "accepted, and means nothing here"),
        Opt::value("--initial-cluster-size", "<size>", "accepted, and means nothing here"),
    ]),
    Command::new(
        "delete_super_stream",
        STREAMS,
        Group::Streams,
        "<name> [--vhost <vhost>]",
        "Deletes an exchange of a super stream with its streams",
        delete,
    )
    .words(1, 1),
    Command::new(
        "list_stream_connections",
        TOOLS,
        Group::Streams,
        "[<column> ...]",
        "Lists the connections of the protocol of streams: it is not spoken yet",
        none,
    )
    .lists(
        &[
            "auth_mechanism",
            "client_properties",
            "conn_name",
            "connected_at",
            "connection_state",
            "frame_max",
            "heartbeat",
            "host",
            "node",
            "peer_host",
            "peer_port",
            "port",
            "ssl",
            "subscriptions",
            "user",
            "vhost",
        ],
        &["conn_name"],
    ),
    Command::new(
        "list_stream_consumers",
        TOOLS,
        Group::Streams,
        LIST,
        "Lists the consumers of the protocol of streams: it is not spoken yet",
        none,
    )
    .lists(
        &[
            "active",
            "activity_status",
            "connection_pid",
            "credits",
            "messages_consumed",
            "node",
            "offset",
            "offset_lag",
            "properties",
            "stream",
            "subscription_id",
        ],
        &["stream", "subscription_id"],
    ),
    Command::new(
        "list_stream_publishers",
        TOOLS,
        Group::Streams,
        LIST,
        "Lists the publishers of the protocol of streams: it is not spoken yet",
        none,
    )
    .lists(
        &[
            "connection_pid",
            "messages_confirmed",
            "messages_errored",
            "messages_published",
            "publisher_id",
            "reference",
            "stream",
        ],
        &["stream", "publisher_id"],
    ),
    Command::new(
        "list_stream_consumer_groups",
        TOOLS,
        Group::Streams,
        LIST,
        "Lists groups of single active consumers of streams: there are none yet",
        none,
    )
    .lists(&["consumers", "partition_index", "reference", "stream"], &["stream", "reference"]),
    Command::new(
        "list_stream_group_consumers",
        TOOLS,
        Group::Streams,
        "--stream <stream> --reference <reference> [--vhost <vhost>] [<column> ...]",
        "Lists the consumers of such a group: there are none yet",
        none,
    )
    .lists(
        &["connection_name", "connection_pid", "state", "subscription_id"],
        &["subscription_id", "connection_name", "state"],
    )
    .options(&[
        Opt::value("--stream", "<stream>", "the stream"),
        Opt::value("--reference", "<reference>", "the group"),
    ]),
    Command::new(
        "list_mqtt_connections",
        CTL | DIAGNOSTICS,
        Group::OtherProtocols,
        "[<column> ...]",
        "Lists the connections of MQTT: it is not spoken yet",
        none,
    )
    .lists(&["client_id", "conn_name", "connection_state", "user", "vhost"], &["client_id", "conn_name"]),
    Command::new(
        "list_web_mqtt_connections",
        CTL | DIAGNOSTICS,
        Group::OtherProtocols,
        "[<column> ...]",
        "Lists the connections of MQTT over WebSockets: it is not spoken yet",
        none,
    )
    .lists(&["client_id", "conn_name", "connection_state", "user", "vhost"], &["client_id", "conn_name"]),
    Command::new(
        "list_stomp_connections",
        CTL | DIAGNOSTICS,
        Group::OtherProtocols,
        "[<column> ...]",
        "Lists the connections of STOMP: it is not spoken yet",
        none,
    )
    .lists(&["conn_name", "connection_state", "session_id", "user", "vhost"], &["session_id", "conn_name"]),
];

fn none(call: &mut Call) -> Result<(), Failure> {
    let name = call.line.command.map_or("", |command| command.name);
    if let Some(vhost) = call.option("--vhost") {
        call.node()?.require_vhost(&vhost)?;
    }
    call.announce(&format!("Listing {} ...", name.trim_start_matches("list_").replace('_', " ")))?;
    lists::show(
        call,
        &json!([]),
        &Listing { value: |row, column| row[column].clone(), when_empty: Empty::Nothing },
    )
}

/// The keys of the streams: as said, or their numbers.
fn keys(call: &Call) -> Result<Vec<String>, Failure> {
    let said = call.option("--binding-keys").or_else(|| call.option("--routing-keys"));
    let keys: Vec<String> = match (said, call.option("--partitions")) {
        (Some(_), Some(_)) => {
            return Err(Failure::arguments("Specify --partitions or --binding-keys, not both."));
        }
        (Some(keys), None) => keys.split(',').map(|key| key.trim().to_owned()).collect(),
        (None, partitions) => {
            let count = partitions.map_or(Ok(3), |text| text.parse());
            let count: usize =
                count.map_err(|_| Failure::arguments("The partition number must be greater than 0"))?;
            (0..count.min(PARTITIONS_MAX + 1)).map(|number| number.to_string()).collect()
        }
    };
    if keys.is_empty() || keys.len() > PARTITIONS_MAX || keys.iter().any(String::is_empty) {
        return Err(Failure::arguments(format!(
            "There can be 1 to {PARTITIONS_MAX} partitions, none without a key"
        )));
    }
    Ok(keys)
}

fn add(call: &mut Call) -> Result<(), Failure> {
    let (vhost, name, keys) = (call.vhost(), call.own_word(0), keys(call)?);
    let mut arguments = json!({ "x-queue-type": "stream" });
    for (option, key) in [
        ("--max-length-bytes", "x-max-length-bytes"),
        ("--max-age", "x-max-age"),
        ("--stream-max-segment-size-bytes", "x-stream-max-segment-size-bytes"),
    ] {
        if let Some(value) = call.option(option) {
            arguments[key] = value.parse::<u64>().map_or_else(|_| json!(value), |number| json!(number));
        }
    }
    call.announce("Adding a super stream ...")?;
    call.node()?.require_vhost(&vhost)?;
    let exchange = json!({ "type": "direct", "durable": true, "arguments": { (MARK): true } });
    call.put(&path(&["exchanges", &vhost, &name]), &exchange)?.checked()?;
    for (number, key) in keys.iter().enumerate() {
        let queue = format!("{name}-{key}");
        call.put(&path(&["queues", &vhost, &queue]), &json!({ "durable": true, "arguments": arguments }))?
            .checked()?;
        let binding = json!({ "routing_key": key, "arguments": { "x-stream-partition-order": number } });
        call.post(&path(&["bindings", &vhost, "e", &name, "q", &queue]), &binding)?.checked()?;
    }
    call.out.say(&format!("Super stream {name} has been created"))
}

fn delete(call: &mut Call) -> Result<(), Failure> {
    let (vhost, name) = (call.vhost(), call.own_word(0));
    call.announce("Deleting a super stream ...")?;
    let exchange = call.find(&path(&["exchanges", &vhost, &name]))?;
    let is_super = exchange.is_some_and(|exchange| exchange["arguments"][MARK] == true);
    if !is_super {
        return Err(Failure::unavailable(format!("There is no super stream {name} in vhost {vhost}")));
    }
    let bindings = call.get(&path(&["exchanges", &vhost, &name, "bindings", "source"]))?;
    for binding in bindings.as_array().into_iter().flatten().filter(|one| one["destination_type"] == "queue")
    {
        let queue = binding["destination"].as_str().unwrap_or_default();
        call.delete(&path(&["queues", &vhost, queue]))?.checked()?;
    }
    call.delete(&path(&["exchanges", &vhost, &name]))?.checked()?;
    call.out.say(&format!("Super stream {name} has been deleted"))
}
