package dev.batchnorm.format.csv;

import dev.batchnorm.InputException;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Numerals;
import dev.batchnorm.format.Wording;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Cuts CSV into records and fields. It works on bytes and tells where each field lies, because
 * unselected cells must reach the output byte for byte; the CSV libraries give decoded text. Blank
 * lines and comments are skipped.
 */
final class CsvRecords {
  private static final int BLOCK = 1 << 16;
  static final int MOST_BYTES = 1 << 30;
  static final String LONE_RETURN =
      "a carriage return alone ends no line; tr '\\r' '\\n' makes line feeds of them";
  private static final int END = -1;

  // Eight bytes at once.
  private static final VarHandle EIGHT =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final long ONES = 0x0101010101010101L;
  private static final long HIGHEST = 0x8080808080808080L;
  private static final long LINE_FEEDS = '\n' * ONES;
  private static final long QUOTES = '"' * ONES;

  private final InputBytes in;
  private final int delimiter;
  private final int comment;
  private final long stop;
  private final int mostBytes;

  private byte[] buffer = new byte[BLOCK];
  private int base;
  private int limit;
  private long filePosition;

  private int length;
  private boolean crlf;
  private long line;
  private long lineBreaks;

  private int fields;
  private int[] starts = new int[16];
  private int[] ends = new int[16];
  private final long[] consumed = {0};

  /** All records, the delimiter known. */
  CsvRecords(InputBytes in, CsvOptions options) {
    this(in, options, startOfText(in), 1, Long.MAX_VALUE, MOST_BYTES);
  }

  /**
   * The records that begin in a part of the file.
   *
   * @param options with a known delimiter
   * @param start where the first record begins
   * @param line its line
   * @param stop where no record begins that belongs to the part
   * @param mostBytes a record longer than this is refused
   */
  CsvRecords(InputBytes in, CsvOptions options, long start, long line, long stop, int mostBytes) {
    this.in = in;
    this.delimiter = options.delimiter();
    this.comment = options.comment() == CsvOptions.NONE ? END - 1 : options.comment();
    this.filePosition = start;
    this.line = line;
    this.stop = stop;
    this.mostBytes = mostBytes;
  }

  /** After the byte order mark, if there is one. */
  private static long startOfText(InputBytes in) {
    return in.size() >= 3
            && Arrays.equals(in.start(3), new byte[] {(byte) 0xEF, (byte) 0xBB, (byte) 0xBF})
        ? 3
        : 0;
  }

  /** Moves to the next record and tells whether there is one. */
  boolean next() {
    do {
      base += length;
      length = 0;
      line += lineBreaks;
      lineBreaks = 0;
      if (position() >= stop || peek(0) == END) {
        return false;
      }
    } while (skipLine());
    if (!readPlainRecord()) {
      readRecord();
      checkText();
    }
    return true;
  }

  /**
   * Reads a record of ASCII without quotes that ends with a line feed in the buffer, as most do;
   * else tells that it is none.
   */
  private boolean readPlainRecord() {
    byte[] bytes = buffer;
    int separator = delimiter;
    int end = limit;
    int first = base;
    int start = base;
    int count = 0;
    long separators = separator * ONES;
    for (int i = first; i < end; i++) {
      while (i + Long.BYTES <= end) {
        long eight = (long) EIGHT.get(bytes, i);
        long found =
            zeros(eight ^ separators)
                | zeros(eight ^ LINE_FEEDS)
                | zeros(eight ^ QUOTES)
                | (eight & HIGHEST);
        if (found != 0) {
          i += Long.numberOfTrailingZeros(found) >>> 3;
          break;
        }
        i += Long.BYTES;
      }
      int b = i < end ? bytes[i] : 0;
      if (b == separator || b == '\n') {
        boolean last = b == '\n';
        crlf = last && i > start && bytes[i - 1] == '\r';
        if (count == starts.length) {
          starts = Arrays.copyOf(starts, 2 * count);
          ends = Arrays.copyOf(ends, 2 * count);
        }
        starts[count] = start - first;
        ends[count] = (crlf ? i - 1 : i) - first;
        count++;
        if (last) {
          fields = count;
          length = i + 1 - first;
          lineBreaks = 1;
          return true;
        }
        start = i + 1;
      } else if (b == '"' || b < 0) {
        return false;
      }
    }
    return false;
  }

  /** The highest bit of the first byte that is 0; those behind it may be wrong. */
  private static long zeros(long eight) {
    return (eight - ONES) & ~eight & HIGHEST;
  }

  private boolean skipLine() {
    int at = skipBlanks(0);
    if (peek(0) == comment) {
      at = findLineEnd(0);
    } else if (lineEnd(at) == 0 && peek(at) != END) {
      return false;
    }
    length = at + lineEnd(at);
    lineBreaks = 1;
    checkText();
    return true;
  }

  private int findLineEnd(int from) {
    int at = from;
    while (peek(at) != '\n' && peek(at) != END) {
      at++;
    }
    return at;
  }

  private void readRecord() {
    fields = 0;
    crlf = false;
    int at = 0;
    while (true) {
      int start = at;
      int content = skipBlanks(start);
      if (peek(content) == '"') {
        at = skipBlanks(skipQuoted(content));
        if (peek(at) != delimiter && peek(at) != END && lineEnd(at) == 0) {
          throw at(
              fields,
              "expected a delimiter after the closing quote, found "
                  + Wording.quoted(character(at)),
              null);
        }
      } else {
        at = skipPlain(content);
        if (peek(at) == '\n' && at > start && peek(at - 1) == '\r') {
          at--;
        }
      }
      addField(start, at);
      if (peek(at) != delimiter) {
        crlf = lineEnd(at) == 2;
        length = at + lineEnd(at);
        lineBreaks++;
        return;
      }
      at++;
    }
  }

  private void addField(int start, int end) {
    if (fields == starts.length) {
      starts = Arrays.copyOf(starts, 2 * fields);
      ends = Arrays.copyOf(ends, 2 * fields);
    }
    starts[fields] = start;
    ends[fields] = end;
    fields++;
  }

  private int skipPlain(int from) {
    int at = from;
    while (true) {
      int index = base + at;
      while (index < limit && buffer[index] != delimiter && buffer[index] != '\n') {
        index++;
      }
      at = index - base;
      if (index < limit || peek(at) == END) {
        return at;
      }
    }
  }

  /** The position after the closing quote. */
  private int skipQuoted(int opening) {
    int at = opening + 1;
    while (true) {
      int c = peek(at);
      if (c == END) {
        throw at(fields, "expected a closing quote, found the end of the file", null);
      }
      if (c == '\n') {
        lineBreaks++;
      }
      at++;
      if (c == '"') {
        if (peek(at) != '"') {
          return at;
        }
        at++;
      }
    }
  }

  private String character(int at) {
    peek(at + 3);
    int count = Math.min(4, limit - base - at);
    String text = new String(buffer, base + at, count, StandardCharsets.UTF_8);
    return text.substring(0, text.offsetByCodePoints(0, 1));
  }

  private int skipBlanks(int from) {
    int at = from;
    while (isBlank(peek(at))) {
      at++;
    }
    return at;
  }

  private boolean isBlank(int c) {
    return (c == ' ' || c == '\t') && c != delimiter;
  }

  /** How many bytes end the line here: none, LF, or CR LF. */
  private int lineEnd(int at) {
    return peek(at) == '\n' ? 1 : peek(at) == '\r' && peek(at + 1) == '\n' ? 2 : 0;
  }

  /** The byte at a distance from the record's start, or END. */
  private int peek(int at) {
    while (base + at >= limit) {
      if (!fill()) {
        return END;
      }
    }
    return buffer[base + at] & 0xFF;
  }

  private boolean fill() {
    long rest = in.size() - filePosition;
    if (rest == 0) {
      return false;
    }
    if (limit == buffer.length) {
      if (base >= buffer.length / 2) {
        System.arraycopy(buffer, base, buffer, 0, limit - base);
        limit -= base;
        base = 0;
      } else if (buffer.length >= mostBytes) {
        throw new InputException(in.name() + ":" + line + ": expected a record below 1 GiB");
      } else {
        buffer = Arrays.copyOf(buffer, 2 * buffer.length);
      }
    }
    int count = (int) Math.min(buffer.length - limit, rest);
    in.read(filePosition, ByteBuffer.wrap(buffer, limit, count));
    filePosition += count;
    limit += count;
    return true;
  }

  private void checkText() {
    boolean ascii = true;
    for (int i = base; i < base + length; i++) {
      ascii &= buffer[i] >= 0;
    }
    if (ascii) {
      return;
    }
    CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
    ByteBuffer bytes = ByteBuffer.wrap(buffer, base, length);
    CharBuffer text = CharBuffer.allocate(1 << 10);
    CoderResult result = decoder.decode(bytes, text, true);
    while (result.isOverflow()) {
      result = decoder.decode(bytes, text.clear(), true);
    }
    if (result.isError()) {
      int at = bytes.position();
      throw new InputException(
          in.name()
              + ":"
              + lineOf(at - base)
              + ": expected UTF-8 text, found byte "
              + Wording.hex(buffer[at]));
    }
  }

  private long lineOf(int at) {
    long found = line;
    for (int i = base; i < base + at; i++) {
      found += buffer[i] == '\n' ? 1 : 0;
    }
    return found;
  }

  /** The physical line on which the record begins, 1-based. */
  long line() {
    return line;
  }

  /**
   * Reads records of numbers from the next on, as far as they are plain and in the buffer; {@link
   * #next} goes on behind them.
   *
   * @return their number
   */
  int readNumbers(Numerals numerals, Numerals.Records records, double[] values) {
    base += length;
    length = 0;
    line += lineBreaks;
    lineBreaks = 0;
    long startsBefore = Math.min(stop - position(), limit - base);
    if (startsBefore <= 0) {
      return 0;
    }
    int count =
        numerals.read(
            records, new Numerals.Text(buffer, base, limit - base, startsBefore), values, consumed);
    base += (int) consumed[0];
    line += count;
    return count;
  }

  /** Where the record begins in the file; after the last, where the next part begins. */
  long position() {
    return filePosition - (limit - base);
  }

  /** The number of fields. */
  int fields() {
    return fields;
  }

  /** Whether the record ends with CR LF. */
  boolean crlf() {
    return crlf;
  }

  /** Whether a carriage return in the record stands alone. */
  boolean hasLoneReturn() {
    for (int i = base; i < base + ends[fields - 1]; i++) {
      if (buffer[i] == '\r' && (i + 1 == base + ends[fields - 1] || buffer[i + 1] != '\n')) {
        return true;
      }
    }
    return false;
  }

  /** The field as it stands in the file. */
  byte[] field(int field) {
    return Arrays.copyOfRange(buffer, base + starts[field], base + ends[field]);
  }

  /** Appends the field as it stands in the file, for output with the given delimiter. */
  void copyField(int field, char outputDelimiter, CsvBytes into) {
    if (outputDelimiter == delimiter) {
      into.put(buffer, base + starts[field], base + ends[field]);
    } else {
      into.putField(field(field), outputDelimiter);
    }
  }

  /** The field's content without quotes and without blanks around it. */
  Cell cell(int field) {
    int from = base + starts[field];
    int to = base + ends[field];
    Cell cell = trimmed(buffer, from, to);
    if (cell.from == cell.to || buffer[cell.from] != '"') {
      return cell;
    }
    byte[] content = new byte[cell.to - cell.from];
    int count = 0;
    for (int i = cell.from + 1; i < cell.to - 1; i++) {
      content[count++] = buffer[i];
      i += buffer[i] == '"' ? 1 : 0;
    }
    return trimmed(content, 0, count);
  }

  private Cell trimmed(byte[] bytes, int first, int end) {
    int from = first;
    int to = end;
    while (from < to && isBlank(bytes[from])) {
      from++;
    }
    while (from < to && isBlank(bytes[to - 1])) {
      to--;
    }
    return new Cell(bytes, from, to);
  }

  /** Says what is wrong with a field, with its line and 1-based number. */
  InputException at(int field, String message, @Nullable String hint) {
    int start = field < fields ? starts[field] : fields == 0 ? 0 : ends[fields - 1];
    return new InputException(
        in.name() + ":" + lineOf(start) + ":" + (field + 1) + ": " + message, hint, null);
  }

  /** Bytes of a cell. */
  static final class Cell {
    final byte[] bytes;
    final int from;
    final int to;

    Cell(byte[] bytes, int from, int to) {
      this.bytes = bytes;
      this.from = from;
      this.to = to;
    }

    boolean isEmpty() {
      return from == to;
    }

    String text() {
      return new String(bytes, from, to - from, StandardCharsets.UTF_8);
    }
  }
}
