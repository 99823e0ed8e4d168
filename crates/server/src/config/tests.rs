//! Whole configurations: what a text adds up to, which source wins, and the sentences that refuse it.

use std::{collections::BTreeSet, path::PathBuf};

use broker::{
    stamps::{Stamp, Stamps},
    topology::QueueKind,
};
use clap::Parser;
use model::{Name, Secret};

use super::{
    settings::{ConnectionLimits, DiskFreeLimit, LogFormat, LogLevel, Mechanism, Watermark},
    *,
};
use crate::arguments::{Arguments, Command};

mod tls;

fn resolve_all(line: &str, variables: &[(&str, &str)], text: &str) -> Result<Settings, Problems> {
    let words = std::iter::once("harefoot").chain(line.split_whitespace());
    let command = Arguments::try_parse_from(words).unwrap().into_command();
    let Command::Serve(arguments) = command else { panic!("{command:?}") };
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    let file = File { path: Path::new("x.conf"), text };
    resolve(&arguments, &Environment::parse(variables), Some(file), "host")
}

/// The defaults, as a file that changes none of them leaves them.
fn defaults_after_a_file() -> Settings {
    Settings { config_files: vec!["x.conf".into()], ..Settings::defaults("host") }
}

/// The settings that a file adds up to; it must not be warned of.
fn read(text: &str) -> Settings {
    let settings = resolve_all("", &[], text).unwrap_or_else(|problems| panic!("{text:?}: {problems}"));
    assert_eq!(settings.warnings, [], "{text:?}");
    settings
}

fn warnings(text: &str) -> Vec<String> {
    resolve_all("", &[], text).unwrap().warnings.iter().map(ToString::to_string).collect()
}

fn refusal(text: &str) -> String {
    resolve_all("", &[], text).unwrap_err().to_string()
}

fn check_refusal(text: &str, sentence: &str) {
    assert_eq!(refusal(text), format!("the configuration has a problem:\n  x.conf:1: {sentence}"));
}

fn amqp(settings: &Settings) -> Vec<String> {
    settings.listeners.amqp.iter().map(|listen| listen.address.to_string()).collect()
}

fn names(names: &BTreeSet<Name>) -> Vec<&str> {
    names.iter().map(Name::as_str).collect()
}

#[test]
fn an_empty_file_is_the_default() {
    let settings = read("");
    assert_eq!(settings, defaults_after_a_file());
    assert_eq!(amqp(&settings), ["127.0.0.1:5672", "[::1]:5672"]);
    assert_eq!(settings.listeners.amqp.iter().map(|l| l.optional).collect::<Vec<_>>(), [false, true]);
    assert_eq!(settings.node_name, "rabbit@host");
}

/// The column of defaults is what happens: a file that writes it out changes nothing.
#[test]
fn every_default_of_the_table_is_the_default() {
    for key in table::keys() {
        let is_written = !key.default.starts_with('(');
        if is_written {
            let settings = read(&format!("{} = {}", key.name, key.default));
            assert_eq!(settings, defaults_after_a_file(), "{}", key.name);
        } else {
            assert!(key.default.ends_with(')'), "{}", key.name);
        }
    }
}

#[test]
fn no_name_stands_twice_and_none_is_foreign_too() {
    let distinct: BTreeSet<_> = table::keys().map(|key| key.name).collect();
    assert_eq!(distinct.len(), table::keys().count());
    for key in table::keys() {
        let words: Vec<_> = key.name.split('.').map(str::to_owned).collect();
        let verdict = foreign::verdict(&words);
        assert!(verdict.is_none(), "{} is {verdict:?}", key.name);
    }
}

#[test]
fn listeners_are_those_of_the_file() {
    assert_eq!(amqp(&read("listeners.tcp.default = 5673")), ["0.0.0.0:5673", "[::]:5673"]);
    let two = "listeners.tcp.1 = 127.0.0.1:1\nlisteners.tcp.2 = ::1:2\nlisteners.tcp.3 = 127.0.0.1:1";
    assert_eq!(amqp(&read(two)), ["127.0.0.1:1", "[::1]:2"]);
    assert_eq!(amqp(&read("listeners.tcp.default = 5673\nlisteners.tcp = none")), [""; 0]);
}

#[test]
fn the_first_user_is_that_of_the_file() {
    let user = read(
        "default_user = alice\ndefault_pass = 's # t'\ndefault_vhost = shop\n\
         default_user_tags.management = true\ndefault_user_tags.administrator = false\n\
         default_permissions.configure = ^a\ndefault_permissions.write = ''\ndefault_permissions.read = b",
    )
    .first_user;
    assert_eq!((user.name.as_str(), user.vhost.as_str()), ("alice", "shop"));
    assert_eq!(read("event_exchange.vhost = audit").event_vhost.as_deref(), Some("audit"));
    assert_eq!(user.password, Secret::new("s # t"));
    assert_eq!(user.tags, BTreeSet::from(["management".to_owned()]));
    let permissions = user.permissions;
    assert_eq!(
        [permissions.configure.as_str(), permissions.write.as_str(), permissions.read.as_str()],
        ["^a", "", "b"]
    );
}

#[test]
fn loopback_users_keep_guest_until_told_otherwise() {
    let users = |text| names(&read(text).loopback_users).join(" ");
    assert_eq!(users("loopback_users.alice = true"), "alice guest");
    assert_eq!(users("loopback_users.guest = false"), "");
    assert_eq!(users("loopback_users = none\nloopback_users.alice = true"), "");
}

/// Both are what RabbitMQ 4.0.5 does when nobody tells it.
#[test]
fn what_is_not_set_is_what_the_protocol_takes_for_granted() {
    let (ours, protocol) = (read("").connection, amqp091::Settings::default());
    assert_eq!(
        (ours.heartbeat_s, ours.frame_max, ours.initial_frame_max, ours.channel_max, ours.message_bytes_max),
        (
            protocol.heartbeat_seconds,
            protocol.frame_max,
            protocol.initial_frame_max,
            protocol.channel_max,
            protocol.message_bytes_max
        )
    );
}

#[test]
fn limits_of_connections() {
    let limits = read(
        "heartbeat = 0\nframe_max = 256kb\ninitial_frame_max = 8kb\nmax_channels_per_connection = 7\n\
         max_connections = 100\nmax_message_size = 1MB\nhandshake_timeout = infinity\nconsumer_timeout = 5\n\
         harefoot.consumer_timeout_action = close_channel\n\
         channel_max_per_node = 5\nconsumer_max_per_channel = 6\n\
         auth_mechanisms.2 = PLAIN\nauth_mechanisms.1 = AMQPLAIN",
    )
    .connection;
    assert_eq!((limits.heartbeat_s, limits.frame_max, limits.initial_frame_max), (0, 262_144, 8192));
    assert_eq!((limits.channel_max, limits.connections_max), (7, Some(100)));
    assert_eq!((limits.message_bytes_max, limits.consumer_timeout_ms), (1_000_000, Some(5)));
    assert_eq!((limits.node_channels_max, limits.channel_consumers_max), (Some(5), Some(6)));
    assert!(limits.timeout_closes_channel && !ConnectionLimits::default().timeout_closes_channel);
    assert_eq!(limits.handshake_timeout_ms, None);
    assert_eq!(limits.mechanisms, [Mechanism::AmqPlain, Mechanism::Plain]);
    assert_eq!(read("channel_max = 0\nconnection_max = 3").connection.connections_max, Some(3));
}

#[test]
fn the_absolute_limit_outranks_the_relative_one() {
    let memory = |text| resolve_all("", &[], text).unwrap().memory.high_watermark;
    let (relative, absolute) =
        ("vm_memory_high_watermark.relative = 0.4", "vm_memory_high_watermark.absolute = 2GiB");
    assert_eq!(memory(relative), Watermark::Relative(0.4));
    assert_eq!(memory(absolute), Watermark::Absolute(2 << 30));
    assert_eq!(memory(&format!("{absolute}\n{relative}")), Watermark::Absolute(2 << 30));
    let expected = "line 2: `vm_memory_high_watermark.relative` has no effect, since \
                    `vm_memory_high_watermark.absolute` is set";
    assert_eq!(warnings(&format!("{absolute}\n{relative}")), [expected]);
    assert_eq!(read("disk_free_limit.relative = 1.5").disk_free_limit, DiskFreeLimit::OfMemory(1.5));
    assert_eq!(
        read("disk_free_limit.absolute = 2GB").disk_free_limit,
        DiskFreeLimit::Absolute(2_000_000_000)
    );
    assert_eq!(read("total_memory_available_override_value = 4GB").memory.total_bytes, Some(4_000_000_000));
}

#[test]
fn thresholds_in_bytes() {
    assert_eq!(Watermark::Relative(0.5).bytes(1000), 500);
    assert_eq!(Watermark::Absolute(2000).bytes(1000), 1000);
    assert_eq!(DiskFreeLimit::Default.bytes(1000, 16 << 20), 50_000_000);
    assert_eq!(DiskFreeLimit::Absolute(20_000_000).bytes(1000, 16 << 20), 20_000_000);
    assert_eq!(DiskFreeLimit::Absolute(1).bytes(1000, 16 << 20), 16 << 20);
    assert_eq!(DiskFreeLimit::OfMemory(2.0).bytes(1000, 1), 2000);
}

#[test]
fn the_log_is_set_by_the_most_exact_key() {
    let log = read("log.console.level = debug\nlog.level = error\nlog.console.formatter = json").log;
    assert_eq!((log.level, log.format), (LogLevel::Debug, LogFormat::Json));
    assert_eq!(read("log.default.level = notice").log.level, LogLevel::Warning);
    assert_eq!(warnings("log.console = false").len(), 1);
    assert_eq!(warnings("log.file = rabbit.log").len(), 1);
}

#[test]
fn own_keys_and_their_older_names() {
    let settings = read("harefoot.product = X\nharefoot.product_version = 9\nharefoot.data_dir = /srv");
    assert_eq!((settings.identity.product.as_str(), settings.identity.version.as_str()), ("X", "9"));
    assert_eq!(settings.data_dir, PathBuf::from("/srv"));
    assert_eq!(read("product.name = Y").identity.product, "Y");
}

#[test]
fn the_stronger_source_wins() {
    let text = "harefoot.data_dir = /file\ndefault_user = file\nlisteners.tcp.x = 127.0.0.1:1";
    let variables =
        [("HAREFOOT_DATA_DIR", "/env"), ("RABBITMQ_DEFAULT_USER", "env"), ("RABBITMQ_NODE_PORT", "2")];
    let file = resolve_all("", &[], text).unwrap();
    assert_eq!((file.data_dir.to_str(), amqp(&file).join(" ")), (Some("/file"), "127.0.0.1:1".to_owned()));
    let environment = resolve_all("", &variables, text).unwrap();
    assert_eq!(environment.data_dir, PathBuf::from("/env"));
    assert_eq!(environment.first_user.name.as_str(), "env");
    assert_eq!(amqp(&environment), ["127.0.0.1:2"]);
    let line = "--data-dir /line --listen localhost:3 --metrics-listen 127.0.0.1:4";
    let all = resolve_all(line, &variables, text).unwrap();
    assert_eq!(all.data_dir, PathBuf::from("/line"));
    assert_eq!(amqp(&all), ["127.0.0.1:3", "[::1]:3"]);
    assert_eq!(all.listeners.metrics.len(), 1);
    assert!(all.listeners.management.iter().all(|listen| listen.optional), "nobody asked for it");
}

#[test]
fn the_http_api_listens_where_it_is_told_to() {
    let found = |line: &str, text: &str| {
        let settings = resolve_all(line, &[], text).unwrap();
        let listens = settings.listeners.management.iter();
        listens
            .map(|listen| format!("{}{}", listen.address, if listen.optional { "?" } else { "" }))
            .collect::<Vec<_>>()
    };
    assert_eq!(found("", ""), ["127.0.0.1:15672?", "[::1]:15672?"]);
    assert_eq!(found("", "management.tcp.port = 99"), ["0.0.0.0:99", "[::]:99?"]);
    assert_eq!(found("", "management.listener.ip = 10.0.0.1"), ["10.0.0.1:15672"]);
    assert_eq!(found("", "management.tcp.ip = ::1\nmanagement.tcp.port = 9"), ["[::1]:9"]);
    assert_eq!(found("--management-listen none", "management.tcp.port = 99"), [""; 0]);
    assert!(resolve_all("", &[], "management.tcp.ip = here").is_err());
}

#[test]
fn metrics_are_served_where_they_are_told_to() {
    let found = |line: &str, text: &str| {
        let settings = resolve_all(line, &[], text).unwrap();
        settings.listeners.metrics.iter().map(|listen| listen.address.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found("", ""), ["127.0.0.1:15692", "[::1]:15692"]);
    assert_eq!(found("", "prometheus.tcp.port = 99"), ["0.0.0.0:99", "[::]:99"]);
    assert_eq!(found("", "prometheus.tcp.ip = 10.0.0.1"), ["10.0.0.1:15692"]);
    assert_eq!(found("--metrics-listen none", "prometheus.tcp.port = 99"), [""; 0]);
}

#[test]
fn what_browsers_are_told() {
    let http = read(
        "management.login_session_timeout = 2\nmanagement.cors.allow_origins.2 = *\n\
         management.cors.allow_origins.1 = https://console.example\nmanagement.cors.max_age = 60\n\
         management.csp.policy = default-src 'none'\nmanagement.hsts.policy = max-age=1",
    )
    .http;
    assert_eq!((http.session_ms, http.cors_max_age_s), (120_000, 60));
    assert_eq!(http.cors_origins, ["https://console.example", "*"]);
    assert_eq!((http.csp.as_deref(), http.hsts.as_deref()), (Some("default-src 'none'"), Some("max-age=1")));
    assert_eq!(read("").http.cors_origins, [""; 0]);
}

#[test]
fn a_port_from_the_environment_opens_nothing() {
    let found = |variables: &[(&str, &str)], text| amqp(&resolve_all("", variables, text).unwrap());
    let port = ("RABBITMQ_NODE_PORT", "7");
    assert_eq!(found(&[port], ""), ["127.0.0.1:7", "[::1]:7"]);
    assert_eq!(found(&[port], "listeners.tcp = none"), ["127.0.0.1:7", "[::1]:7"]);
    assert_eq!(found(&[port, ("RABBITMQ_NODE_IP_ADDRESS", "::")], ""), ["0.0.0.0:7", "[::]:7"]);
    assert_eq!(found(&[("RABBITMQ_NODE_IP_ADDRESS", "10.0.0.1")], ""), ["10.0.0.1:5672"]);
}

#[test]
fn a_node_name_is_completed() {
    let name = |name| resolve_all("", &[("RABBITMQ_NODENAME", name)], "").unwrap().node_name;
    assert_eq!(name("mq"), "mq@host");
    assert_eq!(name("mq@other"), "mq@other");
}

#[test]
fn an_unknown_key_names_its_neighbour() {
    check_refusal("hartbeat = 3", "unknown key `hartbeat`; the nearest known key is `heartbeat`");
    check_refusal(
        "listener.tcp.local = 5672",
        "unknown key `listener.tcp.local`; the nearest known key is `listeners.tcp.local`",
    );
    check_refusal("net_tiktime = 3", "unknown key `net_tiktime`; the nearest known key is `net_ticktime`");
    check_refusal("colour = blue", "unknown key `colour`");
}

#[test]
fn a_wrong_value_says_what_is_expected() {
    check_refusal("heartbeat = often", "`heartbeat` cannot be `often`: expected an integer, 0 to 65535");
    check_refusal(
        "frame_max = 100",
        "`frame_max` cannot be `100`: expected bytes, 0 or 4096 to 4294967295, such as 131072 or 128kb",
    );
    check_refusal(
        "vm_memory_high_watermark.relative = 60",
        "`vm_memory_high_watermark.relative` cannot be `60`: expected a decimal from 0 to 1",
    );
    check_refusal(
        "listeners.tcp.x = localhost",
        "`listeners.tcp.x` cannot be `localhost`: expected a port, or an address with a port: \
         5672, 127.0.0.1:5672, [::1]:5672",
    );
    for wrong in [
        "max_connections = -1",
        "max_message_size = 513MiB",
        "consumer_timeout = 0",
        "disk_free_limit.absolute = 1 GB",
        "log.console.level = loud",
        "loopback_users = guest",
        "loopback_users.guest = no",
        "default_user = ''",
        "auth_mechanisms.1 = plain",
    ] {
        assert!(refusal(wrong).contains("expected"), "{wrong}");
    }
}

#[test]
fn every_problem_is_told_at_once_in_order() {
    let text = "heartbeat = x\nnonsense\nframe_max = 1\nssl_options.crl_check = true\n";
    let told = resolve_all("", &[("RABBITMQ_NODE_PORT", "y")], text).unwrap_err().to_string();
    let starts: Vec<_> = told.lines().skip(1).map(|line| line.trim().split(": ").next().unwrap()).collect();
    let expected =
        ["environment variable RABBITMQ_NODE_PORT", "x.conf:1", "x.conf:2", "x.conf:3", "x.conf:4"];
    assert_eq!(starts, expected);
    assert!(told.starts_with("the configuration has 5 problems:"));
}

#[test]
fn no_sentence_shows_a_secret() {
    let text = "default_pass = encrypted:hunter2\ndefault_pass = ''\n";
    let told = refusal(text);
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(told.lines().count(), 3);
    let shown = format!("{:?}", read("default_pass = hunter2"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn anonymous_is_offered_only_by_name() {
    let anonymous = |text: &str| {
        let limits = read(text).connection;
        let is_offered = limits.mechanisms.contains(&Mechanism::Anonymous);
        (is_offered, limits.anonymous_user.map(|user| user.to_string()), limits.anonymous_password)
    };
    let guest = || (Some("guest".to_owned()), Secret::new("guest"));
    assert_eq!(anonymous(""), (false, guest().0, guest().1));
    assert_eq!(anonymous("auth_mechanisms.1 = ANONYMOUS"), (true, guest().0, guest().1));
    let text = "auth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = ANONYMOUS\nanonymous_login_user = somebody\nanonymous_login_pass = x";
    assert_eq!(anonymous(text), (true, Some("somebody".to_owned()), Secret::new("x")));
    let text = "auth_mechanisms.1 = ANONYMOUS\nanonymous_login_user = none";
    assert!(refusal(text).contains("nobody logs in by it"));
    assert_eq!(
        warnings("anonymous_login_user = somebody"),
        ["line 1: ANONYMOUS is offered only if `auth_mechanisms` has it"]
    );
}

#[test]
fn a_missing_protection_stops_the_start() {
    for line in [
        "ssl_options.crl_check = true",
        "trust_store.directory = x",
        "prometheus.ssl.crl_check = true",
        "auth_backends.1 = ldap",
        "auth_backends.2.authn = http",
        "auth_ldap.servers.1 = x",
        "auth_http.user_path = x",
        "auth_oauth2.resource_server_id = x",
        "credential_validator.validation_backend = rabbit_credential_validator_min_password_length",
        "credential_validator.min_length = 8",
        "proxy_protocol = true",
        "definitions.import_backend = https",
    ] {
        let told = refusal(line);
        assert!(told.contains("would be unsafe"), "{told}");
    }
}

#[test]
fn what_asks_for_nothing_is_accepted_silently() {
    read(
        "listeners.ssl = none\nauth_backends.1 = internal\nauth_backends.1.authz = rabbit_auth_backend_internal\n\
         proxy_protocol = false\nlog.console = true",
    );
}

#[test]
fn limits_of_the_whole_node() {
    let text = "vhost_max = 5\ncluster_queue_limit = 4\ncluster_exchange_limit = 200\nruntime_parameters.limits.shovel = 1\n\
                quorum_queue.property_equivalence.relaxed_checks_on_redeclaration = true\n";
    let metadata = read(text).metadata;
    let limits = (metadata.vhosts_max, metadata.queues_max, metadata.exchanges_max);
    assert_eq!(limits, (Some(5), Some(4), Some(200)));
    let rules = metadata.node_rules(|| [0; 4]).unwrap();
    assert_eq!((rules.vhosts_max, rules.queues_max, rules.exchanges_max), limits);
    assert_eq!(rules.parameters_max, [(Name::parse("shovel").unwrap(), 1)].into());
    assert!(rules.quorum_passes_for_classic);
}

#[test]
fn a_mechanism_that_is_not_there_is_not_offered() {
    let told = warnings("auth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = RABBIT-CR-DEMO");
    assert_eq!(told, ["line 2: the mechanism RABBIT-CR-DEMO does not exist here and is not offered"]);
}

#[test]
fn types_that_are_switched_off() {
    let text = "queue_types.stream.enabled = false\nqueue_types.classic.enabled = true\n\
                exchange_types.local_random.enabled = false";
    let rules = read(text).metadata.node_rules(|| [0; 4]).unwrap();
    assert_eq!((rules.queue_types_off, rules.is_local_random_off), (vec![QueueKind::Stream], true));
    let rules = read("").metadata.node_rules(|| [0; 4]).unwrap();
    assert_eq!((rules.queue_types_off, rules.is_local_random_off), (vec![], false));
}

#[test]
fn what_is_written_on_messages() {
    assert_eq!(read("").stamps, Stamps::default());
    let text = "message_interceptors.incoming.set_header_timestamp.overwrite = true\n\
                message_interceptors.incoming.set_header_routing_node.overwrite = false\n";
    assert_eq!(
        read(text).stamps,
        Stamps { time: Some(Stamp::Overwrite), node: Some(Stamp::Keep), sent: false }
    );
    let told = read("message_interceptors.outgoing.timestamp.enabled = true").stamps;
    assert_eq!(told, Stamps { sent: true, ..Stamps::default() });
}

/// What RabbitMQ 4.0.5 made of the same file in new vhosts.
#[test]
fn what_new_vhosts_begin_with() {
    let text = "default_limits.vhosts.10.max_queues = 7\ndefault_limits.vhosts.2.pattern = ^dev\n\
                default_limits.vhosts.2.max_connections = 10\ndefault_policies.operator.a.vhost_pattern = ^dev\n\
                default_policies.operator.a.queue_pattern = ^big\ndefault_policies.operator.a.expires = 1h\n\
                default_policies.operator.a.max_length_bytes = 1MB\ndefault_policies.operator.none.vhost_pattern = x\n\
                default_users.alice.vhost_pattern = ^dev\ndefault_users.alice.password = wonder\n\
                default_users.alice.configure = ^a\ndefault_users.alice.tags = monitoring, management\n\
                default_users.bob.read = ^b\n";
    let new = read(text).metadata.node_rules(|| [7; 4]).unwrap().new_vhosts;
    let limits: Vec<_> = new.limits.iter().map(|(_, of)| (of.max_connections, of.max_queues)).collect();
    assert_eq!(limits, [(Some(10), None), (None, Some(7))], "by number, not by letter");
    assert!(
        new.limits[0].0.is_match("dev1") && !new.limits[0].0.is_match("x") && new.limits[1].0.is_match("x")
    );
    let [(vhosts, policy)] = &new.policies[..] else { panic!("one that says nothing is none") };
    assert!(vhosts.is_match("dev1") && !vhosts.is_match("x"));
    assert_eq!((&*policy.name, &*policy.pattern), ("a", "^big"));
    let definition = serde_json::json!({ "expires": 3_600_000, "max-length-bytes": 1_048_576 });
    assert_eq!(serde_json::Value::Object(policy.definition.clone()), definition);
    let [(_, alice), (_, bob)] = &new.users[..] else { panic!("{:?}", new.users) };
    assert_eq!(alice.tags.iter().map(Name::as_str).collect::<Vec<_>>(), ["monitoring", "management"]);
    assert!(alice.password.verify(&Secret::new("wonder")) && !bob.password.verify(&Secret::new("")));
    assert_eq!(
        [&alice.permissions.configure, &alice.permissions.read, &bob.permissions.read],
        ["^a", ".*", "^b"]
    );
}

#[test]
fn what_is_no_pattern_or_time_is_refused() {
    check_refusal(
        "default_users.alice.read = (",
        "`default_users.alice.read` cannot be `(`: expected a regular expression",
    );
    check_refusal(
        "default_policies.operator.a.expires = 0",
        "`default_policies.operator.a.expires` cannot be `0`: expected milliseconds, 1 to 315360000000, or a time such as \
         30s, 1h30m or 7d",
    );
}

#[test]
fn keys_without_effect_get_one_warning_each() {
    let text = "cluster_name = x\nnet_ticktime = 60\nmanagement.rates_mode = basic\nstomp.listeners.tcp.1 = 61613\n\
                mqtt.exchange = amq.topic\nquorum_queue.commands_soft_limit = 32\nnum_acceptors.tcp = 10\n\
                tcp_listen_options.backlog = 128\nauth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = EXTERNAL\n";
    let told = warnings(text);
    assert_eq!(told.len(), 9, "{told:#?}");
    assert_eq!(told[0], "line 1: `cluster_name` has no effect here: this is a single node");
    assert_eq!(
        told[8],
        "line 10: EXTERNAL is not offered: logging in by certificate needs `listeners.ssl.default` and \
         `ssl_options.verify = verify_peer`"
    );
}

#[test]
fn a_key_that_is_set_twice_has_its_last_value() {
    let settings = resolve_all("", &[], "heartbeat = 1\nheartbeat = 2").unwrap();
    assert_eq!(settings.connection.heartbeat_s, 2);
    assert_eq!(
        warnings("heartbeat = 1\nheartbeat = 2"),
        ["line 2: `heartbeat` was set on line 1 already; this line wins"]
    );
}

/// The lists in the document are made from the table. `HAREFOOT_WRITE_DOCS=1` writes them anew.
#[test]
fn the_document_lists_what_the_table_holds() {
    const START: &str = "<!-- from here on made from the table of keys -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (own, made) = text.split_once(START).expect("the marker");
    let current = describe::markdown();
    if std::env::var_os("HAREFOOT_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{own}{START}{current}")).unwrap();
    } else {
        assert!(made == current, "run the test with HAREFOOT_WRITE_DOCS=1");
    }
}

#[test]
fn the_description_names_every_key() {
    let text = describe::plain();
    for key in table::keys() {
        assert!(text.contains(&format!("\n{} = ", key.name)), "{}", key.name);
    }
    assert!(text.contains("trust_store.*") && text.contains("cluster_formation.*"));
}
