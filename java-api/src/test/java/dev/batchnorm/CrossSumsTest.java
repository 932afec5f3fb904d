package dev.batchnorm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CrossSumsTest {
  private static final Reparameterization NORM = Reparameterization.builder().build();

  private static Batch rows(DType type, int columns, double... values) {
    Shape shape = Shape.of(Layout.NC, columns == 0 ? 0 : values.length / columns, columns);
    Batch batch = Batch.zeros(shape, type);
    for (int i = 0; i < values.length; i++) {
      batch.values().set(i, values[i]);
    }
    return batch;
  }

  private static double[] draw(Random random, int count) {
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      double mean = random.nextInt(3) == 0 ? 1e6 : 0;
      values[i] = (float) (mean + random.nextGaussian() * Math.pow(2, random.nextInt(30) - 15));
    }
    return values;
  }

  /** Shards of f16, f32 and f64 in any order and grouping, some of them empty, give one result. */
  @Test
  void mergingInAnyOrderGivesTheSameBits() {
    Random random = new Random(3);
    for (int run = 0; run < 100; run++) {
      int d = 1 + random.nextInt(6);
      List<Batch> shards = new ArrayList<>();
      List<Double> all = new ArrayList<>();
      for (int s = 0; s < 1 + random.nextInt(6); s++) {
        DType type = DType.values()[random.nextInt(3)];
        Batch shard = rows(type, d, draw(random, d * random.nextInt(5)));
        shards.add(shard);
        for (double value : shard.values().toDoubles()) {
          all.add(value);
        }
      }
      Batch whole = rows(DType.F64, d, all.stream().mapToDouble(v -> v).toArray());
      CrossSums expected = NORM.sums(whole);
      Collections.shuffle(shards, random);
      CrossSums merged = CrossSums.of(d, DType.F64);
      CrossSums group = CrossSums.of(d, DType.F64);
      for (Batch shard : shards) {
        group.merge(NORM.sums(shard));
        if (random.nextBoolean()) {
          merged.merge(group);
          group = CrossSums.of(d, DType.F64);
        }
      }
      merged.merge(group);
      assertEquals(expected, merged, "run " + run);
      assertEquals(expected.hashCode(), merged.hashCode());
      assertEquals(whole.shape().view().outer(), merged.count());
      Covariance one = NORM.covariance(expected);
      Covariance other = NORM.covariance(merged);
      assertArrayEquals(one.covariance(), other.covariance(), "run " + run);
      assertArrayEquals(one.mean(), other.mean());
    }
  }

  @Test
  void covariancesAreRoundedOnce() {
    Random random = new Random(4);
    for (int run = 0; run < 300; run++) {
      int d = 1 + random.nextInt(4);
      int m = 1 + random.nextInt(8);
      double[] x = draw(random, m * d);
      Covariance found = NORM.covariance(rows(DType.F64, d, x));
      for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++) {
          assertEquals(exact(x, m, d, i, j), found.at(i, j), "run " + run);
        }
      }
      assertEquals(m, found.count());
      assertEquals(Level.EXACT, found.level());
    }
  }

  /** (m·Σx_i·x_j − Σx_i·Σx_j)/m² in decimals. */
  private static double exact(double[] x, int m, int d, int i, int j) {
    BigDecimal products = BigDecimal.ZERO;
    BigDecimal ofI = BigDecimal.ZERO;
    BigDecimal ofJ = BigDecimal.ZERO;
    for (int r = 0; r < m; r++) {
      BigDecimal a = new BigDecimal(x[r * d + i]);
      BigDecimal b = new BigDecimal(x[r * d + j]);
      products = products.add(a.multiply(b));
      ofI = ofI.add(a);
      ofJ = ofJ.add(b);
    }
    BigDecimal rows = BigDecimal.valueOf(m);
    return rows.multiply(products)
        .subtract(ofI.multiply(ofJ))
        .divide(rows.multiply(rows), new MathContext(400))
        .doubleValue();
  }

  @Test
  void theDiagonalIsTheVarianceAndFastIsWithinItsBound() {
    Reparameterization fast = Reparameterization.builder().level(Level.FAST).build();
    Random random = new Random(5);
    for (int run = 0; run < 300; run++) {
      int d = 1 + random.nextInt(5);
      Batch x = rows(DType.F64, d, draw(random, d * (1 + random.nextInt(40))));
      Covariance exact = NORM.covariance(x);
      Covariance near = fast.covariance(x);
      double[] variance = BatchNorm.builder().build().statistics(x).variance();
      double[] bound = near.bound();
      assertNotNull(bound);
      assertNull(exact.bound());
      for (int i = 0; i < d * d; i++) {
        double allowed = bound[i] + Math.ulp(exact.covariance()[i]) / 2;
        assertTrue(Math.abs(near.covariance()[i] - exact.covariance()[i]) <= allowed, "run " + run);
      }
      for (int i = 0; i < d; i++) {
        assertEquals(variance[i], exact.at(i, i));
        assertEquals(variance[i], near.at(i, i));
      }
      assertArrayEquals(exact.mean(), near.mean());
    }
  }

  @Test
  void pairsStandRowByRow() {
    int at = 0;
    for (int i = 0; i < 5; i++) {
      for (int j = i + 1; j < 5; j++) {
        assertEquals(at++, CrossSums.pair(i, j, 5));
      }
    }
    int most = CrossSums.mostColumns(DType.F32);
    assertTrue(most > 10_000 && most > CrossSums.mostColumns(DType.F64), "" + most);
  }

  @Test
  void refusesWhatDoesNotBelongTogether() {
    CrossSums narrow = CrossSums.of(2, DType.F32);
    IllegalArgumentException columns =
        assertThrows(
            IllegalArgumentException.class, () -> narrow.merge(CrossSums.of(3, DType.F32)));
    assertTrue(
        String.valueOf(columns.getMessage()).contains("found sums of 3 channels"),
        columns.getMessage());
    assertThrows(IllegalArgumentException.class, () -> narrow.merge(CrossSums.of(2, DType.F64)));
    assertEquals(CrossSums.of(2, DType.F32), narrow);
    assertNotEquals(narrow, NORM.sums(rows(DType.F32, 2, 1, 2)));
    assertEquals("cross sums of 2 columns", narrow.toString());
    IllegalArgumentException many =
        assertThrows(IllegalArgumentException.class, () -> CrossSums.of(1_000_000, DType.F64));
    assertEquals(
        "columns: expected 0 to " + CrossSums.mostColumns(DType.F64) + ", found 1000000",
        many.getMessage());
  }

  @Test
  void aValueThatIsNotFiniteSpoilsItsColumnAlone() {
    Covariance found =
        NORM.covariance(
            rows(DType.F64, 3, 1, Double.NaN, 3, 2, 5, Double.POSITIVE_INFINITY, 3, 1, 2));
    assertEquals(2.0 / 3, found.at(0, 0));
    for (int i = 0; i < 3; i++) {
      for (int j = 0; j < 3; j++) {
        assertEquals(i > 0 || j > 0, Double.isNaN(found.at(i, j)), i + ", " + j);
      }
    }
    assertEquals(
        List.of("columns 1, 2: values that are not finite, so its covariances are NaN"),
        found.warnings());
  }

  @Test
  void saysWhatIsSpecialAboutFewRows() {
    for (Level level : Level.values()) {
      Reparameterization norm = Reparameterization.builder().level(level).build();
      Covariance none = norm.covariance(rows(DType.F64, 2));
      assertEquals(List.of("no rows: the mean and the covariance are NaN"), none.warnings());
      assertTrue(Double.isNaN(none.mean()[1]) && Double.isNaN(none.at(0, 1)));
      Covariance one = norm.covariance(rows(DType.F64, 2, 3, 4));
      assertEquals(List.of("1 row: nothing varies, so the covariance is 0"), one.warnings());
      assertArrayEquals(new double[4], one.covariance());
      assertArrayEquals(new double[] {3, 4}, one.mean());
      assertEquals(List.of(), norm.covariance(rows(DType.F64, 1, 3, 4)).warnings());
    }
  }
}
