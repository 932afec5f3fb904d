package dev.batchnorm.format;

import java.nio.ByteBuffer;

/** An array of any real type in a file, read in chunks, as often as needed. */
public interface StoredArray {

  /** The number of values a reader should ask for at once. */
  int CHUNK = 1 << 20;

  /** What messages call this array: its path, {@code file.npz:member}. */
  String name();

  /** The type of the values. */
  NumberType type();

  /** The sizes of the axes; none for a single value. */
  long[] sizes();

  /** The number of values. */
  long count();

  /**
   * The values {@code first … first + count − 1} in C order, as little-endian bytes of the type.
   * They stay valid until the next call.
   *
   * @throws dev.batchnorm.InputException if they cannot be read
   */
  ByteBuffer read(long first, int count);

  /** Frees the memory of the chunk read last; the array may be read again. */
  default void release() {}
}
