package dev.batchnorm.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.contract.Data;
import dev.batchnorm.contract.WrongEngine;
import dev.batchnorm.contract.WrongEngine.Mistake;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.verify.GradientReport.Channel;
import dev.batchnorm.verify.GradientReport.Check;
import dev.batchnorm.verify.GradientReport.Status;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class GradientCheckTest {
  private static final Engine JAVA = Engines.named("java", 1);
  private static final Shape SHAPE = Shape.of(Layout.NCHW, 5, 3, 4, 2);
  private static final MathContext DIGITS = new MathContext(120);

  /** Enough for sums of numbers from 1e-320 to 1e300. */
  private static final MathContext EXACT = new MathContext(700);

  private static BatchNorm.Builder layer() {
    return BatchNorm.builder().engine(JAVA).gamma(1.5, -0.3, 1e-3).beta(0.1, 1e3, -2);
  }

  private static Batch dy(Shape shape, DType type, double mean, long seed) {
    Random random = new Random(seed);
    Batch dy = Batch.zeros(shape, type);
    for (int i = 0; i < dy.values().count(); i++) {
      dy.values().set(i, mean + random.nextGaussian() * (type == DType.F16 ? 100 : 1));
    }
    return dy;
  }

  static Stream<Arguments> kinds() {
    return Stream.of(Data.values())
        .flatMap(d -> Stream.of(DType.values()).map(t -> Arguments.of(d, t)));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void theReferenceIsWithinItsBounds(Data data, DType type) {
    for (double eps : new double[] {1e-5, 0}) {
      for (double mean : new double[] {0, 1e6}) {
        Batch x = data.batch(SHAPE, type, 7);
        Batch dy = dy(SHAPE, type, type == DType.F16 ? Math.min(mean, 1e4) : mean, 8);
        BatchNorm norm = layer().eps(eps).build();
        Statistics own = norm.statistics(x);
        GradientReport report = new GradientCheck(norm).run(dy, x, own);
        assertNotEquals(Status.FAILED, report.status(), () -> describe(report));
        if (data == Data.NORMAL || data == Data.MEAN_1E4 || data == Data.MEAN_1E10) {
          assertEquals(Status.PASSED, report.status(), () -> describe(report));
        }
        if (Double.isFinite(own.mean()[0])) {
          Statistics given = norm.given(own.mean(), new double[] {1, 1e-3, 1e6});
          GradientReport frozen = new GradientCheck(norm).run(dy, x, given);
          assertNotEquals(Status.FAILED, frozen.status(), () -> describe(frozen));
        }
      }
    }
  }

  private static String describe(GradientReport report) {
    StringBuilder out = new StringBuilder();
    for (Channel c : report.worstFirst()) {
      out.append(c.channel()).append(' ').append(c.status()).append(' ').append(c.mistrusted());
      for (Check check : c.checks()) {
        out.append("\n  ").append(check);
      }
      out.append('\n');
    }
    return out.toString();
  }

  @ParameterizedTest
  @CsvSource({
    "DX, element",
    "DGAMMA, dgamma",
    "DBETA, dbeta",
    "FROZEN_DX, element",
    "FROZEN_DGAMMA, dgamma"
  })
  void aMistakeOfOneUnitIsFound(Mistake mistake, String check) {
    for (DType type : DType.values()) {
      int found = 0;
      for (int seed = 0; seed < 10; seed++) {
        Batch x = Data.MEAN_1E4.batch(SHAPE, type, seed);
        BatchNorm norm =
            BatchNorm.builder().engine(new WrongEngine(mistake)).gamma(1.5, -0.3, 0.7).build();
        Statistics statistics = norm.statistics(x);
        if (mistake.name().startsWith("FROZEN")) {
          statistics = norm.given(statistics.mean(), statistics.variance());
        }
        GradientReport report =
            new GradientCheck(norm).seed(seed).run(dy(SHAPE, type, 0, seed), x, statistics);
        Channel last = report.channels().get(2);
        boolean caught =
            last.checks().stream().anyMatch(c -> c.name().equals(check) && c.exceeding() == 1);
        assertEquals(caught, report.status() == Status.FAILED, () -> describe(report));
        found += caught ? 1 : 0;
      }
      // In f64 a unit of dx is less than what B3's other roundings may add up to.
      int least = mistake.name().endsWith("DX") && type == DType.F64 ? 0 : 9;
      assertTrue(found >= least, found + " of 10 found, " + mistake + " " + type);
    }
  }

  /** Formulas that are in use and wrong, each in binary64 and rounded once to the type. */
  enum Wrong {
    MEAN_OF_DY_FORGOTTEN,
    PROJECTION_FORGOTTEN,
    UNBIASED,
    EPS_FORGOTTEN,
    GAMMA_FORGOTTEN,
    SINGLE_PRECISION_SUMS
  }

  @ParameterizedTest
  @EnumSource(Wrong.class)
  void wrongFormulasAreFound(Wrong wrong) {
    Shape shape = Shape.of(Layout.NC, 64, 2);
    Batch x = Data.NORMAL.batch(shape, DType.F32, 3);
    Batch dy = dy(shape, DType.F32, wrong == Wrong.SINGLE_PRECISION_SUMS ? 1e4 : 0.25, 4);
    BatchNorm norm = BatchNorm.builder().engine(JAVA).gamma(1.25).eps(1e-3).build();
    Statistics s = norm.statistics(x);
    Batch dx = Batch.zeros(shape, DType.F32);
    for (int c = 0; c < 2; c++) {
      double g = 0;
      float g32 = 0;
      double b = 0;
      for (int i = c; i < 128; i += 2) {
        g += dy.values().get(i);
        g32 += (float) dy.values().get(i);
        b += dy.values().get(i) * (x.values().get(i) - s.mean()[c]);
      }
      double mean = wrong == Wrong.SINGLE_PRECISION_SUMS ? g32 / 64 : g / 64;
      double v = s.variance()[c];
      double count = wrong == Wrong.UNBIASED ? 63 : 64;
      double k2 = b / (count * (v + (wrong == Wrong.EPS_FORGOTTEN ? 0 : 1e-3)));
      for (int i = c; i < 128; i += 2) {
        double d = x.values().get(i) - s.mean()[c];
        double w =
            dy.values().get(i)
                - (wrong == Wrong.MEAN_OF_DY_FORGOTTEN ? 0 : mean)
                - (wrong == Wrong.PROJECTION_FORGOTTEN ? 0 : d * k2);
        double gamma = wrong == Wrong.GAMMA_FORGOTTEN ? 1 : 1.25;
        dx.values().set(i, gamma / Math.sqrt(v + 1e-3) * w);
      }
    }
    GradientReport report = new GradientCheck(norm).dx(dx).run(dy, x, s);
    assertEquals(Status.FAILED, report.status(), () -> describe(report));
    List<String> failed = new ArrayList<>();
    for (Check check : report.channels().get(0).checks()) {
      if (check.exceeding() > 0) {
        failed.add(check.name());
      }
    }
    assertTrue(failed.contains("element"), failed::toString);
    assertTrue(!failed.contains("dgamma") && !failed.contains("dbeta"), failed::toString);
    if (wrong == Wrong.MEAN_OF_DY_FORGOTTEN) {
      assertTrue(failed.contains("sum"), failed::toString);
    }
    if (wrong == Wrong.PROJECTION_FORGOTTEN || wrong == Wrong.UNBIASED) {
      assertTrue(failed.contains("projection") && failed.contains("norm"), failed::toString);
    }
  }

  @Test
  void voidChecksAreMistrusted() {
    Shape shape = Shape.of(Layout.NC, 6, 1);
    Batch x = Data.NORMAL.batch(shape, DType.F64, 5);
    Batch dy = dy(shape, DType.F64, 0.25, 6);
    assertMistrusted("dy is constant", x, of(shape, i -> 1), 1, 1e-5);
    assertMistrusted("dy is constant", x, of(shape, i -> 0), 1, 1e-5);
    assertMistrusted("gamma is 0", x, dy, 0, 1e-5);
    assertMistrusted("in the span of 1 and x", x, of(shape, i -> x.values().get(i)), 1, 0);
    assertMistrusted("in the span of 1 and x", x, of(shape, i -> 3 - x.values().get(i)), 1, 0);
    assertMistrusted("variance + eps is 0", of(shape, i -> 2.5), dy, 1, 0);
    Batch constant = of(shape, i -> 2.5);
    BatchNorm norm = BatchNorm.builder().engine(JAVA).build();
    assertEquals(
        Status.PASSED,
        new GradientCheck(norm).run(dy, constant, norm.statistics(constant)).status());
    Shape one = Shape.of(Layout.NC, 1, 1);
    assertMistrusted("one value", of(one, i -> 3), of(one, i -> 1), 1, 1e-5);
    Shape empty = Shape.of(Layout.NC, 0, 1);
    assertMistrusted("no values", of(empty, i -> 3), of(empty, i -> 1), 1, 1e-5);
    Batch nan = of(shape, i -> i == 3 ? Double.NaN : i);
    assertMistrusted("not finite", nan, dy, 1, 1e-5);
    assertMistrusted("not finite", x, nan, 1, 1e-5);
    assertMistrusted("has no bound", of(shape, i -> i * 1e-320), dy, 1, 0);
  }

  private static Batch of(Shape shape, IntToDoubleFunction value) {
    Batch batch = Batch.zeros(shape, DType.F64);
    for (int i = 0; i < batch.values().count(); i++) {
      batch.values().set(i, value.applyAsDouble(i));
    }
    return batch;
  }

  private static void assertMistrusted(String reason, Batch x, Batch dy, double gamma, double eps) {
    BatchNorm norm = BatchNorm.builder().engine(JAVA).gamma(gamma).eps(eps).build();
    GradientReport report = new GradientCheck(norm).run(dy, x, norm.statistics(x));
    assertEquals(Status.MISTRUSTED, report.status(), () -> describe(report));
    String found = String.valueOf(report.channels().get(0).mistrusted());
    assertTrue(found.contains(reason), found);
  }

  @Test
  void noiseWhereTheGradientIsZeroFailsAllTheSame() {
    Shape shape = Shape.of(Layout.NC, 6, 1);
    Batch x = Data.NORMAL.batch(shape, DType.F32, 5);
    BatchNorm norm = BatchNorm.builder().engine(JAVA).build();
    Batch ones = of(shape, i -> 1);
    Batch noise = of(shape, i -> i == 2 ? 1e-7 : 0);
    GradientReport report = new GradientCheck(norm).dx(noise).run(ones, x, norm.statistics(x));
    assertEquals(Status.FAILED, report.status(), () -> describe(report));
  }

  @Test
  void whatIsNotFiniteIsNoGradient() {
    Batch x = Data.NORMAL.batch(SHAPE, DType.F32, 5);
    Batch dy = dy(SHAPE, DType.F32, 0, 6);
    BatchNorm norm = layer().build();
    Statistics s = norm.statistics(x);
    for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
      Batch dx = norm.backward(dy, x, s).dx();
      dx.values().set(0, bad);
      assertEquals(Status.FAILED, new GradientCheck(norm).dx(dx).run(dy, x, s).status());
      Values vector = Values.of(0.0, 0.0, bad);
      assertEquals(Status.FAILED, new GradientCheck(norm).dgamma(vector).run(dy, x, s).status());
      assertEquals(Status.FAILED, new GradientCheck(norm).dbeta(vector).run(dy, x, s).status());
    }
  }

  @Test
  void gradientsMayLeaveTheirTypeWhereTheExactOnesDo() {
    Shape shape = Shape.of(Layout.NC, 8, 1);
    Batch x = Data.NORMAL.batch(shape, DType.F16, 5);
    Batch dy = Batch.zeros(shape, DType.F16);
    for (int i = 0; i < 8; i++) {
      dy.values().set(i, i % 2 == 0 ? 6e4 : -100);
    }
    BatchNorm norm = BatchNorm.builder().engine(JAVA).gamma(100).build();
    Batch dx = norm.backward(dy, x).dx();
    assertEquals(Double.POSITIVE_INFINITY, dx.values().get(0));
    GradientReport report = new GradientCheck(norm).run(dy, x, norm.statistics(x));
    assertEquals(Status.PASSED, report.status(), () -> describe(report));
  }

  @Test
  void manyChannelsAreSampledAndLongOnesRefused() {
    Shape shape = Shape.of(Layout.NC, 1 << 16, 6);
    Batch x = Data.NORMAL.batch(shape, DType.F32, 5);
    BatchNorm norm = BatchNorm.builder().engine(JAVA).build();
    Statistics s = norm.statistics(x);
    Batch dy = dy(shape, DType.F32, 0, 6);
    GradientReport report = new GradientCheck(norm).run(dy, x, s);
    assertEquals(Status.PASSED, report.status());
    assertEquals(4, report.channels().size());
    assertEquals(6, report.channelsInAll());
    assertEquals(GradientCheck.MOST_ELEMENTS / 4, report.elements());
    Shape wide = Shape.of(Layout.NC, 2, GradientCheck.MOST_ELEMENTS + 1);
    Batch pairs = Data.NORMAL.batch(wide, DType.F32, 5);
    GradientReport ofPairs =
        new GradientCheck(norm).run(dy(wide, DType.F32, 0, 6), pairs, norm.statistics(pairs));
    assertEquals(GradientCheck.MOST_ELEMENTS, ofPairs.channels().size());
    assertEquals(1, ofPairs.elements());
    Shape tooLong = Shape.of(Layout.NC, (1 << 18) + 1, 1);
    Batch zeros = Batch.zeros(tooLong, DType.F16);
    assertThrows(
        InputException.class,
        () -> new GradientCheck(norm).run(zeros, zeros, norm.statistics(zeros)));
  }

  /** The claim of {@link ExactLoss#difference}, against the derivative in 120 digits. */
  @ParameterizedTest
  @EnumSource(
      value = Data.class,
      names = {"NOT_FINITE"},
      mode = EnumSource.Mode.EXCLUDE)
  void theDifferenceIsTheDerivativeButForItsBound(Data data) {
    for (double eps : new double[] {1e-5, 0}) {
      Shape shape = Shape.of(Layout.NC, 13, 1);
      double[] x = data.batch(shape, DType.F64, 21).values().toDoubles();
      double[] g = data.batch(shape, DType.F64, 22).values().toDoubles();
      g[0] += 1;
      ExactLoss loss = ExactLoss.training(x, g, eps);
      if (loss.isSingular()) {
        continue;
      }
      BitSet up = BitSet.valueOf(new long[] {0b1011000110100});
      BigDecimal[] v = new BigDecimal[13];
      for (int i = 0; i < 13; i++) {
        v[i] = BigDecimal.valueOf(up.get(i) ? 1 : -1);
      }
      assertDerivative(loss.difference(loss.signs(up)), x, g, v, eps);
      for (int k = 0; k < 13; k += 5) {
        for (int i = 0; i < 13; i++) {
          v[i] = i == k ? BigDecimal.ONE : BigDecimal.ZERO;
        }
        assertDerivative(loss.difference(loss.single(k)), x, g, v, eps);
      }
    }
  }

  private static BigDecimal mean(BigDecimal[] values) {
    BigDecimal sum = BigDecimal.ZERO;
    for (BigDecimal value : values) {
      sum = sum.add(value);
    }
    return sum.divide(BigDecimal.valueOf(values.length), EXACT);
  }

  private static void assertDerivative(
      Dyadic difference, double[] x, double[] g, BigDecimal[] v, double eps) {
    MathContext digits = EXACT;
    int m = x.length;
    BigDecimal[] xs = new BigDecimal[m];
    BigDecimal[] gs = new BigDecimal[m];
    for (int i = 0; i < m; i++) {
      xs[i] = new BigDecimal(x[i]);
      gs[i] = new BigDecimal(g[i]);
    }
    BigDecimal meanX = mean(xs);
    BigDecimal meanG = mean(gs);
    BigDecimal meanV = mean(v);
    BigDecimal b = BigDecimal.ZERO;
    BigDecimal gv = BigDecimal.ZERO;
    BigDecimal dv = BigDecimal.ZERO;
    BigDecimal dd = BigDecimal.ZERO;
    BigDecimal gg = BigDecimal.ZERO;
    BigDecimal vv = BigDecimal.ZERO;
    for (int i = 0; i < m; i++) {
      BigDecimal d = xs[i].subtract(meanX);
      BigDecimal w = v[i].subtract(meanV);
      BigDecimal e = gs[i].subtract(meanG);
      b = b.add(e.multiply(d, digits), digits);
      gv = gv.add(e.multiply(w, digits), digits);
      dv = dv.add(d.multiply(w, digits), digits);
      dd = dd.add(d.multiply(d, digits), digits);
      gg = gg.add(e.multiply(e, digits), digits);
      vv = vv.add(w.multiply(w, digits), digits);
    }
    BigDecimal count = BigDecimal.valueOf(m);
    BigDecimal variance = dd.divide(count, digits).add(new BigDecimal(eps), digits);
    BigDecimal root = variance.sqrt(digits);
    // The derivative of Σ e·(d + t·w)/√(V + ε + 2t·Σd·w/m + …) at t = 0.
    BigDecimal derivative =
        gv.divide(root, digits)
            .subtract(
                b.multiply(dv, digits)
                    .divide(count.multiply(variance, digits).multiply(root, digits), digits),
                digits);
    BigDecimal found = new BigDecimal(difference.integer());
    BigDecimal two = BigDecimal.valueOf(2);
    found =
        difference.exponent() >= 0
            ? found.multiply(two.pow(difference.exponent()))
            : found.divide(two.pow(-difference.exponent()), digits);
    BigDecimal bound =
        gg.multiply(vv, digits).sqrt(DIGITS).divide(root, DIGITS).divide(two.pow(110), DIGITS);
    BigDecimal off = found.subtract(derivative).abs();
    assertTrue(
        off.compareTo(bound) <= 0,
        () -> off.round(MathContext.DECIMAL32) + " beyond " + bound.round(MathContext.DECIMAL32));
    assertTrue(bound.signum() > 0);
  }
}
