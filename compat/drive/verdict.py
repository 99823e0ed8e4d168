"""From what a client printed to named verdicts, and from verdicts to what counts: expected, unexpected, missing.

Names are compared exactly. Invariant: a run without a single verdict is a failure, whatever its exit code said.
"""

import re
import tomllib
import xml.etree.ElementTree as tree
from dataclasses import dataclass, field
from pathlib import Path

from .manifest import ROOT, Client

# Printed by the checks of ours: `ok NAME`, `FAIL NAME: reason`, `skip NAME: reason`.
CHECK = re.compile(r"^(ok|FAIL|skip) ([A-Za-z0-9_./-]+)(?:: (.*))?$")
# How the languages of those tell that nobody has caught an exception.
DEATH = re.compile(r"Traceback \(most recent call last\)|(\S+:\d+:.* )?\(?[A-Za-z_.:]*(Error|Exception|error)\b|Exception in thread|PHP Fatal error|panic:")
# What ends with this code has said of each test what became of it; else 1.
FAILED = {"cargo": 101}
GO = re.compile(r"^\s*--- (PASS|FAIL|SKIP): (\S+) \(")
CARGO = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)")
TAP = re.compile(r"^(\s*)(ok|not ok) \d+ - (.*?)(?: # (SKIP|TODO)(.*))?$")
TAP_NAME = re.compile(r"^(\s*)# Subtest: (.*)$")


@dataclass
class Verdicts:
    """What one run said. `failed` and `skipped` keep the reason by name."""

    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, word: str, reason: str = "") -> None:
        """One verdict; a name that comes twice is numbered, so that none hides another."""
        taken, first = 2, name
        while name in self.failed or name in self.skipped or name in self.passed:
            name, taken = f"{first}#{taken}", taken + 1
        if word == "ok":
            self.passed.append(name)
        elif word == "skip":
            self.skipped[name] = reason
        else:
            self.failed[name] = reason

    def count(self) -> int:
        return len(self.passed) + len(self.failed) + len(self.skipped)


def read_checks(text: str) -> Verdicts:
    verdicts = Verdicts()
    for line in text.splitlines():
        if found := CHECK.match(line):
            verdicts.put(found[2], found[1], found[3] or "")
    return verdicts


def read_go(text: str) -> Verdicts:
    words, verdicts = {"PASS": "ok", "FAIL": "FAIL", "SKIP": "skip"}, Verdicts()
    for line in text.splitlines():
        if found := GO.match(line):
            verdicts.put(found[2], words[found[1]])
    if panic := re.search(r"^panic: (.*)$", text, re.M):
        verdicts.put("(panic)", "FAIL", panic[1])
    return verdicts


def read_cargo(text: str) -> Verdicts:
    words, verdicts, group = {"ok": "ok", "FAILED": "FAIL", "ignored": "skip"}, Verdicts(), ""
    for line in text.splitlines():
        if started := re.match(r"^\s+Running (?:unittests |tests/)?(\S+?)(?:\.rs)? \(", line):
            group = started[1]
        elif found := CARGO.match(line):
            verdicts.put(f"{group}::{found[1]}", words[found[2]])
    return verdicts


def read_tap(text: str) -> Verdicts:
    """Node's test runner: nested subtests, of which only the leaves count."""
    verdicts, path, parents = Verdicts(), [], set()
    for line in text.splitlines():
        if started := TAP_NAME.match(line):
            depth = len(started[1]) // 4
            path = [*path[:depth], started[2]]
            parents.add(tuple(path[:depth]))
        elif ended := TAP.match(line):
            depth = len(ended[1]) // 4
            full = (*path[:depth], ended[3])
            if full not in parents:
                # A file that fails as a whole is named by its absolute path.
                full = (*path[:depth], ended[3].rsplit("/", 1)[-1] if ended[3].startswith("/") else ended[3])
                word = "skip" if ended[4] else ("ok" if ended[2] == "ok" else "FAIL")
                verdicts.put(" > ".join(full), word, (ended[5] or "").strip())
    return verdicts


def read_junit(path: Path) -> Verdicts:
    verdicts = Verdicts()
    if not path.exists():
        return verdicts
    for case in tree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        wrong = next((part for part in case if part.tag in ("failure", "error")), None)
        left = case.find("skipped")
        if wrong is not None:
            first = (wrong.get("message") or wrong.text or "").strip().splitlines()
            verdicts.put(name, "FAIL", first[0][:200] if first else wrong.tag)
        elif left is not None:
            verdicts.put(name, "skip", (left.get("message") or "")[:200])
        else:
            verdicts.put(name, "ok")
    return verdicts


def read(client: Client, text: str, report: Path, code: int) -> Verdicts:
    """The verdicts of one run, and those that only its end can tell."""
    readers = {"checks": read_checks, "go": read_go, "cargo": read_cargo, "tap": read_tap}
    verdicts = read_junit(report) if client.reader == "junit" else readers[client.reader](text)
    if client.reader == "checks" and client.required:
        said = {*verdicts.passed, *verdicts.failed, *verdicts.skipped}
        for name in required_names():
            if name not in said:
                verdicts.put(name, "FAIL", "not reported")
    if verdicts.count() == 0:
        verdicts.put("(run)", "FAIL", f"no verdict was printed, exit {code}: {last_line(text)}")
    elif code != 0 and (not verdicts.failed or code != FAILED.get(client.reader, 1) or has_died(client, text)):
        verdicts.put("(run)", "FAIL", f"exit {code}: {last_line(text)}")
    return verdicts


def has_died(client: Client, text: str) -> bool:
    """Whether a program with checks of ours ended by an exception: then there are checks behind it that nobody has seen, and
    that is a failure of its own beside those that were told before."""
    if client.reader != "checks":
        return False
    lines = text.splitlines()
    told = [at for at, line in enumerate(lines) if CHECK.match(line)]
    return any(DEATH.match(line) for line in lines[told[-1] + 1 if told else 0 :])


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else ""


def required_names() -> list[str]:
    """What every client with checks of ours reports by name."""
    lines = (ROOT / "checks.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("  ")[0] for line in lines if line and not line.startswith("#")]


def expected_failures() -> dict[str, dict[str, str]]:
    """expected.toml as client -> test -> reason."""
    table: dict[str, dict[str, str]] = {}
    for entry in tomllib.loads((ROOT / "expected.toml").read_text(encoding="utf-8")).get("failure", []):
        reason = f"{entry['needs']}: {entry['reason']}"
        for test in entry["tests"]:
            table.setdefault(entry["client"], {})[test] = reason
    return table
