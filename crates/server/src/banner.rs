//! The few lines that a starting node prints: where it is, who may come in, what to try next.

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use management::Listening;

use crate::config::Settings;

/// The program's own version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What to print once the node listens and works in `data_dir`. No password but the well-known one is shown.
pub(crate) fn banner(settings: &Settings, listening: &[Listening], data_dir: &Path) -> String {
    let on = |protocol| {
        let of_protocol = listening.iter().filter(move |one| one.protocol == protocol);
        of_protocol.map(|one| one.address)
    };
    let plain: Vec<SocketAddr> = on("amqp").collect();
    let bound: Vec<SocketAddr> = on("amqp").chain(on("amqp/ssl")).collect();
    let mut text = format!("Harefoot {VERSION} is ready.\n");
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        writeln!(text, "  {name:<10} {value}").unwrap_or_default();
    };
    let urls: Vec<_> = on("amqp")
        .map(|address| format!("amqp://{address}"))
        .chain(on("amqp/ssl").map(|address| format!("amqps://{address}")))
        .collect();
    match urls.as_slice() {
        [] => line("listening", "nowhere (AMQP is switched off)"),
        urls => line("listening", &urls.join("  ")),
    }
    let http =
        on("http").map(|address| ("http", address)).chain(on("https").map(|address| ("https", address)));
    for (scheme, address) in http.take(2) {
        line("HTTP API", &format!("{scheme}://{address}/api/overview"));
    }
    if !bound.is_empty() && bound.iter().all(|address| address.ip().is_loopback()) {
        let port = bound.first().map_or(0, SocketAddr::port);
        let open = format!("this machine only; start with --listen 0.0.0.0:{port} to open it to other hosts");
        line("reachable", &open);
    }
    line("data", &data_dir.display().to_string());
    let first = &settings.first_user;
    let who = if first.is_guest() {
        format!(
            "{}{}",
            "guest, password guest",
            if is_bound(settings) { ", from this machine only" } else { "" }
        )
    } else {
        format!("{} (on a new data folder)", first.name.as_str())
    };
    line("user", &format!("{who}; vhost {}", first.vhost.as_str()));
    line("try next", &try_next(&plain));
    text
}

fn is_bound(settings: &Settings) -> bool {
    settings.loopback_users.contains(&settings.first_user.name)
}

/// One command that shows the node at work, by the first address that can be reached from here.
fn try_next(bound: &[SocketAddr]) -> String {
    let Some(address) = bound.first() else { return "harefoot --help".to_owned() };
    let host = match address.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip.to_string(),
    };
    format!(
        "python3 -c \"import pika; \
         pika.BlockingConnection(pika.ConnectionParameters('{host}', {})); print('connected')\", \
         then the producer and the consumer in README.md",
        address.port()
    )
}

#[cfg(test)]
mod tests {
    use model::Secret;

    use super::*;

    fn text(settings: &Settings, bound: &[&str]) -> String {
        let amqp = bound.iter().map(|address| ("amqp", *address));
        let listening: Vec<_> = amqp
            .chain([("http", "127.0.0.1:15672")])
            .map(|(protocol, address)| Listening { protocol, address: address.parse().unwrap() })
            .collect();
        banner(settings, &listening, Path::new("/srv/data"))
    }

    #[test]
    fn it_says_where_how_to_open_and_what_next() {
        let text = text(&Settings::defaults("h"), &["127.0.0.1:5672", "[::1]:5672"]);
        for part in [
            "amqp://127.0.0.1:5672  amqp://[::1]:5672\n",
            "--listen 0.0.0.0:5672",
            "HTTP API   http://127.0.0.1:15672/api/overview\n",
            "data       /srv/data\n",
            "guest, password guest, from this machine only; vhost /\n",
            "ConnectionParameters('localhost', 5672)",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
        assert!(text.lines().count() <= 7);
    }

    #[test]
    fn no_password_of_an_operator_is_shown() {
        let mut settings = Settings::defaults("h");
        settings.first_user.password = Secret::new("correct horse");
        let text = text(&settings, &["0.0.0.0:5672"]);
        assert!(!text.contains("correct horse") && !text.contains("password"), "{text}");
        assert!(!text.contains("this machine only"), "{text}");
    }

    #[test]
    fn it_says_so_when_nothing_listens() {
        assert!(text(&Settings::defaults("h"), &[]).contains("nowhere"));
    }
}
