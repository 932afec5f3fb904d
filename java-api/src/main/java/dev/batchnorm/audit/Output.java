package dev.batchnorm.audit;

import java.util.Locale;

/** The arrays that an implementation of batch normalization gives. */
public enum Output {
  /** F1, or the given mean. */
  MEAN,
  /** F2, the biased variance, or the given one. */
  VARIANCE,
  /** F3. */
  INVERSE_STD,
  /** F5. */
  Y,
  /** F6, the running mean after the batch. */
  RUNNING_MEAN,
  /** F6, the running variance after the batch. */
  RUNNING_VARIANCE,
  /** B2 or B4. */
  DGAMMA,
  /** B1. */
  DBETA,
  /** B3 or B4. */
  DX;

  /** The name in files and reports. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether there is one value for each value of x, rather than for each channel. */
  public boolean isElementwise() {
    return this == Y || this == DX;
  }
}
