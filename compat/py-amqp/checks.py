"""py-amqp, the transport below kombu and Celery, against the broker: the common list of checks."""

import time
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

import amqp
from amqp import exceptions as wrong

from drive.checks import HOST, PASSWORD, PORT, USER, VHOST, fresh, holds, large_body, main, raises, same, until


def opened(password=PASSWORD, vhost=VHOST, **more):
    connection = amqp.Connection(f"{HOST}:{PORT}", USER, password, virtual_host=vhost, connect_timeout=10, read_timeout=10, **more)
    connection.connect()
    return connection


@contextmanager
def channel(**more):
    connection = opened(**more)
    try:
        yield connection.channel()
    finally:
        if connection.connected:
            connection.close()


def put(ch, queue, *bodies):
    for body in bodies:
        ch.basic_publish_confirm(amqp.Message(body), "", queue)


def connect():
    connection = opened()
    holds(connection.server_properties.get("product"), "no product")
    connection.close()
    holds(not connection.connected, "connected after close")


def wrong_password():
    raises(wrong.AccessRefused, lambda: opened(password="not it"))


def wrong_vhost():
    raises(wrong.NotAllowed, lambda: opened(vhost="not.there"))


def declare():
    with channel() as ch:
        holds(ch.queue_declare("", exclusive=True).queue.startswith("amq.gen-"), "no name of the server's")
        queue = fresh("declare")
        ch.queue_declare(queue, auto_delete=True)
        put(ch, queue, "1", "2")
        same(tuple(ch.queue_declare(queue, passive=True)), (queue, 2, 0))
        tag = ch.basic_consume(queue, no_ack=True, callback=lambda message: None)
        same(ch.queue_declare(queue, passive=True).consumer_count, 1)
        ch.basic_cancel(tag)
        raises(wrong.NotFound, lambda: ch.queue_declare(queue, passive=True))


def publish_get():
    with channel() as ch:
        queue = ch.queue_declare("", exclusive=True).queue
        put(ch, queue, "0", "1")
        message = ch.basic_get(queue)
        seen = message.delivery_info
        same((message.body, seen["message_count"], seen["redelivered"], seen["routing_key"]), ("0", 1, False, queue))
        ch.basic_ack(message.delivery_tag)
        same(ch.basic_get(queue, no_ack=True).body, "1")
        same(ch.basic_get(queue), None)


def confirm():
    with channel(confirm_publish=True) as ch:
        queue = fresh("confirm")
        ch.queue_declare(queue, durable=True, auto_delete=False)
        for number in range(200):
            ch.basic_publish(amqp.Message(str(number), delivery_mode=2), "", queue)
        same(ch.queue_delete(queue), 200)


def mandatory_return():
    with channel() as ch:
        back, key = [], fresh("nowhere")
        ch.events["basic_return"].add(lambda error, *parts: back.append((error.reply_code, error.reply_text, *parts)))
        ch.basic_publish_confirm(amqp.Message("back"), "amq.direct", key, mandatory=True)
        until(lambda: back, "basic.return", step=lambda: ch.connection.drain_events(timeout=1))
        code, text, exchange, routing_key, message = back[0]
        same((code, text, exchange, routing_key, message.body), (312, "NO_ROUTE", "amq.direct", key, "back"))


def consume_prefetch():
    with channel() as ch:
        queue, seen = ch.queue_declare("", exclusive=True).queue, []
        put(ch, queue, *map(str, range(20)))
        ch.basic_qos(0, 5, False)
        ch.basic_consume(queue, callback=seen.append)

        def step():
            try:
                ch.connection.drain_events(timeout=0.3)
            except TimeoutError:
                pass

        until(lambda: len(seen) == 5, "5 deliveries", step=step)
        step()
        same(len(seen), 5, "with prefetch 5")
        seen[0].channel.basic_ack(seen[0].delivery_tag)
        until(lambda: len(seen) == 6, "the sixth", step=step)
        while len(seen) < 20:
            before = len(seen)
            ch.basic_ack(seen[-1].delivery_tag, multiple=True)
            until(lambda: len(seen) > before, "more after ack multiple", step=step)
        same([message.body for message in seen], [str(number) for number in range(20)])


def nack_requeue():
    with channel() as ch:
        queue = ch.queue_declare("", exclusive=True).queue
        put(ch, queue, "0", "1", "2")
        first, second = ch.basic_get(queue), ch.basic_get(queue)
        ch.basic_reject(second.delivery_tag, requeue=True)
        ch.basic_reject(first.delivery_tag, requeue=True)
        again = [ch.basic_get(queue, no_ack=True) for _ in range(3)]
        same([(m.delivery_info["redelivered"], m.body) for m in again], [(True, "0"), (True, "1"), (False, "2")])
        put(ch, queue, "recover")
        ch.basic_get(queue)
        ch.basic_recover(requeue=True)
        same(ch.basic_get(queue, no_ack=True).delivery_info["redelivered"], True)


def reject_drop():
    with channel() as ch:
        queue = ch.queue_declare("", exclusive=True).queue
        put(ch, queue, "drop")
        ch.basic_reject(ch.basic_get(queue).delivery_tag, requeue=False)
        same(ch.queue_delete(queue), 0)


def purge_delete():
    with channel() as ch:
        queue = ch.queue_declare("", exclusive=True).queue
        put(ch, queue, "x", "x", "x")
        same(ch.queue_purge(queue), 3)
        put(ch, queue, "x")
        same(ch.queue_delete(queue), 1)


def exchange_types():
    with channel() as ch:

        def routed(kind, bindings, key, headers=None):
            exchange, queues = fresh(kind), []
            ch.exchange_declare(exchange, kind, auto_delete=False)
            for binding, arguments in bindings:
                queues.append(ch.queue_declare("", exclusive=True).queue)
                ch.queue_bind(queues[-1], exchange, binding, arguments=arguments)
            ch.basic_publish_confirm(amqp.Message("m", application_headers=headers), exchange, key)
            ch.exchange_delete(exchange)
            return [ch.queue_delete(queue) for queue in queues]

        same(routed("direct", [("a", None), ("b", None)], "a"), [1, 0])
        same(routed("fanout", [("a", None), ("b", None)], "z"), [1, 1])
        same(routed("topic", [("a.*.c", None), ("a.#", None), ("a.*", None), ("#", None)], "a.b.c"), [1, 1, 0, 1])
        both = {"x-match": "all", "one": 1, "two": "2"}
        same(routed("headers", [("", both), ("", {**both, "x-match": "any"})], "", {"one": 1}), [0, 1])


def exchange_bindings():
    with channel() as ch:
        outer, inner = fresh("outer"), fresh("inner")
        ch.exchange_declare(outer, "topic", auto_delete=False)
        ch.exchange_declare(inner, "fanout", auto_delete=False)
        queue = ch.queue_declare("", exclusive=True).queue
        ch.queue_bind(queue, inner)
        ch.exchange_bind(inner, outer, "k.#")
        ch.basic_publish_confirm(amqp.Message("through"), outer, "k.1")
        ch.exchange_unbind(inner, outer, "k.#")
        ch.basic_publish_confirm(amqp.Message("not"), outer, "k.1")
        same(ch.queue_delete(queue), 1)
        ch.exchange_delete(outer)
        ch.exchange_delete(inner)


def closes_with(kind, part, act):
    connection = opened()
    error = raises(kind, lambda: act(connection.channel()))
    holds(part in str(error), f"{part!r} is not in {error}")
    connection.channel().queue_declare("", exclusive=True)
    connection.close()


def error_404():
    closes_with(wrong.NotFound, "no queue 'not.there'", lambda ch: ch.queue_declare("not.there", passive=True))


def error_405():
    with channel() as other:
        queue = other.queue_declare("", exclusive=True).queue
        closes_with(wrong.ResourceLocked, "RESOURCE_LOCKED", lambda ch: ch.queue_declare(queue, passive=True))


def error_406():
    with channel() as ch:
        queue = fresh("error")
        ch.queue_declare(queue, auto_delete=False)
        closes_with(wrong.PreconditionFailed, "inequivalent arg 'durable'", lambda x: x.queue_declare(queue, durable=True, auto_delete=False))
        ch.queue_delete(queue)


def error_403():
    closes_with(wrong.AccessRefused, "ACCESS_REFUSED", lambda ch: ch.exchange_declare("amq.mine", "direct"))


def there_and_back(message, **more):
    with channel(**more) as ch:
        queue = ch.queue_declare("", exclusive=True).queue
        ch.basic_publish_confirm(message, "", queue)
        return ch.basic_get(queue, no_ack=True)


def properties():
    sent = dict(
        content_type="text/plain", content_encoding="utf-8", application_headers={"h": "v"}, delivery_mode=2, priority=7,
        correlation_id="c-1", reply_to="answers", expiration="60000", message_id="m-1", timestamp=1700000000, type="kind", user_id=USER,
        app_id="app", cluster_id="old",
    )
    same(there_and_back(amqp.Message("m", **sent)).properties, sent)


def field_types():
    headers = {
        "bool": True, "int": -5, "long": 1 << 40, "text": "grüße", "none": None, "double": 0.125, "decimal": Decimal("12.34"),
        "time": datetime(2024, 5, 6, 7, 8, 9), "list": [1, "two", {"three": 3}, [None]], "table": {"deep": {"er": False}},
        "bytes": b"\x00\xff",
    }
    same(there_and_back(amqp.Message("m", application_headers=headers)).headers, headers)


def large_message():
    body = large_body()
    holds(there_and_back(amqp.Message(body)).body == body, "another body came back")


def heartbeat():
    with channel(heartbeat=2) as ch:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            ch.connection.heartbeat_tick(rate=2)
            try:
                ch.connection.drain_events(timeout=0.5)
            except TimeoutError:
                pass
        ch.queue_declare("", exclusive=True)


def cancel_notice():
    with channel() as ch, channel() as other:
        queue, cancelled = fresh("cancel"), []
        ch.queue_declare(queue, auto_delete=False)
        tag = ch.basic_consume(queue, on_cancel=cancelled.append)
        other.queue_delete(queue)

        def step():
            try:
                ch.connection.drain_events(timeout=0.5)
            except wrong.ConsumerCancelled:
                cancelled.append(tag)

        until(lambda: tag in cancelled, "basic.cancel", step=step)


if __name__ == "__main__":
    main(
        connect, wrong_password, wrong_vhost, declare, publish_get, confirm, mandatory_return, consume_prefetch, nack_requeue, reject_drop,
        purge_delete, exchange_types, exchange_bindings, error_404, error_405, error_406, error_403, properties, field_types, large_message,
        heartbeat, cancel_notice,
    )
