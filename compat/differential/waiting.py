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
    head, *entries = ("\n".join(lines) + "\n").split("\n[[waiting]]\n")
    left = [entry for entry in entries if "[\n]" not in entry]
    PATH.write_text("\n[[waiting]]\n".join([head, *left]), encoding="utf-8")


def add(reason: str, names: list[str]) -> None:
    """Puts these into the entry of that reason, which is made if there is none."""
    text = PATH.read_text(encoding="utf-8")
    head = f'for = "{reason}"\nscripts = [\n'
    if head not in text:
        text += f"\n[[waiting]]\n{head}]\n"
    start = text.index(head) + len(head)
    end = text.index("]\n", start)
    lines = sorted({*text[start:end].splitlines(), *(f'    "{name}",' for name in names)})
    PATH.write_text(text[:start] + "".join(f"{line}\n" for line in lines) + text[end:], encoding="utf-8")
