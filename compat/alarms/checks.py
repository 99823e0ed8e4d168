"""Alarms: publishers are stopped and told, consumers go on, and once there is room everything goes on by itself."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "compat"))

import amqp

from drive.broker import Own

QUEUE = "alarms"
DISK_MIB = 120
BODY_BYTES = 50_000
SECONDS = 20
failed = False


def verdict(name: str, good: bool, wrong: str) -> None:
    global failed
    failed = failed or not good
    print(f"ok {name}" if good else f"FAIL {name}: {wrong}", flush=True)


def wait_for(condition) -> bool:
    deadline = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


def connect(broker: Own, **options) -> amqp.Channel:
    link = amqp.Connection(f"127.0.0.1:{broker.port}", **options)
    link.connect()
    channel = link.channel()
    channel.queue_declare(QUEUE, durable=True, auto_delete=False)
    return channel


class Publisher:
    """Publishes persistent messages, one confirm at a time, in a thread of its own, until it is told to stop."""

    def __init__(self, broker: Own):
        self.confirmed, self.blocked, self.unblocked, self.is_stopped = 0, [], 0, False
        self.channel = connect(
            broker, confirm_publish=True, on_blocked=self.blocked.append, on_unblocked=self.count_unblocked
        )
        self.thread = threading.Thread(target=self.publish, daemon=True)
        self.thread.start()

    def count_unblocked(self) -> None:
        self.unblocked += 1

    def publish(self) -> None:
        try:
            while not self.is_stopped:
                body = str(self.confirmed).zfill(BODY_BYTES)
                self.channel.basic_publish_confirm(amqp.Message(body, delivery_mode=2), routing_key=QUEUE)
                self.confirmed += 1
        except (OSError, amqp.AMQPError):
            # The broker was killed or stopped, which is part of the play.
            pass

    def is_at_rest(self) -> bool:
        before = self.confirmed
        time.sleep(1)
        return self.confirmed == before

    def goes_on(self) -> bool:
        before = self.confirmed
        return wait_for(lambda: self.confirmed > before)


def take(channel: amqp.Channel, count: int) -> list[int]:
    """Takes so many messages, or all there are, and acknowledges each; returns their numbers."""
    numbers = []
    while len(numbers) < count and (message := channel.basic_get(QUEUE)):
        numbers.append(int(message.body[-9:]))
        channel.basic_ack(message.delivery_tag)
    return numbers


def memory(broker: Own, config: Path) -> None:
    config.write_text("")
    broker.start()
    publisher = Publisher(broker)
    wait_for(lambda: publisher.confirmed >= 10)
    publisher.is_stopped = True
    publisher.thread.join(SECONDS)
    broker.stop()
    config.write_text("vm_memory_high_watermark.absolute = 1MB\n")
    broker.start()
    late = Publisher(broker)
    verdict("memory_alarm_is_told", wait_for(lambda: late.blocked), "no connection.blocked")
    # As in RabbitMQ, the publish that meets the alarm is the last one to be taken.
    verdict("memory_alarm_blocks", late.is_at_rest() and late.confirmed <= 1, f"{late.confirmed} confirmed")
    taken = take(connect(broker), publisher.confirmed)
    verdict("memory_alarm_lets_consumers_on", taken == list(range(publisher.confirmed)), f"{taken}")
    broker.stop()


def disk(broker: Own, folder: Path) -> None:
    broker.start()
    publisher = Publisher(broker)
    verdict("disk_alarm_is_told", wait_for(lambda: publisher.blocked), "no connection.blocked")
    wait_for(publisher.is_at_rest)
    with (folder / "of-another-program").open("wb") as other:
        try:
            while True:
                other.write(bytes(1024 * 1024))
                other.flush()
        except OSError:
            pass
    verdict("full_disk_stops_only_publishers", publisher.is_at_rest() and broker.child.poll() is None, "confirmed or ended")
    channel = connect(broker)
    taken = take(channel, 300)
    verdict("full_disk_lets_consumers_on", taken == list(range(300)), f"{len(taken)} taken, {taken[:3]}…")
    held = channel.queue_purge(QUEUE)
    (folder / "of-another-program").unlink()
    verdict("alarm_lifts_by_itself", wait_for(lambda: publisher.unblocked) and publisher.goes_on(), "publishers still wait")
    wait_for(lambda: len(publisher.blocked) > 1)
    broker.kill()
    publisher.thread.join(SECONDS)
    broker.start()
    left = take(connect(broker), publisher.confirmed)
    # What was under way at the kill may be there without its confirm.
    good = left == list(range(left[0], left[0] + len(left))) and left[-1] in (publisher.confirmed - 1, publisher.confirmed)
    verdict("full_disk_keeps_the_confirmed", good and len(left) + held + 300 >= publisher.confirmed, f"{len(left)} left, {left[:2]}…{left[-2:]}, {held} purged, {publisher.confirmed} confirmed")
    broker.stop()


def on_small_disk(work: Path, binary: Path) -> None:
    folder = work / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        print("skip disk: a small file system cannot be mounted here", flush=True)
        return
    broker = Own(binary, folder / "data", log=work / "disk.log")
    try:
        disk(broker, folder)
    finally:
        broker.kill()
        subprocess.run(["umount", str(folder)], check=True)


def play(work: Path, binary: Path) -> None:
    config = work / "rabbitmq.conf"
    os.environ["RABBITMQ_CONFIG_FILE"] = str(config)
    broker = Own(binary, work / "data", log=work / "memory.log")
    try:
        memory(broker, config)
    finally:
        broker.kill()
    config.write_text("disk_free_limit.absolute = 20MB\n")
    on_small_disk(work, binary)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="harefoot-alarms-") as work:
        play(Path(work), Path(sys.argv[1]))
    sys.exit(1 if failed else 0)
