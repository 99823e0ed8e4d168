"""AMQP 0-9-1 on the wire: frames and methods made of plain values and taken apart into them; nothing is hidden or repaired.

A method is its name and an ordered list of (argument, value). Strings are bytes; a value of a table is (type tag, value); a table is
a list of (key, value), so that order and types stay as they came.
"""

import struct
import sys
from dataclasses import dataclass, field

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

# id, name, arguments with their types; `$` marks the requests that are answered unless `nowait` is set.
_METHODS = """
10.10 connection.start version-major:octet version-minor:octet server-properties:table mechanisms:long locales:long
10.11 connection.start-ok client-properties:table mechanism:short response:long locale:short
10.20 connection.secure challenge:long
10.21 connection.secure-ok response:long
10.30 connection.tune channel-max:u16 frame-max:u32 heartbeat:u16
10.31 connection.tune-ok channel-max:u16 frame-max:u32 heartbeat:u16
10.40 $connection.open virtual-host:short capabilities:short insist:bit
10.41 connection.open-ok known-hosts:short
10.50 $connection.close reply-code:u16 reply-text:short class-id:u16 method-id:u16
10.51 connection.close-ok
10.60 connection.blocked reason:short
10.61 connection.unblocked
10.70 $connection.update-secret new-secret:long reason:short
10.71 connection.update-secret-ok
20.10 $channel.open out-of-band:short
20.11 channel.open-ok channel-id:long
20.20 $channel.flow active:bit
20.21 channel.flow-ok active:bit
20.40 $channel.close reply-code:u16 reply-text:short class-id:u16 method-id:u16
20.41 channel.close-ok
30.10 $access.request realm:short exclusive:bit passive:bit active:bit write:bit read:bit
30.11 access.request-ok ticket:u16
40.10 $exchange.declare ticket:u16 exchange:short type:short passive:bit durable:bit auto-delete:bit internal:bit nowait:bit arguments:table
40.11 exchange.declare-ok
40.20 $exchange.delete ticket:u16 exchange:short if-unused:bit nowait:bit
40.21 exchange.delete-ok
40.30 $exchange.bind ticket:u16 destination:short source:short routing-key:short nowait:bit arguments:table
40.31 exchange.bind-ok
40.40 $exchange.unbind ticket:u16 destination:short source:short routing-key:short nowait:bit arguments:table
40.51 exchange.unbind-ok
50.10 $queue.declare ticket:u16 queue:short passive:bit durable:bit exclusive:bit auto-delete:bit nowait:bit arguments:table
50.11 queue.declare-ok queue:short message-count:u32 consumer-count:u32
50.20 $queue.bind ticket:u16 queue:short exchange:short routing-key:short nowait:bit arguments:table
50.21 queue.bind-ok
50.30 $queue.purge ticket:u16 queue:short nowait:bit
50.31 queue.purge-ok message-count:u32
50.40 $queue.delete ticket:u16 queue:short if-unused:bit if-empty:bit nowait:bit
50.41 queue.delete-ok message-count:u32
50.50 $queue.unbind ticket:u16 queue:short exchange:short routing-key:short arguments:table
50.51 queue.unbind-ok
60.10 $basic.qos prefetch-size:u32 prefetch-count:u16 global:bit
60.11 basic.qos-ok
60.20 $basic.consume ticket:u16 queue:short consumer-tag:short no-local:bit no-ack:bit exclusive:bit nowait:bit arguments:table
60.21 basic.consume-ok consumer-tag:short
60.30 $basic.cancel consumer-tag:short nowait:bit
60.31 basic.cancel-ok consumer-tag:short
60.40 basic.publish ticket:u16 exchange:short routing-key:short mandatory:bit immediate:bit
60.50 basic.return reply-code:u16 reply-text:short exchange:short routing-key:short
60.60 basic.deliver consumer-tag:short delivery-tag:u64 redelivered:bit exchange:short routing-key:short
60.70 $basic.get ticket:u16 queue:short no-ack:bit
60.71 basic.get-ok delivery-tag:u64 redelivered:bit exchange:short routing-key:short message-count:u32
60.72 basic.get-empty cluster-id:short
60.80 basic.ack delivery-tag:u64 multiple:bit
60.90 basic.reject delivery-tag:u64 requeue:bit
60.100 basic.recover-async requeue:bit
60.110 $basic.recover requeue:bit
60.111 basic.recover-ok
60.120 basic.nack delivery-tag:u64 multiple:bit requeue:bit
85.10 $confirm.select nowait:bit
85.11 confirm.select-ok
90.10 $tx.select
90.11 tx.select-ok
90.20 $tx.commit
90.21 tx.commit-ok
90.30 $tx.rollback
90.31 tx.rollback-ok
"""

PROPERTIES = [
    ("content-type", "short"), ("content-encoding", "short"), ("headers", "table"), ("delivery-mode", "octet"),
    ("priority", "octet"), ("correlation-id", "short"), ("reply-to", "short"), ("expiration", "short"), ("message-id", "short"),
    ("timestamp", "u64"), ("type", "short"), ("user-id", "short"), ("app-id", "short"), ("cluster-id", "short"),
]
WITH_CONTENT = {"basic.publish", "basic.return", "basic.deliver", "basic.get-ok"}
_NUMBERS = {"octet": ">B", "u16": ">H", "u32": ">I", "u64": ">Q"}
_FIELD_NUMBERS = {
    b"b": ">b", b"B": ">B", b"s": ">h", b"u": ">H", b"I": ">i", b"i": ">I", b"l": ">q", b"L": ">q", b"f": ">f", b"d": ">d", b"T": ">Q",
}


class WireError(Exception):
    """Bytes that are no frame, method or table, or a value that fits none."""


@dataclass(frozen=True)
class Spec:
    """One method of the protocol."""

    name: str
    ids: tuple[int, int]
    arguments: list[tuple[str, str]]
    is_answered: bool


@dataclass
class Frame:
    """One frame as it came."""

    kind: int
    channel: int
    payload: bytes


@dataclass
class Method:
    """A method, and its content if it carries one."""

    name: str
    arguments: dict[str, object] = field(default_factory=dict)
    properties: list[tuple[str, object]] | None = None
    body: bytes = b""
    # Sizes of the body's frames, as they came.
    pieces: list[int] = field(default_factory=list)


def _specs() -> dict[str, Spec]:
    specs = {}
    for line in _METHODS.split("\n"):
        if not line:
            continue
        ids, name, *arguments = line.split()
        class_id, method_id = ids.split(".")
        pairs = [(argument, kind) for argument, kind in (word.split(":") for word in arguments)]
        plain = name.removeprefix("$")
        specs[plain] = Spec(plain, (int(class_id), int(method_id)), pairs, name != plain)
    return specs


SPECS = _specs()
_BY_IDS = {spec.ids: spec for spec in SPECS.values()}


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def short(value: bytes) -> bytes:
    if len(value) > 255:
        raise WireError(f"a short string of {len(value)} bytes")
    return bytes([len(value)]) + value


def long(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def encode_table(entries: list) -> bytes:
    return long(b"".join(short(key) + encode_field(value) for key, value in entries))


def encode_field(value: tuple) -> bytes:
    tag, inside = value
    if tag in _FIELD_NUMBERS:
        return tag + struct.pack(_FIELD_NUMBERS[tag], inside)
    if tag in (b"S", b"x"):
        return tag + long(inside)
    if tag == b"t":
        return tag + bytes([inside])
    if tag == b"V":
        return tag
    if tag == b"F":
        return tag + encode_table(inside)
    if tag == b"A":
        return tag + long(b"".join(encode_field(item) for item in inside))
    if tag == b"D":
        return tag + struct.pack(">BI", *inside)
    raise WireError(f"no field type {tag!r}")


def encode_arguments(pairs: list[tuple[str, str]], values: dict[str, object]) -> bytes:
    """Arguments in order, bits packed; those not given are zero, empty or false."""
    out, bits = bytearray(), []

    def pack_bits() -> None:
        while bits:
            eight, bits[:8] = bits[:8], []
            out.append(sum(bit << place for place, bit in enumerate(eight)))

    for name, kind in pairs:
        value = values.get(name)
        if kind == "bit":
            bits.append(bool(value))
            continue
        pack_bits()
        if kind == "short":
            out += short(value or b"")
        elif kind == "long":
            out += long(value or b"")
        elif kind == "table":
            out += encode_table(value or [])
        else:
            out += struct.pack(_NUMBERS[kind], value or 0)
    pack_bits()
    return bytes(out)


def encode_method(method: Method) -> bytes:
    """The payload of a method frame."""
    spec = SPECS[method.name]
    unknown = set(method.arguments) - {name for name, _ in spec.arguments}
    if unknown:
        raise WireError(f"{method.name} has no {', '.join(sorted(unknown))}")
    return struct.pack(">HH", *spec.ids) + encode_arguments(spec.arguments, method.arguments)


def encode_header(size: int, properties: list[tuple[str, object]], class_id: int = 60, weight: int = 0) -> bytes:
    """The payload of a content header frame."""
    given, flags, out = dict(properties), 0, b""
    for place, (name, kind) in enumerate(PROPERTIES):
        if name in given:
            flags |= 1 << (15 - place)
            out += encode_arguments([(name, kind)], given)
    return struct.pack(">HHQH", class_id, weight, size, flags) + out


def encode_content(channel: int, method: Method, frame_max: int) -> bytes:
    """Header and body frames behind a method."""
    out, step = frame(HEADER, channel, encode_header(len(method.body), method.properties or [])), frame_max - 8
    for start in range(0, len(method.body), step):
        out += frame(BODY, channel, method.body[start : start + step])
    return out


class Reader:
    """Takes values off the front of bytes."""

    def __init__(self, payload: bytes):
        self.payload, self.at = payload, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.payload):
            raise WireError("ends too early")
        self.at += count
        return self.payload[self.at - count : self.at]

    def number(self, form: str) -> int:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def is_at_end(self) -> bool:
        return self.at == len(self.payload)

    def short(self) -> bytes:
        return self.take(self.number(">B"))

    def long(self) -> bytes:
        return self.take(self.number(">I"))

    def table(self) -> list:
        inside, entries = Reader(self.long()), []
        while not inside.is_at_end():
            entries.append((inside.short(), inside.field()))
        return entries

    def field(self) -> tuple:
        tag = self.take(1)
        if tag in _FIELD_NUMBERS:
            return tag, self.number(_FIELD_NUMBERS[tag])
        if tag in (b"S", b"x"):
            return tag, self.long()
        if tag == b"t":
            return tag, self.number(">B")
        if tag == b"V":
            return tag, None
        if tag == b"F":
            return tag, self.table()
        if tag == b"A":
            inside, items = Reader(self.long()), []
            while not inside.is_at_end():
                items.append(inside.field())
            return tag, items
        if tag == b"D":
            return tag, (self.number(">B"), self.number(">I"))
        raise WireError(f"no field type {tag!r}")

    def arguments(self, pairs: list[tuple[str, str]]) -> dict[str, object]:
        values, bits, left = {}, 0, 0
        for name, kind in pairs:
            if kind == "bit":
                if left == 0:
                    bits, left = self.number(">B"), 8
                values[name], bits, left = bits & 1, bits >> 1, left - 1
                continue
            left = 0
            if kind in _NUMBERS:
                values[name] = self.number(_NUMBERS[kind])
            else:
                values[name] = {"short": self.short, "long": self.long, "table": self.table}[kind]()
        return values


def decode_method(payload: bytes) -> Method:
    reader = Reader(payload)
    ids = (reader.number(">H"), reader.number(">H"))
    if ids not in _BY_IDS:
        raise WireError(f"no method {ids}")
    spec = _BY_IDS[ids]
    method = Method(spec.name, reader.arguments(spec.arguments))
    if not reader.is_at_end():
        raise WireError(f"{spec.name} is too long")
    return method


def decode_header(payload: bytes) -> tuple[int, list[tuple[str, object]]]:
    """Size of the body, and the properties that are there."""
    reader = Reader(payload)
    class_id, weight, size, flags = (reader.number(form) for form in (">H", ">H", ">Q", ">H"))
    if class_id != 60 or weight != 0 or flags & 3:
        raise WireError(f"class {class_id}, weight {weight}, flags {flags:#x}")
    there = [pair for place, pair in enumerate(PROPERTIES) if flags & (1 << (15 - place))]
    properties = [(name, reader.arguments([(name, kind)])[name]) for name, kind in there]
    if not reader.is_at_end():
        raise WireError("the content header is too long")
    return size, properties


def split_frames(buffer: bytearray, most: int = sys.maxsize) -> list[Frame]:
    """Takes the whole frames off the front of the buffer, at most so many."""
    frames = []
    while len(buffer) >= 8 and len(frames) < most:
        kind, channel, size = struct.unpack_from(">BHI", buffer)
        if len(buffer) < size + 8:
            break
        if buffer[size + 7] != 0xCE:
            raise WireError("a frame without its end")
        frames.append(Frame(kind, channel, bytes(buffer[7 : size + 7])))
        del buffer[: size + 8]
    return frames
