// amqplib (Node, promise API) against the broker: the common list of checks.
'use strict';

const amqp = require('amqplib');
const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');

const { AMQP_HOST, AMQP_PORT, AMQP_USER, AMQP_PASSWORD } = process.env;
const fresh = (stem) => `${stem}.${randomUUID().slice(0, 13)}`;
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function connectWith(more = {}) {
  return amqp.connect({ hostname: AMQP_HOST, port: Number(AMQP_PORT), username: AMQP_USER, password: AMQP_PASSWORD, vhost: '/', ...more });
}

// A connection with one channel for `act`; channel errors go to whoever waits for an answer.
async function withChannel(act, more = {}) {
  const connection = await connectWith(more);
  connection.on('error', () => {});
  try {
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    return await act(channel, connection);
  } finally {
    await connection.close().catch(() => {});
  }
}

async function until(ready, what) {
  for (let look = 0; look < 500; look += 1) {
    if (await ready()) return;
    await pause(20);
  }
  assert.fail(`not within 10 s: ${what}`);
}

async function put(channel, queue, ...bodies) {
  for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body));
  await channel.waitForConfirms();
}

async function exclusive(channel) {
  return (await channel.assertQueue('', { exclusive: true })).queue;
}

async function thereAndBack(body, options, more) {
  return withChannel(async (channel) => {
    const queue = await exclusive(channel);
    channel.sendToQueue(queue, body, options);
    await channel.waitForConfirms();
    return channel.get(queue, { noAck: true });
  }, more);
}

// `act` on a new channel must lose it with this code and text; the connection lives on.
async function closesWith(code, part, act) {
  const connection = await connectWith();
  const channel = await connection.createChannel();
  const heard = new Promise((done) => channel.on('error', done));
  await assert.rejects(act(channel));
  const error = await heard;
  assert.equal(error.code, code);
  assert.ok(error.message.includes(part), `${part} is not in ${error.message}`);
  await (await connection.createChannel()).checkExchange('amq.direct');
  await connection.close();
}

const checks = {
  async connect() {
    const connection = await connectWith();
    const shown = connection.connection.serverProperties;
    assert.ok(shown.product, 'no product');
    assert.equal(shown.capabilities.publisher_confirms, true);
    await connection.close();
  },

  async wrong_password() {
    await assert.rejects(connectWith({ password: 'not it' }), /ACCESS[_-]REFUSED/);
  },

  async wrong_vhost() {
    await assert.rejects(connectWith({ vhost: 'not.there' }), /NOT[_-]ALLOWED|ConnectionClose/);
  },

  async declare() {
    await withChannel(async (channel) => {
      assert.match(await exclusive(channel), /^amq\.gen-/);
      const queue = fresh('declare');
      assert.deepEqual(await channel.assertQueue(queue, { autoDelete: true, durable: false }), { queue, messageCount: 0, consumerCount: 0 });
      await put(channel, queue, '1', '2');
      assert.deepEqual(await channel.checkQueue(queue), { queue, messageCount: 2, consumerCount: 0 });
      const { consumerTag } = await channel.consume(queue, () => {});
      assert.equal((await channel.checkQueue(queue)).consumerCount, 1);
      await channel.cancel(consumerTag);
      await assert.rejects(channel.checkQueue(queue), /NOT_FOUND/);
    });
  },

  async publish_get() {
    await withChannel(async (channel) => {
      const queue = await exclusive(channel);
      await put(channel, queue, '0', '1');
      const message = await channel.get(queue);
      assert.equal(message.content.toString(), '0');
      assert.deepEqual([message.fields.messageCount, message.fields.redelivered, message.fields.routingKey], [1, false, queue]);
      channel.ack(message);
      assert.equal((await channel.get(queue, { noAck: true })).content.toString(), '1');
      assert.equal(await channel.get(queue), false);
    });
  },

  async confirm() {
    await withChannel(async (channel) => {
      const queue = fresh('confirm');
      await channel.assertQueue(queue, { durable: true });
      let confirmed = 0;
      for (let number = 0; number < 200; number += 1) {
        channel.publish('', queue, Buffer.from(`${number}`), { persistent: true }, (error) => { if (!error) confirmed += 1; });
      }
      await channel.waitForConfirms();
      assert.equal(confirmed, 200);
      assert.equal((await channel.deleteQueue(queue)).messageCount, 200);
    });
  },

  async mandatory_return() {
    await withChannel(async (channel) => {
      const order = [];
      const key = fresh('nowhere');
      channel.on('return', (message) => order.push(message));
      channel.publish('amq.direct', key, Buffer.from('back'), { mandatory: true }, () => order.push('confirm'));
      await channel.waitForConfirms();
      assert.equal(order[1], 'confirm', 'the return comes before the confirm');
      const { fields, content } = order[0];
      assert.deepEqual([fields.replyCode, fields.replyText, fields.exchange, fields.routingKey], [312, 'NO_ROUTE', 'amq.direct', key]);
      assert.equal(content.toString(), 'back');
    });
  },

  async consume_prefetch() {
    await withChannel(async (channel) => {
      const [queue, seen] = [await exclusive(channel), []];
      await put(channel, queue, ...Array.from({ length: 20 }, (_, number) => `${number}`));
      await channel.prefetch(5);
      await channel.consume(queue, (message) => seen.push(message));
      await until(() => seen.length === 5, '5 deliveries');
      await pause(300);
      assert.equal(seen.length, 5, 'with prefetch 5');
      channel.ack(seen[0]);
      await until(() => seen.length === 6, 'the sixth');
      while (seen.length < 20) {
        const before = seen.length;
        channel.ack(seen[before - 1], true);
        await until(() => seen.length > before, 'more after ack allUpTo');
      }
      assert.deepEqual(seen.map((message) => message.content.toString()), Array.from({ length: 20 }, (_, number) => `${number}`));
      channel.ackAll();
    });
  },

  async nack_requeue() {
    await withChannel(async (channel) => {
      const queue = await exclusive(channel);
      await put(channel, queue, '0', '1', '2');
      await channel.get(queue);
      channel.nack(await channel.get(queue), true, true);
      const again = [];
      for (let number = 0; number < 3; number += 1) again.push(await channel.get(queue, { noAck: true }));
      const shown = again.map((message) => [message.fields.redelivered, message.content.toString()]);
      assert.deepEqual(shown, [[true, '0'], [true, '1'], [false, '2']]);
    });
  },

  async reject_drop() {
    await withChannel(async (channel) => {
      const queue = await exclusive(channel);
      await put(channel, queue, 'drop');
      channel.reject(await channel.get(queue), false);
      assert.equal((await channel.deleteQueue(queue)).messageCount, 0);
    });
  },

  async purge_delete() {
    await withChannel(async (channel) => {
      const queue = await exclusive(channel);
      await put(channel, queue, 'x', 'x', 'x');
      assert.equal((await channel.purgeQueue(queue)).messageCount, 3);
      await put(channel, queue, 'x');
      assert.equal((await channel.deleteQueue(queue)).messageCount, 1);
    });
  },

  async exchange_types() {
    await withChannel(async (channel) => {
      async function routed(kind, bindings, key, headers) {
        const [exchange, queues, counts] = [fresh(kind), [], []];
        await channel.assertExchange(exchange, kind, { durable: false });
        for (const [binding, argument] of bindings) {
          const queue = await exclusive(channel);
          queues.push(queue);
          await channel.bindQueue(queue, exchange, binding, argument);
        }
        channel.publish(exchange, key, Buffer.from('m'), { headers });
        await channel.waitForConfirms();
        await channel.deleteExchange(exchange);
        for (const queue of queues) counts.push((await channel.deleteQueue(queue)).messageCount);
        return counts;
      }
      assert.deepEqual(await routed('direct', [['a'], ['b']], 'a'), [1, 0]);
      assert.deepEqual(await routed('fanout', [['a'], ['b']], 'z'), [1, 1]);
      assert.deepEqual(await routed('topic', [['a.*.c'], ['a.#'], ['a.*'], ['#']], 'a.b.c'), [1, 1, 0, 1]);
      const both = { 'x-match': 'all', one: 1, two: '2' };
      assert.deepEqual(await routed('headers', [['', both], ['', { ...both, 'x-match': 'any' }]], '', { one: 1 }), [0, 1]);
    });
  },

  async exchange_bindings() {
    await withChannel(async (channel) => {
      const [outer, inner, queue] = [fresh('outer'), fresh('inner'), await exclusive(channel)];
      await channel.assertExchange(outer, 'topic');
      await channel.assertExchange(inner, 'fanout');
      await channel.bindQueue(queue, inner, '');
      await channel.bindExchange(inner, outer, 'k.#');
      channel.publish(outer, 'k.1', Buffer.from('through'));
      await channel.waitForConfirms();
      await channel.unbindExchange(inner, outer, 'k.#');
      channel.publish(outer, 'k.1', Buffer.from('not'));
      await channel.waitForConfirms();
      assert.equal((await channel.deleteQueue(queue)).messageCount, 1);
      await channel.deleteExchange(outer);
      await channel.deleteExchange(inner);
    });
  },

  async error_404() {
    await closesWith(404, "no queue 'not.there' in vhost '/'", (channel) => channel.checkQueue('not.there'));
  },

  async error_405() {
    await withChannel(async (other) => {
      const queue = await exclusive(other);
      await closesWith(405, 'RESOURCE_LOCKED', (channel) => channel.checkQueue(queue));
    });
  },

  async error_406() {
    await withChannel(async (other) => {
      const queue = fresh('error');
      await other.assertQueue(queue, { durable: false });
      await closesWith(406, "inequivalent arg 'durable'", (channel) => channel.assertQueue(queue, { durable: true }));
      await other.deleteQueue(queue);
    });
  },

  async error_403() {
    await closesWith(403, 'ACCESS_REFUSED', (channel) => channel.assertQueue('amq.mine'));
  },

  async properties() {
    const sent = {
      contentType: 'text/plain', contentEncoding: 'gzip', headers: { h: 'v' }, deliveryMode: 2, priority: 7, correlationId: 'c-1',
      replyTo: 'answers', expiration: '60000', messageId: 'm-1', timestamp: 1700000000, type: 'kind', userId: AMQP_USER, appId: 'app',
    };
    const { properties } = await thereAndBack(Buffer.from('m'), sent);
    for (const [name, value] of Object.entries(sent)) assert.deepEqual(properties[name], value, name);
  },

  async field_types() {
    const headers = {
      bool: true, int: -5, long: 2 ** 40, text: 'grüße', none: null, double: 0.125, bytes: Buffer.from([0, 255]),
      time: { '!': 'timestamp', value: 1700000000 }, decimal: { '!': 'decimal', value: { digits: 1234, places: 2 } },
      byte: { '!': 'int8', value: -3 }, short: { '!': 'int16', value: -300 }, float: { '!': 'float', value: 0.5 },
      list: [1, 'two', { three: 3 }, [null]], table: { deep: { er: false } },
    };
    const { properties } = await thereAndBack(Buffer.from('m'), { headers });
    const plain = { ...headers, byte: -3, short: -300, float: 0.5 };
    for (const [name, value] of Object.entries(plain)) assert.deepEqual(properties.headers[name], value, name);
  },

  async large_message() {
    const body = Buffer.alloc(5 * 1024 * 1024);
    for (let at = 0; at < body.length; at += 4) body.writeUInt32BE(at, at);
    assert.ok((await thereAndBack(body)).content.equals(body));
    assert.ok((await thereAndBack(body, {}, { frameMax: 8192 })).content.equals(body), 'in small frames');
  },

  async heartbeat() {
    await withChannel(async (channel) => {
      await pause(4500);
      await exclusive(channel);
    }, { heartbeat: 1 });
  },

  async stream() {
    await withChannel(async (channel) => {
      const queue = fresh('stream');
      await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'stream' } });
      const bodies = Array.from({ length: 50 }, (_, number) => String(number));
      await put(channel, queue, ...bodies);
      await channel.prefetch(5);
      const read = async (offset, count) => {
        const seen = [];
        const take = (message) => {
          seen.push([message.properties.headers['x-stream-offset'], message.content.toString()]);
          channel.ack(message);
        };
        const { consumerTag } = await channel.consume(queue, take, { arguments: { 'x-stream-offset': offset } });
        await until(() => seen.length >= count, `${count} from ${JSON.stringify(offset)}`);
        await channel.cancel(consumerTag);
        return seen;
      };
      const wanted = bodies.map((body, number) => [number, body]);
      assert.deepEqual(await read('first', 50), wanted);
      assert.deepEqual(await read(30, 20), wanted.slice(30));
      assert.deepEqual(await read({ '!': 'timestamp', value: 1000 }, 50), wanted);
      await channel.deleteQueue(queue);
    });
  },

  async cancel_notice() {
    await withChannel(async (channel) => {
      const queue = fresh('cancel');
      let cancelled = false;
      await channel.assertQueue(queue);
      await channel.consume(queue, (message) => { cancelled = message === null; });
      await withChannel((other) => other.deleteQueue(queue));
      await until(() => cancelled, 'basic.cancel');
    });
  },
};

async function main() {
  const wanted = process.argv.slice(2);
  for (const [name, check] of Object.entries(checks)) {
    if (wanted.length && !wanted.includes(name)) continue;
    const limit = pause(30000).then(() => assert.fail('not within 30 s'));
    limit.catch(() => {});
    try {
      await Promise.race([check(), limit]);
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`FAIL ${name}: ${String(error.message).split('\n')[0]}`);
      console.log(error.stack);
      process.exitCode = 1;
    }
  }
  process.exit();
}

main();
