package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.csv.CsvOptions;
import dev.batchnorm.format.csv.CsvTable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What other programs made, judged and explained: the cases of {@code testdata/audit}, of plain
 * kernels in numpy (right, of other conventions, broken) and of frameworks. Their makers know
 * nothing of this implementation.
 */
class AuditCasesTest extends CommandTest {
  private static final Pattern EXPLANATION =
      Pattern.compile("\"convention\" : \\[ ([^\\]]*) \\],.*?\"rank\" : (\\d+)", Pattern.DOTALL);

  /** A row of {@code cases.csv}. */
  record Case(Path folder, String name, String expected, String also, String options) {
    @Override
    public String toString() {
      return name;
    }

    /** Sets of causes that are as good on this data. */
    Set<Set<String>> asGood() {
      Set<Set<String>> sets = new HashSet<>();
      sets.add(Set.of(expected.split("\\+")));
      for (String other : also.isEmpty() ? new String[0] : also.split(" ")) {
        sets.add(Set.of(other.split("\\+")));
      }
      return sets;
    }
  }

  static Stream<Case> cases() {
    return Stream.of("kernels", "frameworks").flatMap(AuditCasesTest::cases);
  }

  private static Stream<Case> cases(String folder) {
    Path directory = ROOT.resolve("testdata/audit").resolve(folder);
    CsvOptions options = CsvOptions.of(FileFormat.CSV);
    List<Case> cases = new ArrayList<>();
    try (InputBytes in = InputBytes.open(directory.resolve("cases.csv"))) {
      List<String> names = CsvTable.firstRecord(in, options);
      List<List<String>> columns = new ArrayList<>();
      for (String column : List.of("case", "expected", "also", "options")) {
        columns.add(CsvTable.texts(in, options, names.indexOf(column)));
      }
      for (int i = 0; i < columns.get(0).size(); i++) {
        cases.add(
            new Case(
                directory,
                columns.get(0).get(i),
                columns.get(1).get(i),
                columns.get(2).get(i),
                columns.get(3).get(i)));
      }
    }
    return cases.stream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void isJudgedAndExplained(Case of) {
    String options =
        Pattern.compile("\\S+\\.npz")
            .matcher(of.options())
            .replaceAll(m -> Matcher.quoteReplacement(of.folder().resolve(m.group()).toString()));
    CommandLineRun run = run("audit " + options + " --json");
    assertEquals(List.of(), run.error());
    boolean passes = of.expected().equals("PASSED");
    assertTrue(
        run.out().contains("\"status\" : \"" + (passes ? "PASSED" : "FAILED") + "\""), run.out());
    assertEquals(passes ? ExitCode.OK : ExitCode.DIFFERENT, run.code());
    if (passes) {
      return;
    }
    Set<Set<String>> best = new HashSet<>();
    Matcher found = EXPLANATION.matcher(run.out());
    while (found.find()) {
      if (found.group(2).equals("1")) {
        best.add(new TreeSet<>(List.of(found.group(1).replace("\"", "").split(", "))));
      }
    }
    if (of.expected().equals("none")) {
      assertEquals(Set.of(), best);
    } else {
      assertTrue(best.stream().anyMatch(of.asGood()::contains), () -> of.expected() + ", " + best);
    }
  }
}
