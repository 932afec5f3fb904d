package dev.batchnorm.cli;

import dev.batchnorm.format.Wording;
import java.util.List;

/** Rows of text under each other. */
final class TextTable {
  private TextTable() {}

  /** A name from a header, which may hold line feeds or nothing. */
  static String name(String name) {
    boolean plain = !name.isEmpty() && name.codePoints().noneMatch(Character::isISOControl);
    return plain ? name : Wording.quoted(name);
  }

  /**
   * Columns as wide as their cells: those of words to the left, numbers to the right, a remark
   * behind.
   *
   * @param rows the first has the titles, and decides how many columns there are
   * @param first how many of the first columns are of words
   * @param last how many of the last columns are
   */
  static void append(StringBuilder out, List<List<String>> rows, int first, int last) {
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
        String space = i < columns ? " ".repeat(widths[i] - width(cell)) : "";
        boolean isWords = i < first || i >= columns - last;
        line.append(i == 0 ? "" : i < columns ? "  " : " ")
            .append(isWords ? cell + space : space + cell);
      }
      out.append(line.toString().stripTrailing()).append('\n');
    }
  }

  private static int width(String text) {
    return text.codePointCount(0, text.length());
  }
}
