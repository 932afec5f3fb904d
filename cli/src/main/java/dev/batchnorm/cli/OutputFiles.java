package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.OutputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Sink;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.format.ArraySink;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.Digest;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.csv.CsvOptions;
import dev.batchnorm.format.csv.CsvSink;
import dev.batchnorm.format.csv.CsvTable;
import dev.batchnorm.format.npy.NpySink;
import dev.batchnorm.format.npz.NpzWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** The files a command writes: they appear when {@link #finish} is called, none if it is not. */
final class OutputFiles implements AutoCloseable {
  /** What Java makes of bytes that are no characters of the locale. */
  private static final char REPLACEMENT = '\uFFFD';

  /** Values that are handed over at once. */
  private static final int PIECE = 1 << 16;

  private final Session session;
  private final boolean sync;
  private final Map<String, String> optionOfTarget = new HashMap<>();
  private final List<Runnable> finishing = new ArrayList<>();
  private final List<Runnable> digests = new ArrayList<>();
  private final List<AutoCloseable> closing = new ArrayList<>();

  OutputFiles(Session session, OutputOptions options) {
    this.session = session;
    this.sync = options.syncs();
  }

  /**
   * A file for one array of a floating type.
   *
   * @param option what the target was given for, for messages
   * @param input decides the format if nothing else does, and what CSV output repeats
   * @param repeatsInput whether the array has the input's shape, so that CSV output repeats its
   *     other columns
   */
  Sink array(
      String option,
      String target,
      OutputOptions options,
      InputFiles.Input input,
      boolean repeatsInput,
      String name,
      DType type,
      long... sizes) {
    FileFormat named = options.format(option, target);
    FileFormat format = named == null ? input.format() : named;
    CsvTable repeated = repeatsInput ? input.table() : null;
    return array(
        option, target, format, input.format(), repeated, name, NumberType.of(type), sizes);
  }

  /**
   * A file for a matrix with a column for each of the input's, under whose names CSV output has
   * them.
   *
   * @param option what the target was given for, for messages
   */
  Sink columns(
      String option,
      String target,
      OutputOptions options,
      InputFiles.Input input,
      String name,
      long rows) {
    FileFormat named = options.format(option, target);
    FileFormat format = named == null ? input.format() : named;
    CsvTable table = input.table();
    long[] sizes = {rows, input.source().shape().channels()};
    if (table == null || (format != FileFormat.CSV && format != FileFormat.TSV)) {
      return array(option, target, format, input.format(), null, name, NumberType.F64, sizes);
    }
    AtomicOutput out = open(option, target, format);
    char delimiter = delimiter(format, input.format(), table);
    ArraySink sink = manage(table.columnsSink(out, NumberType.F64, delimiter, rows));
    return digested(sink, name, NumberType.F64, sizes);
  }

  /**
   * A file for one array.
   *
   * @param option what the target was given for, for messages
   * @param input the format of what is repeated
   * @param repeated what CSV output repeats beside the array, which has its shape; or null
   */
  ArraySink array(
      String option,
      String target,
      FileFormat format,
      FileFormat input,
      @Nullable CsvTable repeated,
      String name,
      NumberType type,
      long... sizes) {
    AtomicOutput out = open(option, target, format);
    ArraySink sink =
        switch (format) {
          case NPY -> manage(NpySink.create(out, type, sizes));
          case NPZ -> manage(new NpzWriter(out)).member(name, type, sizes);
          case CSV, TSV ->
              repeated != null
                  ? manage(repeated.sink(out, type, delimiter(format, input, repeated)))
                  : manage(
                      CsvSink.create(
                          out,
                          session.csv(CsvOptions.of(format), size(sizes) * Decimals.LONGEST / 2),
                          type,
                          sizes));
        };
    return digested(sink, name, type, sizes);
  }

  private static long size(long... sizes) {
    long size = 1;
    for (long along : sizes) {
      size = Math.min(size * Math.min(along, Integer.MAX_VALUE), Integer.MAX_VALUE);
    }
    return size;
  }

  /** Tabs for TSV, and no tabs where TSV becomes CSV; else the input's delimiter. */
  private static char delimiter(FileFormat format, FileFormat input, CsvTable repeated) {
    char own = repeated.delimiter();
    boolean fromTsv = input == FileFormat.TSV && own == '\t';
    return format == FileFormat.TSV ? '\t' : fromTsv && format == FileFormat.CSV ? ',' : own;
  }

  /** A text file. */
  void text(String option, String target, FileFormat format, String text) {
    AtomicOutput out = open(option, target, format);
    out.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    finishing.add(out::commit);
  }

  /** An NPZ file for several arrays. */
  NpzWriter npz(String option, String target) {
    return manage(new NpzWriter(open(option, target, FileFormat.NPZ)));
  }

  /** A member of an NPZ file. */
  Sink member(NpzWriter npz, String name, DType type, long... sizes) {
    NumberType stored = NumberType.of(type);
    return digested(npz.member(name, stored, sizes), name, stored, sizes);
  }

  /** Gives a sink all of its values. */
  static void fill(Sink sink, double[] values) {
    for (int first = 0; first < values.length; first += PIECE) {
      int count = Math.min(PIECE, values.length - first);
      Values room = sink.room(count);
      for (int i = 0; i < count; i++) {
        room.set(i, values[first + i]);
      }
      sink.commit();
    }
  }

  /** Writes what was normalised with, and the running statistics if there are any. */
  void write(NpzWriter npz, Statistics s, @Nullable RunningStatistics running) {
    long channels = s.channels();
    write(npz, "mean", s.mean(), channels);
    write(npz, "variance", s.variance(), channels);
    write(npz, "inverse_std", s.inverseStd(), channels);
    if (LongStream.of(s.count()).distinct().count() > 1) {
      write(npz, "count", s.count(), channels); // cells were left out
    } else {
      write(npz, "count", channels == 0 ? 0 : s.count()[0]);
    }
    write(npz, "eps", new double[] {s.eps()});
    if (running != null) {
      write(npz, "running_mean", running.mean(), channels);
      write(npz, "running_variance", running.variance(), channels);
      write(npz, "batches", running.batches());
    }
  }

  /** Writes a single integer. */
  void write(NpzWriter npz, String name, long value) {
    npz.int64(name, value);
    digest(name, NumberType.I64, littleEndian(1).putLong(value).flip());
  }

  /** Writes an array of one value per channel. */
  void write(NpzWriter npz, String name, double[] values, long... sizes) {
    npz.doubles(name, values, sizes);
    digest(name, values, sizes);
  }

  /** Writes an array of integers. */
  void write(NpzWriter npz, String name, long[] values, long... sizes) {
    npz.int64s(name, values, sizes);
    digest(name, values, sizes);
  }

  /** Makes the digest of an array that is written as text. */
  void digest(String name, double[] values, long... sizes) {
    if (!session.digests()) {
      return;
    }
    ByteBuffer bytes = littleEndian(values.length);
    bytes.asDoubleBuffer().put(values);
    digest(name, NumberType.F64, bytes, sizes);
  }

  /** Makes the digest of an array that is written as text. */
  void digest(String name, long[] values, long... sizes) {
    if (!session.digests()) {
      return;
    }
    ByteBuffer bytes = littleEndian(values.length);
    bytes.asLongBuffer().put(values);
    digest(name, NumberType.I64, bytes, sizes);
  }

  private static ByteBuffer littleEndian(int values) {
    return ByteBuffer.allocateDirect(Math.multiplyExact(values, Long.BYTES))
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  private void digest(String name, NumberType type, ByteBuffer bytes, long... sizes) {
    if (session.digests()) {
      Digest digest = new Digest(name, type, sizes);
      digest.add(bytes);
      digests.add(() -> session.tell(digest.line()));
    }
  }

  /** A sink that also makes the array's digest, if digests were asked for. */
  ArraySink digested(ArraySink sink, String name, NumberType type, long... sizes) {
    if (!session.digests()) {
      return sink;
    }
    Digest digest = new Digest(name, type, sizes);
    digests.add(() -> session.tell(digest.line()));
    return new ArraySink() {
      private Values room = Values.of(new double[0]);

      @Override
      public Values room(int count) {
        room = sink.room(count);
        return room;
      }

      @Override
      public void commit() {
        digest.add(room);
        sink.commit();
      }

      @Override
      public void write(ByteBuffer bytes) {
        digest.add(bytes);
        sink.write(bytes);
      }
    };
  }

  private AtomicOutput open(String option, String target, FileFormat format) {
    if (target.isEmpty()) {
      throw new UsageException(option + ": expected a file, found an empty name");
    }
    boolean isPath = !target.equals(OutputOptions.STANDARD_OUTPUT);
    String place = isPath ? place(path(target)) : target;
    String other = place.equals("/dev/null") ? null : optionOfTarget.put(place, option);
    if (other != null) {
      throw new UsageException(
          option + " and " + other + ": expected two files, found " + target + " for both");
    }
    boolean binary = format == FileFormat.NPY || format == FileFormat.NPZ;
    if (!isPath) {
      if (binary && standardOutputIsTerminal()) {
        throw new UsageException(
            "standard output: expected a file or a pipe for "
                + format.label()
                + " data, found a terminal",
            "-o FILE writes to a file, --to csv writes text");
      }
      return AtomicOutput.standardOutput(session.out());
    }
    AtomicOutput out = AtomicOutput.to(path(target));
    closing.add(out);
    return sync ? out.sync() : out;
  }

  /** The file that would be written, through links, so that two names of it are one. */
  private static String place(Path path) {
    Path absolute = path.toAbsolutePath().normalize();
    try {
      if (Files.exists(absolute)) {
        return absolute.toRealPath().toString();
      }
      Path parent = absolute.getParent();
      Path name = absolute.getFileName();
      return parent == null || name == null
          ? absolute.toString()
          : parent.toRealPath().resolve(name).toString();
    } catch (IOException e) {
      return absolute.toString(); // opening it will say what is wrong
    }
  }

  private static Path path(String target) {
    if (target.endsWith("/")) {
      throw new OutputException(target + ": expected a file, found a directory");
    }
    if (target.indexOf(REPLACEMENT) >= 0) {
      throw new OutputException(
          target + ": expected a name in the characters of the locale, found other bytes",
          "LC_ALL=C.UTF-8 takes all of UTF-8",
          null);
    }
    try {
      return Path.of(target);
    } catch (InvalidPathException e) {
      throw new OutputException(target + ": expected a path, found " + e.getReason(), null, e);
    }
  }

  /**
   * Told by Linux: Java 17 can only tell of standard input and output together. Elsewhere it is not
   * known.
   */
  private static boolean standardOutputIsTerminal() {
    try {
      String device = Files.readSymbolicLink(Path.of("/proc/self/fd/1")).toString();
      return device.startsWith("/dev/pts/")
          || device.startsWith("/dev/tty")
          || device.equals("/dev/console");
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }

  private NpySink manage(NpySink sink) {
    finishing.add(sink::finish);
    closing.add(sink);
    return sink;
  }

  private CsvSink manage(CsvSink sink) {
    finishing.add(sink::finish);
    closing.add(sink);
    return sink;
  }

  private NpzWriter manage(NpzWriter writer) {
    finishing.add(writer::finish);
    closing.add(writer);
    return writer;
  }

  /** Makes the files appear, one after the other as they were opened, then tells the digests. */
  void finish() {
    finishing.forEach(Runnable::run);
    digests.forEach(Runnable::run);
  }

  @Override
  public void close() {
    OutputException first = null;
    for (AutoCloseable output : closing) {
      try {
        output.close();
      } catch (Exception e) {
        OutputException failure =
            new OutputException("closing an output: " + e.getMessage(), null, e);
        if (first == null) {
          first = failure;
        } else {
          first.addSuppressed(failure);
        }
      }
    }
    if (first != null) {
      throw first;
    }
  }
}
