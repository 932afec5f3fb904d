package dev.batchnorm.verify;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.View;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.verify.ExactCase.Answer;
import dev.batchnorm.verify.ExactCase.Exactness;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class ExactCaseTest {
  private static final int CASES = 120;

  /** A case that is made from its number alone. */
  private static ExactCase numbered(int number) {
    Random random = new Random(number);
    Layout layout = Layout.values()[random.nextInt(Layout.values().length)];
    long[] sizes = new long[layout.rank()];
    int most = new int[] {0, 0, 40, 9, 6, 4}[layout.rank()];
    Arrays.setAll(sizes, axis -> 1 + random.nextInt(most));
    if (number % 3 == 0) {
      sizes[0] = 8;
    }
    DType type = DType.values()[random.nextInt(3)];
    DType arithmetic = DType.values()[Math.max(type.ordinal(), random.nextInt(3))];
    Shape shape = Shape.of(layout, sizes);
    if (shape.view().valuesPerChannel() > 591) {
      arithmetic = DType.values()[Math.max(1, arithmetic.ordinal())];
    }
    return ExactCase.of(shape, type, arithmetic, number);
  }

  private static boolean biased(ExactCase exact) {
    return exact.shape().view().valuesPerChannel() == 1;
  }

  static IntStream cases() {
    return IntStream.range(0, CASES);
  }

  /** Answers that another computation does not give to the bit, zeros with their sign. */
  private static List<String> wrong(List<Answer> answers, Map<String, double[]> found) {
    List<String> wrong = new ArrayList<>();
    for (Answer answer : answers) {
      double[] theirs = found.get(answer.name());
      if (theirs != null && !sameBits(answer.values().values().toDoubles(), theirs)) {
        wrong.add(answer.name());
      }
    }
    return wrong;
  }

  private static boolean sameBits(double[] a, double[] b) {
    return Arrays.equals(bits(a), bits(b));
  }

  private static long[] bits(double... values) {
    return Arrays.stream(values).mapToLong(Double::doubleToLongBits).toArray();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void plainArithmeticInAnyOrderGivesTheAnswers(int number) {
    ExactCase exact = numbered(number);
    View view = exact.shape().view();
    List<Answer> answers = exact.answers(true);
    for (DType type : DType.values()) {
      if (type.compareTo(exact.arithmetic()) < 0) {
        continue;
      }
      for (NaiveKernel.Formula formula : NaiveKernel.Formula.values()) {
        for (int seed = 0; seed < 3; seed++) {
          boolean power = Long.bitCount(view.valuesPerChannel()) == 1;
          boolean exactShare = type == exact.arithmetic() && exact.reciprocalIsExact();
          boolean reciprocal = seed == 1 && (power || exactShare);
          NaiveKernel kernel =
              new NaiveKernel(type, formula, NaiveKernel.Mistake.NONE, reciprocal, seed);
          assertEquals(
              List.of(),
              wrong(answers, kernel.run(exact, view)),
              () -> number + ": " + exact.shape() + " in " + type + ", " + formula);
        }
      }
    }
  }

  /** The arithmetic's type is the smallest: one bit less and sums round. */
  @Test
  void f16ArithmeticIsNotEnoughForCasesOfF32() {
    ExactCase exact = ExactCase.of(Shape.of(Layout.NC, 400, 3), DType.F16, DType.F32, 5);
    NaiveKernel kernel =
        new NaiveKernel(
            DType.F16, NaiveKernel.Formula.ONE_PASS, NaiveKernel.Mistake.NONE, false, 1);
    assertNotEquals(
        List.of(), wrong(exact.answers(false), kernel.run(exact, exact.shape().view())));
  }

  @ParameterizedTest
  @EnumSource(value = NaiveKernel.Mistake.class, mode = EnumSource.Mode.EXCLUDE, names = "NONE")
  void aMistakeIsSeen(NaiveKernel.Mistake mistake) {
    for (Shape shape :
        List.of(
            Shape.of(Layout.NCHW, 2, 8, 3, 3),
            Shape.of(Layout.NC, 64, 7),
            Shape.of(Layout.NHWC, 5, 4, 4, 6))) {
      ExactCase exact = ExactCase.of(shape, DType.F32, 3);
      NaiveKernel kernel =
          new NaiveKernel(DType.F32, NaiveKernel.Formula.TWO_PASS, mistake, false, 1);
      assertNotEquals(
          List.of(),
          wrong(exact.answers(false), kernel.run(exact, shape.view())),
          () -> "" + shape);
    }
  }

  @Test
  void aWrongChannelAxisIsSeen() {
    ExactCase exact = ExactCase.of(Shape.of(Layout.NCHW, 3, 6, 6, 6), DType.F32, 3);
    NaiveKernel kernel =
        new NaiveKernel(
            DType.F32, NaiveKernel.Formula.TWO_PASS, NaiveKernel.Mistake.NONE, false, 1);
    View wrong = Shape.withChannelAxis(2, 3, 6, 6, 6).view();
    Map<String, double[]> found = kernel.run(exact, wrong);
    assertEquals(
        List.of(
            "mean",
            "variance",
            "inverse_std",
            "y",
            "dbeta",
            "dgamma",
            "dx",
            "infer_y",
            "frozen_dgamma",
            "frozen_dx"),
        wrong(exact.answers(false), found));
  }

  /** Two channels in each other's place differ, mostly: γ, β and the mean are drawn for each. */
  @Test
  void channelsDiffer() {
    ExactCase exact = ExactCase.of(Shape.of(Layout.NC, 32, 64), DType.F32, 3);
    assertTrue(exact.channels().stream().distinct().count() > 40);
    assertTrue(exact.channels().stream().map(ExactCase.Channel::variance).distinct().count() == 3);
    assertTrue(Arrays.stream(exact.gamma()).distinct().count() > 10);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void theJavaEngineGivesTheAnswers(int number) {
    ExactCase exact = numbered(number);
    boolean biased = biased(exact);
    List<Answer> answers = exact.answers(biased);
    List<Answer> ours = exact.answers(exact.eps(), biased, Engines.named("java", 1));
    assertEquals(answers.size(), ours.size());
    for (int i = 0; i < answers.size(); i++) {
      Answer expected = answers.get(i);
      Answer found = ours.get(i);
      assertEquals(expected.name(), found.name());
      assertEquals(expected.equation(), found.equation());
      assertEquals(expected.values().type(), found.values().type(), expected.name());
      assertEquals(expected.values().shape(), found.values().shape(), expected.name());
      assertArrayEquals(
          bits(expected.values().values().toDoubles()),
          bits(found.values().values().toDoubles()),
          () -> number + ": " + expected.name() + " of " + exact.shape());
    }
  }

  @Test
  void anotherEpsLeavesTheSumsExactAndSaysWhatIsRounded() {
    ExactCase exact = ExactCase.of(Shape.of(Layout.NC, 24, 5), DType.F32, 1);
    List<Answer> answers = exact.answers(1e-5, false, Engines.named("java", 1));
    List<Answer> own = exact.answers(false);
    for (int i = 0; i < own.size(); i++) {
      boolean same = List.of("F1", "F2", "F6", "B1").contains(own.get(i).equation());
      assertEquals(
          same,
          sameBits(
              own.get(i).values().values().toDoubles(),
              answers.get(i).values().values().toDoubles()),
          own.get(i).name());
      assertEquals(same, answers.get(i).exactness() == own.get(i).exactness(), own.get(i).name());
    }
    assertEquals(
        List.of(Exactness.ROUNDED, Exactness.SEQUENCE, Exactness.UPDATE),
        answers.stream()
            .map(Answer::exactness)
            .filter(e -> e != Exactness.EXACT)
            .distinct()
            .toList());
  }

  /** A gradient that is 0, or the same everywhere, would hide mistakes. */
  @ParameterizedTest
  @MethodSource("cases")
  void noAnswerIsVacuous(int number) {
    ExactCase exact = numbered(number);
    if (biased(exact)) {
      return; // dx of a single value is 0
    }
    for (Answer answer : exact.answers(false)) {
      double[] values = answer.values().values().toDoubles();
      if (List.of("dx", "variance", "dgamma", "dbeta", "frozen_dgamma").contains(answer.name())) {
        assertTrue(Arrays.stream(values).allMatch(v -> v != 0), answer.name());
      }
      if (answer.name().equals("dx") || answer.name().equals("y")) {
        assertTrue(Arrays.stream(values).distinct().count() > 1, answer.name());
      }
    }
  }

  /** The bits of one case, so that no change goes unseen: they are files of others by now. */
  @Test
  void theSameSeedGivesTheSameBits() {
    ExactCase exact = ExactCase.of(Shape.of(Layout.NC, 6, 2), DType.F32, 1);
    ExactCase again = ExactCase.of(Shape.of(Layout.NC, 6, 2), DType.F32, 1);
    assertArrayEquals(doubles(exact.x()), doubles(again.x()));
    assertArrayEquals(doubles(exact.dy()), doubles(again.dy()));
    ExactCase other = ExactCase.of(Shape.of(Layout.NC, 6, 2), DType.F32, 2);
    assertFalse(Arrays.equals(doubles(exact.x()), doubles(other.x())));
  }

  /** A channel depends on the seed, its number and m alone, not on its place in memory. */
  @Test
  void theLayoutMovesValuesOnly() {
    ExactCase first = ExactCase.of(Shape.of(Layout.NCHW, 2, 3, 4, 5), DType.F32, 9);
    ExactCase last = ExactCase.of(Shape.of(Layout.NHWC, 2, 4, 5, 3), DType.F32, 9);
    for (int n = 0; n < 2; n++) {
      for (int c = 0; c < 3; c++) {
        for (int p = 0; p < 20; p++) {
          assertEquals(
              first.x().values().get((n * 3 + c) * 20 + p),
              last.x().values().get((n * 20 + p) * 3 + c));
        }
      }
    }
  }

  private static double[] doubles(Batch batch) {
    return batch.values().toDoubles();
  }

  @ParameterizedTest
  @CsvSource({"F16,F16,591", "F16,F32,4843160", "F32,F32,4843160"})
  void theLargestBatchIsKnownAndOneMoreIsRefused(DType type, DType arithmetic, long most) {
    ExactCase exact = ExactCase.of(Shape.of(Layout.NC, most, 1), type, arithmetic, 1);
    assertEquals(2, exact.channels().get(0).bits());
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> ExactCase.of(Shape.of(Layout.NC, most + 1, 1), type, arithmetic, 1));
    assertEquals(
        "shape: expected at most "
            + most
            + " values a channel (sums in "
            + arithmetic.label()
            + "), found "
            + (most + 1),
        e.getMessage());
  }

  @Test
  void whatCannotBeExactIsRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> ExactCase.of(Shape.of(Layout.NC, 0, 3), DType.F32, 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> ExactCase.of(Shape.of(Layout.NC, 3, 3), DType.F32, DType.F16, 1));
    ExactCase single = ExactCase.of(Shape.of(Layout.NC, 1, 3), DType.F32, 1);
    assertThrows(IllegalArgumentException.class, () -> single.answers(false));
    assertEquals(12, single.answers(true).size());
  }

  /** 1/m with m no power of 2 is rounded, and still exact for some m. */
  @Test
  void itIsSaidWhetherTheReciprocalServes() {
    assertTrue(ExactCase.of(Shape.of(Layout.NC, 64, 3), DType.F32, 1).reciprocalIsExact());
    assertTrue(ExactCase.of(Shape.of(Layout.NC, 64, 3), DType.F64, 1).scaledByCountIsExact());
    assertFalse(ExactCase.of(Shape.of(Layout.NC, 48, 3), DType.F64, 1).scaledByCountIsExact());
    long exact =
        IntStream.range(8, 108)
            .filter(m -> ExactCase.of(Shape.of(Layout.NC, m, 2), DType.F32, 1).reciprocalIsExact())
            .count();
    assertTrue(exact > 40 && exact < 100, () -> "" + exact);
  }
}
