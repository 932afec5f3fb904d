package dev.batchnorm.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.verify.Conditioning.Danger;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is predicted of kernels, beside kernels that really run in float and bf16. */
class ConditioningTest {
  private static final long SEED = 20261127;
  private static final double F32_UNIT = 0x1p-24;

  /** One channel of f32 values. */
  private static Conditioning of(float... x) {
    double[] values = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      values[i] = x[i];
    }
    Statistics statistics = statistics(Batch.of(Shape.of(Layout.NC, x.length, 1), x));
    return Conditioning.of(statistics, largest(values), DType.F32, 1e-5);
  }

  private static Conditioning of(double... x) {
    Statistics statistics = statistics(Batch.of(Shape.of(Layout.NC, x.length, 1), x));
    return Conditioning.of(statistics, largest(x), DType.F64, 1e-5);
  }

  private static Statistics statistics(Batch x) {
    return BatchNorm.builder().eps(0).build().forward(x).statistics();
  }

  private static double[] largest(double... x) {
    return new double[] {Arrays.stream(x).map(Math::abs).filter(Double::isFinite).max().orElse(0)};
  }

  private static float[] normal(Random random, int m, double mean, double std) {
    float[] x = new float[m];
    for (int i = 0; i < m; i++) {
      x[i] = (float) (mean + std * random.nextGaussian());
    }
    return x;
  }

  /** Mean and variance in binary64 around the first value, exact enough to judge float. */
  private static double[] truth(float... x) {
    double sum = 0;
    for (float value : x) {
      sum += (double) value - x[0];
    }
    double shifted = sum / x.length;
    double squares = 0;
    for (float value : x) {
      double d = (double) value - x[0] - shifted;
      squares += d * d;
    }
    return new double[] {x[0] + shifted, squares / x.length};
  }

  /** E[x²] − μ² in f32, value after value. */
  private static float onePassOneByOne(float... x) {
    float sum = 0;
    float squares = 0;
    for (float value : x) {
      sum += value;
      squares += value * value;
    }
    float mean = sum / x.length;
    return squares / x.length - mean * mean;
  }

  /** E[x²] − μ² in f32, each sum rounded once. */
  private static float onePassRoundedOnce(float... x) {
    double sum = 0;
    double squares = 0;
    for (float value : x) {
      sum += value;
      squares += value * value;
    }
    float mean = (float) sum / x.length;
    return (float) squares / x.length - mean * mean;
  }

  /** The root mean square error of x̂ = (x − mean)/σ whose mean is an f32. */
  private static double twoPassError(float... x) {
    double[] truth = truth(x);
    double sum = 0;
    for (float value : x) {
      sum += value;
    }
    float mean = (float) (sum / x.length);
    double squares = 0;
    for (float value : x) {
      float d = value - mean;
      double error = (d - (value - truth[0])) / Math.sqrt(truth[1]);
      squares += error * error;
    }
    return Math.sqrt(squares / x.length);
  }

  /** The same of an x̂ whose x was rounded to bf16. */
  private static double bf16Error(float... x) {
    double[] truth = truth(x);
    double squares = 0;
    for (float value : x) {
      double error = (bf16(value) - (double) value) / Math.sqrt(truth[1]);
      squares += error * error;
    }
    return Math.sqrt(squares / x.length);
  }

  /** To nearest, ties to even: the upper half of a float's bits. */
  private static float bf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    return Float.intBitsToFloat((bits + 0x7fff + (bits >>> 16 & 1)) & 0xffff0000);
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 10, 100, 1000, 2000})
  void digitsAreLostAsPredicted(double mean) {
    Random random = new Random(SEED);
    double onePass = 0;
    double twoPass = 0;
    double bf16 = 0;
    int rounds = 300;
    double predictedOnePass = 0;
    double predictedTwoPass = 0;
    double predictedBf16 = 0;
    for (int round = 0; round < rounds; round++) {
      // Means all over a binade, so that no rounding is lucky in all rounds.
      float[] x = normal(random, 257, mean * (1 + random.nextDouble()), 1);
      Conditioning conditioning = of(x);
      double variance = truth(x)[1];
      double relative = (onePassRoundedOnce(x) - variance) / variance;
      onePass += relative * relative / rounds;
      twoPass += Math.pow(twoPassError(x), 2) / rounds;
      bf16 += Math.pow(bf16Error(x), 2) / rounds;
      predictedOnePass += conditioning.digitsLostByOnePass(0) / rounds;
      predictedTwoPass += conditioning.digitsLostByTwoPass(0) / rounds;
      predictedBf16 += conditioning.digitsLostInBf16(0) / rounds;
    }
    assertEquals(predictedOnePass, lost(onePass), 0.6, "one-pass");
    assertEquals(predictedTwoPass, lost(twoPass), 0.6, "two-pass");
    assertEquals(predictedBf16, lost(bf16), 0.6, "bf16");
  }

  /** How many digits a mean square error is above u. */
  private static double lost(double meanSquare) {
    return Math.log10(Math.sqrt(meanSquare) / F32_UNIT);
  }

  /** No kernel gets less than the bound; and where variances ≤ 0 are predicted some appear. */
  @Test
  void variancesAreNegativeOnlyWhereTheyArePredicted() {
    Random random = new Random(SEED);
    int predicted = 0;
    int negative = 0;
    int negativeOneByOne = 0;
    int unpredicted = 0;
    for (int round = 0; round < 6000; round++) {
      int m = 2 + random.nextInt(1 << (1 + random.nextInt(11)));
      double mean = Math.pow(10, 7 * random.nextDouble() - 1);
      float[] x = normal(random, m, mean, Math.pow(10, random.nextInt(3) - 1));
      if (round % 7 == 0) {
        Arrays.fill(x, x[0]);
      } else if (round % 11 == 0) {
        x[0] = 1e6f;
      }
      Conditioning conditioning = of(x);
      float roundedOnce = onePassRoundedOnce(x);
      float oneByOne = onePassOneByOne(x);
      assertTrue(roundedOnce >= (float) conditioning.leastVariance(0, false), () -> repeat(x));
      assertTrue(oneByOne >= (float) conditioning.leastVariance(0, true), () -> repeat(x));
      predicted += conditioning.mayBeNegative(0, false) ? 1 : 0;
      unpredicted += conditioning.mayBeNegative(0, true) ? 0 : 1;
      if (roundedOnce <= 0) {
        negative++;
        assertTrue(conditioning.mayBeNegative(0, false), () -> repeat(x));
      }
      if (oneByOne <= 0) {
        negativeOneByOne++;
        assertTrue(conditioning.mayBeNegative(0, true), () -> repeat(x));
      }
      if (roundedOnce < -1e-5f) {
        assertTrue(conditioning.dangers(0).contains(Danger.VARIANCE_BELOW_EPS), () -> repeat(x));
      }
    }
    assertTrue(predicted > 1000 && negative > predicted / 4, negative + " of " + predicted);
    assertTrue(negativeOneByOne > negative / 2, negativeOneByOne + " of " + negative);
    assertTrue(unpredicted > 1500, unpredicted + " are safe");
  }

  private static String repeat(float... x) {
    return x.length + " values from " + x[0] + ", " + x[1];
  }

  @Test
  void sumsOneByOneAreWorse() {
    float[] x = normal(new Random(SEED), 1 << 20, 10, 1);
    Conditioning conditioning = of(x);
    assertTrue(conditioning.mayBeNegative(0, true));
    assertFalse(conditioning.mayBeNegative(0, false));
    double error = Math.abs(onePassOneByOne(x) - truth(x)[1]);
    assertTrue(error > 100 * Math.abs(onePassRoundedOnce(x) - truth(x)[1]), "" + error);
  }

  @Test
  void dangersAreTold() {
    assertEquals(Set.of(), of(-1f, 2f, 3f).dangers(0));
    assertEquals(EnumSet.of(Danger.CONSTANT), of(0f, 0f).dangers(0));
    assertEquals(EnumSet.of(Danger.CONSTANT, Danger.NEGATIVE_VARIANCE), of(0.5f, 0.5f).dangers(0));
    assertEquals(EnumSet.of(Danger.CONSTANT, Danger.VARIANCE_BELOW_EPS), of(100f, 100f).dangers(0));
    assertEquals(EnumSet.of(Danger.NOT_FINITE), of(1f, Float.NaN).dangers(0));
    assertEquals(EnumSet.of(Danger.NOT_FINITE), of(1f, Float.POSITIVE_INFINITY).dangers(0));
    assertEquals(EnumSet.of(Danger.EPS_DOMINATES), of(-0.003f, 0.003f).dangers(0));
    assertEquals(
        EnumSet.of(Danger.EPS_DOMINATES, Danger.F16_UNDERFLOW_OF_VARIANCE),
        of(-2e-4f, 2e-4f).dangers(0));
    assertEquals(Set.of(), of(-255f, 1f).dangers(0));
    assertEquals(EnumSet.of(Danger.F16_OVERFLOW_OF_SUMS), of(-255f, 255f).dangers(0));
    assertEquals(EnumSet.of(Danger.F16_OVERFLOW_OF_SQUARES), of(-256f, 1f).dangers(0));
    assertEquals(EnumSet.of(Danger.F16_OVERFLOW_OF_SQUARES), of(-65519f, 1f).dangers(0));
    assertEquals(EnumSet.of(Danger.F16_OVERFLOW), of(-65520f, 1f).dangers(0));
    assertEquals(EnumSet.of(Danger.F32_OVERFLOW, Danger.F16_OVERFLOW), of(-2e19f, 0f).dangers(0));
    assertEquals(
        EnumSet.of(
            Danger.VARIANCE_BELOW_EPS, Danger.BF16_LOSES_ALL, Danger.F16_OVERFLOW_OF_SQUARES),
        of(2999f, 3001f).dangers(0));
    assertEquals(
        EnumSet.of(
            Danger.VARIANCE_BELOW_EPS,
            Danger.ONE_PASS_LOSES_ALL,
            Danger.TWO_PASS_LOSES_ALL,
            Danger.BF16_LOSES_ALL,
            Danger.F16_OVERFLOW),
        of(1e16, 1e16 + 2).dangers(0));
    float[] many = new float[70000];
    Arrays.fill(many, 1);
    many[0] = -1;
    assertTrue(of(many).dangers(0).contains(Danger.F16_OVERFLOW_OF_SUMS));
  }

  /** Squares that f32 cannot hold leave a one-pass kernel nothing. */
  @Test
  void tinyValuesUnderflow() {
    float[] x = {1e-30f, -2e-30f, 3e-30f};
    assertEquals(0, onePassRoundedOnce(x));
    assertTrue(of(x).dangers(0).contains(Danger.NEGATIVE_VARIANCE));
    assertTrue(of(1e-30, -2e-30, 3e-30).dangers(0).contains(Danger.NEGATIVE_VARIANCE));
  }

  /** Where 1/σ is beyond binary64, μ/σ is not. */
  @Test
  void subnormalValuesAreAsWellConditionedAsOthers() {
    Conditioning tiny = of(0x1p-1060, 0x3p-1060);
    assertEquals(2, tiny.meanOverStd(0));
    assertFalse(tiny.dangers(0).contains(Danger.TWO_PASS_LOSES_ALL));
    assertEquals(Double.POSITIVE_INFINITY, of(0x1p-1060, 0x1p-1060).meanOverStd(0));
  }

  @Test
  void theTypeOfTheKernelDecides() {
    Conditioning narrow = of(9999f, 10001f);
    Conditioning wide = of(9999.0, 10001.0);
    assertEquals(DType.F32, narrow.kernelType());
    assertEquals(DType.F64, wide.kernelType());
    assertEquals(Math.log10(1e8 + 1), narrow.digitsLostByOnePass(0), 1e-14);
    assertEquals(Math.log10(1e8 + 1) / 2, wide.digitsLostByTwoPass(0), 1e-14);
    assertEquals(7.2247, narrow.digits(), 1e-4);
    assertEquals(15.9546, wide.digits(), 1e-4);
    assertEquals(7.2247 - 2.4082 + 4, narrow.digitsLostInBf16(0), 1e-4);
    assertTrue(narrow.dangers(0).contains(Danger.ONE_PASS_LOSES_ALL));
    assertFalse(wide.dangers(0).contains(Danger.ONE_PASS_LOSES_ALL));
    assertTrue(wide.dangers(0).contains(Danger.VARIANCE_BELOW_EPS));
  }

  @Test
  void nothingIsKnownWithoutValues() {
    Conditioning none = of(new float[0]);
    assertEquals(Set.of(), none.dangers(0));
    assertTrue(Double.isNaN(none.condition(0)));
    assertTrue(Double.isNaN(of(Float.NaN, 1f).digitsLostInBf16(0)));
  }

  @Test
  void refusals() {
    Statistics own = statistics(Batch.of(Shape.of(Layout.NC, 2, 1), 1f, 2f));
    Statistics withEps =
        BatchNorm.builder()
            .build()
            .forward(Batch.of(Shape.of(Layout.NC, 2, 1), 1f, 2f))
            .statistics();
    double[] one = {2};
    assertEquals(
        "statistics: expected a batch's own with eps 0, found eps 1.0E-5",
        refusal(() -> Conditioning.of(withEps, one, DType.F32, 0)));
    assertEquals(
        "largest: expected 1 values, found 2",
        refusal(() -> Conditioning.of(own, new double[2], DType.F32, 0)));
    for (double eps : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertEquals(
          "eps: expected a finite number ≥ 0, found " + eps,
          refusal(() -> Conditioning.of(own, one, DType.F32, eps)));
    }
  }

  private static String refusal(org.junit.jupiter.api.function.Executable action) {
    return String.valueOf(assertThrows(IllegalArgumentException.class, action).getMessage());
  }
}
