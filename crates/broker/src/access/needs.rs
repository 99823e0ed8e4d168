//! Which permissions each wish of a client takes: RabbitMQ's table, row by row.
//!
//! Passive declarations take none; nor does a consumer of the direct reply-to. Topic permissions are beside it: *write* with
//! every routing key of a publish, *read* with the key of a binding.

use model::refusal::{Permission, Resource};

/// A wish, as far as permissions are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish<'a> {
    /// `exchange.declare`; the alternate exchange counts only if the exchange is made now.
    DeclareExchange {
        /// The exchange.
        exchange: &'a str,
        /// Its alternate exchange.
        alternate: Option<&'a str>,
    },
    /// `exchange.delete`
    DeleteExchange {
        /// The exchange.
        exchange: &'a str,
    },
    /// `queue.declare`; the dead letter exchange counts only if the queue is made now.
    DeclareQueue {
        /// The queue; a name that the broker makes up is checked like any other.
        queue: &'a str,
        /// Where its dead letters go.
        dead_letter_exchange: Option<&'a str>,
    },
    /// `queue.delete`
    DeleteQueue {
        /// The queue.
        queue: &'a str,
    },
    /// `queue.bind`, `queue.unbind`, `exchange.bind`, `exchange.unbind`
    Bind {
        /// What the binding leads to.
        kind: Resource,
        /// Its name.
        destination: &'a str,
        /// The exchange it starts from.
        source: &'a str,
    },
    /// `basic.publish`
    Publish {
        /// The exchange.
        exchange: &'a str,
    },
    /// `basic.consume`, `basic.get`, `queue.purge`
    Read {
        /// The queue.
        queue: &'a str,
    },
}

/// A permission on something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need<'a> {
    /// Which.
    pub permission: Permission,
    /// On what.
    pub resource: Resource,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Wish<'a> {
    /// What it takes, in the order in which it is checked.
    pub fn needs(self) -> impl Iterator<Item = Need<'a>> {
        use Permission::{Configure, Read, Write};
        use Resource::{Exchange, Queue};
        let on = |permission, resource, name| Some(Need { permission, resource, name });
        let needs = match self {
            Wish::DeclareExchange { exchange, alternate } => [
                on(Configure, Exchange, exchange),
                alternate.and_then(|_| on(Read, Exchange, exchange)),
                alternate.and_then(|alternate| on(Write, Exchange, alternate)),
            ],
            Wish::DeleteExchange { exchange } => [on(Configure, Exchange, exchange), None, None],
            Wish::DeclareQueue { queue, dead_letter_exchange } => [
                on(Configure, Queue, queue),
                dead_letter_exchange.and_then(|_| on(Read, Queue, queue)),
                dead_letter_exchange.and_then(|exchange| on(Write, Exchange, exchange)),
            ],
            Wish::DeleteQueue { queue } => [on(Configure, Queue, queue), None, None],
            Wish::Bind { kind, destination, source } => {
                [on(Write, kind, destination), on(Read, Exchange, source), None]
            }
            Wish::Publish { exchange } => [on(Write, Exchange, exchange), None, None],
            Wish::Read { queue } => [on(Read, Queue, queue), None, None],
        };
        needs.into_iter().flatten()
    }
}
