"""Script files: what is sent, what RabbitMQ answered, and what Harefoot answers where it differs on purpose.

    == name                 begins a script; lines of `# …` say what it is about
    : user NAME configure=RE write=RE read=RE tags=TAG       who the links log in as (default: guest)
    : quiet 600ms           how long a recording waits for silence after each step; before the first script: for all of the file
    : differs REASON        why some steps have lines with `!`
    b.2 queue.declare queue=q       a step: link b, channel 2 (a.1 when left out)
    & basic.publish …               sent in one write with the step below it
    < b.2 queue.declare-ok …        what RabbitMQ answers to the step
    ! b.2 channel.close …           what Harefoot answers instead; `! nothing` if nothing
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from text import Parser

FOLDER = Path(__file__).resolve().parent / "scripts"
_PLACE = re.compile(r"([a-z])(?:\.(\d+))?\Z")
_DURATION = re.compile(r"(\d+)(ms|s)\Z")
NOTHING = "nothing"


class ScriptError(Exception):
    """A script file that cannot be read."""


@dataclass
class Line:
    """One thing to send."""

    link: str
    channel: int
    verb: str
    rest: str


@dataclass
class Step:
    """What goes out in one write, and the answers."""

    lines: list[Line]
    number: int
    answers: list[str] = field(default_factory=list)
    ours: list[str] | None = None

    def wanted(self) -> list[str]:
        """What Harefoot has to answer."""
        return self.answers if self.ours is None else self.ours


@dataclass
class User:
    """Who logs in, and what they may do."""

    name: str
    configure: str = ".*"
    write: str = ".*"
    read: str = ".*"
    tags: str = ""


@dataclass
class Script:
    """One script of a file, `topic/name`."""

    topic: str
    name: str
    steps: list[Step] = field(default_factory=list)
    user: User | None = None
    quiet: float = 0.25
    differs: str = ""

    @property
    def full(self) -> str:
        return f"{self.topic}/{self.name}"

    def uses_http(self) -> bool:
        return any(line.verb == "http" for step in self.steps for line in step.lines)


def seconds(text: str) -> float:
    """`200ms`, `3s`."""
    if not (found := _DURATION.match(text.strip())):
        raise ScriptError(f"no duration: {text!r}")
    return int(found[1]) / (1000 if found[2] == "ms" else 1)


def parse_line(text: str) -> Line:
    first, _, rest = text.partition(" ")
    link, channel = "a", 1
    if place := _PLACE.match(first):
        link, channel = place[1], int(place[2] or 1)
        first, _, rest = rest.strip().partition(" ")
    return Line(link, channel, first, rest.strip())


class Reader:
    """Goes through the lines of one file."""

    def __init__(self, path: Path):
        self.path, self.topic, self.scripts = path, path.stem, []
        self.batch: list[Line] = []
        self.quiet = Script.quiet

    def fail(self, number: int, what: str) -> None:
        raise ScriptError(f"{self.path}:{number}: {what}")

    def read(self) -> list[Script]:
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("== "):
                name = line[3:].strip()
                if not re.fullmatch(r"[a-z0-9-]+", name) or any(name == script.name for script in self.scripts):
                    self.fail(number, f"the name {name!r} is taken or malformed")
                self.scripts.append(Script(self.topic, name, quiet=self.quiet))
            elif line.startswith(": quiet ") and not self.scripts:
                self.quiet = seconds(line.removeprefix(": quiet "))
            elif line and not line.startswith("#"):
                if not self.scripts:
                    self.fail(number, "stands before the first script")
                self.line(number, line)
        for script in self.scripts:
            if bool(script.differs) != any(step.ours is not None for step in script.steps):
                self.fail(0, f"{script.name}: `: differs` and lines with `!` go together")
            if any(step.ours == step.answers for step in script.steps):
                self.fail(0, f"{script.name}: lines with `!` say the same as those with `<`")
        return self.scripts

    def line(self, number: int, line: str) -> None:
        script = self.scripts[-1]
        if line.startswith(": "):
            self.directive(number, script, line[2:])
        elif line.startswith("< "):
            self.step(number, script).answers.append(line[2:])
        elif line.startswith("! "):
            step = self.step(number, script)
            step.ours = [*(step.ours or []), *([] if line[2:] == NOTHING else [line[2:]])]
        elif line.startswith("& "):
            self.batch.append(parse_line(line[2:]))
        else:
            script.steps.append(Step([*self.batch, parse_line(line)], number))
            self.batch = []

    def step(self, number: int, script: Script) -> Step:
        if not script.steps or self.batch:
            self.fail(number, "an answer to no step")
        return script.steps[-1]

    def directive(self, number: int, script: Script, text: str) -> None:
        word, _, rest = text.partition(" ")
        if word == "user":
            name, _, rest = rest.partition(" ")
            given = Parser(rest).pairs(dict.fromkeys(("configure", "write", "read", "tags"), "long"))
            script.user = User(name, **{key: value.decode() for key, value in given.items()})
        elif word == "quiet":
            script.quiet = seconds(rest)
        elif word == "differs":
            script.differs = f"{script.differs} {rest}".strip()
        else:
            self.fail(number, f"no directive {word!r}")


def read_all(wanted: list[str]) -> list[Script]:
    """Every script, or those whose topic or full name is wanted."""
    scripts = [script for path in sorted(FOLDER.glob("*.txt")) for script in Reader(path).read()]
    return [script for script in scripts if not wanted or script.topic in wanted or script.full in wanted]


def write_answers(topic: str, answers: dict[int, list[str]], mark: str) -> None:
    """Puts new lines of this mark behind the steps (by their line numbers); all else stays as it is."""
    path, out, within = FOLDER / f"{topic}.txt", [], 0
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate([*lines, ""], 1):
        # RabbitMQ's lines stand before ours, both behind what was sent.
        if within in answers and not line.startswith(("< ", "! ") if mark == "!" else "< "):
            out += [f"{mark} {answer}" for answer in answers[within]]
            within = 0
        if not line.startswith(("< ", "! ")):
            within = number
        if not (line.startswith(mark) and within in answers):
            out.append(line)
    path.write_text("\n".join(out[:-1]) + "\n", encoding="utf-8")


def write_reason(script: Script, reason: str) -> None:
    """Says behind the script's name why it differs."""
    path = FOLDER / f"{script.topic}.txt"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"== {script.name}\n", f"== {script.name}\n: differs {reason}\n"), encoding="utf-8")
