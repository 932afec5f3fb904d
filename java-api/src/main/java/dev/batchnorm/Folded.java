package dev.batchnorm;

/**
 * A layer that has become one with the batch normalization behind it: z' = W'(x) + b' is what that
 * made of the layer's output.
 *
 * @param weights R6, shape of the layer's weights; their type, or the one {@link
 *     BatchNorm.Builder#outputType} set
 * @param bias R7, one value per output channel, type as the weights
 */
public record Folded(Batch weights, Values bias) {}
