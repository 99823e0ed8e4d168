"""A hundred consumers of one queue, one of them no good: the others get all that it does not hold, and that too once it has gone."""

import selectors
import threading
import time
from dataclasses import dataclass
from statistics import median

from link import Consumer, Link, Publisher

QUEUE = b"crowd"
CONSUMERS = 100
BODY_BYTES = 128
BATCH = 500
PREFETCH = 200
# A mute one settles nothing, a deaf one does not even read: its prefetch has no limit, the kernel's buffer is small.
ODD = {"mute": {"prefetch": PREFETCH}, "deaf": {"receive_bytes": 65536}}
QUIET_SECONDS = 0.5
SECONDS = 120


@dataclass
class Outcome:
    """What the good ones got while the odd one was there, and in all."""

    messages: int
    first: int
    seconds: float
    numbers: list[int]

    @property
    def rate(self) -> float:
        return self.first / self.seconds

    def fault(self) -> str:
        """What is wrong; empty if nothing is."""
        if sorted(self.numbers) == list(range(self.messages)):
            return ""
        return f"{len(self.numbers)} taken, {len(set(self.numbers))} of them different, of {self.messages}; {self.first} before the odd one went"


class Crowd:
    """The good ones, and what they have taken."""

    def __init__(self, port: int, count: int):
        self.links = [Consumer(port, QUEUE, BODY_BYTES, prefetch=PREFETCH) for _ in range(count)]
        self.numbers: list[int] = []
        self.last = time.monotonic()

    def listen(self, is_over) -> None:
        """Takes and settles until it is over."""
        deadline = time.monotonic() + SECONDS
        with selectors.DefaultSelector() as selector:
            for link in self.links:
                selector.register(link.socket, selectors.EVENT_READ, link)
            while not is_over() and time.monotonic() < deadline:
                for key, _ in selector.select(0.05):
                    self.numbers.extend(number for number, _ in key.data.take())
                    key.data.acknowledge()
                    self.last = time.monotonic()

    def is_quiet(self) -> bool:
        return time.monotonic() - self.last > QUIET_SECONDS


def run(port: int, messages: int, odd: str = "") -> Outcome:
    """So many messages through the queue, with an odd one of this kind, or with good ones only."""
    publisher, control = Publisher(port, QUEUE, BODY_BYTES, BATCH, is_persistent=False, is_confirmed=False), Link(port)
    # The odd one is there first, so that it has its turn all the time.
    stranger = Consumer(port, QUEUE, BODY_BYTES, **ODD[odd]) if odd else None
    crowd, begun = Crowd(port, CONSUMERS - bool(odd)), time.monotonic()

    def fill() -> None:
        while publisher.published < messages:
            publisher.publish()

    filling = threading.Thread(target=fill, daemon=True)
    filling.start()
    crowd.listen(lambda: not filling.is_alive() and crowd.is_quiet() and control.declare(QUEUE) == 0)
    outcome = Outcome(messages, len(crowd.numbers), crowd.last - begun, crowd.numbers)
    if stranger:
        stranger.close()
    crowd.listen(lambda: len(crowd.numbers) >= messages and crowd.is_quiet())
    for link in (publisher, control, *crowd.links):
        link.close()
    return outcome


def rates(port: int, messages: int, rounds: int) -> str:
    """How fast the others are with an odd one, beside how fast all are without one, in turn; for a table."""
    seen: dict[str, list[float]] = {kind: [] for kind in ("", *ODD)}
    for _ in range(rounds):
        for kind, rows in seen.items():
            rows.append(run(port, messages, kind).rate)
    plain = median(seen[""])
    rows = (f"{kind} {median(seen[kind]):,.0f} msg/s, {median(seen[kind]) / plain:.1%}" for kind in ODD)
    return f"100 good ones {plain:,.0f} msg/s; 99 beside one that is {'; '.join(rows)}"
