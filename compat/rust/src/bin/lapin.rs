//! lapin against the broker: the common list of checks.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_rs::Runtime;
use futures_lite::StreamExt;
use harefoot_compat::{checks, fresh, holds, large_body, refused, same, setting, soon};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind, message::BasicGetMessage, options::*, types::*,
};

fn uri(password: &str, vhost: &str, more: &str) -> String {
    let (user, host, port) = (setting("AMQP_USER"), setting("AMQP_HOST"), setting("AMQP_PORT"));
    format!("amqp://{user}:{password}@{host}:{port}/{vhost}{more}")
}

async fn open(uri: &str) -> lapin::Result<Connection> {
    Connection::connect_with_runtime(uri, ConnectionProperties::default(), Runtime::tokio_current()).await
}

async fn linked() -> Result<(Connection, Channel)> {
    linked_with("").await
}

async fn linked_with(more: &str) -> Result<(Connection, Channel)> {
    let connection = open(&uri(&setting("AMQP_PASSWORD"), "%2f", more)).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

async fn exclusive(channel: &Channel) -> Result<String> {
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    Ok(channel.queue_declare("".into(), options, FieldTable::default()).await?.name().to_string())
}

async fn declare_with(channel: &Channel, queue: &str, options: QueueDeclareOptions) -> lapin::Result<(u32, u32)> {
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    Ok((declared.message_count(), declared.consumer_count()))
}

async fn passive(channel: &Channel, queue: &str) -> lapin::Result<(u32, u32)> {
    declare_with(channel, queue, QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() }).await
}

async fn put(channel: &Channel, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) -> Result<Confirmation> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    Ok(channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?.await?)
}

async fn put_all(channel: &Channel, queue: &str, bodies: &[&str]) -> Result<()> {
    for body in bodies {
        same(put(channel, "", queue, body.as_bytes(), BasicProperties::default()).await?, Confirmation::Ack(None))?;
    }
    Ok(())
}

async fn take(channel: &Channel, queue: &str, no_ack: bool) -> Result<BasicGetMessage> {
    channel.basic_get(queue.into(), BasicGetOptions { no_ack }).await?.context("the queue is empty")
}

async fn delete(channel: &Channel, queue: &str) -> Result<u32> {
    Ok(channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?)
}

async fn there_and_back(body: &[u8], properties: BasicProperties, more: &str) -> Result<BasicGetMessage> {
    let (_connection, channel) = linked_with(more).await?;
    let queue = exclusive(&channel).await?;
    put(&channel, "", &queue, body, properties).await?;
    take(&channel, &queue, true).await
}

async fn connect() -> Result<()> {
    let (connection, _channel) = linked().await?;
    same(connection.status().connected(), true)?;
    connection.close(200, "done".into()).await?;
    same(connection.status().connected(), false)
}

async fn wrong_password() -> Result<()> {
    holds(&refused(open(&uri("not-it", "%2f", "")).await)?, "ACCESS")
}

async fn wrong_vhost() -> Result<()> {
    holds(&refused(open(&uri(&setting("AMQP_PASSWORD"), "not.there", "")).await)?, "NOT_ALLOWED")
}

async fn declare() -> Result<()> {
    let (_connection, channel) = linked().await?;
    holds(&exclusive(&channel).await?, "amq.gen-")?;
    let queue = fresh("declare");
    let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    same(declare_with(&channel, &queue, options).await?, (0, 0))?;
    put_all(&channel, &queue, &["1", "2"]).await?;
    same(passive(&channel, &queue).await?, (2, 0))?;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await?;
    same(passive(&channel, &queue).await?.1, 1)?;
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
    holds(&refused(passive(&channel, &queue).await)?, "NOT_FOUND")
}

async fn publish_get() -> Result<()> {
    let (_connection, channel) = linked().await?;
    let queue = exclusive(&channel).await?;
    put_all(&channel, &queue, &["0", "1"]).await?;
    let got = take(&channel, &queue, false).await?;
    same((got.message_count, got.redelivered, got.routing_key.as_str(), &got.data[..]), (1, false, &queue, b"0"))?;
    got.ack(BasicAckOptions::default()).await?;
    same(&take(&channel, &queue, true).await?.data[..], b"1")?;
    same(channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await?.is_none(), true)
}

async fn confirm() -> Result<()> {
    let (_connection, channel) = linked().await?;
    let queue = fresh("confirm");
    declare_with(&channel, &queue, QueueDeclareOptions::durable()).await?;
    let mut waiting = Vec::new();
    for number in 0..200u32 {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        waiting.push(channel.basic_publish("".into(), queue.as_str().into(), options, &number.to_be_bytes(), properties).await?);
    }
    for confirm in waiting {
        same(confirm.await?, Confirmation::Ack(None))?;
    }
    same(delete(&channel, &queue).await?, 200)
}

async fn mandatory_return() -> Result<()> {
    let (_connection, channel) = linked().await?;
    let key = fresh("nowhere");
    let Confirmation::Ack(Some(back)) = put(&channel, "amq.direct", &key, b"back", BasicProperties::default()).await? else {
        bail!("nothing came back with the confirm");
    };
    same((back.reply_code, back.reply_text.as_str()), (312, "NO_ROUTE"))?;
    same((back.exchange.as_str(), back.routing_key.as_str(), &back.data[..]), ("amq.direct", &key, b"back"))
}

async fn consume_prefetch() -> Result<()> {
    let (_connection, channel) = linked().await?;
    let queue = exclusive(&channel).await?;
    let bodies: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    put_all(&channel, &queue, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    channel.basic_qos(5, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer = channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await?;
    let mut seen = Vec::new();
    while seen.len() < 5 {
        seen.push(soon(consumer.next(), "a delivery").await??);
    }
    if tokio::time::timeout(Duration::from_millis(300), consumer.next()).await.is_ok() {
        bail!("a sixth delivery with prefetch 5");
    }
    seen[0].ack(BasicAckOptions::default()).await?;
    seen.push(soon(consumer.next(), "the sixth").await??);
    while seen.len() < 20 {
        seen[seen.len() - 1].ack(BasicAckOptions { multiple: true }).await?;
        seen.push(soon(consumer.next(), "more after ack multiple").await??);
    }
    let shown: Vec<String> = seen.iter().map(|one| String::from_utf8_lossy(&one.data).into_owned()).collect();
    same(shown, bodies)
}

async fn nack_requeue() -> Result<()> {
    let (_connection, channel) = linked().await?;
    let queue = exclusive(&channel).await?;
    put_all(&channel, &queue, &["0", "1", "2"]).await?;
    take(&channel, &queue, false).await?;
    take(&channel, &queue, false).await?.nack(BasicNackOptions { multiple: true, requeue: true }).await?;
    for (redelivered, body) in [(true, "0"), (true, "1"), (false, "2")] {
        let got = take(&channel, &queue, true).await?;
        same((got.redelivered, &got.data[..]), (redelivered, body.as_bytes()))?;
    }
    Ok(())
}

async fn reject_drop() -> Result<()> {
    let (_connection, channel) = linked().await?;
    let queue = exclusive(&channel).await?;
    put_all(&channel, &queue, &["drop"]).await?;
    take(&channel, &queue, false).await?.reject(BasicRejectOptions { requeue: false }).await?;
    same(delete(&channel, &queue).await?, 0)
}

async fn purge_delete() -> Result<()> {
    let (_connection, channel) = linked().await?;
    let queue = exclusive(&channel).await?;
    put_all(&channel, &queue, &["x", "x", "x"]).await?;
    same(channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await?, 3)?;
    put_all(&channel, &queue, &["x"]).await?;
    same(delete(&channel, &queue).await?, 1)
}

/// For each binding how many messages came.
async fn routed(kind: ExchangeKind, bindings: &[(&str, FieldTable)], key: &str, headers: FieldTable) -> Result<Vec<u32>> {
    let (_connection, channel) = linked().await?;
    let (exchange, mut queues, mut counts) = (fresh("x"), Vec::new(), Vec::new());
    channel.exchange_declare(exchange.as_str().into(), kind, ExchangeDeclareOptions::default(), FieldTable::default()).await?;
    for (binding, arguments) in bindings {
        let queue = exclusive(&channel).await?;
        let options = QueueBindOptions::default();
        channel.queue_bind(queue.as_str().into(), exchange.as_str().into(), (*binding).into(), options, arguments.clone()).await?;
        queues.push(queue);
    }
    put(&channel, &exchange, key, b"m", BasicProperties::default().with_headers(headers)).await?;
    channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await?;
    for queue in queues {
        counts.push(delete(&channel, &queue).await?);
    }
    Ok(counts)
}

fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

async fn exchange_types() -> Result<()> {
    let none = FieldTable::default;
    same(routed(ExchangeKind::Direct, &[("a", none()), ("b", none())], "a", none()).await?, vec![1, 0])?;
    same(routed(ExchangeKind::Fanout, &[("a", none()), ("b", none())], "z", none()).await?, vec![1, 1])?;
    let patterns = [("a.*.c", none()), ("a.#", none()), ("a.*", none()), ("#", none())];
    same(routed(ExchangeKind::Topic, &patterns, "a.b.c", none()).await?, vec![1, 1, 0, 1])?;
    let one = ("one", AMQPValue::LongInt(1));
    let all = table(&[("x-match", text("all")), one.clone(), ("two", text("2"))]);
    let any = table(&[("x-match", text("any")), one.clone(), ("two", text("2"))]);
    same(routed(ExchangeKind::Headers, &[("", all), ("", any)], "", table(&[one])).await?, vec![0, 1])
}

async fn exchange_bindings() -> Result<()> {
    let (_connection, channel) = linked().await?;
    let (outer, inner, queue) = (fresh("outer"), fresh("inner"), exclusive(&channel).await?);
    let (options, none) = (ExchangeDeclareOptions::default(), FieldTable::default);
    channel.exchange_declare(outer.as_str().into(), ExchangeKind::Topic, options, none()).await?;
    channel.exchange_declare(inner.as_str().into(), ExchangeKind::Fanout, options, none()).await?;
    channel.queue_bind(queue.as_str().into(), inner.as_str().into(), "".into(), QueueBindOptions::default(), none()).await?;
    let key = || "k.#".into();
    channel.exchange_bind(inner.as_str().into(), outer.as_str().into(), key(), ExchangeBindOptions::default(), none()).await?;
    same(put(&channel, &outer, "k.1", b"through", BasicProperties::default()).await?, Confirmation::Ack(None))?;
    channel.exchange_unbind(inner.as_str().into(), outer.as_str().into(), key(), ExchangeUnbindOptions::default(), none()).await?;
    let back = put(&channel, &outer, "k.1", b"not", BasicProperties::default()).await?;
    same(matches!(back, Confirmation::Ack(Some(_))), true)?;
    same(delete(&channel, &queue).await?, 1)?;
    channel.exchange_delete(outer.as_str().into(), ExchangeDeleteOptions::default()).await?;
    Ok(channel.exchange_delete(inner.as_str().into(), ExchangeDeleteOptions::default()).await?)
}

async fn still_alive(connection: &Connection) -> Result<()> {
    exclusive(&connection.create_channel().await?).await.map(drop)
}

async fn error_404() -> Result<()> {
    let (connection, channel) = linked().await?;
    holds(&refused(passive(&channel, "not.there").await)?, "NOT_FOUND - no queue 'not.there' in vhost '/'")?;
    still_alive(&connection).await
}

async fn error_405() -> Result<()> {
    let (_other, owner) = linked().await?;
    let queue = exclusive(&owner).await?;
    let (connection, channel) = linked().await?;
    holds(&refused(passive(&channel, &queue).await)?, "RESOURCE_LOCKED")?;
    still_alive(&connection).await
}

async fn error_406() -> Result<()> {
    let (connection, channel) = linked().await?;
    let queue = fresh("error");
    declare_with(&channel, &queue, QueueDeclareOptions::default()).await?;
    let other = connection.create_channel().await?;
    let error = refused(declare_with(&other, &queue, QueueDeclareOptions::durable()).await)?;
    holds(&error, "PRECONDITION_FAILED - inequivalent arg 'durable'")?;
    delete(&channel, &queue).await.map(drop)
}

async fn error_403() -> Result<()> {
    let (connection, channel) = linked().await?;
    holds(&refused(declare_with(&channel, "amq.mine", QueueDeclareOptions::default()).await)?, "ACCESS_REFUSED")?;
    still_alive(&connection).await
}

async fn properties() -> Result<()> {
    let sent = BasicProperties::default()
        .with_content_type("text/plain".into()).with_content_encoding("gzip".into()).with_headers(table(&[("h", text("v"))]))
        .with_delivery_mode(2).with_priority(7).with_correlation_id("c-1".into()).with_reply_to("answers".into())
        .with_expiration("60000".into()).with_message_id("m-1".into()).with_timestamp(1_700_000_000).with_type("kind".into())
        .with_user_id(setting("AMQP_USER").as_str().into()).with_app_id("app".into()).with_cluster_id("old".into());
    let back = there_and_back(b"m", sent.clone(), "").await?;
    same(&back.properties, &sent)
}

async fn field_types() -> Result<()> {
    let list = vec![AMQPValue::LongInt(1), text("two"), AMQPValue::Void, AMQPValue::FieldTable(table(&[("in", AMQPValue::Boolean(true))]))];
    let sent = table(&[
        ("bool", AMQPValue::Boolean(true)), ("i8", AMQPValue::ShortShortInt(-8)), ("u8", AMQPValue::ShortShortUInt(200)),
        ("i16", AMQPValue::ShortInt(-300)), ("u16", AMQPValue::ShortUInt(60_000)), ("i32", AMQPValue::LongInt(-5)),
        ("u32", AMQPValue::LongUInt(4_000_000_000)), ("i64", AMQPValue::LongLongInt(1 << 40)), ("f32", AMQPValue::Float(0.5)),
        ("f64", AMQPValue::Double(0.125)), ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 1234 })),
        ("text", text("grüße")), ("list", AMQPValue::FieldArray(list.into())), ("time", AMQPValue::Timestamp(1_700_000_000)),
        ("table", AMQPValue::FieldTable(table(&[("deep", AMQPValue::FieldTable(table(&[("er", AMQPValue::Void)])))]))),
        ("bytes", AMQPValue::ByteArray(vec![0u8, 255].into())), ("void", AMQPValue::Void),
    ]);
    let back = there_and_back(b"m", BasicProperties::default().with_headers(sent.clone()), "").await?;
    same(back.properties.headers().as_ref(), Some(&sent))
}

async fn large_message() -> Result<()> {
    let body = large_body();
    same(there_and_back(&body, BasicProperties::default(), "").await?.data == body, true)?;
    same(there_and_back(&body, BasicProperties::default(), "?frame_max=8192").await?.data == body, true)
}

async fn heartbeat() -> Result<()> {
    let (_connection, channel) = linked_with("?heartbeat=1").await?;
    tokio::time::sleep(Duration::from_millis(4500)).await;
    exclusive(&channel).await.map(drop)
}

async fn cancel_notice() -> Result<()> {
    let (_connection, channel) = linked().await?;
    let queue = fresh("cancel");
    declare_with(&channel, &queue, QueueDeclareOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer = channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await?;
    let (_other, deleter) = linked().await?;
    delete(&deleter, &queue).await?;
    // lapin ends the consumer's stream when the server cancels it.
    match tokio::time::timeout(Duration::from_secs(10), consumer.next()).await {
        Ok(None) => Ok(()),
        other => bail!("the stream did not end: {other:?}"),
    }
}

fn main() {
    harefoot_compat::main(checks![
        connect, wrong_password, wrong_vhost, declare, publish_get, confirm, mandatory_return, consume_prefetch, nack_requeue, reject_drop,
        purge_delete, exchange_types, exchange_bindings, error_404, error_405, error_406, error_403, properties, field_types, large_message,
        heartbeat, cancel_notice,
    ]);
}
