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
import java.util.stream.IntStream;

/**
 * The selected columns of a CSV file in memory: rows are samples, columns are channels. What is not
 * selected stays in the file and is read again when {@link #sink} repeats it.
 */
public final class CsvTable implements AutoCloseable {
  private static final char[] DELIMITERS = {',', ';', '\t'};

  private final InputBytes in;
  private final CsvOptions options;
  private final int fields;
  private final int[] selected;
  private final boolean crlf;
  private final List<byte[]> header;
  private final List<String> names;
  private final CsvRows rows;
  private final boolean countsColumns;

  /**
   * Reads the whole table; each cell is rounded once to the type. The input belongs to the table
   * from then on and is closed with it; if this throws, it stays the caller's.
   *
   * @throws InputException if a selected cell is no number, a column is not there, records differ
   *     in their number of fields, or there is no row of data
   */
  public static CsvTable read(InputBytes in, CsvOptions options, DType cellType) {
    return read(in, options, cellType, CsvRows.BLOCK);
  }

  /**
   * As {@link #read(InputBytes, CsvOptions, DType)}.
   *
   * @param block the bytes that a thread reads at once; only tests need another number
   */
  static CsvTable read(InputBytes in, CsvOptions options, DType cellType, int block) {
    boolean isKnown = options.delimiter() != CsvOptions.AUTO;
    CsvOptions known = isKnown ? options : options.withDelimiter(delimiter(in, options));
    return new CsvTable(in, known, cellType, block);
  }

  /**
   * The cells of a column as text, without those of the first record; the input stays the caller's.
   *
   * @param column 0-based
   */
  public static List<String> texts(InputBytes in, CsvOptions options, int column) {
    CsvRecords records = new CsvRecords(in, options);
    List<String> texts = new ArrayList<>();
    records.next();
    while (records.next()) {
      texts.add(column < records.fields() ? records.cell(column).text() : "");
    }
    return texts;
  }

  /** The cells of the first record, none if there is no record; the input stays the caller's. */
  public static List<String> firstRecord(InputBytes in, CsvOptions options) {
    CsvRecords records = new CsvRecords(in, options);
    return records.next() ? names(records) : List.of();
  }

  /** The first that splits the first record, or that could; a line's comment mark never does. */
  private static char delimiter(InputBytes in, CsvOptions options) {
    char possible = CsvOptions.AUTO;
    for (char delimiter : DELIMITERS) {
      if (delimiter == options.comment()) {
        continue;
      }
      if (splits(in, options, delimiter)) {
        return delimiter;
      }
      possible = possible == CsvOptions.AUTO ? delimiter : possible;
    }
    return possible;
  }

  private static boolean splits(InputBytes in, CsvOptions options, char delimiter) {
    try {
      CsvRecords records = new CsvRecords(in, options.withDelimiter(delimiter));
      return records.next() && records.fields() > 1;
    } catch (InputException e) {
      return false; // quoted cells followed by another delimiter; a real fault is found on reading
    }
  }

  private CsvTable(InputBytes in, CsvOptions options, DType cellType, int block) {
    this.in = in;
    this.options = options;
    CsvRecords records = new CsvRecords(in, options);
    boolean more = records.next();
    if (!more) {
      throw new InputException(in.name() + ": expected at least 1 row of data, found none");
    }
    fields = records.fields();
    crlf = records.crlf();
    long firstLine = records.line();
    CsvColumns columns = new CsvColumns(in.name(), options);
    boolean loneReturn = records.hasLoneReturn();
    if (isHeader(records, columns)) {
      List<String> all = names(records);
      selected = columns.select(fields, all);
      header = IntStream.range(0, fields).mapToObj(records::field).toList();
      names = IntStream.of(selected).mapToObj(all::get).toList();
      countsColumns = false;
      more = records.next();
    } else {
      selected = columns.select(fields, List.of());
      header = List.of();
      names = List.of();
      countsColumns = options.header() == CsvOptions.Header.AUTO && countsColumns(records);
    }
    rows = new CsvRows(in, options, block, fields, firstLine, selected, cellType, records);
    if (!more) {
      throw new InputException(
          in.name() + ": expected at least 1 row of data, found only a header",
          loneReturn ? CsvRecords.LONE_RETURN : null,
          null);
    }
    boolean done = false;
    try {
      rows.read();
      if (rows.count() == 0) {
        throw new InputException(
            in.name()
                + ": expected at least 1 row without empty cells, found none of "
                + rows.skipped().size());
      }
      done = true;
    } finally {
      if (!done) {
        rows.close();
      }
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
          records.hasLoneReturn()
              ? CsvRecords.LONE_RETURN
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

  /** What messages call this table. */
  public String name() {
    return in.name();
  }

  /** The number of rows that count. */
  public long rows() {
    return rows.count();
  }

  /** The bytes of values that did not fit in memory and wait in a temporary file. */
  public long spooled() {
    return rows.values().spooled();
  }

  /** The number of rows dropped for an empty cell. */
  public long skipped() {
    return rows.skipped().size();
  }

  /** The rows dropped for an empty cell, 0-based among all rows of data, ascending. */
  public List<Long> skippedRows() {
    return List.copyOf(rows.skipped());
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
    double[] copy = new double[Math.toIntExact(rows.count())];
    for (int row = 0; row < copy.length; row++) {
      copy[row] = rows.values().read((long) row * selected.length + column, 1).get(0);
    }
    return copy;
  }

  /** All selected values, row by row. At most 2³¹ − 9. */
  public double[] values() {
    return rows.values().read(0, Math.toIntExact(rows.count() * selected.length)).toDoubles();
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
      return new TableSource(axes.shape(rows.count(), selected.length));
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
    CsvBytes bytes = new CsvBytes();
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
    boolean keepsCells = selected.length < fields || options.missing() == CsvOptions.Missing.IGNORE;
    CsvRows repeated = keepsCells ? rows : null;
    CsvLayout layout =
        new CsvLayout(in.name(), options, fields, selected, delimiter, lineEnd, repeated);
    return new CsvSink(out, bytes, type, layout, rows.count());
  }

  /**
   * Takes values of as many columns as are selected, under their names: the header's cells of the
   * selected columns byte for byte, if there is a header, and this file's line end. The output
   * belongs to the sink and is closed with it.
   *
   * @param rows the number of rows that will come
   */
  public CsvSink columnsSink(AtomicOutput out, NumberType type, char delimiter, long rows) {
    CsvBytes bytes = new CsvBytes();
    byte[] lineEnd = crlf ? new byte[] {'\r', '\n'} : new byte[] {'\n'};
    for (int i = 0; i < selected.length && !header.isEmpty(); i++) {
      if (i > 0) {
        bytes.put(delimiter);
      }
      bytes.putField(header.get(selected[i]), delimiter);
    }
    bytes.put(header.isEmpty() ? new byte[0] : lineEnd);
    int[] columns = IntStream.range(0, selected.length).toArray();
    CsvLayout layout =
        new CsvLayout(in.name(), options, selected.length, columns, delimiter, lineEnd, null);
    return new CsvSink(out, bytes, type, layout, rows);
  }

  /** Closes the input; sinks that repeat its cells must be finished before. */
  @Override
  public void close() {
    rows.close();
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
      return rows.values().type();
    }

    @Override
    public boolean hasGaps() {
      return options.missing() == CsvOptions.Missing.IGNORE;
    }

    @Override
    public Values chunk(long first, int count) {
      return rows.values().read(first, count);
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
      return NumberType.of(rows.values().type());
    }

    @Override
    public long[] sizes() {
      return new long[] {rows.count(), selected.length};
    }

    @Override
    public long count() {
      return rows.count() * selected.length;
    }

    @Override
    public ByteBuffer read(long first, int count) {
      int size = Math.multiplyExact(count, rows.values().type().bytes());
      if (bytes.capacity() < size) {
        bytes = ByteBuffer.allocateDirect(size).order(ByteOrder.LITTLE_ENDIAN);
      }
      Values target = Values.of(rows.values().type(), bytes.clear().limit(size));
      target.put(0, rows.values().read(first, count), 0, count);
      return bytes;
    }
  }
}
