<?php
// php-amqplib against the broker: the common list of checks.

require 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPArray;
use PhpAmqpLib\Wire\AMQPDecimal;
use PhpAmqpLib\Wire\AMQPTable;

function opened(string $password = null, string $vhost = '/', int $heartbeat = 0): AMQPStreamConnection
{
    return new AMQPStreamConnection(
        getenv('AMQP_HOST'), getenv('AMQP_PORT'), getenv('AMQP_USER'), $password ?? getenv('AMQP_PASSWORD'), $vhost,
        false, 'AMQPLAIN', null, 'en_US', 10.0, 10.0, null, true, $heartbeat
    );
}

function linked(): AMQPChannel
{
    $channel = opened()->channel();
    $channel->confirm_select();
    return $channel;
}

function fresh(string $stem): string
{
    return $stem . '.' . bin2hex(random_bytes(6));
}

function same($left, $right): void
{
    if ($left !== $right) {
        throw new Exception(substr(serialize($left), 0, 300) . ' is not ' . substr(serialize($right), 0, 300));
    }
}

function holds($truth, string $what): void
{
    if (!$truth) {
        throw new Exception($what);
    }
}

function refused(string $kind, callable $act): Throwable
{
    try {
        $act();
    } catch (Throwable $error) {
        holds($error instanceof $kind, get_class($error) . ' is no ' . $kind . ': ' . $error->getMessage());
        return $error;
    }
    throw new Exception("no $kind");
}

function exclusive(AMQPChannel $channel): string
{
    return $channel->queue_declare('', false, false, true)[0];
}

function put(AMQPChannel $channel, string $queue, string ...$bodies): void
{
    foreach ($bodies as $body) {
        $channel->basic_publish(new AMQPMessage($body), '', $queue);
    }
    $channel->wait_for_pending_acks(10);
}

function until(AMQPChannel $channel, callable $ready, string $what): void
{
    for ($look = 0; $look < 100 && !$ready(); $look++) {
        try {
            $channel->wait(null, false, 0.1);
        } catch (AMQPTimeoutException $silence) {
        }
    }
    holds($ready(), "not within 10 s: $what");
}

function closes_with(int $code, string $part, callable $act): void
{
    $connection = opened();
    $error = refused(AMQPProtocolChannelException::class, fn () => $act($connection->channel()));
    same($error->amqp_reply_code, $code);
    holds(str_contains($error->amqp_reply_text, $part), "$part is not in {$error->amqp_reply_text}");
    exclusive($connection->channel());
    $connection->close();
}

function there_and_back(AMQPMessage $message): AMQPMessage
{
    $channel = linked();
    $queue = exclusive($channel);
    $channel->basic_publish($message, '', $queue);
    $channel->wait_for_pending_acks(20);
    return $channel->basic_get($queue, true);
}

$checks = [];

$checks['connect'] = function () {
    $connection = opened();
    holds(isset($connection->getServerProperties()['product']), 'no product');
    $connection->close();
    holds(!$connection->isConnected(), 'connected after close');
};

$checks['wrong_password'] = function () {
    holds(str_contains(refused(AMQPConnectionClosedException::class, fn () => opened('not it'))->getMessage(), 'ACCESS_REFUSED'), 'another error');
};

$checks['wrong_vhost'] = function () {
    same(refused(AMQPConnectionClosedException::class, fn () => opened(null, 'not.there'))->getCode(), 530);
};

$checks['declare'] = function () {
    $channel = linked();
    holds(str_starts_with(exclusive($channel), 'amq.gen-'), "no name of the server's");
    $queue = fresh('declare');
    same($channel->queue_declare($queue), [$queue, 0, 0]);
    put($channel, $queue, '1', '2');
    same($channel->queue_declare($queue, true), [$queue, 2, 0]);
    $tag = $channel->basic_consume($queue, '', false, true, false, false, fn () => null);
    same($channel->queue_declare($queue, true)[2], 1);
    $channel->basic_cancel($tag);
    same(refused(AMQPProtocolChannelException::class, fn () => $channel->queue_declare($queue, true))->amqp_reply_code, 404);
};

$checks['publish_get'] = function () {
    $channel = linked();
    $queue = exclusive($channel);
    put($channel, $queue, '0', '1');
    $got = $channel->basic_get($queue);
    same([$got->getBody(), $got->getMessageCount(), $got->isRedelivered(), $got->getRoutingKey()], ['0', 1, false, $queue]);
    $got->ack();
    same($channel->basic_get($queue, true)->getBody(), '1');
    same($channel->basic_get($queue), null);
};

$checks['confirm'] = function () {
    $channel = linked();
    $queue = fresh('confirm');
    $channel->queue_declare($queue, false, true, false, false);
    $confirmed = 0;
    $channel->set_ack_handler(function () use (&$confirmed) {
        $confirmed++;
    });
    for ($number = 0; $number < 200; $number++) {
        $channel->basic_publish(new AMQPMessage("$number", ['delivery_mode' => 2]), '', $queue);
    }
    $channel->wait_for_pending_acks(10);
    same($confirmed, 200);
    same($channel->queue_delete($queue), 200);
};

$checks['mandatory_return'] = function () {
    $channel = linked();
    $order = [];
    $key = fresh('nowhere');
    $channel->set_return_listener(function ($code, $text, $exchange, $key, $message) use (&$order) {
        $order[] = [$code, $text, $exchange, $key, $message->getBody()];
    });
    $channel->set_ack_handler(function () use (&$order) {
        $order[] = 'confirm';
    });
    $channel->basic_publish(new AMQPMessage('back'), 'amq.direct', $key, true);
    $channel->wait_for_pending_acks_returns(10);
    same($order, [[312, 'NO_ROUTE', 'amq.direct', $key, 'back'], 'confirm']);
};

$checks['consume_prefetch'] = function () {
    $channel = linked();
    $queue = exclusive($channel);
    put($channel, $queue, ...array_map('strval', range(0, 19)));
    $channel->basic_qos(0, 5, false);
    $seen = [];
    $channel->basic_consume($queue, '', false, false, false, false, function ($message) use (&$seen) {
        $seen[] = $message;
    });
    until($channel, function () use (&$seen) {
        return count($seen) === 5;
    }, '5 deliveries');
    refused(AMQPTimeoutException::class, fn () => $channel->wait(null, false, 0.3));
    same(count($seen), 5);
    $seen[0]->ack();
    while (count($seen) < 20) {
        $before = count($seen);
        if ($before > 5) {
            $seen[$before - 1]->ack(true);
        }
        until($channel, function () use (&$seen, $before) {
            return count($seen) > $before;
        }, 'more after an ack');
    }
    same(array_map(fn ($message) => $message->getBody(), $seen), array_map('strval', range(0, 19)));
};

$checks['nack_requeue'] = function () {
    $channel = linked();
    $queue = exclusive($channel);
    put($channel, $queue, '0', '1', '2');
    $channel->basic_get($queue);
    $channel->basic_nack($channel->basic_get($queue)->getDeliveryTag(), true, true);
    foreach ([[true, '0'], [true, '1'], [false, '2']] as $expected) {
        $got = $channel->basic_get($queue, true);
        same([$got->isRedelivered(), $got->getBody()], $expected);
    }
};

$checks['reject_drop'] = function () {
    $channel = linked();
    $queue = exclusive($channel);
    put($channel, $queue, 'drop');
    $channel->basic_get($queue)->reject(false);
    same($channel->queue_delete($queue), 0);
};

$checks['purge_delete'] = function () {
    $channel = linked();
    $queue = exclusive($channel);
    put($channel, $queue, 'x', 'x', 'x');
    same($channel->queue_purge($queue), 3);
    put($channel, $queue, 'x');
    same($channel->queue_delete($queue), 1);
};

$checks['exchange_types'] = function () {
    $channel = linked();
    $routed = function (string $kind, array $bindings, string $key, array $headers = []) use ($channel): array {
        [$exchange, $queues] = [fresh($kind), []];
        $channel->exchange_declare($exchange, $kind);
        foreach ($bindings as [$binding, $arguments]) {
            $queues[] = $queue = exclusive($channel);
            $channel->queue_bind($queue, $exchange, $binding, false, new AMQPTable($arguments));
        }
        $channel->basic_publish(new AMQPMessage('m', ['application_headers' => new AMQPTable($headers)]), $exchange, $key);
        $channel->wait_for_pending_acks(10);
        $channel->exchange_delete($exchange);
        return array_map(fn ($queue) => $channel->queue_delete($queue), $queues);
    };
    same($routed('direct', [['a', []], ['b', []]], 'a'), [1, 0]);
    same($routed('fanout', [['a', []], ['b', []]], 'z'), [1, 1]);
    same($routed('topic', [['a.*.c', []], ['a.#', []], ['a.*', []], ['#', []]], 'a.b.c'), [1, 1, 0, 1]);
    $both = ['x-match' => 'all', 'one' => 1, 'two' => '2'];
    same($routed('headers', [['', $both], ['', ['x-match' => 'any'] + $both]], '', ['one' => 1]), [0, 1]);
};

$checks['exchange_bindings'] = function () {
    $channel = linked();
    [$outer, $inner, $queue] = [fresh('outer'), fresh('inner'), exclusive($channel)];
    $channel->exchange_declare($outer, 'topic', false, false, false);
    $channel->exchange_declare($inner, 'fanout', false, false, false);
    $channel->queue_bind($queue, $inner);
    $channel->exchange_bind($inner, $outer, 'k.#');
    $channel->basic_publish(new AMQPMessage('through'), $outer, 'k.1');
    $channel->exchange_unbind($inner, $outer, 'k.#');
    $channel->basic_publish(new AMQPMessage('not'), $outer, 'k.1');
    $channel->wait_for_pending_acks(10);
    same($channel->queue_delete($queue), 1);
    $channel->exchange_delete($outer);
    $channel->exchange_delete($inner);
};

$checks['error_404'] = function () {
    closes_with(404, "NOT_FOUND - no queue 'not.there' in vhost '/'", fn ($channel) => $channel->queue_declare('not.there', true));
};

$checks['error_405'] = function () {
    $owner = linked();
    $queue = exclusive($owner);
    closes_with(405, 'RESOURCE_LOCKED', fn ($channel) => $channel->queue_declare($queue, true));
};

$checks['error_406'] = function () {
    $owner = linked();
    $queue = fresh('error');
    $owner->queue_declare($queue, false, false, false, false);
    closes_with(406, "inequivalent arg 'durable'", fn ($channel) => $channel->queue_declare($queue, false, true, false, false));
    $owner->queue_delete($queue);
};

$checks['error_403'] = function () {
    closes_with(403, 'ACCESS_REFUSED', fn ($channel) => $channel->exchange_declare('amq.mine', 'direct'));
};

$checks['properties'] = function () {
    $sent = [
        'content_type' => 'text/plain', 'content_encoding' => 'gzip', 'delivery_mode' => 2, 'priority' => 7, 'correlation_id' => 'c-1',
        'reply_to' => 'answers', 'expiration' => '60000', 'message_id' => 'm-1', 'timestamp' => 1700000000, 'type' => 'kind',
        'user_id' => getenv('AMQP_USER'), 'app_id' => 'app', 'cluster_id' => 'old',
    ];
    $back = there_and_back(new AMQPMessage('m', $sent + ['application_headers' => new AMQPTable(['h' => 'v'])]));
    foreach ($sent as $name => $value) {
        same([$name => (string) $back->get($name)], [$name => (string) $value]);
    }
    same($back->get('application_headers')->getNativeData(), ['h' => 'v']);
};

$checks['field_types'] = function () {
    $sent = new AMQPTable(['bool' => true, 'int' => -5, 'long' => 1 << 40, 'text' => 'grüße', 'void' => null, 'double' => 0.125]);
    $sent->set('byte', -8, AMQPTable::T_INT_SHORTSHORT);
    $sent->set('short', -300, AMQPTable::T_INT_SHORT);
    $sent->set('bytes', "\0\xff", AMQPTable::T_BYTES);
    $sent->set('decimal', new AMQPDecimal(1234, 2));
    $sent->set('time', (new DateTime())->setTimestamp(1700000000));
    $sent->set('list', new AMQPArray([1, 'two', null]));
    $sent->set('table', new AMQPTable(['deep' => ['er' => false]]));
    $back = there_and_back(new AMQPMessage('m', ['application_headers' => $sent]))->get('application_headers')->getNativeData();
    $time = $back['time'];
    same($time->getTimestamp(), 1700000000);
    $decimal = $back['decimal'];
    same([$decimal->getN(), $decimal->getE()], [1234, 2]);
    unset($back['time'], $back['decimal']);
    ksort($back);
    // This version writes a double as text.
    $plain = [
        'bool' => true, 'int' => -5, 'long' => 1 << 40, 'text' => 'grüße', 'void' => null, 'double' => '0.125', 'byte' => -8, 'short' => -300,
        'list' => [1, 'two', null], 'table' => ['deep' => ['er' => false]], 'bytes' => "\0\xff",
    ];
    ksort($plain);
    same($back, $plain);
};

$checks['large_message'] = function () {
    $body = pack('N*', ...range(0, intdiv(5 * 1024 * 1024, 4) - 1));
    holds(there_and_back(new AMQPMessage($body))->getBody() === $body, 'another body came back');
};

$checks['heartbeat'] = function () {
    $connection = opened(null, '/', 2);
    $channel = $connection->channel();
    for ($second = 0; $second < 5; $second++) {
        sleep(1);
        $connection->checkHeartBeat();
    }
    exclusive($channel);
};

$checks['cancel_notice'] = function () {
    $channel = linked();
    $queue = fresh('cancel');
    $channel->queue_declare($queue, false, false, false, false);
    $tag = $channel->basic_consume($queue, '', false, true, false, false, fn () => null);
    linked()->queue_delete($queue);
    // The library raises what the server says.
    $error = refused(PhpAmqpLib\Exception\AMQPBasicCancelException::class, fn () => $channel->wait(null, false, 10));
    same($error->consumerTag, $tag);
};

$failed = false;
foreach ($checks as $name => $check) {
    try {
        $check();
        echo "ok $name\n";
    } catch (Throwable $error) {
        $failed = true;
        echo "FAIL $name: " . get_class($error) . ' ' . strtok($error->getMessage(), "\n") . "\n" . $error->getTraceAsString() . "\n";
    }
    gc_collect_cycles();
}
exit($failed ? 1 : 0);
