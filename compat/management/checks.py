"""The HTTP API of the real binary: requests and answers line by line, what they bring about, and `rabbitmqadmin`."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "compat"))

import beginnings
import contracts
import elsewhere
import metrics
import pika
import sessions
import statistics_of_api as statistics
import uploads

from drive.broker import BrokerError, Own, free_port

ADMIN = "usr/bin/rabbitmqadmin"
# Messages that are published while policies change.
LOAD = 3000
failed = False


def verdict(name: str, good: bool, wrong: object = "") -> None:
    global failed
    failed = failed or not good
    print(f"ok {name}" if good else f"FAIL {name}: {str(wrong)[:600]}", flush=True)


class Api:
    """Asks one broker."""

    def __init__(self, port: int):
        self.root = f"http://127.0.0.1:{port}/api/"

    def ask(self, method: str, path: str, body=None, who: str = "guest", headers=None):
        """Status and body: parsed if it is JSON, else as it came."""
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data=data, method=method, headers=dict(headers or {}))
        password = {"guest": "guest", "wrong": "bad"}.get(who, "p")
        user = "guest" if who == "wrong" else who
        if who != "nobody":
            request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text

    def get(self, path: str):
        status, body = self.ask("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {body}")
        return body


def request_lines(api: Api) -> None:
    wrong, count = [], 0
    for line in (HERE / "requests.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        who, method, path, body, answer = (part.strip() for part in line.split(" | ", 4))
        status, reason = (answer.split(" ", 1) + [""])[:2]
        got, said = api.ask(method, path, body or None, who)
        said_reason = said.get("reason", "") if isinstance(said, dict) else ""
        # Errors say why; only a missing login and a wrong method do not.
        says_why = got < 400 or got == 405 or who == "nobody" or method == "HEAD" or bool(said_reason)
        count += 1
        if got != int(status) or (reason and said_reason != reason and reason not in said_reason) or not says_why:
            wrong.append(f"{who} {method} {path} {body}: {got} {said}, not {answer}")
    verdict("requests", not wrong and count > 100, "\n".join(wrong) or f"only {count} requests")


def messages(api: Api) -> None:
    api.ask("PUT", "queues/%2F/messages", {"durable": True})
    properties = {
        "delivery_mode": 2, "priority": 3, "headers": {"n": 1, "deep": {"list": [1, "two", True, None]}}, "timestamp": 1,
        "content_type": "text/plain", "correlation_id": "c", "reply_to": "r", "expiration": "600000", "message_id": "m",
        "type": "t", "user_id": "guest", "app_id": "a",
    }
    sent = {"properties": properties, "routing_key": "messages", "payload": "Grüße", "payload_encoding": "string"}
    _, routed = api.ask("POST", "exchanges/%2F/amq.default/publish", sent)
    _, lost = api.ask("POST", "exchanges/%2F/amq.default/publish", {**sent, "routing_key": "nowhere"})
    verdict("publish", (routed, lost) == ({"routed": True}, {"routed": False}), (routed, lost))

    def get(mode: str, **more):
        return api.ask("POST", "queues/%2F/messages/get", {"count": 5, "ackmode": mode, "encoding": "auto", **more})[1]

    first, again = get("ack_requeue_true"), get("reject_requeue_true", truncate=3, encoding="base64")
    verdict("get", first[0]["properties"] == properties and first[0]["payload"] == "Grüße", first)
    cut = again[0]
    good = (cut["redelivered"], cut["payload_bytes"], cut["payload_encoding"]) == (True, 7, "base64")
    verdict("get-truncated", good and base64.b64decode(cut["payload"]) == "Grüße".encode()[:3], cut)
    verdict("get-and-ack", len(get("ack_requeue_false")) == 1 and get("ack_requeue_false") == [], "it came back")
    api.ask("POST", "exchanges/%2F/amq.default/publish", sent)
    status, _ = api.ask("DELETE", "queues/%2F/messages/contents")
    verdict("purge", status == 204 and api.get("queues/%2F/messages")["messages"] == 0)


def delayed(api: Api) -> None:
    at = "harefoot/delayed/%2F/late"
    api.ask("PUT", "exchanges/%2F/late", {"type": "x-delayed-message", "arguments": {"x-delayed-type": "fanout"}})
    for number in range(5):
        properties = {"delivery_mode": 2, "message_id": str(number), "headers": {"x-delay": 3_600_000 - number}}
        sent = {"properties": properties, "routing_key": "k", "payload": "abc", "payload_encoding": "string"}
        api.ask("POST", "exchanges/%2F/late/publish", sent)
    first = api.get(f"{at}?page_size=3")
    rest = api.get(f"{at}?page_size=3&cursor={first['next_cursor']}")
    items = first["items"] + rest["items"]
    shown = [(item["properties"]["message_id"], item["routing_key"], item["payload_bytes"]) for item in items]
    good = shown == [(str(number), "k", 3) for number in range(5)] and first["messages"] == 5 and rest["next_cursor"] is None
    due = [item["due_at_ms"] - time.time() * 1000 for item in items]
    verdict("delayed-listed", good and all(3_500_000 < left < 3_600_000 for left in due), (first, rest))
    statuses = [api.ask("DELETE", f"{at}/{items[2]['id']}")[0] for _ in range(2)]
    left = [item["id"] for item in api.get(at)["items"]]
    verdict("delayed-cancelled", statuses == [204, 404] and left == [items[n]["id"] for n in (0, 1, 3, 4)], (statuses, left))
    refused = [api.ask(method, path, who="mgr")[0] for method, path in (("GET", at), ("DELETE", at))]
    api.ask("PUT", "permissions/%2F/mgr", {"configure": ".*", "write": ".*", "read": "^x"})
    refused += [api.ask(method, path, who="mgr")[0] for method, path in (("GET", at), ("DELETE", at))]
    missing = [api.ask("GET", f"harefoot/delayed/%2F/{name}")[0] for name in ("amq.direct", "nope")]
    wrong = api.ask("GET", f"{at}?cursor=x")[0]
    verdict("delayed-refused", refused[2:] == [401, 401] and (missing, wrong) == ([404, 404], 400), (refused, missing, wrong))
    status, said = api.ask("DELETE", at)
    verdict("delayed-all-cancelled", status == 200 and said == {"cancelled": 4} and api.get(at)["items"] == [], (status, said))


def policy_takes_effect(api: Api) -> None:
    api.ask("PUT", "queues/%2F/limited", {"durable": True})
    api.ask("PUT", "policies/%2F/two", {"pattern": "^limited$", "definition": {"max-length": 2}, "apply-to": "queues"})
    body = {"properties": {}, "routing_key": "limited", "payload": "x", "payload_encoding": "string"}
    for _ in range(5):
        api.ask("POST", "exchanges/%2F/amq.default/publish", body)
    queue = api.get("queues/%2F/limited")
    good = (queue["messages"], queue["policy"], queue["effective_policy_definition"]) == (2, "two", {"max-length": 2})
    verdict("policy", good, queue)
    api.ask("DELETE", "policies/%2F/two")
    api.ask("POST", "exchanges/%2F/amq.default/publish", body)
    queue = api.get("queues/%2F/limited")
    verdict("policy-cleared", (queue["messages"], queue["policy"]) == (3, None), queue)


def policies_under_load(api: Api, broker: Own) -> None:
    """A policy comes, changes and goes while messages come and go: what leaves a queue is in the other one."""
    target = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "load-dead"}
    for queue, arguments in ("load", target), ("load-dead", {}):
        api.ask("PUT", f"queues/%2F/{queue}", {"durable": True, "arguments": arguments})
    link = pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port))
    channel = link.channel()
    channel.confirm_delivery()
    is_over = threading.Event()
    changes = 0

    def change() -> None:
        nonlocal changes
        definitions = [{"max-length": 3}, {"message-ttl": 5}, {"max-length-bytes": 200}, None]
        while not is_over.is_set():
            definition = definitions[changes % len(definitions)]
            if definition is None:
                api.ask("DELETE", "policies/%2F/load")
            else:
                api.ask("PUT", "policies/%2F/load", {"pattern": "^load$", "definition": definition, "apply-to": "queues"})
            changes += 1

    changer = threading.Thread(target=change)
    changer.start()
    for number in range(LOAD):
        properties = pika.BasicProperties(delivery_mode=1 + number % 2)
        channel.basic_publish("", "load", f"message {number}".encode(), properties, mandatory=True)
    is_over.set()
    changer.join()
    api.ask("DELETE", "policies/%2F/load")
    # What expires meanwhile goes from the first to the second: nothing is counted in both.
    left, dead = (drained(channel, queue) for queue in ("load", "load-dead"))
    good = sorted(left + dead) == sorted(f"message {number}".encode() for number in range(LOAD))
    verdict("policies-under-load", good and len(dead) > 0 and changes > 20, (len(left), len(dead), changes))
    link.close()


def drained(channel, queue: str) -> list[bytes]:
    """What was in the queue."""
    bodies = iter(lambda: channel.basic_get(queue, auto_ack=True)[2], None)
    return list(bodies)


def connections(api: Api, broker: Own) -> None:
    parameters = pika.ConnectionParameters(broker.host, broker.port, client_properties={"connection_name": "worker-1"})
    link = pika.BlockingConnection(parameters)
    link.channel()
    channel = link.channel()
    channel.queue_declare("consumed")
    channel.basic_qos(prefetch_count=7)
    channel.basic_consume("consumed", print, consumer_tag="eater", arguments={"x-priority": 3})
    eaters = [one for one in api.get("consumers/%2F") if one["consumer_tag"] == "eater"]
    eater = eaters[0] if len(eaters) == 1 else {}
    details = eater.get("channel_details") or {}
    facts = [eater.get(key) for key in ("queue", "ack_required", "prefetch_count", "exclusive", "active", "arguments")]
    good = facts == [{"name": "consumed", "vhost": "/"}, True, 7, False, True, {"x-priority": 3}]
    verdict("consumers", good and (details["number"], details["user"]) == (2, "guest"), eaters)
    verdict("consumers-of-a-queue", api.get("queues/%2F/consumed")["consumer_details"] == eaters)
    shown = [one for one in api.get("connections") if one.get("user_provided_name") == "worker-1"]
    good = len(shown) == 1 and (shown[0]["user"], shown[0]["channels"], shown[0]["vhost"]) == ("guest", 2, "/")
    verdict("connections", good, api.get("connections"))
    name = urllib.parse.quote(shown[0]["name"], safe="")
    status, _ = api.ask("DELETE", f"connections/{name}", headers={"X-Reason": "time to go"})
    try:
        link.process_data_events(time_limit=10)
        verdict("connection-closed", False, "it stays")
    except pika.exceptions.ConnectionClosed as closed:
        verdict("connection-closed", status == 204 and closed.reply_code == 320 and "time to go" in closed.reply_text, closed)


def as_set(definitions) -> dict:
    """Definitions without their order and without what names the exporter."""
    return {
        key: sorted(json.dumps(item, sort_keys=True) for item in value)
        for key, value in definitions.items() if isinstance(value, list)
    }


def definitions(api: Api, broker: Own) -> None:
    wanted = {
        "users": [{"name": "app", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "a,b",
                   "limits": [["max-channels", 5]]}],
        "vhosts": [{"name": "shop", "metadata": {"description": "d", "tags": ["x"], "default_queue_type": "quorum"}}],
        "permissions": [{"user": "app", "vhost": "shop", "configure": "^a", "write": ".*", "read": ".*"}],
        "topic_permissions": [{"user": "app", "vhost": "shop", "exchange": "amq.topic", "write": "^a", "read": ".*"}],
        "parameters": [
            {"component": "operator_policy", "name": "op", "vhost": "shop",
             "value": [["pattern", ".*"], ["definition", [["max-length", 9]]], ["priority", 0], ["apply-to", "queues"]]},
            {"component": "vhost-limits", "name": "limits", "vhost": "shop", "value": {"max-queues": 50}},
        ],
        "global_parameters": [{"name": "cluster_name", "value": "warren"}, {"name": "internal_cluster_id", "value": "x"}],
        "policies": [{"vhost": "shop", "name": "p", "pattern": "^q", "apply-to": "queues", "definition": {"max-length": 5}, "priority": 1}],
        "queues": [{"name": "q", "vhost": "shop", "durable": True, "auto_delete": False, "arguments": {"x-max-priority": 5, "x-queue-type": "classic"}}],
        "exchanges": [{"name": "x", "vhost": "shop", "type": "topic", "durable": True, "auto_delete": False, "internal": False, "arguments": []}],
        "bindings": [{"source": "x", "vhost": "shop", "destination": "q", "destination_type": "queue", "routing_key": "a.#", "arguments": {"n": 1}}],
    }
    before = as_set(api.get("definitions"))
    broken = json.loads(json.dumps(wanted))
    broken["bindings"].append({**wanted["bindings"][0], "destination": "nowhere"})
    status, said = api.ask("POST", "definitions", broken)
    untouched = as_set(api.get("definitions")) == before
    verdict("definitions-all-or-nothing", status == 400 and "'nowhere'" in said["reason"] and untouched, (status, said))
    status, said = api.ask("POST", "definitions", wanted)
    after = as_set(api.get("definitions"))
    grown = {key: len(set(after[key]) - set(before.get(key, []))) for key in after}
    # Whoever makes a vhost may do everything in it: one more of permissions.
    expected = dict(users=1, vhosts=1, permissions=2, topic_permissions=1, parameters=2, global_parameters=1, policies=1,
                    queues=1, exchanges=1, bindings=1)
    verdict("definitions-import", status == 204 and grown == expected, (status, said, grown))
    api.ask("POST", "definitions", api.get("definitions"))
    verdict("definitions-again", as_set(api.get("definitions")) == after)
    broker.kill()
    broker.start()
    kept = {key: [item for item in items if '"durable": false' not in item] for key, items in after.items()}
    verdict("definitions-after-kill", as_set(api.get("definitions")) == kept)
    origin = [api.get("definitions").get(key) for key in ("original_cluster_name", "explanation")]
    verdict("definitions-origin", origin == ["warren", "Definitions of cluster 'warren'"], origin)
    of_vhost = api.get("definitions/shop")
    origin = [of_vhost.get(key) for key in ("original_vhost_name", "explanation")]
    verdict("definitions-origin-of-a-vhost", origin == ["shop", "Definitions of virtual host 'shop'"], origin)
    old = b"salt" + hashlib.md5(b"salt" + b"secret").digest()
    for version, taken in (("3.5.8", 204), ("3.8.0", 400)):
        user = {"name": "old", "password_hash": base64.b64encode(old).decode(), "tags": "management"}
        status, said = api.ask("POST", "definitions", {"rabbit_version": version, "users": [user]})
        verdict(f"definitions-hashed-by-{version}", status == taken and (status == 204 or "'old'" in said["reason"]), (status, said))
    login = {"authorization": "Basic " + base64.b64encode(b"old:secret").decode()}
    status, said = api.ask("GET", "whoami", who="nobody", headers=login)
    verdict("login-hashed-with-md5", status == 200 and said["name"] == "old", (status, said))
    api.ask("PUT", "vhosts/copy")
    api.ask("PUT", "permissions/copy/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    status, said = api.ask("POST", "definitions/copy", api.get("definitions/shop"))
    copied = api.get("bindings/copy")
    verdict("definitions-of-a-vhost", status == 204 and any(one["source"] == "x" for one in copied), (status, said, copied))


def definitions_at_start(binary: Path, work: Path) -> None:
    (work / "more").mkdir()
    # The password "p", as RabbitMQ stores it.
    salted = base64.b64encode(b"salt" + hashlib.sha256(b"saltp").digest()).decode()
    file = work / "more" / "definitions.json"
    file.write_text(json.dumps({
        "vhosts": [{"name": "/"}], "users": [{"name": "ops", "password_hash": salted, "tags": ["administrator"]}],
        "permissions": [{"user": "ops", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
        "queues": [{"name": "made", "vhost": "/", "durable": True}],
    }))
    config = work / "more.conf"
    config.write_text(f"load_definitions = {work / 'more'}\n")
    broker = Own(binary, work / "more-data", http=free_port(), log=work / "more-log", config=config)
    broker.start()
    try:
        api = Api(broker.http)
        asked = ("GET", "queues/%2F/made", None, "ops"), ("GET", "exchanges/%2F/amq.rabbitmq.event", None, "ops"), ("GET", "whoami")
        statuses = [api.ask(*one)[0] for one in asked]
        verdict("load-definitions", statuses == [200, 200, 401], statuses)
    finally:
        broker.stop()
    file.write_text('{"queues": [{"name": "lost", "vhost": "nowhere"}]}')
    try:
        broker.start()
        broker.stop()
        verdict("load-definitions-refused", False, "the node started")
    except BrokerError as error:
        verdict("load-definitions-refused", "'lost'" in str(error) and "'nowhere'" in str(error), error)


def lists(api: Api) -> None:
    for number in range(300):
        api.ask("PUT", f"queues/%2F/many-{number:03}", {"durable": number % 2 == 0})
    page = api.get("queues?page=2&page_size=100&name=^many-&use_regex=true&sort=name&sort_reverse=true&columns=name,durable")
    good = (page["filtered_count"], page["item_count"], page["page_count"]) == (300, 100, 3)
    verdict("pages", good and page["items"][0] == {"name": "many-199", "durable": False}, page)
    static = api.get("queues?disable_stats=true&enable_queue_totals=true")
    verdict("disable-stats", all("messages" in one and "memory" not in one for one in static), static[:1])


def rabbitmqadmin(broker: Own, work: Path) -> None:
    """RabbitMQ's own tool: the script of its package, which is unpacked and not installed."""
    if shutil.which("dpkg-deb") is None or os.geteuid() != 0:
        print("skip rabbitmqadmin: needs Debian and root")
        return
    got = subprocess.run(["apt-get", "download", "rabbitmq-server"], cwd=work, capture_output=True, text=True)
    packages = list(work.glob("rabbitmq-server_*.deb"))
    if got.returncode != 0 or not packages:
        print(f"skip rabbitmqadmin: the package cannot be had: {got.stderr[-200:]}")
        return
    subprocess.run(["dpkg-deb", "-x", packages[0], work / "package"], check=True)

    def admin(*words: str) -> str:
        command = [sys.executable, str(work / "package" / ADMIN), "-H", "127.0.0.1", "-P", str(broker.http), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=work)
        return done.stdout + done.stderr

    steps = [
        ("show overview", "rabbitmq_version"), ("list nodes", "rabbit@"), ("declare vhost name=adm", "vhost declared"),
        ("declare user name=adm password=p tags=management", "user declared"),
        ("declare permission vhost=adm user=adm configure=.* write=.* read=.*", "permission declared"),
        ("list permissions", "| adm"), ("declare queue name=adm durable=true", "queue declared"),
        ("declare exchange name=admx type=topic", "exchange declared"),
        ("declare binding source=admx destination=adm routing_key=a.#", "binding declared"), ("list bindings", "a.#"),
        ("publish exchange=admx routing_key=a.b payload=hello", "Message published"),
        ("get queue=adm ackmode=ack_requeue_true", "hello"), ("list queues name messages", "| adm "),
        ('declare policy name=admp pattern=^adm$ definition={"max-length":7} apply-to=queues', "policy declared"),
        ("list policies", '"max-length": 7'), ("purge queue name=adm", "queue purged"), ("list connections", "No items"),
        ("export out.json", "Exported definitions"), ("import out.json", "Uploaded definitions"),
        ("delete binding source=admx destination_type=queue destination=adm properties_key=a.%23", "binding deleted"),
        ("delete queue name=adm", "queue deleted"), ("delete exchange name=admx", "exchange deleted"),
        ("delete policy name=admp", "policy deleted"), ("delete user name=adm", "user deleted"),
        ("delete vhost name=adm", "vhost deleted"), ("delete queue name=adm", "Not found"),
    ]
    wrong = [f"{words}: {said}" for words, wanted in steps if wanted not in (said := admin(*words.split(" ")))]
    verdict("rabbitmqadmin", not wrong, "\n".join(wrong))


def main() -> int:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="harefoot-management-") as folder:
        work = Path(folder)
        broker = Own(binary, work / "data", http=free_port(), log=work / "log")
        broker.metrics = free_port()
        broker.start()
        api = Api(broker.http)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                api.get("whoami")
                break
            except urllib.error.URLError:
                time.sleep(0.05)
        try:
            request_lines(api)
            messages(api)
            delayed(api)
            policy_takes_effect(api)
            policies_under_load(api, broker)
            connections(api, broker)
            lists(api)
            definitions(api, broker)
            uploads.by_form(api, broker, work, verdict)
            uploads.streams(api, broker, verdict)
            definitions_at_start(binary, work)
            contracts.check(api, broker.port, verdict)
            statistics.check(api, broker.port, verdict)
            metrics.check(api, broker.metrics, verdict)
            sessions.check(binary, work, verdict)
            elsewhere.check(binary, work, verdict)
            beginnings.check(binary, work, verdict)
            rabbitmqadmin(broker, work)
        finally:
            broker.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
