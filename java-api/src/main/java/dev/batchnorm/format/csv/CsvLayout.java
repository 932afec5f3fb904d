package dev.batchnorm.format.csv;

import dev.batchnorm.InputException;
import org.jspecify.annotations.Nullable;

/** What stands around the numbers of a CSV output: delimiters, line ends, and repeated cells. */
final class CsvLayout {
  private final String file;
  private final CsvOptions options;
  private final int fields;
  private final int[] selected;
  private final char delimiter;
  private final byte[] lineEnd;
  private final @Nullable CsvRecords repeated;

  /**
   * A layout.
   *
   * @param selected the fields that hold numbers, ascending
   * @param delimiter the output's, which may be another than that of the repeated records
   * @param repeated the records, before the first row, whose other fields are repeated; null if
   *     there are none
   */
  CsvLayout(
      String file,
      CsvOptions options,
      int fields,
      int[] selected,
      char delimiter,
      byte[] lineEnd,
      @Nullable CsvRecords repeated) {
    this.file = file;
    this.options = options;
    this.fields = fields;
    this.selected = selected;
    this.delimiter = delimiter;
    this.lineEnd = lineEnd;
    this.repeated = repeated;
  }

  /** Writes what stands before the number in the 0-based column of the numbers. */
  void before(int column, CsvBytes bytes) {
    if (column == 0) {
      nextRecord();
    }
    copy(column == 0 ? 0 : selected[column - 1] + 1, selected[column], bytes);
    if (selected[column] > 0) {
      bytes.put(delimiter);
    }
  }

  /** Writes what stands after the last number of a row. */
  void afterRow(CsvBytes bytes) {
    copy(selected[selected.length - 1] + 1, fields, bytes);
    bytes.put(lineEnd);
  }

  private void copy(int from, int to, CsvBytes bytes) {
    if (repeated != null) {
      for (int field = from; field < to; field++) {
        if (field > 0) {
          bytes.put(delimiter);
        }
        repeated.copyField(field, delimiter, bytes);
      }
    }
  }

  private void nextRecord() {
    if (repeated == null) {
      return;
    }
    do {
      if (!repeated.next() || repeated.fields() != fields) {
        throw new InputException(
            file + ": expected the rows read before, found that the file has changed");
      }
    } while (options.missing() == CsvOptions.Missing.SKIP && hasEmptyCell(repeated));
  }

  private boolean hasEmptyCell(CsvRecords records) {
    for (int field : selected) {
      if (records.cell(field).isEmpty()) {
        return true;
      }
    }
    return false;
  }
}
