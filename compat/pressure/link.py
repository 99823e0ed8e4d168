"""Connections that can press a broker: publishes encoded beforehand, deliveries taken apart many at once.

Every message of a run has the same size and begins with its number, so that what was lost, doubled or out of order is seen by
counting. Not here: what is pressed, and what is right.
"""

import socket
import struct
import threading

import wire
from wire import Method

FRAME_MAX = 131072
CHANNEL = 1
TAG = b"c"
# Where a method frame says which method it is, and what it says for basic.deliver.
METHOD_AT, DELIVER = 7, 60 << 16 | 60
SECONDS = 30
CAPABLE = [(b"capabilities", (b"F", [(b"connection.blocked", (b"t", 1)), (b"basic.nack", (b"t", 1))]))]


class Pressed(Exception):
    """The broker did something that no load excuses."""


class Link:
    """A connection that is logged in, with one channel open and no heartbeats."""

    def __init__(self, port: int, receive_bytes: int = 0):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = "{}:{} -> {}:{}".format(*self.socket.getsockname(), *self.socket.getpeername())
        self.buffer = bytearray()
        self.socket.sendall(wire.PROTOCOL_HEADER)
        self.hear("connection.start")
        self.call("connection.start-ok", "connection.tune", 0, **{"client-properties": CAPABLE, "mechanism": b"PLAIN", "response": b"\0guest\0guest", "locale": b"en_US"})
        self.say("connection.tune-ok", 0, **{"channel-max": 10, "frame-max": FRAME_MAX})
        self.call("connection.open", "connection.open-ok", 0, **{"virtual-host": b"/"})
        self.call("channel.open", "channel.open-ok")

    def say(self, name: str, channel: int = CHANNEL, **arguments: object) -> None:
        self.socket.sendall(wire.frame(wire.METHOD, channel, wire.encode_method(Method(name, arguments))))

    def call(self, name: str, answer: str, channel: int = CHANNEL, **arguments: object) -> Method:
        self.say(name, channel, **arguments)
        return self.hear(answer)

    def hear(self, name: str) -> Method:
        """The next method, which has to be this one."""
        method = wire.decode_method(self.frame().payload)
        if method.name != name:
            raise Pressed(f"{method.name} {method.arguments} came instead of {name}")
        return method

    def frame(self) -> wire.Frame:
        """The next frame. What comes behind it stays where it is."""
        while not (frames := wire.split_frames(self.buffer, 1)):
            self.receive()
        return frames[0]

    def receive(self) -> None:
        chunk = self.socket.recv(262144)
        if not chunk:
            raise Pressed("the broker closed the connection")
        self.buffer += chunk

    def declare(self, queue: bytes) -> int:
        """How many messages are in the queue, which is made if it is not there."""
        return self.call("queue.declare", "queue.declare-ok", queue=queue, durable=1).arguments["message-count"]

    def close(self) -> None:
        self.socket.close()


class Publisher(Link):
    """Publishes numbered messages in batches to a queue that it declares. What comes back is read by a thread of its own."""

    def __init__(self, port: int, queue: bytes, body_bytes: int, batch: int, is_persistent: bool, is_confirmed: bool):
        super().__init__(port)
        self.declare(queue)
        if is_confirmed:
            self.call("confirm.select", "confirm.select-ok")
        mode = [("delivery-mode", 2)] if is_persistent else []
        publish = Method("basic.publish", {"routing-key": queue}, mode, bytes(body_bytes))
        content = wire.encode_content(CHANNEL, publish, FRAME_MAX)
        one = wire.frame(wire.METHOD, CHANNEL, wire.encode_method(publish)) + content
        header_bytes = len(wire.encode_header(body_bytes, mode)) + 8
        first = len(one) - len(content) + header_bytes + 7
        self.frames, self.places = bytearray(one * batch), range(first, len(one) * batch, len(one))
        self.published, self.confirmed, self.blocked, self.unblocked = 0, 0, [], 0
        self.socket.settimeout(None)
        self.ears = threading.Thread(target=self.listen, daemon=True)
        self.ears.start()

    def publish(self) -> None:
        """One batch. Waits as long as the broker does not read."""
        for number, place in enumerate(self.places, self.published):
            struct.pack_into(">Q", self.frames, place, number)
        self.socket.sendall(self.frames)
        self.published += len(self.places)

    def listen(self) -> None:
        try:
            while True:
                method = wire.decode_method(self.frame().payload)
                if method.name == "basic.ack":
                    self.confirmed = method.arguments["delivery-tag"]
                elif method.name == "connection.blocked":
                    self.blocked.append(method.arguments["reason"].decode())
                elif method.name == "connection.unblocked":
                    self.unblocked += 1
        except (OSError, Pressed):
            # It was closed; that nothing is missing is seen by the counts.
            pass


class Consumer(Link):
    """Takes the messages of one queue; all are of one size."""

    def __init__(self, port: int, queue: bytes, body_bytes: int, is_persistent: bool = False, prefetch: int = 0, receive_bytes: int = 0):
        super().__init__(port, receive_bytes)
        self.call("basic.qos", "basic.qos-ok", **{"prefetch-count": prefetch})
        header_bytes = len(wire.encode_header(body_bytes, [("delivery-mode", 2)] if is_persistent else [])) + 8
        # Method frame up to the delivery tag; redelivered, exchange, key, end; header frame; body frame.
        self.record = struct.Struct(f">7xI{1 + len(TAG)}xQB{1 + 1 + len(queue) + 1 + header_bytes + 7}xQ{body_bytes - 8}xB")
        self.call("basic.consume", "basic.consume-ok", queue=queue, **{"consumer-tag": TAG})
        self.last, self.settled = 0, 0

    def take(self) -> list[tuple[int, bool]]:
        """Numbers that have come, and whether they were delivered before."""
        self.receive()
        size = len(self.buffer) - len(self.buffer) % self.record.size
        taken = []
        for method, tag, redelivered, number, end in self.record.iter_unpack(memoryview(self.buffer)[:size]):
            if (method, tag, end) != (DELIVER, self.last + 1, 0xCE):
                raise Pressed(f"delivery {tag} came behind {self.last} (method {method:#x}, end {end:#x})")
            self.last = tag
            taken.append((number, bool(redelivered)))
        del self.buffer[:size]
        if len(self.buffer) >= METHOD_AT + 4 and struct.unpack_from(">I", self.buffer, METHOD_AT)[0] != DELIVER:
            raise Pressed(f"this came behind delivery {self.last}: {bytes(self.buffer)[:200]!r}")
        return taken

    def acknowledge(self) -> None:
        """All that has been taken since."""
        if self.last > self.settled:
            self.settled = self.last
            self.say("basic.ack", **{"delivery-tag": self.last, "multiple": 1})
