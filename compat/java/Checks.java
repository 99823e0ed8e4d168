// The Java client against the broker: the common list of checks.

import com.rabbitmq.client.*;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicReference;

public final class Checks {
    interface Check { void run() throws Exception; }
    interface Act { void on(Channel channel) throws Exception; }

    static final Map<String, Check> CHECKS = new LinkedHashMap<>();
    static final List<Connection> OPEN = new ArrayList<>();

    static ConnectionFactory factory() {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(System.getenv("AMQP_HOST"));
        factory.setPort(Integer.parseInt(System.getenv("AMQP_PORT")));
        factory.setUsername(System.getenv("AMQP_USER"));
        factory.setPassword(System.getenv("AMQP_PASSWORD"));
        factory.setAutomaticRecoveryEnabled(false);
        return factory;
    }

    static Connection connection() throws Exception {
        Connection connection = factory().newConnection();
        OPEN.add(connection);
        return connection;
    }

    static Channel channel() throws Exception {
        Channel channel = connection().createChannel();
        channel.confirmSelect();
        return channel;
    }

    static String fresh(String stem) { return stem + "." + UUID.randomUUID(); }
    static byte[] bytes(String text) { return text.getBytes(StandardCharsets.UTF_8); }
    static String text(byte[] body) { return new String(body, StandardCharsets.UTF_8); }

    static void same(Object left, Object right) {
        if (!Objects.equals(left, right)) throw new AssertionError(left + " is not " + right);
    }

    static void holds(boolean truth, String what) { if (!truth) throw new AssertionError(what); }

    static String exclusive(Channel channel) throws Exception { return channel.queueDeclare().getQueue(); }

    static void put(Channel channel, String queue, String... bodies) throws Exception {
        for (String body : bodies) channel.basicPublish("", queue, null, bytes(body));
        channel.waitForConfirmsOrDie(10_000);
    }

    // `act` must lose its channel with this code and text; the connection lives on.
    static void closesWith(int code, String part, Act act) throws Exception {
        Connection connection = connection();
        try {
            act.on(connection.createChannel());
        } catch (Exception failure) {
            ShutdownSignalException signal = (ShutdownSignalException) (failure instanceof ShutdownSignalException ? failure : failure.getCause());
            AMQP.Channel.Close close = (AMQP.Channel.Close) signal.getReason();
            same(close.getReplyCode(), code);
            holds(close.getReplyText().contains(part), part + " is not in " + close.getReplyText());
            exclusive(connection.createChannel());
            return;
        }
        throw new AssertionError("no error");
    }

    static List<Integer> routed(String kind, Object[][] bindings, String key, Map<String, Object> headers) throws Exception {
        Channel channel = channel();
        String exchange = fresh(kind);
        channel.exchangeDeclare(exchange, kind);
        List<String> queues = new ArrayList<>();
        for (Object[] binding : bindings) {
            queues.add(exclusive(channel));
            @SuppressWarnings("unchecked") Map<String, Object> arguments = (Map<String, Object>) binding[1];
            channel.queueBind(queues.get(queues.size() - 1), exchange, (String) binding[0], arguments);
        }
        channel.basicPublish(exchange, key, new AMQP.BasicProperties.Builder().headers(headers).build(), bytes("m"));
        channel.waitForConfirmsOrDie(10_000);
        channel.exchangeDelete(exchange);
        List<Integer> counts = new ArrayList<>();
        for (String queue : queues) counts.add(channel.queueDelete(queue).getMessageCount());
        return counts;
    }

    static GetResponse thereAndBack(byte[] body, AMQP.BasicProperties properties) throws Exception {
        Channel channel = channel();
        String queue = exclusive(channel);
        channel.basicPublish("", queue, properties, body);
        channel.waitForConfirmsOrDie(20_000);
        return channel.basicGet(queue, true);
    }

    static void connect() throws Exception {
        Connection connection = connection();
        holds(connection.getServerProperties().containsKey("product"), "no product");
        connection.close();
        holds(!connection.isOpen(), "open after close");
    }

    static void wrongPassword() throws Exception {
        ConnectionFactory factory = factory();
        factory.setPassword("not it");
        try { factory.newConnection(); } catch (AuthenticationFailureException refused) {
            holds(refused.getMessage().startsWith("ACCESS_REFUSED"), refused.getMessage());
            return;
        }
        throw new AssertionError("not refused");
    }

    static void wrongVhost() throws Exception {
        ConnectionFactory factory = factory();
        factory.setVirtualHost("not.there");
        try { factory.newConnection(); } catch (java.io.IOException refused) {
            ShutdownSignalException signal = (ShutdownSignalException) refused.getCause();
            same(((AMQP.Connection.Close) signal.getReason()).getReplyCode(), 530);
            return;
        }
        throw new AssertionError("not refused");
    }

    static void declare() throws Exception {
        Channel channel = channel();
        holds(exclusive(channel).startsWith("amq.gen-"), "no name of the server's");
        String queue = fresh("declare");
        channel.queueDeclare(queue, false, false, true, null);
        put(channel, queue, "1", "2");
        same(channel.queueDeclarePassive(queue).getMessageCount(), 2);
        same((int) channel.messageCount(queue), 2);
        String tag = channel.basicConsume(queue, new DefaultConsumer(channel));
        same((int) channel.consumerCount(queue), 1);
        channel.basicCancel(tag);
        closesWith(404, "NOT_FOUND", other -> other.queueDeclarePassive(queue));
    }

    static void publishGet() throws Exception {
        Channel channel = channel();
        String queue = exclusive(channel);
        put(channel, queue, "0", "1");
        GetResponse got = channel.basicGet(queue, false);
        same(List.of(text(got.getBody()), got.getMessageCount(), got.getEnvelope().isRedeliver(), got.getEnvelope().getRoutingKey()),
            List.of("0", 1, false, queue));
        channel.basicAck(got.getEnvelope().getDeliveryTag(), false);
        same(text(channel.basicGet(queue, true).getBody()), "1");
        same(channel.basicGet(queue, true), null);
    }

    static void confirm() throws Exception {
        Channel channel = channel();
        String queue = fresh("confirm");
        channel.queueDeclare(queue, true, false, false, null);
        for (int number = 0; number < 200; number++) channel.basicPublish("", queue, MessageProperties.PERSISTENT_BASIC, bytes("" + number));
        holds(channel.waitForConfirms(10_000), "a nack");
        same(channel.queueDelete(queue).getMessageCount(), 200);
    }

    static void mandatoryReturn() throws Exception {
        Channel channel = channel();
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        String key = fresh("nowhere");
        channel.addReturnListener(back -> seen.add(back.getReplyCode() + back.getReplyText() + back.getExchange() + back.getRoutingKey() + text(back.getBody())));
        channel.addConfirmListener((tag, multiple) -> seen.add("confirm"), (tag, multiple) -> seen.add("nack"));
        channel.basicPublish("amq.direct", key, true, null, bytes("back"));
        channel.waitForConfirmsOrDie(10_000);
        same(seen, List.of("312NO_ROUTEamq.direct" + key + "back", "confirm"));
    }

    static void consumePrefetch() throws Exception {
        Channel channel = channel();
        String queue = exclusive(channel);
        List<String> bodies = new ArrayList<>();
        for (int number = 0; number < 20; number++) bodies.add("" + number);
        put(channel, queue, bodies.toArray(new String[0]));
        channel.basicQos(5);
        BlockingQueue<Delivery> coming = new LinkedBlockingQueue<>();
        channel.basicConsume(queue, false, (tag, delivery) -> coming.add(delivery), tag -> { });
        List<String> seen = new ArrayList<>();
        long last = 0, first = 0;
        for (int number = 0; number < 5; number++) {
            Delivery delivery = coming.poll(10, TimeUnit.SECONDS);
            seen.add(text(delivery.getBody()));
            last = delivery.getEnvelope().getDeliveryTag();
            if (first == 0) first = last;
        }
        same(coming.poll(300, TimeUnit.MILLISECONDS), null);
        channel.basicAck(first, false);
        while (seen.size() < 20) {
            Delivery delivery = coming.poll(10, TimeUnit.SECONDS);
            holds(delivery != null, "no delivery after an ack");
            seen.add(text(delivery.getBody()));
            channel.basicAck(delivery.getEnvelope().getDeliveryTag(), true);
        }
        same(seen, bodies);
    }

    static void nackRequeue() throws Exception {
        Channel channel = channel();
        String queue = exclusive(channel);
        put(channel, queue, "0", "1", "2");
        channel.basicGet(queue, false);
        channel.basicNack(channel.basicGet(queue, false).getEnvelope().getDeliveryTag(), true, true);
        List<String> again = new ArrayList<>();
        for (int number = 0; number < 3; number++) {
            GetResponse got = channel.basicGet(queue, true);
            again.add(text(got.getBody()) + got.getEnvelope().isRedeliver());
        }
        same(again, List.of("0true", "1true", "2false"));
        put(channel, queue, "recover");
        channel.basicGet(queue, false);
        channel.basicRecover(true);
        holds(channel.basicGet(queue, true).getEnvelope().isRedeliver(), "not redelivered by recover");
    }

    static void rejectDrop() throws Exception {
        Channel channel = channel();
        String queue = exclusive(channel);
        put(channel, queue, "drop");
        channel.basicReject(channel.basicGet(queue, false).getEnvelope().getDeliveryTag(), false);
        same(channel.queueDelete(queue).getMessageCount(), 0);
    }

    static void purgeDelete() throws Exception {
        Channel channel = channel();
        String queue = exclusive(channel);
        put(channel, queue, "x", "x", "x");
        same(channel.queuePurge(queue).getMessageCount(), 3);
        put(channel, queue, "x");
        same(channel.queueDelete(queue).getMessageCount(), 1);
    }

    static void exchangeTypes() throws Exception {
        same(routed("direct", new Object[][] {{"a", null}, {"b", null}}, "a", null), List.of(1, 0));
        same(routed("fanout", new Object[][] {{"a", null}, {"b", null}}, "z", null), List.of(1, 1));
        same(routed("topic", new Object[][] {{"a.*.c", null}, {"a.#", null}, {"a.*", null}, {"#", null}}, "a.b.c", null), List.of(1, 1, 0, 1));
        Map<String, Object> all = Map.of("x-match", "all", "one", 1, "two", "2"), any = Map.of("x-match", "any", "one", 1, "two", "2");
        same(routed("headers", new Object[][] {{"", all}, {"", any}}, "", Map.of("one", 1)), List.of(0, 1));
    }

    static void exchangeBindings() throws Exception {
        Channel channel = channel();
        String outer = fresh("outer"), inner = fresh("inner"), queue = exclusive(channel);
        channel.exchangeDeclare(outer, "topic");
        channel.exchangeDeclare(inner, "fanout");
        channel.queueBind(queue, inner, "");
        channel.exchangeBind(inner, outer, "k.#");
        channel.basicPublish(outer, "k.1", null, bytes("through"));
        channel.exchangeUnbind(inner, outer, "k.#");
        channel.basicPublish(outer, "k.1", null, bytes("not"));
        channel.waitForConfirmsOrDie(10_000);
        same(channel.queueDelete(queue).getMessageCount(), 1);
        channel.exchangeDelete(outer);
        channel.exchangeDelete(inner);
    }

    static void error404() throws Exception {
        closesWith(404, "NOT_FOUND - no queue 'not.there' in vhost '/'", channel -> channel.queueDeclarePassive("not.there"));
    }

    static void error405() throws Exception {
        String queue = exclusive(channel());
        closesWith(405, "RESOURCE_LOCKED", channel -> channel.queueDeclarePassive(queue));
    }

    static void error406() throws Exception {
        Channel first = channel();
        String queue = fresh("error");
        first.queueDeclare(queue, false, false, false, null);
        closesWith(406, "PRECONDITION_FAILED - inequivalent arg 'durable'", channel -> channel.queueDeclare(queue, true, false, false, null));
        first.queueDelete(queue);
    }

    static void error403() throws Exception {
        closesWith(403, "ACCESS_REFUSED", channel -> channel.exchangeDeclare("amq.mine", "direct"));
    }

    static void properties() throws Exception {
        AMQP.BasicProperties sent = new AMQP.BasicProperties.Builder()
            .contentType("text/plain").contentEncoding("gzip").headers(Map.of("h", 1)).deliveryMode(2).priority(7).correlationId("c-1")
            .replyTo("answers").expiration("60000").messageId("m-1").timestamp(new Date(1_700_000_000_000L)).type("kind")
            .userId(System.getenv("AMQP_USER")).appId("app").clusterId("old").build();
        same(thereAndBack(bytes("m"), sent).getProps().toString(), sent.toString());
    }

    static void fieldTypes() throws Exception {
        Map<String, Object> headers = new HashMap<>(Map.of(
            "bool", true, "byte", (byte) -8, "short", (short) -300, "int", -5, "long", 1L << 40, "float", 0.5f, "double", 0.125,
            "decimal", new BigDecimal("12.34"), "time", new Date(1_700_000_000_000L)));
        headers.put("void", null);
        headers.put("list", Arrays.asList(1, null, 2L));
        headers.put("table", Map.of("deep", Map.of("er", false)));
        Map<String, Object> sent = new HashMap<>(headers);
        sent.put("text", "grüße");
        sent.put("bytes", new byte[] {0, -1});
        Map<String, Object> back = new HashMap<>(thereAndBack(bytes("m"), new AMQP.BasicProperties.Builder().headers(sent).build()).getProps().getHeaders());
        same(back.remove("text").toString(), "grüße");
        holds(Arrays.equals((byte[]) back.remove("bytes"), new byte[] {0, -1}), "other bytes came back");
        same(back, headers);
    }

    static void largeMessage() throws Exception {
        ByteBuffer body = ByteBuffer.allocate(5 * 1024 * 1024);
        while (body.hasRemaining()) body.putInt(body.position());
        holds(Arrays.equals(thereAndBack(body.array(), null).getBody(), body.array()), "another body came back");
    }

    static void heartbeat() throws Exception {
        ConnectionFactory factory = factory();
        factory.setRequestedHeartbeat(1);
        Connection connection = factory.newConnection();
        OPEN.add(connection);
        same(connection.getHeartbeat(), 1);
        Thread.sleep(4500);
        exclusive(connection.createChannel());
    }

    static void cancelNotice() throws Exception {
        Channel channel = channel();
        String queue = fresh("cancel");
        channel.queueDeclare(queue, false, false, false, null);
        CompletableFuture<String> cancelled = new CompletableFuture<>();
        String tag = channel.basicConsume(queue, true, (consumer, delivery) -> { }, cancelled::complete);
        channel().queueDelete(queue);
        same(cancelled.get(10, TimeUnit.SECONDS), tag);
    }

    public static void main(String[] arguments) throws Exception {
        CHECKS.put("connect", Checks::connect);
        CHECKS.put("wrong_password", Checks::wrongPassword);
        CHECKS.put("wrong_vhost", Checks::wrongVhost);
        CHECKS.put("declare", Checks::declare);
        CHECKS.put("publish_get", Checks::publishGet);
        CHECKS.put("confirm", Checks::confirm);
        CHECKS.put("mandatory_return", Checks::mandatoryReturn);
        CHECKS.put("consume_prefetch", Checks::consumePrefetch);
        CHECKS.put("nack_requeue", Checks::nackRequeue);
        CHECKS.put("reject_drop", Checks::rejectDrop);
        CHECKS.put("purge_delete", Checks::purgeDelete);
        CHECKS.put("exchange_types", Checks::exchangeTypes);
        CHECKS.put("exchange_bindings", Checks::exchangeBindings);
        CHECKS.put("error_404", Checks::error404);
        CHECKS.put("error_405", Checks::error405);
        CHECKS.put("error_406", Checks::error406);
        CHECKS.put("error_403", Checks::error403);
        CHECKS.put("properties", Checks::properties);
        CHECKS.put("field_types", Checks::fieldTypes);
        CHECKS.put("large_message", Checks::largeMessage);
        CHECKS.put("heartbeat", Checks::heartbeat);
        CHECKS.put("cancel_notice", Checks::cancelNotice);
        AtomicReference<Integer> code = new AtomicReference<>(0);
        ExecutorService runner = Executors.newCachedThreadPool(task -> { Thread thread = new Thread(task); thread.setDaemon(true); return thread; });
        for (Map.Entry<String, Check> entry : CHECKS.entrySet()) {
            try {
                runner.submit(() -> { entry.getValue().run(); return null; }).get(30, TimeUnit.SECONDS);
                System.out.println("ok " + entry.getKey());
            } catch (ExecutionException | TimeoutException failure) {
                Throwable cause = failure.getCause() == null ? failure : failure.getCause();
                System.out.println("FAIL " + entry.getKey() + ": " + String.valueOf(cause).replace('\n', ' '));
                cause.printStackTrace(System.out);
                code.set(1);
            }
            for (Connection connection : OPEN) connection.abort(1000);
            OPEN.clear();
        }
        System.exit(code.get());
    }
}
