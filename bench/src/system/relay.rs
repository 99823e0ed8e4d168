//! The machine's physical limit: a program that takes publishes from one socket and puts them into another, as bytes or
//! as deliveries, and does nothing else that a broker does.
//!
//! It is this same binary, started a second time, so that its cost is counted in the same way as a broker's. The first
//! connection it accepts is the one it reads from, the second the one it writes to; there is no handshake.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;

use crate::wire::{
    frame::{Frame, METHOD},
    method,
};

const READ_BYTES: usize = 256 * 1024;

/// What the relay does with what it reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Writes it as it is.
    Bytes,
    /// Reads every publish frame and writes a deliver frame; header and body follow.
    Parsed,
}

/// A running relay, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Relay {
    pub(crate) fn start(mode: Mode) -> anyhow::Result<Self> {
        let word = match mode {
            Mode::Bytes => "bytes",
            Mode::Parsed => "parsed",
        };
        let own = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(own)
            .args(["relay-server", word])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // At the end of a run its sockets break; that is no news.
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the relay")?;
        let output = child.stdout.take().context("the relay has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().context("the relay does not say where it listens")?;
        Ok(Self { child, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// The relay's own life: listens, says where, relays until the first connection ends.
pub(crate) fn serve(mode: Mode) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut output = std::io::stdout();
    writeln!(output, "{}", listener.local_addr()?)?;
    output.flush()?;
    let (mut from, _) = listener.accept()?;
    let (mut to, _) = listener.accept()?;
    to.set_nodelay(true)?;
    match mode {
        Mode::Bytes => relay_bytes(&mut from, &mut to),
        Mode::Parsed => relay_frames(&mut from, &mut to),
    }
}

fn relay_bytes(from: &mut TcpStream, to: &mut TcpStream) -> anyhow::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..read).unwrap_or_default())?;
    }
}

fn relay_frames(from: &mut TcpStream, to: &mut TcpStream) -> anyhow::Result<()> {
    let mut buffer = vec![0; 2 * READ_BYTES];
    let mut out = Vec::with_capacity(2 * READ_BYTES);
    let mut filled = 0;
    let mut tag = 0;
    loop {
        let read = from.read(buffer.get_mut(filled..).unwrap_or_default())?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let taken = turn_around(buffer.get(..filled).unwrap_or_default(), &mut tag, &mut out)?;
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
        to.write_all(&out)?;
        out.clear();
    }
}

/// Publishes of `bytes` as deliveries in `out`; how many bytes were whole frames.
fn turn_around(bytes: &[u8], tag: &mut u64, out: &mut Vec<u8>) -> anyhow::Result<usize> {
    let mut taken = 0;
    while let Some((frame, length)) = Frame::first(bytes.get(taken..).unwrap_or_default())? {
        if frame.kind == METHOD {
            let mut arguments = frame.arguments();
            arguments.u16()?;
            let (exchange, key) = (arguments.short_text()?, arguments.short_text()?);
            *tag += 1;
            method::deliver(out, frame.channel, *tag, exchange, key);
        } else {
            out.extend_from_slice(bytes.get(taken..taken + length).unwrap_or_default());
        }
        taken += length;
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        frame::{BODY, HEADER},
        method::Publish,
    };

    #[test]
    fn publishes_become_deliveries_and_a_rest_is_kept() {
        let mut bytes = Vec::new();
        let publish = Publish { exchange: "x", key: "k", is_persistent: false };
        publish.encode(&mut bytes, 1, b"one");
        publish.encode(&mut bytes, 1, b"two");
        let whole = bytes.len();
        bytes.extend_from_slice(&[METHOD, 0, 1]);
        let (mut tag, mut out) = (0, Vec::new());
        assert_eq!(turn_around(&bytes, &mut tag, &mut out).unwrap(), whole);
        assert_eq!(tag, 2);
        let mut rest = out.as_slice();
        let mut seen = Vec::new();
        while let Some((frame, length)) = Frame::first(rest).unwrap() {
            seen.push((frame.kind, frame.method()));
            if frame.method() == Some(method::DELIVER) {
                let mut arguments = frame.arguments();
                assert_eq!(arguments.short_text().unwrap(), b"bench");
                assert!(arguments.u64().is_ok_and(|tag| (1..=2).contains(&tag)));
                assert_eq!(arguments.u8().unwrap(), 0);
                assert_eq!(arguments.short_text().unwrap(), b"x");
                assert_eq!(arguments.short_text().unwrap(), b"k");
            }
            rest = &rest[length..];
        }
        let one = [(METHOD, Some(method::DELIVER)), (HEADER, None), (BODY, None)];
        assert_eq!(seen, [one, one].concat());
    }
}
