package dev.batchnorm;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The affine parameters scale γ and shift β, binary64 and finite, one per channel or one for all.
 * Immutable.
 */
public final class Affine {
  /** γ = 1 and β = +0 in every channel. */
  public static final Affine IDENTITY = new Affine(null, null);

  private final double @Nullable [] gamma;
  private final double @Nullable [] beta;

  private Affine(double @Nullable [] gamma, double @Nullable [] beta) {
    this.gamma = gamma;
    this.beta = beta;
  }

  /**
   * These parameters with another scale.
   *
   * @param gamma one value per channel, or a single value for all channels
   * @throws IllegalArgumentException if there is none, or one is not finite
   */
  public Affine withGamma(double... gamma) {
    return new Affine(checked("gamma", gamma), beta);
  }

  /**
   * These parameters with another shift.
   *
   * @param beta one value per channel, or a single value for all channels
   * @throws IllegalArgumentException if there is none, or one is not finite
   */
  public Affine withBeta(double... beta) {
    return new Affine(gamma, checked("beta", beta));
  }

  private static double[] checked(String name, double[] values) {
    if (values.length == 0) {
      throw new IllegalArgumentException(name + ": expected at least 1 value, found 0");
    }
    for (int c = 0; c < values.length; c++) {
      if (!Double.isFinite(values[c])) {
        throw new IllegalArgumentException(
            name + ": expected finite values, found " + values[c] + " at channel " + c);
      }
    }
    return values.clone();
  }

  /**
   * γ of every channel, a new array.
   *
   * @throws IllegalArgumentException if γ was given for another number of channels
   */
  public double[] gamma(int channels) {
    return expanded("gamma", gamma, 1, channels);
  }

  /**
   * β of every channel, a new array.
   *
   * @throws IllegalArgumentException if β was given for another number of channels
   */
  public double[] beta(int channels) {
    return expanded("beta", beta, 0, channels);
  }

  private static double[] expanded(
      String name, double @Nullable [] values, double absent, int channels) {
    if (values == null || values.length == 1) {
      double[] all = new double[channels];
      Arrays.fill(all, values == null ? absent : values[0]);
      return all;
    }
    if (values.length != channels) {
      throw new IllegalArgumentException(
          name + ": expected " + channels + " values (one per channel), found " + values.length);
    }
    return values.clone();
  }
}
