package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class FoldCommandTest extends CommandTest {
  private static final Path GOLDEN = ROOT.resolve("testdata/fold");
  private static final String FOLD = "fold --weights ./w.csv --running ./r.csv --eps 0";

  /** a is 1/2 and 1/4, so W' is 0.5 1 1.5 and 1 1.25 1.5, and b' is -0.5 and -0.5. */
  @BeforeEach
  void aSmallLayer() {
    text("w.csv", "1,2,3\n4,5,6\n");
    text("r.csv", "running_mean,running_variance\n1,4\n2,16\n");
  }

  /** A row of {@code testdata/fold/manifest.csv}. */
  record Case(String name, String layer, String groups) {
    static Case of(String line) {
      String[] fields = line.split(",", 4);
      return new Case(fields[0], fields[1], fields[2]);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Case> cases() throws IOException {
    return Files.readAllLines(GOLDEN.resolve("manifest.csv"), StandardCharsets.UTF_8).stream()
        .skip(1)
        .map(Case::of);
  }

  /** Warnings are welcome: some cases are made to need one. */
  @ParameterizedTest
  @MethodSource("cases")
  void givesTheGoldenBits(Case c) {
    Path file = GOLDEN.resolve(c.name() + ".npz");
    Map<String, Stored> exact = npz(file);
    StringBuilder line = new StringBuilder("fold --engine java --running " + file);
    line.append(" --weights " + file + " --layer " + c.layer() + " --groups " + c.groups());
    for (String option : List.of("bias", "gamma", "beta")) {
      line.append(exact.containsKey(option) ? " --" + option + " " + file : "");
    }
    CommandLineRun run = run(line + " -o ./f.npz");
    assertEquals(ExitCode.OK, run.code(), () -> line + ": " + run.error());
    Map<String, Stored> found = npz("f.npz");
    assertEquals(List.of("weights", "bias"), List.copyOf(found.keySet()));
    assertSame(member(exact, "folded_weights"), member(found, "weights"), "weights");
    assertSame(member(exact, "folded_bias"), member(found, "bias"), "bias");
  }

  @Test
  void writesNpzToStandardOutputUnlessToldOtherwise() {
    quiet(FOLD + " -o ./f.npz");
    assertArrayEquals(bytes("f.npz"), quiet(FOLD).bytes());
    Map<String, Stored> found = npz("f.npz");
    double[] weights = {0.5, 1, 1.5, 1, 1.25, 1.5};
    assertSame(new Stored("<f8", List.of(2L, 3L), weights), member(found, "weights"), "weights");
    assertSame(
        new Stored("<f8", List.of(2L), new double[] {-0.5, -0.5}), member(found, "bias"), "bias");
  }

  @Test
  void writesEachArrayToAFileOfItsOwn() {
    text("w.csv", "unit,a,b,c\nu,1,2,3\nv,4,5,6\n");
    text("b.csv", "3\n4\n");
    String line = FOLD + " --exclude unit --bias ./b.csv --gamma 2 --beta -1";
    quiet(line + " --folded-weights ./w2.csv --folded-bias ./b2.npy");
    assertEquals("unit,a,b,c\nu,1.0,2.0,3.0\nv,2.0,2.5,3.0\n", text("w2.csv"));
    assertSame(new Stored("<f8", List.of(2L), new double[] {1, 0}), npy("b2.npy"), "bias");
    assertEquals("1.0\n0.0\n", quiet(line + " --folded-bias -").out());
    assertEquals(List.of("b.csv", "b2.npy", "r.csv", "w.csv", "w2.csv"), files());
  }

  @Test
  void theLayerIsWhatTheAxesSayUnlessNamed() {
    npy("linear.npy", DType.F32, new long[] {2, 2}, 1, 2, 3, 4);
    npy("conv.npy", DType.F32, new long[] {2, 1, 2}, 1, 2, 3, 4);
    npy("square.npy", DType.F32, new long[] {2, 2, 1}, 1, 2, 3, 4);
    assertEquals("linear, shape 2×2, to f32", layer("linear.npy"));
    assertEquals("conv, shape 2×1×2, to f32", layer("conv.npy"));
    assertEquals("conv, 2 groups, shape 2×1×2, to f32", layer("conv.npy --groups 2"));
    assertWeights("square.npy", 0.5, 1, 0.75, 1);
    assertWeights("square.npy --layer conv-transpose", 0.5, 0.5, 1.5, 1);
    assertWeights("conv.npy --layer conv-transpose --groups 2", 0.5, 1, 0.75, 1);
  }

  private String layer(String weights) {
    String line = "fold --weights ./" + weights + " --running ./r.csv -v -o ./f.npz --engine java";
    return run(line).error().get(1).replaceFirst("batchnorm: [^:]*: ", "");
  }

  private void assertWeights(String weights, double... expected) {
    quiet("fold --weights ./" + weights + " --running ./r.csv --eps 0 -o ./f.npz");
    assertBits(expected, member(npz("f.npz"), "weights").values(), weights);
  }

  @Test
  void oneNpzServesAllOptions() {
    npz(
        "net.npz",
        npz -> {
          npz.floats("weight", new float[] {1, 2, 3, 4}, 2, 2);
          npz.floats("bias", new float[] {1, 2}, 2);
          npz.floats("gamma", new float[] {2, 4}, 2);
          npz.floats("beta", new float[] {5, 7}, 2);
          npz.floats("running_mean", new float[] {1, 2}, 2);
          npz.floats("running_var", new float[] {4, 16}, 2);
          npz.int64("num_batches_tracked", 7);
        });
    String line = " --eps 0 --weights %1$s --bias %1$s --running %1$s --gamma %1$s --beta %1$s";
    quiet("fold" + line.formatted("./net.npz") + " -o ./f.npz");
    Map<String, Stored> found = npz("f.npz");
    assertEquals("<f4", member(found, "weights").type());
    assertBits(new double[] {1, 2, 3, 4}, member(found, "weights").values(), "weights");
    assertBits(new double[] {5, 7}, member(found, "bias").values(), "bias");
    assertArrayEquals(bytes("f.npz"), run(bytes("net.npz"), "fold" + line.formatted("-")).bytes());
    String members =
        "fold --eps 0 --weights ./net.npz:weight --bias ./net.npz:bias --gamma ./net.npz:gamma"
            + " --beta ./net.npz:beta --running ./net.npz";
    assertArrayEquals(bytes("f.npz"), quiet(members).bytes());
  }

  /** In a file of its own, weight and bias are those of the batch norm. */
  @Test
  void weightAndBiasAreOfTheLayerOnlyInItsFile() {
    npz(
        "bn.npz",
        npz -> {
          npz.floats("weight", new float[] {2, 4}, 2);
          npz.floats("bias", new float[] {5, 7}, 2);
          npz.floats("running_mean", new float[] {1, 2}, 2);
          npz.floats("running_var", new float[] {4, 16}, 2);
        });
    String line = "fold --weights ./w.csv --running ./bn.npz --eps 0";
    assertEquals(
        "4.0\n5.0\n", quiet(line + " --gamma ./bn.npz --beta ./bn.npz --folded-bias -").out());
    CommandLineRun run = run(line + " --folded-bias -");
    assertEquals("-0.5\n-0.5\n", run.out());
    assertEquals(
        List.of(
            "batchnorm: warning: bn.npz: its weight and bias are not used; --gamma and --beta may"
                + " name the file"),
        run.error());
  }

  @Test
  void writesTheTypeOfTheWeights() {
    npy("w.npy", DType.F16, new long[] {2, 3}, 1, 2, 3, 4, 5, 6);
    npy("b.npy", DType.F64, new long[] {2}, 1, 1.0 / 3);
    String line = "fold --weights ./w.npy --bias ./b.npy --running ./r.csv -o ./f.npz";
    quiet(line);
    npz("f.npz").forEach((name, array) -> assertEquals("<f2", array.type(), name));
    quiet(line + " --dtype f32");
    npz("f.npz").forEach((name, array) -> assertEquals("<f4", array.type(), name));
    bytes("i.npy", numpy("<i8", false, new long[] {2, 1}, longs(3, -4)));
    quiet("fold --weights ./i.npy --running ./r.csv -o ./f.npz");
    npz("f.npz").forEach((name, array) -> assertEquals("<f8", array.type(), name));
  }

  @Test
  void tellsDigests() {
    List<String> lines = run(FOLD + " -o ./f.npz --digest").error();
    assertEquals(2, lines.size());
    assertTrue(lines.get(0).matches("[0-9a-f]{64} weights <f8 \\(2, 3\\)"), lines::toString);
    assertTrue(lines.get(1).matches("[0-9a-f]{64} bias <f8 \\(2,\\)"), lines::toString);
  }

  @Test
  void warnsOfAVarianceOfZero() {
    text("r.csv", "running_mean,running_variance\n1,0\n2,16\n");
    CommandLineRun run = run(FOLD + " --folded-bias -");
    assertEquals("-inf\n-0.5\n", run.out());
    assertEquals(
        List.of(
            "batchnorm: warning: r.csv: channel 0: variance + eps is 0, the result follows IEEE"
                + " division"),
        run.error());
    assertEquals(List.of(), run(FOLD + " --folded-bias - -q").error());
  }

  @Test
  void checksTheIdentityOnData() {
    text("x.csv", "a,b,c\n1,0.5,-1\n2,3,4\n");
    List<String> lines = quiet(FOLD + " --check ./x.csv").lines();
    assertEquals(
        "linear " + path("w.csv") + ", 2×3, folded to f64: " + path("x.csv") + ", outputs 2×2",
        lines.get(0));
    assertTrue(
        lines.get(1).startsWith("  largest |difference|  0.0 at (0, 0): batch norm -1.0, folded"));
    assertTrue(
        lines.get(2).startsWith("  closest to its bound  0.0 % at (0, 0): |difference| 0.0"));
    assertEquals(
        "PASSED: 4 outputs, none differs by more than rounding to f64 explains", lines.get(3));
    assertEquals(List.of("r.csv", "w.csv", "x.csv"), files());
  }

  @Test
  void writesBesideTheCheckWhereAsked() {
    text("x.csv", "1,0.5,-1\n");
    quiet(FOLD + " -o ./f.npz");
    byte[] expected = bytes("f.npz");
    quiet(FOLD + " --check ./x.csv -o ./g.npz");
    assertArrayEquals(expected, bytes("g.npz"));
    quiet(FOLD + " --check ./x.csv --folded-bias ./b.csv");
    assertEquals("-0.5\n-0.5\n", text("b.csv"));
  }

  @ParameterizedTest
  @CsvSource({
    "conv1d-f32, conv, 1, 2x4x7",
    "conv2d-groups-f32, conv, 2, 1x6x4x5",
    "conv3d-f64, conv, 1, 1x2x3x3x4",
    "transpose1d-groups-f64, conv-transpose, 3, 2x6x4",
    "transpose2d-groups-f16, conv-transpose, 2, 1x4x3x3"
  })
  void checksConvolutions(String name, String layer, int groups, String shape) {
    long[] sizes = Arrays.stream(shape.split("x")).mapToLong(Long::parseLong).toArray();
    double[] values = new double[(int) Arrays.stream(sizes).reduce(1, (a, b) -> a * b)];
    Arrays.setAll(values, Math::sin);
    npy("x.npy", DType.F64, sizes, values);
    Path file = GOLDEN.resolve(name + ".npz");
    String options =
        "--weights %1$s --bias %1$s --running %1$s --gamma %1$s --beta %1$s".formatted(file);
    Map<?, ?> report =
        Json.object(
            quiet(
                    "fold %s --layer %s --groups %d --check ./x.npy --json"
                        .formatted(options, layer, groups))
                .out());
    assertEquals("PASSED", report.get("status"));
    double share = number(report, "largest", "share");
    assertTrue(share > 0 && share <= 1, () -> "share " + share);
  }

  private static Map<?, ?> output(Map<?, ?> report, String name) {
    return Json.objects(List.of(Objects.requireNonNull(report.get(name), name))).get(0);
  }

  private static double number(Map<?, ?> report, String output, String name) {
    return (double) Objects.requireNonNull(output(report, output).get(name), name);
  }

  @Test
  void printsJson() {
    text("x.csv", "1,0.5,-1\n");
    Map<?, ?> report = Json.object(quiet(FOLD + " --check ./x.csv --json --engine java").out());
    assertEquals(
        Set.of(
            "status",
            "engine",
            "layer",
            "groups",
            "weights",
            "running",
            "input",
            "dtype",
            "shape",
            "count",
            "exceeding",
            "largest",
            "closest",
            "command"),
        report.keySet());
    assertEquals("linear", report.get("layer"));
    assertEquals(List.of(1.0, 2.0), report.get("shape"));
    assertEquals(
        Set.of("index", "normalised", "folded", "difference", "bound", "share"),
        output(report, "largest").keySet());
  }

  /** Weights beyond f16 are more than rounding. */
  @Test
  void failsWhereTheFoldedLayerIsAnother() {
    text("x.csv", "1,0.5,-1\n");
    CommandLineRun run = run(FOLD + " --gamma 100000 --dtype f16 --check ./x.csv -o ./f.npz");
    assertEquals(ExitCode.DIFFERENT, run.code());
    List<String> lines = run.lines();
    assertEquals(
        "FAILED: 2 of 2 outputs differ by more than rounding to f16 explains", lines.get(3));
    assertTrue(lines.get(4).startsWith("repeat: batchnorm fold --weights "), lines.get(4));
    assertTrue(lines.get(2).contains("more than 1e8 %"), lines.get(2));
    assertTrue(files().contains("f.npz"));
    Map<?, ?> report =
        Json.object(run(FOLD + " --gamma 100000 --dtype f16 --check ./x.csv --json").out());
    assertEquals("FAILED", report.get("status"));
    assertEquals(2.0, report.get("exceeding"));
    assertEquals("inf", output(report, "closest").get("share"));
  }
}
