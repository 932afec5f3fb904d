package dev.batchnorm;

import java.util.Locale;

/**
 * The defaults of a framework: ε, what momentum weighs, and whether the running variance is biased.
 * Nothing else differs: every convention normalises with the biased variance.
 */
public enum Convention {
  /** ε = 1e-5, 0.1 of the new batch, unbiased (torch/nn/modules/batchnorm.py). */
  PYTORCH(1e-5, Momentum.ofNew(0.1), false),
  /** ε = 1e-5, 0.9 of the old value, biased (ONNX operator BatchNormalization-15). */
  ONNX(1e-5, Momentum.ofOld(0.9), true),
  /** ε = 1e-3, 0.99 of the old value, biased (Keras 3 BatchNormalization). */
  KERAS(1e-3, Momentum.ofOld(0.99), true),
  /** ε = 1e-5, 0.99 of the old value, biased (flax.linen.BatchNorm). */
  FLAX(1e-5, Momentum.ofOld(0.99), true),
  /** ε = 1e-3, 0.9 of the old value, biased (npx.batch_norm without cuDNN). */
  MXNET(1e-3, Momentum.ofOld(0.9), true);

  private final double eps;
  private final Momentum momentum;
  private final boolean biasedRunningVariance;

  Convention(double eps, Momentum momentum, boolean biasedRunningVariance) {
    this.eps = eps;
    this.momentum = momentum;
    this.biasedRunningVariance = biasedRunningVariance;
  }

  /** The default ε. */
  public double eps() {
    return eps;
  }

  /** The default momentum. */
  public Momentum momentum() {
    return momentum;
  }

  /** Whether the running variance averages the biased variance F2 rather than the unbiased one. */
  public boolean biasedRunningVariance() {
    return biasedRunningVariance;
  }

  /** The name used on the command line. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
