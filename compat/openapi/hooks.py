"""What schemathesis puts into paths: every second time names of what there is, so that more than 404 is reached."""

import atexit
import json
import os
import zlib
from pathlib import Path

import schemathesis

KNOWN = {
    "vhost": "/", "queue": "driven", "exchange": "amq.topic", "source": "amq.topic", "destination": "driven", "user": "driven",
    "node": os.environ.get("HAREFOOT_NODE", ""), "policy": "driven", "component": "shovel", "parameter": "driven", "limit": "max-queues",
    "port": "5672", "protocol": "amqp091", "within": "1", "unit": "months", "properties_key": "~", "message": "1",
}
# Who drives, and where: without these all that follows would be 401 or 404.
KEPT = {("user", "guest"), ("vhost", "/")}
OF_KEPT = {"/api/vhosts/{vhost}", "/api/users/{user}", "/api/harefoot/users/{user}/password", "/api/harefoot/users/{user}/tags"}
# Which operations were answered by success, for whoever started this.
REACHED: set[str] = set()


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code < 300:
        REACHED.add(f"{case.method.upper()} {case.operation.path}")


atexit.register(lambda: Path(os.environ["HAREFOOT_REACHED"]).write_text(json.dumps(sorted(REACHED))))


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name, value in (path_parameters or {}).items():
        if zlib.crc32(str(value).encode(errors="replace")) % 2:
            path_parameters[name] = KNOWN.get(name, value)
    return path_parameters


@schemathesis.hook
def filter_case(context, case):
    path, named = case.operation.path, set((case.path_parameters or {}).items())
    is_change_of_kept = case.method.upper() in ("DELETE", "PUT") and path in OF_KEPT
    return not (is_change_of_kept and named & KEPT)
