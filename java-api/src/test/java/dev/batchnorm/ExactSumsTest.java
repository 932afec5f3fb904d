package dev.batchnorm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.ExactSums.Register;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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

  /** Sums of each combination of formats. */
  private static List<Supplier<ExactSums>> formats(int channels) {
    return List.of(
        () -> ExactSums.statistics(channels, DType.F32),
        () -> ExactSums.gradients(channels, DType.F32, DType.F64),
        () -> ExactSums.statistics(channels, DType.F64));
  }

  private static long[] limbs(BigInteger integer, Register format) {
    long[] limbs = new long[format.limbs()];
    Arrays.setAll(limbs, i -> integer.shiftRight(Long.SIZE * i).longValue());
    return limbs;
  }

  /** Integers of a format that share a wish: to be close, far apart, tiny, huge, or to cancel. */
  private static BigInteger integer(Random random, Register format, int wish, BigInteger sum) {
    int room = Long.SIZE * (format.limbs() - 1) - 100;
    int position =
        switch (wish) {
          case 0 -> -format.lowest() - random.nextInt(40); // about 1: ordinary
          case 1 -> random.nextInt(room); // the whole range
          case 2 -> random.nextInt(64); // the smallest bits
          case 3 -> room - random.nextInt(40); // the largest
          default -> Math.max(0, -format.lowest() - 60 + 60 * random.nextInt(4));
        };
    BigInteger integer = new BigInteger(1 + random.nextInt(99), random).shiftLeft(position);
    if (wish == 4 && random.nextBoolean()) {
      integer = sum.subtract(integer); // leaves −integer when it is taken away
    }
    return sum.signum() > 0 || (sum.signum() == 0 && random.nextBoolean())
        ? integer.negate()
        : integer;
  }

  private static void assertFinite(ExactSums sums) {
    for (double term : sums.terms()) {
      assertTrue(Double.isFinite(term), () -> sums + " has the term " + term);
    }
  }

  @Test
  void integersOfAnySpreadAddExactly() {
    int channels = 3;
    for (int seed = 0; seed < 300; seed++) {
      Random random = new Random(seed);
      ExactSums sums = formats(channels).get(seed % 3).get();
      int wish = random.nextInt(6); // 5 is a mixture
      BigInteger[] linear = new BigInteger[channels];
      BigInteger[] product = new BigInteger[channels];
      Arrays.fill(linear, BigInteger.ZERO);
      Arrays.fill(product, BigInteger.ZERO);
      for (int i = 0; i < 60; i++) {
        int c = random.nextInt(channels);
        int now = wish == 5 ? random.nextInt(5) : wish;
        BigInteger a = integer(random, sums.linear(), now, linear[c]);
        BigInteger b = integer(random, sums.product(), now, product[c]);
        sums.addLinear(c, limbs(a, sums.linear()));
        sums.addProduct(c, limbs(b, sums.product()));
        linear[c] = linear[c].add(a);
        product[c] = product[c].add(b);
        assertEquals(linear[c], sums.linearSum(c), "seed " + seed);
        assertEquals(product[c], sums.productSum(c), "seed " + seed);
      }
      assertFinite(sums);
    }
  }

  /** A finite term of a format, of any size that engines may leave there. */
  private static double term(Random random, Register format) {
    if (random.nextInt(4) == 0) {
      return 0;
    }
    int lowest = Math.max(format.lowest(), Double.MIN_EXPONENT - 52);
    int highest = Math.min(-format.lowest() + 100, Double.MAX_EXPONENT + 1) - 53;
    double units = (random.nextLong() >> (11 + random.nextInt(53))) | 1;
    int exponent = lowest + random.nextInt(highest - lowest + 1);
    return Math.scalb(units, random.nextInt(4) == 0 ? highest : exponent);
  }

  private static BigInteger exact(double value, int lowest) {
    return exact(new BigDecimal(value), lowest);
  }

  /** Terms in no order, of any signs and sizes, and integers beside them. */
  private static ExactSums fill(Random random, ExactSums sums) {
    int channels = sums.channels();
    for (int i = 0; i < sums.terms().length; i++) {
      Register format = i < channels * sums.linear().terms() ? sums.linear() : sums.product();
      sums.terms()[i] = term(random, format);
    }
    for (int c = 0; c < channels && random.nextBoolean(); c++) {
      BigInteger integer = integer(random, sums.linear(), random.nextInt(4), BigInteger.ONE);
      long[] limbs = limbs(integer, sums.linear());
      System.arraycopy(limbs, 0, sums.ensureLimbs(), c * sums.limbsPerChannel(), limbs.length);
      sums.addProduct(c, limbs(BigInteger.ONE, sums.product()));
    }
    return sums;
  }

  /** What the sums hold by the words of their documentation, in units of 2^lowest. */
  private static BigInteger read(ExactSums sums, int channel, boolean product, int lowest) {
    Register format = product ? sums.product() : sums.linear();
    BigInteger sum = BigInteger.ZERO;
    for (int k = 0; k < format.terms(); k++) {
      int at = (k + (product ? sums.linear().terms() : 0)) * sums.channels() + channel;
      sum = sum.add(exact(sums.terms()[at], lowest));
    }
    long[] limbs = sums.limbs();
    if (limbs != null) {
      int first = channel * sums.limbsPerChannel() + (product ? sums.linear().limbs() : 0);
      BigInteger integer = BigInteger.valueOf(limbs[first + format.limbs() - 1]);
      for (int i = format.limbs() - 2; i >= 0; i--) {
        integer =
            integer.shiftLeft(64).add(new BigInteger(Long.toUnsignedString(limbs[first + i])));
      }
      sum = sum.add(integer.shiftLeft(format.lowest() - lowest));
    }
    return sum;
  }

  @Test
  void termsAndLimbsOfEnginesMergeExactly() {
    int channels = 4;
    for (int seed = 0; seed < 300; seed++) {
      Random random = new Random(seed);
      ExactSums a = fill(random, formats(channels).get(random.nextInt(3)).get());
      ExactSums b = fill(random, formats(channels).get(random.nextInt(3)).get());
      ExactSums merged = ExactSums.merged(a, b);
      ExactSums twice = ExactSums.merged(merged, ExactSums.statistics(channels, DType.F16));
      twice.merge(twice);
      assertFinite(merged);
      assertFinite(twice);
      for (int c = 0; c < channels; c++) {
        BigInteger linear = read(a, c, false, -1074).add(read(b, c, false, -1074));
        BigInteger product = read(a, c, true, -2148).add(read(b, c, true, -2148));
        assertEquals(linear, read(merged, c, false, -1074), "seed " + seed);
        assertEquals(product, read(merged, c, true, -2148), "seed " + seed);
        int linearShift = merged.linear().lowest() + 1074;
        int productShift = merged.product().lowest() + 2148;
        assertEquals(linear, merged.linearSum(c).shiftLeft(linearShift), "seed " + seed);
        assertEquals(product, merged.productSum(c).shiftLeft(productShift), "seed " + seed);
        assertEquals(linear.shiftLeft(1), twice.linearSum(c).shiftLeft(linearShift));
        assertEquals(product.shiftLeft(1), twice.productSum(c).shiftLeft(productShift));
      }
      assertEquals(merged, ExactSums.merged(b, a), "seed " + seed);
      // In place, where terms of the receiver may be the huge ones, and be its own argument.
      if (a.linear().lowest() <= b.linear().lowest()
          && a.product().lowest() <= b.product().lowest()) {
        a.merge(b);
        assertEquals(merged, a, "seed " + seed);
      }
      BigInteger[] twiceB = new BigInteger[channels];
      Arrays.setAll(twiceB, c -> b.productSum(c).shiftLeft(1));
      b.merge(b);
      for (int c = 0; c < channels; c++) {
        assertEquals(twiceB[c], b.productSum(c), "seed " + seed);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"F16, 0", "F32, 0", "F32, 1e4", "F64, 0", "F64, 1e4", "F64, 1e10"})
  void ordinaryDataNeedNoLimbs(DType type, double mean) {
    Random random = new Random(1);
    double[] values =
        random.doubles(100_000, 0, 1).map(u -> mean + random.nextGaussian()).toArray();
    ExactSums whole = sums(type, values);
    assertNull(whole.limbs());
    ExactSums pieces = ExactSums.statistics(1, type);
    for (int i = 0; i < values.length; i += 100) {
      pieces.merge(sums(type, Arrays.copyOfRange(values, i, i + 100)));
    }
    assertNull(pieces.limbs());
    assertEquals(whole, pieces);
    assertNull(ExactSums.merged(whole, ExactSums.statistics(1, DType.F64)).limbs());
  }

  /** More channels than an engine may keep accumulators for. */
  @ParameterizedTest
  @CsvSource({"1023, 1", "1024, 3", "1025, 1", "2500, 2"})
  void manyChannelsKeepTheirSumsApart(int channels, int inner) {
    int rows = 3;
    Batch x = Batch.zeros(Shape.of(Layout.NCHW, rows, channels, inner, 1), DType.F32);
    for (int i = 0; i < x.values().count(); i++) {
      x.values().set(i, i);
    }
    int last = channels - 1;
    x.values().set(last * inner, Double.NaN);
    ExactSums sums = NORM.sums(x);
    for (int c = 0; c < channels; c++) {
      long sum = 0;
      for (int n = 0; n < rows; n++) {
        for (int i = 0; i < inner; i++) {
          sum += ((long) n * channels + c) * inner + i;
        }
      }
      assertEquals((long) rows * inner, sums.counts()[c]);
      assertEquals(c == last ? ExactSums.NAN : 0, sums.flags()[c]);
      if (c != last) {
        assertEquals(BigInteger.valueOf(sum).shiftLeft(149), sums.linearSum(c));
      }
    }
  }

  @Test
  void whatNoTermHoldsGoesToLimbs() {
    ExactSums sums = sums(DType.F32, 0x1p100, 1);
    assertNull(sums.limbs());
    sums.merge(sums(DType.F32, 0x1p-100));
    assertNotNull(sums.limbs());
    BigInteger sum = BigInteger.ONE.shiftLeft(100).add(BigInteger.ONE).shiftLeft(100);
    assertEquals(sum.add(BigInteger.ONE).shiftLeft(49), sums.linearSum(0));
    assertEquals(sums(DType.F32, 0x1p-100, 1, 0x1p100), sums);
  }

  @Test
  void termsThatOverlapMakeRoom() {
    ExactSums sums = ExactSums.statistics(1, DType.F32);
    sums.terms()[0] = 3;
    sums.terms()[1] = 1;
    sums.merge(sums(DType.F32, 0x1p-60));
    assertNull(sums.limbs());
    assertEquals(4, sums.terms()[0]);
    assertEquals(0x1p-60, sums.terms()[1]);
  }

  @Test
  void theLargestSumsHaveNoInfiniteTerms() {
    ExactSums sums = sums(DType.F64, Double.MAX_VALUE);
    BigInteger linear = sums.linearSum(0);
    BigInteger product = sums.productSum(0);
    for (int i = 1; i <= 62; i++) {
      sums.merge(sums);
      assertFinite(sums);
      assertEquals(1L << i, sums.counts()[0]);
      assertEquals(linear.shiftLeft(i), sums.linearSum(0));
      assertEquals(product.shiftLeft(i), sums.productSum(0));
    }
  }

  /** The integers of a channel's sums in the limbs, and nothing in the terms. */
  private static ExactSums wide(ExactSums compact) {
    ExactSums wide = ExactSums.merged(compact, ExactSums.statistics(compact.channels(), DType.F16));
    Arrays.fill(wide.terms(), 0);
    for (int c = 0; c < wide.channels(); c++) {
      int first = c * wide.limbsPerChannel();
      long[] linear = limbs(compact.linearSum(c), wide.linear());
      long[] product = limbs(compact.productSum(c), wide.product());
      System.arraycopy(linear, 0, wide.ensureLimbs(), first, linear.length);
      System.arraycopy(product, 0, wide.ensureLimbs(), first + linear.length, product.length);
    }
    return wide;
  }

  @Test
  void aValueIsEqualInEveryForm() {
    ExactSums compact = sums(DType.F32, 1.5, -3, 0x1p-30);
    ExactSums wide = wide(compact);
    assertEquals(compact, wide);
    assertEquals(wide, compact);
    assertEquals(compact.hashCode(), wide.hashCode());
    assertEquals(compact.toString(), wide.toString());
    wide.merge(compact);
    compact.merge(compact);
    assertEquals(compact, wide);
    wide.ensureLimbs()[0]++;
    assertNotEquals(compact, wide);
    wide.ensureLimbs()[0]--;
    wide.terms()[1] = -Float.MIN_VALUE;
    assertNotEquals(compact, wide);
    compact.merge(sums(DType.F32, -Float.MIN_VALUE));
    wide.counts()[0]++;
    wide.ensureLimbs()[wide.linear().limbs()]++; // the square of the value, in units of 2^-298
    assertEquals(compact, wide);
  }

  private static String refusal(Executable call) {
    return String.valueOf(assertThrows(IllegalArgumentException.class, call).getMessage());
  }
}
