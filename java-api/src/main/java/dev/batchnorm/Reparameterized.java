package dev.batchnorm;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;

/**
 * Weights that do what the weights and the batch normalization after them did (R3–R5): X·Ŵ + b̂ =
 * BN(X·W). Arrays are shared, not copied: treat them as constants.
 *
 * @param weights Ŵ (R4), d × k like W; W's type unless {@link
 *     Reparameterization.Builder#outputType} was set
 * @param bias b̂ (R5), k values of the type of Ŵ
 * @param q R3, wᵀSw of each of the k units: the variance of its output before normalization; at
 *     weight normalization Σw²
 * @param eps ε, added to q under the root
 * @param weightsBound how far each of Ŵ may be from what exact arithmetic gives; +∞ where q + ε is
 *     within the error of 0
 * @param biasBound the same for b̂
 * @param road how q was had, in a few words
 */
public record Reparameterized(
    Batch weights,
    Values bias,
    double[] q,
    double eps,
    double[] weightsBound,
    double[] biasBound,
    String road) {

  /** One line for each thing a user should know, naming units by their 0-based index. */
  public List<String> warnings() {
    List<String> warnings = new ArrayList<>();
    warn(
        warnings,
        k -> q[k] + eps == 0 && isSure(k) && !isNaN(k),
        "its output is constant and eps is 0, so its weights are 0 and its bias is beta");
    warn(
        warnings,
        k -> q[k] + eps == 0 && isNaN(k),
        "its squares add up to 0, so it cannot be normalized: NaN");
    warn(warnings, k -> Double.isNaN(q[k]), "values that are not finite: NaN");
    warn(
        warnings,
        k -> q[k] == Double.POSITIVE_INFINITY,
        "its variance exceeds binary64 and is inf, so its weights are 0");
    warn(warnings, this::overflows, "its weights or bias exceed " + bias.type().label());
    warn(
        warnings,
        k -> q[k] < Double.POSITIVE_INFINITY && !isSure(k) && !isNaN(k) && !overflows(k),
        "its variance is within rounding of 0, so its weights mean little");
    return warnings;
  }

  /** Whether the unit's results have a bound. */
  private boolean isSure(int unit) {
    return biasBound[unit] < Double.POSITIVE_INFINITY;
  }

  private boolean overflows(int unit) {
    boolean any = Double.isInfinite(bias.get(unit));
    for (int i = unit; i < weights.values().count(); i += q.length) {
      any |= Double.isInfinite(weights.values().get(i));
    }
    return any;
  }

  private boolean isNaN(int unit) {
    return weights.values().count() > 0 && Double.isNaN(weights.values().get(unit));
  }

  private void warn(List<String> warnings, IntPredicate concerned, String what) {
    Statistics.warn(warnings, "unit", q.length, concerned, what);
  }
}
