package dev.batchnorm.format.csv;

import dev.batchnorm.InputException;
import dev.batchnorm.format.Wording;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A choice of columns, {@code a,b,3-5}: names, 1-based numbers and ranges, resolved in a file. */
final class CsvColumns {
  private static final int MOST_NAMES_SHOWN = 10;
  private static final String NUMBER_OR_RANGE = "[0-9]{1,9}(-[0-9]{1,9})?";

  private record Item(String option, String text, boolean quoted) {
    boolean isNumeric() {
      return !quoted && text.matches(NUMBER_OR_RANGE);
    }
  }

  private final String file;
  private final List<Item> columns;
  private final List<Item> exclude;

  CsvColumns(String file, CsvOptions options) {
    this.file = file;
    this.columns = items("--columns", options.columns());
    this.exclude = items("--exclude", options.exclude());
  }

  /** Cuts at commas outside quotes; within quotes a doubled quote is one. */
  private static List<Item> items(String option, String list) {
    List<Item> items = new ArrayList<>();
    int at = 0;
    while (at < list.length()) {
      int end = at;
      boolean inside = false;
      while (end < list.length() && (inside || list.charAt(end) != ',')) {
        inside ^= list.charAt(end) == '"';
        end++;
      }
      String text = list.substring(at, end).strip();
      boolean quoted = text.length() >= 2 && text.startsWith("\"") && text.endsWith("\"");
      if (quoted) {
        text = text.substring(1, text.length() - 1).replace("\"\"", "\"").strip();
      }
      items.add(new Item(option, text, quoted));
      at = end + 1;
    }
    return items;
  }

  /** Whether all columns are given by numbers that a file of that many fields has. */
  boolean areNumbers(int fields) {
    List<Item> all = new ArrayList<>(columns);
    all.addAll(exclude);
    return all.stream().allMatch(item -> item.isNumeric() && fits(item.text, fields));
  }

  /**
   * The selected columns, 0-based and ascending.
   *
   * @param names the names of the columns, none if the file has no header
   */
  int[] select(int fields, List<String> names) {
    BitSet selected = new BitSet(fields);
    if (columns.isEmpty()) {
      selected.set(0, fields);
    }
    for (Item item : columns) {
      selected.or(resolve(item, fields, names));
    }
    for (Item item : exclude) {
      selected.andNot(resolve(item, fields, names));
    }
    if (selected.isEmpty()) {
      throw new InputException(file + ": expected at least 1 column, found all of them excluded");
    }
    return selected.stream().toArray();
  }

  private BitSet resolve(Item item, int fields, List<String> names) {
    BitSet columns = new BitSet(fields);
    int first = names.indexOf(item.text);
    if (first >= 0) {
      if (first != names.lastIndexOf(item.text)) {
        throw new InputException(
            file
                + ": expected one column "
                + Wording.quoted(item.text)
                + " ("
                + item.option
                + "), found it as column "
                + (first + 1)
                + " and "
                + (names.lastIndexOf(item.text) + 1),
            "columns may be given by number, as " + (first + 1));
      }
      columns.set(first);
      return columns;
    }
    if (!item.isNumeric() || !fits(item.text, fields)) {
      throw missing(item, fields, names);
    }
    int[] range = range(item.text);
    columns.set(range[0] - 1, range[1]);
    return columns;
  }

  private static boolean fits(String numberOrRange, int fields) {
    int[] range = range(numberOrRange);
    return range[0] >= 1 && range[0] <= range[1] && range[1] <= fields;
  }

  private static int[] range(String numberOrRange) {
    int dash = numberOrRange.indexOf('-');
    int first = Integer.parseInt(dash < 0 ? numberOrRange : numberOrRange.substring(0, dash));
    return new int[] {
      first, dash < 0 ? first : Integer.parseInt(numberOrRange.substring(dash + 1))
    };
  }

  private static String shown(List<String> names) {
    return names.stream().map(Wording::onOneLine).collect(Collectors.joining(", "));
  }

  private InputException missing(Item item, int fields, List<String> names) {
    String found = fields + (fields == 1 ? " column" : " columns");
    if (names.isEmpty()) {
      found += " without names";
    } else if (names.size() <= MOST_NAMES_SHOWN) {
      found += " (" + shown(names) + ")";
    } else {
      found += " (" + shown(names.subList(0, MOST_NAMES_SHOWN)) + ", …)";
    }
    return new InputException(
        file
            + ": expected a column "
            + Wording.quoted(item.text)
            + " ("
            + item.option
            + "), found "
            + found,
        hint(item, fields, names),
        null);
  }

  private static @Nullable String hint(Item item, int fields, List<String> names) {
    if (item.isNumeric()) {
      int[] range = range(item.text);
      if (range[0] > range[1]) {
        return "a range goes upwards, as " + range[1] + "-" + range[0];
      }
    }
    return fields == 1 && String.join("", names).matches("[^;\t]*[;\t].*")
        ? "--delimiter auto finds a semicolon or a tab"
        : null;
  }
}
