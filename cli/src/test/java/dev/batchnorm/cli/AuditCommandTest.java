package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.audit.Cause;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How audit reads what it judges, and what it prints; what it finds is in AuditCasesTest. */
class AuditCommandTest extends CommandTest {
  private static final String X = "a,b\n1,2\n3,4\n5,9\n8,7\n";

  @BeforeEach
  void writeBatch() {
    text("x.csv", X);
    text("dy.csv", "a,b\n1,0\n0,2\n-1,1\n2,5\n");
  }

  /** Runs audit, which must say nothing on standard error. */
  private String audit(int code, String options) {
    CommandLineRun run = run("audit " + options);
    assertEquals(List.of(), run.error(), options);
    assertEquals(code, run.code(), () -> options + "\n" + run.out());
    return run.out();
  }

  @Test
  void tellsWhatItFinds() {
    quiet("forward ./x.csv --eps 1e-3 -o ./theirs.npy");
    String out = audit(ExitCode.DIFFERENT, "./x.csv --y ./theirs.npy");
    List<String> lines = out.replace(directory + "/", "").lines().toList();
    assertEquals("x.csv, 4×2 f64, statistics of the batch, eps 1e-05", lines.get(0));
    assertTrue(
        lines.get(1).startsWith("  y                f64  FAILED  8 of 8 beyond their bounds"));
    assertTrue(lines.get(2).startsWith("    farthest beyond its bound at ("), lines.get(2));
    assertEquals("diagnosis:", lines.get(4));
    assertEquals("  1  eps_1e-3: eps was 1e-3 (keras, mxnet, tensorflow)", lines.get(5));
    assertEquals(
        "FAILED: 1 of 1 array beyond what the arithmetic of a plain kernel explains", lines.get(6));
    assertEquals("repeat: batchnorm audit x.csv --y theirs.npy", lines.get(7));
    assertEquals(8, lines.size());
  }

  @Test
  void passesWhatForwardAndBackwardWrite() {
    quiet("forward ./x.csv --running new --save ./saved.npz -o ./y.csv");
    quiet("backward ./x.csv --dy ./dy.csv -o ./gradients.npz");
    String all =
        "./x.csv --y ./y.csv --mean ./saved.npz --variance ./saved.npz --inverse-std ./saved.npz "
            + "--running new --running-after ./saved.npz --dy ./dy.csv --dx ./gradients.npz "
            + "--dgamma ./gradients.npz --dbeta ./gradients.npz";
    String out = audit(ExitCode.OK, all);
    assertTrue(
        out.endsWith(
            "PASSED: 9 arrays, all within what the arithmetic of a plain kernel explains\n"),
        out);
    String json = audit(ExitCode.OK, all + " --json");
    assertTrue(json.contains("\"status\" : \"PASSED\""), json);
    assertTrue(json.contains("\"diagnosis\" : [ ]"), json);
  }

  @Test
  void judgesInference() {
    quiet("forward ./x.csv --running new --save ./saved.npz -o ./train.npy");
    quiet("infer ./x.csv --running ./saved.npz -o ./infer.npy");
    audit(ExitCode.OK, "./x.csv --frozen --running ./saved.npz --y ./infer.npy");
    String out =
        audit(ExitCode.DIFFERENT, "./x.csv --frozen --running ./saved.npz --y ./train.npy");
    assertTrue(out.contains("\n  1  batch_statistics: "), out);
    out = audit(ExitCode.DIFFERENT, "./x.csv --running new --y ./infer.npy");
    assertTrue(out.contains("\n  1  stale_statistics: "), out);
  }

  @Test
  void readsChannelsWhereTheyAre() {
    npy("x.npy", DType.F32, new long[] {3, 2, 2}, numbers(12));
    for (String axes : List.of("--layout NCL", "--layout NLC", "--channel-axis 0")) {
      quiet("forward ./x.npy " + axes + " -o ./y.npy");
      audit(ExitCode.OK, "./x.npy " + axes + " --y ./y.npy");
    }
    String out = audit(ExitCode.DIFFERENT, "./x.npy --y ./y.npy");
    assertTrue(out.contains("\n  1  wrong_axis: "), out);
  }

  private static double[] numbers(int count) {
    double[] numbers = new double[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = i * i % 7 + i / 5;
    }
    return numbers;
  }

  /** Text has no type of its own. */
  @Test
  void takesTextForTheTypeItIsTold() {
    quiet("forward ./x.csv --dtype f32 -o ./theirs.csv");
    audit(ExitCode.DIFFERENT, "./x.csv --y ./theirs.csv");
    audit(ExitCode.OK, "./x.csv --y ./theirs.csv --dtype f32");
  }

  @Test
  void readsStandardInputAndNamesOfPyTorch() {
    quiet("forward ./x.csv --save ./saved.npz -o ./y.npy");
    quiet("convert ./saved.npz:inverse_std -o ./save_invstd.npy");
    CommandLineRun run =
        run(bytes("y.npy"), "audit ./x.csv --y - --inverse-std ./save_invstd.npy --json");
    assertEquals(ExitCode.OK, run.code(), run.out());
    assertTrue(run.out().contains("\"file\" : \"standard input\""), run.out());
  }

  @Test
  void anotherShapeIsADifference() {
    text("short.csv", "a,b\n1,2\n");
    String out = audit(ExitCode.DIFFERENT, "./x.csv --y ./short.csv --mean ./short.csv --json");
    assertTrue(out.contains("found 1×2\""), out);
    out = audit(ExitCode.DIFFERENT, "./x.csv --mean ./x.csv");
    assertTrue(out.contains("x.csv: expected 2 values (channels of "), out);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " --json"})
  void numbersThatAreNotFiniteAreToldAsSuch(String how) {
    text("theirs.csv", "a,b\nnan,inf\n0,0\n0,0\n0,-inf\n");
    String out = audit(ExitCode.DIFFERENT, "./x.csv --y ./theirs.csv" + how);
    assertTrue(out.contains(how.isEmpty() ? "found nan" : "\"found\" : \"nan\""), out);
    assertTrue(out.contains(how.isEmpty() ? "none of the known" : "\"diagnosis\" : [ ]"), out);
  }

  @Test
  void refusesOtherColumnsAndBadStatistics() {
    text("ba.csv", "b,a\n1,2\n3,4\n5,9\n8,7\n");
    refused(
        ExitCode.INPUT,
        "audit ./x.csv --y ./ba.csv",
        "batchnorm: ba.csv: expected the columns a, b (x.csv), found b, a");
    text("negative.csv", "running_mean,running_variance\n0,1\n0,-1\n");
    refused(
        ExitCode.INPUT,
        "audit ./x.csv --y ./x.csv --frozen --running ./negative.csv",
        "batchnorm: negative.csv: expected variance + eps ≥ 0, found -1.0 at channel 1");
  }

  /** The document names all causes, with their meaning. */
  @ParameterizedTest
  @EnumSource(Cause.class)
  void documentNamesCause(Cause cause) throws IOException {
    String document = Files.readString(ROOT.resolve("docs/audit.md"));
    String row =
        "| `"
            + cause.label()
            + "` | "
            + cause.meaning()
            + " | "
            + String.join(", ", cause.frameworks())
            + " |";
    assertTrue(Pattern.compile(Pattern.quote(row)).matcher(document).find(), row);
  }
}
