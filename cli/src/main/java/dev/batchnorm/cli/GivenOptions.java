package dev.batchnorm.cli;

import dev.batchnorm.BatchNorm;
import dev.batchnorm.Convention;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Statistics;
import dev.batchnorm.format.Decimals;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Statistics that were computed before. */
final class GivenOptions {
  private enum Kind {
    BATCH,
    RUNNING
  }

  @Option(
      names = "--running",
      paramLabel = "FILE",
      description =
          "The statistics: an NPZ (as forward --save writes, or with PyTorch's names) or a CSV with columns "
              + "running_mean,running_variance and one row a channel.")
  private @Nullable String running;

  @Option(
      names = "--statistics",
      paramLabel = "batch|running",
      description =
          "Which of FILE's statistics to use. Default: the running ones if it has any, else the batch's.")
  private @Nullable String statistics;

  /** The same options as another command typed them. */
  static GivenOptions of(@Nullable String running, @Nullable String statistics) {
    GivenOptions options = new GivenOptions();
    options.running = running;
    options.statistics = statistics;
    return options;
  }

  /** The option that makes no sense without frozen statistics, or null. */
  private @Nullable String found() {
    return running != null ? "--running" : statistics != null ? "--statistics" : null;
  }

  /** Frozen statistics have to be given, and given ones to be frozen. */
  void checkFrozen(boolean frozen) {
    if (frozen) {
      check();
    } else if (found() != null) {
      throw new UsageException(
          found() + ": expected --frozen beside it, found none",
          "without --frozen the statistics are the batch's own");
    }
  }

  void check() {
    if (running == null) {
      throw new UsageException(
          "--running: expected a file of statistics, found none",
          "forward --save FILE.npz writes one");
    }
    kind();
  }

  private @Nullable Kind kind() {
    return statistics == null ? null : Choice.of("--statistics", statistics, Kind.values());
  }

  String file() {
    return running == null ? "" : running;
  }

  /** ε: as typed, else the file's, else PyTorch's. */
  double eps(@Nullable Double typed, StatisticsFile file) {
    if (typed != null) {
      return typed;
    }
    Double saved = file.eps();
    return saved != null ? saved : Convention.PYTORCH.eps();
  }

  /** The statistics for the channels. */
  Statistics statistics(Session session, BatchNorm norm, StatisticsFile file, Channels channels) {
    boolean useRunning = kind() == Kind.RUNNING || (kind() == null && file.hasRunning());
    RunningStatistics chosen = useRunning ? file.running(channels, false) : file.batch(channels);
    session.talk(
        file.name()
            + ": "
            + (useRunning ? "running" : "batch")
            + " statistics, eps "
            + Decimals.text(norm.eps()));
    return InputFiles.naming(file.name(), () -> norm.given(chosen.mean(), chosen.variance()));
  }
}
