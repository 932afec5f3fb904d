package dev.batchnorm;

import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Batch normalization of arrays, chunks and files: the same bits from every engine, thread count,
 * layout, row order and chunking. Immutable and safe for use by several threads.
 *
 * <pre>{@code
 * BatchNorm norm = BatchNorm.builder().gamma(1.5, 0.5).beta(0, 1).build();
 * Forward forward = norm.forward(Batch.of(Shape.of(Layout.NC, 3, 2), 1f, 2f, 3f, 4f, 5f, 6f));
 * }</pre>
 *
 * <p>Three ways to feed it, all giving the same bits:
 *
 * <ul>
 *   <li>a {@link Batch} in memory: {@link #forward(Batch)}, {@link #infer(Batch, Statistics)},
 *       {@link #backward(Batch, Batch)}, or into memory of yours: {@link #forward(Batch, Batch)},
 *       {@link #infer(Batch, Statistics, Batch)}, {@link #backward(Batch, Batch, Statistics,
 *       Batch)};
 *   <li>a {@link Source} and a {@link Sink}, such as files larger than memory: the same verbs,
 *       chunk by chunk;
 *   <li>your own chunks: {@link #sums}, {@link ExactSums#merge}, {@link #statistics(ExactSums)},
 *       {@link #normalise}.
 * </ul>
 *
 * <p>Values that are not finite spoil their own channel and no other (training), or their own
 * element (inference). Arguments that do not fit each other are an {@link IllegalArgumentException}
 * naming both sides.
 *
 * <p>Source: Ioffe and Szegedy, Batch Normalization, 2015, Algorithms 1 and 2; equations F1–F6,
 * B1–B4, R6 and R7 in docs/math.md.
 */
public final class BatchNorm {
  private final Engine engine;
  private final Convention convention;
  private final Momentum momentum;
  private final double eps;
  private final Affine affine;
  private final @Nullable DType outputType;

  private BatchNorm(Builder builder) {
    convention = builder.convention;
    engine = builder.engine != null ? builder.engine : Engines.preferred();
    momentum = builder.momentum != null ? builder.momentum : convention.momentum();
    eps = builder.eps != null ? builder.eps : convention.eps();
    affine = builder.affine;
    outputType = builder.outputType;
  }

  /** Settings with PyTorch's defaults: ε = 1e-5, γ = 1, β = 0, the fastest engine available. */
  public static Builder builder() {
    return new Builder();
  }

  /** The engine that computes. */
  public Engine engine() {
    return engine;
  }

  /** ε, added to the variance under the root. */
  public double eps() {
    return eps;
  }

  /** γ and β. */
  public Affine affine() {
    return affine;
  }

  /**
   * Normalises a batch with its own statistics (F1–F5).
   *
   * @param x any shape; needs m ≥ 1 to be useful, m = 0 gives an empty y and NaN statistics
   * @return y of x's shape, in x's type unless {@link Builder#outputType} was set, and the
   *     statistics
   * @throws IllegalArgumentException if γ or β was given for another number of channels
   */
  public Forward forward(Batch x) {
    Batch y = Batch.zeros(x.shape(), outputType != null ? outputType : x.type());
    return new Forward(y, forward(x, y));
  }

  /**
   * Normalises a batch with its own statistics (F1–F5) into memory of the caller.
   *
   * @param x any shape, as for {@link #forward(Batch)}
   * @param y overwritten, shape of x; its type decides T, whatever {@link Builder#outputType} says;
   *     may be x itself, but not overlap it otherwise
   * @return the statistics
   * @throws IllegalArgumentException if y has another shape or may not be written, or γ or β was
   *     given for another number of channels
   */
  public Statistics forward(Batch x, Batch y) {
    checkShapes("y", y, x);
    checkRoom(x);
    return engine.forward(x.values(), x.shape().view(), eps, affine, y.values());
  }

  /**
   * Normalises an array with its own statistics (F1–F5), chunk by chunk; x is read twice.
   *
   * @param y receives x's values normalised, in C order, in the sink's type
   * @return the statistics
   * @throws IllegalArgumentException if γ or β was given for another number of channels
   * @throws InputException if x cannot be read
   * @throws OutputException if y cannot be written
   */
  public Statistics forward(Source x, Sink y) {
    Statistics statistics = statistics(x);
    normalise(x, statistics, y, true);
    return statistics;
  }

  /**
   * Normalises a batch with given statistics (F3–F5).
   *
   * @param statistics from {@link #given}, or another batch's own
   * @return y of x's shape
   * @throws IllegalArgumentException if the statistics, γ or β are for another number of channels
   */
  public Batch infer(Batch x, Statistics statistics) {
    return normalise(x, statistics);
  }

  /**
   * Normalises a batch with given statistics (F3–F5) into memory of the caller.
   *
   * @param statistics from {@link #given}, or another batch's own
   * @param y overwritten, shape of x; its type decides T, whatever {@link Builder#outputType} says;
   *     may be x itself, but not overlap it otherwise
   * @throws IllegalArgumentException if y has another shape or may not be written, or the
   *     statistics, γ or β are for another number of channels
   */
  public void infer(Batch x, Statistics statistics, Batch y) {
    checkShapes("y", y, x);
    infer(x, statistics, new MemorySink(y.values()));
  }

  /**
   * Normalises an array with given statistics (F3–F5), chunk by chunk; x is read once.
   *
   * @throws IllegalArgumentException if the statistics, γ or β are for another number of channels
   */
  public void infer(Source x, Statistics statistics, Sink y) {
    normalise(x, statistics, y, false);
  }

  /**
   * F5.
   *
   * @param again whether x was just read to its end
   */
  private void normalise(Source x, Statistics statistics, Sink y, boolean again) {
    checkChannels(x, statistics);
    Normalisation normalisation = Normalisation.of(statistics, affine);
    Tiles.write(
        engine,
        List.of(x),
        y,
        again,
        (engine, values, tile, room) ->
            engine.normalise(values.get(0), tile.view(), normalisation, tile.firstChannel(), room));
  }

  /**
   * The gradients of a batch normalised with its own statistics (B1–B3), which are computed again
   * from x.
   *
   * @param dy the output gradient, shape of x
   * @throws IllegalArgumentException if dy has another shape, or γ another number of channels
   */
  public Gradients backward(Batch dy, Batch x) {
    return backward(dy, x, statistics(x));
  }

  /**
   * The gradients of a batch: B1–B3 with its own statistics, B4 with {@link #given} ones.
   *
   * @param dy the output gradient, shape of x
   * @param statistics those that {@link #forward(Batch)} returned for x, or given ones
   * @throws IllegalArgumentException if dy has another shape, or the statistics or γ another number
   *     of channels, or the statistics count other values than x has
   */
  public Gradients backward(Batch dy, Batch x, Statistics statistics) {
    Batch dx = Batch.zeros(x.shape(), outputType != null ? outputType : x.type());
    GradientParameters parameters = backward(dy, x, statistics, dx);
    DType type = parameters.type();
    return new Gradients(dx, values(type, parameters.dgamma()), values(type, parameters.dbeta()));
  }

  /**
   * The gradients of a batch into memory of the caller: B1–B3 with its own statistics, B4 with
   * {@link #given} ones.
   *
   * @param dy the output gradient, shape of x
   * @param statistics those that {@link #forward(Batch, Batch)} returned for x, or given ones
   * @param dx overwritten, shape of x; its type decides T, whatever {@link Builder#outputType}
   *     says; may be dy or x itself, but not overlap them otherwise
   * @return dγ and dβ, and the coefficients of B3
   * @throws IllegalArgumentException if dy or dx has another shape, or dx may not be written, or
   *     the statistics or γ have another number of channels, or the statistics count other values
   *     than x has
   */
  public GradientParameters backward(Batch dy, Batch x, Statistics statistics, Batch dx) {
    checkShapes("dx", dx, x);
    if (statistics.given()) {
      return backward(dy, x, statistics, new MemorySink(dx.values()));
    }
    checkChannels(x, statistics);
    checkShapes("dy", dy, x);
    checkRoom(dy);
    Normalisation normalisation = Normalisation.of(statistics, affine);
    View view = x.shape().view();
    return engine.backward(dy.values(), x.values(), view, normalisation, dx.values());
  }

  /**
   * The gradients of an array, chunk by chunk: B1–B3 with its own statistics, B4 with {@link
   * #given} ones. Both sources are read twice.
   *
   * @param dx receives the input gradient in C order, in the sink's type
   * @return dγ and dβ, and the coefficients of B3
   * @throws IllegalArgumentException if dy has another shape, or the statistics or γ another number
   *     of channels, or the statistics count other values than x has
   */
  public GradientParameters backward(Source dy, Source x, Statistics statistics, Sink dx) {
    checkChannels(x, statistics);
    checkShapes("dy", dy, x);
    checkRoom(dy);
    checkRoom(x);
    ExactSums gradients =
        Tiles.sums(
            engine,
            List.of(dy, x),
            () -> ExactSums.gradients(x.shape().channels(), dy.type(), x.type()),
            (engine, values, tile, sums) ->
                engine.addGradientSums(
                    values.get(0), values.get(1), tile.view(), sums, tile.firstChannel()));
    GradientParameters parameters = engine.gradientParameters(gradients, statistics, x.type());
    Normalisation normalisation = Normalisation.of(statistics, affine);
    Tiles.write(
        engine,
        List.of(dy, x),
        dx,
        true,
        (engine, values, tile, room) ->
            engine.inputGradient(
                values.get(0),
                values.get(1),
                tile.view(),
                normalisation,
                parameters,
                tile.firstChannel(),
                room));
    return parameters;
  }

  /** The exact sums of an array, to be merged with those of others; x is read once. */
  public ExactSums sums(Source x) {
    if (x.hasGaps()) {
      Present present = new Present(x);
      ExactSums sums = sums(present);
      sums.leaveOut(present.absent());
      return sums;
    }
    checkRoom(x);
    return Tiles.sums(
        engine,
        List.of(x),
        () -> ExactSums.statistics(x.shape().channels(), x.type()),
        (engine, values, tile, sums) ->
            engine.addStatistics(values.get(0), tile.view(), sums, tile.firstChannel()));
  }

  /** An array's own statistics (F1–F3); x is read once. */
  public Statistics statistics(Source x) {
    return statistics(sums(x));
  }

  /**
   * The statistics of everything that was merged into the sums (F1–F3), each rounded once.
   *
   * @param sums those of {@link #sums}, merged or not; shared with the result, not copied
   */
  public Statistics statistics(ExactSums sums) {
    return engine.parameters(sums, eps);
  }

  /**
   * The unbiased variance of everything that was merged into the sums, RN((m·Σx² − (Σx)²) / (m·(m −
   * 1))) (F6); NaN for channels with fewer than 2 values.
   */
  public double[] unbiasedVariance(ExactSums sums) {
    if (Arrays.stream(sums.counts()).allMatch(m -> m >= 2)) {
      return engine.unbiasedVariance(sums);
    }
    ExactSums copy = ExactSums.merged(sums, ExactSums.statistics(sums.channels(), DType.F16));
    Arrays.setAll(copy.counts(), c -> Math.max(copy.counts()[c], 2)); // what the engines ask for
    double[] variance = engine.unbiasedVariance(copy);
    Arrays.setAll(variance, c -> sums.counts()[c] < 2 ? Double.NaN : variance[c]);
    return variance;
  }

  /**
   * Statistics to normalise with that were not computed from the batch.
   *
   * @param mean μ, one per channel
   * @param variance v, one per channel
   * @throws InputException if v + ε is negative, naming the channel
   */
  public Statistics given(double[] mean, double[] variance) {
    return engine.givenParameters(mean, variance, eps);
  }

  /** Normalises a chunk with statistics that may be those of more than the chunk (F5). */
  public Batch normalise(Batch chunk, Statistics statistics) {
    Batch y = Batch.zeros(chunk.shape(), outputType != null ? outputType : chunk.type());
    infer(chunk, statistics, y);
    return y;
  }

  /**
   * Folds this normalization with given statistics into a layer without bias (R6, R7).
   *
   * <pre>{@code
   * Statistics running = norm.given(runningMean, runningVariance);
   * Folded folded = norm.fold(Layer.conv(), weights, running);
   * }</pre>
   *
   * @param weights as the layer lays them out, whatever their channel axis; a value that is not
   *     finite spoils its own weight
   * @param statistics from {@link #given}, one channel per output channel of the layer
   * @throws IllegalArgumentException if the layer has no such weights, the statistics are a batch's
   *     own, or they, γ or β are for another number of channels
   */
  public Folded fold(Layer layer, Batch weights, Statistics statistics) {
    return fold(layer, weights, Values.allocate(DType.F64, statistics.channels()), statistics);
  }

  /**
   * Folds this normalization with given statistics into a layer (R6, R7).
   *
   * @param weights as the layer lays them out, whatever their channel axis; a value that is not
   *     finite spoils its own weight
   * @param bias b, one value per output channel, of any type
   * @param statistics from {@link #given}, one channel per output channel of the layer
   * @throws IllegalArgumentException if the layer has no such weights, the statistics are a batch's
   *     own, or they, the bias, γ or β are for another number of channels
   */
  public Folded fold(Layer layer, Batch weights, Values bias, Statistics statistics) {
    Batch folded = Batch.zeros(weights.shape(), outputType != null ? outputType : weights.type());
    foldWeights(layer, weights, statistics, new MemorySink(folded.values()));
    return new Folded(folded, foldBias(bias, statistics, folded.type()));
  }

  /**
   * The weights of a folded layer, chunk by chunk: w' = RN_T(a·w), a = γ·inverse_std of the
   * weight's output channel (R6); the weights are read once.
   *
   * @param weights as the layer lays them out, whatever their channel axis
   * @param statistics from {@link #given}, one channel per output channel of the layer
   * @param folded receives the weights in C order, in the sink's type, which is T
   * @throws IllegalArgumentException if the layer has no such weights, the statistics are a batch's
   *     own, or they, γ or β are for another number of channels
   * @throws InputException if the weights cannot be read
   * @throws OutputException if the folded ones cannot be written
   */
  public void foldWeights(Layer layer, Source weights, Statistics statistics, Sink folded) {
    Shape shape = layer.weights(weights.shape().sizes());
    checkGiven(statistics);
    if (statistics.channels() != layer.outputChannels(shape)) {
      throw new IllegalArgumentException(
          "statistics: expected "
              + layer.outputChannels(shape)
              + " channels (outputs of "
              + weights.name()
              + ", "
              + layer
              + ", shape "
              + shape
              + "), found "
              + statistics.channels());
    }
    Normalisation normalisation = Normalisation.of(statistics, affine);
    Source all = Samples.reshaped(weights, shape);
    boolean byGroups = layer.kind() == Layer.Kind.CONV_TRANSPOSE && layer.groups() > 1;
    int parts = byGroups ? layer.groups() : 1;
    long inputs = shape.sizes()[0] / parts;
    for (int group = 0; group < parts; group++) {
      Source part = byGroups ? all.samples(group * inputs, inputs) : all;
      int firstChannel = group * shape.channels();
      Tiles.write(
          engine,
          List.of(part),
          folded,
          false,
          (engine, values, tile, room) ->
              engine.scale(
                  values.get(0),
                  tile.view(),
                  normalisation,
                  firstChannel + tile.firstChannel(),
                  room));
    }
  }

  /**
   * The bias of a folded layer, b' = RN_T(fma(b − μ, a, β)): the layer's own bias normalised as F5
   * does it (R7).
   *
   * @param bias b, one value per channel, of any type; zeros for a layer that has none
   * @param statistics from {@link #given}
   * @param type T, that of the folded weights
   * @return a new array
   * @throws IllegalArgumentException if the statistics are a batch's own, or the bias, γ or β are
   *     for another number of channels
   */
  public Values foldBias(Values bias, Statistics statistics, DType type) {
    checkGiven(statistics);
    if (bias.count() != statistics.channels()) {
      throw new IllegalArgumentException(
          "bias: expected "
              + statistics.channels()
              + " values (channels of the statistics), found "
              + bias.count());
    }
    Values folded = Values.allocate(type, bias.count());
    View view = new View(1, bias.count(), 1);
    engine.normalise(bias, view, Normalisation.of(statistics, affine), 0, folded);
    return folded;
  }

  private static void checkGiven(Statistics statistics) {
    if (!statistics.given()) {
      throw new IllegalArgumentException("statistics: expected given ones, found a batch's own");
    }
  }

  /**
   * The running statistics after one more batch (F6).
   *
   * @param statistics the batch's own
   * @return {@code running} itself if the batch has no values
   * @throws InputException if the convention asks for the unbiased variance and a channel has one
   *     value
   * @throws IllegalArgumentException if the statistics are given ones, or channels differ
   */
  public RunningStatistics update(RunningStatistics running, Statistics statistics) {
    ExactSums sums = statistics.sums();
    if (sums == null) {
      throw new IllegalArgumentException("statistics: expected a batch's own, found given ones");
    }
    if (running.mean().length != statistics.channels()) {
      throw new IllegalArgumentException(
          "running statistics: expected "
              + statistics.channels()
              + " channels (the batch's), found "
              + running.mean().length);
    }
    if (statistics.channels() == 0 || statistics.count()[0] == 0) {
      return running;
    }
    if (convention.biasedRunningVariance()) {
      return running.updated(statistics.mean(), statistics.variance(), momentum);
    }
    if (statistics.count()[0] == 1) {
      throw new InputException(
          "running statistics: expected at least 2 values per channel, found 1",
          "the unbiased variance of one value does not exist; --convention onnx averages the biased one");
    }
    return running.updated(statistics.mean(), engine.unbiasedVariance(sums), momentum);
  }

  private static void checkRoom(Source x) {
    int most = ExactSums.mostChannels(x.type());
    if (x.shape().channels() > most) {
      throw new InputException(
          x.name()
              + ": expected at most "
              + most
              + " channels of "
              + x.type().label()
              + " (for their exact sums), found shape "
              + x.shape());
    }
  }

  private static void checkChannels(Source x, Statistics statistics) {
    if (statistics.channels() != x.shape().channels()) {
      throw new IllegalArgumentException(
          "statistics: expected "
              + x.shape().channels()
              + " channels ("
              + x.name()
              + ", shape "
              + x.shape()
              + "), found "
              + statistics.channels());
    }
  }

  private static void checkShapes(String name, Source array, Source x) {
    if (!array.shape().equals(x.shape())) {
      throw new IllegalArgumentException(
          name + ": expected shape " + x.shape() + " (" + x.name() + "), found " + array.shape());
    }
  }

  private static Values values(DType type, double[] exact) {
    Values values = Values.allocate(type, exact.length);
    for (int c = 0; c < exact.length; c++) {
      values.set(c, exact[c]);
    }
    return values;
  }

  /** Writes into memory without a copy: the room is the memory itself. */
  private static final class MemorySink implements Sink {
    private final Values values;
    private int written;
    private int lent;

    MemorySink(Values values) {
      this.values = values;
    }

    @Override
    public Values room(int count) {
      lent = count;
      return values.slice(written, count);
    }

    @Override
    public void commit() {
      written += lent;
      lent = 0;
    }
  }

  /** Collects the settings of a {@link BatchNorm}. */
  public static final class Builder {
    private Affine affine = Affine.IDENTITY;
    private Convention convention = Convention.PYTORCH;
    private @Nullable Engine engine;
    private @Nullable Double eps;
    private @Nullable Momentum momentum;
    private @Nullable DType outputType;

    private Builder() {}

    /**
     * Sets γ, 1 unless set.
     *
     * @param gamma one finite value per channel, or a single one for all channels
     */
    public Builder gamma(double... gamma) {
      affine = affine.withGamma(gamma);
      return this;
    }

    /**
     * Sets β, 0 unless set.
     *
     * @param beta one finite value per channel, or a single one for all channels
     * @throws IllegalArgumentException if there is none, or one is not finite
     */
    public Builder beta(double... beta) {
      affine = affine.withBeta(beta);
      return this;
    }

    /** Sets γ and β. */
    public Builder affine(Affine affine) {
      this.affine = affine;
      return this;
    }

    /**
     * Sets ε, the convention's unless set.
     *
     * @throws IllegalArgumentException if ε is negative or not finite
     */
    public Builder eps(double eps) {
      Engine.checkEps(eps);
      this.eps = eps;
      return this;
    }

    /** Sets the momentum of running statistics, the convention's unless set. */
    public Builder momentum(Momentum momentum) {
      this.momentum = momentum;
      return this;
    }

    /**
     * Sets the defaults of ε and momentum and the meaning of the running variance; PyTorch's unless
     * set.
     */
    public Builder convention(Convention convention) {
      this.convention = convention;
      return this;
    }

    /** Sets the engine; the one {@code auto} takes unless set. */
    public Builder engine(Engine engine) {
      this.engine = engine;
      return this;
    }

    /** Sets T, the type of the y and dx made for batches in memory; x's type unless set. */
    public Builder outputType(DType outputType) {
      this.outputType = outputType;
      return this;
    }

    /**
     * The settings, ready to compute.
     *
     * @throws EngineUnavailableException if no engine was set and none can run here
     */
    public BatchNorm build() {
      return new BatchNorm(this);
    }
  }
}
