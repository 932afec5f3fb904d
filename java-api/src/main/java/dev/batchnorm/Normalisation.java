package dev.batchnorm;

/**
 * Statistics together with scale and shift: what F5, B3 and B4 take of each channel, computed once
 * for all chunks of an array. Arrays have one binary64 per channel and are shared, not copied:
 * treat them as constants.
 *
 * @param statistics mean and mean_lo
 * @param a γ·inverse_std; +0 where V + ε = 0 in training
 * @param beta β
 */
public record Normalisation(Statistics statistics, double[] a, double[] beta) {

  /**
   * Normalisation with the statistics, then γ and β.
   *
   * @throws IllegalArgumentException if γ or β was given for another number of channels
   */
  public static Normalisation of(Statistics statistics, Affine affine) {
    return new Normalisation(
        statistics, statistics.scale(affine), affine.beta(statistics.channels()));
  }
}
