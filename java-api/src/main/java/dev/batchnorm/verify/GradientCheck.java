package dev.batchnorm.verify;

import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.InputException;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.verify.GradientReport.Channel;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Gradients against differences of the loss ℓ = Σ dy·y, taken in exact arithmetic: (ℓ(x + h·v) −
 * ℓ(x − h·v))/2h for single elements and for directions v of ±1, what ℓ rises by with γ and β, and
 * the identities that dx obeys. Every difference has a bound, derived from the roundings of B1–B4
 * (docs/math.md, Gradients against differences), and none is a guess.
 *
 * <p>A channel where dx = 0 would pass as well is mistrusted: dy constant, γ = 0, or dy in the span
 * of 1 and x̂ with ε = 0, where only noise could be compared.
 *
 * <pre>{@code
 * BatchNorm norm = BatchNorm.builder().gamma(2).build();
 * GradientReport report = new GradientCheck(norm).run(dy, x, norm.statistics(x));
 * }</pre>
 *
 * <p>Exact arithmetic is slow, some microseconds an element. So at most {@link #MOST_VALUES} values
 * are looked at, whole channels drawn from the seed, and at most {@link #MOST_ELEMENTS} of them are
 * moved alone.
 */
public final class GradientCheck {
  /** The most values of the channels that are checked. */
  public static final int MOST_VALUES = 1 << 18;

  /** The most elements that are moved alone, one a channel at least. */
  public static final int MOST_ELEMENTS = 1 << 14;

  /** The directions that each channel is moved along. */
  public static final int DIRECTIONS = 4;

  private final BatchNorm norm;
  private long seed = 1;
  private @Nullable DType type;
  private @Nullable Source dx;
  private @Nullable Values dgamma;
  private @Nullable Values dbeta;

  /** A check of the gradients that this layer computes. */
  public GradientCheck(BatchNorm norm) {
    this.norm = norm;
  }

  /** Sets the seed of directions, elements and channels; 1 unless set. */
  public GradientCheck seed(long seed) {
    this.seed = seed;
    return this;
  }

  /** Sets T, the type of dx; x's unless set. */
  public GradientCheck outputType(DType type) {
    this.type = type;
    return this;
  }

  /** Checks this dx, which has x's shape, in place of the layer's; its type is T. */
  public GradientCheck dx(Source dx) {
    this.dx = dx;
    return this;
  }

  /** Checks this dγ, one value per channel, in place of the layer's. */
  public GradientCheck dgamma(Values dgamma) {
    this.dgamma = dgamma;
    return this;
  }

  /** Checks this dβ, one value per channel, in place of the layer's. */
  public GradientCheck dbeta(Values dbeta) {
    this.dbeta = dbeta;
    return this;
  }

  /**
   * Computes the gradients and checks them. All arrays are read from the first value to the last.
   *
   * @param dy the output gradient, shape of x
   * @param statistics x's own (B1–B3), or given ones (B4)
   * @throws IllegalArgumentException if dy or dx has another shape, or statistics, γ, dγ or dβ
   *     another number of channels
   * @throws InputException if a channel has more than {@link #MOST_VALUES} values
   */
  public GradientReport run(Source dy, Source x, Statistics statistics) {
    int channels = x.shape().channels();
    check("dgamma", dgamma, channels);
    check("dbeta", dbeta, channels);
    ChannelSample sample = ChannelSample.of(x, seed);
    DType inputType = type != null ? type : x.type();
    ChannelSample.Collector own = sample.collector(x.shape(), inputType);
    GradientParameters parameters = norm.backward(dy, x, statistics, own);
    double[][] xs = sample.read(x);
    double[][] dys = sample.read(dy);
    double[][] dxs = dx != null ? sample.read(dx) : own.values;
    DType widest =
        x.type() == DType.F64 || dy.type() == DType.F64 ? DType.F64 : x.type(); // f16 and f32 alike
    double[] gamma = norm.affine().gamma(channels);
    List<Channel> found = new ArrayList<>();
    int sampled = sample.channels().length;
    int m = (int) x.shape().view().valuesPerChannel();
    int elements = sampled == 0 ? 0 : Math.min(m, MOST_ELEMENTS / sampled);
    for (int i = 0; i < sampled; i++) {
      int c = sample.channels()[i];
      Random random = new Random(seed * 0x9e3779b97f4a7c15L + c);
      ChannelGradients gradients =
          new ChannelGradients(
              xs[i],
              dys[i],
              gamma[c],
              statistics,
              c,
              widest,
              dxs[i],
              dx != null ? dx.type() : inputType,
              dgamma != null ? dgamma.get(c) : parameters.dgamma()[c],
              dgamma != null ? dgamma.type() : parameters.type(),
              dbeta != null ? dbeta.get(c) : parameters.dbeta()[c],
              dbeta != null ? dbeta.type() : parameters.type());
      int[] alone = elements(random, m, elements);
      found.add(gradients.check(alone, directions(random, m), j -> sample.index(c, j)));
    }
    return new GradientReport(channels, DIRECTIONS, elements, found);
  }

  private static void check(String name, @Nullable Values values, int channels) {
    if (values != null && values.count() != channels) {
      throw new IllegalArgumentException(
          name + ": expected " + channels + " values (one per channel), found " + values.count());
    }
  }

  /** All elements, or as many different ones as asked for. */
  private static int[] elements(Random random, int m, int count) {
    if (count == m) {
      return IntStream.range(0, m).toArray();
    }
    return random.ints(0, m).distinct().limit(count).sorted().toArray();
  }

  private static List<BitSet> directions(Random random, int m) {
    List<BitSet> directions = new ArrayList<>();
    for (int k = 0; k < DIRECTIONS; k++) {
      long[] words = new long[m / Long.SIZE + 1];
      for (int i = 0; i < words.length; i++) {
        words[i] = random.nextLong();
      }
      BitSet up = BitSet.valueOf(words);
      up.clear(m, words.length * Long.SIZE);
      directions.add(up);
    }
    return directions;
  }
}
