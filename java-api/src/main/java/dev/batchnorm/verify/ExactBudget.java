package dev.batchnorm.verify;

import dev.batchnorm.DType;

/**
 * How large the whole numbers of an {@link ExactCase} may be (docs/math.md, Exact cases).
 *
 * @param count m, the values of a channel
 * @param level the largest k: the deviations of a channel have mean square v = 4^k − η
 * @param leastLevel the smallest k
 * @param eta ε in squared units of x
 */
record ExactBudget(int count, int level, int leastLevel, int eta) {
  /** Beyond, whole numbers of some 40 bits would gain nothing. */
  private static final int MOST_LEVELS = 10;

  /** So few deviations are found by trying; 3 have none at level 6, 5 need a 0 at level 1. */
  private static final int FEW = 7;

  private static final int LEAST_LEVEL_OF_FEW = 2;
  private static final int LEVEL_OF_FEW = 3;

  /** For the roundings of the bound itself. */
  private static final double CAUTION = 1 - 0x1p-20;

  /**
   * The budget of the largest level that fits.
   *
   * @throws IllegalArgumentException if m is 0, or too large for sums in the arithmetic's type
   */
  static ExactBudget of(long count, DType type, DType arithmetic) {
    if (count < 1) {
      throw new IllegalArgumentException("shape: expected at least 1 value a channel, found 0");
    }
    if (count == 1) {
      return new ExactBudget(1, 0, 0, 1); // V = 0
    }
    if (count == 2 || count == 4) {
      // d is ±√v: 1 = 4² − 15 and 49 = 4³ − 15 are squares.
      return new ExactBudget((int) count, arithmetic == DType.F16 ? 2 : 3, 2, 15);
    }
    long most = most(arithmetic);
    if (count > most) {
      throw new IllegalArgumentException(
          "shape: expected at most "
              + most
              + " values a channel (sums in "
              + arithmetic.label()
              + "), found "
              + count);
    }
    int level = Math.min(elementLevel(type), arithmeticLevel(arithmetic));
    if (count <= FEW) {
      level = Math.min(level, LEVEL_OF_FEW);
    }
    while (size(level) * count > capacity(arithmetic)) {
      level--;
    }
    int least = Math.max(level - 2, count <= FEW ? LEAST_LEVEL_OF_FEW : 1);
    return new ExactBudget((int) count, level, least, 2);
  }

  /** The largest m: that of level 1. */
  static long most(DType arithmetic) {
    return Math.min((long) (capacity(arithmetic) / size(1)), Integer.MAX_VALUE);
  }

  /** v = 4^k − η. */
  long variance(int k) {
    return (1L << (2 * k)) - eta;
  }

  /** μ, the mean of dy, and how far the running mean is from μ. */
  static int largestMean(int k) {
    return k < 2 ? 1 : 1 << (k - 1);
  }

  /** r, what dy has beside its mean and its slope. */
  static int largestResidual(int k) {
    return k < 2 ? 1 : 2;
  }

  /** |d|. */
  static int largestDeviation(int k) {
    return 2 << k;
  }

  /** The bits of a significand. */
  static int bits(DType type) {
    return switch (type) {
      case F16 -> 11;
      case F32 -> 24;
      case F64 -> 53;
    };
  }

  private static double capacity(DType arithmetic) {
    return (1L << bits(arithmetic)) * CAUTION;
  }

  /** √((v + μ²)(v + μ² + r²)): m times it is above every sum, by Cauchy's inequality. */
  private static double size(int k) {
    double square = (1L << (2 * k)) - 2 + (double) largestMean(k) * largestMean(k);
    double residual = largestResidual(k);
    return Math.sqrt(square * (square + residual * residual));
  }

  /** Where γ·(4^k·(dy − mean) − v·slope·d), which is dx, fits the type of x. */
  private static int elementLevel(DType type) {
    return type == DType.F16 ? 3 : MOST_LEVELS;
  }

  /** Where γ·v·x fits, for kernels that compute dx = a·dy + b·x + c. */
  private static int arithmeticLevel(DType arithmetic) {
    return switch (arithmetic) {
      case F16 -> 2;
      case F32 -> 6;
      case F64 -> MOST_LEVELS;
    };
  }
}
