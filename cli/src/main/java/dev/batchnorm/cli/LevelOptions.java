package dev.batchnorm.cli;

import dev.batchnorm.Level;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How sure a covariance and what is made of it are. */
final class LevelOptions {
  @Option(
      names = "--level",
      paramLabel = "exact|fast",
      description =
          "exact: every sum is exact and rounded once, the same bits everywhere. fast: plain binary64 on centred data, "
              + "with bounds on the error; bits depend on engine and threads. Default: exact.")
  private @Nullable String level;

  /** Whether a level was named. */
  boolean isGiven() {
    return level != null;
  }

  Level level() {
    return level == null ? Level.EXACT : Choice.of("--level", level, Level.values());
  }
}
