//! The queues, their rules, and the messages that are sent along.

use std::sync::Arc;

use model::{Message, SessionCommand, Value, command::DeclareQueue, message::Properties};

use crate::{
    simulation::Dice,
    wish::{declare, durable_queue, message, name, table},
};

/// Each gives up into the next.
pub(crate) const QUEUES: [&str; 4] = ["w0", "w1", "w2", "dead"];

/// What one of them does with messages.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    queue: &'static str,
    next: &'static str,
    is_quorum: bool,
    pub(crate) lives_ms: Option<u64>,
    pub(crate) length: Option<u64>,
    pub(crate) overflow: &'static str,
    priorities: bool,
    returns: Option<i32>,
}

impl Rules {
    pub(crate) fn any(dice: &mut Dice, at: usize) -> Self {
        let is_quorum = dice.one_in(3);
        let length = dice.one_in(2).then(|| 2 + dice.below(8));
        // A letter that is refused is lost, as in RabbitMQ: none gets here.
        let overflow = match (at, dice.below(4)) {
            (0, 0) => "reject-publish",
            (0, 1) if !is_quorum => "reject-publish-dlx",
            _ => "drop-head",
        };
        Self {
            queue: QUEUES[at],
            next: QUEUES[at + 1],
            is_quorum,
            lives_ms: dice.one_in(3).then(|| 5 + dice.below(80)),
            length,
            overflow,
            priorities: !is_quorum && dice.one_in(2),
            returns: is_quorum.then(|| 1 + dice.below(3) as i32),
        }
    }

    /// Whether a publish may be refused.
    pub(crate) fn may_refuse(&self) -> bool {
        self.length.is_some() && self.overflow != "drop-head"
    }

    /// Whether what is refused goes nowhere else.
    pub(crate) fn refuses_for_good(&self) -> bool {
        self.overflow == "reject-publish"
    }

    fn declaration(&self) -> SessionCommand {
        let number = |number: u64| Value::I64(i64::try_from(number).unwrap());
        let mut arguments = table(&[
            ("x-dead-letter-exchange", Value::text("")),
            ("x-dead-letter-routing-key", Value::text(self.next)),
            ("x-overflow", Value::text(self.overflow)),
        ]);
        let more = [
            ("x-message-ttl", self.lives_ms.map(number)),
            ("x-max-length", self.length.map(number)),
            ("x-max-priority", self.priorities.then_some(Value::I32(5))),
            ("x-delivery-limit", self.returns.map(Value::I32)),
            ("x-queue-type", self.is_quorum.then(|| Value::text("quorum"))),
        ];
        for (argument, value) in more {
            arguments.0.extend(value.map(|value| (name(argument), value)));
        }
        SessionCommand::DeclareQueue(DeclareQueue { arguments, ..durable_queue(self.queue) })
    }
}

pub(crate) fn declarations(rules: &[Rules]) -> Vec<SessionCommand> {
    rules.iter().map(Rules::declaration).chain([declare("dead")]).collect()
}

/// A message for a queue: large or small, with or without a priority and a time to live.
pub(crate) fn any_message(dice: &mut Dice, queue: &str, id: u64) -> Arc<Message> {
    let mut body = id.to_string().into_bytes();
    body.resize(*dice.pick(&[30, 30, 30, 30, 3000, 3000, 3000, 20_000]).unwrap(), 0);
    let plain = message("", queue, &body, true);
    let expiration = dice.one_in(4).then(|| dice.below(60).to_string().into_bytes());
    let priority = dice.one_in(2).then(|| dice.below(7) as u8);
    let properties = Properties { priority, expiration: expiration.as_deref(), ..plain.properties() };
    let mut list = Vec::new();
    properties.encode(&mut list);
    plain.with_properties(&list).unwrap().into()
}
