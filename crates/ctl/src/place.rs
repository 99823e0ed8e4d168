//! Where the node is: its socket in the data folder, or a URL.

use std::{
    env,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{Mode, OFlags};

use crate::{failure::Failure, line::Line, tls::Trust};

/// The socket's name in the data folder.
const SOCKET: &str = "harefoot.sock";
/// As the node has it.
const DATA_DIR: &str = "harefoot-data";
/// The port of the HTTP API without TLS.
const PORT: u16 = 15672;
/// The port of the HTTP API with TLS.
const TLS_PORT: u16 = 15671;
/// How long a connection over the network may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// See the module's documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// The folder in which the socket is.
    Folder(PathBuf),
    /// Over the network.
    Url(Url),
}

/// `http://user:password@host:port/prefix`, or `https`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    host: String,
    port: u16,
    /// How it is encrypted, if it is.
    tls: Option<Trust>,
    /// Before `/api`; without a slash at its end.
    pub(crate) prefix: String,
}

/// A connection.
pub(crate) trait Stream: Read + Write {
    /// How long a read or a write may take from now on; none: for ever.
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)?;
        self.set_write_timeout(patience)
    }
}

impl Stream for TcpStream {
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(patience)?;
        self.set_write_timeout(patience)
    }
}

impl Place {
    /// What the command line and the environment say.
    pub(crate) fn of(line: &Line) -> Result<Self, Failure> {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let folder = line.option("--data-dir").map(PathBuf::from);
        let url = line.option("--url").map(str::to_owned);
        match (folder, url.or_else(|| variable("HAREFOOT_URL"))) {
            (Some(_), Some(_)) if line.has("--url") => Err(Failure::arguments(
                "--data-dir and --url are two different ways to a node: give one of them",
            )),
            (Some(folder), _) => Ok(Self::Folder(folder)),
            (None, Some(url)) => {
                let mut url = Url::parse(&url).map_err(|why| Failure::argument(format!("{url}: {why}")))?;
                let user = line.option("--user").map(str::to_owned).or_else(|| variable("HAREFOOT_USER"));
                url.user = user.or(url.user);
                let trust = Trust::of(line)?;
                if trust != Trust::default() && url.tls.is_none() {
                    return Err(Failure::arguments(
                        "--cacert, --tls-cert-file and --tls-key-file are for https",
                    ));
                }
                url.tls = url.tls.map(|_| trust);
                Ok(Self::Url(url))
            }
            (None, None) => {
                let folder = env::var_os("HAREFOOT_DATA_DIR").filter(|value| !value.is_empty());
                Ok(Self::Folder(folder.map_or_else(|| PathBuf::from(DATA_DIR), PathBuf::from)))
            }
        }
    }

    /// Opens a connection.
    pub(crate) fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Folder(folder) => connect_to_socket(folder).map(|stream| Box::new(stream) as _),
            Self::Url(url) => {
                let stream = connect_to_host(url)?;
                match &url.tls {
                    None => Ok(Box::new(stream)),
                    Some(trust) => {
                        stream.set_patience(Some(CONNECT_TIMEOUT))?;
                        trust.encrypt(&url.host, stream)
                    }
                }
            }
        }
    }

    /// For messages, and the `host` header.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.join(SOCKET).display().to_string(),
            Self::Url(url) => url.authority(),
        }
    }
}

/// A socket's address holds 107 bytes; a longer path is gone about through the folder, held open.
fn connect_to_socket(folder: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let held = rustix::fs::open(folder, flags, Mode::empty())?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd()));
    match UnixStream::connect(short) {
        // Without /proc, short paths will do.
        Err(error) if error.kind() == io::ErrorKind::NotFound => UnixStream::connect(folder.join(SOCKET)),
        connected => connected,
    }
}

fn connect_to_host(url: &Url) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (url.host.as_str(), url.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Url {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (is_encrypted, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some(_) => return Err("a URL begins with http:// or https://"),
            None => (false, text),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, host) = match authority.rsplit_once('@') {
            Some((login, host)) => (Some(login), host),
            None => (None, authority),
        };
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, "")) => (Some(decode(user)), None),
            Some((user, password)) => (Some(decode(user)), Some(decode(password))),
            None => (None, None),
        };
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| "the port is no number up to 65535")?)
            }
            _ => (host, if is_encrypted { TLS_PORT } else { PORT }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("it names no host");
        }
        if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
            return Err("its path cannot be used");
        }
        let path = path.trim_end_matches('/').trim_end_matches("api").trim_end_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        let tls = is_encrypted.then(Trust::default);
        Ok(Self { user, password, host: host.to_owned(), port, tls, prefix })
    }

    fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let url = Url::parse("http://bob:se%40cret@example.com:8080/rabbit/api/").unwrap();
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("bob"), Some("se@cret")));
        assert_eq!((url.authority().as_str(), url.prefix.as_str()), ("example.com:8080", "/rabbit"));
        let url = Url::parse("http://[::1]").unwrap();
        assert_eq!(url.authority(), "[::1]:15672");
        assert_eq!(Url::parse("localhost:1/api").unwrap().authority(), "localhost:1");
        let url = Url::parse("HTTPS://example.com/api").unwrap();
        assert_eq!((url.authority().as_str(), url.tls), ("example.com:15671", Some(Trust::default())));
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in ["", "http://", "ftp://host", "http://host:99999", "http://a b", "http://h/x?y"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
