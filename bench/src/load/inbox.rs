//! Reading from many sockets through one large buffer; what is left of a frame waits with its connection.

use std::{
    io::{ErrorKind, Read as _},
    net::TcpStream,
};

use anyhow::{Context as _, ensure};

use crate::wire::frame::Frame;

/// So much is read at once.
pub(super) const READ_BYTES: usize = 256 * 1024;

/// The buffer of a thread.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    filled: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; 2 * READ_BYTES], filled: 0 }
    }

    /// Reads what is there, behind what was left; `false` if nothing is.
    pub(super) fn receive(&mut self, mut stream: &TcpStream, left: &[u8]) -> anyhow::Result<bool> {
        // Only a frame larger than a read makes the buffer grow.
        if self.buffer.len() < left.len() + READ_BYTES {
            self.buffer.resize(left.len() + READ_BYTES, 0);
        }
        let (front, room) = self.buffer.split_at_mut(left.len());
        front.copy_from_slice(left);
        let room = room.get_mut(..READ_BYTES).unwrap_or_default();
        match stream.read(room) {
            Ok(read) => {
                ensure!(read > 0, "the broker has closed the connection");
                self.filled = left.len() + read;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(error).context("cannot read from the broker"),
        }
    }

    /// Hands out the frames that were received and keeps the rest in `left`.
    #[inline]
    pub(super) fn frames(
        &self,
        left: &mut Vec<u8>,
        mut each: impl FnMut(&Frame<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut rest = self.buffer.get(..self.filled).unwrap_or_default();
        while let Some((frame, length)) = Frame::first(rest)? {
            each(&frame)?;
            rest = rest.get(length..).unwrap_or_default();
        }
        left.clear();
        left.extend_from_slice(rest);
        Ok(())
    }

    /// Everything received, whatever it is.
    pub(super) fn received(&self) -> usize {
        self.filled
    }
}
