"""pika's BlockingConnection against the broker: the common list of checks."""

import time
from contextlib import contextmanager
from datetime import datetime, timezone
from decimal import Decimal

import pika
from pika.exceptions import (
    ChannelClosedByBroker, ConnectionClosedByBroker, ProbableAccessDeniedError, ProbableAuthenticationError, UnroutableError,
)

from drive.checks import HOST, PASSWORD, PORT, USER, VHOST, fresh, holds, large_body, main, raises, same, until


def parameters(user=USER, password=PASSWORD, vhost=VHOST, **more):
    credentials = pika.PlainCredentials(user, password)
    return pika.ConnectionParameters(HOST, PORT, vhost, credentials, socket_timeout=10, **more)


@contextmanager
def channel(**more):
    connection = pika.BlockingConnection(parameters(**more))
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()


def connect():
    connection = pika.BlockingConnection(parameters())
    shown = connection._impl.server_properties
    holds(shown.get("product"), f"no product in {shown}")
    for capability in ("publisher_confirms", "basic.nack", "consumer_cancel_notify", "exchange_exchange_bindings"):
        holds(shown["capabilities"].get(capability), f"no capability {capability}")
    connection.close()
    holds(connection.is_closed, "still open after close")


def wrong_password():
    raises(ProbableAuthenticationError, lambda: pika.BlockingConnection(parameters(password="not it")))


def wrong_vhost():
    error = raises((ConnectionClosedByBroker, ProbableAccessDeniedError), lambda: pika.BlockingConnection(parameters(vhost="not.there")))
    holds("530" in str(error) and "not.there" in str(error), f"not refused with 530 but {error}")


def declare():
    with channel() as ch:
        named = ch.queue_declare("", exclusive=True).method.queue
        holds(named.startswith("amq.gen-"), f"server-named {named}")
        queue = fresh("declare")
        same(ch.queue_declare(queue, auto_delete=True).method.queue, queue)
        ch.basic_publish("", queue, b"1")
        ch.basic_publish("", queue, b"2")
        until(lambda: ch.queue_declare(queue, passive=True).method.message_count == 2, "2 messages counted")
        tag = ch.basic_consume(queue, lambda *_: None)
        same(ch.queue_declare(queue, passive=True).method.consumer_count, 1)
        ch.basic_cancel(tag)
        same(raises(ChannelClosedByBroker, lambda: ch.queue_declare(queue, passive=True)).reply_code, 404)


def publish_get():
    with channel() as ch:
        queue = ch.queue_declare("", exclusive=True).method.queue
        ch.confirm_delivery()
        for number in range(3):
            ch.basic_publish("", queue, b"%d" % number)
        got, _, body = ch.basic_get(queue)
        same((got.message_count, got.redelivered, got.exchange, got.routing_key, body), (2, False, "", queue, b"0"))
        ch.basic_ack(got.delivery_tag)
        same(ch.basic_get(queue, auto_ack=True)[2], b"1")
        same(ch.basic_get(queue, auto_ack=True)[2], b"2")
        same(ch.basic_get(queue), (None, None, None))


def confirm():
    with channel() as ch:
        ch.confirm_delivery()
        queue = fresh("confirm")
        ch.queue_declare(queue, durable=True)
        for number in range(200):
            ch.basic_publish("", queue, b"%d" % number, pika.BasicProperties(delivery_mode=2), mandatory=True)
        same(ch.queue_delete(queue).method.message_count, 200)


def mandatory_return():
    with channel() as ch:
        ch.confirm_delivery()
        key = fresh("nowhere")
        error = raises(UnroutableError, lambda: ch.basic_publish("amq.direct", key, b"back", mandatory=True))
        (back,) = error.messages
        same((back.method.reply_code, back.method.reply_text), (312, "NO_ROUTE"))
        same((back.method.exchange, back.method.routing_key, back.body), ("amq.direct", key, b"back"))
        ch.basic_publish("amq.direct", key, b"gone")


def consume_prefetch():
    with channel() as ch:
        queue, seen = ch.queue_declare("", exclusive=True).method.queue, []
        for number in range(20):
            ch.basic_publish("", queue, b"%d" % number)
        ch.basic_qos(prefetch_count=5)
        ch.basic_consume(queue, lambda _c, method, _p, body: seen.append((method.delivery_tag, body)))
        step = lambda: ch.connection.process_data_events(time_limit=0.05)
        until(lambda: len(seen) == 5, "5 deliveries", step=step)
        ch.connection.process_data_events(time_limit=0.3)
        same(len(seen), 5, "with prefetch 5")
        ch.basic_ack(seen[0][0])
        until(lambda: len(seen) == 6, "the sixth after one ack", step=step)
        while len(seen) < 20:
            ch.basic_ack(seen[-1][0], multiple=True)
            before = len(seen)
            until(lambda: len(seen) > before, "more after ack multiple", step=step)
        same([body for _, body in seen], [b"%d" % number for number in range(20)])
        ch.basic_ack(0, multiple=True)
        ch.basic_qos(prefetch_count=0)
        until(lambda: ch.queue_declare(queue, passive=True).method.message_count == 0, "all acknowledged")


def nack_requeue():
    with channel() as ch:
        queue = ch.queue_declare("", exclusive=True).method.queue
        ch.confirm_delivery()
        for number in range(3):
            ch.basic_publish("", queue, b"%d" % number)
        tags = [ch.basic_get(queue)[0].delivery_tag for _ in range(2)]
        ch.basic_nack(tags[1], multiple=True, requeue=True)
        again = [ch.basic_get(queue, auto_ack=True) for _ in range(3)]
        same([(got.redelivered, body) for got, _, body in again], [(True, b"0"), (True, b"1"), (False, b"2")])


def reject_drop():
    with channel() as ch:
        queue = ch.queue_declare("", exclusive=True).method.queue
        ch.confirm_delivery()
        ch.basic_publish("", queue, b"drop")
        ch.basic_reject(ch.basic_get(queue)[0].delivery_tag, requeue=False)
        same(ch.queue_delete(queue).method.message_count, 0)


def purge_delete():
    with channel() as ch:
        queue = ch.queue_declare("", exclusive=True).method.queue
        ch.confirm_delivery()
        for _ in range(4):
            ch.basic_publish("", queue, b"x")
        same(ch.queue_purge(queue).method.message_count, 4)
        ch.basic_publish("", queue, b"x")
        same(ch.queue_delete(queue).method.message_count, 1)


def exchange_types():
    with channel() as ch:
        ch.confirm_delivery()

        def routed(kind, bindings, key, headers=None):
            """For each binding whether a message with this key and these headers came."""
            exchange, queues = fresh(kind), []
            ch.exchange_declare(exchange, kind)
            for binding, arguments in bindings:
                queues.append(ch.queue_declare("", exclusive=True).method.queue)
                ch.queue_bind(queues[-1], exchange, binding, arguments)
            ch.basic_publish(exchange, key, b"m", pika.BasicProperties(headers=headers))
            ch.exchange_delete(exchange)
            return [ch.queue_delete(queue).method.message_count for queue in queues]

        same(routed("direct", [("a", None), ("b", None)], "a"), [1, 0])
        same(routed("fanout", [("a", None), ("b", None)], "z"), [1, 1])
        patterns = [("a.*.c", None), ("a.#", None), ("#.c", None), ("a.*", None), ("#", None), ("*.*.*.*", None)]
        same(routed("topic", patterns, "a.b.c"), [1, 1, 1, 0, 1, 0])
        both = {"x-match": "all", "one": 1, "two": "2"}
        matching = [("", both), ("", {**both, "x-match": "any"}), ("", {"x-match": "any", "three": 3})]
        same(routed("headers", matching, "", {"one": 1, "two": "other"}), [0, 1, 0])
        same(routed("headers", matching, "", {"one": 1, "two": "2"}), [1, 1, 0])


def exchange_bindings():
    with channel() as ch:
        ch.confirm_delivery()
        outer, inner = fresh("outer"), fresh("inner")
        ch.exchange_declare(outer, "topic")
        ch.exchange_declare(inner, "fanout")
        queue = ch.queue_declare("", exclusive=True).method.queue
        ch.queue_bind(queue, inner)
        ch.exchange_bind(inner, outer, "k.#")
        ch.basic_publish(outer, "k.1", b"through", mandatory=True)
        ch.exchange_unbind(inner, outer, "k.#")
        raises(UnroutableError, lambda: ch.basic_publish(outer, "k.1", b"not", mandatory=True))
        same(ch.queue_delete(queue).method.message_count, 1)
        ch.exchange_delete(outer)
        ch.exchange_delete(inner)


def closes_with(code, part, act):
    """`act` must lose its channel with this code and text; the connection must live on."""
    with channel() as ch:
        error = raises(ChannelClosedByBroker, lambda: act(ch))
        same(error.reply_code, code)
        holds(part in error.reply_text, f"{part!r} is not in {error.reply_text!r}")
        holds(ch.connection.channel().is_open, "no channel after the error")


def error_404():
    closes_with(404, "NOT_FOUND - no queue 'not.there' in vhost '/'", lambda ch: ch.queue_declare("not.there", passive=True))
    closes_with(404, "NOT_FOUND - no exchange 'not.there' in vhost '/'", lambda ch: ch.exchange_declare("not.there", passive=True))


def error_405():
    with channel() as other:
        queue = other.queue_declare("", exclusive=True).method.queue
        closes_with(405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue", lambda ch: ch.queue_declare(queue, passive=True))


def error_406():
    with channel() as ch:
        queue = fresh("error")
        ch.queue_declare(queue)
        part = f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{queue}' in vhost '/'"
        closes_with(406, part, lambda other: other.queue_declare(queue, durable=True))
        ch.queue_delete(queue)


def error_403():
    closes_with(403, "ACCESS_REFUSED", lambda ch: ch.queue_declare("amq.mine"))
    closes_with(403, "ACCESS_REFUSED", lambda ch: ch.exchange_declare("amq.mine", "direct"))


def there_and_back(properties, body=b"m", **more):
    with channel(**more) as ch:
        ch.confirm_delivery()
        queue = ch.queue_declare("", exclusive=True).method.queue
        ch.basic_publish("", queue, body, properties)
        got = ch.basic_get(queue, auto_ack=True)
        return got[1], got[2]


def properties():
    sent = pika.BasicProperties(
        content_type="text/plain", content_encoding="gzip", headers={"h": "v"}, delivery_mode=2, priority=7, correlation_id="c-1",
        reply_to="answers", expiration="60000", message_id="m-1", timestamp=1700000000, type="kind", user_id=USER, app_id="app", cluster_id="old",
    )
    back, _ = there_and_back(sent)
    same(vars(back), vars(sent))


def field_types():
    headers = {
        "bool": True, "int": -5, "long": 1 << 40, "text": "grüße", "long-text": "x" * 5000, "bytes": b"\x00\xff\xfe", "none": None,
        "decimal": Decimal("12.34"), "time": datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc),
        "list": [1, "two", {"three": 3}, [None]], "table": {"deep": {"er": False}},
    }
    back, _ = there_and_back(pika.BasicProperties(headers=headers))
    time_back = back.headers.pop("time")
    same(time_back.replace(tzinfo=timezone.utc), headers.pop("time"))
    same(back.headers, headers)


def large_message():
    body = large_body()
    same(there_and_back(None, body)[1] == body, True, "the body")
    same(there_and_back(None, body, frame_max=4096)[1] == body, True, "the body in small frames")
    same(there_and_back(None, b"")[1], b"", "the empty body")


def heartbeat():
    with channel(heartbeat=2) as ch:
        end = time.monotonic() + 5.5
        while time.monotonic() < end:
            ch.connection.process_data_events(time_limit=0.5)
        ch.queue_declare("", exclusive=True)


def cancel_notice():
    with channel() as ch, channel() as other:
        queue, cancelled = fresh("cancel"), []
        ch.queue_declare(queue)
        ch.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
        tag = ch.basic_consume(queue, lambda *_: None)
        other.queue_delete(queue)
        until(lambda: cancelled == [tag], "basic.cancel", step=lambda: ch.connection.process_data_events(time_limit=0.05))


def direct_reply_to():
    reply_to, queue, replies = "amq.rabbitmq.reply-to", fresh("rpc"), []
    with channel() as ch, channel() as server:
        holds(ch.connection._impl.server_properties["capabilities"].get("direct_reply_to"), "no capability direct_reply_to")
        ch.queue_declare(queue, auto_delete=True)
        server.basic_consume(queue, lambda sv, method, asked, body: sv.basic_publish(
            "", asked.reply_to, body.upper(), pika.BasicProperties(correlation_id=asked.correlation_id),
        ), auto_ack=True)
        ch.basic_consume(reply_to, lambda _, method, answered, body: replies.append((answered.correlation_id, body)), auto_ack=True)
        for number in range(100):
            ch.basic_publish("", queue, b"request %d" % number, pika.BasicProperties(reply_to=reply_to, correlation_id=str(number)))

        def serve():
            server.connection.process_data_events(time_limit=0.01)
            ch.connection.process_data_events(time_limit=0.01)

        until(lambda: len(replies) == 100, "100 replies", step=serve)
        same(replies, [(str(number), b"REQUEST %d" % number) for number in range(100)])
    with channel() as ch:
        error = raises(ChannelClosedByBroker, lambda: ch.basic_consume(reply_to, lambda *_: None))
        same((error.reply_code, error.reply_text), (406, "PRECONDITION_FAILED - reply consumer cannot acknowledge"))


def quorum_queue():
    queue, dead, seen = fresh("quorum"), fresh("dead"), []
    with channel() as ch:
        ch.queue_declare(dead, durable=True)
        ch.queue_declare(queue, durable=True, arguments={
            "x-queue-type": "quorum", "x-delivery-limit": 3, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead,
        })
        ch.confirm_delivery()
        ch.basic_publish("", queue, b"poison")

        def spoiled(_, method, properties, body):
            seen.append((properties.headers or {}).get("x-delivery-count"))
            ch.basic_nack(method.delivery_tag)

        ch.basic_consume(queue, spoiled)
        until(lambda: len(seen) == 4, "4 deliveries", step=lambda: ch.connection.process_data_events(time_limit=0.05))
        same(seen, [None, 1, 2, 3])
        _, properties, body = ch.basic_get(dead, auto_ack=True)
        same((body, properties.headers["x-first-death-reason"]), (b"poison", "delivery_limit"))
        ch.queue_delete(queue)
        ch.queue_delete(dead)


def stream():
    """Read from three places, each at its own pace; then by filter."""
    queue = fresh("stream")
    with channel() as ch:
        ch.queue_declare(queue, durable=True, arguments={"x-queue-type": "stream", "x-max-age": "1h"})
        ch.confirm_delivery()
        for number in range(100):
            value = {"x-stream-filter-value": "even" if number % 2 == 0 else "odd"}
            ch.basic_publish("", queue, b"%d" % number, pika.BasicProperties(headers=value))
        ch.basic_qos(prefetch_count=7)

        def read(count, **arguments):
            seen = []

            def take(_, method, properties, body):
                seen.append((properties.headers["x-stream-offset"], body))
                ch.basic_ack(method.delivery_tag)

            tag = ch.basic_consume(queue, take, arguments={f"x-stream-{key}": value for key, value in arguments.items()})
            until(lambda: len(seen) >= count, f"{count} deliveries", step=lambda: ch.connection.process_data_events(time_limit=0.01))
            ch.basic_cancel(tag)
            return seen

        def numbers(wanted):
            return [(number, b"%d" % number) for number in wanted]

        same(read(100, offset="first"), numbers(range(100)))
        same(read(30, offset=70), numbers(range(70, 100)))
        same(read(100, offset=datetime.now(timezone.utc).replace(year=2020)), numbers(range(100)))
        same(read(1, offset="last")[-1:], numbers([99]))
        # RabbitMQ filters by chunk: the rest is the client's.
        odd = [(offset, body) for offset, body in read(50, offset="first", filter="odd") if int(body) % 2 == 1]
        same(odd[:50], numbers(range(1, 100, 2))[:len(odd[:50])])
        ch.queue_delete(queue)


def delayed_exchange():
    """Not without a plugin on RabbitMQ: order by delay, the header negated, nothing returned, 60 days are no problem."""
    exchange, queue, seen = fresh("delayed"), fresh("waited"), []
    with channel() as ch:
        ch.exchange_declare(exchange, "x-delayed-message", durable=True, arguments={"x-delayed-type": "topic"})
        ch.queue_declare(queue, exclusive=True)
        ch.queue_bind(queue, exchange, "a.*")
        ch.confirm_delivery()
        for delay in (600, 60 * 24 * 3600 * 1000, 300, 0):
            sent = pika.BasicProperties(headers={"x-delay": delay}, delivery_mode=2)
            ch.basic_publish(exchange, "a.b", str(delay).encode(), sent, mandatory=True)
        begun = time.monotonic()

        def came(_, method, properties, body):
            seen.append((body, properties.headers["x-delay"]))
            holds(abs(time.monotonic() - begun - int(body) / 1000) < 0.1, f"{body} came after {time.monotonic() - begun}")

        ch.basic_consume(queue, came, auto_ack=True)
        until(lambda: len(seen) == 3, "3 deliveries", step=lambda: ch.connection.process_data_events(time_limit=0.005))
        same(seen, [(b"0", 0), (b"300", -300), (b"600", -600)])
        ch.exchange_delete(exchange)


def retry_ladder():
    """A job that fails goes from rung to rung, waits longer at each, comes back, and is parked after the last."""
    work, parked, seen = fresh("work"), fresh("parked"), []
    rungs = [(fresh(f"rung-{ttl}"), ttl) for ttl in (100, 200, 400)]
    with channel() as ch:
        ch.queue_declare(work, exclusive=True)
        ch.queue_declare(parked, exclusive=True)
        for rung, ttl in rungs:
            back = {"x-message-ttl": ttl, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work}
            ch.queue_declare(rung, exclusive=True, arguments=back)

        def failed(_, method, properties, body):
            # RabbitMQ 4 takes no `x-death` from clients: the job itself says how often it failed.
            failures = properties.headers["failures"]
            seen.append(time.monotonic())
            deaths = properties.headers.get("x-death", [])[:1]
            same([(death["queue"], death["reason"], death["count"]) for death in deaths],
                 [(rung, "expired", 1) for rung, _ in rungs[:failures][-1:]])
            again = pika.BasicProperties(message_id=properties.message_id, headers={"failures": failures + 1})
            ch.basic_publish("", rungs[failures][0] if failures < len(rungs) else parked, body, again)
            ch.basic_ack(method.delivery_tag)

        ch.basic_consume(work, failed)
        ch.basic_publish("", work, b"job", pika.BasicProperties(message_id="1", headers={"failures": 0}))
        until(lambda: ch.queue_declare(parked, passive=True).method.message_count == 1, "parked",
              step=lambda: ch.connection.process_data_events(time_limit=0.01))
        for (before, after), (_, ttl) in zip(zip(seen, seen[1:]), rungs, strict=True):
            holds(ttl / 1000 <= after - before + 0.01 < ttl / 1000 + 0.2, f"{after - before} s on the rung of {ttl} ms")
        _, properties, body = ch.basic_get(parked, auto_ack=True)
        same((body, properties.message_id, properties.headers), (b"job", "1", {"failures": 4}))


if __name__ == "__main__":
    main(
        connect, wrong_password, wrong_vhost, declare, publish_get, confirm, mandatory_return, consume_prefetch, nack_requeue, reject_drop,
        purge_delete, exchange_types, exchange_bindings, error_404, error_405, error_406, error_403, properties, field_types, large_message,
        heartbeat, cancel_notice, direct_reply_to, quorum_queue, stream, delayed_exchange, retry_ladder,
    )
