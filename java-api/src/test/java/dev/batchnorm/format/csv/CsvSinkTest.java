package dev.batchnorm.format.csv;

import static dev.batchnorm.format.Refusals.hint;
import static dev.batchnorm.format.Refusals.input;
import static dev.batchnorm.format.Refusals.refusal;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.batchnorm.DType;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.csv.CsvOptions.Missing;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CsvSinkTest {
  private static final CsvOptions COMMA = CsvOptions.of(FileFormat.CSV);

  @SuppressWarnings("NullAway.Init")
  @TempDir
  Path directory;

  /** The file written again with each selected value negated, in pieces of two. */
  private static String negated(String text, CsvOptions options) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    byte[] file = text.getBytes(UTF_8);
    try (CsvTable table = CsvTable.read(input("x.csv", file), options, DType.F64)) {
      negate(table, AtomicOutput.standardOutput(bytes));
    }
    return bytes.toString(UTF_8);
  }

  private static void negate(CsvTable table, AtomicOutput out) {
    try (Source source = table.source();
        CsvSink sink = table.sink(out, NumberType.of(source.type()))) {
      long count = source.shape().count();
      for (long at = 0; at < count; at += 2) {
        int part = (int) Math.min(2, count - at);
        Values room = sink.room(part);
        for (int i = 0; i < part; i++) {
          room.set(i, -source.chunk(at, part).get(i));
        }
        sink.commit();
      }
      sink.finish();
    }
  }

  @Test
  void theHeaderIsRepeatedByteForByte() {
    assertEquals(" a ,\"b\"\n-1.0,-2.0\n", negated(" a ,\"b\"\n1,2\n", COMMA));
  }

  @Test
  void unselectedCellsAreRepeatedByteForByteAndInPlace() {
    String text = "id,a,note,b,c\n 1 ,2,\"x, \"\"y\"\"\n\",3,\n01,4,ü,5,0x\n";
    assertEquals(
        "id,a,note,b,c\n 1 ,-2.0,\"x, \"\"y\"\"\n\",-3.0,\n01,-4.0,ü,-5.0,0x\n",
        negated(text, COMMA.withColumns("a,b")));
    assertEquals("x,-1.0\ny,-2.0\n", negated("x,1\ny,2\n", COMMA.withColumns("2")));
    assertEquals("-1.0,x\n-2.0,y\n", negated("1,x\n2,y\n", COMMA.withColumns("1")));
  }

  @Test
  void delimiterAndLineEndAreThoseOfTheInput() {
    assertEquals(
        "a;b\r\n-1.0;-2.0\r\n", negated("a;b\r\n1;2\r\n", COMMA.withDelimiter(CsvOptions.AUTO)));
    assertEquals("-1.0\t-2.0\n", negated("1\t2", CsvOptions.of(FileFormat.TSV)));
    assertEquals(
        "a;n\r\n-1.0;z\r\n", negated("a;n\r\n1;z\n", COMMA.withDelimiter(';').withColumns("a")));
  }

  @Test
  void skippedRowsBlankLinesAndCommentsAreGone() {
    CsvOptions options = COMMA.withMissing(Missing.SKIP).withComment('#');
    String text = "n,a,b\n\nu,1,\n#c\nv,2,3\nw,,4\n";
    assertEquals("n,a,b\nv,-2.0,-3.0\n", negated(text, options.withExclude("n")));
    assertEquals("a,b\n-2.0,-3.0\n", negated("a,b\n1,\n2,3\n", options));
  }

  @Test
  void theByteOrderMarkIsDropped() {
    assertEquals("a\n-1.0\n", negated("\ufeffa\n1\n", COMMA));
  }

  @Test
  void writingOntoTheInputIsFine() throws IOException {
    Path path = Files.writeString(directory.resolve("x.csv"), "n,a\nx,1\ny,2\n");
    CsvOptions options = COMMA.withColumns("a");
    try (CsvTable table = CsvTable.read(InputBytes.open(path), options, DType.F64)) {
      negate(table, AtomicOutput.to(path));
    }
    assertEquals("n,a\nx,-1.0\ny,-2.0\n", Files.readString(path));
  }

  @Test
  void aFileThatChangedMeanwhileIsAnError() throws IOException {
    Path path = Files.writeString(directory.resolve("x.csv"), "n,a\nx,1\ny,2\n");
    CsvOptions options = COMMA.withColumns("a");
    try (CsvTable table = CsvTable.read(InputBytes.open(path), options, DType.F64)) {
      Files.writeString(path, "n,a\nx,1\ny;2\n");
      String message = refusal(() -> negate(table, AtomicOutput.to(directory.resolve("y.csv"))));
      assertEquals(
          path + ": expected the rows read before, found that the file has changed", message);
    }
    assertEquals(false, Files.exists(directory.resolve("y.csv")));
  }

  @Test
  void arraysWithoutNamesGetNoHeader() {
    assertEquals("0.0,1.0\n2.0,3.0\n", counted(FileFormat.CSV, DType.F64, 2, 2));
    assertEquals("0.0\t1.0\n", counted(FileFormat.TSV, DType.F32, 1, 2));
  }

  @Test
  void arraysOfOneAxisOrNoneAreOneColumn() {
    assertEquals("0.0\n1.0\n", counted(FileFormat.CSV, DType.F64, 2));
    assertEquals("0.0\n", counted(FileFormat.CSV, DType.F64));
  }

  @Test
  void moreThanTwoAxesAreRefused() {
    assertEquals(
        "standard output: expected at most 2 axes for CSV, found shape 8×64×7×7",
        refusal(() -> counted(FileFormat.CSV, DType.F64, 8, 64, 7, 7)));
    assertEquals("--to npy", hint(() -> counted(FileFormat.CSV, DType.F64, 1, 2, 3)));
  }

  @Test
  void floatsAreWrittenAsFloats() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    AtomicOutput out = AtomicOutput.standardOutput(bytes);
    try (CsvSink sink = CsvSink.create(out, FileFormat.CSV, DType.F32, 1)) {
      sink.room(1).set(0, 0.1);
      sink.commit();
      sink.finish();
    }
    assertEquals("0.1\n", bytes.toString(UTF_8));
  }

  @Test
  void cellsThatHoldAnotherDelimiterAreQuotedForIt() {
    assertEquals(
        "id\t\"a\"\t\"b\tc\"\n\"p,q\"\t1.0\t2.0\n\"say \"\"u\tv\"\t3.0\t4.0\n",
        copied("id,\"a\",b\tc\n\"p,q\",1,2\nsay \"u\tv,3,4\n", COMMA.withColumns("2-3"), '\t'));
    assertEquals("1.0;2.0\n", copied("1,2\n", COMMA, ';'));
    assertEquals(
        "1.0,\"x,y\"\r\n",
        copied("1\tx,y\r\n", CsvOptions.of(FileFormat.TSV).withColumns("1"), ','));
  }

  @Test
  void blanksAroundACellAreNoDelimitersAfterwards() {
    assertEquals(
        "\"p\"\t1.0\nq\t2.0\n\t3.0\n\"r\ts\"\t4.0\n",
        copied("\t\"p\" ,1\n q\t,2\n\t,3\nr\ts,4\n", COMMA.withColumns("2"), '\t'));
    assertEquals(
        "\"a\"\tb\n\"\"\t1.0\n",
        copied("\"\ta \",b\n\"\t\",1\n", COMMA.withMissing(Missing.IGNORE), '\t'));
    assertEquals(
        "\"\u000b\"\"t\tu\"\t1.0\n", copied("\u000b\"t\tu,1\n", COMMA.withColumns("2"), '\t'));
  }

  private static String copied(String text, CsvOptions options, char delimiter) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (CsvTable table = CsvTable.read(input("x.csv", text.getBytes(UTF_8)), options, DType.F64);
        CsvSink sink = table.sink(AtomicOutput.standardOutput(bytes), NumberType.F64, delimiter)) {
      sink.write(table.array().read(0, (int) table.array().count()));
      sink.finish();
    }
    return bytes.toString(UTF_8);
  }

  private static String counted(FileFormat format, DType type, long... sizes) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    AtomicOutput out = AtomicOutput.standardOutput(bytes);
    try (CsvSink sink = CsvSink.create(out, format, type, sizes)) {
      int count = 1;
      for (long size : sizes) {
        count *= (int) size;
      }
      Values room = sink.room(count);
      for (int i = 0; i < count; i++) {
        room.set(i, i);
      }
      sink.commit();
      sink.finish();
    }
    return bytes.toString(UTF_8);
  }

  @Test
  void noRowsNeedNoMemory() {
    assertEquals("", counted(FileFormat.CSV, DType.F32, 0, 3_000_000_000L));
  }

  @Test
  void anIncompleteTableIsNotFinished() {
    AtomicOutput out = AtomicOutput.standardOutput(new ByteArrayOutputStream());
    try (CsvSink sink = CsvSink.create(out, FileFormat.CSV, DType.F32, 2, 2)) {
      sink.room(3);
      sink.commit();
      assertThrows(IllegalStateException.class, sink::finish);
    }
  }

  @Test
  void aDelimiterToBeFoundIsNone() {
    AtomicOutput out = AtomicOutput.standardOutput(new ByteArrayOutputStream());
    CsvOptions any = COMMA.withDelimiter(CsvOptions.AUTO);
    assertThrows(
        IllegalArgumentException.class, () -> CsvSink.create(out, any, NumberType.F64, 1, 1));
  }
}
