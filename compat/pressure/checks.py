"""Under pressure the broker holds back whoever presses, loses nothing, and stays in its memory.

    checks.py BINARY                          what CI runs, within a minute
    checks.py BINARY --long                   two minutes of overload, two GiB of large bodies each way
    checks.py BINARY --rates                  how fast 99 consumers are beside one that is no good
"""

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "differential")]

import alarm
import crowd
import large
import overload
from drive.broker import Own, free_port
from small import Group

SMALL_BYTES = 256 * 1024 * 1024
WATERMARK = 0.6
# A body is in memory at the consumer, ahead of it, at the publisher, in the log's buffer and on its way into a segment; the
# allocator gives back what was freed a little later. However long the stream is, it is not more than this.
LARGE_BODIES_MAX = 12
failed = False


def verdict(name: str, fault: str) -> None:
    global failed
    failed = failed or bool(fault)
    print(f"FAIL {name}: {fault}" if fault else f"ok {name}", flush=True)


class Broker(Own):
    """A broker with settings of its own, on a data folder of its own, killed at the end of the context."""

    def __init__(self, work: Path, name: str, binary: Path, settings: str = ""):
        config = work / f"{name}.conf"
        config.write_text(settings)
        super().__init__(binary, work / name, log=work / f"{name}.log", config=config, http=free_port())

    def __enter__(self) -> "Broker":
        self.start()
        return self

    def __exit__(self, kind: type | None, *_ended: object) -> None:
        try:
            if kind is None:
                self.stop()
        finally:
            self.kill()

    def peak_bytes(self) -> int:
        """The most memory it has had."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def check_overload(work: Path, binary: Path, seconds: float, bytes_max: int) -> None:
    with Group(SMALL_BYTES) as group, Broker(work, "small", group.around(binary, work), group.settings()) as broker:
        print(f"overload: {group.describe()}", flush=True)
        (node,) = alarm.ask(broker.http, "nodes")
        limit = node["mem_limit"]
        verdict("limits_know_cgroups", "" if limit == int(SMALL_BYTES * WATERMARK) else f"the limit is {limit}")
        outcomes = overload.press(broker.port, broker.http, seconds, bytes_max)
        for outcome in outcomes:
            print(f"overload: {outcome}", flush=True)
        peak = broker.peak_bytes()
        print(f"overload: peak {peak / 1e6:.0f} MB", flush=True)
        verdict("overload_kills_nobody", "" if broker.child.poll() is None else f"ended with {broker.child.poll()}")
        verdict("overload_loses_and_doubles_nothing", "; ".join(filter(None, (outcome.fault() for outcome in outcomes))))
        verdict("overload_unblocks", "; ".join(f"{outcome}" for outcome in outcomes if len(outcome.blocked) != outcome.unblocked))
        verdict("overload_stays_in_memory", "" if peak < SMALL_BYTES else f"{peak} bytes")


def check_crowd(work: Path, binary: Path, messages: int) -> None:
    with Broker(work, "crowd", binary) as broker:
        for odd in crowd.ODD:
            outcome = crowd.run(broker.port, messages, odd)
            verdict(f"others_go_on_beside_a_{odd}_consumer", outcome.fault())
            verdict(f"a_{odd}_consumer_holds_something", "" if outcome.first < messages else "it held nothing: nothing was tried")


def check_large(work: Path, binary: Path, messages: int) -> None:
    streams = {"persistent": (True, 0.0), "transient": (False, 0.0), "slow": (True, 0.005), "slow_transient": (False, 0.005)}
    for name, (is_persistent, rest_seconds) in streams.items():
        with Broker(work, f"large-{name}", binary, f"max_message_size = {2 * large.BODY_BYTES}\n") as broker:
            fault = large.stream(broker.port, messages, is_persistent, rest_seconds)
            bodies = broker.peak_bytes() / large.BODY_BYTES
            print(f"large {name}: peak {bodies:.1f} bodies of {messages}", flush=True)
            verdict(f"large_{name}", fault or ("" if bodies <= LARGE_BODIES_MAX else f"{bodies:.1f} bodies in memory at once"))


def check_alarm(work: Path, binary: Path) -> None:
    settings = f"vm_memory_high_watermark.absolute = {alarm.LIMIT_MB}MB\nmax_message_size = {2 * large.BODY_BYTES}\n"
    with Broker(work, "alarm", binary, settings) as broker:
        for name, fault in alarm.memory(broker.port, broker.http):
            verdict(name, fault)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the broker does under pressure.")
    parser.add_argument("binary", type=Path)
    parser.add_argument("--only", choices=["overload", "crowd", "large", "alarm"], nargs="+")
    parser.add_argument("--long", action="store_true", help="two minutes of overload, two GiB of large bodies each way")
    parser.add_argument("--rates", action="store_true", help="the rates of the crowd alone, as a line of text")
    parser.add_argument("--work", help="where data folders are made")
    return parser.parse_args()


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="harefoot-pressure-", dir=options.work) as folder:
        work, binary = Path(folder), options.binary.resolve()
        if options.rates:
            with Broker(work, "rates", binary) as broker:
                print(crowd.rates(broker.port, 2_000_000, 5))
            return 0
        checks = {
            "overload": lambda: check_overload(work, binary, *((120, 6 << 30) if options.long else (10, 1 << 30))),
            "crowd": lambda: check_crowd(work, binary, 400_000 if options.long else 100_000),
            "large": lambda: check_large(work, binary, 32 if options.long else 16),
            "alarm": lambda: check_alarm(work, binary),
        }
        for name in options.only or checks:
            checks[name]()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
