package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.format.Decimals;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;

/** Numbers typed on the command line, by the grammar of CSV cells. */
final class Numbers {
  private Numbers() {}

  static boolean isNumber(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return Decimals.isNumber(bytes, 0, bytes.length);
  }

  /** ε: finite and at least 0. */
  static double eps(String text) {
    return atLeastZero("--eps", text);
  }

  /** A finite number, at least 0. */
  static double atLeastZero(String option, String text) {
    double value = orNaN(text);
    if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
      throw new UsageException(option + ": expected a finite number ≥ 0, found " + text);
    }
    return value;
  }

  /** A whole number from 0 to the largest. */
  static long count(String option, String text, long largest) {
    if (text.matches("[0-9]+")) {
      BigInteger value = new BigInteger(text);
      if (value.compareTo(BigInteger.valueOf(largest)) <= 0) {
        return value.longValue();
      }
    }
    throw new UsageException(
        option + ": expected a whole number from 0 to " + largest + ", found " + text);
  }

  /** A weight from 0 to 1. */
  static double momentum(String text) {
    double momentum = orNaN(text);
    if (!(momentum >= 0 && momentum <= 1)) {
      throw new UsageException(
          "--momentum: expected a number from 0 to 1 or cumulative, found " + text);
    }
    return momentum;
  }

  /** The binary64 nearest to what was typed; NaN if that is no number, or too large for one. */
  static double orNaN(String text) {
    try {
      return isNumber(text) ? Decimals.parse(DType.F64, text) : Double.NaN;
    } catch (NumberFormatException e) {
      return Double.NaN;
    }
  }
}
