package dev.batchnorm.format.csv;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.format.ArraySink;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.npy.NpySink;
import dev.batchnorm.tasks.Workers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** Writes an array of at most two axes as CSV: rows are samples, columns are channels. */
public final class CsvSink implements ArraySink, AutoCloseable {
  /** Numbers that a thread makes text of at once: some milliseconds of work. */
  private static final int PIECE = 1 << 15;

  private final AtomicOutput out;
  private final NumberType type;
  private final CsvLayout layout;
  private final int columns;
  private final long[] sizes;
  private long missing;
  private ByteBuffer room = ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);

  /** What is still to be written before the first number. */
  private final CsvBytes header;

  /** One for each thread. */
  private final List<Writer> writers = new ArrayList<>();

  /** The repeated records, at that of the number written last. */
  private @Nullable CsvRecords repeated;

  CsvSink(AtomicOutput out, CsvBytes header, NumberType type, CsvLayout layout, long rows) {
    this.out = out;
    this.header = header;
    this.type = type;
    this.layout = layout;
    this.columns = layout.selected().length;
    this.sizes = new long[] {rows, columns};
    this.missing = rows * columns;
  }

  /**
   * A sink for an array whose columns have no names. The output belongs to the sink and is closed
   * with it.
   *
   * @param format CSV or TSV
   * @param sizes the sizes of the axes; none or one give one column
   * @throws InputException if there are more than two axes, or 2³¹ columns
   */
  public static CsvSink create(AtomicOutput out, FileFormat format, DType type, long... sizes) {
    return create(out, format, NumberType.of(type), sizes);
  }

  /**
   * A sink for an array whose columns have no names. Integers are written as they are, truth values
   * as 0 and 1. The output belongs to the sink and is closed with it.
   *
   * @param format CSV or TSV
   * @param sizes the sizes of the axes; none or one give one column
   * @throws InputException if there are more than two axes, or 2³¹ columns
   */
  public static CsvSink create(
      AtomicOutput out, FileFormat format, NumberType type, long... sizes) {
    return create(out, CsvOptions.of(format), type, sizes);
  }

  /**
   * As {@link #create(AtomicOutput, FileFormat, NumberType, long...)}.
   *
   * @param options the delimiter, the threads, and how numbers are written
   * @throws IllegalArgumentException if the delimiter is {@link CsvOptions#AUTO}
   */
  public static CsvSink create(
      AtomicOutput out, CsvOptions options, NumberType type, long... sizes) {
    if (options.delimiter() == CsvOptions.AUTO) {
      throw new IllegalArgumentException("delimiter: expected a character, found AUTO");
    }
    if (sizes.length > 2) {
      throw new InputException(
          out.name() + ": expected at most 2 axes for CSV, found shape " + Shape.text(sizes),
          "--to npy");
    }
    long rows = sizes.length == 0 ? 1 : sizes[0];
    // Without rows nothing is written, however many columns the sizes claim.
    int columns = sizes.length == 2 && rows > 0 ? columns(out, sizes) : 1;
    CsvLayout layout =
        new CsvLayout(
            out.name(),
            options,
            columns,
            IntStream.range(0, columns).toArray(),
            options.delimiter(),
            new byte[] {'\n'},
            null);
    return new CsvSink(out, new CsvBytes(), type, layout, rows);
  }

  private static int columns(AtomicOutput out, long... sizes) {
    if (sizes[1] > Integer.MAX_VALUE - 8) {
      throw new InputException(
          out.name() + ": expected fewer columns for CSV, found shape " + Shape.text(sizes),
          "--to npy");
    }
    return (int) sizes[1];
  }

  /**
   * {@inheritDoc}
   *
   * @throws IllegalStateException if the sink's type is not floating
   */
  @Override
  public Values room(int count) {
    NpySink.requireFloating(type);
    int size = Math.multiplyExact(count, type.bytes());
    if (room.capacity() < size) {
      room = ByteBuffer.allocateDirect(size).order(ByteOrder.LITTLE_ENDIAN);
    }
    return Values.of(type.floating(), room.clear().limit(size));
  }

  @Override
  public void commit() {
    write(room);
  }

  @Override
  public void write(ByteBuffer values) {
    header.writeTo(out);
    ByteBuffer littleEndian = values.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    long first = sizes[0] * columns - missing;
    long end = first + values.remaining() / type.bytes();
    long[] cuts = cuts(first, end);
    Workers workers = new Workers(cuts.length - 1);
    List<IntConsumer> tasks = new ArrayList<>();
    do {
      if (writers.size() == tasks.size()) {
        writers.add(new Writer());
      }
      Writer writer = writers.get(tasks.size());
      tasks.add(
          piece -> {
            int start = values.position() + (int) (cuts[piece] - first) * type.bytes();
            int bytes = (int) (cuts[piece + 1] - cuts[piece]) * type.bytes();
            writer.write(cuts[piece], littleEndian.slice(start, bytes), piece == 0);
            workers.awaitTurn(piece);
            writer.text.writeTo(out);
            if (piece == cuts.length - 2) {
              repeated = writer.records;
            }
            workers.endTurn();
          });
    } while (tasks.size() < Math.min(layout.options().threads(), cuts.length - 1));
    workers.run(tasks);
    missing -= end - first;
    values.position(values.limit());
  }

  /** Makes the text of one piece after the other. */
  private final class Writer {
    final CsvBytes text = new CsvBytes();
    private final CsvNumbers numbers = new CsvNumbers(layout.options().numerals(), type);
    @Nullable CsvRecords records;

    /**
     * Appends the text of some numbers.
     *
     * @param first the index of the first
     * @param goesOn whether they follow those written last, perhaps within a row
     */
    void write(long first, ByteBuffer values, boolean goesOn) {
      CsvRows rows = layout.rows();
      numbers.use(values);
      int column = (int) (first % columns);
      if (rows == null && numbers.putRows(column, layout, text)) {
        return;
      }
      records = goesOn ? repeated : null;
      if (rows != null && records == null) {
        records = rows.recordsFrom(rows.blockOf(first / columns));
      }
      int count = values.limit() / type.bytes();
      for (int i = 0; i < count; i++) {
        layout.before(column, records, text);
        if (!layout.leavesEmpty(column, records, text)) {
          numbers.put(i, text);
        }
        if (++column == columns) {
          layout.afterRow(records, text);
          column = 0;
        }
      }
    }
  }

  /**
   * Where the numbers are cut for the threads: anywhere, but where records are repeated, at the
   * blocks in which they were read, which can be found again.
   */
  private long[] cuts(long first, long end) {
    LongStream.Builder cuts = LongStream.builder().add(first);
    CsvRows rows = layout.rows();
    long at = first;
    while (at < end) {
      long cut = rows == null ? at + PIECE : rows.endOf(rows.blockOf(at / columns)) * columns;
      at = Math.min(cut, end);
      cuts.add(at);
    }
    return cuts.build().toArray();
  }

  /**
   * Makes the output appear under its name.
   *
   * @throws IllegalStateException if it was given fewer or more values than its sizes say
   */
  public void finish() {
    NpySink.requireComplete(missing, sizes);
    header.writeTo(out);
    out.commit();
  }

  /** Leaves nothing behind if {@link #finish} was not called. */
  @Override
  public void close() {
    out.close();
  }
}
