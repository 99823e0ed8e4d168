"""Command lines that nobody meant: every command with wrong, missing and surplus arguments, and lines made up at random.

Whatever is typed, the exit code is one of the table, nothing is said of a panic, and the tool ends by itself.
"""

import json
import random

CODES = {0, 64, 65, 67, 69, 70, 75, 78}
# They stop the node, or go on for as long as they are let.
APART = {"stop", "shutdown"}
# They write lines of their own before it, for as long as they are let, or change what is tested.
ENDLESS = APART | {"log_tail_stream", "consume_event_stream", "suspend_listeners", "drain"}
SEED = 20261124
WORDS = [
    "", "/", "guest", "orders.work", "nope", "a b", "-1", "0", "7", "99999999999999999999", ".*", "(", "{}", '{"max-length":1}',
    "[1", "null", "ü", "\u202e", "\x1b[2J", "--", "-", "x" * 300, "name", "messages", "all", "quorum", "%2F", "../..", "a,b,,c",
]
OPTIONS = [
    ["-q"], ["-s"], ["-p", "/"], ["-p", "nope"], ["-p"], ["-t", "1"], ["-t", "x"], ["-t"], ["--formatter", "json"], ["--formatter", "csv"],
    ["--formatter", "pretty_table"], ["--formatter", "foo"], ["--json"], ["--no-table-headers"], ["-n", "rabbit"], ["-n", "other@x"],
    ["--nonsense"], ["--nonsense=1"], ["-l"], ["--timeout=1"], ["--unit", "mb"], ["--help"], ["-?"], ["--version"], ["--priority", "x"],
    ["--", "-q"], ["--url", "http://127.0.0.1:1"], ["--data-dir", "/nowhere"], ["--password-file", "/nowhere"], ["--user", "u"],
]


def commands(shell, tool: str) -> list[str]:
    """What a tool has, as it says."""
    done = shell.call([*tool.split(), "help", "--list-commands"])
    return [line for line in done.stdout.splitlines() if line]


def wrong_with(done) -> str:
    """What is not as it must be, whatever was typed."""
    if done.returncode not in CODES:
        return f"exit code {done.returncode}"
    said = done.stdout + done.stderr
    if "panicked" in said or "RUST_BACKTRACE" in said:
        return "a panic"
    if done.returncode != 0 and not done.stderr.strip() and '"ok":false' not in done.stdout:
        return "fails without a word"
    return ""


def every_command(shell, tools: list[str]) -> list[str]:
    """Each with none, with one to six arguments of no sense, with an option that there is not, and its help."""
    wrong = []
    for tool in tools:
        for command in commands(shell, tool):
            tries = [[command, "--nonsense"], [command, "-t", "x"], ["help", command], [command, "--help"], [command, "--formatter", "foo"]]
            if command not in APART:
                tries += [["-t", "1", command, *["nope"] * count] for count in range(7)]
            for words in tries:
                done = shell.call([*tool.split(), *words])
                what = wrong_with(done)
                if not what and "--nonsense" in words and done.returncode != 64:
                    what = f"exit code {done.returncode} for an option that there is not"
                if not what and words == ["help", command] and "Usage" not in done.stdout:
                    what = "no help"
                if what:
                    wrong.append(f"{tool} {' '.join(words)}: {what}: {done.stderr.strip()[:200]}")
    return wrong


def every_list(shell, tools: list[str]) -> list[str]:
    """Each list that is of a vhost, in one that there is not."""
    wrong = []
    for tool in tools:
        for command in commands(shell, tool):
            usage = shell.call([*tool.split(), "help", command]).stdout.split("General Options")[0]
            if command.startswith("list_") and "[--vhost" in usage:
                tries = [shell.call([*tool.split(), "-p", "not there", command, *words]) for words in ([], ["x"])]
                done = next((done for done in tries if done.returncode != 64), tries[0])
                if done.returncode != 65 or not done.stderr.strip():
                    wrong.append(f"{tool} {command}: {done.returncode} {done.stderr.strip()[:80]}")
    return wrong


def envelope_of(done, command: str) -> str:
    """What is not as the documented schema of `--json` says: one object on one line, whatever was typed."""
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return f"no JSON: {done.stdout[:80]!r}"
    result, is_well = told.get("result"), done.returncode == 0
    rows = result if isinstance(result, list) else [result] if result is not None else []
    right = {
        "one line": done.stdout.count("\n") == 1,
        "only warnings beside it": all(line.startswith("Warning: ") for line in done.stderr.splitlines()),
        "schema, command, ok": (told.get("schema"), told.get("command"), told.get("ok")) == (1, command, is_well),
        "result of objects": all(isinstance(row, dict) for row in rows),
        "messages of texts": isinstance(told.get("messages"), list) and all(isinstance(text, str) for text in told["messages"]),
        "a code and an error of a failure": is_well == ("code" not in told) and (is_well or (told["code"] == done.returncode and bool(told["error"]))),
    }
    return ", ".join(name for name, is_right in right.items() if not is_right)


def every_envelope(shell, tools: list[str]) -> list[str]:
    """Each command with `--json`: with none, some and too many arguments, and its help; and lines that are none."""
    wrong = []
    for tool in tools:
        tries = [(command, words) for command in commands(shell, tool) if command not in ENDLESS for words in ([], ["/"], ["a", "b"], ["x"] * 7)]
        tries += [(command, ["--nonsense"]) for command in commands(shell, tool)]
        for command, words in [*tries, ("nonsense", []), ("", []), ("lst_queues", [])]:
            done = shell.call([*tool.split(), "--json", "-t", "2", *[command][: len(command)], *words])
            if what := wrong_with(done) or envelope_of(done, command):
                wrong.append(f"{tool} {command} {words}: {what}: {done.stderr.strip()[:80]}")
        done = shell.call([*tool.split(), "list_users", "--help", "--json"])
        if tool in ("rabbitmqctl", "harefoot ctl") and (what := envelope_of(done, "help")):
            wrong.append(f"{tool} --help: {what}")
    return wrong


def made_up(shell, tools: list[str], count: int) -> list[str]:
    """Lines of a generator with a fixed seed."""
    dice, wrong = random.Random(SEED), []
    known = [(tool, command) for tool in tools for command in commands(shell, tool) if command not in APART]
    for _ in range(count):
        tool, command = dice.choice(known)
        if dice.random() < 0.1:
            command = "".join(dice.sample(command, len(command)))
        words = [command] if dice.random() < 0.97 else []
        words += [dice.choice(WORDS) for _ in range(dice.choice([0, 1, 1, 2, 3, 4, 5]))]
        for option in dice.sample(OPTIONS, dice.choice([0, 0, 1, 2, 3])):
            place = dice.randint(0, len(words))
            words[place:place] = option
        # Whatever waits, waits a second at most.
        done = shell.call([*tool.split(), *words, "-t", "1"] if "--" not in words else [*tool.split(), "-t", "1", *words])
        if what := wrong_with(done):
            wrong.append(f"{tool} {words}: {what}: {done.stderr.strip()[:200]}")
    return wrong
