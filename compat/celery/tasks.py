"""The Celery application that both sides of the check load: the worker's command line and the checks."""

import os
import time

from celery import Celery

NAME = os.environ.get("CELERY_CHECK_QUEUE", "celery-check")
BROKER = "amqp://{AMQP_USER}:{AMQP_PASSWORD}@{AMQP_HOST}:{AMQP_PORT}//".format_map(os.environ)

app = Celery("tasks", broker=BROKER, backend="rpc://")
app.conf.update(
    task_default_queue=NAME, worker_prefetch_multiplier=1, task_acks_late=True, broker_connection_retry_on_startup=True,
    result_expires=None, worker_hijack_root_logger=False, task_create_missing_queues=True,
)


@app.task
def add(left, right):
    return left + right


@app.task(bind=True, max_retries=5)
def stubborn(self, times):
    """Fails `times` times, then says at which try it is."""
    if self.request.retries < times:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task
def broken():
    raise ValueError("meant to fail")


@app.task(bind=True)
def slow(self, seconds):
    time.sleep(seconds)
    return bool(self.request.delivery_info.get("redelivered"))


@app.task
def echo(blob):
    return blob
