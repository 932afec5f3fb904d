package dev.batchnorm.format.csv;

import static dev.batchnorm.format.Refusals.hint;
import static dev.batchnorm.format.Refusals.refusal;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.batchnorm.format.FileFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

class CsvColumnsTest {
  private static final List<String> NAMES = List.of("id", "a", "x,y", "a", "5", "3-4");

  private static int[] select(String columns, String exclude, List<String> names) {
    CsvOptions options = CsvOptions.of(FileFormat.CSV).withColumns(columns).withExclude(exclude);
    return new CsvColumns("x.csv", options).select(6, names);
  }

  @Test
  void allColumnsByDefault() {
    assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5}, select("", "", NAMES));
  }

  @Test
  void columnsComeInTheOrderOfTheFile() {
    assertArrayEquals(new int[] {0, 1, 3}, select("4,2, id", "", NAMES));
  }

  @Test
  void rangesAndDoubledColumnsAreFine() {
    assertArrayEquals(new int[] {1, 2, 3}, select("2-4,3,3-4", "", List.of()));
  }

  @Test
  void aNameComesBeforeANumberOrRange() {
    assertArrayEquals(new int[] {4}, select("5", "", NAMES));
    assertArrayEquals(new int[] {5}, select("3-4", "", NAMES));
    assertArrayEquals(new int[] {2, 3}, select("3-4", "", List.of()));
  }

  @Test
  void namesWithCommasAreQuoted() {
    assertArrayEquals(new int[] {0, 2}, select("\"x,y\",\"id\"", "", NAMES));
  }

  @Test
  void excludedColumnsAreLeftOut() {
    assertArrayEquals(new int[] {1, 3, 4, 5}, select("", "id,\"x,y\"", NAMES));
    assertArrayEquals(new int[] {1}, select("1-3", "1,3", NAMES));
  }

  @Test
  void noColumnLeftIsRefused() {
    assertEquals(
        "x.csv: expected at least 1 column, found all of them excluded",
        refusal(() -> select("", "1-6", NAMES)));
  }

  @Test
  void aColumnTheFileLacksIsRefused() {
    assertEquals(
        "x.csv: expected a column \"b\" (--columns), found 6 columns (id, a, x,y, a, 5, 3-4)",
        refusal(() -> select("b", "", NAMES)));
    assertEquals(
        "x.csv: expected a column \"A\" (--exclude), found 6 columns without names",
        refusal(() -> select("", "A", List.of())));
    assertEquals(
        "x.csv: expected a column \"b\" (--columns), found 2 columns (a\\nc, \\u202ed)",
        refusal(
            () ->
                new CsvColumns("x.csv", CsvOptions.of(FileFormat.CSV).withColumns("b"))
                    .select(2, List.of("a\nc", "\u202ed"))));
    for (String number : new String[] {"0", "7", "6-7", "4-3", "0-1", "99999999999"}) {
      assertEquals(
          "x.csv: expected a column \"" + number + "\" (--columns), found 6 columns without names",
          refusal(() -> select(number, "", List.of())));
    }
  }

  @Test
  void aNameThatOccursTwiceIsRefused() {
    assertEquals(
        "x.csv: expected one column \"a\" (--columns), found it as column 2 and 4",
        refusal(() -> select("a", "", NAMES)));
    assertEquals("columns may be given by number, as 2", hint(() -> select("a", "", NAMES)));
  }

  @Test
  void delimitersThatNumbersContainAreRefused() {
    CsvOptions options = CsvOptions.of(FileFormat.CSV);
    for (char c : new char[] {'1', 'e', '.', '-', '+', '"', '\n', '§', 1}) {
      assertThrows(IllegalArgumentException.class, () -> options.withDelimiter(c));
    }
    assertEquals('|', options.withDelimiter('|').delimiter());
    assertEquals(' ', options.withDelimiter(' ').delimiter());
    assertEquals(
        "comment: expected another character than the delimiter, found ','",
        assertThrows(IllegalArgumentException.class, () -> options.withComment(',')).getMessage());
    assertThrows(IllegalArgumentException.class, () -> options.withComment(' '));
  }
}
