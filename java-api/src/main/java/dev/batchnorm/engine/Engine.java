package dev.batchnorm.engine;

import dev.batchnorm.Affine;
import dev.batchnorm.DType;
import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.ExactSums;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.InputException;
import dev.batchnorm.Normalisation;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.Numerals;
import org.jspecify.annotations.Nullable;

/**
 * The passes over a chunk, and the parameters per channel between them. Every engine gives the same
 * bits; they differ in how they reach them.
 *
 * <p>The public methods are the door: they check their arguments once, so that all engines refuse
 * with the same words, and call the protected ones, which may trust them. A chunk is a dense block
 * of a batch: {@code view} holds its sizes (outer, channels, inner), its values lie in C order, and
 * {@code firstChannel} is the channel of the batch at which it starts.
 *
 * <p>Methods may be called by several threads at once as long as they share no output.
 */
public abstract class Engine {

  /** The name on the command line: {@code java}, {@code native}. */
  public abstract String name();

  /** What runs, in a few words: instruction set, threads. */
  public abstract String description();

  /** The most threads that a pass takes, 1 unless an engine says otherwise. */
  public int threads() {
    return 1;
  }

  /**
   * The library that does the linear algebra, in a few words; null if the engine does it by itself.
   *
   * @param open whether to open it, which takes milliseconds and, the first time on a machine, room
   *     for a copy: its version is known only then
   * @throws EngineUnavailableException if it is missing or does not open, with the reason
   */
  public @Nullable String blas(boolean open) {
    return null;
  }

  /** A fast way to read and write the text of numbers; null if Java is to do it. */
  public @Nullable Numerals numerals() {
    return null;
  }

  /**
   * This engine with passes of one thread each, for a caller that runs them on threads of its own.
   */
  public Engine singleThreaded() {
    return this;
  }

  /**
   * The passes of linear algebra. Those that need {@link #blas} open it, and throw an {@link
   * EngineUnavailableException} where that cannot be done.
   */
  public abstract LinearAlgebra linearAlgebra();

  /**
   * Adds a chunk to the exact sums Σx, Σx² and the count of each of its channels.
   *
   * @param x outer × channels × inner values
   * @param sums sums made by {@link ExactSums#statistics} for x's type
   * @throws IllegalArgumentException if sizes or types do not fit each other
   */
  public final void addStatistics(Values x, View view, ExactSums sums, int firstChannel) {
    checkChunk("x", x, view);
    checkChannels(view, firstChannel, sums.channels());
    check("sums", sums, ExactSums.statistics(0, x.type()));
    doAddStatistics(x, view, sums, firstChannel);
  }

  /**
   * Adds a chunk to the exact sums Σdy, Σdy·x and the count of each of its channels.
   *
   * @param dy outer × channels × inner values
   * @param x as many values, of either type
   * @param sums sums made by {@link ExactSums#gradients} for dy's and x's types
   * @throws IllegalArgumentException if sizes or types do not fit each other
   */
  public final void addGradientSums(
      Values dy, Values x, View view, ExactSums sums, int firstChannel) {
    checkChunk("dy", dy, view);
    checkChunk("x", x, view);
    checkChannels(view, firstChannel, sums.channels());
    check("sums", sums, ExactSums.gradients(0, dy.type(), x.type()));
    doAddGradientSums(dy, x, view, sums, firstChannel);
  }

  /**
   * Mean, variance and inverse std of each channel (F1–F3), each rounded once.
   *
   * @param sums sums of x
   * @param eps ε
   * @throws IllegalArgumentException if ε is negative or not finite
   */
  public final Statistics parameters(ExactSums sums, double eps) {
    checkEps(eps);
    return doParameters(sums, eps);
  }

  /**
   * The unbiased variance of each channel, RN((m·Σx² − (Σx)²) / (m·(m − 1))) (F6).
   *
   * @param sums sums of x, at least 2 values per channel
   * @throws IllegalArgumentException if a channel has fewer than 2 values
   */
  public final double[] unbiasedVariance(ExactSums sums) {
    for (int c = 0; c < sums.channels(); c++) {
      if (sums.counts()[c] < 2) {
        throw new IllegalArgumentException(
            "unbiased variance: expected at least 2 values per channel, found " + sums.counts()[c]);
      }
    }
    return doUnbiasedVariance(sums);
  }

  /**
   * Statistics to normalise with that were not computed from the batch: F3 with V = v.
   *
   * @param mean μ, one per channel
   * @param variance v, one per channel
   * @param eps ε
   * @throws IllegalArgumentException if the lengths differ, or ε is negative or not finite
   * @throws InputException if v + ε is negative, naming the channel
   */
  public final Statistics givenParameters(double[] mean, double[] variance, double eps) {
    checkEps(eps);
    if (mean.length != variance.length) {
      throw new IllegalArgumentException(
          "variance: expected "
              + mean.length
              + " values (as many as the mean), found "
              + variance.length);
    }
    for (int c = 0; c < variance.length; c++) {
      if (variance[c] < -eps) {
        throw new InputException(
            "variance: expected variance + eps ≥ 0, found "
                + Decimals.text(variance[c])
                + " + "
                + Decimals.text(eps)
                + " at channel "
                + c);
      }
    }
    return doGivenParameters(mean, variance, eps);
  }

  /**
   * Everything of the backward pass that is one number per channel (B1–B4), each rounded once.
   *
   * @param gradients sums of dy and dy·x
   * @param statistics those of x; with given statistics the result is B4's
   * @param x the type of x, which decides the type of dγ and dβ
   * @throws IllegalArgumentException if the channels or counts differ
   */
  public final GradientParameters gradientParameters(
      ExactSums gradients, Statistics statistics, DType x) {
    if (gradients.channels() != statistics.channels()) {
      throw new IllegalArgumentException(
          "gradient sums: expected "
              + statistics.channels()
              + " channels (the statistics'), found "
              + gradients.channels());
    }
    for (int c = 0; c < gradients.channels() && !statistics.given(); c++) {
      checkCount(gradients.counts()[c], statistics, c);
    }
    return doGradientParameters(gradients, statistics, x.gradientType());
  }

  /**
   * Normalises a chunk: y = RN_T(fma(d, a, β)), d = (x − mean) − mean_lo, a = γ·inverse_std (F5).
   *
   * @param x outer × channels × inner values
   * @param normalisation that of all channels
   * @param y as many values, of either type, which decides T; may be x itself
   * @throws IllegalArgumentException if sizes do not fit each other
   */
  public final void normalise(
      Values x, View view, Normalisation normalisation, int firstChannel, Values y) {
    Statistics statistics = normalisation.statistics();
    checkChunk("x", x, view);
    checkChunk("y", y, view);
    checkWritable("y", y);
    checkChannels(view, firstChannel, statistics.channels());
    doNormalise(x, view, statistics, normalisation.a(), normalisation.beta(), firstChannel, y);
  }

  /** As {@link #normalise(Values, View, Normalisation, int, Values)}, for a single chunk. */
  public final void normalise(
      Values x, View view, Statistics statistics, Affine affine, int firstChannel, Values y) {
    normalise(x, view, Normalisation.of(statistics, affine), firstChannel, y);
  }

  /**
   * The input gradient of a chunk: t = (dy − k₁) − k₁_lo, w = fma(−d, k₂, t), dx = RN_T(a·w) (B3);
   * with given statistics dx = RN_T(a·dy) (B4).
   *
   * @param dy outer × channels × inner values
   * @param x as many values, of either type
   * @param normalisation that of all channels
   * @param parameters from {@link #gradientParameters} with the same statistics
   * @param dx as many values, of either type, which decides T; may be dy or x itself
   * @throws IllegalArgumentException if sizes do not fit each other
   */
  public final void inputGradient(
      Values dy,
      Values x,
      View view,
      Normalisation normalisation,
      GradientParameters parameters,
      int firstChannel,
      Values dx) {
    Statistics statistics = normalisation.statistics();
    checkChunk("dy", dy, view);
    checkChunk("x", x, view);
    checkChunk("dx", dx, view);
    checkWritable("dx", dx);
    checkChannels(view, firstChannel, statistics.channels());
    if (parameters.k1().length != statistics.channels()) {
      throw new IllegalArgumentException(
          "gradient parameters: expected "
              + statistics.channels()
              + " channels (the statistics'), found "
              + parameters.k1().length);
    }
    double[] scale = normalisation.a();
    if (statistics.given()) {
      doFrozenInputGradient(dy, view, scale, firstChannel, dx);
    } else {
      doInputGradient(dy, x, view, statistics, scale, parameters, firstChannel, dx);
    }
  }

  /**
   * As {@link #inputGradient(Values, Values, View, Normalisation, GradientParameters, int,
   * Values)}, for a single chunk.
   */
  public final void inputGradient(
      Values dy,
      Values x,
      View view,
      Statistics statistics,
      Affine affine,
      GradientParameters parameters,
      int firstChannel,
      Values dx) {
    Normalisation normalisation = Normalisation.of(statistics, affine);
    inputGradient(dy, x, view, normalisation, parameters, firstChannel, dx);
  }

  /**
   * Multiplies a chunk: w' = RN_T(a·w), a = γ·inverse_std (R6), which is the pass of B4.
   *
   * @param weights outer × channels × inner values
   * @param normalisation that of all channels
   * @param folded as many values, of either type, which decides T; may be the weights themselves
   * @throws IllegalArgumentException if sizes do not fit each other
   */
  public final void scale(
      Values weights, View view, Normalisation normalisation, int firstChannel, Values folded) {
    checkChunk("weights", weights, view);
    checkChunk("folded", folded, view);
    checkWritable("folded", folded);
    checkChannels(view, firstChannel, normalisation.statistics().channels());
    doFrozenInputGradient(weights, view, normalisation.a(), firstChannel, folded);
  }

  /**
   * Normalises a batch in memory with its own statistics (F1–F5): the passes one after the other,
   * in one call.
   *
   * @param x outer × channels × inner values
   * @param eps ε
   * @param affine γ and β of all channels
   * @param y as many values, of either type, which decides T; may be x itself
   * @return the statistics
   * @throws IllegalArgumentException if sizes do not fit each other, ε is negative or not finite,
   *     or γ or β was given for another number of channels
   */
  public final Statistics forward(Values x, View view, double eps, Affine affine, Values y) {
    checkChunk("x", x, view);
    checkChunk("y", y, view);
    checkWritable("y", y);
    checkEps(eps);
    return doForward(x, view, eps, affine, y);
  }

  /**
   * The gradients of a batch in memory normalised with its own statistics (B1–B3): the passes one
   * after the other, in one call.
   *
   * @param dy outer × channels × inner values
   * @param x as many values, of either type
   * @param normalisation x's own statistics, and γ
   * @param dx as many values, of either type, which decides T; may be dy or x itself
   * @throws IllegalArgumentException if sizes do not fit each other, or the statistics are given
   *     ones or count other values
   */
  public final GradientParameters backward(
      Values dy, Values x, View view, Normalisation normalisation, Values dx) {
    Statistics statistics = normalisation.statistics();
    checkChunk("dy", dy, view);
    checkChunk("x", x, view);
    checkChunk("dx", dx, view);
    checkWritable("dx", dx);
    if (statistics.given()) {
      throw new IllegalArgumentException("statistics: expected a batch's own, found given ones");
    }
    if (statistics.channels() != view.channels()) {
      throw new IllegalArgumentException(
          "statistics: expected "
              + view.channels()
              + " channels ("
              + view
              + "), found "
              + statistics.channels());
    }
    for (int c = 0; c < view.channels(); c++) {
      checkCount(view.valuesPerChannel(), statistics, c);
    }
    return doBackward(dy, x, view, normalisation, dx);
  }

  /** {@link #forward} behind the door. */
  protected Statistics doForward(Values x, View view, double eps, Affine affine, Values y) {
    ExactSums sums = ExactSums.statistics(view.channels(), x.type());
    doAddStatistics(x, view, sums, 0);
    Statistics statistics = doParameters(sums, eps);
    Normalisation normalisation = Normalisation.of(statistics, affine);
    doNormalise(x, view, statistics, normalisation.a(), normalisation.beta(), 0, y);
    return statistics;
  }

  /** {@link #backward} behind the door. */
  protected GradientParameters doBackward(
      Values dy, Values x, View view, Normalisation normalisation, Values dx) {
    Statistics statistics = normalisation.statistics();
    ExactSums gradients = ExactSums.gradients(view.channels(), dy.type(), x.type());
    doAddGradientSums(dy, x, view, gradients, 0);
    GradientParameters parameters =
        doGradientParameters(gradients, statistics, x.type().gradientType());
    doInputGradient(dy, x, view, statistics, normalisation.a(), parameters, 0, dx);
    return parameters;
  }

  /** {@link #addStatistics} behind the door. */
  protected abstract void doAddStatistics(Values x, View view, ExactSums sums, int firstChannel);

  /** {@link #addGradientSums} behind the door. */
  protected abstract void doAddGradientSums(
      Values dy, Values x, View view, ExactSums sums, int firstChannel);

  /** {@link #parameters} behind the door. */
  protected abstract Statistics doParameters(ExactSums sums, double eps);

  /** {@link #unbiasedVariance} behind the door. */
  protected abstract double[] doUnbiasedVariance(ExactSums sums);

  /** {@link #givenParameters} behind the door. */
  protected abstract Statistics doGivenParameters(double[] mean, double[] variance, double eps);

  /** {@link #gradientParameters} behind the door. */
  protected abstract GradientParameters doGradientParameters(
      ExactSums gradients, Statistics statistics, DType type);

  /**
   * {@link #normalise} behind the door; {@code scale} is a and {@code shift} is β of all channels.
   */
  protected abstract void doNormalise(
      Values x,
      View view,
      Statistics statistics,
      double[] scale,
      double[] shift,
      int firstChannel,
      Values y);

  /** {@link #inputGradient} (B3) behind the door; {@code scale} is a of all channels. */
  protected abstract void doInputGradient(
      Values dy,
      Values x,
      View view,
      Statistics statistics,
      double[] scale,
      GradientParameters parameters,
      int firstChannel,
      Values dx);

  /**
   * {@link #inputGradient} (B4) and {@link #scale} behind the door; {@code scale} is a of all
   * channels.
   */
  protected abstract void doFrozenInputGradient(
      Values dy, View view, double[] scale, int firstChannel, Values dx);

  private static void checkChunk(String name, Values values, View view) {
    if (values.count() != view.count()) {
      throw new IllegalArgumentException(
          name + ": expected " + view.count() + " values (" + view + "), found " + values.count());
    }
  }

  private static void checkWritable(String name, Values values) {
    if (values.buffer().isReadOnly()) {
      throw new IllegalArgumentException(
          name + ": expected memory that may be written, found a read-only buffer");
    }
  }

  private static void checkChannels(View view, int firstChannel, int channels) {
    if (firstChannel < 0 || view.channels() > channels - firstChannel) {
      throw new IllegalArgumentException(
          "channels: expected a part of 0 to "
              + channels
              + ", found "
              + firstChannel
              + " to "
              + ((long) firstChannel + view.channels()));
    }
  }

  private static void checkCount(long found, Statistics statistics, int channel) {
    if (found != statistics.count()[channel]) {
      throw new IllegalArgumentException(
          "gradient sums: expected "
              + statistics.count()[channel]
              + " values (the statistics') at channel "
              + channel
              + ", found "
              + found);
    }
  }

  private static void check(String name, ExactSums found, ExactSums expected) {
    if (found.linear() != expected.linear() || found.product() != expected.product()) {
      throw new IllegalArgumentException(
          name
              + ": expected "
              + expected.linear()
              + " and "
              + expected.product()
              + ", found "
              + found.linear()
              + " and "
              + found.product());
    }
  }

  /**
   * Refuses an ε that is negative or not finite.
   *
   * @throws IllegalArgumentException if it is
   */
  public static void checkEps(double eps) {
    if (!(eps >= 0 && eps < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "eps: expected a finite number ≥ 0, found " + Decimals.text(eps));
    }
  }
}
