"""Publishers ten times faster than consumers, in little memory: nobody is killed, nothing is lost, nothing comes twice."""

import threading
import time
from dataclasses import dataclass

import alarm
from link import Consumer, Publisher

BODY_BYTES = 1024
BATCH = 200
PREFETCH = 500
FASTER = 10
SECONDS_AFTER = 120
# Persistent or not, confirmed or not; the last one is what only the reading of its socket can hold back.
KINDS = {b"confirmed": (True, True), b"transient": (False, False), b"unconfirmed": (True, False)}


@dataclass
class Outcome:
    """What became of one queue."""

    queue: str
    published: int
    confirmed: int
    taken: int
    ended: str
    blocked: list[str]
    unblocked: int
    states: set[str]

    def fault(self) -> str:
        """What is wrong; empty if nothing is."""
        if self.ended:
            return f"{self.queue}: {self.ended}"
        if self.taken != self.published:
            return f"{self.queue}: {self.taken} of {self.published} taken"
        return ""


class Lane:
    """A queue, who fills it and who empties it."""

    def __init__(self, port: int, queue: bytes, rate: float):
        is_persistent, is_confirmed = KINDS[queue]
        self.queue, self.rate, self.taken, self.ended = queue.decode(), rate, 0, ""
        self.publisher = Publisher(port, queue, BODY_BYTES, BATCH, is_persistent, is_confirmed)
        self.consumer = Consumer(port, queue, BODY_BYTES, is_persistent, PREFETCH)
        self.is_filling, self.states = True, set()
        self.threads = [threading.Thread(target=self.guard, args=(act,), daemon=True) for act in (self.fill, self.drain)]

    def guard(self, act) -> None:
        try:
            act()
        except Exception as error:  # any end of a thread that is not its own is the verdict
            self.ended = self.ended or f"{act.__name__}: {error!r}"

    def fill(self) -> None:
        begun = time.monotonic()
        while self.is_filling:
            if self.publisher.published < self.rate * (time.monotonic() - begun):
                self.publisher.publish()
            else:
                time.sleep(0.002)

    def drain(self) -> None:
        """At a tenth of what is published, and without a limit when that is over."""
        while self.is_filling or self.taken < self.publisher.published:
            if self.is_filling and self.taken * FASTER > self.publisher.published:
                time.sleep(0.002)
                continue
            for number, redelivered in self.consumer.take():
                if number != self.taken or redelivered:
                    raise ValueError(f"message {number} came in the place of {self.taken}, redelivered {redelivered}")
                self.taken += 1
            self.consumer.acknowledge()

    def outcome(self) -> Outcome:
        publisher = self.publisher
        return Outcome(self.queue, publisher.published, publisher.confirmed, self.taken, self.ended, publisher.blocked, publisher.unblocked, self.states)


def press(port: int, http: int, seconds: float, bytes_max: int) -> list[Outcome]:
    """Fills for so long, at most so many bytes, and then drains it all."""
    rate = bytes_max / seconds / BODY_BYTES / len(KINDS)
    lanes = [Lane(port, queue, rate) for queue in KINDS]
    for thread in (thread for lane in lanes for thread in lane.threads):
        thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        states = alarm.states(http)
        for lane in lanes:
            lane.states.add(states.get(lane.publisher.name, "gone"))
        time.sleep(0.2)
    for lane in lanes:
        lane.is_filling = False
    deadline = time.monotonic() + SECONDS_AFTER
    for thread in (thread for lane in lanes for thread in lane.threads):
        thread.join(max(0.0, deadline - time.monotonic()))
    outcomes = [lane.outcome() for lane in lanes]
    for lane in lanes:
        lane.publisher.close()
        lane.consumer.close()
    return outcomes
