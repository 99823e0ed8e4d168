"""Runs the checks of one Python client and prints a verdict for each. Also the pieces of a check that know no client.

A check is a function without arguments that returns, raises, or raises `Skip`. Its name is the function's.
"""

import inspect
import os
import sys
import time
import traceback
import uuid
from collections.abc import Callable

URI = os.environ["AMQP_URI"]
HOST, PORT = os.environ["AMQP_HOST"], int(os.environ["AMQP_PORT"])
USER, PASSWORD, VHOST = os.environ["AMQP_USER"], os.environ["AMQP_PASSWORD"], os.environ["AMQP_VHOST"]


class Skip(Exception):
    """The client's API has no such thing; the text says what."""


def fresh(stem: str) -> str:
    """A name that no earlier run used."""
    return f"{stem}.{uuid.uuid4().hex[:12]}"


def same(left: object, right: object, what: str = "") -> None:
    """`left == right`, else both are shown, shortened."""
    if left != right:
        raise AssertionError(f"{what} {str(left)[:160]!r} is not {str(right)[:160]!r}".strip())


def holds(truth: object, what: str) -> None:
    if not truth:
        raise AssertionError(what)


def until(ready: Callable[[], object], what: str, seconds: float = 10.0, step: Callable[[], object] | None = None) -> None:
    """Waits for `ready`, calling `step` (or sleeping a little) between looks."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        if step:
            step()
        else:
            time.sleep(0.02)


def raises(kind: type[BaseException] | tuple[type[BaseException], ...], act: Callable[[], object]) -> BaseException:
    """The exception that `act` must raise."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind} was raised")


def large_body() -> bytes:
    """5 MB that no shift or repetition leaves the same."""
    return b"".join(number.to_bytes(4, "big") for number in range(5 * 1024 * 1024 // 4))


def main(*checks: Callable[[], object], around: Callable[[Callable[[], object]], object] = lambda check: check()) -> None:
    """Runs them all, or those named on the command line; exits 1 if one failed."""
    wanted, failed = set(sys.argv[1:]), False
    for check in checks:
        name = check.__name__
        if wanted and name not in wanted:
            continue
        try:
            done = around(check)
            holds(not inspect.iscoroutine(done), "a coroutine was not run")
            print(f"ok {name}", flush=True)
        except Skip as reason:
            print(f"skip {name}: {reason}", flush=True)
        except BaseException as error:  # a check may fail in any way, and the next one must still run
            failed = True
            first = (str(error).splitlines() or [""])[0]
            print(f"FAIL {name}: {type(error).__name__} {first[:300]}", flush=True)
            traceback.print_tb(error.__traceback__, limit=-3, file=sys.stdout)
    sys.exit(1 if failed else 0)
