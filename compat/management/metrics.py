"""The metrics endpoint, read by a parser that is not ours: what RabbitMQ's overview dashboard looks for, and per object."""

import time
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

# The names in RabbitMQ's overview dashboard for Grafana.
DASHBOARD = """
build_info identity_info erlang_uptime_seconds channels channels_opened_total channels_closed_total connections
connections_opened_total connections_closed_total queues queues_created_total queues_declared_total queues_deleted_total
disk_space_available_bytes disk_space_available_limit_bytes process_max_fds process_open_fds process_resident_memory_bytes
resident_memory_limit_bytes queue_messages_ready queue_messages_unacked global_consumers global_publishers
global_messages_acknowledged_total global_messages_confirmed_total global_messages_delivered_total
global_messages_delivered_consume_auto_ack_total global_messages_delivered_consume_manual_ack_total
global_messages_delivered_get_auto_ack_total global_messages_delivered_get_manual_ack_total global_messages_get_empty_total
global_messages_received_total global_messages_received_confirm_total global_messages_redelivered_total
global_messages_routed_total global_messages_unroutable_dropped_total global_messages_unroutable_returned_total
message_size_bytes_bucket message_size_bytes_count message_size_bytes_sum
""".split()


def scrape(port: int, path: str) -> dict[str, list]:
    """All samples by name; a text that cannot be parsed raises."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as response:
        kind, text = response.headers["content-type"], response.read().decode()
    assert kind.startswith("text/plain; version=0.0.4"), kind
    samples: dict[str, list] = {}
    names = set()
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.name not in names, family.name
        names.add(family.name)
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    return samples


def status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def check(api, port: int, verdict) -> None:
    found = scrape(port, "metrics")
    missing = [name for name in DASHBOARD if f"rabbitmq_{name}" not in found]
    verdict("metrics-of-the-dashboard", not missing, missing)
    identity = found["rabbitmq_identity_info"][0].labels
    good = identity["rabbitmq_endpoint"] == f"prometheus://127.0.0.1:{port}" and identity["rabbitmq_cluster"] == api.get("cluster-name")["name"]
    verdict("metrics-identity", good, identity)
    totals = api.get("overview")
    received = found["rabbitmq_global_messages_received_total"][0]
    good = received.value == totals["message_stats"]["publish"] > 0 and received.labels == {"protocol": "amqp091"}
    good = good and found["rabbitmq_queue_messages_ready"][0].value == totals["queue_totals"]["messages_ready"]
    sizes = {sample.labels["le"]: sample.value for sample in found["rabbitmq_message_size_bytes_bucket"]}
    good = good and list(sizes) == ["100.0", "1000.0", "10000.0", "100000.0", "1e+06", "1e+07", "5e+07", "1e+08", "+Inf"]
    good = good and sizes["+Inf"] == found["rabbitmq_message_size_bytes_count"][0].value == received.value
    verdict("metrics-agree-with-the-api", good, (received, totals["message_stats"], sizes))
    attempts = {one.labels["protocol"]: one.value for one in found["rabbitmq_auth_attempts_total"]}
    again = {one.labels["protocol"]: one.value for one in scrape(port, "metrics")["rabbitmq_auth_attempts_succeeded_total"]}
    verdict("metrics-of-logins", attempts.keys() == {"amqp091", "http"} and all(attempts.values()) and again.keys() == attempts.keys(), (attempts, again))
    flushes = found["harefoot_log_flush_seconds_count"][0].value
    verdict("metrics-of-the-log", flushes > 0 and found["harefoot_log_flush_seconds_sum"][0].value > 0, flushes)
    times = {name: found[f"harefoot_{name}_seconds_count"][0].value for name in ("publish_confirm", "queue_time", "ack_time")}
    verdict("metrics-of-times", all(times.values()), times)
    api.ask("PUT", "queues/%2F/waits", {"durable": True})
    message = {"properties": {}, "routing_key": "waits", "payload": "x", "payload_encoding": "string"}
    api.ask("POST", "exchanges/%2F/amq.default/publish", message)
    per_object = scrape(port, "metrics/per-object")
    streams = {(queue["vhost"], queue["name"]) for queue in api.get("queues") if queue["type"] == "stream"}
    ready = per_object["rabbitmq_queue_messages_ready"]
    backlog = {(one.labels["vhost"], one.labels["queue"]) for one in ready if one.value} - streams
    for name in ("harefoot_queue_oldest_message_age_seconds", "harefoot_queue_drain_seconds"):
        told = {(one.labels["vhost"], one.labels["queue"]): one.value for one in per_object.get(name, [])}
        good = told.keys() == backlog and ("/", "waits") in told and all(value >= 0 for value in told.values()) and len(found[name]) == 1
        verdict(name.replace("_", "-"), good, (told, backlog, found[name]))
    queues = {(sample.labels["vhost"], sample.labels["queue"]): sample.value for sample in per_object["rabbitmq_queue_messages"]}
    shown = {(queue["vhost"], queue["name"]): queue["messages"] for queue in api.get("queues")}
    verdict("metrics-per-object", queues == shown and len(queues) > 2, (queues, shown))
    api.ask("PUT", "queues/%2F/" + "odd%22%5Cname", {"durable": True})
    detailed = scrape(port, "metrics/detailed?family=queue_coarse_metrics&vhost=%2F")
    labels = [sample.labels for sample in detailed["rabbitmq_detailed_queue_messages_ready"]]
    good = all(one["vhost"] == "/" for one in labels) and 'odd"\\name' in [one["queue"] for one in labels]
    good = good and "rabbitmq_detailed_queue_consumers" not in detailed and "rabbitmq_build_info" in detailed
    alone = scrape(port, "metrics/detailed?family=queue_consumer_count&vhost=stats&queue=work")
    good = good and [sample.labels["queue"] for sample in alone["rabbitmq_detailed_queue_consumers"]] == ["work"]
    good = good and set(scrape(port, "metrics/detailed?family=nope")) == {"rabbitmq_build_info", "rabbitmq_identity_info", "harefoot_build_info"}
    verdict("metrics-detailed", good, (labels, sorted(detailed)))
    memory = scrape(port, "metrics/memory-breakdown")["rabbitmq_memory_total_rss_bytes"][0].value
    statuses = [status(port, path) for path in ("metrics/", "", "metrics/nope", "api/overview")]
    verdict("metrics-paths", memory > 0 and statuses == [200, 404, 404, 404], (memory, statuses))
    for number in range(200):
        api.ask("PUT", f"queues/stats/many{number}", {"durable": True})
    begun = time.monotonic()
    many = scrape(port, "metrics/per-object")
    count = len(many["rabbitmq_queue_messages"])
    verdict("metrics-of-many-queues", count > 200, (count, time.monotonic() - begun))
