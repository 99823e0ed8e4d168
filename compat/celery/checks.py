"""A real Celery worker in its own process: tasks, retries, results by rpc, remote control, prefetch, redelivery after a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from drive.checks import fresh, holds, main, raises, same, until

os.environ["CELERY_CHECK_QUEUE"] = fresh("celery")

import amqp
from celery import chain, group

import delayed
from tasks import BROKER, NAME, add, app, broken, echo, slow, stubborn

HERE = Path(__file__).resolve().parent
WORKERS: dict[str, subprocess.Popen] = {}


def start(name, module="tasks", app=app):
    """A worker with two processes; returns when it answers a ping."""
    command = [sys.executable, "-m", "celery", "-A", module, "worker", "-n", f"{name}@check", "-c", "2", "-l", "WARNING"]
    # A session of its own lets the check kill the pool's processes with their parent.
    WORKERS[name] = subprocess.Popen(command, cwd=HERE, start_new_session=True)
    until(lambda: f"{name}@check" in (app.control.inspect(timeout=0.5).ping() or {}), f"worker {name} answers", 40)


def counted():
    with amqp.Connection(os.environ["AMQP_HOST"] + ":" + os.environ["AMQP_PORT"], os.environ["AMQP_USER"], os.environ["AMQP_PASSWORD"]) as link:
        return link.channel().queue_declare(NAME, passive=True)


def worker_starts():
    start("one")


def results():
    same(add.delay(2, 3).get(timeout=15), 5)
    error = raises(ValueError, lambda: broken.delay().get(timeout=15))
    same(str(error), "meant to fail")


def many_tasks():
    same(group(add.s(number, 1) for number in range(60))().get(timeout=30), list(range(1, 61)))


def chained():
    same(chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=15), 10)


def retries():
    same(stubborn.delay(3).get(timeout=20), 3)


def countdown():
    begun = time.monotonic()
    same(add.apply_async((1, 1), countdown=1).get(timeout=15), 2)
    holds(time.monotonic() - begun >= 1, "came too early")


def large_argument():
    blob = "0123456789" * 150_000
    holds(echo.delay(blob).get(timeout=20) == blob, "another text came back")


def inspect():
    look = app.control.inspect(timeout=2)
    same(list(look.ping()), ["one@check"])
    holds("tasks.add" in look.registered()["one@check"], "tasks.add is not registered")
    same([queue["name"] for queue in look.active_queues()["one@check"]], [NAME])
    stats = look.stats()["one@check"]
    same((stats["prefetch_count"], stats["broker"]["transport"]), (2, "amqp"))


def remote_control():
    answer = app.control.broadcast("pool_grow", arguments={"n": 1}, reply=True, timeout=3)
    same(list(answer[0]), ["one@check"])
    app.control.pool_shrink(1)
    rated = app.control.rate_limit("tasks.echo", "100/s", reply=True, timeout=3)
    same("ok" in rated[0]["one@check"], True)
    other = fresh("celery-more")
    app.control.add_consumer(other, reply=True, timeout=3)
    same(add.apply_async((4, 4), queue=other).get(timeout=15), 8)
    app.control.cancel_consumer(other, reply=True, timeout=3)
    waiting = add.apply_async((0, 0), countdown=60)
    until(lambda: app.control.inspect(timeout=1).scheduled()["one@check"], "the task is scheduled", 15)
    waiting.revoke()
    until(lambda: waiting.id in (app.control.inspect(timeout=1).revoked() or {}).get("one@check", []), "the task is revoked", 15)


def prefetch():
    """With a multiplier of 1 and late acks two processes hold two messages, the rest wait in the queue."""
    asked = [slow.delay(1.5) for _ in range(6)]
    time.sleep(0.8)
    holds(3 <= counted().message_count <= 4, f"{counted()} wait while two run")
    same([result.get(timeout=30) for result in asked], [False] * 6)


def killed_worker():
    """kill -9 of a worker: its unacknowledged task is delivered again, marked so, to the next worker."""
    asked = slow.delay(4)
    time.sleep(1.5)
    os.killpg(WORKERS["one"].pid, signal.SIGKILL)
    WORKERS.pop("one").wait()
    start("two")
    same(asked.get(timeout=30), True, "redelivered:")


def warm_shutdown():
    WORKERS["two"].send_signal(signal.SIGTERM)
    same(WORKERS["two"].wait(timeout=20), 0)
    # The task with a countdown of remote_control: revoked at a worker that is dead, held unstarted by this one, given back by it.
    same(counted().message_count, 1)


def native_delay():
    """On quorum queues a countdown waits in the broker: 28 exchanges and queues, a bit of the delay each."""
    start("three", "delayed", delayed.app)
    begun = time.monotonic()
    results = {wait: delayed.number.apply_async((wait,), countdown=wait, priority=wait) for wait in (3, 1, 2)}
    for wait in (1, 2, 3):
        same(results[wait].get(timeout=15), wait)
        holds(wait <= time.monotonic() - begun + 0.1 < wait + 1.5, f"{time.monotonic() - begun} s for a countdown of {wait}")
    with amqp.Connection(os.environ["AMQP_HOST"] + ":" + os.environ["AMQP_PORT"], os.environ["AMQP_USER"], os.environ["AMQP_PASSWORD"]) as link:
        ch = link.channel()
        for bit in range(28):
            ch.exchange_declare(f"celery_delayed_{bit}", "topic", passive=True)
            same(ch.queue_declare(f"celery_delayed_{bit}", passive=True).message_count, 0)
    WORKERS["three"].send_signal(signal.SIGTERM)
    same(WORKERS["three"].wait(timeout=20), 0)


if __name__ == "__main__":
    holds(BROKER.startswith("amqp://"), BROKER)
    try:
        main(
            worker_starts, results, many_tasks, chained, retries, countdown, large_argument, inspect, prefetch, remote_control,
            killed_worker, warm_shutdown, native_delay,
        )
    finally:
        for left in WORKERS.values():
            if left.poll() is None:
                os.killpg(left.pid, signal.SIGKILL)
