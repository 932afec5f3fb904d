package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.format.Decimals;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

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

  /** A size such as 1000000, 500K, 1.5G: bytes, with K, M, G and T for powers of 1024. */
  static long bytes(String option, String text) {
    Matcher size =
        Pattern.compile("([0-9]{1,18}(?:\\.[0-9]{1,18})?)([kmgt]?)(?:i?b)?")
            .matcher(text.toLowerCase(Locale.ROOT));
    if (size.matches()) {
      int power = " kmgt".indexOf(size.group(2).isEmpty() ? " " : size.group(2));
      double bytes = Double.parseDouble(size.group(1)) * Math.pow(1024, power);
      if (bytes <= 1L << 62) {
        return (long) bytes;
      }
    }
    throw new UsageException(option + ": expected a size such as 500M or 2G, found " + text);
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

  /** About two digits of a number that need not be known better. */
  static String brief(double value) {
    return Double.isFinite(value)
        ? String.format(Locale.ROOT, "%.2g", value)
        : Decimals.text(value);
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
