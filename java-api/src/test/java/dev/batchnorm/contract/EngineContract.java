package dev.batchnorm.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.BatchNormException;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.Folded;
import dev.batchnorm.Forward;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Gradients;
import dev.batchnorm.InputException;
import dev.batchnorm.Layer;
import dev.batchnorm.Layout;
import dev.batchnorm.Normalisation;
import dev.batchnorm.OutputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.View.Block;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.format.BatchFile;
import dev.batchnorm.golden.GoldenCase;
import dev.batchnorm.golden.GoldenResult;
import dev.batchnorm.golden.GoldenVerdict;
import dev.batchnorm.verify.ArrayComparison;
import dev.batchnorm.verify.EngineComparison;
import dev.batchnorm.verify.ExactCase;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What every engine must do. The judge is the reference engine, and golden bits that neither engine
 * made.
 */
public abstract class EngineContract extends LinearAlgebraContract {
  private static final double EPS = 1e-5;

  /** What {@link Engine#name} must answer, so that no other engine is tried by mistake. */
  protected abstract String expectedName();

  private static Engine reference() {
    return Engines.named("java", 1);
  }

  private BatchNorm norm() {
    return BatchNorm.builder().engine(engine()).build();
  }

  @Test
  void isTheEngineItClaims() {
    assertEquals(expectedName(), engine().name());
  }

  // Golden bits

  @TestFactory
  Stream<DynamicTest> goldenBits() {
    return GoldenBits.all().map(c -> DynamicTest.dynamicTest(c.name(), () -> c.check(engine())));
  }

  @TestFactory
  Stream<DynamicTest> goldenFolds() {
    return FoldCase.all().map(c -> DynamicTest.dynamicTest(c.name(), () -> c.check(engine())));
  }

  @Tag("thorough")
  @ParameterizedTest
  @EnumSource(Data.class)
  void goldenCasesPassWhoeverRecordedThem(Data data, @TempDir Path directory) {
    for (DType type : DType.values()) {
      int kind = (data.ordinal() + type.ordinal()) % GoldenRuns.KINDS;
      for (int seed = 0; seed < 2; seed++) {
        String name = data + "-" + type + "-" + seed;
        Path theirs = directory.resolve(name + "-reference");
        Path ours = directory.resolve(name);
        GoldenRuns.record(theirs, reference(), data, type, kind, seed + 3L * data.ordinal());
        GoldenRuns.record(ours, engine(), data, type, kind, seed + 3L * data.ordinal());
        for (GoldenResult result :
            List.of(GoldenCase.check(theirs, engine()), GoldenCase.check(ours, reference()))) {
          boolean mayProveNothing = data == Data.CONSTANT || data == Data.NOT_FINITE;
          assertTrue(
              result.passed() || (mayProveNothing && result.verdict() == GoldenVerdict.MISTRUSTED),
              result::toString);
        }
      }
    }
  }

  /** Answers that no engine made: those of cases whose sums are exact in any order. */
  @ParameterizedTest
  @MethodSource("shapes")
  void givesTheAnswersOfExactCases(Shape shape) {
    long m = shape.view().valuesPerChannel();
    for (DType type : DType.values()) {
      if (m == 0 || m > ExactCase.mostValues(type)) {
        continue;
      }
      ExactCase exact = ExactCase.of(shape, type, m);
      List<ExactCase.Answer> answers = exact.answers(m == 1);
      List<ExactCase.Answer> found = exact.answers(exact.eps(), m == 1, engine());
      for (int i = 0; i < answers.size(); i++) {
        assertEquals(answers.get(i).name(), found.get(i).name());
        assertBits(answers.get(i).values().values(), found.get(i).values().values());
      }
    }
  }

  // The reference's bits

  static List<Shape> shapes() {
    return List.of(
        Shape.withChannelAxis(0, 300),
        Shape.of(Layout.NC, 1, 3),
        Shape.of(Layout.NC, 4, 50),
        Shape.of(Layout.NC, 255, 5),
        Shape.of(Layout.NC, 257, 17),
        Shape.of(Layout.NC, 700, 3),
        Shape.of(Layout.NC, 5, 600),
        Shape.of(Layout.NCL, 9, 4, 33),
        Shape.of(Layout.NCHW, 3, 5, 7, 7),
        Shape.of(Layout.NCHW, 2, 2, 70, 66),
        Shape.of(Layout.NCDHW, 2, 3, 4, 3, 5),
        Shape.of(Layout.NLC, 6, 11, 9),
        Shape.of(Layout.NHWC, 3, 9, 7, 8),
        Shape.of(Layout.NDHWC, 2, 3, 5, 2, 6),
        Shape.withChannelAxis(0, 4, 300),
        Shape.withChannelAxis(0, 3, 8, 2));
  }

  @ParameterizedTest
  @EnumSource(Data.class)
  void trainingGivesTheReferencesBits(Data data) {
    long seed = data.ordinal();
    for (Shape shape : shapes()) {
      for (DType type : DType.values()) {
        Batch x = data.batch(shape, type, seed++);
        Batch dy = Data.MEAN_1E4.batch(shape, type, seed++);
        assertSameBits(comparison(shape, seed, EPS).training(x, dy, type), data, shape, type);
      }
    }
  }

  /** A batch in memory may take another road than its chunks: one call, channel by channel. */
  @Tag("thorough")
  @ParameterizedTest
  @EnumSource(Data.class)
  void oneCallGivesTheReferencesBits(Data data) {
    long seed = data.ordinal();
    for (Shape shape : shapes()) {
      for (DType type : DType.values()) {
        Batch x = data.batch(shape, type, seed++);
        assertOneCallGivesTheSame(x, Data.MEAN_1E4.batch(shape, type, seed++), seed);
      }
    }
  }

  /** Also into its own memory. */
  private void assertOneCallGivesTheSame(Batch x, Batch dy, long seed) {
    Affine affine = affine(x.shape(), seed);
    BatchNorm right = BatchNorm.builder().engine(reference()).affine(affine).build();
    BatchNorm norm = BatchNorm.builder().engine(engine()).affine(affine).build();
    Forward expected = right.forward(x);
    Forward forward = norm.forward(x);
    assertBits(expected.y().values(), forward.y().values());
    assertEquals(expected.statistics().sums(), forward.statistics().sums());
    assertArrayEquals(expected.statistics().inverseStd(), forward.statistics().inverseStd());
    Gradients gradients = right.backward(dy, x, expected.statistics());
    Gradients found = norm.backward(dy, x, forward.statistics());
    assertBits(gradients.dx().values(), found.dx().values());
    assertBits(gradients.dgamma(), found.dgamma());
    assertBits(gradients.dbeta(), found.dbeta());
    Batch dyAndDx = new Batch(dy.shape(), copy(dy.values()));
    norm.backward(dyAndDx, x, forward.statistics(), dyAndDx);
    assertBits(gradients.dx().values(), dyAndDx.values());
    Batch xAndY = new Batch(x.shape(), copy(x.values()));
    assertEquals(forward.statistics().sums(), norm.forward(xAndY, xAndY).sums());
    assertBits(expected.y().values(), xAndY.values());
  }

  /** Enough values for every pass to be cut for several threads, along each of the axes. */
  static List<Shape> largeShapes() {
    return List.of(
        Shape.withChannelAxis(0, 150_000),
        Shape.of(Layout.NC, 5000, 31),
        Shape.of(Layout.NC, 33, 4500),
        Shape.of(Layout.NCHW, 3, 5, 100, 101),
        Shape.withChannelAxis(0, 2, 70_001));
  }

  @Tag("thorough")
  @ParameterizedTest
  @EnumSource(Data.class)
  void largeBatchesGiveTheReferencesBits(Data data) {
    DType type = DType.values()[data.ordinal() % 3];
    for (Shape shape : largeShapes()) {
      Batch x = data.batch(shape, type, 1);
      Batch dy = Data.NORMAL.batch(shape, type, 2);
      assertSameBits(comparison(shape, 3, EPS).training(x, dy, type), data, shape, type);
      double[] mean = new double[shape.channels()];
      double[] variance = new double[shape.channels()];
      assertSameBits(
          comparison(shape, 4, EPS).given(x, mean, variance, dy, type), data, shape, type);
    }
  }

  @ParameterizedTest
  @EnumSource(Data.class)
  void outputGradientsOfEveryKindGiveTheReferencesBits(Data data) {
    Shape shape = Shape.of(Layout.NCL, 40, 6, 20);
    for (DType type : DType.values()) {
      Batch x = Data.MEAN_1E4.batch(shape, type, 1);
      Batch dy = data.batch(shape, type, 2);
      assertSameBits(comparison(shape, 3, EPS).training(x, dy, type), data, shape, type);
    }
  }

  @ParameterizedTest
  @EnumSource(Data.class)
  void givenStatisticsGiveTheReferencesBits(Data data) {
    Random random = new Random(data.ordinal());
    for (Shape shape : shapes()) {
      for (DType type : DType.values()) {
        double[] mean = random.doubles(shape.channels(), -1e4, 1e4).toArray();
        double[] variance = random.doubles(shape.channels(), 0, 3).toArray();
        Batch x = data.batch(shape, type, 1);
        Batch dy = data.batch(shape, type, 2);
        assertSameBits(
            comparison(shape, 3, EPS).given(x, mean, variance, dy, type), data, shape, type);
      }
    }
  }

  @Test
  void mixedTypesGiveTheReferencesBits() {
    Shape shape = Shape.of(Layout.NCHW, 5, 6, 5, 5);
    for (DType xType : DType.values()) {
      for (DType dyType : DType.values()) {
        for (DType output : DType.values()) {
          Batch x = Data.LOG_UNIFORM.batch(shape, xType, 4);
          Batch dy = Data.NORMAL.batch(shape, dyType, 5);
          EngineComparison comparison = comparison(shape, 6, EPS);
          assertSameBits(comparison.training(x, dy, output), Data.LOG_UNIFORM, shape, xType);
          double[] mean = new double[6];
          double[] variance = {1, 2, 3, 4, 5, 6};
          assertSameBits(
              comparison.given(x, mean, variance, dy, output), Data.LOG_UNIFORM, shape, xType);
        }
      }
    }
  }

  @Tag("thorough")
  @ParameterizedTest
  @MethodSource("epsilons")
  void everyEpsGivesTheReferencesBits(double eps) {
    Shape shape = Shape.of(Layout.NC, 40, 30);
    for (Data data : Data.values()) {
      for (DType type : DType.values()) {
        Batch x = data.batch(shape, type, 7);
        Batch dy = Data.NORMAL.batch(shape, type, 8);
        assertSameBits(comparison(shape, 9, eps).training(x, dy, type), data, shape, type);
      }
    }
  }

  static double[] epsilons() {
    return new double[] {0, Double.MIN_VALUE, 1e-12, 1e-3, 1, 1e300};
  }

  @Tag("thorough")
  @Test
  void randomSmallShapesGiveTheReferencesBits() {
    Random random = new Random(20261122);
    for (int round = 0; round < Integer.getInteger("batchnorm.shapes", 400); round++) {
      long[] sizes = random.longs(1 + random.nextInt(4), 0, 12).toArray();
      Shape shape = Shape.withChannelAxis(random.nextInt(sizes.length), sizes);
      Data data = Data.values()[random.nextInt(Data.values().length)];
      DType type = DType.values()[random.nextInt(3)];
      Batch x = data.batch(shape, type, round);
      Batch dy = Data.values()[random.nextInt(Data.values().length)].batch(shape, type, round + 1);
      assertSameBits(comparison(shape, round, EPS).training(x, dy, type), data, shape, type);
      assertOneCallGivesTheSame(x, dy, round);
    }
  }

  private EngineComparison comparison(Shape shape, long seed, double eps) {
    return new EngineComparison(reference(), engine(), affine(shape, seed), eps);
  }

  private static Affine affine(Shape shape, long seed) {
    Random random = new Random(seed);
    double[] gamma = random.doubles(shape.channels(), -2, 2).toArray();
    double[] beta = random.doubles(shape.channels(), -2, 2).toArray();
    return shape.channels() == 0
        ? Affine.IDENTITY
        : Affine.IDENTITY.withGamma(gamma).withBeta(beta);
  }

  private static void assertSameBits(
      List<ArrayComparison> comparisons, Data data, Shape shape, DType type) {
    for (ArrayComparison c : comparisons) {
      if (c.differing() > 0) {
        throw new AssertionError(
            "%s of %s %s %s: %d of %d differ, first at %s: expected %s, found %s, up to %s ulp apart"
                .formatted(
                    c.name(),
                    data,
                    shape,
                    type,
                    c.differing(),
                    c.compared(),
                    c.firstPlace(),
                    c.firstExpected(),
                    c.firstFound(),
                    c.maxUlps()));
      }
    }
  }

  /**
   * A subnormal's leading bit lies lower than its exponent field says, so its products are finer
   * than they seem.
   */
  @Test
  void aSubnormalFactorLosesNoBitOfTheProducts() {
    Batch x = Batch.zeros(Shape.of(Layout.NC, 256, 1), DType.F64);
    Batch dy = Batch.zeros(x.shape(), DType.F64);
    for (int i = 0; i < 255; i++) {
      x.values().set(i, 0x1.ffffffffffffep-1023);
      dy.values().set(i, (2 - (1 + i % 64) * 0x1p-52) * 0x1p53);
    }
    x.values().set(255, Double.MIN_VALUE);
    dy.values().set(255, (1 + 0x1p-52) * 0x1p53);
    assertSameBits(
        comparison(x.shape(), 1, EPS).training(x, dy, DType.F64), Data.TINY, x.shape(), DType.F64);
    assertSameBits(
        comparison(x.shape(), 1, EPS).training(dy, x, DType.F64), Data.TINY, x.shape(), DType.F64);
  }

  /** (Σdy·x − μ·Σdy)/√∞ is a zero with the numerator's sign, and +0 where that is 0. */
  @Test
  void anInfiniteGivenVarianceGivesSignedZeros() {
    Batch x = Batch.of(Shape.of(Layout.NC, 2, 1), 5.0, 2);
    Batch dy = Batch.of(x.shape(), -3.0, -1);
    double[] infinite = {Double.POSITIVE_INFINITY};
    for (double mean : new double[] {4.25, 0, 5}) {
      assertSameBits(
          comparison(x.shape(), 1, EPS).given(x, new double[] {mean}, infinite, dy, DType.F64),
          Data.NORMAL,
          x.shape(),
          DType.F64);
    }
  }

  // Folding

  /** Layers and the sizes of their weights, small and beyond one tile of {@link #foldsInParts}. */
  private enum Layered {
    LINEAR(Layer.linear(), 17, 40),
    CONV(Layer.conv(), 9, 4, 3, 3),
    CONV_GROUPS(Layer.conv(3), 12, 2, 5),
    CONV_3D(Layer.conv(), 5, 3, 2, 3, 2),
    TRANSPOSE(Layer.convTranspose(), 6, 11, 3, 2),
    TRANSPOSE_GROUPS(Layer.convTranspose(4), 8, 5, 7),
    DEPTHWISE(Layer.convTranspose(6), 6, 1, 3, 3);

    private final Layer layer;
    private final long[] sizes;

    Layered(Layer layer, long... sizes) {
      this.layer = layer;
      this.sizes = sizes;
    }

    Batch weights(Data data, DType type) {
      return data.batch(Shape.withChannelAxis(0, sizes), type, ordinal());
    }

    int channels() {
      return layer.outputChannels(layer.weights(sizes));
    }
  }

  @ParameterizedTest
  @EnumSource(Data.class)
  void foldsGiveTheReferencesBits(Data data) {
    Random random = new Random(data.ordinal());
    for (Layered layered : Layered.values()) {
      int channels = layered.channels();
      double[] mean = random.doubles(channels, -1e4, 1e4).toArray();
      double[] variance = random.doubles(channels, 0, 3).toArray();
      Affine affine = affine(Shape.of(Layout.NC, 1, channels), data.ordinal());
      BatchNorm right = BatchNorm.builder().engine(reference()).affine(affine).build();
      BatchNorm norm = BatchNorm.builder().engine(engine()).affine(affine).build();
      for (DType type : DType.values()) {
        Batch weights = layered.weights(data, type);
        Values bias = data.batch(Shape.of(Layout.NC, 1, channels), type, 2).values();
        Folded expected = right.fold(layered.layer, weights, bias, right.given(mean, variance));
        Statistics given = norm.given(mean, variance);
        Folded found = norm.fold(layered.layer, weights, bias, given);
        assertBits(expected.weights().values(), found.weights().values());
        assertBits(expected.bias(), found.bias());
        foldsInParts(norm, layered.layer, weights, given, found);
      }
    }
  }

  private static void foldsInParts(
      BatchNorm norm, Layer layer, Batch weights, Statistics given, Folded whole) {
    for (int limit : new int[] {1, 7, 100}) {
      Values room = Values.allocate(weights.type(), weights.values().count());
      Parts.Out out = new Parts.Out(room, limit == 7);
      norm.foldWeights(layer, new Parts.In(weights, limit, limit > 1), given, out);
      assertEquals(room.count(), out.taken());
      assertBits(whole.weights().values(), room);
    }
  }

  @Test
  void refusesToFoldWhatDoesNotFitTogether() {
    Batch weights = Data.NORMAL.batch(Shape.of(Layout.NCL, 4, 3, 2), DType.F32, 1);
    Statistics given = norm().given(new double[3], new double[3]);
    refused(
        "statistics: expected 4 channels (outputs of batch, conv, shape 4×3×2), found 3",
        () -> norm().fold(Layer.conv(), weights, given));
    refused(
        "statistics: expected 6 channels (outputs of batch, conv-transpose, 2 groups, shape 4×3×2), found 3",
        () -> norm().fold(Layer.convTranspose(2), weights, given));
    refused(
        "bias: expected 3 values (channels of the statistics), found 4",
        () -> norm().fold(Layer.convTranspose(), weights, Values.of(new float[4]), given));
    refused(
        "weights: expected 2 axes (linear: out × in), found 4×3×2",
        () -> norm().fold(Layer.linear(), weights, given));
    refused(
        "statistics: expected given ones, found a batch's own",
        () -> norm().fold(Layer.conv(), weights, norm().statistics(weights)));
    refused(
        "folded: expected 24 values (View[outer=4, channels=3, inner=2]), found 6",
        () ->
            engine()
                .scale(
                    weights.values(),
                    weights.shape().view(),
                    Normalisation.of(given, Affine.IDENTITY),
                    0,
                    Values.of(new float[6])));
  }

  // Order and grouping

  @ParameterizedTest
  @EnumSource(Data.class)
  void sumsDoNotDependOnTheOrderOfRows(Data data) {
    int rows = 530;
    int channels = 7;
    for (DType type : DType.values()) {
      Batch x = data.batch(Shape.of(Layout.NC, rows, channels), type, 1);
      Batch dy = Data.LOG_UNIFORM.batch(x.shape(), type, 2);
      List<Integer> order = new ArrayList<>(IntStream.range(0, rows).boxed().toList());
      Collections.shuffle(order, new Random(3));
      Batch shuffledX = permuted(x, order);
      Batch shuffledDy = permuted(dy, order);
      assertEquals(norm().sums(x), norm().sums(shuffledX));
      assertEquals(gradientSums(dy, x), gradientSums(shuffledDy, shuffledX));
    }
  }

  private static Batch permuted(Batch x, List<Integer> order) {
    int channels = x.shape().channels();
    Batch permuted = Batch.zeros(x.shape(), x.type());
    for (int i = 0; i < order.size(); i++) {
      for (int c = 0; c < channels; c++) {
        permuted.values().set(i * channels + c, x.values().get(order.get(i) * channels + c));
      }
    }
    return permuted;
  }

  private ExactSums gradientSums(Batch dy, Batch x) {
    ExactSums sums = ExactSums.gradients(x.shape().channels(), dy.type(), x.type());
    engine().addGradientSums(dy.values(), x.values(), x.shape().view(), sums, 0);
    return sums;
  }

  @ParameterizedTest
  @EnumSource(Data.class)
  void nothingDependsOnTheChunks(Data data) {
    for (Shape shape : List.of(Shape.of(Layout.NC, 300, 5), Shape.of(Layout.NCL, 3, 4, 40))) {
      for (DType type : DType.values()) {
        Batch x = data.batch(shape, type, 4);
        Batch dy = Data.NORMAL.batch(shape, type, 5);
        Statistics whole = norm().statistics(x);
        Gradients gradients = norm().backward(dy, x, whole);
        Batch y = norm().normalise(x, whole);
        for (int limit : new int[] {1, 3, 5, 17, 100, 501, 1 << 20}) {
          assertChunksGiveTheSame(x, dy, whole, y, gradients, limit);
        }
      }
    }
  }

  private void assertChunksGiveTheSame(
      Batch x, Batch dy, Statistics whole, Batch y, Gradients gradients, int limit) {
    Engine engine = engine();
    View view = x.shape().view();
    List<Block> blocks = view.blocks(limit);
    ExactSums sums = ExactSums.statistics(view.channels(), x.type());
    ExactSums gradientSums = ExactSums.gradients(view.channels(), dy.type(), x.type());
    for (Block b : blocks) {
      engine.addStatistics(part(x, b), b.view(), sums, b.firstChannel());
      engine.addGradientSums(part(dy, b), part(x, b), b.view(), gradientSums, b.firstChannel());
    }
    assertEquals(whole.sums(), sums);
    Statistics statistics = engine.parameters(sums, EPS);
    GradientParameters parameters = engine.gradientParameters(gradientSums, statistics, x.type());
    Batch chunkedY = Batch.zeros(x.shape(), x.type());
    Batch chunkedDx = Batch.zeros(x.shape(), x.type());
    for (Block b : blocks) {
      engine.normalise(
          part(x, b), b.view(), statistics, Affine.IDENTITY, b.firstChannel(), part(chunkedY, b));
      engine.inputGradient(
          part(dy, b),
          part(x, b),
          b.view(),
          statistics,
          Affine.IDENTITY,
          parameters,
          b.firstChannel(),
          part(chunkedDx, b));
    }
    assertBits(y.values(), chunkedY.values());
    assertBits(gradients.dx().values(), chunkedDx.values());
    assertArrayEquals(gradients.dgamma().toDoubles(), parameters.dgamma());
    assertArrayEquals(gradients.dbeta().toDoubles(), parameters.dbeta());
  }

  /** m ≥ 256 for each thread, so that sums are shared too; and tiles that end anywhere. */
  static List<Shape> sharedShapes() {
    return List.of(
        Shape.withChannelAxis(0, 4097),
        Shape.of(Layout.NC, 2049, 5),
        Shape.of(Layout.NCL, 40, 3, 70),
        Shape.of(Layout.NHWC, 3, 30, 31, 3),
        Shape.withChannelAxis(0, 3, 2500));
  }

  @Tag("thorough")
  @ParameterizedTest
  @EnumSource(Data.class)
  void nothingDependsOnHowThreadsShareAnArray(Data data) {
    DType output = DType.values()[data.ordinal() % 3];
    long seed = data.ordinal();
    for (Shape shape : sharedShapes()) {
      for (DType type : DType.values()) {
        Batch x = data.batch(shape, type, seed++);
        Batch dy = Data.NORMAL.batch(shape, output, seed++);
        for (int limit : new int[] {255, 256, 257, 2100, 1 << 20}) {
          assertSharingGivesTheSame(x, dy, output, limit, true, true);
        }
        assertSharingGivesTheSame(x, dy, output, 300, true, false);
        assertSharingGivesTheSame(x, dy, output, 300, false, true);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void littleIsSharedAsMuchIs(Shape shape) {
    Batch x = Data.MEAN_1E4.batch(shape, DType.F32, 1);
    Batch dy = Data.NORMAL.batch(shape, DType.F32, 2);
    for (int limit : new int[] {1, 2, 7}) {
      assertSharingGivesTheSame(x, dy, DType.F32, limit, true, true);
    }
  }

  private void assertSharingGivesTheSame(
      Batch x, Batch dy, DType output, int limit, boolean readers, boolean areas) {
    BatchNorm norm = BatchNorm.builder().engine(engine()).outputType(output).build();
    Forward forward = norm.forward(x);
    Gradients gradients = norm.backward(dy, x, forward.statistics());
    Source sharedX = new Parts.In(x, limit, readers);
    Source sharedDy = new Parts.In(dy, limit, readers);
    int count = x.values().count();
    Values room = Values.allocate(output, 3 * count + 1);
    Parts.Out out = new Parts.Out(room, areas);
    Statistics statistics = norm.forward(sharedX, out);
    out.room(1);
    out.commit();
    norm.infer(sharedX, statistics, out);
    GradientParameters parameters = norm.backward(sharedDy, sharedX, statistics, out);
    assertEquals(3 * count + 1, out.taken());
    assertEquals(forward.statistics().sums(), statistics.sums());
    assertBits(forward.y().values(), room.slice(0, count));
    assertBits(forward.y().values(), room.slice(count + 1, count));
    assertBits(gradients.dx().values(), room.slice(2 * count + 1, count));
    assertArrayEquals(gradients.dgamma().toDoubles(), parameters.dgamma());
    assertArrayEquals(gradients.dbeta().toDoubles(), parameters.dbeta());
  }

  // Files

  /** Enough tiles for eight threads. */
  private static final Shape LARGE_FILE = Shape.of(Layout.NC, 440_000, 5);

  private static void write(Path path, Batch batch) {
    try (BatchFile.Output file = BatchFile.create(path, batch.type(), batch.shape())) {
      Values room = file.room(batch.values().count());
      room.put(0, batch.values(), 0, batch.values().count());
      file.commit();
      file.finish();
    }
  }

  private static void assertHolds(Path path, Batch expected) {
    try (Source found = BatchFile.open(path)) {
      assertEquals(expected.shape(), found.shape());
      assertBits(expected.values(), found.chunk(0, expected.values().count()));
    }
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void filesGiveTheBitsOfMemory(@TempDir Path folder) {
    Batch x = Data.MEAN_1E4.batch(LARGE_FILE, DType.F32, 1);
    Batch dy = Data.NORMAL.batch(LARGE_FILE, DType.F32, 2);
    Forward forward = norm().forward(x);
    Gradients gradients = norm().backward(dy, x, forward.statistics());
    write(folder.resolve("x.npy"), x);
    write(folder.resolve("dy.npy"), dy);
    try (Source xFile = BatchFile.open(folder.resolve("x.npy"));
        Source dyFile = BatchFile.open(folder.resolve("dy.npy"));
        BatchFile.Output y = BatchFile.create(folder.resolve("y.npy"), DType.F32, LARGE_FILE);
        BatchFile.Output dx = BatchFile.create(folder.resolve("dx.npy"), DType.F32, LARGE_FILE)) {
      Statistics statistics = norm().forward(xFile, y);
      y.finish();
      assertEquals(forward.statistics().sums(), statistics.sums());
      GradientParameters parameters = norm().backward(dyFile, xFile, statistics, dx);
      dx.finish();
      assertArrayEquals(gradients.dgamma().toDoubles(), parameters.dgamma());
    }
    assertHolds(folder.resolve("y.npy"), forward.y());
    assertHolds(folder.resolve("dx.npy"), gradients.dx());
  }

  @Test
  void samplesOfFilesGiveTheBitsOfMemory(@TempDir Path folder) {
    Batch x = Data.MEAN_1E4.batch(LARGE_FILE, DType.F32, 1);
    write(folder.resolve("x.npy"), x);
    try (Source file = BatchFile.open(folder.resolve("x.npy"));
        BatchFile.Output y = BatchFile.create(folder.resolve("y.npy"), DType.F32, LARGE_FILE)) {
      norm().forward(file.samples(0, 430_001), y);
      norm().forward(file.samples(430_001, 9_999), y);
      y.finish();
    }
    Batch y = Batch.zeros(LARGE_FILE, DType.F32);
    int at = 0;
    for (Source part : List.of(x.samples(0, 430_001), x.samples(430_001, 9_999))) {
      int count = (int) part.shape().count();
      Values values = norm().forward(new Batch(part.shape(), part.chunk(0, count))).y().values();
      y.values().put(at, values, 0, count);
      at += count;
    }
    assertHolds(folder.resolve("y.npy"), y);
  }

  @Test
  void aFileCutShortBetweenThePassesIsRefused(@TempDir Path folder) throws IOException {
    Path path = folder.resolve("x.npy");
    write(path, Data.NORMAL.batch(LARGE_FILE, DType.F32, 1));
    try (Source x = BatchFile.open(path);
        BatchFile.Output y = BatchFile.create(folder.resolve("y.npy"), DType.F32, LARGE_FILE)) {
      Statistics statistics = norm().statistics(x);
      try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
        channel.truncate(4_000_000);
      }
      InputException refused =
          assertThrows(InputException.class, () -> norm().infer(x, statistics, y));
      assertEquals(
          path + ": ended at byte 4000000 while it was read, expected 8800128 bytes",
          refused.getMessage());
      assertThrows(InputException.class, () -> norm().statistics(x));
    }
    assertEquals(List.of("x.npy"), names(folder));
  }

  @Test
  void anInterruptEndsAFileAndLeavesNothing(@TempDir Path folder) throws IOException {
    write(folder.resolve("x.npy"), Data.NORMAL.batch(LARGE_FILE, DType.F32, 1));
    try (Source x = BatchFile.open(folder.resolve("x.npy"));
        BatchFile.Output y = BatchFile.create(folder.resolve("y.npy"), DType.F32, LARGE_FILE)) {
      Thread.currentThread().interrupt();
      // Reading ends, or, where many threads had read all before they heard of it, writing.
      assertThrows(BatchNormException.class, () -> norm().forward(x, y));
    } finally {
      assertTrue(Thread.interrupted(), "the interrupt is still to be seen");
    }
    assertEquals(List.of("x.npy"), names(folder));
  }

  @Test
  void anOutputThatTakesNoMoreIsToldOnce() {
    OutputException full =
        new OutputException("y.npy: expected to write all of it, found a full disk");
    Sink.Writer writer =
        new Sink.Writer() {
          @Override
          public Values room(long first, int count) {
            return Values.allocate(DType.F32, count);
          }

          @Override
          public void commit() {
            throw full;
          }

          @Override
          public void close() {}
        };
    Sink sink =
        new Sink() {
          @Override
          public Values room(int count) {
            return Values.allocate(DType.F32, count);
          }

          @Override
          public void commit() {
            throw full;
          }

          @Override
          public Optional<Area> area(long count) {
            return Optional.of(() -> writer);
          }
        };
    Batch batch = Data.NORMAL.batch(Shape.of(Layout.NC, 4000, 5), DType.F32, 1);
    Source x = new Parts.In(batch, 1000, true);
    assertSame(full, assertThrows(OutputException.class, () -> norm().forward(x, sink)));
    assertEquals(0, full.getSuppressed().length);
  }

  private static Values part(Batch batch, Block block) {
    return batch.values().slice((int) block.offset(), (int) block.view().count());
  }

  @Test
  void mergedShardsAreTheWhole() {
    Batch x = Data.LOG_UNIFORM.batch(Shape.of(Layout.NC, 101, 3), DType.F64, 6);
    ExactSums whole = norm().sums(x);
    for (int cut = 0; cut <= 101; cut += 25) {
      Batch top = new Batch(Shape.of(Layout.NC, cut, 3), x.values().slice(0, cut * 3));
      Batch rest =
          new Batch(Shape.of(Layout.NC, 101 - cut, 3), x.values().slice(cut * 3, (101 - cut) * 3));
      ExactSums merged = norm().sums(rest);
      merged.merge(norm().sums(top));
      assertEquals(whole, merged);
    }
  }

  @Test
  void engineAndReferenceSumsAreTheSameIntegers() {
    for (Data data : Data.values()) {
      for (DType type : DType.values()) {
        Batch x = data.batch(Shape.of(Layout.NCL, 30, 4, 21), type, 11);
        assertEquals(BatchNorm.builder().engine(reference()).build().sums(x), norm().sums(x));
      }
    }
  }

  /** Merging and state files may change the format of sums: it must not matter for gradients. */
  @Test
  void sumsOfAnyFormatGiveTheSameGradients() {
    Shape shape = Shape.of(Layout.NCL, 30, 4, 21);
    for (DType xType : DType.values()) {
      for (DType dyType : DType.values()) {
        Batch x = Data.SMALL_INTEGERS.batch(shape, xType == DType.F64 ? DType.F32 : xType, 11);
        Batch dy = Data.NORMAL.batch(shape, dyType, 12);
        Batch typed = Batch.zeros(shape, xType);
        for (int i = 0; i < x.values().count(); i++) {
          typed.values().set(i, x.values().get(i));
        }
        ExactSums narrow = norm().sums(x);
        ExactSums wide = ExactSums.merged(narrow, ExactSums.statistics(4, DType.F64));
        Gradients expected = norm().backward(dy, typed);
        for (ExactSums sums : List.of(narrow, wide)) {
          Gradients found = norm().backward(dy, typed, norm().statistics(sums));
          assertBits(expected.dgamma(), found.dgamma());
          assertBits(expected.dbeta(), found.dbeta());
          assertBits(expected.dx().values(), found.dx().values());
        }
      }
    }
  }

  @Test
  void theSameInputTwiceGivesTheSameBits() {
    Batch x = Data.MEAN_1E10.batch(Shape.of(Layout.NHWC, 4, 30, 30, 12), DType.F32, 7);
    assertBits(norm().forward(x).y().values(), norm().forward(x).y().values());
  }

  // Memory

  @Test
  void heapAndOffHeapMemoryGiveTheSameBits() {
    for (DType type : DType.values()) {
      Batch x = Data.NORMAL.batch(Shape.of(Layout.NC, 50, 7), type, 8);
      Values direct = Values.allocateDirect(type, x.values().count() + 5).slice(3, 350);
      for (int i = 0; i < direct.count(); i++) {
        direct.set(i, x.values().get(i));
      }
      Batch offHeap = new Batch(x.shape(), direct);
      Statistics statistics = norm().statistics(offHeap);
      assertEquals(norm().sums(x), statistics.sums());
      Values y = Values.allocateDirect(type, 360).slice(10, 350);
      engine().normalise(direct, x.shape().view(), statistics, Affine.IDENTITY, 0, y);
      assertBits(norm().forward(x).y().values(), y);
    }
  }

  @Test
  void memoryOfTheCallerGetsTheSameBits() {
    Shape shape = Shape.of(Layout.NCL, 9, 4, 33);
    for (DType type : DType.values()) {
      for (DType result : DType.values()) {
        BatchNorm norm = BatchNorm.builder().engine(engine()).outputType(result).build();
        Batch x = Data.MEAN_1E4.batch(shape, type, 9);
        Batch dy = Data.NORMAL.batch(shape, type, 10);
        Forward forward = norm.forward(x);
        Gradients gradients = norm.backward(dy, x, forward.statistics());

        Batch y = new Batch(shape, Values.allocateDirect(result, (int) shape.count()));
        assertEquals(forward.statistics().sums(), norm().forward(x, y).sums());
        assertBits(forward.y().values(), y.values());
        Batch again = Batch.zeros(shape, result);
        norm().infer(x, forward.statistics(), again);
        assertBits(forward.y().values(), again.values());
        Batch dx = Batch.zeros(shape, result);
        GradientParameters parameters = norm().backward(dy, x, forward.statistics(), dx);
        assertBits(gradients.dx().values(), dx.values());
        assertArrayEquals(gradients.dgamma().toDoubles(), parameters.dgamma());
      }
    }
  }

  @Test
  void inputsMayBeOverwritten() {
    Shape shape = Shape.of(Layout.NC, 101, 7);
    for (DType type : DType.values()) {
      Batch x = Data.MEAN_1E4.batch(shape, type, 11);
      Batch dy = Data.NORMAL.batch(shape, type, 12);
      Forward forward = norm().forward(x);
      Values dx = norm().backward(dy, x, forward.statistics()).dx().values();

      Batch own = new Batch(shape, copy(x.values()));
      norm().forward(own, own);
      assertBits(forward.y().values(), own.values());
      own = new Batch(shape, copy(x.values()));
      norm().infer(own, forward.statistics(), own);
      assertBits(forward.y().values(), own.values());
      own = new Batch(shape, copy(x.values()));
      norm().backward(dy, own, forward.statistics(), own);
      assertBits(dx, own.values());
      own = new Batch(shape, copy(dy.values()));
      norm().backward(own, x, forward.statistics(), own);
      assertBits(dx, own.values());
    }
  }

  @Test
  void outputMayBeTheInput() {
    for (DType type : DType.values()) {
      for (Shape shape : List.of(Shape.of(Layout.NC, 90, 33), Shape.of(Layout.NCL, 3, 4, 50))) {
        Batch x = Data.NORMAL.batch(shape, type, 9);
        Batch dy = Data.NORMAL.batch(shape, type, 10);
        Forward forward = norm().forward(x);
        Gradients gradients = norm().backward(dy, x, forward.statistics());
        Statistics s = forward.statistics();
        GradientParameters p = engine().gradientParameters(gradientSums(dy, x), s, type);
        engine()
            .inputGradient(
                dy.values(), x.values(), shape.view(), s, Affine.IDENTITY, p, 0, dy.values());
        assertBits(gradients.dx().values(), dy.values());
        engine().normalise(x.values(), shape.view(), s, Affine.IDENTITY, 0, x.values());
        assertBits(forward.y().values(), x.values());
      }
    }
  }

  // Mathematics

  @Test
  void constantChannelNormalisesToShift() {
    Batch x = Data.CONSTANT.batch(Shape.of(Layout.NC, 100, 2), DType.F32, 1);
    BatchNorm norm = BatchNorm.builder().engine(engine()).beta(0.25, -3).build();
    assertBits(
        Data.CONSTANT.batch(x.shape(), DType.F32, 1).values(), x.values()); // x is left alone
    Values y = norm.forward(x).y().values();
    for (int i = 0; i < 100; i++) {
      assertEquals(0.25, y.get(2 * i));
      assertEquals(-3, y.get(2 * i + 1));
    }
  }

  @Test
  void zeroVarianceAndZeroEpsGiveShiftAndZeroGradients() {
    Batch x = Data.CONSTANT.batch(Shape.of(Layout.NC, 9, 1), DType.F64, 1);
    Batch dy = Data.NORMAL.batch(x.shape(), DType.F64, 2);
    BatchNorm norm = BatchNorm.builder().engine(engine()).eps(0).gamma(2).beta(7).build();
    Forward forward = norm.forward(x);
    Gradients gradients = norm.backward(dy, x, forward.statistics());
    assertEquals(Double.POSITIVE_INFINITY, forward.statistics().inverseStd()[0]);
    assertEquals(0.0, gradients.dgamma().get(0));
    for (int i = 0; i < 9; i++) {
      assertEquals(7, forward.y().values().get(i));
      assertEquals(0.0, Math.abs(gradients.dx().values().get(i)));
    }
    assertEquals(1, forward.statistics().warnings(norm.affine()).size());
  }

  @Test
  void largeMeanKeepsTheVariance() {
    float[] values = new float[4096];
    for (int i = 0; i < values.length; i++) {
      values[i] = i % 2 == 0 ? 9999 : 10001;
    }
    Statistics statistics = norm().statistics(Batch.of(Shape.of(Layout.NC, 4096, 1), values));
    assertEquals(10000, statistics.mean()[0]);
    assertEquals(1, statistics.variance()[0]);
  }

  @Test
  void channelsDoNotTouchEachOther() {
    Shape shape = Shape.of(Layout.NC, 260, 3);
    for (DType type : DType.values()) {
      Batch x = Data.NORMAL.batch(shape, type, 3);
      Batch dy = Data.NORMAL.batch(shape, type, 4);
      Forward clean = norm().forward(x);
      Gradients cleanGradients = norm().backward(dy, x);
      for (double spoiled : new double[] {Double.NaN, Double.POSITIVE_INFINITY, 1e38}) {
        Batch dirty = new Batch(shape, copy(x.values()));
        dirty.values().set(3 * 17 + 1, spoiled);
        Forward forward = norm().forward(dirty);
        Gradients gradients = norm().backward(dy, dirty);
        for (int i = 0; i < 260; i++) {
          for (int c = 0; c < 3; c += 2) {
            int at = 3 * i + c;
            assertEquals(clean.y().values().get(at), forward.y().values().get(at));
            assertEquals(cleanGradients.dx().values().get(at), gradients.dx().values().get(at));
          }
        }
      }
    }
  }

  private static Values copy(Values values) {
    Values copy = Values.allocate(values.type(), values.count());
    copy.put(0, values, 0, values.count());
    return copy;
  }

  @Test
  void valuesThatAreNotFiniteSpoilTheirChannelAsDocumented() {
    double inf = Double.POSITIVE_INFINITY;
    Batch x = Batch.of(Shape.of(Layout.NC, 2, 4), 1.0, 2.0, 3.0, 4.0, Double.NaN, inf, -inf, 5.0);
    Batch dy = Batch.of(Shape.of(Layout.NC, 2, 4), 1.0, inf, 1.0, inf, 2.0, 1.0, 1.0, -inf);
    Forward forward = norm().forward(x);
    Gradients gradients = norm().backward(dy, x, forward.statistics());
    double nan = Double.NaN;
    assertArrayEquals(new double[] {nan, inf, -inf, 4.5}, forward.statistics().mean());
    assertArrayEquals(new double[] {nan, nan, nan, 0.25}, forward.statistics().variance());
    assertArrayEquals(new double[] {3, inf, 2, nan}, gradients.dbeta().toDoubles());
    assertArrayEquals(new double[] {nan, nan, nan, nan}, gradients.dgamma().toDoubles());
    for (int i = 0; i < 8; i++) {
      assertTrue(Double.isNaN(gradients.dx().values().get(i)), "dx " + i);
      assertEquals(i % 4 != 3, Double.isNaN(forward.y().values().get(i)), "y " + i);
    }
  }

  @Test
  void everyNaNIsTheOneNaN() {
    for (DType type : DType.values()) {
      Batch x = Data.NOT_FINITE.batch(Shape.of(Layout.NC, 999, 3), type, 5);
      Batch dy = Data.NOT_FINITE.batch(x.shape(), type, 6);
      Forward forward = norm().forward(x);
      Gradients gradients = norm().backward(dy, x, forward.statistics());
      Statistics s = forward.statistics();
      Statistics given = norm().given(new double[3], new double[] {Double.NaN, 1, 1});
      Batch inferred = norm().infer(x, given);
      Gradients frozen = norm().backward(dy, x, given);
      for (Values values :
          List.of(
              forward.y().values(),
              inferred.values(),
              gradients.dx().values(),
              frozen.dx().values(),
              gradients.dgamma(),
              frozen.dgamma(),
              gradients.dbeta(),
              Values.of(s.mean()),
              Values.of(s.meanLo()),
              Values.of(s.variance()),
              Values.of(s.inverseStd()),
              Values.of(given.inverseStd()))) {
        assertCanonical(values);
      }
    }
  }

  private static void assertCanonical(Values values) {
    for (int i = 0; i < values.count(); i++) {
      if (Double.isNaN(values.get(i))) {
        long bits =
            switch (values.type()) {
              case F16 -> ((ShortBuffer) values.buffer()).get(i);
              case F32 -> Float.floatToRawIntBits(((FloatBuffer) values.buffer()).get(i));
              case F64 -> Double.doubleToRawLongBits(((DoubleBuffer) values.buffer()).get(i));
            };
        assertEquals(values.type().bits(Double.NaN), bits);
      }
    }
  }

  @Test
  void inputGradientSumsToNearlyZeroAndIsLinear() {
    Shape shape = Shape.of(Layout.NC, 500, 4);
    Batch x = Data.MEAN_1E4.batch(shape, DType.F64, 7);
    Batch dy = Data.MEAN_1E4.batch(shape, DType.F64, 8);
    Values dx = norm().backward(dy, x).dx().values();
    Batch doubled = Batch.zeros(shape, DType.F64);
    for (int i = 0; i < doubled.values().count(); i++) {
      doubled.values().set(i, 2 * dy.values().get(i));
    }
    Values dxOfDoubled = norm().backward(doubled, x).dx().values();
    double[] sums = new double[4];
    double[] sizes = new double[4];
    for (int i = 0; i < dx.count(); i++) {
      sums[i % 4] += dx.get(i);
      sizes[i % 4] += Math.abs(dx.get(i));
      assertEquals(2 * dx.get(i), dxOfDoubled.get(i));
    }
    for (int c = 0; c < 4; c++) {
      // Rounding of 500 elements and of adding them up here: 500 · 2^-53 each, relative to Σ|dx|.
      assertTrue(Math.abs(sums[c]) <= 1000 * 0x1p-53 * sizes[c], "Σdx = " + sums[c]);
    }
  }

  @Test
  void scalingInputByPowersOfTwoAndEpsByTheirSquaresChangesNothing() {
    Batch x = Data.NORMAL.batch(Shape.of(Layout.NC, 300, 3), DType.F32, 9);
    Values y = norm().forward(x).y().values();
    Batch scaled = Batch.zeros(x.shape(), DType.F32);
    for (int i = 0; i < scaled.values().count(); i++) {
      scaled.values().set(i, 0x1p20 * x.values().get(i));
    }
    BatchNorm norm = BatchNorm.builder().engine(engine()).eps(EPS * 0x1p40).build();
    assertBits(y, norm.forward(scaled).y().values());
  }

  @Test
  void elementsAreWithinHalfAnUlpOfTheExactResult() {
    // x = n ± 1 with mean n and variance 1 exactly, so y is ±1/√(1 + ε) for every n.
    double exact = 1 / Math.sqrt(1 + EPS);
    for (double n : new double[] {0, 1e4, 1e6, 16777214}) {
      float[] values = {(float) (n - 1), (float) (n + 1), (float) (n + 1), (float) (n - 1)};
      float[] y =
          norm().forward(Batch.of(Shape.of(Layout.NC, 4, 1), values)).y().values().toFloats();
      assertArrayEquals(
          new float[] {(float) -exact, (float) exact, (float) exact, (float) -exact}, y);
    }
  }

  // Nothing at all, and one of everything

  @Test
  void noValuesGiveEmptyOutputsAndNaNStatistics() {
    Batch x = Batch.of(Shape.of(Layout.NC, 0, 3), new float[0]);
    Forward forward = norm().forward(x);
    Gradients gradients = norm().backward(x, x, forward.statistics());
    assertEquals(0, forward.y().values().count());
    assertEquals(0, gradients.dx().values().count());
    assertArrayEquals(new double[3], gradients.dgamma().toDoubles());
    assertArrayEquals(new double[3], gradients.dbeta().toDoubles());
    assertTrue(Arrays.stream(forward.statistics().mean()).allMatch(Double::isNaN));
    assertEquals(1, forward.statistics().warnings(Affine.IDENTITY).size());
  }

  @Test
  void noChannelsGiveNothing() {
    Batch x = Batch.of(Shape.of(Layout.NC, 5, 0), new double[0]);
    assertEquals(0, norm().forward(x).y().values().count());
    assertEquals(0, norm().backward(x, x).dgamma().count());
  }

  @Test
  void oneValueNormalisesToShift() {
    BatchNorm norm = BatchNorm.builder().engine(engine()).beta(5).build();
    Forward forward = norm.forward(Batch.of(Shape.of(Layout.NC, 1, 1), 123.0));
    assertEquals(5, forward.y().values().get(0));
    assertEquals(0, forward.statistics().variance()[0]);
  }

  // Refusals, in the same words from every engine

  @Test
  void refusesWhatDoesNotFitTogether() {
    Values six = Values.of(new float[6]);
    View view = new View(3, 2, 1);
    ExactSums sums = ExactSums.statistics(2, DType.F32);
    refused(
        "x: expected 6 values (View[outer=3, channels=2, inner=1]), found 5",
        () -> engine().addStatistics(six.slice(0, 5), view, sums, 0));
    refused(
        "channels: expected a part of 0 to 2, found 1 to 3",
        () -> engine().addStatistics(six, view, sums, 1));
    refused(
        "sums: expected F64 and F64_PRODUCT, found F32 and F32_PRODUCT",
        () -> engine().addStatistics(Values.of(new double[6]), view, sums, 0));
    refused("eps: expected a finite number ≥ 0, found -1.0", () -> engine().parameters(sums, -1));
    refused(
        "eps: expected a finite number ≥ 0, found nan",
        () -> engine().parameters(sums, Double.NaN));
    refused(
        "unbiased variance: expected at least 2 values per channel, found 0",
        () -> engine().unbiasedVariance(sums));
    refused(
        "variance: expected 1 values (as many as the mean), found 2",
        () -> engine().givenParameters(new double[1], new double[2], 0));
    Statistics statistics = engine().parameters(sums, EPS);
    refused(
        "gamma: expected 2 values (one per channel), found 3",
        () ->
            engine().normalise(six, view, statistics, Affine.IDENTITY.withGamma(1, 2, 3), 0, six));
    refused(
        "y: expected 6 values (View[outer=3, channels=2, inner=1]), found 4",
        () -> engine().normalise(six, view, statistics, Affine.IDENTITY, 0, six.slice(0, 4)));
    ExactSums three = ExactSums.gradients(3, DType.F32, DType.F32);
    refused(
        "gradient sums: expected 2 channels (the statistics'), found 3",
        () -> engine().gradientParameters(three, statistics, DType.F32));
    ExactSums more = ExactSums.gradients(2, DType.F32, DType.F32);
    engine().addGradientSums(six, six, view, more, 0);
    refused(
        "gradient sums: expected 0 values (the statistics') at channel 0, found 3",
        () -> engine().gradientParameters(more, statistics, DType.F32));
  }

  private static void refused(String message, Runnable call) {
    IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, call::run);
    assertEquals(message, refusal.getMessage());
  }

  @Test
  void refusesMemoryOfAnotherShape() {
    Batch x = Batch.of(Shape.of(Layout.NC, 3, 2), new float[6]);
    Batch other = Batch.of(Shape.of(Layout.NC, 2, 3), new float[6]);
    Statistics statistics = norm().statistics(x);
    refused("y: expected shape 3×2 (batch), found 2×3", () -> norm().forward(x, other));
    refused("y: expected shape 3×2 (batch), found 2×3", () -> norm().infer(x, statistics, other));
    refused(
        "dx: expected shape 3×2 (batch), found 2×3",
        () -> norm().backward(x, x, statistics, other));
    refused(
        "dy: expected shape 3×2 (batch), found 2×3",
        () -> norm().backward(other, x, statistics, x));
  }

  @Test
  void refusesToWriteWhereItMayNot() {
    Batch x = Data.NORMAL.batch(Shape.of(Layout.NC, 3, 2), DType.F32, 1);
    Statistics s = norm().statistics(x);
    View view = x.shape().view();
    ByteBuffer bytes = ByteBuffer.allocateDirect(24).order(ByteOrder.nativeOrder());
    Values readOnly = Values.of(DType.F32, bytes.asReadOnlyBuffer().order(ByteOrder.nativeOrder()));
    refused(
        "y: expected memory that may be written, found a read-only buffer",
        () -> engine().normalise(x.values(), view, s, Affine.IDENTITY, 0, readOnly));
    GradientParameters p = engine().gradientParameters(gradientSums(x, x), s, DType.F32);
    refused(
        "dx: expected memory that may be written, found a read-only buffer",
        () ->
            engine()
                .inputGradient(x.values(), x.values(), view, s, Affine.IDENTITY, p, 0, readOnly));
    assertEquals(
        norm().sums(new Batch(x.shape(), readOnly)),
        norm().sums(Batch.zeros(x.shape(), DType.F32)));
  }

  @Test
  void valuesAreArraysOrNativeDirectBuffers() {
    ByteBuffer bigEndian = ByteBuffer.allocateDirect(24).order(ByteOrder.BIG_ENDIAN);
    boolean littleHere = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN;
    if (littleHere) {
      assertThrows(IllegalArgumentException.class, () -> Values.of(DType.F32, bigEndian));
    }
    assertThrows(
        IllegalArgumentException.class, () -> Values.of(DType.F32, ByteBuffer.allocate(24)));
    assertThrows(
        IllegalArgumentException.class,
        () -> Values.of(FloatBuffer.wrap(new float[6]).asReadOnlyBuffer()));
    assertEquals(2, Values.of(FloatBuffer.wrap(new float[] {1, 2, 3}, 1, 2)).get(0));
  }

  @Test
  void refusesNegativeVariancePlusEps() {
    InputException refusal =
        assertThrows(
            InputException.class,
            () -> engine().givenParameters(new double[2], new double[] {1, -1e-3}, EPS));
    assertEquals(
        "variance: expected variance + eps ≥ 0, found -0.001 + 1e-05 at channel 1",
        refusal.getMessage());
  }

  /** Fails at the first element whose bits differ. */
  static void assertBits(Values expected, Values found) {
    assertEquals(expected.count(), found.count());
    assertEquals(expected.type(), found.type());
    for (int i = 0; i < expected.count(); i++) {
      if (Double.doubleToRawLongBits(expected.get(i)) != Double.doubleToRawLongBits(found.get(i))) {
        throw new AssertionError(
            "element " + i + ": expected " + expected.get(i) + ", found " + found.get(i));
      }
    }
  }
}
