package dev.batchnorm;

import java.util.AbstractList;
import java.util.List;
import java.util.Objects;
import java.util.RandomAccess;

/**
 * Any array as (outer, channels, inner): axes before the channel axis multiply into {@code outer},
 * axes after it into {@code inner}; values lie in C order. NC is inner = 1, NCHW is inner = H·W,
 * NHWC is outer = N·H·W and inner = 1.
 *
 * @param outer the number of values before the channel axis, at least 0
 * @param channels the number of channels, at least 0
 * @param inner the number of values after the channel axis, at least 0
 */
public record View(long outer, int channels, long inner) {

  /**
   * Checks the sizes.
   *
   * @throws IllegalArgumentException if a size is negative or the number of values exceeds 2⁶³ − 1
   */
  public View {
    if (outer < 0 || channels < 0 || inner < 0) {
      throw new IllegalArgumentException(
          "view: expected sizes ≥ 0, found " + outer + ", " + channels + ", " + inner);
    }
    try {
      Math.multiplyExact(Math.multiplyExact(outer, inner), (long) channels);
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException(
          "view: expected fewer than 2^63 values, found "
              + outer
              + " × "
              + channels
              + " × "
              + inner,
          e);
    }
  }

  /** The number of values, outer · channels · inner. */
  public long count() {
    return outer * channels * inner;
  }

  /** The number of values of each channel, m = outer · inner. */
  public long valuesPerChannel() {
    return outer * inner;
  }

  /**
   * Cuts the view into dense blocks of at most {@code limit} values (and at least one), in C order
   * without gaps: whole outer rows where they fit, else whole channels of one outer row, else
   * pieces of one channel.
   *
   * @param limit the largest number of values of a block, at least 1
   * @return a list that makes each block when it is asked for
   */
  public List<Block> blocks(long limit) {
    return new Blocks(this, limit);
  }

  /** Blocks made when they are asked for: a file larger than memory has very many. */
  private static final class Blocks extends AbstractList<Block> implements RandomAccess {
    private final View whole;

    /** The sizes of a block, but for the last along each axis. */
    private final View most;

    private final long alongOuter;
    private final long alongChannels;
    private final long alongInner;
    private final int size;

    Blocks(View whole, long limit) {
      this.whole = whole;
      long row = whole.channels * whole.inner;
      if (whole.count() <= limit) {
        most = whole;
      } else if (row <= limit) {
        most = new View(limit / row, whole.channels, whole.inner);
      } else if (whole.inner <= limit) {
        most = new View(1, (int) (limit / whole.inner), whole.inner);
      } else {
        most = new View(1, 1, limit);
      }
      alongOuter = parts(whole.outer, most.outer);
      alongChannels = parts(whole.channels, most.channels);
      alongInner = parts(whole.inner, most.inner);
      size = Math.toIntExact(alongOuter * alongChannels * alongInner);
    }

    private static long parts(long size, long most) {
      return size == 0 ? 0 : (size - 1) / most + 1;
    }

    @Override
    public int size() {
      return size;
    }

    @Override
    public Block get(int index) {
      Objects.checkIndex(index, size);
      long i = index % alongInner * most.inner;
      int c = (int) (index / alongInner % alongChannels * most.channels);
      long o = index / alongInner / alongChannels * most.outer;
      View view =
          new View(
              Math.min(most.outer, whole.outer - o),
              Math.min(most.channels, whole.channels - c),
              Math.min(most.inner, whole.inner - i));
      return new Block(view, c, (o * whole.channels + c) * whole.inner + i);
    }
  }

  /**
   * A dense block of a larger view.
   *
   * @param view the block's own sizes
   * @param firstChannel the channel of the whole view at which the block starts
   * @param offset the index in C order of the block's first value
   */
  public record Block(View view, int firstChannel, long offset) {}
}
