package dev.batchnorm.verify;

import dev.batchnorm.DType;
import dev.batchnorm.Statistics;
import dev.batchnorm.verify.GradientReport.Channel;
import dev.batchnorm.verify.GradientReport.Check;
import dev.batchnorm.verify.GradientReport.Comparison;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntToLongFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The gradients of one channel beside its {@link ExactLoss}. */
final class ChannelGradients {
  /** What evaluating a bound in binary64 may cost. */
  private static final double SLACK = 1 + 0x1p-30;

  /** How many elements that are not finite are looked at beside the sample. */
  private static final int MOST_NOT_FINITE = 64;

  private final int channel;
  private final double[] x;
  private final double[] dy;
  private final double gamma;
  private final boolean frozen;
  private final double mean;
  private final double variance;
  private final double eps;
  private final DType inputs;
  private final double[] dx;
  private final DType type;
  private final double dgamma;
  private final DType dgammaType;
  private final double dbeta;
  private final DType dbetaType;

  /**
   * Gradients to be judged.
   *
   * @param statistics say whether they are frozen, at what, and ε
   * @param inputs f64 if x or dy is that
   */
  ChannelGradients(
      double[] x,
      double[] dy,
      double gamma,
      Statistics statistics,
      int channel,
      DType inputs,
      double[] dx,
      DType type,
      double dgamma,
      DType dgammaType,
      double dbeta,
      DType dbetaType) {
    this.channel = channel;
    this.x = x;
    this.dy = dy;
    this.gamma = gamma;
    this.frozen = statistics.given();
    this.mean = frozen ? statistics.mean()[channel] : 0;
    this.variance = frozen ? statistics.variance()[channel] : 0;
    this.eps = statistics.eps();
    this.inputs = inputs;
    this.dx = dx;
    this.type = type;
    this.dgamma = dgamma;
    this.dgammaType = dgammaType;
    this.dbeta = dbeta;
    this.dbetaType = dbetaType;
  }

  /**
   * Compares them.
   *
   * @param alone the elements to move alone
   * @param directions those to move all elements along, up where a bit is set, else down
   * @param index the index of an element in the whole array
   */
  Channel check(int[] alone, List<BitSet> directions, IntToLongFunction index) {
    if (x.length == 0) {
      return untold("it has no values");
    }
    if (!isFinite(x) || !isFinite(dy) || !isFinite(mean, variance)) {
      return untold("x, dy or the statistics are not finite");
    }
    ExactLoss loss =
        frozen ? ExactLoss.frozen(x, dy, eps, mean, variance) : ExactLoss.training(x, dy, eps);
    if (loss.isSingular()) {
      return untold("variance + eps is 0, where y has no gradient");
    }
    List<Check> checks = new ArrayList<>();
    checks.add(Check.of("dgamma", List.of(rounded(loss.slopeInGamma(), dgamma, dgammaType))));
    checks.add(Check.of("dbeta", List.of(rounded(loss.slopeInBeta(), dbeta, dbetaType))));
    Bounds bounds = new Bounds(loss);
    if (!bounds.hold()) {
      return new Channel(channel, "its numbers are so large or small that dx has no bound", checks);
    }
    checks.add(0, elements(bounds, alone, index));
    boolean canAdd = !DoubleStream.of(dx).anyMatch(Double::isInfinite);
    if (canAdd) {
      checks.add(1, directions(bounds, directions));
    }
    if (canAdd && !frozen) {
      checks.addAll(identities(bounds));
    }
    return new Channel(channel, mistrusted(loss, bounds), checks);
  }

  private Channel untold(String reason) {
    return new Channel(channel, reason, List.of());
  }

  private @Nullable String mistrusted(ExactLoss loss, Bounds bounds) {
    if (bounds.tellDxFromZero()) {
      return null;
    }
    if (gamma == 0) {
      return "gamma is 0, and so dx is 0";
    }
    if (!frozen && x.length == 1) {
      return "it has one value: y is beta, and so dx is 0";
    }
    if (!frozen && loss.isConstantGradient()) {
      return "dy is constant, and so dx is 0";
    }
    return "dx is 0 within its bounds, as where dy lies in the span of 1 and x";
  }

  private static boolean isFinite(double... values) {
    return DoubleStream.of(values).allMatch(Double::isFinite);
  }

  /** A number that is rounded once. */
  private Comparison rounded(Dyadic expected, double found, DType rounding) {
    return compare(channel, expected, found, rounding, 0.5 * ulp(found, rounding), 0);
  }

  /**
   * A number beside one that may have left its type.
   *
   * @param rounding the most that the last rounding changes
   * @param before the most that what came before it changes
   */
  private static Comparison compare(
      long index, Dyadic expected, double found, DType type, double rounding, double before) {
    double shown = expected.toDouble();
    if (!Double.isFinite(found)) {
      boolean overflows =
          Math.signum(shown) == Math.signum(found) && Math.abs(shown) + before >= overflow(type);
      double difference = Double.isNaN(found) ? Double.NaN : Double.POSITIVE_INFINITY;
      return new Comparison(index, shown, found, overflows ? 0 : difference, 0);
    }
    double difference = Dyadic.of(found).minus(expected).abs().toDouble();
    return new Comparison(index, shown, found, difference, (rounding + before) * SLACK);
  }

  private static Comparison compare(long index, Dyadic expected, Dyadic found, double bound) {
    return new Comparison(
        index,
        expected.toDouble(),
        found.toDouble(),
        found.minus(expected).abs().toDouble(),
        bound * SLACK);
  }

  /** What rounds to infinity, half a unit above the largest number. */
  private static double overflow(DType type) {
    return switch (type) {
      case F16 -> 65520;
      case F32 -> 0x1.ffffffp127;
      case F64 -> Double.MAX_VALUE; // half a unit more is no binary64
    };
  }

  private static double ulp(double value, DType type) {
    return switch (type) {
      case F16 -> Math.scalb(1.0, Math.max(Math.getExponent(value), -14) - 10);
      case F32 -> Math.ulp((float) value);
      case F64 -> Math.ulp(value);
    };
  }

  private Check elements(Bounds bounds, int[] alone, IntToLongFunction index) {
    Set<Integer> elements = new TreeSet<>();
    for (int i : alone) {
      elements.add(i);
    }
    IntStream.range(0, x.length)
        .filter(i -> !Double.isFinite(dx[i]))
        .limit(MOST_NOT_FINITE)
        .forEach(elements::add);
    List<Comparison> comparisons = new ArrayList<>();
    double spreadOfV = 1 / Math.sqrt(x.length);
    for (int i : elements) {
      Dyadic expected = bounds.difference(bounds.loss.single(i));
      double before = bounds.before[i] + bounds.truncation(spreadOfV);
      comparisons.add(
          compare(index.applyAsLong(i), expected, dx[i], type, bounds.rounding(dx[i]), before));
    }
    return Check.of("element", comparisons);
  }

  private Check directions(Bounds bounds, List<BitSet> directions) {
    List<Comparison> comparisons = new ArrayList<>();
    for (BitSet up : directions) {
      Dyadic expected = bounds.difference(bounds.loss.signs(up));
      double truncation = bounds.truncation(1);
      if (!isFinite(dx)) { // some are NaN
        double shown = expected.toDouble();
        comparisons.add(new Comparison(comparisons.size(), shown, Double.NaN, Double.NaN, 0));
        continue;
      }
      double[] signed = new double[dx.length];
      Arrays.setAll(signed, i -> up.get(i) ? dx[i] : -dx[i]);
      comparisons.add(
          compare(comparisons.size(), expected, Dyadic.sum(signed), bounds.sum() + truncation));
    }
    return Check.of("direction", comparisons);
  }

  private List<Check> identities(Bounds bounds) {
    if (!isFinite(dx)) {
      return List.of(); // the elements and directions told
    }
    double projection = 0;
    double norm = 0;
    for (int i = 0; i < dx.length; i++) {
      projection += bounds.normalised(i) * bounds.of(i);
      norm += (2 * Math.abs(dx[i]) + bounds.of(i)) * bounds.of(i);
    }
    Dyadic scale = Dyadic.of(gamma);
    List<Check> checks = new ArrayList<>();
    checks.add(
        Check.of("sum", List.of(compare(channel, Dyadic.ZERO, Dyadic.sum(dx), bounds.sum()))));
    checks.add(
        Check.of(
            "projection",
            List.of(
                compare(
                    channel,
                    bounds.loss.expectedProjection().times(scale),
                    bounds.loss.projection(dx),
                    projection))));
    Dyadic expectedNorm = bounds.loss.expectedNorm().times(scale).times(scale);
    if (norm < Double.POSITIVE_INFINITY) { // squares of f64 may exceed it
      checks.add(
          Check.of("norm", List.of(compare(channel, expectedNorm, Dyadic.sumOfSquares(dx), norm))));
    }
    return checks;
  }

  /** How far dx may be from what is exact (docs/math.md, How accurate the elements are). */
  private final class Bounds {
    final ExactLoss loss;

    /** |γ|/√(V + ε). */
    private final double a;

    private final double spread;

    /** Σdy·x̂. */
    private final double projection;

    /** What the operations before the last rounding change of each element. */
    final double[] before;

    Bounds(ExactLoss loss) {
      this.loss = loss;
      spread = loss.spread();
      a = Math.abs(gamma) / spread;
      projection = loss.slopeInGamma().abs().toDouble();
      before = new double[x.length];
      Arrays.setAll(before, i -> before(i));
    }

    /** Whether no operation over- or underflows in a way the bounds do not know. */
    boolean hold() {
      double size = Math.abs(gamma);
      if (inputs != DType.F64 && !frozen) {
        return gamma == 0 || (size >= 0x1p-400 && size <= 0x1p400);
      }
      boolean normal = gamma == 0 || (a >= Double.MIN_NORMAL && a < Double.POSITIVE_INFINITY);
      return normal
          && 1 / spread < Double.POSITIVE_INFINITY
          && (frozen || projection / x.length / spread <= 0x1p1000)
          && DoubleStream.of(x).allMatch(v -> Math.abs(v) <= 0x1p1022)
          && DoubleStream.of(dy).allMatch(v -> Math.abs(v) <= 0x1p1000);
    }

    private double before(int i) {
      if (frozen) {
        return 0x1p-51 * a * Math.abs(dy[i]) + Double.MIN_VALUE; // (B4)
      }
      double k2 = projection / x.length / spread;
      double removed = normalised(i) * (projection / x.length); // |d·k₂|
      double underflow =
          inputs == DType.F64 ? Double.MIN_VALUE * (1 + a * (1 + loss.deviation(i) + k2)) : 0;
      return 0x1p-50 * a * (loss.deviationOfGradient(i) + removed) + underflow; // (B3)
    }

    /** |x̂|. */
    double normalised(int i) {
      return loss.deviation(i) / spread;
    }

    /** What the last rounding may change. */
    double rounding(double value) {
      return (0.5 + 0x1p-29) * ulp(value, type);
    }

    /** The bound of an element. */
    double of(int i) {
      return rounding(dx[i]) + before[i];
    }

    /** The bound of a sum of elements of any sign. */
    double sum() {
      return IntStream.range(0, dx.length).mapToDouble(this::of).sum();
    }

    /** γ·(ℓ(x + h·v) − ℓ(x − h·v))/2h. */
    Dyadic difference(ExactLoss.Direction v) {
      Dyadic difference = loss.difference(v);
      return difference.times(Dyadic.of(gamma));
    }

    /** How far a difference may be from the derivative. */
    double truncation(double spreadOfV) {
      double scale = frozen ? loss.stepOfGradient() : loss.spreadOfGradient() * spreadOfV;
      return 0x1p-110 * a * scale;
    }

    /**
     * Whether ‖dx‖ is larger than the norm of the bounds that dx = 0 has: otherwise that would pass
     * but for single elements.
     */
    boolean tellDxFromZero() {
      double largest = DoubleStream.of(before).max().orElse(0) + rounding(0);
      double squares =
          DoubleStream.of(before).map(b -> (b + rounding(0)) / largest).map(b -> b * b).sum();
      double norm = loss.expectedNorm().root().toDouble() * Math.abs(gamma);
      return norm > (largest == 0 ? 0 : largest * Math.sqrt(squares));
    }
  }
}
