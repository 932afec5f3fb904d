package dev.batchnorm.cli;

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
