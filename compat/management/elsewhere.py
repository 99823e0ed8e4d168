"""Who comes from another host, that is by an address of this machine that is not its loopback: `guest` is not let in, and whoever
fails too often waits, there and under this name only."""

import http.client
import json
import socket
from collections.abc import Callable
from pathlib import Path

from drive.broker import Own, free_port
from sessions import basic

# Failures that are forgiven a user from elsewhere.
FREE = 5
USERS = [{"name": name, "password": "right", "tags": "management"} for name in ("victim", "other")]
GUEST = {"name": "guest", "password": "guest", "tags": "administrator"}


def address() -> str:
    """The machine's own address towards others, found without a word to them; empty if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # RFC 5737: an address that is nobody's.
            probe.connect(("198.51.100.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return ""


def status(host: str, port: int, user: str, password: str) -> tuple[int, str | None]:
    link = http.client.HTTPConnection(host, port, timeout=30)
    try:
        link.request("GET", "/api/whoami", headers=basic(user, password))
        answer = link.getresponse()
        answer.read()
        return answer.status, answer.headers.get("retry-after")
    finally:
        link.close()


def check(binary: Path, work: Path, verdict: Callable) -> None:
    away = address()
    if not away or away.startswith("127."):
        print("skip elsewhere: this machine has no address but the loopback's")
        return
    folder = work / "elsewhere"
    folder.mkdir()
    (folder / "users.json").write_text(json.dumps({"vhosts": [{"name": "/"}], "users": [*USERS, GUEST]}))
    (folder / "node.conf").write_text(f"load_definitions = {folder / 'users.json'}\n")
    broker = Own(binary, folder / "data", http=free_port(), log=folder / "log", config=folder / "node.conf")
    broker.host = "0.0.0.0"
    broker.start()
    port = broker.http
    try:
        seen = [status(host, port, "guest", "guest")[0] for host in ("127.0.0.1", away)]
        verdict("guest-from-elsewhere", seen == [200, 401], seen)
        seen = [status(away, port, "victim", "wrong")[0] for _ in range(FREE + 1)]
        held, wait = status(away, port, "victim", "right")
        verdict("too-many-failures-from-elsewhere", seen == [401] * (FREE + 1) and held == 429 and int(wait) >= 1, (seen, held, wait))
        seen = [status(away, port, "other", "right")[0], status("127.0.0.1", port, "victim", "right")[0]]
        verdict("others-and-other-places-are-let-in", seen == [200, 200], seen)
    finally:
        broker.stop()
