"""kill -9 of the real binary, again and again on one data folder, with publishers, consumers and declares at work.

    compat/.venv/bin/python compat/kill9/loop.py --kills 200 [--binary PATH] [--seed N] [--keep]

Prints a verdict for each promise and one line of counts; exit 1 if a promise was broken, and then the data folder is kept.
kill -9 leaves the page cache in place: that nothing is confirmed before its sync is not shown here but on the simulated disk.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import amqp

from actors import Consumer, Declarer, Publisher, abandon, bytes_of
from drive.broker import BrokerError, Own
from ledger import Ledger

QUEUES = ("k.0", "k.1", "k.2", "k.3")
FAN, FAN_QUEUES = "k.fan", ("k.fan.0", "k.fan.1")
# The others build a backlog that is drained at the end.
CONSUMED = ("k.0", "k.1", "k.fan.0")


def lay_out(address: str) -> None:
    link = amqp.Connection(address)
    link.connect()
    channel = link.channel()
    channel.exchange_declare(FAN, "fanout", durable=True, auto_delete=False)
    for queue in (*QUEUES, *FAN_QUEUES):
        channel.queue_declare(queue, durable=True, auto_delete=False)
    for queue in FAN_QUEUES:
        channel.queue_bind(queue, FAN)
    link.close()


def drain(link: amqp.Connection, queue: str, ledger: Ledger) -> None:
    """Takes all that is left, in order, each message once."""
    channel, seen, last = link.channel(), {}, [time.monotonic()]
    wanted = channel.queue_declare(queue, passive=True).message_count

    def take(message):
        name = ledger.take(queue, bytes_of(message), message.delivery_info["redelivered"], seen)
        if name in ledger.drained[queue]:
            ledger.blame("invented", f"{queue}: {name} is there twice")
        if name:
            ledger.drained[queue].add(name)
        last[0] = time.monotonic()
        ledger.counts["drained"] += 1

    before = ledger.counts["drained"]
    channel.basic_consume(queue, no_ack=True, callback=take)
    while ledger.counts["drained"] - before < wanted and time.monotonic() - last[0] < 15:
        try:
            link.drain_events(timeout=1)
        except TimeoutError:
            pass
    channel.close()
    after = link.channel().queue_declare(queue, passive=True).message_count
    if after:
        ledger.blame("lost", f"{queue} still counts {after} messages that it does not deliver")


def kill_often(broker: Own, kills: int, luck: random.Random, up: threading.Event, ledger: Ledger, actors: list) -> float:
    """The loop itself; returns the slowest restart in seconds. The broker is up when it returns."""
    slowest = 0.0
    for number in range(kills):
        time.sleep(luck.uniform(0.15, 1.6))
        up.clear()
        broker.kill()
        if luck.random() < 0.1 and number + 1 < kills:
            # Also while it recovers.
            ledger.counts["kills"] += 1
            broker.start_only()
            time.sleep(luck.uniform(0.0, 0.04))
            broker.kill()
        ledger.counts["kills"] += 1
        try:
            slowest = max(slowest, broker.start())
        except BrokerError as error:
            ledger.blame("restarts", f"after kill {number + 1}: {error}")
            return slowest
        up.set()
        for actor in actors:
            if actor.fault:
                raise actor.fault
    return slowest


def crew(broker: Own, up: threading.Event, over: threading.Event, ledger: Ledger, seed: int) -> tuple[list, Declarer]:
    rest = (lambda: f"{broker.host}:{broker.port}", up, over, ledger, seed)
    actors = [Publisher(number, "", queue, [queue], *rest) for number, queue in enumerate(QUEUES)]
    # A second publisher on a queue that has one already.
    actors.append(Publisher(len(QUEUES), "", QUEUES[0], [QUEUES[0]], *rest))
    actors.append(Publisher(len(QUEUES) + 1, FAN, "", list(FAN_QUEUES), *rest))
    actors += [Consumer(queue, *rest) for queue in CONSUMED]
    declarer = Declarer(*rest)
    return [*actors, declarer], declarer


def run(broker: Own, kills: int, seed: int) -> tuple[Ledger, str]:
    """A whole run on a broker that is not started yet."""
    ledger, up, over, begun = Ledger(), threading.Event(), threading.Event(), time.monotonic()
    broker.start()
    lay_out(f"{broker.host}:{broker.port}")
    actors, declarer = crew(broker, up, over, ledger, seed)
    for actor in actors:
        actor.start()
    up.set()
    slowest = kill_often(broker, kills, random.Random(seed), up, ledger, actors)
    over.set()
    for actor in actors:
        actor.join(30)
        if actor.is_alive():
            ledger.blame("restarts", f"{actor.name} hangs")
    if not ledger.counts["restarts"]:
        # What the consumers held is given back when their connections are gone.
        time.sleep(0.5)
        link = amqp.Connection(f"{broker.host}:{broker.port}", read_timeout=20)
        link.connect()
        for queue in (*QUEUES, *FAN_QUEUES):
            drain(link, queue, ledger)
        declarer.verify(link)
        abandon(link)
        ledger.settle()
        stopped = broker.stop()
    counts = ledger.counts
    line = (
        f"kill9: {counts['kills']} kills, {counts['confirmed']} confirmed, {counts['lost']} lost, {counts['invented']} invented, "
        f"{counts['order']} out of order, {counts['returned']} acknowledged came back ({counts['unflagged']} unflagged), "
        f"{counts['drained']} drained, {counts['kept']} declares kept, slowest restart {slowest:.2f} s"
    )
    if not counts["restarts"]:
        line += f", stop {stopped:.2f} s"
    return ledger, f"{line}, seed {seed}, in {time.monotonic() - begun:.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description="kill -9 loop on the real binary")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--binary", type=Path, default=HERE.parent.parent / "target/release/harefoot")
    parser.add_argument("--keep", action="store_true", help="keep the data folder of a good run too")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="harefoot-kill9-"))
    broker = Own(options.binary, folder / "data", log=folder / "log")
    try:
        ledger, line = run(broker, options.kills, options.seed)
    except BrokerError as error:
        print(f"FAIL restarts: {error}\nkept: {folder}")
        return 1
    finally:
        broker.kill()
    failed = False
    for check, wrong in ledger.verdicts().items():
        failed = failed or bool(wrong)
        print(f"FAIL {check}: {wrong}".replace("\n", " ") if wrong else f"ok {check}")
    print(line)
    if not ledger.counts["confirmed"] or not ledger.counts["drained"]:
        print("FAIL some_work: nothing was confirmed or nothing was drained")
        failed = True
    if failed or options.keep:
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
