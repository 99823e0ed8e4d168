#!/usr/bin/env python3
"""Works through the queue "tasks", one message at a time, for as long as it runs."""

import time
from pathlib import Path

import pika

user, password = Path(__file__).with_name(".amqp-credentials").read_text().splitlines()
parameters = pika.ConnectionParameters("localhost", credentials=pika.PlainCredentials(user, password))


def work(channel, method, properties, body):
    print("working on:", body.decode(), "(again)" if method.redelivered else "", flush=True)
    # ... and only when the work is done is the message given up. If this program dies
    # before, the broker delivers it again, so work must bear being done twice.
    channel.basic_ack(method.delivery_tag)


while True:
    try:
        channel = pika.BlockingConnection(parameters).channel()
        channel.queue_declare("tasks", durable=True)
        channel.basic_qos(prefetch_count=1)  # no next message before the last one is acknowledged
        channel.basic_consume("tasks", work)
        channel.start_consuming()
    except pika.exceptions.AMQPConnectionError:
        time.sleep(1)  # the broker restarts: connect again, declare again, go on
