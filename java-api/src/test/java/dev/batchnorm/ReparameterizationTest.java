package dev.batchnorm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.engine.Engines;
import dev.batchnorm.verify.SeededSource;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ReparameterizationTest {
  private static final MathContext DIGITS = new MathContext(80);

  private static Batch matrix(int rows, int columns, double... values) {
    return Batch.of(Shape.of(Layout.NC, rows, columns), values);
  }

  private static Reparameterization.Builder builder() {
    return Reparameterization.builder().engine(Engines.named("java", 1));
  }

  /** X with covariance (4, 0; 0, 1) and mean (1, 2). */
  private static final Batch X = matrix(4, 2, 3, 3, 3, 1, -1, 3, -1, 1);

  @ParameterizedTest
  @EnumSource(Level.class)
  void dividesByTheRootOfTheUnitsVariance(Level level) {
    Reparameterization norm = builder().eps(0).gamma(2, 1).beta(0, 5).level(level).build();
    Reparameterized layer = norm.weights(matrix(2, 2, 1, 0, 0, 3), X);
    assertArrayEquals(new double[] {4, 9}, layer.q());
    assertArrayEquals(new double[] {1, 0, 0, 1}, layer.weights().values().toDoubles());
    assertArrayEquals(new double[] {-1, 3}, layer.bias().toDoubles());
    assertEquals(List.of(), layer.warnings());
    assertEquals("through the covariance", layer.road());
    assertEquals(level, norm.level());
  }

  @Test
  void dataCovarianceAndSumsGiveTheSameBits() {
    Source x = new SeededSource(Shape.of(Layout.NC, 50, 4), DType.F32, 7);
    Batch w = Batch.zeros(Shape.of(Layout.NC, 4, 3), DType.F32);
    for (int i = 0; i < 12; i++) {
      w.values().set(i, Math.sin(i));
    }
    Reparameterization norm = builder().build();
    Reparameterized layer = norm.weights(w, x);
    Covariance s = norm.covariance(norm.sums(x));
    assertSame(layer, norm.weights(w, s));
    assertSame(layer, norm.weights(w, Covariance.given(s.mean(), s.covariance())));
    assertEquals(DType.F32, layer.weights().type());
    assertEquals(DType.F32, layer.bias().type());
  }

  private static void assertSame(Reparameterized expected, Reparameterized found) {
    assertArrayEquals(
        expected.weights().values().toDoubles(), found.weights().values().toDoubles());
    assertArrayEquals(expected.bias().toDoubles(), found.bias().toDoubles());
    assertArrayEquals(expected.q(), found.q());
  }

  @Test
  void takesTheCheaperRoadAtLevelFast() {
    Reparameterization norm = builder().level(Level.FAST).build();
    Source x = new SeededSource(Shape.of(Layout.NC, 50, 9), DType.F64, 7);
    Batch one = Batch.zeros(Shape.of(Layout.NC, 9, 2), DType.F64);
    one.values().set(3, 1);
    one.values().set(10, 1);
    assertEquals("directly, from X·W", norm.weights(one, x).road());
    Batch many = Batch.zeros(Shape.of(Layout.NC, 9, 3), DType.F64);
    assertEquals("through the covariance", norm.weights(many, x).road());
    Batch dy = Batch.zeros(Shape.of(Layout.NC, 50, 2), DType.F64);
    assertEquals("directly, from X·W", norm.gradients(dy, x, one).road());
  }

  @Test
  void theOutputTypeIsThatOfTheWeightsUnlessSet() {
    Batch w = matrix(2, 1, 1.0 / 3, 0.2);
    Batch dy = matrix(4, 1, 1, 0, 0, 2);
    Reparameterization wide = builder().build();
    Reparameterization half = builder().outputType(DType.F16).build();
    double[] exact = wide.weights(w, X).weights().values().toDoubles();
    double[] rounded = Arrays.stream(exact).map(DType.F16::round).toArray();
    assertEquals(DType.F16, half.weights(w, X).bias().type());
    assertArrayEquals(rounded, half.weights(w, X).weights().values().toDoubles());
    assertEquals(DType.F64, wide.gradients(dy, X, w).dweights().type());
    WeightGradients gradients = half.gradients(dy, X, w);
    assertEquals(DType.F16, gradients.dweights().type());
    assertEquals(DType.F64, gradients.dgamma().type());
  }

  @Test
  void weightNormalizationHasTheIdentityForTheCovariance() {
    Batch w = matrix(2, 3, 3, 0, 1, 4, 0, 0);
    Reparameterized layer = builder().gamma(10).beta(7).build().weightNorm(w);
    double nan = Double.NaN;
    assertArrayEquals(new double[] {6, nan, 10, 8, nan, 0}, layer.weights().values().toDoubles());
    assertArrayEquals(new double[] {7, 7, 7}, layer.bias().toDoubles());
    assertArrayEquals(new double[] {25, 0, 1}, layer.q());
    assertEquals("weight normalization", layer.road());
    assertEquals(
        List.of("unit 1: its squares add up to 0, so it cannot be normalized: NaN"),
        layer.warnings());
  }

  @Test
  void aConstantOutputIsBetaWhereEpsIsZero() {
    Batch x = matrix(3, 2, 1, 5, 2, 5, 4, 5);
    for (Level level : Level.values()) {
      Reparameterized layer =
          builder().eps(0).beta(0.5).level(level).build().weights(matrix(2, 1, 0, 3), x);
      assertArrayEquals(new double[] {0, 0}, layer.weights().values().toDoubles());
      assertArrayEquals(new double[] {0.5}, layer.bias().toDoubles());
      assertEquals(
          List.of(
              "unit 0: its output is constant and eps is 0, so its weights are 0 and its bias is"
                  + " beta"),
          layer.warnings());
      assertTrue(layer.biasBound()[0] < 1e-15 && layer.weightsBound()[1] < 1e-300);
    }
  }

  /** The third column is the sum of the others but for 1e-9: S is singular in binary64. */
  @Test
  void aVarianceWithinRoundingOf0HasNoBound() {
    Batch x = matrix(3, 3, 1, 0.1, 1.1 + 1e-9, 2, 0.7, 2.7, 4, 0.3, 4.3);
    for (Level level : Level.values()) {
      Reparameterized layer =
          builder().eps(0).level(level).build().weights(matrix(3, 1, 1, 1, -1), x);
      assertEquals(Double.POSITIVE_INFINITY, layer.weightsBound()[0], level.label());
      assertEquals(
          List.of("unit 0: its variance is within rounding of 0, so its weights mean little"),
          layer.warnings());
      Batch dy = matrix(3, 1, 1, 0, 2);
      Reparameterization norm = builder().eps(0).level(level).build();
      WeightGradients gradients = norm.gradients(dy, x, matrix(3, 1, 1, 1, -1));
      assertTrue(gradients.gammaBound()[0] < 1e-3, "they do not go through S");
      assertEquals(List.of(), gradients.warnings());
      Reparameterized safe = builder().level(level).build().weights(matrix(3, 1, 1, 1, -1), x);
      assertTrue(safe.weightsBound()[0] < 1e-6, level.label());
      assertEquals(List.of(), safe.warnings());
    }
  }

  @Test
  void whatIsNotFiniteSpoilsItsUnits() {
    Batch x = matrix(3, 2, 1, 0, 2, Double.POSITIVE_INFINITY, 4, 1);
    for (Level level : Level.values()) {
      Reparameterized layer = builder().level(level).build().weights(matrix(2, 1, 1, 0), x);
      assertTrue(Double.isNaN(layer.weights().values().get(0)));
      assertTrue(Double.isNaN(layer.bias().get(0)));
      assertEquals(List.of("unit 0: values that are not finite: NaN"), layer.warnings());
      Batch w = matrix(2, 2, 1, Double.NaN, 0, 1);
      layer = builder().level(level).build().weights(w, X);
      assertTrue(Double.isFinite(layer.bias().get(0)) && Double.isNaN(layer.bias().get(1)));
      assertEquals(List.of("unit 1: values that are not finite: NaN"), layer.warnings());
    }
  }

  @Test
  void noUnitsAndNoColumnsAreFine() {
    Batch none = matrix(2, 0);
    for (Level level : Level.values()) {
      Reparameterization norm = builder().level(level).build();
      assertEquals(0, norm.weights(none, X).bias().count());
      assertEquals(0, norm.weights(none, norm.covariance(X)).weights().values().count());
      assertEquals(0, norm.gradients(matrix(4, 0), X, none).dgamma().count());
      Batch narrow = matrix(4, 0);
      Reparameterized layer = norm.weights(matrix(0, 1), narrow);
      assertArrayEquals(new double[] {0}, layer.bias().toDoubles());
      assertArrayEquals(new double[] {0}, layer.q());
    }
    assertEquals(0, builder().build().weightNorm(none).q().length);
  }

  // Gradients.

  /** One case of small numbers, its gradients in decimals, and those of an engine. */
  private static final class Gradients {
    final int m;
    final int d;
    final int units;
    final double[] x;
    final double[] w;
    final double[] dy;
    final double[] gamma;
    final double eps;

    Gradients(Random random) {
      d = 1 + random.nextInt(random.nextInt(4) == 0 ? 9 : 4);
      units = 1 + random.nextInt(2);
      m = 2 + random.nextInt(7);
      double mean = random.nextBoolean() ? 0 : 1e6;
      x = draw(random, m * d, -1, 1);
      Arrays.setAll(x, i -> mean + x[i]);
      w = draw(random, d * units, -1, 1);
      dy = draw(random, m * units, -1, 2);
      gamma = random.doubles(units, -2, 2).toArray();
      eps = random.nextBoolean() ? 0 : 1e-3;
    }

    private static double[] draw(Random random, int count, double from, double to) {
      return random.doubles(count, from, to).toArray();
    }

    private static BigDecimal big(double value) {
      return new BigDecimal(value);
    }

    /** The columns of a matrix less their means, or as they are. */
    private static BigDecimal[][] centred(double[] matrix, int columns, boolean centres) {
      int rows = matrix.length / columns;
      BigDecimal[][] result = new BigDecimal[rows][columns];
      for (int j = 0; j < columns; j++) {
        BigDecimal sum = BigDecimal.ZERO;
        for (int r = 0; r < rows; r++) {
          sum = sum.add(big(matrix[r * columns + j]));
        }
        BigDecimal mean = centres ? sum.divide(big(rows), DIGITS) : BigDecimal.ZERO;
        for (int r = 0; r < rows; r++) {
          result[r][j] = big(matrix[r * columns + j]).subtract(mean);
        }
      }
      return result;
    }

    /**
     * dγ of unit k, then dW of its column: from the definition, y = γ·wᵀc/√(var(wᵀc) + ε), by the
     * chain of B3 into dz, then Σ c·dz.
     */
    BigDecimal[] exact(int k, boolean weightNorm) {
      BigDecimal[][] c = centred(x, d, !weightNorm);
      BigDecimal[][] e = centred(dy, units, !weightNorm);
      BigDecimal[] z = new BigDecimal[m];
      BigDecimal squares = BigDecimal.ZERO;
      for (int r = 0; r < m; r++) {
        z[r] = BigDecimal.ZERO;
        for (int i = 0; i < d; i++) {
          z[r] = z[r].add(c[r][i].multiply(big(w[i * units + k])));
        }
        squares = squares.add(z[r].pow(2));
      }
      BigDecimal v = squares.divide(big(m), DIGITS).add(big(eps));
      if (weightNorm) {
        v = BigDecimal.ZERO;
        for (int i = 0; i < d; i++) {
          v = v.add(big(w[i * units + k]).pow(2));
        }
      }
      BigDecimal s = BigDecimal.ONE.divide(v.sqrt(DIGITS), DIGITS);
      BigDecimal along = BigDecimal.ZERO;
      for (int r = 0; r < m; r++) {
        along = along.add(e[r][k].multiply(z[r]));
      }
      BigDecimal a = big(gamma[k]).multiply(s);
      BigDecimal[] gradient = new BigDecimal[d + 1];
      gradient[0] = s.multiply(along);
      for (int i = 0; i < d; i++) {
        BigDecimal sum = BigDecimal.ZERO;
        for (int r = 0; r < m; r++) {
          BigDecimal perRow = along.multiply(z[r]).divide(v.multiply(big(m)), DIGITS);
          BigDecimal dz = weightNorm ? e[r][k] : e[r][k].subtract(perRow);
          sum = sum.add(c[r][i].multiply(dz));
        }
        if (weightNorm) {
          sum = sum.subtract(along.multiply(big(w[i * units + k])).divide(v, DIGITS));
        }
        gradient[i + 1] = a.multiply(sum);
      }
      return gradient;
    }

    WeightGradients found(Level level, boolean weightNorm) {
      Reparameterization norm = builder().level(level).eps(eps).gamma(gamma).build();
      Batch xs = matrix(m, d, x);
      Batch dys = matrix(m, units, dy);
      Batch ws = matrix(d, units, w);
      return weightNorm ? norm.weightNormGradients(dys, xs, ws) : norm.gradients(dys, xs, ws);
    }
  }

  private static double share(BigDecimal exact, double found, double bound) {
    double difference = new BigDecimal(found).subtract(exact).abs().doubleValue();
    return difference == 0 ? 0 : difference / bound;
  }

  /** 3 times 500 cases, in decimals of 80 digits. */
  @Test
  void gradientsAreWithinTheirBoundsOfTheExactOnes() {
    double worst = 0;
    Random random = new Random(11);
    for (int run = 0; run < 500; run++) {
      Gradients drawn = new Gradients(random);
      for (int way = 0; way < 3; way++) {
        WeightGradients found = drawn.found(way == 1 ? Level.FAST : Level.EXACT, way == 2);
        for (int k = 0; k < drawn.units; k++) {
          BigDecimal[] exact = drawn.exact(k, way == 2);
          double share = share(exact[0], found.dgamma().get(k), found.gammaBound()[k]);
          for (int i = 0; i < drawn.d; i++) {
            int at = i * drawn.units + k;
            double dw = found.dweights().values().get(at);
            share = Math.max(share, share(exact[i + 1], dw, found.weightsBound()[at]));
          }
          String where = "run " + run + ", way " + way + ", unit " + k + ", " + found.road();
          assertTrue(share <= 1, where + ": " + share + " of the bound");
          worst = Math.max(worst, share);
        }
      }
    }
    assertTrue(worst > 0.02, "a bound so wide says nothing: " + worst);
  }

  /** The loss Σ dy·y, y by the forward pass of z = X·W, moves as the gradients say. */
  @Test
  void gradientsAgreeWithCentralDifferences() {
    Random random = new Random(12);
    for (int run = 0; run < 50; run++) {
      Gradients drawn = new Gradients(random);
      WeightGradients found = drawn.found(Level.EXACT, false);
      double[] direction = random.doubles(drawn.w.length, -1, 1).toArray();
      BigDecimal h = new BigDecimal("1e-10");
      BigDecimal slope =
          loss(drawn, direction, h)
              .subtract(loss(drawn, direction, h.negate()))
              .divide(h.multiply(BigDecimal.valueOf(2)), DIGITS);
      double expected = 0;
      double bound = 0;
      double size = 0;
      for (int i = 0; i < direction.length; i++) {
        double dw = found.dweights().values().get(i);
        expected += direction[i] * dw;
        bound += Math.abs(direction[i]) * found.weightsBound()[i];
        size += Math.abs(direction[i] * dw);
      }
      double difference = Math.abs(slope.doubleValue() - expected);
      double ofSlope = 1e-12 * curvature(drawn); // h² times a third derivative
      assertTrue(difference <= bound + 1e-14 * size + ofSlope, "run " + run + ": " + difference);
    }
  }

  private static double curvature(Gradients drawn) {
    double largest = 1;
    for (int k = 0; k < drawn.units; k++) {
      double sum = 0;
      for (BigDecimal g : drawn.exact(k, false)) {
        sum += g.abs().doubleValue();
      }
      largest = Math.max(largest, sum);
    }
    return largest;
  }

  private static BigDecimal loss(Gradients drawn, double[] direction, BigDecimal h) {
    BigDecimal loss = BigDecimal.ZERO;
    BigDecimal[][] c = Gradients.centred(drawn.x, drawn.d, true);
    for (int k = 0; k < drawn.units; k++) {
      BigDecimal squares = BigDecimal.ZERO;
      BigDecimal along = BigDecimal.ZERO;
      for (int r = 0; r < drawn.m; r++) {
        BigDecimal z = BigDecimal.ZERO;
        for (int i = 0; i < drawn.d; i++) {
          int at = i * drawn.units + k;
          BigDecimal w = Gradients.big(drawn.w[at]).add(Gradients.big(direction[at]).multiply(h));
          z = z.add(c[r][i].multiply(w));
        }
        squares = squares.add(z.pow(2));
        along = along.add(Gradients.big(drawn.dy[r * drawn.units + k]).multiply(z));
      }
      BigDecimal v = squares.divide(Gradients.big(drawn.m), DIGITS).add(Gradients.big(drawn.eps));
      loss = loss.add(Gradients.big(drawn.gamma[k]).multiply(along).divide(v.sqrt(DIGITS), DIGITS));
    }
    return loss;
  }

  @Test
  void betasGradientIsTheSumRoundedOnce() {
    double[] dy = {1e100, 3, -1e100, 0.25};
    WeightGradients found = builder().build().gradients(matrix(4, 1, dy), X, matrix(2, 1, 1, 1));
    assertArrayEquals(new double[] {3.25}, found.dbeta().toDoubles());
  }

  @Test
  void aConstantOutputHasNoGradientWhereEpsIsZero() {
    Batch x = matrix(3, 2, 1, 5, 2, 5, 4, 5);
    WeightGradients found =
        builder().eps(0).build().gradients(matrix(3, 1, 1, 0, 2), x, matrix(2, 1, 0, 3));
    assertArrayEquals(new double[] {0, 0}, found.dweights().values().toDoubles());
    assertArrayEquals(new double[] {0}, found.dgamma().toDoubles());
    assertArrayEquals(new double[] {3}, found.dbeta().toDoubles());
  }

  // Refusals.

  private static void refused(String message, Runnable action) {
    IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, action::run);
    assertEquals(message, refusal.getMessage());
  }

  @Test
  void refusesWhatDoesNotFit() {
    Reparameterization norm = builder().build();
    Batch w = matrix(2, 1, 1, 1);
    refused(
        "weights: expected 2 rows (columns of batch, shape 4×2), found shape 3×1",
        () -> norm.weights(matrix(3, 1, 1, 1, 1), X));
    refused(
        "weights: expected 2 rows (columns of x), found shape 3×1",
        () -> norm.weights(matrix(3, 1, 1, 1, 1), norm.covariance(X)));
    refused(
        "batch: expected shape 4×1 (rows of batch, units of the weights), found 4×2",
        () -> norm.gradients(X, X, w));
    refused(
        "gamma: expected 1 values (one per channel), found 2",
        () -> builder().gamma(1, 2).build().weights(w, X));
    Batch images = Batch.zeros(Shape.of(Layout.NCHW, 2, 2, 2, 2), DType.F32);
    refused(
        "batch: expected the columns on the last axis, found shape 2×2×2×2 with channel axis 1",
        () -> norm.covariance(images));
    refused(
        "batch: expected the columns on the last axis, found shape 2×2×2×2 with channel axis 1",
        () -> builder().level(Level.FAST).build().covariance(images));
    refused(
        "covariance: expected 2×2 values (as the mean has), found 1",
        () -> Covariance.given(new double[2], new double[1]));
    assertThrows(IllegalArgumentException.class, () -> builder().eps(-1));
  }

  @Test
  void refusesWhatIsNoCovariance() {
    InputException skew =
        assertThrows(
            InputException.class, () -> Covariance.given(new double[2], new double[] {1, 2, 3, 1}));
    assertEquals(
        "covariance: expected a symmetric matrix, found 3.0 at (1, 0) and 2.0 at (0, 1)",
        skew.getMessage());
    InputException negative =
        assertThrows(
            InputException.class,
            () -> Covariance.given(new double[2], new double[] {1, 0, 0, -1}));
    assertEquals(
        "covariance: expected variances ≥ 0 on the diagonal, found -1.0 at (1, 1)",
        negative.getMessage());
  }
}
