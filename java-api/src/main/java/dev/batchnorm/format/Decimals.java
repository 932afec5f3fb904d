package dev.batchnorm.format;

import ch.randelshofer.fastdoubleparser.JavaDoubleParser;
import ch.randelshofer.fastdoubleparser.JavaFloatParser;
import com.fasterxml.jackson.core.io.schubfach.DoubleToDecimal;
import com.fasterxml.jackson.core.io.schubfach.FloatToDecimal;
import dev.batchnorm.DType;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The text of numbers. Written is what Python prints: {@code repr} of a float for f64, numpy's text
 * for f16 and f32 — the shortest decimal that reads back to the same bits, the same on every Java
 * version. Read is the grammar of a CSV cell, rounded once.
 */
public final class Decimals {
  /** No number's text is longer than this. */
  public static final int LONGEST = 32;

  private static final int LOWEST_PLAIN_EXPONENT = -4;
  private static final int FIRST_SCIENTIFIC_EXPONENT = 16;

  /** Java prints no exponent from here to there, and never fewer digits than Python. */
  private static final double LEAST_ALIKE = 1e-3;

  private static final double FIRST_UNLIKE = 1e7;

  /** Five digits tell all f16 numbers apart. */
  private static final int MOST_DIGITS_16 = 5;

  private static final @Nullable String[] SHORTEST_16 = new String[0x7c00];

  private Decimals() {}

  /** The value as Python's {@code repr} prints it, {@code 1e-05}. */
  public static String text(double value) {
    return text(DType.F64, value);
  }

  /**
   * The value as Python and numpy print it, {@code 1e-05}.
   *
   * @param value a value of the type
   */
  public static String text(DType type, double value) {
    byte[] text = new byte[LONGEST];
    return new String(text, 0, put(type, value, text, 0), StandardCharsets.ISO_8859_1);
  }

  /**
   * Puts the text of the value into the array from {@code at} on and returns its end.
   *
   * @param value a value of the type
   */
  public static int put(DType type, double value, byte[] into, int at) {
    if (!Double.isFinite(value)) {
      return putSpecial(value, into, at);
    }
    String shortest =
        switch (type) {
          case F16 -> shortest16(value);
          case F32 -> shortest32((float) value);
          case F64 -> shortest64(value);
        };
    double size = Math.abs(value);
    if (type != DType.F16 && size >= LEAST_ALIKE && size < FIRST_UNLIKE) {
      return putAscii(shortest, into, at); // Java prints it as Python does
    }
    // Python decides by the digits, numpy by the value: the f32 nearest to 0.0001 is below it.
    boolean below = type != DType.F64 && size < 1e-4;
    return putPython(shortest, below ? LOWEST_PLAIN_EXPONENT + 1 : LOWEST_PLAIN_EXPONENT, into, at);
  }

  private static String shortest64(double value) {
    String shortest = DoubleToDecimal.toString(value);
    return Math.abs(value) < Double.MIN_NORMAL && twoDigits(shortest)
        ? oneDigitIfEnough(shortest, DType.F64)
        : shortest;
  }

  private static String shortest32(float value) {
    String shortest = FloatToDecimal.toString(value);
    return Math.abs(value) < Float.MIN_NORMAL && twoDigits(shortest)
        ? oneDigitIfEnough(shortest, DType.F32)
        : shortest;
  }

  /** There are so few f16 numbers that each is worked out once, by trying ever more digits. */
  private static String shortest16(double value) {
    int magnitude = (int) DType.F16.bits(Math.abs(value));
    String shortest = SHORTEST_16[magnitude];
    if (shortest == null) {
      BigDecimal digits = shortest16(new BigDecimal(Math.abs(value)));
      String unscaled = digits.unscaledValue().toString();
      shortest = unscaled + ".0E" + -digits.scale();
      SHORTEST_16[magnitude] = shortest;
    }
    return Double.doubleToRawLongBits(value) < 0 ? "-" + shortest : shortest;
  }

  /** The nearest decimal of the fewest digits; above a power of two there is more room. */
  private static BigDecimal shortest16(BigDecimal exact) {
    for (int count = 1; count < MOST_DIGITS_16; count++) {
      for (RoundingMode mode : List.of(RoundingMode.HALF_EVEN, RoundingMode.UP)) {
        BigDecimal digits = exact.round(new MathContext(count, mode));
        if (DType.F16.round(digits.doubleValue()) == exact.doubleValue()) {
          return digits;
        }
      }
    }
    return exact.round(new MathContext(MOST_DIGITS_16));
  }

  private static int putSpecial(double value, byte[] into, int at) {
    return putAscii(Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf", into, at);
  }

  private static int putAscii(String text, byte[] into, int at) {
    for (int i = 0; i < text.length(); i++) {
      into[at + i] = (byte) text.charAt(i);
    }
    return at + text.length();
  }

  private static boolean twoDigits(String java) {
    int start = java.charAt(0) == '-' ? 1 : 0;
    return java.indexOf('E') == start + 3 && java.charAt(start + 2) != '0';
  }

  /**
   * Java prints at least two digits, the nearest two: 4.9E-324 where one, 5e-324, reads back to the
   * same bits. Above the subnormals one digit is enough only if the second is a zero.
   */
  private static String oneDigitIfEnough(String java, DType type) {
    int start = java.charAt(0) == '-' ? 1 : 0;
    String sign = java.substring(0, start);
    int digit = java.charAt(start) - '0' + (java.charAt(start + 2) >= '5' ? 1 : 0);
    String shorter = sign + digit + ".0" + java.substring(start + 3);
    boolean same =
        type == DType.F32
            ? Float.parseFloat(shorter) == Float.parseFloat(java)
            : Double.parseDouble(shorter) == Double.parseDouble(java);
    if (!same) {
      return java;
    }
    return digit < 10
        ? shorter
        : sign + "1.0E" + (Integer.parseInt(java, start + 4, java.length(), 10) + 1);
  }

  private static int putPython(String java, int lowestPlain, byte[] into, int start) {
    byte[] digits = new byte[LONGEST];
    int count = 0;
    int exponent = -1;
    boolean point = false;
    int at = start;
    int i = 0;
    if (java.charAt(0) == '-') {
      into[at++] = '-';
      i++;
    }
    for (; i < java.length() && java.charAt(i) != 'E'; i++) {
      char c = java.charAt(i);
      if (c == '.') {
        point = true;
        continue;
      }
      if (count > 0 || c != '0') {
        digits[count++] = (byte) c;
        exponent += point ? 0 : 1;
      } else if (point) {
        exponent--;
      }
    }
    if (i < java.length()) {
      exponent += Integer.parseInt(java, i + 1, java.length(), 10);
    }
    if (count == 0) {
      return putPlain(new byte[] {'0'}, 1, 0, into, at);
    }
    while (count > 1 && digits[count - 1] == '0') {
      count--;
    }
    return exponent >= lowestPlain && exponent < FIRST_SCIENTIFIC_EXPONENT
        ? putPlain(digits, count, exponent, into, at)
        : putScientific(digits, count, exponent, into, at);
  }

  private static int putPlain(byte[] digits, int count, int exponent, byte[] into, int start) {
    int at = start;
    for (int place = Math.max(exponent, 0); place >= Math.min(exponent - count + 1, -1); place--) {
      int index = exponent - place;
      into[at++] = index >= 0 && index < count ? digits[index] : (byte) '0';
      if (place == 0) {
        into[at++] = '.';
      }
    }
    return at;
  }

  private static int putScientific(byte[] digits, int count, int exponent, byte[] into, int start) {
    int at = start;
    into[at++] = digits[0];
    if (count > 1) {
      into[at++] = '.';
      System.arraycopy(digits, 1, into, at, count - 1);
      at += count - 1;
    }
    into[at++] = 'e';
    into[at++] = (byte) (exponent < 0 ? '-' : '+');
    int size = Math.abs(exponent);
    if (size >= 100) {
      into[at++] = (byte) ('0' + size / 100);
    }
    into[at++] = (byte) ('0' + size / 10 % 10);
    into[at++] = (byte) ('0' + size % 10);
    return at;
  }

  /**
   * Whether the bytes are a number: {@code [+-]?(digits[.[digits]] | .digits)([eE][+-]?digits)?} or
   * {@code [+-]?(nan|inf|infinity)} in any case.
   */
  public static boolean isNumber(byte[] bytes, int from, int to) {
    int at = from < to && (bytes[from] == '+' || bytes[from] == '-') ? from + 1 : from;
    if (at < to && letter(bytes[at]) >= 'a') {
      return is("nan", bytes, at, to) || is("inf", bytes, at, to) || is("infinity", bytes, at, to);
    }
    int whole = digitsEnd(bytes, at, to);
    int digits = whole - at;
    at = whole;
    if (at < to && bytes[at] == '.') {
      int end = digitsEnd(bytes, at + 1, to);
      digits += end - at - 1;
      at = end;
    }
    if (digits == 0) {
      return false;
    }
    if (at < to && letter(bytes[at]) == 'e') {
      at++;
      if (at < to && (bytes[at] == '+' || bytes[at] == '-')) {
        at++;
      }
      int end = digitsEnd(bytes, at, to);
      return end > at && end == to;
    }
    return at == to;
  }

  private static int digitsEnd(byte[] bytes, int from, int to) {
    int at = from;
    while (at < to && bytes[at] >= '0' && bytes[at] <= '9') {
      at++;
    }
    return at;
  }

  private static boolean is(String word, byte[] bytes, int from, int to) {
    if (to - from != word.length()) {
      return false;
    }
    for (int i = 0; i < word.length(); i++) {
      if (letter(bytes[from + i]) != word.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  /** The small letter of an ASCII letter; other bytes give something below 'a'. */
  private static int letter(byte b) {
    int small = b | 0x20;
    return small >= 'a' && small <= 'z' ? small : -1;
  }

  /**
   * The value of the text, rounded once to the type; too small is a signed zero, a NaN is the one
   * NaN with an empty payload.
   *
   * @throws NumberFormatException if the text is no number or too large for the type; the message
   *     is {@code expected …, found …}
   */
  public static double parse(DType type, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return parse(type, bytes, 0, bytes.length);
  }

  /**
   * The value of the bytes' text, rounded once to the type.
   *
   * @throws NumberFormatException if they are no number or too large for the type; the message is
   *     {@code expected …, found …}
   */
  public static double parse(DType type, byte[] bytes, int from, int to) {
    if (!isNumber(bytes, from, to)) {
      throw new NumberFormatException(
          "expected a number, found "
              + (from == to
                  ? "an empty cell"
                  : Wording.quoted(new String(bytes, from, to - from, StandardCharsets.UTF_8))));
    }
    byte last = bytes[to - 1];
    if (letter(last) >= 'a') {
      boolean nan = letter(bytes[to - 2]) == 'a';
      if (nan) {
        return Double.NaN;
      }
      return bytes[from] == '-' ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
    }
    double value =
        switch (type) {
          case F16 -> parse16(new String(bytes, from, to - from, StandardCharsets.ISO_8859_1));
          case F32 -> JavaFloatParser.parseFloat(bytes, from, to - from);
          case F64 -> JavaDoubleParser.parseDouble(bytes, from, to - from);
        };
    if (Double.isInfinite(value)) {
      throw new NumberFormatException(
          "expected a number within ±"
              + text(type == DType.F16 ? DType.F64 : type, largest(type))
              + " ("
              + type.label()
              + "), found "
              + Wording.quoted(new String(bytes, from, to - from, StandardCharsets.ISO_8859_1)));
    }
    return value;
  }

  /** Rounded once, not by way of binary64: a tie there may be none of the decimal. */
  private static double parse16(String text) {
    double wide = Double.parseDouble(text);
    double below = DType.F16.round(Math.nextDown(wide));
    double above = DType.F16.round(Math.nextUp(wide));
    if (below == above || Double.isInfinite(wide)) {
      return DType.F16.round(wide);
    }
    int side = new BigDecimal(text).compareTo(new BigDecimal(wide));
    return side < 0 ? below : side > 0 ? above : DType.F16.round(wide);
  }

  private static double largest(DType type) {
    return switch (type) {
      case F16 -> 65504;
      case F32 -> Float.MAX_VALUE;
      case F64 -> Double.MAX_VALUE;
    };
  }
}
