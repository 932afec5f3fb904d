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
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.stream.IntStream;

/** Writes an array of at most two axes as CSV: rows are samples, columns are channels. */
public final class CsvSink implements ArraySink, AutoCloseable {
  private final AtomicOutput out;
  private final CsvBytes bytes;
  private final NumberType type;
  private final CsvLayout layout;
  private final int columns;
  private final long[] sizes;
  private long missing;
  private int column;
  private ByteBuffer room = ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);

  CsvSink(
      AtomicOutput out, CsvBytes bytes, NumberType type, CsvLayout layout, long rows, int columns) {
    this.out = out;
    this.bytes = bytes;
    this.type = type;
    this.layout = layout;
    this.columns = columns;
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
            CsvOptions.of(format),
            columns,
            IntStream.range(0, columns).toArray(),
            CsvOptions.of(format).delimiter(),
            new byte[] {'\n'},
            null);
    return new CsvSink(out, new CsvBytes(out), type, layout, rows, columns);
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
    ByteBuffer littleEndian = values.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    for (; values.hasRemaining(); values.position(values.position() + type.bytes())) {
      layout.before(column, bytes);
      bytes.putNumber(type, littleEndian, values.position());
      if (++column == columns) {
        layout.afterRow(bytes);
        column = 0;
      }
      missing--;
    }
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
