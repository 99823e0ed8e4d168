"""What was promised and what came: the books of the kill loop, and the verdict over them. No socket and no thread lives here.

A message is named by its publisher and its number there. Its body follows from the name, so any changed byte is seen. Callers
hold `lock` while they write.
"""

import hashlib
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field

# Sizes by number: mostly small, some of a few frames, few of many.
SIZES = (24, 60, 300, 300, 1_000, 1_000, 4_000, 9_000, 150_000)

Name = tuple[int, int]


def body_of(name: Name) -> bytes:
    """The one body that this message can have."""
    publisher, number = name
    size = SIZES[int.from_bytes(hashlib.blake2s(b"%d/%d" % name, digest_size=2).digest(), "big") % len(SIZES)]
    if size == SIZES[-1] and number % 5:
        size = SIZES[2]
    head = b"%d %d %d " % (publisher, number, size)
    seed = hashlib.sha256(head).digest()
    return head + (seed * (size // len(seed) + 1))[:size]


def name_in(body: bytes) -> Name | None:
    """The name that a body gives itself, if it gives one."""
    try:
        publisher, number, _ = body.split(b" ", 3)[:3]
        return int(publisher), int(number)
    except ValueError:
        return None


@dataclass
class Ledger:
    """One run's books."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    # By queue. `sent` holds what could have arrived, `confirmed` what was promised.
    sent: dict[str, set[Name]] = field(default_factory=lambda: defaultdict(set))
    confirmed: dict[str, set[Name]] = field(default_factory=lambda: defaultdict(set))
    delivered: dict[str, set[Name]] = field(default_factory=lambda: defaultdict(set))
    acknowledged: dict[str, set[Name]] = field(default_factory=lambda: defaultdict(set))
    drained: dict[str, set[Name]] = field(default_factory=lambda: defaultdict(set))
    # The newest number of each publisher that a queue delivered for the first time, and in this session.
    first_seen: dict[tuple[str, int], int] = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def blame(self, what: str, text: str) -> None:
        """Keeps the first few cases of each kind, counts them all."""
        self.counts[what] += 1
        if len(self.wrong[what]) < 5:
            self.wrong[what].append(text)

    def take(self, queue: str, body: bytes, redelivered: bool, session: dict[int, int]) -> Name | None:
        """Enters one delivery. `session` is the newest number by publisher that this consumer has seen since it was started."""
        name = name_in(body)
        if name is None or name not in self.sent[queue]:
            self.blame("invented", f"{queue}: a message that nobody sent: {body[:60]!r}")
            return None
        if body != body_of(name):
            self.blame("invented", f"{queue}: {name} came with other bytes, {len(body)} of them")
            return None
        publisher, number = name
        # One consumer a queue and no requeue while it runs: each session sees each publisher's numbers rise.
        if number <= session.get(publisher, -1):
            self.blame("order", f"{queue}: {name} after {session[publisher]} in one session, redelivered={redelivered}")
        session[publisher] = number
        if name in self.delivered[queue]:
            if not redelivered:
                self.blame("unflagged", f"{queue}: {name} was delivered before and is not flagged")
            if name in self.acknowledged[queue]:
                self.counts["returned"] += 1
        else:
            if not redelivered and number <= self.first_seen.get((queue, publisher), -1):
                self.blame("order", f"{queue}: {name} for the first time after {self.first_seen[queue, publisher]}")
            self.first_seen[queue, publisher] = max(number, self.first_seen.get((queue, publisher), -1))
        self.delivered[queue].add(name)
        return name

    def settle(self) -> None:
        """After the drain: each confirmed message was acknowledged by a consumer or is there."""
        for queue, names in self.confirmed.items():
            gone = names - self.acknowledged[queue] - self.drained[queue]
            for name in sorted(gone)[:5]:
                self.blame("lost", f"{queue}: {name} was confirmed and is gone")
            self.counts["lost"] += max(0, len(gone) - 5)
            self.counts["confirmed"] += len(names)

    def verdicts(self) -> dict[str, str]:
        """Check name -> what is wrong with it, empty if nothing."""
        kinds = {
            "no_confirmed_lost": "lost", "none_invented": "invented", "order_kept": "order", "redelivered_flagged": "unflagged",
            "declares_kept": "declares", "deletes_kept": "deletes", "bindings_kept": "bindings", "confirms_come": "confirms",
            "restarts": "restarts",
        }
        return {check: f"{self.counts[kind]}: {'; '.join(self.wrong[kind])}" if self.counts[kind] else "" for check, kind in kinds.items()}
