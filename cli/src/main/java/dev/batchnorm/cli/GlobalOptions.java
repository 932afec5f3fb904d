package dev.batchnorm.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What every command understands. */
final class GlobalOptions {
  @Option(
      names = {"-q", "--quiet"},
      description = "No warnings.")
  boolean quiet;

  @Option(
      names = {"-v", "--verbose"},
      description = "Say on standard error what was chosen: engine, statistics, types.")
  boolean verbose;

  @Option(
      names = "--max-memory",
      paramLabel = "SIZE",
      description =
          "How much of standard input and of the values of CSV is held in memory, as 500M or 2G; the rest waits in a "
              + "temporary file. Default: 64 MiB of standard input, and of values a quarter of what Java may use.")
  @Nullable String maxMemory;

  @Option(
      names = "--digest",
      description =
          "One line per array written, on standard error: sha256, name, type and shape. Equal digests mean equal bits.")
  boolean digest;

  @Option(
      names = "--stacktrace",
      description = "On an error, also print where in the program it happened.")
  boolean stackTrace;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  boolean help;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "Show the version.")
  boolean version;
}
