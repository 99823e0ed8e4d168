#!/usr/bin/env python3
"""Drives real AMQP clients against the built broker and says client by client what passed.

    compat/run.py --ci            the packaged clients, under 12 minutes on a fresh machine
    compat/run.py --all           the upstream suites too (compat/README.md says where they come from)
    compat/run.py --only pika go  these alone
    compat/run.py --broker amqp://guest:guest@127.0.0.1:5673    another broker that already runs

Exit 0 only if nothing failed that expected.toml does not name, and, with --ci as root on Debian, nothing was skipped.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from drive import install, verdict
from drive.broker import BrokerError, Session, Tls
from drive.manifest import ROOT, Client, all_clients

LOGS = ROOT / "work/logs"


@dataclass
class Row:
    """One line of the final table."""

    client: Client
    version: str = ""
    verdicts: verdict.Verdicts = field(default_factory=verdict.Verdicts)
    expected: dict[str, str] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    seconds: float = 0.0
    why: str = ""

    def sort_out(self, expected: dict[str, str]) -> None:
        """Moves the failures that expected.toml names out of the way and notes what of it passed."""
        for name, reason in expected.items():
            if name in self.verdicts.failed:
                self.expected[name] = reason
                del self.verdicts.failed[name]
            elif name in self.verdicts.passed:
                self.surprises.append(name)


def fill(words: list[str], places: dict[str, str]) -> list[str]:
    """Puts the places into a manifest's command."""
    filled = []
    for word in words:
        for key, value in places.items():
            word = word.replace("{" + key + "}", value)
        filled.append(word)
    return filled


def call(command: list[str], cwd: Path, env: dict[str, str], seconds: int, log: Path) -> tuple[int, str]:
    """Runs a client in a process group of its own, so that a client that hangs leaves nothing behind."""
    with open(log, "ab") as out:
        begun = out.tell()
        out.write(f"$ {shlex.join(command)}\n".encode())
        out.flush()
        child = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            code = child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            code = 124
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
    text = log.read_bytes()[begun:].decode(errors="replace")
    return code, text if code != 124 else f"{text}\nstopped after {seconds} s\n"


@dataclass
class Prepared:
    """A client of which everything is there."""

    cwd: Path
    places: dict[str, str]
    env: dict[str, str]
    version: str


def prepare(client: Client, options: argparse.Namespace, patience: list[str]) -> Prepared:
    """Installs and builds a client; `patience` comes before each command."""
    if client.own_broker and options.broker:
        raise install.Missing("starts and kills brokers itself, which needs the binary")
    cwd = install.bring(client)
    places = {
        "python": str(install.VENV / "bin/python"), "venv": str(install.VENV), "here": str(client.folder), "root": str(ROOT),
        "source": str(cwd), "report": str(LOGS / f"{client.name}.xml"), "work": str(install.WORK), "binary": str(options.binary),
        "cache": str(install.WORK / client.name),
    }
    Path(places["cache"]).mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    env.update({key: fill([value], places)[0] for key, value in client.env.items()})
    for step in client.prepare:
        install.run(patience + fill(step, places), f"prepare {client.name}", cwd=cwd, env=env)
    version = install.run(fill(client.version, places), f"version of {client.name}", cwd=cwd, env=env).strip().splitlines()[-1]
    return Prepared(cwd, places, env, version)


def is_built_aside(client: Client) -> bool:
    """Whether it takes minutes of compiling and shares no folder with others that are driven meanwhile."""
    return "cargo" in client.tools and not client.own_broker


def drive(client: Client, options: argparse.Namespace, aside: Future[Prepared] | None) -> Row:
    """One client from its installs, unless those are done aside, to its verdicts."""
    row, begun = Row(client), time.monotonic()
    log, report = LOGS / f"{client.name}.log", LOGS / f"{client.name}.xml"
    for old in (log, report):
        old.unlink(missing_ok=True)
    try:
        prepared = aside.result() if aside else prepare(client, options, [])
        row.version, cwd, places, env = prepared.version, prepared.cwd, prepared.places, prepared.env
        if client.own_broker:
            code, text = call(fill(client.command, places), cwd, env, client.seconds, log)
        else:
            tls = Tls(cwd / client.certificates, client.certificate_wanted, client.tls_port) if client.certificates else None
            with Session(options.binary, options.broker, client.port, LOGS / f"{client.name}.broker.log", tls, client.http) as broker:
                env.update(broker.variables())
                spoken = {**places, **{key.lower(): value for key, value in broker.variables().items()}}
                env.update({key: fill([value], spoken)[0] for key, value in client.env.items()})
                code, text = call(fill(client.command, spoken), cwd, env, client.seconds, log)
                row.verdicts = verdict.read(client, text, report, code)
        if client.own_broker:
            row.verdicts = verdict.read(client, text, report, code)
    except install.Missing as reason:
        row.why = str(reason)
    except (BrokerError, OSError) as error:
        row.verdicts.put("(broker)", "FAIL", str(error))
    row.seconds = time.monotonic() - begun
    return row


def show(rows: list[Row]) -> None:
    """The details of what did not pass, then the table. Skips of the many in an upstream suite are told by their reasons alone."""
    for row in rows:
        for name, reason in row.verdicts.failed.items():
            print(f"FAILED   {row.client.name}: {name}: {reason}")
        for name, reason in row.expected.items():
            print(f"expected {row.client.name}: {name}: {reason}")
        if row.client.required:
            for name, reason in row.verdicts.skipped.items():
                print(f"skipped  {row.client.name}: {name}: {reason}")
        for name in row.surprises:
            print(f"passes although expected to fail {row.client.name}: {name}")
    form = "{:<22} {:<18} {:>6} {:>6} {:>8} {:>7} {:>7}  {}"
    print(form.format("client", "version", "passed", "failed", "expected", "skipped", "seconds", "why skipped").rstrip())
    for row in rows:
        seen = row.verdicts
        reasons = sorted({f"{name}: {reason}" if row.client.required else reason for name, reason in seen.skipped.items() if reason})
        why = row.why or "; ".join(reasons)
        whole = [len(seen.passed), len(seen.failed), len(row.expected), len(seen.skipped) or ("all" if row.why else 0)]
        print(form.format(row.client.name, row.version[:18], *whole, f"{row.seconds:.1f}", why[:200]).rstrip())


def chosen(options: argparse.Namespace) -> list[Client]:
    clients = all_clients()
    if options.only:
        unknown = set(options.only) - {client.name for client in clients}
        if unknown:
            sys.exit(f"compat: no client named {', '.join(sorted(unknown))}; --list names them")
        return [client for client in clients if client.name in options.only]
    return clients if options.all else [client for client in clients if client.tier == "ci"]


def write_baseline(rows: list[Row], folder: Path) -> None:
    """One text file a client: the counts, then each name that did not pass, with its reason."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if row.why:
            continue
        failed = {**row.verdicts.failed, **row.expected}
        lines = [
            f"{row.client.name} {row.version}",
            f"passed {len(row.verdicts.passed)}, failed {len(failed)}, skipped {len(row.verdicts.skipped)}, {row.seconds:.0f} s",
            *(f"FAILED  {name}: {reason}" for name, reason in sorted(failed.items())),
            *(f"skipped {name}: {reason}" for name, reason in sorted(row.verdicts.skipped.items())),
        ]
        (folder / f"{row.client.name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Real AMQP clients against the broker.", epilog="See compat/README.md.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--ci", action="store_true", help="the packaged clients (the default)")
    which.add_argument("--all", action="store_true", help="the upstream suites too")
    which.add_argument("--only", nargs="+", metavar="NAME", help="these clients alone")
    which.add_argument("--list", action="store_true", help="name the clients and end")
    parser.add_argument("--broker", default="", metavar="URI", help="use this running broker instead of starting the binary")
    parser.add_argument("--binary", type=Path, default=ROOT.parent / "target/release/harefoot", help="the broker to start")
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="write counts and names of failures as text into DIR")
    options = parser.parse_args()
    options.binary = options.binary.resolve()
    return options


def main() -> int:
    options = parse()
    if options.list:
        for client in all_clients():
            print(f"{client.name:<22} {client.tier}")
        return 0
    if not options.broker and not options.binary.exists():
        sys.exit(f"compat: no broker at {options.binary}: cargo build --release, or name a running one with --broker")
    LOGS.mkdir(parents=True, exist_ok=True)
    clients, expected, rows, begun = chosen(options), verdict.expected_failures(), [], time.monotonic()
    install.apt(clients)
    # What is compiled is compiled while the others are driven, which mostly wait, and with what they leave of the processors.
    clients.sort(key=is_built_aside)
    with ThreadPoolExecutor(max_workers=1) as pool:
        aside = {client.name: pool.submit(prepare, client, options, ["nice", "-n", "19"]) for client in clients if is_built_aside(client)}
        for client in clients:
            row = drive(client, options, aside.get(client.name))
            row.sort_out(expected.get(client.name, {}))
            rows.append(row)
            state = row.why or f"{len(row.verdicts.passed)} passed, {len(row.verdicts.failed)} failed"
            print(f"{client.name}: {state} ({row.seconds:.1f} s)", flush=True)
    print()
    show(rows)
    if options.baseline:
        write_baseline(rows, options.baseline)
    failed = sum(len(row.verdicts.failed) for row in rows)
    absent = [row.client.name for row in rows if row.why]
    counts = f"{sum(len(row.verdicts.passed) for row in rows)} passed, {failed} failed"
    print(f"\n{counts}, {sum(len(row.verdicts.skipped) for row in rows)} skipped")
    if absent:
        print(f"whole clients skipped: {', '.join(absent)}")
    print(f"in {time.monotonic() - begun:.0f} s; logs in {LOGS}")
    must_run = not options.all and not options.only and install.on_debian_as_root() and not options.broker
    return 1 if failed or (must_run and absent) else 0


if __name__ == "__main__":
    sys.exit(main())
