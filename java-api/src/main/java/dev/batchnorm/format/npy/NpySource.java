package dev.batchnorm.format.npy;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A batch in an NPY file of any real type, byte order and order of axes. f16, f32 and f64 come as
 * they are, integers and truth values as f64.
 */
public final class NpySource implements Source {
  /**
   * Every channel takes memory, so a file of a hundred bytes may not have any number of them. Where
   * there are values, each channel has one.
   */
  private static final int MOST_EMPTY_CHANNELS = 1 << 16;

  private final InputBytes in;
  private final NpyArray array;
  private final Shape shape;
  private final boolean narrow;
  private DoubleBuffer widened = DoubleBuffer.allocate(0);

  /** What this is a reader of, if it is one. */
  private final @Nullable NpySource whole;

  /** Readers that were closed, with memory for the next that is asked for. */
  private final Deque<NpySource> idle = new ArrayDeque<>();

  private NpySource(
      InputBytes in, NpyArray array, Shape shape, boolean narrow, @Nullable NpySource whole) {
    this.whole = whole;
    this.in = in;
    this.array = array;
    this.shape = shape;
    this.narrow = narrow;
  }

  /**
   * Reads the header and checks it against the size of the input, which from then on belongs to the
   * source and is closed with it. If this throws, the input stays the caller's.
   *
   * @throws InputException if this is no NPY file, its values are not real numbers, it is cut short
   *     or has bytes behind its values, its sizes are not what the axes ask for, or it has no
   *     values and very many channels
   */
  public static NpySource open(InputBytes in, Axes axes) {
    return open(in, axes, false);
  }

  /**
   * As {@link #open(InputBytes, Axes)}.
   *
   * @param narrow whether 64-bit integers that no binary64 holds are rounded to the nearest; else
   *     reading the first of them is an {@link InputException}
   */
  public static NpySource open(InputBytes in, Axes axes, boolean narrow) {
    NpyArray array = NpyArray.open(in);
    long[] sizes = array.sizes();
    if (sizes.length == 0) {
      throw new InputException(
          in.name() + ": expected an array of at least 1 axis, found a single value");
    }
    Shape shape;
    try {
      shape = axes.shape(sizes);
    } catch (IllegalArgumentException e) {
      throw new InputException(in.name() + ": " + e.getMessage(), null, e);
    }
    checkChannels(in.name(), shape);
    return new NpySource(in, array, shape, narrow, null);
  }

  /**
   * Refuses an array without values but with very many channels.
   *
   * @param name what messages call it
   * @throws InputException if it is such an array
   */
  public static void checkChannels(String name, Shape shape) {
    if (shape.count() == 0 && shape.channels() > MOST_EMPTY_CHANNELS) {
      throw new InputException(
          name
              + ": expected at most "
              + MOST_EMPTY_CHANNELS
              + " channels in an array without values, found "
              + shape.channels()
              + " (shape "
              + shape
              + ")");
    }
  }

  @Override
  public String name() {
    return in.name();
  }

  @Override
  public Shape shape() {
    return shape;
  }

  @Override
  public DType type() {
    return array.type().floating();
  }

  /** Off the heap; memory of one chunk, and for Fortran order of a panel of at most 256 MiB. */
  @Override
  public Values chunk(long first, int count) {
    ByteBuffer bytes = array.read(first, count);
    NumberType stored = array.type();
    if (stored.isFloating()) {
      return Values.of(type(), bytes);
    }
    if (widened.capacity() < count) {
      widened =
          ByteBuffer.allocateDirect(Math.multiplyExact(count, Double.BYTES))
              .order(ByteOrder.nativeOrder())
              .asDoubleBuffer();
    }
    boolean mayBeInexact = !narrow && stored.bytes() == Long.BYTES;
    for (int i = 0; mayBeInexact && i < count; i++) {
      int offset = i * stored.bytes();
      if (!stored.isExact(bytes, offset)) {
        throw NpyArray.inexact(
            array,
            first + i,
            stored.text(bytes, offset),
            "--narrow rounds them to the nearest binary64");
      }
    }
    stored.widen(bytes, count, widened);
    return Values.of(widened.slice(0, count));
  }

  @Override
  public int chunkLimit() {
    return StoredArray.CHUNK;
  }

  /** Empty for Fortran order, where each reader would transpose the file for itself. */
  @Override
  public Optional<Source> reader() {
    if (!array.isInPlace()) {
      return Optional.empty();
    }
    NpySource known = idle.poll();
    return Optional.of(
        known != null ? known : new NpySource(in, array.again(), shape, narrow, this));
  }

  @Override
  public void close() {
    if (whole != null) {
      whole.idle.push(this);
    } else {
      in.close();
    }
  }
}
