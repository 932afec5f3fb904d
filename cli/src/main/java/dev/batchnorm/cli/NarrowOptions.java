package dev.batchnorm.cli;

import picocli.CommandLine.Option;

/** Whether numbers may lose bits. */
final class NarrowOptions {
  @Option(
      names = "--narrow",
      description =
          "Round what would lose bits and is refused otherwise: 64-bit integers that no f64 holds; with convert also "
              + "values for a smaller type.")
  private boolean narrow;

  boolean narrow() {
    return narrow;
  }
}
