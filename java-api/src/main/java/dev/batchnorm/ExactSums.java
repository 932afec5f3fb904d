package dev.batchnorm;

import java.math.BigInteger;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The exact sums of each channel: Σx and Σx² of a batch, or Σdy and Σdy·x of its gradients. Adding
 * loses nothing, so the order of adding does not matter.
 *
 * <p>A sum is a few binary64 terms and a fixed-point integer wide enough for 2⁶³ values of any
 * size; it is the exact total of all of them. The terms hold the sums of ordinary data. The
 * integers take what no term can, and have no memory until a channel needs one: 40 bytes a channel
 * for f32 and 56 for f64, with integers 168 and 864.
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
   * Where a number and its sum with a term stay below this, so does everything in TwoSum but for a
   * factor of 4, and nothing overflows. There is no such limit at the other end: errors of adding
   * are multiples of 2⁻¹⁰⁷⁴ as terms are.
   */
  private static final double TERM_LIMIT = 0x1p1000;

  /**
   * The format of a sum: binary64 terms, and an integer in two's complement in units of 2^{@link
   * #lowest}.
   *
   * <p>Bits needed, sign included, for 2⁶³ values: f32 341 and 618, f64 2162 and 4260.
   */
  public enum Register {
    /** Of a sum that is not kept: it is always 0. */
    NONE(0, 0, 0),
    F32(-149, 6, 2),
    F32_PRODUCT(-298, 10, 3),
    F64(-1074, 34, 3),
    F64_PRODUCT(-2148, 67, 4);

    private final int lowest;
    private final int limbs;
    private final int terms;

    Register(int lowest, int limbs, int terms) {
      this.lowest = lowest;
      this.limbs = limbs;
      this.terms = terms;
    }

    /** The exponent of the unit. */
    public int lowest() {
      return lowest;
    }

    /** The number of 64-bit limbs. */
    public int limbs() {
      return limbs;
    }

    /** The number of binary64 terms. */
    public int terms() {
      return terms;
    }
  }

  private final int channels;
  private final Part linear;
  private final Part product;
  private final long[] counts;
  private final int[] flags;
  private final double[] terms;
  private long @Nullable [] limbs;

  private ExactSums(int channels, Register linear, Register product) {
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
    this.channels = channels;
    this.linear = new Part(linear, 0, 0);
    this.product = new Part(product, linear.terms, linear.limbs);
    this.counts = new long[channels];
    this.flags = new int[channels];
    this.terms = new double[channels * (linear.terms + product.terms)];
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

  /** Empty sums Σa·b alone, for x of the given type; f16 has the format of f32. */
  static ExactSums products(int channels, DType x) {
    return new ExactSums(channels, Register.NONE, statistics(0, x).product());
  }

  /**
   * The sums of all data behind the two, which stay as they are, in the wider formats of both.
   *
   * @throws IllegalArgumentException if they have different numbers of channels, or a channel would
   *     count 2⁶³ values or more
   */
  public static ExactSums merged(ExactSums a, ExactSums b) {
    ExactSums merged =
        new ExactSums(a.channels, wider(a.linear(), b.linear()), wider(a.product(), b.product()));
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
    return mostChannels(sums.linear(), sums.product());
  }

  /** Java's arrays can hold the limbs of so many. */
  private static int mostChannels(Register linear, Register product) {
    return Integer.MAX_VALUE / (linear.limbs + product.limbs);
  }

  /** The number of channels C. */
  public int channels() {
    return channels;
  }

  /** The format of Σx or Σdy. */
  public Register linear() {
    return linear.format;
  }

  /** The format of Σx² or Σdy·x. */
  public Register product() {
    return product.format;
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
   * All terms: term k of channel c is at k · C + c, those of the linear sum first. They are finite
   * and in no order; shared, for engines.
   */
  public double[] terms() {
    return terms;
  }

  /**
   * All limbs, least first: for each channel those of the linear sum, then those of the products.
   * Null where all integers are 0 and have no memory yet; shared, for engines.
   */
  public long @Nullable [] limbs() {
    return limbs;
  }

  /** The limbs, which get memory if they have none; shared, for engines. */
  public long[] ensureLimbs() {
    if (limbs == null) {
      limbs = new long[channels * limbsPerChannel()];
    }
    return limbs;
  }

  /** The number of limbs of both sums of a channel. */
  public int limbsPerChannel() {
    return linear.format.limbs + product.format.limbs;
  }

  /** Σx or Σdy of a channel, in units of 2 to the power of {@code linear().lowest()}. */
  public BigInteger linearSum(int channel) {
    return linear.sum(channel);
  }

  /** Σx² or Σdy·x of a channel, in units of 2 to the power of {@code product().lowest()}. */
  public BigInteger productSum(int channel) {
    return product.sum(channel);
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

  /**
   * Adds an integer to a channel's Σx or Σdy.
   *
   * @param integer of the linear format: in two's complement, limbs from the least
   */
  public void addLinear(int channel, long[] integer) {
    linear.add(channel, integer);
  }

  /**
   * Adds an integer to a channel's Σx² or Σdy·x.
   *
   * @param integer of the product format: in two's complement, limbs from the least
   */
  public void addProduct(int channel, long[] integer) {
    product.add(channel, integer);
  }

  /** Takes back that many zeros of each channel, which were counted. */
  void leaveOut(long... zeros) {
    for (int c = 0; c < counts.length; c++) {
      counts[c] -= zeros[c];
    }
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
        || other.linear().lowest < linear().lowest
        || other.product().lowest < product().lowest) {
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
      counts[c] += other.counts[c];
      flags[c] |= other.flags[c];
      linear.add(c, other.linear);
      product.add(c, other.product);
    }
  }

  /** One of the two sums of each channel. */
  private final class Part {
    private final Register format;
    private final int firstTerm;
    private final int firstLimb;

    Part(Register format, int firstTerm, int firstLimb) {
      this.format = format;
      this.firstTerm = firstTerm;
      this.firstLimb = firstLimb;
    }

    private int termIndex(int channel, int k) {
      return (firstTerm + k) * channels + channel;
    }

    private int limbIndex(int channel) {
      return channel * limbsPerChannel() + firstLimb;
    }

    BigInteger sum(int channel) {
      BigInteger sum =
          limbs == null || format == Register.NONE
              ? BigInteger.ZERO
              : integer(limbs, limbIndex(channel));
      for (int k = 0; k < format.terms; k++) {
        double term = terms[termIndex(channel, k)];
        int shift = exponent(term) - format.lowest; // negative only where zeros are shifted out
        sum = sum.add(BigInteger.valueOf(significand(term)).shiftLeft(shift));
      }
      return sum;
    }

    private BigInteger integer(long[] limbs, int first) {
      byte[] bigEndian = new byte[format.limbs * Long.BYTES];
      for (int i = 0; i < bigEndian.length; i++) {
        long limb = limbs[first + i / Long.BYTES];
        bigEndian[bigEndian.length - 1 - i] = (byte) (limb >>> (8 * (i % Long.BYTES)));
      }
      return new BigInteger(bigEndian);
    }

    /** Adds an integer of this format in pieces of 32 bits, the upper ones first. */
    void add(int channel, long[] integer) {
      boolean negative = integer[format.limbs - 1] < 0;
      long[] magnitude = negative ? negated(integer) : integer;
      for (int i = 2 * format.limbs - 1; i >= 0; i--) {
        long piece = magnitude[i / 2] >>> (32 * (i % 2)) & 0xffffffffL;
        if (piece != 0) {
          add(channel, negative ? -piece : piece, format.lowest + 32 * i);
        }
      }
    }

    /** Adds piece · 2^exponent, to the limbs where that is no binary64 or a large one. */
    private void add(int channel, long piece, int exponent) {
      if (exponent >= Double.MIN_EXPONENT - 52 && exponent + 32 <= Math.getExponent(TERM_LIMIT)) {
        add(channel, Math.scalb((double) piece, exponent));
      } else {
        addToLimbs(channel, piece, exponent);
      }
    }

    /** Adds another sum of the same or a narrower format. */
    void add(int channel, ExactSums.Part other) {
      other.addTo(channel, this);
    }

    /** Adds this sum; to itself too, so what is added is read before anything changes. */
    private void addTo(int channel, ExactSums.Part wide) {
      double[] numbers = new double[format.terms];
      Arrays.setAll(numbers, k -> terms[termIndex(channel, k)]);
      if (limbs != null && format != Register.NONE) {
        wide.addToLimbs(channel, limbs, limbIndex(channel), format.limbs, format.lowest);
      }
      for (double number : numbers) {
        wide.add(channel, number);
      }
    }

    /** Adds a number to the terms, and what they have no room for to the limbs. */
    private void add(int channel, double number) {
      double rest = addToTerms(channel, number);
      // Where terms overlap, adding each anew makes room.
      for (int k = 1; rest != 0 && k < format.terms; k++) {
        double term = terms[termIndex(channel, k)];
        terms[termIndex(channel, k)] = 0;
        addToLimbs(channel, addToTerms(channel, term));
      }
      addToLimbs(channel, addToTerms(channel, rest));
    }

    /**
     * Adds a number to a term, the error of that to the next term, and so on (Knuth's TwoSum, which
     * is exact). Returns what is left.
     */
    private double addToTerms(int channel, double number) {
      double rest = number;
      for (int k = 0; rest != 0 && k < format.terms; k++) {
        double term = terms[termIndex(channel, k)];
        double sum = term + rest;
        if (Math.abs(rest) >= TERM_LIMIT || Math.abs(sum) >= TERM_LIMIT) {
          return rest;
        }
        double added = sum - term;
        rest = (term - (sum - added)) + (rest - added);
        terms[termIndex(channel, k)] = sum;
      }
      return rest;
    }

    private void addToLimbs(int channel, double number) {
      addToLimbs(channel, significand(number), exponent(number));
    }

    private void addToLimbs(int channel, long significand, int exponent) {
      int zeros = Math.max(0, format.lowest - exponent);
      if (significand != 0) {
        addToLimbs(channel, new long[] {significand >> zeros}, 0, 1, exponent + zeros);
      }
    }

    /** Adds the integer of {@code count} limbs from {@code first} on, in units of 2^lowest. */
    private void addToLimbs(int channel, long[] integer, int first, int count, int lowest) {
      long[] to = ensureLimbs();
      int at = limbIndex(channel);
      int empty = (lowest - format.lowest) / Long.SIZE;
      int bits = (lowest - format.lowest) % Long.SIZE;
      long sign = integer[first + count - 1] >> (Long.SIZE - 1);
      long below = 0;
      long carry = 0;
      for (int i = empty; i < format.limbs; i++) {
        long limb = i - empty < count ? integer[first + i - empty] : sign;
        long shifted = limb << bits | below >>> 1 >>> (Long.SIZE - 1 - bits);
        below = limb;
        long sum = to[at + i] + shifted;
        long carried = Long.compareUnsigned(sum, shifted) < 0 ? 1 : 0;
        long total = sum + carry;
        carry = carried + (Long.compareUnsigned(total, sum) < 0 ? 1 : 0);
        to[at + i] = total;
      }
    }
  }

  private static long[] negated(long[] integer) {
    long[] negated = new long[integer.length];
    boolean carry = true;
    for (int i = 0; i < integer.length; i++) {
      negated[i] = carry ? -integer[i] : ~integer[i];
      carry &= integer[i] == 0;
    }
    return negated;
  }

  /** The exponent of a binary64's last bit. */
  private static int exponent(double value) {
    return Math.max(Math.getExponent(value), Double.MIN_EXPONENT) - 52;
  }

  /** A binary64 in units of its last bit. */
  private static long significand(double value) {
    return (long) Math.scalb(value, -exponent(value));
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
      if (linearIsFinite(c) && !equal(linearSum(c), linear(), that.linearSum(c), that.linear())) {
        return false;
      }
      if (isFinite(c) && !equal(productSum(c), product(), that.productSum(c), that.product())) {
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
    return "sums of " + channels + " channels (" + linear() + ", " + product() + ")";
  }
}
