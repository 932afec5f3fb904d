package dev.batchnorm;

/**
 * The gradients of a loss with respect to the inputs of a batch normalization.
 *
 * @param dx B3 (B4 with given statistics), shape of x; x's type, or the one {@link
 *     BatchNorm.Builder#outputType} set
 * @param dgamma B2 (B4 with given statistics), one value per channel, f32 for f32 x, else f64
 * @param dbeta B1, one value per channel, type as dγ
 */
public record Gradients(Batch dx, Values dgamma, Values dbeta) {}
