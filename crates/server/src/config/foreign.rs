//! RabbitMQ's keys that do nothing here: accepted with a warning, or refused where silence would be dangerous.
//!
//! A key is refused if a file that sets it counts on a protection (TLS, another authority over users, a password rule)
//! that would silently be missing. Not here: keys that have an effect (`table`).
//!
//! Patterns: `$` is any one word, a last `**` is any further words or none. The first pattern that fits decides, so the
//! exact ones stand before the families.

/// What becomes of such a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Accepted with one warning.
    NoEffect(&'static str),
    /// Stops the start, unless the value is one of `unless`, which asks for nothing.
    Refused { reason: &'static str, unless: &'static [&'static str] },
}

/// A row: which keys, and what becomes of them.
pub(crate) type Row = (&'static [&'static str], Verdict);

const fn refused(reason: &'static str) -> Verdict {
    Verdict::Refused { reason, unless: &[] }
}

const BACKEND: &str =
    "users are only looked up in the node itself; another authority would silently not be asked";
const LATER: &str = "the feature does not exist yet";
const ERLANG: &str = "it tunes a mechanism of RabbitMQ that does not exist here";
const CLUSTER: &str = "this is a single node";
const STDERR: &str = "logs go to the standard error output";

/// Every key of RabbitMQ 3.10 to 4.3 that is not in the table of keys.
pub(crate) static ROWS: &[Row] = &[
    (
        &[
            "ssl_options.crl_check",
            "ssl_options.crl_cache",
            "management.ssl.crl_check",
            "prometheus.ssl.crl_check",
            "management.listener.ssl_opts.crl_check",
        ],
        Verdict::Refused { reason: "certificates that were revoked would be let in", unless: &["false"] },
    ),
    (&["trust_store.**"], refused("it does not exist yet, and what it is to protect would be open")),
    (
        &[
            "auth_backends.$",
            "auth_backends.$.authn",
            "auth_backends.$.authz",
            "http_dispatch.auth_backends.**",
        ],
        Verdict::Refused { reason: BACKEND, unless: &["internal", "rabbit_auth_backend_internal"] },
    ),
    (&["auth_ldap.**", "auth_http.**", "auth_oauth2.**", "auth_cache.**"], refused(BACKEND)),
    (
        &["credential_validator.validation_backend"],
        Verdict::Refused {
            reason: "passwords are not checked against any rule",
            unless: &["rabbit_credential_validator_accept_everything"],
        },
    ),
    (&["credential_validator.**"], refused("passwords are not checked against any rule")),
    (
        &["proxy_protocol"],
        Verdict::Refused {
            reason: "the PROXY protocol is not available yet, and every client would look like the proxy, \
                     on the loopback perhaps",
            unless: &["false"],
        },
    ),
    (
        &["definitions.import_backend"],
        Verdict::Refused {
            reason: "definitions are only read from files, and the node would come up without them",
            unless: &["local_filesystem"],
        },
    ),
    (
        &["definitions.https.**", "definitions.tls.**", "definitions.ssl.**"],
        refused("definitions are only read from files, and the node would come up without them"),
    ),
    (
        &["definitions.skip_if_unchanged"],
        Verdict::NoEffect("what is there already is left as it is, or set to the same"),
    ),
    (
        &["management.disable_basic_auth"],
        Verdict::Refused { reason: "the HTTP API knows no other way to log in", unless: &["false"] },
    ),
    (
        &["prometheus.authentication.enabled"],
        Verdict::Refused { reason: "the metrics endpoint asks for no password", unless: &["false"] },
    ),
    (&["config_entry_decoder.**"], refused("encrypted values are not supported")),
    // From here on nothing is lost but the effect.
    (
        &["stomp.**", "mqtt.**", "stream.**", "web_mqtt.**", "web_stomp.**", "amqp1_0.**"],
        Verdict::NoEffect(LATER),
    ),
    (
        &[
            "management.rates_mode",
            "management.sample_retention_policies.**",
            "management.path_prefix",
            "management.enable_uaa",
            "management.oauth_enabled",
            "management.headers.**",
            "management.restrictions.**",
            "management.require_auth_for_api_reference",
            "management_agent.**",
            "prometheus.path",
            "prometheus.return_per_object_metrics",
            "prometheus.filter_aggregated_queue_metrics_pattern",
            "prometheus.tcp.backlog",
            "prometheus.tcp.compress",
            "prometheus.tcp.idle_timeout",
            "prometheus.tcp.inactivity_timeout",
            "prometheus.tcp.max_keepalive",
            "prometheus.tcp.request_timeout",
            "prometheus.tcp.shutdown_timeout",
            "http_dispatch.**",
        ],
        Verdict::NoEffect(LATER),
    ),
    (
        &[
            "management.http_log_dir",
            "management.db_cache_multiplier",
            "management.process_stats_gc_timeout",
            "management.stats_event_max_backlog",
            "management.delegate_count",
            "management.listener.server.**",
            "management.tcp.backlog",
            "management.tcp.compress",
            "management.tcp.idle_timeout",
            "management.tcp.inactivity_timeout",
            "management.tcp.request_timeout",
            "management.tcp.shutdown_timeout",
            "management.tcp.max_keepalive",
        ],
        Verdict::NoEffect(ERLANG),
    ),
    (&["shovel.**", "federation.**", "tracing.**", "event_exchange.protocol"], Verdict::NoEffect(LATER)),
    (
        &[
            "quorum_queue.initial_cluster_size",
            "quorum_queue.commands_soft_limit",
            "quorum_queue.continuous_membership_reconciliation.**",
        ],
        Verdict::NoEffect("queues have one replica, on this node"),
    ),
    (
        &["quorum_queue.$", "raft.**", "classic_queue.default_version"],
        Verdict::NoEffect("all queues are in one log of the node, in one format, with checksums"),
    ),
    (
        &[
            "default_policies.operator.$.max_in_memory_bytes",
            "default_policies.operator.$.max_in_memory_length",
            "default_policies.operator.$.classic_queues.$",
        ],
        Verdict::NoEffect(
            "there is one version of queues, on one node, and what is in memory is the node's affair",
        ),
    ),
    (&["channel_interceptor.**"], Verdict::NoEffect(LATER)),
    (
        &[
            "session_max_per_connection",
            "link_max_per_session",
            "consumer_disconnected_timeout",
            "reverse_dns_lookups",
            "deprecated_features.permit.$",
            "tcp_listen_options.**",
            "collect_statistics",
            "collect_statistics_interval",
            "motd_file",
            "prevent_startup_if_node_was_reset",
        ],
        Verdict::NoEffect(LATER),
    ),
    (
        &[
            "cluster_name",
            "cluster_formation.**",
            "cluster_partition_handling.**",
            "cluster_keepalive_interval",
            "cluster_tags.$",
            "node_tags.$",
            "net_ticktime",
            "distribution.**",
            "queue_master_locator",
            "queue_leader_locator",
            "mirroring_sync_batch_size",
            "mirroring_sync_max_throughput",
            "mnesia_table_loading_retry_limit",
            "mnesia_table_loading_retry_timeout",
            "metadata_store.**",
            "aws.**",
        ],
        Verdict::NoEffect(CLUSTER),
    ),
    (&["log.dir", "log.file.**", "log.syslog.**", "log.journald.**"], Verdict::NoEffect(STDERR)),
    (
        &[
            "log.channel.**",
            "log.connection.**",
            "log.console.color_esc_seqs.$",
            "log.console.formatter.json.$",
            "log.console.formatter.level_format",
            "log.console.formatter.plaintext.format",
            "log.console.formatter.single_line",
            "log.console.formatter.time_format",
            "log.console.use_colors",
            "log.default.rotation.$",
            "log.error_logger_format_depth",
            "log.federation.**",
            "log.mirroring.**",
            "log.queue.**",
            "log.ra.**",
            "log.summarize_process_state",
            "log.upgrade.**",
            "log.user.**",
        ],
        Verdict::NoEffect("only the level and the form of all logs can be chosen"),
    ),
    (
        &["password_hashing_module"],
        Verdict::NoEffect(
            "new passwords are always kept as salted SHA-256, those of other forms stay usable",
        ),
    ),
    (
        &["ssl_allow_poodle_attack", "num_acceptors.ssl", "amqp_client.**", "amqp10_client.**"],
        Verdict::NoEffect(ERLANG),
    ),
    (
        &[
            "ssl_options.bypass_pem_cache",
            "ssl_options.client_renegotiation",
            "ssl_options.dh",
            "ssl_options.dhfile",
            "ssl_options.eccs.$",
            "ssl_options.hibernate_after",
            "ssl_options.honor_ecc_order",
            "ssl_options.log_alert",
            "ssl_options.log_level",
            "ssl_options.max_fragment_length",
            "ssl_options.psk_identity",
            "ssl_options.reuse_sessions",
            "ssl_options.secure_renegotiate",
            "ssl_options.signature_algs.$",
            "management.ssl.backlog",
            "management.ssl.client_renegotiation",
            "management.ssl.compress",
            "management.ssl.dhfile",
            "management.ssl.honor_ecc_order",
            "management.ssl.idle_timeout",
            "management.ssl.inactivity_timeout",
            "management.ssl.max_keepalive",
            "management.ssl.request_timeout",
            "management.ssl.secure_renegotiate",
            "management.ssl.shutdown_timeout",
            "prometheus.ssl.backlog",
            "prometheus.ssl.client_renegotiation",
            "prometheus.ssl.compress",
            "prometheus.ssl.dhfile",
            "prometheus.ssl.honor_ecc_order",
            "prometheus.ssl.idle_timeout",
            "prometheus.ssl.inactivity_timeout",
            "prometheus.ssl.max_keepalive",
            "prometheus.ssl.request_timeout",
            "prometheus.ssl.secure_renegotiate",
            "prometheus.ssl.shutdown_timeout",
            "management.listener.ssl_opts.client_renegotiation",
            "management.listener.ssl_opts.dhfile",
            "management.listener.ssl_opts.honor_ecc_order",
            "management.listener.ssl_opts.secure_renegotiate",
        ],
        Verdict::NoEffect(
            "TLS is that of rustls, which never negotiates anew and has no weak forms to choose from",
        ),
    ),
    (
        &[
            "background_gc_enabled",
            "background_gc_target_interval",
            "default_worker_pool_size",
            "delegate_count",
            "erlang.K",
            "hipe_compile",
            "memory_monitor_interval",
            "message_store_shutdown_timeout",
            "num_acceptors.tcp",
            "queue_index_embed_msgs_below",
            "ranch_connection_max",
            "socket_writer.**",
            "sysmon_handler.**",
            "vhost_restart_strategy",
            "vm_memory_calculation_strategy",
            "vm_memory_high_watermark_paging_ratio",
        ],
        Verdict::NoEffect(ERLANG),
    ),
];

/// What becomes of the key, if it is one of these.
pub(crate) fn verdict(words: &[String]) -> Option<Verdict> {
    let fits = |patterns: &&[&str]| patterns.iter().any(|pattern| matches(pattern, words));
    ROWS.iter().find(|(patterns, _)| fits(patterns)).map(|(_, verdict)| *verdict)
}

fn matches(pattern: &str, words: &[String]) -> bool {
    let mut words = words.iter();
    for own in pattern.split('.') {
        match (own, words.next()) {
            ("**", _) => return true,
            ("$", Some(_)) => {}
            (fixed, Some(word)) if fixed == word => {}
            _ => return false,
        }
    }
    words.next().is_none()
}
