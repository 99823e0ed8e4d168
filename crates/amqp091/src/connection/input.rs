//! Bytes in, commands out: which bytes are looked at next, and which are kept for later.
//!
//! Invariant: bytes are parsed in the order in which they came. What is in `kept` is older than any input.

use std::{mem, time::Instant};

use model::Command;

use super::{Connection, Failure, State};
use crate::{
    codec::{FRAME_HEAD_BYTES, FrameHead, MethodId},
    error::ProtocolError,
};

/// What the front of the input was.
#[derive(Debug)]
pub(super) enum Step {
    /// It asks for something.
    Command(Command),
    /// It is dealt with.
    Done,
    /// It is not all there.
    Starved,
}

impl Connection {
    /// Parses the next command off the front of `input`.
    ///
    /// `None`: everything was consumed (an incomplete frame has been copied into a small remainder), or nothing more
    /// is listened to. Each answer of the broker is to be given to [`Connection::handle_event`] before the next poll;
    /// while an answer is owed for the handshake, input is kept and nothing comes out.
    pub fn poll_command(&mut self, now: Instant, input: &mut &[u8]) -> Option<Command> {
        self.hear(input);
        loop {
            if let Some(command) = self.pending.pop_front() {
                return Some(command);
            }
            if !self.is_listening(now, input) {
                return None;
            }
            if !self.kept.is_empty() {
                match self.step_kept(now, input) {
                    Step::Command(command) => return Some(command),
                    Step::Done => continue,
                    Step::Starved => return None,
                }
            }
            match self.step(now, input) {
                Step::Command(command) => return Some(command),
                Step::Done => {}
                Step::Starved => {
                    self.kept.extend_from_slice(input);
                    *input = &[];
                    return None;
                }
            }
        }
    }

    /// Keeps what the driver could not hand over yet. It is parsed before any later input.
    pub fn keep(&mut self, input: &[u8]) {
        let is_deaf = matches!(
            self.state,
            State::Leaving | State::Silent | State::Closed | State::Closing { in_sync: false }
        );
        if !input.is_empty() && !is_deaf {
            self.hear(input);
            self.kept.extend_from_slice(input);
        }
    }

    fn hear(&mut self, input: &[u8]) {
        if !input.is_empty() {
            self.has_heard = true;
            if let Some(pulse) = &mut self.pulse {
                pulse.has_heard = true;
            }
        }
    }

    /// Whether input is parsed now; what is not is kept or dropped.
    fn is_listening(&mut self, now: Instant, input: &mut &[u8]) -> bool {
        match self.state {
            State::Header | State::Starting | State::Tuning | State::Opening | State::Running => true,
            State::Closing { in_sync: true } => true,
            State::Securing | State::Entering => {
                let bytes_max = self.settings.unauthenticated_bytes_max;
                self.kept.extend_from_slice(input);
                *input = &[];
                if self.state == State::Securing && self.kept.len() > bytes_max as usize {
                    let error = ProtocolError::TooMuchUnauthenticated { bytes_max };
                    self.fail(now, Failure { error, channel: 0, method: MethodId::NONE });
                }
                false
            }
            State::Leaving | State::Silent | State::Closed | State::Closing { in_sync: false } => {
                *input = &[];
                false
            }
        }
    }

    /// One step on the kept bytes, completed by as little of `input` as the first frame needs.
    fn step_kept(&mut self, now: Instant, input: &mut &[u8]) -> Step {
        let mut kept = mem::take(&mut self.kept);
        let mut rest = kept.get(self.kept_at..).unwrap_or_default();
        let step = self.step(now, &mut rest);
        let left = rest.len();
        if matches!(
            self.state,
            State::Silent | State::Closed | State::Leaving | State::Closing { in_sync: false }
        ) {
            return step;
        }
        if left == 0 && !matches!(step, Step::Starved) {
            self.kept_at = 0;
            return step;
        }
        self.kept_at = kept.len().saturating_sub(left);
        if !matches!(step, Step::Starved) {
            self.kept = kept;
            return step;
        }
        kept.drain(..self.kept_at);
        self.kept_at = 0;
        if kept.is_empty() {
            // A body that is taken in as it comes goes on in the input.
            return if input.is_empty() { Step::Starved } else { Step::Done };
        }
        let wanted = self.missing(&kept).min(input.len());
        let (taken, later) = input.split_at_checked(wanted).unwrap_or((input, &[]));
        kept.extend_from_slice(taken);
        *input = later;
        self.kept = kept;
        if wanted == 0 { Step::Starved } else { Step::Done }
    }

    /// Bytes that the frame at the front of `kept` lacks, or its head if that is not all there.
    fn missing(&self, kept: &[u8]) -> usize {
        let whole = match FrameHead::peek(kept) {
            _ if self.state == State::Header => 8,
            Some(head) => head.frame_bytes(),
            None => FRAME_HEAD_BYTES,
        };
        whole.saturating_sub(kept.len())
    }

    /// Deals with the front of `bytes`.
    fn step(&mut self, now: Instant, bytes: &mut &[u8]) -> Step {
        if let Some(command) = self.whole_publish(bytes) {
            return Step::Command(command);
        }
        if self.state == State::Header {
            let Some((header, rest)) = bytes.split_first_chunk::<8>() else { return Step::Starved };
            let header = *header;
            *bytes = rest;
            self.protocol_header(header);
            return Step::Done;
        }
        match self.next_frame(now, bytes) {
            Ok(step) => step,
            Err(failure) => {
                self.fail(now, failure);
                Step::Done
            }
        }
    }
}
