// Runs JUnit 4 classes of the Java client's own tests and prints a verdict for each test, as compat/run.py reads them.

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import org.junit.Test;
import org.junit.runner.Description;
import org.junit.runner.JUnitCore;
import org.junit.runner.Request;
import org.junit.runner.manipulation.Filter;
import org.junit.runner.notification.Failure;
import org.junit.runner.notification.RunListener;
import org.junit.runners.BlockJUnit4ClassRunner;
import org.junit.runners.model.FrameworkMethod;
import org.junit.runners.model.InitializationError;
import org.junit.runners.model.TestClass;

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

    // Some classes never got JUnit 4's annotations: their tests are those that JUnit 3 knew by name.
    static final class ByName extends BlockJUnit4ClassRunner {
        ByName(Class<?> tests) throws InitializationError { super(tests); }

        @Override protected List<FrameworkMethod> computeTestMethods() {
            List<FrameworkMethod> found = new ArrayList<>();
            for (Method method : getTestClass().getJavaClass().getMethods()) {
                if (method.getName().startsWith("test") && method.getParameterCount() == 0) found.add(new FrameworkMethod(method));
            }
            return found;
        }
    }

    // These restart the broker by rabbitmqctl; where that fails they leave a durable queue that every later test of its class stumbles over.
    static final class WithoutRestarts extends Filter {
        @Override public boolean shouldRun(Description test) {
            if (!"restartingExpiry".equals(test.getMethodName())) return true;
            System.out.println("skip " + Printer.name(test) + ": restarts the broker by rabbitmqctl");
            return false;
        }

        @Override public String describe() { return "tests that leave the broker running"; }
    }

    private static Request tests(Class<?> tests) throws InitializationError {
        boolean isMarked = !new TestClass(tests).getAnnotatedMethods(Test.class).isEmpty();
        return (isMarked ? Request.aClass(tests) : Request.runner(new ByName(tests))).filterWith(new WithoutRestarts());
    }

    public static void main(String[] classes) throws Exception {
        JUnitCore core = new JUnitCore();
        core.addListener(new Printer());
        boolean good = true;
        for (String one : classes) good &= core.run(tests(Class.forName("com.rabbitmq.client.test." + one))).wasSuccessful();
        System.exit(good ? 0 : 1);
    }
}
