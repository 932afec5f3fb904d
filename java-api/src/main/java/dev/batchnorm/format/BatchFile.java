package dev.batchnorm.format;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.format.csv.CsvOptions;
import dev.batchnorm.format.csv.CsvSink;
import dev.batchnorm.format.csv.CsvTable;
import dev.batchnorm.format.npy.NpySink;
import dev.batchnorm.format.npy.NpySource;
import dev.batchnorm.format.npz.NpzFile;
import dev.batchnorm.format.npz.NpzWriter;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Batches in files, for programs that do not care which format they are in.
 *
 * <pre>{@code
 * try (Source x = BatchFile.open(Path.of("x.npy"));
 *     BatchFile.Output y = BatchFile.create(Path.of("y.npy"), x.type(), x.shape())) {
 *   norm.forward(x, y);
 *   y.finish();
 * }
 * }</pre>
 *
 * <p>{@link InputException}: a file is missing, damaged, or not what was asked for. {@link
 * dev.batchnorm.OutputException}: a file could not be written, and nothing is left of it.
 */
public final class BatchFile {
  private BatchFile() {}

  /**
   * Opens a CSV, TSV, NPY or NPZ file whose channels lie along axis 1, as in NC and NCHW.
   *
   * @see #open(Path, Axes)
   */
  public static Source open(Path path) {
    return open(path, Axes.channelAxis(1));
  }

  /**
   * Opens a CSV, TSV (f64, all columns), NPY, or NPZ file (member {@code x}, or the only one).
   * Arrays of NPY and NPZ may be larger than memory.
   *
   * @param axes which axis holds the channels, such as {@code sizes -> Shape.of(Layout.NHWC,
   *     sizes)}
   * @throws InputException if the file is not such a batch
   */
  public static Source open(Path path, Axes axes) {
    InputBytes in = InputBytes.open(path);
    try {
      return switch (FileFormat.detect(in, path.toString())) {
        case NPY -> NpySource.open(in, axes);
        case NPZ -> {
          NpzFile npz = NpzFile.open(in);
          String member = npz.members().size() == 1 ? npz.members().get(0) : "x";
          yield new Owned(npz.source(member, axes), npz::close);
        }
        case CSV -> table(in, FileFormat.CSV, axes);
        case TSV -> table(in, FileFormat.TSV, axes);
      };
    } catch (RuntimeException e) {
      in.close();
      throw e;
    }
  }

  private static Source table(InputBytes in, FileFormat format, Axes axes) {
    CsvTable table = CsvTable.read(in, CsvOptions.of(format), DType.F64);
    return new Owned(table.source(axes), table::close);
  }

  /**
   * Begins a file in the format its name ends in; NPZ gets one member {@code y}. It appears when
   * {@link Output#finish} is called.
   *
   * @throws IllegalArgumentException if the name ends in none of .csv, .tsv, .npy, .npz
   */
  public static Output create(Path path, DType type, Shape shape) {
    FileFormat format = FileFormat.ofExtension(path.toString());
    if (format == null) {
      throw new IllegalArgumentException(
          path + ": expected a name ending in .csv, .tsv, .npy or .npz");
    }
    AtomicOutput out = AtomicOutput.to(path);
    try {
      return switch (format) {
        case NPY -> {
          NpySink sink = NpySink.create(out, type, shape.sizes());
          yield new Output(sink, sink::finish, sink::close);
        }
        case NPZ -> {
          NpzWriter writer = new NpzWriter(out);
          yield new Output(writer.member("y", type, shape.sizes()), writer::finish, writer::close);
        }
        case CSV, TSV -> {
          CsvSink sink = CsvSink.create(out, format, type, shape.sizes());
          yield new Output(sink, sink::finish, sink::close);
        }
      };
    } catch (RuntimeException e) {
      out.close();
      throw e;
    }
  }

  /** A file being written; closed without {@link #finish}, it leaves nothing behind. */
  public static final class Output implements Sink, AutoCloseable {
    private final Sink sink;
    private final Runnable finish;
    private final Runnable close;

    private Output(Sink sink, Runnable finish, Runnable close) {
      this.sink = sink;
      this.finish = finish;
      this.close = close;
    }

    @Override
    public Values room(int count) {
      return sink.room(count);
    }

    @Override
    public void commit() {
      sink.commit();
    }

    @Override
    public Optional<Area> area(long count) {
      return sink.area(count);
    }

    /**
     * Makes the file appear under its name.
     *
     * @throws IllegalStateException if values are missing
     */
    public void finish() {
      finish.run();
    }

    @Override
    public void close() {
      close.run();
    }
  }

  /** A source that also closes the file it came from. */
  private record Owned(Source source, Runnable closer) implements Source {
    @Override
    public String name() {
      return source.name();
    }

    @Override
    public Shape shape() {
      return source.shape();
    }

    @Override
    public DType type() {
      return source.type();
    }

    @Override
    public Values chunk(long first, int count) {
      return source.chunk(first, count);
    }

    @Override
    public int chunkLimit() {
      return source.chunkLimit();
    }

    @Override
    public Optional<Source> reader() {
      return source.reader();
    }

    @Override
    public void close() {
      source.close();
      closer.run();
    }
  }
}
