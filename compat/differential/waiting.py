"""waiting.toml: the scripts whose feature is not there yet, by what they wait for."""

import tomllib
from collections import Counter
from pathlib import Path

PATH = Path(__file__).resolve().parent / "waiting.toml"


def read() -> dict[str, str]:
    """Script -> what it waits for."""
    reasons: dict[str, str] = {}
    for entry in tomllib.loads(PATH.read_text(encoding="utf-8")).get("waiting", []):
        for name in entry["scripts"]:
            if name in reasons:
                raise ValueError(f"waiting.toml names {name} twice")
            reasons[name] = entry["for"]
    return reasons


def counts(reasons: dict[str, str], failing: set[str]) -> list[tuple[str, int]]:
    """What is waited for, and by how many that were played and do not pass."""
    return Counter(reason for name, reason in reasons.items() if name in failing).most_common()


def prune(passing: list[str]) -> None:
    """Takes these out, and an entry that becomes empty."""
    gone = {f'    "{name}",' for name in passing}
    lines = [line for line in PATH.read_text(encoding="utf-8").splitlines() if line not in gone]
    text = "\n".join(lines) + "\n"
    for entry in text.split("[[waiting]]")[1:]:
        if "[\n]" in entry:
            text = text.replace(f"[[waiting]]{entry}", "")
    PATH.write_text(text, encoding="utf-8")
