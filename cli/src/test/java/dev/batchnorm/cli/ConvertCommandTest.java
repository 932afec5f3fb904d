package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.NumberType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConvertCommandTest extends CommandTest {
  private static final String NARROW = "hint: --narrow rounds each to the nearest";

  /** Rows × columns of any bits, little-endian and in C order. */
  private static byte[] randomBits(NumberType type, int values, long seed) {
    byte[] bytes = new byte[values * type.bytes()];
    new Random(seed).nextBytes(bytes);
    for (int i = 0; type == NumberType.BOOL && i < bytes.length; i++) {
      bytes[i] &= 1;
    }
    return bytes;
  }

  /** The value of the row and column moves to where Fortran has it. */
  private static byte[] inFortranOrder(byte[] data, int rows, int columns, int size) {
    byte[] moved = new byte[data.length];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        System.arraycopy(
            data, (row * columns + column) * size, moved, (column * rows + row) * size, size);
      }
    }
    return moved;
  }

  private static byte[] bigEndian(byte[] data, int size) {
    byte[] turned = new byte[data.length];
    for (int i = 0; i < data.length; i++) {
      turned[i] = data[i / size * size + size - 1 - i % size];
    }
    return turned;
  }

  private static String digest(CommandLineRun run) {
    assertEquals(1, run.error().size(), run.error()::toString);
    return run.error().get(0);
  }

  @ParameterizedTest
  @EnumSource(NumberType.class)
  void keepsEveryBitWhateverTheByteOrderAndTheOrderOfTheAxes(NumberType type) {
    int rows = 57;
    int columns = 11;
    long[] sizes = {rows, columns};
    int size = type.bytes();
    byte[] data = randomBits(type, rows * columns, 7_000 + type.ordinal());
    byte[] expected = numpy(type.descriptor(), false, sizes, data);
    String big = size == 1 ? type.descriptor() : ">" + type.descriptor().substring(1);
    bytes("c.npy", expected);
    bytes("big.npy", numpy(big, false, sizes, bigEndian(data, size)));
    byte[] fortran = inFortranOrder(data, rows, columns, size);
    bytes("f.npy", numpy(type.descriptor(), true, sizes, fortran));
    bytes("bigf.npy", numpy(big, true, sizes, bigEndian(fortran, size)));
    quiet("convert ./c.npy -o ./c.csv");
    quiet("convert ./c.npy -o ./c.npz");
    for (String name : List.of("c.npy", "big.npy", "f.npy", "bigf.npy")) {
      quiet("convert ./" + name + " -o ./out.npy");
      assertArrayEquals(expected, bytes("out.npy"), name);
      quiet("convert ./" + name + " -o ./out.npz");
      assertArrayEquals(bytes("c.npz"), bytes("out.npz"), name);
      quiet("convert ./out.npz -o ./out.npy");
      assertArrayEquals(expected, bytes("out.npy"), name + " by NPZ");
      assertEquals(text("c.csv"), quiet("convert ./" + name + " --to csv").out(), name);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = NumberType.class,
      names = {"F16", "F32", "F64"})
  void textReadsBackToTheSameBits(NumberType type) {
    int rows = 400;
    byte[] data = randomBits(type, rows * 3, 11 + type.ordinal());
    bytes("x.npy", numpy(type.descriptor(), false, new long[] {rows, 3}, data));
    String first = digest(run("convert ./x.npy -o ./x.csv --digest"));
    String dtype = " --dtype " + type.label();
    assertEquals(first, digest(run("convert ./x.csv -o ./back.npy --digest" + dtype)));
    assertEquals(first, digest(run("convert ./back.npy -o ./back.npz --digest")));
    assertEquals(first, digest(run("convert ./back.npz -o ./again.csv --digest")));
    assertArrayEquals(bytes("x.csv"), bytes("again.csv"));
    quiet("convert ./x.npy -o ./x.tsv");
    assertEquals(text("x.csv").replace(',', '\t'), text("x.tsv"));
    assertEquals(first, digest(run("convert ./x.tsv -o ./tabs.npy --digest" + dtype)));
    assertArrayEquals(bytes("back.npy"), bytes("tabs.npy"));
  }

  @Test
  void cellsThatHoldTheNewDelimiterStayCells() {
    text("x.csv", "1,\t\"a\tb\" ,c\td\n2,\t,\"e\"\n");
    quiet("convert ./x.csv --columns 1 -o ./x.tsv");
    assertEquals("1.0\t\"a\tb\"\t\"c\td\"\n2.0\t\t\"e\"\n", text("x.tsv"));
    quiet("convert ./x.tsv --columns 1 -o ./y.csv");
    assertEquals("1.0,\"a\tb\",\"c\td\"\n2.0,,\"e\"\n", text("y.csv"));
  }

  @Test
  void integersAreTextAsTheyAre() {
    long[] sizes = {3};
    bytes("i.npy", numpy("<i8", false, sizes, longs(Long.MIN_VALUE, Long.MAX_VALUE, -1)));
    assertEquals(
        lines(Long.MIN_VALUE, Long.MAX_VALUE, -1), quiet("convert ./i.npy --to csv").out());
    bytes("u.npy", numpy("<u8", false, sizes, longs(Long.MIN_VALUE, Long.MAX_VALUE, -1)));
    assertEquals(
        "9223372036854775808\n9223372036854775807\n18446744073709551615\n",
        quiet("convert ./u.npy --to csv").out());
    bytes("b.npy", numpy("|b1", false, sizes, (byte) 1, (byte) 0, (byte) 1));
    assertEquals("1\n0\n1\n", quiet("convert ./b.npy --to csv").out());
    bytes("s.npy", numpy("|i1", false, sizes, (byte) -128, (byte) 0, (byte) 127));
    assertEquals("-128\n0\n127\n", quiet("convert ./s.npy --to csv").out());
    bytes("t.npy", numpy("|u1", false, sizes, (byte) -128, (byte) 0, (byte) -1));
    assertEquals("128\n0\n255\n", quiet("convert ./t.npy --to csv").out());
  }

  @Test
  void textIsWhatNumpyPrints() {
    npy("h.npy", DType.F16, new long[] {5}, 0x1p-24, 65504, 0.1, -0.0, 1);
    assertEquals("6e-08\n65500.0\n0.1\n-0.0\n1.0\n", quiet("convert ./h.npy --to csv").out());
    npy("f.npy", DType.F32, new long[] {4}, 0.1f, (float) 1e16, Float.MIN_VALUE, 1 << 24);
    assertEquals("0.1\n1e+16\n1e-45\n16777216.0\n", quiet("convert ./f.npy --to csv").out());
    npy("d.npy", DType.F64, new long[] {4}, 0.1f, 1e16, Double.MIN_VALUE, Double.NEGATIVE_INFINITY);
    assertEquals(
        "0.10000000149011612\n1e+16\n5e-324\n-inf\n", quiet("convert ./d.npy --to csv").out());
  }

  @Test
  void exactValuesChangeTheirTypeWithoutAWord() {
    double[] values = {1.5, -0.0, 0x1p-24, Double.NaN, Double.POSITIVE_INFINITY, -65504};
    List<Long> sizes = List.of(2L, 3L);
    npy("x.npy", DType.F64, new long[] {2, 3}, values);
    quiet("convert ./x.npy --dtype f32 -o ./f.npy");
    assertSame(new Stored("<f4", sizes, values), npy("f.npy"), "f32");
    quiet("convert ./f.npy --dtype f16 -o ./h.npy");
    assertSame(new Stored("<f2", sizes, values), npy("h.npy"), "f16");
    quiet("convert ./h.npy --dtype F64 -o ./d.npy");
    assertSame(new Stored("<f8", sizes, values), npy("d.npy"), "f64");
    bytes("i.npy", numpy(">i2", false, new long[] {3}, new byte[] {-128, 0, 0, 7, 127, -1}));
    quiet("convert ./i.npy --dtype f32 -o ./f.npy");
    assertSame(
        new Stored("<f4", List.of(3L), new double[] {-32768, 7, 32767}), npy("f.npy"), "i16");
  }

  @ParameterizedTest
  @CsvSource({
    "f32, 0.1, 0.1", // a binary64 that no binary32 is
    "f32, 1e300, 1e+300",
    "f32, 1e-50, 1e-50",
    "f32, 16777217, 16777217.0",
    "f16, 2049, 2049.0",
    "f16, 65520, 65520.0",
    "f16, -65505, -65505.0",
    "f16, 1e-8, 1e-08",
  })
  void aValueThatWouldChangeIsNamedWithItsPlace(String dtype, double value, String text) {
    npy("x.npy", DType.F64, new long[] {2, 3}, 1, 2, 4, 8, value, 0.1);
    text("out.npy", "what stood there before");
    refused(
        ExitCode.INPUT,
        "convert ./x.npy --dtype " + dtype + " -o ./out.npy",
        "batchnorm: x.npy: expected numbers that "
            + dtype
            + " holds exactly, found "
            + text
            + " at index (1, 1)",
        NARROW);
    assertEquals("what stood there before", text("out.npy"));
    assertEquals(List.of("out.npy", "x.npy"), files());
    quiet("convert ./x.npy --dtype " + dtype + " --narrow -o ./out.npy");
    assertBits(
        new double[] {DType.valueOf(dtype.toUpperCase(Locale.ROOT)).round(value)},
        new double[] {npy("out.npy").values()[4]},
        dtype);
  }

  @Test
  void thePlaceHasAsManyIndicesAsTheArrayAxes() {
    npy("one.npy", DType.F64, new long[] {2}, 1, 0.1);
    npy("none.npy", DType.F64, new long[] {}, 0.1);
    npz("many.npz", npz -> npz.doubles("w", new double[] {0, 0, 0, 0, 0, 0, 0, 0.1}, 1, 2, 2, 2));
    String exactly = ": expected numbers that f32 holds exactly, found 0.1 at index ";
    refused(
        3, "convert ./one.npy --dtype f32 -o ./y", "batchnorm: one.npy" + exactly + "(1,)", NARROW);
    refused(
        3, "convert ./none.npy --dtype f32 -o ./y", "batchnorm: none.npy" + exactly + "()", NARROW);
    refused(
        3,
        "convert ./many.npz --dtype f32 -o ./y",
        "batchnorm: many.npz:w" + exactly + "(0, 1, 1, 1)",
        NARROW);
  }

  @Test
  void thePlaceIsThatOfTheArrayNotOfTheFile() {
    // in Fortran order the third value of the file is that of row 0, column 1
    ByteBuffer data = ByteBuffer.allocate(32).order(ByteOrder.BIG_ENDIAN);
    data.putDouble(1).putDouble(2).putDouble(0.1).putDouble(3);
    bytes("x.npy", numpy(">f8", true, new long[] {2, 2}, data.array()));
    refused(
        3,
        "convert ./x.npy --dtype f32 -o ./y.npy",
        "batchnorm: x.npy: expected numbers that f32 holds exactly, found 0.1 at index (0, 1)",
        NARROW);
  }

  @Test
  void integersOf64BitsAreRoundedOnce() {
    long signed = (1L << 60) + (1L << 36) + 1;
    long unsigned = (1L << 63) + (1L << 39) + 1;
    assertNotEquals((float) signed, (float) (double) signed, "a number that shows it");
    bytes("i.npy", numpy("<i8", false, new long[] {3}, longs(1, signed, -signed)));
    refused(
        3,
        "convert ./i.npy --dtype f32 -o ./f.npy",
        "batchnorm: i.npy: expected numbers that f32 holds exactly, found 1152921573326323713 at"
            + " index (1,)",
        NARROW);
    quiet("convert ./i.npy --dtype f32 --narrow -o ./f.npy");
    double up = 0x1p60 + 0x1p37;
    assertBits(new double[] {1, up, -up}, npy("f.npy").values(), "i64");
    bytes("u.npy", numpy(">u8", false, new long[] {2}, bigEndian(longs(unsigned, -1), 8)));
    quiet("convert ./u.npy --dtype f32 --narrow -o ./f.npy");
    assertBits(new double[] {0x1p63 + 0x1p40, 0x1p64}, npy("f.npy").values(), "u64");
    quiet("convert ./u.npy --dtype f64 --narrow -o ./f.npy");
    assertBits(new double[] {0x1p63 + 0x1p39, 0x1p64}, npy("f.npy").values(), "u64 to f64");
    quiet("convert ./u.npy --dtype f16 --narrow -o ./f.npy");
    double infinite = Double.POSITIVE_INFINITY;
    assertBits(new double[] {infinite, infinite}, npy("f.npy").values(), "u64 to f16");
  }

  @ParameterizedTest
  @CsvSource({
    "<i8, 9007199254740993, 9007199254740993",
    "<i8, 9223372036854775807, 9223372036854775807",
    "<u8, -1, 18446744073709551615",
    "<u8, 9007199254740993, 9007199254740993",
  })
  void integersThatNoBinary64IsAreRefused(String type, long bits, String text) {
    bytes("x.npy", numpy(type, false, new long[] {2}, longs(1L << 53, bits)));
    refused(
        3,
        "convert ./x.npy --dtype f64 -o ./y.npy",
        "batchnorm: x.npy: expected numbers that f64 holds exactly, found "
            + text
            + " at index (1,)",
        NARROW);
    assertEquals(List.of("x.npy"), files());
    bytes("x.npy", numpy(type, false, new long[] {2}, longs(1L << 53, Long.MIN_VALUE)));
    quiet("convert ./x.npy --dtype f64 -o ./y.npy");
    double power = type.equals("<i8") ? -0x1p63 : 0x1p63;
    assertBits(new double[] {0x1p53, power}, npy("y.npy").values(), "powers of two are exact");
  }

  @Test
  void nansKeepTheirPayloadUnlessTheTypeChanges() {
    long nan = 0xfff0_dead_beef_0001L;
    byte[] file = numpy("<f8", false, new long[] {1, 2}, longs(nan, 0x7ff0_0000_0000_0001L));
    bytes("x.npy", file);
    for (String option : List.of("", " --dtype f64", " --narrow")) {
      quiet("convert ./x.npy -o ./y.npy" + option);
      assertArrayEquals(file, bytes("y.npy"), option);
    }
    quiet("convert ./x.npy --dtype f32 -o ./y.npy");
    assertBits(new double[] {Double.NaN, Double.NaN}, npy("y.npy").values(), "f32");
    assertEquals("nan,nan\n", quiet("convert ./x.npy --to csv").out());
  }

  @Test
  void cellsAreRoundedOnceToTheTypeAskedFor() {
    // halfway between two of f16 but for a digit that neither f64 nor f32 holds
    String cell = "1.00048828125" + "0".repeat(40) + "1";
    text("x.csv", cell + "\n" + "65519.99\n" + "1e-8\n");
    quiet("convert ./x.csv --dtype f16 -o ./h.npy");
    assertSame(
        new Stored("<f2", List.of(3L, 1L), new double[] {1 + 0x1p-10, 65504, 0}),
        npy("h.npy"),
        "f16");
    quiet("convert ./x.csv -o ./d.npy");
    assertEquals(1.00048828125, npy("d.npy").values()[0]);
    refused(
        ExitCode.USAGE,
        "convert ./x.csv --dtype f17",
        "batchnorm: --dtype: expected one of f16, f32, f64, found \"f17\"");
  }

  @Test
  void csvByNpyIsTheSameTextWhereTheNumbersAreShortest() {
    StringBuilder csv = new StringBuilder();
    Random random = new Random(5);
    for (int row = 0; row < 500; row++) {
      double a = Double.longBitsToDouble(random.nextLong());
      csv.append(Double.isFinite(a) ? Decimals.text(a) : "-inf")
          .append(',')
          .append(row)
          .append(".5\n");
    }
    text("x.csv", csv.toString());
    quiet("convert ./x.csv -o ./x.npy");
    quiet("convert ./x.npy -o ./back.csv");
    assertEquals(csv.toString(), text("back.csv"));
  }

  @Test
  void columnsThatAreNotChosenPassThrough() {
    String csv = "\ufeffid,\"a,1\",b, note \r\n\"x\"\"y\",+1e0,2, u\r\n007,.5,-0,\"\"\r\n";
    text("x.csv", csv);
    String expected = "id,\"a,1\",b, note \r\n\"x\"\"y\",1.0,2.0, u\r\n007,0.5,-0.0,\"\"\r\n";
    String found = quiet("convert ./x.csv --columns 2,3").out();
    assertEquals(expected, found.replace("\ufeff", ""));
    quiet("convert ./x.csv --columns 2,3 -o ./x.npy");
    assertSame(
        new Stored("<f8", List.of(2L, 2L), new double[] {1, 2, 0.5, -0.0}), npy("x.npy"), "x");
    quiet("convert ./x.csv --columns 2,3 -o ./x.npz");
    assertEquals(List.of("x"), List.copyOf(npz("x.npz").keySet()));
    quiet("convert ./x.csv --columns 2,3 -o ./x.csv");
    assertEquals(expected, text("x.csv").replace("\ufeff", ""));
  }

  @Test
  void missingCellsAndSkippedRows() {
    text("x.csv", "a,b\n1,u\n,v\n3,w\n");
    assertEquals(
        "a,b\n1.0,u\nnan,v\n3.0,w\n", quiet("convert ./x.csv --columns a --missing nan").out());
    CommandLineRun run = run("convert ./x.csv --columns a --missing skip");
    assertEquals("a,b\n1.0,u\n3.0,w\n", run.out());
    assertEquals(
        List.of("batchnorm: warning: x.csv: 1 of 3 rows skipped for an empty cell"), run.error());
  }

  @Test
  void aSingleValueHasNoAxes() {
    for (String type : List.of("<f8", ">f8")) {
      byte[] one = longs(Double.doubleToLongBits(-2.5));
      bytes(
          "x.npy", numpy(type, false, new long[] {}, type.equals("<f8") ? one : bigEndian(one, 8)));
      quiet("convert ./x.npy -o ./y.npy");
      assertArrayEquals(numpy("<f8", false, new long[] {}, one), bytes("y.npy"));
      assertEquals("-2.5\n", quiet("convert ./x.npy --to csv").out());
      quiet("convert ./x.npy --dtype f16 -o ./y.npz");
      Stored expected = new Stored("<f2", List.of(), new double[] {-2.5});
      assertSame(expected, member(npz("y.npz"), "x"), "x");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "0,3", "3,0", "2,0,4"})
  void arraysWithoutValuesKeepTheirShape(String shape) {
    long[] sizes = Arrays.stream(shape.split(",")).mapToLong(Long::parseLong).toArray();
    bytes("x.npy", numpy(">i4", true, sizes));
    quiet("convert ./x.npy -o ./y.npy");
    assertArrayEquals(numpy("<i4", false, sizes), bytes("y.npy"));
    quiet("convert ./x.npy --dtype f32 -o ./y.npz");
    quiet("convert ./y.npz -o ./y.npy");
    assertArrayEquals(numpy("<f4", false, sizes), bytes("y.npy"));
    if (sizes.length < 3) {
      assertEquals("", quiet("convert ./x.npy --to csv").out());
    }
  }

  @Test
  void moreThanTwoAxesAreNoTable() {
    npy("x.npy", DType.F32, new long[] {1, 2, 2}, 1, 2, 3, 4);
    refused(
        3,
        "convert ./x.npy -o ./x.csv",
        "batchnorm: x.csv: expected at most 2 axes for CSV, found shape 1×2×2",
        "hint: --to npy");
    refused(
        3,
        "convert ./x.npy --to tsv",
        "batchnorm: standard output: expected at most 2 axes for CSV, found shape 1×2×2",
        "hint: --to npy");
    assertEquals(List.of("x.npy"), files());
  }

  @Test
  void anNpzIsConvertedMemberByMemberInItsOrder() {
    npz(
        "a.npz",
        npz -> {
          npz.doubles("w", new double[] {1, 2, 3, 4, 5, 6, 7, 8}, 2, 2, 2);
          npz.floats("größe", new float[] {0.1f}, 1);
          npz.int64("batches", 7);
          npz.doubles("empty", new double[0], 0, 3);
          npz.doubles("a/b", new double[] {-0.0}, 1);
        });
    byte[] before = bytes("a.npz");
    quiet("convert ./a.npz -o ./b.npz");
    assertArrayEquals(before, bytes("b.npz"));
    quiet("convert ./a.npz -o ./a.npz");
    assertArrayEquals(before, bytes("a.npz"));
    quiet("convert ./a.npz --dtype f32 -o ./c.npz");
    Map<String, Stored> narrow = npz("c.npz");
    assertEquals(List.of("w", "größe", "batches", "empty", "a/b"), List.copyOf(narrow.keySet()));
    narrow.forEach((name, array) -> assertEquals("<f4", array.type(), name));
    assertSame(
        new Stored("<f4", List.of(), new double[] {7}), member(narrow, "batches"), "batches");
    assertEquals(List.of(0L, 3L), member(narrow, "empty").sizes());
    quiet("convert ./a.npz:größe -o ./g.npy");
    assertSame(new Stored("<f4", List.of(1L), new double[] {0.1f}), npy("g.npy"), "größe");
    quiet("convert ./a.npz:größe -o ./g.npz");
    assertEquals(List.of("größe"), List.copyOf(npz("g.npz").keySet()));
    assertEquals("7\n", run(before, "convert --to csv -- -:batches").out());
  }

  @Test
  void oneMemberMustBeMeantWhereOneArrayIsWritten() {
    npz(
        "a.npz",
        npz -> {
          npz.doubles("p", new double[] {1}, 1);
          npz.doubles("x", new double[] {2}, 1);
        });
    assertEquals("2.0\n", quiet("convert ./a.npz --to csv").out());
    npz(
        "b.npz",
        npz -> {
          npz.doubles("p", new double[] {1}, 1);
          npz.doubles("q", new double[] {2}, 1);
        });
    refused(
        3,
        "convert ./b.npz -o ./y.npy",
        "batchnorm: b.npz: expected a member x, found p, q",
        "hint: name one: b.npz:MEMBER");
    CommandLineRun piped = run(bytes("b.npz"), "convert - --to csv");
    assertEquals(
        List.of(
            "batchnorm: standard input: expected a member x, found p, q",
            "hint: name one: -:MEMBER"),
        piped.error());
    assertEquals(ExitCode.INPUT, piped.code());
    refused(
        3, "convert ./b.npz:r -o ./y.npy", "batchnorm: b.npz: expected a member \"r\", found p, q");
    assertEquals(List.of("a.npz", "b.npz"), files());
  }

  @Test
  void anNpzWithoutMembersIsRefused() {
    npz("a.npz", npz -> {});
    refused(
        3,
        "convert ./a.npz -o ./b.npz",
        "batchnorm: a.npz: expected at least 1 array, found a ZIP file without any",
        "hint: arrays in an NPZ have names ending in .npy; PyTorch's files are exported with"
            + " numpy.savez");
    assertEquals(List.of("a.npz"), files());
  }

  @Test
  void picklesAreRefusedAndNothingOfTheOthersIsWritten() throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(out, StandardCharsets.UTF_8)) {
      zip.putNextEntry(new ZipEntry("a.npy")); // deflated
      zip.write(numpy("<f8", false, new long[] {1}, longs(0)));
      zip.putNextEntry(new ZipEntry("o.npy"));
      zip.write(numpy("|O", false, new long[] {1}, new byte[] {'c', 'o', 's', '\n'}));
    }
    bytes("p.npz", out.toByteArray());
    refused(
        3,
        "convert ./p.npz -o ./q.npz",
        "batchnorm: p.npz:o: expected numbers, found pickled objects (dtype '|O')",
        "hint: pickles can run code and are never read; numpy.save the numbers alone");
    assertEquals(List.of("p.npz"), files());
    assertEquals("0.0\n", quiet("convert ./p.npz:a --to csv").out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"npy", "npz", "csv", "tsv"})
  void theOutputMayBeTheInput(String format) {
    npy("x.npy", DType.F64, new long[] {3, 2}, 1, 2, 3, 4, 5, 6);
    quiet("convert ./x.npy -o ./y." + format);
    byte[] before = bytes("y." + format);
    quiet("convert ./y." + format + " -o ./y." + format);
    assertArrayEquals(before, bytes("y." + format));
    byte[] turned = longs(1, 2, 3, 4, 5, 6);
    bytes("x.npy", numpy(">i8", true, new long[] {3, 2}, bigEndian(turned, 8)));
    quiet("convert ./x.npy --dtype f32 -o ./x.npy");
    assertSame(
        new Stored("<f4", List.of(3L, 2L), new double[] {1, 4, 2, 5, 3, 6}), npy("x.npy"), "x");
    assertEquals(2, files().size());
  }

  @Test
  void longArraysAreCutIntoChunksThatFit() {
    int rows = (1 << 20) + 7;
    byte[] data = randomBits(NumberType.I16, rows * 2, 3);
    bytes("x.npy", numpy("<i2", true, new long[] {rows, 2}, inFortranOrder(data, rows, 2, 2)));
    quiet("convert ./x.npy -o ./y.npy");
    assertArrayEquals(numpy("<i2", false, new long[] {rows, 2}, data), bytes("y.npy"));
    quiet("convert ./y.npy --dtype f32 -o ./f.npy");
    byte[] file = bytes("f.npy");
    ByteBuffer values =
        ByteBuffer.wrap(file, file.length - 8 * rows, 8 * rows)
            .slice()
            .order(ByteOrder.LITTLE_ENDIAN);
    ByteBuffer shorts = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < 2 * rows; i++) {
      if (values.getFloat(4 * i) != shorts.getShort(2 * i)) {
        throw new AssertionError("at " + i + ": " + values.getFloat(4 * i));
      }
    }
  }

  @Test
  void optionsOfTextNeedText() {
    npy("x.npy", DType.F64, new long[] {1, 1}, 1);
    String expected =
        ": expected CSV or TSV (for --columns, --exclude, --delimiter, --comment, --header or"
            + " --missing), found ";
    for (String option : List.of("--columns 1", "--exclude a", "--delimiter ;", "--header no")) {
      refused(3, "convert ./x.npy " + option, "batchnorm: x.npy" + expected + "NPY");
    }
    npz("x.npz", npz -> npz.doubles("x", new double[] {1}, 1, 1));
    refused(3, "convert ./x.npz:x --comment #", "batchnorm: x.npz" + expected + "NPZ");
  }

  @Test
  void saysWhatItDoesIfAsked() {
    bytes("x.npy", numpy(">i2", false, new long[] {1, 2}, new byte[4]));
    CommandLineRun run = run("convert ./x.npy --dtype f32 -o ./y.npy -v");
    assertEquals(List.of("batchnorm: x.npy: i16 to f32, shape 1×2"), run.error());
  }

  @Test
  void digestsNameEveryMember() {
    npz(
        "a.npz",
        npz -> {
          npz.int64("n", 7);
          npz.floats("w", new float[] {Float.intBitsToFloat(0xffc00001), 1}, 2);
        });
    List<String> digests = run("convert ./a.npz -o ./b.npz --digest").error();
    assertEquals(2, digests.size());
    assertTrue(digests.get(0).endsWith(" n <i8 ()"), digests::toString);
    assertTrue(digests.get(1).endsWith(" w <f4 (2,)"), digests::toString);
    assertEquals(
        sha256("<i8 ()\n", longs(7)), digests.get(0).substring(0, 64), "the bytes of the contract");
    byte[] canonical = {0, 0, (byte) 0xc0, 0x7f, 0, 0, (byte) 0x80, 0x3f};
    assertEquals(sha256("<f4 (2,)\n", canonical), digests.get(1).substring(0, 64));
  }

  private static String sha256(String head, byte[] data) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(head.getBytes(StandardCharsets.US_ASCII));
      return HexFormat.of().formatHex(digest.digest(data));
    } catch (NoSuchAlgorithmException e) {
      throw new UncheckedIOException(new IOException(e));
    }
  }
}
