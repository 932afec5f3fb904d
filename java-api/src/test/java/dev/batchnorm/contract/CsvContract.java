package dev.batchnorm.contract;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.Numerals;
import dev.batchnorm.format.csv.CsvOptions;
import dev.batchnorm.format.csv.CsvOptions.Missing;
import dev.batchnorm.format.csv.CsvSink;
import dev.batchnorm.format.csv.CsvTable;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Files that several threads read and write, with any way to read and write numbers. */
@SuppressWarnings("JUnitClassModifiers") // for other modules
public abstract class CsvContract {
  private static final int BYTES = 3 << 19; // a block and a half

  /** A fast way, or null for Java's. */
  protected abstract @Nullable Numerals numerals();

  private CsvOptions options(int threads) {
    return CsvOptions.of(FileFormat.CSV).withThreads(threads).withNumerals(numerals());
  }

  static Stream<Arguments> files() {
    return Stream.of(DType.values())
        .flatMap(
            type ->
                Stream.of(Missing.values())
                    .flatMap(
                        missing ->
                            Stream.of(true, false)
                                .map(plain -> Arguments.of(type, missing, plain))));
  }

  @ParameterizedTest
  @MethodSource("files")
  void whatIsReadIsTheValuesAndIsRepeated(DType type, Missing missing, boolean plain) {
    long seed = 31L * type.ordinal() + 7L * missing.ordinal() + (plain ? 1 : 0);
    RandomCsv csv = new RandomCsv(seed, BYTES, type, missing, plain);
    for (int threads : new int[] {1, 3}) {
      String what = "seed " + seed + ", " + threads + " threads";
      long memory = threads == 1 ? Long.MAX_VALUE : 10_000;
      CsvOptions options = csv.options(options(threads)).withMemory(memory);
      try (CsvTable table = CsvTable.read(input(csv.bytes()), options, type)) {
        assertArrayEquals(csv.values(), table.values(), what);
        assertEquals(csv.skipped(), table.skipped(), what);
        assertEquals(threads > 1, table.spooled() > 0, what);
        // Not both texts, which the message would hold.
        assertEquals(-1, difference(csv.repeated(), repeated(table, type, 100_003)), what);
      }
    }
  }

  /** The values written again, in chunks that end anywhere. */
  private static String repeated(CsvTable table, DType type, int chunk) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (CsvSink sink = table.sink(AtomicOutput.standardOutput(out), NumberType.of(type));
        Source source = table.source()) {
      long count = source.shape().count();
      for (long first = 0; first < count; first += chunk) {
        int size = (int) Math.min(chunk, count - first);
        sink.room(size).put(0, source.chunk(first, size), 0, size);
        sink.commit();
      }
      sink.finish();
    }
    return out.toString(UTF_8);
  }

  private static int difference(String expected, String found) {
    int same = 0;
    while (same < Math.min(expected.length(), found.length())
        && expected.charAt(same) == found.charAt(same)) {
      same++;
    }
    return expected.equals(found) ? -1 : same;
  }

  private static InputBytes input(byte[] bytes) {
    return InputBytes.spool("x.csv", new ByteArrayInputStream(bytes));
  }

  @Test
  void theFirstErrorIsToldWithItsLine() {
    Random random = new Random(1);
    for (String bad : List.of("1,x", "1", "1,2,3", "1,\"2", "1,1e999", "1,", "\"a\" 1,2")) {
      int line = 2 + random.nextInt(300_000);
      StringBuilder text = new StringBuilder("a,b\n");
      for (int i = 2; i <= 300_001; i++) {
        text.append(i == line || i == 300_001 ? bad : "1.5,2.25").append('\n');
      }
      byte[] bytes = text.toString().getBytes(UTF_8);
      String one = refusal(bytes, options(1));
      assertEquals("x.csv:" + line, one.substring(0, ("x.csv:" + line).length()), one);
      assertEquals(one, refusal(bytes, options(4)));
    }
  }

  private static String refusal(byte[] bytes, CsvOptions options) {
    try (InputBytes in = input(bytes)) {
      InputException thrown =
          assertThrows(InputException.class, () -> CsvTable.read(in, options, DType.F64));
      return String.valueOf(thrown.getMessage());
    }
  }

  @ParameterizedTest
  @MethodSource("numbers")
  void numbersAreWrittenAsOneByOne(DType type, double... values) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(values.length * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    Values written = Values.of(type, bytes);
    StringBuilder expected = new StringBuilder();
    for (int i = 0; i < values.length; i++) {
      written.set(i, values[i]);
      expected.append(Decimals.text(type, written.get(i))).append('\n');
    }
    try (CsvSink sink =
        CsvSink.create(
            AtomicOutput.standardOutput(out), options(2), NumberType.of(type), values.length)) {
      sink.write(bytes);
      sink.finish();
    }
    String found = out.toString(UTF_8);
    assertEquals(-1, difference(expected.toString(), found));
    try (CsvTable table = CsvTable.read(input(out.toByteArray()), options(2), type)) {
      assertArrayEquals(written.toDoubles(), table.values());
    }
  }

  /** Memory on and off the heap takes different ways; what is written joins within a row. */
  @Test
  void piecesJoinWithinRowsWhereverTheyAreCut() {
    int columns = 70_001; // more than a thread takes at once
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    StringBuilder expected = new StringBuilder();
    try (CsvSink sink =
        CsvSink.create(AtomicOutput.standardOutput(out), options(2), NumberType.F64, 3, columns)) {
      int[] sizes = {1, 70_000, 5, 99_999, 39_998};
      int written = 0;
      for (int size : sizes) {
        ByteBuffer bytes =
            size % 2 == 0 ? ByteBuffer.allocate(8 * size) : ByteBuffer.allocateDirect(8 * size);
        bytes.order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < size; i++, written++) {
          bytes.putDouble(8 * i, written);
          expected.append(written % columns == 0 ? "" : ",").append(written).append(".0");
          expected.append(written % columns == columns - 1 ? "\n" : "");
        }
        sink.write(bytes);
      }
      sink.finish();
    }
    assertEquals(-1, difference(expected.toString(), out.toString(UTF_8)));
  }

  static Stream<Arguments> numbers() {
    Random random = new Random(5);
    int count = Integer.getInteger("batchnorm.numbers", 100_000);
    double[] anyBits = random.longs(count).mapToDouble(Double::longBitsToDouble).toArray();
    double[] anyFloats =
        random.ints(count).mapToDouble(bits -> Float.intBitsToFloat(bits)).toArray();
    double[] usual = random.doubles(count).map(x -> (x - 0.5) * 1e3).toArray();
    double[] edges = edges();
    return Stream.of(DType.F32, DType.F64)
        .flatMap(
            type ->
                Stream.of(anyBits, anyFloats, usual, edges)
                    .map(values -> Arguments.of(type, values)));
  }

  /** Powers of two and ten and their neighbours, in both types. */
  private static double[] edges() {
    Stream.Builder<Double> edges = Stream.<Double>builder().add(0.0).add(-0.0);
    for (int e = -1074; e <= 1023; e++) {
      double power = Math.scalb(1.0, e);
      edges.add(power).add(Math.nextUp(power)).add(-Math.nextDown(power));
      edges.add((double) Math.nextUp((float) power)).add((double) Math.nextDown((float) power));
    }
    for (int e = -323; e <= 308; e++) {
      double power = Double.parseDouble("1e" + e);
      edges.add(power).add(Math.nextUp(power)).add(Math.nextDown(power)).add(5 * power);
      edges.add((double) Math.nextUp((float) power)).add((double) (float) power);
    }
    edges.add(Double.POSITIVE_INFINITY).add(Double.NEGATIVE_INFINITY).add(Double.NaN);
    return edges.build().mapToDouble(Double::doubleValue).toArray();
  }
}
