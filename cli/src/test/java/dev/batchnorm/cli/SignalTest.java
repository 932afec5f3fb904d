package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The exit codes that only a process of its own can have. */
class SignalTest extends CommandTest {
  @ParameterizedTest
  @CsvSource({"INT, 130", "TERM, 143"})
  void aSignalEndsTheCommandAndLeavesNothing(String signal, int code)
      throws IOException, InterruptedException {
    text("y.csv", "what stood there before");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                "dev.batchnorm.cli.Main",
                "forward",
                "-",
                "-v",
                "--engine",
                "java",
                "-o",
                path("y.csv").toString())
            .redirectOutput(new File("/dev/null"))
            .start();
    try (BufferedReader error =
        new BufferedReader(
            new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8))) {
      // Now it waits for its standard input, which never ends.
      assertEquals("batchnorm: engine java: reference, 1 thread", error.readLine());
      new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid())).start().waitFor();
      assertTrue(process.waitFor(20, TimeUnit.SECONDS));
      assertEquals(code, process.exitValue());
      assertEquals(null, error.readLine());
    } finally {
      process.destroyForcibly();
    }
    assertEquals(List.of("y.csv"), files());
    assertEquals("what stood there before", text("y.csv"));
  }
}
