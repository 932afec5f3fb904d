package dev.batchnorm.audit;

import dev.batchnorm.DType;

/**
 * How far sums and single operations of an arithmetic may be off (docs/math.md, What a plain kernel
 * may be off).
 *
 * @param u the unit roundoff; f16 kernels add up in f32
 * @param order how sums are added up
 */
record Roundoff(double u, Order order) {

  /** What is assumed of the order in which sums are added up. */
  enum Order {
    /** Any order, errors independent of each other: 4·√m of the m that are possible. */
    ANY,
    /** Any order, errors that add up: all m. */
    WORST,
    /** In pairs, pairs of pairs and so on. */
    CAREFUL,
    /** In a wider type, rounded once. */
    ONCE
  }

  /** Errors that are independent exceed this many standard deviations once in some 1500 sums. */
  private static final double DEVIATIONS = 4;

  static Roundoff of(DType type, Order order) {
    return new Roundoff(unit(type), order);
  }

  static double unit(DType type) {
    return type == DType.F64 ? 0x1p-53 : 0x1p-24;
  }

  Roundoff in(Order other) {
    return new Roundoff(u, other);
  }

  /** The smallest number above 0 of the arithmetic. */
  double smallest() {
    return u == 0x1p-53 ? Double.MIN_VALUE : Float.MIN_VALUE;
  }

  /** How many roundings a sum of so many terms may be off, in parts of the sum of their sizes. */
  double roundings(double terms) {
    double additions = Math.max(terms - 1, 0);
    return switch (order) {
      case ANY -> Math.min(additions, DEVIATIONS * Math.sqrt(terms));
      case WORST -> additions;
      case CAREFUL -> Math.ceil(Math.log(Math.max(terms, 1)) / Math.log(2));
      case ONCE -> Math.min(additions, 1);
    };
  }

  /**
   * How many roundings of the mean Welford's update may carry into the variance, where errors are
   * independent: those of early steps fade.
   */
  double ofUpdates() {
    return order == Order.ONCE ? 0 : 8;
  }

  /** How far rounding to a type moves a number of that size. */
  static double ofStoring(DType type, double value) {
    double size = Math.abs(value);
    return switch (type) {
      case F16 -> Math.max(0x1p-11 * size, 0x1p-25);
      case F32 -> Math.max(0x1p-24 * size, 0x1p-150);
      case F64 -> Math.max(0x1p-53 * size, Double.MIN_VALUE);
    };
  }
}
