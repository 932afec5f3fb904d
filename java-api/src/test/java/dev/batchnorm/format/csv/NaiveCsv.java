package dev.batchnorm.format.csv;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.batchnorm.DType;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.csv.CsvOptions.Header;
import dev.batchnorm.format.csv.CsvOptions.Missing;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * CSV read in the most straightforward way, one character after the other. Bytes are ISO 8859-1
 * characters here.
 */
final class NaiveCsv {
  private static final String BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf";

  private final String text;
  private final char delimiter;
  private int at;

  private NaiveCsv(String text, char delimiter) {
    this.text = text;
    this.delimiter = delimiter;
    this.at = text.startsWith(BYTE_ORDER_MARK) ? 3 : 0;
  }

  /**
   * A field.
   *
   * @param raw as it stands in the file
   * @param cell without quotes and blanks
   */
  record Field(String raw, String cell) {
    boolean isEmpty() {
      return cell.isEmpty();
    }

    boolean isNumber() {
      return Decimals.isNumber(cell.getBytes(ISO_8859_1), 0, cell.length());
    }
  }

  /** The records of a file; null if it is no CSV. */
  static @Nullable List<List<Field>> records(byte[] file, char delimiter, char comment) {
    try {
      UTF_8.newDecoder().decode(ByteBuffer.wrap(file));
    } catch (CharacterCodingException e) {
      return null;
    }
    NaiveCsv csv = new NaiveCsv(new String(file, ISO_8859_1), delimiter);
    List<List<Field>> records = new ArrayList<>();
    while (csv.at < file.length) {
      int lineEnd = (csv.text + '\n').indexOf('\n', csv.at);
      String line = csv.text.substring(csv.at, lineEnd);
      boolean hasFeed = lineEnd < file.length;
      String content = hasFeed && line.endsWith("\r") ? line.substring(0, line.length() - 1) : line;
      boolean isComment = comment != CsvOptions.NONE && csv.text.charAt(csv.at) == comment;
      if (isComment || trimmed(content, delimiter).isEmpty()) {
        csv.at = lineEnd + 1;
        continue;
      }
      List<Field> fields = csv.fields();
      if (fields == null) {
        return null;
      }
      records.add(fields);
    }
    return records;
  }

  private @Nullable List<Field> fields() {
    List<Field> fields = new ArrayList<>();
    while (true) {
      int start = at;
      while (at < text.length() && isBlank(text.charAt(at), delimiter)) {
        at++;
      }
      boolean quoted = at < text.length() && text.charAt(at) == '"';
      StringBuilder cell = new StringBuilder();
      if (quoted) {
        do {
          at++;
          if (at >= text.length()) {
            return null;
          }
          if (text.charAt(at) != '"') {
            cell.append(text.charAt(at));
          } else if (text.startsWith("\"\"", at)) {
            cell.append('"');
            at++;
          } else {
            break;
          }
        } while (true);
        at++;
        while (at < text.length() && isBlank(text.charAt(at), delimiter)) {
          at++;
        }
      } else {
        while (at < text.length()
            && text.charAt(at) != delimiter
            && !text.startsWith("\n", at)
            && !text.startsWith("\r\n", at)) {
          cell.append(text.charAt(at++));
        }
      }
      fields.add(new Field(text.substring(start, at), trimmed(cell.toString(), delimiter)));
      if (at < text.length() && text.charAt(at) == delimiter) {
        at++;
        continue;
      }
      boolean ends =
          at == text.length() || text.startsWith("\n", at) || text.startsWith("\r\n", at);
      at += text.startsWith("\r\n", at) ? 2 : 1;
      return ends ? fields : null;
    }
  }

  private static boolean isBlank(char c, char delimiter) {
    return (c == ' ' || c == '\t') && c != delimiter;
  }

  static String trimmed(String text, char delimiter) {
    int from = 0;
    int to = text.length();
    while (from < to && isBlank(text.charAt(from), delimiter)) {
      from++;
    }
    while (from < to && isBlank(text.charAt(to - 1), delimiter)) {
      to--;
    }
    return text.substring(from, to);
  }

  /** Whether the first record is a header; null if it is neither header nor data. */
  static @Nullable Boolean isHeader(List<Field> first, Header header, int... selected) {
    if (header != Header.AUTO) {
      return header == Header.YES;
    }
    int numbers = 0;
    int others = 0;
    for (int field : selected) {
      if (!first.get(field).isEmpty()) {
        numbers += first.get(field).isNumber() ? 1 : 0;
        others += first.get(field).isNumber() ? 0 : 1;
      }
    }
    return others == 0 ? Boolean.FALSE : numbers == 0 ? Boolean.TRUE : null;
  }

  /** The values of all columns, absent ones as NaN; null if the file is to be refused. */
  static double @Nullable [] values(
      @Nullable List<List<Field>> records, CsvOptions options, DType type) {
    if (records == null || records.isEmpty()) {
      return null;
    }
    int fields = records.get(0).size();
    int[] all = IntStream.range(0, fields).toArray();
    Boolean header = isHeader(records.get(0), options.header(), all);
    if (header == null) {
      return null;
    }
    List<Double> values = new ArrayList<>();
    for (List<Field> record : records.subList(header ? 1 : 0, records.size())) {
      if (record.size() != fields) {
        return null;
      }
      List<Double> row = new ArrayList<>();
      boolean skipped = false;
      for (Field field : record) {
        if (field.isEmpty() && options.missing() == Missing.ERROR) {
          return null;
        }
        try {
          byte[] cell = field.cell().getBytes(ISO_8859_1);
          row.add(field.isEmpty() ? Double.NaN : Decimals.parse(type, cell, 0, cell.length));
        } catch (NumberFormatException e) {
          return null;
        }
        skipped |= field.isEmpty() && options.missing() == Missing.SKIP;
      }
      if (!skipped) {
        values.addAll(row);
      }
    }
    return values.isEmpty() ? null : values.stream().mapToDouble(Double::doubleValue).toArray();
  }
}
