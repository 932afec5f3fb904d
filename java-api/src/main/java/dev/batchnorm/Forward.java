package dev.batchnorm;

/**
 * A batch normalised with its own statistics.
 *
 * @param y F5, shape of x
 * @param statistics F1–F3 of the batch, and the exact sums that {@code backward} needs
 */
public record Forward(Batch y, Statistics statistics) {}
