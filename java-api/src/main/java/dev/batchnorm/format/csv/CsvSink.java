package dev.batchnorm.format.csv;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Sink;
import dev.batchnorm.Values;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.npy.NpySink;
import java.util.stream.IntStream;

/** Writes an array of at most two axes as CSV: rows are samples, columns are channels. */
public final class CsvSink implements Sink, AutoCloseable {
  private final AtomicOutput out;
  private final CsvBytes bytes;
  private final DType type;
  private final CsvLayout layout;
  private final int columns;
  private final long[] sizes;
  private long missing;
  private int column;
  private Values memory;
  private Values room;

  CsvSink(AtomicOutput out, CsvBytes bytes, DType type, CsvLayout layout, long rows, int columns) {
    this.out = out;
    this.bytes = bytes;
    this.type = type;
    this.layout = layout;
    this.columns = columns;
    this.sizes = new long[] {rows, columns};
    this.missing = rows * columns;
    this.memory = Values.allocate(type, 0);
    this.room = memory;
  }

  /**
   * A sink for an array whose columns have no names. The output belongs to the sink and is closed
   * with it.
   *
   * @param format CSV or TSV
   * @param sizes the sizes of the axes; none or one give one column
   * @throws InputException if there are more than two axes
   */
  public static CsvSink create(AtomicOutput out, FileFormat format, DType type, long... sizes) {
    if (sizes.length > 2) {
      throw new InputException(
          out.name() + ": expected at most 2 axes for CSV, found shape " + Shape.text(sizes),
          "--to npy");
    }
    long rows = sizes.length == 0 ? 1 : sizes[0];
    int columns = sizes.length == 2 ? Math.toIntExact(sizes[1]) : 1;
    CsvLayout layout =
        new CsvLayout(
            out.name(),
            CsvOptions.of(format),
            columns,
            IntStream.range(0, columns).toArray(),
            new byte[] {'\n'},
            null);
    return new CsvSink(out, new CsvBytes(out), type, layout, rows, columns);
  }

  @Override
  public Values room(int count) {
    if (memory.count() < count) {
      memory = Values.allocateDirect(type, count);
    }
    room = memory.slice(0, count);
    return room;
  }

  @Override
  public void commit() {
    for (int i = 0; i < room.count(); i++) {
      layout.before(column, bytes);
      bytes.putNumber(room, i);
      if (++column == columns) {
        layout.afterRow(bytes);
        column = 0;
      }
    }
    missing -= room.count();
    room = room.slice(0, 0);
  }

  /**
   * Makes the output appear under its name.
   *
   * @throws IllegalStateException if it was given fewer or more values than its sizes say
   */
  public void finish() {
    NpySink.requireComplete(missing, sizes);
    bytes.flush();
    out.commit();
  }

  /** Leaves nothing behind if {@link #finish} was not called. */
  @Override
  public void close() {
    out.close();
  }
}
