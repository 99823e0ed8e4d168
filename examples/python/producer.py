#!/usr/bin/env python3
"""Puts one message into the queue "tasks" and returns when the broker has it on disk."""

import sys
from pathlib import Path

import pika

# Two lines, user and password, in a file that only you can read.
user, password = Path(__file__).with_name(".amqp-credentials").read_text().splitlines()

connection = pika.BlockingConnection(
    pika.ConnectionParameters("localhost", credentials=pika.PlainCredentials(user, password))
)
channel = connection.channel()
channel.confirm_delivery()  # from here on basic_publish waits for the broker's answer
channel.queue_declare("tasks", durable=True)  # the queue outlives a restart ...

try:
    channel.basic_publish(
        exchange="",  # the default exchange: the routing key is the name of a queue
        routing_key="tasks",
        body=sys.argv[1].encode(),
        properties=pika.BasicProperties(delivery_mode=2),  # ... and so does the message
        mandatory=True,  # no queue takes it: it comes back
    )
    print("stored:", sys.argv[1])
except pika.exceptions.UnroutableError:
    sys.exit("nobody would ever get this message: there is no such queue")
finally:
    connection.close()
