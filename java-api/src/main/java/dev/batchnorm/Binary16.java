package dev.batchnorm;

/** IEEE binary16 as bits: 1 of sign, 5 of exponent (bias 15), 10 of fraction. */
final class Binary16 {
  private static final int NAN = 0x7e00;
  private static final int INFINITY = 0x7c00;

  /** From here on, halfway to 2^16, numbers round to infinity. */
  private static final double OVERFLOW = 65520;

  private static final double MIN_NORMAL = 0x1p-14;

  /**
   * Unit in the last place of a binary64 in [2^28, 2^29) is 2^-24, that of a binary16 subnormal.
   */
  private static final double SUBNORMAL_SHIFTER = 0x1p28;

  private Binary16() {}

  /** The bits of the value rounded once, to nearest, ties to even. */
  static short bits(double value) {
    int sign = (int) (Double.doubleToRawLongBits(value) >>> 48) & 0x8000;
    double size = Math.abs(value);
    if (Double.isNaN(size)) {
      return NAN;
    }
    if (size >= OVERFLOW) {
      return (short) (sign | INFINITY);
    }
    if (size < MIN_NORMAL) {
      long units = Double.doubleToRawLongBits(size + SUBNORMAL_SHIFTER);
      return (short) (sign | ((int) units & 0x7ff));
    }
    long bits = Double.doubleToRawLongBits(size);
    long even = (bits >>> 42) & 1;
    long rounded = (bits + 0x1ffffffffffL + even) >>> 42; // 42 = 52 − 10 bits of fraction
    return (short) (sign | (int) (rounded - ((1023 - 15) << 10)));
  }

  /** The number the bits stand for; every NaN is the one NaN. */
  static double value(short bits) {
    int exponent = (bits >> 10) & 0x1f;
    int fraction = bits & 0x3ff;
    double size =
        exponent == 0
            ? fraction * 0x1p-24
            : exponent < 31
                ? Math.scalb((double) (fraction | 0x400), exponent - 25)
                : fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
    return bits < 0 && !Double.isNaN(size) ? -size : size;
  }
}
