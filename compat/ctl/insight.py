"""What RabbitMQ's tools lack: peek, limits, config, top, check; and what of a node can be changed while it runs."""

import http.client
import json
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pika
import prompts

from drive.authority import Authority
from drive.broker import Own, answers, free_port

LOCAL = "DNS:localhost,IP:127.0.0.1"


def until(done, seconds: float = 20) -> bool:
    """Whether something comes about in time."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def listens(port: int) -> bool:
    """Whether anybody accepts there, whatever is spoken."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


def result(shell, command, **more):
    """What `--json` tells of a command of our own."""
    words = ["harefoot", "ctl", "--json", *command]
    return json.loads(shell.call(words, **more).stdout)["result"]


def connect(own: Own) -> pika.BlockingConnection:
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", own.port))


def ages(shell, own: Own, verdict) -> None:
    """What a queue had when the node started is as old as its publisher says, or older than that; a stream knows its times."""
    with connect(own) as connection:
        channel = connection.channel()
        for kind in ("classic", "quorum", "stream"):
            channel.queue_declare(f"age.{kind}", durable=True, arguments={"x-queue-type": kind})
            channel.confirm_delivery()
            for stamp in (int(time.time()) - 7200, None):
                channel.basic_publish("", f"age.{kind}", b"x", pika.BasicProperties(delivery_mode=2, timestamp=stamp))
    own.stop()
    own.start()
    for kind, wanted in [("classic", ["publisher", "start"]), ("quorum", ["publisher", "start"]), ("stream", ["queue", "queue"])]:
        seen = result(shell, ["peek", f"age.{kind}"])
        good = [one["age_by"] for one in seen] == wanted and (seen[0]["age_s"] >= 7200) == (kind != "stream")
        verdict(f"peek/{kind}-age-after-a-restart", good, seen)
        text = shell.call(["harefoot", "ctl", "-s", "peek", f"age.{kind}"]).stdout
        verdict(f"peek/{kind}-age-is-at-least-so-much", ("\t>" in text) == (kind != "stream"), text)
        shell.call(["rabbitmqctl", "delete_queue", f"age.{kind}"])


def kinds(shell, *words: str, **way: str) -> dict[str, dict]:
    """What `why` finds, by kind and subject."""
    return {f"{one['kind']} {one['subject']}": one for one in result(shell, ["why", *words], **way)}


def peek(shell, own: Own, verdict) -> None:
    """Messages in their places, and nothing of it is noticed."""
    connection = connect(own)
    channel = connection.channel()
    channel.confirm_delivery()
    for kind in ("classic", "quorum", "stream"):
        queue = f"peek.{kind}"
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": kind})
        for number in range(1, 13):
            properties = pika.BasicProperties(headers={"number": number}, delivery_mode=2, timestamp=int(time.time()) - 3600)
            channel.basic_publish("", queue, f"body {number}\x1b[2J".encode(), properties)
        first = 0 if kind == "stream" else 1
        seen = result(shell, ["peek", queue, "--count", "100"])
        good = [one["payload"][:7].strip("\x1b") for one in seen] == [f"body {n}"[:7] for n in range(1, 13)]
        verdict(f"peek/{kind}", good and seen[2]["properties"]["headers"]["number"] == 3 and seen[0]["position"] == first, seen[:2])
        # The publisher says an hour; the queue knows better.
        verdict(f"peek/{kind}-age", {one["age_by"] for one in seen} == {"queue"} and max(one["age_s"] for one in seen) < 60, seen[0])
        found = result(shell, ["peek", queue, "--filter", "body 11", "--count", "100"])
        verdict(f"peek/{kind}-filter", [one["position"] for one in found] == [10 + first], found)
        done = shell.call(["rabbitmq-queues", "peek", queue, str(2 + first)])
        verdict(f"peek/{kind}-position", done.returncode == 0 and "body 3" in done.stdout and "body 4" not in done.stdout, done)
        verdict(f"peek/{kind}-cannot-draw", "\x1b" not in done.stdout, done.stdout)
        done = shell.call(["rabbitmq-queues", "peek", queue, "99"])
        verdict(f"peek/{kind}-not-there", done.returncode == 69 and "does not have a message at that position" in done.stderr, done)
        if kind != "stream":
            got = channel.basic_get(queue, auto_ack=False)
            verdict(f"peek/{kind}-untouched", not got[0].redelivered and got[0].message_count == 11, got[0])
            left = result(shell, ["peek", queue])
            verdict(f"peek/{kind}-without-what-is-held", left[0]["properties"]["headers"]["number"] == 2, left[:1])
            full = shell.call(["harefoot", "ctl", "peek", queue, "--full", "--count", "1"])
            verdict(f"peek/{kind}-full", "  | body 2\\x1b[2J\n" in full.stdout and "header number: 2" in full.stdout, full)
    connection.close()
    verdict("peek/no-queue", shell.call(["harefoot", "ctl", "peek", "nope"]).returncode == 64)
    shell.call(["rabbitmqctl", "add_user", "reader", "reader"])
    shell.call(["rabbitmqctl", "set_user_tags", "reader", "management"])
    shell.call(["rabbitmqctl", "set_permissions", "reader", "", "", "^other"])
    way = {"HAREFOOT_URL": f"http://127.0.0.1:{own.http}", "HAREFOOT_USER": "reader", "HAREFOOT_PASSWORD": "reader"}
    done = shell.call(["harefoot", "ctl", "--json", "peek", "peek.classic"], **way)
    verdict("peek/takes-permission-to-read", done.returncode == 69 and "access" in done.stdout, done)
    done = shell.call(["harefoot", "ctl", "limits"], **way)
    verdict("limits/are-for-who-may-monitor", done.returncode == 69, done)
    shell.call(["rabbitmqctl", "set_permissions", "reader", "", "", "^peek"])
    verdict("peek/with-permission", len(result(shell, ["peek", "peek.classic"], **way)) == 10)
    for kind in ("classic", "quorum", "stream"):
        shell.call(["rabbitmqctl", "delete_queue", f"peek.{kind}"])
    shell.call(["rabbitmqctl", "delete_user", "reader"])


def delayed(own: Own, verdict) -> None:
    """What waits in an exchange is the operator's to see and to take out, who is nobody with permissions."""
    connection = connect(own)
    channel = connection.channel()
    channel.exchange_declare("late", "x-delayed-message", durable=True, arguments={"x-delayed-type": "fanout"})
    channel.confirm_delivery()
    for number in range(3):
        properties = pika.BasicProperties(delivery_mode=2, message_id=str(number), headers={"x-delay": 3_600_000})
        channel.basic_publish("late", "", b"x", properties)

    def ask(method: str, path: str):
        link = http.client.HTTPConnection("localhost", timeout=10)
        link.sock = socket.socket(socket.AF_UNIX)
        link.sock.connect(str(own.data / "harefoot.sock"))
        link.request(method, f"/api/harefoot/delayed/%2F/late{path}")
        answer = link.getresponse()
        said = answer.read()
        return answer.status, json.loads(said) if said else None

    status, page = ask("GET", "")
    names = [item["properties"]["message_id"] for item in page.get("items", [])]
    verdict("delayed/operator-lists", (status, names) == (200, ["0", "1", "2"]), (status, page))
    status, _ = ask("DELETE", f"/{page['items'][1]['id']}" if status == 200 else "/1")
    verdict("delayed/operator-cancels", status == 204 and ask("GET", "")[1].get("messages") == 2, status)
    verdict("delayed/operator-cancels-all", ask("DELETE", "") == (200, {"cancelled": 2}))
    channel.exchange_delete("late")
    connection.close()


def limits(shell, verdict) -> None:
    """Every limit and every setting, each with its source."""
    rows = {row["name"]: row for row in result(shell, ["limits", "name", "value", "source", "place", "setting", "meaning"])}
    verdict("limits/sources", rows["memory"]["source"] in {"system", "cgroup"} and rows["connections"]["value"] == "none" and rows["open_files"]["place"] == "RLIMIT_NOFILE", rows)
    verdict("limits/file", (rows["frame"]["value"], rows["frame"]["source"], rows["frame"]["place"].split("/")[-1]) == (65536, "file", "node.conf:1"), rows["frame"])
    shell.call(["rabbitmqctl", "set_vm_memory_high_watermark", "0.5"])
    shell.call(["rabbitmqctl", "set_vhost_limits", "-p", "/", '{"max-queues": 1000}'])
    rows = {row["name"]: row for row in result(shell, ["limits"])}
    verdict("limits/runtime", rows["memory_alarm"]["source"] == "runtime" and rows["vhost /: max-queues"]["value"] == 1000, rows)
    shell.call(["rabbitmqctl", "clear_vhost_limits", "-p", "/"])
    settings = {row["key"]: row for row in result(shell, ["config", "show"])}
    good = settings["frame_max"]["value"] == "65536" and settings["listeners.tcp.default"]["place"] == "--listen"
    verdict("config/sources", good and settings["vm_memory_high_watermark.relative"]["source"] == "runtime" and settings["heartbeat"]["source"] == "default", settings)
    verdict("config/no-secret", settings["default_pass"]["value"] == "(not shown)", settings["default_pass"])
    changed = result(shell, ["config", "show", "--changed"])
    verdict("config/changed", 0 < len(changed) < 12 and all(row["source"] != "default" for row in changed), changed)
    done = shell.call("rabbitmqctl environment")
    verdict("environment", "\nframe_max = 65536\n" in done.stdout and "\n# heartbeat = 60\n" in done.stdout and "secret" not in done.stdout, done.stdout[:400])
    verdict("config/other-words", shell.call("harefoot ctl config nope").returncode == 65)


def logs(shell, own: Own, verdict) -> None:
    """The level changes while the node runs, and the last lines are there to be seen."""
    child = subprocess.Popen(["rabbitmq-diagnostics", "log_tail_stream", "-d", "4"], env=shell.env, cwd=shell.folder, stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    shell.call("rabbitmqctl set_log_level debug")
    connect(own).close()
    shell.call("rabbitmqctl set_log_level none")
    connect(own).close()
    shell.call("rabbitmqctl set_log_level info")
    streamed = child.communicate(timeout=30)[0]
    shown = shell.call("rabbitmq-diagnostics log_tail -N 1000").stdout
    verdict("log/level", "[debug]" in shown and "the level of the log was changed" in shown, shown[-600:])
    verdict("log/stream", "level=debug" in streamed, streamed)
    verdict("log/number", len(shell.call("rabbitmq-diagnostics -q log_tail -N 2").stdout.splitlines()) == 2)
    row = next(row for row in result(shell, ["config", "show"]) if row["key"] == "log.console.level")
    verdict("log/source", (row["value"], row["source"]) == ("info", "runtime"), row)


def maintenance(shell, own: Own, verdict) -> None:
    """Nobody connects while listeners are suspended; a drained node has nobody left."""
    connection = connect(own)
    channel = connection.channel()
    shell.call("rabbitmqctl suspend_listeners")
    verdict("suspend/refuses", until(lambda: not answers("127.0.0.1", own.port)))
    way = {"HAREFOOT_URL": f"http://127.0.0.1:{own.http}", "HAREFOOT_USER": "guest", "HAREFOOT_PASSWORD": "guest"}
    verdict("suspend/http-goes-on", shell.call("rabbitmqctl status", **way).returncode == 0)
    channel.queue_declare("suspend.alive", exclusive=True)
    verdict("suspend/connections-go-on", connection.is_open)
    verdict("suspend/why", "suspended listeners" in kinds(shell))
    shell.call("rabbitmqctl resume_listeners")
    verdict("resume", until(lambda: answers("127.0.0.1", own.port)))
    done = shell.call("rabbitmq-upgrade drain")
    status = shell.call("rabbitmqctl status").stdout
    verdict("drain", done.returncode == 0 and "1 connections were closed" in done.stdout and "maintenance?: true" in status, (done, status[:300]))
    try:
        connection.process_data_events(time_limit=2)
        told = None
    except pika.exceptions.ConnectionClosed as closed:
        told = (closed.reply_code, closed.reply_text)
    verdict("drain/tells-clients", told is not None and "maintenance" in told[1], told)
    verdict("drain/refuses", until(lambda: not answers("127.0.0.1", own.port)) and "drained listeners" in kinds(shell))
    done = shell.call("rabbitmq-upgrade revive")
    verdict("revive", done.returncode == 0 and until(lambda: answers("127.0.0.1", own.port)) and "maintenance?: false" in shell.call("rabbitmqctl status").stdout, done)


def top(shell, own: Own, verdict) -> None:
    """A picture into a pipe; on a terminal one that goes away again."""
    connection = connect(own)
    connection.channel().queue_declare("top.of", exclusive=True)
    done = shell.call("harefoot ctl top --by depth --rows 3")
    verdict("top/once", done.returncode == 0 and "queues by depth" in done.stdout and "\x1b" not in done.stdout and "guest 127.0.0.1:" in done.stdout, done)
    picture = result(shell, ["top", "--rows", "2"])
    verdict("top/json", len(picture["queues"]) == 2 and len(picture["connections"]) == 1, picture)
    verdict("top/wrong", [shell.call(f"harefoot ctl top {words}").returncode for words in ("--by x", "--interval 0", "--rows x", "more")] == [65, 65, 65, 64])
    terminal = prompts.Terminal(shell, ["harefoot", "ctl", "top", "--interval", "1"])
    is_drawn = terminal.wait_for("queues by rate")
    is_quiet = not terminal.has_echo()
    os.write(terminal.fd, b"m")
    is_sorted = terminal.wait_for("queues by memory")
    os.write(terminal.fd, b"q")
    ended = terminal.wait_for("\x1b[?1049l")
    verdict("top/live", is_drawn and is_quiet and is_sorted and ended and terminal.end() == 0, terminal.seen[-300:])
    connection.close()


def race(shell, verdict) -> None:
    """A password and tags that are changed at the same time are both changed; of several who add a user, one does."""
    for turn in range(10):
        children = [
            (password, subprocess.Popen(["rabbitmqctl", "-q", "add_user", f"new{turn}", password], env=shell.env, stderr=subprocess.DEVNULL))
            for password in ("a", "b", "c", "d")
        ]
        codes = {password: child.wait(20) for password, child in children}
        winner = next((password for password, code in codes.items() if code == 0), "")
        is_own = shell.call(["rabbitmqctl", "-q", "authenticate_user", f"new{turn}", winner]).returncode == 0
        shell.call(["rabbitmqctl", "delete_user", f"new{turn}"])
        if sorted(codes.values()) != [0, 70, 70, 70] or not is_own:
            verdict("race/add-user", False, (turn, codes, is_own))
            break
    else:
        verdict("race/add-user", True)
    shell.call(["rabbitmqctl", "add_user", "busy", "first"])
    lost = []
    for turn in range(15):
        commands = [["change_password", "busy", f"p{turn}"], ["set_user_tags", "busy", f"t{turn}", "management"]]
        children = [subprocess.Popen(["rabbitmqctl", "-q", *command], env=shell.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
        codes = [child.wait(20) for child in children]
        users = {user["user"]: user["tags"] for user in json.loads(shell.call("rabbitmqctl --json list_users").stdout)["result"]}
        is_password = shell.call(["rabbitmqctl", "-q", "authenticate_user", "busy", f"p{turn}"]).returncode == 0
        if codes != [0, 0] or f"t{turn}" not in users["busy"] or not is_password:
            lost.append((turn, codes, users["busy"], is_password))
    verdict("race/password-and-tags", not lost, lost)
    verdict("race/nobody", [shell.call(["rabbitmqctl", "-q", *words]).returncode for words in (["change_password", "nope", "x"], ["set_user_tags", "nope"], ["clear_password", "nope"])] == [67, 67, 67])
    shell.call(["rabbitmqctl", "delete_user", "busy"])


def progress(shell, verdict) -> None:
    """A bar while something takes long, on a terminal alone, and nothing of it stays."""
    definitions = shell.folder / "large.json"
    shell.call(["rabbitmqctl", "add_vhost", "large"])
    queue = {"vhost": "large", "durable": True, "auto_delete": False, "arguments": {}}
    queues = [{"name": f"large.{number}", **queue} for number in range(60_000)]
    bindings = [
        {"source": "amq.topic", "vhost": "large", "destination": one["name"], "destination_type": "queue", "routing_key": one["name"], "arguments": {}}
        for one in queues
    ]
    definitions.write_text(json.dumps({"queues": queues, "bindings": bindings}), encoding="utf-8")
    terminal = prompts.Terminal(shell, ["rabbitmqctl", "import_definitions", str(definitions)])
    is_shown = terminal.wait_for("%  sent")
    is_done = terminal.wait_for("Successfully imported")
    verdict("progress/terminal", is_shown and is_done and terminal.end() == 0 and "\r\x1b[K" in terminal.seen, terminal.seen[-300:])
    done = shell.call(["rabbitmqctl", "import_definitions", str(definitions)])
    verdict("progress/not-into-a-pipe", done.returncode == 0 and "%" not in done.stdout + done.stderr, done)
    shell.call(["rabbitmqctl", "delete_vhost", "large"])


def shells(shell, verdict) -> None:
    """What is written for shells is read by them, and completes."""
    for name in ("bash", "zsh", "fish"):
        script = shell.folder / f"completion.{name}"
        script.write_text(shell.call(["harefoot", "ctl", "completion", name]).stdout, encoding="utf-8")
        done = shell.call([name, "-n", str(script)])
        verdict(f"completion/{name}-syntax", done.returncode == 0 and not done.stderr, done)
    done = shell.call(["fish", "--no-config", "-c", f"source {shell.folder}/completion.fish; complete -C 'rabbitmqctl list_us'"])
    verdict("completion/fish", "list_users" in done.stdout and "add_user" not in done.stdout, done)
    done = shell.call(["fish", "--no-config", "-c", f"source {shell.folder}/completion.fish; complete -C 'harefoot ctl pee'"])
    verdict("completion/fish-harefoot", "peek" in done.stdout, done)
    words = "autoload -U compinit && compinit -u -d zcompdump; source completion.zsh; "
    done = shell.call(["zsh", "-f", "-c", words + "print -r -- ${_comps[rabbitmqctl]} ${_comps[harefoot]}"])
    verdict("completion/zsh", done.returncode == 0 and done.stdout.count("_harefoot_ctl") == 2, done)


def colours(shell, verdict) -> None:
    """Bold on a terminal, but not where it is not wanted."""
    for name, variables, is_bold in [("terminal", {}, True), ("NO_COLOR", {"NO_COLOR": "1"}, False), ("dumb", {"TERM": "dumb"}, False)]:
        before = shell.env
        shell.env = before | {"TERM": "xterm"} | variables
        terminal = prompts.Terminal(shell, ["rabbitmqctl", "status"])
        terminal.wait_for("Totals")
        terminal.end()
        shell.env = before
        verdict(f"colour/{name}", ("\x1b[1m" in terminal.seen) == is_bold, terminal.seen[:200])


def encrypted(shell, binary: Path, folder: Path, verdict, in_the_middle) -> None:
    """`https`, with whom it trusts and what it shows; and a node with many doors, little memory and `vhost_max = 1`, for `in_the_middle`."""
    place = folder / "tls"
    place.mkdir()
    authority, stranger = Authority(place, "ca"), Authority(place, "stranger")
    cert, key = authority.sign("node", "/CN=localhost", LOCAL)
    shown = authority.sign("client", "/CN=client")
    port, amqps = free_port(), free_port()
    config = place / "node.conf"
    more = f"management.ssl.cacertfile = {authority.pem}\nmanagement.ssl.verify = verify_peer\nmanagement.ssl.fail_if_no_peer_cert = true\n"
    more += f"listeners.ssl.default = 127.0.0.1:{amqps}\nssl_options.certfile = {cert}\nssl_options.keyfile = {key}\n"
    more += "vhost_max = 1\ntotal_memory_available_override_value = 250MB\n"
    config.write_text(f"management.ssl.port = {port}\nmanagement.ssl.ip = 127.0.0.1\nmanagement.ssl.certfile = {cert}\nmanagement.ssl.keyfile = {key}\n{more}")
    own = Own(binary, place / "data", config=config)
    try:
        own.start()
        way = {"HAREFOOT_URL": f"https://localhost:{port}", "HAREFOOT_USER": "guest", "HAREFOOT_PASSWORD": "guest"}
        known = ["--cacert", str(authority.pem), "--tls-cert-file", str(shown[0]), "--tls-key-file", str(shown[1])]
        done = shell.call(["rabbitmqctl", "-q", "list_users", *known], **way)
        verdict("https", done.returncode == 0 and "guest\t" in done.stdout, done)
        done = shell.call(["rabbitmqctl", "-q", "list_users", *known[2:]], **way, SSL_CERT_FILE=str(authority.pem))
        verdict("https/by-environment", done.returncode == 0, done)
        listed = shell.call(["rabbitmq-diagnostics", "--json", "certificates", *known], **way)
        rows = json.loads(listed.stdout)["result"]
        verdict("certificates", {row["file"] for row in rows} >= {str(cert)} and all(re.match(r"\d{4}-", row["expires"]) for row in rows), rows)
        for name, words, variables, text in [
            ("stranger", ["--cacert", str(stranger.pem), *known[2:]], {}, "--cacert"),
            ("no-certificate", known[:2], {}, ""),
            ("another-name", known, {"HAREFOOT_URL": f"https://127.0.0.2:{port}"}, ""),
            ("no-such-file", ["--cacert", "/nowhere.pem"], {}, "/nowhere.pem"),
        ]:
            done = shell.call(["rabbitmqctl", "-q", "list_users", *words], **(way | variables))
            verdict(f"https/{name}", done.returncode == 69 and text in done.stderr, done)
        inside = {"HAREFOOT_DATA_DIR": str(own.data)}
        for close, reopen in [("rabbitmqctl suspend_listeners", "rabbitmqctl resume_listeners"), ("rabbitmq-upgrade drain", "rabbitmq-upgrade revive")]:
            before = listens(amqps)
            shell.call(close, **inside)
            is_closed = until(lambda: not listens(own.port) and not listens(amqps))
            is_seen = shell.call(["rabbitmqctl", "-q", "list_users", *known], **way).returncode == 0
            shell.call(reopen, **inside)
            is_back = until(lambda: listens(own.port) and listens(amqps))
            verdict(f"{close.split()[1]}/every-door-of-amqp-and-no-other", before and is_closed and is_seen and is_back, (before, is_closed, is_seen, is_back))
        in_the_middle(shell, inside, own.port, verdict)
        done = shell.call(["rabbitmqctl", "-q", "list_users", *known], **(way | {"HAREFOOT_URL": f"http://localhost:{port}"}))
        verdict("https/files-without-it", done.returncode == 64, done)
        own.stop()
    finally:
        own.kill()


def check(shell, binary: Path, folder: Path, verdict) -> None:
    """A folder is looked through when its node is stopped; what is damaged is found, and nothing is changed."""
    data = folder / "checked"
    own = Own(binary, data)
    own.start()
    with connect(own) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for kind in ("classic", "quorum", "stream"):
            channel.queue_declare(f"check.{kind}", durable=True, arguments={"x-queue-type": kind})
            for number in range(50):
                channel.basic_publish("", f"check.{kind}", bytes([number]) * 4096, pika.BasicProperties(delivery_mode=2))
    done = shell.call(["harefoot", "ctl", "check", str(data)])
    verdict("check/running", done.returncode == 69 and "a node runs in" in done.stderr, done)
    own.stop()
    before = {file.name: file.read_bytes() for file in data.iterdir() if file.is_file()}
    done = shell.call(["harefoot", "ctl", "--json", "check", str(data)])
    report = json.loads(done.stdout)["result"]
    counts = {queue["name"]: (queue["messages"], queue["read"]) for queue in report["queues"]}
    good = done.returncode == 0 and report["stopped_in_order"] and counts["check.classic"] == (50, 50) and counts["check.quorum"] == (50, 50)
    verdict("check/whole", good and not report["damage"] and counts["check.stream"][0] == 50, report)
    is_same = before == {file.name: file.read_bytes() for file in data.iterdir() if file.is_file()}
    verdict("check/writes-nothing", is_same)
    dice, unseen = random.Random(7), []
    # In a body: what fills up a frame to its end, and the file behind its last frame, is nobody's.
    wal = max((file for file in data.iterdir() if file.name.startswith("wal-")), key=lambda file: len(file.read_bytes().rstrip(b"\0")))
    whole = wal.read_bytes()
    for _ in range(20):
        at = whole.index(bytes([dice.randrange(1, 50)]) * 4096) + dice.randrange(4096)
        wal.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << dice.randrange(8))]) + whole[at + 1 :])
        done = shell.call(["harefoot", "ctl", "check", str(data)])
        if done.returncode != 65 or "Damaged: wal-" not in done.stdout:
            unseen.append((at, done.returncode, done.stdout[-200:]))
    verdict("check/damage", not unseen, unseen)
    wal.write_bytes(whole)
    verdict("check/no-folder", shell.call("harefoot ctl check /nowhere").returncode == 69)
    shutil.rmtree(data)


def speed(shell, verdict) -> None:
    """A command is there at once: the fastest of some, as anything may come between."""
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        shell.call("rabbitmqctl -q list_users")
        times.append((time.perf_counter() - begun) * 1000)
    print(f"# rabbitmqctl list_users: {min(times):.1f} ms at best, {sorted(times)[10]:.1f} ms in the middle", flush=True)
