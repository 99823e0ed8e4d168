"""That what reads and judges would see a failure: the ledger of the kill loop, the readers of test output, the manifests."""

import os
import sys
import tempfile
from pathlib import Path

for key in ("AMQP_URI", "AMQP_HOST", "AMQP_USER", "AMQP_PASSWORD", "AMQP_VHOST"):
    os.environ.setdefault(key, "none")
os.environ.setdefault("AMQP_PORT", "0")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "kill9")]

from drive import manifest, verdict
from drive.checks import holds, main, raises, same
from ledger import Ledger, body_of, name_in

FIRST, SECOND, THIRD = (1, 1), (1, 2), (1, 3)


def books() -> Ledger:
    """Three messages sent to one queue, all confirmed."""
    ledger = Ledger()
    ledger.sent["q"] |= {FIRST, SECOND, THIRD}
    ledger.confirmed["q"] |= {FIRST, SECOND, THIRD}
    return ledger


def wrong_in(ledger: Ledger) -> list[str]:
    return [check for check, wrong in ledger.verdicts().items() if wrong]


def ledger_accepts_a_good_run():
    ledger, session = books(), {}
    ledger.take("q", body_of(FIRST), False, session)
    ledger.acknowledged["q"].add(FIRST)
    # A kill: the acknowledgement was not on disk, so the message comes back, flagged.
    session = {}
    for name, redelivered in ((FIRST, True), (SECOND, True), (THIRD, False)):
        ledger.take("q", body_of(name), redelivered, session)
        ledger.drained["q"].add(name)
    ledger.settle()
    same(wrong_in(ledger), [])
    same((ledger.counts["returned"], ledger.counts["confirmed"]), (1, 3))


def ledger_sees_a_loss():
    ledger = books()
    ledger.drained["q"] |= {FIRST, THIRD}
    ledger.settle()
    same((wrong_in(ledger), ledger.counts["lost"]), (["no_confirmed_lost"], 1))


def ledger_sees_a_changed_byte():
    ledger, body = books(), bytearray(body_of(SECOND))
    body[-1] ^= 1
    ledger.take("q", bytes(body), False, {})
    same(wrong_in(ledger), ["none_invented"])


def ledger_sees_a_stranger():
    ledger = books()
    ledger.take("q", body_of((9, 9)), False, {})
    ledger.take("q", b"no name", False, {})
    same((wrong_in(ledger), ledger.counts["invented"]), (["none_invented"], 2))


def ledger_sees_wrong_order():
    ledger, session = books(), {}
    ledger.take("q", body_of(SECOND), False, session)
    ledger.take("q", body_of(FIRST), False, session)
    same(wrong_in(ledger), ["order_kept"])


def ledger_sees_a_missing_flag():
    ledger = books()
    ledger.take("q", body_of(FIRST), False, {})
    ledger.take("q", body_of(FIRST), False, {})
    same(wrong_in(ledger), ["redelivered_flagged"])


def bodies_are_named():
    for number in range(200):
        same(name_in(body_of((3, number))), (3, number))
    same(len({body_of((3, number)) for number in range(200)}), 200)


def readers_see_failures():
    checks = verdict.read_checks("ok one\nFAIL two: why\nskip three: no call\nnoise\n")
    same((checks.passed, checks.failed, checks.skipped), (["one"], {"two": "why"}, {"three": "no call"}))
    go = verdict.read_go("--- PASS: TestA (0.1s)\n    --- FAIL: TestA/b (0.1s)\n--- SKIP: TestC (0.0s)\npanic: boom\n")
    same((go.passed, list(go.failed), list(go.skipped)), (["TestA"], ["TestA/b", "(panic)"], ["TestC"]))
    cargo = verdict.read_cargo("     Running tests/it.rs (target/x)\ntest a ... ok\ntest b ... FAILED\ntest c ... ignored\n")
    same((cargo.passed, list(cargo.failed), list(cargo.skipped)), (["it::a"], ["it::b"], ["it::c"]))
    tap = verdict.read_tap("# Subtest: s\n    # Subtest: a\n    ok 1 - a\n    # Subtest: b\n    not ok 2 - b\n    1..2\nnot ok 1 - s\n")
    same((tap.passed, list(tap.failed)), (["s > a"], ["s > b"]))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "r.xml"
        report.write_text('<a><testcase classname="c" name="x"/><testcase classname="c" name="y"><failure message="m"/></testcase></a>')
        junit = verdict.read_junit(report)
    same((junit.passed, junit.failed), (["c::x"], {"c::y": "m"}))


def silence_is_a_failure():
    client = next(one for one in manifest.all_clients() if one.name == "pika")
    same(len(verdict.read(client, "", Path("/nowhere"), 0).failed), len(verdict.required_names()))
    suite = next(one for one in manifest.all_clients() if one.name == "py-amqp-suite")
    same(list(verdict.read(suite, "", Path("/nowhere"), 0).failed), ["(run)"])
    # An exception, a signal or a time that is over, after bad verdicts: what comes behind them nobody has seen.
    ctl = next(one for one in manifest.all_clients() if one.name == "ctl")
    said = "ok one\nFAIL two: why\n"
    for end, code in [("", 1), ("# a remark\n", 1)]:
        same(list(verdict.read(ctl, said + end, Path("/nowhere"), code).failed), ["two"])
    for end, code in [
        ("Traceback (most recent call last):\n  File 'x', line 1\nKeyError: 'three'\n", 1), ("", -9), ("stopped after 9 s\n", 124), ("", 2),
        ("/x/checks.js:4\nTypeError: x is undefined\n", 1), ("checks.rb:3:in 'x': no method (NoMethodError)\n", 1), ("PHP Fatal error:  x\n", 255),
    ]:
        same(list(verdict.read(ctl, said + end, Path("/nowhere"), code).failed), ["two", "(run)"], end)
    # A crash after good verdicts.
    go = next(one for one in manifest.all_clients() if one.name == "amqp091-go")
    same(list(verdict.read(go, "--- PASS: TestA (0.1s)\n", Path("/nowhere"), 2).failed), ["(run)"])


def expected_names_are_known():
    clients = {client.name for client in manifest.all_clients()}
    holds(set(verdict.expected_failures()) <= clients, "expected.toml names a client that is not there")


def manifests_refuse_unknown_keys():
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "client.toml").write_text('tier = "ci"\nsecond = 3\n')
        raises(manifest.ManifestError, lambda: manifest.load(Path(folder)))


if __name__ == "__main__":
    main(
        ledger_accepts_a_good_run, ledger_sees_a_loss, ledger_sees_a_changed_byte, ledger_sees_a_stranger, ledger_sees_wrong_order,
        ledger_sees_a_missing_flag, bodies_are_named, readers_see_failures, silence_is_a_failure, expected_names_are_known,
        manifests_refuse_unknown_keys,
    )
