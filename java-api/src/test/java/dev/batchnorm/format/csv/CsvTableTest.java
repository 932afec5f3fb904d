package dev.batchnorm.format.csv;

import static dev.batchnorm.format.Refusals.hint;
import static dev.batchnorm.format.Refusals.input;
import static dev.batchnorm.format.Refusals.refusal;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.csv.CsvOptions.Header;
import dev.batchnorm.format.csv.CsvOptions.Missing;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CsvTableTest {
  private static final CsvOptions COMMA = CsvOptions.of(FileFormat.CSV);

  private static CsvTable read(String text, CsvOptions options) {
    return CsvTable.read(input("x.csv", text.getBytes(UTF_8)), options, DType.F64);
  }

  private static CsvTable read(String text) {
    return read(text, COMMA);
  }

  private static void assertValues(CsvTable table, double... expected) {
    assertArrayEquals(expected, table.values());
  }

  @Test
  void rowsAreSamplesAndColumnsAreChannels() {
    CsvTable table = read("a,b\n1,2\n3,4\n5,6\n");
    assertEquals(List.of("a", "b"), table.names());
    assertEquals(3, table.rows());
    assertEquals(2, table.columns());
    assertEquals("x.csv", table.name());
    assertArrayEquals(new double[] {2, 4, 6}, table.column(1));
    try (Source source = table.source()) {
      assertEquals(Shape.withChannelAxis(1, 3, 2), source.shape());
      assertEquals(DType.F64, source.type());
      assertArrayEquals(new double[] {2, 3, 4}, source.chunk(1, 3).toDoubles());
    }
  }

  @Test
  void aCommentMarkIsNoDelimiterThatIsFound() {
    CsvOptions auto = COMMA.withDelimiter(CsvOptions.AUTO);
    assertValues(read(";a,b;c\n1\t2\n", auto.withComment(';')), 1, 2);
    assertEquals('\t', read(";a,b;c\n1\t2\n", auto.withComment(';')).delimiter());
    assertEquals(';', read(",a\n1\n", auto.withComment(',')).delimiter());
  }

  @Test
  void aFinalLineEndIsNotNeeded() {
    assertValues(read("1,2\n3,4"), 1, 2, 3, 4);
  }

  @Test
  void linesEndWithLfOrCrLf() {
    assertValues(read("a,b\r\n1,2\r\n3,4\n5,6\r\n"), 1, 2, 3, 4, 5, 6);
  }

  @Test
  void aLoneCrEndsNoLine() {
    assertEquals(
        "x.csv:2:2: expected a number, found \"2\\r3\"", refusal(() -> read("a,b\n1,2\r3\n")));
    assertEquals(
        "x.csv:1:2: expected a number, found \"2\\r\"",
        refusal(() -> read("1,2\r", COMMA.withHeader(Header.NO))));
  }

  @Test
  void aByteOrderMarkIsSkipped() {
    assertEquals(List.of("a", "b"), read("\ufeffa,b\n1,2\n").names());
    assertValues(read("\ufeff1,2\n"), 1, 2);
  }

  @Test
  void blankLinesAreSkippedButCounted() {
    assertValues(read("\n\na,b\n\r\n1,2\n  \t \n3,4\n\n  "), 1, 2, 3, 4);
    assertEquals("x.csv:5:1: expected a number, found \"x\"", refusal(() -> read("\na\n1\n\nx\n")));
  }

  @Test
  void commentsAreSkippedButCounted() {
    CsvOptions options = COMMA.withComment('#');
    assertValues(read("# by hand\na,b\n1,2\n#3,4\n5,6\n#", options), 1, 2, 5, 6);
    assertEquals(
        "x.csv:3:1: expected a number, found \"x\"", refusal(() -> read("a\n#\"\nx\n", options)));
  }

  @Test
  void quotedCellsMayHoldAnything() {
    CsvTable table = read("\"a,1\",\"b \"\"c\"\"\"\n\"1\",\" 2 \"\n \"3\" ,4\n");
    assertEquals(List.of("a,1", "b \"c\""), table.names());
    assertValues(table, 1, 2, 3, 4);
  }

  @Test
  void linesArePhysicalAfterQuotedLineBreaks() {
    String text = "name,v\n\"two\nlines\",1\n\"three\n\n\",x\n";
    assertEquals(
        "x.csv:6:2: expected a number, found \"x\"",
        refusal(() -> read(text, COMMA.withColumns("v"))));
  }

  @Test
  void textAfterAClosingQuoteIsRefused() {
    assertEquals(
        "x.csv:2:1: expected a delimiter after the closing quote, found \"3\"",
        refusal(() -> read("a,b\n\"1\"3,2\n")));
  }

  @Test
  void textAfterAClosingQuoteIsShownAsACharacter() {
    assertEquals(
        "x.csv:2:1: expected a delimiter after the closing quote, found \"ü\"",
        refusal(() -> read("a\n\"1\"ü\n")));
  }

  @Test
  void anOpenQuoteIsRefusedWhereItBegins() {
    assertEquals(
        "x.csv:2:2: expected a closing quote, found the end of the file",
        refusal(() -> read("a,b\n1,\"2\n3,4\n")));
  }

  @Test
  void blanksAroundCellsAndNamesAreIgnored() {
    CsvTable table = read(" a ,\tb\t\n 1\t, 2 \n");
    assertEquals(List.of("a", "b"), table.names());
    assertValues(table, 1, 2);
  }

  @Test
  void aTabThatDelimitsIsNoBlank() {
    CsvOptions options = CsvOptions.of(FileFormat.TSV).withMissing(Missing.NAN);
    assertValues(read("1\t\t3\n", options), 1, Double.NaN, 3);
    assertValues(read("\t\t\n", options.withHeader(Header.NO)), Double.NaN, Double.NaN, Double.NaN);
  }

  @Test
  void theDelimiterCanBeFoundOut() {
    CsvOptions auto = COMMA.withDelimiter(CsvOptions.AUTO);
    assertValues(read("1,2\n", auto), 1, 2);
    assertValues(read("\"a\";\"b\"\n1;2\n", auto), 1, 2);
    assertValues(read("1\t2\n", auto), 1, 2);
    assertValues(read("1\n2\n", auto), 1, 2);
  }

  @Test
  void aNumberIsFoundOnlyWhereOneIs() {
    for (String cell : new String[] {"0x10", "1_000", "1d", "１", "1 2", "1.5.2", "e5"}) {
      assertEquals(
          "x.csv:2:1: expected a number, found \"" + cell + "\"",
          refusal(() -> read("a\n" + cell + "\n")));
    }
    assertValues(read("a\n-.5e+1\n"), -5);
  }

  @Test
  void aCellTooLargeIsNamed() {
    assertEquals(
        "x.csv:2:1: expected a number within ±1.7976931348623157e+308 (f64), found \"1e400\"",
        refusal(() -> read("a\n1e400\n")));
  }

  @Test
  void cellsAreRoundedOnceToTheType() {
    byte[] text = "1.00000005960464477539062500000000000000001\n".getBytes(UTF_8);
    try (CsvTable table = CsvTable.read(input("x.csv", text), COMMA, DType.F32)) {
      assertEquals(DType.F32, table.source().type());
      assertValues(table, 1.0000001f);
    }
  }

  @Test
  void theFirstRecordIsDataIfAllOfItAreNumbers() {
    assertEquals(List.of(), read("1,nan\n3,4\n").names());
    assertEquals(2, read("1,inf\n3,4\n").rows());
  }

  @Test
  void aMixedFirstRecordAsksWhichItIs() {
    String text = "a,2\n3,4\n";
    assertEquals(
        "x.csv:1:2: expected names or numbers throughout the first record, found the number 2"
            + " among names",
        refusal(() -> read(text)));
    assertEquals(
        "--header yes|no says whether the first record is a header", hint(() -> read(text)));
    assertEquals(List.of("a", "2"), read(text, COMMA.withHeader(Header.YES)).names());
    assertEquals(
        "x.csv:1:1: expected a number, found \"a\"",
        refusal(() -> read(text, COMMA.withHeader(Header.NO))));
  }

  @Test
  void onlySelectedCellsTellWhetherThereIsAHeader() {
    assertValues(read("id,1,2\nid,3,4\n", COMMA.withColumns("2-3")), 1, 2, 3, 4);
    assertValues(read("7,a,b\n8,3,4\n", COMMA.withColumns("a,3")), 3, 4);
    assertEquals(List.of("", "a"), read(",a\n1,2\n").names());
  }

  @Test
  void aHeaderMayBeNumbersIfSaidSo() {
    CsvOptions yes = COMMA.withHeader(Header.YES);
    assertEquals(List.of("1", "2"), read("1,2\n3,4\n", yes).names());
    assertValues(read("3,2,1\n7,8,9\n", yes.withColumns("3")), 7);
  }

  @Test
  void emptyCellsAreRefusedByDefault() {
    String text = "a,b\n1,\n";
    assertEquals("x.csv:2:2: expected a number, found an empty cell", refusal(() -> read(text)));
    assertEquals(
        "--missing nan reads empty cells as NaN, --missing skip drops their rows",
        hint(() -> read(text)));
    assertEquals(
        "x.csv:2:1: expected a number, found an empty cell", refusal(() -> read("a\n\" \"\n")));
  }

  @Test
  void marksOfMissingCellsGetAHint() {
    assertEquals("x.csv:2:1: expected a number, found \"n/a\"", refusal(() -> read("a\nn/a\n")));
    assertEquals("--missing nan reads empty cells as NaN", hint(() -> read("a\nn/a\n")));
    assertEquals("--columns and --exclude choose the columns", hint(() -> read("a\nabc\n")));
  }

  @Test
  void emptyCellsMayBeNan() {
    CsvOptions options = COMMA.withMissing(Missing.NAN);
    assertValues(read("a,b\n1,\n \"\",2\n", options), 1, Double.NaN, Double.NaN, 2);
  }

  @Test
  void rowsWithEmptyCellsMayBeSkipped() {
    CsvOptions options = COMMA.withMissing(Missing.SKIP);
    CsvTable table = read("a,b\n1,\n3,4\n,\n5,6\n", options);
    assertValues(table, 3, 4, 5, 6);
    assertEquals(2, table.rows());
    assertEquals(2, table.skipped());
    assertEquals(
        "x.csv: expected at least 1 row without empty cells, found none of 1",
        refusal(() -> read("a,b\n1,\n", options)));
  }

  @Test
  void everyRecordHasAsManyFieldsAsTheFirst() {
    assertEquals(
        "x.csv:3: expected 2 fields as in line 1, found 3",
        refusal(() -> read("a,b\n1,2\n1,2,3\n")));
    assertEquals(
        "x.csv:2: expected 2 fields as in line 1, found 1", refusal(() -> read("a,b\n1\n")));
  }

  @Test
  void noRowsAreRefused() {
    assertEquals("x.csv: expected at least 1 row of data, found none", refusal(() -> read("")));
    assertEquals("x.csv: expected at least 1 row of data, found none", refusal(() -> read("\n\n")));
    assertEquals(
        "x.csv: expected at least 1 row of data, found only a header",
        refusal(() -> read("a,b\n")));
  }

  @Test
  void otherEncodingsThanUtf8AreRefusedAtTheirLine() {
    byte[] latin = "name,a\nx,1\ncaf\u00e9,2\n".getBytes(ISO_8859_1);
    assertEquals(
        "x.csv:3: expected UTF-8 text, found byte E9",
        refusal(() -> CsvTable.read(input("x.csv", latin), COMMA.withColumns("a"), DType.F64)));
    byte[] last = "a\n1\n\u00ff".getBytes(ISO_8859_1);
    assertEquals(
        "x.csv:3: expected UTF-8 text, found byte FF",
        refusal(() -> CsvTable.read(input("x.csv", last), COMMA, DType.F64)));
    assertEquals(List.of("größe", "尺寸"), read("größe,尺寸\n1,2\n").names());
  }

  @Test
  void theAxesMayRefuseTheTable() {
    assertEquals(
        "x.csv: shape: expected 4 axes (layout NCHW), found 1×2",
        refusal(() -> read("1,2\n").source(sizes -> Shape.of(Layout.NCHW, sizes))));
  }

  @Test
  void largeTablesAreReadAcrossBlocks() {
    int rows = 40_000;
    StringBuilder text = new StringBuilder("a,text,b\n");
    for (int row = 0; row < rows; row++) {
      text.append(row).append(",\"").append("z\n,".repeat(row % 5)).append("\",-").append(row);
      text.append('\n');
    }
    CsvTable table = read(text.toString(), COMMA.withExclude("text"));
    double[] values = table.values();
    assertEquals(rows, table.rows());
    for (int row = 0; row < rows; row++) {
      assertEquals(row, values[2 * row]);
      assertEquals(-(double) row, values[2 * row + 1]);
    }
    try (Source source = table.source()) {
      assertEquals(-39_000, source.chunk(78_001, 5).get(0));
    }
  }

  @Test
  void damagedTablesAreReadOrRefusedButNothingElse() {
    byte[] text = "a,b\r\n1,\"2\"\n\n 3 ,-4e5\n".getBytes(UTF_8);
    Random random = new Random(10);
    for (int i = 0; i < 5_000; i++) {
      byte[] damaged = text.clone();
      for (int k = random.nextInt(4); k >= 0; k--) {
        damaged[random.nextInt(text.length)] =
            (byte)
                (random.nextInt(9) == 0
                    ? random.nextInt(256)
                    : ",\"\r\n 1-ea".charAt(random.nextInt(9)));
      }
      try (CsvTable table = CsvTable.read(input("x.csv", damaged), COMMA, DType.F64)) {
        assertEquals(table.rows() * table.columns(), table.values().length);
      } catch (InputException e) {
        assertEquals("x.csv:", String.valueOf(e.getMessage()).substring(0, 6));
      }
    }
  }
}
