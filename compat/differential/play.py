"""Plays one script against a broker and says what was answered to each step, normalised.

Normalised are: names that the broker makes (`$gen1`, `$ctag1`, `$reply1` by their first appearance), times within a minute of now
(`now`), the vhost (`/`), the order of headers of a message (a broker may sort them), how many publishes one confirm covers, and the
order between replies, deliveries and confirms.
"""

import json
import re
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import text
import wire
from link import CAPABILITIES, CONFIRM, Event, Link, Lost, start_ok
from script import Line, Script, Step, seconds
from wire import Method

ANSWER_SECONDS = 5.0
RECORD_SECONDS = 15.0
PUMP_SECONDS = 0.02
_GENERATED = [
    ("gen", re.compile(r"amq\.gen-[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])")),
    ("ctag", re.compile(r"amq\.ctag-[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])")),
    ("reply", re.compile(r"amq\.rabbitmq\.reply-to\.[A-Za-z0-9+/=_.-]{20,}")),
]
_QUOTED = re.compile(r'"(\$(?:gen|ctag|reply)\d+)"')
_VARIABLE = re.compile(rb"\$[a-z]+\d*")
_DECLARED = {"queue.declare": ("queue", "queue"), "exchange.declare": ("exchange", "exchange")}


@dataclass
class Place:
    """A broker to play against. `http` takes method, path and body, and gives the status and the reason."""

    host: str
    port: int
    vhost: bytes = b"/"
    user: bytes = b"guest"
    password: bytes = b"guest"
    http: Callable[[str, str, object], tuple[int, str]] | None = None


class Names:
    """Names made by the broker, and what the script calls them."""

    def __init__(self, vhost: bytes):
        self.vhost = vhost
        self.real: dict[str, str] = {}

    def hide(self, line: str) -> str:
        for stem, pattern in _GENERATED:
            line = pattern.sub(lambda found, stem=stem: self.name(stem, found[0]), line)
        # Whether a generated name has to stand in quotes depends on its letters.
        line = _QUOTED.sub(r"\1", line)
        if self.vhost != b"/":
            line = line.replace(self.vhost.decode(), "/")
        return line

    def name(self, stem: str, real: str) -> str:
        for name, known in self.real.items():
            if known == real:
                return name
        count = sum(name.startswith(f"${stem}") for name in self.real)
        self.real[f"${stem}{count + 1}"] = real
        return f"${stem}{count + 1}"

    def fill(self, value: object) -> object:
        """Puts the real names into what is to be sent."""
        if isinstance(value, bytes):
            return _VARIABLE.sub(lambda found: self.known(found[0]), value)
        if isinstance(value, (tuple, list)):
            return type(value)(self.fill(item) for item in value)
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return value

    def known(self, name: bytes) -> bytes:
        if name == b"$vhost":
            return self.vhost
        return self.real[name.decode()].encode() if name.decode() in self.real else name


class Player:
    """The links of one run of one script. `is_recording` waits for silence, else for the answers that are wanted."""

    def __init__(self, script: Script, place: Place, is_recording: bool, patience: float = ANSWER_SECONDS):
        self.script, self.place, self.is_recording, self.patience = script, place, is_recording, patience
        self.links: dict[str, Link] = {}
        self.names = Names(place.vhost)
        self.events: list[Event] = []
        self.made: list[tuple[str, bytes]] = []
        self.http_paths: list[str] = []

    # One step.

    def step(self, step: Step) -> list[str]:
        """Sends it and returns the answers."""
        self.events = []
        out: dict[str, bytes] = {}
        pause = 0.0
        for line in step.lines:
            if line.verb in ("sleep", "await"):
                pause = max(pause, seconds(line.rest) if line.verb == "sleep" or self.is_recording else 0.0)
            elif line.verb == "http":
                self.http(line)
            else:
                data = self.encode(line)
                out[line.link] = out.get(line.link, b"") + data
        for letter, data in out.items():
            if data:
                self.links[letter].send(data)
        for line in step.lines:
            if line.verb == "eof":
                self.links.pop(line.link).drop()
        wait = max([seconds(line.rest) for line in step.lines if line.verb in ("sleep", "await")], default=0.0)
        self.collect()
        self.wait(len(step.wanted()), pause, wait)
        return self.answers()

    def encode(self, line: Line) -> bytes:
        """The bytes of a step's line; connecting and logging in happen here."""
        if line.verb == "connect":
            self.links[line.link] = Link(line.link, (self.place.host, self.place.port), is_raw=True)
            return b""
        if line.verb in ("start", "tuned"):
            self.start(line)
            return b""
        if line.verb == "login":
            self.log_in(line.link, line.rest)
            return b""
        link = self.link(line.link)
        if line.verb in ("bytes", "header"):
            return self.names.fill(text.Parser(line.rest).string())
        if line.verb == "eof":
            return b""
        if line.verb == "heartbeat":
            return wire.frame(wire.HEARTBEAT, line.channel if line.channel != 1 else 0, b"")
        if line.verb == "body":
            return wire.frame(wire.BODY, line.channel, text.Parser(line.rest).string())
        if line.verb == "frame":
            values = text.Parser(line.rest).pairs({"type": "octet", "payload": "long"})
            return wire.frame(values["type"], line.channel, values.get("payload", b""))
        if line.verb == "content":
            values = text.Parser(line.rest).pairs({"class": "u16", "weight": "u16", "size": "u64", **dict(wire.PROPERTIES)})
            properties = [(name, values[name]) for name, _ in wire.PROPERTIES if name in values]
            header = wire.encode_header(values.get("size", 0), properties, values.get("class", 60), values.get("weight", 0))
            return wire.frame(wire.HEADER, line.channel, header)
        is_bare = line.verb == "bare"
        name, _, rest = line.rest.partition(" ") if is_bare else (line.verb, "", line.rest)
        method = text.parse_method(name, rest)
        method.arguments = self.names.fill(method.arguments)
        method.properties = self.names.fill(method.properties)
        if name in _DECLARED and not method.arguments.get("passive"):
            what, argument = _DECLARED[name]
            self.made.append((what, method.arguments.get(argument, b"")))
        return link.method(line.channel, method, is_bare)

    def link(self, letter: str) -> Link:
        """The link of this letter, which logs in when it is first used."""
        if letter not in self.links or not self.links[letter].is_alive:
            self.log_in(letter, "")
        return self.links[letter]

    def log_in(self, letter: str, rest: str) -> None:
        kinds = {"user": "short", "password": "short", "vhost": "short", "channel-max": "u16", "frame-max": "u32", "heartbeat": "u16", "plain": "bit"}
        given = text.Parser(rest).pairs(kinds)
        user = given.pop("user", self.script.user.name.encode() if self.script.user else self.place.user)
        password = given.pop("password", user)
        vhost = self.names.fill(given.pop("vhost", b"$vhost"))
        capabilities = [] if given.pop("plain", 0) else CAPABILITIES
        link = Link(letter, (self.place.host, self.place.port), is_raw=False)
        self.links[letter] = link
        try:
            link.log_in(vhost, user, password, given, capabilities)
        except Lost as lost:
            link.put(0, 0, str(lost))
            link.drop()

    def start(self, line: Line) -> None:
        """A raw link that has been greeted, or logged in up to `tune`, neither of which is shown."""
        link = self.links[line.link] = Link(line.link, (self.place.host, self.place.port), is_raw=True)
        link.send(wire.PROTOCOL_HEADER)
        link.request(0, None, "connection.start")
        if line.verb == "tuned":
            link.request(0, start_ok(self.place.user, self.place.password, CAPABILITIES), "connection.tune")

    def http(self, line: Line) -> None:
        """`http PUT /api/policies/$vhost/p {"pattern": "^q$", …}`"""
        verb, _, rest = line.rest.partition(" ")
        path, _, body = rest.partition(" ")
        if self.place.http is None:
            answer = "http (there is no HTTP API)"
        else:
            quoted = self.place.vhost.decode().replace("/", "%2F")
            status, reason = self.place.http(verb, path.replace("$vhost", quoted), json.loads(body) if body else None)
            answer = f"http {status}" + (f" {reason}" if status >= 400 else "")
            if verb == "PUT" and status < 300 and path not in self.http_paths:
                self.http_paths.append(path.replace("$vhost", quoted))
        self.events.append(Event("a", 1, -1, answer))

    # Waiting.

    def wait(self, wanted: int, pause: float, patience: float) -> None:
        """Until the step is over: its pause, all that must come and, when recording, silence; when checking, what is wanted."""
        begun = time.monotonic()
        limit = begun + patience + (RECORD_SECONDS if self.is_recording else self.patience)
        while not self.is_over(begun, wanted, pause) and time.monotonic() < limit:
            self.pump()

    def is_over(self, begun: float, wanted: int, pause: float) -> bool:
        now = time.monotonic()
        if now < begun + pause or not all(link.is_settled() for link in self.links.values()):
            return False
        if self.is_recording:
            return now - max([begun, *(link.last for link in self.links.values())]) > self.script.quiet
        return len(self.events) >= wanted

    def pump(self) -> None:
        sockets = {link.socket: link for link in self.links.values() if link.is_alive}
        if sockets:
            for ready in select.select(list(sockets), [], [], PUMP_SECONDS)[0]:
                sockets[ready].receive()
        else:
            time.sleep(PUMP_SECONDS)
        self.collect()

    def collect(self) -> None:
        for link in self.links.values():
            self.events += link.events
            link.events = []

    def answers(self) -> list[str]:
        """The events of the step in the order in which they are shown."""
        def place(event: Event) -> tuple:
            return event.link, event.channel, event.group

        shown = []
        for _, events in groupby(sorted(self.events, key=place), key=place):
            shown += in_order(list(events))
        return [self.names.hide(f"{prefix(event)}{event.text}") for event in shown]

    # The whole script.

    def play(self) -> list[list[str]]:
        """All answers, step by step; when checking, it ends at the first that is not what was wanted."""
        answers = []
        try:
            for step in self.script.steps:
                answers.append(self.step(step))
                if not self.is_recording and answers[-1] != step.wanted():
                    return answers
            self.events = []
            self.flush()
            if self.events:
                answers.append(self.answers())
        finally:
            self.clean()
        return answers

    def flush(self) -> None:
        """What comes although nothing more was wanted."""
        for link in self.links.values():
            if link.is_alive and not link.is_raw:
                for number, channel in link.channels.items():
                    if channel.is_open:
                        channel.hidden.append("channel.flow-ok")
                        link.send(wire.frame(wire.METHOD, number, wire.encode_method(Method("channel.flow", {"active": 1}))))
        self.wait(0, 0.0, 0.0)

    def clean(self) -> None:
        """Leaves the broker as it was."""
        for link in self.links.values():
            link.log_out()
        for path in reversed(self.http_paths):
            self.place.http("DELETE", path, None)
        made = [(what, name) for what, name in self.made if name and not name.startswith(b"amq.")]
        made += [("queue", real.encode()) for name, real in self.names.real.items() if name.startswith("$gen")]
        if not made:
            return
        self.script = Script("", "clean")
        for what, name in dict.fromkeys(made):
            link = self.link("z")
            link.send(link.method(1, Method(f"{what}.delete", {what: name})))
            self.wait(0, 0.0, 0.0)
        self.links["z"].log_out()


def prefix(event: Event) -> str:
    return "" if (event.link, event.channel) == ("a", 1) else f"{event.link}.{event.channel} "


def in_order(events: list[Event]) -> list[Event]:
    """Runs of confirms by number: the order among them is the broker's business, that to returns is not."""
    if not events or events[0].group != CONFIRM:
        return events
    ordered = []
    for is_confirm, run in groupby(events, key=lambda event: event.number > 0):
        ordered += sorted(run, key=lambda event: event.number) if is_confirm else run
    return ordered
