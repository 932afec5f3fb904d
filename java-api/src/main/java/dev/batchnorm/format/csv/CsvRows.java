package dev.batchnorm.format.csv;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Numerals;
import dev.batchnorm.tasks.Workers;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Reads the rows of data, several blocks of the file at once. A block is guessed to begin after its
 * first line feed; where that lies inside a quoted cell, the blocks before it tell, and it is read
 * again. So is a block with an error, to know its line.
 */
final class CsvRows implements AutoCloseable {
  /** Text of a block: some milliseconds of work. */
  static final int BLOCK = 1 << 20;

  /** Text in which a line feed is looked for at once. */
  private static final int LINE = 1 << 12;

  /** A guess that runs into a longer record has probably begun inside a quoted cell. */
  private static final int MOST_GUESSED = 4 * BLOCK;

  /** Numbers that are read at once where they are plain. */
  private static final int AT_ONCE = 1 << 12;

  /** Where fewer records are plain in a row, trying costs more than it saves. */
  private static final int FEW = 8;

  private static final Set<String> MISSING_MARKS =
      Set.of("n/a", "#n/a", "na", "null", "none", "missing", "-", "?", ".");

  /**
   * The rows of a block that count.
   *
   * @param start where the first record of the block begins in the file
   * @param line the line of that record
   * @param row the number of rows that count before
   */
  record Block(long start, long line, long row) {}

  /** What a block holds. */
  private record Content(
      long start, long end, long lines, CsvValues.Buffer values, int rows, List<Long> skipped) {}

  private final InputBytes in;
  private final CsvOptions options;
  private final int block;
  private final int fields;
  private final long firstLine;
  private final int[] selected;
  private final CsvValues values;
  private final List<Block> blocks = new ArrayList<>();
  private final List<Long> skippedRows = new ArrayList<>();
  private long rows;

  // Where the next block begins; guarded by the turns of the workers.
  private long position;
  private long line;

  /**
   * Rows that are still to be read.
   *
   * @param options with a known delimiter
   * @param block the bytes of a block
   * @param fields what each record must have
   * @param firstLine the line of the record that has them, for messages
   * @param selected the fields that hold values, ascending
   * @param first at the first row of data, or at the end if there is none
   */
  CsvRows(
      InputBytes in,
      CsvOptions options,
      int block,
      int fields,
      long firstLine,
      int[] selected,
      DType cellType,
      CsvRecords first) {
    this.in = in;
    this.options = options;
    this.block = block;
    this.fields = fields;
    this.firstLine = firstLine;
    this.selected = selected;
    this.values = new CsvValues("the values of " + in.name(), cellType, options.memory());
    this.position = first.position();
    this.line = first.line();
  }

  /**
   * Reads them all.
   *
   * @throws InputException if a selected cell is no number or records differ in their number of
   *     fields: the first place in the file where that is so
   */
  void read() {
    long start = position;
    int tasks = Math.toIntExact((in.size() - start + block - 1) / block);
    Workers workers = new Workers(tasks);
    IntConsumer worker =
        task -> {
          long from = start + (long) task * block;
          long stop = from + block;
          Content guessed = guess(task == 0 ? start : afterLineFeed(from - 1, stop), stop);
          workers.awaitTurn(task);
          if (position < stop) {
            if (guessed == null || guessed.start != position) {
              guessed = content(position, line, stop, CsvRecords.MOST_BYTES);
            }
            add(guessed);
          }
          workers.endTurn();
        };
    workers.run(Collections.nCopies(Math.max(1, Math.min(options.threads(), tasks)), worker));
  }

  /** Where the first record begins if the byte at a place is not inside quotes; −1 if not known. */
  private long afterLineFeed(long from, long stop) {
    byte[] bytes = new byte[(int) Math.min(LINE, Math.min(stop, in.size()) - from)];
    for (long at = from; at < stop && at < in.size(); at += bytes.length) {
      int count = (int) Math.min(bytes.length, in.size() - at);
      in.read(at, ByteBuffer.wrap(bytes, 0, count));
      for (int i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
          return at + i + 1;
        }
      }
    }
    return -1;
  }

  private @Nullable Content guess(long from, long stop) {
    if (from < 0 || from >= stop) {
      return null;
    }
    try {
      return content(from, 1, stop, MOST_GUESSED);
    } catch (InputException e) {
      return null; // either the guess is wrong, or the error needs its line
    }
  }

  private Content content(long from, long firstLine, long stop, int mostBytes) {
    CsvRecords records = new CsvRecords(in, options, from, firstLine, stop, mostBytes);
    CsvValues.Buffer found = new CsvValues.Buffer(values.type());
    double[] row = new double[selected.length];
    List<Long> skipped = new ArrayList<>();
    int count = 0;
    int slowly = 0; // records to read one by one before others are tried together
    do {
      if (slowly-- == 0) {
        int read = readNumbers(records, found);
        count += read;
        slowly = read < FEW ? FEW : 0;
      }
      if (!records.next()) {
        break;
      }
      checkFields(records);
      if (readRow(records, row)) {
        found.add(row, row.length);
        count++;
      } else {
        skipped.add((long) count + skipped.size());
      }
    } while (true);
    return new Content(from, records.position(), records.line() - firstLine, found, count, skipped);
  }

  private int readNumbers(CsvRecords records, CsvValues.Buffer found) {
    Numerals numerals = options.numerals();
    if (numerals == null || values.type() == DType.F16) {
      return 0;
    }
    int comment = options.comment() == CsvOptions.NONE ? -1 : options.comment();
    Numerals.Records shape =
        new Numerals.Records(values.type(), options.delimiter(), comment, fields, selected);
    double[] numbers = new double[Math.max(AT_ONCE, selected.length)];
    int all = 0;
    int read;
    do {
      read = records.readNumbers(numerals, shape, numbers);
      found.add(numbers, read * selected.length);
      all += read;
    } while (read > 0);
    return all;
  }

  private void add(Content content) {
    blocks.add(new Block(content.start, line, rows));
    long before = rows + skippedRows.size();
    for (long row : content.skipped) {
      skippedRows.add(before + row);
    }
    values.add(content.values);
    rows += content.rows;
    position = content.end;
    line += content.lines;
  }

  private void checkFields(CsvRecords records) {
    if (records.fields() != fields) {
      throw new InputException(
          in.name()
              + ":"
              + records.line()
              + ": expected "
              + fields
              + (fields == 1 ? " field" : " fields")
              + " as in line "
              + firstLine
              + ", found "
              + records.fields());
    }
  }

  /** Whether the row counts. */
  private boolean readRow(CsvRecords records, double[] row) {
    boolean complete = true;
    for (int i = 0; i < row.length; i++) {
      CsvRecords.Cell cell = records.cell(selected[i]);
      if (cell.isEmpty() && options.missing() != CsvOptions.Missing.ERROR) {
        complete &= options.missing() != CsvOptions.Missing.SKIP;
        row[i] = options.missing() == CsvOptions.Missing.IGNORE ? CsvValues.ABSENT : Double.NaN;
        continue;
      }
      try {
        row[i] = Decimals.parse(values.type(), cell.bytes, cell.from, cell.to);
      } catch (NumberFormatException e) {
        throw records.at(selected[i], String.valueOf(e.getMessage()), hint(records, cell));
      }
    }
    return complete;
  }

  private static @Nullable String hint(CsvRecords records, CsvRecords.Cell cell) {
    if (cell.isEmpty()) {
      return "--missing nan reads empty cells as NaN, --missing skip drops their rows";
    }
    if (Decimals.isNumber(cell.bytes, cell.from, cell.to)) {
      return null; // too large: no choice of columns helps
    }
    if (records.hasLoneReturn()) {
      return CsvRecords.LONE_RETURN;
    }
    if (records.fields() == 1 && cell.text().matches("[^;\t]*[;\t].*")) {
      return "--delimiter auto finds a semicolon or a tab";
    }
    return MISSING_MARKS.contains(cell.text().toLowerCase(Locale.ROOT))
        ? "--missing nan reads empty cells as NaN"
        : "--columns and --exclude choose the columns";
  }

  /** The number of rows that count. */
  long count() {
    return rows;
  }

  /** The rows dropped for an empty cell, 0-based among all rows of data, ascending. */
  List<Long> skipped() {
    return skippedRows;
  }

  /** The values, row by row. */
  CsvValues values() {
    return values;
  }

  /** The last block that begins with the row or before; rows in it that do not count aside. */
  Block blockOf(long row) {
    return blocks.get(lastBlockUpTo(row));
  }

  /** The first row that is not in the block, as {@link #blockOf} tells. */
  long endOf(Block block) {
    int next = lastBlockUpTo(block.row) + 1;
    return next < blocks.size() ? blocks.get(next).row : rows;
  }

  private int lastBlockUpTo(long row) {
    int low = 0;
    int high = blocks.size() - 1;
    while (low < high) {
      int middle = (low + high + 1) >>> 1;
      if (blocks.get(middle).row <= row) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  /** The records of the file from a block on. */
  CsvRecords recordsFrom(Block block) {
    return new CsvRecords(
        in, options, block.start, block.line, Long.MAX_VALUE, CsvRecords.MOST_BYTES);
  }

  @Override
  public void close() {
    values.close();
  }
}
