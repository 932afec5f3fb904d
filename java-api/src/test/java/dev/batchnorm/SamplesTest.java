package dev.batchnorm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SamplesTest {
  private static double[] counting(int count) {
    double[] values = new double[count];
    Arrays.setAll(values, i -> i);
    return values;
  }

  private static double[] values(Source source) {
    return source.chunk(0, (int) source.shape().count()).toDoubles();
  }

  @Test
  void areConsecutivePartsOfTheFirstAxis() {
    Batch whole = Batch.of(Shape.of(Layout.NHWC, 4, 1, 2, 3), counting(24));
    Source middle = whole.samples(1, 2);
    assertEquals(Shape.of(Layout.NHWC, 2, 1, 2, 3), middle.shape());
    assertEquals(3, middle.shape().channelAxis());
    assertEquals("batch[1:3]", middle.name());
    assertEquals(DType.F64, middle.type());
    assertEquals(whole.chunkLimit(), middle.chunkLimit());
    assertArrayEquals(Arrays.copyOfRange(counting(24), 6, 18), values(middle));
    assertArrayEquals(new double[] {8, 9}, middle.chunk(2, 2).toDoubles());
    assertArrayEquals(counting(24), values(whole.samples(0, 4)));
    middle.close();
    assertArrayEquals(counting(24), values(whole), "closing a part does nothing");
  }

  @Test
  void mayBePartsOfParts() {
    Batch whole = Batch.of(Shape.of(Layout.NC, 10, 2), counting(20));
    Source part = whole.samples(2, 6).samples(3, 2);
    assertEquals("batch[2:8][3:5]", part.name());
    assertArrayEquals(new double[] {10, 11, 12, 13}, values(part));
  }

  @Test
  void ofOneAxisAreValuesOfTheOneChannel() {
    Batch whole = Batch.of(Shape.withChannelAxis(0, 5), counting(5));
    Source part = whole.samples(3, 2);
    assertEquals(1, part.shape().channels());
    assertArrayEquals(new double[] {3, 4}, values(part));
  }

  @Test
  void mayBeNone() {
    Batch whole = Batch.of(Shape.of(Layout.NC, 2, 3), counting(6));
    assertEquals(Shape.of(Layout.NC, 0, 3), whole.samples(2, 0).shape());
    Batch empty = Batch.of(Shape.of(Layout.NC, 0, 3), new double[0]);
    assertEquals(0, empty.samples(0, 0).shape().count());
    Batch flat = Batch.of(Shape.of(Layout.NC, 5, 0), new double[0]);
    assertEquals(Shape.of(Layout.NC, 2, 0), flat.samples(3, 2).shape());
  }

  @ParameterizedTest
  @CsvSource({
    "-1, 1, -1 to 0",
    "0, -1, 0 to -1",
    "0, 5, 0 to 5",
    "4, 1, 4 to 5",
    "5, 0, 5 to 5",
    "3, 2, 3 to 5",
  })
  void beyondTheArrayThereAreNone(long first, long count, String found) {
    Batch whole = Batch.of(Shape.of(Layout.NC, 4, 1), counting(4));
    var refusal = assertThrows(IllegalArgumentException.class, () -> whole.samples(first, count));
    assertEquals("samples: expected a part of 0 to 4, found " + found, refusal.getMessage());
  }

  @Test
  void areNotThereWhereTheFirstAxisHoldsTheChannels() {
    Batch whole = Batch.of(Shape.withChannelAxis(0, 4, 1), counting(4));
    var refusal = assertThrows(IllegalArgumentException.class, () -> whole.samples(0, 4));
    assertEquals(
        "samples: expected them along axis 0, found the channels there (shape 4×1)",
        refusal.getMessage());
  }

  @Test
  void haveTheStatisticsOfABatchOfTheirOwn() {
    Shape shape = Shape.of(Layout.NCHW, 5, 2, 3, 1);
    double[] x = counting(30);
    Arrays.setAll(x, i -> Math.sin(x[i]));
    BatchNorm norm = BatchNorm.builder().build();
    ExactSums all = ExactSums.statistics(2, DType.F64);
    for (int n = 0; n < 5; n += 2) {
      int count = Math.min(2, 5 - n);
      Source part = Batch.of(shape, x).samples(n, count);
      Batch alone =
          Batch.of(
              Shape.of(Layout.NCHW, count, 2, 3, 1), Arrays.copyOfRange(x, 6 * n, 6 * (n + count)));
      assertEquals(norm.sums(alone), norm.sums(part));
      all.merge(norm.sums(part));
    }
    assertEquals(norm.sums(Batch.of(shape, x)), all);
  }
}
