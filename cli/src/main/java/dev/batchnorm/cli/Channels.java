package dev.batchnorm.cli;

import dev.batchnorm.InputException;
import dev.batchnorm.Source;

/**
 * Channels that parameters and statistics are for.
 *
 * @param count how many
 * @param of what messages call them, {@code channels of x.npy, shape 8×64×7×7}
 */
record Channels(int count, String of) {

  /** The channels of a batch. */
  static Channels of(Source x) {
    return new Channels(x.shape().channels(), "channels of " + x.name() + ", shape " + x.shape());
  }

  /** Refuses another number of values, naming both sides. */
  void check(String name, long found) {
    if (found != count) {
      throw new InputException(
          name
              + ": expected "
              + count
              + (count == 1 ? " value" : " values")
              + " ("
              + of
              + "), found "
              + found);
    }
  }
}
