"""One connection to a broker, as a script sees it.

A *tame* link logs in, opens channels when they are first used, answers `close` with `close-ok`, and can put a barrier (a
`channel.flow`, which changes nothing) behind a method that has no answer, so that it is known to have been done. A raw one does
nothing that the script does not say. Every frame that comes is an event, barriers and openings of the link's own apart.
"""

import socket
import time
from dataclasses import dataclass, field

import wire
from text import show_bytes, show_method
from wire import Method

CAPABILITIES = [
    b"authentication_failure_close", b"basic.nack", b"connection.blocked", b"consumer_cancel_notify", b"exchange_exchange_bindings",
    b"publisher_confirms",
]
FRAME_MAX = 131072
OPENING_SECONDS = 10

# In what order the answers of one channel to one step are shown; between the groups the order is the broker's business.
REPLY, DELIVERY, CONFIRM = 0, 1, 2
_GROUPS = {"basic.deliver": DELIVERY, "basic.return": CONFIRM, "basic.ack": CONFIRM, "basic.nack": CONFIRM}


class Lost(Exception):
    """The connection could not be opened."""


@dataclass
class Event:
    """Something that came; `number` is that of the confirmed publish."""

    link: str
    channel: int
    group: int
    text: str
    number: int = 0


@dataclass
class Channel:
    """What has to be known of a channel to read what comes on it."""

    is_open: bool = False
    hidden: list[str] = field(default_factory=list)
    awaited: int = 0
    consumers: set[bytes] = field(default_factory=set)
    is_confirming: bool = False
    published: int = 0
    outstanding: list[int] = field(default_factory=list)
    partial: Method | None = None
    size: int = 0

    def end(self) -> None:
        self.__init__()


class Link:
    """The socket, its channels and what has come."""

    def __init__(self, letter: str, address: tuple[str, int], is_raw: bool):
        self.letter, self.is_raw = letter, is_raw
        self.socket = socket.create_connection(address, timeout=OPENING_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.events = bytearray(), []
        self.channels: dict[int, Channel] = {}
        self.is_alive, self.frame_max, self.last = True, FRAME_MAX, time.monotonic()

    # Sending.

    def send(self, data: bytes) -> None:
        """A peer that has gone is found out when reading."""
        try:
            self.socket.settimeout(OPENING_SECONDS)
            self.socket.sendall(data)
        except OSError:
            pass

    def channel(self, number: int) -> Channel:
        return self.channels.setdefault(number, Channel())

    def opening(self, number: int) -> bytes:
        """What opens the channel if the link is tame and it is not open."""
        channel = self.channel(number)
        if self.is_raw or number == 0 or channel.is_open:
            return b""
        channel.is_open = True
        channel.hidden.append("channel.open-ok")
        return wire.frame(wire.METHOD, number, wire.encode_method(Method("channel.open")))

    def method(self, number: int, method: Method, is_bare: bool = False) -> bytes:
        """The frames of a method; what it means for the channel is noted."""
        out = b"" if is_bare or method.name == "channel.open" else self.opening(number)
        out += wire.frame(wire.METHOD, number, wire.encode_method(method))
        channel = self.channel(number)
        if method.name == "channel.open":
            channel.is_open = True
        if method.name == "basic.consume" and method.arguments.get("nowait"):
            channel.consumers.add(method.arguments.get("consumer-tag", b""))
        if method.name == "confirm.select":
            channel.is_confirming = True
        if method.name == "basic.publish" and not is_bare:
            out += wire.encode_content(number, method, self.frame_max)
            if channel.is_confirming:
                channel.published += 1
                channel.outstanding.append(channel.published)
        if not self.is_raw and not is_bare:
            is_answered = wire.SPECS[method.name].is_answered and not method.arguments.get("nowait")
            if is_answered:
                channel.awaited += 1
            elif number > 0:
                channel.hidden.append("channel.flow-ok")
                out += wire.frame(wire.METHOD, number, wire.encode_method(Method("channel.flow", {"active": 1})))
        return out

    def is_settled(self) -> bool:
        """Nothing is on its way that must come."""
        return not self.is_alive or not any(channel.hidden or channel.awaited > 0 for channel in self.channels.values())

    # Receiving.

    def receive(self) -> None:
        """Reads what there is."""
        try:
            self.socket.setblocking(False)
            chunk = self.socket.recv(262144)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        self.last = time.monotonic()
        if not chunk:
            self.put(0, REPLY, "(closed)")
            self.drop()
            return
        self.buffer += chunk
        if self.buffer.startswith(b"AMQP") and len(self.buffer) >= 8:
            self.put(0, REPLY, f'header "{show_bytes(bytes(self.buffer[:8]))}"')
            del self.buffer[:8]
        for frame in wire.split_frames(self.buffer):
            if self.is_alive:
                self.take(frame)

    def put(self, channel: int, group: int, text: str, number: int = 0) -> None:
        self.events.append(Event(self.letter, channel, group, text, number))

    def take(self, frame: wire.Frame) -> None:
        channel = self.channel(frame.channel)
        if frame.kind == wire.HEARTBEAT:
            if self.is_raw:
                self.put(frame.channel, REPLY, "heartbeat")
        elif frame.kind == wire.METHOD:
            method = wire.decode_method(frame.payload)
            if method.name in wire.WITH_CONTENT:
                channel.partial = method
            else:
                self.arrived(frame.channel, channel, method)
        elif frame.kind == wire.HEADER and channel.partial:
            channel.size, channel.partial.properties = wire.decode_header(frame.payload)
            self.complete(frame.channel, channel)
        elif frame.kind == wire.BODY and channel.partial:
            channel.partial.body += frame.payload
            channel.partial.pieces.append(len(frame.payload))
            self.complete(frame.channel, channel)
        else:
            raise wire.WireError(f"an unexpected frame of type {frame.kind}")

    def complete(self, number: int, channel: Channel) -> None:
        method = channel.partial
        if method.properties is not None and len(method.body) >= channel.size:
            channel.partial = None
            self.arrived(number, channel, method)

    def arrived(self, number: int, channel: Channel, method: Method) -> None:
        """Notes what it means, and shows it unless it answers the link's own doing."""
        name = method.name
        if name in channel.hidden:
            channel.hidden.remove(name)
            return
        if name.endswith(("-ok", "-empty")) or name == "connection.close":
            channel.awaited = max(0, channel.awaited - 1)
        note = ""
        if name == "basic.consume-ok":
            channel.consumers.add(method.arguments["consumer-tag"])
        elif name == "basic.deliver" and not self.is_raw and method.arguments["consumer-tag"] not in channel.consumers:
            note = " (before its consume-ok)"
        elif name in ("basic.ack", "basic.nack") and channel.is_confirming:
            self.confirmed(number, channel, method)
            return
        self.put(number, _GROUPS.get(name, REPLY), show_method(method) + note)
        if not self.is_raw:
            self.obey(number, channel, name)

    def confirmed(self, number: int, channel: Channel, method: Method) -> None:
        """One event a publish, however many the broker confirms at once."""
        tag, is_multiple = method.arguments["delivery-tag"], method.arguments["multiple"]
        covered = [one for one in channel.outstanding if one == tag or (is_multiple and one < tag)]
        channel.outstanding = [one for one in channel.outstanding if one not in covered]
        if tag not in covered:
            self.put(number, CONFIRM, f"{show_method(method)} (not outstanding)", tag)
        for one in covered:
            self.put(number, CONFIRM, f"{method.name} delivery-tag={one}", one)

    def obey(self, number: int, channel: Channel, name: str) -> None:
        """What a well-behaved client does."""
        if name == "channel.close":
            self.send(wire.frame(wire.METHOD, number, wire.encode_method(Method("channel.close-ok"))))
            channel.end()
        elif name == "channel.close-ok":
            channel.end()
        elif name == "connection.close":
            self.send(wire.frame(wire.METHOD, 0, wire.encode_method(Method("connection.close-ok"))))
            self.drop()
        elif name == "connection.close-ok":
            self.drop()

    def drop(self) -> None:
        self.is_alive = False
        self.socket.close()

    # Logging in and out.

    def request(self, number: int, method: Method | None, *answers: str) -> Method:
        """Sends and waits for one of the answers; only while the link is new or about to end."""
        if method:
            self.send(wire.frame(wire.METHOD, number, wire.encode_method(method)))
        deadline = time.monotonic() + OPENING_SECONDS
        while time.monotonic() < deadline:
            for frame in wire.split_frames(self.buffer):
                if frame.kind == wire.METHOD and (came := wire.decode_method(frame.payload)).name in answers:
                    return came
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                chunk = self.socket.recv(65536)
            except OSError:
                chunk = b""
            if not chunk:
                raise Lost("(closed)")
            self.buffer += chunk
        raise Lost("(no answer)")

    def log_in(self, vhost: bytes, user: bytes, password: bytes, tuning: dict[str, int], capabilities: list[bytes]) -> None:
        """The whole handshake; `Lost` has what was answered instead."""
        self.send(wire.PROTOCOL_HEADER)
        self.request(0, None, "connection.start")
        came = self.request(0, start_ok(user, password, capabilities), "connection.tune", "connection.close")
        if came.name == "connection.tune":
            tuned = {"channel-max": 2047, "frame-max": FRAME_MAX, "heartbeat": 0, **tuning}
            self.frame_max = tuned["frame-max"]
            self.send(wire.frame(wire.METHOD, 0, wire.encode_method(Method("connection.tune-ok", tuned))))
            came = self.request(0, Method("connection.open", {"virtual-host": vhost}), "connection.open-ok", "connection.close")
        if came.name == "connection.close":
            self.send(wire.frame(wire.METHOD, 0, wire.encode_method(Method("connection.close-ok"))))
            self.drop()
            raise Lost(show_method(came))

    def log_out(self) -> None:
        """Waits for the broker to have done all that the end of a connection means."""
        if self.is_alive and not self.is_raw:
            try:
                self.request(0, Method("connection.close", {"reply-code": 200}), "connection.close-ok", "connection.close")
            except (Lost, wire.WireError):
                pass
        self.drop()


def start_ok(user: bytes, password: bytes, capabilities: list[bytes]) -> Method:
    """A login by PLAIN."""
    table = [(b"capabilities", (b"F", [(name, (b"t", 1)) for name in capabilities])), (b"product", (b"S", b"scripts"))]
    response = b"\0" + user + b"\0" + password
    return Method("connection.start-ok", {"client-properties": table, "mechanism": b"PLAIN", "response": response, "locale": b"en_US"})
