//! `amqp://user:password@host:port/vhost`, as far as a broker without TLS is named by it.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use anyhow::{Context as _, bail};

/// Who logs in, and where to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) vhost: String,
}

impl Default for Login {
    fn default() -> Self {
        Self { user: "guest".to_owned(), password: "guest".to_owned(), vhost: "/".to_owned() }
    }
}

/// Where a broker listens, and how to log in there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    pub(crate) address: SocketAddr,
    pub(crate) login: Login,
}

impl FromStr for Url {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest =
            text.strip_prefix("amqp://").context("expected amqp://[user:password@]host[:port][/vhost]")?;
        let (authority, vhost) = match rest.split_once('/') {
            Some((authority, vhost)) if !vhost.is_empty() => (authority, decode(vhost)?),
            Some((authority, _)) => (authority, "/".to_owned()),
            None => (rest, "/".to_owned()),
        };
        let mut login = Login { vhost, ..Login::default() };
        let host = match authority.rsplit_once('@') {
            Some((who, host)) => {
                let (user, password) = who.split_once(':').unwrap_or((who, ""));
                login.user = decode(user)?;
                login.password = decode(password)?;
                host
            }
            None => authority,
        };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let host = if has_port { host.to_owned() } else { format!("{host}:5672") };
        let address = host.to_socket_addrs().with_context(|| format!("no address of {host}"))?.next();
        Ok(Self { address: address.with_context(|| format!("{host} has no address"))?, login })
    }
}

/// `%2F` → `/`.
fn decode(text: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits =
            [rest.next(), rest.next()].map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
        let [Some(high), Some(low)] = digits else { bail!("`%` is to be followed by two digits") };
        bytes.push(u8::try_from(high * 16 + low)?);
    }
    String::from_utf8(bytes).context("the URL is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_defaults() {
        let url: Url = "amqp://127.0.0.1".parse().unwrap();
        assert_eq!(url, Url { address: "127.0.0.1:5672".parse().unwrap(), login: Login::default() });
        assert_eq!("amqp://[::1]:5673/".parse::<Url>().unwrap().address, "[::1]:5673".parse().unwrap());
    }

    #[test]
    fn parts_are_decoded() {
        let url: Url = "amqp://a:p%40ss@127.0.0.1:5673/%2fx".parse().unwrap();
        let login = Login { user: "a".to_owned(), password: "p@ss".to_owned(), vhost: "/x".to_owned() };
        assert_eq!(url, Url { address: "127.0.0.1:5673".parse().unwrap(), login });
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in ["127.0.0.1:5672", "http://127.0.0.1", "amqp://127.0.0.1/%2", "amqp://127.0.0.1/%zz"] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }
}
