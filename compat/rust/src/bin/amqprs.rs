//! amqprs against the broker: the common list of checks. Returns, confirms and closes come through its callbacks.

use std::time::Duration;

use amqprs::{
    Ack, BasicProperties, Cancel, CloseChannel, Deliver, FieldTable, FieldValue, Nack, Return,
    callbacks::ChannelCallback, channel::*, connection::{Connection, OpenConnectionArguments},
};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use harefoot_compat::{checks, fresh, holds, large_body, refused, same, setting, soon};
use tokio::sync::mpsc;

/// What the broker says without being asked.
#[derive(Debug, PartialEq)]
enum Event {
    Closed(u16, String),
    Cancelled(String),
    Confirmed { tag: u64, multiple: bool },
    Refused,
    Returned { code: u16, text: String, exchange: String, key: String, body: Vec<u8> },
}

struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    fn tell(&self, event: Event) {
        // The receiver is gone only when the check has ended.
        let _ = self.0.send(event);
    }
}

#[async_trait]
impl ChannelCallback for Events {
    async fn close(&mut self, _: &Channel, close: CloseChannel) -> std::result::Result<(), amqprs::error::Error> {
        self.tell(Event::Closed(close.reply_code(), close.reply_text().clone()));
        Ok(())
    }
    async fn cancel(&mut self, _: &Channel, cancel: Cancel) -> std::result::Result<(), amqprs::error::Error> {
        self.tell(Event::Cancelled(cancel.consumer_tag().clone()));
        Ok(())
    }
    async fn flow(&mut self, _: &Channel, active: bool) -> std::result::Result<bool, amqprs::error::Error> {
        Ok(active)
    }
    async fn publish_ack(&mut self, _: &Channel, ack: Ack) {
        self.tell(Event::Confirmed { tag: ack.delivery_tag(), multiple: ack.mutiple() });
    }
    async fn publish_nack(&mut self, _: &Channel, _: Nack) {
        self.tell(Event::Refused);
    }
    async fn publish_return(&mut self, _: &Channel, back: Return, _: BasicProperties, body: Vec<u8>) {
        let (exchange, key) = (back.exchange().clone(), back.routing_key().clone());
        self.tell(Event::Returned { code: back.reply_code(), text: back.reply_text().clone(), exchange, key, body });
    }
}

/// A connection with one channel in confirm mode.
struct Link {
    connection: Connection,
    channel: Channel,
    events: mpsc::UnboundedReceiver<Event>,
    published: u64,
}

fn arguments(password: &str, vhost: &str) -> OpenConnectionArguments {
    let port = setting("AMQP_PORT").parse().expect("AMQP_PORT is a port");
    OpenConnectionArguments::new(&setting("AMQP_HOST"), port, &setting("AMQP_USER"), password).virtual_host(vhost).finish()
}

impl Link {
    async fn new() -> Result<Self> {
        Self::with(&arguments(&setting("AMQP_PASSWORD"), "/")).await
    }

    async fn with(arguments: &OpenConnectionArguments) -> Result<Self> {
        let connection = Connection::open(arguments).await?;
        let channel = connection.open_channel(None).await?;
        let (tell, events) = mpsc::unbounded_channel();
        channel.register_callback(Events(tell)).await?;
        channel.confirm_select(ConfirmSelectArguments::new(false)).await?;
        Ok(Self { connection, channel, events, published: 0 })
    }

    async fn event(&mut self) -> Result<Event> {
        soon(self.events.recv(), "an event").await
    }

    async fn exclusive(&self) -> Result<String> {
        let arguments = QueueDeclareArguments::exclusive_server_named();
        Ok(self.channel.queue_declare(arguments).await?.context("no declare-ok")?.0)
    }

    async fn passive(&self, queue: &str) -> Result<(u32, u32)> {
        let arguments = QueueDeclareArguments::new(queue).passive(true).finish();
        let (_, messages, consumers) = self.channel.queue_declare(arguments).await?.context("no declare-ok")?;
        Ok((messages, consumers))
    }

    async fn send(&mut self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) -> Result<()> {
        let arguments = BasicPublishArguments::new(exchange, key).mandatory(true).finish();
        self.channel.basic_publish(properties, body.to_vec(), arguments).await?;
        self.published += 1;
        Ok(())
    }

    /// Waits until all that this link sent is confirmed; gives what else came. For links whose confirms nobody took before.
    async fn confirmed(&mut self) -> Result<Vec<Event>> {
        let (mut others, mut open) = (Vec::new(), (1..=self.published).collect::<std::collections::BTreeSet<u64>>());
        while !open.is_empty() {
            match self.event().await? {
                Event::Confirmed { tag, multiple: true } => open.retain(|one| *one > tag),
                Event::Confirmed { tag, multiple: false } => drop(open.remove(&tag)),
                other => others.push(other),
            }
        }
        Ok(others)
    }

    async fn put(&mut self, queue: &str, bodies: &[&str]) -> Result<()> {
        for body in bodies {
            self.send("", queue, body.as_bytes(), BasicProperties::default()).await?;
            let last = self.published;
            loop {
                match self.event().await? {
                    Event::Confirmed { tag, .. } if tag >= last => break,
                    Event::Confirmed { .. } => {}
                    other => bail!("{other:?} instead of a confirm"),
                }
            }
        }
        Ok(())
    }

    async fn get(&self, queue: &str, no_ack: bool) -> Result<GetMessage> {
        let arguments = BasicGetArguments::new(queue).no_ack(no_ack).finish();
        self.channel.basic_get(arguments).await?.context("the queue is empty")
    }

    async fn delete(&self, queue: &str) -> Result<u32> {
        self.channel.queue_delete(QueueDeleteArguments::new(queue)).await?.context("no delete-ok")
    }

    /// The channel must be closed by the broker with this code and text, and another can be opened.
    async fn closed(mut self, code: u16, part: &str) -> Result<()> {
        let Event::Closed(seen, text) = self.event().await? else { bail!("no channel.close") };
        same(seen, code)?;
        holds(&text, part)?;
        self.connection.open_channel(None).await?;
        Ok(())
    }
}

async fn connect() -> Result<()> {
    let link = Link::new().await?;
    holds(&format!("{:?}", link.connection.is_open()), "true")?;
    link.channel.close().await?;
    Ok(link.connection.close().await?)
}

async fn wrong_password() -> Result<()> {
    // amqprs does not announce authentication_failure_close, so the broker just ends the connection.
    holds(&refused(Connection::open(&arguments("not it", "/")).await)?, "Error")
}

async fn wrong_vhost() -> Result<()> {
    let error = refused(Connection::open(&arguments(&setting("AMQP_PASSWORD"), "not.there")).await)?;
    same(error.is_empty(), false)
}

async fn declare() -> Result<()> {
    let mut link = Link::new().await?;
    holds(&link.exclusive().await?, "amq.gen-")?;
    let queue = fresh("declare");
    let arguments = QueueDeclareArguments::transient_autodelete(&queue).durable(true).finish();
    same(link.channel.queue_declare(arguments).await?, Some((queue.clone(), 0, 0)))?;
    link.put(&queue, &["1", "2"]).await?;
    same(link.passive(&queue).await?, (2, 0))?;
    let (tag, _deliveries) = link.channel.basic_consume_rx(BasicConsumeArguments::new(&queue, "")).await?;
    same(link.passive(&queue).await?.1, 1)?;
    link.channel.basic_cancel(BasicCancelArguments::new(&tag)).await?;
    refused(link.passive(&queue).await)?;
    link.closed(404, "NOT_FOUND").await
}

async fn publish_get() -> Result<()> {
    let mut link = Link::new().await?;
    let queue = link.exclusive().await?;
    link.put(&queue, &["0", "1"]).await?;
    let (got, _, body) = link.get(&queue, false).await?;
    same((got.message_count(), got.redelivered(), got.routing_key(), &body[..]), (1, false, &queue, b"0"))?;
    link.channel.basic_ack(BasicAckArguments::new(got.delivery_tag(), false)).await?;
    same(&link.get(&queue, true).await?.2[..], b"1")?;
    same(link.channel.basic_get(BasicGetArguments::new(&queue)).await?.is_none(), true)
}

async fn confirm() -> Result<()> {
    let mut link = Link::new().await?;
    let queue = fresh("confirm");
    link.channel.queue_declare(QueueDeclareArguments::durable_client_named(&queue)).await?;
    for number in 0..200u32 {
        link.send("", &queue, &number.to_be_bytes(), BasicProperties::default().with_persistence(true).finish()).await?;
    }
    same(link.confirmed().await?, vec![])?;
    same(link.delete(&queue).await?, 200)
}

async fn mandatory_return() -> Result<()> {
    let mut link = Link::new().await?;
    let key = fresh("nowhere");
    link.send("amq.direct", &key, b"back", BasicProperties::default()).await?;
    let back = Event::Returned { code: 312, text: "NO_ROUTE".into(), exchange: "amq.direct".into(), key, body: b"back".to_vec() };
    same(link.event().await?, back)?;
    same(link.event().await?, Event::Confirmed { tag: 1, multiple: false })
}

async fn consume_prefetch() -> Result<()> {
    let mut link = Link::new().await?;
    let queue = link.exclusive().await?;
    let bodies: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    link.put(&queue, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    link.channel.basic_qos(BasicQosArguments::new(0, 5, false)).await?;
    let arguments = BasicConsumeArguments::new(&queue, "").manual_ack(true).finish();
    let (_tag, mut deliveries) = link.channel.basic_consume_rx(arguments).await?;
    let mut seen: Vec<(u64, Vec<u8>)> = Vec::new();
    let unpack = |message: ConsumerMessage| -> Result<(u64, Vec<u8>)> {
        let deliver: Deliver = message.deliver.context("no deliver")?;
        Ok((deliver.delivery_tag(), message.content.context("no content")?))
    };
    while seen.len() < 5 {
        seen.push(unpack(soon(deliveries.recv(), "a delivery").await?)?);
    }
    if tokio::time::timeout(Duration::from_millis(300), deliveries.recv()).await.is_ok() {
        bail!("a sixth delivery with prefetch 5");
    }
    link.channel.basic_ack(BasicAckArguments::new(seen[0].0, false)).await?;
    seen.push(unpack(soon(deliveries.recv(), "the sixth").await?)?);
    while seen.len() < 20 {
        link.channel.basic_ack(BasicAckArguments::new(seen[seen.len() - 1].0, true)).await?;
        seen.push(unpack(soon(deliveries.recv(), "more after ack multiple").await?)?);
    }
    same(seen.iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect::<Vec<_>>(), bodies)
}

async fn nack_requeue() -> Result<()> {
    let mut link = Link::new().await?;
    let queue = link.exclusive().await?;
    link.put(&queue, &["0", "1", "2"]).await?;
    link.get(&queue, false).await?;
    let second = link.get(&queue, false).await?.0.delivery_tag();
    link.channel.basic_nack(BasicNackArguments::new(second, true, true)).await?;
    for (redelivered, body) in [(true, "0"), (true, "1"), (false, "2")] {
        let (got, _, content) = link.get(&queue, true).await?;
        same((got.redelivered(), &content[..]), (redelivered, body.as_bytes()))?;
    }
    Ok(())
}

async fn reject_drop() -> Result<()> {
    let mut link = Link::new().await?;
    let queue = link.exclusive().await?;
    link.put(&queue, &["drop"]).await?;
    let tag = link.get(&queue, false).await?.0.delivery_tag();
    link.channel.basic_reject(BasicRejectArguments::new(tag, false)).await?;
    same(link.delete(&queue).await?, 0)
}

async fn purge_delete() -> Result<()> {
    let mut link = Link::new().await?;
    let queue = link.exclusive().await?;
    link.put(&queue, &["x", "x", "x"]).await?;
    same(link.channel.queue_purge(QueuePurgeArguments::new(&queue)).await?, Some(3))?;
    link.put(&queue, &["x"]).await?;
    same(link.delete(&queue).await?, 1)
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    let mut table = FieldTable::new();
    for (key, value) in entries {
        table.insert((*key).try_into().expect("a short key"), value.clone());
    }
    table
}

/// For each binding how many messages came.
async fn routed(kind: &str, bindings: &[(&str, FieldTable)], key: &str, headers: FieldTable) -> Result<Vec<u32>> {
    let mut link = Link::new().await?;
    let (exchange, mut queues, mut counts) = (fresh("x"), Vec::new(), Vec::new());
    link.channel.exchange_declare(ExchangeDeclareArguments::new(&exchange, kind)).await?;
    for (binding, arguments) in bindings {
        let queue = link.exclusive().await?;
        let bind = QueueBindArguments::new(&queue, &exchange, binding).arguments(arguments.clone()).finish();
        link.channel.queue_bind(bind).await?;
        queues.push(queue);
    }
    link.send(&exchange, key, b"m", BasicProperties::default().with_headers(headers).finish()).await?;
    link.confirmed().await?;
    link.channel.exchange_delete(ExchangeDeleteArguments::new(&exchange)).await?;
    for queue in queues {
        counts.push(link.delete(&queue).await?);
    }
    Ok(counts)
}

async fn exchange_types() -> Result<()> {
    let none = FieldTable::new;
    same(routed("direct", &[("a", none()), ("b", none())], "a", none()).await?, vec![1, 0])?;
    same(routed("fanout", &[("a", none()), ("b", none())], "z", none()).await?, vec![1, 1])?;
    let patterns = [("a.*.c", none()), ("a.#", none()), ("a.*", none()), ("#", none())];
    same(routed("topic", &patterns, "a.b.c", none()).await?, vec![1, 1, 0, 1])?;
    let both = |how: &str| table(&[("x-match", how.into()), ("one", FieldValue::I(1)), ("two", "2".into())]);
    same(routed("headers", &[("", both("all")), ("", both("any"))], "", table(&[("one", FieldValue::I(1))])).await?, vec![0, 1])
}

async fn exchange_bindings() -> Result<()> {
    let mut link = Link::new().await?;
    let (outer, inner, queue) = (fresh("outer"), fresh("inner"), link.exclusive().await?);
    link.channel.exchange_declare(ExchangeDeclareArguments::new(&outer, "topic")).await?;
    link.channel.exchange_declare(ExchangeDeclareArguments::new(&inner, "fanout")).await?;
    link.channel.queue_bind(QueueBindArguments::new(&queue, &inner, "")).await?;
    link.channel.exchange_bind(ExchangeBindArguments::new(&inner, &outer, "k.#")).await?;
    link.send(&outer, "k.1", b"through", BasicProperties::default()).await?;
    same(link.event().await?, Event::Confirmed { tag: 1, multiple: false })?;
    link.channel.exchange_unbind(ExchangeUnbindArguments::new(&inner, &outer, "k.#")).await?;
    link.send(&outer, "k.1", b"not", BasicProperties::default()).await?;
    same(matches!(link.event().await?, Event::Returned { code: 312, .. }), true)?;
    same(link.delete(&queue).await?, 1)?;
    link.channel.exchange_delete(ExchangeDeleteArguments::new(&outer)).await?;
    Ok(link.channel.exchange_delete(ExchangeDeleteArguments::new(&inner)).await?)
}

async fn error_404() -> Result<()> {
    let link = Link::new().await?;
    refused(link.passive("not.there").await)?;
    link.closed(404, "NOT_FOUND - no queue 'not.there' in vhost '/'").await
}

async fn error_405() -> Result<()> {
    let owner = Link::new().await?;
    let queue = owner.exclusive().await?;
    let link = Link::new().await?;
    refused(link.passive(&queue).await)?;
    link.closed(405, "RESOURCE_LOCKED").await
}

async fn error_406() -> Result<()> {
    let (first, link, queue) = (Link::new().await?, Link::new().await?, fresh("error"));
    first.channel.queue_declare(QueueDeclareArguments::new(&queue)).await?;
    refused(link.channel.queue_declare(QueueDeclareArguments::durable_client_named(&queue)).await)?;
    link.closed(406, "PRECONDITION_FAILED - inequivalent arg 'durable'").await?;
    first.delete(&queue).await.map(drop)
}

async fn error_403() -> Result<()> {
    let link = Link::new().await?;
    refused(link.channel.queue_declare(QueueDeclareArguments::new("amq.mine")).await)?;
    link.closed(403, "ACCESS_REFUSED").await
}

async fn there_and_back(body: &[u8], properties: BasicProperties) -> Result<GetMessage> {
    let mut link = Link::new().await?;
    let queue = link.exclusive().await?;
    link.send("", &queue, body, properties).await?;
    link.confirmed().await?;
    link.get(&queue, true).await
}

async fn properties() -> Result<()> {
    let sent = BasicProperties::default()
        .with_content_type("text/plain").with_content_encoding("gzip").with_headers(table(&[("h", "v".into())])).with_delivery_mode(2)
        .with_priority(7).with_correlation_id("c-1").with_reply_to("answers").with_expiration("60000").with_message_id("m-1")
        .with_timestamp(1_700_000_000).with_message_type("kind").with_user_id(&setting("AMQP_USER")).with_app_id("app")
        .with_cluster_id("old").finish();
    let (_, back, _) = there_and_back(b"m", sent.clone()).await?;
    same(format!("{back:?}"), format!("{sent:?}"))
}

async fn field_types() -> Result<()> {
    let list = vec![FieldValue::I(1), "two".into(), FieldValue::V];
    let sent = table(&[
        ("bool", true.into()), ("i8", FieldValue::b(-8)), ("u8", FieldValue::B(200)), ("i16", FieldValue::s(-300)),
        ("u16", FieldValue::u(60_000)), ("i32", FieldValue::I(-5)), ("u32", FieldValue::i(4_000_000_000)), ("i64", FieldValue::l(1 << 40)),
        ("f32", FieldValue::f(0.5)), ("f64", FieldValue::d(0.125)), ("decimal", FieldValue::D(amqprs::DecimalValue::new(2, 1234))),
        ("text", "grüße".into()), ("list", FieldValue::A(list.try_into()?)), ("time", FieldValue::T(1_700_000_000)),
        ("table", table(&[("deep", table(&[("er", FieldValue::V)]).into())]).into()), ("void", FieldValue::V),
        ("bytes", FieldValue::x(vec![0u8, 255].try_into()?)),
    ]);
    let (_, back, _) = there_and_back(b"m", BasicProperties::default().with_headers(sent.clone()).finish()).await?;
    same(back.headers(), Some(&sent))
}

async fn large_message() -> Result<()> {
    let body = large_body();
    same(there_and_back(&body, BasicProperties::default()).await?.2 == body, true)
}

async fn heartbeat() -> Result<()> {
    let link = Link::with(&arguments(&setting("AMQP_PASSWORD"), "/").heartbeat(1).finish()).await?;
    tokio::time::sleep(Duration::from_millis(4500)).await;
    link.exclusive().await.map(drop)
}

async fn cancel_notice() -> Result<()> {
    let (mut link, other, queue) = (Link::new().await?, Link::new().await?, fresh("cancel"));
    link.channel.queue_declare(QueueDeclareArguments::new(&queue)).await?;
    let (tag, _deliveries) = link.channel.basic_consume_rx(BasicConsumeArguments::new(&queue, "")).await?;
    other.delete(&queue).await?;
    same(link.event().await?, Event::Cancelled(tag))
}

fn main() {
    harefoot_compat::main(checks![
        connect, wrong_password, wrong_vhost, declare, publish_get, confirm, mandatory_return, consume_prefetch, nack_requeue, reject_drop,
        purge_delete, exchange_types, exchange_bindings, error_404, error_405, error_406, error_403, properties, field_types, large_message,
        heartbeat, cancel_notice,
    ]);
}
