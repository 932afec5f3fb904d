package dev.batchnorm.audit;

import dev.batchnorm.DType;

/**
 * What was to be computed.
 *
 * @param input the type of x
 * @param facts of the channels
 * @param frozen whether the given statistics, those before, are to be normalised with
 * @param gamma γ of each channel
 * @param beta β of each channel
 * @param meanBefore the running mean before the batch, or the given one; empty if there is none
 * @param varianceBefore the same for the variance
 * @param meanAfter the running mean after the batch (F6); empty if there is none
 * @param varianceAfter the same for the variance
 * @param keep the weight of the old running value
 * @param take the weight of the batch
 * @param momentumIsOfOld whether momentum means the weight of the old value
 */
record Subject(
    DType input,
    Facts facts,
    boolean frozen,
    double eps,
    double[] gamma,
    double[] beta,
    double[] meanBefore,
    double[] varianceBefore,
    double[] meanAfter,
    double[] varianceAfter,
    double keep,
    double take,
    boolean momentumIsOfOld,
    boolean biasedRunningVariance) {

  boolean hasBefore() {
    return meanBefore.length > 0 || facts.groups() == 0;
  }

  boolean hasAfter() {
    return meanAfter.length > 0;
  }

  /** Whether a kernel that computes in that type has to round x first. */
  boolean roundsInput(DType computing) {
    return input == DType.F64 && computing != DType.F64;
  }
}
