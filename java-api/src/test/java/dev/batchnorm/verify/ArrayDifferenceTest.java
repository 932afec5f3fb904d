package dev.batchnorm.verify;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.verify.ArrayDifference.Element;
import dev.batchnorm.verify.ArrayDifference.Largest;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ArrayDifferenceTest {
  private static final double INFINITY = Double.POSITIVE_INFINITY;
  private static final long SEED = 20240607;

  /** An array in memory. */
  private record Memory(String name, NumberType type, ByteBuffer bytes, long... shape)
      implements StoredArray {
    @Override
    public long[] sizes() {
      return shape.clone();
    }

    @Override
    public long count() {
      return bytes.limit() / type.bytes();
    }

    @Override
    public ByteBuffer read(long first, int count) {
      return bytes
          .slice((int) first * type.bytes(), count * type.bytes())
          .order(ByteOrder.LITTLE_ENDIAN);
    }
  }

  private static Memory zeros(String name, NumberType type, long... shape) {
    int count = 1;
    for (long size : shape) {
      count *= (int) size;
    }
    ByteBuffer bytes = ByteBuffer.allocate(count * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    return new Memory(name, type, bytes, shape);
  }

  private static Memory array(String name, NumberType type, Number... values) {
    Memory array = zeros(name, type, values.length);
    for (int i = 0; i < values.length; i++) {
      put(array, i, bits(type, values[i]));
    }
    return array;
  }

  /** The bits of a value: of a floating type rounded, of an integer its lowest ones. */
  private static long bits(NumberType type, Number value) {
    return type.isFloating() ? type.floating().bits(value.doubleValue()) : value.longValue();
  }

  private static void put(Memory array, int index, long bits) {
    ByteBuffer bytes = array.bytes();
    switch (array.type().bytes()) {
      case 8 -> bytes.putLong(8 * index, bits);
      case 4 -> bytes.putInt(4 * index, (int) bits);
      case 2 -> bytes.putShort(2 * index, (short) bits);
      default -> bytes.put(index, (byte) bits);
    }
  }

  private static Memory a(NumberType type, Number... values) {
    return array("a", type, values);
  }

  private static Memory b(NumberType type, Number... values) {
    return array("b", type, values);
  }

  @ParameterizedTest
  @EnumSource(names = {"F16", "F32", "F64"})
  void toTheBitZerosDifferAndNansDoNot(NumberType type) {
    ArrayDifference difference =
        ArrayDifference.bitwise(
            a(type, -0.0, Double.NaN, INFINITY, 1), b(type, 0.0, Double.NaN, INFINITY, 1));
    assertEquals(4, difference.compared());
    assertEquals(1, difference.differing());
    assertEquals(0, difference.nanDiffering());
    assertEquals(List.of(new Element(0, "-0.0", "0.0", 0, 1)), difference.first());
    assertEquals(new Largest(0, -1), difference.absolute());
    assertEquals(new Largest(1, 0), difference.ulps());
    assertFalse(difference.isEqual());
  }

  @Test
  void nansOfAnyPayloadAreEqual() {
    for (NumberType type : List.of(NumberType.F16, NumberType.F32, NumberType.F64)) {
      Memory found = a(type, 1.0, 1.0);
      Memory reference = b(type, 1.0, 1.0);
      long nan = bits(type, Double.NaN);
      put(found, 1, nan | 1);
      put(reference, 1, nan | 1L << (8 * type.bytes() - 1));
      assertTrue(ArrayDifference.bitwise(found, reference).isEqual(), type.label());
      assertTrue(ArrayDifference.within(found, reference, 0, 0, 0).isEqual(), type.label());
    }
  }

  @Test
  void truthIsTruthWhateverItsByte() {
    assertTrue(
        ArrayDifference.bitwise(a(NumberType.BOOL, 1, 2, 0), b(NumberType.BOOL, 255, 1, 0))
            .isEqual());
    ArrayDifference difference =
        ArrayDifference.bitwise(a(NumberType.BOOL, 1, 0), b(NumberType.BOOL, 1, 7));
    assertEquals(List.of(new Element(1, "0", "1", 1, 1)), difference.first());
  }

  @Test
  void noToleranceLetsNanOrInfinityPass() {
    Double[] specials = {Double.NaN, INFINITY, -INFINITY, 1.0, Double.MAX_VALUE};
    for (double found : specials) {
      for (double reference : specials) {
        ArrayDifference difference =
            ArrayDifference.within(
                a(NumberType.F64, found),
                b(NumberType.F64, reference),
                Double.MAX_VALUE,
                Double.MAX_VALUE,
                ArrayDifference.MOST_ULPS);
        boolean same = Double.compare(found, reference) == 0;
        boolean finite = Double.isFinite(found) && Double.isFinite(reference);
        String what = found + " against " + reference;
        assertEquals(same || finite ? 0 : 1, difference.differing(), what);
        boolean oneNan = Double.isNaN(found) != Double.isNaN(reference);
        assertEquals(oneNan ? 1 : 0, difference.nanDiffering(), what);
        if (!same && !finite) {
          double distance = oneNan ? Double.NaN : INFINITY;
          assertEquals(distance, difference.first().get(0).absolute(), what);
          assertEquals(distance, difference.first().get(0).ulps(), what);
        }
      }
    }
  }

  @Test
  void aNanIsCountedAndLeftOutOfTheMaxima() {
    ArrayDifference difference =
        ArrayDifference.within(
            a(NumberType.F32, Double.NaN, 2, 5), b(NumberType.F32, 1, Double.NaN, 4), 0, 1, 0);
    assertEquals(2, difference.differing());
    assertEquals(2, difference.nanDiffering());
    assertEquals(new Largest(1, 2), difference.absolute());
    assertEquals(new Largest(0.25, 2), difference.relative());
    assertEquals("nan", difference.first().get(0).found());
    assertEquals(Double.NaN, difference.first().get(0).absolute());
  }

  @Test
  void toleranceIsAbsolutePlusRelativeToTheReference() {
    // 0.5 + 0.25·|−4| = 1.5; relative to a it would be 0.5 + 0.25·5.5 = 1.875.
    assertEquals(0, within(-5.5, -4, 0.25, 0.5, 0));
    assertEquals(1, within(Math.nextDown(-5.5), -4, 0.25, 0.5, 0));
    assertEquals(0, within(0.5, 0, 1, 0.5, 0));
    assertEquals(1, within(Math.nextUp(0.5), 0, 1, 0.5, 0));
    assertEquals(0, within(-0.0, 0, 0, 0, 0));
    assertEquals(0, within(-Double.MIN_VALUE, 0, 0, 0, 1));
    assertEquals(0, within(-Double.MIN_VALUE, Double.MIN_VALUE, 0, 0, 2));
    assertEquals(1, within(-Double.MIN_VALUE, Double.MIN_VALUE, 0, 0, 1));
    assertEquals(1, within(1.7e308, -1.7e308, 1.5, 0, 0));
    assertEquals(0, within(1.7e308, -1.7e308, 2, 0, 0));
  }

  private static long within(double a, double b, double rtol, double atol, long ulps) {
    return ArrayDifference.within(a(NumberType.F64, a), b(NumberType.F64, b), rtol, atol, ulps)
        .differing();
  }

  @Test
  void ulpsPassBesideTheTolerance() {
    double b = 3;
    double a = Math.nextUp(Math.nextUp(b));
    assertEquals(1, within(a, b, 0, 0, 1));
    assertEquals(0, within(a, b, 0, 0, 2));
    assertEquals(0, within(a, b, 0, 1e-15, 1));
    assertEquals(1, within(1, -1, 0, 0, ArrayDifference.MOST_ULPS));
  }

  @Test
  void ulpsAreThoseOfTheReferenceTypeAndCountTheFarther() {
    float b = 1.5f;
    float up = Math.nextUp(b);
    double between = Math.nextDown((double) up);
    assertEquals(1, steps(NumberType.F64, up, NumberType.F32, b));
    assertEquals(1, steps(NumberType.F64, between, NumberType.F32, b));
    assertEquals(1, steps(NumberType.F64, Math.nextUp((double) b), NumberType.F32, b));
    assertEquals(2, steps(NumberType.F64, Math.nextUp((double) up), NumberType.F32, b));
    assertEquals(1, steps(NumberType.F64, Math.nextDown((double) b), NumberType.F32, b));
    assertEquals(1L << 29, steps(NumberType.F32, up, NumberType.F64, b));
    assertEquals(INFINITY, steps(NumberType.F64, 1e300, NumberType.F32, Float.MAX_VALUE));
    assertEquals(1, steps(NumberType.F64, 0.5, NumberType.I32, 1));
    assertEquals(255, steps(NumberType.U8, 255, NumberType.BOOL, 0));
    assertEquals(510, steps(NumberType.I16, -255, NumberType.U8, 255));
  }

  private static double steps(NumberType aType, Number a, NumberType bType, Number b) {
    return ArrayDifference.within(a(aType, a), b(bType, b), 0, 0, 0).ulps().value();
  }

  @Test
  void integersOf64BitsAreExact() {
    long large = 1L << 53;
    for (NumberType type : List.of(NumberType.I64, NumberType.U64)) {
      ArrayDifference difference =
          ArrayDifference.within(a(type, large + 1), b(type, large), 0, 0, 0);
      assertEquals(
          List.of(new Element(0, "9007199254740993", "9007199254740992", 1, 1)),
          difference.first());
      assertEquals(0, ArrayDifference.within(a(type, -1), b(type, -2), 0, 0, 1).differing());
    }
    assertEquals(1, steps(NumberType.I64, large + 1, NumberType.U64, large));
    assertEquals(1, steps(NumberType.I64, large + 1, NumberType.F64, large));
    assertEquals(1, steps(NumberType.F64, large, NumberType.I64, large + 1));
    assertEquals(0x1p64, steps(NumberType.I64, Long.MIN_VALUE, NumberType.I64, Long.MAX_VALUE));
    assertEquals(0x1p64, steps(NumberType.I64, -1, NumberType.U64, -1));
    assertEquals(0, steps(NumberType.U64, Long.MIN_VALUE, NumberType.F64, 0x1p63));
  }

  @Test
  void aMaximumIsOverAllElementsAndItsFirstPlace() {
    ArrayDifference difference =
        ArrayDifference.within(
            a(NumberType.F64, 1, 3, 9, 0, 7), b(NumberType.F64, 1, 2, 10, 1, 0), 0, 1, 0);
    assertEquals(1, difference.differing());
    assertEquals(new Largest(7, 4), difference.absolute());
    assertEquals(new Largest(INFINITY, 4), difference.relative());
    difference =
        ArrayDifference.within(a(NumberType.F64, 1, 3, 9), b(NumberType.F64, 1, 2, 10), 0, 1, 0);
    assertEquals(0, difference.differing());
    assertFalse(difference.isEqual());
    assertEquals(new Largest(1, 1), difference.absolute());
    assertEquals(new Largest(0.5, 1), difference.relative());
  }

  @Test
  void theFirstFewAreRemembered() {
    Memory reference = zeros("b", NumberType.F32, 4, 3, 2);
    Memory found = zeros("a", NumberType.F32, 4, 3, 2);
    for (int i = 1; i < 24; i += 3) {
      put(found, i, NumberType.F32.floating().bits(i));
    }
    ArrayDifference difference = ArrayDifference.bitwise(found, reference);
    assertEquals(8, difference.differing());
    assertEquals(
        List.of(1L, 4L, 7L, 10L, 13L), difference.first().stream().map(Element::index).toList());
    assertArrayEquals(new long[] {3, 2, 0}, difference.place(22));
    assertEquals(
        List.of(1L, 4L),
        ArrayDifference.bitwise(found, reference, 2).first().stream().map(Element::index).toList());
    assertEquals(List.of(), ArrayDifference.within(found, reference, 0, 0, 0, 0).first());
    assertEquals(8, ArrayDifference.within(found, reference, 0, 0, 0, 99).first().size());
    assertThrows(
        IllegalArgumentException.class, () -> ArrayDifference.bitwise(found, reference, -1));
    assertEquals(new Largest(22, 22), difference.absolute());
  }

  @Test
  void aSingleValueAndNoValue() {
    ArrayDifference single =
        ArrayDifference.bitwise(zeros("a", NumberType.I8), zeros("b", NumberType.I8));
    assertEquals(1, single.compared());
    assertTrue(single.isEqual());
    assertArrayEquals(new long[0], single.place(0));
    ArrayDifference none =
        ArrayDifference.bitwise(zeros("a", NumberType.F64, 0, 3), zeros("b", NumberType.F64, 0, 3));
    assertEquals(0, none.compared());
    assertTrue(none.isEqual());
  }

  @Test
  void whatCannotBeComparedIsRefused() {
    Memory f32 = zeros("a", NumberType.F32, 2, 3);
    assertEquals(
        "a: expected type f64 (b), found f32",
        refusal(() -> ArrayDifference.bitwise(f32, zeros("b", NumberType.F64, 2, 3))));
    assertEquals(
        "a: expected shape 3×2 (b), found 2×3",
        refusal(() -> ArrayDifference.bitwise(f32, zeros("b", NumberType.F32, 3, 2))));
    assertEquals(
        "a: expected shape 6 (b), found 2×3",
        refusal(() -> ArrayDifference.within(f32, zeros("b", NumberType.F32, 6), 1, 1, 1)));
    assertEquals(
        "rtol: expected a finite number ≥ 0, found -1.0",
        refusal(() -> ArrayDifference.within(f32, f32, -1, 0, 0)));
    assertEquals(
        "atol: expected a finite number ≥ 0, found NaN",
        refusal(() -> ArrayDifference.within(f32, f32, 0, Double.NaN, 0)));
    assertEquals(
        "rtol: expected a finite number ≥ 0, found Infinity",
        refusal(() -> ArrayDifference.within(f32, f32, INFINITY, 0, 0)));
    for (long ulps : new long[] {-1, 1L << 53}) {
      assertEquals(
          "ulps: expected a whole number from 0 to 9007199254740991, found " + ulps,
          refusal(() -> ArrayDifference.within(f32, f32, 0, 0, ulps)));
    }
  }

  private static String refusal(org.junit.jupiter.api.function.Executable action) {
    return String.valueOf(assertThrows(IllegalArgumentException.class, action).getMessage());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, StoredArray.CHUNK - 1, StoredArray.CHUNK, StoredArray.CHUNK + 2})
  void oneWrongElementIsFoundInAnyChunk(int wrong) {
    int count = StoredArray.CHUNK + 3;
    for (NumberType type : List.of(NumberType.U8, NumberType.F16, NumberType.F64)) {
      Memory found = zeros("a", type, count);
      Memory reference = zeros("b", type, count);
      put(found, wrong, 1);
      ArrayDifference difference = ArrayDifference.bitwise(found, reference);
      assertEquals(1, difference.differing());
      assertEquals(wrong, difference.first().get(0).index());
      assertEquals(new Largest(1, wrong), difference.ulps());
      assertEquals(difference.first(), ArrayDifference.within(found, reference, 0, 0, 0).first());
    }
    Memory mixed = zeros("a", NumberType.F32, count);
    put(mixed, wrong, 1);
    assertEquals(
        wrong,
        ArrayDifference.within(mixed, zeros("b", NumberType.I64, count), 0, 0, 0)
            .first()
            .get(0)
            .index());
  }

  static Stream<NumberType[]> pairs() {
    return Stream.of(NumberType.values())
        .flatMap(a -> Stream.of(NumberType.values()).map(b -> new NumberType[] {a, b}));
  }

  /** What the class promises, element by element, in exact decimals. */
  @ParameterizedTest
  @MethodSource("pairs")
  void agreesWithANaiveComparison(NumberType aType, NumberType bType) {
    Random random = new Random(SEED + 12L * aType.ordinal() + bType.ordinal());
    double[][] tolerances = {
      {0, 0, 0}, {0, 0, 3}, {1e-5, 0, 0}, {0.5, 0.25, 0}, {1e-3, 1e-3, 40}, {0, 2, 1}
    };
    for (double[] t : tolerances) {
      Memory found = zeros("a", aType, 17, 30);
      Memory reference = zeros("b", bType, 17, 30);
      for (int i = 0; i < 17 * 30; i++) {
        fill(found, reference, i, random);
      }
      Naive naive = new Naive(found, reference, t[0], t[1], (long) t[2], false);
      naive.check(ArrayDifference.within(found, reference, t[0], t[1], (long) t[2]));
      if (aType == bType) {
        new Naive(found, reference, 0, 0, 0, true).check(ArrayDifference.bitwise(found, reference));
      }
    }
  }

  /** A reference of any bits or a special value, and an element equal, near, or anywhere. */
  private static void fill(Memory found, Memory reference, int i, Random random) {
    NumberType type = reference.type();
    double[] specials = {0, -0.0, 1, INFINITY, -INFINITY, Double.NaN, 65504, 0x1p53, -0x1p53, 7.5};
    double special = specials[random.nextInt(specials.length)];
    long bits =
        switch (random.nextInt(4)) {
          case 0 -> random.nextLong();
          case 1 -> bits(type, special);
          default -> bits(type, random.nextInt(200) - 100);
        };
    put(reference, i, bits);
    if (type == found.type() && random.nextBoolean()) {
      put(found, i, bits + random.nextInt(9) / 2 - 1);
      return;
    }
    double near = type.get(reference.bytes(), i * type.bytes());
    long nearBits = bits(found.type(), near) + random.nextInt(9) / 2 - 1;
    put(found, i, random.nextInt(8) == 0 ? random.nextLong() : nearBits);
  }

  /** What the class of quantiles promises, from all distances in order. */
  private static void checkQuantiles(List<Double> steps, UlpQuantiles quantiles) {
    List<Double> sorted = steps.stream().sorted().toList();
    assertEquals(sorted.size(), quantiles.count());
    for (int percent = 0; percent <= 100; percent++) {
      int rank = Math.max(1, (sorted.size() * percent + 99) / 100);
      double expected = sorted.get(rank - 1);
      double within = quantiles.within(percent);
      if (expected <= UlpQuantiles.EXACT || quantiles.isExact(percent)) {
        assertEquals(expected, within, percent + " %");
        assertTrue(quantiles.isExact(percent));
      } else {
        assertTrue(expected <= within && within < 2 * expected, expected + " in " + within);
      }
    }
  }

  @Test
  void quantilesOfDistancesOfEverySize() {
    Random random = new Random(SEED);
    for (int round = 0; round < 200; round++) {
      UlpQuantiles quantiles = new UlpQuantiles();
      int equal = random.nextInt(50);
      List<Double> steps = new ArrayList<>(Collections.nCopies(equal, 0.0));
      quantiles.addEqual(equal);
      for (int i = 0; i <= round; i++) {
        double step = Math.rint(Math.scalb(1 + random.nextDouble(), random.nextInt(70)));
        step = i % 5 == 0 ? Math.scalb(1.0, random.nextInt(64)) : i == 77 ? INFINITY : step;
        steps.add(step);
        quantiles.add(step);
      }
      checkQuantiles(steps, quantiles);
    }
    UlpQuantiles edges = new UlpQuantiles();
    List<Double> steps = List.of(1023.0, 1024.0, 1025.0, 2047.0, 2048.0, 2049.0, 0x1p64, 1e300);
    steps.forEach(edges::add);
    checkQuantiles(steps, edges);
    assertEquals(2048, edges.within(50));
    assertFalse(edges.isExact(50));
    assertEquals(1e300, edges.within(100));
    assertEquals(0, new UlpQuantiles().within(50));
    assertThrows(IllegalArgumentException.class, () -> edges.within(101));
  }

  /** The numbers of elements of large files: a billion equal ones and a few others. */
  @Test
  void quantilesOfManyElements() {
    UlpQuantiles quantiles = new UlpQuantiles();
    quantiles.addEqual(89_999_999_999L);
    quantiles.add(3);
    for (int i = 0; i < 4; i++) {
      quantiles.addEqual(2_500_000_000L);
    }
    assertEquals(100_000_000_000L, quantiles.count());
    assertEquals(0, quantiles.within(99));
    assertEquals(3, quantiles.within(100));
  }

  /** Each least tolerance passes, and the next smaller number does not. */
  @ParameterizedTest
  @MethodSource("pairs")
  void leastTolerancesAreTheLeast(NumberType aType, NumberType bType) {
    Random random = new Random(SEED + 12L * aType.ordinal() + bType.ordinal());
    for (int round = 0; round < 40; round++) {
      int count = 1 + random.nextInt(20);
      Memory found = zeros("a", aType, count);
      Memory reference = zeros("b", bType, count);
      for (int i = 0; i < count; i++) {
        // Small and subnormal numbers in every second round, where quotients are rounded most.
        double y = random.nextInt(100) * (round % 2 == 0 ? 1.5 : smallest(bType));
        double x = y + random.nextInt(3) * (round % 2 == 0 ? 0.25 : smallest(aType));
        put(found, i, bits(aType, x));
        put(reference, i, bits(bType, y));
      }
      checkLeast(found, reference);
    }
  }

  private static double smallest(NumberType type) {
    return type.isFloating() ? type.floating().fromBits(1) : 1;
  }

  private static void checkLeast(Memory found, Memory reference) {
    LeastTolerances least = ArrayDifference.within(found, reference, 0, 0, 0).least();
    least
        .ulps()
        .ifPresent(
            n -> {
              assertEquals(0, ArrayDifference.within(found, reference, 0, 0, n).differing());
              assertTrue(
                  n == 0 || ArrayDifference.within(found, reference, 0, 0, n - 1).differing() > 0);
            });
    least
        .absolute()
        .ifPresent(
            atol -> {
              assertEquals(0, ArrayDifference.within(found, reference, 0, atol, 0).differing());
              double less = Math.nextDown(atol);
              assertTrue(
                  less < 0 || ArrayDifference.within(found, reference, 0, less, 0).differing() > 0);
            });
    least
        .relative()
        .ifPresentOrElse(
            rtol -> {
              assertEquals(0, ArrayDifference.within(found, reference, rtol, 0, 0).differing());
              double less = Math.nextDown(rtol);
              assertTrue(
                  less < 0 || ArrayDifference.within(found, reference, less, 0, 0).differing() > 0);
            },
            () ->
                assertTrue(
                    ArrayDifference.within(found, reference, Double.MAX_VALUE, 0, 0).differing()
                        > 0));
  }

  @Test
  void whatNoToleranceLetsPassHasNoLeast() {
    for (double special : new double[] {Double.NaN, INFINITY}) {
      LeastTolerances least =
          ArrayDifference.within(
                  a(NumberType.F32, 1, 2, special), b(NumberType.F32, 1, 2, 3), 0, 0, 0)
              .least();
      assertTrue(least.isNone());
      assertTrue(new LeastTolerances().and(least).isNone());
    }
    LeastTolerances least = least(1, 0);
    assertEquals(OptionalDouble.of(1), least.absolute());
    assertEquals(OptionalDouble.empty(), least.relative());
    assertEquals(OptionalLong.empty(), least.ulps());
    least = least(1.7e308, -1.7e308);
    assertEquals(OptionalDouble.empty(), least.absolute());
    assertEquals(OptionalDouble.of(2), least.relative());
    least = least(1e300, 1e-300);
    assertEquals(OptionalDouble.of(1e300), least.absolute());
    assertEquals(OptionalDouble.empty(), least.relative());
    least = least(2 * Double.MIN_VALUE, 3 * Double.MIN_VALUE);
    assertEquals(OptionalDouble.of(Math.nextUp(1.0 / 6)), least.relative());
    assertEquals(OptionalLong.of(1), least.ulps());
    assertEquals(OptionalLong.of(0), least(-0.0, 0.0).ulps());
    least = least(3.0, 3.0);
    assertEquals(OptionalDouble.of(0), least.relative());
    assertFalse(least.isNone());
  }

  private static LeastTolerances least(double a, double b) {
    Memory found = a(NumberType.F64, a);
    Memory reference = b(NumberType.F64, b);
    checkLeast(found, reference);
    LeastTolerances bitwise = ArrayDifference.bitwise(found, reference).least();
    LeastTolerances least = ArrayDifference.within(found, reference, 0, 0, 0).least();
    assertEquals(least.ulps(), bitwise.ulps());
    assertEquals(least.relative(), bitwise.relative());
    return least;
  }

  private static final class Naive {
    private final NumberType aType;
    private final NumberType bType;
    private final List<Element> differing = new ArrayList<>();
    private final List<Double> allSteps = new ArrayList<>();
    private long nans;
    private Largest absolute = new Largest(0, -1);
    private Largest relative = new Largest(0, -1);
    private Largest ulps = new Largest(0, -1);

    Naive(Memory a, Memory b, double rtol, double atol, long most, boolean bitwise) {
      aType = a.type();
      bType = b.type();
      for (int i = 0; i < b.count(); i++) {
        int aOffset = i * aType.bytes();
        int bOffset = i * bType.bytes();
        double x = aType.get(a.bytes(), aOffset);
        double y = bType.get(b.bytes(), bOffset);
        double distance;
        double steps;
        boolean passes;
        if (Double.isNaN(x) || Double.isNaN(y)) {
          passes = Double.isNaN(x) && Double.isNaN(y);
          nans += passes ? 0 : 1;
          distance = passes ? 0 : Double.NaN;
          steps = distance;
        } else if (Double.isInfinite(x) || Double.isInfinite(y)) {
          passes = x == y;
          distance = passes ? 0 : INFINITY;
          steps = distance;
        } else {
          BigDecimal exactA = exact(aType, a, aOffset, x);
          BigDecimal exactB = exact(bType, b, bOffset, y);
          distance = exactA.subtract(exactB).abs().doubleValue();
          steps = steps(exactA, x, y, distance, bitwise);
          BigDecimal tolerance =
              new BigDecimal(rtol).multiply(new BigDecimal(y).abs()).add(new BigDecimal(atol));
          boolean close =
              Double.isInfinite(distance)
                  ? new BigDecimal(x).subtract(new BigDecimal(y)).abs().compareTo(tolerance) <= 0
                  : distance <= atol + rtol * Math.abs(y);
          passes = bitwise ? steps == 0 : close || steps <= most;
        }
        absolute = larger(absolute, distance, i);
        double quotient = distance == 0 || distance == INFINITY ? distance : distance / Math.abs(y);
        relative = larger(relative, quotient, i);
        ulps = larger(ulps, steps, i);
        allSteps.add(Double.isNaN(steps) ? INFINITY : steps);
        if (!passes) {
          differing.add(
              new Element(i, text(aType, a, aOffset), text(bType, b, bOffset), distance, steps));
        }
      }
    }

    private static Largest larger(Largest before, double value, int index) {
      return value > before.value() ? new Largest(value, index) : before;
    }

    private static BigDecimal exact(NumberType type, Memory array, int offset, double value) {
      return switch (type) {
        case I64 -> BigDecimal.valueOf(array.bytes().getLong(offset));
        case U64 -> new BigDecimal(Long.toUnsignedString(array.bytes().getLong(offset)));
        default -> new BigDecimal(value);
      };
    }

    private static String text(NumberType type, Memory array, int offset) {
      double value = type.get(array.bytes(), offset);
      return type.isFloating()
          ? Decimals.text(type.floating(), value)
          : exact(type, array, offset, value).toBigInteger().toString();
    }

    private double steps(BigDecimal exactA, double x, double y, double distance, boolean bitwise) {
      if (!bType.isFloating()) {
        return Math.ceil(distance);
      }
      DType type = bType.floating();
      double nearest = type.round(x);
      if (Double.isInfinite(nearest)) {
        return INFINITY;
      }
      BigInteger steps = ordered(type, nearest).subtract(ordered(type, y)).abs();
      BigDecimal fromA = exactA.subtract(new BigDecimal(y)).abs();
      BigDecimal fromNearest = new BigDecimal(nearest).subtract(new BigDecimal(y)).abs();
      boolean signedZeros = bitwise && nearest == 0 && y == 0 && Double.compare(nearest, y) != 0;
      return steps.doubleValue()
          + (signedZeros ? 1 : 0)
          + (fromA.compareTo(fromNearest) > 0 ? 1 : 0);
    }

    /** The place of a number among all of its type, the two zeros at one. */
    private static BigInteger ordered(DType type, double value) {
      BigInteger magnitude = BigInteger.valueOf(type.bits(Math.abs(value)));
      boolean negative = Math.copySign(1, value) < 0;
      return negative ? magnitude.negate() : magnitude;
    }

    void check(ArrayDifference difference) {
      String what = aType + " against " + bType;
      assertEquals(differing.size(), difference.differing(), what);
      assertEquals(nans, difference.nanDiffering(), what);
      assertEquals(
          differing.subList(0, Math.min(ArrayDifference.FIRST, differing.size())),
          difference.first(),
          what);
      assertEquals(absolute, difference.absolute(), what);
      assertEquals(relative, difference.relative(), what);
      assertEquals(ulps, difference.ulps(), what);
      assertEquals(differing.isEmpty() && ulps.value() == 0, difference.isEqual(), what);
      checkQuantiles(allSteps, difference.quantiles());
    }
  }
}
