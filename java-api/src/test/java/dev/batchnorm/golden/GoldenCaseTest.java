package dev.batchnorm.golden;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Layout;
import dev.batchnorm.OutputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.contract.Data;
import dev.batchnorm.contract.GoldenRuns;
import dev.batchnorm.contract.WrongEngine;
import dev.batchnorm.contract.WrongEngine.Mistake;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.npy.NpySink;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class GoldenCaseTest {
  private static final Engine JAVA = Engines.named("java", 1);
  private static final Shape SHAPE = Shape.of(Layout.NC, 3, 2);

  @TempDir Path directory;

  private Path golden() {
    return directory.resolve("golden");
  }

  private static Batch x() {
    return Batch.of(SHAPE, 1f, 2f, 3f, 5f, 8f, 13f);
  }

  private static Batch dy() {
    return Batch.of(SHAPE, 1f, 0f, 0f, -1f, 2f, 1f);
  }

  private GoldenCase small() {
    return GoldenCase.recorder(x())
        .dy(dy())
        .gamma(1.5, 0.5)
        .running(RunningStatistics.initial(2))
        .engine(JAVA)
        .record(golden());
  }

  private GoldenVerdict verdict() {
    return GoldenCase.check(golden(), JAVA).verdict();
  }

  private Path file(String name) {
    return golden().resolve(name);
  }

  private static List<String> names(Path of) {
    try (Stream<Path> files = Files.list(of)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void whatWasRecordedPassesAndIsThere() {
    GoldenCase golden = small();
    GoldenResult result = golden.check(JAVA);
    assertEquals(GoldenVerdict.PASSED, result.verdict(), result::toString);
    assertEquals(List.of(), result.troubles());
    assertEquals(11, result.outputs().size());
    assertEquals(28, result.compared());
    assertEquals(List.of("golden"), names(directory));
    assertEquals(2 + 6 + 11 + 0, names(golden()).size());
    assertEquals(SHAPE, golden.batch("y").shape());
    assertEquals(DType.F32, golden.batch("dx").type());
    assertEquals(DType.F64, golden.batch("mean").type());
    assertEquals(3, golden.batch("count").values().get(0));
    InputException none = assertThrows(InputException.class, () -> golden.batch("z"));
    assertTrue(
        String.valueOf(none.getMessage()).contains("expected an array \"z\", found x, dy, "),
        none::getMessage);
  }

  @Test
  void recordingAgainIsRefusedUnlessAskedForAndTellsWhatChanges() throws IOException {
    small();
    OutputException refused = assertThrows(OutputException.class, this::small);
    assertTrue(
        String.valueOf(refused.getMessage())
            .endsWith("expected a new case, found one of that name"));
    GoldenRecorder other = GoldenCase.recorder(x()).gamma(1.5, 1).engine(JAVA);
    try (GoldenRecording recording = other.prepare(golden(), true)) {
      assertTrue(recording.replaces());
      assertTrue(
          recording.changes().contains("gamma: 1 of 2 changed, first at (1,): 1.0, was 0.5"),
          recording.changes()::toString);
      assertTrue(recording.changes().contains("dx: is no more, was 3×2 f32"));
    }
    assertEquals(GoldenVerdict.PASSED, verdict());
    assertTrue(Files.exists(file("dx.npy")), "not committed");
    try (GoldenRecording recording = other.prepare(golden(), true)) {
      recording.commit();
    }
    assertFalse(Files.exists(file("dx.npy")));
    assertEquals(GoldenVerdict.PASSED, verdict());
    try (GoldenRecording recording = other.prepare(golden(), true)) {
      assertFalse(recording.replaces() || recording.isNew());
      recording.commit();
    }
    assertEquals(List.of("golden"), names(directory));
    Files.writeString(directory.resolve("file"), "");
    assertThrows(OutputException.class, () -> other.prepare(directory.resolve("file"), true));
    Files.createDirectory(directory.resolve("other"));
    assertThrows(OutputException.class, () -> other.prepare(directory.resolve("other"), true));
  }

  @Test
  void recordingAgainLosesNothingThatIsNotOfACase() throws IOException {
    small();
    GoldenRecorder other = GoldenCase.recorder(x()).engine(JAVA);
    Files.createDirectory(file("y"));
    Files.writeString(file("notes.txt"), "");
    OutputException refused =
        assertThrows(OutputException.class, () -> other.prepare(golden(), true));
    assertEquals(
        golden() + ": expected only the files of a case, found notes.txt, y", refused.getMessage());
    Files.delete(file("notes.txt"));
    Files.delete(file("y"));
    Files.delete(file("y.npy"));
    Files.createDirectory(file("y.npy"));
    assertThrows(OutputException.class, () -> other.prepare(golden(), true));
    Path ofMine = Files.createDirectory(directory.resolve("mine"));
    Files.writeString(ofMine.resolve("y.npy"), "");
    assertThrows(OutputException.class, () -> other.prepare(ofMine, true));
    Files.delete(file("y.npy"));
    Files.delete(file(Checksums.FILE));
    try (GoldenRecording recording = other.prepare(golden(), true)) {
      recording.commit();
    }
    assertEquals(GoldenVerdict.PASSED, verdict());
    assertEquals(List.of("golden", "mine"), names(directory));
  }

  @Test
  void nothingIsLeftOfARecordingThatDoesNotSucceed() {
    Batch one = Batch.of(Shape.of(Layout.NC, 1, 2), 1f, 2f);
    GoldenRecorder recorder =
        GoldenCase.recorder(one).running(RunningStatistics.initial(2)).engine(JAVA);
    InputException e = assertThrows(InputException.class, () -> recorder.record(golden()));
    assertEquals(
        "batch: running statistics: expected at least 2 values per channel, found 1",
        e.getMessage());
    assertThrows(
        IllegalArgumentException.class,
        () -> GoldenCase.recorder(x()).gamma(1, 2, 3).record(golden()));
    assertThrows(
        IllegalArgumentException.class, () -> GoldenCase.recorder(x()).dy(one).record(golden()));
    assertEquals(List.of(), names(directory));
  }

  // Every byte

  @Test
  void everyChangedByteIsFound() throws IOException {
    small();
    Random random = new Random(1);
    for (String name : names(golden())) {
      byte[] bytes = Files.readAllBytes(file(name));
      boolean all = name.equals(Checksums.FILE); // no digest is of the digests
      for (int i = 0; i < bytes.length; i += all ? 1 : 1 + random.nextInt(16)) {
        byte[] wrong = bytes.clone();
        wrong[i] ^= (byte) (1 << random.nextInt(8));
        Files.write(file(name), wrong);
        GoldenResult result = GoldenCase.check(golden(), JAVA);
        assertEquals(GoldenVerdict.CORRUPTED, result.verdict(), name + " at " + i);
      }
      Files.write(file(name), bytes);
    }
    assertEquals(GoldenVerdict.PASSED, verdict());
  }

  @Test
  void filesThatAreCutLongerGoneRenamedOrSwappedAreFound() throws IOException {
    small();
    Random random = new Random(2);
    List<String> names = names(golden());
    for (String name : names) {
      byte[] bytes = Files.readAllBytes(file(name));
      for (int length : new int[] {0, 1, random.nextInt(bytes.length), bytes.length - 1}) {
        Files.write(file(name), Arrays.copyOf(bytes, length));
        assertEquals(GoldenVerdict.CORRUPTED, verdict(), name + " cut to " + length);
      }
      Files.write(file(name), Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(9)));
      assertEquals(GoldenVerdict.CORRUPTED, verdict(), name + " longer");
      Files.delete(file(name));
      GoldenVerdict gone =
          name.equals(Manifest.FILE) ? GoldenVerdict.INCOMPLETE : GoldenVerdict.MISSING;
      assertEquals(gone, verdict(), name + " gone");
      Files.write(file("renamed"), bytes);
      assertEquals(gone, verdict(), name + " renamed");
      Files.createDirectory(file(name));
      assertEquals(GoldenVerdict.CORRUPTED, verdict(), name + " is a directory");
      Files.delete(file(name));
      Files.createSymbolicLink(file(name), Path.of("renamed"));
      assertEquals(GoldenVerdict.CORRUPTED, verdict(), name + " is a link");
      Files.delete(file(name));
      Files.move(file("renamed"), file(name));
    }
    for (int i = 0; i < 40; i++) {
      Path a = file(names.get(random.nextInt(names.size())));
      Path b = file(names.get(random.nextInt(names.size())));
      if (Arrays.equals(Files.readAllBytes(a), Files.readAllBytes(b))) {
        continue; // as of mean 0 and shift 0
      }
      swap(a, b);
      assertEquals(GoldenVerdict.CORRUPTED, verdict(), a + " and " + b + " swapped");
      swap(a, b);
    }
    Files.writeString(file(".hidden"), "");
    assertEquals(GoldenVerdict.EXTRA, verdict());
    Files.delete(file(".hidden"));
    Files.createDirectory(file("below"));
    assertEquals(GoldenVerdict.EXTRA, verdict());
    Files.delete(file("below"));
    assertEquals(GoldenVerdict.PASSED, verdict());
  }

  private void swap(Path a, Path b) throws IOException {
    Path other = directory.resolve("swap");
    Files.move(a, other);
    Files.move(b, a);
    Files.move(other, b);
  }

  // Hostile manifests, with digests that fit them

  private void forge(byte[] manifest) {
    try {
      Files.write(file(Manifest.FILE), manifest);
      String sums = Files.readString(file(Checksums.FILE));
      Files.writeString(
          file(Checksums.FILE), Checksums.sha256(manifest) + sums.substring(sums.indexOf("  ")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String manifest() {
    try {
      return Files.readString(file(Manifest.FILE));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What is replaced, by what, the verdict, and words of the trouble. */
  record Forgery(String from, String to, GoldenVerdict verdict, String trouble) {}

  static Stream<Forgery> forgeries() {
    GoldenVerdict corrupted = GoldenVerdict.CORRUPTED;
    return Stream.of(
        new Forgery("\"y.npy\"", "\"../y.npy\"", corrupted, "file: expected \"y.npy\""),
        new Forgery("\"y.npy\"", "\"/etc/passwd\"", corrupted, "file: expected \"y.npy\""),
        new Forgery("\"name\": \"y\"", "\"name\": \"../y\"", corrupted, "name: expected one of"),
        new Forgery("\"name\": \"mean\"", "\"name\": \"y\"", corrupted, "name: expected each"),
        new Forgery(
            "\"file\": \"gamma.npy\"", "\"reference\": \"g.npy\"", corrupted, "file: expected"),
        new Forgery(
            "\"file\": \"x.npy\"", "\"reference\": \"/etc/x\"", corrupted, "a relative path"),
        new Forgery("1e-05", "1e400", corrupted, "eps: expected a number of binary64"),
        new Forgery("1e-05", "-1", corrupted, "eps: expected a finite number"),
        new Forgery("1e-05", "1" + "0".repeat(100), corrupted, "expected JSON, found"),
        new Forgery("1e-05", "NaN", corrupted, "expected JSON, found"),
        new Forgery("1e-05", "null", corrupted, "expected an object, an array, a text"),
        new Forgery("1e-05", "\"1e-05\"", corrupted, "eps: expected a number"),
        new Forgery("[2]", "[2.5]", corrupted, "shape: expected a whole number"),
        new Forgery("[2]", "[-2]", corrupted, "shape: expected a whole number"),
        new Forgery("[2]", "[99999999999999999999]", corrupted, "shape: expected a whole number"),
        new Forgery("[2]", "[[[[[[[[2]]]]]]]]", corrupted, "expected JSON, found"),
        new Forgery("[3, 2]", "[2, 3]", corrupted, "x.npy: expected 2×3 f32"),
        new Forgery("\"<i8\", \"shape\": []", "\"<i8\", \"shape\": [1]", corrupted, "a single i64"),
        new Forgery("\"<f4\"", "\"<c8\"", corrupted, "dtype: expected one of"),
        new Forgery("\"<f4\"", "\"<f8\"", corrupted, "x.npy: expected 3×2 f64"),
        new Forgery("\"channel_axis\": 1", "\"channel_axis\": 64", corrupted, "from 0 to 63"),
        new Forgery("\"channel_axis\": 1", "\"channel_axis\": 1, \"a\": 1", corrupted, "no field"),
        new Forgery(
            "\"channel_axis\": 1", "\"eps\": 1, \"channel_axis\": 1", corrupted, "Duplicate"),
        new Forgery("\"channel_axis\": 1,", "", corrupted, "channel_axis: expected"),
        new Forgery("\"channel_axis\": 1", "\"channel_axis\": 5", corrupted, "an axis of x"),
        new Forgery("\"channel_axis\": 1", "\"channel_axis\": 0", GoldenVerdict.ERROR, "expected"),
        new Forgery("\"momentum\": 0.1", "\"momentum\": 2", corrupted, "from 0 to 1"),
        new Forgery("\"momentum\": 0.1,", "", corrupted, "momentum: expected a momentum"),
        new Forgery("\"momentum\": 0.1", "\"momentum\": 0.2", GoldenVerdict.DIFFERENT, "running"),
        new Forgery("\"forward\", ", "", corrupted, "verbs: expected"),
        new Forgery("\"forward\"", "\"infer\"", corrupted, "no field"),
        new Forgery("\"dtype\": \"f32\"", "\"dtype\": \"f64\"", GoldenVerdict.DIFFERENT, "y: exp"),
        new Forgery("\"rounded_once\"", "\"bounded\"", corrupted, "bound: expected"),
        new Forgery("golden\": 1", "golden\": 2", GoldenVerdict.ERROR, "version 1"),
        new Forgery("}\n", "}\n{}", corrupted, "one JSON object"),
        new Forgery("1e-05", "0.001", GoldenVerdict.DIFFERENT, "y at (0, 0): expected"),
        new Forgery("pytorch", "keras", GoldenVerdict.DIFFERENT, "running_mean at"));
  }

  @ParameterizedTest
  @MethodSource("forgeries")
  void aForgedManifestIsRefusedWithOneMessage(Forgery forgery) {
    small();
    String text = manifest();
    assertTrue(text.contains(forgery.from()), forgery.from());
    int at = forgery.from().equals("}\n") ? text.length() - 2 : text.indexOf(forgery.from());
    String forged =
        text.substring(0, at) + forgery.to() + text.substring(at + forgery.from().length());
    forge(forged.getBytes(StandardCharsets.UTF_8));
    GoldenResult result = GoldenCase.check(golden(), JAVA);
    assertEquals(forgery.verdict(), result.verdict(), result::toString);
    assertTrue(result.troubles().get(0).contains(forgery.trouble()), result::toString);
  }

  @Test
  void noForgedManifestBreaksTheCheck() {
    small();
    byte[] manifest = manifest().getBytes(StandardCharsets.UTF_8);
    Random random = new Random(3);
    Set<GoldenVerdict> seen = new TreeSet<>();
    for (int i = 0; i < 500; i++) {
      byte[] forged = manifest.clone();
      int at = random.nextInt(forged.length);
      forged[at] = (byte) (random.nextBoolean() ? '0' + random.nextInt(10) : random.nextInt(256));
      forge(forged);
      seen.add(verdict());
    }
    assertTrue(seen.contains(GoldenVerdict.CORRUPTED), seen::toString);
  }

  @Test
  void batchesAreCountedToTheLast() throws IOException {
    RunningStatistics many =
        new RunningStatistics(new double[2], new double[] {1, 1}, (1L << 53) + 2);
    GoldenCase.recorder(x()).running(many).engine(JAVA).record(golden());
    byte[] batches = Files.readAllBytes(file("batches.npy"));
    assertEquals(3, batches[batches.length - 8]);
    assertEquals(GoldenVerdict.PASSED, verdict());
    RunningStatistics most =
        new RunningStatistics(new double[2], new double[] {1, 1}, Long.MAX_VALUE);
    GoldenRecorder beyond = GoldenCase.recorder(x()).running(most).engine(JAVA);
    Path other = golden().resolveSibling("beyond");
    assertThrows(IllegalArgumentException.class, () -> beyond.record(other));
    assertFalse(Files.exists(other));
  }

  @Test
  void aBoundedOutputMayDifferWithinItsBound() {
    small();
    String text = manifest();
    String bounded =
        text.replace(
            "\"<f4\", \"shape\": [3, 2], \"exactness\": \"fixed_sequence\"",
            "\"<f4\", \"shape\": [3, 2], \"exactness\": \"bounded\", \"bound\": 1e-06");
    forge(bounded.getBytes(StandardCharsets.UTF_8));
    Engine wrong = new WrongEngine(Mistake.Y);
    assertEquals(GoldenVerdict.PASSED, GoldenCase.check(golden(), wrong).verdict());
    forge(bounded.replace("1e-06", "1e-09").getBytes(StandardCharsets.UTF_8));
    assertEquals(GoldenVerdict.DIFFERENT, GoldenCase.check(golden(), wrong).verdict());
    forge(text.getBytes(StandardCharsets.UTF_8));
    assertEquals(GoldenVerdict.DIFFERENT, GoldenCase.check(golden(), wrong).verdict());
  }

  // Vacuous cases

  @Test
  void casesThatProveNothingAreMistrusted() {
    Batch ones = Batch.of(SHAPE, 1f, 1f, 1f, 1f, 1f, 1f);
    List<GoldenRecorder> recorders =
        List.of(
            GoldenCase.recorder(x()).dy(ones),
            GoldenCase.recorder(ones).beta(1, 2),
            GoldenCase.recorder(x()).gamma(0),
            GoldenCase.recorder(Batch.of(Shape.of(Layout.NC, 1, 2), 1f, 2f)),
            GoldenCase.recorder(Batch.zeros(Shape.of(Layout.NC, 0, 2), DType.F16)),
            GoldenCase.recorder(Batch.of(SHAPE, Float.NaN, 1f / 0, 0f, 0f, 0f, 0f)),
            GoldenCase.recorder(x()).frozen(new double[2], new double[] {1, 1}).gamma(0),
            GoldenCase.recorder(x())
                .frozen(new double[2], new double[] {1, 1})
                .dy(Batch.zeros(SHAPE, DType.F32)));
    for (int i = 0; i < recorders.size(); i++) {
      Path place = directory.resolve("case" + i);
      try (GoldenRecording recording = recorders.get(i).engine(JAVA).prepare(place, false)) {
        assertFalse(recording.lacking().isEmpty(), place + "");
        recording.commit();
      }
      GoldenResult result = GoldenCase.check(place, JAVA);
      assertEquals(GoldenVerdict.MISTRUSTED, result.verdict(), place + ": " + result);
      assertTrue(result.outputs().stream().allMatch(d -> d.differing() == 0));
    }
  }

  @Test
  void oneValueInAChannelSaysSomethingWhereStatisticsAreGiven() {
    GoldenCase.recorder(Batch.of(Shape.of(Layout.NC, 1, 2), 1f, 2f))
        .frozen(new double[2], new double[] {1, 4})
        .gamma(3)
        .engine(JAVA)
        .record(golden());
    assertEquals(GoldenVerdict.PASSED, verdict());
  }

  // Wrong engines

  private static Batch batch(DType type, double... values) {
    Batch batch = Batch.zeros(SHAPE, type);
    for (int i = 0; i < values.length; i++) {
      batch.values().set(i, values[i]);
    }
    return batch;
  }

  private static final List<Data> HARD =
      List.of(Data.NORMAL, Data.CONSTANT, Data.SMALL_INTEGERS, Data.MEAN_1E10, Data.NOT_FINITE);

  @ParameterizedTest
  @EnumSource(
      value = Mistake.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"PAIR_SUM", "COVARIANCE", "QUADRATIC_FORM", "PROJECTION"})
  void wrongEnginesAreCaught(Mistake mistake) {
    List<GoldenVerdict> verdicts = new ArrayList<>();
    // dγ = B/√(V + ε) = (2 + 2^-23)/2 lies exactly between two f32.
    Shape four = Shape.of(Layout.NC, 4, 2);
    Path midpoint = directory.resolve("midpoint");
    GoldenCase.recorder(Batch.of(four, 1f, 0f, 3f, 2f, 4f, 0f, 5f, 2f))
        .dy(Batch.of(four, 1f, -1f, 0f, 1f, 0f, -0x1p-24f, 2f, 0x1p-24f))
        .eps(3)
        .engine(JAVA)
        .record(midpoint);
    verdicts.add(GoldenCase.check(midpoint, new WrongEngine(mistake)).verdict());
    // dx of the last channel is −a·k₁_lo in its second row.
    Path lowPart = directory.resolve("low-part");
    GoldenCase.recorder(batch(DType.F64, 1, 3, 5, 3, 2, 3))
        .dy(batch(DType.F64, 1, 0x1p-54, 0, 1, 2, 2))
        .engine(JAVA)
        .record(lowPart);
    verdicts.add(GoldenCase.check(lowPart, new WrongEngine(mistake)).verdict());
    if (verdicts.contains(GoldenVerdict.DIFFERENT)) {
      return;
    }
    for (Data data : HARD) {
      for (DType type : DType.values()) {
        for (int kind = 0; kind < GoldenRuns.KINDS; kind++) {
          Path place = directory.resolve(data + "-" + type + "-" + kind);
          GoldenRuns.record(place, JAVA, data, type, kind, kind + 5L);
          verdicts.add(GoldenCase.check(place, new WrongEngine(mistake)).verdict());
          if (verdicts.contains(GoldenVerdict.DIFFERENT)) {
            return;
          }
        }
      }
    }
    throw new AssertionError(mistake + " was not caught: " + verdicts);
  }

  // References

  private void npy(Path path, Batch batch) {
    try (NpySink sink =
        NpySink.create(AtomicOutput.to(path), batch.type(), batch.shape().sizes())) {
      int count = batch.values().count();
      sink.room(count).put(0, batch.values(), 0, count);
      sink.commit();
      sink.finish();
    }
  }

  @Test
  void aReferencedInputStaysOutsideAndIsMissedWhenItIsGoneOrAnother() throws IOException {
    Path outside = directory.resolve("x.npy");
    npy(outside, x());
    GoldenCase.recorder(x()).reference("x", outside, null).engine(JAVA).record(golden());
    assertFalse(Files.exists(file("x.npy")));
    assertTrue(manifest().contains("\"reference\": \"../x.npy\""), manifest());
    assertEquals(GoldenVerdict.PASSED, verdict());
    Path moved = directory.resolve("moved");
    Files.createDirectory(moved);
    Files.move(golden(), moved.resolve("golden"));
    Files.move(outside, moved.resolve("x.npy"));
    assertEquals(GoldenVerdict.PASSED, GoldenCase.check(moved.resolve("golden"), JAVA).verdict());
    Files.move(moved.resolve("golden"), golden());
    GoldenResult gone = GoldenCase.check(golden(), JAVA);
    assertEquals(GoldenVerdict.MISSING, gone.verdict());
    assertEquals(
        List.of("../x.npy: expected the file that x refers to, found none"), gone.troubles());
    npy(outside, dy());
    assertEquals(GoldenVerdict.MISSING, verdict());
    npy(outside, Batch.zeros(SHAPE, DType.F64));
    assertEquals(GoldenVerdict.MISSING, verdict());
    Files.writeString(outside, "no array");
    assertEquals(GoldenVerdict.MISSING, verdict());
    Files.copy(moved.resolve("x.npy"), outside, StandardCopyOption.REPLACE_EXISTING);
    assertEquals(GoldenVerdict.PASSED, verdict());
  }

  // Trees

  @Test
  void casesAreFoundInTreesOnceEachAndInOrder() throws IOException {
    Path tree = directory.resolve("tree");
    for (String name : List.of("b/two", "b/one", "a")) {
      GoldenCase.recorder(x()).engine(JAVA).record(tree.resolve(name));
    }
    Files.createDirectories(tree.resolve("empty/below"));
    Files.writeString(tree.resolve("README"), "");
    Files.createSymbolicLink(tree.resolve("loop"), tree);
    Files.createSymbolicLink(tree.resolve("b/three"), tree.resolve("a"));
    Files.createDirectory(tree.resolve("b/.batchnorm-1-2-3.tmp"));
    Files.createDirectory(tree.resolve("c"));
    Files.copy(tree.resolve("a/y.npy"), tree.resolve("c/y.npy"));
    assertEquals(
        List.of("a", "b/.batchnorm-1-2-3.tmp", "b/one", "b/two", "c"),
        GoldenTree.cases(List.of(tree)).stream().map(c -> tree.relativize(c).toString()).toList());
    assertEquals(
        GoldenVerdict.INCOMPLETE,
        GoldenCase.check(tree.resolve("b/.batchnorm-1-2-3.tmp"), JAVA).verdict());
    assertEquals(GoldenVerdict.INCOMPLETE, GoldenCase.check(tree.resolve("c"), JAVA).verdict());
    assertEquals(List.of(tree.resolve("a")), GoldenTree.cases(List.of(tree.resolve("a"))));
    assertEquals(
        GoldenTree.cases(List.of(tree)), GoldenTree.cases(List.of(tree, tree.resolve("b"))));
  }

  @ParameterizedTest
  @ValueSource(strings = {"nowhere", "file", "empty"})
  void aTreeWithoutCasesIsRefused(String name) throws IOException {
    Files.writeString(directory.resolve("file"), "");
    Files.createDirectory(directory.resolve("empty"));
    InputException e =
        assertThrows(
            InputException.class, () -> GoldenTree.cases(List.of(directory.resolve(name))));
    assertTrue(String.valueOf(e.getMessage()).contains("golden cases"), e::getMessage);
  }

  @Test
  void aDirectoryThatIsNoCaseIsNotRead() {
    assertThrows(InputException.class, () -> GoldenCase.read(directory));
    assertEquals(GoldenVerdict.ERROR, verdict());
    assertEquals(GoldenVerdict.INCOMPLETE, GoldenCase.check(directory, JAVA).verdict());
  }
}
