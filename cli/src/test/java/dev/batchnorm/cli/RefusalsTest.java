package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Refusals that {@code testdata/malformed} does not hold: a cause of its table met by other options
 * and commands, what comes before what, and what no file shows. The exit code and the lines on
 * standard error are compared to the letter; nothing goes to standard output, nothing is left
 * behind, and what stood there keeps its bytes.
 */
class RefusalsTest extends CommandTest {
  private static final Pattern WORDS_TO_AVOID =
      Pattern.compile("invalid|illegal|failed", Pattern.CASE_INSENSITIVE);
  private static final String OLD = "what stood there before";

  /** A row of the table. */
  record Refusal(int code, String line, List<String> error) {
    @Override
    public String toString() {
      return code + " " + line;
    }
  }

  private static Refusal wrong(int code, String line, String... error) {
    return new Refusal(code, line, Arrays.asList(error));
  }

  /** The command line is wrong, whatever the files hold. */
  static Stream<Refusal> usage() {
    return Stream.of(
        wrong(
            2,
            "forward ./nope.csv -o ./y.foo",
            "batchnorm: -o: expected a name ending in .csv, .tsv, .npy or .npz, found y.foo",
            "hint: --to csv|tsv|npy|npz names the format"),
        wrong(
            2,
            "forward ./nope.csv --save ./s.txt",
            "batchnorm: --save: expected a name ending in .npz, found s.txt"),
        wrong(
            2,
            "stats ./nope.csv --save ./s.txt",
            "batchnorm: --save: expected a name ending in .npz, found s.txt"),
        wrong(
            2,
            "engines --nope",
            "batchnorm: expected an option of engines, found \"--nope\"",
            "hint: batchnorm engines --help"),
        wrong(
            2,
            "forward ./x.csv --layout NC --output",
            "batchnorm: -o: expected FILE behind it, found none",
            "hint: batchnorm forward --help"),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv --statistics foo -o ./g.npz",
            "batchnorm: --statistics: expected --frozen beside it, found none",
            "hint: without --frozen the statistics are the batch's own"),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv --frozen",
            "batchnorm: --running: expected a file of statistics, found none",
            "hint: forward --save FILE.npz writes one"),
        wrong(
            2,
            "forward ./x.csv --running new --momentum nan --save ./s.npz",
            "batchnorm: --momentum: expected a number from 0 to 1 or cumulative, found nan"),
        wrong(
            2,
            "forward ./x.csv --eps nan",
            "batchnorm: --eps: expected a finite number ≥ 0, found nan"),
        wrong(
            2,
            "verify ./x.csv --engine java --eps 1d",
            "batchnorm: --eps: expected a finite number ≥ 0, found 1d"),
        wrong(
            2,
            "verify ./x.csv --seed 1.5",
            "batchnorm: --seed: expected a whole number, found \"1.5\""),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv --dx ./old.csv --dbeta ./old.csv",
            "batchnorm: --dbeta and --dx: expected two files, found old.csv for both"),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv --to npy",
            "batchnorm: -o: expected NPZ for several arrays, found npy",
            "hint: --dx FILE --dgamma FILE --dbeta FILE write one array each"));
  }

  /** An input is unreadable, inconsistent, or does not fit the options. */
  static Stream<Refusal> input() {
    return Stream.of(
        wrong(
            3,
            "forward ./x.csv --beta -inf",
            "batchnorm: --beta: expected a finite number, found -inf"),
        wrong(
            3,
            "forward ./image.npy --gamma ./three.npy",
            "batchnorm: three.npy: expected 4 values (channels of image.npy, shape 1×4×2×2), found"
                + " 3"),
        wrong(
            3,
            "backward ./x.csv --dy ./nope.csv -o ./old.npz",
            "batchnorm: nope.csv: expected a readable file, found no such file or directory"));
  }

  /** The output cannot be written. */
  static Stream<Refusal> output() {
    return Stream.of(
        wrong(
            5,
            "forward ./x.csv -o ./y.csv --save ./nowhere/s.npz",
            "batchnorm: nowhere/s.npz: expected an existing directory, found none"),
        wrong(
            5,
            "backward ./x.csv --dy ./dy.csv --dx ./old.csv --dbeta ./nowhere/b.csv",
            "batchnorm: nowhere/b.csv: expected an existing directory, found none"));
  }

  @BeforeEach
  void filesThatCanBeRefused() {
    testdata("graph/x.csv");
    testdata("graph/dy.csv");
    text("old.csv", OLD);
    text("old.npz", OLD);
    text("ragged.csv", "a,b\n1,2\n3,4,5\n");
    npy("three.npy", DType.F64, new long[] {3}, 1, 2, 3);
    npy("image.npy", DType.F32, new long[] {1, 4, 2, 2}, new double[16]);
  }

  @ParameterizedTest
  @MethodSource({"usage", "input", "output"})
  void isRefused(Refusal refusal) {
    List<String> before = files();
    byte[] x = bytes("x.csv");
    refused(refusal.code(), refusal.line(), refusal.error().toArray(String[]::new));
    assertEquals(before, files(), "left behind");
    assertArrayEquals(x, bytes("x.csv"));
    assertEquals(OLD, text("old.csv"));
    assertEquals(OLD, text("old.npz"));
    assertTrue(refusal.error().size() <= 2);
    assertFalse(WORDS_TO_AVOID.matcher(refusal.error().get(0)).find(), refusal.error().get(0));
  }

  @Test
  void theCommandIsTheFirstThingExpected() {
    for (String line : List.of("nonsense", "nonsense ./x.csv", "Forward ./x.csv")) {
      CommandLineRun run = run(line);
      assertEquals(ExitCode.USAGE, run.code(), line);
      assertEquals("", run.out(), line);
      String first = run.error().get(0);
      assertTrue(first.startsWith("batchnorm: ") && first.contains(line.split(" ", 2)[0]), first);
    }
  }

  @Test
  void anUnknownEngineIsAnsweredWithTheKnownOnes() {
    CommandLineRun run = run("forward ./x.csv --engine gpu");
    assertEquals(ExitCode.USAGE, run.code());
    String line = run.error().get(0);
    assertTrue(line.startsWith("batchnorm: --engine: expected one of auto, java, "), line);
    assertTrue(line.endsWith(", found \"gpu\""), line);
  }

  @Test
  void aDirectoryThatTakesNoFilesCannotBeWrittenTo() {
    File closed = path("closed").toFile();
    assertTrue(closed.mkdir() && closed.setWritable(false));
    // To root every directory is writable, but for those of the kernel.
    Path target = closed.canWrite() ? Path.of("/proc/y.csv") : path("closed/y.csv");
    CommandLineRun run = run("forward ./x.csv -o " + target);
    assertEquals(ExitCode.OUTPUT, run.code());
    assertEquals(1, run.error().size(), run.error()::toString);
    assertEquals("", run.out());
  }

  @Test
  void inputIsReadBeforeAnythingIsWritten() {
    StringBuilder rows = new StringBuilder("a,b\n");
    for (int i = 0; i < 100_000; i++) {
      rows.append(i).append(",1\n");
    }
    text("long.csv", rows + "x,1\n");
    CommandLineRun run = run("forward ./long.csv");
    assertEquals(ExitCode.INPUT, run.code());
    assertEquals("", run.out());
    assertEquals(
        "batchnorm: long.csv:100002:1: expected a number, found \"x\"", run.error().get(0));
  }

  @Test
  void afterARefusalTheSameCommandStillWorks() {
    List<String> again = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      refused(
          ExitCode.INPUT,
          "forward ./ragged.csv",
          "batchnorm: ragged.csv:3: expected 2 fields as in line 1, found 3");
      again.add(quiet("forward ./x.csv").out());
    }
    assertEquals(again.get(0), again.get(1));
  }
}
