package dev.batchnorm.verify;

import dev.batchnorm.DType;

/** Distances in units in the last place: how many numbers of a type lie between two of them. */
public final class Ulps {
  private Ulps() {}

  /**
   * The distance of two numbers of a type. Equal bits and two NaNs are 0 apart, −0.0 and +0.0 are 1
   * apart, a NaN and a number are {@link Double#POSITIVE_INFINITY} apart.
   *
   * @param a a value of the type
   * @param b a value of the type
   */
  public static double between(double a, double b, DType type) {
    if (Double.isNaN(a) || Double.isNaN(b)) {
      return Double.isNaN(a) && Double.isNaN(b) ? 0 : Double.POSITIVE_INFINITY;
    }
    return between(ordered(a, type), ordered(b, type));
  }

  /** The distance of two integers, rounded once. */
  static double between(long a, long b) {
    long distance = a > b ? a - b : b - a; // unsigned
    // The upper half is halved with its lowest bit kept.
    return distance >= 0 ? distance : 2.0 * ((distance >>> 1) | (distance & 1));
  }

  /** Integers in the order of the numbers: −0.0 is −1, +0.0 is 0. */
  private static long ordered(double value, DType type) {
    int unused = Long.SIZE - 8 * type.bytes();
    long bits = type.bits(value) << unused >> unused; // the sign where a long has it
    long negativeZero = Long.MIN_VALUE >> unused;
    return bits >= 0 ? bits : negativeZero - bits - 1;
  }
}
