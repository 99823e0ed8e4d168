"""Drives the HTTP API from `/api/openapi.json` by schemathesis: every operation, with right and wrong bodies, queries and paths."""

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import hostile

from drive.broker import Own, free_port

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,allow_header_conformance"
EXAMPLES, SEED = 12, 5
# What there must be of operations and of requests, so that a description or a run that has become small is seen.
OPERATIONS_MIN, REQUESTS_MIN = 150, 3000
# And of operations that were done at least once: the others want the name of what only clients make.
REACHED_MIN = 120
# Would end the node, or have it refuse what others of them do: these have checks of their own (compat/ctl).
NOT_DRIVEN = ["/api/harefoot/stop", "/api/harefoot/drain", "/api/harefoot/listeners/suspend", "/api/harefoot/limits/{limit}"]
GUEST = {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}
failed = False


def verdict(name: str, good: bool, wrong: object = "") -> None:
    global failed
    failed = failed or not good
    print(f"ok {name}" if good else f"FAIL {name}: {' '.join(str(wrong).split())[-2000:]}", flush=True)


def ask(root: str, method: str, path: str, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(root + path, data=data, method=method, headers=GUEST)
    with urllib.request.urlopen(request, timeout=10) as response:
        text = response.read()
    return json.loads(text) if text else None


def first_answer(root: str):
    deadline = time.monotonic() + 10
    while True:
        try:
            return ask(root, "GET", "overview")
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def described(root: str) -> None:
    """What the description says is allowed is what OPTIONS says."""
    paths, wrong, count = ask(root, "GET", "openapi.json")["paths"], [], 0
    for path, item in paths.items():
        methods = {method.upper() for method in item if method != "parameters"}
        count += len(methods)
        request = urllib.request.Request(root[: -len("/api/")] + re.sub(r"\{[^}]*\}", "x", path), method="OPTIONS")
        with urllib.request.urlopen(request, timeout=10) as response:
            allowed = set(response.headers["allow"].split(", "))
        if allowed != methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()):
            wrong.append((path, allowed))
    verdict("description", not wrong and count >= OPERATIONS_MIN, wrong or f"only {count} operations")


def drive(root: str, node: str, work: Path) -> None:
    reached = work / "reached.json"
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run", root + "openapi.json", "--auth", "guest:guest",
        "--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", str(SEED), "--workers", "2",
        *(word for path in NOT_DRIVEN for word in ("--exclude-path", path)), "--continue-on-failure", "--no-shrink", "--request-timeout", "20", "--warnings", "off",
        "--suppress-health-check", "all",
    ]
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "HAREFOOT_NODE": node, "HAREFOOT_REACHED": str(reached), "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, timeout=280)
    print(done.stdout, done.stderr, sep="\n")
    found = re.search(r"(\d+) (?:generated|test cases)", done.stdout.replace(",", ""))
    count = int(found[1]) if found else 0
    verdict("driven", done.returncode == 0 and count >= REQUESTS_MIN, f"exit {done.returncode} after {count} requests; the output is in the log")
    done_once = json.loads(reached.read_text()) if reached.exists() else []
    print("done at least once:", *done_once, sep="\n  ")
    verdict("reached", len(done_once) >= REACHED_MIN, f"only {len(done_once)} operations were ever done")


def main() -> int:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="harefoot-openapi-") as folder:
        work = Path(folder)
        broker = Own(binary, work / "data", http=free_port(), log=work / "log")
        broker.start()
        root = f"http://127.0.0.1:{broker.http}/api/"
        try:
            node = first_answer(root)["node"]
            ask(root, "PUT", "queues/%2F/driven", {"durable": True})
            ask(root, "PUT", "users/driven", {"password": "p", "tags": "management"})
            described(root)
            hostile.check(broker.http, GUEST, verdict)
            drive(root, node, work)
            verdict("alive-at-the-end", ask(root, "GET", "whoami")["name"] == "guest")
        finally:
            broker.stop()
        log = (work / "log").read_text(errors="replace")
        verdict("no-panic", "panicked" not in log and "inside the broker" not in log, log)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
