//! What a client's method asks of the core: pure tables, no state.
//!
//! The life of a channel (open, close) and publishes are not here: they need the channel. Events are turned into
//! methods in `connection::events`.

use model::{
    DeliveryId, Name, Outcome, SessionCommand, Table,
    command::{Binding, Consume, DeclareExchange, DeclareQueue, Destination},
};

use crate::{
    codec::{Method, RawTable, Short},
    error::ProtocolError,
};

/// What becomes of a method.
#[derive(Debug)]
pub(crate) enum Translated {
    /// The core is asked.
    Command(SessionCommand),
    /// It is answered at once.
    Answer(Method<'static>),
}

use Translated::{Answer, Command};

/// Translates a method on an open channel.
#[expect(clippy::wildcard_enum_match_arm, reason = "the protocol's list of methods is closed")]
pub(crate) fn translate(method: &Method<'_>) -> Result<Translated, ProtocolError> {
    Ok(match *method {
        Method::ChannelFlow { active: true } => Answer(Method::ChannelFlowOk { active: true }),
        Method::ChannelFlow { active: false } => return Err(ProtocolError::FlowInactive),
        Method::AccessRequest { .. } => Answer(Method::AccessRequestOk { ticket: 1 }),
        Method::ConfirmSelect { nowait } => Command(SessionCommand::SelectConfirms { nowait }),
        Method::TxSelect {} => Command(SessionCommand::SelectTransactions),
        Method::TxCommit {} => Command(SessionCommand::Commit),
        Method::TxRollback {} => Command(SessionCommand::Rollback),
        ref other => match other.id().class {
            40 => Command(exchange(other)?),
            50 => Command(queue(other)?),
            _ => Command(basic(other)?),
        },
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the protocol's list of methods is closed")]
fn exchange(method: &Method<'_>) -> Result<SessionCommand, ProtocolError> {
    Ok(match *method {
        Method::ExchangeDeclare {
            exchange,
            kind,
            passive,
            durable,
            auto_delete,
            internal,
            nowait,
            arguments,
            ..
        } => SessionCommand::DeclareExchange(DeclareExchange {
            exchange: bare_name(exchange)?,
            kind: name(kind)?,
            passive,
            durable,
            auto_delete,
            internal,
            nowait,
            arguments: table(arguments)?,
        }),
        Method::ExchangeDelete { exchange, if_unused, nowait, .. } => {
            SessionCommand::DeleteExchange { exchange: bare_name(exchange)?, if_unused, nowait }
        }
        Method::ExchangeBind { destination, source, routing_key, nowait, arguments, .. } => {
            let ends = (source, Destination::Exchange, destination);
            SessionCommand::Bind(binding(ends, routing_key, nowait, arguments)?)
        }
        Method::ExchangeUnbind { destination, source, routing_key, nowait, arguments, .. } => {
            let ends = (source, Destination::Exchange, destination);
            SessionCommand::Unbind(binding(ends, routing_key, nowait, arguments)?)
        }
        _ => return Err(ProtocolError::UnimplementedMethod),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the protocol's list of methods is closed")]
fn queue(method: &Method<'_>) -> Result<SessionCommand, ProtocolError> {
    Ok(match *method {
        Method::QueueDeclare {
            queue, passive, durable, exclusive, auto_delete, nowait, arguments, ..
        } => SessionCommand::DeclareQueue(DeclareQueue {
            queue: bare_name(queue)?,
            passive,
            durable,
            exclusive,
            auto_delete,
            nowait,
            arguments: table(arguments)?,
        }),
        Method::QueueDelete { queue, if_unused, if_empty, nowait, .. } => {
            SessionCommand::DeleteQueue { queue: bare_name(queue)?, if_unused, if_empty, nowait }
        }
        Method::QueuePurge { queue, nowait, .. } => {
            SessionCommand::PurgeQueue { queue: name(queue)?, nowait }
        }
        Method::QueueBind { queue, exchange, routing_key, nowait, arguments, .. } => {
            let ends = (exchange, Destination::Queue, queue);
            SessionCommand::Bind(binding(ends, routing_key, nowait, arguments)?)
        }
        Method::QueueUnbind { queue, exchange, routing_key, arguments, .. } => {
            let ends = (exchange, Destination::Queue, queue);
            SessionCommand::Unbind(binding(ends, routing_key, false, arguments)?)
        }
        _ => return Err(ProtocolError::UnimplementedMethod),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the protocol's list of methods is closed")]
fn basic(method: &Method<'_>) -> Result<SessionCommand, ProtocolError> {
    Ok(match *method {
        Method::BasicQos { prefetch_size: 0, prefetch_count, global } => {
            SessionCommand::SetPrefetch { count: prefetch_count, global }
        }
        Method::BasicQos { prefetch_size, .. } => return Err(ProtocolError::PrefetchSize(prefetch_size)),
        // `no_local` is not looked at, as in RabbitMQ.
        Method::BasicConsume { queue, consumer_tag, no_ack, exclusive, nowait, arguments, .. } => {
            SessionCommand::Consume(Consume {
                queue: name(queue)?,
                consumer: name(consumer_tag)?,
                no_ack,
                exclusive,
                nowait,
                arguments: table(arguments)?,
            })
        }
        Method::BasicCancel { consumer_tag, nowait } => {
            SessionCommand::Cancel { consumer: name(consumer_tag)?, nowait }
        }
        Method::BasicGet { queue, no_ack, .. } => SessionCommand::Get { queue: name(queue)?, no_ack },
        Method::BasicAck { delivery_tag, multiple } => settle(delivery_tag, multiple, Outcome::Accepted),
        Method::BasicNack { delivery_tag, multiple, requeue } => {
            settle(delivery_tag, multiple, rejected(requeue))
        }
        Method::BasicReject { delivery_tag, requeue } => settle(delivery_tag, false, rejected(requeue)),
        Method::BasicRecover { requeue: true } => SessionCommand::Recover { nowait: false },
        Method::BasicRecoverAsync { requeue: true } => SessionCommand::Recover { nowait: true },
        Method::BasicRecover { requeue: false } | Method::BasicRecoverAsync { requeue: false } => {
            return Err(ProtocolError::RecoverWithoutRequeue);
        }
        _ => return Err(ProtocolError::UnimplementedMethod),
    })
}

fn settle(delivery_tag: u64, multiple: bool, outcome: Outcome) -> SessionCommand {
    SessionCommand::Settle { delivery: DeliveryId(delivery_tag), multiple, outcome }
}

fn rejected(requeue: bool) -> Outcome {
    if requeue { Outcome::Requeued } else { Outcome::Rejected }
}

fn binding(
    (source, destination_kind, destination): (Short<'_>, Destination, Short<'_>),
    routing_key: Short<'_>,
    nowait: bool,
    arguments: RawTable<'_>,
) -> Result<Binding, ProtocolError> {
    Ok(Binding {
        source: bare_name(source)?,
        destination_kind,
        destination: bare_name(destination)?,
        routing_key: name(routing_key)?,
        nowait,
        arguments: table(arguments)?,
    })
}

pub(crate) fn name(text: Short<'_>) -> Result<Name, ProtocolError> {
    Name::from_bytes(text.0).map_err(|_| ProtocolError::NotUtf8)
}

/// RabbitMQ: CR and LF go from the names that are declared, deleted and bound (not consumed, fetched or purged).
fn bare_name(text: Short<'_>) -> Result<Name, ProtocolError> {
    name(text).map(Name::without_line_ends)
}

pub(crate) fn table(raw: RawTable<'_>) -> Result<Table, ProtocolError> {
    Ok(Table::decode(&mut { raw.0 })?)
}
