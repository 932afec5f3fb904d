package dev.batchnorm.verify;

import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.View;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/**
 * Batch normalization as others write it: plain arithmetic of one type, every operation rounded to
 * it, sums in a random order. What it gives for an {@link ExactCase} has no error left.
 */
final class NaiveKernel {
  /** How the variance and the sum behind dγ are computed. */
  enum Formula {
    TWO_PASS,
    ONE_PASS,
    /** Two passes, with fused operations wherever there is a product to add. */
    FUSED,
    /** Two passes, halves added to halves. */
    TREE
  }

  /** What may go wrong in a kernel, to be seen in its results. */
  enum Mistake {
    NONE,
    UNBIASED,
    LAST_VALUE_DROPPED,
    EPS_OUTSIDE,
    BETA_MISSING,
    NEXT_CHANNEL_GAMMA,
    ONE_ULP,
    SINGLE_TILE_MEAN
  }

  private final DType type;
  private final Formula formula;
  private final Mistake mistake;
  private final boolean coefficients;
  private final boolean reciprocal;
  private final boolean scaled;
  private final Random random;

  NaiveKernel(DType type, Formula formula, Mistake mistake, boolean reciprocal, long seed) {
    this.type = type;
    this.formula = formula;
    this.mistake = mistake;
    this.reciprocal = reciprocal;
    this.random = new Random(seed);
    this.coefficients = random.nextBoolean();
    this.scaled = random.nextBoolean();
  }

  /** The results by the names of {@link ExactCase.Answer}. */
  Map<String, double[]> run(ExactCase exact, View view) {
    Batch x = exact.x();
    Batch dy = exact.dy();
    int channels = view.channels();
    Map<String, double[]> out = new LinkedHashMap<>();
    for (String name :
        new String[] {"mean", "variance", "inverse_std", "dbeta", "dgamma", "frozen_dgamma"}) {
      out.put(name, new double[channels]);
    }
    for (String name : new String[] {"y", "dx", "infer_y", "frozen_dx"}) {
      out.put(name, new double[(int) view.count()]);
    }
    for (int c = 0; c < channels; c++) {
      channel(exact, view, c, x, dy, out);
    }
    return out;
  }

  private void channel(
      ExactCase exact, View view, int c, Batch x, Batch dy, Map<String, double[]> out) {
    int m = (int) view.valuesPerChannel();
    int[] at = new int[m];
    for (int i = 0; i < m; i++) {
      long inner = view.inner();
      at[i] = (int) ((i / inner * view.channels() + c) * inner + i % inner);
    }
    for (int i = m - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int other = at[i];
      at[i] = at[j];
      at[j] = other;
    }
    int summed = mistake == Mistake.LAST_VALUE_DROPPED ? m - 1 : m;
    double[] xs = new double[summed];
    double[] dys = new double[summed];
    double[] ones = new double[summed];
    for (int i = 0; i < summed; i++) {
      xs[i] = x.values().get(at[i]);
      dys[i] = dy.values().get(at[i]);
      ones[i] = 1;
    }
    double mean = share(sum(xs, ones), m);
    if (mistake == Mistake.SINGLE_TILE_MEAN) {
      mean = xs[0];
    }
    double[] d = new double[summed];
    for (int i = 0; i < summed; i++) {
      d[i] = minus(xs[i], mean);
    }
    boolean one = formula == Formula.ONE_PASS;
    double variance = one ? minus(share(sum(xs, xs), m), times(mean, mean)) : share(sum(d, d), m);
    if (mistake == Mistake.UNBIASED) {
      variance = type.round(sum(d, d) / (m - 1));
    }
    double s =
        mistake == Mistake.EPS_OUTSIDE
            ? type.round(1 / plus(type.round(Math.sqrt(variance)), exact.eps()))
            : type.round(1 / type.round(Math.sqrt(plus(variance, exact.eps()))));
    double dbeta = sum(dys, ones);
    double b = one ? minus(sum(dys, xs), times(mean, dbeta)) : sum(dys, d);
    double k1 = share(dbeta, m);
    double k2 = times(times(share(b, m), s), s);
    double gamma =
        exact.gamma()[mistake == Mistake.NEXT_CHANNEL_GAMMA ? (c + 1) % view.channels() : c];
    double beta = mistake == Mistake.BETA_MISSING ? 0 : exact.beta()[c];
    double a = times(gamma, s);
    double runningMean = exact.running().mean()[c];
    double v = plus(exact.running().variance()[c], exact.eps());
    double runningS = type.round(1 / type.round(Math.sqrt(v)));
    double runningA = times(gamma, runningS);
    double[] shifted = new double[summed];
    for (int i = 0; i < summed; i++) {
      shifted[i] = minus(xs[i], runningMean);
    }
    array(out, "mean")[c] = mean;
    array(out, "variance")[c] = variance;
    array(out, "inverse_std")[c] = s;
    array(out, "dbeta")[c] = dbeta;
    array(out, "dgamma")[c] = times(b, s);
    array(out, "frozen_dgamma")[c] = times(sum(dys, shifted), runningS);
    for (int i = 0; i < m; i++) {
      double value = x.values().get(at[i]);
      double gradient = dy.values().get(at[i]);
      array(out, "y")[at[i]] = y(value, mean, a, beta);
      array(out, "infer_y")[at[i]] = y(value, runningMean, runningA, beta);
      array(out, "frozen_dx")[at[i]] = times(runningA, gradient);
      array(out, "dx")[at[i]] =
          scaled && exact.scaledByCountIsExact()
              ? times(
                  type.round(a / m),
                  minus(
                      minus(times(m, gradient), dbeta),
                      times(times(minus(value, mean), s), times(b, s))))
              : coefficients
                  ? plus(
                      minus(times(a, gradient), times(times(a, k2), value)),
                      minus(times(times(a, k2), mean), times(a, k1)))
                  : times(a, minus(minus(gradient, k1), times(minus(value, mean), k2)));
    }
    if (mistake == Mistake.ONE_ULP) {
      array(out, "y")[at[0]] = Math.nextUp((float) array(out, "y")[at[0]]);
    }
  }

  private static double[] array(Map<String, double[]> out, String name) {
    double[] found = out.get(name);
    if (found == null) {
      throw new AssertionError(name);
    }
    return found;
  }

  private double y(double x, double mean, double a, double beta) {
    return coefficients
        ? plus(times(x, a), minus(beta, times(mean, a)))
        : formula == Formula.FUSED
            ? type == DType.F64
                ? Math.fma(minus(x, mean), a, beta)
                : type.round(minus(x, mean) * a + beta)
            : plus(times(minus(x, mean), a), beta);
  }

  private double share(double sum, int m) {
    return reciprocal ? times(sum, type.round(1.0 / m)) : type.round(sum / m);
  }

  private double sum(double[] left, double[] right) {
    return formula == Formula.TREE ? tree(left, right, 0, left.length) : along(left, right);
  }

  private double along(double[] left, double[] right) {
    double sum = 0;
    for (int i = 0; i < left.length; i++) {
      sum =
          formula == Formula.FUSED
              ? type == DType.F64
                  ? Math.fma(left[i], right[i], sum)
                  : type.round(left[i] * right[i] + sum)
              : plus(sum, times(left[i], right[i]));
    }
    return sum;
  }

  private double tree(double[] left, double[] right, int from, int to) {
    if (to - from < 2) {
      return to == from ? 0 : times(left[from], right[from]);
    }
    int middle = (from + to) >>> 1;
    return plus(tree(left, right, from, middle), tree(left, right, middle, to));
  }

  // One operation of two numbers of f16 or f32 in binary64, then rounded, is that of their type.
  private double plus(double a, double b) {
    return type.round(a + b);
  }

  private double minus(double a, double b) {
    return type.round(a - b);
  }

  private double times(double a, double b) {
    return type.round(a * b);
  }
}
