package dev.batchnorm.verify;

import dev.batchnorm.Affine;
import dev.batchnorm.DType;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.engine.Engine;
import java.util.Arrays;
import java.util.Locale;

/**
 * The variance as other kernels compute it: one thread, one value after the other in C order, every
 * operation rounded to the arithmetic, f32 or f64. It is here so that a failure met elsewhere can
 * be shown and recognised; nothing else in this project computes with it.
 *
 * <p>What does not depend on the formula is plain too: y = (x − mean)·inverse_std·γ + β,
 * inverse_std = 1/√(variance + ε), each operation rounded. A variance below −ε makes them NaN.
 *
 * <pre>{@code
 * PlainFormula.Moments moments = PlainFormula.ONE_PASS.moments(x, 1e-5, DType.F32);
 * }</pre>
 */
public enum PlainFormula {
  /**
   * V = Σx²/m − μ² with μ = Σx/m: the textbook's, one pass over the data. It loses about log10(1 +
   * μ²/V) digits, and V may come out negative.
   *
   * <p>Source: the blog post this project began with; warned of by Chan, Golub and LeVeque,
   * Algorithms for Computing the Sample Variance, 1983.
   */
  ONE_PASS,

  /**
   * V = max(Σx²/m − μ², 0): as {@link #ONE_PASS}, where the negative variance is hidden and not its
   * error.
   *
   * <p>Source: Flax, {@code use_fast_variance} of flax/linen/normalization.py, its default.
   */
  ONE_PASS_CLIPPED,

  /**
   * For the k-th value δ = x − μ, μ ← μ + δ/k, S ← S + δ·(x − μ), with the new μ in the last
   * factor; V = S/m.
   *
   * <p>Source: Welford, Note on a Method for Calculating Corrected Sums of Squares and Products,
   * Technometrics 4, 1962.
   */
  WELFORD,

  /**
   * V = Σ(x − μ)²/m with μ = Σx/m: two passes over the data.
   *
   * <p>Source: Chan, Golub and LeVeque 1983, the two-pass algorithm without the correction.
   */
  TWO_PASS;

  /** The name used on the command line and in messages, {@code one-pass-clipped}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Formula and arithmetic as in names of arrays: {@code one_pass_f32}. */
  public String nameIn(DType arithmetic) {
    return name().toLowerCase(Locale.ROOT) + "_" + arithmetic.label();
  }

  /** f64 for that, f32 for f32 and f16: kernels widen f16. */
  public static DType arithmeticOf(DType type) {
    return type == DType.F64 ? DType.F64 : DType.F32;
  }

  /**
   * The mean and variance of each channel; x is read once, for {@link #TWO_PASS} twice.
   *
   * @param x its values are rounded to the arithmetic
   * @param eps ε, rounded likewise
   * @param arithmetic f32 or f64
   * @throws IllegalArgumentException if the arithmetic is f16, or ε is negative or not finite
   */
  public Moments moments(Source x, double eps, DType arithmetic) {
    if (arithmetic == DType.F16) {
      throw new IllegalArgumentException("arithmetic: expected f32 or f64, found f16");
    }
    Engine.checkEps(eps);
    return new Summation(x.shape().channels(), arithmetic).run(x, eps);
  }

  /**
   * What a formula gave. Arrays have one value per channel and are shared, not copied.
   *
   * @param formula the formula
   * @param arithmetic what every operation was rounded to
   * @param mean μ
   * @param variance V, negative where the formula failed
   * @param inverseStd 1/√(V + ε); NaN where that is negative
   * @param count m, the same for all channels
   * @param eps ε, not rounded
   */
  public record Moments(
      PlainFormula formula,
      DType arithmetic,
      double[] mean,
      double[] variance,
      double[] inverseStd,
      long count,
      double eps) {

    /** In the form of given statistics, to be saved. */
    public Statistics statistics() {
      long[] counts = new long[mean.length];
      Arrays.fill(counts, count);
      return new Statistics(mean, new double[mean.length], variance, inverseStd, counts, eps, null);
    }

    /** The number of channels whose variance is negative. */
    public long negative() {
      return Arrays.stream(variance).filter(v -> v < 0).count();
    }

    /**
     * y = (x − mean)·inverse_std·γ + β, each operation rounded to the arithmetic, then to the type
     * of y; x is read once.
     *
     * @throws IllegalArgumentException if x, γ or β has another number of channels
     */
    public void normalise(Source x, Affine affine, Sink y) {
      if (x.shape().channels() != mean.length) {
        throw new IllegalArgumentException(
            x.name() + ": expected " + mean.length + " channels, found shape " + x.shape());
      }
      double[] gamma = affine.gamma(mean.length);
      double[] beta = affine.beta(mean.length);
      for (int c = 0; c < mean.length; c++) {
        gamma[c] = arithmetic.round(gamma[c]);
        beta[c] = arithmetic.round(beta[c]);
      }
      forEachChunk(
          x,
          (chunk, channels) -> {
            Values room = y.room(chunk.count());
            for (int i = 0; i < chunk.count(); i++) {
              int c = channels.of(i);
              double d = arithmetic.round(arithmetic.round(chunk.get(i)) - mean[c]);
              double xHat = arithmetic.round(d * inverseStd[c]);
              double scaled = arithmetic.round(xHat * gamma[c]);
              room.set(i, arithmetic.round(scaled + beta[c]));
            }
            y.commit();
          });
    }
  }

  /** Takes an array's values in C order. */
  private interface Chunks {
    void take(Values chunk, Channels channels);
  }

  /** The channel of each value of a chunk that begins at a place of the array. */
  private record Channels(View view, long first) {
    int of(int i) {
      return (int) ((first + i) / view.inner() % view.channels());
    }
  }

  private static void forEachChunk(Source x, Chunks chunks) {
    View view = x.shape().view();
    for (long first = 0; first < view.count(); ) {
      int count = (int) Math.min(view.count() - first, x.chunkLimit());
      chunks.take(x.chunk(first, count), new Channels(view, first));
      first += count;
    }
  }

  /**
   * The loops. Operations on f32 numbers are done in binary64 and rounded, which gives what f32
   * operations give: 53 ≥ 2·24 + 2 digits (Figueroa 1995).
   */
  private final class Summation {
    private final DType arithmetic;
    private final double[] mean;

    /** Σx², Welford's S, or Σ(x − μ)². */
    private final double[] squares;

    private final long[] seen;

    Summation(int channels, DType arithmetic) {
      this.arithmetic = arithmetic;
      mean = new double[channels];
      squares = new double[channels];
      seen = new long[channels];
    }

    private double r(double value) {
      return arithmetic.round(value);
    }

    Moments run(Source x, double eps) {
      long m = x.shape().view().valuesPerChannel();
      double count = r((double) m);
      forEach(x, this::add);
      if (PlainFormula.this != WELFORD) {
        Arrays.setAll(mean, c -> r(mean[c] / count));
      }
      if (PlainFormula.this == TWO_PASS) {
        forEach(x, this::addDeviation);
      }
      double[] variance = new double[mean.length];
      double[] inverseStd = new double[mean.length];
      for (int c = 0; c < mean.length; c++) {
        double v = r(squares[c] / count);
        variance[c] =
            canonical(
                switch (PlainFormula.this) {
                  case ONE_PASS -> r(v - r(mean[c] * mean[c]));
                  case ONE_PASS_CLIPPED -> Math.max(r(v - r(mean[c] * mean[c])), 0);
                  case WELFORD, TWO_PASS -> v;
                });
        mean[c] = canonical(m == 0 ? Double.NaN : mean[c]);
        inverseStd[c] = canonical(r(1 / r(Math.sqrt(r(variance[c] + r(eps))))));
      }
      return new Moments(PlainFormula.this, arithmetic, mean, variance, inverseStd, m, eps);
    }

    private interface Step {
      void take(int channel, double value);
    }

    private void forEach(Source x, Step step) {
      forEachChunk(
          x,
          (chunk, channels) -> {
            for (int i = 0; i < chunk.count(); i++) {
              step.take(channels.of(i), r(chunk.get(i)));
            }
          });
    }

    private void add(int c, double x) {
      switch (PlainFormula.this) {
        case ONE_PASS, ONE_PASS_CLIPPED -> {
          mean[c] = r(mean[c] + x);
          squares[c] = r(squares[c] + r(x * x));
        }
        case WELFORD -> {
          double delta = r(x - mean[c]);
          mean[c] = r(mean[c] + r(delta / r((double) ++seen[c])));
          squares[c] = r(squares[c] + r(delta * r(x - mean[c])));
        }
        case TWO_PASS -> mean[c] = r(mean[c] + x);
      }
    }

    private void addDeviation(int c, double x) {
      double d = r(x - mean[c]);
      squares[c] = r(squares[c] + r(d * d));
    }

    /** Every NaN written is the same one. */
    private static double canonical(double value) {
      return Double.isNaN(value) ? Double.NaN : value;
    }
  }
}
