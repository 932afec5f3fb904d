package dev.batchnorm.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Batch;
import dev.batchnorm.Covariance;
import dev.batchnorm.CrossSums;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Level;
import dev.batchnorm.Reparameterization;
import dev.batchnorm.Reparameterized;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What every engine must do of linear algebra: the reference's bits, and golden ones. */
abstract class LinearAlgebraContract {

  /** The engine on trial. */
  protected abstract Engine engine();

  private static Engine reference() {
    return Engines.named("java", 1);
  }

  private static Reparameterization on(Engine engine, Level level) {
    return Reparameterization.builder().engine(engine).level(level).eps(1e-3).build();
  }

  private Reparameterization exact() {
    return on(engine(), Level.EXACT);
  }

  @TestFactory
  Stream<DynamicTest> goldenWeights() {
    return GoldenWeights.all().map(c -> DynamicTest.dynamicTest(c.name(), () -> c.check(engine())));
  }

  private static Batch matrix(Data data, DType type, int rows, int columns, long seed) {
    return data.batch(Shape.of(Layout.NC, rows, columns), type, seed);
  }

  /** Around the rows of a block, the units of a panel and the lanes of a vector. */
  @ParameterizedTest
  @EnumSource(Data.class)
  void covariancesHaveTheReferencesBits(Data data) {
    int[][] sizes = {{1, 1}, {3, 2}, {4, 9}, {17, 5}, {511, 3}, {512, 4}, {513, 17}, {1030, 6}};
    for (int[] size : sizes) {
      for (DType type : DType.values()) {
        Batch x = matrix(data, type, size[0], size[1], 7 * data.ordinal() + size[0]);
        String place = data + " " + type + " " + x.shape();
        CrossSums sums = exact().sums(x);
        assertEquals(on(reference(), Level.EXACT).sums(x), sums, place);
        Covariance right = on(reference(), Level.EXACT).covariance(x);
        Covariance found = exact().covariance(sums);
        assertArrayEquals(right.mean(), found.mean(), place);
        assertArrayEquals(right.covariance(), found.covariance(), place);
      }
    }
  }

  @Test
  void oneColumnOfManyKindsSpoilsNoOther() {
    Data[] kinds = Data.values();
    for (DType type : DType.values()) {
      Batch x = Batch.zeros(Shape.of(Layout.NC, 700, kinds.length), type);
      for (int c = 0; c < kinds.length; c++) {
        Random random = new Random(c);
        for (int r = 0; r < 700; r++) {
          x.values().set(r * kinds.length + c, kinds[c].value(random, type));
        }
      }
      assertArrayEquals(
          on(reference(), Level.EXACT).covariance(x).covariance(),
          exact().covariance(x).covariance(),
          type.label());
    }
  }

  @Test
  void chunksAndTheirOrderDoNotMatter() {
    for (DType type : DType.values()) {
      Batch x = matrix(Data.MEAN_1E4, type, 1300, 7, 3);
      Covariance whole = exact().covariance(x);
      CrossSums sums = CrossSums.of(7, type);
      int[] cuts = {1300, 1299, 800, 513, 513, 2, 0};
      for (int i = 0; i + 1 < cuts.length; i++) {
        int rows = cuts[i] - cuts[i + 1];
        Values part = x.values().slice(7 * cuts[i + 1], 7 * rows);
        CrossSums more = CrossSums.of(7, type);
        engine().addStatistics(part, new View(rows, 7, 1), more.singles(), 0);
        engine().linearAlgebra().addPairs(part, more);
        sums.merge(more);
      }
      assertEquals(1300, sums.count());
      assertArrayEquals(whole.covariance(), exact().covariance(sums).covariance(), type.label());
    }
  }

  @ParameterizedTest
  @EnumSource(Data.class)
  void formsAndProjectionsHaveTheReferencesBits(Data data) {
    int[][] sizes = {{1, 1}, {2, 7}, {5, 8}, {9, 17}, {33, 40}};
    for (int[] size : sizes) {
      int d = size[0];
      long seed = 11L * d;
      for (DType type : DType.values()) {
        Batch w = matrix(data, type, d, size[1], 5 * data.ordinal() + d);
        double[] mean = matrix(data, DType.F64, 1, d, d).values().toDoubles();
        for (Data ofS : new Data[] {Data.NORMAL, data}) {
          double[] s = symmetric(matrix(ofS, DType.F64, d, d, seed).values().toDoubles(), d);
          String place = data + " " + type + " " + w.shape();
          assertArrayEquals(
              reference().linearAlgebra().quadraticForms(s, w.values(), size[1]),
              engine().linearAlgebra().quadraticForms(s, w.values(), size[1]),
              place);
        }
        assertArrayEquals(
            reference().linearAlgebra().projections(mean, w.values(), size[1]),
            engine().linearAlgebra().projections(mean, w.values(), size[1]),
            data + " " + type + " " + w.shape());
      }
    }
  }

  private static double[] symmetric(double[] s, int d) {
    for (int i = 0; i < d; i++) {
      for (int j = 0; j < i; j++) {
        s[i * d + j] = s[j * d + i];
      }
    }
    return s;
  }

  /** w in the null space of S, or a form that rounds to a tie: estimates cannot decide. */
  @Test
  void undecidedFormsAreRoundedOnce() {
    double[] s = {1, -1, -1, 1};
    Values w = Values.of(1.0, 1, 0x1p-27, 1, 1 + 0x1p-52, 0);
    assertArrayEquals(
        reference().linearAlgebra().quadraticForms(s, w, 3),
        engine().linearAlgebra().quadraticForms(s, w, 3));
    double[] notPositive = {-1, 0, 0, 2};
    assertArrayEquals(
        new double[] {0, 0, 0},
        engine().linearAlgebra().quadraticForms(notPositive, Values.of(2, 1, 0, 1.0, 0, 0), 3));
  }

  @ParameterizedTest
  @EnumSource(
      value = Data.class,
      names = {"NORMAL", "MEAN_1E4", "MEAN_1E10", "CONSTANT"})
  void fastResultsAreWithinTheirBound(Data data) {
    int[][] sizes = {{5, 3, 2}, {40, 60, 3}, {1500, 6, 9}, {700, 33, 2}};
    for (int[] size : sizes) {
      for (DType type : DType.values()) {
        Batch x = matrix(data, type, size[0], size[1], data.ordinal() + size[0]);
        Batch w = matrix(Data.NORMAL, type, size[1], size[2], size[1]);
        String place = data + " " + type + " " + x.shape();
        Covariance right = exact().covariance(x);
        Covariance found = on(engine(), Level.FAST).covariance(x);
        double[] bounds = Objects.requireNonNull(found.bound());
        assertWithin(right.covariance(), found.covariance(), bounds, place);
        Reparameterized exactly = exact().weights(w, x);
        Reparameterized fast = on(engine(), Level.FAST).weights(w, x);
        double[] bound = new double[w.values().count()];
        Arrays.setAll(bound, i -> fast.weightsBound()[i] + exactly.weightsBound()[i]);
        double[] biasBound = new double[size[2]];
        Arrays.setAll(biasBound, k -> fast.biasBound()[k] + exactly.biasBound()[k]);
        assertWithin(
            exactly.weights().values().toDoubles(),
            fast.weights().values().toDoubles(),
            bound,
            place);
        assertWithin(exactly.bias().toDoubles(), fast.bias().toDoubles(), biasBound, place);
      }
    }
  }

  /** Squares that are all alike lose the same way each time: the longest sums are the worst. */
  @Test
  void longFastSumsAreWithinTheirBound() {
    int rows = 300_000;
    Batch x = Batch.zeros(Shape.of(Layout.NC, rows, 5), DType.F64);
    for (int i = 0; i < x.values().count(); i++) {
      x.values().set(i, (i / 5 % 2 == 0 ? 0.1 : -0.1) * (1 + i % 5));
    }
    Batch w = Batch.of(Shape.of(Layout.NC, 5, 1), 1.0, 0, 0, 0, 0);
    Reparameterized exactly = exact().weights(w, x);
    Reparameterized fast = on(engine(), Level.FAST).weights(w, x);
    assertEquals("directly, from X·W", fast.road());
    double bound = fast.weightsBound()[0] + exactly.weightsBound()[0];
    double error = fast.weights().values().get(0) - exactly.weights().values().get(0);
    assertTrue(Math.abs(error) <= bound, error + " beyond " + bound);
  }

  @Test
  void nothingGivesNothing() {
    Batch x = Batch.zeros(Shape.of(Layout.NC, 4, 0), DType.F64);
    Batch w = Batch.zeros(Shape.of(Layout.NC, 0, 2), DType.F64);
    Batch dy = Batch.zeros(Shape.of(Layout.NC, 4, 2), DType.F64);
    Batch noUnits = Batch.zeros(Shape.of(Layout.NC, 3, 0), DType.F64);
    Batch rows = Batch.zeros(Shape.of(Layout.NC, 4, 3), DType.F64);
    for (Level level : Level.values()) {
      assertEquals(0, on(engine(), level).gradients(dy, x, w).dweights().values().count());
      assertEquals(0, on(engine(), level).weights(noUnits, rows).weights().values().count());
      Batch none = Batch.zeros(Shape.of(Layout.NC, 4, 0), DType.F64);
      assertEquals(0, on(engine(), level).gradients(none, rows, noUnits).dgamma().count());
    }
  }

  private static void assertWithin(double[] right, double[] found, double[] bound, String place) {
    assertEquals(right.length, found.length, place);
    for (int i = 0; i < right.length; i++) {
      double error = Math.abs(found[i] - right[i]);
      assertTrue(
          error <= bound[i] + Math.ulp(right[i]),
          "%s at %d: expected %s within %s, found %s"
              .formatted(place, i, right[i], bound[i], found[i]));
    }
  }
}
