//! The way that most input takes: a publish whose two or three frames lie one behind the other becomes a message without a
//! copy in between.
//!
//! Nothing is judged here: whatever is unusual in any way is left where it is, for `frames` to take it apart.

use std::sync::Arc;

use model::{Command, Message, SessionCommand, SessionId};

use super::{Connection, State};
use crate::{
    channel::{Publish, State as ChannelState, check_header},
    codec::{FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD, Frame, MethodId, frame::ContentHeader},
};

impl Connection {
    /// Takes the publish at the front of `bytes`, if it is a plain one and all there.
    pub(super) fn whole_publish(&mut self, bytes: &mut &[u8]) -> Option<Command> {
        if self.state != State::Running || self.partial.is_some() {
            return None;
        }
        let mut rest = *bytes;
        let payload_bytes_max = self.payload_bytes_in_max as usize;
        let method = Frame::take(&mut rest)?;
        let is_plain = |frame: &Frame<'_>, kind| {
            frame.kind == kind
                && frame.channel == method.channel
                && frame.end == FRAME_END
                && frame.payload.len() <= payload_bytes_max
        };
        if !is_plain(&method, FRAME_METHOD) {
            return None;
        }
        let publish = Publish::decode(method.payload)?;
        let channel = self.channels.find(method.channel)?;
        if publish.immediate || channel.state != ChannelState::Open || channel.content.is_some() {
            return None;
        }
        let frame = Frame::take(&mut rest).filter(|frame| is_plain(frame, FRAME_HEADER))?;
        let header = ContentHeader::decode(frame.payload)?;
        check_header(&header).ok()?;
        let body_bytes = usize::try_from(header.body_bytes).ok()?;
        if header.body_bytes > self.settings.message_bytes_max {
            return None;
        }
        let body: &[u8] = if body_bytes == 0 {
            &[]
        } else {
            Frame::take(&mut rest).filter(|frame| is_plain(frame, FRAME_BODY))?.payload
        };
        if body.len() != body_bytes {
            return None;
        }
        let message = Message::published(publish.address, header.properties, body).ok()?;
        channel.last = MethodId::PUBLISH;
        *bytes = rest;
        let command = SessionCommand::Publish { message: Arc::new(message), mandatory: publish.mandatory };
        Some(Command::Session(SessionId(method.channel), command))
    }
}
