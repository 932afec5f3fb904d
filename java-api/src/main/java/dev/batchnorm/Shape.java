package dev.batchnorm;

import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/** The sizes of an array's axes in C order, and which axis holds the channels. Immutable. */
public final class Shape {
  private final long[] sizes;
  private final int channelAxis;
  private final View view;

  private Shape(long[] sizes, int channelAxis) {
    this.sizes = sizes;
    this.channelAxis = channelAxis;
    this.view = view(sizes, channelAxis);
  }

  /**
   * The shape of an array in a named layout.
   *
   * @param sizes one size for each letter of the layout
   * @throws IllegalArgumentException if the number of sizes differs from the layout's, or a size is
   *     negative
   */
  public static Shape of(Layout layout, long... sizes) {
    if (sizes.length != layout.rank()) {
      throw new IllegalArgumentException(
          "shape: expected "
              + layout.rank()
              + " axes (layout "
              + layout
              + "), found "
              + text(sizes));
    }
    return new Shape(sizes.clone(), layout.channelAxis());
  }

  /**
   * The shape of an array whose channels lie along the given axis. An array of one axis is one
   * channel, whatever the axis.
   *
   * @param channelAxis 0-based; a negative axis counts from the end
   * @param sizes at least one size
   * @throws IllegalArgumentException if there is no such axis, no size, or a size is negative
   */
  public static Shape withChannelAxis(int channelAxis, long... sizes) {
    if (sizes.length == 0) {
      throw new IllegalArgumentException("shape: expected at least 1 axis, found a single value");
    }
    if (sizes.length == 1) {
      return new Shape(sizes.clone(), 0);
    }
    int axis = channelAxis < 0 ? channelAxis + sizes.length : channelAxis;
    if (axis < 0 || axis >= sizes.length) {
      throw new IllegalArgumentException(
          "channel axis: expected -"
              + sizes.length
              + " to "
              + (sizes.length - 1)
              + " (shape "
              + text(sizes)
              + "), found "
              + channelAxis);
    }
    return new Shape(sizes.clone(), axis);
  }

  private static View view(long[] sizes, int channelAxis) {
    try {
      if (sizes.length == 1) {
        return new View(sizes[0], 1, 1);
      }
      long outer = product(sizes, 0, channelAxis);
      long inner = product(sizes, channelAxis + 1, sizes.length);
      return new View(outer, Math.toIntExact(sizes[channelAxis]), inner);
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException(
          "shape: expected fewer than 2^31 channels and 2^63 values, found " + text(sizes), e);
    }
  }

  private static long product(long[] sizes, int from, int to) {
    long product = 1;
    for (int i = from; i < to; i++) {
      product = Math.multiplyExact(product, sizes[i]);
    }
    return product;
  }

  /** The sizes of the axes, a copy. */
  public long[] sizes() {
    return sizes.clone();
  }

  /** The 0-based axis of the channels; 0 for an array of one axis, which is one channel. */
  public int channelAxis() {
    return channelAxis;
  }

  /** The array as (outer, channels, inner). */
  public View view() {
    return view;
  }

  /** The number of channels C. */
  public int channels() {
    return view.channels();
  }

  /** The number of values of all channels. */
  public long count() {
    return view.count();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape shape
        && channelAxis == shape.channelAxis
        && Arrays.equals(sizes, shape.sizes);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(sizes) + channelAxis;
  }

  /** The sizes joined by a multiplication sign, as in {@code 8×64×7×7}. */
  @Override
  public String toString() {
    return text(sizes);
  }

  /** The sizes joined by a multiplication sign, as in {@code 8×64×7×7}; {@code ()} if none. */
  public static String text(long... sizes) {
    return sizes.length == 0
        ? "()"
        : LongStream.of(sizes).mapToObj(Long::toString).collect(Collectors.joining("×"));
  }

  /** The index on each axis of the value that is the {@code index}-th in C order. */
  public static long[] indices(long index, long... sizes) {
    long[] indices = new long[sizes.length];
    long rest = index;
    for (int axis = sizes.length - 1; axis >= 0; axis--) {
      indices[axis] = rest % sizes[axis];
      rest /= sizes[axis];
    }
    return indices;
  }

  /** Sizes or indices as Python writes a tuple, {@code (0, 3, 2)}. */
  public static String tuple(long... numbers) {
    String joined =
        LongStream.of(numbers).mapToObj(Long::toString).collect(Collectors.joining(", "));
    return "(" + joined + (numbers.length == 1 ? ",)" : ")");
  }
}
