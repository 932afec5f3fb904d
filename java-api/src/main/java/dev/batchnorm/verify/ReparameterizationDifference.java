package dev.batchnorm.verify;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.InputException;
import dev.batchnorm.Reparameterized;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.engine.Engines;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * How far X·Ŵ + b̂ is from BN(X·W) on data, and what the bounds on Ŵ and b̂ (R4, R5) allow: |x_r|ᵀ
 * times the bound of ŵ_k, plus the bound of b̂_k. Both sides are computed in pairs of binary64, so
 * that their own error is some 2⁻⁵⁰ of that.
 *
 * @param shape that of the outputs, m × k
 * @param compared how many outputs have a bound
 * @param unbounded how many have none, because the variance of their unit is within rounding of 0
 * @param exceeding how many outputs differ by more than their bound
 * @param worst the output whose difference is the largest share of its bound, the first of several;
 *     null if none has a bound
 */
public record ReparameterizationDifference(
    Shape shape, long compared, long unbounded, long exceeding, @Nullable Output worst) {

  /** Values of x that are read at once. */
  private static final int CHUNK = 1 << 16;

  /**
   * One output.
   *
   * @param index its place in C order
   * @param normalised what batch norm makes of X·W
   * @param difference of X·Ŵ + b̂ from it; 0 for two NaNs, NaN or infinite where one of them alone
   *     is not finite
   * @param bound the most that the difference may be
   */
  public record Output(long index, double normalised, double difference, double bound) {

    /** The difference over its bound; +∞ where it is not finite. */
    public double share() {
      double size = Math.abs(difference);
      double share = size == 0 ? 0 : size / bound;
      return Double.isNaN(share) ? Double.POSITIVE_INFINITY : share;
    }
  }

  /**
   * Measures the difference; x is read three times.
   *
   * @param w W, d × k, what was reparameterized
   * @param result Ŵ and b̂ with their bounds, of this x
   * @param affine γ and β that went into them
   * @param x m × d, channels on the last axis
   * @throws IllegalArgumentException if sizes do not fit each other
   * @throws InputException if x cannot be read
   */
  public static ReparameterizationDifference measure(
      Batch w, Reparameterized result, Affine affine, Source x) {
    int d = x.shape().channels();
    if (x.shape().view().inner() != 1
        || w.shape().view().outer() != d
        || w.shape().view().inner() != 1) {
      throw new IllegalArgumentException(
          "weights: expected " + d + " rows (" + x.name() + "), found shape " + w.shape());
    }
    return new Measurement(w, result, affine, x).run();
  }

  /** Whether no output differs by more than its bound. */
  public boolean passed() {
    return exceeding == 0;
  }

  /** A sum of products and numbers, in a pair of binary64 (Ogita, Rump and Oishi 2005, Dot2). */
  private static final class Sum {
    private double hi;
    private double lo;

    void clear() {
      hi = 0;
      lo = 0;
    }

    void add(double value) {
      double sum = hi + value;
      double part = sum - hi;
      lo += (hi - (sum - part)) + (value - part);
      hi = sum;
    }

    void addProduct(double a, double b) {
      double product = a * b;
      add(product);
      lo += Math.fma(a, b, -product);
    }

    /** Moves what fits into the leading part there. */
    void settle() {
      double sum = hi + lo;
      lo = (hi - sum) + lo;
      hi = sum;
    }

    void divide(double divisor) {
      double quotient = hi / divisor;
      lo = (Math.fma(-quotient, divisor, hi) + lo) / divisor;
      hi = quotient;
      settle();
    }

    /** Becomes its inverse root; 0 stays 0. */
    void invertRoot() {
      if (hi == 0) {
        return;
      }
      double root = 1 / Math.sqrt(hi);
      double square = root * root;
      double squareLo = Math.fma(root, root, -square);
      double left = Math.fma(-square, hi, 1) - squareLo * hi - square * lo; // 1 − root²·v
      hi = root;
      lo = root * left / 2;
      settle();
    }

    void times(double factor) {
      double product = hi * factor;
      lo = Math.fma(hi, factor, -product) + lo * factor;
      hi = product;
      settle();
    }
  }

  private static final class Measurement {
    private final int d;
    private final int units;
    private final long m;
    private final Source x;
    private final double[][] w;
    private final double[][] folded;
    private final double[][] bounds;
    private final boolean[] isBounded;

    /** NaN, although no variance of x exceeds binary64: no rounding explains it. */
    private final boolean[] isWrongNaN;

    private final double[] bias;
    private final double[] biasBound;
    private final double[] gamma;
    private final double[] beta;
    private final double eps;
    private final Statistics statistics;

    /** The centred row, in pairs. */
    private final double[] c;

    private final double[] cLo;

    private long compared;
    private long unbounded;
    private long exceeding;
    private @Nullable Output worst;

    Measurement(Batch w, Reparameterized result, Affine affine, Source x) {
      this.x = x;
      d = x.shape().channels();
      m = x.shape().view().outer();
      units = w.shape().channels();
      this.w = columns(w.values().toDoubles());
      folded = columns(result.weights().values().toDoubles());
      bounds = columns(result.weightsBound());
      bias = result.bias().toDoubles();
      biasBound = result.biasBound();
      isBounded = new boolean[units];
      for (int k = 0; k < units; k++) {
        boolean isFinite = Arrays.stream(bounds[k]).allMatch(Double::isFinite);
        isBounded[k] = isFinite && Double.isFinite(biasBound[k]);
      }
      gamma = affine.gamma(units);
      beta = affine.beta(units);
      eps = result.eps();
      BatchNorm norm = BatchNorm.builder().engine(Engines.named("java", 1)).eps(0).build();
      statistics = norm.statistics(x);
      boolean isFinite = Arrays.stream(statistics.variance()).allMatch(Double::isFinite);
      isWrongNaN = new boolean[units];
      for (int k = 0; k < units; k++) {
        boolean hasNaN = Arrays.stream(folded[k]).anyMatch(Double::isNaN) || Double.isNaN(bias[k]);
        isWrongNaN[k] = hasNaN && isFinite;
      }
      c = new double[d];
      cLo = new double[d];
    }

    private double[][] columns(double[] matrix) {
      double[][] columns = new double[units][d];
      for (int i = 0; i < d * units; i++) {
        columns[i % units][i / units] = matrix[i];
      }
      return columns;
    }

    /** Takes one row of x. */
    private interface RowTask {
      void run(long r, double[] row);
    }

    private void forRows(RowTask task) {
      int rows = Math.max(1, Math.min(CHUNK, x.chunkLimit()) / Math.max(d, 1));
      double[] row = new double[d];
      for (long first = 0; first < m; first += rows) {
        int count = (int) Math.min(rows, m - first);
        double[] values = x.chunk(first * d, count * d).toDoubles();
        for (int r = 0; r < count; r++) {
          System.arraycopy(values, r * d, row, 0, d);
          task.run(first + r, row);
        }
      }
    }

    private void centre(double[] row) {
      for (int i = 0; i < d; i++) {
        double mean = statistics.mean()[i];
        c[i] = row[i] - mean;
        double part = c[i] - row[i];
        cLo[i] = ((row[i] - (c[i] - part)) - (mean + part)) - statistics.meanLo()[i];
      }
    }

    /** z = wᵀc. */
    private void project(int k, Sum z) {
      z.clear();
      for (int i = 0; i < d; i++) {
        z.addProduct(c[i], w[k][i]);
        z.lo += cLo[i] * w[k][i];
      }
      z.settle();
    }

    ReparameterizationDifference run() {
      Sum[] scales = scales();
      Sum z = new Sum();
      Sum difference = new Sum();
      forRows(
          (r, row) -> {
            centre(row);
            for (int k = 0; k < units; k++) {
              project(k, z);
              judge(r, row, k, scales[k], z, difference);
            }
          });
      return new ReparameterizationDifference(
          Shape.withChannelAxis(1, m, units), compared, unbounded, exceeding, worst);
    }

    /** γ/√(Σz²/m + ε) of each unit; 0 where that has no divisor. */
    private Sum[] scales() {
      Sum[] scales = new Sum[units];
      Arrays.setAll(scales, k -> new Sum());
      Sum z = new Sum();
      forRows(
          (r, row) -> {
            centre(row);
            for (int k = 0; k < units; k++) {
              project(k, z);
              scales[k].addProduct(z.hi, z.hi);
              scales[k].lo += 2 * z.hi * z.lo;
            }
          });
      for (int k = 0; k < units; k++) {
        scales[k].settle();
        scales[k].divide((double) m);
        scales[k].add(eps);
        scales[k].settle();
        scales[k].invertRoot();
        scales[k].times(gamma[k]);
      }
      return scales;
    }

    private void judge(long r, double[] row, int k, Sum scale, Sum z, Sum difference) {
      double expected = scale.hi * z.hi;
      double expectedLo = Math.fma(scale.hi, z.hi, -expected) + (scale.hi * z.lo + scale.lo * z.hi);
      double bound = biasBound[k];
      difference.clear();
      for (int i = 0; i < d; i++) {
        difference.addProduct(row[i], folded[k][i]);
        bound += Math.abs(row[i]) * bounds[k][i];
      }
      difference.add(bias[k]);
      difference.add(-beta[k]);
      difference.add(-expected);
      difference.add(-expectedLo);
      difference.settle();
      boolean bothNaN = Double.isNaN(expected) && Double.isNaN(bias[k]);
      note(
          new Output(r * units + k, expected + beta[k], bothNaN ? 0 : difference.hi, bound),
          bothNaN || isBounded[k] || (isWrongNaN[k] && !Double.isNaN(expected)));
    }

    private void note(Output output, boolean hasBound) {
      if (!hasBound) {
        unbounded++;
        return;
      }
      compared++;
      if (!(output.share() <= 1)) {
        exceeding++;
      }
      if (worst == null || output.share() > worst.share()) {
        worst = output;
      }
    }
  }
}
