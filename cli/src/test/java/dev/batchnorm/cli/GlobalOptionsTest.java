package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GlobalOptionsTest extends CommandTest {
  @BeforeEach
  void aBatch() {
    testdata("graph/x.csv");
    testdata("graph/dy.csv");
  }

  @AfterEach
  void nothingBreaks() {
    BuggyProvider.breaks = false;
  }

  @Test
  void helpListsTheCommandsAndTheExitCodes() {
    String help = quiet("--help").out();
    assertEquals(help, quiet("-h").out());
    for (String command :
        List.of(
            "forward",
            "infer",
            "backward",
            "stats",
            "covariance",
            "reparam",
            "fold",
            "inspect",
            "convert",
            "compare",
            "verify",
            "golden",
            "audit",
            "gradcheck",
            "cases",
            "engines")) {
      assertTrue(help.contains("\n  " + command + " "), command);
    }
    assertTrue(help.contains("Exit codes: 0 done"), help);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "forward",
        "infer",
        "backward",
        "stats",
        "covariance",
        "reparam",
        "fold",
        "inspect",
        "convert",
        "compare",
        "verify",
        "golden",
        "golden record",
        "golden check",
        "audit",
        "gradcheck",
        "cases",
        "engines"
      })
  void helpOfACommandEndsInExamplesThatNameIt(String command) {
    String help = quiet(command + " --help").out();
    assertEquals(help, quiet(command + " -h").out());
    assertTrue(help.startsWith("Usage: batchnorm " + command + " "), help);
    String examples = help.substring(help.indexOf("\nExamples:\n"));
    assertTrue(examples.contains("batchnorm " + command), examples);
    for (String option : List.of("--quiet", "--verbose", "--digest", "--stacktrace", "--version")) {
      assertTrue(help.contains(option), option);
    }
    for (String line : help.lines().toList()) {
      assertTrue(line.length() <= 100, line);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "forward",
        "infer",
        "backward",
        "stats",
        "covariance",
        "reparam",
        "fold",
        "inspect",
        "convert",
        "compare",
        "verify",
        "golden record",
        "golden check",
        "audit",
        "gradcheck"
      })
  void examplesInHelpAreCommandLinesThatParse(String command) {
    for (String line : quiet(command + " --help").lines()) {
      if (!line.startsWith("  batchnorm ")) {
        continue;
      }
      String arguments = line.strip().substring("batchnorm ".length()).replaceAll(" >.*", "");
      CommandLineRun run = run(arguments.replaceAll("(?<= )(\\w+\\.\\w+)", "./$1"));
      // The files aren't there; whoever says so has understood the command line.
      boolean understood = run.code() == ExitCode.INPUT || run.code() == ExitCode.ENGINE;
      assertTrue(understood || run.code() == ExitCode.OK, () -> line + ": " + run.error());
    }
  }

  @Test
  void versionIsOneLine() {
    assertTrue(quiet("--version").out().matches("batchnorm \\S+\n"));
    assertEquals(quiet("--version").out(), quiet("-V").out());
    assertEquals(quiet("--version").out(), quiet("forward --version").out());
  }

  @Test
  void successIsSilent() {
    assertEquals("", quiet("forward ./x.csv -o ./y.csv --save ./s.npz").out());
    assertEquals("", quiet("infer ./x.csv --running ./s.npz -o ./y.csv").out());
    assertEquals("", quiet("backward ./x.csv --dy ./dy.csv -o ./g.npz").out());
  }

  @Test
  void verboseTellsTheEngine() {
    assertEquals(
        List.of("batchnorm: engine java: reference, 1 thread"),
        run("forward ./x.csv -o ./y.csv -v").error());
    assertEquals(
        List.of("batchnorm: engine java: reference, 1 thread"),
        run("backward ./x.csv --dy ./dy.csv -o ./g.npz --verbose").error());
  }

  @Test
  void quietSilencesWarnings() {
    text("x.csv", "1\n1\n");
    String warning =
        "batchnorm: warning: x.csv: channel 0: variance + eps is 0, y is beta and the gradients are"
            + " 0";
    assertEquals(List.of(warning), run("forward ./x.csv --eps 0").error());
    assertEquals("0.0\n0.0\n", quiet("forward ./x.csv --eps 0 -q").out());
    assertEquals("0.0\n0.0\n", quiet("forward ./x.csv --eps 0 --quiet").out());
  }

  @Test
  void quietSilencesNoError() {
    refused(
        ExitCode.INPUT,
        "forward ./nope.csv -q",
        "batchnorm: nope.csv: expected a readable file, found no such file or directory");
  }

  @Test
  void digestIsTheHashOfTypeShapeAndLittleEndianValues() {
    double[] y = member(golden("graph-f64"), "y").values();
    ByteBuffer bytes = ByteBuffer.allocate(6 * 8).order(ByteOrder.LITTLE_ENDIAN);
    for (double value : y) {
      bytes.putDouble(value);
    }
    String digest = sha256("<f8 (3, 2)\n", bytes.array()) + " y <f8 (3, 2)";
    CommandLineRun run = run("forward ./x.csv --digest");
    assertEquals(List.of(digest), run.error());
    assertEquals(quiet("forward ./x.csv").out(), run.out());
    // The digest is of the numbers, not of the file they are in.
    assertEquals(List.of(digest), run("forward ./x.csv --digest -o ./y.npz").error());
    assertEquals(List.of(digest), run("forward ./x.csv --digest -o ./y.npy -q").error());
  }

  @Test
  void digestsOfSmallTypesAndOneAxisAndNans() {
    npy("x.npy", DType.F32, new long[] {2}, Double.NaN, 1);
    ByteBuffer nans = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    nans.putInt(0x7fc00000).putInt(0x7fc00000);
    assertEquals(
        List.of(sha256("<f4 (2,)\n", nans.array()) + " y <f4 (2,)"),
        run("forward ./x.npy --digest -o ./y.npy").error());
  }

  @Test
  void thereIsADigestForEveryGradient() {
    List<String> lines = run("backward ./x.csv --dy ./dy.csv --digest -o ./g.npz").error();
    assertEquals(
        List.of("dx <f8 (3, 2)", "dgamma <f8 (2,)", "dbeta <f8 (2,)"),
        lines.stream().map(line -> line.substring(65)).toList());
    assertEquals(
        List.of(lines.get(2)),
        run("backward ./x.csv --dy ./dy.csv --digest --dbeta ./dbeta.csv").error());
    assertEquals(
        lines,
        run("backward ./x.csv --dy ./dy.csv --digest --dx ./a.npy --dgamma ./b.csv --dbeta ./c.npz")
            .error());
  }

  @Test
  void equalDigestsMeanEqualBits() {
    String before = run("forward ./x.csv --digest -o ./y.csv").error().get(0);
    assertEquals(before, run("forward ./x.csv --digest -o ./y.csv --threads 2").error().get(0));
    text("x.csv", text("x.csv").replace("14", "14.000000000000002"));
    assertNotEquals(before, run("forward ./x.csv --digest -o ./y.csv").error().get(0));
  }

  private static String sha256(String head, byte[] values) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(head.getBytes(StandardCharsets.US_ASCII));
      return HexFormat.of().formatHex(digest.digest(values));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void stacktraceShowsWhereBeforeTheLine() {
    List<String> error = run("forward ./nope.csv --stacktrace").error();
    assertTrue(error.get(0).startsWith("dev.batchnorm.InputException: nope.csv: "), error.get(0));
    assertTrue(error.get(1).startsWith("\tat dev.batchnorm."), error.get(1));
    assertEquals(
        "batchnorm: nope.csv: expected a readable file, found no such file or directory",
        error.get(error.size() - 1));
  }

  @Test
  void aBugIsCalledOneAndEndsWith70() {
    BuggyProvider.breaks = true;
    refused(
        ExitCode.BUG,
        "forward ./x.csv --engine buggy -o ./y.csv",
        "batchnorm: this is a bug: java.lang.IllegalStateException: on purpose",
        "hint: --stacktrace shows where");
    assertEquals(List.of("dy.csv", "x.csv"), files());
  }
}
