package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.verify.ExactCase;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CasesCommandTest extends CommandTest {
  private static final String CASE = "cases --shape 6,3,2,2 --layout NCHW -o ./exact";

  /** All files below a directory by their names. */
  private Map<String, byte[]> tree(String name) {
    Path top = path(name);
    try (Stream<Path> walk = Files.walk(top)) {
      Map<String, byte[]> files = new TreeMap<>();
      for (Path file : walk.filter(Files::isRegularFile).toList()) {
        files.put(top.relativize(file).toString(), Files.readAllBytes(file));
      }
      return files;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void writesInputsAnswersAndWhatTheyAre() {
    quiet(CASE);
    assertEquals(List.of("exact"), files());
    assertEquals(
        List.of(
            "README.txt",
            "beta.npy",
            "dy.npy",
            "expected/dbeta.npy",
            "expected/dgamma.npy",
            "expected/dx.npy",
            "expected/frozen_dgamma.npy",
            "expected/frozen_dx.npy",
            "expected/infer_y.npy",
            "expected/inverse_std.npy",
            "expected/mean.npy",
            "expected/running_mean.npy",
            "expected/running_variance.npy",
            "expected/variance.npy",
            "expected/y.npy",
            "gamma.npy",
            "manifest.json",
            "running.npz",
            "x.npy"),
        List.copyOf(tree("exact").keySet()));
    ExactCase exact = ExactCase.of(Shape.of(Layout.NCHW, 6, 3, 2, 2), DType.F32, 1);
    assertSame(
        new Stored("<f4", List.of(6L, 3L, 2L, 2L), exact.x().values().toDoubles()),
        npy("exact/x.npy"),
        "x");
    for (ExactCase.Answer answer : exact.answers(false)) {
      Stored file = npy("exact/expected/" + answer.name() + ".npy");
      assertBits(answer.values().values().toDoubles(), file.values(), answer.name());
      assertEquals(answer.values().type().descriptor(), file.type(), answer.name());
    }
    Map<String, Stored> running = npz("exact/running.npz");
    assertEquals(
        List.of("running_mean", "running_variance", "batches"), List.copyOf(running.keySet()));
  }

  /** The digests of every file stand in the manifest, so that one changed byte is found. */
  @Test
  void theManifestHoldsTheDigestsOfTheFiles() throws Exception {
    quiet(CASE);
    String manifest = text("exact/manifest.json");
    Pattern entry =
        Pattern.compile(
            "\"file\" : \"([^\"]+)\".*?\"sha256\" : \"([0-9a-f]{64})\"", Pattern.DOTALL);
    List<MatchResult> found = entry.matcher(manifest).results().toList();
    assertEquals(17, found.size());
    for (MatchResult each : found) {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes("exact/" + each.group(1)));
      assertEquals(HexFormat.of().formatHex(digest), each.group(2), each.group(1));
    }
    assertTrue(manifest.contains("\"eps\" : 0.00048828125"), manifest);
    assertTrue(manifest.contains("\"shape\" : [ 6, 3, 2, 2 ]"), manifest);
  }

  /** Changes of these bytes break the tests of others. */
  @Test
  void theSameSeedGivesTheSameBytesEverywhere() {
    List<String> digests = run(CASE + " --digest").error();
    assertEquals(16, digests.size());
    quiet("cases --shape 6,3,2,2 --layout NCHW --seed 1 -o ./again --threads 2 --engine java");
    Map<String, byte[]> again = tree("again");
    tree("exact").forEach((name, bytes) -> assertArrayEquals(bytes, again.get(name), name));
    quiet("cases --shape 6,3,2,2 --layout NCHW --seed 2 -o ./other");
    assertFalse(Arrays.equals(again.get("x.npy"), tree("other").get("x.npy")));
  }

  /** Our own commands give the bits of all answers, from the files alone. */
  @ParameterizedTest
  @CsvSource({
    "6,3,2,2,NCHW,f32,f32",
    "5,4,4,3,NHWC,f16,f16",
    "2,3,4,2,NCHW,f64,f64",
    "33,4,5,2,NHWC,f16,f32"
  })
  void forwardInferAndBackwardGiveTheAnswers(
      int a, int b, int c, int d, String layout, String dtype, String arithmetic) {
    String axes = " --layout " + layout;
    quiet(
        "cases --shape %d,%d,%d,%d%s --dtype %s --arithmetic %s -o ./exact"
            .formatted(a, b, c, d, axes, dtype, arithmetic));
    Matches eps = new Matches(text("exact/manifest.json"));
    String given = axes + " --gamma ./exact/gamma.npy --eps " + eps.number("eps");
    String shift = " --beta ./exact/beta.npy";
    String x = " ./exact/x.npy";
    quiet(
        "forward"
            + x
            + given
            + shift
            + " --running ./exact/running.npz --momentum 0.125 --save ./s.npz -o ./y.npy");
    Map<String, Stored> saved = npz("s.npz");
    for (String name :
        List.of("mean", "variance", "inverse_std", "running_mean", "running_variance")) {
      assertSame(npy("exact/expected/" + name + ".npy"), member(saved, name), name);
    }
    assertSame(npy("exact/expected/y.npy"), npy("y.npy"), "y");
    quiet("infer" + x + given + shift + " --running ./exact/running.npz -o ./y.npy");
    assertSame(npy("exact/expected/infer_y.npy"), npy("y.npy"), "infer_y");
    quiet("backward" + x + " --dy ./exact/dy.npy" + given + " -o ./g.npz");
    for (String name : List.of("dx", "dgamma", "dbeta")) {
      assertSame(npy("exact/expected/" + name + ".npy"), member(npz("g.npz"), name), name);
    }
    quiet(
        "backward"
            + x
            + " --dy ./exact/dy.npy"
            + given
            + " --frozen --running ./exact/running.npz -o ./g.npz");
    for (String name : List.of("dx", "dgamma")) {
      assertSame(npy("exact/expected/frozen_" + name + ".npy"), member(npz("g.npz"), name), name);
    }
  }

  /** What stands behind names in the manifest. */
  private record Matches(String text) {
    String number(String name) {
      Matcher matcher = Pattern.compile("\"" + name + "\" : ([^,\\s]+)").matcher(text);
      assertTrue(matcher.find(), name);
      return matcher.group(1);
    }
  }

  @Test
  void anotherEpsRoundsAndSaysSo() {
    quiet(CASE + " --eps 1e-5");
    String manifest = text("exact/manifest.json");
    assertTrue(manifest.contains("\"eps\" : 1e-05"), manifest);
    assertTrue(manifest.contains("\"exactness\" : \"correctly rounded\""), manifest);
    assertTrue(manifest.contains("\"exactness\" : \"within half an ulp\""), manifest);
    assertTrue(manifest.contains("--eps 1e-5 -o DIR"), manifest);
  }

  @Test
  void anEmptyDirectoryIsFilledAndAnotherIsNot() throws IOException {
    Files.createDirectory(path("exact"));
    quiet(CASE);
    byte[] before = bytes("exact/x.npy");
    refused(
        ExitCode.OUTPUT,
        CASE + " --seed 2",
        "batchnorm: exact: expected a new or empty directory, found one with files in it",
        "hint: nothing is overwritten; name another, or remove it");
    assertArrayEquals(before, bytes("exact/x.npy"));
    assertEquals(List.of("exact"), files());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "cases --shape 1,3 -o ./exact",
        "cases --shape 600,3 --dtype f16 -o ./exact",
        "cases --shape 6,3 --layout NCHW -o ./exact",
        "cases --shape -6,3 -o ./exact",
        "cases --shape 6,3 --eps -1 -o ./exact",
        "cases --shape 6,3 --seed one -o ./exact",
        "cases --shape 6,3 --engine none -o ./exact",
        "cases --shape 6,3 --threads 0 -o ./exact",
        "cases --shape 6,3",
        "cases -o ./exact"
      })
  void whatIsRefusedLeavesNothing(String line) {
    assertEquals(ExitCode.USAGE, run(line).code(), line);
    assertEquals(List.of(), files(), line);
  }

  @Test
  void aShapeBeyondCountingIsTheShapes() {
    refused(
        ExitCode.USAGE,
        "cases --shape 999999999999999999,2,999999999999999999 -o ./exact",
        "batchnorm: --shape: expected fewer than 2^63 values, found"
            + " 999999999999999999 × 2 × 999999999999999999");
  }

  @Test
  void oneValueAChannelHasABiasedVariance() {
    quiet("cases --shape 1,3 --biased -o ./exact");
    assertBits(new double[3], npy("exact/expected/dx.npy").values(), "dx");
    assertBits(npy("exact/beta.npy").values(), npy("exact/expected/y.npy").values(), "y");
  }

  @Test
  void verboseTellsWhatWasChosen() {
    List<String> lines = run(CASE + " -v").error();
    assertEquals(4, lines.size());
    assertEquals(
        "batchnorm: 6×3×2×2 f32, 24 values a channel, sums exact in f32, eps 0.00048828125",
        lines.get(0));
    assertTrue(lines.get(1).startsWith("batchnorm: channel 0: mean "), lines.get(1));
  }

  @Test
  void examplesInHelpAreCommandLinesThatWork() {
    int number = 0;
    for (String line : quiet("cases --help").lines()) {
      if (line.startsWith("  batchnorm ")) {
        String words = line.strip().substring("batchnorm ".length());
        quiet(words.replaceAll("-o \\w+", "-o ./example" + number++));
      }
    }
    assertEquals(3, number);
  }
}
