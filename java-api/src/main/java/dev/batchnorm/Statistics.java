package dev.batchnorm;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What each channel is normalised with. Either a batch's own statistics (F1–F3, training) or given
 * ones (inference, frozen). Arrays have one binary64 per channel and are shared, not copied: treat
 * them as constants.
 *
 * @param mean F1, or the given mean μ
 * @param meanLo RN(Σx/m − mean), the part of the mean that one binary64 cannot hold; +0 for given
 *     statistics
 * @param variance F2, the biased variance, or the given variance v
 * @param inverseStd F3, RN(1/√(V + ε)) from the exact V
 * @param count m of each channel; 0 for given statistics
 * @param eps ε, finite and ≥ 0
 * @param sums the exact sums behind a batch's own statistics; null for given ones
 */
public record Statistics(
    double[] mean,
    double[] meanLo,
    double[] variance,
    double[] inverseStd,
    long[] count,
    double eps,
    @Nullable ExactSums sums) {

  /** The number of channels C. */
  public int channels() {
    return mean.length;
  }

  /** Whether mean and variance were given rather than computed from the batch. */
  public boolean given() {
    return sums == null;
  }

  /**
   * a = γ·inverse_std of each channel (F5), a new array; +0 where V + ε = 0 in training.
   *
   * @throws IllegalArgumentException if γ was given for another number of channels
   */
  public double[] scale(Affine affine) {
    double[] a = affine.gamma(channels());
    for (int c = 0; c < a.length; c++) {
      a[c] = isConstantWithoutEps(c) ? 0.0 : a[c] * inverseStd[c];
    }
    return a;
  }

  /**
   * Whether V + ε = 0 in training. An infinite inverse std alone does not tell: a tiny V overflows
   * it too.
   */
  private boolean isConstantWithoutEps(int channel) {
    return sums != null
        && inverseStd[channel] == Double.POSITIVE_INFINITY
        && sums.isConstant(channel);
  }

  /**
   * One line for each thing a user should know: channels without spread, values out of binary64's
   * range, no values.
   */
  public List<String> warnings(Affine affine) {
    List<String> warnings = new ArrayList<>();
    if (!given() && channels() > 0 && count[0] == 0) {
      warnings.add("no values: the outputs are empty and the statistics NaN");
      return warnings;
    }
    IntPredicate noSpread = c -> given() ? variance[c] + eps == 0 : isConstantWithoutEps(c);
    warn(
        warnings,
        noSpread,
        given()
            ? "variance + eps is 0, the result follows IEEE division"
            : "variance + eps is 0, y is beta and the gradients are 0");
    warn(
        warnings,
        c -> variance[c] == Double.POSITIVE_INFINITY,
        "the variance exceeds binary64 and is inf");
    double[] a = scale(affine);
    warn(
        warnings,
        c -> Double.isInfinite(a[c]) && !noSpread.test(c),
        "gamma · inverse_std exceeds binary64 and is inf");
    return warnings;
  }

  private void warn(List<String> warnings, IntPredicate concerned, String what) {
    warn(warnings, "channel", channels(), concerned, what);
  }

  /** Adds a line that names those of so many things which are concerned, if there are any. */
  static void warn(
      List<String> warnings, String thing, int count, IntPredicate concerned, String what) {
    int[] found = IntStream.range(0, count).filter(concerned).toArray();
    if (found.length > 0) {
      String some =
          IntStream.of(found)
              .limit(8)
              .mapToObj(Integer::toString)
              .collect(Collectors.joining(", "));
      warnings.add(
          thing
              + (found.length == 1 ? " " : "s ")
              + some
              + (found.length > 8 ? ", … (" + found.length + " in all)" : "")
              + ": "
              + what);
    }
  }
}
