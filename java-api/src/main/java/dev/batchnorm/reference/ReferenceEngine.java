package dev.batchnorm.reference;

import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.LinearAlgebra;
import java.util.Arrays;
import java.util.function.IntFunction;

/**
 * The passes as their equations, one value after the other. What this engine computes is right by
 * definition.
 */
final class ReferenceEngine extends Engine {
  /** Channels whose accumulators exist at once: 1.7 MB of them for f64. */
  private static final int CHANNELS_AT_ONCE = 1024;

  @Override
  public String name() {
    return "java";
  }

  @Override
  public String description() {
    return "reference, 1 thread";
  }

  @Override
  public LinearAlgebra linearAlgebra() {
    return new ReferenceLinearAlgebra();
  }

  @Override
  protected void doAddStatistics(Values x, View view, ExactSums sums, int firstChannel) {
    addSums(x, x, view, sums, firstChannel, 0);
  }

  @Override
  protected void doAddGradientSums(
      Values dy, Values x, View view, ExactSums sums, int firstChannel) {
    addSums(dy, x, view, sums, firstChannel, ExactSums.PRODUCT_NOT_FINITE);
  }

  /** Adds the count, Σa and Σa·b of each channel. */
  private static void addSums(
      Values a, Values b, View view, ExactSums sums, int firstChannel, int flagOfB) {
    boolean exactProduct = a.type() != DType.F64 && b.type() != DType.F64;
    Window us = new Window(a);
    Window vs = new Window(b);
    boolean squares = a == b;
    int inner = (int) view.inner();
    int most = Math.min(view.channels(), CHANNELS_AT_ONCE);
    Superaccumulator[] linear = accumulators(most, sums.linear());
    Superaccumulator[] product = accumulators(most, sums.product());
    for (int first = 0; first < view.channels(); first += CHANNELS_AT_ONCE) {
      int channels = Math.min(most, view.channels() - first);
      for (long o = 0; o < view.outer(); o++) {
        int at = (int) ((o * view.channels() + first) * view.inner());
        for (int c = 0; c < channels; c++) {
          for (int i = 0; i < inner; i++, at++) {
            double u = us.get(at);
            double v = squares ? u : vs.get(at);
            if (Double.isFinite(u) && Double.isFinite(v)) {
              linear[c].add(u);
              if (exactProduct) {
                product[c].add(u * v); // 24 + 24 bits
              } else {
                product[c].addProduct(u, v);
              }
            } else {
              sums.flags()[firstChannel + first + c] |=
                  flag(u) | (Double.isFinite(v) ? 0 : flagOfB);
              linear[c].add(Double.isFinite(u) ? u : 0);
            }
          }
        }
      }
      for (int c = 0; c < channels; c++) {
        int channel = firstChannel + first + c;
        sums.counts()[channel] += view.valuesPerChannel();
        sums.addLinear(channel, linear[c].drain(sums.linear()));
        sums.addProduct(channel, product[c].drain(sums.product()));
      }
    }
  }

  private static Superaccumulator[] accumulators(int channels, ExactSums.Register register) {
    Superaccumulator[] accumulators = new Superaccumulator[channels];
    Arrays.setAll(accumulators, c -> new Superaccumulator(register));
    return accumulators;
  }

  private static int flag(double value) {
    if (Double.isNaN(value)) {
      return ExactSums.NAN;
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? ExactSums.POSITIVE_INFINITY : ExactSums.NEGATIVE_INFINITY;
    }
    return 0;
  }

  /**
   * What a sum with values that are not finite is: NaN if there was one or both infinities, else
   * the infinity.
   */
  private static double sumOf(int flags) {
    return switch (flags & ~ExactSums.PRODUCT_NOT_FINITE) {
      case ExactSums.POSITIVE_INFINITY -> Double.POSITIVE_INFINITY;
      case ExactSums.NEGATIVE_INFINITY -> Double.NEGATIVE_INFINITY;
      default -> Double.NaN;
    };
  }

  @Override
  protected Statistics doParameters(ExactSums sums, double eps) {
    int channels = sums.channels();
    double[] mean = new double[channels];
    double[] meanLo = new double[channels];
    double[] variance = new double[channels];
    double[] inverseStd = new double[channels];
    for (int c = 0; c < channels; c++) {
      if (sums.flags()[c] != 0 || sums.counts()[c] == 0) {
        mean[c] = sums.counts()[c] == 0 ? Double.NaN : sumOf(sums.flags()[c]);
        meanLo[c] = variance[c] = inverseStd[c] = Double.NaN;
        continue;
      }
      Dyadic m = Dyadic.of(sums.counts()[c]);
      Dyadic sum = linear(sums, c);
      Dyadic spread = spread(sums, c);
      Dyadic spreadPlusEps = spread.plus(Dyadic.of(eps).times(m.times(m)));
      mean[c] = Rounding.ratio(sum, m, DType.F64); // (F1)
      meanLo[c] = Rounding.ratio(sum.minus(Dyadic.of(mean[c]).times(m)), m, DType.F64);
      variance[c] = Rounding.ratio(spread, m.times(m), DType.F64); // (F2)
      inverseStd[c] = // (F3) 1/√(V + ε) = m/√(m²·(V + ε))
          spreadPlusEps.signum() == 0
              ? Double.POSITIVE_INFINITY
              : Rounding.ratioToRoot(m, spreadPlusEps, DType.F64);
    }
    return new Statistics(mean, meanLo, variance, inverseStd, sums.counts().clone(), eps, sums);
  }

  private static Dyadic linear(ExactSums sums, int channel) {
    return new Dyadic(sums.linearSum(channel), sums.linear().lowest());
  }

  private static Dyadic product(ExactSums sums, int channel) {
    return new Dyadic(sums.productSum(channel), sums.product().lowest());
  }

  /** m²·V = m·Σx² − (Σx)² of a channel (F2). */
  private static Dyadic spread(ExactSums sums, int channel) {
    Dyadic sum = linear(sums, channel);
    return Dyadic.of(sums.counts()[channel]).times(product(sums, channel)).minus(sum.times(sum));
  }

  @Override
  protected double[] doUnbiasedVariance(ExactSums sums) {
    double[] variance = new double[sums.channels()];
    for (int c = 0; c < variance.length; c++) {
      Dyadic m = Dyadic.of(sums.counts()[c]);
      variance[c] =
          sums.flags()[c] != 0
              ? Double.NaN
              : Rounding.ratio(spread(sums, c), m.times(m.minus(Dyadic.of(1))), DType.F64); // (F6)
    }
    return variance;
  }

  @Override
  protected Statistics doGivenParameters(double[] mean, double[] variance, double eps) {
    int channels = mean.length;
    double[] inverseStd = new double[channels];
    for (int c = 0; c < channels; c++) {
      if (!Double.isFinite(variance[c])) {
        inverseStd[c] = variance[c] == Double.POSITIVE_INFINITY ? 0.0 : Double.NaN;
        continue;
      }
      Dyadic variancePlusEps = Dyadic.of(variance[c]).plus(Dyadic.of(eps));
      inverseStd[c] = // (F3)
          variancePlusEps.signum() == 0
              ? Double.POSITIVE_INFINITY
              : Rounding.ratioToRoot(Dyadic.of(1), variancePlusEps, DType.F64);
    }
    return new Statistics(
        mean, new double[channels], variance, inverseStd, new long[channels], eps, null);
  }

  @Override
  protected GradientParameters doGradientParameters(
      ExactSums gradients, Statistics statistics, DType type) {
    int channels = gradients.channels();
    double[] k1 = new double[channels];
    double[] k1Lo = new double[channels];
    double[] k2 = new double[channels];
    double[] dgamma = new double[channels];
    double[] dbeta = new double[channels];
    ExactSums sums = statistics.sums();
    for (int c = 0; c < channels; c++) {
      int flags = gradients.flags()[c];
      dbeta[c] = // (B1)
          gradients.linearIsFinite(c)
              ? Rounding.ratio(linear(gradients, c), Dyadic.of(1), type)
              : sumOf(flags);
      if (sums == null) {
        dgamma[c] = flags == 0 ? frozenScaleGradient(gradients, statistics, c, type) : Double.NaN;
        continue;
      }
      if (sums.counts()[c] == 0) {
        continue; // no values: every gradient is +0
      }
      if (flags != 0 || sums.flags()[c] != 0) {
        k1[c] = k1Lo[c] = k2[c] = dgamma[c] = Double.NaN;
        continue;
      }
      Dyadic m = Dyadic.of(sums.counts()[c]);
      Dyadic sumDy = linear(gradients, c);
      k1[c] = Rounding.ratio(sumDy, m, DType.F64); // (B3)
      k1Lo[c] = Rounding.ratio(sumDy.minus(Dyadic.of(k1[c]).times(m)), m, DType.F64);
      Dyadic spreadPlusEps = spread(sums, c).plus(Dyadic.of(statistics.eps()).times(m.times(m)));
      if (spreadPlusEps.signum() != 0) {
        // m·B = m·Σdy·x − Σx·Σdy
        Dyadic b = m.times(product(gradients, c)).minus(linear(sums, c).times(sumDy));
        dgamma[c] =
            Rounding.ratioToRoot(b, spreadPlusEps, type); // (B2) B/√(V + ε) = m·B/√(m²·(V + ε))
        k2[c] =
            Rounding.ratio(b, spreadPlusEps, DType.F64); // (B3) B/(m·(V + ε)) = m·B/(m²·(V + ε))
      }
    }
    return new GradientParameters(k1, k1Lo, k2, dgamma, dbeta, type);
  }

  /** (B4) dγ = RN_T((Σdy·x − μ·Σdy)/√(v + ε)); where v + ε is 0 or infinite, as IEEE divides. */
  private static double frozenScaleGradient(
      ExactSums gradients, Statistics given, int channel, DType type) {
    double mean = given.mean()[channel];
    double variance = given.variance()[channel];
    if (!Double.isFinite(mean) || Double.isNaN(variance)) {
      return Double.NaN;
    }
    Dyadic b = product(gradients, channel).minus(Dyadic.of(mean).times(linear(gradients, channel)));
    if (variance == Double.POSITIVE_INFINITY) {
      return b.signum() * 0.0;
    }
    Dyadic variancePlusEps = Dyadic.of(variance).plus(Dyadic.of(given.eps()));
    return variancePlusEps.signum() == 0
        ? b.signum() / 0.0
        : Rounding.ratioToRoot(b, variancePlusEps, type);
  }

  @Override
  protected void doNormalise(
      Values x,
      View view,
      Statistics statistics,
      double[] scale,
      double[] shift,
      int firstChannel,
      Values y) {
    Window xs = new Window(x);
    forEach(
        view,
        firstChannel,
        y,
        c -> {
          double mean = statistics.mean()[c];
          double meanLo = statistics.meanLo()[c];
          double a = scale[c];
          double beta = shift[c];
          return at -> {
            double d = (xs.get(at) - mean) - meanLo;
            return Math.fma(d, a, beta); // (F5)
          };
        });
  }

  @Override
  protected void doInputGradient(
      Values dy,
      Values x,
      View view,
      Statistics statistics,
      double[] scale,
      GradientParameters parameters,
      int firstChannel,
      Values dx) {
    Window dys = new Window(dy);
    Window xs = new Window(x);
    forEach(
        view,
        firstChannel,
        dx,
        c -> {
          double mean = statistics.mean()[c];
          double meanLo = statistics.meanLo()[c];
          double a = scale[c];
          double k1 = parameters.k1()[c];
          double k1Lo = parameters.k1Lo()[c];
          double k2 = parameters.k2()[c];
          return at -> {
            double d = (xs.get(at) - mean) - meanLo;
            double t = (dys.get(at) - k1) - k1Lo;
            double w = Math.fma(-d, k2, t);
            return a * w; // (B3)
          };
        });
  }

  @Override
  protected void doFrozenInputGradient(
      Values dy, View view, double[] scale, int firstChannel, Values dx) {
    Window dys = new Window(dy);
    forEach(
        view,
        firstChannel,
        dx,
        c -> {
          double a = scale[c];
          return at -> a * dys.get(at); // (B4)
        });
  }

  /** An element's computation, given its index in C order. */
  private interface Element {
    double compute(int index);
  }

  /** Rounds each element's result to the output, which may be an input: reading is ahead. */
  private static void forEach(
      View view, int firstChannel, Values output, IntFunction<Element> ofChannel) {
    Element[] elements = new Element[view.channels()];
    Arrays.setAll(elements, c -> ofChannel.apply(firstChannel + c));
    int inner = (int) view.inner();
    int at = 0;
    for (long o = 0; o < view.outer(); o++) {
      for (Element element : elements) {
        for (int i = 0; i < inner; i++, at++) {
          output.set(at, element.compute(at));
        }
      }
    }
  }
}
