package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class EnginesCommandTest extends CommandTest {
  private static final String REASON =
      "engine unavailable: expected another machine, found this one";

  @BeforeEach
  void aBatch() {
    testdata("graph/x.csv");
  }

  @AfterEach
  void nobodyPrefersWhatCannotRun() {
    UnavailableProvider.preferred = false;
  }

  @Test
  void listsWhatCanRunAndTheReasonWhereNot() {
    List<String> lines = quiet("engines").lines();
    assertEquals("native   not available: batchnorm-native is not on the class path", lines.get(0));
    assertEquals("java     reference, 1 thread (auto)", lines.get(1));
    assertTrue(lines.contains("unavailable not available: " + REASON), lines::toString);
    assertEquals(1, lines.stream().filter(line -> line.endsWith("(auto)")).count());
  }

  @Test
  void listsTheSameAsJson() {
    List<Map<?, ?>> engines = Json.objects(Json.read(quiet("engines --json").out()));
    Map<?, ?> java = engines.get(1);
    assertEquals(
        Map.of(
            "name", "java", "available", true, "auto", true, "description", "reference, 1 thread"),
        java);
    Map<?, ?> unavailable =
        engines.stream().filter(e -> "unavailable".equals(e.get("name"))).findFirst().orElseThrow();
    assertEquals(
        Map.of("name", "unavailable", "available", false, "auto", false, "reason", REASON),
        unavailable);
    for (Map<?, ?> engine : engines) {
      assertTrue(engine.keySet().containsAll(Set.of("name", "available", "auto")));
    }
  }

  @Test
  void theMostPreferredThatCanRunIsAuto() {
    UnavailableProvider.preferred = true;
    List<String> lines = quiet("engines").lines();
    assertEquals("unavailable not available: " + REASON, lines.get(1));
    assertEquals("java     reference, 1 thread (auto)", lines.get(2));
  }

  @Test
  void autoWarnsOnceAndTakesTheNext() {
    String expected = quiet("forward ./x.csv --engine java").out();
    UnavailableProvider.preferred = true;
    CommandLineRun run = run("forward ./x.csv");
    assertEquals(ExitCode.OK, run.code());
    assertEquals(expected, run.out());
    assertEquals(List.of("batchnorm: warning: " + REASON), run.error());
    assertEquals(expected, quiet("forward ./x.csv -q").out());
    assertEquals(
        List.of("batchnorm: warning: " + REASON, "batchnorm: engine java: reference, 1 thread"),
        run("forward ./x.csv -v").error());
  }

  @Test
  void aNamedEngineNeverFallsBack() {
    for (String command :
        List.of(
            "forward ./x.csv -o ./y.csv",
            "backward ./x.csv --dy ./x.csv -o ./g.npz",
            "infer ./x.csv --running ./r.npz -o ./y.csv",
            "verify ./x.csv")) {
      refused(
          ExitCode.ENGINE,
          command + " --engine unavailable",
          "batchnorm: " + REASON,
          "hint: try elsewhere");
    }
    assertEquals(List.of("x.csv"), files());
  }

  @Test
  void nativeIsUnavailableRatherThanUnknownWithoutItsJar() {
    CommandLineRun run = run("forward ./x.csv --engine native");
    assertEquals(ExitCode.ENGINE, run.code());
    assertEquals("", run.out());
    assertTrue(run.error().get(0).startsWith("batchnorm: no engine named \"native\""));
  }
}
