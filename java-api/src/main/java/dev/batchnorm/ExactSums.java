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
    int most = Integer.MAX_VALUE / (linear.limbs + product.limbs);
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
    return x == DType.F64
        ? new ExactSums(channels, Register.F64, Register.F64_PRODUCT)
        : new ExactSums(channels, Register.F32, Register.F32_PRODUCT);
  }

  /** Empty sums Σdy and Σdy·x for dy and x of the given types. */
  public static ExactSums gradients(int channels, DType dy, DType x) {
    Register linear = dy == DType.F64 ? Register.F64 : Register.F32;
    boolean narrow = dy != DType.F64 && x != DType.F64;
    return new ExactSums(channels, linear, narrow ? Register.F32_PRODUCT : Register.F64_PRODUCT);
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
    add(limbs, channel * (linear.limbs + product.limbs), integer, 0, linear.limbs);
  }

  /** Adds an integer of the product format to a channel's Σx² or Σdy·x. */
  public void addProduct(int channel, long[] integer) {
    add(limbs, channel * (linear.limbs + product.limbs) + linear.limbs, integer, 0, product.limbs);
  }

  /**
   * Adds the other sums to these: counts and integers add, flags unite. The result does not depend
   * on the order of merging.
   *
   * @throws IllegalArgumentException if the other sums have other channels or formats
   */
  public void merge(ExactSums other) {
    if (other.channels != channels || other.linear != linear || other.product != product) {
      throw new IllegalArgumentException("sums: expected " + this + ", found " + other);
    }
    int perChannel = linear.limbs + product.limbs;
    for (int c = 0; c < channels; c++) {
      counts[c] = Math.addExact(counts[c], other.counts[c]);
      flags[c] |= other.flags[c];
      add(limbs, c * perChannel, other.limbs, c * perChannel, linear.limbs);
      add(
          limbs,
          c * perChannel + linear.limbs,
          other.limbs,
          c * perChannel + linear.limbs,
          product.limbs);
    }
  }

  private static void add(long[] into, int at, long[] from, int first, int count) {
    long carry = 0;
    for (int i = 0; i < count; i++) {
      long sum = into[at + i] + from[first + i];
      long carried = Long.compareUnsigned(sum, from[first + i]) < 0 ? 1 : 0;
      long total = sum + carry;
      carry = carried + (Long.compareUnsigned(total, sum) < 0 ? 1 : 0);
      into[at + i] = total;
    }
  }

  /** Equal data give equal sums, whatever engine, order or grouping added them. */
  @Override
  public boolean equals(Object other) {
    if (!(other instanceof ExactSums that)
        || that.linear != linear
        || that.product != product
        || !Arrays.equals(that.counts, counts)
        || !Arrays.equals(that.flags, flags)) {
      return false;
    }
    for (int c = 0; c < channels; c++) {
      if (linearIsFinite(c) && !linearSum(c).equals(that.linearSum(c))) {
        return false;
      }
      if (isFinite(c) && !productSum(c).equals(that.productSum(c))) {
        return false;
      }
    }
    return true;
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
