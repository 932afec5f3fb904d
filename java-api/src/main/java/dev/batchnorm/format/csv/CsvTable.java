package dev.batchnorm.format.csv;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The selected columns of a CSV file in memory: rows are samples, columns are channels. What is not
 * selected stays in the file and is read again when {@link #sink} repeats it.
 */
public final class CsvTable implements AutoCloseable {
  private static final char[] DELIMITERS = {',', ';', '\t'};
  private static final String LONE_RETURN =
      "a carriage return alone ends no line; tr '\\r' '\\n' makes line feeds of them";
  private static final Set<String> MISSING_MARKS =
      Set.of("n/a", "#n/a", "na", "null", "none", "missing", "-", "?", ".");

  private final InputBytes in;
  private final CsvOptions options;
  private final CsvValues values;
  private int fields;
  private int[] selected = {};
  private boolean crlf;
  private List<byte[]> header = List.of();
  private List<String> names = List.of();
  private long rows;
  private final List<Long> skippedRows = new ArrayList<>();
  private boolean countsColumns;

  private CsvTable(InputBytes in, CsvOptions options, DType cellType) {
    this.in = in;
    this.options = options;
    this.values = new CsvValues(cellType);
  }

  /**
   * Reads the whole table; each cell is rounded once to the type. The input belongs to the table
   * from then on and is closed with it; if this throws, it stays the caller's.
   *
   * @throws InputException if a selected cell is no number, a column is not there, records differ
   *     in their number of fields, or there is no row of data
   */
  public static CsvTable read(InputBytes in, CsvOptions options, DType cellType) {
    char delimiter = options.delimiter();
    for (int i = 0; i < DELIMITERS.length && delimiter == CsvOptions.AUTO; i++) {
      delimiter = splits(in, options, DELIMITERS[i]) ? DELIMITERS[i] : CsvOptions.AUTO;
    }
    CsvOptions known =
        options.withDelimiter(delimiter == CsvOptions.AUTO ? DELIMITERS[0] : delimiter);
    CsvTable table = new CsvTable(in, known, cellType);
    table.readAll();
    return table;
  }

  /**
   * The cells of a column as text, without those of the first record; the input stays the caller's.
   *
   * @param column 0-based
   */
  public static List<String> texts(InputBytes in, CsvOptions options, int column) {
    CsvRecords records = new CsvRecords(in, options.delimiter(), options.comment());
    List<String> texts = new ArrayList<>();
    records.next();
    while (records.next()) {
      texts.add(column < records.fields() ? records.cell(column).text() : "");
    }
    return texts;
  }

  /** The cells of the first record, none if there is no record; the input stays the caller's. */
  public static List<String> firstRecord(InputBytes in, CsvOptions options) {
    CsvRecords records = new CsvRecords(in, options.delimiter(), options.comment());
    return records.next() ? names(records) : List.of();
  }

  private static boolean splits(InputBytes in, CsvOptions options, char delimiter) {
    try {
      CsvRecords records = new CsvRecords(in, delimiter, options.comment());
      return records.next() && records.fields() > 1;
    } catch (InputException e) {
      return false; // quoted cells followed by another delimiter; a real fault is found on reading
    }
  }

  private void readAll() {
    CsvRecords records = new CsvRecords(in, options.delimiter(), options.comment());
    boolean more = records.next();
    if (!more) {
      throw new InputException(in.name() + ": expected at least 1 row of data, found none");
    }
    fields = records.fields();
    crlf = records.crlf();
    long firstLine = records.line();
    CsvColumns columns = new CsvColumns(in.name(), options);
    if (isHeader(records, columns)) {
      List<String> all = names(records);
      selected = columns.select(fields, all);
      header = IntStream.range(0, fields).mapToObj(records::field).toList();
      List<String> chosen = new ArrayList<>();
      for (int column : selected) {
        chosen.add(all.get(column));
      }
      names = List.copyOf(chosen);
      more = records.next();
    } else {
      selected = columns.select(fields, List.of());
      countsColumns = options.header() == CsvOptions.Header.AUTO && countsColumns(records);
    }
    double[] row = new double[selected.length];
    for (; more; more = records.next()) {
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
      if (readRow(records, row)) {
        rows++;
        for (double value : row) {
          values.add(value);
        }
      } else {
        skippedRows.add(rows + skippedRows.size());
      }
    }
    if (rows == 0 && !skippedRows.isEmpty()) {
      throw new InputException(
          in.name()
              + ": expected at least 1 row without empty cells, found none of "
              + skippedRows.size());
    }
    if (rows == 0) {
      throw new InputException(
          in.name() + ": expected at least 1 row of data, found only a header",
          header.stream().anyMatch(CsvTable::hasLoneReturn) ? LONE_RETURN : null,
          null);
    }
  }

  private static boolean countsColumns(CsvRecords records) {
    for (int field = 0; field < records.fields(); field++) {
      if (!records.cell(field).text().equals(Integer.toString(field))) {
        return false;
      }
    }
    return records.fields() > 1;
  }

  private static List<String> names(CsvRecords records) {
    List<String> names = new ArrayList<>();
    for (int field = 0; field < records.fields(); field++) {
      names.add(records.cell(field).text());
    }
    return names;
  }

  private boolean isHeader(CsvRecords records, CsvColumns columns) {
    if (options.header() != CsvOptions.Header.AUTO) {
      return options.header() == CsvOptions.Header.YES;
    }
    if (columns.areNumbers(fields)) {
      int[] asData = columns.select(fields, List.of());
      if (firstOfKind(records, asData, false) < 0) {
        return false;
      }
    }
    int[] asHeader = columns.select(fields, names(records));
    int number = firstOfKind(records, asHeader, true);
    if (number >= 0) {
      throw records.at(
          number,
          "expected names or numbers throughout the first record, found the number "
              + records.cell(number).text()
              + " among names",
          hasLoneReturn(records.record())
              ? LONE_RETURN
              : "--header yes|no says whether the first record is a header");
    }
    return true;
  }

  /** The first of the columns whose cell is, or is not, a number; empty cells are neither. */
  private static int firstOfKind(CsvRecords records, int[] columns, boolean number) {
    for (int column : columns) {
      CsvRecords.Cell cell = records.cell(column);
      if (!cell.isEmpty() && Decimals.isNumber(cell.bytes, cell.from, cell.to) == number) {
        return column;
      }
    }
    return -1;
  }

  /** Whether the row counts. */
  private boolean readRow(CsvRecords records, double[] row) {
    boolean complete = true;
    for (int i = 0; i < row.length; i++) {
      CsvRecords.Cell cell = records.cell(selected[i]);
      if (cell.isEmpty() && options.missing() != CsvOptions.Missing.ERROR) {
        complete &= options.missing() == CsvOptions.Missing.NAN;
        row[i] = Double.NaN;
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
    if (hasLoneReturn(records.record())) {
      return LONE_RETURN;
    }
    if (records.fields() == 1 && cell.text().matches("[^;\t]*[;\t].*")) {
      return "--delimiter auto finds a semicolon or a tab";
    }
    return MISSING_MARKS.contains(cell.text().toLowerCase(Locale.ROOT))
        ? "--missing nan reads empty cells as NaN"
        : "--columns and --exclude choose the columns";
  }

  private static boolean hasLoneReturn(byte... record) {
    for (int i = 0; i < record.length; i++) {
      if (record[i] == '\r' && (i + 1 == record.length || record[i + 1] != '\n')) {
        return true;
      }
    }
    return false;
  }

  /** What messages call this table. */
  public String name() {
    return in.name();
  }

  /** The number of rows that count. */
  public long rows() {
    return rows;
  }

  /** The number of rows dropped for an empty cell. */
  public long skipped() {
    return skippedRows.size();
  }

  /** The rows dropped for an empty cell, 0-based among all rows of data, ascending. */
  public List<Long> skippedRows() {
    return List.copyOf(skippedRows);
  }

  /**
   * Whether the first record was found to be data and is 0, 1, 2, …, as pandas numbers columns
   * without names.
   */
  public boolean countsColumns() {
    return countsColumns;
  }

  /** The number of selected columns. */
  public int columns() {
    return selected.length;
  }

  /** The number of columns in the file. */
  public int fields() {
    return fields;
  }

  /** What separates the cells. */
  public char delimiter() {
    return options.delimiter();
  }

  /** The names of the selected columns, empty if the file has no header. */
  public List<String> names() {
    return names;
  }

  /** The values of a selected column, 0-based. At most 2³¹ − 9 rows. */
  public double[] column(int column) {
    double[] copy = new double[Math.toIntExact(rows)];
    for (int row = 0; row < copy.length; row++) {
      copy[row] = values.read((long) row * selected.length + column, 1).get(0);
    }
    return copy;
  }

  /** All selected values, row by row. At most 2³¹ − 9. */
  public double[] values() {
    return values.read(0, Math.toIntExact(rows * selected.length)).toDoubles();
  }

  /** The table as a batch of shape rows × columns whose columns are the channels. */
  public Source source() {
    return source(Axes.channelAxis(1));
  }

  /**
   * The table as a batch of shape rows × columns. Closing it does nothing.
   *
   * @throws InputException if the axes ask for other sizes
   */
  public Source source(Axes axes) {
    try {
      return new TableSource(axes.shape(rows, selected.length));
    } catch (IllegalArgumentException e) {
      throw new InputException(in.name() + ": " + e.getMessage(), null, e);
    }
  }

  /** The table as an array of shape rows × columns. */
  public StoredArray array() {
    return new TableArray();
  }

  /**
   * Takes values of the shape of {@link #source} and writes the file again with them in place of
   * the selected cells: header and other cells byte for byte, with this file's delimiter and line
   * end. The output belongs to the sink and is closed with it.
   */
  public CsvSink sink(AtomicOutput out, NumberType type) {
    return sink(out, type, options.delimiter());
  }

  /**
   * As {@link #sink(AtomicOutput, NumberType)} with another delimiter; repeated cells that hold it
   * are put in quotes.
   */
  public CsvSink sink(AtomicOutput out, NumberType type, char delimiter) {
    CsvBytes bytes = new CsvBytes(out);
    byte[] lineEnd = crlf ? new byte[] {'\r', '\n'} : new byte[] {'\n'};
    for (int field = 0; field < header.size(); field++) {
      if (field > 0) {
        bytes.put(delimiter);
      }
      if (delimiter == options.delimiter()) {
        bytes.put(header.get(field));
      } else {
        bytes.putField(header.get(field), delimiter);
      }
    }
    if (!header.isEmpty()) {
      bytes.put(lineEnd);
    }
    CsvRecords again = null;
    if (selected.length < fields) {
      again = new CsvRecords(in, options.delimiter(), options.comment());
      if (!header.isEmpty()) {
        again.next();
      }
    }
    CsvLayout layout =
        new CsvLayout(in.name(), options, fields, selected, delimiter, lineEnd, again);
    return new CsvSink(out, bytes, type, layout, rows, selected.length);
  }

  /** Closes the input; sinks that repeat its cells must be finished before. */
  @Override
  public void close() {
    in.close();
  }

  private final class TableSource implements Source {
    private final Shape shape;

    TableSource(Shape shape) {
      this.shape = shape;
    }

    @Override
    public String name() {
      return in.name();
    }

    @Override
    public Shape shape() {
      return shape;
    }

    @Override
    public DType type() {
      return values.type();
    }

    @Override
    public Values chunk(long first, int count) {
      return values.read(first, count);
    }

    @Override
    public int chunkLimit() {
      return StoredArray.CHUNK;
    }

    @Override
    public void close() {}
  }

  private final class TableArray implements StoredArray {
    private ByteBuffer bytes = ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);

    @Override
    public String name() {
      return in.name();
    }

    @Override
    public NumberType type() {
      return NumberType.of(values.type());
    }

    @Override
    public long[] sizes() {
      return new long[] {rows, selected.length};
    }

    @Override
    public long count() {
      return rows * selected.length;
    }

    @Override
    public ByteBuffer read(long first, int count) {
      int size = Math.multiplyExact(count, values.type().bytes());
      if (bytes.capacity() < size) {
        bytes = ByteBuffer.allocateDirect(size).order(ByteOrder.LITTLE_ENDIAN);
      }
      Values target = Values.of(values.type(), bytes.clear().limit(size));
      target.put(0, values.read(first, count), 0, count);
      return bytes;
    }
  }
}
