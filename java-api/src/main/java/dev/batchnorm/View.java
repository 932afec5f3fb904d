package dev.batchnorm;

import java.util.ArrayList;
import java.util.List;

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
   */
  public List<Block> blocks(long limit) {
    List<Block> blocks = new ArrayList<>();
    if (count() == 0) {
      return blocks;
    }
    if (count() <= limit) {
      blocks.add(new Block(this, 0, 0));
      return blocks;
    }
    long row = channels * inner;
    if (row <= limit) {
      long rows = limit / row;
      for (long o = 0; o < outer; o += rows) {
        blocks.add(new Block(new View(Math.min(rows, outer - o), channels, inner), 0, o * row));
      }
      return blocks;
    }
    for (long o = 0; o < outer; o++) {
      if (inner <= limit) {
        int most = (int) Math.min(channels, limit / inner);
        for (int c = 0; c < channels; c += most) {
          View view = new View(1, Math.min(most, channels - c), inner);
          blocks.add(new Block(view, c, o * row + c * inner));
        }
      } else {
        for (int c = 0; c < channels; c++) {
          for (long i = 0; i < inner; i += limit) {
            View view = new View(1, 1, Math.min(limit, inner - i));
            blocks.add(new Block(view, c, o * row + c * inner + i));
          }
        }
      }
    }
    return blocks;
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
