package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.contract.WrongEngine.Mistake;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class VerifyCommandTest extends CommandTest {
  @BeforeEach
  void theGraphExample() {
    testdata("graph/x.csv");
    testdata("graph/dy.csv");
  }

  @Test
  void anEngineEqualsItself() {
    List<String> lines = quiet("verify ./x.csv --engine java").lines();
    assertEquals(
        "java (reference, 1 thread) against java (reference, 1 thread): "
            + path("x.csv")
            + ", 3×2 f64",
        lines.get(0));
    assertTrue(lines.contains("batch statistics"), lines::toString);
    assertTrue(lines.contains("frozen statistics"), lines::toString);
    assertTrue(lines.contains("  y                             6 compared  identical"));
    assertEquals("PASSED: 70 numbers, none differs by a bit", lines.get(lines.size() - 1));
  }

  @Test
  void comparesEverythingAnEngineComputes() {
    Map<?, ?> report = Json.object(quiet("verify ./x.csv --engine java --json").out());
    assertEquals(
        Set.of("status", "engine", "reference", "input", "shape", "dtype", "arrays", "command"),
        report.keySet());
    assertEquals("PASSED", report.get("status"));
    assertEquals("java (reference, 1 thread)", report.get("engine"));
    assertEquals("java (reference, 1 thread)", report.get("reference"));
    assertEquals(path("x.csv").toString(), report.get("input"));
    assertEquals(List.of(3.0, 2.0), report.get("shape"));
    assertEquals("f64", report.get("dtype"));
    assertEquals(
        "batchnorm verify " + path("x.csv") + " --engine java --json", report.get("command"));
    for (Map<?, ?> array : arrays(report)) {
      assertEquals(
          Set.of("statistics", "name", "dtype", "count", "differing", "max_ulp"), array.keySet());
      assertEquals(0.0, array.get("differing"));
      assertEquals(0.0, array.get("max_ulp"));
    }
    assertEquals(
        "count sum_x sum_xx mean mean_lo variance unbiased_variance inverse_std y sum_dy sum_dyx k1 k1_lo"
            + " k2 dgamma dbeta dx",
        names(report, "batch"));
    assertEquals(
        "inverse_std y sum_dy sum_dyx k1 k1_lo k2 dgamma dbeta dx", names(report, "frozen"));
  }

  private static List<Map<?, ?>> arrays(Map<?, ?> report) {
    return Json.objects(Json.get(report, "arrays"));
  }

  private static String names(Map<?, ?> report, String statistics) {
    return arrays(report).stream()
        .filter(array -> statistics.equals(array.get("statistics")))
        .map(array -> String.valueOf(array.get("name")))
        .collect(Collectors.joining(" "));
  }

  private static final Set<Mistake> OF_WEIGHTS =
      EnumSet.of(Mistake.COVARIANCE, Mistake.QUADRATIC_FORM, Mistake.PROJECTION);

  /**
   * Not here: NAN_PAYLOAD, because to verify all NaNs are one, and PAIR_SUM, because only what is
   * rounded from it is compared; their bits are the contract's to judge.
   */
  static Stream<Mistake> mistakes() {
    return Stream.of(Mistake.values())
        .filter(mistake -> mistake != Mistake.NAN_PAYLOAD && mistake != Mistake.PAIR_SUM)
        .filter(mistake -> !OF_WEIGHTS.contains(mistake));
  }

  @Test
  void anEngineWithOneMistakeInWeightsFails() {
    text("w.csv", "1,2\n-1,0.5\n");
    for (Mistake mistake : OF_WEIGHTS) {
      String engine = " --engine " + WrongProviders.name(mistake);
      assertEquals(ExitCode.OK, run("verify ./x.csv" + engine).code());
      CommandLineRun run = run("verify ./x.csv --weights ./w.csv" + engine);
      assertEquals(ExitCode.DIFFERENT, run.code(), mistake::toString);
      List<String> lines = run.lines();
      String verdict = lines.get(lines.size() - 2);
      assertTrue(verdict.startsWith("FAILED: "), verdict);
    }
  }

  @ParameterizedTest
  @MethodSource("mistakes")
  void anEngineWithOneMistakeFails(Mistake mistake) {
    if (mistake == Mistake.NAN_FLAG_FORGOTTEN) {
      text("x.csv", "a,b\nnan,10\n2,14\n6,12\n");
    }
    String options = " --dy ./dy.csv --engine " + WrongProviders.name(mistake);
    CommandLineRun run = run("verify ./x.csv" + options);
    assertEquals(ExitCode.DIFFERENT, run.code());
    assertEquals(List.of(), run.error());
    List<String> lines = run.lines();
    assertTrue(lines.get(0).startsWith("java (wrong: " + mistake + ") against "), lines.get(0));
    assertTrue(lines.stream().anyMatch(VerifyCommandTest::namesAPlace), run.out());
    String verdict = lines.get(lines.size() - 2);
    // With another count there is nothing more to compare: the passes that follow would refuse.
    String all = mistake == Mistake.COUNT ? "34" : "70";
    assertTrue(verdict.matches("FAILED: [1-9][0-9]* of " + all + " numbers differ"), verdict);
    assertEquals(
        "repeat: batchnorm verify " + path("x.csv") + options.replace("./", directory + "/"),
        lines.get(lines.size() - 1));

    CommandLineRun json = run("verify ./x.csv --json" + options);
    assertEquals(ExitCode.DIFFERENT, json.code());
    Map<?, ?> report = Json.object(json.out());
    assertEquals("FAILED", report.get("status"));
    List<Map<?, ?>> differing =
        arrays(report).stream().filter(array -> !Json.get(array, "differing").equals(0.0)).toList();
    assertFalse(differing.isEmpty(), json.out());
    for (Map<?, ?> array : differing) {
      Map<?, ?> first = (Map<?, ?>) Json.get(array, "first");
      assertEquals(Set.of("index", "place", "expected", "found"), first.keySet());
    }
  }

  private static boolean namesAPlace(String line) {
    return line.matches(
        "  \\w+ +\\d+ compared  \\d+ differ, first at \\((n=\\d+, )?c=\\d+\\): reference \\S+,"
            + " found \\S+, up to \\S+ ulp apart");
  }

  @Test
  void theWrongElementIsNamedWithBothValues() {
    List<String> lines = run("verify ./x.csv --engine wrong-y").lines();
    assertTrue(
        lines.contains(
            "  y                             6 compared  1 differ, first at (n=2, c=1): reference"
                + " 0.0, found 5e-324, up to 1.0 ulp apart"),
        lines::toString);
    Map<?, ?> report = Json.object(run("verify ./x.csv --engine wrong-y --json").out());
    Map<?, ?> y =
        arrays(report).stream().filter(a -> "y".equals(a.get("name"))).findFirst().orElseThrow();
    assertEquals(1.0, y.get("differing"));
    assertEquals(1.0, y.get("max_ulp"));
    assertEquals(
        Map.of("index", 5.0, "place", "(n=2, c=1)", "expected", 0.0, "found", Double.MIN_VALUE),
        y.get("first"));
  }

  @Test
  void jsonWritesWhatIsNotFiniteAsText() {
    text("x.csv", "a,b\nnan,10\n2,14\n6,12\n");
    Map<?, ?> report =
        Json.object(run("verify ./x.csv --engine wrong-nan-flag-forgotten --json").out());
    assertEquals("FAILED", report.get("status"));
    Map<?, ?> mean =
        arrays(report).stream().filter(a -> "mean".equals(a.get("name"))).findFirst().orElseThrow();
    assertEquals("inf", mean.get("max_ulp"));
    assertEquals("nan", ((Map<?, ?>) Json.get(mean, "first")).get("expected"));
  }

  @ParameterizedTest
  @EnumSource(Mistake.class)
  void everyMistakeHasAnEngineAndAutoTakesNone(Mistake mistake) {
    List<String> engines = quiet("engines").lines();
    String name = WrongProviders.name(mistake);
    assertTrue(
        engines.stream().anyMatch(line -> line.matches(name + " +wrong: " + mistake)),
        engines::toString);
  }

  @Test
  void theGradientIsMadeFromTheSeed() {
    assertEquals(seeded("--seed 1"), seeded(""));
    assertNotEquals(seeded("--seed 1"), seeded("--seed 2"));
  }

  /** What a wrong dx is compared with tells the gradient. */
  private String seeded(String option) {
    return run(("verify ./x.csv --engine wrong-dx " + option).strip()).lines().stream()
        .filter(line -> line.startsWith("  dx "))
        .collect(Collectors.joining("\n"));
  }

  @ParameterizedTest
  @CsvSource({"--dtype f32, f32", "--gamma 3, f64", "--eps 0, f64", "--beta -1, f64"})
  void takesTheOptionsOfThePasses(String option, String type) {
    Map<?, ?> report = Json.object(quiet("verify ./x.csv --engine java --json " + option).out());
    assertEquals("PASSED", report.get("status"));
    assertEquals(type, report.get("dtype"));
  }

  @Test
  void withWeightsAlsoTheReparameterization() {
    text("w.csv", "1,0\n-1,2\n");
    String line = "verify ./x.csv --engine java --weights ./w.csv --gamma 2 --beta 1";
    List<String> lines = quiet(line).lines();
    assertTrue(lines.contains("reparameterized"), lines::toString);
    assertTrue(lines.contains("  covariance                    4 compared  identical"));
    assertTrue(
        lines.stream()
            .anyMatch(
                l ->
                    l.matches(
                        "  X·W' \\+ b', exact +6 compared  within their bounds, at most \\S+ of it, at"
                            + " \\(n=\\d, k=\\d\\)")),
        lines::toString);
    assertEquals(
        "PASSED: 84 numbers, none differs by a bit; 12 outputs within their bounds",
        lines.get(lines.size() - 1));
    Map<?, ?> report = Json.object(quiet(line + " --json").out());
    assertEquals("mean covariance variance weights bias", names(report, "reparameterized"));
    List<Map<?, ?>> identity = Json.objects(Json.get(report, "identity"));
    assertEquals("exact", identity.get(0).get("level"));
    assertEquals("fast", identity.get(1).get("level"));
    for (Map<?, ?> measured : identity) {
      assertEquals(Set.of("level", "count", "exceeding", "unbounded", "worst"), measured.keySet());
      assertEquals(6.0, measured.get("count"));
      assertEquals(0.0, measured.get("exceeding"));
      assertEquals(
          Set.of("index", "place", "normalised", "difference", "bound", "share"),
          ((Map<?, ?>) Json.get(measured, "worst")).keySet());
    }
  }

  @Test
  void aUnitWithoutSpreadHasNoBound() {
    text("x.csv", "0.1,0.2,0.3\n0.2,0.7,0.8999999999999999\n0.7,0.3,1\n");
    text("w.csv", "1,1\n1,0\n-1,0\n");
    List<String> lines = quiet("verify ./x.csv --engine java --weights ./w.csv --eps 0").lines();
    assertTrue(
        lines.stream()
            .anyMatch(l -> l.contains("; 3 without a bound: a variance within rounding of 0")),
        lines::toString);
  }

  @Test
  void knowsLayouts() {
    npy("x.npy", DType.F32, new long[] {2, 2, 3}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3);
    CommandLineRun run = run("verify ./x.npy --layout NLC --engine wrong-y");
    assertEquals(ExitCode.DIFFERENT, run.code());
    assertTrue(run.out().contains("first at (n=3, c=2): "), run.out());
    run = run("verify ./x.npy --engine wrong-y");
    assertTrue(run.out().contains("first at (n=1, c=1, s=2): "), run.out());
  }

  @Test
  void theCommandToRepeatIsQuotedForAShell() {
    text("it's.csv", text("x.csv"));
    String last =
        run("verify ./it's.csv --engine wrong-y --seed 5").lines().stream()
            .reduce("", (before, line) -> line);
    assertEquals(
        "repeat: batchnorm verify '" + directory + "/it'\\''s.csv' --engine wrong-y --seed 5",
        last);
  }

  @Test
  void namesBothShapesThatDisagree() {
    text("dy.csv", "a,b\n1,2\n3,4\n");
    refused(
        ExitCode.INPUT,
        "verify ./x.csv --dy ./dy.csv --engine java",
        "batchnorm: dy.csv: expected shape 3×2 (x.csv), found 2×2");
  }

  @Test
  void wantsTheNativeEngineUnlessAnotherIsNamed() {
    CommandLineRun run = run("verify ./x.csv");
    assertEquals(ExitCode.ENGINE, run.code());
    assertEquals("", run.out());
  }
}
