package dev.batchnorm.golden;

/** What a check finds about a golden case. Only {@link #PASSED} is good. */
public enum GoldenVerdict {
  /** Every number has the recorded bits, and they say something. */
  PASSED,
  /** A number, a type or a shape is another than the recorded one. */
  DIFFERENT,
  /** A file is not the one that was recorded, or the manifest says what record never writes. */
  CORRUPTED,
  /** A file that the manifest names is not there, or an input outside is gone or another. */
  MISSING,
  /** A file is there that the manifest does not name. */
  EXTRA,
  /** The case was never finished: it has no manifest. */
  INCOMPLETE,
  /**
   * The numbers are the recorded ones, but would be whatever the engine did: y is constant in every
   * channel, dx is zero everywhere, or there are none.
   */
  MISTRUSTED,
  /** The case could not be run. */
  ERROR
}
