package dev.batchnorm.golden;

import dev.batchnorm.Affine;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.Convention;
import dev.batchnorm.DType;
import dev.batchnorm.Momentum;
import dev.batchnorm.engine.Engine;
import org.jspecify.annotations.Nullable;

/**
 * How a golden case is computed from its inputs.
 *
 * @param frozen whether the statistics are given ones: inference and B4 instead of training
 * @param eps ε
 * @param convention what momentum weighs, and which running variance is averaged
 * @param momentum what momentum is, {@link #CUMULATIVE} for the plain average
 * @param batchSize how many samples are one mini-batch; null if all are
 * @param channelAxis the 0-based axis of the channels; 0 for an array of one axis
 * @param outputType T, the type of y and dx
 * @param command the command line that recorded it, or what made it; for people
 */
public record GoldenSettings(
    boolean frozen,
    double eps,
    Convention convention,
    double momentum,
    @Nullable Long batchSize,
    int channelAxis,
    DType outputType,
    String command) {
  /** Stands for a momentum of 1/n at the n-th batch. */
  public static final double CUMULATIVE = -1;

  BatchNorm norm(Engine engine, Affine affine) {
    return BatchNorm.builder()
        .engine(engine)
        .convention(convention)
        .momentum(
            momentum == CUMULATIVE
                ? Momentum.cumulative()
                : convention.momentum().withNumber(momentum))
        .eps(eps)
        .affine(affine)
        .outputType(outputType)
        .build();
  }

  /** The number of a convention's own momentum. */
  static double momentumOf(Convention convention) {
    Momentum own = convention.momentum();
    return convention == Convention.PYTORCH ? own.take(1) : own.keep(1);
  }
}
