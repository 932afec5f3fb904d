package dev.batchnorm.peers;

import java.math.BigDecimal;

/** A number as the sum of two binary64 that do not overlap, some 106 bits (Dekker 1971). */
record DoubleDouble(double high, double low) {
  static final DoubleDouble ZERO = new DoubleDouble(0, 0);

  static DoubleDouble of(double value) {
    return new DoubleDouble(value, 0);
  }

  static DoubleDouble of(BigDecimal value) {
    double high = value.doubleValue();
    return new DoubleDouble(high, value.subtract(new BigDecimal(high)).doubleValue());
  }

  DoubleDouble minus(DoubleDouble other) {
    double difference = high - other.high;
    double part = difference - high;
    double error = (high - (difference - part)) - (other.high + part);
    return normalised(difference, error + (low - other.low));
  }

  DoubleDouble times(DoubleDouble other) {
    double product = high * other.high;
    double error = Math.fma(high, other.high, -product);
    return normalised(product, error + (high * other.low + low * other.high));
  }

  private static DoubleDouble normalised(double high, double low) {
    double sum = high + low;
    return new DoubleDouble(sum, low - (sum - high));
  }
}
