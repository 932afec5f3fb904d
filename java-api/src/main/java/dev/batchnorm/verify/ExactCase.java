package dev.batchnorm.verify;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Gradients;
import dev.batchnorm.Momentum;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.View;
import dev.batchnorm.engine.Engine;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.function.ToDoubleFunction;

/**
 * A batch whose batch normalization has answers that are exact in any order of summation, so that
 * another implementation, in plain arithmetic of one type, has to give them to the bit
 * (docs/math.md, Exact cases).
 *
 * <pre>{@code
 * ExactCase exact = ExactCase.of(Shape.of(Layout.NCHW, 8, 64, 7, 7), DType.F32, 1);
 * for (ExactCase.Answer answer : exact.answers()) {
 *   …
 * }
 * }</pre>
 *
 * <p>Every partial sum of x, x², (x − μ)², dy, dy·x and dy·(x − μ) is a number of the arithmetic's
 * type, V + ε is a power of 4, and γ and β have few bits. The same shape, types and seed give the
 * same bits everywhere. Immutable; what the getters return is shared, not copied.
 *
 * <p>The idea of filling data so that mean and variance are exact is that of oneDNN's benchdnn.
 */
public final class ExactCase {
  /** The weight of the new batch in running statistics. */
  public static final double MOMENTUM = 0.125;

  /** The unit of dy. */
  private static final double GRADIENT_UNIT = 0.5;

  private static final double AFFINE_UNIT = 0.25;

  private final Shape shape;
  private final DType type;
  private final DType arithmetic;
  private final long seed;
  private final ExactBudget budget;
  private final double unit;
  private final List<ExactChannel> parameters;
  private final Batch x;
  private final Batch dy;

  /** How near to the truth an answer is, and so how it may be compared. */
  public enum Exactness {
    /** The exact answer, which every order of summation gives: compare bits. */
    EXACT("exact in any order"),
    /** The exact answer rounded once. */
    ROUNDED("correctly rounded"),
    /** Within 0.5 ulp + 2⁻²⁹ ulp of the exact answer (docs/math.md, how accurate). */
    SEQUENCE("within half an ulp"),
    /** The update F6: the unbiased variance rounded once, then the sum. */
    UPDATE("rounded twice");

    private final String label;

    Exactness(String label) {
      this.label = label;
    }

    /** In words. */
    public String label() {
      return label;
    }
  }

  /**
   * An array that the case leads to.
   *
   * @param name its member's name, {@code y}
   * @param equation the equation's id, {@code F5}
   * @param values shape of x, or one value per channel
   */
  public record Answer(String name, String equation, Exactness exactness, Batch values) {}

  /**
   * What one channel was made with.
   *
   * @param mean μ
   * @param variance V, biased
   * @param bits how many bits a deviation from μ has at most, its sign left out
   */
  public record Channel(double mean, double variance, int bits) {}

  private ExactCase(Shape shape, DType type, DType arithmetic, long seed) {
    this.shape = shape;
    this.type = type;
    this.arithmetic = arithmetic;
    this.seed = seed;
    View view = shape.view();
    budget = ExactBudget.of(Math.multiplyExact(view.outer(), view.inner()), type, arithmetic);
    unit = Math.scalb(1.0, -budget.level());
    x = Batch.zeros(shape, type);
    dy = Batch.zeros(shape, type);
    parameters = new ArrayList<>();
    for (int c = 0; c < view.channels(); c++) {
      ExactChannel channel = ExactChannel.of(budget, arithmetic, seed, c);
      fill(x, c, i -> (channel.mean + channel.deviations()[i]) * unit);
      fill(dy, c, i -> channel.gradients()[i] * GRADIENT_UNIT);
      parameters.add(channel.withoutValues());
    }
  }

  /**
   * A case whose sums are exact in x's own type.
   *
   * @param type the type of x and dy
   * @throws IllegalArgumentException if a channel has no value, or more than the type has bits for:
   *     591 in f16, 4843160 in f32
   */
  public static ExactCase of(Shape shape, DType type, long seed) {
    return of(shape, type, type, seed);
  }

  /**
   * A case whose sums are exact in another type than x's.
   *
   * @param type the type of x and dy
   * @param arithmetic the type that is summed in, no smaller than x's
   * @throws IllegalArgumentException if a channel has no value, or more than the arithmetic has
   *     bits for, or the arithmetic is of a smaller type than x
   */
  public static ExactCase of(Shape shape, DType type, DType arithmetic, long seed) {
    if (arithmetic.bytes() < type.bytes()) {
      throw new IllegalArgumentException(
          "arithmetic: expected "
              + type.label()
              + " (the type of x) or a larger type, found "
              + arithmetic.label());
    }
    return new ExactCase(shape, type, arithmetic, seed);
  }

  /** The most values a channel may have with sums in that type. */
  public static long mostValues(DType arithmetic) {
    return ExactBudget.most(arithmetic);
  }

  /** Sets the values of a channel, counted along outer and then inner. */
  private static void fill(Batch batch, int channel, IntToDoubleFunction value) {
    View view = batch.shape().view();
    int inner = (int) view.inner();
    int m = (int) (view.outer() * view.inner());
    for (int i = 0; i < m; i++) {
      int at = (i / inner * view.channels() + channel) * inner + i % inner;
      batch.values().set(at, value.applyAsDouble(i));
    }
  }

  /** The shape of x. */
  public Shape shape() {
    return shape;
  }

  /** The type of x, dy, y and dx. */
  public DType type() {
    return type;
  }

  /** The smallest type in which all sums are exact. */
  public DType arithmetic() {
    return arithmetic;
  }

  /** The seed that values are made from. */
  public long seed() {
    return seed;
  }

  /** ε, with which V + ε is a power of 4 in every channel. */
  public double eps() {
    return budget.eta() * unit * unit;
  }

  /** The input. */
  public Batch x() {
    return x;
  }

  /** The output gradient, shape of x. */
  public Batch dy() {
    return dy;
  }

  /** γ of each channel. */
  public double[] gamma() {
    return each(c -> c.gamma * AFFINE_UNIT);
  }

  /** β of each channel. */
  public double[] beta() {
    return each(c -> c.beta * AFFINE_UNIT);
  }

  /** Running statistics to infer with, and to update with the batch's. */
  public RunningStatistics running() {
    return new RunningStatistics(
        each(c -> (c.mean + c.runningShift) * unit),
        each(c -> budget.variance(c.runningLevel) * unit * unit),
        7);
  }

  /** What each channel was made with. */
  public List<Channel> channels() {
    return parameters.stream()
        .map(c -> new Channel(c.mean * unit, c.v * unit * unit, c.level + 1))
        .toList();
  }

  /**
   * Whether sums may also be multiplied by a rounded 1/m: always if m is a power of 2, and where
   * means were found for it.
   */
  public boolean reciprocalIsExact() {
    return parameters.stream().allMatch(c -> c.reciprocal);
  }

  /**
   * Whether dx may also be computed as γ·inverse_std/m · (m·dy − Σdy − x̂·Σdy·x̂): if m is a power
   * of 2 and m·dy has room.
   */
  public boolean scaledByCountIsExact() {
    long m = budget.count();
    double largest = Math.scalb(m * 4.0 * (2 << budget.level()), 2 * budget.level());
    return Long.bitCount(m) == 1 && largest <= Math.scalb(1.0, ExactBudget.bits(arithmetic));
  }

  /**
   * The answers for {@link #eps()}, all exact in any order but an unbiased running variance.
   *
   * @param biased whether the running variance takes the biased variance
   * @throws IllegalArgumentException if m is 1 and the running variance is not to be biased
   */
  public List<Answer> answers(boolean biased) {
    requireSpread(biased);
    double[] mean = mean();
    double[] variance = variance();
    double[] inverseStd = each(c -> power(-c.level));
    double[] gamma = gamma();
    double[] beta = beta();
    double[] k1 = each(c -> c.dyMean * GRADIENT_UNIT);
    double[] k2 = each(c -> c.slope * c.v * GRADIENT_UNIT / (unit * (1L << (2 * c.level))));
    RunningStatistics running = running();
    double[] inverseRunning = each(c -> power(-c.runningLevel));
    Batch y = Batch.zeros(shape, type);
    Batch dx = Batch.zeros(shape, type);
    Batch inferred = Batch.zeros(shape, type);
    Batch frozen = Batch.zeros(shape, type);
    View view = shape.view();
    for (int i = 0; i < (int) view.count(); i++) {
      int c = (int) (i / view.inner() % view.channels());
      double value = x.values().get(i);
      double gradient = dy.values().get(i);
      double a = gamma[c] * inverseStd[c];
      double d = value - mean[c];
      y.values().set(i, a * d + beta[c]); // (F5)
      dx.values().set(i, a * (gradient - k1[c] - d * k2[c])); // (B3)
      double given = gamma[c] * inverseRunning[c];
      inferred.values().set(i, given * (value - running.mean()[c]) + beta[c]); // (F5)
      frozen.values().set(i, given * gradient); // (B4)
    }
    double toGradient = budget.count() * GRADIENT_UNIT;
    List<Answer> answers = new ArrayList<>();
    answers.add(answer("mean", "F1", mean));
    answers.add(answer("variance", "F2", variance));
    answers.add(answer("inverse_std", "F3", inverseStd));
    answers.add(new Answer("y", "F5", Exactness.EXACT, y));
    addRunning(answers, biased);
    answers.add(gradient("dbeta", "B1", each(c -> c.dyMean * toGradient)));
    answers.add(gradient("dgamma", "B2", each(c -> c.slope * c.v * toGradient / (1L << c.level))));
    answers.add(new Answer("dx", "B3", Exactness.EXACT, dx));
    answers.add(new Answer("infer_y", "F5", Exactness.EXACT, inferred));
    answers.add(
        gradient(
            "frozen_dgamma",
            "B4",
            each(
                c ->
                    (c.slope * c.v - (double) c.dyMean * c.runningShift)
                        * toGradient
                        / (1L << c.runningLevel))));
    answers.add(new Answer("frozen_dx", "B4", Exactness.EXACT, frozen));
    return List.copyOf(answers);
  }

  /**
   * The answers for another ε, by an engine: sums, mean and variance are exact as before, what
   * follows from V + ε is rounded.
   *
   * @param eps finite and ≥ 0
   * @param biased whether the running variance takes the biased variance
   * @throws IllegalArgumentException if m is 1 and the running variance is not to be biased
   */
  public List<Answer> answers(double eps, boolean biased, Engine engine) {
    requireSpread(biased);
    Affine affine = Affine.IDENTITY.withGamma(gamma()).withBeta(beta());
    BatchNorm norm = BatchNorm.builder().engine(engine).eps(eps).affine(affine).build();
    Batch y = Batch.zeros(shape, type);
    Statistics statistics = norm.forward(x, y);
    Gradients own = norm.backward(dy, x, statistics);
    RunningStatistics running = running();
    Statistics given = norm.given(running.mean(), running.variance());
    Batch frozen = Batch.zeros(shape, type);
    GradientParameters parameters = norm.backward(dy, x, given, frozen);
    List<Answer> answers = new ArrayList<>();
    answers.add(answer("mean", "F1", statistics.mean()));
    answers.add(answer("variance", "F2", statistics.variance()));
    answers.add(rounded("inverse_std", "F3", vector(DType.F64, statistics.inverseStd())));
    answers.add(new Answer("y", "F5", Exactness.SEQUENCE, y));
    addRunning(answers, biased);
    answers.add(gradient("dbeta", "B1", own.dbeta().toDoubles()));
    answers.add(rounded("dgamma", "B2", vector(type.gradientType(), own.dgamma().toDoubles())));
    answers.add(new Answer("dx", "B3", Exactness.SEQUENCE, own.dx()));
    answers.add(new Answer("infer_y", "F5", Exactness.SEQUENCE, norm.infer(x, given)));
    answers.add(rounded("frozen_dgamma", "B4", vector(type.gradientType(), parameters.dgamma())));
    answers.add(new Answer("frozen_dx", "B4", Exactness.SEQUENCE, frozen));
    return List.copyOf(answers);
  }

  private void requireSpread(boolean biased) {
    if (budget.count() == 1 && !biased) {
      throw new IllegalArgumentException(
          "shape: expected at least 2 values a channel (unbiased running variance), found 1");
    }
  }

  /** (F6) */
  private void addRunning(List<Answer> answers, boolean biased) {
    double m = budget.count();
    double[] taken =
        biased ? variance() : each(c -> m * c.v * unit * unit / (m - 1)); // rounds once
    RunningStatistics updated = running().updated(mean(), taken, Momentum.ofNew(MOMENTUM));
    answers.add(answer("running_mean", "F6", updated.mean()));
    answers.add(
        new Answer(
            "running_variance",
            "F6",
            biased ? Exactness.EXACT : Exactness.UPDATE,
            vector(DType.F64, updated.variance())));
  }

  private double[] mean() {
    return each(c -> c.mean * unit);
  }

  private double[] variance() {
    return each(c -> c.v * unit * unit);
  }

  /** 2^exponent in units of x turned into its inverse: 1/√(4^k) is 2^−k over the unit. */
  private double power(int exponent) {
    return Math.scalb(1.0, exponent) / unit;
  }

  private double[] each(ToDoubleFunction<ExactChannel> value) {
    return parameters.stream().mapToDouble(value).toArray();
  }

  private static Answer answer(String name, String equation, double[] values) {
    return new Answer(name, equation, Exactness.EXACT, vector(DType.F64, values));
  }

  private static Answer rounded(String name, String equation, Batch values) {
    return new Answer(name, equation, Exactness.ROUNDED, values);
  }

  private Answer gradient(String name, String equation, double[] values) {
    return new Answer(name, equation, Exactness.EXACT, vector(type.gradientType(), values));
  }

  /** One value per channel, as an array of one axis. */
  private static Batch vector(DType type, double... values) {
    Batch vector = Batch.zeros(Shape.withChannelAxis(0, values.length), type);
    for (int i = 0; i < values.length; i++) {
      vector.values().set(i, values[i]);
    }
    return vector;
  }
}
