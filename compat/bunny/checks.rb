# frozen_string_literal: true

# Ruby's bunny against the broker: the common list of checks.

require 'bunny'
require 'securerandom'
require 'timeout'

$stdout.sync = true
Failure = Class.new(StandardError)
OPEN = []

def settings(**more)
  { host: ENV.fetch('AMQP_HOST'), port: ENV.fetch('AMQP_PORT').to_i, user: ENV.fetch('AMQP_USER'), pass: ENV.fetch('AMQP_PASSWORD'),
    vhost: '/', automatically_recover: false, log_level: 5, logger: Logger.new(IO::NULL), continuation_timeout: 10_000 }.merge(more)
end

def opened(**more)
  connection = Bunny.new(settings(**more))
  OPEN << connection
  connection.start
end

def linked(**more)
  channel = opened(**more).create_channel
  channel.confirm_select
  channel
end

def fresh(stem)
  "#{stem}.#{SecureRandom.hex(6)}"
end

def same(left, right)
  raise Failure, "#{left.inspect[0, 200]} is not #{right.inspect[0, 200]}" unless left == right
end

def holds(truth, what)
  raise Failure, what unless truth
end

def wait_until(what)
  500.times do
    return if yield
    sleep 0.02
  end
  raise Failure, "not within 10 s: #{what}"
end

def refused(kind)
  yield
rescue kind => error
  error
else
  raise Failure, "no #{kind}"
end

def exclusive(channel)
  channel.queue_declare('', exclusive: true).queue
end

def put(channel, queue, *bodies)
  bodies.each { |body| channel.basic_publish(body, '', queue) }
  holds(channel.wait_for_confirms, 'a nack')
end

def there_and_back(body, **properties)
  channel = linked
  queue = exclusive(channel)
  channel.basic_publish(body, '', queue, properties)
  channel.wait_for_confirms
  channel.basic_get(queue)
end

# The block must lose its channel with this error and text; the connection lives on.
def closes_with(kind, part, &act)
  connection = opened
  error = refused(kind) { act.call(connection.create_channel) }
  holds(error.message.include?(part), "#{part} is not in #{error.message}")
  exclusive(connection.create_channel)
end

CHECKS = {}
def check(name, &body)
  CHECKS[name] = body
end

check(:connect) do
  connection = opened
  holds(connection.server_properties['product'], 'no product')
  connection.close
  holds(connection.closed?, 'open after close')
end

check(:wrong_password) { refused(Bunny::AuthenticationFailureError) { opened(pass: 'not it') } }

check(:wrong_vhost) { refused(Bunny::NotAllowedError) { opened(vhost: 'not.there') } }

check(:declare) do
  channel = linked
  holds(exclusive(channel).start_with?('amq.gen-'), "no name of the server's")
  queue = channel.queue(fresh('declare'), auto_delete: true)
  put(channel, queue.name, '1', '2')
  same([queue.message_count, queue.consumer_count], [2, 0])
  consumer = queue.subscribe { nil }
  same(queue.consumer_count, 1)
  consumer.cancel
  refused(Bunny::NotFound) { channel.queue_declare(queue.name, passive: true) }
end

check(:publish_get) do
  channel = linked
  queue = exclusive(channel)
  put(channel, queue, '0', '1')
  got, _, body = channel.basic_get(queue, manual_ack: true)
  same([body, got.message_count, got.redelivered, got.routing_key], ['0', 1, false, queue])
  channel.ack(got.delivery_tag)
  same(channel.basic_get(queue)[2], '1')
  same(channel.basic_get(queue), [nil, nil, nil])
end

check(:confirm) do
  channel = linked
  queue = channel.queue(fresh('confirm'), durable: true)
  200.times { |number| queue.publish(number.to_s, persistent: true) }
  holds(channel.wait_for_confirms, 'a nack')
  same(queue.delete.message_count, 200)
end

check(:mandatory_return) do
  channel = linked
  back = Queue.new
  key = fresh('nowhere')
  exchange = channel.direct('amq.direct')
  exchange.on_return { |answer, _, body| back << [answer.reply_code, answer.reply_text, answer.exchange, answer.routing_key, body] }
  exchange.publish('back', routing_key: key, mandatory: true)
  holds(channel.wait_for_confirms, 'a nack')
  same(Timeout.timeout(10) { back.pop }, [312, 'NO_ROUTE', 'amq.direct', key, 'back'])
end

check(:consume_prefetch) do
  channel = linked
  queue = channel.queue('', exclusive: true)
  put(channel, queue.name, *(0...20).map(&:to_s))
  channel.prefetch(5)
  seen = []
  queue.subscribe(manual_ack: true) { |got, _, body| seen << [got.delivery_tag, body] }
  wait_until('5 deliveries') { seen.size == 5 }
  sleep 0.3
  same(seen.size, 5)
  channel.ack(seen[0][0])
  wait_until('the sixth') { seen.size == 6 }
  while seen.size < 20
    before = seen.size
    channel.ack(seen.last[0], true)
    wait_until('more after ack multiple') { seen.size > before }
  end
  same(seen.map(&:last), (0...20).map(&:to_s))
end

check(:nack_requeue) do
  channel = linked
  queue = exclusive(channel)
  put(channel, queue, '0', '1', '2')
  channel.basic_get(queue, manual_ack: true)
  second, = channel.basic_get(queue, manual_ack: true)
  channel.nack(second.delivery_tag, true, true)
  again = Array.new(3) { channel.basic_get(queue) }
  same(again.map { |got, _, body| [got.redelivered, body] }, [[true, '0'], [true, '1'], [false, '2']])
end

check(:reject_drop) do
  channel = linked
  queue = channel.queue('', exclusive: true)
  put(channel, queue.name, 'drop')
  channel.reject(channel.basic_get(queue.name, manual_ack: true)[0].delivery_tag, false)
  same(queue.delete.message_count, 0)
end

check(:purge_delete) do
  channel = linked
  queue = channel.queue('', exclusive: true)
  put(channel, queue.name, 'x', 'x', 'x')
  same(channel.queue_purge(queue.name).message_count, 3)
  put(channel, queue.name, 'x')
  same(queue.delete.message_count, 1)
end

check(:exchange_types) do
  channel = linked
  routed = lambda do |kind, bindings, key, headers = {}|
    exchange = channel.exchange(fresh(kind), type: kind)
    queues = bindings.map do |binding, arguments|
      channel.queue('', exclusive: true).bind(exchange, routing_key: binding, arguments: arguments || {})
    end
    exchange.publish('m', routing_key: key, headers: headers)
    channel.wait_for_confirms
    exchange.delete
    queues.map { |queue| queue.delete.message_count }
  end
  same(routed.call('direct', [['a'], ['b']], 'a'), [1, 0])
  same(routed.call('fanout', [['a'], ['b']], 'z'), [1, 1])
  same(routed.call('topic', [['a.*.c'], ['a.#'], ['a.*'], ['#']], 'a.b.c'), [1, 1, 0, 1])
  both = { 'x-match' => 'all', 'one' => 1, 'two' => '2' }
  same(routed.call('headers', [['', both], ['', both.merge('x-match' => 'any')]], '', { 'one' => 1 }), [0, 1])
end

check(:exchange_bindings) do
  channel = linked
  outer = channel.topic(fresh('outer'))
  inner = channel.fanout(fresh('inner'))
  queue = channel.queue('', exclusive: true).bind(inner)
  inner.bind(outer, routing_key: 'k.#')
  outer.publish('through', routing_key: 'k.1')
  inner.unbind(outer, routing_key: 'k.#')
  outer.publish('not', routing_key: 'k.1')
  channel.wait_for_confirms
  same(queue.delete.message_count, 1)
  [outer, inner].each(&:delete)
end

check(:error_404) do
  closes_with(Bunny::NotFound, "NOT_FOUND - no queue 'not.there' in vhost '/'") { |channel| channel.queue_declare('not.there', passive: true) }
end

check(:error_405) do
  queue = exclusive(linked)
  closes_with(Bunny::ResourceLocked, 'RESOURCE_LOCKED') { |channel| channel.queue_declare(queue, passive: true) }
end

check(:error_406) do
  queue = linked.queue(fresh('error'))
  closes_with(Bunny::PreconditionFailed, "inequivalent arg 'durable'") { |channel| channel.queue_declare(queue.name, durable: true) }
  queue.delete
end

check(:error_403) do
  closes_with(Bunny::AccessRefused, 'ACCESS_REFUSED') { |channel| channel.queue_declare('amq.mine') }
end

check(:properties) do
  sent = { content_type: 'text/plain', content_encoding: 'gzip', headers: { 'h' => 'v' }, delivery_mode: 2, priority: 7,
           correlation_id: 'c-1', reply_to: 'answers', expiration: '60000', message_id: 'm-1', timestamp: 1_700_000_000,
           type: 'kind', user_id: ENV.fetch('AMQP_USER'), app_id: 'app' }
  back = there_and_back('m', **sent)[1].to_hash
  same(back, sent.merge(timestamp: Time.at(1_700_000_000)))
end

check(:field_types) do
  headers = { 'bool' => true, 'int' => -5, 'long' => 1 << 40, 'text' => 'grüße', 'void' => nil, 'double' => 0.125,
              'time' => Time.at(1_700_000_000), 'list' => [1, 'two', nil, { 'three' => 3 }], 'table' => { 'deep' => { 'er' => false } } }
  back = there_and_back('m', headers: headers)[1][:headers]
  back['text'] = back['text'].dup.force_encoding('UTF-8')
  same(back, headers)
end

check(:large_message) do
  body = (0...(5 * 1024 * 1024 / 4)).to_a.pack('N*')
  holds(there_and_back(body)[2].b == body, 'another body came back')
end

check(:heartbeat) do
  channel = linked(heartbeat: 2)
  sleep 5
  exclusive(channel)
end

check(:cancel_notice) do
  channel = linked
  queue = channel.queue(fresh('cancel'))
  cancelled = Queue.new
  consumer = Bunny::Consumer.new(channel, queue, channel.generate_consumer_tag)
  consumer.on_cancellation { |told| cancelled << told.consumer_tag }
  queue.subscribe_with(consumer)
  linked.queue_delete(queue.name)
  same(Timeout.timeout(10) { cancelled.pop }, consumer.consumer_tag)
end

failed = false
CHECKS.each do |name, body|
  begin
    Timeout.timeout(30, &body)
    puts "ok #{name}"
  rescue StandardError, Timeout::Error => error
    failed = true
    puts "FAIL #{name}: #{error.class} #{error.message.lines.first}"
    puts error.backtrace.first(6)
  ensure
    OPEN.each { |connection| connection.close if connection.open? }
    OPEN.clear
  end
end
exit!(failed ? 1 : 0)
