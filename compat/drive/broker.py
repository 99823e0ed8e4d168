"""The broker under test: a process of ours per client on a fresh data folder, or one that already runs elsewhere.

Invariant: a process started here is ended here, by its own id, and must exit 0 on SIGTERM within `STOP_SECONDS`.
"""

import contextlib
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .authority import furnish

START_SECONDS = 20
STOP_SECONDS = 15
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


class BrokerError(Exception):
    """The broker did not start, did not stop, or stopped in the wrong way."""


def free_port() -> int:
    """A port that nothing listens on now, and that the system gives to nobody for an outgoing connection."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return probe.getsockname()[1]


def has_ipv6() -> bool:
    """Whether this machine has ::1."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


def answers(host: str, port: int) -> bool:
    """True when connection.start comes back."""
    try:
        with socket.create_connection((host, port), timeout=2) as peer:
            peer.sendall(PROTOCOL_HEADER)
            return peer.recv(1) == b"\x01"
    except OSError:
        return False


class Own:
    """A `harefoot` process. `kill` and `start` may alternate on the same data folder; `stop` is the clean end."""

    def __init__(
        self, binary: Path, data: Path, port: int = 0, log: Path | None = None, config: Path | None = None, http: int = 0
    ):
        self.binary, self.data, self.log, self.config, self.http = binary, data, log, config, http
        self.host, self.port = "127.0.0.1", port or free_port()
        # Where metrics are served; 0: nowhere.
        self.metrics = 0
        self.child: subprocess.Popen | None = None

    def start_only(self) -> None:
        """Starts the process and does not wait for it."""
        command = [
            str(self.binary), "serve", "--data-dir", str(self.data), "--listen", f"{self.host}:{self.port}",
            "--management-listen", f"{self.host}:{self.http}" if self.http else "none", "--metrics-listen", f"{self.host}:{self.metrics}" if self.metrics else "none", *(["--listen", f"[::1]:{self.port}"] if has_ipv6() else []),
            *(["--config", str(self.config)] if self.config else []),
        ]
        with open(self.log or os.devnull, "ab") as out:
            self.child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def start(self) -> float:
        """Starts the process and returns after how many seconds it answered."""
        if answers(self.host, self.port):
            # Else it would be what the client talks to.
            raise BrokerError(f"something else listens on port {self.port}")
        begun = time.monotonic()
        self.start_only()
        while time.monotonic() - begun < START_SECONDS:
            if self.child.poll() is not None:
                raise BrokerError(f"the broker ended with {self.child.returncode} at start{self.tail()}")
            if answers(self.host, self.port):
                return time.monotonic() - begun
            time.sleep(0.01)
        self.kill()
        raise BrokerError(f"the broker did not answer within {START_SECONDS} s{self.tail()}")

    def kill(self) -> None:
        """SIGKILL: nothing is flushed."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()

    def stop(self) -> float:
        """SIGTERM, then the exit code is checked; returns how many seconds it took."""
        if self.child is None:
            return 0.0
        if self.child.poll() is not None:
            raise BrokerError(f"the broker had ended by itself with {self.child.returncode}{self.tail()}")
        begun = time.monotonic()
        self.child.send_signal(signal.SIGTERM)
        try:
            code = self.child.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerError(f"the broker did not stop within {STOP_SECONDS} s of SIGTERM{self.tail()}") from None
        if code != 0:
            raise BrokerError(f"the broker exited {code} on SIGTERM{self.tail()}")
        return time.monotonic() - begun

    def tail(self) -> str:
        """The last lines of its log, for a message."""
        if self.log is None or not self.log.exists():
            return ""
        lines = self.log.read_text(errors="replace").splitlines()[-8:]
        return "".join(f"\n    | {line}" for line in lines)


class Forward:
    """Carries bytes from a fixed local port to the broker, for suites that cannot be told a port."""

    def __init__(self, port: int, target: tuple[str, int]):
        self.target = target
        self.listeners = [socket.create_server(("127.0.0.1", port), backlog=512)]
        if has_ipv6():
            self.listeners.append(socket.create_server(("::1", port), family=socket.AF_INET6, backlog=512))
        for listener in self.listeners:
            threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self.target, timeout=5)
                far.settimeout(None)
            except OSError:
                if listener.fileno() < 0:
                    return
                continue
            threading.Thread(target=carry, args=(near, far), daemon=True).start()

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()


def carry(near: socket.socket, far: socket.socket) -> None:
    """Both directions of one connection; ends when either side does."""
    try:
        with near, far:
            while True:
                ready, _, _ = select.select([near, far], [], [])
                for source in ready:
                    chunk = source.recv(65536)
                    if not chunk:
                        return
                    (far if source is near else near).sendall(chunk)
    except OSError:
        return


@dataclass(frozen=True)
class Tls:
    """How a suite wants its broker to speak TLS: the folder for certificates, whether clients need one, the port (0: any)."""

    certificates: Path
    certificate_wanted: bool
    port: int


class Session:
    """The broker for one client, as a context: our own process, or the one that `--broker` names."""

    def __init__(self, binary: Path, uri: str, port: int, log: Path, tls: Tls | None = None, http: int = 0):
        self.tls, self.tls_port, self.http = tls, 0, http
        self.uri, self.wanted_port, self.log, self.binary = uri, port, log, binary
        self.own: Own | None = None
        self.forward: Forward | None = None
        self.folder = ""
        self.user, self.password, self.host, self.port, self.vhost = "guest", "guest", "127.0.0.1", 0, "/"

    def __enter__(self) -> "Session":
        if self.uri:
            parts = urlsplit(self.uri)
            self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 5672
            self.user, self.password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
            if self.wanted_port and self.port != self.wanted_port:
                self.forward = Forward(self.wanted_port, (self.host, self.port))
                self.host, self.port = "127.0.0.1", self.wanted_port
        else:
            self.folder = tempfile.mkdtemp(prefix="harefoot-compat-")
            config = None
            if self.tls:
                self.tls_port, config = self.tls.port or free_port(), Path(self.folder) / "node.conf"
                config.write_text(furnish(self.tls.certificates, self.tls_port, self.tls.certificate_wanted))
            self.own = Own(self.binary, Path(self.folder) / "data", self.wanted_port, self.log, config, self.http)
            try:
                self.own.start()
            except BrokerError:
                shutil.rmtree(self.folder, ignore_errors=True)
                raise
            self.port = self.own.port
        return self

    def __exit__(self, *_ended: object) -> None:
        try:
            if self.own:
                self.own.stop()
        finally:
            if self.forward:
                self.forward.close()
            if self.folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    def variables(self) -> dict[str, str]:
        """How a client learns where the broker is."""
        return {
            "AMQP_URI": f"amqp://{self.user}:{self.password}@{self.host}:{self.port}/%2F",
            "AMQP_HOST": self.host, "AMQP_PORT": str(self.port), "AMQP_VHOST": self.vhost,
            "AMQP_USER": self.user, "AMQP_PASSWORD": self.password, "AMQPS_PORT": str(self.tls_port),
        }
