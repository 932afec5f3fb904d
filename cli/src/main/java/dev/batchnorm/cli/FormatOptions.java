package dev.batchnorm.cli;

import dev.batchnorm.format.FileFormat;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How INPUT is read: its format, and the dialect of CSV. */
final class FormatOptions {
  @Option(
      names = "--format",
      paramLabel = "csv|tsv|npy|npz",
      description = "The format of INPUT. Default: what its name says, else its content.")
  private @Nullable String format;

  @Mixin private TextOptions text = new TextOptions();

  /** Checks what can be checked before a file is opened. */
  void check() {
    format();
    text.check();
  }

  /** The option given that concerns no file but INPUT, or null. */
  @Nullable String found() {
    return format != null ? "--format" : text.found();
  }

  @Nullable FileFormat format() {
    return format == null ? null : Choice.of("--format", format, FileFormat.values());
  }

  TextOptions text() {
    return text;
  }
}
