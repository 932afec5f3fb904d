package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.contract.WrongEngine.Mistake;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

class GoldenCommandTest extends CommandTest {
  private static final String RECORD = "golden record ./golden ";

  @BeforeEach
  void aBatch() {
    testdata("graph/x.csv");
    testdata("graph/dy.csv");
  }

  private void passes(int cases) {
    CommandLineRun run = quiet("golden check ./golden");
    String last = run.lines().get(run.lines().size() - 1);
    assertTrue(
        last.matches("PASSED: " + cases + " cases?, \\d+ numbers, none differs by a bit"), last);
  }

  private Stored array(String path) {
    return npy("golden/" + path + ".npy");
  }

  @Test
  void aCaseHoldsWhatForwardAndBackwardWrite() {
    assertEquals("", quiet(RECORD + "./x.csv --dy ./dy.csv --gamma 1.5 --running new").out());
    assertEquals(List.of("dy.csv", "golden", "x.csv"), files());
    quiet("forward ./x.csv --gamma 1.5 --running new --save ./s.npz -o ./y.npy");
    quiet("backward ./x.csv --dy ./dy.csv --gamma 1.5 -o ./g.npz");
    assertSame(npy("y.npy"), array("x/y"), "y");
    for (String file : List.of("s.npz", "g.npz")) {
      Map<String, Stored> members = npz(file);
      members.remove("eps");
      members.forEach((name, stored) -> assertSame(stored, array("x/" + name), name));
    }
    passes(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "./x.csv --dtype f16",
        "./x.csv --columns a --eps 1e-3",
        "./ints.npy --dy ./dy.csv",
        "./image.npy --layout NHWC --running new --momentum cumulative --convention onnx",
        "./image.npy --channel-axis 2 --dtype f64",
        "./x.csv --batch-size 2 --running new --convention keras",
        "./x.csv --frozen --running ./running.csv --dy ./dy.csv --gamma 2",
        "./x.csv --running ./running.csv --momentum 0.5",
        "./image.npy --reference",
        "./x.npz --dy ./x.npz --reference --gamma -3 --beta 0.25",
        "./x.npz:dy --name other",
        "./x.csv --threads 2"
      })
  void everyWayOfComputingIsRecorded(String options) throws IOException {
    bytes("ints.npy", numpy("<i8", true, new long[] {3, 2}, longs(1, 2, 6, 10, 14, 12)));
    npy("image.npy", DType.F32, new long[] {1, 2, 2, 3}, 1, 2, 3, 5, 4, 6, 7, 9, 8, 1, -1, 1e6);
    text("running.csv", "running_mean,running_variance\n1,2\n3,4\n");
    npz(
        "x.npz",
        npz -> {
          npz.doubles("x", new double[] {1, 10, 2, 14, 6, 12}, 3, 2);
          npz.doubles("dy", new double[] {1, 0, 0, 2, -1, 5}, 3, 2);
        });
    CommandLineRun run = run(RECORD + options);
    assertEquals(ExitCode.OK, run.code(), run.error()::toString);
    CommandLineRun check = run("golden check ./golden");
    boolean vacuous = options.contains("--batch-size"); // its last batch is one row
    assertEquals(ExitCode.OK, check.code(), () -> check.out() + vacuous);
  }

  @Test
  void severalInputsAreSeveralCasesAllOrNone() {
    text("z.csv", "1,2\n3,5\n");
    quiet(RECORD + "./x.csv ./z.csv --running new");
    passes(2);
    text("bad.csv", "1,2\n3\n");
    refused(
        ExitCode.INPUT,
        "golden record ./other ./z.csv ./bad.csv",
        "batchnorm: bad.csv:2: expected 2 fields as in line 1, found 1");
    assertFalse(Files.exists(path("other/z")));
    assertArrayEquals(new String[0], path("other").toFile().list());
    assertEquals(ExitCode.OK, run(bytes("z.csv"), RECORD + "- --name piped").code());
    passes(3);
  }

  @Test
  void updateTellsWhatChangesAndLeavesTheSameAlone() throws IOException {
    quiet(RECORD + "./x.csv");
    refused(
        ExitCode.OUTPUT,
        RECORD + "./x.csv",
        "batchnorm: golden/x: expected a new case, found one of that name",
        "hint: --update records it again and shows what changes");
    FileTime before = Files.getLastModifiedTime(path("golden/x/y.npy"));
    assertEquals("golden/x: unchanged\n", here(quiet(RECORD + "./x.csv --update")));
    assertEquals(before, Files.getLastModifiedTime(path("golden/x/y.npy")));
    text("x.csv", text("x.csv").replace("14", "15"));
    String changed = here(quiet(RECORD + "./x.csv --update"));
    assertTrue(
        changed.startsWith(
            "golden/x: changed\n  x: 1 of 6 changed, first at (1, 1): 15.0, was 14.0\n"),
        changed);
    assertTrue(changed.contains("\n  y: 3 of 6 changed"), changed);
    passes(1);
    assertEquals("golden/new: new\n", here(quiet(RECORD + "./x.csv --name new --update")));
    bytes("golden/x/y.npy", new byte[3]);
    String repaired = here(quiet(RECORD + "./x.csv --update"));
    assertTrue(repaired.contains("the old case was CORRUPTED: y.npy: "), repaired);
    passes(2);
  }

  private String here(CommandLineRun run) {
    return run.out().replace(directory + "/", "");
  }

  @Test
  void aVacuousCaseWarnsAndNeverPasses() {
    text("ones.csv", "1,1\n1,1\n1,1\n");
    assertEquals(
        List.of(
            "batchnorm: warning: golden/x: dx is 0 everywhere, as it is for a dy of equal values:"
                + " golden check says MISTRUSTED"),
        run(RECORD + "./x.csv --dy ./ones.csv").error());
    CommandLineRun check = run("golden check ./golden");
    assertEquals(ExitCode.DIFFERENT, check.code());
    assertTrue(check.out().endsWith("\nFAILED: 1 case, 1 MISTRUSTED\n"), check.out());
  }

  @ParameterizedTest
  @EnumSource(
      value = Mistake.class,
      names = {
        "Y",
        "DX",
        "DGAMMA",
        "DBETA",
        "MEAN",
        "VARIANCE",
        "INVERSE_STD",
        "UNBIASED_VARIANCE"
      })
  void aWrongEngineIsDifferentWithThePlaceAndTheCommandThatRepeatsIt(Mistake mistake) {
    quiet(RECORD + "./x.csv --dy ./dy.csv --running new");
    String engine = WrongProviders.name(mistake);
    CommandLineRun run = run("golden check ./golden --threads 1 --engine " + engine);
    assertEquals(ExitCode.DIFFERENT, run.code());
    String out = here(run);
    assertTrue(out.startsWith("golden/x  DIFFERENT  "), out);
    assertTrue(out.contains(": expected ") && out.contains(", at most "), out);
    assertTrue(out.contains("golden/x --engine " + engine), out);
    assertTrue(out.endsWith("FAILED: 1 case, 1 DIFFERENT\n"), out);
  }

  @Test
  void jsonAndJunitSayTheSame() throws Exception {
    quiet(RECORD + "./x.csv --dy ./dy.csv");
    quiet(RECORD + "./x.csv --name <&\"'>");
    CommandLineRun run =
        run("golden check ./golden --engine wrong-y --threads 1 --json --junit ./report.xml");
    assertEquals(ExitCode.DIFFERENT, run.code());
    String json = run.out();
    assertTrue(json.contains("\"status\" : \"FAILED\""), json);
    assertTrue(json.contains("\"verdict\" : \"DIFFERENT\""), json);
    assertTrue(json.contains("\"exactness\" : \"fixed_sequence\""), json);
    assertTrue(json.contains("\"index\" : \"(2, 1)\""), json);
    Document report =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new ByteArrayInputStream(bytes("report.xml")));
    Element suite = report.getDocumentElement();
    assertEquals("2", suite.getAttribute("tests"));
    assertEquals("2", suite.getAttribute("failures"));
    assertEquals("0", suite.getAttribute("errors"));
    assertEquals(2, report.getElementsByTagName("testcase").getLength());
    Element failure = (Element) report.getElementsByTagName("failure").item(0);
    assertEquals("DIFFERENT", failure.getAttribute("type"));
    assertTrue(failure.getAttribute("message").startsWith("y at (2, 1): expected "));
    quiet("golden check ./golden --json --junit ./report.xml");
    assertFalse(text("report.xml").contains("<failure"));
  }

  @Test
  void checkWritesNothingIntoTheTree() throws IOException {
    quiet(RECORD + "./x.csv --dy ./dy.csv");
    Map<String, FileTime> before = times();
    quiet("golden check ./golden --threads 2");
    run("golden check ./golden --engine wrong-dx");
    refused(
        ExitCode.USAGE,
        "golden check ./golden --junit ./golden/report.xml",
        "batchnorm: --junit: expected a file outside golden (which is only read), found"
            + " golden/report.xml");
    refused(
        ExitCode.USAGE,
        "golden check ./golden --junit -",
        "batchnorm: --junit: expected a file, found standard output (the report is there)");
    assertEquals(before, times());
  }

  private Map<String, FileTime> times() throws IOException {
    Map<String, FileTime> times = new TreeMap<>();
    try (Stream<Path> files = Files.walk(path("golden"))) {
      for (Path file : files.toList()) {
        times.put(file.toString(), Files.getLastModifiedTime(file));
      }
    }
    return times;
  }

  @Test
  void aTreeWithoutCasesIsAnError() throws IOException {
    Files.createDirectory(path("empty"));
    refused(
        ExitCode.INPUT,
        "golden check ./empty",
        "batchnorm: empty: expected golden cases (directories with a manifest.json), found none",
        "hint: batchnorm golden record empty INPUT makes one");
    refused(
        ExitCode.INPUT,
        "golden check ./nowhere",
        "batchnorm: nowhere: expected a directory of golden cases, found no such directory");
  }

  @Test
  void otherOptionsThanFit() {
    refused(
        ExitCode.USAGE,
        RECORD + "./x.csv ./graph/x.csv",
        "batchnorm: INPUT: expected inputs of different names, found x.csv and graph/x.csv (both are"
            + " case x)",
        "hint: --name NAME names the case of a single INPUT");
    refused(
        ExitCode.INPUT,
        RECORD + "./x.csv --reference",
        "batchnorm: x.csv: expected NPY or NPZ (for --reference), found CSV",
        "hint: without --reference the numbers are copied into the case");
    for (String options :
        List.of(
            "--name a/b",
            "--name ..",
            "--momentum 0.5",
            "--statistics batch",
            "--frozen",
            "--frozen --running new",
            "--batch-size 0",
            "--batch-size 2 --dy ./dy.csv",
            "--reference --narrow",
            "--missing ignore")) {
      CommandLineRun run = run(RECORD + "./x.csv " + options);
      assertEquals(ExitCode.USAGE, run.code(), options);
      assertFalse(Files.exists(path("golden")), options);
    }
  }

  @Test
  void digestsAreThoseOfForward() {
    List<String> digests = run(RECORD + "./x.csv --digest").error();
    assertEquals(5, digests.size());
    assertEquals(run("forward ./x.csv --digest -o ./y.npy").error().get(0), digests.get(0));
  }
}
