package dev.batchnorm;

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
    String road) {}
