package dev.batchnorm.format.csv;

import static dev.batchnorm.format.FileProperties.assertMemory;
import static dev.batchnorm.format.FileProperties.assertRefusal;
import static dev.batchnorm.format.Refusals.input;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.csv.CsvOptions.Header;
import dev.batchnorm.format.csv.CsvOptions.Missing;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What is true of any bytes that are read as CSV: they are refused in one line or give the values
 * that {@link NaiveCsv} finds, whatever the threads and blocks; and what is written in their place
 * is read again as the same.
 */
public final class CsvProperties {
  private static final char[] DELIMITERS = {',', CsvOptions.AUTO, ';', '\t', ' ', '|'};
  private static final char[] COMMENTS = {CsvOptions.NONE, '#', ';', '-', '1', '|'};
  private static final byte END_OF_FILE = (byte) 0xff;
  private static final String BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf";

  private CsvProperties() {}

  /** How an input is tried. */
  private record Trial(CsvOptions options, DType type, int block, char otherDelimiter) {}

  /** What came of reading. */
  private record Outcome(
      String refusal, char delimiter, List<String> names, List<Long> skipped, List<Long> bits) {}

  /**
   * Checks an input.
   *
   * @param input a file; what follows its first byte FF, which is in no UTF-8, chooses how it is
   *     read, nothing the defaults: delimiter, comment, header, missing, type, block, what it is
   *     written with, and the columns and those excluded with a {@code |} between
   */
  public static void check(byte[] input) {
    int end = 0;
    while (end < input.length && input[end] != END_OF_FILE) {
      end++;
    }
    byte[] file = Arrays.copyOf(input, end);
    byte[] choices = Arrays.copyOfRange(input, Math.min(end + 1, input.length), input.length);
    check(file, trial(choices));
  }

  private static int choice(byte[] choices, int index) {
    return index < choices.length ? choices[index] & 0xff : 0;
  }

  private static Trial trial(byte[] choices) {
    char delimiter = DELIMITERS[choice(choices, 0) % DELIMITERS.length];
    char comment = COMMENTS[choice(choices, 1) % COMMENTS.length];
    Header header = Header.values()[choice(choices, 2) % 3];
    Missing missing = Missing.values()[choice(choices, 3) % 4];
    DType type = DType.values()[(choice(choices, 4) + 2) % 3];
    int written = choice(choices, 6);
    String lists = choices.length <= 7 ? "" : new String(choices, 7, choices.length - 7, UTF_8);
    String[] columns = (lists + "|").split("\\|", -1);
    CsvOptions options =
        new CsvOptions(
            delimiter,
            comment == delimiter ? CsvOptions.NONE : comment,
            header,
            columns[0],
            columns[1],
            missing,
            1,
            written < 250 ? 1 << 20 : 20,
            null);
    char other = DELIMITERS[2 + written % 4];
    return new Trial(options, type, 1 + choice(choices, 5), other);
  }

  private static void check(byte[] file, Trial trial) {
    Outcome[] whole = new Outcome[1];
    assertMemory(
        file, 64, () -> whole[0] = outcome(file, trial.options, trial.type, CsvRows.BLOCK));
    for (int threads : new int[] {1, 3}) {
      CsvOptions options = trial.options.withThreads(threads);
      assertEquals(whole[0], outcome(file, options, trial.type, trial.block));
    }
    char delimiter = trial.options.delimiter();
    if (delimiter != CsvOptions.AUTO || whole[0].refusal.isEmpty()) {
      assertNaive(file, whole[0], trial);
    }
    if (whole[0].refusal.isEmpty()) {
      assertWritten(file, whole[0], trial);
    }
  }

  private static Outcome outcome(byte[] file, CsvOptions options, DType type, int block) {
    try (CsvTable table = CsvTable.read(input("x.csv", file), options, type, block)) {
      List<Long> bits = new ArrayList<>();
      for (double value : table.values()) {
        bits.add(Double.doubleToLongBits(value));
      }
      assertEquals(table.rows() * table.columns(), bits.size());
      return new Outcome("", table.delimiter(), table.names(), table.skippedRows(), bits);
    } catch (InputException e) {
      String message = assertRefusal(e, "x.csv:");
      return new Outcome(message + "\n" + e.hint(), ' ', List.of(), List.of(), List.of());
    }
  }

  /** The values of all columns are those that the naive reader finds. */
  private static void assertNaive(byte[] file, Outcome outcome, Trial trial) {
    CsvOptions options = trial.options;
    if (!options.columns().isEmpty() || !options.exclude().isEmpty()) {
      return;
    }
    char delimiter = outcome.refusal.isEmpty() ? outcome.delimiter : options.delimiter();
    double[] expected =
        NaiveCsv.values(NaiveCsv.records(file, delimiter, options.comment()), options, trial.type);
    assertEquals(expected == null, !outcome.refusal.isEmpty(), outcome.refusal);
    if (expected != null) {
      double[] found = outcome.bits.stream().mapToDouble(Double::longBitsToDouble).toArray();
      assertArrayEquals(expected, found);
    }
  }

  /** Writes the values in the place of those read. */
  private static byte[] written(byte[] file, Trial trial, int threads, int block, char delimiter) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    AtomicOutput out = AtomicOutput.standardOutput(bytes);
    CsvOptions options = trial.options.withThreads(threads);
    NumberType type = NumberType.of(trial.type);
    try (CsvTable table = CsvTable.read(input("x.csv", file), options, trial.type, block);
        CsvSink sink =
            delimiter == CsvOptions.AUTO
                ? table.sink(out, type)
                : table.sink(out, type, delimiter)) {
      int count = (int) table.array().count();
      int first = Math.min(block % 7, count);
      ByteBuffer values = table.array().read(0, count);
      for (int[] part : new int[][] {{0, first}, {first, count}}) {
        values.limit(part[1] * type.bytes()).position(part[0] * type.bytes());
        sink.write(values);
      }
      sink.finish();
    }
    return bytes.toByteArray();
  }

  private static void assertWritten(byte[] file, Outcome read, Trial trial) {
    byte[] out = written(file, trial, 1, CsvRows.BLOCK, CsvOptions.AUTO);
    assertArrayEquals(out, written(file, trial, 3, trial.block, CsvOptions.AUTO));
    List<List<NaiveCsv.Field>> before = records(file, read.delimiter, trial.options.comment());
    if (isAmbiguous(out, before)) {
      return;
    }
    CsvOptions again = trial.options.withDelimiter(read.delimiter).withComment(CsvOptions.NONE);
    assertEquals(
        new Outcome("", read.delimiter, read.names, List.of(), read.bits),
        outcome(out, again, trial.type, CsvRows.BLOCK));

    List<List<NaiveCsv.Field>> after = records(out, read.delimiter, CsvOptions.NONE);
    int[] selected = selected(before.get(0), read, trial.options);
    Set<Integer> isSelected = new TreeSet<>(IntStream.of(selected).boxed().toList());
    int header = read.names.isEmpty() ? 0 : 1;
    int row = 0;
    for (int i = 0; i < before.size(); i++) {
      if (i >= header && read.skipped.contains((long) i - header)) {
        continue;
      }
      for (int field = 0; field < before.get(i).size(); field++) {
        if (i < header
            || !isSelected.contains(field)
            || staysEmpty(before.get(i).get(field), trial)) {
          assertEquals(before.get(i).get(field).raw(), after.get(row).get(field).raw());
        }
      }
      row++;
    }
    assertEquals(row, after.size());

    char other = trial.otherDelimiter;
    byte[] others = written(file, trial, 3, trial.block, other);
    assertEquals(texts(after), texts(records(others, other, CsvOptions.NONE)));
    assertEquals(
        read.bits, outcome(others, again.withDelimiter(other), trial.type, CsvRows.BLOCK).bits);
  }

  private static boolean staysEmpty(NaiveCsv.Field field, Trial trial) {
    return field.isEmpty() && trial.options.missing() == Missing.IGNORE;
  }

  /**
   * Whether what is repeated means something else at its new place: a byte order mark at the start,
   * a carriage return before the line end.
   */
  private static boolean isAmbiguous(byte[] out, List<List<NaiveCsv.Field>> records) {
    return new String(out, ISO_8859_1).startsWith(BYTE_ORDER_MARK)
        || records.stream().anyMatch(record -> record.get(record.size() - 1).raw().endsWith("\r"));
  }

  private static int[] selected(List<NaiveCsv.Field> first, Outcome read, CsvOptions options) {
    List<String> names =
        first.stream().map(f -> new String(f.cell().getBytes(ISO_8859_1), UTF_8)).toList();
    return new CsvColumns("x.csv", options)
        .select(first.size(), read.names.isEmpty() ? List.of() : names);
  }

  private static List<List<NaiveCsv.Field>> records(byte[] file, char delimiter, char comment) {
    @Nullable List<List<NaiveCsv.Field>> records = NaiveCsv.records(file, delimiter, comment);
    assertNotNull(records, "read what is no CSV");
    return records;
  }

  /** Blanks depend on the delimiter. */
  private static List<List<String>> texts(List<List<NaiveCsv.Field>> records) {
    return records.stream()
        .map(record -> record.stream().map(f -> NaiveCsv.trimmed(f.cell(), 'x')).toList())
        .toList();
  }
}
