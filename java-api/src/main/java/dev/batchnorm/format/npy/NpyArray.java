package dev.batchnorm.format.npy;

import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.format.InputBytes;
import java.math.BigInteger;
import java.nio.ByteBuffer;

/**
 * A small array of any real type, as parameters and counts are: f32, f64, and integers with and
 * without sign, read exactly into binary64. The header is read at once, the values when asked for.
 */
public final class NpyArray {
  private static final String TYPES = "f4, f8, i1, i2, i4, i8, u1, u2, u4 or u8 (little-endian)";

  private final InputBytes in;
  private final NpyHeader header;
  private final char kind;
  private final int itemBytes;
  private final long count;

  private NpyArray(InputBytes in, NpyHeader header, int itemBytes, long count) {
    this.in = in;
    this.header = header;
    this.kind = header.descriptor.charAt(1);
    this.itemBytes = itemBytes;
    this.count = count;
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
    int itemBytes = itemBytes(in.name(), header);
    long count = header.checkedCount(in.name(), in.size(), itemBytes);
    return new NpyArray(in, header, itemBytes, count);
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
    header.checkedCount(start.name(), fileSize, itemBytes(start.name(), header));
  }

  private static int itemBytes(String name, NpyHeader header) {
    String descriptor = header.descriptor;
    if (!descriptor.matches("<[iu][248]|[|][iu]1|<f[48]")) {
      throw NpySource.refused(name, descriptor, TYPES);
    }
    return descriptor.charAt(2) - '0';
  }

  /** What messages call this array. */
  public String name() {
    return in.name();
  }

  /** numpy's descriptor of the type, {@code <i8}. */
  public String descriptor() {
    return header.descriptor;
  }

  /** The sizes of the axes; none for a single value. */
  public long[] sizes() {
    return header.sizes.clone();
  }

  /** The number of values. */
  public long count() {
    return count;
  }

  /**
   * Reads the values in C order.
   *
   * @throws InputException if an integer is no binary64, there are more than 2³¹ − 9, or they
   *     cannot be read
   */
  public double[] values() {
    if (count > Integer.MAX_VALUE - 8) {
      throw new InputException(
          in.name() + ": expected a small array, found shape " + Shape.text(header.sizes));
    }
    double[] values = new double[(int) count];
    NpyData data = new NpyData(in, header, itemBytes);
    for (int at = 0; at < values.length; at += NpyData.CHUNK) {
      int part = Math.min(NpyData.CHUNK, values.length - at);
      ByteBuffer bytes = data.read(at, part);
      for (int i = 0; i < part; i++) {
        values[at + i] = kind == 'f' ? floating(bytes) : integer(bytes);
      }
    }
    return values;
  }

  private double floating(ByteBuffer bytes) {
    return itemBytes == 4 ? bytes.getFloat() : bytes.getDouble();
  }

  private double integer(ByteBuffer bytes) {
    boolean signed = kind == 'i';
    return switch (itemBytes) {
      case 1 -> signed ? bytes.get() : bytes.get() & 0xFF;
      case 2 -> signed ? bytes.getShort() : bytes.getShort() & 0xFFFF;
      case 4 -> signed ? bytes.getInt() : bytes.getInt() & 0xFFFFFFFFL;
      default -> exact(bytes.getLong(), signed);
    };
  }

  private double exact(long value, boolean signed) {
    BigInteger integer =
        signed ? BigInteger.valueOf(value) : new BigInteger(Long.toUnsignedString(value));
    if (integer.bitLength() > 53 && integer.abs().bitLength() - integer.getLowestSetBit() > 53) {
      throw new InputException(
          in.name() + ": expected integers that a binary64 holds exactly, found " + integer);
    }
    return integer.doubleValue();
  }
}
