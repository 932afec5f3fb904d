package dev.batchnorm.verify;

import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.Statistics;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;

/**
 * How hard the channels of a batch are for kernels that do <em>not</em> sum exactly, told from the
 * exact statistics (docs/accuracy.md has the derivations). Nothing here runs such a kernel.
 *
 * <p>κ = √(1 + μ²/V) is the condition number of the variance (Chan, Golub and LeVeque 1983). With u
 * half the distance from 1 to the next number of a kernel's type, E[x²] − μ² is off by about u·κ²
 * of V, and an x̂ whose mean was rounded by about u·κ. Losing log₁₀ κ² or log₁₀ κ digits means: so
 * many fewer are right than at κ = 1. A channel that saw NaN or infinity has NaN everywhere.
 *
 * <pre>{@code
 * Statistics statistics = BatchNorm.builder().eps(0).build().statistics(sums);
 * Conditioning conditioning = Conditioning.of(statistics, largest, DType.F32, 1e-5);
 * conditioning.dangers(0); // [NEGATIVE_VARIANCE, BF16_LOSES_ALL]
 * }</pre>
 */
public final class Conditioning {
  /** What may go wrong in a channel. */
  public enum Danger {
    /** A value is NaN or infinite: so are the statistics. */
    NOT_FINITE("not finite"),
    /** All values are equal: the variance is 0, and ε alone decides. */
    CONSTANT("constant"),
    /** A one-pass kernel of f32 can get a variance ≤ 0, even if it rounds its sums only once. */
    NEGATIVE_VARIANCE("negative variance"),
    /** The same, and below −ε: the root of V + ε is NaN. */
    VARIANCE_BELOW_EPS("variance below -eps"),
    /** E[x²] − μ² keeps no digit of the variance in the kernel's type. */
    ONE_PASS_LOSES_ALL("one-pass loses all"),
    /** x − mean keeps no digit in the kernel's type. */
    TWO_PASS_LOSES_ALL("two-pass loses all"),
    /** Nothing of x − mean is left where x is rounded to bf16. */
    BF16_LOSES_ALL("bf16 loses all"),
    /** V < ε: y is less than 1/√2 of what the data's own spread would make it. */
    EPS_DOMINATES("eps dominates"),
    /** A value, or the sum of the squares, is infinite in f32. */
    F32_OVERFLOW("f32 overflow"),
    /** A value is infinite in f16: beyond 65504. */
    F16_OVERFLOW("f16 overflow"),
    /** The square of a value is infinite in f16. */
    F16_OVERFLOW_OF_SQUARES("f16 overflow of squares"),
    /** Σx or Σx² is infinite in f16. */
    F16_OVERFLOW_OF_SUMS("f16 overflow of sums"),
    /** 0 < V < 2⁻²⁴, f16's smallest number. */
    F16_UNDERFLOW_OF_VARIANCE("f16 underflow of variance");

    private final String words;

    Danger(String words) {
      this.words = words;
    }

    /** What a table calls it. */
    public String words() {
      return words;
    }
  }

  private static final int F32_BITS = 24;
  private static final int F64_BITS = 53;
  private static final int BF16_BITS = 8;
  private static final double F32_UNIT = 0x1p-24;
  private static final double F16_SMALLEST = 0x1p-24;

  /** More than underflow can add in f32: a few of its smallest numbers, 2⁻¹⁴⁹. */
  private static final double F32_UNDERFLOW = 0x1p-146;

  private final Statistics statistics;
  private final double[] largest;
  private final DType type;
  private final double eps;

  private Conditioning(Statistics statistics, double[] largest, DType type, double eps) {
    this.statistics = statistics;
    this.largest = largest;
    this.type = type;
    this.eps = eps;
  }

  /**
   * The channels of a batch.
   *
   * @param statistics the batch's own, with ε = 0
   * @param largest the largest |x| among the finite values of each channel, in binary64
   * @param type of the values; f64 for integers. Kernels of f16 and f32 compute in f32, of f64 in
   *     f64
   * @param eps the ε of {@link Danger#EPS_DOMINATES} and {@link Danger#VARIANCE_BELOW_EPS}, finite
   *     and at least 0
   * @throws IllegalArgumentException for given statistics, statistics with another ε, another
   *     number of channels, or an ε out of its range
   */
  public static Conditioning of(Statistics statistics, double[] largest, DType type, double eps) {
    if (statistics.given() || statistics.eps() != 0) {
      throw new IllegalArgumentException(
          "statistics: expected a batch's own with eps 0, found "
              + (statistics.given() ? "given ones" : "eps " + statistics.eps()));
    }
    if (largest.length != statistics.channels()) {
      throw new IllegalArgumentException(
          "largest: expected " + statistics.channels() + " values, found " + largest.length);
    }
    if (!(eps >= 0 && eps < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("eps: expected a finite number ≥ 0, found " + eps);
    }
    return new Conditioning(statistics, largest.clone(), type, eps);
  }

  /** The number of channels. */
  public int channels() {
    return largest.length;
  }

  /** The ε that channels are judged by. */
  public double eps() {
    return eps;
  }

  /** The type that a kernel computes in: f32 for f16 and f32, else f64. */
  public DType kernelType() {
    return type.gradientType();
  }

  /** The decimal digits of the kernel's type: 7.2 for f32, 15.9 for f64. */
  public double digits() {
    return digits(kernelType() == DType.F32 ? F32_BITS : F64_BITS);
  }

  private static double digits(int bits) {
    return bits * StrictMath.log10(2);
  }

  /** Whether all values are equal. */
  public boolean isConstant(int channel) {
    return statistics.variance()[channel] == 0 && sums().isConstant(channel);
  }

  private ExactSums sums() {
    return Objects.requireNonNull(statistics.sums());
  }

  /**
   * |μ|/σ from F1 and F3, which hold also where the variance is no normal binary64; from the sums
   * where 1/σ is beyond binary64. A constant channel has infinity, or 0 if all is 0.
   */
  public double meanOverStd(int channel) {
    double mean = Math.abs(statistics.mean()[channel]);
    double inverseStd = statistics.inverseStd()[channel];
    if (mean == 0) {
      return 0;
    }
    return Double.isInfinite(inverseStd) && !isConstant(channel)
        ? meanOverStdOfSums(channel)
        : mean * inverseStd;
  }

  /** √( (Σx)² / (m·Σx² − (Σx)²) ) */
  private double meanOverStdOfSums(int channel) {
    BigInteger sum = sums().linearSum(channel);
    BigInteger square = sum.multiply(sum);
    BigInteger m = BigInteger.valueOf(statistics.count()[channel]);
    BigInteger spread = m.multiply(sums().productSum(channel)).subtract(square);
    return Math.sqrt(
        new BigDecimal(square).divide(new BigDecimal(spread), MathContext.DECIMAL64).doubleValue());
  }

  /** κ = √(1 + μ²/V). */
  public double condition(int channel) {
    return StrictMath.hypot(1, meanOverStd(channel));
  }

  /** The digits of the variance that E[x²] − μ² loses: log₁₀ κ². */
  public double digitsLostByOnePass(int channel) {
    return 2 * StrictMath.log10(condition(channel));
  }

  /** The digits of x̂ that a rounded mean, taken from x, loses: log₁₀ κ. */
  public double digitsLostByTwoPass(int channel) {
    return StrictMath.log10(condition(channel));
  }

  /**
   * The digits of x̂ lost where x was rounded to bf16, compared with the kernel's type: log₁₀ κ and
   * those that bf16 never had.
   */
  public double digitsLostInBf16(int channel) {
    return digits() - digits(BF16_BITS) + digitsLostByTwoPass(channel);
  }

  /**
   * The least that a one-pass kernel of f32 can get for the variance, E[x²] − μ², by the worst of
   * roundings.
   *
   * @param oneByOne whether it adds value after value in f32, so that each addition rounds;
   *     otherwise each of the two sums is rounded once, the best a kernel can do in one pass
   */
  public double leastVariance(int channel, boolean oneByOne) {
    double mean = Math.abs(statistics.mean()[channel]);
    double variance = statistics.variance()[channel];
    double square = mean * mean + variance;
    double rms = Math.sqrt(square);
    long sum = oneByOne ? Math.max(1, statistics.count()[channel] - 1) : 1;
    int narrowing = kernelType() == DType.F32 ? 0 : 1;
    double ofSquares = gamma(2L * narrowing + 1 + sum + 1); // x twice, x², Σ, /m
    double ofMean = gamma(narrowing + sum + 1); // x, Σ, /m
    // |mean| comes out as at most |μ| + ofMean·E|x|, and E|x| ≤ √E[x²].
    double excess = (2 * mean + ofMean * rms) * ofMean * rms;
    return variance
        - ofSquares * square
        - excess * (1 + F32_UNIT)
        - F32_UNIT * mean * mean
        - (square == 0 ? 0 : F32_UNDERFLOW);
  }

  /** A bound on how far n roundings of f32 take a product or a sum: n·u/(1 − n·u) (Higham). */
  private static double gamma(long n) {
    double nu = n * F32_UNIT;
    return nu < 1 ? nu / (1 - nu) : Double.POSITIVE_INFINITY;
  }

  /**
   * Whether a one-pass kernel of f32 can get a variance ≤ 0 although not all values are 0.
   *
   * @param oneByOne as for {@link #leastVariance}
   */
  public boolean mayBeNegative(int channel, boolean oneByOne) {
    return largest[channel] > 0 && leastVariance(channel, oneByOne) <= 0;
  }

  /** What may go wrong in a channel; nothing in one without values. */
  public Set<Danger> dangers(int channel) {
    Set<Danger> dangers = EnumSet.noneOf(Danger.class);
    if (statistics.count()[channel] == 0) {
      return dangers;
    }
    if (!sums().isFinite(channel)) {
      dangers.add(Danger.NOT_FINITE);
    }
    double variance = statistics.variance()[channel];
    boolean constant = isConstant(channel);
    if (constant) {
      dangers.add(Danger.CONSTANT);
    }
    if (mayBeNegative(channel, false)) {
      dangers.add(
          leastVariance(channel, false) < -eps
              ? Danger.VARIANCE_BELOW_EPS
              : Danger.NEGATIVE_VARIANCE);
    }
    if (!constant) {
      addIf(digitsLostByOnePass(channel) >= digits(), Danger.ONE_PASS_LOSES_ALL, dangers);
      addIf(digitsLostByTwoPass(channel) >= digits(), Danger.TWO_PASS_LOSES_ALL, dangers);
      addIf(digitsLostInBf16(channel) >= digits(), Danger.BF16_LOSES_ALL, dangers);
      addIf(variance < eps, Danger.EPS_DOMINATES, dangers);
      addIf(variance < F16_SMALLEST, Danger.F16_UNDERFLOW_OF_VARIANCE, dangers);
    }
    addOverflows(channel, dangers);
    return dangers;
  }

  private void addOverflows(int channel, Set<Danger> dangers) {
    double most = largest[channel];
    double mean = Math.abs(statistics.mean()[channel]);
    double m = statistics.count()[channel];
    double sumOfSquares = m * (mean * mean + statistics.variance()[channel]);
    addIf(overflows(DType.F32, Math.max(most, sumOfSquares)), Danger.F32_OVERFLOW, dangers);
    if (overflows(DType.F16, most)) {
      dangers.add(Danger.F16_OVERFLOW);
    } else if (overflows(DType.F16, most * most)) {
      dangers.add(Danger.F16_OVERFLOW_OF_SQUARES);
    } else {
      double sums = Math.max(m * mean, sumOfSquares);
      addIf(overflows(DType.F16, sums), Danger.F16_OVERFLOW_OF_SUMS, dangers);
    }
  }

  private static boolean overflows(DType type, double value) {
    return type.round(value) == Double.POSITIVE_INFINITY;
  }

  private static void addIf(boolean condition, Danger danger, Set<Danger> dangers) {
    if (condition) {
      dangers.add(danger);
    }
  }
}
