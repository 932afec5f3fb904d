package dev.batchnorm.reference;

import dev.batchnorm.Values;

/** Values as binary64, widened many at a time, which is faster than one by one. */
final class Window {
  private static final int LENGTH = 1024;

  private final Values values;
  private final double[] seen = new double[LENGTH];
  private int first;
  private int count;

  Window(Values values) {
    this.values = values;
  }

  /** The value at the index; fast where indexes mostly go up by one. */
  double get(int index) {
    int at = index - first;
    if (at < 0 || at >= count) {
      first = index;
      count = Math.min(LENGTH, values.count() - index);
      values.get(index, seen, count);
      at = 0;
    }
    return seen[at];
  }
}
