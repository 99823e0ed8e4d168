"""Statistics of the HTTP API: what is counted while messages move, samples and rates, and the shapes of RabbitMQ 4.0.5."""

import re
import threading
import time
import urllib.parse
from pathlib import Path

import pika

HERE = Path(__file__).resolve().parent
VHOST = "stats"
# A sample is taken every five seconds.
SAMPLE_SECONDS = 5


def type_of(value) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "object"}
    return names[type(value)]


def values_at(value, path: str) -> list:
    """The values at a path like `a.b[].c`; of a list the first item."""
    for key in re.findall(r"[^.\[\]]+|\[\]", path):
        if key == "[]":
            if not isinstance(value, list) or not value:
                return []
            value = value[0]
        elif not isinstance(value, dict) or key not in value:
            raise KeyError(key)
        else:
            value = value[key]
    return [value]


def shape_lines() -> tuple[list[tuple[str, str, list[str]]], int]:
    """What is to be there, and how much is left out."""
    wanted, left_out, is_left_out = [], 0, False
    for line in (HERE / "shapes.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("-"):
            is_left_out = True
        elif is_left_out:
            left_out += 1
        else:
            where, path, types = line.split(" ")
            wanted.append((where, path, types.split("|")))
    return wanted, left_out


class Traffic:
    """A publisher with confirms and a consumer, who go on until they are stopped."""

    def __init__(self, port: int):
        parameters = pika.URLParameters(f"amqp://guest:guest@127.0.0.1:{port}/{VHOST}")
        parameters.client_properties = {"connection_name": "traffic"}
        self.connection = pika.BlockingConnection(parameters)
        self.out = self.connection.channel()
        self.out.confirm_delivery()
        self.out.queue_declare("work", durable=True)
        self.out.queue_bind("work", "amq.direct", "w")
        self.into = self.connection.channel()
        self.into.basic_qos(prefetch_count=10)
        self.into.basic_consume("work", self.take, consumer_tag="taker")
        self.published = self.returned = self.dropped = self.acked = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def take(self, channel, method, _properties, _body) -> None:
        # What comes a second time is accepted: every fifth is sent back once.
        if method.delivery_tag % 5 == 0 and not method.redelivered:
            channel.basic_nack(method.delivery_tag, requeue=True)
        else:
            channel.basic_ack(method.delivery_tag)
            self.acked += 1

    def run(self) -> None:
        durable = pika.BasicProperties(delivery_mode=2)
        while not self.stopped.is_set():
            for _ in range(5):
                self.out.basic_publish("amq.direct", "w", b"x" * 500, durable)
                self.published += 1
            try:
                self.out.basic_publish("amq.direct", "nowhere", b"x", mandatory=True)
            except pika.exceptions.UnroutableError:
                self.returned += 1
            self.out.basic_publish("amq.direct", "nowhere", b"x")
            self.dropped += 1
            self.connection.process_data_events(0.01)

    def stop(self) -> None:
        self.stopped.set()
        self.thread.join()
        while self.acked < self.published:
            self.connection.process_data_events(0.1)


def rates(found: dict, *names: str) -> dict:
    return {name: found["message_stats"][f"{name}_details"]["rate"] for name in names}


def wrong_shapes(api) -> list[str]:
    """What is not shaped as RabbitMQ shapes it, while there is traffic."""
    quote = lambda name: urllib.parse.quote(name, safe="")
    named = lambda path, name: next(item for item in api.get(path) if item["name"] == name)
    connection = named("connections", api.get("connections")[0]["name"])
    channel = api.get("channels")[0]
    found = {
        "overview": api.get("overview"), "vhosts": named("vhosts", VHOST), "nodes": api.get("nodes")[0],
        "exchanges": named(f"exchanges/{VHOST}", "amq.direct"), "queues": named(f"queues/{VHOST}", "work"),
        "queue": api.get(f"queues/{VHOST}/work"), "queue-quorum": api.get(f"queues/{VHOST}/quorum"),
        "queue-stream": api.get(f"queues/{VHOST}/stream"), "connections": connection,
        "connection": api.get(f"connections/{quote(connection['name'])}"), "channels": channel,
        "channel": api.get(f"channels/{quote(channel['name'])}"), "consumers": api.get(f"consumers/{VHOST}")[0],
    }
    wrong = []
    for where, path, types in shape_lines()[0]:
        try:
            values = values_at(found[where], path)
        except KeyError:
            wrong.append(f"{where} {path} is not there")
            continue
        wrong += [f"{where} {path}: {value!r:.40}" for value in values if type_of(value) not in types + ["number"] * ("null" in types)]
    return wrong


def check(api, port: int, verdict) -> None:
    api.ask("PUT", f"vhosts/{VHOST}")
    api.ask("PUT", f"permissions/{VHOST}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    for kind in ("quorum", "stream"):
        api.ask("PUT", f"queues/{VHOST}/{kind}", {"durable": True, "arguments": {"x-queue-type": kind}})
    before = api.get("overview")["message_stats"]
    traffic = Traffic(port)
    try:
        # Two samples in a row while messages move: then there are rates.
        time.sleep(2 * SAMPLE_SECONDS + 1)
        queue = api.get(f"queues/{VHOST}/work?msg_rates_age=60&msg_rates_incr=5&lengths_age=60&lengths_incr=5")
        moving = [
            rates(queue, "publish", "deliver", "deliver_get", "redeliver", "ack"),
            rates(api.get(f"exchanges/{VHOST}/amq.direct"), "publish_in", "publish_out"),
            rates(api.get(f"vhosts/{VHOST}"), "publish", "confirm", "return_unroutable", "drop_unroutable", "ack"),
            rates(api.get("overview"), "publish", "confirm", "deliver", "ack", "disk_writes"),
            rates(api.get("connections")[0], "publish", "ack"),
        ]
        verdict("rates", all(rate > 0 for found in moving for rate in found.values()), moving)
        past = queue["message_stats"]["publish_details"]
        samples = past["samples"]
        times = [sample["timestamp"] for sample in samples]
        good = len(samples) == 13 and all(one - next_ == 5000 for one, next_ in zip(times, times[1:]))
        good = good and times[0] % 5000 == 0 and samples[0]["sample"] > samples[-1]["sample"] == 0
        good = good and past["avg_rate"] == samples[0]["sample"] / 60 and len(queue["messages_details"]["samples"]) == 13
        good = good and past["avg"] == sum(sample["sample"] for sample in samples) / 13
        verdict("samples", good, past)
        wrong = wrong_shapes(api)
        verdict("shapes", not wrong, "\n".join(wrong))
        consumed = api.get(f"queues/{VHOST}/work")
        verdict("capacity", 0 < consumed["consumer_capacity"] <= 1, consumed["consumer_capacity"])
        channels(api, verdict)
    finally:
        traffic.stop()
    counts(api, verdict, traffic, before)
    traffic.connection.close()
    verdict("reset", [api.ask("DELETE", path)[0] for path in ("reset", "reset/nope")] == [204, 404])
    after = api.get(f"queues/{VHOST}/work?msg_rates_age=60&msg_rates_incr=5")["message_stats"]
    verdict("reset-keeps-counts", after["publish"] == traffic.published and after["publish_details"]["rate"] == 0, after)


def channels(api, verdict) -> None:
    shown = {channel["number"]: channel for channel in api.get(f"vhosts/{VHOST}/channels")}
    out, into = shown[1], shown[2]
    good = (out["confirm"], out["consumer_count"], into["consumer_count"], into["prefetch_count"]) == (True, 0, 1, 10)
    good = good and out["message_stats"]["publish"] > 0 and into["message_stats"]["ack"] > 0
    name = urllib.parse.quote(out["connection_details"]["name"], safe="")
    good = good and len(api.get(f"connections/{name}/channels")) == 2
    one = api.get("channels/" + urllib.parse.quote(into["name"], safe=""))
    good = good and [consumer["consumer_tag"] for consumer in one["consumer_details"]] == ["taker"]
    page = api.get("channels?page=1&page_size=1&sort=number")
    good = good and (page["total_count"], [item["number"] for item in page["items"]]) == (2, [1])
    verdict("channels", good, (shown, one))
    static = api.ask("GET", "channels?disable_stats=true")
    verdict("channels-without-stats", static[0] == 400, static)
    api.ask("PUT", "users/other", {"password": "p", "tags": "management"})
    verdict("channels-of-others", api.ask("GET", "channels", who="other") == (200, []), "they are shown to anybody")


def counts(api, verdict, traffic: Traffic, before: dict) -> None:
    """What was counted is what happened."""
    queue = api.get(f"queues/{VHOST}/work")["message_stats"]
    wanted = {"publish": traffic.published, "ack": traffic.acked, "get": 0, "disk_writes": traffic.published}
    found = {name: queue[name] for name in wanted}
    # Each that came a second time had been sent back before.
    good = found == wanted and queue["deliver"] == traffic.published + queue["redeliver"] and queue["redeliver"] > 0
    verdict("counts-of-queue", good and queue["deliver_get"] == queue["deliver"], (queue, wanted))
    exchange = api.get(f"exchanges/{VHOST}/amq.direct")["message_stats"]
    all_published = traffic.published + traffic.returned + traffic.dropped
    good = (exchange["publish_in"], exchange["publish_out"]) == (all_published, traffic.published)
    verdict("counts-of-exchange", good, (exchange, all_published))
    vhost = api.get(f"vhosts/{VHOST}")["message_stats"]
    wanted = {
        "publish": all_published, "confirm": all_published, "return_unroutable": traffic.returned,
        "drop_unroutable": traffic.dropped, "ack": traffic.acked,
    }
    found = {name: vhost[name] for name in wanted}
    now = api.get("overview")["message_stats"]
    grown = {name: now[name] - before[name] for name in wanted}
    verdict("counts-of-vhost", found == wanted and grown == wanted, (found, grown, wanted))
