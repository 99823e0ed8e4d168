"""Bodies of 64 MiB: a stream of them passes without the memory of more than a few."""

import threading
import time
import zlib

import wire
from link import CHANNEL, FRAME_MAX, Link
from wire import Method

QUEUE = b"large"
BODY_BYTES = 64 * 1024 * 1024
PIECE = FRAME_MAX - 8
SLICE = 1024 * 1024
SECONDS = 300


def pieces() -> list[bytes]:
    """The body in frames. Each piece differs, so that one that is lost or in the wrong place is seen."""
    block = bytes(range(256)) * (PIECE // 256 + 1)
    numbered = ((place.to_bytes(8, "big") + block)[: min(PIECE, BODY_BYTES - at)] for place, at in enumerate(range(0, BODY_BYTES, PIECE)))
    return [wire.frame(wire.BODY, CHANNEL, piece) for piece in numbered]


class Sender(Link):
    """Publishes large bodies, each with its number as message id, at most two unconfirmed."""

    def run(self, messages: int, is_persistent: bool) -> None:
        self.socket.settimeout(SECONDS)
        self.call("confirm.select", "confirm.select-ok")
        frames, confirmed = pieces(), 0
        for number in range(messages):
            properties = [("delivery-mode", 2 if is_persistent else 1), ("message-id", str(number).encode())]
            self.say("basic.publish", **{"routing-key": QUEUE})
            self.socket.sendall(wire.frame(wire.HEADER, CHANNEL, wire.encode_header(BODY_BYTES, properties)))
            for frame in frames:
                self.socket.sendall(frame)
            while number + 1 - confirmed > 2:
                confirmed = self.hear("basic.ack").arguments["delivery-tag"]
        while confirmed < messages:
            confirmed = self.hear("basic.ack").arguments["delivery-tag"]


class Receiver(Link):
    """Takes large bodies; a slow one rests after each MiB."""

    def run(self, messages: int, rest_seconds: float) -> str:
        """What was wrong; empty if nothing was."""
        self.socket.settimeout(SECONDS)
        wanted = zlib.crc32(b"".join(frame[7:-1] for frame in pieces()))
        self.call("basic.qos", "basic.qos-ok", **{"prefetch-count": 2})
        self.call("basic.consume", "basic.consume-ok", queue=QUEUE, **{"consumer-tag": b"c"})
        for number in range(messages):
            self.hear("basic.deliver")
            size, properties = wire.decode_header(self.frame().payload)
            crc, taken, rested = 0, 0, 0
            while taken < size:
                payload = self.frame().payload
                crc, taken = zlib.crc32(payload, crc), taken + len(payload)
                if taken - rested >= SLICE and rest_seconds:
                    rested = taken
                    time.sleep(rest_seconds)
            came = dict(properties).get("message-id")
            if (size, came, crc) != (BODY_BYTES, str(number).encode(), wanted):
                return f"message {number}: {size} bytes, id {came}, checksum {crc:#x} instead of {wanted:#x}"
            self.say("basic.ack", **{"delivery-tag": number + 1})
        return ""


def stream(port: int, messages: int, is_persistent: bool, rest_seconds: float = 0.0) -> str:
    """A stream of them; what was wrong."""
    sender, receiver, faults = Sender(port), Receiver(port), []
    sender.declare(QUEUE)

    def send() -> None:
        try:
            sender.run(messages, is_persistent)
        except Exception as error:  # the verdict is the caller's
            faults.append(f"publisher: {error!r}")

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    try:
        fault = receiver.run(messages, rest_seconds)
    except Exception as error:  # as above
        fault = f"consumer: {error!r}"
    sending.join(SECONDS)
    sender.close()
    receiver.close()
    return "; ".join(filter(None, [*faults, fault]))
