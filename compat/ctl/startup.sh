#!/bin/sh
# The start-up script of many an image that is built on RabbitMQ's: the server in the background, then rabbitmqctl until all
# is set up. Nothing in it knows that another broker runs.
set -e

export RABBITMQ_PID_FILE=${RABBITMQ_PID_FILE:-/var/lib/rabbitmq/mnesia/rabbitmq.pid}

rabbitmq-server "$@" &
server=$!

rabbitmqctl wait --timeout 60 "$RABBITMQ_PID_FILE"
rabbitmqctl await_startup
rabbitmq-plugins enable --offline rabbitmq_management
rabbitmqctl add_vhost app
rabbitmqctl add_user app 'the password' 2>/dev/null || rabbitmqctl change_password app 'the password'
rabbitmqctl set_user_tags app administrator
rabbitmqctl set_permissions -p app app '.*' '.*' '.*'
rabbitmqctl set_policy -p app limited '^limited' '{"max-length": 10}' --apply-to queues
rabbitmqctl import_definitions "$DEFINITIONS"
rabbitmq-diagnostics -q check_running
rabbitmq-diagnostics -q check_local_alarms
echo "*** the broker is ready ***"
wait $server
