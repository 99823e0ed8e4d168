"""What RabbitMQ's tools printed, command by command, and whether another output has the same shape.

`transcripts` holds captures of RabbitMQ 3.10.8: `$ command`, standard output, `[stderr]`, `[exit N]`. Compared are the first
line, the header and the number of columns, the keys of JSON, the first line of the standard error output, and the exit code;
never values. Each difference on purpose stands in `differences.toml` with its reason.
"""

import json
import re
import shlex
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
NODE = re.compile(r"[a-z]+@[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
SOCKET = re.compile(r"/\S*/harefoot\.sock")
DRAWN = re.compile(r"\x1b?\([0B]")
# Their rows come without a line before them.
BARE = re.compile(r" (-s|--silent)( |$)")


@dataclass
class Step:
    """One command and what came of it."""

    command: str
    stdin: str = ""
    out: str = ""
    err: str = ""
    code: int = 0


@dataclass
class Difference:
    """What is expected instead, where something else is meant to come; an `err` of `*` is anything."""

    reason: str
    code: int | None = None
    out: str | None = None
    err: str | None = None
    is_used: bool = field(default=False)


def read(path: Path) -> list[Step]:
    """The steps of one file."""
    steps, lines = [], path.read_text(encoding="utf-8").splitlines(keepends=True)
    step, is_err = None, False
    for line in lines:
        if line.startswith("$ "):
            command, _, note = line[2:].rstrip("\n").partition("   # stdin: ")
            step, is_err = Step(command, eval(note) if note else ""), False  # a literal of our own file
            steps.append(step)
        elif step is None or line.startswith("# "):
            continue
        elif line == "[stderr]\n":
            is_err = True
        elif found := re.match(r"\[exit (\d+)\]$", line):
            step.code, step = int(found[1]), None
        elif is_err:
            step.err += line
        else:
            step.out += line
    return steps


def differences() -> dict[str, Difference]:
    """The differences on purpose, by command."""
    with open(HERE / "differences.toml", "rb") as file:
        listed = tomllib.load(file).get("difference", [])
    return {one.pop("command"): Difference(**one) for one in listed}


def words(command: str) -> list[str]:
    return shlex.split(command)


def plain(text: str) -> str:
    """Without what is another one on every machine."""
    return SOCKET.sub("SOCKET", NODE.sub("NODE", text)).rstrip()


def first(text: str) -> str:
    """The first line that says something."""
    return plain(next((line for line in text.splitlines() if line.strip()), ""))


def parsed(text: str):
    try:
        return json.loads(text)
    except ValueError:
        return None


def keys(value) -> set[str] | None:
    """Of an object, or of the first one in a list."""
    if isinstance(value, list):
        value = value[0] if value else None
    return set(value) if isinstance(value, dict) else None


def header(text: str) -> str:
    """The first line with tabs between, as it is: column names where there are some."""
    return next((line for line in text.splitlines() if "\t" in line), "")


def compare(step: Step, difference: Difference | None, out: str, err: str, code: int) -> list[str]:
    """What is not as it should be."""
    wrong = []
    wanted_code = step.code if difference is None or difference.code is None else difference.code
    if code != wanted_code:
        wrong.append(f"exit {code}, not {wanted_code}: {err.strip() or out.strip()}")
    wanted_err = first(step.err) if difference is None or difference.err is None else difference.err
    said = "\n".join(line for line in err.splitlines() if not line.startswith("Warning: "))
    if wanted_err != "*" and first(said) != wanted_err:
        wrong.append(f"says {first(said)!r} on the standard error output, not {wanted_err!r}")
    if difference is not None and difference.out is not None:
        is_json = difference.out == "{" and isinstance(parsed(out), dict)
        if first(out) != difference.out and not is_json:
            wrong.append(f"says {first(out)!r}, not {difference.out!r}")
        return wrong
    known, found = parsed(step.out), parsed(out)
    if isinstance(known, (list, dict)):
        if keys(known) and not (keys(found) or set()) >= keys(known):
            wrong.append(f"keys {keys(found)}, not {keys(known)}")
        return wrong
    if "lqq" in step.out:
        # RabbitMQ draws lines with a terminal's graphics: what stands in the first row is compared.
        row = next(line for line in DRAWN.sub("", step.out).splitlines() if line.startswith("x "))
        titles = [title.strip() for title in row.rstrip(" x").split("x ") if title.strip()]
        if not all(title in out for title in titles):
            wrong.append(f"lacks one of the titles {titles}")
        return wrong
    if not BARE.search(step.command) and first(out) != first(step.out):
        wrong.append(f"says {first(out)!r}, not {first(step.out)!r}")
    if step.out.count("\t") and len(header(out).split("\t")) != len(header(step.out).split("\t")):
        wrong.append(f"columns {header(out)!r}, not {header(step.out)!r}")
    has_titles = "\t" in step.out and not BARE.search(step.command) and "--no-table-headers" not in step.command
    if has_titles and header(out) != header(step.out):
        wrong.append(f"titles {header(out)!r}, not {header(step.out)!r}")
    return wrong
