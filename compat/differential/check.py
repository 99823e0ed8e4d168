#!/usr/bin/env python3
"""The same frames to Harefoot as once to a RabbitMQ 4, and the answers compared.

    check.py                                   every script against the built binary
    check.py queue-declare confirms/nack       some topics or scripts
    check.py --prune                           and take out of waiting.toml what passes now
    check.py --wait-for "dead letters" dead-letters    put what fails into waiting.toml
    check.py --differ "the reason" frames/size-huge    keep our answers where they differ on purpose
    check.py --record amqp://guest:guest@127.0.0.1:5673 [NAME …]     ask RabbitMQ again (needs its management API)
"""

import argparse
import queue
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import waiting
from link import Lost
from play import ANSWER_SECONDS, Player
from script import NOTHING, Script, read_all, write_answers, write_reason
from target import Harefoot, Rabbit
from text import TextError
from wire import WireError

ROOT = Path(__file__).resolve().parent.parent.parent
CHECKERS, RECORDERS, TAKES = 4, 8, 3
# A script that is known to fail is not waited for as long as one that should pass.
WAITING_SECONDS = 0.7
BROKEN = (OSError, WireError, TextError, Lost, KeyError, ValueError)


@dataclass
class Outcome:
    """What became of one script. `why` is empty if it went as it should."""

    script: Script
    answers: list[list[str]]
    why: str = ""


def compare(script: Script, answers: list[list[str]]) -> str:
    """The first step that was not answered as wanted."""
    for step, got in zip(script.steps, answers):
        if got != step.wanted():
            sent = " & ".join(f"{line.link}.{line.channel} {line.verb} {line.rest}".strip() for line in step.lines)
            return f"line {step.number}: {sent} | wanted {step.wanted() or 'nothing'} | got {got or 'nothing'}"
    for surplus in answers[len(script.steps) :]:
        return f"at the end | got {surplus}"
    return ""


def check_one(script: Script, target: Harefoot, patience: float) -> Outcome:
    try:
        place = target.enter(script)
        answers = Player(script, place, is_recording=False, patience=patience).play()
        target.leave()
        return Outcome(script, answers, compare(script, answers))
    except BROKEN as error:
        target.close()
        return Outcome(script, [], f"{type(error).__name__} {error} {traceback.format_exc().splitlines()[-3].strip()}")


def record_one(script: Script, target: Rabbit) -> Outcome:
    """Plays it several times; answers that are not the same each time are worth nothing."""
    takes = []
    try:
        for _ in range(TAKES):
            place = target.enter(script)
            try:
                takes.append(Player(script, place, is_recording=True).play())
            finally:
                target.leave()
    except BROKEN as error:
        return Outcome(script, [], f"{type(error).__name__} {error} {traceback.format_exc().splitlines()[-3].strip()}")
    first = takes[0]
    for other in takes[1:]:
        for step, left, right in zip([*script.steps, None], first, other):
            if left != right:
                return Outcome(script, [], f"line {step.number if step else 'end'}: once {left}, once {right}")
    if len(first) > len(script.steps):
        return Outcome(script, [], f"still coming at the end: {first[-1]}")
    return Outcome(script, first)


def spread(scripts: list[Script], targets: list, play) -> list[Outcome]:
    """Deals the scripts out to one thread a target."""
    work: queue.Queue[Script] = queue.Queue()
    for script in sorted(scripts, key=lambda script: (script.user is not None, str(script.user))):
        work.put(script)
    outcomes: list[Outcome] = []

    def serve(target) -> None:
        while True:
            try:
                script = work.get_nowait()
            except queue.Empty:
                break
            outcomes.append(play(script, target))
        try:
            target.close()
        except OSError as error:
            outcomes.append(Outcome(Script("broker", "end"), [], str(error)))

    threads = [threading.Thread(target=serve, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes, key=lambda outcome: outcome.script.full)


def record(scripts: list[Script], uri: str) -> int:
    outcomes = spread(scripts, [Rabbit(uri, number) for number in range(RECORDERS)], record_one)
    answers: dict[str, dict[int, list[str]]] = {}
    for outcome in outcomes:
        if outcome.why:
            print(f"NOT RECORDED {outcome.script.full}: {outcome.why}")
        else:
            lines = answers.setdefault(outcome.script.topic, {})
            lines.update({step.number: got for step, got in zip(outcome.script.steps, outcome.answers)})
    for topic, lines in answers.items():
        write_answers(topic, lines, "<")
    unstable = sum(bool(outcome.why) for outcome in outcomes)
    print(f"{len(outcomes) - unstable} recorded, {unstable} not")
    return 1 if unstable else 0


def differ(script: Script, binary: Path, reason: str) -> int:
    """Writes down what Harefoot answers where it is not what RabbitMQ answered."""
    target = Harefoot(binary, Path("/dev/null"))
    answers = Player(script, target.enter(script), is_recording=True).play()
    target.close()
    ours = {step.number: got or [NOTHING] for step, got in zip(script.steps, answers) if got != step.answers}
    write_answers(script.topic, ours, "!")
    if not script.differs:
        write_reason(script, reason)
    return 0


def check(scripts: list[Script], binary: Path, is_pruning: bool, feature: str) -> int:
    reasons = waiting.read()

    def play(script: Script, target: Harefoot) -> Outcome:
        return check_one(script, target, WAITING_SECONDS if script.full in reasons else ANSWER_SECONDS)

    logs = ROOT / "compat/work/logs"
    logs.mkdir(parents=True, exist_ok=True)
    targets = [Harefoot(binary, logs / f"differential-{number}.broker.log") for number in range(CHECKERS)]
    outcomes, same, passing = spread(scripts, targets, play), 0, []
    different: list[Script] = []
    failing: list[str] = []
    for outcome in outcomes:
        name, reason = outcome.script.full, reasons.get(outcome.script.full)
        if not outcome.why and reason:
            passing.append(name)
            print(f"FAIL {name}: passes, but waiting.toml has it wait for {reason}")
        elif not outcome.why:
            print(f"ok {name}")
            same += not outcome.script.differs
            different += [outcome.script] if outcome.script.differs else []
        elif reason:
            print(f"skip {name}: waits for {reason}")
        else:
            failing.append(name)
            print(f"FAIL {name}: {outcome.why}")
    for name in sorted(set(reasons) - {script.full for script in read_all([])}):
        failing.append(name)
        print(f"FAIL {name}: waiting.toml names it, and there is no such script")
    for script in different:
        print(f"# differs on purpose: {script.full}: {script.differs}")
    counts = waiting.counts(reasons, {outcome.script.full for outcome in outcomes if outcome.why})
    for reason, count in counts:
        print(f"# {count} wait for {reason}")
    if is_pruning:
        waiting.prune(passing)
    if feature:
        waiting.add(feature, failing)
    print(f"# {len(outcomes)} scripts: {same} same, {len(different)} different on purpose, {sum(count for _, count in counts)} waiting")
    return 1 if failing or (passing and not is_pruning) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Harefoot's answers against those that RabbitMQ gave.", epilog="See README.md.")
    parser.add_argument("names", nargs="*", help="topics, or scripts as topic/name")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/harefoot", help="the broker to start")
    parser.add_argument("--record", default="", metavar="URI", help="ask this RabbitMQ and keep its answers")
    parser.add_argument("--differ", default="", metavar="REASON", help="write down our answers to one script as a difference on purpose")
    parser.add_argument("--wait-for", default="", metavar="FEATURE", help="put what fails now into waiting.toml")
    parser.add_argument("--prune", action="store_true", help="take what passes out of waiting.toml")
    options = parser.parse_args()
    scripts = read_all(options.names)
    if not scripts:
        sys.exit("check: no such scripts")
    begun = time.monotonic()
    if options.differ:
        if len(scripts) != 1:
            sys.exit("check: a reason is for one script")
        return differ(scripts[0], options.binary, options.differ)
    if options.record:
        code = record(scripts, options.record)
    else:
        code = check(scripts, options.binary, options.prune, options.wait_for)
    print(f"# in {time.monotonic() - begun:.1f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
