package dev.batchnorm.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.Folded;
import dev.batchnorm.Layer;
import dev.batchnorm.Layout;
import dev.batchnorm.Normalisation;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.contract.Data;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.verify.FoldDifference.Output;
import java.util.Arrays;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FoldDifferenceTest {

  /** A layer, an input for it, and the batch norm behind it. */
  private enum Example {
    LINEAR(Layer.linear(), new long[] {5, 12}, 9, 12),
    CONV_1D(Layer.conv(), new long[] {4, 3, 3}, 2, 3, 7),
    CONV_2D(Layer.conv(2), new long[] {4, 3, 2, 3}, 2, 6, 4, 5),
    CONV_3D(Layer.conv(), new long[] {2, 2, 2, 1, 3}, 2, 2, 3, 3, 4),
    TRANSPOSE_1D(Layer.convTranspose(), new long[] {3, 4, 3}, 2, 3, 5),
    TRANSPOSE_2D(Layer.convTranspose(3), new long[] {6, 2, 2, 3}, 2, 6, 3, 4),
    TRANSPOSE_3D(Layer.convTranspose(2), new long[] {4, 1, 2, 2, 2}, 1, 4, 2, 3, 2);

    private final Layer layer;
    private final long[] weights;
    private final long[] x;

    Example(Layer layer, long[] weights, long... x) {
      this.layer = layer;
      this.weights = weights;
      this.x = x;
    }
  }

  private record Case(
      BatchNorm norm, Layer layer, Batch weights, Values bias, Statistics statistics, Batch x) {

    static Case of(Example example, Data data, DType type) {
      Layer layer = example.layer;
      int channels = layer.outputChannels(layer.weights(example.weights));
      Random random = new Random(example.ordinal());
      BatchNorm norm =
          BatchNorm.builder()
              .engine(Engines.named("java", 1))
              .gamma(random.doubles(channels, -2, 2).toArray())
              .beta(random.doubles(channels, -2, 2).toArray())
              .build();
      return new Case(
          norm,
          layer,
          data.batch(Shape.withChannelAxis(0, example.weights), type, 1),
          data.batch(Shape.of(Layout.NC, 1, channels), type, 2).values(),
          norm.given(
              random.doubles(channels, -3, 3).toArray(), random.doubles(channels, 0, 3).toArray()),
          data.batch(Shape.withChannelAxis(1, example.x), type, 3));
    }

    Case withX(Data data, long seed) {
      return new Case(
          norm, layer, weights, bias, statistics, data.batch(x.shape(), x.type(), seed));
    }

    Folded fold() {
      return norm.fold(layer, weights, bias, statistics);
    }

    FoldDifference measure(Folded folded) {
      Normalisation normalisation = Normalisation.of(statistics, norm.affine());
      return FoldDifference.measure(layer, weights, bias, normalisation, folded, x);
    }
  }

  /** The bound is one, and no more than some times what rounding does. */
  @ParameterizedTest
  @EnumSource(Example.class)
  void theBoundHoldsAndIsReached(Example example) {
    for (Data data : new Data[] {Data.NORMAL, Data.MEAN_1E4, Data.SMALL_INTEGERS, Data.TINY}) {
      for (DType type : DType.values()) {
        Case c = Case.of(example, data, type);
        FoldDifference found = c.measure(c.fold());
        Output closest = notNull(found.closest());
        assertTrue(found.passed(), () -> data + " " + type + ": " + closest);
        if (data == Data.NORMAL) {
          assertTrue(closest.share() > 0.05, () -> type + ": " + closest.share());
        }
      }
    }
  }

  /** One weight or bias that is off by more than its rounding shows where it is used. */
  @ParameterizedTest
  @EnumSource(Example.class)
  void aWrongWeightIsNoticed(Example example) {
    for (DType type : DType.values()) {
      Case c = Case.of(example, Data.NORMAL, type);
      Folded folded = c.fold();
      Values weights = folded.weights().values();
      double last = weights.get(weights.count() - 1);
      weights.set(weights.count() - 1, last * 1.25);
      FoldDifference found = c.measure(folded);
      assertTrue(found.exceeding() > 0);
      assertTrue(notNull(found.closest()).share() > 1);
      weights.set(weights.count() - 1, last);
      assertTrue(c.measure(folded).passed());
      folded.bias().set(0, folded.bias().get(0) * 1.25);
      assertFalse(c.measure(folded).passed());
    }
  }

  /** With W' = 0 and nothing to normalise the difference is the layer's output. */
  @ParameterizedTest
  @EnumSource(Example.class)
  void computesTheLayer(Example example) {
    for (int seed = 0; seed < 20; seed++) {
      Case c = Case.of(example, Data.NORMAL, DType.F64).withX(Data.NORMAL, seed);
      int channels = c.bias().count();
      double[] ones = new double[channels];
      Arrays.fill(ones, 1);
      BatchNorm plain = BatchNorm.builder().engine(Engines.named("java", 1)).eps(0).build();
      Normalisation none =
          Normalisation.of(plain.given(new double[channels], ones), plain.affine());
      Folded zero =
          new Folded(
              Batch.zeros(c.weights().shape(), DType.F64), Values.allocate(DType.F64, channels));
      FoldDifference found =
          FoldDifference.measure(c.layer(), c.weights(), c.bias(), none, zero, c.x());
      double[] z = layer(c, found.shape());
      int largest = 0;
      for (int i = 0; i < z.length; i++) {
        largest = Math.abs(z[i]) > Math.abs(z[largest]) ? i : largest;
      }
      Output output = notNull(found.largest());
      assertEquals(largest, output.index());
      assertEquals(z[largest], output.normalised(), 1e-14 * Math.abs(z[largest]));
      assertEquals(0, output.folded());
    }
  }

  /** Each weight in turn, wherever it acts. */
  private static double[] layer(Case c, Shape output) {
    double[] z = new double[(int) output.count()];
    long[] out = output.sizes();
    for (int i = 0; i < z.length; i++) {
      z[i] = c.bias().get((int) Shape.indices(i, out)[1]);
    }
    boolean transposed = c.layer().kind() == Layer.Kind.CONV_TRANSPOSE;
    long[] sizes = c.weights().shape().sizes();
    long perGroup = sizes[0] / c.layer().groups();
    for (int j = 0; j < c.weights().values().count(); j++) {
      long[] k = Shape.indices(j, sizes);
      long other = k[0] / perGroup * sizes[1] + k[1];
      for (int i = 0; i < c.x().values().count(); i++) {
        long[] place = Shape.indices(i, c.x().shape().sizes());
        if (place[1] != (transposed ? k[0] : other)) {
          continue;
        }
        place[1] = transposed ? other : k[0];
        boolean isInside = true;
        for (int axis = 2; axis < out.length; axis++) {
          place[axis] += transposed ? k[axis] : -k[axis];
          isInside &= place[axis] >= 0 && place[axis] < out[axis];
        }
        if (isInside) {
          z[index(place, out)] += c.weights().values().get(j) * c.x().values().get(i);
        }
      }
    }
    return z;
  }

  private static int index(long[] place, long... sizes) {
    long index = 0;
    for (int axis = 0; axis < sizes.length; axis++) {
      index = index * sizes[axis] + place[axis];
    }
    return (int) index;
  }

  /** A binary64 sum from left to right would be off by 1e16. */
  @Test
  void sumsWhatCancels() {
    Batch weights = Batch.of(Shape.of(Layout.NC, 1, 3), 1e16, 1.0, -1e16);
    BatchNorm norm = BatchNorm.builder().engine(Engines.named("java", 1)).eps(0).build();
    Statistics given = norm.given(new double[1], new double[] {1});
    FoldDifference found =
        FoldDifference.measure(
            Layer.linear(),
            weights,
            Values.of(new double[] {0.5}),
            Normalisation.of(given, norm.affine()),
            norm.fold(Layer.linear(), weights, Values.of(new double[] {0.5}), given),
            Batch.of(Shape.of(Layout.NC, 1, 3), 1.0, 1.0, 1.0));
    assertEquals(1.5, notNull(found.largest()).normalised());
    assertEquals(1.5, notNull(found.largest()).folded());
  }

  @Test
  void inputsThatAreNotFiniteSpoilBothAlike() {
    Case c = Case.of(Example.CONV_2D, Data.NORMAL, DType.F32);
    c.x().values().set(3, Double.NaN);
    c.x().values().set(40, Double.POSITIVE_INFINITY);
    FoldDifference found = c.measure(c.fold());
    assertTrue(found.passed());
    assertTrue(Double.isFinite(notNull(found.largest()).difference()));
  }

  /** However large the bound, an infinite weight is no rounding. */
  @Test
  void aWeightBeyondItsTypeIsNoticed() {
    Case c = Case.of(Example.LINEAR, Data.HUGE, DType.F16);
    c.weights().values().set(0, 65504);
    Statistics narrow = c.norm().given(new double[5], new double[5]);
    Folded folded = c.norm().fold(c.layer(), c.weights(), c.bias(), narrow);
    Normalisation normalisation = Normalisation.of(narrow, c.norm().affine());
    FoldDifference found =
        FoldDifference.measure(c.layer(), c.weights(), c.bias(), normalisation, folded, c.x());
    assertTrue(found.exceeding() > 0);
    assertEquals(Double.POSITIVE_INFINITY, notNull(found.closest()).share());
    assertFalse(Double.isFinite(notNull(found.largest()).difference()));
  }

  @Test
  void noSamplesPass() {
    Case c = Case.of(Example.LINEAR, Data.NORMAL, DType.F32);
    Batch none = Batch.zeros(Shape.of(Layout.NC, 0, 12), DType.F32);
    Normalisation normalisation = Normalisation.of(c.statistics(), c.norm().affine());
    FoldDifference found =
        FoldDifference.measure(c.layer(), c.weights(), c.bias(), normalisation, c.fold(), none);
    assertTrue(found.passed());
    assertNull(found.largest());
    assertNull(found.closest());
    assertEquals("0×5", found.shape().toString());
  }

  @Test
  void refusesWhatDoesNotFitTogether() {
    Case c = Case.of(Example.LINEAR, Data.NORMAL, DType.F32);
    Normalisation normalisation = Normalisation.of(c.statistics(), c.norm().affine());
    IllegalArgumentException refusal =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                FoldDifference.measure(
                    c.layer(),
                    c.weights(),
                    Values.of(new double[4]),
                    normalisation,
                    c.fold(),
                    c.x()));
    assertEquals("bias: expected 5 values (as the weights ask), found 4", refusal.getMessage());
  }

  private static <T> T notNull(@Nullable T value) {
    assertNotNull(value);
    return value;
  }
}
