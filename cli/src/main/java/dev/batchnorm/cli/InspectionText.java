package dev.batchnorm.cli;

import dev.batchnorm.Shape;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.csv.CsvTable;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.verify.Conditioning;
import dev.batchnorm.verify.Conditioning.Danger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** What {@code inspect} prints for people. */
final class InspectionText {
  /** What a person still reads through. */
  private static final int MOST_CHANNELS = 64;

  private static final int WORST_CHANNELS = 16;

  private final StringBuilder out = new StringBuilder();

  private InspectionText() {}

  static String of(Inspection inspection) {
    InspectionText text = new InspectionText();
    text.append(inspection);
    return text.out.toString();
  }

  /** {@code 1 value}, {@code 2 values}. */
  static String count(long count, String what) {
    return count + " " + what + (count == 1 ? "" : "s");
  }

  private void line(String... parts) {
    out.append(String.join("", parts)).append('\n');
  }

  private void append(Inspection inspection) {
    String size = Wording.size(inspection.bytes());
    if (inspection.isList()) {
      String holds = inspection.holds() == null ? "" : ", " + inspection.holds();
      line(
          inspection.name(),
          ": NPZ, ",
          count(inspection.parts().size(), "member"),
          ", ",
          size,
          holds);
    }
    for (Inspection.Part part : inspection.parts()) {
      if (!out.isEmpty()) {
        line();
      }
      Inspection.Found found = part.found();
      if (found == null) {
        line(part.name(), ": not read: ", part.reason());
      } else {
        StoredArray array = found.stored().array();
        boolean isFile = inspection.format() != FileFormat.NPZ;
        String values = Wording.size(array.count() * array.type().bytes()) + " of values";
        line(part.name(), ": ", stored(found), ", ", isFile ? size : values);
        append(found);
      }
    }
  }

  private static String stored(Inspection.Found found) {
    CsvTable table = found.stored().table();
    if (table != null) {
      return found.stored().format() + ", " + dialect(table);
    }
    String format = found.stored().member() == null ? "NPY, " : "";
    NpyArray array = (NpyArray) found.stored().array();
    boolean hasOrder = array.type().bytes() > 1;
    return format
        + array.descriptor().substring(1)
        + (!hasOrder ? "" : array.descriptor().startsWith(">") ? " big-endian" : " little-endian")
        + (array.fortranOrder() ? ", Fortran order" : ", C order");
  }

  /** {@code 4 of 5 columns, delimiter comma, header}. */
  private static String dialect(CsvTable table) {
    String delimiter =
        switch (table.delimiter()) {
          case ',' -> "comma";
          case ';' -> "semicolon";
          case '\t' -> "tab";
          default -> Wording.quoted(String.valueOf(table.delimiter()));
        };
    return (table.columns() == table.fields() ? "" : table.columns() + " of ")
        + count(table.fields(), "column")
        + ", delimiter "
        + delimiter
        + (table.names().isEmpty() ? ", no header" : ", header");
  }

  private void append(Inspection.Found found) {
    ArraySummary summary = found.summary();
    StoredArray array = found.stored().array();
    ArraySummary.Channels channels = summary.channels();
    if (summary.value() != null) {
      line("value ", summary.value());
    } else if (channels == null) {
      line("shape ", Shape.text(array.sizes()));
    } else {
      Shape shape = channels.shape();
      line(
          "shape ",
          shape.toString(),
          ": ",
          count(shape.channels(), "channel"),
          array.sizes().length == 1 ? "" : " (axis " + shape.channelAxis() + ")",
          " of ",
          count(shape.view().valuesPerChannel(), "value"));
    }
    line("sha256 ", summary.sha256(), " ", summary.description());
    if (channels != null && array.count() > 0) {
      append(channels, found.names());
    }
  }

  private void append(ArraySummary.Channels channels, List<String> names) {
    boolean all = channels.count() <= MOST_CHANNELS;
    int[] shown = all ? IntStream.range(0, channels.count()).toArray() : withLargestRatio(channels);
    boolean nan = IntStream.of(shown).anyMatch(c -> channels.ranges().nan(c) > 0);
    boolean infinite = IntStream.of(shown).anyMatch(c -> channels.infinities(c) > 0);
    Conditioning conditioning = channels.conditioning();
    boolean flagged = IntStream.of(shown).anyMatch(c -> !conditioning.dangers(c).isEmpty());
    List<List<String>> rows = new ArrayList<>();
    rows.add(
        row(
            "channel",
            "min",
            "max",
            nan ? "nan" : null,
            infinite ? "inf" : null,
            "mean",
            "|mean|/std",
            "lost one-pass",
            "two-pass",
            "bf16",
            flagged ? "flags" : ""));
    for (int c : shown) {
      rows.add(
          row(
              names.isEmpty() ? Integer.toString(c) : name(names.get(c)),
              orDash(channels.ranges().min(c)),
              orDash(channels.ranges().max(c)),
              nan ? Long.toString(channels.ranges().nan(c)) : null,
              infinite ? Long.toString(channels.infinities(c)) : null,
              Decimals.text(channels.statistics().mean()[c]),
              rounded("%.4g", conditioning.meanOverStd(c)),
              rounded("%.1f", conditioning.digitsLostByOnePass(c)),
              rounded("%.1f", conditioning.digitsLostByTwoPass(c)),
              rounded("%.1f", conditioning.digitsLostInBf16(c)),
              words(conditioning.dangers(c))));
    }
    append(rows);
    if (!all) {
      long notFinite = IntStream.range(0, channels.count()).filter(channels::hasNonFinite).count();
      line(
          Integer.toString(shown.length),
          " of ",
          count(channels.count(), "channel"),
          ", largest |mean|/std first",
          notFinite == 0 ? "" : ", those with NaN or Inf (" + notFinite + ") last",
          "; --json prints all");
    }
    line(summary(channels));
    if (channels.rounded() > 0) {
      line(
          "note: ",
          count(channels.rounded(), "integer"),
          " that no f64 holds; mean, |mean|/std and what follows are of the nearest");
    }
  }

  private static String words(Set<Danger> dangers) {
    return dangers.stream().map(Danger::words).collect(Collectors.joining(", "));
  }

  /** {@code in danger: 2 of 4 channels (eps 1e-05): 2 constant, 1 eps dominates}. */
  private static String summary(ArraySummary.Channels channels) {
    Conditioning conditioning = channels.conditioning();
    Map<Danger, Integer> counts = new EnumMap<>(Danger.class);
    int oneByOne = 0;
    for (int c = 0; c < channels.count(); c++) {
      conditioning.dangers(c).forEach(danger -> counts.merge(danger, 1, Integer::sum));
      boolean atOnce = conditioning.mayBeNegative(c, false);
      oneByOne += !atOnce && conditioning.mayBeNegative(c, true) ? 1 : 0;
    }
    String each =
        counts.entrySet().stream()
            .map(entry -> entry.getValue() + " " + entry.getKey().words())
            .collect(Collectors.joining(", "));
    return "in danger: "
        + (counts.isEmpty() ? "none" : Long.toString(channels.inDanger()))
        + " of "
        + count(channels.count(), "channel")
        + String.format(
            Locale.ROOT,
            " (%.1f digits to lose, eps %s)",
            Math.floor(10 * conditioning.digits()) / 10,
            Decimals.text(conditioning.eps()))
        + (counts.isEmpty() ? "" : ": " + each)
        + (oneByOne == 0 ? "" : "; " + oneByOne + " more if f32 sums are added up one by one");
  }

  /** A channel whose ratio is NaN comes after all others. */
  private static int[] withLargestRatio(ArraySummary.Channels channels) {
    return IntStream.range(0, channels.count())
        .boxed()
        .sorted(Comparator.comparingDouble(c -> -orLeast(channels.conditioning().meanOverStd(c))))
        .limit(WORST_CHANNELS)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  private static double orLeast(double ratio) {
    return Double.isNaN(ratio) ? -1 : ratio;
  }

  private static List<String> row(@Nullable String... cells) {
    List<String> row = new ArrayList<>();
    for (String cell : cells) {
      if (cell != null) {
        row.add(cell);
      }
    }
    return row;
  }

  /** A name from a header may hold line feeds or nothing. */
  private static String name(String name) {
    boolean plain = !name.isEmpty() && name.codePoints().noneMatch(Character::isISOControl);
    return plain ? name : Wording.quoted(name);
  }

  private static String orDash(@Nullable String text) {
    return text == null ? "-" : text;
  }

  private static String rounded(String format, double value) {
    return Double.isFinite(value)
        ? String.format(Locale.ROOT, format, value)
        : Decimals.text(value);
  }

  /** Columns as wide as their cells: the first and the last to the left, numbers to the right. */
  private void append(List<List<String>> rows) {
    int columns = rows.get(0).size();
    int[] widths = new int[columns];
    for (List<String> row : rows) {
      for (int i = 0; i < columns; i++) {
        widths[i] = Math.max(widths[i], width(row.get(i)));
      }
    }
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < row.size(); i++) {
        String cell = row.get(i);
        String space = " ".repeat(widths[i] - width(cell));
        boolean isText = i == 0 || i == columns - 1;
        line.append(i == 0 ? "" : "  ").append(isText ? cell + space : space + cell);
      }
      line(line.toString().stripTrailing());
    }
  }

  private static int width(String text) {
    return text.codePointCount(0, text.length());
  }
}
