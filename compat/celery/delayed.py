"""A Celery application on quorum queues with priorities: its countdowns wait in the broker, in kombu's 28 exchanges and queues."""

import os

from celery import Celery

NAME = os.environ.get("CELERY_CHECK_QUEUE", "celery-check") + "-quorum"
BROKER = "amqp://{AMQP_USER}:{AMQP_PASSWORD}@{AMQP_HOST}:{AMQP_PORT}//".format_map(os.environ)

app = Celery("delayed", broker=BROKER, backend="rpc://")
app.conf.update(
    task_default_queue=NAME, task_default_exchange=NAME, task_default_exchange_type="topic", task_default_queue_type="quorum",
    task_default_routing_key=NAME, broker_transport_options={"confirm_publish": True}, worker_prefetch_multiplier=1, task_acks_late=True,
    broker_connection_retry_on_startup=True, worker_hijack_root_logger=False, result_expires=None,
)


@app.task
def number(value):
    return value
