#!/bin/bash
# rabbitmq-c's command line tools against the broker.
set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
url=(--url "$AMQP_URI")

fresh() { echo "$1.$$.$RANDOM$RANDOM"; }

# same GOT WANTED: equal texts, else both are shown.
same() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'" >&2; return 1; }; }

check() {
  local name=$1
  if "$name" 2>"$work/why"; then
    echo "ok $name"
  else
    failed=1
    echo "FAIL $name: $(tr '\n' ' ' <"$work/why")"
  fi
}

declare_named() {
  local queue; queue=$(fresh rc)
  same "$(amqp-declare-queue "${url[@]}" -d -q "$queue")" "$queue" && same "$(amqp-declare-queue "${url[@]}" -d -q "$queue")" "$queue" &&
    same "$(amqp-delete-queue "${url[@]}" -q "$queue")" 0
}

declare_server_named() {
  local queue; queue=$(amqp-declare-queue "${url[@]}" -q '') || return 1
  [[ $queue == amq.gen-* ]] || { echo "$queue" >&2; return 1; }
  amqp-delete-queue "${url[@]}" -q "$queue" >/dev/null
}

publish_get() {
  local queue; queue=$(fresh rc)
  amqp-declare-queue "${url[@]}" -d -q "$queue" >/dev/null
  amqp-publish "${url[@]}" -p -r "$queue" -b 'first' && printf 'second\nthird\n' | amqp-publish "${url[@]}" -l -r "$queue" || return 1
  same "$(amqp-get "${url[@]}" -q "$queue")" first && same "$(amqp-delete-queue "${url[@]}" -q "$queue")" 2
}

get_empty() {
  local queue; queue=$(fresh rc)
  amqp-declare-queue "${url[@]}" -q "$queue" >/dev/null
  amqp-get "${url[@]}" -q "$queue"
  same $? 2 && amqp-delete-queue "${url[@]}" -q "$queue" >/dev/null
}

large_body() {
  local queue; queue=$(fresh rc)
  head -c 5000000 /dev/urandom >"$work/body"
  amqp-declare-queue "${url[@]}" -q "$queue" >/dev/null
  amqp-publish "${url[@]}" -r "$queue" <"$work/body" && amqp-get "${url[@]}" -q "$queue" >"$work/back" || return 1
  cmp "$work/body" "$work/back" >&2 && amqp-delete-queue "${url[@]}" -q "$queue" >/dev/null
}

consume_count() {
  local queue number; queue=$(fresh rc)
  amqp-declare-queue "${url[@]}" -q "$queue" >/dev/null
  for number in 1 2 3 4 5; do amqp-publish "${url[@]}" -r "$queue" -b "$number;" || return 1; done
  same "$(timeout 10 amqp-consume "${url[@]}" -q "$queue" -p 2 -c 3 cat)" '1;2;3;' || return 1
  # What was fetched ahead and not taken came back.
  sleep 0.3
  same "$(amqp-delete-queue "${url[@]}" -q "$queue")" 2
}

# amqp-consume acknowledges only when the command it starts ends with 0.
consume_unacknowledged() {
  local queue; queue=$(fresh rc)
  amqp-declare-queue "${url[@]}" -q "$queue" >/dev/null
  amqp-publish "${url[@]}" -r "$queue" -b kept
  timeout 10 amqp-consume "${url[@]}" -q "$queue" -c 1 false
  sleep 0.3
  same "$(amqp-get "${url[@]}" -q "$queue")" kept && amqp-delete-queue "${url[@]}" -q "$queue" >/dev/null
}

bound_exclusive() {
  timeout 20 amqp-consume "${url[@]}" -e amq.topic -r 'rc.#' -x -q '' -c 1 cat >"$work/topic" &
  local consumer=$! look
  for look in $(seq 50); do
    amqp-publish "${url[@]}" -e amq.topic -r rc.one -b routed
    kill -0 $consumer 2>/dev/null || break
    sleep 0.1
  done
  wait $consumer && same "$(cat "$work/topic")" routed
}

headers_and_types() {
  local queue; queue=$(fresh rc)
  amqp-declare-queue "${url[@]}" -q "$queue" >/dev/null
  amqp-publish "${url[@]}" -r "$queue" -C text/plain -E gzip -t answers -H 'one: 1' -H 'two: zwei' -b typed || return 1
  same "$(amqp-get "${url[@]}" -q "$queue")" typed && amqp-delete-queue "${url[@]}" -q "$queue" >/dev/null
}

delete_conditions() {
  local queue; queue=$(fresh rc)
  amqp-declare-queue "${url[@]}" -q "$queue" >/dev/null
  amqp-publish "${url[@]}" -r "$queue" -b x
  amqp-delete-queue "${url[@]}" -e -q "$queue" >/dev/null 2>"$work/said" && { echo 'deleted although not empty' >&2; return 1; }
  grep -q "PRECONDITION_FAILED - queue '$queue' in vhost '/' not empty" "$work/said" || { cat "$work/said" >&2; return 1; }
  amqp-delete-queue "${url[@]}" --if-unused -q "$queue" >/dev/null
}

errors() {
  amqp-get "${url[@]}" -q not.there 2>"$work/said" && return 1
  grep -q "NOT_FOUND - no queue 'not.there' in vhost '/'" "$work/said" || { cat "$work/said" >&2; return 1; }
  amqp-get --server "$AMQP_HOST" --port "$AMQP_PORT" --username "$AMQP_USER" --password wrong -q any 2>"$work/said" && return 1
  grep -q ACCESS_REFUSED "$work/said" || { cat "$work/said" >&2; return 1; }
}

credentials_from_file() {
  local queue; queue=$(fresh rc)
  printf 'username:%s\npassword:%s\n' "$AMQP_USER" "$AMQP_PASSWORD" >"$work/auth"
  same "$(amqp-declare-queue --server "$AMQP_HOST" --port "$AMQP_PORT" --authfile "$work/auth" --heartbeat 10 -q "$queue")" "$queue" &&
    amqp-delete-queue "${url[@]}" -q "$queue" >/dev/null
}

for name in declare_named declare_server_named publish_get get_empty large_body consume_count consume_unacknowledged bound_exclusive \
  headers_and_types delete_conditions errors credentials_from_file; do
  check "$name"
done
exit $failed
