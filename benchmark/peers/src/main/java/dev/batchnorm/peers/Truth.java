package dev.batchnorm.peers;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.stream.IntStream;

/**
 * What a pass must give in some channels of a workload, to some 100 bits: parameters per channel in
 * 60 decimal digits from the reference engine's exact sums, elements in double-double.
 */
final class Truth {
  private static final MathContext DIGITS = new MathContext(60);
  private static final BigDecimal EPS = new BigDecimal(Workload.EPS);

  /** About how many values are looked at, and at most how many channels. */
  private static final long VALUES = 1 << 20;

  private static final int CHANNELS = 512;

  private final Workload work;
  private final Pass pass;
  private final int[] channels;
  private final double[] gamma;
  private final Batch x;
  private final Batch dy;
  private final ExactSums sums;
  private final ExactSums gradients;
  private final Channel[] exact;
  private final Engine reference = Engines.named("java", 1);

  /** y = scale·(x − mean), or dx = scale·((dy − meanOfDy) − slope·(x − mean)). */
  private record Channel(
      DoubleDouble scale, DoubleDouble mean, DoubleDouble meanOfDy, DoubleDouble slope) {}

  /**
   * How far a result is from the truth.
   *
   * @param ulps the largest distance, in units in the last place of the exact result
   * @param absolute the largest distance
   */
  record Errors(double ulps, double absolute) {}

  Truth(Workload work, Pass pass) {
    this.work = work;
    this.pass = pass;
    int all = work.view().channels();
    long some = Math.min(CHANNELS, Math.max(1, VALUES / work.view().valuesPerChannel()));
    int count = (int) Math.min(all, some);
    // The first, the last, and others evenly between.
    channels =
        IntStream.range(0, count)
            .map(i -> (int) ((all - 1L) * i / Math.max(1, count - 1)))
            .toArray();
    gamma = picked(work.gamma());
    x = sample(work.x().values());
    dy = sample(work.dy().values());
    View view = x.shape().view();
    sums = ExactSums.statistics(channels.length, work.type());
    gradients = ExactSums.gradients(channels.length, work.type(), work.type());
    if (pass != Pass.INFERENCE) {
      reference.addStatistics(x.values(), view, sums, 0);
    }
    if (pass == Pass.BACKWARD) {
      reference.addGradientSums(dy.values(), x.values(), view, gradients, 0);
    }
    exact =
        IntStream.range(0, channels.length)
            .mapToObj(i -> pass == Pass.INFERENCE ? given(i) : own(i))
            .toArray(Channel[]::new);
  }

  /** The channels looked at, as rows × channels. */
  private Batch sample(Values values) {
    View view = work.view();
    int rows = Math.toIntExact(view.valuesPerChannel());
    Batch sample = Batch.zeros(Shape.of(Layout.NC, rows, channels.length), values.type());
    int to = 0;
    for (long outer = 0; outer < view.outer(); outer++) {
      for (long inner = 0; inner < view.inner(); inner++) {
        for (int c : channels) {
          long from = (outer * view.channels() + c) * view.inner() + inner;
          sample.values().set(to++, values.get((int) from));
        }
      }
    }
    return sample;
  }

  private Channel given(int i) {
    BigDecimal v = new BigDecimal(work.variance()[channels[i]]);
    DoubleDouble mean = DoubleDouble.of(new BigDecimal(work.mean()[channels[i]]));
    return new Channel(scale(i, v), mean, DoubleDouble.ZERO, DoubleDouble.ZERO);
  }

  private Channel own(int i) {
    BigDecimal m = new BigDecimal(sums.counts()[i]);
    BigDecimal mean = exact(sums.linearSum(i), sums.linear()).divide(m, DIGITS);
    BigDecimal squares = exact(sums.productSum(i), sums.product()).divide(m, DIGITS);
    BigDecimal variance = squares.subtract(mean.pow(2));
    BigDecimal meanOfDy = exact(gradients.linearSum(i), gradients.linear()).divide(m, DIGITS);
    BigDecimal products = exact(gradients.productSum(i), gradients.product()).divide(m, DIGITS);
    BigDecimal covariance = products.subtract(mean.multiply(meanOfDy));
    return new Channel(
        scale(i, variance),
        DoubleDouble.of(mean),
        DoubleDouble.of(meanOfDy),
        DoubleDouble.of(covariance.divide(variance.add(EPS), DIGITS)));
  }

  private DoubleDouble scale(int i, BigDecimal variance) {
    BigDecimal std = variance.add(EPS).sqrt(DIGITS);
    return DoubleDouble.of(new BigDecimal(gamma[i]).divide(std, DIGITS));
  }

  private static BigDecimal exact(BigInteger sum, ExactSums.Register register) {
    return new BigDecimal(sum)
        .divide(new BigDecimal(BigInteger.TWO.pow(-register.lowest())), DIGITS);
  }

  /** The errors of a pass's output in the channels looked at; a NaN is an infinite one. */
  Errors errors(Values output) {
    Values found = sample(output).values();
    double ulps = 0;
    double absolute = 0;
    for (int i = 0; i < found.count(); i++) {
      DoubleDouble value = value(i);
      double distance = Math.abs(value.minus(DoubleDouble.of(found.get(i))).high());
      double error = Double.isNaN(distance) ? Double.POSITIVE_INFINITY : distance;
      absolute = Math.max(absolute, error);
      ulps = Math.max(ulps, error / ulp(value.high(), work.type()));
    }
    return new Errors(ulps, absolute);
  }

  private DoubleDouble value(int i) {
    Channel c = exact[i % channels.length];
    DoubleDouble d = DoubleDouble.of(x.values().get(i)).minus(c.mean);
    if (pass != Pass.BACKWARD) {
      return d.times(c.scale);
    }
    DoubleDouble t = DoubleDouble.of(dy.values().get(i)).minus(c.meanOfDy);
    return t.minus(d.times(c.slope)).times(c.scale);
  }

  /** The distance of neighbours of a type around a value. */
  private static double ulp(double value, DType type) {
    return switch (type) {
      case F16 -> Math.scalb(1.0, Math.max(Math.getExponent(value), -14) - 10);
      case F32 -> Math.scalb(1.0, Math.max(Math.getExponent(value), -126) - 23);
      case F64 -> Math.ulp(value);
    };
  }

  /** Whether an output has the reference engine's bits in the channels looked at. */
  boolean isReferences(Values output) {
    View view = x.shape().view();
    Affine affine = Affine.IDENTITY.withGamma(gamma);
    Statistics statistics =
        pass == Pass.INFERENCE
            ? reference.givenParameters(picked(work.mean()), picked(work.variance()), Workload.EPS)
            : reference.parameters(sums, Workload.EPS);
    Values expected = Values.allocate(work.type(), x.values().count());
    if (pass == Pass.BACKWARD) {
      GradientParameters parameters =
          reference.gradientParameters(gradients, statistics, work.type());
      reference.inputGradient(
          dy.values(), x.values(), view, statistics, affine, parameters, 0, expected);
    } else {
      reference.normalise(x.values(), view, statistics, affine, 0, expected);
    }
    Values found = sample(output).values();
    DType type = work.type();
    return IntStream.range(0, found.count())
        .allMatch(i -> type.bits(found.get(i)) == type.bits(expected.get(i)));
  }

  private double[] picked(double[] perChannel) {
    return IntStream.of(channels).mapToDouble(c -> perChannel[c]).toArray();
  }
}
