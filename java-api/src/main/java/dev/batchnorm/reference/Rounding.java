package dev.batchnorm.reference;

import dev.batchnorm.DType;
import java.math.BigInteger;

/**
 * RN_T: an exact number rounded once to binary16, binary32 or binary64, to nearest, ties to even.
 * Overflow gives an infinity, an exact 0 gives +0, a non-zero number that rounds to 0 keeps its
 * sign.
 */
final class Rounding {
  /**
   * Bits of quotient that are computed before the rest is only asked whether it is 0: more than 53
   * + 1.
   */
  private static final int QUOTIENT_BITS = 64;

  private Rounding() {}

  /** RN_T(n / d), d not 0. */
  static double ratio(Dyadic n, Dyadic d, DType type) {
    if (n.signum() == 0) {
      return 0.0;
    }
    BigInteger numerator = n.integer().abs();
    BigInteger denominator = d.integer().abs();
    int shift = QUOTIENT_BITS + denominator.bitLength() - numerator.bitLength();
    BigInteger[] quotient =
        shifted(numerator, shift).divideAndRemainder(shifted(denominator, -shift));
    int exponent = n.exponent() - d.exponent() - shift;
    double magnitude = round(quotient[0], exponent, quotient[1].signum() != 0, type);
    return n.signum() == d.signum() ? magnitude : -magnitude;
  }

  /** RN_T(n / √d) with the sign of n, d positive. */
  static double ratioToRoot(Dyadic n, Dyadic d, DType type) {
    if (n.signum() == 0) {
      return 0.0;
    }
    BigInteger square = n.integer().pow(2);
    int exponent = 2 * n.exponent() - d.exponent();
    int shift = 2 * QUOTIENT_BITS + d.integer().bitLength() - square.bitLength();
    shift += (exponent - shift) & 1; // the root of 2^(exponent − shift) must be a power of two
    BigInteger[] quotient = shifted(square, shift).divideAndRemainder(shifted(d.integer(), -shift));
    BigInteger[] root = quotient[0].sqrtAndRemainder();
    boolean inexact = quotient[1].signum() != 0 || root[1].signum() != 0;
    double magnitude = round(root[0], (exponent - shift) / 2, inexact, type);
    return n.signum() > 0 ? magnitude : -magnitude;
  }

  /**
   * The number shifted left, or unchanged where the shift is negative: then its partner is shifted.
   */
  private static BigInteger shifted(BigInteger number, int shift) {
    return shift > 0 ? number.shiftLeft(shift) : number;
  }

  /**
   * RN_T((quotient + r) · 2^exponent), where 0 ≤ r < 1 and r is not 0 if and only if {@code
   * inexact}.
   */
  private static double round(BigInteger quotient, int exponent, boolean inexact, DType type) {
    int precision =
        switch (type) {
          case F16 -> 11;
          case F32 -> 24;
          case F64 -> 53;
        };
    int lowest =
        switch (type) {
          case F16 -> -24;
          case F32 -> -149;
          case F64 -> -1074;
        };
    int dropped = Math.max(quotient.bitLength() - precision, lowest - exponent);
    if (dropped > quotient.bitLength()) {
      return 0.0; // below half of the smallest subnormal
    }
    BigInteger kept = quotient.shiftRight(dropped);
    boolean half = quotient.testBit(dropped - 1);
    boolean rest = inexact || quotient.getLowestSetBit() < dropped - 1;
    if (half && (rest || kept.testBit(0))) {
      kept = kept.add(BigInteger.ONE);
    }
    return type.round(Math.scalb(kept.doubleValue(), exponent + dropped)); // too large is infinite
  }
}
