package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.contract.WrongEngine.Mistake;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class GradcheckCommandTest extends CommandTest {
  @BeforeEach
  void theGraphExample() {
    testdata("graph/x.csv");
    testdata("graph/dy.csv");
  }

  private CommandLineRun mistrusted(String line) {
    CommandLineRun run = run(line);
    assertEquals(1, run.code(), run.error()::toString);
    assertTrue(run.out().contains("\nMISTRUSTED: "), run.out());
    assertTrue(run.out().endsWith("repeat: batchnorm " + absolute(line) + "\n"), run.out());
    return run;
  }

  private String absolute(String line) {
    return line.replace("./", directory + "/");
  }

  @Test
  void theGradientsOfAnEngineAreWithinTheirBounds() {
    List<String> lines = quiet("gradcheck ./x.csv --dy ./dy.csv --engine java").lines();
    assertEquals(
        "java (reference, 1 thread): "
            + path("x.csv")
            + ", 3×2 f64, dy "
            + path("dy.csv")
            + ", batch statistics, eps 1e-05",
        lines.get(0));
    assertEquals("3 elements and 4 directions a channel, seed 1", lines.get(1));
    assertEquals(
        List.of("a", "b"),
        lines.subList(3, 5).stream().map(l -> l.substring(0, 1)).sorted().toList());
    assertEquals("PASSED: 24 comparisons, all within their bounds", lines.get(5));
    assertEquals(6, lines.size());
  }

  @Test
  void rowsAsChannelsHaveNoNames() {
    String line = "gradcheck ./x.csv --dy ./dy.csv --engine java --channel-axis 0";
    assertEquals(
        List.of("0", "1", "2"),
        quiet(line).lines().subList(3, 6).stream().map(l -> l.substring(0, 1)).sorted().toList());
    Map<?, ?> report = Json.object(quiet(line + " --json").out());
    List<Map<?, ?>> channels = Json.objects(Json.get(report, "channels"));
    assertEquals(3, channels.size());
    channels.forEach(c -> assertFalse(c.containsKey("name")));
  }

  @Test
  void jsonHoldsEveryCheck() {
    Map<?, ?> report =
        Json.object(quiet("gradcheck ./x.csv --dy ./dy.csv --engine java --json").out());
    assertEquals(
        Set.of(
            "status",
            "engine",
            "input",
            "dy",
            "shape",
            "dtype",
            "statistics",
            "eps",
            "seed",
            "given",
            "channels_in_all",
            "directions",
            "elements",
            "compared",
            "exceeding",
            "channels",
            "command"),
        report.keySet());
    assertEquals("PASSED", report.get("status"));
    assertEquals(24.0, report.get("compared"));
    List<Map<?, ?>> channels = Json.objects(Json.get(report, "channels"));
    assertEquals(2, channels.size());
    for (Map<?, ?> channel : channels) {
      assertEquals(Set.of("channel", "name", "status", "checks"), channel.keySet());
      assertEquals(
          "element direction dgamma dbeta sum projection norm",
          Json.objects(Json.get(channel, "checks")).stream()
              .map(c -> String.valueOf(c.get("name")))
              .collect(Collectors.joining(" ")));
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Mistake.class,
      names = {"DX", "DGAMMA", "DBETA"})
  void aWrongEngineIsFound(Mistake mistake) {
    npy("x.npy", DType.F32, new long[] {25, 2}, new Random(2).doubles(50, 9999, 10001).toArray());
    String line = "gradcheck ./x.npy --engine " + WrongProviders.name(mistake);
    CommandLineRun run = run(line);
    assertEquals(1, run.code(), run.out());
    assertTrue(run.out().contains("FAILED: 1 of 68 comparisons beyond their bounds\n"), run.out());
    assertTrue(run.lines().get(3).startsWith("1 "), run.out()); // the last channel comes first
    assertTrue(run.lines().get(3).endsWith("FAILED"), run.out());
  }

  @ParameterizedTest
  @EnumSource(
      value = Mistake.class,
      names = {"FROZEN_DX", "FROZEN_DGAMMA"})
  void frozenGradientsAreCheckedToo(Mistake mistake) {
    npy("x.npy", DType.F32, new long[] {25, 2}, new Random(2).doubles(50, 9999, 10001).toArray());
    text("r.csv", "running_mean,running_variance\n9999,0.5\n10000,3\n");
    String line = "gradcheck ./x.npy --frozen --running ./r.csv --eps 0.1 --gamma 0.3";
    String out = quiet(line).out();
    assertTrue(out.contains("frozen statistics, eps 0.1\n"), out);
    assertTrue(out.contains("PASSED: 62 comparisons, all within"), out);
    CommandLineRun run = run(line + " --engine " + WrongProviders.name(mistake));
    assertEquals(1, run.code(), run.out());
    assertTrue(run.out().contains("FAILED: 1 of 62"), run.out());
  }

  @Test
  void ownGradientsAreChecked() {
    quiet("backward ./x.csv --dy ./dy.csv -o ./g.npz");
    String line = "gradcheck ./x.csv --dy ./dy.csv";
    String given = " --dx ./g.npz --dgamma ./g.npz --dbeta ./g.npz";
    List<String> lines = quiet(line + given).lines();
    assertEquals("read, not computed: dx, dgamma, dbeta", lines.get(1));
    text("dgamma.csv", "0.34718216543401453\n-0.61237\n");
    CommandLineRun run = run(line + " --dgamma ./dgamma.csv");
    assertEquals(1, run.code());
    assertTrue(run.lines().get(4).startsWith("b        dgamma"), run.out());
    assertTrue(run.lines().get(4).contains("-0.61237  -0.6123712875007069"), run.out());
    refused(
        3,
        line + " --dgamma ./x.csv",
        "batchnorm: x.csv: expected one value per channel (at most one axis longer than 1), found shape 3×2");
    text("short.csv", "a,b\n1,2\n");
    refused(
        3,
        line + " --dx ./short.csv",
        "batchnorm: short.csv: expected shape 3×2 (x.csv), found 1×2");
  }

  @ParameterizedTest
  @CsvSource({
    "gradcheck ./x.csv --dy ./ones.csv, 'dy is constant, and so dx is 0'",
    "gradcheck ./x.csv --dy ./x.csv --eps 0, 'in the span of 1 and x'",
    "gradcheck ./x.csv --gamma 0, 'gamma is 0, and so dx is 0'",
    "gradcheck ./ones.csv --eps 0, 'variance + eps is 0, where y has no gradient'"
  })
  void voidChecksAreMistrusted(String line, String reason) {
    text("ones.csv", "a,b\n1,1\n1,1\n1,1\n");
    CommandLineRun run = mistrusted(line);
    assertTrue(run.out().contains("MISTRUSTED: "), run.out());
    assertTrue(run.out().contains(reason), run.out());
    assertTrue(
        run.out().contains("2 channels tell nothing: a wrong dx would look like a right one\n"),
        run.out());
  }

  @ParameterizedTest
  @CsvSource({"F16, NHWC", "F32, NCHW", "F64, NHWC"})
  void layoutsAndTypes(DType type, String layout) {
    double[] x = new Random(9).doubles(240, -3, 3).map(type::round).toArray();
    npy("x.npy", type, new long[] {5, 4, 3, 4}, x);
    String line = "gradcheck ./x.npy --seed 7 --layout " + layout;
    String out = quiet(line).out();
    assertEquals(out, quiet(line).out());
    assertEquals(
        quiet(line.replace("./x.npy", "-"), bytes("x.npy")).out().lines().skip(1).toList(),
        out.lines().skip(1).toList());
  }

  private CommandLineRun quiet(String line, byte[] in) {
    CommandLineRun run = run(in, line);
    assertEquals(0, run.code(), run.error()::toString);
    return run;
  }
}
