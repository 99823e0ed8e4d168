"""How long the commands of `docs/operations/command-line.md` take, from the shell to the shell: `times.py BINARY [RUNS]`.

On a node of its own in an empty folder; prints the table of that page. The middle of some runs counts: keep the machine quiet.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from checks import Shell

from drive.broker import Own

RUNS = 21
# As typed; what is undone between two runs, and what comes from the standard input.
COMMANDS = [
    ("rabbitmqctl await_startup", "", ""),
    ("rabbitmqctl status", "", ""),
    ("rabbitmqctl list_users", "", ""),
    ("rabbitmqctl list_exchanges", "", ""),
    ("rabbitmqctl list_queues", "", ""),
    ("rabbitmqctl add_user alice", "rabbitmqctl delete_user alice", "secret\n"),
    ("rabbitmqctl set_permissions alice '.*' '.*' '.*'", "", ""),
    ("rabbitmqctl set_user_tags alice monitoring", "", ""),
    ("rabbitmqctl change_password alice", "", "secret\n"),
    ("harefoot ctl publish FOO hello", "", ""),
    ("harefoot ctl peek FOO", "", ""),
    ("rabbitmqctl purge_queue FOO", "harefoot ctl publish FOO hello", ""),
    ("rabbitmqctl import_definitions definitions.json", "", ""),
    ("harefoot ctl why", "", ""),
    ("harefoot ctl limits", "", ""),
]


def milliseconds(shell: Shell, command: str, undo: str, stdin: str, runs: int) -> float:
    """The middle of some runs; the last one is not undone."""
    times = []
    for run in range(runs):
        if undo and run:
            shell.call(undo)
        begun = time.perf_counter()
        done = shell.call(command, stdin)
        times.append((time.perf_counter() - begun) * 1000)
        if done.returncode:
            sys.exit(f"{command}: exit {done.returncode}: {done.stderr}")
    return sorted(times)[runs // 2]


def main() -> None:
    binary, runs = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else RUNS
    folder = Path(tempfile.mkdtemp(prefix="harefoot-times-"))
    own = Own(binary, folder / "data")
    try:
        own.start()
        shell = Shell(binary, folder, folder / "data")
        queue = {"name": "FOO", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
        (folder / "definitions.json").write_text(json.dumps({"queues": [queue]}), encoding="utf-8")
        shell.call("rabbitmqctl import_definitions definitions.json")
        floor = min(milliseconds(shell, "true", "", "", 5) for _ in range(3))
        print(f"# of each {floor:.1f} ms are the measuring: what `true` takes")
        for command, undo, stdin in COMMANDS:
            print(f"| `{command}` | {milliseconds(shell, command, undo, stdin, runs):.0f} ms |", flush=True)
    finally:
        own.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
