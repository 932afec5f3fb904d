package dev.batchnorm;

/**
 * What the input gradient needs of each channel, and the parameter gradients. Arrays have one value
 * per channel and are shared, not copied. With given statistics k₁, k₁_lo and k₂ are 0 and unused
 * (B4).
 *
 * @param k1 RN(Σdy/m)
 * @param k1Lo RN(Σdy/m − k₁)
 * @param k2 RN(B / (m·(V + ε)))
 * @param dgamma B2 (B4 with given statistics), each a value of {@code type}
 * @param dbeta B1, each a value of {@code type}
 * @param type the type of dγ and dβ: f32 for f32 x, else f64
 */
public record GradientParameters(
    double[] k1, double[] k1Lo, double[] k2, double[] dgamma, double[] dbeta, DType type) {}
