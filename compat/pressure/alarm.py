"""The alarm of memory as clients and operators see it: who is told what and when, and that it ends by itself."""

import json
import time
import urllib.request

import wire
from link import CHANNEL, Consumer, Link, Publisher

QUEUE = b"alarm"
BODY_BYTES = 1024
LIMIT_MB = 120
# What lies in memory while it is on its way: more than the limit, together.
HALF_BODY_BYTES, HALVES = 64 * 1024 * 1024, 3
SECONDS = 20


def ask(http: int, path: str):
    """What the HTTP API says."""
    request = urllib.request.Request(f"http://127.0.0.1:{http}/api/{path}", headers={"Authorization": "Basic Z3Vlc3Q6Z3Vlc3Q="})
    with urllib.request.urlopen(request, timeout=SECONDS) as reply:
        return json.load(reply)


def states(http: int) -> dict[str, str]:
    """The state of each connection by its name."""
    return {row["name"]: row["state"] for row in ask(http, "connections")}


def wait_for(condition) -> bool:
    deadline = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())


class Weight(Link):
    """A connection that has sent most of a large body and nothing more."""

    def __init__(self, port: int):
        super().__init__(port)
        piece = wire.frame(wire.BODY, CHANNEL, bytes(65536))
        self.say("basic.publish", **{"routing-key": b"nowhere"})
        self.socket.sendall(wire.frame(wire.HEADER, CHANNEL, wire.encode_header(HALF_BODY_BYTES, [])))
        self.socket.sendall(piece * (HALF_BODY_BYTES // 65536 - 1))


def memory(port: int, http: int):
    """Names of what was looked at, and what was wrong with it; empty if nothing was."""
    publisher = Publisher(port, QUEUE, BODY_BYTES, 1, is_persistent=True, is_confirmed=True)
    consumer, idle = Consumer(port, QUEUE, BODY_BYTES, is_persistent=True), Link(port)
    everybody = (publisher, consumer, idle)
    seen = {link.name: "" for link in everybody}

    def is_seen(*wanted: str) -> bool:
        seen.update(states(http))
        return [seen[link.name] for link in everybody] == list(wanted)

    publisher.publish()
    yield "state_running", "" if wait_for(lambda: is_seen("running", "running", "running")) else f"{seen}"
    weights = [Weight(port) for _ in range(HALVES)]
    node = next(iter(ask(http, "nodes")))["name"]
    alarmed = wait_for(lambda: ask(http, f"nodes/{node}")["mem_alarm"])
    yield "memory_alarm_by_load", "" if alarmed else f"{ask(http, f'nodes/{node}')['mem_used']} in use"
    publisher.publish()
    yield "blocked_with_reason", "" if wait_for(lambda: publisher.blocked == ["low on memory"]) else f"{publisher.blocked}"
    yield "state_blocked", "" if wait_for(lambda: is_seen("blocked", "blocking", "blocking")) else f"{seen}"
    taken = []
    while len(taken) < 2:
        taken += consumer.take()
    yield "consumers_go_on", "" if [number for number, _ in taken] == [0, 1] else f"{taken}"
    for weight in weights:
        weight.close()
    yield "unblocked_by_itself", "" if wait_for(lambda: publisher.unblocked == 1) else f"{ask(http, f'nodes/{node}')['mem_used']} in use"
    publisher.publish()
    yield "publishes_again", "" if wait_for(lambda: publisher.confirmed == 3) else f"{publisher.confirmed} confirmed"
    yield "state_running_again", "" if wait_for(lambda: is_seen("running", "running", "running")) else f"{seen}"
    for link in everybody:
        link.close()
