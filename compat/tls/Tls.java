// The Java client over TLS: by password, by certificate, and not at all where the authority is another one.

import com.rabbitmq.client.*;
import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import javax.net.ssl.*;

public final class Tls {
    static final byte[] LARGE = new byte[2 * 1024 * 1024];

    static Certificate certificate(String path) throws Exception {
        try (InputStream in = Files.newInputStream(Path.of(path))) {
            return CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
    }

    static SSLContext context(String ca, boolean isShown) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        trusted.setCertificateEntry("ca", certificate(ca));
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        KeyManager[] keys = null;
        if (isShown) {
            String pem = Files.readString(Path.of(System.getenv("TLS_KEY")));
            byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
            PrivateKey key = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
            KeyStore own = KeyStore.getInstance(KeyStore.getDefaultType());
            own.load(null, null);
            own.setKeyEntry("own", key, new char[0], new Certificate[] {certificate(System.getenv("TLS_CERT"))});
            KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            factory.init(own, new char[0]);
            keys = factory.getKeyManagers();
        }
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(keys, trust.getTrustManagers(), null);
        return context;
    }

    static void thereAndBack(String ca, boolean isShown) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(System.getenv("TLS_HOST"));
        factory.setPort(Integer.parseInt(System.getenv("TLS_PORT")));
        factory.setAutomaticRecoveryEnabled(false);
        factory.useSslProtocol(context(ca, isShown));
        if (isShown) factory.setSaslConfig(DefaultSaslConfig.EXTERNAL);
        try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {
            channel.confirmSelect();
            String queue = channel.queueDeclare().getQueue();
            channel.basicPublish("", queue, null, LARGE);
            channel.waitForConfirmsOrDie(10_000);
            if (!Arrays.equals(LARGE, channel.basicGet(queue, true).getBody())) throw new IOException("another body came back");
        }
    }

    public static void main(String[] none) throws Exception {
        new Random(1).nextBytes(LARGE);
        thereAndBack(System.getenv("TLS_CA"), false);
        System.out.println("password");
        thereAndBack(System.getenv("TLS_CA"), true);
        System.out.println("certificate");
        try {
            thereAndBack(System.getenv("TLS_STRANGER"), false);
            throw new IllegalStateException("trusted");
        } catch (SSLException expected) {
            System.out.println("distrusts");
        }
        System.exit(0);
    }
}
