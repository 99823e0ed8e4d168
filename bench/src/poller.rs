//! Which of many sockets can be read or written: epoll, and nothing else.

use std::{net::TcpStream, os::fd::OwnedFd, time::Duration};

use anyhow::Context as _;
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    io::Errno,
};

const EVENTS_MAX: usize = 256;

/// A socket that something can be done with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Readiness {
    /// The number under which the socket was added.
    pub(crate) number: usize,
    pub(crate) can_read: bool,
    pub(crate) can_write: bool,
}

/// A set of sockets.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).context("cannot create an epoll")?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Always watched for reading, on wish for writing too.
    pub(crate) fn add(&self, socket: &TcpStream, number: usize, for_writing: bool) -> anyhow::Result<()> {
        epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), flags(for_writing))?;
        Ok(())
    }

    pub(crate) fn change(&self, socket: &TcpStream, number: usize, for_writing: bool) -> anyhow::Result<()> {
        epoll::modify(&self.epoll, socket, EventData::new_u64(number as u64), flags(for_writing))?;
        Ok(())
    }

    /// Waits, and appends what can be done.
    pub(crate) fn wait(&mut self, timeout: Duration, ready: &mut Vec<Readiness>) -> anyhow::Result<()> {
        let timeout = Timespec::try_from(timeout).context("too long to wait")?;
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for sockets"),
        }
        for event in self.events.drain(..) {
            let flags = event.flags;
            let is_broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
            ready.push(Readiness {
                number: usize::try_from(event.data.u64())?,
                can_read: is_broken || flags.contains(EventFlags::IN),
                can_write: flags.contains(EventFlags::OUT),
            });
        }
        Ok(())
    }
}

fn flags(for_writing: bool) -> EventFlags {
    if for_writing { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN }
}
