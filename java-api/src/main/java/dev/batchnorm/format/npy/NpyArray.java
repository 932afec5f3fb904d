package dev.batchnorm.format.npy;

import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import java.nio.ByteBuffer;

/**
 * An array of any real type in an NPY file, in either byte order, in C or Fortran order. The header
 * is read at once, the values when asked for.
 */
public final class NpyArray implements StoredArray {
  private final InputBytes in;
  private final NpyHeader header;
  private final NumberType type;
  private final long count;
  private final NpyData data;

  private NpyArray(InputBytes in, NpyHeader header, NumberType type, long count) {
    this.in = in;
    this.header = header;
    this.type = type;
    this.count = count;
    this.data = new NpyData(in, header, type.bytes());
  }

  /**
   * Reads the header and checks it against the size of the input, which stays the caller's and must
   * stay open until the values are read.
   *
   * @throws InputException if this is no NPY file, its values are not real numbers, it is cut short
   *     or has bytes behind its values
   */
  public static NpyArray open(InputBytes in) {
    NpyHeader header = NpyHeader.read(in);
    NumberType type = header.type(in.name());
    return new NpyArray(in, header, type, header.checkedCount(in.name(), in.size(), type.bytes()));
  }

  /**
   * Checks the header before the values are there, so that a compressed file that is no array need
   * not be inflated.
   *
   * @param start the first bytes of the file, the header inside
   * @param fileSize the number of bytes the whole file shall have
   * @throws InputException as {@link #open} would
   */
  public static void check(InputBytes start, long fileSize) {
    NpyHeader header = NpyHeader.read(start);
    header.checkedCount(start.name(), fileSize, header.type(start.name()).bytes());
  }

  @Override
  public String name() {
    return in.name();
  }

  @Override
  public NumberType type() {
    return type;
  }

  @Override
  public long[] sizes() {
    return header.sizes.clone();
  }

  @Override
  public long count() {
    return count;
  }

  /** The same array with memory of its own, for another thread. */
  NpyArray again() {
    return new NpyArray(in, header, type, count);
  }

  /** Whether the values lie in the file as they are read, one after the other. */
  boolean isInPlace() {
    return data.isInPlace();
  }

  /** Whether the first axis varies fastest in the file. */
  public boolean fortranOrder() {
    return header.fortranOrder;
  }

  /** numpy's descriptor as the header has it, {@code >f4}. */
  public String descriptor() {
    return header.descriptor;
  }

  /** Memory of one chunk, and for Fortran order of a panel of at most 256 MiB, off the heap. */
  @Override
  public ByteBuffer read(long first, int count) {
    return data.read(first, count);
  }

  @Override
  public void release() {
    data.release();
  }

  /**
   * All values in C order, widened exactly.
   *
   * @throws InputException if an integer is no binary64, there are more than 2³¹ − 9, or they
   *     cannot be read
   */
  public double[] values() {
    if (count > Integer.MAX_VALUE - 8) {
      throw new InputException(
          name() + ": expected a small array, found shape " + Shape.text(header.sizes));
    }
    double[] values = new double[(int) count];
    for (int at = 0; at < values.length; at += CHUNK) {
      int part = Math.min(CHUNK, values.length - at);
      ByteBuffer bytes = read(at, part);
      for (int i = 0; i < part; i++) {
        int offset = i * type.bytes();
        if (!type.isExact(bytes, offset)) {
          throw inexact(
              this,
              (long) at + i,
              type.text(bytes, offset),
              "numpy.save(file, array.astype('<f8')) rounds them to the nearest");
        }
        values[at + i] = type.get(bytes, offset);
      }
    }
    return values;
  }

  static InputException inexact(NpyArray array, long index, String found, String hint) {
    return new InputException(
        array.name()
            + ": expected integers that a binary64 holds exactly, found "
            + found
            + " at index "
            + Shape.tuple(Shape.indices(index, array.header.sizes)),
        hint);
  }
}
