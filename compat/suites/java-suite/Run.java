// Runs JUnit 4 classes of the Java client's own tests and prints a verdict for each test, as compat/run.py reads them.

import org.junit.runner.Description;
import org.junit.runner.JUnitCore;
import org.junit.runner.notification.Failure;
import org.junit.runner.notification.RunListener;

public final class Run {
    static final class Printer extends RunListener {
        private String failed;

        private static String name(Description test) {
            String simple = test.getClassName().replaceFirst(".*\\.", "");
            return simple + "." + (test.getMethodName() == null ? "class" : test.getMethodName().replaceAll("[^A-Za-z0-9_.-]", "_"));
        }

        @Override public void testStarted(Description test) { failed = null; }

        @Override public void testFailure(Failure failure) {
            String first = String.valueOf(failure.getException()).replace('\n', ' ');
            failed = first.substring(0, Math.min(200, first.length()));
            if (failure.getDescription().getMethodName() == null) System.out.println("FAIL " + name(failure.getDescription()) + ": " + failed);
            failure.getException().printStackTrace(System.err);
        }

        @Override public void testFinished(Description test) {
            System.out.println(failed == null ? "ok " + name(test) : "FAIL " + name(test) + ": " + failed);
        }

        @Override public void testIgnored(Description test) { System.out.println("skip " + name(test) + ": ignored upstream"); }
    }

    public static void main(String[] classes) throws Exception {
        JUnitCore core = new JUnitCore();
        core.addListener(new Printer());
        boolean good = true;
        for (String one : classes) good &= core.run(Class.forName("com.rabbitmq.client.test." + one)).wasSuccessful();
        System.exit(good ? 0 : 1);
    }
}
