//! Variables as compose files and clusters set them.

use std::path::Path;

use super::*;

fn parse(variables: &[(&str, &str)]) -> Environment {
    Environment::parse(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

fn fault(name: &str, value: &str) -> Option<Fault> {
    let mut problems = parse(&[(name, value)]).problems;
    let problem = problems.pop()?;
    assert_eq!(problem.origin, Origin::Variable(name.to_owned()));
    Some(problem.fault)
}

#[test]
fn every_variable_that_is_described_is_read() {
    for (name, _) in VARIABLES {
        let value = match *name {
            "RABBITMQ_NODE_PORT" => "5673",
            "RABBITMQ_NODE_IP_ADDRESS" => "::1",
            _ => "word",
        };
        let environment = parse(&[(name, value)]);
        assert_eq!(environment.problems, []);
        let untouched = format!("{:?}", Environment::default());
        assert_ne!(format!("{environment:?}"), untouched, "{name}");
    }
}

#[test]
fn values_reach_their_fields() {
    let environment = parse(&[
        ("HAREFOOT_DATA_DIR", "/srv/x"),
        ("RABBITMQ_DEFAULT_USER", "alice"),
        ("RABBITMQ_DEFAULT_PASS", "p w"),
        ("RABBITMQ_DEFAULT_VHOST", "shop"),
        ("RABBITMQ_NODE_PORT", "5673"),
        ("RABBITMQ_NODE_IP_ADDRESS", "[::]"),
        ("RABBITMQ_NODENAME", "rabbit@mq-1"),
    ]);
    assert_eq!(environment.data_dir.as_deref(), Some(Path::new("/srv/x")));
    assert_eq!(environment.default_user, Some(Name::parse("alice").unwrap()));
    assert_eq!(environment.default_pass, Some(Secret::new("p w")));
    assert_eq!(environment.default_vhost, Some(Name::parse("shop").unwrap()));
    assert_eq!(environment.node_port, Some(5673));
    assert_eq!(environment.node_ip_address, Some("::".parse().unwrap()));
    assert_eq!(environment.node_name.as_deref(), Some("rabbit@mq-1"));
}

#[test]
fn empty_and_foreign_variables_say_nothing() {
    let environment = parse(&[
        ("RABBITMQ_NODE_PORT", ""),
        ("RABBITMQ_SERVICE_HOST", "10.0.0.1"),
        ("RABBITMQ_PORT_5672_TCP", "tcp://10.0.0.1:5672"),
        ("HAREFOOT_PORT", "tcp://10.0.0.1:5672"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(format!("{environment:?}"), format!("{:?}", Environment::default()));
}

#[test]
fn wrong_values_are_told_without_the_value() {
    assert_eq!(
        fault("RABBITMQ_NODE_PORT", "tcp://1:2"),
        Some(Fault::WrongVariable("a port from 0 to 65535"))
    );
    assert_eq!(fault("RABBITMQ_NODE_PORT", "65536"), Some(Fault::WrongVariable("a port from 0 to 65535")));
    assert_eq!(fault("RABBITMQ_NODE_IP_ADDRESS", "host"), Some(Fault::WrongVariable("an IP address")));
    assert!(fault("RABBITMQ_NODENAME", "a b@c").is_some());
    assert!(fault("RABBITMQ_NODENAME", "@c").is_some());
    assert!(fault("RABBITMQ_DEFAULT_USER", &"x".repeat(256)).is_some());
}

#[test]
fn protections_that_would_be_missing_stop_the_start_and_the_rest_is_warned_of() {
    assert_eq!(fault("RABBITMQ_SSL_CERTFILE", "/x.pem"), Some(Fault::RefusedVariable(TLS)));
    assert!(fault("RABBITMQ_DEFAULT_PASS_FILE", "/run/secrets/x").is_some());
    let environment = parse(&[("RABBITMQ_LOGS", "-"), ("RABBITMQ_ERLANG_COOKIE", "x")]);
    let warnings: Vec<_> = environment.warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "environment variable RABBITMQ_ERLANG_COOKIE: the variable has no effect here: there is no Erlang beneath",
        "environment variable RABBITMQ_LOGS: the variable has no effect here: logs go to the standard error output",
    ];
    assert_eq!(warnings, expected);
    assert_eq!(environment.problems, []);
}
