package dev.batchnorm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class UnbiasedVarianceTest {
  private static final BatchNorm NORM = BatchNorm.builder().build();

  private static ExactSums sums(int channels, double... rows) {
    return NORM.sums(Batch.of(Shape.of(Layout.NC, rows.length / channels, channels), rows));
  }

  @Test
  void dividesByOneLess() {
    ExactSums sums = sums(2, 1, 10, 2, 14, 6, 12);
    assertArrayEquals(new double[] {7, 4}, NORM.unbiasedVariance(sums));
  }

  @Test
  void doesNotExistForFewerThanTwoValues() {
    double nan = Double.NaN;
    ExactSums one = sums(2, 3, Double.POSITIVE_INFINITY);
    ExactSums before = ExactSums.merged(one, sums(2));
    assertArrayEquals(new double[] {nan, nan}, NORM.unbiasedVariance(one));
    assertEquals(before, one, "the sums stay what they were");
    assertArrayEquals(new double[] {nan, nan}, NORM.unbiasedVariance(sums(2)));
    assertArrayEquals(new double[0], NORM.unbiasedVariance(ExactSums.statistics(0, DType.F64)));
  }

  @Test
  void existsForTheChannelsThatHaveTwo() {
    // channels of different counts, as a state may have them
    ExactSums sums = sums(3, 1, 2, 5, 3, 2, 5);
    sums.counts()[1] = 1;
    sums.counts()[2] = 0;
    assertArrayEquals(new double[] {2, Double.NaN, Double.NaN}, NORM.unbiasedVariance(sums));
  }

  @Test
  void isNanWhereAValueIsNotFinite() {
    ExactSums sums = sums(3, 1, Double.NaN, Double.NEGATIVE_INFINITY, 3, 2, 2);
    assertArrayEquals(new double[] {2, Double.NaN, Double.NaN}, NORM.unbiasedVariance(sums));
  }

  @Test
  void isRoundedOnceWhateverTheOrderAndGrouping() {
    Random random = new Random(6);
    for (int run = 0; run < 1000; run++) {
      List<Double> values = new ArrayList<>();
      for (int i = 0; i < 2 + random.nextInt(8); i++) {
        double value = random.nextGaussian() * Math.pow(2, random.nextInt(20));
        values.add(random.nextBoolean() ? (double) (float) value : value);
      }
      double expected = exact(values);
      Collections.shuffle(values, random);
      ExactSums all = ExactSums.statistics(1, DType.F16);
      for (int from = 0; from < values.size(); ) {
        int to = Math.min(values.size(), from + random.nextInt(4));
        double[] part = values.subList(from, to).stream().mapToDouble(v -> v).toArray();
        all = random.nextBoolean() ? ExactSums.merged(all, sums(1, part)) : swapped(all, part);
        from = to;
      }
      assertEquals(expected, NORM.unbiasedVariance(all)[0], values::toString);
    }
  }

  private static ExactSums swapped(ExactSums all, double... part) {
    return ExactSums.merged(sums(1, part), all);
  }

  /** By decimals of 200 digits: a tie cannot hide behind them for so few values. */
  private static double exact(List<Double> values) {
    BigDecimal sum = BigDecimal.ZERO;
    BigDecimal squares = BigDecimal.ZERO;
    for (double value : values) {
      sum = sum.add(new BigDecimal(value));
      squares = squares.add(new BigDecimal(value).multiply(new BigDecimal(value)));
    }
    BigDecimal m = BigDecimal.valueOf(values.size());
    return m.multiply(squares)
        .subtract(sum.multiply(sum))
        .divide(m.multiply(m.subtract(BigDecimal.ONE)), new MathContext(200))
        .doubleValue();
  }
}
