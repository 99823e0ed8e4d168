//! Commands of RabbitMQ that have no meaning here, or not yet: a sentence, and exit code 69.

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    tool::{CTL, DIAGNOSTICS, QUEUES, STREAMS, Tools},
};

const NO_ERLANG: &str = "There is no Erlang beneath this broker.";
const NO_CIPHERS: &str =
    "Settings are not encrypted here: keep the configuration file readable by its owner alone.";
const NO_CLUSTER: &str = "This node is alone: there are no clusters yet.";
const NO_APP: &str =
    "The broker and its process are one: stop it with 'rabbitmqctl shutdown', and start the program again.";
const NO_RESET: &str = "Stop the node with 'rabbitmqctl shutdown', and remove its data folder.";
const BY_POLICY: &str =
    "Set a policy with max-age or max-length-bytes instead: it applies to streams that exist.";
const NO_LINKS: &str = "There are no shovels and no federation yet.";
const NO_TRACKING: &str = "Failed logins are always counted by their sources: rabbitmqctl list_node_auth_attempt_stats --by-source.";
const NO_TOKENS: &str =
    "Users log in with passwords: there are no tokens of OAuth 2 yet whose keys could be added.";
const NO_RING: &str = "The buckets are not shown yet: they stand in the order of the bindings, each with as many as its key says.";
const KEY: &[Opt] = &[
    Opt::value("--json", "<json_key>", ""),
    Opt::value("--pem", "<public_key>", ""),
    Opt::value("--pem-file", "<pem_file>", ""),
];
const NO_FREE_DISK: &str = "Free disk space is always watched.";

const CIPHER: &[Opt] = &[
    Opt::value("--cipher", "<cipher>", ""),
    Opt::value("--hash", "<hash>", ""),
    Opt::value("--iterations", "<iterations>", ""),
];
const DURATION: &[Opt] = &[
    Opt::value("--duration", "<seconds>", "").short("-d"),
    Opt::value("--pattern", "<pattern>", ""),
    Opt::value("--number", "<number>", "").short("-N"),
    Opt::value("--interval", "<seconds>", "").short("-i"),
    Opt::value("--sample-interval", "<interval>", ""),
];

const fn command(
    name: &'static str,
    tools: Tools,
    group: Group,
    usage: &'static str,
    why: &'static str,
) -> Command {
    Command::new(name, tools, group, usage, why, refuse).words(0, usize::MAX)
}

pub(super) const COMMANDS: &[Command] = &[
    command("eval", CTL, Group::Operations, "<expression>", NO_ERLANG),
    command("eval_file", CTL, Group::Operations, "<file path>", NO_ERLANG),
    command("exec", CTL, Group::Operations, "<expression> [--offline]", NO_ERLANG)
        .options(&[Opt::flag("--offline", "")]),
    command(
        "force_gc",
        CTL,
        Group::Operations,
        "[--timeout <timeout>]",
        "Memory is given back as it becomes free: there is no garbage to collect.",
    ),
    command("observer", DIAGNOSTICS, Group::Monitoring, "[--interval <seconds>]", NO_ERLANG)
        .options(DURATION),
    command("remote_shell", DIAGNOSTICS, Group::Monitoring, "", NO_ERLANG),
    command("erlang_version", DIAGNOSTICS, Group::Monitoring, "[--timeout <timeout>]", NO_ERLANG)
        .options(&[Opt::flag("--details", ""), Opt::flag("--offline", "")]),
    command(
        "erlang_cookie_hash",
        DIAGNOSTICS,
        Group::Configuration,
        "[--timeout <timeout>]",
        "There is no cookie: the node's user and root need none.",
    ),
    command(
        "erlang_cookie_sources",
        DIAGNOSTICS,
        Group::Configuration,
        "[--timeout <timeout>]",
        "There is no cookie: the node's user and root need none.",
    ),
    command("maybe_stuck", DIAGNOSTICS, Group::Monitoring, "[--timeout <timeout>]", NO_ERLANG),
    command(
        "runtime_thread_stats",
        DIAGNOSTICS,
        Group::Monitoring,
        "[--sample-interval <interval>]",
        NO_ERLANG,
    )
    .options(DURATION),
    command(
        "schema_info",
        CTL | DIAGNOSTICS,
        Group::Monitoring,
        "[--no-table-headers] [<column> ...] [--timeout <timeout>]",
        "There are no tables: the metadata is a log.",
    ),
    command(
        "coordinator_status",
        DIAGNOSTICS | STREAMS,
        Group::Monitoring,
        "",
        "Streams have no coordinator here.",
    ),
    command("list_ciphers", CTL | DIAGNOSTICS, Group::Monitoring, "", NO_CIPHERS),
    command("list_hashes", CTL | DIAGNOSTICS, Group::Monitoring, "", NO_CIPHERS),
    command(
        "encode",
        CTL,
        Group::Configuration,
        "value passphrase [--cipher <cipher>] [--hash <hash>] [--iterations <iterations>]",
        NO_CIPHERS,
    )
    .options(CIPHER),
    command(
        "decode",
        CTL,
        Group::Configuration,
        "value passphrase [--cipher <cipher>] [--hash <hash>] [--iterations <iterations>]",
        NO_CIPHERS,
    )
    .options(CIPHER),
    command(
        "encrypt_conf_value",
        CTL,
        Group::Configuration,
        "value passphrase [--cipher <cipher>] [--hash <hash>] [--iterations <iterations>]",
        NO_CIPHERS,
    )
    .options(CIPHER),
    command(
        "decrypt_conf_value",
        CTL,
        Group::Configuration,
        "value passphrase [--cipher <cipher>] [--hash <hash>] [--iterations <iterations>]",
        NO_CIPHERS,
    )
    .options(CIPHER),
    command("start_app", CTL, Group::Nodes, "", NO_APP),
    command("stop_app", CTL, Group::Nodes, "", NO_APP),
    command("reset", CTL, Group::Nodes, "", NO_RESET),
    command("force_reset", CTL, Group::Cluster, "", NO_RESET),
    command("force_boot", CTL, Group::Cluster, "", NO_CLUSTER),
    command("force_standalone_khepri_boot", CTL, Group::Cluster, "", NO_CLUSTER),
    command("join_cluster", CTL, Group::Cluster, "[--disc|--ram] <existing_cluster_member>", NO_CLUSTER)
        .options(&[Opt::flag("--disc", ""), Opt::flag("--ram", "")]),
    command(
        "forget_cluster_node",
        CTL,
        Group::Cluster,
        "[--offline] <existing_cluster_member_node>",
        NO_CLUSTER,
    )
    .options(&[Opt::flag("--offline", "")]),
    command("change_cluster_node_type", CTL, Group::Cluster, "<disc | ram>", NO_CLUSTER),
    command("rename_cluster_node", CTL, Group::Deprecated, "", NO_CLUSTER),
    command("update_cluster_nodes", CTL, Group::Deprecated, "", NO_CLUSTER),
    command(
        "sync_queue",
        CTL,
        Group::Deprecated,
        "[--vhost <vhost>] <queue>",
        "There are no mirrored queues.",
    ),
    command(
        "cancel_sync_queue",
        CTL,
        Group::Deprecated,
        "[--vhost <vhost>] <queue>",
        "There are no mirrored queues.",
    ),
    command("hipe_compile", CTL, Group::Deprecated, "<directory>", NO_ERLANG),
    command(
        "reclaim_quorum_memory",
        DIAGNOSTICS | QUEUES,
        Group::Operations,
        "[--vhost <vhost>] <quorum queue>",
        "Memory of quorum queues is given back as it becomes free.",
    ),
    command(
        "set_stream_retention_policy",
        STREAMS,
        Group::Policies,
        "[--vhost <vhost>] <name> <policy>",
        BY_POLICY,
    ),
    command(
        "restart_stream",
        STREAMS,
        Group::Replication,
        "[--vhost <vhost>] <stream> [--preferred-leader-node <node>]",
        "A stream here is no process that could be restarted.",
    )
    .options(&[Opt::value("--preferred-leader-node", "<node>", "")]),
    command("shovel_status", CTL | DIAGNOSTICS, Group::Other, "", NO_LINKS),
    command("delete_shovel", CTL, Group::Other, "[--vhost <vhost>] <name>", NO_LINKS),
    command("restart_shovel", CTL, Group::Other, "[--vhost <vhost>] <name>", NO_LINKS),
    command("federation_status", CTL | DIAGNOSTICS, Group::Other, "[--only-down]", NO_LINKS)
        .options(&[Opt::flag("--only-down", "")]),
    command("restart_federation_link", CTL, Group::Other, "<link_id>", NO_LINKS),
    command(
        "add_signing_key",
        CTL,
        Group::Other,
        "<name> [--json=<json_key>] [--pem=<public_key>] [--pem-file=<pem_file>]",
        NO_TOKENS,
    )
    .options(KEY),
    command(
        "add_uaa_key",
        CTL,
        Group::Deprecated,
        "<name> [--json=<json_key>] [--pem=<public_key>] [--pem-file=<pem_file>]",
        NO_TOKENS,
    )
    .options(KEY),
    command(
        "consistent_hash_exchange_ring_state",
        DIAGNOSTICS,
        Group::Monitoring,
        "[--vhost <vhost>] <exchange>",
        NO_RING,
    ),
    command("disable_auth_attempt_source_tracking", DIAGNOSTICS, Group::Configuration, "", NO_TRACKING),
    command(
        "activate_free_disk_space_monitoring",
        CTL | DIAGNOSTICS,
        Group::Monitoring,
        "[--timeout <timeout>]",
        NO_FREE_DISK,
    ),
    command(
        "deactivate_free_disk_space_monitoring",
        CTL | DIAGNOSTICS,
        Group::Monitoring,
        "[--timeout <timeout>]",
        NO_FREE_DISK,
    ),
];

fn refuse(call: &mut Call) -> Result<(), Failure> {
    let why = call.line.command.map_or("", |command| command.summary);
    Err(Failure::unavailable(why))
}
