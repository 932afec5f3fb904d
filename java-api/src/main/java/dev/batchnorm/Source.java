package dev.batchnorm;

import java.util.Optional;

/**
 * An array that is read in chunks, as often as needed: memory, a file, or spooled standard input.
 * The values come in C order whatever order they are stored in.
 *
 * <p>Reading may throw {@link InputException} when the bytes behind the source turn out to be
 * wrong.
 */
public interface Source extends AutoCloseable {

  /** What messages call this array: a path, or the name of an argument. */
  String name();

  /** The sizes of the axes and the channel axis. */
  Shape shape();

  /** The type of the values. */
  DType type();

  /**
   * The values {@code first … first + count − 1} in C order. They stay valid until the next call.
   *
   * @throws InputException if they cannot be read
   */
  Values chunk(long first, int count);

  /** The largest number of values a reader should ask for at once. */
  int chunkLimit();

  /**
   * Whether values may be absent ({@link Values#isAbsent}), such as empty cells. Statistics leave
   * them out: each channel counts those it has. Everywhere else they are NaN.
   */
  default boolean hasGaps() {
    return false;
  }

  /**
   * Another reader of the same values, to be used by another thread while this source and its other
   * readers are used. Closing it ends it alone; it ends with this source at the latest.
   *
   * @return empty if the values can only be had by one thread, or reading them out of order costs
   *     more than reading on
   */
  default Optional<Source> reader() {
    return Optional.empty();
  }

  /**
   * Consecutive samples, such as a mini-batch: the part from index {@code first} of the first axis
   * on, named as in {@code x.npy[8:16]}. It reads through this source, and closing it does nothing.
   *
   * @throws IllegalArgumentException if there are no such samples, or the first of several axes
   *     holds the channels
   */
  default Source samples(long first, long count) {
    return Samples.of(this, first, count);
  }

  /** Releases what the source holds. */
  @Override
  void close();
}
