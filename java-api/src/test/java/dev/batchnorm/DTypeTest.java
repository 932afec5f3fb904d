package dev.batchnorm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DTypeTest {

  /** All finite binary16 numbers from 0 on, ascending, by the definition of the format. */
  private static double[] binary16() {
    double[] numbers = new double[0x7c00];
    for (int bits = 0; bits < numbers.length; bits++) {
      int exponent = Math.max(bits >> 10, 1);
      int significand = (bits & 0x3ff) | (bits >> 10 > 0 ? 0x400 : 0);
      numbers[bits] = significand * Math.pow(2, exponent - 25);
    }
    return numbers;
  }

  @Test
  void binary16BitsStandForTheirNumbers() {
    double[] numbers = binary16();
    for (int bits = 0; bits < numbers.length; bits++) {
      assertEquals(numbers[bits], Values.ofBinary16((short) bits).get(0));
      assertEquals(-numbers[bits], Values.ofBinary16((short) (bits | 0x8000)).get(0));
      assertEquals(bits, DType.F16.bits(numbers[bits]));
      assertEquals(bits | 0x8000, DType.F16.bits(-numbers[bits]));
    }
    assertEquals(Double.POSITIVE_INFINITY, Values.ofBinary16((short) 0x7c00).get(0));
    assertEquals(Double.NEGATIVE_INFINITY, Values.ofBinary16((short) 0xfc00).get(0));
    assertEquals(Double.NaN, Values.ofBinary16((short) 0xfc01).get(0));
    assertEquals(0x7e00, DType.F16.bits(Double.NaN));
  }

  @Test
  void binary16RoundsToNearestTiesToEven() {
    double[] numbers = binary16();
    for (int bits = 0; bits < numbers.length; bits++) {
      double here = numbers[bits];
      double next = bits + 1 < numbers.length ? numbers[bits + 1] : 65536;
      double halfway = (here + next) / 2;
      double even =
          bits % 2 == 0 ? here : bits + 1 < numbers.length ? next : Double.POSITIVE_INFINITY;
      double above = bits + 1 < numbers.length ? next : Double.POSITIVE_INFINITY;
      assertEquals(even, DType.F16.round(halfway));
      assertEquals(here, DType.F16.round(Math.nextDown(halfway)));
      assertEquals(above, DType.F16.round(Math.nextUp(halfway)));
      assertEquals(-here, DType.F16.round(-Math.nextDown(halfway)));
    }
  }

  /**
   * Exact distances decide, and not two roundings: 1 + 2^-11 + 2^-40 is no tie, though its f32 is.
   */
  @Test
  void binary16IsRoundedOnce() {
    assertEquals(1 + 0x1p-10, DType.F16.round(1 + 0x1p-11 + 0x1p-40));
    double[] numbers = binary16();
    Random random = new Random(3);
    for (int i = 0; i < 100_000; i++) {
      double value = Math.scalb(1 + random.nextDouble(), random.nextInt(42) - 26);
      double rounded = DType.F16.round(value);
      int at = Arrays.binarySearch(numbers, rounded);
      if (Double.isInfinite(rounded)) {
        continue;
      }
      BigDecimal distance = distance(value, rounded);
      for (int neighbour = Math.max(at - 1, 0); neighbour < Math.min(at + 2, 0x7c00); neighbour++) {
        assertEquals(
            true, distance.compareTo(distance(value, numbers[neighbour])) <= 0, () -> "" + value);
      }
    }
  }

  private static BigDecimal distance(double a, double b) {
    return new BigDecimal(a).subtract(new BigDecimal(b)).abs();
  }

  @Test
  void specialValuesRoundToThemselves() {
    for (DType type : DType.values()) {
      for (double value :
          new double[] {
            0.0, -0.0, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, Double.NaN
          }) {
        assertEquals(value, type.round(value));
      }
      assertEquals(-0.0, type.round(-Double.MIN_VALUE) * 0);
    }
    assertEquals(Double.POSITIVE_INFINITY, DType.F16.round(65520));
    assertEquals(65504, DType.F16.round(Math.nextDown(65520)));
    assertEquals(Double.NEGATIVE_INFINITY, DType.F32.round(-1e39));
  }
}
