package dev.batchnorm.reference;

import dev.batchnorm.ExactSums.Register;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * An exact sum of binary64 values or of products of two: a row of digits of 32 bits, each in a long
 * with room for carries (Kulisch's long accumulator, in the small form of Neal, Fast exact
 * summation using small and large superaccumulators, 2015). A number's significand is shifted to
 * where it belongs and added to two digits; carries are settled before a digit can overflow.
 */
final class Superaccumulator {
  private static final int DIGIT_BITS = 32;
  private static final long DIGIT = 0xffffffffL;
  private static final int FRACTION_BITS = 52;
  private static final long FRACTION = (1L << FRACTION_BITS) - 1;
  private static final long EXPONENT = Double.doubleToRawLongBits(Double.POSITIVE_INFINITY);

  /** One addition changes a digit by less than 2^53, so 2^9 of them stay below 2^62. */
  private static final int ADDITIONS_BEFORE_SETTLING = 1 << 9;

  /**
   * Digits below the register's, always 0 when settled: as a binary64, the significand of an f32 or
   * of a product of two ends in zeros.
   */
  private static final int BELOW = 2;

  private final int lowest;
  private final long[] digits;
  private int additions;

  Superaccumulator(Register register) {
    lowest = register.lowest() - BELOW * DIGIT_BITS;
    digits = new long[BELOW + 2 * register.limbs()];
  }

  /** Adds a finite value. */
  void add(double value) {
    add(significand(value), exponent(value));
  }

  /** Adds the exact product of two finite values. */
  void addProduct(double a, double b) {
    long x = significand(a);
    long y = significand(b);
    int exponent = exponent(a) + exponent(b);
    long low = x * y;
    long high = Math.multiplyHigh(x, y);
    add(low & FRACTION, exponent);
    add(high << (Long.SIZE - FRACTION_BITS) | low >>> FRACTION_BITS, exponent + FRACTION_BITS);
  }

  /** The exponent of a value's last bit. */
  private static int exponent(double value) {
    return Math.max(Math.getExponent(value), Double.MIN_EXPONENT) - FRACTION_BITS;
  }

  /** A value in units of its last bit. */
  private static long significand(double value) {
    long bits = Double.doubleToRawLongBits(value);
    long fraction = bits & FRACTION;
    long magnitude = (bits & EXPONENT) == 0 ? fraction : fraction | FRACTION + 1;
    long sign = bits >> (Long.SIZE - 1);
    return (magnitude ^ sign) - sign; // signs come at random: a branch would be mispredicted
  }

  /** Adds significand · 2^exponent, the significand of at most 54 bits. */
  private void add(long significand, int exponent) {
    int position = Math.max(0, exponent - lowest); // a 0 among f32 would lie below
    int digit = position / DIGIT_BITS;
    int shift = position % DIGIT_BITS;
    digits[digit] += significand << shift & DIGIT;
    digits[digit + 1] += significand >> (DIGIT_BITS - shift);
    if (++additions == ADDITIONS_BEFORE_SETTLING) {
      settle();
    }
  }

  private void settle() {
    long carry = 0;
    for (int i = 0; i < digits.length; i++) {
      long digit = digits[i] + carry;
      digits[i] = digit & DIGIT;
      carry = digit >> DIGIT_BITS;
    }
    digits[digits.length - 1] |= carry << DIGIT_BITS; // the sign
    additions = 0;
  }

  /**
   * The sum as an integer of the register, in two's complement, least limb first; the accumulator
   * is 0 again.
   */
  long[] drain(Register register) {
    settle();
    long[] limbs = new long[register.limbs()];
    for (int i = 0; i < limbs.length; i++) {
      limbs[i] = digits[BELOW + 2 * i] | digits[BELOW + 2 * i + 1] << DIGIT_BITS;
    }
    Arrays.fill(digits, 0);
    return limbs;
  }

  /** The sum; the accumulator is 0 again. */
  Dyadic drain() {
    settle();
    ByteBuffer bigEndian = ByteBuffer.allocate(Integer.BYTES * (digits.length + 1));
    bigEndian.putLong(digits[digits.length - 1]); // with the sign
    for (int i = digits.length - 2; i >= 0; i--) {
      bigEndian.putInt((int) digits[i]);
    }
    Arrays.fill(digits, 0);
    return new Dyadic(new BigInteger(bigEndian.array()), lowest).reduced();
  }
}
