//! The mailbox of a connection: where queues put deliveries and notices for the task that owns the connection.
//!
//! A leaf lock: whoever holds it takes no other. The queue fills it, the connection's task empties it with
//! [`Mailbox::take`]. A consumer whose mailbox is full is *stalled*: its queue stops delivering to it until the
//! connection has taken what is there, so a connection that reads slowly holds up nobody but itself.

use std::{
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use model::{Message, Name, SessionId};
use parking_lot::Mutex;

use crate::queue::{ConsumerKey, Queue, Ticket};

/// Deliveries that wait for one connection, in bytes, before its consumers are stalled.
pub(crate) const MAILBOX_BYTES_MAX: usize = 256 * 1024;

/// Bytes in a mailbox beyond which direct replies are dropped: nothing can keep who sends them waiting.
pub(crate) const REPLIES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a waiting delivery weighs beside its message.
pub(crate) const DELIVERY_BYTES: usize = 64;

/// Wakes the task of a connection. The server implements it with its runtime's means.
pub trait Bell: Send + Sync {
    /// There is something to do. May be called from any thread, and often.
    fn ring(&self);
}

/// A message on its way to a consumer.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) session: SessionId,
    /// The consumer's place in its session.
    pub(crate) slot: u32,
    pub(crate) parcel: Parcel,
}

/// A message out of a queue, with what is needed to put it back.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) ticket: Ticket,
    pub(crate) redelivered: bool,
    pub(crate) message: Arc<Message>,
}

/// A direct reply on its way to the session that asked for it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) session: SessionId,
    /// The address it was sent to: the session may have another one by now.
    pub(crate) address: Name,
    pub(crate) message: Arc<Message>,
}

/// Something a queue has to say to a session beside deliveries.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The consumer in this slot is gone because its queue is.
    ConsumerLost { session: SessionId, slot: u32 },
    /// The answer to a get that had to wait for the disk.
    Got { session: SessionId, queue: Arc<Queue>, parcel: Option<Parcel>, left: u64 },
}

/// What became of a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pushed {
    /// There is room for more.
    Room,
    /// Taken, but the consumer must pause; it will be resumed by the connection.
    Full,
    /// The connection is gone; the deliveries are still in the caller's hands.
    Gone,
}

/// What [`Mailbox::take`] hands over.
#[derive(Default, Debug)]
pub(crate) struct Mail {
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) replies: Vec<Reply>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) stalled: Vec<(Arc<Queue>, ConsumerKey)>,
}

/// See the module's documentation.
pub struct Mailbox {
    inbox: Mutex<Inbox>,
    bell: Arc<dyn Bell>,
    /// Rung and not yet answered: further rings are dropped.
    rung: AtomicBool,
    /// The connection is not to publish for now.
    is_held: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    mail: Mail,
    bytes: usize,
    is_closed: bool,
    /// The broker wants the connection to end, for this reason.
    forced: Option<String>,
}

impl Mailbox {
    pub(crate) fn new(bell: Arc<dyn Bell>) -> Self {
        Self { inbox: Mutex::default(), bell, rung: AtomicBool::new(false), is_held: AtomicBool::new(false) }
    }

    /// Wakes the connection's task, once until it has answered.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }

    /// The task says that it is awake and about to look at everything.
    pub(crate) fn answer(&self) {
        self.rung.store(false, Ordering::Release);
    }

    /// The connection is to pause until [`Mailbox::release`].
    pub(crate) fn hold(&self) {
        self.is_held.store(true, Ordering::Release);
    }

    /// The connection may go on publishing; to be followed by a ring.
    pub(crate) fn release(&self) {
        self.is_held.store(false, Ordering::Release);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }

    /// Puts deliveries in for one consumer. `queue` is asked for only if the consumer must pause.
    pub(crate) fn push(
        &self,
        deliveries: &mut Vec<Delivery>,
        consumer: ConsumerKey,
        queue: impl FnOnce() -> Arc<Queue>,
    ) -> Pushed {
        let mut inbox = self.inbox.lock();
        if inbox.is_closed {
            return Pushed::Gone;
        }
        let bytes: usize =
            deliveries.iter().map(|d| d.parcel.message.bytes().saturating_add(DELIVERY_BYTES)).sum();
        inbox.bytes = inbox.bytes.saturating_add(bytes);
        inbox.mail.deliveries.append(deliveries);
        if inbox.bytes < MAILBOX_BYTES_MAX {
            return Pushed::Room;
        }
        let queue = queue();
        inbox.mail.stalled.push((queue, consumer));
        Pushed::Full
    }

    /// Whether a consumer must pause before it is given anything, because others have filled the mailbox. It will be resumed
    /// by the connection.
    pub(crate) fn pauses(&self, consumer: ConsumerKey, queue: impl FnOnce() -> Arc<Queue>) -> bool {
        let mut inbox = self.inbox.lock();
        let is_full = !inbox.is_closed && inbox.bytes >= MAILBOX_BYTES_MAX;
        if is_full {
            inbox.mail.stalled.push((queue(), consumer));
        }
        is_full
    }

    /// Puts a direct reply in; false if there is no room or the connection is gone.
    pub(crate) fn push_reply(&self, reply: Reply) -> bool {
        let mut inbox = self.inbox.lock();
        let bytes = reply.message.bytes().saturating_add(DELIVERY_BYTES);
        if inbox.is_closed || inbox.bytes.saturating_add(bytes) > REPLIES_BYTES_MAX {
            return false;
        }
        inbox.bytes = inbox.bytes.saturating_add(bytes);
        inbox.mail.replies.push(reply);
        true
    }

    /// Puts a notice in; gives it back if the connection is gone.
    pub(crate) fn notify(&self, notice: Notice) -> Result<(), Notice> {
        let mut inbox = self.inbox.lock();
        if inbox.is_closed {
            return Err(notice);
        }
        inbox.mail.notices.push(notice);
        Ok(())
    }

    /// Asks the connection to end.
    pub fn force_close(&self, reason: &str) {
        self.inbox.lock().forced.get_or_insert_with(|| reason.to_owned());
        self.ring();
    }

    pub(crate) fn take_forced(&self) -> Option<String> {
        self.inbox.lock().forced.take()
    }

    /// Takes everything out, into buffers that are used again.
    pub(crate) fn take(&self, mail: &mut Mail) {
        let mut inbox = self.inbox.lock();
        inbox.bytes = 0;
        mem::swap(&mut inbox.mail, mail);
    }

    /// The connection ends: nothing goes in any more; what is in is handed back.
    pub(crate) fn close(&self) -> Mail {
        let mut inbox = self.inbox.lock();
        inbox.is_closed = true;
        inbox.bytes = 0;
        mem::take(&mut inbox.mail)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}
