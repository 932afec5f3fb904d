package dev.batchnorm.cli;

import dev.batchnorm.InputException;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.csv.CsvOptions;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The dialect of CSV. */
final class TextOptions {
  @Option(
      names = "--delimiter",
      paramLabel = "C",
      description =
          "What separates CSV cells: a character, tab, or auto. Default: a comma, tab for .tsv.")
  private @Nullable String delimiter;

  @Option(
      names = "--comment",
      paramLabel = "C",
      description = "Skip CSV lines that begin with this character.")
  private @Nullable String comment;

  @Option(
      names = "--header",
      paramLabel = "auto|yes|no",
      defaultValue = "auto",
      description =
          "Whether the first CSV record names the columns. Default: auto, if none of its cells is a number.")
  private String header = "auto";

  @Option(
      names = "--columns",
      paramLabel = "LIST",
      description =
          "The CSV columns meant, by name, number or range as in a,b,3-5; the others pass through.")
  private @Nullable String columns;

  @Option(
      names = "--exclude",
      paramLabel = "LIST",
      description = "CSV columns not meant; they pass through.")
  private String exclude = "";

  @Option(
      names = "--missing",
      paramLabel = "nan|skip|ignore",
      description =
          "What an empty CSV cell means: NaN; skip its row; or ignore, where each column counts the cells it has and "
              + "empty ones stay empty. Default: an error.")
  private @Nullable String missing;

  /** Checks what can be checked before a file is opened. */
  void check() {
    if (columns != null && columns.isBlank()) {
      throw new UsageException("--columns: expected names, numbers or ranges, found an empty list");
    }
    csv(FileFormat.CSV);
  }

  /** The same dialect for a table that belongs to INPUT row by row and has columns of its own. */
  TextOptions ofOtherColumns() {
    TextOptions other = new TextOptions();
    other.delimiter = delimiter;
    other.comment = comment;
    other.header = header;
    other.missing = missing;
    return other;
  }

  /** How a table is read that has rows of its own, too: delimiter and comments as in INPUT. */
  TextOptions ofOtherTable() {
    TextOptions other = new TextOptions();
    other.delimiter = delimiter;
    other.comment = comment;
    return other;
  }

  /** The option given that concerns no table but INPUT, or null. */
  @Nullable String found() {
    if (!header.equals("auto")) {
      return "--header";
    }
    return columns != null
        ? "--columns"
        : !exclude.isEmpty() ? "--exclude" : missing != null ? "--missing" : null;
  }

  /** Refuses to leave cells out where results belong to whole rows. */
  void requireNoGaps(String command) {
    if ("ignore".equals(missing)) {
      throw new UsageException(
          "--missing: expected nan or skip for " + command + ", found ignore",
          "forward, infer, stats and convert can leave cells out");
    }
  }

  CsvOptions csv(FileFormat of) {
    try {
      CsvOptions options =
          CsvOptions.of(of)
              .withHeader(Choice.of("--header", header, CsvOptions.Header.values()))
              .withColumns(columns == null ? "" : columns)
              .withExclude(exclude);
      if (delimiter != null) {
        options = options.withDelimiter(delimiter(delimiter));
      }
      if (comment != null) {
        options = options.withComment(character("--comment", comment));
      }
      return missing == null ? options : options.withMissing(missing(missing));
    } catch (IllegalArgumentException e) {
      throw new UsageException("--" + e.getMessage());
    }
  }

  /** Refuses options that would change nothing because the file is no text. */
  void refuse(String file, FileFormat format) {
    CsvOptions found = csv(FileFormat.CSV);
    CsvOptions defaults = CsvOptions.of(FileFormat.CSV);
    // Part by part: the first equals of a record in a process takes some 20 ms.
    if (found.delimiter() != defaults.delimiter()
        || found.comment() != defaults.comment()
        || found.header() != defaults.header()
        || !found.columns().equals(defaults.columns())
        || !found.exclude().equals(defaults.exclude())
        || found.missing() != defaults.missing()) {
      throw new InputException(
          file
              + ": expected CSV or TSV (for --columns, --exclude, --delimiter, --comment, --header or --missing), found "
              + format.label().toUpperCase(Locale.ROOT));
    }
  }

  private static CsvOptions.Missing missing(String text) {
    return switch (text) {
      case "nan" -> CsvOptions.Missing.NAN;
      case "skip" -> CsvOptions.Missing.SKIP;
      case "ignore" -> CsvOptions.Missing.IGNORE;
      default ->
          throw new UsageException(
              "--missing: expected nan, skip or ignore, found \"" + text + "\"");
    };
  }

  private static char delimiter(String text) {
    return switch (text) {
      case "auto" -> CsvOptions.AUTO;
      case "tab", "\\t" -> '\t';
      default -> character("--delimiter", text);
    };
  }

  private static char character(String option, String text) {
    if (text.length() != 1) {
      throw new UsageException(option + ": expected one character, found \"" + text + "\"");
    }
    return text.charAt(0);
  }
}
