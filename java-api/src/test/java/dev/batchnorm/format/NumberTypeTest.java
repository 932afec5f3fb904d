package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class NumberTypeTest {

  /** The value as {@code get}, whether it is exact, and its text. */
  private static String read(NumberType type, long bits) {
    ByteBuffer bytes = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(3, bits);
    return Decimals.text(type.get(bytes, 3))
        + (type.isExact(bytes, 3) ? " = " : " ≈ ")
        + type.text(bytes, 3);
  }

  @Test
  void smallIntegersAtTheirEdges() {
    assertEquals("-128.0 = -128", read(NumberType.I8, 0x80));
    assertEquals("127.0 = 127", read(NumberType.I8, 0xff7f));
    assertEquals("255.0 = 255", read(NumberType.U8, 0xff));
    assertEquals("-32768.0 = -32768", read(NumberType.I16, 0x8000));
    assertEquals("65535.0 = 65535", read(NumberType.U16, -1));
    assertEquals("-2147483648.0 = -2147483648", read(NumberType.I32, 0x80000000L));
    assertEquals("4294967295.0 = 4294967295", read(NumberType.U32, -1));
    assertEquals("-1.0 = -1", read(NumberType.I32, -1));
  }

  @Test
  void integersOf64BitsAreExactOrSaid() {
    long limit = 1L << 53;
    assertEquals("9007199254740992.0 = 9007199254740992", read(NumberType.I64, limit));
    assertEquals("9007199254740992.0 ≈ 9007199254740993", read(NumberType.I64, limit + 1));
    assertEquals("9007199254740991.0 = 9007199254740991", read(NumberType.I64, limit - 1));
    assertEquals("-9007199254740992.0 ≈ -9007199254740993", read(NumberType.I64, -limit - 1));
    assertEquals("-9.223372036854776e+18 = -9223372036854775808", read(NumberType.I64, 1L << 63));
    assertEquals("9.223372036854776e+18 ≈ 9223372036854775807", read(NumberType.I64, ~(1L << 63)));
    assertEquals("9.223372036854776e+18 = 9223372036854775808", read(NumberType.U64, 1L << 63));
    assertEquals("9.223372036854776e+18 ≈ 9223372036854775807", read(NumberType.U64, ~(1L << 63)));
    assertEquals("1.8446744073709552e+19 ≈ 18446744073709551615", read(NumberType.U64, -1));
    assertEquals("1.844674407370955e+19 = 18446744073709549568", read(NumberType.U64, -2048));
    assertEquals("9007199254740992.0 ≈ 9007199254740993", read(NumberType.U64, limit + 1));
  }

  @Test
  void integersOf64BitsAreRoundedOnce() {
    Random random = new Random(1);
    ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < 20_000; i++) {
      long bits = random.nextLong() >> random.nextInt(64);
      if (random.nextBoolean()) {
        bits = (random.nextLong() & -(1L << random.nextInt(64))) + random.nextInt(3) - 1;
      }
      bytes.putLong(0, bits);
      for (NumberType type : List.of(NumberType.I64, NumberType.U64)) {
        String text = type == NumberType.I64 ? Long.toString(bits) : Long.toUnsignedString(bits);
        BigInteger whole = new BigInteger(text);
        double rounded = whole.doubleValue();
        assertEquals(rounded, type.get(bytes, 0), text);
        boolean exact = new BigDecimal(rounded).toBigInteger().equals(whole);
        assertEquals(exact, type.isExact(bytes, 0), text);
        assertEquals(text, type.text(bytes, 0));
      }
    }
  }

  @Test
  void integersAreWidenedAsTheyAreRead() {
    byte[] random = new byte[8 * 1000];
    new Random(2).nextBytes(random);
    ByteBuffer bytes = ByteBuffer.wrap(random).order(ByteOrder.LITTLE_ENDIAN);
    for (NumberType type : NumberType.values()) {
      if (type.isFloating()) {
        continue;
      }
      DoubleBuffer widened = DoubleBuffer.allocate(1001);
      type.widen(bytes, 1000, widened);
      for (int i = 0; i < 1000; i++) {
        assertEquals(type.get(bytes, i * type.bytes()), widened.get(i), type.label());
      }
      assertEquals(0.0, widened.get(1000), type.label());
    }
  }

  @Test
  void anyByteButZeroIsTrue() {
    for (int b = 0; b < 256; b++) {
      assertEquals(b == 0 ? "0.0 = 0" : "1.0 = 1", read(NumberType.BOOL, b));
    }
  }

  @Test
  void floatingValuesAreThemselves() {
    assertEquals("-0.0 = -0.0", read(NumberType.F16, 0x8000));
    assertEquals("-0.0 = -0.0", read(NumberType.F32, 0x80000000L));
    assertEquals("-0.0 = -0.0", read(NumberType.F64, 1L << 63));
    assertEquals("5.960464477539063e-08 = 6e-08", read(NumberType.F16, 1));
    assertEquals("65504.0 = 65500.0", read(NumberType.F16, 0x7bff));
    assertEquals("-inf = -inf", read(NumberType.F16, 0xfc00));
    assertEquals("0.10000000149011612 = 0.1", read(NumberType.F32, 0x3dcccccdL));
    assertEquals("5e-324 = 5e-324", read(NumberType.F64, 1));
  }

  @Test
  void everyNanIsNan() {
    for (long payload : new long[] {0x7e00, 0x7c01, 0xffff, 0xfc01}) {
      assertEquals("nan = nan", read(NumberType.F16, payload));
    }
    for (long payload : new long[] {0x7fc00000L, 0x7f800001L, 0xffffffffL}) {
      assertEquals("nan = nan", read(NumberType.F32, payload));
    }
    for (long payload : new long[] {0x7ff8L << 48, (0x7ff0L << 48) + 1, -1}) {
      assertEquals("nan = nan", read(NumberType.F64, payload));
    }
  }

  @Test
  void descriptorsNameTheirTypes() {
    for (NumberType type : NumberType.values()) {
      assertEquals(type, NumberType.ofDescriptor(type.descriptor()));
      assertEquals(type, NumberType.ofDescriptor(">" + type.descriptor().substring(1)));
      assertTrue(type.label().endsWith(type == NumberType.BOOL ? "l" : "" + 8 * type.bytes()));
    }
    for (String other :
        List.of(
            "", "<", "|", "f8", "=f8", "|f8", "<F8", "<f8 ", "<f16", "<b8", "|O", "<i3", "<>f8")) {
      assertNull(NumberType.ofDescriptor(other), other);
    }
    assertEquals(NumberType.F16, NumberType.of(DType.F16));
    assertEquals(DType.F64, NumberType.BOOL.floating());
    assertEquals(DType.F32, NumberType.F32.floating());
  }
}
