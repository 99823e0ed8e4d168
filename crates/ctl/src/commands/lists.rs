//! What is in the node, as tables: queues, exchanges, bindings, consumers, connections, channels.

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    node::path,
    table::{Empty, Table},
    tool::{CTL, DIAGNOSTICS},
};

/// Columns of queues that do not change while they live: they cost nothing to ask for.
const STATIC: &[&str] = &[
    "name",
    "type",
    "durable",
    "auto_delete",
    "exclusive",
    "arguments",
    "state",
    "leader",
    "members",
    "online",
    "messages",
    "messages_ready",
    "messages_unacknowledged",
    "pid",
];

/// How rows become those of a table.
pub(super) struct Listing {
    /// The value of a column of a row.
    pub(super) value: fn(&Json, &str) -> Json,
    pub(super) when_empty: Empty,
}

pub(super) const COMMANDS: &[Command] = &[
    Command::new("list_queues", CTL | DIAGNOSTICS, Group::Monitoring, "[--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] [<column>, ...] [--timeout <timeout>]", "Lists queues and their properties", queues)
        .lists(
            &[
                "arguments", "auto_delete", "consumer_capacity", "consumer_utilisation", "consumers", "disk_reads",
                "disk_writes", "durable", "effective_policy_definition", "exclusive", "exclusive_consumer_pid",
                "exclusive_consumer_tag", "head_message_timestamp", "leader", "members", "memory", "message_bytes",
                "message_bytes_persistent", "message_bytes_ram", "message_bytes_ready",
                "message_bytes_unacknowledged", "messages", "messages_persistent", "messages_ram", "messages_ready",
                "messages_ready_ram", "messages_unacknowledged", "messages_unacknowledged_ram", "name", "online",
                "operator_policy", "owner_pid", "pid", "policy", "state", "type",
            ],
            &["name", "messages"],
        )
        .options(&[
            Opt::flag("--online", "lists only queues on nodes that can be reached: here all of them"),
            Opt::flag("--offline", "lists only queues on nodes that cannot be reached: here none"),
            Opt::flag("--local", "only queues of the node that is asked: here all of them"),
        ]),
    Command::new("list_unresponsive_queues", CTL | DIAGNOSTICS, Group::Monitoring, "[--local] [--queue-timeout <milliseconds>] [<column> ...] [--no-table-headers] [--timeout <timeout>]", "Lists queues that do not answer; here a queue is no process that could fail to", unresponsive_queues)
        .lists(&["arguments", "auto_delete", "durable", "name", "pid"], &["name"])
        .options(&[
            Opt::flag("--local", "only queues of the node that is asked"),
            Opt::value("--queue-timeout", "<milliseconds>", "accepted, and means nothing here"),
        ]),
    Command::new("list_exchanges", CTL | DIAGNOSTICS, Group::Monitoring, "[--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]", "Lists exchanges", exchanges)
        .lists(&["arguments", "auto_delete", "durable", "internal", "name", "policy", "type"], &["name", "type"]),
    Command::new("list_bindings", CTL | DIAGNOSTICS, Group::Monitoring, "[--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]", "Lists the bindings of a virtual host", bindings)
        .lists(
            &["arguments", "destination_kind", "destination_name", "routing_key", "source_kind", "source_name"],
            &["source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"],
        ),
    Command::new("list_consumers", CTL | DIAGNOSTICS, Group::Monitoring, "[--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]", "Lists the consumers of a virtual host", consumers)
        .lists(
            &["ack_required", "active", "activity_status", "arguments", "channel_pid", "consumer_tag", "prefetch_count", "queue_name"],
            &["queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"],
        ),
    Command::new("list_connections", CTL | DIAGNOSTICS, Group::Monitoring, "[--no-table-headers] [<column> ...] [--timeout <timeout>]", "Lists the connections of AMQP 0-9-1", connections)
        .lists(
            &[
                "auth_mechanism", "channel_max", "channels", "client_properties", "connected_at", "frame_max", "host",
                "name", "peer_cert_issuer", "peer_cert_subject", "peer_cert_validity", "peer_host", "peer_port", "pid",
                "port", "protocol", "recv_cnt", "recv_oct", "send_cnt", "send_oct", "send_pend", "ssl", "ssl_cipher",
                "ssl_hash", "ssl_key_exchange", "ssl_protocol", "state", "timeout", "user", "vhost",
            ],
            &["user", "peer_host", "peer_port", "state"],
        ),
    Command::new("list_channels", CTL | DIAGNOSTICS, Group::Monitoring, "[--no-table-headers] [<column> ...]", "Lists the channels of all connections", channels)
        .lists(
            &[
                "acks_uncommitted", "confirm", "connection", "consumer_count", "global_prefetch_count",
                "messages_unacknowledged", "messages_uncommitted", "messages_unconfirmed", "name", "number", "pid",
                "prefetch_count", "transactional", "user", "vhost",
            ],
            &["pid", "user", "consumer_count", "messages_unacknowledged"],
        ),
];

/// Shows the chosen columns of these rows.
pub(super) fn show(call: &mut Call, rows: &Json, listing: &Listing) -> Result<(), Failure> {
    let columns = call.line.columns.clone();
    let mut table = Table::new(&columns, listing.when_empty);
    for row in rows.as_array().into_iter().flatten() {
        table.push(columns.iter().map(|column| (listing.value)(row, column)).collect());
    }
    call.out.table(&table)
}

/// What a vhost has; RabbitMQ shows nothing, and succeeds, where there is no such vhost.
fn of_vhost(call: &mut Call, what: &str, query: &str) -> Result<Json, Failure> {
    let vhost = call.vhost();
    let found = call.find(&format!("{}{query}", path(&[what, &vhost])))?;
    found.ok_or_else(|| Failure::no_vhost(&vhost))
}

fn queues(call: &mut Call) -> Result<(), Failure> {
    let seconds = call.line.timeout.unwrap_or(60);
    call.announce(&format!("Timeout: {seconds}.0 seconds ..."))?;
    call.announce(&format!("Listing queues for vhost {} ...", call.vhost()))?;
    let wanted = &call.line.columns;
    let mut query = format!("?columns={},owner_pid_details,name,leader", wanted.join(","));
    if wanted.iter().all(|column| STATIC.contains(column)) {
        query.push_str("&disable_stats=true&enable_queue_totals=true");
    }
    let mut rows = of_vhost(call, "queues", &query)?;
    if call.has("--offline") {
        rows = json!([]);
    }
    let listing = Listing { value: queue, when_empty: Empty::Nothing };
    show(call, &rows, &listing)
}

fn queue(row: &Json, column: &str) -> Json {
    match column {
        "owner_pid" => pid(&row["owner_pid_details"]["name"]),
        // A queue is no process; what scripts hand on is its name.
        "pid" => row["name"].clone(),
        "effective_policy_definition" if row[column].is_null() => json!({}),
        _ => row[column].clone(),
    }
}

fn unresponsive_queues(call: &mut Call) -> Result<(), Failure> {
    let vhost = call.vhost();
    call.announce(&format!("Listing unresponsive queues for vhost {vhost} ..."))?;
    call.node()?.require_vhost(&vhost)?;
    show(call, &json!([]), &Listing { value: |_, _| Json::Null, when_empty: Empty::Nothing })
}

fn exchanges(call: &mut Call) -> Result<(), Failure> {
    call.announce(&format!("Listing exchanges for vhost {} ...", call.vhost()))?;
    let rows = of_vhost(call, "exchanges", "")?;
    show(call, &rows, &Listing { value: |row, column| row[column].clone(), when_empty: Empty::Nothing })
}

fn bindings(call: &mut Call) -> Result<(), Failure> {
    call.announce(&format!("Listing bindings for vhost {}...", call.vhost()))?;
    let rows = of_vhost(call, "bindings", "")?;
    show(call, &rows, &Listing { value: binding, when_empty: Empty::Nothing })
}

fn binding(row: &Json, column: &str) -> Json {
    match column {
        "source_name" => row["source"].clone(),
        "source_kind" => json!("exchange"),
        "destination_name" => row["destination"].clone(),
        "destination_kind" => row["destination_type"].clone(),
        _ => row[column].clone(),
    }
}

fn consumers(call: &mut Call) -> Result<(), Failure> {
    call.announce(&format!("Listing consumers in vhost {} ...", call.vhost()))?;
    let rows = of_vhost(call, "consumers", "")?;
    show(call, &rows, &Listing { value: consumer, when_empty: Empty::Nothing })
}

fn consumer(row: &Json, column: &str) -> Json {
    match column {
        "queue_name" => row["queue"]["name"].clone(),
        "channel_pid" => pid(&row["channel_details"]["name"]),
        _ => row[column].clone(),
    }
}

fn connections(call: &mut Call) -> Result<(), Failure> {
    call.announce("Listing connections ...")?;
    let rows = call.get("connections")?;
    show(call, &rows, &Listing { value: connection, when_empty: Empty::Nothing })
}

fn connection(row: &Json, column: &str) -> Json {
    match (column, row["protocol"].as_str()) {
        ("pid", _) => pid(&row["name"]),
        ("protocol", Some("AMQP 0-9-1")) => json!("{0,9,1}"),
        _ => row[column].clone(),
    }
}

fn channels(call: &mut Call) -> Result<(), Failure> {
    call.announce("Listing channels ...")?;
    let rows = call.find("channels")?;
    let rows = rows.ok_or_else(|| Failure::unavailable("The node does not list channels yet"))?;
    show(call, &rows, &Listing { value: channel, when_empty: Empty::Nothing })
}

fn channel(row: &Json, column: &str) -> Json {
    match column {
        "pid" => pid(&row["name"]),
        "connection" => pid(&row["connection_details"]["name"]),
        _ => row[column].clone(),
    }
}

/// What stands where RabbitMQ has the identifier of a process: a name in one word, which `close_connection` takes.
pub(super) fn pid(name: &Json) -> Json {
    match name.as_str() {
        Some(name) if !name.is_empty() => {
            json!(format!("<{}>", name.replace(" -> ", "->").replace(' ', ".")))
        }
        _ => Json::Null,
    }
}
