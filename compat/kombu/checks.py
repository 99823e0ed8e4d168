"""kombu's own layer above py-amqp: entities, serializers, SimpleQueue, pools, mixins, mailboxes, failover.

The protocol itself is checked with py-amqp, which kombu speaks through.
"""

import socket
import threading
import time

from kombu import Connection, Consumer, Exchange, Producer, Queue, binding, pools
from kombu.exceptions import OperationalError
from kombu.mixins import ConsumerMixin
from kombu.pidbox import Mailbox

from drive.broker import free_port
from drive.checks import PASSWORD, PORT, HOST, USER, fresh, holds, main, raises, same

URI = f"amqp://{USER}:{PASSWORD}@{HOST}:{PORT}//"


def drain(connection, ready, seconds=10):
    """Events until `ready`; events may also come while a declare waits for its answer, so they are not counted here."""
    deadline = time.monotonic() + seconds
    while not ready():
        holds(time.monotonic() < deadline, f"not within {seconds} s")
        try:
            connection.drain_events(timeout=0.5)
        except socket.timeout:
            pass


def entities():
    with Connection(URI) as connection, connection.channel() as ch:
        exchange = Exchange(fresh("kombu"), "topic", durable=False, auto_delete=True)
        queue = Queue(fresh("kombu"), [binding(exchange, "a.#"), binding(exchange, "b.*")], durable=False, auto_delete=True, channel=ch)
        queue.declare()
        seen = []
        with Consumer(ch, [queue], callbacks=[lambda body, message: (seen.append((body, message.content_type)), message.ack())]):
            producer = Producer(ch, exchange)
            for key in ("a", "a.1.2", "b.1", "b", "c"):
                producer.publish({"key": key}, routing_key=key)
            drain(connection, lambda: len(seen) == 3)
        same(seen, [({"key": key}, "application/json") for key in ("a", "a.1.2", "b.1")])


def serializers():
    with Connection(URI) as connection, connection.channel() as ch:
        queue, body = Queue(fresh("kombu"), channel=ch, durable=False), {"a": [1, 2.5, None, "grüße"]}
        queue.declare()
        for serializer, compression in (("json", None), ("json", "zlib"), ("pickle", None), ("json", "bzip2")):
            Producer(ch).publish(body, routing_key=queue.name, serializer=serializer, compression=compression)
            message = queue.get(no_ack=True, accept=["json", "pickle"])
            same(message.payload, body, f"{serializer} {compression}")
        queue.delete()


def simple_queue():
    with Connection(URI) as connection:
        queue = connection.SimpleQueue(fresh("kombu"))
        for number in range(5):
            queue.put({"n": number})
        for number in range(5):
            message = queue.get(timeout=5)
            same(message.payload, {"n": number})
            message.ack()
        raises(queue.Empty, lambda: queue.get(block=False))
        queue.put("requeue")
        queue.get(timeout=5).requeue()
        same(queue.get(timeout=5).delivery_info["redelivered"], True)
        same(queue.clear(), 0)
        queue.close()
        with connection.channel() as ch:
            queue.queue(ch).delete()


def confirms_and_returns():
    with Connection(URI, transport_options={"confirm_publish": True}) as connection, connection.channel() as ch:
        back = []
        producer = Producer(ch, on_return=lambda *parts: back.append(parts))
        producer.publish("x", exchange="amq.direct", routing_key=fresh("nowhere"), mandatory=True)
        drain(connection, lambda: back)
        producer.publish("x", exchange="amq.direct", routing_key=fresh("nowhere"))


def pooled_threads():
    connection, queue = Connection(URI), Queue(fresh("kombu"), durable=False)
    with connection.channel() as ch:
        queue(ch).declare()

    def publish(mark):
        for number in range(25):
            with pools.producers[connection].acquire(block=True) as producer:
                producer.publish([mark, number], routing_key=queue.name)

    threads = [threading.Thread(target=publish, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = []
    with connection.channel() as ch:
        with Consumer(ch, [queue(ch)], callbacks=[lambda body, message: (seen.append(tuple(body)), message.ack())], prefetch_count=7):
            drain(connection, lambda: len(seen) == 100)
        queue(ch).delete()
    for mark in range(4):
        same([number for by, number in seen if by == mark], list(range(25)), "order of one publisher")
    pools.reset()


def consumer_mixin():
    queue, seen = Queue(fresh("kombu"), durable=False), []

    class Worker(ConsumerMixin):
        def __init__(self, connection):
            self.connection = connection

        def get_consumers(self, Consumer, channel):
            return [Consumer([queue], callbacks=[self.take])]

        def take(self, body, message):
            seen.append(body)
            message.ack()
            self.should_stop = len(seen) == 3

    with Connection(URI) as connection, Connection(URI) as other:
        queue(other).declare()
        for number in range(3):
            other.Producer().publish(number, routing_key=queue.name)
        thread = threading.Thread(target=Worker(connection).run, daemon=True)
        thread.start()
        thread.join(15)
        same((thread.is_alive(), seen), (False, [0, 1, 2]))
        queue(other).delete()


def mailbox():
    """What Celery's remote control is made of: a fanout exchange there and a direct reply queue back."""
    box = Mailbox(fresh("box"), accept=["json"])
    with Connection(URI) as server, Connection(URI) as asker:
        node = box(server).Node("node@here", state={"answer": 42}, channel=server.channel())
        node.handlers["ask"] = lambda state, **arguments: {"answer": state["answer"], **arguments}
        node.listen(callback=node.handle_message)
        thread = threading.Thread(target=server.drain_events, kwargs={"timeout": 10}, daemon=True)
        thread.start()
        replies = box(asker)._broadcast("ask", {"more": 1}, reply=True, timeout=3, limit=1)
        thread.join(5)
        same(replies, [{"node@here": {"answer": 42, "more": 1}}])


def failover():
    dead = f"amqp://{USER}:{PASSWORD}@{HOST}:{free_port()}//"
    with Connection([dead, URI]) as connection:
        connection.ensure_connection(max_retries=3, interval_start=0.1)
        holds(connection.connected, "not connected through the second address")
    raises(OperationalError, lambda: Connection(dead).ensure_connection(max_retries=1, interval_start=0))


def queue_arguments():
    with Connection(URI) as connection, connection.channel() as ch:
        queue = Queue(fresh("kombu"), durable=True, consumer_arguments={"x-priority": 3}, queue_arguments={"x-my-own": "kept"}, channel=ch)
        seen = []
        queue.declare()
        with Consumer(ch, [queue], callbacks=[lambda body, message: (seen.append(body), message.ack())]):
            Producer(ch).publish("x", routing_key=queue.name)
            drain(connection, lambda: seen)
        same(queue.delete(), 0)


if __name__ == "__main__":
    main(
        entities, serializers, simple_queue, confirms_and_returns, pooled_threads, consumer_mixin, mailbox, failover, queue_arguments,
    )
