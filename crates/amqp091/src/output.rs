//! What waits to be written: small things copied into one buffer, large bodies by reference between them.
//!
//! The buffer is lent by the driver, one for all connections of a thread, and goes back when everything is written: only
//! a connection whose peer does not read keeps one.
//!
//! Invariant: `shared` is ordered by `at`, and `taken <= at <= buffer.len()` for each of its pieces.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, BufMut, Bytes};
use model::{Delivered, DeliveryId, Message};

use crate::codec::{
    CLASS_BASIC, FRAME_BODY, FRAME_END, FRAME_OVERHEAD_BYTES, Method, Short,
    frame::{put_body, put_deliver, put_head, put_header, put_heartbeat, put_method},
};

/// A body from this size on is written from where it lies.
const SHARED_BYTES_MIN: usize = 4096;
/// What the frames of a delivery take at most beside properties and body.
const DELIVERY_BYTES: usize = 1024;
/// Written bytes are cut off the front of the buffer when there are this many.
const COMPACT_BYTES_MIN: usize = 64 * 1024;
/// Most slices handed out at once; the system takes no more in one call.
const SLICES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Output {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are written already.
    taken: usize,
    shared: VecDeque<Piece>,
    shared_bytes: usize,
    /// Whether something else than a heartbeat was put in since somebody asked.
    has_spoken: bool,
}

/// A piece that stands before the byte `at` of the buffer.
#[derive(Debug)]
struct Piece {
    at: usize,
    bytes: Bytes,
}

impl Output {
    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.buffer.len().saturating_sub(self.taken).saturating_add(self.shared_bytes)
    }

    /// Takes the driver's buffer to append to, unless one is in use.
    pub(crate) fn borrow(&mut self, spare: &mut Vec<u8>) {
        if self.buffer.capacity() == 0 {
            std::mem::swap(&mut self.buffer, spare);
        }
    }

    /// Gives the buffer back. What still waits in it, if it is little, stays in one that has its size.
    pub(crate) fn give_back(&mut self, spare: &mut Vec<u8>) {
        if self.shared.is_empty() {
            self.shared = VecDeque::new();
        }
        let waiting = self.buffer.len().saturating_sub(self.taken);
        if waiting > self.buffer.capacity() / 2 {
            return;
        }
        self.cut();
        let kept = self.buffer.to_vec();
        let mut used = std::mem::replace(&mut self.buffer, kept);
        if used.capacity() > spare.capacity() {
            used.clear();
            *spare = used;
        }
    }

    /// Bytes that are no frame: an answer to who speaks another protocol.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether something else than a heartbeat was put in since the last call.
    pub(crate) fn take_has_spoken(&mut self) -> bool {
        std::mem::take(&mut self.has_spoken)
    }

    pub(crate) fn method(&mut self, channel: u16, method: &Method<'_>) {
        self.has_spoken = true;
        put_method(&mut self.buffer, channel, method);
    }

    pub(crate) fn heartbeat(&mut self) {
        put_heartbeat(&mut self.buffer);
    }

    /// A message with the method that delivers it: what is put in most, so it is put in without a detour.
    pub(crate) fn delivery(&mut self, channel: u16, payload_bytes_max: usize, delivered: Delivered<'_>) {
        let Delivered { consumer, delivery: DeliveryId(number), redelivered, message } = delivered;
        self.has_spoken = true;
        self.buffer.reserve(message.bytes().min(SHARED_BYTES_MIN).saturating_add(DELIVERY_BYTES));
        let consumer = Short(consumer.as_bytes());
        put_deliver(&mut self.buffer, channel, consumer, number, redelivered, message.address());
        self.content(channel, payload_bytes_max, message);
    }

    /// Header and body of a message. Its method stands before it already.
    pub(crate) fn content(&mut self, channel: u16, payload_bytes_max: usize, message: &Message) {
        let body = message.body();
        let properties = message.raw_properties();
        let out = &mut self.buffer;
        put_header(out, channel, CLASS_BASIC, body.len() as u64, properties);
        if body.is_empty() {
            return;
        }
        if body.len() < SHARED_BYTES_MIN && body.len() <= payload_bytes_max {
            put_body(out, channel, body);
        } else {
            self.pieces(channel, payload_bytes_max, message);
        }
    }

    fn pieces(&mut self, channel: u16, payload_bytes_max: usize, message: &Message) {
        let mut rest = message.body_shared();
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(payload_bytes_max.max(1)));
            let out = &mut self.buffer;
            if piece.len() < SHARED_BYTES_MIN {
                put_body(out, channel, &piece);
                continue;
            }
            put_head(out, FRAME_BODY, channel, piece.len());
            let at = out.len();
            out.put_u8(FRAME_END);
            self.shared_bytes = self.shared_bytes.saturating_add(piece.len());
            self.shared.push_back(Piece { at, bytes: piece });
        }
    }

    /// Fills `slices` with what waits, in order.
    pub(crate) fn io_slices<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>) {
        let mut at = self.taken;
        for piece in &self.shared {
            if slices.len().saturating_add(3) > SLICES_MAX {
                return;
            }
            if let Some(between @ [_, ..]) = self.buffer.get(at..piece.at) {
                slices.push(IoSlice::new(between));
            }
            slices.push(IoSlice::new(&piece.bytes));
            at = piece.at;
        }
        if let Some(rest @ [_, ..]) = self.buffer.get(at..) {
            slices.push(IoSlice::new(rest));
        }
    }

    /// Forgets the first `bytes` of what waits: they are written.
    pub(crate) fn transmitted(&mut self, mut bytes: usize) {
        loop {
            let next = self.shared.front().map_or(self.buffer.len(), |piece| piece.at);
            let copied = next.saturating_sub(self.taken).min(bytes);
            self.taken = self.taken.saturating_add(copied);
            bytes = bytes.saturating_sub(copied);
            if self.taken < next {
                break;
            }
            let Some(piece) = self.shared.front_mut() else { break };
            let of_piece = piece.bytes.len().min(bytes);
            piece.bytes.advance(of_piece);
            self.shared_bytes = self.shared_bytes.saturating_sub(of_piece);
            bytes = bytes.saturating_sub(of_piece);
            if !piece.bytes.is_empty() {
                break;
            }
            self.shared.pop_front();
        }
        if self.bytes() == 0 || (self.taken >= COMPACT_BYTES_MIN && self.taken >= self.buffer.len() / 2) {
            self.cut();
        }
    }

    /// Cuts off what is written.
    fn cut(&mut self) {
        self.buffer.drain(..self.taken);
        for piece in &mut self.shared {
            piece.at = piece.at.saturating_sub(self.taken);
        }
        self.taken = 0;
    }

    /// Bytes of payload that a frame of `frame_bytes_max` has room for.
    pub(crate) fn payload_bytes(frame_bytes_max: u32) -> usize {
        usize::try_from(frame_bytes_max).unwrap_or(usize::MAX).saturating_sub(FRAME_OVERHEAD_BYTES)
    }
}

#[cfg(test)]
mod tests;
