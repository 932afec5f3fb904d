package dev.batchnorm;

import java.util.ArrayList;
import java.util.List;

/**
 * The gradients of a loss with respect to weights, γ and β of a unit whose output is normalized,
 * through its mean and variance. In binary64, with a bound on their error. Arrays are shared, not
 * copied: treat them as constants.
 *
 * @param dweights R8, d × k; W's type unless {@link Reparameterization.Builder#outputType} was set
 * @param dgamma R9, k values; f32 for f16 and f32 weights, else f64
 * @param dbeta B1, k values, type as dγ, rounded once
 * @param weightsBound d × k: how far each of dweights may be from what exact arithmetic gives
 * @param gammaBound k: the same for dγ
 * @param road how they were had, in a few words
 */
public record WeightGradients(
    Batch dweights,
    Values dgamma,
    Values dbeta,
    double[] weightsBound,
    double[] gammaBound,
    String road) {

  /** One line for each thing a user should know, naming units by their 0-based index. */
  public List<String> warnings() {
    List<String> warnings = new ArrayList<>();
    Statistics.warn(
        warnings,
        "unit",
        gammaBound.length,
        k -> Double.isNaN(dgamma.get(k)),
        "values that are not finite: NaN");
    Statistics.warn(
        warnings,
        "unit",
        gammaBound.length,
        k -> Double.isFinite(dgamma.get(k)) && gammaBound[k] == Double.POSITIVE_INFINITY,
        "its variance is within rounding of 0, so its gradients mean little");
    return warnings;
  }
}
