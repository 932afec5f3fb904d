package dev.batchnorm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.batchnorm.ExactSums.Register;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class ExactSumsTest {
  private static final BatchNorm NORM = BatchNorm.builder().build();

  private static ExactSums sums(DType type, double... values) {
    Batch batch = Batch.zeros(Shape.of(Layout.NC, values.length, 1), type);
    for (int i = 0; i < values.length; i++) {
      batch.values().set(i, values[i]);
    }
    return NORM.sums(batch);
  }

  private static BigInteger exact(BigDecimal value, int lowest) {
    return value.multiply(new BigDecimal(BigInteger.TWO.pow(-lowest))).toBigIntegerExact();
  }

  @Test
  void sumsOfNarrowAndWideTypesAreThoseOfAllValues() {
    Random random = new Random(1);
    for (int i = 0; i < 200; i++) {
      float[] narrow = new float[random.nextInt(5)];
      double[] wide = new double[random.nextInt(5)];
      BigDecimal sum = BigDecimal.ZERO;
      BigDecimal squares = BigDecimal.ZERO;
      for (int j = 0; j < narrow.length; j++) {
        do {
          narrow[j] = Float.intBitsToFloat(random.nextInt());
        } while (!Float.isFinite(narrow[j]));
        BigDecimal value = new BigDecimal(narrow[j]);
        sum = sum.add(value);
        squares = squares.add(value.multiply(value));
      }
      for (int j = 0; j < wide.length; j++) {
        do {
          wide[j] = Double.longBitsToDouble(random.nextLong());
        } while (!Double.isFinite(wide[j]));
        BigDecimal value = new BigDecimal(wide[j]);
        sum = sum.add(value);
        squares = squares.add(value.multiply(value));
      }
      ExactSums ofNarrow = NORM.sums(Batch.of(Shape.of(Layout.NC, narrow.length, 1), narrow));
      ExactSums ofWide = sums(DType.F64, wide);
      ExactSums merged = ExactSums.merged(ofNarrow, ofWide);
      assertEquals(narrow.length + wide.length, merged.counts()[0]);
      assertEquals(exact(sum, -1074), merged.linearSum(0));
      assertEquals(exact(squares, -2148), merged.productSum(0));
      ofWide.merge(ofNarrow);
      assertEquals(merged, ofWide);
    }
  }

  @Test
  void mergingKeepsNarrowFormatsAndItsArguments() {
    ExactSums a = sums(DType.F32, 1.5, -3);
    ExactSums b = sums(DType.F16, 0.25);
    ExactSums merged = ExactSums.merged(a, b);
    assertEquals(Register.F32, merged.linear());
    assertEquals(Register.F32_PRODUCT, merged.product());
    assertEquals(sums(DType.F64, 1.5, 0.25, -3), merged);
    assertEquals(sums(DType.F32, 1.5, -3), a);
    assertEquals(sums(DType.F32, 0.25), b);
    a.merge(a);
    assertEquals(sums(DType.F32, 1.5, 1.5, -3, -3), a);
  }

  @Test
  void gradientSumsWidenOnlyWhereTheyMust() {
    ExactSums narrow = ExactSums.gradients(1, DType.F32, DType.F32);
    ExactSums mixed = ExactSums.gradients(1, DType.F32, DType.F64);
    ExactSums merged = ExactSums.merged(narrow, mixed);
    assertEquals(Register.F32, merged.linear());
    assertEquals(Register.F64_PRODUCT, merged.product());
  }

  @Test
  void extremesOfBothTypesMerge() {
    double most = Double.MAX_VALUE;
    ExactSums merged =
        ExactSums.merged(
            sums(DType.F64, most, -most, most, Double.MIN_VALUE),
            sums(DType.F32, Float.MAX_VALUE, -Float.MAX_VALUE, -Float.MIN_VALUE));
    BigDecimal tiny = new BigDecimal(Float.MIN_VALUE);
    BigDecimal sum = new BigDecimal(most).add(new BigDecimal(Double.MIN_VALUE)).subtract(tiny);
    assertEquals(exact(sum, -1074), merged.linearSum(0));
    BigDecimal large = new BigDecimal(Float.MAX_VALUE);
    BigDecimal squares =
        new BigDecimal(most)
            .pow(2)
            .multiply(BigDecimal.valueOf(3))
            .add(new BigDecimal(Double.MIN_VALUE).pow(2))
            .add(large.pow(2).multiply(BigDecimal.valueOf(2)))
            .add(tiny.pow(2));
    assertEquals(exact(squares, -2148), merged.productSum(0));
  }

  @Test
  void equalDataOfAnyTypeAreEqualSums() {
    double[] values = {1, -65504, 0x1p-24, 0};
    ExactSums f16 = sums(DType.F16, values);
    ExactSums f64 = sums(DType.F64, values);
    assertEquals(f16, f64);
    assertEquals(f64, f16);
    assertEquals(f16.hashCode(), f64.hashCode());
    assertNotEquals(f64, sums(DType.F16, 1, -65504, 0x1p-24, 0x1p-24));
    assertNotEquals(f16, sums(DType.F64, 1, -65504, 0x1p-24, -0x1p-1074));
  }

  @Test
  void whatDoesNotFitIsRefused() {
    ExactSums narrow = sums(DType.F32, 1);
    assertEquals(
        "sums: expected sums of 1 channels (F32, F32_PRODUCT), found sums of 1 channels (F64, F64_PRODUCT)",
        refusal(() -> narrow.merge(sums(DType.F64, 1))));
    assertEquals(
        "sums: expected sums of 1 channels (F32, F32_PRODUCT), found sums of 2 channels (F32, F32_PRODUCT)",
        refusal(() -> ExactSums.merged(narrow, ExactSums.statistics(2, DType.F32))));
    int most = ExactSums.mostChannels(DType.F64);
    assertEquals(
        "channels: expected 0 to " + most + " (sums F64 and F64_PRODUCT), found " + (most + 1),
        refusal(() -> ExactSums.statistics(most + 1, DType.F64)));
  }

  @Test
  void tooManyValuesAreRefusedAndChangeNothing() {
    ExactSums a = ExactSums.statistics(2, DType.F32);
    a.counts()[0] = 5;
    a.counts()[1] = 1L << 62;
    ExactSums b = ExactSums.statistics(2, DType.F32);
    b.counts()[1] = (1L << 62) - 1;
    a.merge(b);
    assertEquals(Long.MAX_VALUE, a.counts()[1]);
    b.counts()[1] = 1;
    b.counts()[0] = 1;
    assertEquals(
        "sums: expected fewer than 2^63 values per channel, found 9223372036854775808 at channel 1",
        refusal(() -> a.merge(b)));
    assertEquals(5, a.counts()[0]);
  }

  private static String refusal(Executable call) {
    return String.valueOf(assertThrows(IllegalArgumentException.class, call).getMessage());
  }
}
