package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.csv.CsvOptions;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How a batch is read: format, axes, type, and the dialect of CSV. */
final class BatchOptions {
  @Option(
      names = "--format",
      paramLabel = "csv|tsv|npy|npz",
      description = "The format of INPUT. Default: what its name says, else its content.")
  private @Nullable String format;

  @Option(
      names = "--layout",
      paramLabel = "NAME",
      description = "The order of the axes: NC NCL NCHW NCDHW NLC NHWC NDHWC. C are the channels.")
  private @Nullable String layout;

  @Option(
      names = "--channel-axis",
      paramLabel = "K",
      description = "The 0-based axis of the channels; negative counts from the end. Default: 1.")
  private @Nullable Integer channelAxis;

  @Option(
      names = "--dtype",
      paramLabel = "f32|f64",
      description =
          "The type of the result; for CSV also the type that cells are rounded to. Default: INPUT's, f64 for CSV.")
  private @Nullable String dtype;

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
          "CSV columns to normalise, by name, number or range as in a,b,3-5; the others pass through.")
  private @Nullable String columns;

  @Option(
      names = "--exclude",
      paramLabel = "LIST",
      description = "CSV columns not to normalise; they pass through.")
  private String exclude = "";

  @Option(
      names = "--missing",
      paramLabel = "nan|skip",
      description = "What an empty CSV cell means: NaN, or skip its row. Default: an error.")
  private @Nullable String missing;

  /** Checks what can be checked before a file is opened. */
  void check() {
    if (layout != null && channelAxis != null) {
      throw new UsageException("--layout and --channel-axis: expected one of the two, found both");
    }
    if (columns != null && columns.isBlank()) {
      throw new UsageException("--columns: expected names, numbers or ranges, found an empty list");
    }
    axes();
    dtype();
    format();
    csv(FileFormat.CSV);
  }

  Axes axes() {
    if (layout == null) {
      return Axes.channelAxis(channelAxis == null ? 1 : channelAxis);
    }
    Layout named = choice("--layout", layout, Layout.values());
    return sizes -> Shape.of(named, sizes);
  }

  /** The type asked for, or null for the input's own. */
  @Nullable DType dtype() {
    return dtype == null ? null : choice("--dtype", dtype, DType.values());
  }

  /** T, the type of y and dx: the type asked for, else that of x. */
  DType outputType(Source x) {
    DType asked = dtype();
    return asked != null ? asked : x.type();
  }

  @Nullable FileFormat format() {
    return format == null ? null : choice("--format", format, FileFormat.values());
  }

  CsvOptions csv(FileFormat of) {
    try {
      CsvOptions options =
          CsvOptions.of(of)
              .withHeader(choice("--header", header, CsvOptions.Header.values()))
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
  void refuseCsvOptions(String file, FileFormat format) {
    CsvOptions defaults = CsvOptions.of(FileFormat.CSV);
    if (!csv(FileFormat.CSV).equals(defaults)) {
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
      default ->
          throw new UsageException("--missing: expected nan or skip, found \"" + text + "\"");
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

  /** The value named so in any case; an unknown one is answered with those known. */
  static <E extends Enum<E>> E choice(String option, String text, E[] values) {
    for (E value : values) {
      if (value.name().equalsIgnoreCase(text)) {
        return value;
      }
    }
    boolean upper = values[0] instanceof Layout;
    String known =
        Arrays.stream(values)
            .map(v -> upper ? v.name() : v.name().toLowerCase(Locale.ROOT))
            .collect(Collectors.joining(", "));
    throw new UsageException(option + ": expected one of " + known + ", found \"" + text + "\"");
  }
}
