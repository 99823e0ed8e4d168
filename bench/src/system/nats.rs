//! A NATS server: subjects instead of queues, and nothing kept, which makes it the measure for latency. Only that is
//! measured of it, by the same publisher and clock as that of a broker.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::{
    flow::Timing,
    histogram::Histogram,
    load::{Load, Paced, Shared},
    wire::tape::Tape,
};

const SUBJECT: &str = "harefoot-bench";
/// How long a read waits before it is looked whether time is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const READ_BYTES: usize = 64 * 1024;

/// Publishes so many messages a second, and records how long each took from its intended time to its subscriber.
pub(crate) fn run(
    address: SocketAddr,
    body_bytes: usize,
    per_second: u32,
    timing: Timing,
) -> anyhow::Result<Histogram> {
    let mut subscriber = connect(address)?;
    write!(subscriber, "SUB {SUBJECT} 1\r\n")?;
    let command = format!("PUB {SUBJECT} {body_bytes}\r\n");
    let tape = Tape::framed(command.as_bytes(), body_bytes, b"\r\n");
    let load = Load { paced: Some(Paced::new(connect(address)?, tape, per_second)?), ..Load::default() };
    let (latencies, _) = load.run(|shared| listen(shared, &mut subscriber, timing))?;
    Ok(latencies)
}

fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("the NATS server does not answer")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK_EVERY))?;
    stream.write_all(b"CONNECT {\"verbose\":false}\r\n")?;
    Ok(stream)
}

fn listen(shared: &Shared, stream: &mut TcpStream, timing: Timing) -> anyhow::Result<Histogram> {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let from = shared.clock.now() + nanoseconds(timing.warm_up);
    let end = from + nanoseconds(timing.measured);
    let mut latencies = Histogram::default();
    let (mut heard, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
    loop {
        let read = stream.read(&mut buffer);
        let now = shared.clock.now();
        if now >= end {
            return Ok(latencies);
        }
        match read {
            Ok(0) => bail!("the NATS server has closed the connection"),
            Ok(count) => heard.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
        take(&mut heard, |intended| {
            if now >= from {
                latencies.record(now.saturating_sub(intended));
            }
        })?;
    }
}

/// Takes what has arrived whole, and tells the stamp of each message. A question whether we are there needs no answer within
/// the minutes of a run.
fn take(heard: &mut Vec<u8>, mut tell: impl FnMut(u64)) -> anyhow::Result<()> {
    let mut at = 0;
    while let Some(rest) = heard.get(at..)
        && let Some(line_len) = rest.windows(2).position(|pair| pair == b"\r\n")
    {
        let line = std::str::from_utf8(rest.get(..line_len).unwrap_or_default())?;
        let body_at = line_len + 2;
        if !line.starts_with("MSG ") {
            if line.starts_with("-ERR") {
                bail!("refused: {line}");
            }
            at += body_at;
            continue;
        }
        let body_len: usize = line.rsplit(' ').next().unwrap_or_default().parse().context("no length")?;
        let Some(body) = rest.get(body_at..body_at + body_len + 2) else { break };
        tell(u64::from_be_bytes(*body.first_chunk().context("no stamp")?));
        at += body_at + body_len + 2;
    }
    heard.drain(..at);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole_whatever_comes_between() {
        let mut told = Vec::new();
        let mut heard =
            b"INFO {\"a\":1}\r\nMSG s 1 10\r\n\0\0\0\0\0\0\0\x07xx\r\nPING\r\nMSG s 1 8\r\n\0\0\0\r\n"
                .to_vec();
        take(&mut heard, |stamp| told.push(stamp)).unwrap();
        assert_eq!(told, [7]);
        heard.extend_from_slice(b"\0\0\x08\r\n");
        take(&mut heard, |stamp| told.push(stamp)).unwrap();
        assert_eq!((told.len(), heard.len()), (2, 0));
        assert!(take(&mut b"-ERR 'no'\r\n".to_vec(), |_| {}).is_err());
    }
}
