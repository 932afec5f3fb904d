package dev.batchnorm.format.npy;

import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.format.ArraySink;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.NumberType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Writes an array as NPY: version 1.0, little-endian, C order, the header as numpy pads it.
 *
 * <pre>{@code
 * try (NpySink sink = NpySink.create(AtomicOutput.to(path), DType.F32, 8, 64)) {
 *   …
 *   sink.finish();
 * }
 * }</pre>
 */
public final class NpySink implements ArraySink, AutoCloseable {
  private final AtomicOutput out;
  private final NumberType type;
  private final long[] sizes;
  private long missing;

  /** Written with the first values: what is refused before leaves nothing on standard output. */
  private final ByteBuffer header;

  private ByteBuffer buffer = ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);

  private NpySink(AtomicOutput out, NumberType type, long[] sizes, long count) {
    this.out = out;
    this.type = type;
    this.sizes = sizes;
    this.missing = count;
    this.header = ByteBuffer.wrap(header(type.descriptor(), sizes));
  }

  /**
   * A sink for an array. The output belongs to the sink and is closed with it.
   *
   * @param sizes the sizes of the axes; none is a single value
   */
  public static NpySink create(AtomicOutput out, DType type, long... sizes) {
    return create(out, NumberType.of(type), sizes);
  }

  /**
   * A sink for an array. The output belongs to the sink and is closed with it.
   *
   * @param sizes the sizes of the axes; none is a single value
   */
  public static NpySink create(AtomicOutput out, NumberType type, long... sizes) {
    return new NpySink(out, type, sizes.clone(), count(sizes));
  }

  /** The bytes in front of the values, as numpy writes them. */
  public static byte[] header(String descriptor, long... sizes) {
    return NpyHeader.write(descriptor, sizes);
  }

  private static long count(long... sizes) {
    long count = 1;
    for (long size : sizes) {
      count = Math.multiplyExact(count, size);
    }
    return count;
  }

  /**
   * {@inheritDoc}
   *
   * @throws IllegalStateException if the sink's type is not floating
   */
  @Override
  public Values room(int count) {
    requireFloating(type);
    int bytes = Math.multiplyExact(count, type.bytes());
    if (buffer.capacity() < bytes) {
      buffer = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
    buffer.clear().limit(bytes);
    return Values.of(type.floating(), buffer);
  }

  @Override
  public void commit() {
    write(buffer);
  }

  @Override
  public void write(ByteBuffer bytes) {
    missing -= bytes.remaining() / type.bytes();
    out.write(header); // nothing from the second time on
    out.write(bytes);
  }

  /**
   * Makes the output appear under its name.
   *
   * @throws IllegalStateException if it was given fewer or more values than its sizes say
   */
  public void finish() {
    requireComplete(missing, sizes);
    out.write(header);
    out.commit();
  }

  /** Checks that values of the type may be had as {@link Values}. */
  public static void requireFloating(NumberType type) {
    if (!type.isFloating()) {
      throw new IllegalStateException("sink: expected bytes of " + type.label() + ", found values");
    }
  }

  /**
   * Checks that all values have been written.
   *
   * @param missing how many have not
   */
  public static void requireComplete(long missing, long... sizes) {
    if (missing != 0) {
      throw new IllegalStateException(
          "sink: expected all values of shape "
              + Shape.text(sizes)
              + ", found "
              + missing
              + " to go");
    }
  }

  /** Leaves nothing behind if {@link #finish} was not called. */
  @Override
  public void close() {
    out.close();
  }
}
