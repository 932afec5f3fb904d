package dev.batchnorm.format.npy;

import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.format.ArraySink;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.NumberType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

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
  private final AtomicLong missing;

  /** Written with the first values: what is refused before leaves nothing on standard output. */
  private final ByteBuffer header;

  private ByteBuffer buffer = ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);

  /** Memory of writers that were closed, for the next. */
  private final Deque<ByteBuffer> idle = new ArrayDeque<>();

  private NpySink(AtomicOutput out, NumberType type, long[] sizes, long count) {
    this.out = out;
    this.type = type;
    this.sizes = sizes;
    this.missing = new AtomicLong(count);
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
    buffer = withRoom(buffer, bytes);
    return Values.of(type.floating(), buffer);
  }

  /** The buffer, or a new one if it is too small, with that many bytes to fill. */
  private static ByteBuffer withRoom(ByteBuffer buffer, int bytes) {
    ByteBuffer enough =
        buffer.capacity() >= bytes
            ? buffer
            : ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    return enough.clear().limit(bytes);
  }

  @Override
  public void commit() {
    write(buffer);
  }

  @Override
  public void write(ByteBuffer bytes) {
    missing.addAndGet(-bytes.remaining() / type.bytes());
    out.write(header); // nothing from the second time on
    out.write(bytes);
  }

  /** Empty where the output leaves at once, as through a pipe. */
  @Override
  public Optional<Area> area(long count) {
    requireFloating(type);
    if (!out.canSkip()) {
      return Optional.empty();
    }
    out.write(header);
    long start = out.skip(Math.multiplyExact(count, (long) type.bytes()));
    return Optional.of(() -> new PlacedValues(start));
  }

  /**
   * Makes the output appear under its name.
   *
   * @throws IllegalStateException if it was given fewer or more values than its sizes say
   */
  public void finish() {
    requireComplete(missing.get(), sizes);
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

  /** Writes values of an area that begins at a position of the file. */
  private final class PlacedValues implements Writer {
    private final long start;
    private ByteBuffer room;
    private long at;

    PlacedValues(long start) {
      this.start = start;
      ByteBuffer known = idle.poll();
      room = known != null ? known : ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);
    }

    @Override
    public Values room(long first, int count) {
      at = start + first * type.bytes();
      room = withRoom(room, Math.multiplyExact(count, type.bytes()));
      return Values.of(type.floating(), room);
    }

    @Override
    public void commit() {
      missing.addAndGet(-room.remaining() / type.bytes());
      out.patch(at, room);
    }

    @Override
    public void close() {
      idle.push(room);
    }
  }
}
