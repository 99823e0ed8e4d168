#!/usr/bin/env python3
"""How long the HTTP API and the metrics endpoint take with many queues, by hand: `python3 compat/management/speed.py BINARY`.

Says for each path the time that a client waits and the processor time of the node. The first is true only on a machine that does
nothing else; the second tells anywhere what it would be there.
"""

import base64
import http.client
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from drive.broker import Own, free_port

GUEST = {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}
TIMES = 10
IDLE_SECONDS = 30
FEW = ["/api/queues", "/api/queues?disable_stats=true", "/api/overview"]
MANY = ["/api/queues?page=1&page_size=100", "/api/queues?page=1&page_size=100&sort=name", "/api/queues?page=1&page_size=100&sort=messages", "/api/overview"]


def processor_ms(pid: int) -> float:
    """Of all threads that there are and were, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 10.0


def resident_mb(pid: int, key: str) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(key)]
    return int(line.split()[1]) // 1024


def time_path(broker: Own, port: int, path: str) -> None:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    waits, before = [], processor_ms(broker.child.pid)
    for _ in range(TIMES):
        begun = time.perf_counter()
        link.request("GET", path, headers=GUEST)
        size = len(link.getresponse().read())
        waits.append((time.perf_counter() - begun) * 1e3)
    used = (processor_ms(broker.child.pid) - before) / TIMES
    print(f"  {path}: {sorted(waits)[TIMES // 2]:.1f} ms, processor {used:.0f} ms, {size} bytes", flush=True)


def run(binary: Path, queues: int, paths: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="harefoot-speed-") as folder:
        broker = Own(binary, Path(folder) / "data", http=free_port())
        broker.metrics = free_port()
        broker.start()
        try:
            pid = broker.child.pid
            made = [{"name": f"q{number}", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}} for number in range(queues)]
            link = http.client.HTTPConnection("127.0.0.1", broker.http, timeout=300)
            link.request("POST", "/api/definitions", json.dumps({"queues": made}), GUEST)
            assert link.getresponse().read() == b""
            print(f"{queues} queues, {resident_mb(pid, 'VmRSS')} MB resident", flush=True)
            for path in paths:
                time_path(broker, broker.http, path)
            time_path(broker, broker.metrics, "/metrics")
            time_path(broker, broker.metrics, "/metrics/per-object")
            before, peak = resident_mb(pid, "VmRSS"), resident_mb(pid, "VmHWM")
            time_path(broker, broker.http, "/api/queues")
            print(f"  resident before that list {before} MB, most ever before {peak} MB, and after {resident_mb(pid, 'VmHWM')} MB")
            used = processor_ms(pid)
            time.sleep(IDLE_SECONDS)
            print(f"  while nothing moves: {(processor_ms(pid) - used) / IDLE_SECONDS / 10:.2f} % of a core", flush=True)
        finally:
            broker.stop()


if __name__ == "__main__":
    run(Path(sys.argv[1]).resolve(), 10_000, FEW)
    run(Path(sys.argv[1]).resolve(), 100_000, MANY)
