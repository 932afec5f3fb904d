package dev.batchnorm.reference;

import dev.batchnorm.ExactSums.Register;
import java.util.Arrays;

/**
 * An exact sum of binary64 values or of products of two: a row of digits of 32 bits, each in a long
 * with room for carries (Kulisch's long accumulator). A number's significand is cut into 32-bit
 * pieces, each is added where it belongs, and carries are settled before a digit can overflow.
 */
final class Superaccumulator {
  private static final int DIGIT_BITS = 32;
  private static final long DIGIT = 0xffffffffL;

  /** One addition changes a digit by less than 2^34, so 2^28 of them stay below 2^62. */
  private static final int ADDITIONS_BEFORE_SETTLING = 1 << 28;

  private final int lowest;
  private final long[] digits;
  private int additions;

  Superaccumulator(Register register) {
    lowest = register.lowest();
    // A significand at the top of the range is cut into pieces whose upper ones are 0: room for
    // them.
    digits = new long[2 * register.limbs() + 6];
  }

  /** Adds a finite value. */
  void add(double value) {
    addSignificand(significand(value), 0, exponent(value), value < 0);
  }

  /** Adds the exact product of two finite values. */
  void addProduct(double a, double b) {
    long x = significand(a);
    long y = significand(b);
    addSignificand(x * y, Math.multiplyHigh(x, y), exponent(a) + exponent(b), (a < 0) != (b < 0));
  }

  private static int exponent(double value) {
    return Math.max(Math.getExponent(value), Double.MIN_EXPONENT) - 52;
  }

  private static long significand(double value) {
    long bits = Double.doubleToRawLongBits(value);
    long fraction = bits & 0x000fffffffffffffL;
    return (bits & 0x7ff0000000000000L) == 0 ? fraction : fraction | 0x0010000000000000L;
  }

  /** Adds ± (high·2^64 + low)·2^exponent. */
  private void addSignificand(long low, long high, int exponent, boolean negative) {
    int position = exponent - lowest;
    if (position < 0) {
      low >>>= -position; // an f32, whose significand ends in 29 zeros as a binary64
      position = 0;
    }
    int digit = position / DIGIT_BITS;
    int shift = position % DIGIT_BITS;
    addPiece(low & DIGIT, digit, shift, negative);
    addPiece(low >>> DIGIT_BITS, digit + 1, shift, negative);
    if (high != 0) {
      addPiece(high & DIGIT, digit + 2, shift, negative);
      addPiece(high >>> DIGIT_BITS, digit + 3, shift, negative);
    }
    if (++additions == ADDITIONS_BEFORE_SETTLING) {
      settle();
    }
  }

  private void addPiece(long piece, int digit, int shift, boolean negative) {
    long shifted = piece << shift;
    if (negative) {
      digits[digit] -= shifted & DIGIT;
      digits[digit + 1] -= shifted >>> DIGIT_BITS;
    } else {
      digits[digit] += shifted & DIGIT;
      digits[digit + 1] += shifted >>> DIGIT_BITS;
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
      limbs[i] = digits[2 * i] | digits[2 * i + 1] << DIGIT_BITS;
    }
    Arrays.fill(digits, 0);
    return limbs;
  }
}
