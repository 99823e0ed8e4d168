"""TLS of the real binary: other people's clients over it, certificates of clients, changed files, and what is refused."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "compat"))

import pika

from drive.authority import Authority
from drive.broker import BrokerError, Own, free_port

BINARY, LAPIN, JAVA = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
USER = "CN=shop,O=Acme"
LOCAL = "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"
# Each client sends a body that takes many records of TLS.
LARGE = bytes(range(256)) * 8192
failed = False


def verdict(name: str, good: object, wrong: object = "") -> None:
    global failed
    failed = failed or not good
    print(f"ok {name}" if good else f"FAIL {name}: {str(wrong)[:600]}", flush=True)


class Place:
    """The files of a run and a broker over them."""

    def __init__(self, folder: Path, more: str = ""):
        self.folder = folder
        self.authority, self.stranger = Authority(folder, "ca"), Authority(folder, "stranger")
        self.cert, self.key = self.authority.sign("node", "/CN=localhost", LOCAL, kind="rsa")
        self.client = self.authority.sign("shop", "/O=Acme/CN=shop")
        self.foreign = self.stranger.sign("foreign", "/O=Acme/CN=shop")
        self.port, self.https, self.metrics = free_port(), free_port(), free_port()
        self.config = folder / "node.conf"
        self.write(more)
        self.own = Own(BINARY, folder / "data", log=folder / "log", config=self.config)

    def write(self, more: str = "") -> None:
        self.config.write_text(f"""
listeners.ssl.1 = 127.0.0.1:{self.port}
ssl_options.cacertfile = {self.authority.pem}
ssl_options.certfile = {self.cert}
ssl_options.keyfile = {self.key}
ssl_options.verify = verify_peer
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = AMQPLAIN
auth_mechanisms.3 = EXTERNAL
management.ssl.port = {self.https}
management.ssl.ip = 127.0.0.1
prometheus.ssl.port = {self.metrics}
prometheus.ssl.ip = 127.0.0.1
{more}""")

    def trusting(self, shown=None) -> ssl.SSLContext:
        known = ssl.create_default_context(cafile=str(self.authority.pem))
        if shown:
            known.load_cert_chain(*map(str, shown))
        return known

    def pika(self, shown=None, external=False, context=None) -> pika.BlockingConnection:
        options = pika.SSLOptions(context or self.trusting(shown), "localhost")
        more = {"credentials": pika.credentials.ExternalCredentials()} if external else {}
        parameters = pika.ConnectionParameters("127.0.0.1", self.port, ssl_options=options, blocked_connection_timeout=20, **more)
        return pika.BlockingConnection(parameters)

    def curl(self, path: str, *words: str, method="GET", body=None) -> tuple[int, object]:
        """Status and body; 0 and what curl says where there is no answer."""
        command = ["curl", "-sS", "-m", "20", "-u", "guest:guest", "-X", method, "-w", "\n%{http_code}", *words]
        command += ["-d", json.dumps(body)] if body is not None else []
        done = subprocess.run([*command, f"https://localhost:{self.https}/api/{path}"], capture_output=True, text=True, check=False)
        if done.returncode:
            return 0, done.stderr
        text, status = done.stdout.rsplit("\n", 1)
        return int(status), json.loads(text) if text else None

    def api(self, path: str, method="GET", body=None) -> tuple[int, object]:
        return self.curl(path, "--cacert", str(self.authority.pem), method=method, body=body)


def there_and_back(connection: pika.BlockingConnection) -> bool:
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, LARGE)
    return channel.basic_get(queue, auto_ack=True)[2] == LARGE


def curl(place: Place) -> None:
    status, body = place.api("overview")
    listening = {one["protocol"] for one in body["listeners"]} if status == 200 else body
    verdict("curl", status == 200 and listening == {"amqp", "amqp/ssl", "https", "https/prometheus"}, listening)
    status, said = place.curl("overview", "--cacert", str(place.stranger.pem))
    verdict("curl-distrusts", status == 0 and "certificate" in str(said), said)
    status, said = place.curl("overview", "--cacert", str(place.authority.pem), "--tls-max", "1.1")
    verdict("curl-old-version", status == 0, (status, said))
    status, _ = place.curl("overview", "--cacert", str(place.authority.pem), "--tlsv1.2", "--tls-max", "1.2")
    verdict("curl-tls12", status == 200, status)


def metrics(place: Place) -> None:
    """What is scraped over TLS, and when the certificates expire that are used."""
    url = f"https://localhost:{place.metrics}/metrics"
    with urllib.request.urlopen(url, timeout=20, context=place.trusting()) as response:
        text = response.read().decode()
    name = "harefoot_certificate_expiry_timestamp_seconds"
    lines = [line.removeprefix(name).rsplit(" ", 1) for line in text.splitlines() if line.startswith(name)]
    expiries = {labels: float(at_s) for labels, at_s in lines}
    wanted = {f'{{protocol="{protocol}",kind="{kind}"}}' for protocol in ("amqp/ssl", "https", "https/prometheus") for kind in ("own", "authority")}
    # The files of AMQP serve all three; only there authorities look at clients.
    good = expiries.keys() == wanted and all(at_s > time.time() for at_s in expiries.values())
    verdict("metrics", good and "rabbitmq_identity_info{" in text, expiries or text[:300])
    try:
        urllib.request.urlopen(f"http://localhost:{place.metrics}/metrics", timeout=20).close()
        verdict("metrics-not-in-the-clear", False, "it was answered")
    except (OSError, http.client.HTTPException):
        verdict("metrics-not-in-the-clear", True)


def user(place: Place) -> None:
    name = "CN%3Dshop%2CO%3DAcme"
    place.api(f"users/{name}", "PUT", {"password_hash": "", "tags": ""})
    status, said = place.api(f"permissions/%2F/{name}", "PUT", {"configure": ".*", "write": ".*", "read": ".*"})
    verdict("user", status == 201, (status, said))


def with_pika(place: Place) -> None:
    connection = place.pika()
    verdict("pika", there_and_back(connection))
    connection.close()
    old = place.trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = place.pika(context=old)
    verdict("pika-tls12", there_and_back(connection))
    _, shown = place.api("connections")
    fields = {key: shown[0][key] for key in ("ssl", "ssl_protocol", "ssl_key_exchange", "ssl_hash", "peer_cert_subject")}
    wanted = {"ssl": True, "ssl_protocol": "tlsv1.2", "ssl_key_exchange": "ecdhe_rsa", "ssl_hash": "aead", "peer_cert_subject": None}
    verdict("shown-tls12", fields == wanted, fields)
    connection.close()


def external(place: Place) -> None:
    connection = place.pika(place.client, external=True)
    verdict("external", there_and_back(connection))
    _, shown = place.api("connections")
    seen = shown[0]
    fields = [seen[key] for key in ("user", "auth_mechanism", "ssl_protocol", "ssl_key_exchange", "peer_cert_subject", "peer_cert_issuer")]
    verdict("shown", fields == [USER, "EXTERNAL", "tlsv1.3", "any", USER, "CN=ca"], fields)
    verdict("shown-validity", len(seen["peer_cert_validity"].split("Z - ")) == 2 and seen["ssl_cipher"].startswith(("aes_", "chacha20")), seen)
    connection.close()
    # With a certificate, and a password all the same.
    connection = place.pika(place.client)
    verdict("certificate-and-password", there_and_back(connection))
    connection.close()
    try:
        place.pika(external=True)
        verdict("external-without-certificate", False, "let in")
    except pika.exceptions.AuthenticationError:
        verdict("external-without-certificate", True)
    try:
        place.pika(place.foreign)
        verdict("certificate-of-a-stranger", False, "let in")
    except (pika.exceptions.AMQPConnectionError, ssl.SSLError, OSError):
        verdict("certificate-of-a-stranger", True)


def greeting(place: Place) -> None:
    """EXTERNAL is offered to those alone who have shown a certificate."""

    def offered(shown) -> bytes:
        with socket.create_connection(("127.0.0.1", place.port), timeout=10) as plain:
            with place.trusting(shown).wrap_socket(plain, server_hostname="localhost") as peer:
                peer.sendall(b"AMQP\x00\x00\x09\x01")
                return peer.recv(4096)

    verdict("offered", b"EXTERNAL" in offered(place.client) and b"EXTERNAL" not in offered(None))
    with socket.create_connection(("127.0.0.1", place.port), timeout=10) as plain:
        plain.sendall(b"AMQP\x00\x00\x09\x01")
        first = plain.recv(64)
        verdict("plain-on-the-port-of-tls", not first.startswith(b"AMQP") and (not first or plain.recv(64) == b""), first)


def program(place: Place, name: str, *command: object) -> None:
    """A client of another language, which prints what it has seen of each way to log in."""
    env = {
        **os.environ, "TLS_HOST": "localhost", "TLS_PORT": str(place.port), "TLS_CA": str(place.authority.pem),
        "TLS_CERT": str(place.client[0]), "TLS_KEY": str(place.client[1]), "TLS_STRANGER": str(place.stranger.pem),
    }
    try:
        done = subprocess.run([*map(str, command)], env=env, capture_output=True, text=True, timeout=60, check=False)
        said, code = done.stdout.split(), done.returncode
        wrong = (code, done.stdout[-300:], done.stderr[:300])
    except (OSError, subprocess.TimeoutExpired) as error:
        said, wrong = [], error
    verdict(f"{name}-password", "password" in said, wrong)
    verdict(f"{name}-certificate", "certificate" in said, wrong)
    verdict(f"{name}-distrusts", "distrusts" in said, wrong)


def renewed(place: Place) -> None:
    """New files are used for new connections, the old ones go on; files that do not fit change nothing."""

    def serial() -> int:
        with socket.create_connection(("127.0.0.1", place.port), timeout=10) as plain:
            with place.trusting().wrap_socket(plain, server_hostname="localhost") as peer:
                return int(peer.getpeercert()["serialNumber"], 16)

    def until(ready) -> bool:
        deadline = time.monotonic() + 20
        while not ready() and time.monotonic() < deadline:
            time.sleep(0.2)
        return ready()

    connection, before = place.pika(), serial()
    place.authority.sign("node", "/CN=localhost", LOCAL, days=3)
    verdict("renewed", until(lambda: serial() != before), place.own.tail())
    verdict("renewed-connection-goes-on", there_and_back(connection))
    connection.close()
    after = serial()
    shutil.copy(place.client[1], place.key)
    log = place.folder / "log"
    verdict("renewed-wrongly", until(lambda: "the old certificate stays" in log.read_text()) and serial() == after, place.own.tail())


def expiring(place: Place) -> None:
    path = "health/checks/certificate-expiration"
    verdict("expiring-not-yet", place.api(f"{path}/2/days")[0] == 200)
    status, body = place.api(f"{path}/3/weeks")
    expired = {one["protocol"]: one for one in body.get("expired", [])} if isinstance(body, dict) else {}
    good = status == 503 and set(expired) == {"amqp/ssl", "https", "https/prometheus"} and expired["amqp/ssl"]["port"] == place.port
    verdict("expiring", good and len(expired["https"]["certfile_expires_on"]) == 1 and not expired["https"]["cacertfile_expires_on"], body)
    verdict("expiring-wrong-unit", place.api(f"{path}/3/moons")[0] == 400)


def refused(folder: Path) -> None:
    """What cannot be used stops the start with a sentence and the code of a wrong configuration."""
    place = Place(folder)

    def ends(name: str, sentence: str, config: str | None = None) -> None:
        if config is not None:
            place.config.write_text(config)
        command = [str(BINARY), "--data-dir", str(folder / "data"), "--config", str(place.config), "--listen", f"127.0.0.1:{free_port()}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
            verdict(name, done.returncode == 78 and sentence in done.stderr, (done.returncode, done.stderr))
        except subprocess.TimeoutExpired:
            verdict(name, False, "it started")

    shutil.copy(place.key, folder / "right-key.pem")
    shutil.copy(place.client[1], place.key)
    ends("refused-key-of-another", "does not belong to the certificate")
    shutil.copy(folder / "right-key.pem", place.key)
    place.authority.sign("node", "/CN=localhost", LOCAL, days=-1)
    ends("refused-expired", "has expired on")
    place.cert.unlink()
    ends("refused-absent", "`ssl_options.certfile` names")
    ends("refused-incomplete", "needs `ssl_options.certfile`", "listeners.ssl.default = 5671\n")


def half_open(folder: Path) -> None:
    """Handshakes that nobody finishes count as connections, end in time, and do not hold up the stop."""
    place = Place(folder, "max_connections = 4\nssl_handshake_timeout = 1500\n")
    place.own.start()
    idle = [socket.create_connection(("127.0.0.1", place.port), timeout=10) for _ in range(8)]
    try:
        deadline, refused = time.monotonic() + 10, False
        while not refused and time.monotonic() < deadline:
            try:
                place.pika().close()
            except (pika.exceptions.AMQPError, OSError):
                refused = True
        verdict("half-open-counts", refused)
        begun = time.monotonic()
        ended = all(peer.recv(64) == b"" for peer in idle)
        verdict("half-open-ends", ended and time.monotonic() - begun < 9, time.monotonic() - begun)
        connection = place.pika()
        verdict("half-open-is-over", there_and_back(connection))
        connection.close()
        idle.append(socket.create_connection(("127.0.0.1", place.port), timeout=10))
        time.sleep(0.2)
        took = place.own.stop()
        verdict("half-open-stop", took < 1.4, took)
    finally:
        for peer in idle:
            peer.close()
        if place.own.child.poll() is None:
            place.own.kill()


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="harefoot-tls-"))
    parts = {name: folder / name for name in ("node", "refused", "half")}
    for part in parts.values():
        part.mkdir()
    place = Place(parts["node"])
    programs = [
        ("amqplib", "node", HERE / "tls.js"),
        ("lapin", LAPIN),
        ("java", "java", "-cp", f"{JAVA}:/usr/share/java/amqp-client.jar:/usr/share/java/slf4j-api.jar:/usr/share/java/slf4j-nop.jar", "Tls"),
    ]
    try:
        place.own.start()
        steps = [lambda: curl(place), lambda: metrics(place), lambda: user(place), lambda: with_pika(place), lambda: external(place), lambda: greeting(place)]
        steps += [lambda one=one: program(place, *one) for one in programs]
        steps += [lambda: renewed(place), lambda: expiring(place)]
        for step in steps:
            try:
                step()
            except Exception as error:  # one check may fail in any way, and the next one must still run
                traceback.print_exc(limit=-3)
                verdict("(step)", False, f"{type(error).__name__} {error}")
        place.own.stop()
        refused(parts["refused"])
        half_open(parts["half"])
    except BrokerError as error:
        verdict("(broker)", False, error)
    finally:
        if place.own.child and place.own.child.poll() is None:
            place.own.kill()
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
