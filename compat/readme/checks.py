"""Takes producer and consumer out of README.md as printed and runs them, on port 5672 as printed, across kills of the broker."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "compat"))

from drive.broker import Own, answers

LINES_SECONDS = 15
failed = False


def verdict(name: str, wrong: str = "") -> None:
    global failed
    failed = failed or bool(wrong)
    print(f"FAIL {name}: {wrong}" if wrong else f"ok {name}", flush=True)


def printed() -> dict[str, str]:
    """The README's Python blocks, by what they do."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M)
    marks = {"producer": "basic_publish", "consumer": "basic_consume"}
    found = {role: [block for block in blocks if mark in block] for role, mark in marks.items()}
    for role, texts in found.items():
        if len(texts) != 1:
            sys.exit(f"FAIL readme_shows_both: README.md shows {len(texts)} {role}s")
        same = texts[0] == (ROOT / f"examples/python/{role}.py").read_text(encoding="utf-8")
        verdict(f"{role}_is_the_example", "" if same else f"README.md and examples/python/{role}.py differ")
    return {role: texts[0] for role, texts in found.items()}


class Running:
    """The consumer, with what it printed so far."""

    def __init__(self, script: Path):
        self.seen = script.with_name("printed")
        self.child = subprocess.Popen([sys.executable, str(script)], stdout=self.seen.open("ab"), stderr=subprocess.STDOUT)

    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.seen.read_text().splitlines()]

    def came(self, line: str) -> str:
        """Empty when the line comes in time, else what is wrong."""
        deadline = time.monotonic() + LINES_SECONDS
        while time.monotonic() < deadline:
            if line in self.lines() or f"{line} (again)" in self.lines():
                return ""
            if self.child.poll() is not None:
                return f"the consumer ended: {self.lines()[-3:]}"
            time.sleep(0.05)
        return f"{line!r} did not come within {LINES_SECONDS} s but {self.lines()}"

    def stop(self) -> None:
        self.child.terminate()
        self.child.wait(10)


def produce(script: Path, text: str) -> str:
    """Empty when the producer says that the text is stored."""
    done = subprocess.run([sys.executable, str(script), text], text=True, capture_output=True, timeout=30, check=False)
    good = done.returncode == 0 and done.stdout == f"stored: {text}\n"
    return "" if good else f"exit {done.returncode}: {done.stdout} {done.stderr[-300:]}".replace("\n", " ")


def dialogue(folder: Path, binary: Path) -> None:
    scripts = printed()
    for role, text in scripts.items():
        (folder / f"{role}.py").write_text(text, encoding="utf-8")
    secret = folder / ".amqp-credentials"
    secret.touch(mode=0o600)
    secret.write_text("guest\nguest\n")
    if answers("127.0.0.1", 5672):
        sys.exit("FAIL port: something else answers on port 5672, which the README's scripts use")
    producer, broker = folder / "producer.py", Own(binary, folder / "data", 5672, folder / "log")
    try:
        broker.start()
        verdict("stored", produce(producer, "before the kill"))
        broker.kill()
        verdict("no_broker_is_an_error", "" if produce(producer, "nowhere") else "the producer says 'stored' with no broker")
        broker.start()
        consumer = Running(folder / "consumer.py")
        try:
            verdict("survives_kill", consumer.came("working on: before the kill"))
            verdict("goes_on", produce(producer, "second") or consumer.came("working on: second"))
            broker.kill()
            time.sleep(0.5)
            broker.start()
            verdict("consumer_comes_back", produce(producer, "third") or consumer.came("working on: third"))
        finally:
            consumer.stop()
        verdict("kept_for_later", produce(producer, "fourth"))
        stopped = broker.stop()
        verdict("stops_in_time", "" if stopped < 5 else f"{stopped:.1f} s from SIGTERM to exit")
        broker.start()
        consumer = Running(folder / "consumer.py")
        try:
            verdict("survives_stop", consumer.came("working on: fourth"))
        finally:
            consumer.stop()
        # After a kill the broker cannot know what had been delivered, so "(again)" may stand at any message that was there
        # then, and one whose acknowledgement was not on disk yet may come twice; a message without it comes once.
        lines = consumer.lines()
        order = list(dict.fromkeys(line.removesuffix(" (again)") for line in lines))
        wanted = [f"working on: {text}" for text in ("before the kill", "second", "third", "fourth")]
        twice = [line for line in wanted if lines.count(line) > 1]
        verdict("in_order", "" if order == wanted and not twice else f"{lines}")
        broker.stop()
    finally:
        broker.kill()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="harefoot-readme-") as work:
        dialogue(Path(work), Path(sys.argv[1]))
    sys.exit(1 if failed else 0)
