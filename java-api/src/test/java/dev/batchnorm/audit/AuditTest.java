package dev.batchnorm.audit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.Convention;
import dev.batchnorm.DType;
import dev.batchnorm.Forward;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Layout;
import dev.batchnorm.Momentum;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.contract.Data;
import dev.batchnorm.contract.WrongEngine;
import dev.batchnorm.contract.WrongEngine.Mistake;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Right results of every sort pass, wrong values do not, and what is known explains what is known.
 * What other programs gave is in {@code AuditCasesTest} of the command line.
 */
class AuditTest {
  private static final Engine JAVA = Engines.named("java", 1);

  private static final List<Shape> SHAPES =
      List.of(
          Shape.of(Layout.NC, 64, 5),
          Shape.of(Layout.NCHW, 6, 3, 4, 5),
          Shape.of(Layout.NHWC, 6, 4, 5, 3),
          Shape.withChannelAxis(0, 3, 50),
          Shape.withChannelAxis(0, 40),
          Shape.of(Layout.NC, 2, 3),
          Shape.of(Layout.NC, 1, 4),
          Shape.of(Layout.NC, 0, 4));

  private static double[] some(int channels, long seed) {
    return new Random(seed).doubles(channels, 0.5, 2).toArray();
  }

  private static String found(AuditReport report) {
    return report.judgements().stream().filter(j -> !j.passed()).toList().toString();
  }

  @ParameterizedTest
  @EnumSource(Data.class)
  void whatTheEnginesGivePasses(Data data) {
    for (Shape shape : SHAPES) {
      for (DType type : DType.values()) {
        int channels = shape.channels();
        Batch x = data.batch(shape, type, 11);
        Batch dy = Data.NORMAL.batch(shape, type, 12);
        Affine affine = Affine.IDENTITY.withGamma(some(channels, 1)).withBeta(some(channels, 2));
        BatchNorm norm =
            BatchNorm.builder().engine(JAVA).affine(affine).convention(Convention.ONNX).build();
        Forward forward = norm.forward(x);
        Batch dx = Batch.zeros(shape, type);
        GradientParameters gradients = norm.backward(dy, x, forward.statistics(), dx);
        RunningStatistics before = RunningStatistics.initial(channels);
        RunningStatistics after = norm.update(before, forward.statistics());
        AuditReport report =
            Audit.of(x)
                .engine(JAVA)
                .affine(affine)
                .convention(Convention.ONNX)
                .dy(dy)
                .running(before)
                .add(Output.Y, forward.y())
                .add(Output.DX, dx)
                .add(Output.MEAN, "mean", DType.F64, forward.statistics().mean())
                .add(Output.VARIANCE, "variance", DType.F64, forward.statistics().variance())
                .add(Output.INVERSE_STD, "inverse", DType.F64, forward.statistics().inverseStd())
                .add(Output.DGAMMA, "dgamma", gradients.type(), gradients.dgamma())
                .add(Output.DBETA, "dbeta", gradients.type(), gradients.dbeta())
                .add(Output.RUNNING_MEAN, "running_mean", DType.F64, after.mean())
                .add(Output.RUNNING_VARIANCE, "running_variance", DType.F64, after.variance())
                .run();
        assertTrue(report.passed(), () -> shape + " " + type + " " + found(report));
        assertEquals(List.of(), report.explanations());
        assertEquals(9, report.judgements().size());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void whatTheEnginesGiveWithFrozenStatisticsPasses(DType type) {
    Batch x = Data.NORMAL.batch(SHAPES.get(1), type, 5);
    Batch dy = Data.MEAN_1E4.batch(SHAPES.get(1), type, 6);
    RunningStatistics given =
        new RunningStatistics(new double[] {0.3, -1, 2}, new double[] {0.5, 2, 1e-7}, 3);
    BatchNorm norm = BatchNorm.builder().engine(JAVA).gamma(2).eps(1e-3).build();
    Statistics statistics = norm.given(given.mean(), given.variance());
    Batch dx = Batch.zeros(x.shape(), type);
    GradientParameters gradients = norm.backward(dy, x, statistics, dx);
    AuditReport report =
        Audit.of(x)
            .engine(JAVA)
            .affine(norm.affine())
            .eps(1e-3)
            .dy(dy)
            .frozen(given)
            .add(Output.Y, norm.infer(x, statistics))
            .add(Output.DX, dx)
            .add(Output.INVERSE_STD, "inverse", DType.F64, statistics.inverseStd())
            .add(Output.DGAMMA, "dgamma", gradients.type(), gradients.dgamma())
            .add(Output.DBETA, "dbeta", gradients.type(), gradients.dbeta())
            .run();
    assertTrue(report.passed(), () -> found(report));
  }

  /** y by one pass over rows in some order, all in float. */
  private static Batch plain(Batch x, long seed, boolean onePass, double eps) {
    int channels = x.shape().channels();
    int m = (int) x.shape().view().valuesPerChannel();
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < m; i++) {
      order.add(i);
    }
    Collections.shuffle(order, new Random(seed));
    Batch y = Batch.zeros(x.shape(), DType.F32);
    for (int c = 0; c < channels; c++) {
      float sum = 0;
      float squares = 0;
      for (int i : order) {
        float value = (float) x.values().get(i * channels + c);
        sum += value;
        squares += value * value;
      }
      float mean = sum / m;
      float deviations = 0;
      for (int i : order) {
        float d = (float) x.values().get(i * channels + c) - mean;
        deviations += d * d;
      }
      float variance = onePass ? squares / m - mean * mean : deviations / m;
      float inverseStd = (float) (1 / Math.sqrt(variance + (float) eps));
      for (int i = 0; i < m; i++) {
        float value = (float) x.values().get(i * channels + c);
        y.values().set(i * channels + c, (value - mean) * inverseStd);
      }
    }
    return y;
  }

  private static Batch normal(double mean, int m, int channels, DType type, long seed) {
    Random random = new Random(seed);
    Batch x = Batch.zeros(Shape.of(Layout.NC, m, channels), type);
    for (int i = 0; i < x.values().count(); i++) {
      x.values().set(i, mean + random.nextGaussian());
    }
    return x;
  }

  private static AuditReport ofY(Batch x, Batch y) {
    return Audit.of(x).engine(JAVA).add(Output.Y, y).run();
  }

  @ParameterizedTest
  @CsvSource({"0, 2", "0, 50", "0, 4000", "3, 4000", "100, 1000", "-1000, 200", "10000, 60"})
  void plainKernelsInAnyOrderPass(double mean, int m) {
    for (DType type : List.of(DType.F32, DType.F64)) {
      for (long seed = 0; seed < 20; seed++) {
        Batch x = normal(mean, m, 4, type, seed);
        AuditReport report = ofY(x, plain(x, seed, false, 1e-5));
        assertTrue(report.passed(), () -> type + " " + found(report));
      }
    }
  }

  /** Where sums of f32 lose all, a bound that allows it would allow anything. */
  @ParameterizedTest
  @ValueSource(doubles = {1e4, 1e6, -1e6})
  void lossesOfAStandardDeviationDoNotPass(double mean) {
    Batch x = normal(mean, 65536, 2, DType.F32, 1);
    AuditReport report = ofY(x, plain(x, 1, false, 1e-5));
    assertFalse(report.passed());
    assertEquals(Set.of(Cause.TWO_PASS_F32), report.explanations().get(0).causes());
    assertTrue(ofY(x, BatchNorm.builder().engine(JAVA).build().forward(x).y()).passed());
  }

  @Test
  void onePassIsNamedWhereItCancels() {
    for (double mean : new double[] {300, 3000, 1e4}) {
      Batch x = normal(mean, 100, 4, DType.F32, 2);
      AuditReport report = ofY(x, plain(x, 3, true, 1e-5));
      assertFalse(report.passed());
      assertTrue(
          report.explanations().stream()
              .anyMatch(e -> e.rank() == 1 && e.causes().equals(Set.of(Cause.ONE_PASS_F32))),
          () -> mean + " " + report.explanations());
    }
  }

  /** Where the mean is large, any one value could hide in the bound of its channel's sums. */
  @ParameterizedTest
  @ValueSource(doubles = {0, 100, 1e4})
  void oneWrongValueIsFoundAndNotExplained(double mean) {
    Random random = new Random(4);
    for (int i = 0; i < 20; i++) {
      Batch x = normal(mean, 500, 4, DType.F32, i);
      Batch y = plain(x, i, false, 1e-5);
      int at = random.nextInt(y.values().count());
      double wrong = y.values().get(at) + (mean > 1e3 ? 0.03 : 0.002);
      y.values().set(at, wrong);
      AuditReport report = ofY(x, y);
      assertEquals(1, report.judgements().get(0).exceeding(), () -> found(report));
      assertEquals(at, report.judgements().get(0).worst().get(0).index());
      assertEquals(List.of(), report.explanations());
    }
  }

  @Test
  void whatIsWrongEverywhereIsNotExplainedByChance() {
    Batch x = normal(3, 400, 4, DType.F32, 9);
    Batch y = plain(x, 9, false, 1e-5);
    List<UnaryOperator<double[]>> wrongs =
        List.of(
            v -> Arrays.stream(v).map(a -> a * 1.0007).toArray(),
            v -> Arrays.stream(v).map(a -> a + 0.001).toArray(),
            v -> Arrays.stream(v).map(a -> -a).toArray(),
            v -> Arrays.stream(v).map(a -> a + 1e-4 * a * a).toArray(),
            v -> Arrays.stream(v).map(a -> a > 2 ? 2 : a).toArray(),
            v -> Arrays.stream(v).map(a -> 0).toArray(),
            v -> Arrays.stream(v).map(a -> Double.NaN).toArray());
    for (UnaryOperator<double[]> wrong : wrongs) {
      double[] values = wrong.apply(y.values().toDoubles());
      Batch changed = Batch.zeros(x.shape(), DType.F32);
      for (int i = 0; i < values.length; i++) {
        changed.values().set(i, values[i]);
      }
      AuditReport report = ofY(x, changed);
      assertFalse(report.passed());
      assertEquals(List.of(), report.explanations(), () -> "" + wrongs.indexOf(wrong));
    }
  }

  @Test
  void twoConventionsAtOnceAreNamed() {
    Batch x = normal(1, 50, 4, DType.F64, 5);
    double[] gamma = some(4, 3);
    Statistics own = BatchNorm.builder().engine(JAVA).build().statistics(x);
    double[] unbiased = Arrays.stream(own.variance()).map(v -> v * 50 / 49).toArray();
    BatchNorm theirs = BatchNorm.builder().engine(JAVA).eps(1e-3).gamma(gamma).build();
    Batch y = theirs.infer(x, theirs.given(own.mean(), unbiased));
    AuditReport report =
        Audit.of(x)
            .engine(JAVA)
            .affine(theirs.affine())
            .add(Output.Y, y)
            .add(Output.MEAN, "mean", DType.F64, own.mean())
            .add(Output.VARIANCE, "variance", DType.F64, unbiased)
            .run();
    Explanation best = report.explanations().get(0);
    assertEquals(List.of("unbiased_variance", "eps_1e-3"), best.labels());
    assertEquals(List.of(), best.frameworks());
    assertEquals(1, best.rank());
    assertEquals(208, best.reproduced());
  }

  @Test
  void runningStatisticsOfOtherFrameworksAreNamed() {
    Batch x = normal(1, 20, 3, DType.F64, 6);
    RunningStatistics before =
        new RunningStatistics(new double[] {1, 2, 3}, new double[] {2, 1, 0.5}, 4);
    BatchNorm keras =
        BatchNorm.builder()
            .engine(JAVA)
            .convention(Convention.KERAS)
            .momentum(Momentum.ofOld(0.2))
            .build();
    RunningStatistics after = keras.update(before, keras.statistics(x));
    AuditReport report =
        Audit.of(x)
            .engine(JAVA)
            .running(before)
            .momentum(Momentum.ofNew(0.2))
            .add(Output.RUNNING_MEAN, "mean", DType.F64, after.mean())
            .add(Output.RUNNING_VARIANCE, "variance", DType.F64, after.variance())
            .run();
    Explanation best = report.explanations().get(0);
    assertEquals(Set.of(Cause.BIASED_RUNNING_VARIANCE, Cause.MOMENTUM_OLD), best.causes());
    assertEquals(List.of("onnx", "keras", "flax", "mxnet"), best.frameworks());
  }

  /** One ulp is no mistake of a plain kernel, but the count of rounded values tells. */
  @Test
  void oneUlpIsCounted() {
    Batch x = normal(0, 30, 3, DType.F32, 7);
    Batch right = BatchNorm.builder().engine(JAVA).build().forward(x).y();
    Batch wrong = BatchNorm.builder().engine(new WrongEngine(Mistake.Y)).build().forward(x).y();
    assertEquals(90, ofY(x, right).judgements().get(0).rounded());
    Judgement judgement = ofY(x, wrong).judgements().get(0);
    assertEquals(89, judgement.rounded());
    assertTrue(judgement.passed());
  }

  @Test
  void anotherShapeFailsInWords() {
    Batch x = normal(0, 6, 2, DType.F64, 8);
    Batch y = Batch.zeros(Shape.of(Layout.NC, 2, 6), DType.F64);
    AuditReport report =
        Audit.of(x)
            .engine(JAVA)
            .add(Output.Y, y)
            .add(Output.MEAN, "mean.npy", DType.F32, new double[3])
            .run();
    assertFalse(report.passed());
    assertEquals(
        "expected 2 values (channels of batch, shape 6×2), found 3",
        report.judgements().get(0).reason());
    assertEquals("expected shape 6×2 (batch), found 2×6", report.judgements().get(1).reason());
    assertEquals(List.of(), report.explanations());
  }

  /** Statistics of the other axis are as many as that axis is long. */
  @Test
  void statisticsOfAnotherAxisAreNamed() {
    Batch x = normal(0, 6, 2, DType.F64, 8);
    Batch turned = new Batch(Shape.withChannelAxis(0, 6, 2), x.values());
    double[] mean = BatchNorm.builder().engine(JAVA).build().statistics(turned).mean();
    AuditReport report = Audit.of(x).engine(JAVA).add(Output.MEAN, "mean", DType.F64, mean).run();
    assertFalse(report.passed());
    assertEquals(Set.of(Cause.WRONG_AXIS), report.explanations().get(0).causes());
  }

  @Test
  void whatIsNeededIsAskedFor() {
    Batch x = normal(0, 6, 2, DType.F64, 8);
    double[] values = new double[2];
    assertThrows(IllegalStateException.class, () -> Audit.of(x).run());
    assertThrows(
        IllegalStateException.class,
        () -> Audit.of(x).add(Output.DBETA, "dbeta", DType.F64, values).run());
    assertThrows(
        IllegalStateException.class,
        () -> Audit.of(x).add(Output.RUNNING_MEAN, "mean", DType.F64, values).run());
    assertThrows(
        IllegalArgumentException.class,
        () -> Audit.of(x).add(Output.Y, "y", DType.F64, new double[12]));
    assertThrows(IllegalArgumentException.class, () -> Audit.of(x).add(Output.MEAN, x));
    assertThrows(
        IllegalArgumentException.class,
        () -> Audit.of(x).dy(Batch.of(Shape.of(Layout.NC, 1, 2), 1.0, 2.0)));
    assertThrows(
        IllegalArgumentException.class, () -> Audit.of(x).running(RunningStatistics.initial(3)));
  }
}
