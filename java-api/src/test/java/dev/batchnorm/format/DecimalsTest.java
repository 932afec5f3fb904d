package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.Values;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DecimalsTest {

  @Test
  void printsDoublesAsPythonDoes() {
    for (String pair : PythonNumbers.F64.lines().flatMap(DecimalsTest::words).toList()) {
      int equals = pair.indexOf('=');
      double value = Double.longBitsToDouble(Long.parseUnsignedLong(pair, 0, equals, 16));
      assertEquals(pair.substring(equals + 1), Decimals.text(value));
    }
  }

  @Test
  void printsFloatsAsNumpyDoes() {
    for (String pair : PythonNumbers.F32.lines().flatMap(DecimalsTest::words).toList()) {
      int equals = pair.indexOf('=');
      float value = Float.intBitsToFloat(Integer.parseUnsignedInt(pair, 0, equals, 16));
      assertEquals(pair.substring(equals + 1), Decimals.text(DType.F32, value));
    }
  }

  /** The digest of {@code "\n".join(map(str, numpy.arange(65536, dtype='u2').view('f2')))}. */
  @Test
  void printsEveryBinary16AsNumpyDoes() throws NoSuchAlgorithmException {
    MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
    for (int bits = 0; bits < 1 << 16; bits++) {
      double value = Values.ofBinary16((short) bits).get(0);
      String text = (bits > 0 ? "\n" : "") + Decimals.text(DType.F16, value);
      sha256.update(text.getBytes(StandardCharsets.US_ASCII));
    }
    assertEquals(
        "bcffd57db42c7dcf7b1ccc84abfa1dc2620adcf1cfe74330864469a63872f726",
        HexFormat.of().formatHex(sha256.digest()));
  }

  @Test
  void everyBinary16ReadsBackToTheSameBits() {
    for (int bits = 0; bits < 1 << 16; bits++) {
      double value = Values.ofBinary16((short) bits).get(0);
      double back = Decimals.parse(DType.F16, Decimals.text(DType.F16, value));
      assertEquals(DType.F16.bits(value), DType.F16.bits(back));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "1.00048828125, 1.0", // halfway to the next: to even
    "1.00048828125000000000000000000000001, 1.0009765625", // binary64 cannot tell it from halfway
    "1.00146484374999999999999999999999999, 1.0009765625",
    "2.98023223876953125e-8, 0.0",
    "2.980232238769531250000000000000000001e-8, 5.9604644775390625e-8",
    "65519.99999999999999999999999999999999, 65504.0",
    "-1e-400, -0.0"
  })
  void binary16IsRoundedOnceFromTheDecimal(String text, double expected) {
    assertEquals(expected, Decimals.parse(DType.F16, text));
  }

  @Test
  void printedDoublesReadBackToTheSameBits() {
    Random random = new Random(1);
    for (int i = 0; i < 100_000; i++) {
      double value = Double.longBitsToDouble(random.nextLong());
      double back = Decimals.parse(DType.F64, Decimals.text(value));
      assertEquals(Double.doubleToLongBits(value), Double.doubleToLongBits(back), () -> "" + value);
    }
  }

  @Test
  void printedFloatsReadBackToTheSameBits() {
    Random random = new Random(2);
    for (int i = 0; i < 100_000; i++) {
      float value = Float.intBitsToFloat(random.nextInt());
      float back = (float) Decimals.parse(DType.F32, Decimals.text(DType.F32, value));
      assertEquals(Float.floatToIntBits(value), Float.floatToIntBits(back), () -> "" + value);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "0",
        "1",
        "+1",
        "-1",
        "1.",
        ".5",
        "-.5",
        "1.5",
        "1e5",
        "1E5",
        "1e+5",
        "1.e-5",
        ".5e3",
        "007",
        "nan",
        "NaN",
        "-nan",
        "+NAN",
        "inf",
        "-Inf",
        "+INFINITY",
        "infinity",
        "1e400000000000000000000",
        "123456789012345678901234567890"
      })
  void isANumber(String text) {
    assertTrue(isNumber(text));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "+",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "1e5.",
        "1.2.3",
        "0x10",
        "1_000",
        "1d",
        "1f",
        "1.0F",
        "１",
        "n/a",
        "na",
        "nan0",
        "infinit",
        "infinityy",
        "in",
        "--1",
        "+-1",
        "1 2",
        "1,5",
        "∞",
        "NaN(1)",
        "true",
        "1e5e5",
        "[nan",
        "\u0001"
      })
  void isNoNumber(String text) {
    assertFalse(isNumber(text));
    var thrown = assertThrows(NumberFormatException.class, () -> Decimals.parse(DType.F64, text));
    assertTrue(String.valueOf(thrown.getMessage()).startsWith("expected a number, found "));
  }

  @Test
  void roundsOnceToTheType() {
    // Halfway between two floats but for its last digits: by way of f64 it would round down.
    String text = "1.00000005960464477539062500000000000000001";
    assertEquals(1.0000001f, (float) Decimals.parse(DType.F32, text));
    assertEquals(1.0000000596046448, Decimals.parse(DType.F64, text));
  }

  @Test
  void tooLargeIsAnErrorNamingTheCell() {
    assertEquals(
        "expected a number within ±1.7976931348623157e+308 (f64), found \"1e400\"",
        assertThrows(NumberFormatException.class, () -> Decimals.parse(DType.F64, "1e400"))
            .getMessage());
    assertEquals(
        "expected a number within ±3.4028235e+38 (f32), found \"-4e38\"",
        assertThrows(NumberFormatException.class, () -> Decimals.parse(DType.F32, "-4e38"))
            .getMessage());
  }

  @Test
  void tooSmallIsASignedZero() {
    assertEquals("0.0", Decimals.text(Decimals.parse(DType.F64, "1e-400")));
    assertEquals("-0.0", Decimals.text(Decimals.parse(DType.F64, "-1e-400")));
    assertEquals("-0.0", Decimals.text(DType.F32, Decimals.parse(DType.F32, "-1e-50")));
  }

  @Test
  void writtenInfinityIsInfinite() {
    assertEquals(Double.NEGATIVE_INFINITY, Decimals.parse(DType.F32, "-iNf"));
    assertEquals(Double.POSITIVE_INFINITY, Decimals.parse(DType.F64, "Infinity"));
    assertTrue(Double.isNaN(Decimals.parse(DType.F64, "-NaN")));
  }

  private static Stream<String> words(String line) {
    return Stream.of(line.split(" ", -1));
  }

  private static boolean isNumber(String text) {
    byte[] bytes = ("x" + text + "9").getBytes(StandardCharsets.UTF_8);
    return Decimals.isNumber(bytes, 1, bytes.length - 1);
  }
}
