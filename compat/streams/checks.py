"""A stream outlives `kill -9`: what was confirmed is read at its offsets from every place, and offsets go on where they were."""

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "compat"))

import pika
from pika.exceptions import AMQPError

from drive.broker import Own

STREAM = "log"
ROUNDS = 5
CONFIRMED = 2000
failed = False


def verdict(name: str, good: bool, wrong: str) -> None:
    global failed
    failed = failed or not good
    print(f"ok {name}" if good else f"FAIL {name}: {wrong}", flush=True)


def channel(broker: Own):
    link = pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port, socket_timeout=10))
    opened = link.channel()
    arguments = {"x-queue-type": "stream", "x-stream-max-segment-size-bytes": 100_000}
    opened.queue_declare(STREAM, durable=True, arguments=arguments)
    return opened


def read(broker: Own, start, count: int) -> list[tuple[int, bytes]]:
    """So many messages from that place on; fewer if no more come for 5 s."""
    opened, seen = channel(broker), []
    opened.basic_qos(prefetch_count=500)

    def take(_, method, properties, body):
        seen.append((properties.headers["x-stream-offset"], body))
        opened.basic_ack(method.delivery_tag)

    opened.basic_consume(STREAM, take, arguments={"x-stream-offset": start})
    last = time.monotonic()
    while len(seen) < count and time.monotonic() - last < 5:
        before = len(seen)
        opened.connection.process_data_events(time_limit=0.05)
        last = time.monotonic() if len(seen) > before else last
    opened.connection.close()
    return seen[:count]


def write(broker: Own, start: int, count: int) -> None:
    """Confirmed one after the other."""
    opened = channel(broker)
    opened.confirm_delivery()
    for number in range(start, start + count):
        opened.basic_publish("", STREAM, b"%d" % number)
    opened.connection.close()


def write_into_the_dark(broker: Own, start: int) -> None:
    """More, not confirmed, in whose midst the broker dies."""
    opened = channel(broker)
    try:
        for number in range(start, start + 500):
            opened.basic_publish("", STREAM, b"%d" % number)
            if number == start + 400:
                broker.kill()
    except (AMQPError, OSError):
        pass
    broker.kill()


def check_places(broker: Own, end: int) -> None:
    wanted = [(offset, b"%d" % offset) for offset in range(end)]
    middle, late = end // 2, end - 10
    for name, start, wants in (
        ("first", "first", wanted), ("middle", middle, wanted[middle:]), ("near_the_end", late, wanted[late:]),
        ("an_hour_ago", "1h", wanted),
    ):
        seen = read(broker, start, len(wants))
        at = next((at for at, (want, see) in enumerate(zip(wants, seen)) if want != see), len(seen))
        verdict(f"read_from_{name}_of_{end}", seen == wants, f"{len(seen)} of {len(wants)}, different at {seen[at:at + 1]}")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="harefoot-streams-") as folder:
        broker = Own(Path(sys.argv[1]), Path(folder) / "data", log=Path(folder) / "log")
        broker.start()
        end = 0
        try:
            for _ in range(ROUNDS):
                write(broker, end, CONFIRMED // ROUNDS)
                promised = end + CONFIRMED // ROUNDS
                write_into_the_dark(broker, promised)
                broker.start()
                opened = channel(broker)
                end = opened.queue_declare(STREAM, passive=True).method.message_count
                opened.connection.close()
                verdict(f"nothing_confirmed_is_lost_of_{promised}", end >= promised, f"{end} are left")
                check_places(broker, end)
        finally:
            broker.kill()
    sys.exit(failed)


main()
