package dev.batchnorm.fuzz;

import dev.batchnorm.format.FileProperties;

/** Reads any bytes as NPZ. */
public final class NpzTarget {
  private NpzTarget() {}

  /** What Jazzer calls. */
  public static void fuzzerTestOneInput(byte[] input) {
    FileProperties.checkNpz(input);
  }
}
