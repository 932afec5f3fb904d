package dev.batchnorm.fuzz;

import dev.batchnorm.format.FileProperties;

/** Reads any bytes as NPY. */
public final class NpyTarget {
  private NpyTarget() {}

  /** What Jazzer calls. */
  public static void fuzzerTestOneInput(byte[] input) {
    FileProperties.checkNpy(input);
  }
}
