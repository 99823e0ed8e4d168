"""Input that nobody means well with: names of every character, bodies and queries without measure."""

import http.client
import json
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

# Every character of Latin-1, with those that control; then one in so many of all there are, without the halves of pairs.
STEP = 1009
NAMES = [chr(code) for code in [*range(256), *range(256, 0x110000, STEP)] if unicodedata.category(chr(code)) != "Cs"]
MIB = 1024 * 1024
DEEP = 100_000


class Line:
    """One connection, on which one request follows another."""

    def __init__(self, port: int, headers: dict[str, str]):
        self.port, self.headers, self.link = port, headers, None

    def ask(self, method: str, path: str, body: bytes | None = None):
        """Status and JSON, or what came instead."""
        if self.link is None:
            self.link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            self.link.request(method, path, body, self.headers)
            answer = self.link.getresponse()
            text, ends = answer.read(), answer.will_close
        except (BrokenPipeError, ConnectionResetError):
            # The answer may be there although not everything was taken.
            self.link.close()
            self.link = None
            return 0, None
        if ends:
            self.link.close()
            self.link = None
        try:
            return answer.status, json.loads(text) if text else None
        except ValueError:
            return answer.status, text


def names(line: Line) -> list:
    """A queue of each name is made and comes back by this name, or is refused with a sentence."""
    wrong = []
    for character in NAMES:
        name = f"a{character}b"
        path = f"/api/queues/%2F/{quote(name, safe='')}"
        status, said = line.ask("PUT", path, b"{}")
        if status in (201, 204):
            shown = line.ask("GET", path)
            gone = line.ask("DELETE", path)
            # RabbitMQ: ends of lines are dropped.
            if character not in "\r\n" and (shown[0], shown[1].get("name"), gone[0]) != (200, name, 204):
                wrong.append((name, status, shown, gone))
        elif status != 400 or not said["reason"]:
            wrong.append((name, status, said))
    return wrong


def paths(line: Line) -> list:
    """Paths that are no text, and names that are too long."""
    asked = ["%FF", "%C0%AF", "%ED%A0%80", "a" * 256, quote("ü" * 128), "a" * 60_000]
    answers = [(path[:20], *line.ask("PUT", f"/api/queues/%2F/{path}", b"{}")) for path in asked]
    answers += [(path[:20], *line.ask("GET", f"/api/{path}")) for path in ("x/" * 1000, "%2F" * 1000)]
    return [answer for answer in answers if not 400 <= answer[1] < 500]


def bodies(line: Line) -> list:
    """Each is refused, in a sentence where there is JSON to say it in."""
    deep = b'{"arguments":' + b'{"a":' * DEEP + b"1" + b"}" * (DEEP + 1)
    shallow = b'{"arguments":{"a":' + b"[" * 100 + b"]" * 100 + b"}}"
    wrong_types = [b"[]", b"1", b"null", b'"a"', b'{"durable":[]}', b'{"auto_delete":3}', b'{"arguments":7}', b'{"arguments":[1,2]}']
    texts = [b"{", b"\xff", b'{"a":\xff}', b'{"a":1}{"a":1}', b"\x00", b'{"a":1e999999}', deep, shallow, *wrong_types]
    answers = [(text[:30], *line.ask("PUT", "/api/queues/%2F/hostile", text)) for text in texts]
    answers.append(("10 MB", *line.ask("PUT", "/api/queues/%2F/hostile", b'{"a":"' + b"x" * (10 * MIB) + b'"}')))
    return [answer for answer in answers if answer[1] not in (0, 400, 413) or (answer[1] and not answer[2]["reason"])]


def queries(line: Line) -> list:
    """As many columns as there is place for, and more."""
    columns = [",".join(["name"] * 10_000), ",".join(["name"] * 100_000), ".".join(["a"] * 100_000)]
    asked = [f"queues?columns={text}" for text in columns]
    asked += ["queues?page=1&use_regex=true&name=" + quote(regex) for regex in ("(", "(a{1000}){1000}", "[" * 5000, "\\p{X}")]
    asked += [f"queues?page={page}&page_size={size}" for page, size in (("-1", "1"), ("1", "501"), ("9" * 30, "1"), ("1", "x"), ("\u0660", "1"))]
    answers = [(query[:40], *line.ask("GET", "/api/" + quote(query, safe="/?=&%,.-"))) for query in asked]
    # Samples are as many as there are, whatever is asked for.
    ages = [("1", "0"), ("-1", "-1"), (str(10**18), "1"), ("1", str(10**18))]
    for age, step in ages:
        status, said = line.ask("GET", f"/api/overview?msg_rates_age={age}&msg_rates_incr={step}")
        if status not in (200, 400) or len(json.dumps(said)) > MIB:
            answers.append((f"age {age}, step {step}", 200, said))
    return [answer for answer in answers if not 400 <= answer[1] < 500]


def check(port: int, headers: dict[str, str], verdict: Callable) -> None:
    line = Line(port, headers)
    for part in names, paths, bodies, queries:
        wrong = part(line)
        verdict(f"hostile-{part.__name__}", not wrong, wrong)
