"""Flower, which asks the HTTP API for the queues of its workers: they and their lengths are on its page and in its own API."""

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
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "celery")]

from drive.broker import Own, free_port

QUEUE, WAITING = "flowers", 7
# Celery answers slowly on a machine that does other things too.
SECONDS = 60
failed = False


def verdict(name: str, good: bool, wrong: object = "") -> None:
    global failed
    failed = failed or not good
    print(f"ok {name}" if good else f"FAIL {name}: {' '.join(str(wrong).split())[:600]}", flush=True)


def read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.read().decode()
    except (OSError, urllib.error.URLError) as error:
        return f"({error})"


def until(url: str, wanted) -> tuple[bool, str]:
    """Reads until what is there is as wanted."""
    deadline = time.monotonic() + SECONDS
    while not (good := wanted(text := read(url))) and time.monotonic() < deadline:
        time.sleep(0.5)
    return good, text


def lengths(text: str) -> dict[str, int]:
    try:
        return {one["name"]: one["messages"] for one in json.loads(text)["active_queues"]}
    except (ValueError, KeyError):
        return {}


def check(broker: Own, env: dict[str, str], started: list[subprocess.Popen]) -> None:
    # One task is done after the other, and each takes longer than this check: the rest waits in the queue.
    worker = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-n", "one@check", "-c", "1", "-P", "solo", "-l", "WARNING"]
    port = free_port()
    flower = [
        sys.executable, "-m", "celery", "-A", "tasks", "flower", f"--port={port}", "--address=127.0.0.1",
        f"--broker-api=http://guest:guest@127.0.0.1:{broker.http}/api/",
    ]
    for command in worker, flower:
        started.append(subprocess.Popen(command, cwd=HERE.parent / "celery", env=env, start_new_session=True))
    root = f"http://127.0.0.1:{port}"
    # The workers are told of when they have answered Flower.
    good, text = until(f"{root}/api/workers?refresh=true", lambda text: "one@check" in text and QUEUE in text)
    verdict("worker", good, text)
    good, text = until(f"{root}/api/queues/length", lambda text: lengths(text) == {QUEUE: 0})
    verdict("queue-is-empty", good, text)
    os.environ.update(env)
    from tasks import slow

    for _ in range(WAITING + 1):
        slow.delay(SECONDS * 2)
    # What the worker has fetched counts too: RabbitMQ's `messages` is ready and unsettled together.
    good, text = until(f"{root}/api/queues/length", lambda text: lengths(text) == {QUEUE: WAITING + 1})
    verdict("queue-is-filled", good, text)
    good, text = until(f"{root}/broker", lambda text: QUEUE in text and f">{WAITING + 1}<" in re.sub(r"\s", "", text))
    verdict("page-of-the-broker", good, text)


def main() -> int:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="harefoot-flower-") as folder:
        work, started = Path(folder), []
        broker = Own(binary, work / "data", http=free_port(), log=work / "log")
        broker.start()
        env = {
            **os.environ, "AMQP_HOST": broker.host, "AMQP_PORT": str(broker.port), "AMQP_USER": "guest", "AMQP_PASSWORD": "guest",
            "CELERY_CHECK_QUEUE": QUEUE, "FLOWER_UNAUTHENTICATED_API": "true", "PYTHONPATH": str(HERE.parent / "celery"),
        }
        try:
            check(broker, env, started)
        finally:
            for one in started:
                one.kill()
                one.wait()
            broker.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
