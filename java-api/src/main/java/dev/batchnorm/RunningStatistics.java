package dev.batchnorm;

import java.util.Arrays;

/**
 * Averages of batch statistics for use at inference (F6), and how many batches went into them.
 *
 * @param mean the running mean, one per channel; shared, not copied
 * @param variance the running variance, one per channel; shared, not copied
 * @param batches how many batches were averaged, at least 0
 */
public record RunningStatistics(double[] mean, double[] variance, long batches) {

  /**
   * Checks the sizes.
   *
   * @throws IllegalArgumentException if mean and variance differ in length, or batches is negative
   */
  public RunningStatistics {
    if (mean.length != variance.length) {
      throw new IllegalArgumentException(
          "running variance: expected "
              + mean.length
              + " values (as many as the running mean), found "
              + variance.length);
    }
    if (batches < 0) {
      throw new IllegalArgumentException("batches: expected a number ≥ 0, found " + batches);
    }
  }

  /** Mean 0, variance 1, no batches. */
  public static RunningStatistics initial(int channels) {
    double[] ones = new double[channels];
    Arrays.fill(ones, 1);
    return new RunningStatistics(new double[channels], ones, 0);
  }

  /**
   * The averages after one more batch (F6): two products and one sum in binary64, no fused
   * operation.
   *
   * @param batchMean F1 of the batch
   * @param batchVariance the batch's variance, unbiased or biased as the convention asks
   * @throws IllegalArgumentException for another number of channels, or if one more batch is more
   *     than can be counted
   */
  public RunningStatistics updated(double[] batchMean, double[] batchVariance, Momentum momentum) {
    if (batchMean.length != mean.length || batchVariance.length != mean.length) {
      throw new IllegalArgumentException(
          "batch statistics: expected "
              + mean.length
              + " channels (the running statistics'), found "
              + batchMean.length
              + " and "
              + batchVariance.length);
    }
    if (batches == Long.MAX_VALUE) {
      throw new IllegalArgumentException("batches: expected fewer than " + batches + ", found it");
    }
    long n = batches + 1;
    double keep = momentum.keep(n);
    double take = momentum.take(n);
    double[] newMean = new double[mean.length];
    double[] newVariance = new double[mean.length];
    for (int c = 0; c < mean.length; c++) {
      newMean[c] = canonical(keep * mean[c] + take * batchMean[c]); // (F6)
      newVariance[c] = canonical(keep * variance[c] + take * batchVariance[c]);
    }
    return new RunningStatistics(newMean, newVariance, n);
  }

  /** ∞ − ∞ gives a NaN with its sign set on x86; every NaN written is the same one. */
  private static double canonical(double value) {
    return Double.isNaN(value) ? Double.NaN : value;
  }
}
