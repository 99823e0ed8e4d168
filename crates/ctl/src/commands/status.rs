//! How the node is: `ping`, `status`, `cluster_status`.

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    tool::{CTL, DIAGNOSTICS},
};

pub(super) const UNIT: Opt =
    Opt::value("--unit", "<unit>", "in which amounts are shown: bytes, mb, mib, gb or gib");

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "ping",
        CTL | DIAGNOSTICS,
        Group::Monitoring,
        "[--timeout <timeout>]",
        "Sees whether the node answers",
        ping,
    ),
    Command::new(
        "status",
        CTL | DIAGNOSTICS,
        Group::Monitoring,
        "[--unit <unit>] [--timeout <timeout>]",
        "Shows how the node is",
        status,
    )
    .options(&[UNIT]),
    Command::new(
        "cluster_status",
        CTL | DIAGNOSTICS,
        Group::Cluster,
        "[--timeout <timeout>]",
        "Shows the nodes of the cluster, and how they are",
        cluster_status,
    ),
];

fn ping(call: &mut Call) -> Result<(), Failure> {
    let name = call.node()?.assumed_name().to_owned();
    let timeout_ms = call.line.timeout.unwrap_or(60).saturating_mul(1000);
    call.announce(&format!(
        "Will ping {name}. This only checks whether the node answers. Timeout: {timeout_ms} ms."
    ))?;
    call.get("nodes?columns=running")?;
    call.out.say("Ping succeeded")
}

/// The unit of `--unit`, and bytes in it.
pub(super) fn unit(call: &Call) -> Result<Unit, Failure> {
    let word = call.option("--unit").unwrap_or_else(|| "gb".to_owned());
    let bytes = match word.to_ascii_lowercase().as_str() {
        "bytes" => 1.0,
        "mb" => 1e6,
        "mib" => 1_048_576.0,
        "gb" => 1e9,
        "gib" => 1_073_741_824.0,
        _ => {
            return Err(Failure::argument(format!(
                "unit '{word}' is not supported. Please use one of: bytes, mb, mib, gb, gib"
            )));
        }
    };
    Ok(Unit { word: word.to_ascii_lowercase(), bytes })
}

/// In which amounts of bytes are shown.
pub(super) struct Unit {
    word: String,
    bytes: f64,
}

impl Unit {
    /// With four digits behind the point, as RabbitMQ rounds.
    pub(super) fn show(&self, amount: &Json) -> String {
        let amount = amount.as_f64().unwrap_or_default() / self.bytes;
        if self.word == "bytes" {
            return format!("{amount} bytes");
        }
        let rounded = (amount * 10_000.0).round() / 10_000.0;
        let digits = format!("{rounded:?}");
        format!("{digits} {}", self.word)
    }
}

/// The listeners of the node, as RabbitMQ's tools have them.
pub(super) fn listeners(overview: &Json) -> Vec<Json> {
    let listeners = overview["listeners"].as_array().into_iter().flatten();
    listeners
        .map(|one| {
            let protocol = one["protocol"].as_str().unwrap_or_default();
            let interface = match one["ip_address"].as_str().unwrap_or_default() {
                address if address.contains(':') => format!("[{address}]"),
                address => address.to_owned(),
            };
            json!({
                "node": one["node"], "interface": interface, "port": one["port"], "protocol": protocol,
                "purpose": purpose(protocol),
            })
        })
        .collect()
}

fn purpose(protocol: &str) -> &str {
    match protocol {
        "amqp" => "AMQP 0-9-1 and AMQP 1.0",
        "amqp/ssl" => "AMQP 0-9-1 and AMQP 1.0 over TLS",
        "http" => "HTTP API",
        "https" => "HTTP API over TLS (HTTPS)",
        "http/prometheus" => "Prometheus exporter API over HTTP",
        "https/prometheus" => "Prometheus exporter API over HTTPS",
        "mqtt" => "MQTT",
        "stomp" => "STOMP",
        other => other,
    }
}

pub(super) fn in_words(listener: &Json) -> String {
    format!(
        "interface: {}, port: {}, protocol: {}, purpose: {}",
        text(&listener["interface"]),
        listener["port"],
        text(&listener["protocol"]),
        text(&listener["purpose"])
    )
}

pub(super) fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// The alarms of a node, in RabbitMQ's words.
pub(super) fn alarms(node: &Json) -> Vec<String> {
    let name = text(&node["name"]);
    let mut alarms = Vec::new();
    if node["mem_alarm"] == true {
        alarms.push(format!("Memory alarm on node {name}"));
    }
    if node["disk_free_alarm"] == true {
        alarms.push(format!("Free disk space alarm on node {name}"));
    }
    alarms
}

/// A text of headings and what is under them.
struct Sections<'a> {
    call: &'a Call,
    text: String,
}

impl Sections<'_> {
    fn add(&mut self, title: &str, lines: &[String]) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{}\n\n", self.call.out.heading(title)));
        for line in lines {
            self.text.push_str(&format!("{}\n", crate::term::tame(line)));
        }
    }

    /// As [`Self::add`], or that there is none.
    fn add_all(&mut self, title: &str, lines: &[String]) {
        if lines.is_empty() { self.add(title, &["(none)".to_owned()]) } else { self.add(title, lines) }
    }
}

fn items(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|item| format!(" * {}", text(item))).collect()
}

fn status(call: &mut Call) -> Result<(), Failure> {
    let unit = unit(call)?;
    let name = call.node_name()?;
    call.announce(&format!("Status of node {name} ..."))?;
    let overview = call.get("overview")?;
    let node = call.get("nodes")?[0].take();
    let memory = call.get(&crate::node::path(&["nodes", &name, "memory"]))?["memory"].take();
    let vhosts = call.get("vhosts?columns=name")?.as_array().map_or(0, Vec::len);
    let listeners = listeners(&overview);
    let object = status_object(&overview, &node, &memory, vhosts, &listeners);
    let mut sections = Sections { call, text: String::new() };
    sections.add(
        "Runtime",
        &[
            format!("OS PID: {}", object["pid"]),
            format!("OS: {}", text(&object["os"])),
            format!("Uptime (seconds): {}", object["uptime"]),
            format!("Is under maintenance?: {}", object["is_under_maintenance"]),
            format!("RabbitMQ version: {}", text(&object["rabbitmq_version"])),
            format!("Harefoot version: {}", text(&object["harefoot_version"])),
            format!("Node name: {name}"),
        ],
    );
    let plugins =
        [vec!["Enabled plugins:".to_owned(), String::new()], items(&object["active_plugins"])].concat();
    sections.add("Plugins", &plugins);
    sections.add("Data directory", &[format!("Node data directory: {}", text(&object["data_directory"]))]);
    sections.add_all("Config files", &items(&object["config_files"]));
    sections.add_all("Log file(s)", &items(&object["log_files"]));
    sections.add_all("Alarms", &alarms(&node));
    sections.add("Memory", &memory_lines(&node, &memory, &unit));
    sections.add(
        "File Descriptors",
        &[
            format!("Total: {}, limit: {}", node["fd_used"], node["fd_total"]),
            format!("Sockets: {}, limit: {}", node["sockets_used"], node["sockets_total"]),
        ],
    );
    sections.add(
        "Free Disk Space",
        &[
            format!("Low free disk space watermark: {}", unit.show(&node["disk_free_limit"])),
            format!("Free disk space: {}", unit.show(&node["disk_free"])),
        ],
    );
    let totals = &object["totals"];
    sections.add(
        "Totals",
        &[
            format!("Connection count: {}", totals["connection_count"]),
            format!("Queue count: {}", totals["queue_count"]),
            format!("Virtual host count: {}", totals["virtual_host_count"]),
        ],
    );
    let lines: Vec<String> = listeners.iter().map(|one| capital(&in_words(one))).collect();
    sections.add("Listeners", &lines);
    let text = sections.text;
    call.out.object(object, &text)
}

fn status_object(overview: &Json, node: &Json, memory: &Json, vhosts: usize, listeners: &[Json]) -> Json {
    json!({
        "active_plugins": node["enabled_plugins"],
        "alarms": alarms(node),
        "config_files": node["config_files"],
        "data_directory": node["db_dir"],
        "disk_free": node["disk_free"],
        "disk_free_limit": node["disk_free_limit"],
        "file_descriptors": {
            "sockets_limit": node["sockets_total"], "sockets_used": node["sockets_used"],
            "total_limit": node["fd_total"], "total_used": node["fd_used"],
        },
        "harefoot_version": overview["harefoot_version"],
        "is_under_maintenance": node["being_drained"],
        "listeners": listeners,
        "log_files": node["log_files"],
        "memory": memory,
        "os": "Linux",
        "pid": text(&node["os_pid"]).parse::<u64>().unwrap_or_default(),
        "product_name": overview["product_name"],
        "product_version": overview["product_version"],
        "rabbitmq_version": overview["rabbitmq_version"],
        "totals": {
            "connection_count": overview["object_totals"]["connections"],
            "queue_count": overview["object_totals"]["queues"],
            "virtual_host_count": vhosts,
        },
        "uptime": node["uptime"].as_u64().unwrap_or_default() / 1000,
        "vm_memory_calculation_strategy": "rss",
        "vm_memory_high_watermark_limit": node["mem_limit"],
    })
}

fn memory_lines(node: &Json, memory: &Json, unit: &Unit) -> Vec<String> {
    let mut lines = vec![
        format!("Total memory used: {}", unit.show(&node["mem_used"])),
        "Calculation strategy: rss".to_owned(),
        format!("Memory high watermark: {}", unit.show(&node["mem_limit"])),
        String::new(),
    ];
    lines.extend(
        breakdown(memory)
            .into_iter()
            .map(|part| format!("{}: {} ({} %)", part.name, unit.show(&json!(part.bytes)), part.percent)),
    );
    lines
}

/// A part of the memory that is used.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) percent: f64,
}

/// What memory is used for, most first.
pub(super) fn breakdown(memory: &Json) -> Vec<Part> {
    let total = memory["total"]["rss"].as_f64().unwrap_or_default();
    let fields = memory.as_object().into_iter().flatten();
    let mut parts: Vec<Part> = fields
        .filter_map(|(name, value)| {
            value.as_u64().map(|bytes| (name, bytes, value.as_f64().unwrap_or_default()))
        })
        .map(|(name, bytes, amount)| {
            let share = if total > 0.0 { amount / total * 10_000.0 } else { 0.0 };
            Part { name: name.clone(), bytes, percent: share.round() / 100.0 }
        })
        .collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    parts
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

fn cluster_status(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Cluster status of node {name} ..."))?;
    let overview = call.get("overview")?;
    let node = call.get("nodes")?[0].take();
    let flags = call.get("feature-flags")?;
    let (listeners, alarms) = (listeners(&overview), alarms(&node));
    let version = text(&overview["rabbitmq_version"]).to_owned();
    let maintenance =
        if node["being_drained"] == true { "marked for maintenance" } else { "not under maintenance" };
    let mut sections = Sections { call, text: String::new() };
    sections.add(
        "Basics",
        &[
            format!("Cluster name: {}", text(&overview["cluster_name"])),
            format!("Total CPU cores available cluster-wide: {}", node["processors"]),
        ],
    );
    sections.add("Disk Nodes", std::slice::from_ref(&name));
    sections.add("Running Nodes", std::slice::from_ref(&name));
    sections.add(
        "Versions",
        &[format!("{name}: RabbitMQ {version}, which is Harefoot {}", text(&overview["harefoot_version"]))],
    );
    sections.add("CPU Cores", &[format!("Node: {name}, available CPU cores: {}", node["processors"])]);
    sections.add("Maintenance status", &[format!("Node: {name}, status: {maintenance}")]);
    sections.add_all("Alarms", &alarms);
    sections.add_all("Network Partitions", &[]);
    let lines: Vec<String> = listeners.iter().map(|one| format!("Node: {name}, {}", in_words(one))).collect();
    sections.add("Listeners", &lines);
    let lines: Vec<String> = flags
        .as_array()
        .into_iter()
        .flatten()
        .map(|flag| format!("Flag: {}, state: {}", text(&flag["name"]), text(&flag["state"])))
        .collect();
    sections.add("Feature flags", &lines);
    let text = sections.text;
    let object = json!({
        "alarms": alarms,
        "cluster_name": overview["cluster_name"],
        "disk_nodes": [name],
        "feature_flags": flags,
        "listeners": { (name.as_str()): listeners },
        "maintenance_status": { (name.as_str()): maintenance },
        "partitions": {},
        "ram_nodes": [],
        "running_nodes": [name],
        "versions": { (name.as_str()): { "rabbitmq_name": "RabbitMQ", "rabbitmq_version": version } },
    });
    call.out.object(object, &text)
}
