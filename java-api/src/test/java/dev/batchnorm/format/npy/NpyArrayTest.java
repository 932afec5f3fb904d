package dev.batchnorm.format.npy;

import static dev.batchnorm.format.Refusals.input;
import static dev.batchnorm.format.Refusals.refusal;
import static dev.batchnorm.format.npy.NpyFiles.dictionary;
import static dev.batchnorm.format.npy.NpyFiles.doubles;
import static dev.batchnorm.format.npy.NpyFiles.file;
import static dev.batchnorm.format.npy.NpyFiles.longs;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class NpyArrayTest {
  private static final byte[] BYTES = {-1, 0, 0, 0x7F, -2, -1, -1, -1};

  @Test
  void integersOfAnyWidthAreExact() {
    assertArrayEquals(new double[] {-1, 0, 0, 127, -2, -1, -1, -1}, values("|i1", "(8,)"));
    assertArrayEquals(new double[] {255, 0, 0, 127, 254, 255, 255, 255}, values("|u1", "(8,)"));
    assertArrayEquals(new double[] {255, 32512, -2, -1}, values("<i2", "(4,)"));
    assertArrayEquals(new double[] {255, 32512, 65534, 65535}, values("<u2", "(4,)"));
    assertArrayEquals(new double[] {2130706687, -2}, values("<i4", "(2,)"));
    assertArrayEquals(new double[] {2130706687, 4294967294L}, values("<u4", "(2,)"));
  }

  private static double[] values(String descriptor, String shape) {
    return open(descriptor, shape, BYTES).values();
  }

  private static NpyArray open(String descriptor, String shape, byte... data) {
    return NpyArray.open(input("count.npy", file(dictionary(descriptor, false, shape), data)));
  }

  @Test
  void aSingleValueHasNoAxes() {
    NpyArray array = open("<i8", "()", longs(7));
    assertEquals(0, array.sizes().length);
    assertEquals(1, array.count());
    assertEquals("<i8", array.descriptor());
    assertArrayEquals(new double[] {7}, array.values());
  }

  @Test
  void floatingValuesKeepTheirBits() {
    assertArrayEquals(
        new double[] {-0.0, Double.MIN_VALUE, Double.NaN},
        open("<f8", "(3,)", doubles(-0.0, Double.MIN_VALUE, Double.NaN)).values());
    assertArrayEquals(
        new double[] {1, -2},
        open("<f4", "(2,)", new byte[] {0, 0, -128, 63, 0, 0, 0, -64}).values());
  }

  @Test
  void integersThatNoBinary64HoldsAreRefused() {
    long limit = 1L << 53;
    assertArrayEquals(
        new double[] {limit, -limit, 0x1p62, Long.MIN_VALUE, limit + 2},
        open("<i8", "(5,)", longs(limit, -limit, 1L << 62, Long.MIN_VALUE, limit + 2)).values());
    for (long value : new long[] {limit + 1, -limit - 1, Long.MAX_VALUE}) {
      assertEquals(
          "count.npy: expected integers that a binary64 holds exactly, found "
              + value
              + " at index (0,)",
          refusal(() -> open("<i8", "(1,)", longs(value)).values()));
    }
    assertArrayEquals(new double[] {0x1p63}, open("<u8", "(1,)", longs(Long.MIN_VALUE)).values());
    assertTrue(
        refusal(() -> open("<u8", "(1,)", longs(-1)).values())
            .contains("found 18446744073709551615 at"));
  }

  @Test
  void otherTypesAreRefused() {
    for (String descriptor : new String[] {"=i8", "<f16", "<c16", "<M8[s]", "|i2"}) {
      String message = refusal(() -> open(descriptor, "(1,)", new byte[8]));
      assertTrue(message.startsWith("count.npy: expected real numbers (f2, "), message);
    }
  }

  @Test
  void fortranOrderOfAColumnIsTheSame() {
    byte[] column = file(dictionary("<f8", true, "(3, 1)"), doubles(1, 2, 3));
    assertArrayEquals(new double[] {1, 2, 3}, NpyArray.open(input("gamma.npy", column)).values());
    byte[] square = file(dictionary("<f8", true, "(2, 2)"), doubles(1, 2, 3, 4));
    assertArrayEquals(
        new double[] {1, 3, 2, 4}, NpyArray.open(input("gamma.npy", square)).values());
  }
}
