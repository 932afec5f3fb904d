package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class WordingTest {

  @Test
  void quotesStayOnOneLineAndShort() {
    assertEquals("\"a\\n\\t\\x01b\"", Wording.quoted("a\n\t\u0001b"));
    assertEquals("\"" + "y".repeat(40) + "…\"", Wording.quoted("y".repeat(41)));
    assertEquals("\"" + "y".repeat(40) + "\"", Wording.quoted("y".repeat(40)));
  }

  @Test
  void namesOutOfFilesStayOnOneLine() {
    assertEquals("a\\n\\x1b[2Jb c", Wording.onOneLine("a\n\u001b[2Jb c"));
    assertEquals("\\u202e\\u2028\\u2029\\ud800ß漢", Wording.onOneLine("\u202e\u2028\u2029\ud800ß漢"));
    assertEquals("y".repeat(200), Wording.onOneLine("y".repeat(200)));
    assertEquals("y".repeat(200) + "…", Wording.onOneLine("y".repeat(201)));
    assertEquals("a\\r, b", Wording.some(List.of("a\r", "b")));
    assertEquals("none", Wording.some(List.of()));
    assertEquals(
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, … (13 in all)",
        Wording.some(IntStream.rangeClosed(1, 13).mapToObj(Integer::toString).toList()));
  }

  @Test
  void sizesAreForPeople() {
    assertEquals("1 byte", Wording.size(1));
    assertEquals("9999 bytes", Wording.size(9999));
    assertEquals("10.0 kB", Wording.size(10_000));
    assertEquals("1.0 MB", Wording.size(999_960));
    assertEquals("4.0 GB", Wording.size(4_000_000_000L));
    assertEquals("9.2 EB", Wording.size(Long.MAX_VALUE));
  }

  @Test
  void sizesThatLookTheSameAreExact() {
    assertEquals(
        "4000000000 bytes announced by the header, 4000000001 bytes in the file",
        Wording.announced(4_000_000_000L, "the header", 4_000_000_001L, "the file"));
    assertEquals(
        "4.0 GB announced by the header, 1.2 MB in the file",
        Wording.announced(4_000_000_000L, "the header", 1_200_000, "the file"));
  }
}
