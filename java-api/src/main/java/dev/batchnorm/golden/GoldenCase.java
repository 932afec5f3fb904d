package dev.batchnorm.golden;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.BatchNormException;
import dev.batchnorm.InputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.ArraySink;
import dev.batchnorm.format.AtomicDirectory;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.Digest;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.format.npy.NpySource;
import dev.batchnorm.format.npz.NpzFile;
import dev.batchnorm.verify.ArrayDifference;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A golden case: a directory with the inputs and outputs of a run and a manifest, recorded once and
 * checked to the bit ever after.
 *
 * <pre>{@code
 * GoldenCase.recorder(x).dy(dy).eps(1e-3).record(Path.of("golden/small"));
 * GoldenResult result = GoldenCase.check(Path.of("golden/small"), Engines.preferred());
 * }</pre>
 *
 * <p>Nothing is ever written into the directory of a case, and nothing read outside it but inputs
 * that its manifest refers to.
 */
public final class GoldenCase {
  private final Path directory;
  private final Manifest manifest;

  /** What messages call arrays, where not by their files. */
  private final Map<String, String> names;

  private GoldenCase(Path directory, Manifest manifest, Map<String, String> names) {
    this.directory = directory;
    this.manifest = manifest;
    this.names = names;
  }

  /**
   * Begins the recording of a case.
   *
   * @param x the batch; read, not closed
   */
  public static GoldenRecorder recorder(Source x) {
    return new GoldenRecorder(x);
  }

  /**
   * Opens a case and checks that each of its files has the bytes that were recorded. Nothing is
   * computed.
   *
   * @throws InputException if the directory is no case, or another file is there than its manifest
   *     names, or a byte of one has changed
   */
  public static GoldenCase read(Path directory) {
    try {
      return open(directory);
    } catch (UntrustedCaseException e) {
      throw new InputException(
          directory
              + ": expected a golden case as it was recorded, found "
              + String.join("; ", e.troubles()),
          null,
          e);
    }
  }

  /**
   * Runs a case again and compares every output to the bit. Whatever is wrong is told by the
   * verdict.
   */
  public static GoldenResult check(Path directory, Engine engine) {
    try {
      if (AtomicDirectory.isTemporary(String.valueOf(directory.getFileName()))) {
        throw new UntrustedCaseException(
            GoldenVerdict.INCOMPLETE,
            "expected a finished case, found what a recording left behind; remove it");
      }
      return open(directory).check(engine);
    } catch (UntrustedCaseException e) {
      return GoldenResult.of(directory, e);
    } catch (BatchNormException e) {
      return new GoldenResult(
          directory, GoldenVerdict.ERROR, List.of(String.valueOf(e.getMessage())), List.of());
    }
  }

  /** Where the case is. */
  public Path directory() {
    return directory;
  }

  /** How the outputs come from the inputs. */
  public GoldenSettings settings() {
    return manifest.settings();
  }

  /** The arrays it was computed from. */
  public List<GoldenArray> inputs() {
    return manifest.inputs();
  }

  /** The arrays that are expected. */
  public List<GoldenArray> outputs() {
    return manifest.outputs();
  }

  /**
   * An array of the case in memory. Integers come as f64.
   *
   * @param name such as {@code y} or {@code mean}
   * @return the array, its channels where the case has them if it has x's shape, else on axis 0
   * @throws InputException if the case has no such array
   */
  public Batch batch(String name) {
    GoldenArray array = manifest.find(name);
    if (array == null) {
      throw new InputException(
          directory
              + ": expected an array "
              + Wording.quoted(name)
              + ", found "
              + Wording.some(manifest.arrays().map(GoldenArray::name).toList()));
    }
    try (Opened opened = open(array)) {
      long[] sizes = array.sizes();
      boolean likeX = array.shape().equals(Objects.requireNonNull(manifest.find("x")).shape());
      Shape shape =
          Shape.withChannelAxis(
              likeX ? settings().channelAxis() : 0, sizes.length == 0 ? new long[] {1} : sizes);
      Batch batch = Batch.zeros(shape, array.type().floating());
      StoredArray stored = opened.array;
      int at = 0;
      while (at < stored.count()) {
        int count = (int) Math.min(StoredArray.CHUNK, stored.count() - at);
        ByteBuffer bytes = stored.read(at, count);
        for (int i = 0; i < count; i++) {
          batch.values().set(at + i, array.type().get(bytes, i * array.type().bytes()));
        }
        at += count;
      }
      return batch;
    } catch (UntrustedCaseException e) {
      throw new InputException(directory + ": " + String.join("; ", e.troubles()), null, e);
    }
  }

  // Opening

  static GoldenCase open(Path directory) {
    Set<String> entries = entries(directory);
    if (!entries.contains(Manifest.FILE)) {
      throw new UntrustedCaseException(
          GoldenVerdict.INCOMPLETE,
          Manifest.FILE + ": expected the manifest of a case, found none");
    }
    if (!entries.contains(Checksums.FILE)) {
      throw new UntrustedCaseException(
          GoldenVerdict.MISSING,
          Checksums.FILE + ": expected the digests of all files, found none");
    }
    Checksums checksums = Checksums.read(small(directory, Checksums.FILE));
    byte[] json = small(directory, Manifest.FILE);
    requireSum(checksums, Manifest.FILE, Checksums.sha256(json));
    Manifest manifest = Manifest.read(json);
    List<String> files = new ArrayList<>(List.of(Manifest.FILE));
    files.addAll(manifest.files());
    if (!List.copyOf(checksums.ofFile().keySet()).equals(files)) {
      throw new UntrustedCaseException(
          GoldenVerdict.CORRUPTED,
          Checksums.FILE
              + ": expected a line for each file, as "
              + Manifest.FILE
              + " names them, found other lines");
    }
    requireAll(directory, entries, files, checksums);
    GoldenCase golden = new GoldenCase(directory, manifest, Map.of());
    golden.requireAxis();
    manifest.arrays().forEach(golden::requireDigest);
    return golden;
  }

  private void requireAxis() {
    GoldenArray x = Objects.requireNonNull(manifest.find("x"), "the manifest was checked");
    if (settings().channelAxis() >= Math.max(x.shape().size(), 1)) {
      throw new UntrustedCaseException(
          GoldenVerdict.CORRUPTED,
          Manifest.FILE
              + ": channel_axis: expected an axis of x ("
              + x.form()
              + "), found "
              + settings().channelAxis());
    }
  }

  private static void requireSum(Checksums checksums, String file, String found) {
    String expected = checksums.ofFile().get(file);
    if (!found.equals(expected)) {
      throw new UntrustedCaseException(GoldenVerdict.CORRUPTED, otherBytes(file));
    }
  }

  private static String otherBytes(String file) {
    return file + ": expected the bytes whose SHA-256 is in " + Checksums.FILE + ", found others";
  }

  private static void requireAll(
      Path directory, Set<String> entries, List<String> files, Checksums checksums) {
    List<String> missing = new ArrayList<>();
    List<String> corrupted = new ArrayList<>();
    for (String file : files) {
      if (!entries.contains(file)) {
        missing.add(file + ": expected a file (" + Manifest.FILE + " names it), found none");
        continue;
      }
      Path path = directory.resolve(file);
      requireRegular(file, path);
      if (!Checksums.sha256(path).equals(checksums.ofFile().get(file))) {
        corrupted.add(otherBytes(file));
      }
    }
    Set<String> others = new TreeSet<>(entries);
    others.removeAll(files);
    others.remove(Checksums.FILE);
    List<String> extra =
        others.stream()
            .map(e -> Wording.onOneLine(e) + ": expected nothing of that name, found something")
            .toList();
    List<String> troubles = new ArrayList<>(missing);
    troubles.addAll(corrupted);
    troubles.addAll(extra);
    if (!troubles.isEmpty()) {
      throw new UntrustedCaseException(
          !missing.isEmpty()
              ? GoldenVerdict.MISSING
              : !corrupted.isEmpty() ? GoldenVerdict.CORRUPTED : GoldenVerdict.EXTRA,
          troubles);
    }
  }

  private static void requireRegular(String file, Path path) {
    if (!Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
      throw new UntrustedCaseException(
          GoldenVerdict.CORRUPTED,
          file
              + ": expected a file of the case, found "
              + (Files.isSymbolicLink(path) ? "a symbolic link" : "something else"));
    }
  }

  static Set<String> entries(Path directory) {
    Set<String> entries = new HashSet<>();
    try (Stream<Path> list = Files.list(directory)) {
      list.forEach(entry -> entries.add(entry.getFileName().toString()));
      return entries;
    } catch (IOException e) {
      throw new UntrustedCaseException(
          GoldenVerdict.ERROR, "expected a directory that can be read, found " + Wording.reason(e));
    }
  }

  /** A manifest or a file of digests, whole. */
  private static byte[] small(Path directory, String file) {
    Path path = directory.resolve(file);
    requireRegular(file, path);
    try (InputBytes in = InputBytes.open(path)) {
      if (in.size() > Manifest.MOST_BYTES) {
        throw new UntrustedCaseException(
            GoldenVerdict.CORRUPTED,
            file
                + ": expected at most "
                + Wording.size(Manifest.MOST_BYTES)
                + ", found "
                + Wording.size(in.size()));
      }
      return in.read(0, (int) in.size());
    }
  }

  private void requireDigest(GoldenArray array) {
    boolean inside = array.reference() == null;
    GoldenVerdict verdict = inside ? GoldenVerdict.CORRUPTED : GoldenVerdict.MISSING;
    try (Opened opened = open(array)) {
      StoredArray stored = opened.array;
      boolean same = stored.type() == array.type() && Arrays.equals(stored.sizes(), array.sizes());
      if (!same) {
        throw new UntrustedCaseException(
            verdict,
            opened.name
                + ": expected "
                + array.form()
                + " ("
                + Manifest.FILE
                + "), found "
                + Shape.text(stored.sizes())
                + " "
                + stored.type().label());
      }
      if (!new Digest(array.name(), stored.type(), stored.sizes())
          .add(stored)
          .hex()
          .equals(array.digest())) {
        throw new UntrustedCaseException(
            verdict, opened.name + ": expected the values that were recorded, found others");
      }
    } catch (InputException e) {
      throw new UntrustedCaseException(verdict, String.valueOf(e.getMessage()));
    }
  }

  /** An array, and what is to be closed behind it. */
  private static final class Opened implements AutoCloseable {
    private final String name;
    private final StoredArray array;
    private final Source source;
    private final List<AutoCloseable> closing;

    Opened(String name, StoredArray array, Source source, List<AutoCloseable> closing) {
      this.name = name;
      this.array = array;
      this.source = source;
      this.closing = closing;
    }

    @Override
    public void close() {
      closeAll(closing);
    }
  }

  /** Closes all, also behind one that cannot be closed. */
  private static void closeAll(List<AutoCloseable> closing) {
    IllegalStateException first = null;
    for (AutoCloseable each : closing) {
      try {
        each.close();
      } catch (Exception e) {
        if (first == null) {
          first = new IllegalStateException("closing an array: " + e.getMessage(), e);
        } else {
          first.addSuppressed(e);
        }
      }
    }
    if (first != null) {
      throw first;
    }
  }

  private Opened open(GoldenArray array) {
    String reference = array.reference();
    if (reference == null) {
      String name = names.getOrDefault(array.name(), array.file());
      return open(name, directory.resolve(array.file()), null);
    }
    Path path = directory.toAbsolutePath().resolve(path(reference));
    if (!Files.isRegularFile(path)) {
      throw new UntrustedCaseException(
          GoldenVerdict.MISSING,
          reference + ": expected the file that " + array.name() + " refers to, found none");
    }
    return open(names.getOrDefault(array.name(), reference), path, array.member());
  }

  private static Path path(String reference) {
    try {
      return Path.of(reference);
    } catch (InvalidPathException e) {
      throw new UntrustedCaseException(
          GoldenVerdict.MISSING,
          Wording.onOneLine(reference) + ": expected a path, found " + e.getReason());
    }
  }

  private Opened open(String name, Path path, @Nullable String member) {
    List<AutoCloseable> closing = new ArrayList<>();
    InputBytes file = InputBytes.open(path);
    closing.add(file);
    try {
      Axes axes =
          sizes -> Shape.withChannelAxis(axis(sizes), sizes.length == 0 ? new long[] {1} : sizes);
      InputBytes named = file.slice(name, 0, file.size());
      if (member == null) {
        StoredArray array = NpyArray.open(named);
        Source source =
            array.sizes().length == 0
                ? Batch.of(Shape.withChannelAxis(0, 0))
                : NpySource.open(named, axes);
        return new Opened(name, array, source, closing);
      }
      NpzFile npz = NpzFile.open(named);
      closing.add(0, npz);
      if (!npz.members().contains(member)) {
        throw new UntrustedCaseException(
            GoldenVerdict.MISSING,
            name
                + ": expected a member "
                + Wording.quoted(member)
                + ", found "
                + Wording.some(npz.members()));
      }
      return new Opened(name + ":" + member, npz.array(member), npz.source(member, axes), closing);
    } catch (RuntimeException e) {
      closeAll(closing);
      throw e;
    }
  }

  private int axis(long... sizes) {
    return Math.min(settings().channelAxis(), Math.max(sizes.length - 1, 0));
  }

  // Checking

  /**
   * Runs the case again and compares every output to the bit.
   *
   * @throws InputException if its inputs cannot be computed with
   */
  public GoldenResult check(Engine engine) {
    List<GoldenDifference> differences = new ArrayList<>();
    List<String> troubles = new ArrayList<>();
    List<Comparing> open = new ArrayList<>();
    try (OpenInputs inputs = openInputs()) {
      CaseRun.Outputs outputs =
          (name, type, sizes) -> {
            Comparing comparing = comparing(name, type, sizes, troubles);
            open.add(comparing);
            return comparing;
          };
      new CaseRun(engine, settings(), inputs.inputs, outputs).run();
    } catch (IllegalArgumentException e) {
      throw new InputException(
          directory + ": expected arrays that fit each other, found " + e.getMessage(), null, e);
    } finally {
      closeAll(List.copyOf(open));
    }
    for (GoldenArray array : outputs()) {
      GoldenDifference difference = null;
      for (Comparing comparing : open) {
        difference = comparing.name.equals(array.name()) ? comparing.difference : difference;
      }
      if (difference == null && troubles.isEmpty()) {
        troubles.add(array.name() + ": expected " + array.form() + ", found none");
      } else if (difference != null) {
        differences.add(difference);
        if (difference.differing() > 0) {
          troubles.add(GoldenResult.line(difference));
        }
      }
    }
    if (!troubles.isEmpty()) {
      return new GoldenResult(directory, GoldenVerdict.DIFFERENT, troubles, differences);
    }
    List<String> lacking = lacking();
    return new GoldenResult(
        directory,
        lacking.isEmpty() ? GoldenVerdict.PASSED : GoldenVerdict.MISTRUSTED,
        lacking,
        differences);
  }

  /** Why the recorded outputs prove nothing; empty if they do. */
  List<String> lacking() {
    List<String> lacking = new ArrayList<>();
    GoldenArray y = manifest.find("y");
    if (y == null) {
      return List.of("there is no y");
    }
    try (Opened opened = open(y)) {
      Shape shape = Shape.withChannelAxis(settings().channelAxis(), y.sizes());
      addIfThere(lacking, Substance.lackingInY(opened.array, shape, settings().frozen()));
    }
    GoldenArray dx = manifest.find("dx");
    if (dx != null && lacking.isEmpty()) {
      try (Opened opened = open(dx)) {
        addIfThere(lacking, Substance.lackingInDx(opened.array));
      }
    }
    return lacking;
  }

  private static void addIfThere(List<String> lines, @Nullable String line) {
    if (line != null) {
      lines.add(line);
    }
  }

  private Comparing comparing(String name, NumberType type, long[] sizes, List<String> troubles) {
    GoldenArray array = manifest.find(name);
    if (array != null && array.type() == type && Arrays.equals(array.sizes(), sizes)) {
      return new Comparing(name, type, open(array), new GoldenDifference(array));
    }
    troubles.add(
        name
            + ": expected "
            + (array == null ? "no such output" : array.form())
            + ", found "
            + Shape.text(sizes)
            + " "
            + type.label());
    return new Comparing(name, type, null, null);
  }

  /** Compares what it is given with a recorded array, in its order. */
  private static final class Comparing implements ArraySink, AutoCloseable {
    private final String name;
    private final NumberType type;
    private final @Nullable Opened expected;
    private final @Nullable GoldenDifference difference;
    private ByteBuffer room = ByteBuffer.allocateDirect(0);
    private long at;

    Comparing(
        String name,
        NumberType type,
        @Nullable Opened expected,
        @Nullable GoldenDifference difference) {
      this.name = name;
      this.type = type;
      this.expected = expected;
      this.difference = difference;
    }

    @Override
    public Values room(int count) {
      int bytes = Math.multiplyExact(count, type.bytes());
      if (room.capacity() < bytes) {
        room = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
      }
      room.order(ByteOrder.LITTLE_ENDIAN).clear().limit(bytes);
      return Values.of(type.floating(), room);
    }

    @Override
    public void commit() {
      write(room.duplicate());
    }

    @Override
    public void write(ByteBuffer bytes) {
      int count = bytes.remaining() / type.bytes();
      if (expected != null && difference != null) {
        difference.add(expected.array.read(at, count), bytes);
      }
      at += count;
      bytes.position(bytes.limit());
    }

    @Override
    public void close() {
      if (expected != null) {
        expected.close();
      }
    }
  }

  /** The inputs, and what is to be closed behind them. */
  private static final class OpenInputs implements AutoCloseable {
    private final CaseRun.Inputs inputs;
    private final List<AutoCloseable> closing;

    OpenInputs(CaseRun.Inputs inputs, List<AutoCloseable> closing) {
      this.inputs = inputs;
      this.closing = closing;
    }

    @Override
    public void close() {
      closeAll(closing);
    }
  }

  private OpenInputs openInputs() {
    List<AutoCloseable> closing = new ArrayList<>();
    try {
      Opened x = open(Objects.requireNonNull(manifest.find("x"), "the manifest was checked"));
      closing.add(x);
      GoldenArray dyArray = manifest.find("dy");
      Opened dy = dyArray == null ? null : open(dyArray);
      if (dy != null) {
        closing.add(dy);
      }
      double[] gamma = values("gamma");
      double[] beta = values("beta");
      Affine affine = Affine.IDENTITY;
      affine = gamma == null || gamma.length == 0 ? affine : affine.withGamma(gamma);
      affine = beta == null || beta.length == 0 ? affine : affine.withBeta(beta);
      String[] names =
          settings().frozen()
              ? new String[] {"given_mean", "given_variance"}
              : new String[] {"running_mean_before", "running_variance_before"};
      double[] mean = values(names[0]);
      double[] variance = values(names[1]);
      RunningStatistics statistics =
          mean == null || variance == null
              ? null
              : new RunningStatistics(mean, variance, batchesBefore());
      return new OpenInputs(
          new CaseRun.Inputs(x.source, dy == null ? null : dy.source, affine, statistics), closing);
    } catch (RuntimeException e) {
      closeAll(closing);
      throw e;
    }
  }

  private double @Nullable [] values(String name) {
    return manifest.find(name) == null ? null : batch(name).values().toDoubles();
  }

  /** All bits of it, of which a binary64 holds fewer. */
  private long batchesBefore() {
    GoldenArray array = manifest.find("batches_before");
    if (array == null) {
      return 0;
    }
    try (Opened opened = open(array)) {
      return opened.array.read(0, 1).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
    }
  }

  // Recording

  /** The type, sizes and digest of what a reference leads to. */
  static GoldenArray describe(Path directory, GoldenArray array, GoldenSettings settings) {
    Manifest manifest = new Manifest(settings, List.of(), List.of());
    try (Opened opened = new GoldenCase(directory, manifest, Map.of()).open(array)) {
      StoredArray stored = opened.array;
      return new GoldenArray(
          array.name(),
          stored.type(),
          Arrays.stream(stored.sizes()).boxed().toList(),
          array.exactness(),
          array.bound(),
          new Digest(array.name(), stored.type(), stored.sizes()).add(stored).hex(),
          array.reference(),
          array.member());
    }
  }

  /**
   * Computes the outputs of a case that has its inputs.
   *
   * @param names what messages call the inputs
   * @return what a user should know
   */
  static List<String> run(
      Path directory,
      Manifest manifest,
      Map<String, String> names,
      Engine engine,
      CaseRun.Outputs outputs) {
    GoldenCase golden = new GoldenCase(directory, manifest, names);
    try (OpenInputs inputs = golden.openInputs()) {
      return new CaseRun(engine, manifest.settings(), inputs.inputs, outputs).run();
    }
  }

  /** What is other in this case than in an older one, a line each. */
  List<String> changesSince(GoldenCase old) {
    List<String> changes = new ArrayList<>();
    if (!settings().equals(old.settings())) {
      Set<String> before = new HashSet<>(old.manifest.text().lines().toList());
      manifest
          .text()
          .lines()
          .filter(line -> !before.contains(line) && !line.startsWith("    "))
          .forEach(line -> changes.add(line.strip().replaceAll(",$", "") + " is new"));
    }
    for (GoldenArray array : manifest.arrays().toList()) {
      GoldenArray before = old.manifest.find(array.name());
      if (before == null) {
        changes.add(array.name() + ": " + array.form() + ", was not there");
      } else if (before.type() != array.type() || !before.shape().equals(array.shape())) {
        changes.add(array.name() + ": " + array.form() + ", was " + before.form());
      } else if (!before.digest().equals(array.digest())) {
        changes.add(array.name() + ": " + difference(old, before, array));
      }
    }
    old.manifest
        .arrays()
        .filter(array -> manifest.find(array.name()) == null)
        .forEach(array -> changes.add(array.name() + ": is no more, was " + array.form()));
    return changes;
  }

  private String difference(GoldenCase old, GoldenArray before, GoldenArray array) {
    try (Opened was = old.open(before);
        Opened now = open(array)) {
      ArrayDifference difference = ArrayDifference.bitwise(now.array, was.array);
      if (difference.differing() == 0) {
        return "other NaNs";
      }
      ArrayDifference.Element first = difference.first().get(0);
      return difference.differing()
          + " of "
          + difference.compared()
          + " changed, first at "
          + Shape.tuple(difference.place(first.index()))
          + ": "
          + first.found()
          + ", was "
          + first.reference();
    }
  }
}
