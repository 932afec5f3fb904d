package dev.batchnorm.audit;

import dev.batchnorm.Affine;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.Convention;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Momentum;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.View.Block;
import dev.batchnorm.engine.Engine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Judges another implementation's results against the exact ones. Each value may be off by what the
 * arithmetic of a plain kernel of its type explains on this data (docs/math.md, What a plain kernel
 * may be off); f16 arrays are taken to be computed in f32. Where arrays do not fit, the conventions
 * and mistakes of {@link Cause}, alone and two at a time, are tried on them.
 *
 * <pre>{@code
 * AuditReport report = Audit.of(x).affine(affine).add(Output.Y, theirs).run();
 * report.passed();
 * report.explanations().get(0).labels(); // [unbiased_variance]
 * }</pre>
 *
 * <p>Arrays are read chunk by chunk, several times; memory is needed for channels, not for values.
 */
public final class Audit {
  private final Source x;
  private final Map<Output, Theirs> theirs = new EnumMap<>(Output.class);
  private Affine affine = Affine.IDENTITY;
  private Convention convention = Convention.PYTORCH;
  private @Nullable Momentum momentum;
  private @Nullable Double eps;
  private @Nullable Engine engine;
  private @Nullable Source dy;
  private @Nullable RunningStatistics before;
  private boolean frozen;

  private Audit(Source x) {
    this.x = x;
  }

  /** An audit of what an implementation made of x. */
  public static Audit of(Source x) {
    return new Audit(x);
  }

  /** Sets γ and β; 1 and 0 unless set. */
  public Audit affine(Affine parameters) {
    affine = parameters;
    return this;
  }

  /** Sets ε; the convention's unless set. */
  public Audit eps(double value) {
    Engine.checkEps(value);
    eps = value;
    return this;
  }

  /** Sets the convention the implementation should follow; PyTorch's unless set. */
  public Audit convention(Convention followed) {
    convention = followed;
    return this;
  }

  /** Sets the momentum of running statistics; the convention's unless set. */
  public Audit momentum(Momentum weight) {
    momentum = weight;
    return this;
  }

  /** Sets the engine that computes the truth; the one {@code auto} takes unless set. */
  public Audit engine(Engine computing) {
    engine = computing;
    return this;
  }

  /** Sets the output gradient, shape of x; needed for dx, dγ and dβ. */
  public Audit dy(Source gradient) {
    requireShape("dy", gradient);
    dy = gradient;
    return this;
  }

  /** Sets the running statistics before the batch; needed for those after it. */
  public Audit running(RunningStatistics statistics) {
    requireChannels("running statistics", statistics.mean().length);
    before = statistics;
    return this;
  }

  /** Sets statistics that should have been normalised with, instead of the batch's own. */
  public Audit frozen(RunningStatistics statistics) {
    running(statistics);
    frozen = true;
    return this;
  }

  /**
   * Adds an array with one value for each of x.
   *
   * @param output {@link Output#Y} or {@link Output#DX}
   * @param array theirs; of another shape than x it is judged to fail
   */
  public Audit add(Output output, Source array) {
    if (!output.isElementwise()) {
      throw new IllegalArgumentException(
          output.label() + ": expected one value a channel, found " + array.name());
    }
    theirs.put(output, Theirs.of(output, array));
    return this;
  }

  /**
   * Adds an array with one value for each channel.
   *
   * @param output any but {@link Output#Y} and {@link Output#DX}
   * @param name what reports call the array
   * @param type that of the values; its arithmetic is what they are judged by
   * @param values theirs; of another number than x has channels they are judged to fail
   */
  public Audit add(Output output, String name, DType type, double[] values) {
    if (output.isElementwise()) {
      throw new IllegalArgumentException(
          output.label() + ": expected an array of x's shape, found " + name);
    }
    theirs.put(output, Theirs.of(output, name, type, values));
    return this;
  }

  private void requireShape(String name, Source array) {
    if (!array.shape().equals(x.shape())) {
      throw new IllegalArgumentException(
          name + ": expected shape " + x.shape() + " (" + x.name() + "), found " + array.shape());
    }
  }

  private void requireChannels(String name, int found) {
    if (found != x.shape().channels()) {
      throw new IllegalArgumentException(
          name
              + ": expected "
              + x.shape().channels()
              + " channels ("
              + x.name()
              + ", shape "
              + x.shape()
              + "), found "
              + found);
    }
  }

  /**
   * Judges everything that was added.
   *
   * @throws IllegalStateException if gradients were added without dy, running statistics without
   *     those before the batch, or nothing at all
   * @throws dev.batchnorm.InputException if an array cannot be read, or v + ε is negative
   */
  public AuditReport run() {
    requireInputs();
    BatchNorm.Builder builder = BatchNorm.builder().convention(convention).affine(affine);
    if (eps != null) {
      builder.eps(eps);
    }
    if (momentum != null) {
      builder.momentum(momentum);
    }
    if (engine != null) {
      builder.engine(engine);
    }
    BatchNorm norm = builder.build();
    Subject subject = subject(norm);
    Map<Theirs, Judgement> judged = new LinkedHashMap<>();
    for (Theirs array : theirs.values()) {
      judged.put(array, judge(subject, array));
    }
    List<Explanation> explanations =
        judged.values().stream().allMatch(j -> j.passed() && j.careful())
            ? List.of()
            : new Diagnosis(subject, x, dy).of(judged);
    return new AuditReport(new ArrayList<>(judged.values()), explanations);
  }

  private void requireInputs() {
    if (theirs.isEmpty()) {
      throw new IllegalStateException("audit: expected at least one array, found none");
    }
    for (Output output : theirs.keySet()) {
      switch (output) {
        case DX, DGAMMA, DBETA -> {
          if (dy == null) {
            throw new IllegalStateException(output.label() + ": expected dy beside it, found none");
          }
        }
        case RUNNING_MEAN, RUNNING_VARIANCE -> {
          if (before == null || frozen) {
            throw new IllegalStateException(
                output.label()
                    + ": expected "
                    + (frozen ? "statistics of the batch" : "running statistics before the batch")
                    + ", found "
                    + (frozen ? "frozen ones" : "none"));
          }
        }
        case MEAN, VARIANCE, INVERSE_STD, Y -> {}
      }
    }
  }

  private Subject subject(BatchNorm norm) {
    Statistics own = norm.statistics(x);
    GradientParameters gradients = dy == null ? null : gradients(norm.engine(), own, dy);
    RunningStatistics old =
        before != null ? before : new RunningStatistics(new double[0], new double[0], 0);
    boolean updates = before != null && !frozen && x.shape().view().valuesPerChannel() > 1;
    RunningStatistics after = updates ? norm.update(old, own) : old;
    Momentum weight = momentum != null ? momentum : convention.momentum();
    if (frozen) {
      norm.given(old.mean(), old.variance()); // refuses what has no root
    }
    int channels = x.shape().channels();
    return new Subject(
        x.type(),
        Facts.ofChannels(x, own, dy, gradients),
        frozen,
        norm.eps(),
        affine.gamma(channels),
        affine.beta(channels),
        old.mean(),
        old.variance(),
        updates ? after.mean() : new double[0],
        updates ? after.variance() : new double[0],
        weight.keep(old.batches() + 1),
        weight.take(old.batches() + 1),
        weight.weighsOld(),
        convention.biasedRunningVariance());
  }

  /** Σdy and the sums behind dγ, in binary64 whatever the type of x. */
  private GradientParameters gradients(Engine by, Statistics own, Source gradient) {
    ExactSums sums = ExactSums.gradients(x.shape().channels(), gradient.type(), x.type());
    long limit = Math.min(x.chunkLimit(), gradient.chunkLimit());
    for (Block block : x.shape().view().blocks(Math.min(limit, 1 << 20))) {
      int count = (int) block.view().count();
      by.addGradientSums(
          gradient.chunk(block.offset(), count),
          x.chunk(block.offset(), count),
          block.view(),
          sums,
          block.firstChannel());
    }
    return by.gradientParameters(sums, own, DType.F64);
  }

  private Judgement judge(Subject subject, Theirs array) {
    String unlike = unlike(array);
    if (unlike != null) {
      return Judgement.unlike(array.output(), array.name(), array.type(), array.sizes(), unlike);
    }
    Judgement.Collector collector =
        new Judgement.Collector(
            array.output(), array.name(), array.type(), array.sizes(), x.shape().channels());
    Kernel plain = new Kernel(subject);
    Kernel careful = new Kernel(subject);
    if (array.output().isElementwise()) {
      judgeElements(array, plain, careful, collector);
      return collector.judgement();
    }
    for (int c = 0; c < array.perChannel().length; c++) {
      plain.at(c, c, array.type(), Roundoff.Order.ANY);
      plain.perChannel(array.output(), c, c, array.type());
      careful.at(c, c, array.type(), Roundoff.Order.CAREFUL);
      careful.perChannel(array.output(), c, c, array.type());
      collector.add(c, c, array.perChannel()[c], plain.value(), plain.bound(), careful.bound(), 0);
    }
    return collector.judgement();
  }

  private void judgeElements(
      Theirs array, Kernel plain, Kernel careful, Judgement.Collector collector) {
    boolean isY = array.output() == Output.Y;
    Source gradient = isY ? null : dy;
    DType type = array.type();
    double u = Roundoff.unit(type);
    Lines lines =
        Lines.through(
            x,
            gradient,
            array,
            plain,
            (c, values) -> {
              plain.element(c, c, values, type, Roundoff.Order.ANY);
              return Judgement.fits(values[1], plain.value(), plain.bound(), type);
            });
    Walk.over(
        x.shape(),
        array.beside(x, gradient),
        (index, c, values) -> {
          plain.element(c, c, values, type, Roundoff.Order.ANY);
          careful.element(c, c, values, type, Roundoff.Order.CAREFUL);
          double lineShare = lines.isOfMost(c) ? lines.share(c, c, values, u) : 0;
          collector.add(
              index, c, values[1], plain.value(), plain.bound(), careful.bound(), lineShare);
        });
  }

  private @Nullable String unlike(Theirs array) {
    if (array.elements() != null && !Arrays.equals(array.sizes(), x.shape().sizes())) {
      return "expected shape "
          + x.shape()
          + " ("
          + x.name()
          + "), found "
          + Shape.text(array.sizes());
    }
    int channels = x.shape().channels();
    if (array.elements() == null && array.perChannel().length != channels) {
      return "expected "
          + channels
          + (channels == 1 ? " value" : " values")
          + " (channels of "
          + x.name()
          + ", shape "
          + x.shape()
          + "), found "
          + array.perChannel().length;
    }
    return null;
  }
}
