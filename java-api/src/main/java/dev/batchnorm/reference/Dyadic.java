package dev.batchnorm.reference;

import java.math.BigInteger;

/**
 * An exact number {@code integer · 2^exponent}, so that formulas over exact sums read as they are
 * written.
 */
record Dyadic(BigInteger integer, int exponent) {

  static Dyadic of(long value) {
    return new Dyadic(BigInteger.valueOf(value), 0);
  }

  /** The exact value of a finite binary64. */
  static Dyadic of(double value) {
    int exponent = Math.max(Math.getExponent(value), Double.MIN_EXPONENT) - 52;
    long significand = (long) Math.scalb(Math.abs(value), -exponent);
    return new Dyadic(BigInteger.valueOf(value < 0 ? -significand : significand), exponent);
  }

  Dyadic plus(Dyadic other) {
    int common = Math.min(exponent, other.exponent);
    BigInteger sum =
        integer.shiftLeft(exponent - common).add(other.integer.shiftLeft(other.exponent - common));
    return new Dyadic(sum, common);
  }

  Dyadic minus(Dyadic other) {
    return plus(new Dyadic(other.integer.negate(), other.exponent));
  }

  Dyadic times(Dyadic other) {
    return new Dyadic(integer.multiply(other.integer), Math.addExact(exponent, other.exponent));
  }

  /** The same number with an odd integer, or 0. */
  Dyadic reduced() {
    int zeros = Math.max(integer.getLowestSetBit(), 0);
    return new Dyadic(integer.shiftRight(zeros), exponent + zeros);
  }

  int signum() {
    return integer.signum();
  }
}
