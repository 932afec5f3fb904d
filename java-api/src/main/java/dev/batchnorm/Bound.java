package dev.batchnorm;

import java.util.Arrays;

/** What rounding can add up to (docs/math.md, How far fast results may be off). */
final class Bound {
  /** The unit roundoff of binary64. */
  static final double U = 0x1p-53;

  /** Relative errors above this are not followed further: the bound is then +∞. */
  private static final double FOLLOWED = 0.01;

  /** More than all roundings of the bound itself. */
  private static final double MARGIN = 1 + 0x1p-20;

  private Bound() {}

  /** n roundings, one upon the other: (1 + u)ⁿ − 1 is at most n·u/(1 − n·u). */
  static double gamma(double n) {
    double part = n * U;
    return part <= FOLLOWED ? part / (1 - part) * MARGIN : Double.POSITIVE_INFINITY;
  }

  /** A little more than the bound; NaN says nothing, so it is +∞. */
  static double up(double bound) {
    return Double.isNaN(bound) ? Double.POSITIVE_INFINITY : bound * MARGIN;
  }

  /** That part of a size, which vanishes with the size alone and not by underflow. */
  static double part(double relative, double size) {
    return size == 0 ? 0 : Math.max(relative * size, Double.MIN_VALUE);
  }

  /** A little more than the square, which vanishes with the size alone and not by underflow. */
  static double square(double size) {
    return up(size == 0 ? 0 : Math.max(size * size, Double.MIN_VALUE));
  }

  /** The relative error of 1/√v, where v may be off by {@code error}. */
  static double ofRoot(double error, double v) {
    double part = error / v;
    return part <= FOLLOWED ? 0.51 * part : Double.POSITIVE_INFINITY;
  }

  /** How far rounding to a type moves a binary64 of that size. */
  static double ofRounding(DType type, double value) {
    return switch (type) {
      case F16 -> Math.max(0x1p-11 * Math.abs(value), 0x1p-25);
      case F32 -> Math.max(0x1p-24 * Math.abs(value), 0x1p-150);
      case F64 -> Double.MIN_VALUE;
    };
  }

  /** Square roots, rounded upwards. */
  static double[] roots(double[] values) {
    return Arrays.stream(values).map(v -> up(Math.sqrt(v))).toArray();
  }
}
