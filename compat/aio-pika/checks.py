"""aio-pika (and aiormq below it) against the broker: the common list of checks, and its robust connection's declares."""

import asyncio
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from decimal import Decimal

import aio_pika
from aio_pika import ExchangeType, Message
from aiormq import exceptions as wrong

from drive.checks import HOST, PASSWORD, PORT, USER, VHOST, fresh, holds, large_body, main, same


def opened(user=USER, password=PASSWORD, vhost=VHOST, **more):
    return aio_pika.connect(host=HOST, port=PORT, login=user, password=password, virtualhost=vhost, timeout=10, **more)


@asynccontextmanager
async def channel(**more):
    connection = await opened(**more)
    async with connection:
        yield await connection.channel(on_return_raises=True)


async def refused(kind, coming):
    """The exception that `coming` must raise."""
    try:
        await coming
    except kind as error:
        return error
    raise AssertionError(f"no {kind} was raised")


async def put(ch, queue, *bodies):
    for body in bodies:
        await ch.default_exchange.publish(Message(body), queue.name)


async def wait(ready, what):
    for _ in range(500):
        if ready():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within 10 s: {what}")


async def connect():
    connection = await opened()
    holds(connection.transport.connection.server_properties.get("product"), "no product")
    await connection.close()
    robust = await aio_pika.connect_robust(host=HOST, port=PORT, login=USER, password=PASSWORD, virtualhost=VHOST)
    ch = await robust.channel()
    queue = await ch.declare_queue(fresh("robust"), auto_delete=True)
    await ch.default_exchange.publish(Message(b"r"), queue.name)
    same((await queue.get(no_ack=True)).body, b"r")
    await robust.close()


async def wrong_password():
    holds("ACCESS_REFUSED" in str(await refused(wrong.AMQPError, opened(password="not it"))), "not refused as access")


async def wrong_vhost():
    await refused(wrong.AMQPError, opened(vhost="not.there"))


async def declare():
    async with channel() as ch:
        named = await ch.declare_queue("", exclusive=True)
        holds(named.name.startswith("amq.gen-"), named.name)
        queue = await ch.declare_queue(fresh("declare"), auto_delete=True)
        await put(ch, queue, b"1", b"2")
        again = await ch.declare_queue(queue.name, passive=True)
        same((again.declaration_result.message_count, again.declaration_result.consumer_count), (2, 0))
        tag = await queue.consume(lambda message: None)
        await queue.cancel(tag)
        await refused(wrong.ChannelNotFoundEntity, ch.declare_queue(queue.name, passive=True))


async def publish_get():
    async with channel() as ch:
        queue = await ch.declare_queue("", exclusive=True)
        await put(ch, queue, b"0", b"1")
        message = await queue.get()
        same((message.body, message.message_count, message.redelivered, message.routing_key), (b"0", 1, False, queue.name))
        await message.ack()
        same((await queue.get(no_ack=True)).body, b"1")
        same(await queue.get(fail=False), None)


async def confirm():
    async with channel() as ch:
        queue = await ch.declare_queue(fresh("confirm"), durable=True)
        sent = [ch.default_exchange.publish(Message(b"%d" % n, delivery_mode=2), queue.name) for n in range(200)]
        await asyncio.gather(*sent)
        same((await queue.delete(if_empty=False)).message_count, 200)


async def mandatory_return():
    async with channel() as ch:
        exchange, key = await ch.get_exchange("amq.direct"), fresh("nowhere")
        error = await refused(wrong.DeliveryError, exchange.publish(Message(b"back"), key, mandatory=True))
        back = error.message
        same((back.delivery.reply_code, back.delivery.reply_text, back.delivery.routing_key, back.body), (312, "NO_ROUTE", key, b"back"))
        await exchange.publish(Message(b"gone"), key, mandatory=False)


async def consume_prefetch():
    async with channel() as ch:
        queue, seen = await ch.declare_queue("", exclusive=True), []
        await put(ch, queue, *(b"%d" % n for n in range(20)))
        await ch.set_qos(prefetch_count=5)
        await queue.consume(seen.append)
        await wait(lambda: len(seen) == 5, "5 deliveries")
        await asyncio.sleep(0.3)
        same(len(seen), 5, "with prefetch 5")
        await seen[0].ack()
        await wait(lambda: len(seen) == 6, "the sixth")
        while len(seen) < 20:
            before = len(seen)
            await seen[-1].ack(multiple=True)
            await wait(lambda: len(seen) > before, "more after ack multiple")
        same([message.body for message in seen], [b"%d" % n for n in range(20)])


async def nack_requeue():
    async with channel() as ch:
        queue = await ch.declare_queue("", exclusive=True)
        await put(ch, queue, b"0", b"1", b"2")
        await queue.get()
        await (await queue.get()).nack(multiple=True, requeue=True)
        again = [await queue.get(no_ack=True) for _ in range(3)]
        same([(message.redelivered, message.body) for message in again], [(True, b"0"), (True, b"1"), (False, b"2")])


async def reject_drop():
    async with channel() as ch:
        queue = await ch.declare_queue("", exclusive=True)
        await put(ch, queue, b"drop")
        await (await queue.get()).reject(requeue=False)
        same((await queue.delete(if_empty=False)).message_count, 0)


async def purge_delete():
    async with channel() as ch:
        queue = await ch.declare_queue("", exclusive=True)
        await put(ch, queue, b"x", b"x", b"x")
        same((await queue.purge()).message_count, 3)
        await put(ch, queue, b"x")
        same((await queue.delete(if_empty=False)).message_count, 1)


async def exchange_types():
    async with channel() as ch:

        async def routed(kind, bindings, key, headers=None):
            exchange, queues = await ch.declare_exchange(fresh("x"), kind, auto_delete=True), []
            for binding, arguments in bindings:
                queues.append(await ch.declare_queue("", exclusive=True))
                await queues[-1].bind(exchange, binding, arguments=arguments)
            await exchange.publish(Message(b"m", headers=headers), key, mandatory=False)
            return [(await queue.delete(if_unused=False, if_empty=False)).message_count for queue in queues]

        same(await routed(ExchangeType.DIRECT, [("a", None), ("b", None)], "a"), [1, 0])
        same(await routed(ExchangeType.FANOUT, [("a", None), ("b", None)], "z"), [1, 1])
        same(await routed(ExchangeType.TOPIC, [("a.*.c", None), ("a.#", None), ("a.*", None), ("#", None)], "a.b.c"), [1, 1, 0, 1])
        both = {"x-match": "all", "one": 1, "two": "2"}
        same(await routed(ExchangeType.HEADERS, [("", both), ("", {**both, "x-match": "any"})], "", {"one": 1}), [0, 1])
        same(await routed(ExchangeType.HEADERS, [("", both)], "", {"one": 1, "two": "2"}), [1])


async def exchange_bindings():
    async with channel() as ch:
        outer = await ch.declare_exchange(fresh("outer"), ExchangeType.TOPIC)
        inner = await ch.declare_exchange(fresh("inner"), ExchangeType.FANOUT)
        queue = await ch.declare_queue("", exclusive=True)
        await queue.bind(inner)
        await inner.bind(outer, "k.#")
        await outer.publish(Message(b"through"), "k.1")
        await inner.unbind(outer, "k.#")
        await refused(wrong.DeliveryError, outer.publish(Message(b"not"), "k.1"))
        same((await queue.delete(if_unused=False, if_empty=False)).message_count, 1)
        await outer.delete()
        await inner.delete()


async def closes_with(kind, part, act):
    async with await opened() as connection:
        error = await refused(kind, act(await connection.channel()))
        holds(part in str(error), f"{part!r} is not in {error!r}")
        same((await connection.channel()).is_closed, False, "a channel after the error:")


async def error_404():
    await closes_with(wrong.ChannelNotFoundEntity, "no queue 'not.there'", lambda ch: ch.declare_queue("not.there", passive=True))


async def error_405():
    async with channel() as other:
        queue = await other.declare_queue("", exclusive=True)
        await closes_with(wrong.ChannelLockedResource, "RESOURCE_LOCKED", lambda ch: ch.declare_queue(queue.name, passive=True))


async def error_406():
    async with channel() as ch:
        queue = await ch.declare_queue(fresh("error"))
        await closes_with(wrong.ChannelPreconditionFailed, "inequivalent arg 'durable'", lambda x: x.declare_queue(queue.name, durable=True))
        await queue.delete()


async def error_403():
    await closes_with(wrong.ChannelAccessRefused, "ACCESS_REFUSED", lambda ch: ch.declare_queue("amq.mine"))


async def there_and_back(message, **more):
    async with channel(**more) as ch:
        queue = await ch.declare_queue("", exclusive=True)
        await ch.default_exchange.publish(message, queue.name)
        return await queue.get(no_ack=True)


async def properties():
    sent = Message(
        b"m", content_type="text/plain", content_encoding="gzip", headers={"h": "v"}, delivery_mode=2, priority=7, correlation_id="c-1",
        reply_to="answers", expiration=60, message_id="m-1", timestamp=datetime(2024, 5, 6, tzinfo=timezone.utc), type="kind",
        user_id=USER, app_id="app",
    )
    back = await there_and_back(sent)
    for name in (
        "content_type", "content_encoding", "headers", "delivery_mode", "priority", "correlation_id", "reply_to", "expiration",
        "message_id", "timestamp", "type", "user_id", "app_id",
    ):
        same(getattr(back, name), getattr(sent, name), name)


async def field_types():
    headers = {
        "bool": True, "int": -5, "long": 1 << 40, "text": "grüße", "none": None, "double": 0.125, "bytes": bytearray(b"\x00\xff"),
        "decimal": Decimal("12.34"), "time": datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc), "list": [1, "two", {"three": 3}, [None]],
        "table": {"deep": {"er": False}},
    }
    same((await there_and_back(Message(b"m", headers=headers))).headers, headers)


async def large_message():
    body = large_body()
    holds((await there_and_back(Message(body))).body == body, "another body came back")


async def heartbeat():
    connection = await aio_pika.connect(f"amqp://{USER}:{PASSWORD}@{HOST}:{PORT}/?heartbeat=1")
    ch = await connection.channel()
    await asyncio.sleep(4)
    await ch.declare_queue("", exclusive=True)
    await connection.close()


async def cancel_notice():
    async with channel() as ch, channel() as other:
        queue, cancelled = await ch.declare_queue(fresh("cancel")), []
        below = await ch.get_underlay_channel()
        below.on_consumer_cancel_callbacks.add(lambda frame: cancelled.append(frame.consumer_tag))
        tag = await queue.consume(lambda message: None)
        await other.queue_delete(queue.name)
        await wait(lambda: cancelled == [tag], "basic.cancel")


if __name__ == "__main__":
    main(
        connect, wrong_password, wrong_vhost, declare, publish_get, confirm, mandatory_return, consume_prefetch, nack_requeue, reject_drop,
        purge_delete, exchange_types, exchange_bindings, error_404, error_405, error_406, error_403, properties, field_types, large_message,
        heartbeat, cancel_notice, around=lambda check: asyncio.run(asyncio.wait_for(check(), 30)),
    )
