package dev.batchnorm;

import java.util.Locale;

/** How sure a covariance and what is made of it are. */
public enum Level {
  /**
   * Every sum is exact and rounded once (R1–R5): the same bits from every engine, thread count,
   * chunking, row order and machine.
   */
  EXACT,

  /** Plain binary64 on centred data, with a bound on its error; bits differ from run to run. */
  FAST;

  /** The name in messages and on the command line. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
