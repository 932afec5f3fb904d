package dev.batchnorm.fuzz;

import dev.batchnorm.format.csv.CsvProperties;

/** Reads any bytes as CSV and writes them back. */
public final class CsvTarget {
  private CsvTarget() {}

  /** What Jazzer calls. */
  public static void fuzzerTestOneInput(byte[] input) {
    CsvProperties.check(input);
  }
}
