package dev.batchnorm.verify;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.contract.Data;
import dev.batchnorm.verify.PlainFormula.Moments;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class PlainFormulaTest {
  private static final Affine AFFINE = Affine.IDENTITY.withGamma(1.5, -0.1).withBeta(0.3, 1e3);

  /** What numpy 2.4 gives for sums by {@code cumsum} in the type. */
  @ParameterizedTest
  @CsvSource({
    "ONE_PASS, F32, 10000.40625, 0",
    "ONE_PASS_CLIPPED, F32, 10000.40625, 0",
    "WELFORD, F32, 10000.40625, 1.546004295349121",
    "TWO_PASS, F32, 10000.40625, 1.5458984375",
    "ONE_PASS, F64, 10000.40625, 1.5458984375",
    "ONE_PASS_CLIPPED, F64, 10000.40625, 1.5458984375",
    "WELFORD, F64, 10000.40625, 1.545898437499991",
    "TWO_PASS, F64, 10000.40625, 1.5458984375"
  })
  void aMeanOfTenThousand(PlainFormula formula, DType arithmetic, double mean, double variance) {
    double[] x = {10000.5, 10001.25, 9999, 10000, 10002.75, 9998.5, 10001, 10000.25};
    Moments moments = formula.moments(Batch.of(Shape.of(Layout.NC, 8, 1), x), 0, arithmetic);
    assertEquals(mean, moments.mean()[0]);
    assertEquals(variance, moments.variance()[0]);
  }

  @Test
  void theTextbookGivesANegativeVariance() {
    Batch x =
        Batch.of(
            Shape.of(Layout.NC, 7, 1),
            10000.008f,
            10000.008f,
            10000.002f,
            10000.005f,
            10000.003f,
            10000.002f,
            10000.001f);
    Moments moments = PlainFormula.ONE_PASS.moments(x, 1e-5, DType.F32);
    assertEquals(-16, moments.variance()[0]);
    assertEquals(1, moments.negative());
    assertTrue(Double.isNaN(moments.inverseStd()[0]));
    assertTrue(Double.isNaN(normalised(moments, x, Affine.IDENTITY).get(0)));
    assertEquals(0, PlainFormula.ONE_PASS_CLIPPED.moments(x, 1e-5, DType.F32).variance()[0]);
    assertEquals(
        6.267002845561365e-6, PlainFormula.WELFORD.moments(x, 1e-5, DType.F32).variance()[0]);
    assertEquals(7.62939453125e-6, PlainFormula.TWO_PASS.moments(x, 1e-5, DType.F32).variance()[0]);
  }

  static Stream<Arguments> all() {
    return Stream.of(PlainFormula.values())
        .flatMap(
            f ->
                Stream.of(Data.values())
                    .flatMap(d -> Stream.of(DType.values()).map(t -> Arguments.of(f, d, t))));
  }

  /** Loops in float and double that share nothing with the class but the formulas. */
  @ParameterizedTest
  @MethodSource("all")
  void isTheNaiveTwin(PlainFormula formula, Data data, DType type) {
    for (Layout layout : new Layout[] {Layout.NCL, Layout.NLC}) {
      boolean last = layout == Layout.NLC;
      Shape shape = last ? Shape.of(layout, 9, 5, 2) : Shape.of(layout, 9, 2, 5);
      Batch x = data.batch(shape, type, 11);
      Moments f32 = formula.moments(chunked(x), 1e-5, DType.F32);
      Moments f64 = formula.moments(x, 1e-5, DType.F64);
      Values y32 = normalised(f32, chunked(x), AFFINE);
      for (int c = 0; c < 2; c++) {
        float[] floats = new float[45];
        double[] doubles = new double[45];
        int[] places = new int[45];
        for (int k = 0; k < 45; k++) {
          places[k] = last ? 2 * k + c : (k / 5 * 2 + c) * 5 + k % 5;
          doubles[k] = x.values().get(places[k]);
          floats[k] = (float) doubles[k];
        }
        float[] twin = twin(formula, floats);
        assertEquals(twin[0], f32.mean()[c], "mean");
        assertEquals(twin[1], f32.variance()[c], "variance");
        float inverseStd = 1 / (float) Math.sqrt(twin[1] + 1e-5f);
        assertEquals(inverseStd, f32.inverseStd()[c], "inverse std");
        double[] wide = twin(formula, doubles);
        assertEquals(wide[0], f64.mean()[c], "mean");
        assertEquals(wide[1], f64.variance()[c], "variance");
        assertEquals(1 / Math.sqrt(wide[1] + 1e-5), f64.inverseStd()[c], "inverse std");
        float gamma = c == 0 ? 1.5f : -0.1f;
        float beta = c == 0 ? 0.3f : 1e3f;
        for (int k = 0; k < 45; k++) {
          float y = (floats[k] - twin[0]) * inverseStd * gamma + beta;
          assertEquals(type.round(y), y32.get(places[k]), "y");
        }
      }
    }
  }

  private static float[] twin(PlainFormula formula, float[] x) {
    float s = 0;
    float q = 0;
    for (float v : x) {
      s += v;
      q += v * v;
    }
    float mean = s / x.length;
    float onePass = q / x.length - mean * mean;
    float running = 0;
    float sum = 0;
    float squares = 0;
    for (int k = 0; k < x.length; k++) {
      float delta = x[k] - running;
      running += delta / (k + 1);
      sum += delta * (x[k] - running);
      squares += (x[k] - mean) * (x[k] - mean);
    }
    return switch (formula) {
      case ONE_PASS -> new float[] {mean, onePass};
      case ONE_PASS_CLIPPED -> new float[] {mean, onePass < 0 ? 0 : onePass};
      case WELFORD -> new float[] {running, sum / x.length};
      case TWO_PASS -> new float[] {mean, squares / x.length};
    };
  }

  private static double[] twin(PlainFormula formula, double[] x) {
    double s = 0;
    double q = 0;
    for (double v : x) {
      s += v;
      q += v * v;
    }
    double mean = s / x.length;
    double onePass = q / x.length - mean * mean;
    double running = 0;
    double sum = 0;
    double squares = 0;
    for (int k = 0; k < x.length; k++) {
      double delta = x[k] - running;
      running += delta / (k + 1);
      sum += delta * (x[k] - running);
      squares += (x[k] - mean) * (x[k] - mean);
    }
    return switch (formula) {
      case ONE_PASS -> new double[] {mean, onePass};
      case ONE_PASS_CLIPPED -> new double[] {mean, onePass < 0 ? 0 : onePass};
      case WELFORD -> new double[] {running, sum / x.length};
      case TWO_PASS -> new double[] {mean, squares / x.length};
    };
  }

  /** The same batch in chunks of 7 values. */
  private static Source chunked(Batch x) {
    return new Source() {
      @Override
      public String name() {
        return x.name();
      }

      @Override
      public Shape shape() {
        return x.shape();
      }

      @Override
      public DType type() {
        return x.type();
      }

      @Override
      public Values chunk(long first, int count) {
        assertTrue(count <= 7);
        return x.chunk(first, count);
      }

      @Override
      public int chunkLimit() {
        return 7;
      }

      @Override
      public void close() {}
    };
  }

  private static Values normalised(Moments moments, Source x, Affine affine) {
    Values y = Values.allocate(x.type(), (int) x.shape().count());
    moments.normalise(
        x,
        affine,
        new Sink() {
          private int at;
          private int lent;

          @Override
          public Values room(int count) {
            lent = count;
            return y.slice(at, count);
          }

          @Override
          public void commit() {
            at += lent;
          }
        });
    return y;
  }

  @Test
  void withoutValuesThereAreNoMoments() {
    Batch x = Batch.zeros(Shape.of(Layout.NC, 0, 2), DType.F32);
    for (PlainFormula formula : PlainFormula.values()) {
      Moments moments = formula.moments(x, 1e-5, DType.F32);
      double[] nan = {Double.NaN, Double.NaN};
      assertArrayEquals(nan, moments.mean());
      assertArrayEquals(nan, moments.variance());
      assertEquals(0, moments.count());
    }
    assertThrows(
        IllegalArgumentException.class, () -> PlainFormula.WELFORD.moments(x, 1e-5, DType.F16));
  }
}
