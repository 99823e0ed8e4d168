"""How exactly messages come out of an x-delayed-message exchange while very many wait, also after a restart.

    compat/.venv/bin/python compat/delayed/probe.py [--binary PATH] [--waiting 1000000] [--kill]

Not a check: it measures, on a machine that does nothing else, and prints what it saw. When a message was due is asked of the
HTTP API; when it came is this program's clock, so that what is printed holds the way through broker, socket and client.
"""

import argparse
import base64
import json
import random
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

import pika

from drive.broker import Own, free_port

EXCHANGE, QUEUE = "probe", "probe"
HOUR_MS = 3_600_000
PAGE = 500


class Probe:
    """One broker, one exchange that delays, one queue behind it."""

    def __init__(self, broker: Own):
        self.broker = broker
        # Messages that were ever published: each has the next number.
        self.published = 0

    def connect(self):
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.broker.port))
        return connection, connection.channel()

    def lay_out(self) -> None:
        connection, channel = self.connect()
        arguments = {"x-delayed-type": "fanout"}
        channel.exchange_declare(EXCHANGE, "x-delayed-message", durable=True, arguments=arguments)
        channel.queue_declare(QUEUE, durable=True)
        channel.queue_bind(QUEUE, EXCHANGE)
        connection.close()

    def page(self, cursor: int, size: int = PAGE) -> dict:
        path = f"http://127.0.0.1:{self.broker.http}/api/harefoot/delayed/%2F/{EXCHANGE}?cursor={cursor}&page_size={size}"
        login = "Basic " + base64.b64encode(b"guest:guest").decode()
        with urllib.request.urlopen(urllib.request.Request(path, headers={"Authorization": login}), timeout=60) as answer:
            return json.load(answer)

    def publish(self, delays, prefix: str) -> None:
        """Publishes messages with these delays in milliseconds, named by their place, and waits until all are durable."""
        connection, channel = self.connect()
        channel.tx_select()
        for number, delay in enumerate(delays):
            properties = pika.BasicProperties(delivery_mode=2, message_id=f"{prefix}{number}", headers={"x-delay": delay})
            channel.basic_publish(EXCHANGE, "", b"x" * 100, properties)
            self.published += 1
            if number % 5000 == 4999:
                channel.tx_commit()
        channel.tx_commit()
        connection.close()

    def due(self, count: int, prefix: str) -> dict[str, int]:
        """When each of the last messages is due, by name."""
        due, cursor = {}, max(self.published - count, 0)
        while cursor is not None:
            page = self.page(cursor)
            for item in page["items"]:
                name = item["properties"].get("message_id", "")
                if name.startswith(prefix):
                    due[name] = item["due_at_ms"]
            cursor = page["next_cursor"]
        return due

    def lateness(self, due: dict[str, int], connected=None) -> list[tuple[int, float]]:
        """When each was due, and how many milliseconds later it came."""
        connection, channel = connected or self.connect()
        came, missing = [], set(due)

        def take(_channel, _method, properties, _body):
            now_ms = time.time() * 1000
            if properties.message_id in missing:
                missing.remove(properties.message_id)
                came.append((due[properties.message_id], now_ms - due[properties.message_id]))

        channel.basic_consume(QUEUE, take, auto_ack=True)
        end = max(due.values()) / 1000 + 60
        while missing and time.time() < end:
            connection.process_data_events(time_limit=1)
        connection.close()
        if missing:
            sys.exit(f"{len(missing)} messages have not come")
        return came


def tell(what: str, came: list[tuple[int, float]]) -> None:
    if not came:
        print(f"{what}: none", flush=True)
        return
    late = sorted(late for _, late in came)
    at = lambda share: late[min(int(len(late) * share), len(late) - 1)]
    beyond = sum(1 for one in late if one > 10)
    print(
        f"{what}: {len(late)} messages; late by {at(0.5):.1f} ms (half), {at(0.99):.1f} ms (99 of 100), {late[-1]:.1f} ms (most);"
        f" earliest {late[0]:.1f} ms; {beyond} by more than 10 ms",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/harefoot")
    parser.add_argument("--waiting", type=int, default=1_000_000, help="messages that wait for hours beside those measured")
    parser.add_argument("--measured", type=int, default=2000)
    parser.add_argument("--kill", action="store_true", help="kill -9 before the restart, instead of an orderly stop")
    options = parser.parse_args()
    luck = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="harefoot-delayed-") as folder:
        work = Path(folder)
        broker = Own(options.binary.resolve(), work / "data", http=free_port(), log=work / "log")
        broker.start()
        try:
            measure(Probe(broker), options, luck)
        finally:
            broker.stop()


def measure(probe: Probe, options, luck: random.Random) -> None:
    broker, count = probe.broker, options.measured
    probe.lay_out()
    began = time.monotonic()
    probe.publish((luck.randrange(HOUR_MS, 48 * HOUR_MS) for _ in range(options.waiting)), "w")
    print(f"{options.waiting} wait, published in {time.monotonic() - began:.0f} s", flush=True)
    for cursor in (0, options.waiting // 2, max(options.waiting - PAGE, 0)):
        began = time.monotonic()
        items = len(probe.page(cursor)["items"])
        print(f"a page of {items} from {cursor} on: {(time.monotonic() - began) * 1000:.0f} ms", flush=True)

    # Every 5 ms, in disorder, once they are all published.
    delays = [4000 + 5 * step for step in range(count)]
    luck.shuffle(delays)
    probe.publish(delays, "m")
    tell("while they wait", probe.lateness(probe.due(count, "m")))

    # Some are due while the node is away, or reads what waits.
    delays = [200 + 10 * step for step in range(count)]
    luck.shuffle(delays)
    probe.publish(delays, "r")
    due = probe.due(count, "r")
    if options.kill:
        broker.kill()
    else:
        broker.stop()
    began_ms = time.time() * 1000
    broker.start()
    connected = probe.connect()
    up_ms = time.time() * 1000
    print(f"restarted, and answers after {up_ms - began_ms:.0f} ms", flush=True)
    came = probe.lateness(due, connected)
    after = [(at, late) for at, late in came if at > up_ms]
    tell("due before it answered again", [one for one in came if one[0] <= up_ms])
    tell("due after it answered again", after)
    behind = [at + late - up_ms for at, late in after if late > 10]
    print(f"the last that was more than 10 ms late came {max(behind, default=0):.0f} ms after it answered again", flush=True)


if __name__ == "__main__":
    main()
