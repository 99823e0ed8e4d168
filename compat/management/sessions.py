"""Sessions by form, failed logins, and what browsers are told: of a broker of its own, by plain requests."""

import base64
import http.client
import json
import time
from collections.abc import Callable
from pathlib import Path

import pika

from drive.broker import Own, free_port

CONFIG = """
management.cors.allow_origins.1 = https://console.example
management.login_session_timeout = 30
"""
ANYBODY = "application/x-www-form-urlencoded"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class Asker:
    """Status, headers and body of single requests."""

    def __init__(self, port: int):
        self.port = port

    def ask(self, method: str, path: str, body: bytes | str | None = None, headers: dict[str, str] | None = None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request(method, f"/api/{path}", body, headers or {})
            answer = link.getresponse()
            text = answer.read()
            return answer.status, answer.headers, json.loads(text) if text else None
        finally:
            link.close()

    def log_in(self, password: str, user: str = "guest"):
        return self.ask("POST", "login", f"username={user}&password={password}", {"Content-Type": ANYBODY})


def by_form(asker: Asker, verdict: Callable) -> None:
    status, headers, body = asker.log_in("guest")
    cookie = headers.get("set-cookie", "")
    wanted = ("HttpOnly", "SameSite=Strict", "Max-Age=1800", "Path=/")
    verdict("login-by-form", (status, body) == (200, "ok") and all(one in cookie for one in wanted), (status, body, cookie))
    value = cookie.split(";")[0]
    opaque = "guest" not in cookie and base64.b64encode(b"guest:guest").decode() not in cookie
    verdict("login-cookie-says-nothing", opaque and "Secure" not in cookie, cookie)
    status, _, body = asker.ask("GET", "whoami", headers={"Cookie": value})
    verdict("login-cookie", status == 200 and body["name"] == "guest", (status, body))
    status, _, body = asker.ask("PUT", "queues/%2F/by-cookie", "{}", {"Cookie": value})
    verdict("login-cookie-acts", status == 201, (status, body))
    from_evil = {"Cookie": value, "Origin": "https://evil.example"}
    status, _, body = asker.ask("DELETE", "queues/%2F/by-cookie", headers=from_evil)
    verdict("login-cookie-of-another-site", status == 401 and "another site" in body["reason"], (status, body))
    status, headers, _ = asker.ask("DELETE", "login", headers={"Cookie": value})
    verdict("logout", status == 204 and "Max-Age=0" in headers["set-cookie"], (status, headers))
    status, headers, body = asker.ask("GET", "whoami", headers={"Cookie": value})
    over = (status, headers.get("www-authenticate")) == (401, None) and "session is over" in body["reason"]
    verdict("logout-is-for-good", over, (status, body))
    status, _, body = asker.log_in("wrong")
    verdict("login-wrong", (status, body["error"]) == (401, "not_authorized"), (status, body))
    verdict("login-empty", asker.ask("POST", "login")[0] == 401)
    verdict("login-get", asker.ask("GET", "login")[0] == 405)


def changed_password(asker: Asker, verdict: Callable) -> None:
    admin = basic("guest", "guest")
    asker.ask("PUT", "users/somebody", json.dumps({"password": "one", "tags": "management"}), admin)
    value = asker.log_in("one", "somebody")[1]["set-cookie"].split(";")[0]
    before = asker.ask("GET", "whoami", headers={"Cookie": value})[0]
    asker.ask("PUT", "users/somebody", json.dumps({"password": "two", "tags": "management"}), admin)
    verdict("a-changed-password-ends-sessions", (before, asker.ask("GET", "whoami", headers={"Cookie": value})[0]) == (200, 401))


def browsers(asker: Asker, verdict: Callable) -> None:
    _, headers, _ = asker.ask("GET", "overview", headers=basic("guest", "guest"))
    policy = headers["content-security-policy"]
    good = "frame-ancestors 'none'" in policy and "unsafe" not in policy and headers["x-content-type-options"] == "nosniff"
    verdict("headers", good and "server" not in headers and headers["x-frame-options"] == "DENY", headers)
    asked = {"Origin": "https://console.example", "Access-Control-Request-Headers": "authorization"}
    status, headers, _ = asker.ask("OPTIONS", "queues", headers=asked)
    allowed = [headers[f"access-control-allow-{one}"] for one in ("origin", "headers", "credentials")]
    verdict("cors-listed", status == 200 and allowed == ["https://console.example", "authorization", "true"], headers)
    _, headers, _ = asker.ask("OPTIONS", "queues", headers={"Origin": "https://evil.example"})
    verdict("cors-not-listed", "access-control-allow-origin" not in headers, headers)


def large(asker: Asker, verdict: Callable) -> None:
    status, _, body = asker.ask("PUT", "queues/%2F/large", b"x" * (1024 * 1024 + 1), basic("guest", "guest"))
    verdict("body-too-large", status == 413 and "1048576 bytes" in body["reason"], (status, body))
    status, _, body = asker.ask("POST", "definitions", b" " * (8 * 1024 * 1024) + b"{}", basic("guest", "guest"))
    verdict("body-of-definitions", status == 204, (status, body))
    status, _, body = asker.ask("POST", "definitions", b"x" * (50 * 1024 * 1024 + 1), basic("guest", "guest"))
    verdict("definitions-too-large", status == 413, (status, body))


def too_often(asker: Asker, broker: Own, verdict: Callable) -> None:
    """From the machine itself twenty failures are forgiven; then nobody looks at the password for a second."""
    wrong, right = basic("victim", "wrong"), basic("victim", "right")
    node = asker.ask("GET", "overview", headers=basic("guest", "guest"))[2]["node"]
    asker.ask("DELETE", f"auth/attempts/{node}", headers=basic("guest", "guest"))
    asker.ask("PUT", "users/victim", json.dumps({"password": "right", "tags": "management"}), basic("guest", "guest"))
    statuses = [asker.ask("GET", "whoami", headers=wrong)[0] for _ in range(21)]
    status, headers, body = asker.ask("GET", "whoami", headers=right)
    held = (statuses, status, headers.get("retry-after")) == ([401] * 21, 429, "1")
    verdict("too-many-failures", held and "too many failed logins" in body["reason"], (statuses, status, body))
    verdict("others-are-let-in", asker.ask("GET", "whoami", headers=basic("guest", "guest"))[0] == 200)

    def by_amqp() -> bool:
        login = pika.PlainCredentials("victim", "right")
        try:
            pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.port, credentials=login)).close()
            return True
        except pika.exceptions.ProbableAccessDeniedError:
            return True
        except pika.exceptions.ProbableAuthenticationError:
            return False

    asker.ask("GET", "whoami", headers=wrong)
    held_too = not by_amqp()
    time.sleep(1.2)
    verdict("too-many-failures-by-amqp", held_too and by_amqp())
    verdict("a-second-later", asker.ask("GET", "whoami", headers=right)[0] == 200)
    _, _, counts = asker.ask("GET", f"auth/attempts/{node}", headers=basic("guest", "guest"))
    of = {one["protocol"]: one for one in counts}
    good = of["http"]["auth_attempts_failed"] >= 23 and of["amqp091"]["auth_attempts_failed"] == 1
    verdict("attempts", good and of["http"]["auth_attempts"] > of["http"]["auth_attempts_failed"], counts)
    asker.ask("GET", "whoami", headers=wrong)
    _, _, sources = asker.ask("GET", f"auth/attempts/{node}/source", headers=basic("guest", "guest"))
    seen = [(one["remote_address"], one["username"], one["auth_attempts_failed"]) for one in sources]
    verdict("attempts-by-source", ("127.0.0.1", "victim", 1) in seen, sources)
    status, _, _ = asker.ask("GET", "auth/attempts/nobody@nowhere", headers=basic("guest", "guest"))
    verdict("attempts-of-no-node", status == 404)


def check(binary: Path, work: Path, verdict: Callable) -> None:
    folder = work / "sessions"
    folder.mkdir()
    (folder / "node.conf").write_text(CONFIG)
    broker = Own(binary, folder / "data", http=free_port(), log=folder / "log", config=folder / "node.conf")
    broker.start()
    asker = Asker(broker.http)
    try:
        by_form(asker, verdict)
        changed_password(asker, verdict)
        browsers(asker, verdict)
        large(asker, verdict)
        too_often(asker, broker, verdict)
    finally:
        broker.stop()
