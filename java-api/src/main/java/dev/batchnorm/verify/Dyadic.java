package dev.batchnorm.verify;

import java.math.BigInteger;

/**
 * An exact number {@code integer · 2^exponent}. This one is not the reference engine's, so that
 * what judges gradients shares nothing with what computes them.
 */
record Dyadic(BigInteger integer, int exponent) {
  private static final int KEPT = 62;

  static final Dyadic ZERO = new Dyadic(BigInteger.ZERO, 0);

  /** The exact value of a finite binary64. */
  static Dyadic of(double value) {
    int grid = grid(value);
    return new Dyadic(integer(value, grid), grid);
  }

  /** The exact sum. */
  static Dyadic sum(double[] values) {
    int grid = grid(values);
    BigInteger sum = BigInteger.ZERO;
    for (double value : values) {
      sum = sum.add(integer(value, grid));
    }
    return new Dyadic(sum, grid);
  }

  /** The exact sum of squares. */
  static Dyadic sumOfSquares(double[] values) {
    int grid = grid(values);
    BigInteger sum = BigInteger.ZERO;
    for (double value : values) {
      BigInteger integer = integer(value, grid);
      sum = sum.add(integer.multiply(integer));
    }
    return new Dyadic(sum, 2 * grid);
  }

  /** The largest g for which all the finite values are multiples of 2^g; 0 if all are 0. */
  static int grid(double... values) {
    int grid = Integer.MAX_VALUE;
    for (double value : values) {
      if (value != 0) {
        grid = Math.min(grid, lowest(value) + Long.numberOfTrailingZeros(significand(value)));
      }
    }
    return grid == Integer.MAX_VALUE ? 0 : grid;
  }

  private static int lowest(double value) {
    return Math.max(Math.getExponent(value), Double.MIN_EXPONENT) - 52;
  }

  private static long significand(double value) {
    return (long) Math.scalb(Math.abs(value), -lowest(value));
  }

  private static BigInteger integer(double value, int grid) {
    long significand = significand(value);
    long zeros = Long.numberOfTrailingZeros(significand);
    if (significand == 0) {
      return BigInteger.ZERO;
    }
    long odd = significand >> zeros;
    return BigInteger.valueOf(value < 0 ? -odd : odd)
        .shiftLeft((int) (lowest(value) + zeros - grid));
  }

  /** The values as integers on a grid of which all are multiples. */
  static BigInteger[] integers(double[] values, int grid) {
    BigInteger[] integers = new BigInteger[values.length];
    for (int i = 0; i < values.length; i++) {
      integers[i] = integer(values[i], grid);
    }
    return integers;
  }

  /** The integer on a grid that is no coarser. */
  BigInteger on(int grid) {
    return integer.shiftLeft(exponent - grid);
  }

  /** The same number with an even exponent. */
  Dyadic onEvenGrid() {
    return exponent % 2 == 0 ? this : new Dyadic(integer.shiftLeft(1), exponent - 1);
  }

  Dyadic plus(Dyadic other) {
    int grid = Math.min(exponent, other.exponent);
    return new Dyadic(on(grid).add(other.on(grid)), grid);
  }

  Dyadic minus(Dyadic other) {
    return plus(new Dyadic(other.integer.negate(), other.exponent));
  }

  Dyadic times(Dyadic other) {
    return new Dyadic(integer.multiply(other.integer), Math.addExact(exponent, other.exponent));
  }

  /** The quotient, cut towards 0 after at least so many bits. */
  Dyadic over(Dyadic divisor, int bits) {
    int scale = Math.max(bits + divisor.integer.bitLength() - integer.bitLength(), 0) + 1;
    return new Dyadic(
        integer.shiftLeft(scale).divide(divisor.integer), exponent - divisor.exponent - scale);
  }

  /** The square root of a number ≥ 0, cut after at least 62 bits. */
  Dyadic root() {
    Dyadic fine = new Dyadic(integer.shiftLeft(2 * KEPT), exponent - 2 * KEPT).onEvenGrid();
    return new Dyadic(fine.integer.sqrt(), fine.exponent / 2);
  }

  Dyadic abs() {
    return new Dyadic(integer.abs(), exponent);
  }

  /** The number with a relative error of at most 2⁻⁵²; zero or infinite beyond binary64. */
  double toDouble() {
    int dropped = Math.max(integer.bitLength() - KEPT, 0);
    return Math.scalb((double) integer.shiftRight(dropped).longValue(), exponent + dropped);
  }
}
