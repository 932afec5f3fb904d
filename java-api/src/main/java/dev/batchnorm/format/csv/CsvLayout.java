package dev.batchnorm.format.csv;

import dev.batchnorm.InputException;
import org.jspecify.annotations.Nullable;

/**
 * What stands around the numbers of a CSV output: delimiters, line ends, and cells repeated from
 * the file they came from.
 *
 * @param file what messages call the file that is repeated
 * @param options how it was read
 * @param fields the fields of each record
 * @param selected the fields that hold numbers, ascending
 * @param delimiter the output's, which may be another than that of the repeated records
 * @param rows where the repeated records are; null if nothing is repeated
 */
@SuppressWarnings("ArrayRecordComponent")
record CsvLayout(
    String file,
    CsvOptions options,
    int fields,
    int[] selected,
    char delimiter,
    byte[] lineEnd,
    @Nullable CsvRows rows) {

  /**
   * Writes what stands before the number in the 0-based column of the numbers.
   *
   * @param repeated the records, before that of the row if this is its first number; null if
   *     nothing is repeated
   */
  void before(int column, @Nullable CsvRecords repeated, CsvBytes bytes) {
    if (column == 0 && repeated != null) {
      moveToNextRow(repeated);
    }
    copy(column == 0 ? 0 : selected[column - 1] + 1, selected[column], repeated, bytes);
    if (selected[column] > 0) {
      bytes.put(delimiter);
    }
  }

  /** Writes what stands after the last number of a row. */
  void afterRow(@Nullable CsvRecords repeated, CsvBytes bytes) {
    copy(selected[selected.length - 1] + 1, fields, repeated, bytes);
    bytes.put(lineEnd);
  }

  /** Whether the cell of a number stays empty; then it was written as it stands in the file. */
  boolean leavesEmpty(int column, @Nullable CsvRecords repeated, CsvBytes bytes) {
    if (repeated == null
        || options.missing() != CsvOptions.Missing.IGNORE
        || !repeated.cell(selected[column]).isEmpty()) {
      return false;
    }
    repeated.copyField(selected[column], delimiter, bytes);
    return true;
  }

  private void copy(int from, int to, @Nullable CsvRecords repeated, CsvBytes bytes) {
    if (repeated != null) {
      for (int field = from; field < to; field++) {
        if (field > 0) {
          bytes.put(delimiter);
        }
        repeated.copyField(field, delimiter, bytes);
      }
    }
  }

  /** Moves on to the next record that was a row that counts. */
  private void moveToNextRow(CsvRecords repeated) {
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
