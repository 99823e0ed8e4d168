"""The threads of the kill loop: publishers with confirms, consumers with acknowledgements, a declarer. Each lives through any
number of kills: it works while the broker is up, and enters in the ledger only what it was told before its connection broke.
"""

import random
import threading
from collections.abc import Callable

import amqp
from amqp.exceptions import AMQPError, NotFound

from ledger import Ledger, body_of

# What a connection raises when the broker is killed under it.
BROKEN = (OSError, AMQPError, EOFError)


class Actor(threading.Thread):
    """Connects while `up` is set, calls `session` again and again until `over` is set."""

    def __init__(self, name: str, address: Callable[[], str], up: threading.Event, over: threading.Event, ledger: Ledger, seed: int):
        super().__init__(name=name, daemon=True)
        self.address, self.up, self.over, self.ledger = address, up, over, ledger
        self.random = random.Random(f"{seed}/{name}")
        self.fault: BaseException | None = None

    def run(self) -> None:
        while not self.over.is_set():
            if not self.up.wait(0.1):
                continue
            link = amqp.Connection(self.address(), heartbeat=0, connect_timeout=5, read_timeout=20)
            try:
                link.connect()
                self.session(link, link.channel())
            except BROKEN:
                self.over.wait(0.01)
            except BaseException as error:  # a fault of the loop itself must end it, not hide
                self.fault = error
                return
            finally:
                abandon(link)

    def session(self, link: amqp.Connection, channel: amqp.Channel) -> None:
        raise NotImplementedError


def abandon(link: amqp.Connection) -> None:
    """Closes the socket without a word to a broker that may be gone."""
    try:
        link.collect()
    except BROKEN:
        pass


class Publisher(Actor):
    """Bursts of persistent messages to one queue, or to an exchange and so to several; a burst ends when all of it is confirmed."""

    def __init__(self, number: int, exchange: str, key: str, queues: list[str], *rest):
        super().__init__(f"publisher-{number}", *rest)
        self.number, self.exchange, self.key, self.queues = number, exchange, key, queues
        self.next = 0

    def session(self, link, channel):
        open_tags: dict[int, int] = {}
        tag = 0

        def acked(delivery_tag, multiple):
            done = [one for one in open_tags if one <= delivery_tag] if multiple else [delivery_tag]
            names = [(self.number, open_tags.pop(one)) for one in done]
            with self.ledger.lock:
                for queue in self.queues:
                    self.ledger.confirmed[queue].update(names)

        channel.confirm_select()
        channel.events["basic_ack"].add(acked)
        channel.events["basic_nack"].add(lambda *parts: self.ledger.blame("confirms", f"a nack for {self.name}"))
        channel.events["basic_return"].add(lambda *parts: self.ledger.blame("bindings", f"returned to {self.name}"))
        while not self.over.is_set():
            for _ in range(self.random.choice((1, 1, 4, 16, 64))):
                name = (self.number, self.next)
                with self.ledger.lock:
                    for queue in self.queues:
                        self.ledger.sent[queue].add(name)
                self.next, tag = self.next + 1, tag + 1
                open_tags[tag] = name[1]
                message = amqp.Message(body_of(name), delivery_mode=2)
                channel._basic_publish(message, self.exchange, self.key, mandatory=True)
            while open_tags:
                try:
                    link.drain_events(timeout=20)
                except TimeoutError:
                    self.ledger.blame("confirms", f"{self.name} waited 20 s for {len(open_tags)} confirms")
                    return


class Consumer(Actor):
    """Takes with a prefetch and acknowledges in runs; what an acknowledgement was sent for may come back after a kill."""

    def __init__(self, queue: str, *rest):
        super().__init__(f"consumer-{queue}", *rest)
        self.queue = queue

    def session(self, link, channel):
        seen: dict[int, int] = {}
        waiting = []

        def take(message):
            with self.ledger.lock:
                redelivered = message.delivery_info["redelivered"]
                waiting.append((message.delivery_tag, self.ledger.take(self.queue, bytes_of(message), redelivered, seen)))

        channel.basic_qos(0, 40, False)
        channel.basic_consume(self.queue, callback=take)
        while not self.over.is_set():
            try:
                link.drain_events(timeout=0.2)
            except TimeoutError:
                pass
            if waiting and (len(waiting) >= self.random.choice((1, 8, 30)) or self.random.random() < 0.1):
                with self.ledger.lock:
                    self.ledger.acknowledged[self.queue].update(name for _, name in waiting if name)
                channel.basic_ack(waiting[-1][0], multiple=True)
                waiting.clear()


class Declarer(Actor):
    """Declares, binds and deletes durable queues and exchanges; keeps only what was answered with an -ok."""

    def __init__(self, *rest):
        super().__init__("declarer", *rest)
        self.made, self.number = {}, 0
        self.deleted: set[str] = set()

    def session(self, link, channel):
        while not self.over.wait(0.01):
            self.number += 1
            queue, exchange, kind = f"d.q.{self.number}", f"d.x.{self.number}", self.random.choice(("direct", "topic", "fanout"))
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments={"x-made-by": "the kill loop"})
            self.made[queue] = {"exchange": "", "key": queue}
            channel.exchange_declare(exchange, kind, durable=True, auto_delete=False)
            channel.queue_bind(queue, exchange, "key")
            self.made[queue] = {"exchange": exchange, "key": "key", "kind": kind}
            if self.number % 4 == 0:
                old = self.random.choice(list(self.made))
                entry = self.made.pop(old)
                channel.queue_delete(old)
                self.deleted.add(old)
                if entry["exchange"]:
                    channel.exchange_delete(entry["exchange"])

    def verify(self, link: amqp.Connection) -> None:
        """Everything that was answered is there, with its settings, and its binding routes."""
        channel = link.channel()
        channel.confirm_select()
        back: list[str] = []
        channel.events["basic_return"].add(lambda error, exchange, key, message: back.append(exchange or key))
        for queue, entry in self.made.items():
            try:
                channel.queue_declare(queue, durable=True, auto_delete=False, arguments={"x-made-by": "the kill loop"})
                if entry["exchange"]:
                    channel.exchange_declare(entry["exchange"], entry["kind"], durable=True, auto_delete=False)
                left = channel.queue_purge(queue)
                if left:
                    self.ledger.blame("invented", f"{queue} holds {left} messages that nobody sent")
                channel.basic_publish_confirm(amqp.Message(b"routes"), entry["exchange"], entry["key"], mandatory=True)
                if channel.queue_purge(queue) != 1:
                    self.ledger.blame("bindings", f"{queue} is not bound to {entry['exchange'] or 'the default exchange'}")
                self.ledger.counts["kept"] += 1
            except AMQPError as error:
                self.ledger.blame("declares", f"{queue}: {error}")
                channel = link.channel()
                channel.confirm_select()
        for queue in sorted(self.deleted):
            try:
                channel.queue_declare(queue, passive=True)
                self.ledger.blame("deletes", f"{queue} was deleted and is there")
            except NotFound:
                channel = link.channel()


def bytes_of(message) -> bytes:
    body = message.body
    return body if isinstance(body, bytes) else body.encode()
