"""Definitions uploaded by a form, as RabbitMQ's console does it, and streams read by offset."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pika

from drive.broker import Own


def by_form(api, broker: Own, work: Path, verdict: Callable) -> None:
    file = work / "upload.json"
    file.write_text(json.dumps({"queues": [{"name": "uploaded", "vhost": "/", "durable": True}]}))
    url = f"http://127.0.0.1:{broker.http}/api/definitions"
    curl = ["curl", "-s", "-u", "guest:guest", "-w", "%{http_code}", "-o", "/dev/null"]
    said = subprocess.run([*curl, "-F", "redirect=/", "-F", f"file=@{file}", url], capture_output=True, text=True, timeout=30).stdout
    verdict("upload-by-form", said == "204" and api.get("queues/%2F/uploaded")["durable"] is True, said)
    said = subprocess.run([*curl, "-F", f"other=@{file}", url], capture_output=True, text=True, timeout=30).stdout
    verdict("upload-without-a-file", said == "400", said)
    broken = work / "broken.json"
    broken.write_text('{"queues": [{"name": "lost", "vhost": "nowhere"}]}')
    said = subprocess.run([*curl, "-F", f"file=@{broken}", url], capture_output=True, text=True, timeout=30).stdout
    verdict("upload-of-a-mistake", said == "400", said)


def streams(api, broker: Own, verdict: Callable) -> None:
    api.ask("PUT", "queues/%2F/river", {"durable": True, "arguments": {"x-queue-type": "stream"}})
    with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.port)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(200):
            channel.basic_publish("", "river", f"drop {number}")

    def read(count: int, **more):
        body = {"count": count, "ackmode": "ack_requeue_false", "encoding": "auto", **more}
        return api.ask("POST", "queues/%2F/river/get", body)

    def drops(answer) -> list[str]:
        return [one["payload"] for one in answer[1]] if answer[0] == 200 else [str(answer)]

    first = read(3)
    verdict("stream-from-its-beginning", drops(first) == ["drop 0", "drop 1", "drop 2"], first)
    verdict("stream-says-offsets", [one["properties"]["headers"]["x-stream-offset"] for one in first[1]] == [0, 1, 2], first)
    verdict("stream-by-offset", drops(read(2, offset=150)) == ["drop 150", "drop 151"])
    begun = time.monotonic()
    rest = drops(read(1000, offset=10))
    verdict("stream-to-its-end", rest == [f"drop {number}" for number in range(10, 200)] and time.monotonic() - begun < 5, len(rest))
    verdict("stream-beyond-its-end", drops(read(5, offset="next")) == [] and drops(read(0)) == [])
    verdict("stream-keeps-all", api.get("queues/%2F/river")["messages"] == 200)
    for wrong in (-1, 1.5, "yesterday", [], {}):
        status, said = read(1, offset=wrong)
        verdict(f"stream-offset-{wrong}", status == 400 and said["reason"], (status, said))
