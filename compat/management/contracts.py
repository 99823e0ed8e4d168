"""What monitors, scalers and provisioners ask for: `contracts.txt` names each field that they read, with its type."""

from collections.abc import Callable
from pathlib import Path

import pika

FILE = Path(__file__).with_name("contracts.txt")
TYPES = {"number": (int, float), "text": str, "truth": bool, "list": list, "object": dict, "any": object}
TOOLS = {"KEDA", "Telegraf", "OpenTelemetry", "Datadog", "NServiceBus", "Terraform", "Flower", "rabbitmq_exporter", "Spring"}
MISSING = object()
PATTERN = {"pattern": "^contract$", "apply-to": "queues", "priority": 3}
# What the tools find, in this order.
THINGS = [
    ("PUT", "queues/%2F/contract", {"durable": True, "arguments": {"x-queue-type": "quorum"}}),
    ("PUT", "queues/%2F/contract-classic", {"durable": True}),
    ("PUT", "exchanges/%2F/contract", {"type": "topic", "durable": True}),
    ("POST", "bindings/%2F/e/contract/q/contract", {"routing_key": "a.#", "arguments": {"n": 1}}),
    ("PUT", "policies/%2F/contract", {**PATTERN, "definition": {"max-length": 1000}}),
    ("PUT", "operator-policies/%2F/contract", {**PATTERN, "definition": {"max-length": 2000}}),
    ("PUT", "topic-permissions/%2F/guest", {"exchange": "amq.topic", "write": ".*", "read": ".*"}),
    ("PUT", "parameters/shovel/%2F/contract", {"value": {"src-queue": "a", "dest-queue": "b"}}),
    ("PUT", "vhost-limits/%2F/max-queues", {"value": 5000}),
]


def found(value, path: list[str]):
    """All values at a path."""
    if not path:
        return [value]
    first, rest = path[0], path[1:]
    if first == "[]":
        return [one for item in value for one in found(item, rest)] if isinstance(value, list) and value else [MISSING]
    inner = value.get(first, MISSING) if isinstance(value, dict) else MISSING
    return [MISSING] if inner is MISSING else found(inner, rest)


def mistakes(value, field: str) -> str:
    """What is wrong with a field, if anything."""
    path, kind = field.rsplit(":", 1)
    may_lack, kind = kind.startswith("?"), kind.removeprefix("?")
    steps = [step for step in path.replace("[]", ".[]").split(".") if step]
    for one in found(value, steps):
        if one is MISSING and may_lack:
            continue
        if one is MISSING:
            return f"{path} is not there"
        # A truth is a number only to Python.
        if not isinstance(one, TYPES[kind]) or (kind == "number" and isinstance(one, bool)):
            return f"{path} is {one!r}, not a {kind}"
    return ""


def traffic(port: int):
    """A connection that has published, got some of it and holds it."""
    link = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
    channel = link.channel()
    channel.confirm_delivery()
    for number in range(20):
        channel.basic_publish("contract", "a.b", f"message {number}".encode())
    channel.basic_qos(prefetch_count=5)
    channel.basic_consume("contract", lambda *_: None)
    link.process_data_events(time_limit=0.2)
    return link


def check(api, port: int, verdict: Callable) -> None:
    for method, path, body in THINGS:
        status, said = api.ask(method, path, body)
        if status not in (201, 204):
            verdict("contracts-made", False, f"{method} {path}: {status} {said}")
    link = traffic(port)
    (node,) = (one["name"] for one in api.get("nodes"))
    wrong: dict[str, list[str]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        tool, path, fields = (part.strip() for part in line.split(" | "))
        status, body = api.ask("GET", path.replace("{node}", node))
        said = [f"status {status}"] if status != 200 else [why for field in fields.split() if (why := mistakes(body, field))]
        wrong.setdefault(tool, []).extend(f"{path}: {why}" for why in said)
    for tool in sorted(TOOLS | set(wrong)):
        verdict(f"contract-{tool}", wrong.get(tool) == [], "\n".join(wrong.get(tool, ["no row"])))
    link.close()
    # Bindings go with their queue.
    for _, path, _ in (thing for thing in reversed(THINGS) if thing[0] == "PUT"):
        api.ask("DELETE", path)
