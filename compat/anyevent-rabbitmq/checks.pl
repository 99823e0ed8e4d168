#!/usr/bin/perl
# Perl's AnyEvent::RabbitMQ against the broker: the common list of checks.

use strict;
use warnings;
use AnyEvent;
use AnyEvent::RabbitMQ;
use Digest::SHA qw(sha256_hex);

$| = 1;
my $spec = AnyEvent::RabbitMQ->new->load_xml_spec;
my ($serial, @open) = (0);

sub fresh { return join '.', shift, $$, time, ++$serial }

sub same {
    my ($left, $right) = map { ref $_ ? join(',', map { $_ // 'undef' } @$_) : $_ // 'undef' } @_;
    die "'$left' is not '$right'\n" if $left ne $right;
    return;
}

sub holds { my ($truth, $what) = @_; die "$what\n" unless $truth; return }

# Calls $act->(on_success, on_failure) and waits for either; a failure is thrown as text.
sub wait_for {
    my ($act, $seconds) = @_;
    my $done = AnyEvent->condvar;
    my $timer = AnyEvent->timer(after => $seconds // 10, cb => sub { $done->croak("no answer\n") });
    $act->(sub { $done->send(@_) }, sub { $done->croak(reason(@_) . "\n") });
    return $done->recv;
}

# A close frame or a text, as "CODE TEXT".
sub reason {
    for my $part (@_) {
        next unless ref $part && eval { $part->can('method_frame') };
        my $method = $part->method_frame;
        return join ' ', map { $_ // '' } $method->reply_code, $method->reply_text if $method->can('reply_code');
    }
    return join ' ', map { ref $_ ? ref $_ : $_ // '' } @_;
}

sub pause {
    my ($seconds) = @_;
    my $done = AnyEvent->condvar;
    my $timer = AnyEvent->timer(after => $seconds, cb => sub { $done->send });
    $done->recv;
    return;
}

sub until_true {
    my ($ready, $what) = @_;
    for (1 .. 500) {
        return if $ready->();
        pause(0.02);
    }
    die "not within 10 s: $what\n";
}

sub opened {
    my %more = @_;
    my $connection = wait_for(sub {
        my ($good, $bad) = @_;
        my $self = AnyEvent::RabbitMQ->new;
        push @open, $self;
        $self->connect(
            host => $ENV{AMQP_HOST}, port => $ENV{AMQP_PORT}, user => $ENV{AMQP_USER}, pass => $ENV{AMQP_PASSWORD}, vhost => '/',
            timeout => 5, on_success => $good, on_failure => $bad, on_close => sub { $bad->(@_) }, on_read_failure => sub { $bad->(@_) }, %more,
        );
    });
    return $connection;
}

# A channel; what closes it is kept in the returned list's second element.
sub channel_of {
    my ($connection) = @_;
    my $closed = [];
    my $channel = wait_for(sub {
        my ($good, $bad) = @_;
        $connection->open_channel(on_success => $good, on_failure => $bad, on_close => sub { push @$closed, reason(@_) });
    });
    return wantarray ? ($channel, $closed) : $channel;
}

sub linked {
    my $channel = channel_of(opened(@_));
    ask($channel, 'confirm');
    return $channel;
}

# One method of a channel with its answer.
sub ask {
    my ($channel, $method, %arguments) = @_;
    return wait_for(sub { $channel->$method(%arguments, on_success => $_[0], on_failure => $_[1]) });
}

sub declare_queue { my ($channel, %arguments) = @_; return ask($channel, 'declare_queue', %arguments)->method_frame }
sub exclusive { return declare_queue(shift, queue => '', exclusive => 1)->queue }
sub delete_queue { my ($channel, $queue) = @_; return ask($channel, 'delete_queue', queue => $queue)->method_frame->message_count }

sub publish {
    my ($channel, %arguments) = @_;
    my @returned;
    wait_for(sub {
        my ($good, $bad) = @_;
        $channel->publish(%arguments, on_ack => sub { $good->(1) }, on_nack => sub { $bad->('a nack') }, on_return => sub { push @returned, shift });
    }, 20);
    return @returned;
}

sub put { my ($channel, $queue, @bodies) = @_; publish($channel, routing_key => $queue, body => $_) for @bodies; return }
sub get { my ($channel, $queue, %more) = @_; return ask($channel, 'get', queue => $queue, %more) }
sub body { return shift->{body}->payload }

# $act->(channel) must fail with this code and text; the connection lives on.
sub closes_with {
    my ($code, $part, $act) = @_;
    my $connection = opened();
    my ($channel, $closed) = channel_of($connection);
    eval { $act->($channel); 1 } and die "no error\n";
    my $said = $@;
    until_true(sub { @$closed || $said =~ /^\d{3} / }, 'the channel is closed');
    my ($seen) = grep { /^\d{3} / } $said, @$closed;
    holds($seen =~ /^$code .*\Q$part\E/, "$seen is not $code $part");
    exclusive(scalar channel_of($connection));
    return;
}

my @checks = (
    connect => sub {
        my $connection = opened();
        holds($connection->server_properties->{product}, 'no product');
        wait_for(sub { $connection->close(on_success => $_[0], on_failure => $_[1]) });
        holds(!$connection->is_open, 'open after close');
    },
    wrong_password => sub {
        eval { opened(pass => 'not it'); 1 } and die "not refused\n";
    },
    wrong_vhost => sub {
        eval { opened(vhost => 'not.there'); 1 } and die "not refused\n";
        holds($@ =~ /NOT_ALLOWED|530|Close/, $@);
    },
    declare => sub {
        my $channel = linked();
        holds(exclusive($channel) =~ /^amq\.gen-/, "no name of the server's");
        my $queue = fresh('declare');
        declare_queue($channel, queue => $queue, auto_delete => 1);
        put($channel, $queue, 1, 2);
        my $seen = declare_queue($channel, queue => $queue, passive => 1);
        same([$seen->message_count, $seen->consumer_count], [2, 0]);
        my $tag = ask($channel, 'consume', queue => $queue, on_consume => sub { })->method_frame->consumer_tag;
        same(declare_queue($channel, queue => $queue, passive => 1)->consumer_count, 1);
        ask($channel, 'cancel', consumer_tag => $tag);
        eval { declare_queue($channel, queue => $queue, passive => 1); 1 } and die "the queue is still there\n";
    },
    publish_get => sub {
        my $channel = linked();
        my $queue = exclusive($channel);
        put($channel, $queue, '0', '1');
        my $got = get($channel, $queue, no_ack => 0);
        my $method = $got->{ok}->method_frame;
        same([body($got), $method->message_count, $method->redelivered, $method->routing_key], ['0', 1, 0, $queue]);
        $channel->ack(delivery_tag => $method->delivery_tag);
        same(body(get($channel, $queue)), '1');
        holds(get($channel, $queue)->{empty}, 'not empty');
    },
    confirm => sub {
        my $channel = linked();
        my ($queue, $confirmed) = (fresh('confirm'), 0);
        declare_queue($channel, queue => $queue, durable => 1);
        $channel->publish(routing_key => $queue, body => $_, header => { delivery_mode => 2 }, on_ack => sub { $confirmed++ }) for 1 .. 200;
        until_true(sub { $confirmed == 200 }, '200 confirms');
        same(delete_queue($channel, $queue), 200);
    },
    mandatory_return => sub {
        my $channel = linked();
        my $key = fresh('nowhere');
        my ($back) = publish($channel, exchange => 'amq.direct', routing_key => $key, mandatory => 1, body => 'back');
        # The library keeps the returned body to itself.
        my $method = $back->method_frame;
        same([$method->reply_code, $method->reply_text, $method->exchange, $method->routing_key], [312, 'NO_ROUTE', 'amq.direct', $key]);
    },
    consume_prefetch => sub {
        my $channel = linked();
        my ($queue, @seen) = (exclusive($channel));
        put($channel, $queue, 0 .. 19);
        ask($channel, 'qos', prefetch_count => 5);
        ask($channel, 'consume', queue => $queue, no_ack => 0, on_consume => sub { push @seen, shift });
        until_true(sub { @seen == 5 }, '5 deliveries');
        pause(0.3);
        same(scalar @seen, 5);
        $channel->ack(delivery_tag => $seen[0]{deliver}->method_frame->delivery_tag);
        until_true(sub { @seen == 6 }, 'the sixth');
        while (@seen < 20) {
            my $before = @seen;
            $channel->ack(delivery_tag => $seen[-1]{deliver}->method_frame->delivery_tag, multiple => 1);
            until_true(sub { @seen > $before }, 'more after ack multiple');
        }
        same([map { body($_) } @seen], [0 .. 19]);
    },
    nack_requeue => sub {
        my $channel = linked();
        my $queue = exclusive($channel);
        put($channel, $queue, 0 .. 2);
        # The library has no basic.nack.
        my @tags = map { get($channel, $queue, no_ack => 0)->{ok}->method_frame->delivery_tag } 1 .. 2;
        $channel->reject(delivery_tag => $_, requeue => 1) for reverse @tags;
        same([map { my $got = get($channel, $queue); $got->{ok}->method_frame->redelivered . body($got) } 1 .. 3], ['10', '11', '02']);
        put($channel, $queue, 'recover');
        get($channel, $queue, no_ack => 0);
        ask($channel, 'recover', requeue => 1);
        same(get($channel, $queue)->{ok}->method_frame->redelivered, 1);
    },
    reject_drop => sub {
        my $channel = linked();
        my $queue = exclusive($channel);
        put($channel, $queue, 'drop');
        $channel->reject(delivery_tag => get($channel, $queue, no_ack => 0)->{ok}->method_frame->delivery_tag, requeue => 0);
        same(delete_queue($channel, $queue), 0);
    },
    purge_delete => sub {
        my $channel = linked();
        my $queue = exclusive($channel);
        put($channel, $queue, qw(x x x));
        same(ask($channel, 'purge_queue', queue => $queue)->method_frame->message_count, 3);
        put($channel, $queue, 'x');
        same(delete_queue($channel, $queue), 1);
    },
    exchange_types => sub {
        my $channel = linked();
        my $routed = sub {
            my ($kind, $bindings, $key, $headers) = @_;
            my ($exchange, @queues) = (fresh($kind));
            ask($channel, 'declare_exchange', exchange => $exchange, type => $kind);
            for my $binding (@$bindings) {
                push @queues, exclusive($channel);
                ask($channel, 'bind_queue', queue => $queues[-1], exchange => $exchange, routing_key => $binding->[0], arguments => $binding->[1] // {});
            }
            publish($channel, exchange => $exchange, routing_key => $key, body => 'm', header => { headers => $headers // {} });
            ask($channel, 'delete_exchange', exchange => $exchange);
            return [map { delete_queue($channel, $_) } @queues];
        };
        same($routed->('direct', [['a'], ['b']], 'a'), [1, 0]);
        same($routed->('fanout', [['a'], ['b']], 'z'), [1, 1]);
        same($routed->('topic', [['a.*.c'], ['a.#'], ['a.*'], ['#']], 'a.b.c'), [1, 1, 0, 1]);
        my %both = (one => 'x', two => 'y');
        same($routed->('headers', [['', { %both, 'x-match' => 'all' }], ['', { %both, 'x-match' => 'any' }]], '', { one => 'x' }), [0, 1]);
    },
    exchange_bindings => sub {
        my $channel = linked();
        my ($outer, $inner, $queue) = (fresh('outer'), fresh('inner'), exclusive($channel));
        ask($channel, 'declare_exchange', exchange => $outer, type => 'topic');
        ask($channel, 'declare_exchange', exchange => $inner, type => 'fanout');
        ask($channel, 'bind_queue', queue => $queue, exchange => $inner, routing_key => '');
        my %binding = (source => $outer, destination => $inner, routing_key => 'k.#');
        ask($channel, 'bind_exchange', %binding);
        publish($channel, exchange => $outer, routing_key => 'k.1', body => 'through');
        ask($channel, 'unbind_exchange', %binding);
        publish($channel, exchange => $outer, routing_key => 'k.1', body => 'not');
        same(delete_queue($channel, $queue), 1);
        ask($channel, 'delete_exchange', exchange => $_) for $outer, $inner;
    },
    error_404 => sub {
        closes_with(404, "no queue 'not.there' in vhost '/'", sub { declare_queue(shift, queue => 'not.there', passive => 1) });
    },
    error_405 => sub {
        my $queue = exclusive(linked());
        closes_with(405, 'RESOURCE_LOCKED', sub { declare_queue(shift, queue => $queue, passive => 1) });
    },
    error_406 => sub {
        my ($first, $queue) = (linked(), fresh('error'));
        declare_queue($first, queue => $queue);
        closes_with(406, "inequivalent arg 'durable'", sub { declare_queue(shift, queue => $queue, durable => 1) });
        delete_queue($first, $queue);
    },
    error_403 => sub {
        closes_with(403, 'ACCESS_REFUSED', sub { declare_queue(shift, queue => 'amq.mine') });
    },
    properties => sub {
        my $channel = linked();
        my $queue = exclusive($channel);
        # The library has no cluster_id.
        my %sent = (
            content_type => 'text/plain', content_encoding => 'gzip', delivery_mode => 2, priority => 7, correlation_id => 'c-1',
            reply_to => 'answers', expiration => '60000', message_id => 'm-1', timestamp => 1700000000, type => 'kind',
            user_id => $ENV{AMQP_USER}, app_id => 'app',
        );
        publish($channel, routing_key => $queue, body => 'm', header => { %sent, headers => { h => 'v' } });
        my $back = get($channel, $queue)->{header};
        same([map { $back->$_ } sort keys %sent], [map { $sent{$_} } sort keys %sent]);
        same($back->headers->{h}, 'v');
    },
    field_types => sub {
        my $channel = linked();
        my $queue = exclusive($channel);
        # Perl's library writes texts, tables and lists; numbers are made texts on their way out.
        my %sent = (text => 'words', number => '42', table => { deep => { er => 'x' } }, list => ['one', 'two']);
        publish($channel, routing_key => $queue, body => 'm', header => { headers => {%sent} });
        my $back = get($channel, $queue)->{header}->headers;
        same([$back->{text}, $back->{number}, $back->{table}{deep}{er}, @{ $back->{list} }], ['words', '42', 'x', 'one', 'two']);
    },
    large_message => sub {
        my $channel = linked();
        my $queue = exclusive($channel);
        my $body = pack 'N*', 0 .. 5 * 1024 * 1024 / 4 - 1;
        my $sum = sha256_hex($body);
        publish($channel, routing_key => $queue, body => $body);
        same(sha256_hex(body(get($channel, $queue))), $sum);
    },
    heartbeat => sub {
        my $channel = linked(tune => { heartbeat => 2 });
        pause(5);
        exclusive($channel);
    },
    cancel_notice => sub {
        my ($channel, $queue, $cancelled) = (linked(), fresh('cancel'));
        declare_queue($channel, queue => $queue);
        my $tag = ask($channel, 'consume', queue => $queue, on_consume => sub { }, on_cancel => sub { $cancelled = shift })->method_frame->consumer_tag;
        delete_queue(linked(), $queue);
        until_true(sub { $cancelled }, 'basic.cancel');
        same($cancelled->method_frame->consumer_tag, $tag);
    },
);

my $failed = 0;
while (my ($name, $check) = splice @checks, 0, 2) {
    if (eval { local $SIG{ALRM} = sub { die "not within 40 s\n" }; alarm 40; $check->(); alarm 0; 1 }) {
        print "ok $name\n";
    } else {
        my $error = $@;
        alarm 0;
        $failed = 1;
        $error =~ s/\n.*//s;
        print "FAIL $name: $error\n";
    }
    for my $connection (@open) {
        eval { $connection->close(on_success => sub { }, on_failure => sub { }) if $connection->is_open };
    }
    pause(0.05);
    @open = ();
}
exit $failed;
