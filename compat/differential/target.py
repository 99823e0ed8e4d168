"""Where scripts are played: a vhost of its own on a running RabbitMQ for each, or a process of ours on a fresh data folder."""

import base64
import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from drive.broker import Own
from play import Place
from script import Script, User

HTTP_SECONDS = 30


class Rabbit:
    """A RabbitMQ with its management API, which is looked for 10000 ports higher. Every script gets a fresh vhost."""

    def __init__(self, uri: str, number: int):
        parts = urlsplit(uri)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 5672
        self.user, self.password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        self.number, self.count, self.place = number, 0, None

    def http(self, verb: str, path: str, body: object) -> tuple[int, str]:
        """The status, and the reason where there is one."""
        request = urllib.request.Request(f"http://{self.host}:{self.port + 10000}{path}", method=verb)
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode())
        request.add_header("Content-Type", "application/json")
        sent = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, sent, HTTP_SECONDS) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            try:
                return error.code, str(json.loads(error.read()).get("reason", ""))
            except ValueError:
                return error.code, ""

    def enter(self, script: Script) -> Place:
        self.count += 1
        vhost = f"differential-{os.getpid()}-{self.number}-{self.count}"
        self.must("PUT", f"/api/vhosts/{vhost}", {})
        if user := script.user:
            self.must("PUT", f"/api/users/{user.name}", {"password": user.name, "tags": user.tags})
            self.permit(vhost, user)
        self.permit(vhost, User(self.user))
        self.place = Place(self.host, self.port, vhost.encode(), self.user.encode(), self.password.encode(), self.http)
        return self.place

    def permit(self, vhost: str, user: User) -> None:
        rights = {"configure": user.configure, "write": user.write, "read": user.read}
        self.must("PUT", f"/api/permissions/{vhost}/{user.name}", rights)

    def must(self, verb: str, path: str, body: object) -> None:
        status, reason = self.http(verb, path, body)
        if status >= 300:
            raise OSError(f"{verb} {path}: {status} {reason}")

    def leave(self) -> None:
        self.must("DELETE", f"/api/vhosts/{self.place.vhost.decode()}", None)

    def close(self) -> None:
        """Nothing is kept between scripts."""


class Harefoot:
    """The built binary, started when it is first needed and again after a script that broke it or one with a user of its own."""

    def __init__(self, binary: Path, log: Path):
        self.binary, self.log = binary, log
        self.own: Own | None = None
        self.folder = ""
        self.user: User | None = None

    def enter(self, script: Script) -> Place:
        if self.own and (self.own.child.poll() is not None or self.user != script.user):
            self.close()
        if not self.own:
            self.folder, self.user = tempfile.mkdtemp(prefix="harefoot-differential-"), script.user
            config = Path(self.folder) / "rabbitmq.conf"
            config.write_text(configuration(script.user), encoding="utf-8")
            self.own = Own(self.binary, Path(self.folder) / "data", log=self.log, config=config)
            self.own.start()
        return Place(self.own.host, self.own.port)

    def leave(self) -> None:
        """The same process serves the next script."""

    def close(self) -> None:
        if self.own:
            try:
                if self.own.child.poll() is None:
                    self.own.stop()
            finally:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.own = None


def configuration(user: User | None) -> str:
    """The lines that give the data folder its user; another than guest may log in from here too."""
    if user is None:
        return ""
    lines = [f"default_user = {user.name}", f"default_pass = {user.name}"]
    lines += [f"default_permissions.{kind} = {getattr(user, kind)}" for kind in ("configure", "write", "read")]
    lines += [f"default_user_tags.{tag} = true" for tag in user.tags.split(",") if tag]
    return "\n".join(lines) + "\n"
