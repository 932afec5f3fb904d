package dev.batchnorm.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Level;
import dev.batchnorm.Reparameterization;
import dev.batchnorm.Reparameterized;
import dev.batchnorm.Shape;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.verify.ReparameterizationDifference.Output;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ReparameterizationDifferenceTest {
  /** Seeded cases; {@code -Dbatchnorm.cases=10000} for what the documents tell. */
  private static final int CASES = Integer.getInteger("batchnorm.cases", 2000);

  private static final DType[] TYPES = {DType.F32, DType.F64};

  private static Batch batch(DType type, int rows, int columns, double... values) {
    Batch batch = Batch.zeros(Shape.of(Layout.NC, rows, columns), type);
    for (int i = 0; i < values.length; i++) {
      batch.values().set(i, values[i]);
    }
    return batch;
  }

  /** One case: data, weights and settings drawn from a seed. */
  private static final class Case {
    private final Random random;
    private final Batch x;
    private final Batch w;
    private final Affine affine;
    private final double eps;
    private final DType output;

    Case(int seed) {
      random = new Random(seed);
      int d = 1 + random.nextInt(random.nextInt(4) == 0 ? 12 : 5);
      int units = 1 + random.nextInt(3);
      int m = 1 + random.nextInt(random.nextInt(3) == 0 ? 3 : 40);
      x = batch(TYPES[random.nextInt(2)], m, d, data(m, d));
      w = batch(TYPES[random.nextInt(2)], d, units, weights(d, units));
      double[] gamma = random.doubles(units, -2, 2).toArray();
      double[] beta = random.nextBoolean() ? new double[] {0} : random.doubles(units).toArray();
      affine = Affine.IDENTITY.withGamma(gamma).withBeta(beta);
      eps = random.nextBoolean() ? 0 : 1e-5;
      output = DType.values()[random.nextInt(3)];
    }

    /**
     * Columns of mean 0 or 1e6, some of them nearly or exactly those to their left, or constant.
     */
    private double[] data(int m, int d) {
      double mean = random.nextBoolean() ? 0 : 1e6;
      double[] values = new double[m * d];
      for (int j = 0; j < d; j++) {
        int kind = random.nextInt(8);
        double near = random.nextBoolean() ? 0 : Math.pow(10, -random.nextInt(13));
        for (int r = 0; r < m; r++) {
          double noise = random.nextGaussian();
          boolean copies = j > 0 && kind < 3;
          values[r * d + j] =
              copies ? values[r * d + j - 1] + near * noise : mean + (kind == 3 ? 0 : noise);
        }
      }
      return values;
    }

    /** Some units see the difference of two columns alone, some nothing. */
    private double[] weights(int d, int units) {
      int count = d * units;
      double[] values = random.doubles(count, -1, 1).toArray();
      for (int k = 0; k < units; k++) {
        int kind = random.nextInt(6);
        for (int i = 0; kind < 3 && i < d; i++) {
          values[i * units + k] = kind == 2 || i > 1 ? 0 : i == 0 ? 1 : -1;
        }
      }
      return values;
    }

    Reparameterized reparameterized(Level level) {
      return Reparameterization.builder()
          .affine(affine)
          .eps(eps)
          .level(level)
          .outputType(output)
          .engine(Engines.named("java", 1))
          .build()
          .weights(w, x);
    }
  }

  @ParameterizedTest
  @EnumSource(Level.class)
  void theIdentityHoldsWithinItsBound(Level level) {
    long compared = 0;
    long unbounded = 0;
    double worst = 0;
    for (int seed = 0; seed < CASES; seed++) {
      Case drawn = new Case(seed);
      Reparameterized result = drawn.reparameterized(level);
      ReparameterizationDifference difference =
          ReparameterizationDifference.measure(drawn.w, result, drawn.affine, drawn.x);
      String repeat = "seed " + seed + ", " + result.road() + ": " + difference;
      assertTrue(difference.passed(), repeat);
      compared += difference.compared();
      unbounded += difference.unbounded();
      Output output = difference.worst();
      worst = Math.max(worst, output == null ? 0 : output.share());
    }
    System.out.printf(
        Locale.ROOT,
        "%s: %d cases, %d outputs within their bounds, worst share %.3f, %d without a bound%n",
        level.label(),
        CASES,
        compared,
        worst,
        unbounded);
    assertTrue(worst > 0.3, "a bound so wide says nothing: " + worst);
    assertTrue(unbounded < compared / 2, unbounded + " without a bound");
  }

  private static final Batch X = batch(DType.F64, 4, 2, 3, 3, 3, 1, -1, 3, -1, 1);
  private static final Batch W = batch(DType.F64, 2, 2, 1, 0, 0, 3);

  private static ReparameterizationDifference measured(Reparameterized result) {
    return ReparameterizationDifference.measure(W, result, Affine.IDENTITY, X);
  }

  private static Reparameterized right() {
    return Reparameterization.builder().eps(0).build().weights(W, X);
  }

  @Test
  void countsWhatItCompares() {
    ReparameterizationDifference difference = measured(right());
    assertEquals(8, difference.compared());
    assertEquals(0, difference.unbounded());
    assertEquals("4×2", difference.shape().toString());
    Output worst = difference.worst();
    assertNotNull(worst);
    assertEquals(0, worst.share());
    assertEquals(1, worst.normalised());
  }

  @Test
  void aWrongNumberIsSeen() {
    Reparameterized wrong = right();
    wrong.bias().set(1, wrong.bias().get(1) + 0x1p-46);
    ReparameterizationDifference difference = measured(wrong);
    assertFalse(difference.passed());
    assertEquals(4, difference.exceeding());
    Output worst = difference.worst();
    assertNotNull(worst);
    assertEquals(1, worst.index() % 2);
    wrong = right();
    wrong.weights().values().set(0, Double.NaN);
    difference = measured(wrong);
    assertEquals(4, difference.exceeding());
    worst = difference.worst();
    assertNotNull(worst);
    assertEquals(Double.POSITIVE_INFINITY, worst.share());
  }

  @Test
  void twoNaNsAreEqual() {
    Batch x = batch(DType.F64, 2, 2, 1, Double.NaN, 3, 4);
    Reparameterized result = Reparameterization.builder().build().weights(W, x);
    ReparameterizationDifference difference =
        ReparameterizationDifference.measure(W, result, Affine.IDENTITY, x);
    assertTrue(difference.passed(), difference::toString);
    assertEquals(4, difference.compared());
  }

  /** What is measured, in fractions: the pair of binary64 must be as good as exact. */
  @Test
  void theMeasurementIsExactBesideTheBound() {
    for (int seed = 0; seed < 200; seed++) {
      Case drawn = new Case(seed);
      Reparameterized result = drawn.reparameterized(Level.EXACT);
      Output worst =
          ReparameterizationDifference.measure(drawn.w, result, drawn.affine, drawn.x).worst();
      if (worst == null || worst.difference() == 0) {
        continue;
      }
      double exact = exact(drawn, result, worst.index());
      assertEquals(exact, worst.difference(), 1e-6 * worst.bound(), "seed " + seed);
    }
  }

  private static double exact(Case drawn, Reparameterized result, long index) {
    MathContext digits = new MathContext(120);
    int units = drawn.w.shape().channels();
    int d = drawn.x.shape().channels();
    int m = (int) drawn.x.shape().view().outer();
    int k = (int) (index % units);
    BigDecimal[] z = new BigDecimal[m];
    BigDecimal sum = BigDecimal.ZERO;
    for (int r = 0; r < m; r++) {
      z[r] = BigDecimal.ZERO;
      for (int i = 0; i < d; i++) {
        z[r] =
            z[r].add(product(drawn.x.values().get(r * d + i), drawn.w.values().get(i * units + k)));
      }
      sum = sum.add(z[r]);
    }
    BigDecimal rows = BigDecimal.valueOf(m);
    BigDecimal mean = sum.divide(rows, digits);
    BigDecimal squares = BigDecimal.ZERO;
    for (BigDecimal value : z) {
      squares = squares.add(value.subtract(mean).pow(2));
    }
    BigDecimal v = squares.divide(rows, digits).add(new BigDecimal(drawn.eps));
    boolean isConstant = v.compareTo(new BigDecimal("1e-60")) < 0;
    BigDecimal s = isConstant ? BigDecimal.ZERO : BigDecimal.ONE.divide(v.sqrt(digits), digits);
    int r = (int) (index / units);
    BigDecimal found = new BigDecimal(result.bias().get(k));
    for (int i = 0; i < d; i++) {
      double w = result.weights().values().get(i * units + k);
      found = found.add(product(drawn.x.values().get(r * d + i), w));
    }
    return found
        .subtract(
            new BigDecimal(drawn.affine.gamma(units)[k]).multiply(s).multiply(z[r].subtract(mean)))
        .subtract(new BigDecimal(drawn.affine.beta(units)[k]))
        .doubleValue();
  }

  private static BigDecimal product(double a, double b) {
    return new BigDecimal(a).multiply(new BigDecimal(b));
  }

  /** An engine that gives NaN gives bounds of +∞ with it. */
  @Test
  void whatIsNoNumberPassesByNoBound() {
    Batch x = batch(DType.F64, 3, 1, 1, 2, 4);
    Batch w = batch(DType.F64, 1, 1, 1);
    double[] none = {Double.POSITIVE_INFINITY};
    Batch noNumber = batch(DType.F64, 1, 1, Double.NaN);
    Reparameterized wrong =
        new Reparameterized(noNumber, noNumber.values(), new double[1], 1e-5, none, none, "");
    assertFalse(ReparameterizationDifference.measure(w, wrong, Affine.IDENTITY, x).passed());
    Reparameterized unsure =
        new Reparameterized(w, w.values(), new double[1], 1e-5, none, none, "");
    assertTrue(ReparameterizationDifference.measure(w, unsure, Affine.IDENTITY, x).passed());
  }
}
