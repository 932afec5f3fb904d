package dev.batchnorm;

import java.math.BigInteger;
import java.util.Arrays;

/**
 * The exact sums of each channel: Σx and Σx² of a batch, or Σdy and Σdy·x of its gradients. Sums
 * are fixed-point integers wide enough for 2⁶³ values of any size, so adding loses nothing and the
 * order of adding does not matter.
 *
 * <p>A channel that saw a value that is not finite remembers which kind; its sums then mean
 * nothing. Not safe for use by several threads at once.
 */
public final class ExactSums {
  /** Flag: the channel saw a NaN. */
  public static final int NAN = 1;

  /** Flag: the channel saw +∞. */
  public static final int POSITIVE_INFINITY = 2;

  /** Flag: the channel saw −∞. */
  public static final int NEGATIVE_INFINITY = 4;

  /**
   * Flag of gradient sums: the channel's x has a value that is not finite, so Σdy·x means nothing.
   */
  public static final int PRODUCT_NOT_FINITE = 8;

  /**
   * A fixed-point format: an integer in two's complement, in units of 2^{@link #lowest}.
   *
   * <p>Bits needed, sign included, for 2⁶³ values: f32 341 and 618, f64 2162 and 4260.
   */
  public enum Register {
    F32(-149, 6),
    F32_PRODUCT(-298, 10),
    F64(-1074, 34),
    F64_PRODUCT(-2148, 67);

    private final int lowest;
    private final int limbs;

    Register(int lowest, int limbs) {
      this.lowest = lowest;
      this.limbs = limbs;
    }

    /** The exponent of the unit. */
    public int lowest() {
      return lowest;
    }

    /** The number of 64-bit limbs. */
    public int limbs() {
      return limbs;
    }
  }

  private final Register linear;
  private final Register product;
  private final int channels;
  private final long[] counts;
  private final int[] flags;
  private final long[] limbs;

  private ExactSums(int channels, Register linear, Register product) {
    this.channels = channels;
    this.linear = linear;
    this.product = product;
    int most = mostChannels(linear, product);
    if (channels < 0 || channels > most) {
      throw new IllegalArgumentException(
          "channels: expected 0 to "
              + most
              + " (sums "
              + linear
              + " and "
              + product
              + "), found "
              + channels);
    }
    this.limbs = new long[channels * (linear.limbs + product.limbs)];
    this.counts = new long[channels];
    this.flags = new int[channels];
  }

  /** Empty sums Σx and Σx² for x of the given type; f16 has the formats of f32. */
  public static ExactSums statistics(int channels, DType x) {
    return gradients(channels, x, x);
  }

  /** Empty sums Σdy and Σdy·x for dy and x of the given types. */
  public static ExactSums gradients(int channels, DType dy, DType x) {
    Register linear = dy == DType.F64 ? Register.F64 : Register.F32;
    boolean narrow = dy != DType.F64 && x != DType.F64;
    return new ExactSums(channels, linear, narrow ? Register.F32_PRODUCT : Register.F64_PRODUCT);
  }

  /**
   * The sums of all data behind the two, which stay as they are, in the wider formats of both.
   *
   * @throws IllegalArgumentException if they have different numbers of channels, or a channel would
   *     count 2⁶³ values or more
   */
  public static ExactSums merged(ExactSums a, ExactSums b) {
    ExactSums merged =
        new ExactSums(a.channels, wider(a.linear, b.linear), wider(a.product, b.product));
    merged.merge(a);
    merged.merge(b);
    return merged;
  }

  private static Register wider(Register a, Register b) {
    return a.lowest < b.lowest ? a : b;
  }

  /** The largest number of channels that sums Σx and Σx² for x of the given type can have. */
  public static int mostChannels(DType x) {
    ExactSums sums = statistics(0, x);
    return mostChannels(sums.linear, sums.product);
  }

  private static int mostChannels(Register linear, Register product) {
    return Integer.MAX_VALUE / (linear.limbs + product.limbs);
  }

  /** The number of channels C. */
  public int channels() {
    return channels;
  }

  /** The format of Σx or Σdy. */
  public Register linear() {
    return linear;
  }

  /** The format of Σx² or Σdy·x. */
  public Register product() {
    return product;
  }

  /** The number of values m each channel has seen; shared, for engines. */
  public long[] counts() {
    return counts;
  }

  /** The flags of each channel; shared, for engines. */
  public int[] flags() {
    return flags;
  }

  /**
   * All limbs, least first: for each channel those of the linear sum, then those of the products;
   * shared, for engines.
   */
  public long[] limbs() {
    return limbs;
  }

  /** Σx or Σdy of a channel, in units of 2 to the power of {@code linear().lowest()}. */
  public BigInteger linearSum(int channel) {
    return integer(channel * (linear.limbs + product.limbs), linear.limbs);
  }

  /** Σx² or Σdy·x of a channel, in units of 2 to the power of {@code product().lowest()}. */
  public BigInteger productSum(int channel) {
    return integer(channel * (linear.limbs + product.limbs) + linear.limbs, product.limbs);
  }

  /**
   * Whether every value behind Σx or Σdy of a channel was finite, so that the sum means something.
   */
  public boolean linearIsFinite(int channel) {
    return (flags[channel] & ~PRODUCT_NOT_FINITE) == 0;
  }

  /** Whether every value behind both sums of a channel was finite. */
  public boolean isFinite(int channel) {
    return flags[channel] == 0;
  }

  /**
   * Whether all values behind Σx and Σx² of a channel are equal, so that m·Σx² = (Σx)² and V = 0
   * exactly (F2).
   */
  public boolean isConstant(int channel) {
    BigInteger sum = linearSum(channel);
    BigInteger m = BigInteger.valueOf(counts[channel]);
    return m.multiply(productSum(channel)).equals(sum.multiply(sum));
  }

  private BigInteger integer(int first, int count) {
    byte[] bigEndian = new byte[count * Long.BYTES];
    for (int i = 0; i < bigEndian.length; i++) {
      long limb = limbs[first + i / Long.BYTES];
      bigEndian[bigEndian.length - 1 - i] = (byte) (limb >>> (8 * (i % Long.BYTES)));
    }
    return new BigInteger(bigEndian);
  }

  /** Adds an integer of the linear format to a channel's Σx or Σdy. */
  public void addLinear(int channel, long[] integer) {
    add(channel * (linear.limbs + product.limbs), linear, integer, 0, linear);
  }

  /** Adds an integer of the product format to a channel's Σx² or Σdy·x. */
  public void addProduct(int channel, long[] integer) {
    int first = channel * (linear.limbs + product.limbs) + linear.limbs;
    add(first, product, integer, 0, product);
  }

  /**
   * Adds the other sums to these: counts and integers add, flags unite. The result does not depend
   * on the order of merging. Sums of f64 take those of narrower types too; {@link #merged} takes
   * any.
   *
   * @throws IllegalArgumentException if the other sums have other channels or wider formats, or a
   *     channel would count 2⁶³ values or more; these sums are then as before
   */
  public void merge(ExactSums other) {
    if (other.channels != channels
        || other.linear.lowest < linear.lowest
        || other.product.lowest < product.lowest) {
      throw new IllegalArgumentException("sums: expected " + this + ", found " + other);
    }
    for (int c = 0; c < channels; c++) {
      if (counts[c] > Long.MAX_VALUE - other.counts[c]) {
        throw new IllegalArgumentException(
            "sums: expected fewer than 2^63 values per channel, found "
                + BigInteger.valueOf(counts[c]).add(BigInteger.valueOf(other.counts[c]))
                + " at channel "
                + c);
      }
    }
    for (int c = 0; c < channels; c++) {
      int to = c * (linear.limbs + product.limbs);
      int from = c * (other.linear.limbs + other.product.limbs);
      counts[c] += other.counts[c];
      flags[c] |= other.flags[c];
      add(to, linear, other.limbs, from, other.linear);
      add(to + linear.limbs, product, other.limbs, from + other.linear.limbs, other.product);
    }
  }

  /** Adds an integer of the same or a narrower format, shifted to the unit of the wider. */
  private void add(int to, Register wide, long[] integer, int from, Register narrow) {
    int shift = narrow.lowest - wide.lowest;
    int empty = shift / Long.SIZE;
    int bits = shift % Long.SIZE;
    long sign = integer[from + narrow.limbs - 1] >> (Long.SIZE - 1);
    long below = 0;
    long carry = 0;
    for (int i = empty; i < wide.limbs; i++) {
      long limb = i - empty < narrow.limbs ? integer[from + i - empty] : sign;
      long shifted = limb << bits | below >>> 1 >>> (Long.SIZE - 1 - bits);
      below = limb;
      long sum = limbs[to + i] + shifted;
      long carried = Long.compareUnsigned(sum, shifted) < 0 ? 1 : 0;
      long total = sum + carry;
      carry = carried + (Long.compareUnsigned(total, sum) < 0 ? 1 : 0);
      limbs[to + i] = total;
    }
  }

  /** Equal data give equal sums, whatever engine, order, grouping or type added them. */
  @Override
  public boolean equals(Object other) {
    if (!(other instanceof ExactSums that)
        || !Arrays.equals(that.counts, counts)
        || !Arrays.equals(that.flags, flags)) {
      return false;
    }
    for (int c = 0; c < channels; c++) {
      if (linearIsFinite(c) && !equal(linearSum(c), linear, that.linearSum(c), that.linear)) {
        return false;
      }
      if (isFinite(c) && !equal(productSum(c), product, that.productSum(c), that.product)) {
        return false;
      }
    }
    return true;
  }

  private static boolean equal(BigInteger a, Register formatOfA, BigInteger b, Register formatOfB) {
    int lowest = Math.min(formatOfA.lowest, formatOfB.lowest);
    return a.shiftLeft(formatOfA.lowest - lowest).equals(b.shiftLeft(formatOfB.lowest - lowest));
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(counts);
  }

  @Override
  public String toString() {
    return "sums of " + channels + " channels (" + linear + ", " + product + ")";
  }
}
