//! Frames in: which may come where, the channels' methods, and contents in all the ways in which they are cut.
//!
//! Contents are assembled in `channel::Content`, but for the small ones that `publish` has taken before they come here.
//! A large body frame is taken in as it comes, not collected first.

use std::{sync::Arc, time::Instant};

use model::{Command, SessionCommand, SessionId};

use super::{Connection, Failure, State, input::Step};
use crate::{
    channel::{Content, Ending, Publish, State as ChannelState},
    codec::{
        FRAME_BODY, FRAME_END, FRAME_HEAD_BYTES, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD, Frame,
        FrameHead, Method, MethodId, Snippet, frame::ContentHeader, methods::MethodError,
    },
    error::ProtocolError,
    translate::{Translated, translate},
};

/// A body frame of which a part has come and is in the channel's content already.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartialBody {
    channel: u16,
    size: u32,
    /// Bytes of the payload that are still to come; then comes the end of the frame.
    missing: u32,
}

/// Body frames smaller than this wait until they are complete.
const PARTIAL_BYTES_MIN: u32 = 4096;

type Framed = Result<Step, Failure>;

fn failure(error: ProtocolError, channel: u16, method: MethodId) -> Failure {
    Failure { error, channel, method }
}

impl Connection {
    /// Deals with the frame at the front of `bytes`.
    pub(super) fn next_frame(&mut self, now: Instant, bytes: &mut &[u8]) -> Framed {
        if let Some(partial) = self.partial {
            return self.continue_body(partial, bytes);
        }
        let Some(head) = FrameHead::peek(bytes) else { return Ok(Step::Starved) };
        if head.size > self.payload_bytes_in_max {
            let error = ProtocolError::FrameTooLarge {
                kind: head.kind,
                bytes: head.size,
                bytes_max: self.payload_bytes_in_max.saturating_sub(8),
            };
            *bytes = &[];
            return Err(failure(error, head.channel, MethodId::NONE));
        }
        let Some(frame) = Frame::take(bytes) else {
            return if self.begin_body(head) {
                *bytes = bytes.get(FRAME_HEAD_BYTES..).unwrap_or_default();
                Ok(Step::Done)
            } else {
                Ok(Step::Starved)
            };
        };
        if frame.end != FRAME_END {
            *bytes = &[];
            let snippet = Snippet::new(frame.payload);
            let error = ProtocolError::FrameEnd { kind: frame.kind, snippet, found: frame.end };
            return Err(failure(error, frame.channel, MethodId::NONE));
        }
        self.frame(now, &frame)
    }

    fn frame(&mut self, now: Instant, frame: &Frame<'_>) -> Framed {
        let Frame { kind, channel, payload, .. } = *frame;
        let unknown = || ProtocolError::UnknownFrame { kind, snippet: Snippet::new(payload) };
        let unexpected = || ProtocolError::UnexpectedFrame { kind, snippet: Snippet::new(payload) };
        let bytes_min = match kind {
            FRAME_METHOD => 4,
            FRAME_HEADER => 12,
            FRAME_BODY => 0,
            FRAME_HEARTBEAT if payload.is_empty() && channel == 0 => return Ok(Step::Done),
            FRAME_HEARTBEAT if payload.is_empty() => {
                return Err(failure(unexpected(), channel, MethodId::NONE));
            }
            _ => return Err(failure(unknown(), channel, MethodId::NONE)),
        };
        if payload.len() < bytes_min {
            return Err(failure(unknown(), channel, MethodId::NONE));
        }
        let is_method_of_connection = channel == 0 && kind == FRAME_METHOD;
        if matches!(self.state, State::Closing { .. }) && !is_method_of_connection {
            return Ok(Step::Done);
        }
        if is_method_of_connection {
            let Ok(method) = Method::decode(payload) else {
                return self.undecodable(payload, 0);
            };
            let command = self.connection_method(now, &method)?;
            return Ok(command.map_or(Step::Done, Step::Command));
        }
        if channel == 0 || self.state != State::Running {
            return Err(failure(unexpected(), channel, MethodId::NONE));
        }
        self.channel_frame(frame)
    }

    /// The error for a method that cannot be read; while closing it is not even an error.
    fn undecodable(&self, payload: &[u8], channel: u16) -> Framed {
        if matches!(self.state, State::Closing { .. }) {
            return Ok(Step::Done);
        }
        let (error, method) = match Method::decode(payload) {
            Err(MethodError::Unknown(id)) => (ProtocolError::UnknownMethod(id), id),
            Err(MethodError::Fields(id)) => {
                (ProtocolError::MethodFields { fields: as_binary(payload.get(4..).unwrap_or_default()) }, id)
            }
            Err(MethodError::NoNumbers) | Ok(_) => (
                ProtocolError::UnknownFrame { kind: FRAME_METHOD, snippet: Snippet::new(payload) },
                MethodId::NONE,
            ),
        };
        Err(failure(error, channel, method))
    }

    fn channel_frame(&mut self, frame: &Frame<'_>) -> Framed {
        match self.channels.state(frame.channel) {
            ChannelState::Open => self.open_channel_frame(frame),
            ChannelState::Refused => Ok(self.refused_channel_frame(frame)),
            ChannelState::Leaving => self.leaving_channel_frame(frame),
            ChannelState::Free => self.free_channel_frame(frame),
        }
    }

    /// After `channel.close` everything is ignored but `close` and `close-ok`.
    fn refused_channel_frame(&mut self, frame: &Frame<'_>) -> Step {
        if frame.kind == FRAME_METHOD {
            match Method::decode(frame.payload) {
                Ok(Method::ChannelCloseOk {}) => self.channels.set_state(frame.channel, ChannelState::Free),
                Ok(Method::ChannelClose { .. }) => {
                    self.output.method(frame.channel, &Method::ChannelCloseOk {});
                }
                _ => {}
            }
        }
        Step::Done
    }

    /// The peer has closed the channel and may have opened it again without waiting.
    fn leaving_channel_frame(&mut self, frame: &Frame<'_>) -> Framed {
        let reopens = frame.kind == FRAME_METHOD
            && matches!(Method::decode(frame.payload), Ok(Method::ChannelOpen { .. }));
        if reopens { self.free_channel_frame(frame) } else { Ok(Step::Done) }
    }

    fn free_channel_frame(&mut self, frame: &Frame<'_>) -> Framed {
        let number = frame.channel;
        let (open, channel_max) = (self.channels.in_use(), self.tune.channel_max);
        let is_new = self.channels.state(number) == ChannelState::Free;
        if is_new && channel_max != 0 && open >= u32::from(channel_max) {
            let error = ProtocolError::TooManyChannels { open, channel_max };
            return Err(failure(error, number, MethodId::NONE));
        }
        if frame.kind != FRAME_METHOD {
            return Err(failure(ProtocolError::ExpectedMethod, number, MethodId::NONE));
        }
        match Method::decode(frame.payload) {
            Ok(Method::ChannelOpen { .. }) => {
                self.channels.open(number);
                Ok(session(number, SessionCommand::Open))
            }
            Ok(method) => Err(failure(ProtocolError::ChannelNotOpen, number, method.id())),
            Err(_) => self.undecodable(frame.payload, number),
        }
    }

    fn open_channel_frame(&mut self, frame: &Frame<'_>) -> Framed {
        let number = frame.channel;
        let bytes_max = self.settings.message_bytes_max;
        let Some(channel) = self.channels.find(number) else { return Ok(Step::Done) };
        let publish = |error| failure(error, number, MethodId::PUBLISH);
        match (&mut channel.content, frame.kind) {
            (None, FRAME_METHOD) => self.method(number, frame.payload),
            (None, _) => Err(failure(ProtocolError::ExpectedMethod, number, MethodId::NONE)),
            (Some(content), FRAME_HEADER) => {
                let header = ContentHeader::decode(frame.payload);
                let header = header.ok_or(ProtocolError::ExpectedHeader).map_err(publish)?;
                content.header(&header, bytes_max).map_err(publish)?;
                self.complete(number)
            }
            (Some(content), FRAME_BODY) if content.wants_body() => {
                content.piece(frame.payload).map_err(publish)?;
                self.complete(number)
            }
            (Some(content), _) if content.wants_body() => Err(publish(ProtocolError::ExpectedBody)),
            (Some(_), _) => Err(publish(ProtocolError::ExpectedHeader)),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the protocol's list of methods is closed")]
    fn method(&mut self, number: u16, payload: &[u8]) -> Framed {
        let Ok(method) = Method::decode(payload) else { return self.undecodable(payload, number) };
        let id = method.id();
        if let Some(channel) = self.channels.find(number) {
            channel.last = id;
            channel.content = Publish::decode(payload).map(|publish| Box::new(Content::new(&publish)));
        }
        let failed = |error| {
            // RabbitMQ reads names before it knows whose they are.
            let method = if error == ProtocolError::NotUtf8 { MethodId::NONE } else { id };
            failure(error, number, method)
        };
        match method {
            Method::ChannelOpen { .. } => Err(failed(ProtocolError::SecondChannelOpen)),
            Method::ChannelClose { .. } => {
                self.channels.set_state(number, ChannelState::Leaving);
                self.end_session(number, Ending::ByPeer);
                Ok(Step::Done)
            }
            Method::BasicPublish { .. } => Ok(Step::Done),
            _ => match translate(&method).map_err(failed)? {
                Translated::Command(command) => Ok(session(number, command)),
                Translated::Answer(answer) => {
                    self.output.method(number, &answer);
                    Ok(Step::Done)
                }
            },
        }
    }

    /// The message of a channel, if its content is all there.
    fn complete(&mut self, number: u16) -> Framed {
        let Some(channel) = self.channels.find(number) else { return Ok(Step::Done) };
        let Some(content) = channel.content.take_if(|content| content.is_whole()) else {
            return Ok(Step::Done);
        };
        let mandatory = content.mandatory;
        let message = content.into_message().map_err(|error| failure(error, number, MethodId::PUBLISH))?;
        Ok(session(number, SessionCommand::Publish { message: Arc::new(message), mandatory }))
    }

    /// Whether the incomplete frame of `head` is a piece of a body that can be taken in as it comes.
    fn begin_body(&mut self, head: FrameHead) -> bool {
        if head.kind != FRAME_BODY || head.size < PARTIAL_BYTES_MIN || self.state != State::Running {
            return false;
        }
        let content = self.channels.find(head.channel).and_then(|channel| channel.content.as_deref());
        let is_wanted =
            content.is_some_and(|content| content.is_kept() && u64::from(head.size) <= content.missing());
        if is_wanted {
            self.partial = Some(PartialBody { channel: head.channel, size: head.size, missing: head.size });
        }
        is_wanted
    }

    fn continue_body(&mut self, mut partial: PartialBody, bytes: &mut &[u8]) -> Framed {
        let PartialBody { channel: number, size, missing } = partial;
        let publish = |error| failure(error, number, MethodId::PUBLISH);
        // The channel may have been refused in the meantime: then the rest of its frame is of no interest.
        let channel = self.channels.find(number);
        let mut content = channel.and_then(|channel| channel.content.as_deref_mut());
        if missing > 0 {
            let wanted = usize::try_from(missing).unwrap_or(usize::MAX).min(bytes.len());
            if wanted == 0 {
                return Ok(Step::Starved);
            }
            let (piece, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
            *bytes = rest;
            if let Some(content) = &mut content {
                content.piece(piece).map_err(publish)?;
            }
            partial.missing = missing.saturating_sub(u32::try_from(wanted).unwrap_or(u32::MAX));
            self.partial = Some(partial);
            return Ok(Step::Done);
        }
        let Some((&end, rest)) = bytes.split_first() else { return Ok(Step::Starved) };
        *bytes = rest;
        self.partial = None;
        if end != FRAME_END {
            *bytes = &[];
            let payload = content.map(|content| content.tail(size as usize)).unwrap_or_default();
            let snippet = Snippet::new(payload);
            let error = ProtocolError::FrameEnd { kind: FRAME_BODY, snippet, found: end };
            return Err(failure(error, number, MethodId::NONE));
        }
        self.complete(number)
    }
}

fn session(number: u16, command: SessionCommand) -> Step {
    Step::Command(Command::Session(SessionId(number), command))
}

/// The fields of a method as Erlang writes a binary, as far as a text has room.
fn as_binary(fields: &[u8]) -> String {
    let numbers: Vec<_> = fields.iter().take(255).map(u8::to_string).collect();
    format!("<<{}>>", numbers.join(","))
}
