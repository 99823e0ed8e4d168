"""The command line against the real binary: transcripts of RabbitMQ by shape, prompts, the way to the node."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

import insight
import lines
import pika
import prompts
import reasons
import transcript

from drive.broker import BrokerError, Own, free_port

TOOLS = ["rabbitmqctl", "rabbitmq-diagnostics", "rabbitmq-queues", "rabbitmq-streams", "rabbitmq-plugins", "rabbitmq-upgrade"]
# In this order: what one leaves behind, another finds.
TRANSCRIPTS = [
    "errors", "add_vhost", "add_user", "change_password", "set_user_tags", "set_permissions", "topic_permissions",
    "set_policy", "list_policies", "clear_policy", "parameters", "limits", "feature_flags", "misc", "diagnostics",
    "queues_tool", "streams_tool", "plugins", "shovel_federation", "connections_ops", "list_users", "list_vhosts", "list_permissions", "list_user_permissions", "list_exchanges", "list_queues",
    "list_bindings", "list_consumers", "list_connections", "list_channels", "purge_queue", "delete_queue", "status",
    "cluster_status", "machine", "export_definitions", "import_definitions", "clear_permissions", "delete_user", "delete_vhost",
]
failed = False


def verdict(name: str, good: bool, wrong: object = "") -> None:
    global failed
    failed = failed or not good
    print(f"ok {name}" if good else f"FAIL {name}: {str(wrong)[:900]!r}", flush=True)


class Shell:
    """Calls the tools by their names, as scripts do."""

    def __init__(self, binary: Path, folder: Path, data: Path):
        self.bin, self.folder = folder / "bin", folder
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(binary)
        (self.bin / "harefoot").symlink_to(binary)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HAREFOOT_", "RABBITMQ_"))}
        self.env = kept | {"HAREFOOT_DATA_DIR": str(data), "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def call(self, command: list[str] | str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess:
        words = transcript.words(command) if isinstance(command, str) else command
        return subprocess.run(
            words, input=stdin, capture_output=True, text=True, timeout=60, cwd=self.folder, env=self.env | variables, check=False
        )


def transcripts(shell: Shell) -> None:
    """Every command of every transcript."""
    known = transcript.differences()
    for name in TRANSCRIPTS:
        wrong = []
        for step in transcript.read(HERE / "transcripts" / f"{name}.txt"):
            difference = known.get(step.command)
            if difference:
                difference.is_used = True
            command = step.command.replace("/var/lib/rabbitmq/", f"{shell.folder}/files/")
            done = shell.call(command, step.stdin)
            for what in transcript.compare(
                step, difference, *(text.replace(f"{shell.folder}/files/", "/var/lib/rabbitmq/") for text in (done.stdout, done.stderr)),
                done.returncode,
            ):
                wrong.append(f"{step.command}: {what}")
        verdict(f"transcript/{name}", not wrong, "\n".join(wrong))
    unused = [command for command, difference in known.items() if not difference.is_used]
    verdict("transcript/every-difference-is-one", not unused, unused)


def prepare(shell: Shell, own: Own):
    """The state in which the transcripts were taken, as far as they show it."""
    files = shell.folder / "files"
    files.mkdir()
    (files / "bad.json").write_text("{", encoding="utf-8")
    done = shell.call(["rabbitmqctl", "import_definitions", str(HERE / "definitions.json")])
    verdict("import-definitions", done.returncode == 0, done.stderr)
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", own.port))
    channel = connection.channel()
    channel.queue_declare("tmp.exclusive", exclusive=True)
    channel.queue_declare("tmp.autodelete", auto_delete=True)
    channel.basic_publish("", "dq2", b"one")
    channel.basic_consume("orders.work", lambda *_: None, consumer_tag="ctag-worker-1")
    channel.basic_consume("tmp.autodelete", lambda *_: None)
    return connection


def ways(shell: Shell, own: Own) -> None:
    """To the node: by its folder, of any length, and by a URL."""
    done = shell.call(["rabbitmqctl", "-q", "--data-dir", "nowhere", "list_users"])
    verdict("way/no-node", done.returncode == 69 and "there is no socket of a node" in done.stderr, done)
    url = f"http://127.0.0.1:{own.http}"
    done = shell.call(["rabbitmqctl", "-q", "list_users"], HAREFOOT_URL=url, HAREFOOT_USER="guest", HAREFOOT_PASSWORD="guest")
    verdict("way/url", done.returncode == 0 and "guest\t" in done.stdout, done)
    done = shell.call(["rabbitmqctl", "-q", "--url", url, "--user", "guest", "list_users"], HAREFOOT_PASSWORD="wrong")
    verdict("way/url-wrong-password", done.returncode == 69 and "Login failed" in done.stderr, done)
    done = shell.call(["rabbitmqctl", "-q", "--url", url, "list_users"])
    verdict("way/url-without-user", done.returncode == 78, done)
    done = shell.call(["rabbitmqctl", "-n", "other@elsewhere", "delete_vhost", "shop"])
    verdict("way/another-node-is-not-this-one", done.returncode == 69 and "other@elsewhere" in done.stderr, done)
    done = shell.call("harefoot ctl -q list_vhosts")
    verdict("way/harefoot-ctl", done.returncode == 0 and "shop" in done.stdout, done)
    if os.geteuid() == 0:
        # Nobody's mistake with a folder's mode lets anybody in: the kernel says who connects.
        binary, data = shell.folder / "nobody", Path(shell.env["HAREFOOT_DATA_DIR"])
        shutil.copy(own.binary, binary)
        modes = {place: place.stat().st_mode for place in (shell.folder, data, data / "harefoot.sock")}
        for place in modes:
            place.chmod(0o777)
        done = subprocess.run([binary, "ctl", "list_users"], capture_output=True, text=True, env=shell.env, user=65534, group=65534, extra_groups=[], check=False)
        for place, mode in modes.items():
            place.chmod(mode)
        verdict("way/another-user-is-cut-off", done.returncode == 69 and "guest" not in done.stdout and "cut off" in done.stderr, done)
    deep = shell.folder / "/".join(["a-long-name-of-a-folder"] * 10)
    deep.mkdir(parents=True)
    far = Own(own.binary, deep / "data")
    try:
        far.start()
        done = shell.call(["rabbitmqctl", "-q", "--data-dir", str(deep / "data"), "list_users"])
        verdict("way/a-path-of-any-length", done.returncode == 0 and "guest\t" in done.stdout, done)
        done = shell.call(["rabbitmqctl", "--data-dir", str(deep / "data"), "shutdown"])
        verdict("shutdown", done.returncode == 0 and "successfully shut down" in done.stdout, done)
        verdict("shutdown/in-order", far.child.wait(10) == 0, far.child.returncode)
    finally:
        far.kill()


def pipes(shell: Shell) -> None:
    """Whoever reads the output may stop; no colour goes into a pipe; JSON whatever happens."""
    done = shell.call(["sh", "-c", "rabbitmqctl help | head -n 1; rabbitmqctl list_exchanges | head -n 1"])
    verdict("pipe/a-broken-one-ends-quietly", done.returncode == 0 and not done.stderr, done)
    done = shell.call("rabbitmqctl status")
    verdict("pipe/no-colour", done.returncode == 0 and "\x1b" not in done.stdout, done)
    for command, code in [("rabbitmqctl --json list_queues", 0), ("rabbitmqctl --json delete_vhost nope", 65), ("rabbitmqctl --json status", 0)]:
        done = shell.call(command)
        answer = json.loads(done.stdout)
        good = done.returncode == code and answer["schema"] == 1 and answer["ok"] == (code == 0) and answer.get("code", 0) == code
        verdict(f"json/{command.split()[2]}", good and not done.stderr, done)
    links = shell.folder / "links"
    links.mkdir()
    done = shell.call(["harefoot", "ctl", "install-links", str(links)])
    again = shell.call([str(links / "rabbitmq-diagnostics"), "-q", "check_running"])
    verdict("install-links", done.returncode == 0 and again.returncode == 0, (done, again))


def messages(shell: Shell) -> None:
    """Put in and taken out by hand; the events of the node; completion."""
    done = shell.call("harefoot ctl publish dq1", "a body\n")
    verdict("publish", done.returncode == 0 and "Confirmed" in done.stdout, done)
    done = shell.call("harefoot ctl publish nowhere body")
    verdict("publish/nobody-gets-it", done.returncode == 69 and "no queue is bound" in done.stderr, done)
    looked = shell.call("harefoot ctl --json consume dq1 --requeue")
    taken = shell.call("harefoot ctl consume dq1")
    empty = shell.call("harefoot ctl consume dq1")
    message = json.loads(looked.stdout)["result"]["messages"][0]
    verdict("consume/requeue", message["payload"] == "a body\n" and message["properties"]["delivery_mode"] == 2, looked)
    verdict("consume", (taken.stdout, empty.stdout, empty.returncode) == ("a body\\n\n", "", 0), (taken, empty))
    child = subprocess.Popen(
        ["rabbitmq-diagnostics", "consume_event_stream", "-d", "3", "--pattern", "vhost"], env=shell.env, cwd=shell.folder,
        stdout=subprocess.PIPE, text=True,
    )
    until = time.monotonic() + 10
    while "harefoot.ctl.events" not in shell.call("rabbitmqctl -q list_bindings").stdout and time.monotonic() < until:
        time.sleep(0.05)
    shell.call("rabbitmqctl add_vhost seen")
    events = [json.loads(line) for line in child.communicate(timeout=20)[0].splitlines()]
    verdict("events", any(event["event"] == "vhost.created" and event["name"] == "seen" for event in events), events)
    gone = shell.call("rabbitmqctl -q list_queues name")
    verdict("events/leave-nothing-behind", "harefoot.ctl.events" not in gone.stdout, gone)
    shell.call("rabbitmqctl delete_vhost seen")
    script = 'source <(harefoot ctl completion bash); COMP_WORDS=(rabbitmqctl list_us); COMP_CWORD=1; _harefoot_ctl rabbitmqctl; echo "${COMPREPLY[@]}"'
    done = shell.call(["bash", "-c", script])
    verdict("completion/bash", "list_users" in done.stdout and "add_user" not in done.stdout, done)


def startup(binary: Path, folder: Path) -> None:
    """A script that images run, unchanged, on a folder where nothing is yet; and once more, as after a restart."""
    place = folder / "image"
    place.mkdir()
    shell = Shell(binary, place, place / "data")
    # What is called `rabbitmq-server` in an image.
    server = shell.bin / "rabbitmq-server"
    server.write_text(f'#!/bin/sh\nexec {shell.bin}/harefoot serve "$@"\n', encoding="utf-8")
    server.chmod(0o755)
    env = shell.env | {"RABBITMQ_PID_FILE": str(place / "rabbit.pid"), "DEFINITIONS": str(HERE / "definitions.json")}
    options = ["--listen", f"127.0.0.1:{free_port()}", "--management-listen", "none", "--metrics-listen", "none"]
    for name in ("startup/first", "startup/again"):
        log = place / "log"
        with open(log, "wb") as out:
            script = subprocess.Popen([str(HERE / "startup.sh"), *options], env=env, cwd=place, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 60
            while b"*** the broker is ready ***" not in log.read_bytes() and script.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            users = shell.call("rabbitmqctl -q list_permissions -p app")
            good = b"*** the broker is ready ***" in log.read_bytes() and "app\t.*\t.*\t.*" in users.stdout
            verdict(name, good, log.read_text(errors="replace")[-800:])
            stopped = shell.call(["rabbitmqctl", "stop", str(place / "rabbit.pid")])
            verdict(f"{name}-stops", stopped.returncode == 0 and script.wait(20) == 0, (stopped, script.poll()))
        finally:
            script.kill()


def made_up_lines(shell: Shell) -> None:
    tools = [*TOOLS, "harefoot ctl"]
    wrong = lines.every_command(shell, tools)
    verdict("lines/every-command", not wrong, "\n".join(wrong))
    wrong = lines.every_list(shell, tools)
    verdict("lines/every-list-of-no-vhost", not wrong, "\n".join(wrong))
    wrong = lines.every_envelope(shell, tools)
    verdict("lines/every-command-with-json", not wrong, "\n".join(wrong))
    wrong = lines.made_up(shell, tools, 700)
    verdict("lines/made-up", not wrong, "\n".join(wrong))


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    folder = Path(tempfile.mkdtemp(prefix="harefoot-ctl-"))
    data = folder / "data"
    config = folder / "node.conf"
    config.write_text("frame_max = 65536\ndefault_pass = guest\n")
    own = Own(binary, data, config=config, http=free_port())
    try:
        startup(binary, folder)
        own.start()
        shell = Shell(binary, folder, data)
        connection = prepare(shell, own)
        ways(shell, own)
        messages(shell)
        transcripts(shell)
        prompts.check(shell, verdict)
        pipes(shell)
        connection.close()
        insight.peek(shell, own, verdict)
        insight.delayed(own, verdict)
        insight.ages(shell, own, verdict)
        reasons.why(shell, own, verdict)
        reasons.limits(shell, own, verdict)
        insight.limits(shell, verdict)
        insight.logs(shell, own, verdict)
        insight.maintenance(shell, own, verdict)
        insight.top(shell, own, verdict)
        insight.race(shell, verdict)
        insight.progress(shell, verdict)
        insight.shells(shell, verdict)
        insight.colours(shell, verdict)
        insight.encrypted(shell, binary, folder, verdict, reasons.of_a_narrow_node)
        insight.check(shell, binary, folder, verdict)
        insight.speed(shell, verdict)
        made_up_lines(shell)
        done = shell.call("rabbitmqctl -q list_users")
        verdict("lines/the-node-is-still-there", done.returncode == 0, done)
        own.stop()
        wrong = lines.made_up(shell, [*TOOLS, "harefoot ctl"], 300)
        verdict("lines/made-up-without-a-node", not wrong, "\n".join(wrong))
    except (BrokerError, subprocess.TimeoutExpired) as error:
        verdict("broker", False, error)
    finally:
        own.kill()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
