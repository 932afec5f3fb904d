package dev.batchnorm.cli;

import dev.batchnorm.format.FileFormat;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where the result goes. */
final class OutputOptions {
  static final String STANDARD_OUTPUT = "-";

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = "Where to write; appears complete or not at all. Default: standard output.")
  private @Nullable String output;

  @Option(
      names = "--to",
      paramLabel = "csv|tsv|npy|npz",
      description = "The format to write. Default: what FILE's name says, else INPUT's.")
  private @Nullable String to;

  @Option(names = "--sync", description = "Force the output to the disk before it appears.")
  private boolean sync;

  String target() {
    return output == null ? STANDARD_OUTPUT : output;
  }

  boolean isGiven() {
    return output != null;
  }

  boolean syncs() {
    return sync;
  }

  /** Checks what can be checked before a file is opened. */
  void check() {
    if (target().isEmpty()) {
      throw new UsageException("-o: expected a file, found an empty name");
    }
    format("-o", target());
  }

  /**
   * Checks what can be checked where several arrays are written: to one NPZ, or apart.
   *
   * @param apart whether options name files for one array each
   * @param options those options, for messages
   */
  void checkSeveral(boolean apart, String... options) {
    check();
    if (apart && isGiven()) {
      throw new UsageException("-o: expected either -o or " + listed(options) + ", found both");
    }
    FileFormat format = apart ? FileFormat.NPZ : format("-o", target());
    if (format != null && format != FileFormat.NPZ) {
      throw new UsageException(
          "-o: expected NPZ for several arrays, found " + format.label(),
          String.join(" FILE ", options) + " FILE write one array each");
    }
  }

  private static String listed(String... options) {
    int last = options.length - 1;
    return String.join(", ", List.of(options).subList(0, last)) + " and " + options[last];
  }

  /** The format for a target, or null for INPUT's. */
  @Nullable FileFormat format(String option, String target) {
    FileFormat asked = to == null ? null : Choice.of("--to", to, FileFormat.values());
    if (target.equals(STANDARD_OUTPUT)) {
      return asked;
    }
    FileFormat named = FileFormat.ofExtension(target);
    if (named != null && asked != null && named != asked) {
      throw new UsageException(
          option
              + " and --to: expected the same format, found "
              + named.label()
              + " and "
              + asked.label());
    }
    if (named == null && asked == null && hasExtension(target)) {
      throw new UsageException(
          option + ": expected a name ending in .csv, .tsv, .npy or .npz, found " + target,
          "--to csv|tsv|npy|npz names the format");
    }
    return named != null ? named : asked;
  }

  private static boolean hasExtension(String target) {
    Path file = Path.of(target).getFileName();
    return file != null && file.toString().lastIndexOf('.') > 0;
  }
}
