package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.batchnorm.DType;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The exit codes that only a process of its own can have. */
class SignalTest extends CommandTest {
  private static final long SEED = 1;

  @ParameterizedTest
  @CsvSource({"INT, 130", "TERM, 143"})
  void aSignalEndsTheCommandAndLeavesNothing(String signal, int code)
      throws IOException, InterruptedException {
    if (signal.equals("INT") && interruptsAreIgnored()) {
      abort("SIGINT: skipped, the tests were started with it ignored, as by a script's &");
    }
    text("y.csv", "what stood there before");
    Process process = start("-", "-v", "-o", path("y.csv").toString());
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

  /** What this process ignores, those that it starts ignore too. */
  private static boolean interruptsAreIgnored() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) {
      return false;
    }
    return Files.readAllLines(status).stream()
        .filter(line -> line.startsWith("SigIgn:"))
        .map(line -> new BigInteger(line.substring("SigIgn:".length()).strip(), 16))
        .anyMatch(ignored -> ignored.testBit(1)); // SIGINT is 2
  }

  /**
   * Some kills while the output is written, at moments that the seed chooses; {@code make faults}
   * does hundreds, of the command as it is installed.
   */
  @Test
  @Timeout(120)
  void aKillLeavesTheOldFileOrTheNewOne() throws IOException, InterruptedException {
    Random random = new Random(SEED);
    npy("x.npy", DType.F64, new long[] {100_000, 4}, random.doubles(400_000).toArray());
    for (String target : List.of("y.npy", "y.csv")) {
      quiet("forward ./x.npy --engine java -o ./" + target);
      byte[] right = bytes(target);
      for (Signal signal : List.of(Signal.TERM, Signal.KILL, Signal.INT, Signal.KILL)) {
        kill(signal, random.nextInt(100), target, right);
      }
      Files.delete(path(target));
    }
  }

  private void kill(Signal signal, int milliseconds, String target, byte... right)
      throws IOException, InterruptedException {
    text(target, "what stood there before");
    byte[] old = bytes(target);
    Process process = start(path("x.npy").toString(), "-o", path(target).toString());
    try (InputStream error = process.getErrorStream()) {
      while (process.isAlive() && files().size() == 2) {
        Thread.sleep(1); // until the temporary file is there
      }
      Thread.sleep(milliseconds);
      new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid())).start().waitFor();
      String run = "SIG" + signal + " while " + target + " is written";
      assertTrue(process.waitFor(20, TimeUnit.SECONDS), run);
      assertEquals("", new String(error.readAllBytes(), StandardCharsets.UTF_8), run);
      int code = process.exitValue();
      assertTrue(code == ExitCode.OK || code == signal.code, run + ": exit code " + code);
      byte[] found = bytes(target);
      boolean isOld = code != ExitCode.OK && Arrays.equals(old, found);
      assertTrue(isOld || Arrays.equals(right, found), run + ": " + found.length + " bytes");
    } finally {
      process.destroyForcibly();
    }
    for (String file : files()) {
      if (signal == Signal.KILL && file.startsWith(".batchnorm-")) {
        Files.delete(path(file)); // nobody is left who could
      }
    }
    assertEquals(List.of("x.npy", target), files());
  }

  private enum Signal {
    INT(130),
    TERM(143),
    KILL(137);

    final int code;

    Signal(int code) {
      this.code = code;
    }
  }

  /** Starts {@code forward --engine java} as a process of its own. */
  private static Process start(String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-cp");
    command.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    command.addAll(List.of("dev.batchnorm.cli.Main", "forward", "--engine", "java"));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command).redirectOutput(new File("/dev/null")).start();
  }
}
