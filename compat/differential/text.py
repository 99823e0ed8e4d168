"""How the values of the protocol are written in the scripts, both ways.

    word  "any \\xff bytes"  "x"*300  5            strings of methods and properties (numbers where the argument is one)
    {key=word, n=5, d=d:1.5, on=true, nothing=void, list=[1, "two"], inner={a=b}}        a table: a bare number is I, a word is S
    l:5 s:5 b:5 B:5 u:5 i:5 L:5 f:1.5 d:1.5 T:5 D:2:314 x:"bytes"                          the other types, by their tags
"""

import hashlib
import re
import time

from wire import PROPERTIES, SPECS, WITH_CONTENT, Method, WireError

_WORD = re.compile(rb"[A-Za-z_$#*][A-Za-z0-9_.$#*/-]*")
_NUMBER = re.compile(r"-?\d+")
_RESERVED = {b"true", b"false", b"void"}
_FLOATS = {b"f", b"d"}
SHOWN_MAX = 300
NOW_SECONDS = 60
_KINDS = {name: dict(spec.arguments) for name, spec in SPECS.items()}
_PROPERTY_KINDS = dict(PROPERTIES)


class TextError(Exception):
    """A script that says nothing the protocol has."""


class Parser:
    """Reads one line from left to right."""

    def __init__(self, line: str):
        self.line, self.at = line, 0

    def fail(self, what: str) -> None:
        raise TextError(f"{what} at …{self.line[self.at : self.at + 30]!r} in {self.line!r}")

    def skip(self) -> None:
        while self.at < len(self.line) and self.line[self.at] in " ,":
            self.at += 1

    def is_at_end(self) -> bool:
        self.skip()
        return self.at >= len(self.line)

    def take(self, pattern: str) -> str | None:
        if found := re.compile(pattern).match(self.line, self.at):
            self.at = found.end()
            return found[0]
        return None

    def string(self) -> bytes:
        """A quoted or bare string, perhaps repeated."""
        if quoted := self.take(r'"(?:[^"\\]|\\.)*"'):
            value = unquote(quoted[1:-1])
        elif bare := self.take(r"[^\s,\]}=\"{\[*]+"):
            value = bare.encode()
        else:
            self.fail("no string")
        if times := self.take(r"\*\d+"):
            value *= int(times[1:])
        return value

    def value(self) -> tuple:
        """A value of a table."""
        if self.take(r"\{"):
            return b"F", self.entries()
        if self.take(r"\["):
            items = []
            while not self.take(r"\]"):
                items.append(self.value())
                self.skip()
            return b"A", items
        if tag := self.take(r"[bBsuIilLfdTDSxt]:"):
            return self.tagged(tag[0].encode())
        if number := self.take(r"-?\d+(?=[\s,\]}]|$)"):
            return b"I", int(number)
        is_quoted = self.line.startswith('"', self.at)
        word = self.string()
        if not is_quoted and word in _RESERVED:
            return (b"V", None) if word == b"void" else (b"t", int(word == b"true"))
        return b"S", word

    def tagged(self, tag: bytes) -> tuple:
        if tag in (b"S", b"x"):
            return tag, self.string()
        if tag == b"D":
            scale, number = self.take(r"\d+:\d+").split(":")
            return tag, (int(scale), int(number))
        if tag == b"T" and self.take("now"):
            return tag, int(time.time())
        number = self.take(r"-?[\d.]+(e-?\d+)?")
        return tag, float(number) if tag in _FLOATS else int(number)

    def entries(self) -> list:
        """A table after its opening brace."""
        entries = []
        self.skip()
        while not self.take(r"\}"):
            key = self.string()
            if not self.take("="):
                self.fail("no =")
            entries.append((key, self.value()))
            self.skip()
        return entries

    def argument(self, kind: str) -> object:
        if kind == "table":
            if not self.take(r"\{"):
                self.fail("no table")
            return self.entries()
        if kind in ("short", "long"):
            return self.string()
        number = self.take(_NUMBER.pattern) or self.take("now")
        if number is None:
            self.fail("no number")
        return int(time.time()) if number == "now" else int(number)

    def pairs(self, kinds: dict[str, str]) -> dict[str, object]:
        """`name=value` and bare names of bits up to the end of the line."""
        values: dict[str, object] = {}
        while not self.is_at_end():
            name = self.take(r"[a-z-]+")
            if name not in kinds:
                self.fail(f"no argument {name}")
            values[name] = self.argument(kinds[name]) if self.take("=") else 1
        return values


def unquote(text: str) -> bytes:
    """`\\n`, `\\xff`, `\\"` and so on to bytes."""
    return text.encode().decode("unicode_escape").encode("latin-1") if text.isascii() else text.encode()


def parse_method(name: str, rest: str) -> Method:
    """A method with its arguments and, behind them, properties and body."""
    if name not in SPECS:
        raise TextError(f"no method {name}")
    kinds = {**_KINDS[name], **({**_PROPERTY_KINDS, "body": "long"} if name in WITH_CONTENT else {})}
    values = Parser(rest).pairs(kinds)
    own = {key: value for key, value in values.items() if key in _KINDS[name]}
    method = Method(name, own)
    if name in WITH_CONTENT:
        method.properties = [(key, values[key]) for key, _ in PROPERTIES if key in values and key not in own]
        method.body = values.get("body", b"")
    return method


def show_string(value: bytes, is_alone: bool = False) -> str:
    """Bare if that reads back as the same string; long ones by length and digest."""
    if len(value) > 8 and len(set(value)) == 1:
        return f"{show_string(value[:1], True)}*{len(value)}"
    if len(value) > SHOWN_MAX:
        return f'"{show_bytes(value[:16])}…{len(value)} bytes, sha1 {hashlib.sha1(value).hexdigest()[:12]}"'
    if not is_alone and _WORD.fullmatch(value) and value not in _RESERVED and not value[1:2] == b":":
        return value.decode()
    return f'"{show_bytes(value)}"'


def show_bytes(value: bytes) -> str:
    escaped = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r"}
    return "".join(escaped.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in value)


def show_time(value: int) -> str:
    return "now" if abs(value - time.time()) < NOW_SECONDS else str(value)


def show_value(value: tuple) -> str:
    tag, inside = value
    if tag == b"S":
        return show_string(inside)
    if tag == b"I":
        return str(inside)
    if tag == b"t":
        return "true" if inside else "false"
    if tag == b"V":
        return "void"
    if tag == b"F":
        return show_table(inside)
    if tag == b"A":
        return f"[{', '.join(show_value(item) for item in inside)}]"
    if tag == b"x":
        return f"x:{show_string(inside, True)}"
    if tag == b"D":
        return f"D:{inside[0]}:{inside[1]}"
    return f"{tag.decode()}:{show_time(inside) if tag == b'T' else inside}"


def show_table(entries: list) -> str:
    return "{" + ", ".join(f"{show_string(key)}={show_value(value)}" for key, value in entries) + "}"


def show_argument(name: str, kind: str, value: object) -> str:
    if kind == "bit":
        return name
    if name == "mechanisms":
        # RabbitMQ has no order of its own among them.
        value = b" ".join(sorted(value.split()))
    if kind in ("short", "long"):
        return f"{name}={show_string(value)}"
    if kind == "table":
        # What the server says of itself is not for comparing, but which words it says is.
        is_itself = name == "server-properties"
        return f"{name}={show_table([(key, (b'S', b'*') if is_itself and one[0] == b'S' else one) for key, one in value])}"
    return f"{name}={show_time(value) if name == 'timestamp' else value}"


def show_method(method: Method) -> str:
    """Arguments that are zero, empty or false are left out; properties are shown whenever they are there."""
    words = [method.name]
    words += [show_argument(name, kind, method.arguments[name]) for name, kind in SPECS[method.name].arguments if method.arguments[name]]
    if method.properties is not None:
        for name, value in method.properties:
            # A broker may sort headers.
            words.append(show_argument(name, _PROPERTY_KINDS[name], sorted(value) if name == "headers" else value))
        words.append(f"body={show_string(method.body, True)}")
        if len(method.pieces) > 1:
            words.append(f"frames={'+'.join(map(str, method.pieces))}")
    return " ".join(words)


__all__ = ["Parser", "TextError", "WireError", "parse_method", "show_bytes", "show_method", "show_string", "show_table", "unquote"]
