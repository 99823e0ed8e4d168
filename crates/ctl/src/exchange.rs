//! One request and its response: HTTP/1.1 over any stream, blocking, bounded.

use std::io;

use crate::place::Stream;

/// Bytes of a response's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a response's body: definitions of a large node are some tens of MiB.
const BODY_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Headers of a response.
const HEADERS_MAX: usize = 64;
/// Read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// The connection can take another request.
    pub(crate) is_kept: bool,
}

/// What is known of a response before its body.
struct Head {
    status: u16,
    length: Option<u64>,
    is_chunked: bool,
    is_kept: bool,
}

/// Sends a request, head and body, and reads the response.
pub(crate) fn exchange(
    stream: &mut dyn Stream,
    head: &str,
    body: &[u8],
    mut sent: impl FnMut(usize),
) -> io::Result<Answer> {
    stream.write_all(head.as_bytes())?;
    let mut so_far = 0;
    for piece in body.chunks(PIECE_BYTES) {
        stream.write_all(piece)?;
        so_far += piece.len();
        sent(so_far);
    }
    stream.flush()?;
    let mut reader = Reader { stream, buffer: Vec::new() };
    let mut head = reader.head()?;
    // 100 Continue and its like are followed by the answer proper.
    while (100..200).contains(&head.status) {
        head = reader.head()?;
    }
    let body = match (head.status, head.is_chunked, head.length) {
        (204 | 304, ..) => Vec::new(),
        (_, true, _) => reader.chunks()?,
        (_, false, Some(length)) => reader.take(length)?,
        (_, false, None) => reader.rest()?,
    };
    let is_kept = head.is_kept && (head.is_chunked || head.length.is_some() || head.status == 204);
    Ok(Answer { status: head.status, body, is_kept })
}

struct Reader<'a> {
    stream: &'a mut dyn Stream,
    /// Read and not used yet.
    buffer: Vec<u8>,
}

impl Reader<'_> {
    /// Reads more into the buffer.
    fn more(&mut self) -> io::Result<usize> {
        let mut piece = vec![0; PIECE_BYTES];
        let count = loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn must_have_more(&mut self) -> io::Result<()> {
        match self.more()? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn head(&mut self) -> io::Result<Head> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(used) = response.parse(&self.buffer).map_err(malformed)? {
                let head = understood(&response)?;
                self.buffer.drain(..used);
                return Ok(head);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(malformed("the response's head is too long"));
            }
            self.must_have_more()?;
        }
    }

    fn take(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length.min(BODY_BYTES_MAX + 1)).map_err(malformed)?;
        if length as u64 > BODY_BYTES_MAX {
            return Err(malformed("the response is too long"));
        }
        while self.buffer.len() < length {
            self.must_have_more()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.more()? > 0 {
            if self.buffer.len() as u64 > BODY_BYTES_MAX {
                return Err(malformed("the response is too long"));
            }
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let (start, length) = loop {
                match httparse::parse_chunk_size(&self.buffer)
                    .map_err(|_| malformed("a chunk has no size"))?
                {
                    httparse::Status::Complete(found) => break found,
                    httparse::Status::Partial if self.buffer.len() > HEAD_BYTES_MAX => {
                        return Err(malformed("a chunk has no size"));
                    }
                    httparse::Status::Partial => self.must_have_more()?,
                }
            };
            self.buffer.drain(..start);
            if body.len() as u64 > BODY_BYTES_MAX.saturating_sub(length) {
                return Err(malformed("the response is too long"));
            }
            body.extend(self.take(length)?);
            if length == 0 {
                return self.trailer().map(|()| body);
            }
            self.take(2)?;
        }
    }

    /// What stands behind the last chunk, up to an empty line.
    fn trailer(&mut self) -> io::Result<()> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                self.buffer.drain(..end + 2);
                if end == 0 {
                    return Ok(());
                }
                continue;
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(malformed("the response's trailer is too long"));
            }
            self.must_have_more()?;
        }
    }
}

fn understood(response: &httparse::Response<'_, '_>) -> io::Result<Head> {
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    };
    let length = match header("content-length") {
        Some(length) => Some(length.parse().map_err(|_| malformed("the response's length is no number"))?),
        None => None,
    };
    Ok(Head {
        status: response.code.unwrap_or_default(),
        length,
        is_chunked: header("transfer-encoding").is_some_and(|how| how.eq_ignore_ascii_case("chunked")),
        is_kept: response.version == Some(1)
            && !header("connection").is_some_and(|how| how.eq_ignore_ascii_case("close")),
    })
}

fn malformed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Cursor, Read, Write},
        time::Duration,
    };

    use super::*;

    /// Answers with these bytes, a few at a time.
    struct Canned(Cursor<Vec<u8>>, usize);

    impl Read for Canned {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(into.len());
            self.0.read(&mut into[..most])
        }
    }

    impl Write for Canned {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Canned {
        fn set_patience(&self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }
    }

    fn answer(response: &str) -> Vec<io::Result<Answer>> {
        let sizes = [1, 3, 7, 65536];
        let canned = sizes.map(|size| Canned(Cursor::new(response.as_bytes().to_vec()), size));
        canned
            .into_iter()
            .map(|mut stream| exchange(&mut stream, "GET / HTTP/1.1\r\n\r\n", b"", |_| {}))
            .collect()
    }

    #[test]
    fn bodies_by_length_by_chunks_and_to_the_end() {
        for (response, body, is_kept) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", "hello", false),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n",
                "hello",
                true,
            ),
            ("HTTP/1.0 200 OK\r\n\r\nhello", "hello", false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "", true),
        ] {
            for answer in answer(response) {
                let answer = answer.unwrap();
                assert_eq!(
                    (answer.body.as_slice(), answer.is_kept),
                    (body.as_bytes(), is_kept),
                    "{response}"
                );
            }
        }
    }

    #[test]
    fn hostile_responses_end_in_an_error() {
        for response in [
            "",
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(answer(response).iter().all(Result::is_err), "{response}");
        }
    }
}
