"""What the configuration says: limits of the whole node, what a new vhost begins with, what is written on messages.

Statuses, texts and values are those of RabbitMQ 4.0.5 with the same lines in its `rabbitmq.conf`.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pika
from pika.exceptions import ChannelClosedByBroker
from sessions import Asker, basic

from drive.broker import Own, free_port

CONFIG = """
default_limits.vhosts.1.pattern = ^dev
default_limits.vhosts.1.max_connections = 10
default_limits.vhosts.1.max_queues = 5
default_limits.vhosts.2.pattern = ^d
default_limits.vhosts.2.max_queues = 7
default_policies.operator.a.vhost_pattern = ^dev
default_policies.operator.a.queue_pattern = ^big
default_policies.operator.a.max_length = 100
default_policies.operator.a.expires = 1h
default_policies.operator.a.max_length_bytes = 1MB
default_policies.operator.b.delivery_limit = 3
default_users.alice.vhost_pattern = ^dev
default_users.alice.password = wonder
default_users.alice.configure = ^a
default_users.alice.tags = monitoring,management
default_users.bob.password = bobby
vhost_max = 4
cluster_queue_limit = 4
cluster_exchange_limit = 29
runtime_parameters.limits.shovel = 1
quorum_queue.property_equivalence.relaxed_checks_on_redeclaration = true
message_interceptors.incoming.set_header_timestamp.overwrite = true
message_interceptors.incoming.set_header_routing_node.overwrite = false
message_interceptors.outgoing.timestamp.enabled = true
queue_types.stream.enabled = false
exchange_types.local_random.enabled = false
"""


class Node(Asker):
    """Asks as `guest`, in JSON."""

    def put(self, path: str, body: dict) -> tuple[int, str | None]:
        status, _, said = self.ask("PUT", path, json.dumps(body), basic("guest", "guest"))
        return status, said and said.get("reason")

    def get(self, path: str):
        return self.ask("GET", path, headers=basic("guest", "guest"))[2]


def new_vhosts(node: Node, verdict: Callable) -> None:
    made = [node.put(f"vhosts/{vhost}", {})[0] for vhost in ("dev1", "dxx", "zzz")]
    verdict("beginnings-made", made == [201] * 3, made)
    limits = sorted((item["vhost"], item["value"]) for item in node.get("vhost-limits"))
    verdict("beginnings-limits", limits == [("dev1", {"max-connections": 10, "max-queues": 5}), ("dxx", {"max-queues": 7})], limits)
    found = {(item["vhost"], item["name"]): item for item in node.get("operator-policies")}
    verdict("beginnings-policies", sorted(found) == [("/", "b"), ("dev1", "a"), ("dev1", "b"), ("dxx", "b"), ("zzz", "b")], found)
    definition = {"expires": 3600000, "max-length": 100, "max-length-bytes": 1048576}
    wanted = {"vhost": "dev1", "name": "a", "pattern": "^big", "apply-to": "all", "priority": 0, "definition": definition}
    verdict("beginnings-policy", found["dev1", "a"] == wanted, found["dev1", "a"])
    may = sorted((item["user"], item["vhost"], item["configure"]) for item in node.get("permissions") if item["user"] != "guest")
    wanted = [("alice", "dev1", "^a"), *(("bob", vhost, ".*") for vhost in ("/", "dev1", "dxx", "zzz"))]
    verdict("beginnings-permissions", may == wanted, may)
    status, _, said = node.ask("GET", "whoami", headers=basic("alice", "wonder"))
    verdict("beginnings-user", (status, said.get("tags")) == (200, ["monitoring", "management"]), (status, said))
    node.put("users/alice", {"password": "changed", "tags": "administrator"})
    node.ask("DELETE", "vhosts/zzz", headers=basic("guest", "guest"))
    node.put("vhosts/dev2", {})
    status, _, said = node.ask("GET", "whoami", headers=basic("alice", "changed"))
    verdict("beginnings-known-user", (status, said.get("tags")) == (200, ["administrator"]), (status, said))


def limits(node: Node, verdict: Callable) -> None:
    said = node.put("vhosts/dev3", {})
    verdict("limit-vhosts", said == (400, "cannot create vhost 'dev3': vhost limit of 4 is reached"), said)
    verdict("limit-vhosts-known", node.put("vhosts/dev2", {"description": "d"})[0] == 204)
    said = [node.put(f"queues/%2F/q{number}", {"durable": True}) for number in range(5)]
    wanted = [(201, None)] * 4 + [(400, "cannot declare queue 'q4': queue limit in cluster (4) is reached")]
    verdict("limit-queues", said == wanted, said)
    # Four vhosts have seven each; the exchange of events is the 29th.
    said = node.put("exchanges/%2F/x1", {"type": "fanout"})
    verdict("limit-exchanges", said == (400, "cannot declare exchange 'x1' in vhost '/': exchange limit of 29 is reached"), said)
    shovel = {"value": {"src-uri": "amqp://", "src-queue": "a", "dest-uri": "amqp://", "dest-queue": "b"}}
    said = [node.put(f"parameters/shovel/{place}", shovel) for place in ("%2F/s1", "%2F/s2", "dev1/s2")]
    refused = (400, "Validation failed\n\ncomponent shovel is limited to 1 per node\n")
    verdict("limit-parameters", said == [(201, None), refused, refused], said)


def relaxed(broker: Own, node: Node, verdict: Callable) -> None:
    for number in range(4):
        node.ask("DELETE", f"queues/%2F/q{number}", headers=basic("guest", "guest"))
    with pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port)) as link:
        channel = link.channel()
        channel.queue_declare("qq", durable=True, arguments={"x-queue-type": "quorum", "x-max-length": 5})
        for durable in (True, False):
            channel.queue_declare("qq", durable=durable, arguments={"x-queue-type": "classic", "x-max-length": 5})
        try:
            channel.queue_declare("qq", durable=True, arguments={"x-queue-type": "classic"})
            verdict("quorum-passes-for-classic", False, "another length was let pass")
        except ChannelClosedByBroker as refused:
            verdict("quorum-passes-for-classic", "inequivalent arg 'x-max-length'" in refused.reply_text, refused)


def stamps(broker: Own, node: Node, verdict: Callable) -> None:
    name = node.get("overview")["node"]
    with pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port)) as link:
        channel = link.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        own = pika.BasicProperties(timestamp=5, headers={"timestamp_in_ms": 7, "x-routed-by": "me", "a": "b"})
        for properties, routed_by, more in ((None, name, {}), (own, "me", {"a": "b"})):
            channel.basic_publish("", queue, b"m", properties)
            _, came, _ = channel.basic_get(queue, auto_ack=True)
            at_ms = came.headers.get("timestamp_in_ms", 0)
            sent_ms = came.headers.pop("x-opt-rabbitmq-sent-time", 0)
            good = abs(at_ms / 1000 - time.time()) < 60 and came.timestamp == at_ms // 1000 and 0 <= sent_ms - at_ms < 60_000
            good = good and came.headers == {"timestamp_in_ms": at_ms, "x-routed-by": routed_by, **more}
            verdict(f"stamps-on-{'none' if properties is None else 'own'}", good, came)


def types_off(node: Node, verdict: Callable) -> None:
    stream = {"durable": True, "arguments": {"x-queue-type": "stream"}}
    said = [node.put("queues/%2F/s", stream), node.put("exchanges/%2F/lr", {"type": "x-local-random"})]
    good = said[0] == (400, "queues of type 'stream' are disabled on this node") and said[1][0] == 400
    verdict("types-switched-off", good, said)


def check(binary: Path, work: Path, verdict: Callable) -> None:
    """With a broker of its own."""
    config = work / "beginnings.conf"
    config.write_text(CONFIG, encoding="utf-8")
    broker = Own(binary, work / "beginnings", log=work / "beginnings.log", config=config, http=free_port())
    broker.start()
    try:
        node = Node(broker.http)
        new_vhosts(node, verdict)
        limits(node, verdict)
        types_off(node, verdict)
        relaxed(broker, node, verdict)
        stamps(broker, node, verdict)
        warned = [line for line in (work / "beginnings.log").read_text(encoding="utf-8").splitlines() if "no effect" in line]
        verdict("beginnings-unwarned", not warned, warned)
    finally:
        broker.stop()
