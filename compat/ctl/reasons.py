"""`why`: everything that it explains, made so, is found with what helps; the commands that it advises are carried out, and help."""

import re
import socket
import threading
import time

import pika
from insight import connect, kinds, result, until
from pika import frame, spec

from drive.broker import Own


def advised(shell, finding: dict) -> None:
    """Carries out the command that stands at the end of what helps."""
    command = re.search(r"(rabbitmqctl .*)$", finding.get("fix", ""))
    shell.call(["sh", "-c", command[1] if command else "false"])


def why(shell, own: Own, verdict) -> None:
    """Each thing that can be wrong, made so, is found; and no more when it is over."""
    connection = connect(own)
    channel = connection.channel()
    channel.queue_declare("why.alone")
    channel.basic_publish("", "why.alone", b"x")
    channel.exchange_declare("why.unbound", "topic")
    channel.basic_publish("why.unbound", "key", b"x")
    channel.queue_declare("why.full")
    channel.queue_declare("why.refusing", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    other = connection.channel()
    other.basic_qos(prefetch_count=2)
    other.basic_consume("why.full", lambda *_: None)
    greedy = connection.channel()
    channel.queue_declare("why.greedy")
    greedy.basic_consume("why.greedy", lambda *_: None, consumer_tag="greedy")
    for _ in range(5):
        channel.basic_publish("", "why.full", b"x")
        channel.basic_publish("", "why.refusing", b"x")
    for _ in range(1200):
        channel.basic_publish("", "why.greedy", b"x")
    channel.queue_declare("why.full", passive=True)
    for user, password in [("nobody", "x"), ("guest", "wrong")]:
        credentials = pika.PlainCredentials(user, password)
        try:
            pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", own.port, credentials=credentials))
        except (pika.exceptions.AMQPError, OSError):
            pass
    wanted = {
        "no_consumer queue why.alone": "nobody consumes", "unroutable exchange why.unbound": "reached no queue",
        "consumers_full queue why.full": "prefetch", "full_queue queue why.refusing": "refuses",
        "unacknowledged queue why.greedy": "no limit", "refused_login user nobody": "failed to log in", "refused_login user guest": "failed to log in",
    }
    found = kinds(shell)
    for name, text in wanted.items():
        verdict(f"why/{name.split()[0]}-{name.split()[-1]}", text in found.get(name, {}).get("says", ""), found.get(name, list(found)))
    verdict("why/login-of-nobody", "add_user" in found.get("refused_login user nobody", {}).get("fix", ""), found)
    verdict("why/of-one-queue", list(kinds(shell, "why.alone")) == ["no_consumer queue why.alone"], kinds(shell, "why.alone"))
    verdict("why/no-such-queue", shell.call(["harefoot", "ctl", "why", "nope"]).returncode == 64)
    helps = {
        "no_consumer queue why.alone": "delete_queue -p '/' 'why.alone'", "unroutable exchange why.unbound": "bind a queue",
        "consumers_full queue why.full": "higher prefetch", "full_queue queue why.refusing": "overflow = drop-head",
        "unacknowledged queue why.greedy": "basic.qos", "refused_login user guest": "change_password 'guest'",
    }
    for name, text in helps.items():
        verdict(f"why/fix-{name.split()[0]}", text in found.get(name, {}).get("fix", ""), found.get(name))
    greedy.basic_qos(prefetch_count=100)
    greedy.basic_cancel("greedy")
    greedy.basic_nack(0, multiple=True)
    greedy.basic_consume("why.greedy", lambda *_: None, consumer_tag="modest")
    verdict("why/fix-of-greed-helps", until(lambda: "unacknowledged queue why.greedy" not in kinds(shell)), kinds(shell, "why.greedy"))
    shell.call(["rabbitmqctl", "set_vm_memory_high_watermark", "absolute", "1MB"])
    blocked = threading.Thread(target=lambda: channel.basic_publish("", "why.alone", b"x"))
    blocked.start()
    found = {}
    until(lambda: "1 connection" in found.get("memory_alarm memory", {}).get("says", "") or found.update(kinds(shell)))
    alarm = found.get("memory_alarm memory", {})
    verdict("why/memory-alarm", "1 connection that publishes is blocked" in alarm.get("says", ""), alarm)
    verdict("why/memory-alarm-names-the-longest-queues", "why.greedy with" in alarm.get("fix", ""), alarm)
    advised(shell, alarm)
    blocked.join(20)
    shell.call(["rabbitmqctl", "set_disk_free_limit", "900TB"])
    alarm = kinds(shell).get("disk_alarm disk", {})
    verdict("why/disk-alarm", str(own.data) in alarm.get("fix", ""), alarm)
    advised(shell, alarm)
    verdict("why/alarms-are-over", not blocked.is_alive() and not any("alarm" in kind for kind in kinds(shell)), kinds(shell))
    growing = threading.Event()

    def publish() -> None:
        with connect(own) as publisher:
            to = publisher.channel()
            while not growing.is_set():
                to.basic_publish("", "why.alone", b"x")
                publisher.sleep(0.05)

    thread = threading.Thread(target=publish)
    thread.start()
    is_found = until(lambda: "grows by" in kinds(shell).get("growing_queue queue why.alone", {}).get("says", ""), 40)
    verdict("why/growing-queue", is_found, kinds(shell, "why.alone"))
    text = shell.call(["harefoot", "ctl", "why"]).stdout
    verdict("why/for-people", "queue why.alone: It grows by" in text and "    -> Start its consumers" in text, text)
    growing.set()
    thread.join(20)
    for queue in ("alone", "full", "refusing", "greedy"):
        channel.queue_delete(f"why.{queue}")
    connection.close()


def pour(port: int, ended: threading.Event) -> None:
    """Sends persistent messages as fast as a socket takes them, without a client that would be slower than a disk."""
    frames = [(0, spec.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US")), (0, spec.Connection.TuneOk(10, 131072, 0)), (0, spec.Connection.Open("/")),
              (1, spec.Channel.Open()), (1, spec.Queue.Declare(queue="why.flow", durable=True, nowait=True, arguments={"x-max-length": 5}))]
    body = b"x" * 100_000
    publish = frame.Method(1, spec.Basic.Publish(exchange="", routing_key="why.flow")).marshal()
    head = frame.Header(1, 10 * len(body), pika.BasicProperties(delivery_mode=2)).marshal()
    message = publish + head + 10 * frame.Body(1, body).marshal()
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(b"AMQP\0\0\x09\x01" + b"".join(frame.Method(channel, method).marshal() for channel, method in frames))
        while not ended.is_set():
            link.sendall(message)


def flow(shell, way: dict[str, str], port: int, verdict) -> None:
    """Publishers that are faster than the disk are held back. Of a node with little memory, which waits for the disk early."""
    ended = threading.Event()
    threads = [threading.Thread(target=pour, args=(port, ended)) for _ in range(2)]
    for thread in threads:
        thread.start()
    found = {}
    until(lambda: "disk_behind disk" in found or found.update(kinds(shell, **way)), 40)
    ended.set()
    for thread in threads:
        thread.join(60)
    finding = found.get("disk_behind disk", {})
    good = "faster than the disk" in finding.get("says", "") and "nothing has to be done" in finding.get("fix", "")
    verdict("why/flow", good, finding or list(found))
    verdict("why/flow-is-over", until(lambda: "disk_behind disk" not in kinds(shell, **way)), kinds(shell, **way))
    shell.call("rabbitmqctl delete_queue why.flow", **way)


def raise_all(shell) -> None:
    """As advised, one limit after the other."""
    for _ in range(4):
        for finding in list(reached(shell).values())[:1]:
            advised(shell, finding)


def limits(shell, own: Own, verdict) -> None:
    """Limits of a vhost, of a user and of the node that are reached; what is advised raises them."""
    shell.call("rabbitmqctl add_vhost narrow")
    shell.call("rabbitmqctl set_permissions -p narrow guest .* .* .*")
    parameters = pika.ConnectionParameters("127.0.0.1", own.port, "narrow")

    def is_let_in() -> bool:
        try:
            pika.BlockingConnection(parameters).close()
            return True
        except pika.exceptions.AMQPError:
            return False

    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.queue_declare("one")
    shell.call(["rabbitmqctl", "set_vhost_limits", "-p", "narrow", '{"max-connections": 1, "max-queues": 1}'])
    found = reached(shell)
    verdict("why/limit-of-vhost", sorted(found) == ["vhost narrow connections", "vhost narrow queues"], found)
    verdict("why/limit-is-one", not is_let_in())
    raise_all(shell)
    limits = shell.call("rabbitmqctl -q list_vhost_limits -p narrow").stdout
    verdict("why/limit-fix-keeps-the-others", "max-connections" in limits and "max-queues" in limits, limits)
    verdict("why/limit-of-vhost-fix-helps", not reached(shell) and is_let_in(), reached(shell))
    shell.call(["rabbitmqctl", "set_user_limits", "guest", '{"max-connections": 1, "max-channels": 1}'])
    found = reached(shell)
    verdict("why/limit-of-user", sorted(found) == ["user guest channels", "user guest connections"] and not is_let_in(), found)
    raise_all(shell)
    verdict("why/limit-of-user-fix-helps", not reached(shell) and is_let_in(), reached(shell))
    shell.call(["rabbitmqctl", "clear_user_limits", "guest", "all"])
    connection.close()
    shell.call("rabbitmqctl delete_vhost narrow")


def of_a_narrow_node(shell, way: dict[str, str], port: int, verdict) -> None:
    """Of a node whose configuration says vhost_max = 1, and that there is little memory."""
    flow(shell, way, port, verdict)
    found = reached(shell, **way)
    fix = found.get("node: vhosts vhosts", {}).get("fix", "")
    verdict("why/limit-of-node", list(found) == ["node: vhosts vhosts"] and "vhost_max" in fix, found)
    done = shell.call("rabbitmqctl add_vhost more", **way)
    verdict("why/limit-of-node-is-one", done.returncode == 69, done)


def reached(shell, **way: str) -> dict[str, dict]:
    """The limits that `why` says are reached, by subject and what is counted."""
    found = [one for one in result(shell, ["why"], **way) if one["kind"] == "limit_reached"]
    return {f"{one['subject']} {re.search('[0-9] ([a-z]+),', one['says'])[1]}": one for one in found}
