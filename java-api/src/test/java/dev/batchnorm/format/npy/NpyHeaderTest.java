package dev.batchnorm.format.npy;

import static dev.batchnorm.format.Refusals.input;
import static dev.batchnorm.format.Refusals.refusal;
import static dev.batchnorm.format.npy.NpyFiles.dictionary;
import static dev.batchnorm.format.npy.NpyFiles.doubles;
import static dev.batchnorm.format.npy.NpyFiles.file;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.InputException;
import dev.batchnorm.Source;
import dev.batchnorm.format.Axes;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NpyHeaderTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr':'<f8','fortran_order':False,'shape':(2,3)}",
        "  {\"shape\" : ( 2 , 3 , ) , \n 'fortran_order' : False,\t'descr' : \"<f8\" }   ",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 3L), }",
      })
  void readsWhatNumpyReads(String dictionary) {
    NpyHeader header = NpyHeader.read(input("x.npy", file(dictionary, new byte[48])));
    assertEquals("<f8", header.descriptor);
    assertFalse(header.fortranOrder);
    assertArrayEquals(new long[] {2, 3}, header.sizes);
    assertEquals(6, header.checkedCount("x.npy", header.dataStart + 48, 8));
  }

  @Test
  void readsVersionsTwoAndThree() {
    byte[] one = file(dictionary("<f4", true, "(5,)"), new byte[20]);
    for (byte version = 2; version <= 3; version++) {
      byte[] file = new byte[one.length + 2];
      System.arraycopy(one, 0, file, 0, 10);
      System.arraycopy(one, 10, file, 12, one.length - 10);
      file[6] = version;
      NpyHeader header = NpyHeader.read(input("x.npy", file));
      assertArrayEquals(new long[] {5}, header.sizes);
      assertTrue(header.fortranOrder);
      assertEquals(one.length + 2 - 20, header.dataStart);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'descr': '<f8'} | no fortran_order",
        "{} | no descr",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3), } | (3,)",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 3} | '('",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)} | a size",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (03,)} | a size",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0x3,)} | ',' or ')'",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775808,)} | below 2^63",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3,,)} | a size",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (3,)} | True or False",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), 'x': 1} | the key descr",
        "{'descr': '<f8', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)} | once",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)} 1 | the end of the header",
        "{'descr': '<f8' 'fortran_order': False, 'shape': (3,)} | '}'",
        "{'descr': '<f8 | a dtype in quotes",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)} | structured dtype",
        "[1, 2] | '{'",
      })
  void refusesOtherDictionaries(String dictionary, String part) {
    String message = refusal(() -> NpyHeader.read(input("x.npy", file(dictionary))));
    assertTrue(message.startsWith("x.npy: expected "), message);
    assertTrue(message.contains(part), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "(-3,) | a size at character 52 of the header, found \"-3,)}\"",
        "(-0,) | a size at character 52 of the header, found \"-0,)}\"",
        "(+3,) | a size at character 52 of the header, found \"+3,)}\"",
        "(1_000,) | ',' or ')' at character 53 of the header, found \"_000,)}\"",
        "(0x10,) | ',' or ')' at character 53 of the header, found \"x10,)}\"",
        "(007,) | a size at character 52 of the header, found \"007,)}\"",
        "(1e3,) | ',' or ')' at character 53 of the header, found \"e3,)}\"",
        "(1.0,) | ',' or ')' at character 53 of the header, found \".0,)}\"",
        "((3,),) | a size at character 52 of the header, found \"(3,),)}\"",
        "(3,(4,)) | a size at character 54 of the header, found \"(4,))}\"",
        "(True,) | a size at character 52 of the header, found \"True,)}\"",
        "(,) | a size at character 52 of the header, found \",)}\"",
        "True | '(' at character 51 of the header, found \"True}\"",
        "None | '(' at character 51 of the header, found \"None}\"",
        "[3] | '(' at character 51 of the header, found \"[3]}\"",
        "(3,) # | '}' at character 56 of the header, found \"#}\"",
        "(3,)+() | '}' at character 55 of the header, found \"+()}\"",
        "(3,), ** | a key in quotes at character 57 of the header, found \"**}\"",
        "(3,), 'shape': (3,) | the key shape once at character 57 of the header, found \"'shape': (3,)}\"",
        "(3,), '': 1 | the key descr, fortran_order or shape at character 57 of the header, found \"'': 1}\"",
        "(3,), 'sh\\x61pe': 1 | a key in quotes at character 57 of the header, found \"'sh\\x61pe': 1}\"",
        "(３,) | a size at character 52 of the header, found \"３,)}\"",
        "(18446744073709551619,) | a size below 2^63 at character 52 of the header, found \"18446744073709551619,)}\"",
      })
  void refusesOtherShapes(String shape, String found) {
    String dictionary = "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + "}";
    byte[] file = file(3, dictionary, new byte[24]);
    assertEquals("x.npy: expected " + found, refusal(() -> NpyHeader.read(input("x.npy", file))));
  }

  @Test
  void refusesShapesOfAnyLength() {
    String start = "{'descr': '<f8', 'fortran_order': False, 'shape': ";
    for (String shape :
        List.of(
            "(" + "9".repeat(60_000) + ",)",
            "(" + "1,".repeat(30_000) + ")",
            "(".repeat(60_000),
            " ".repeat(60_000),
            "'".repeat(60_001),
            "\0".repeat(60_000))) {
      byte[] file = file(start + shape + "}", new byte[8]);
      String message = refusal(() -> NpyHeader.read(input("x.npy", file)));
      assertTrue(message.length() < 250, message);
    }
    byte[] axes = file(start + "(" + "1,".repeat(64) + ")}", new byte[8]);
    assertEquals(64, NpyHeader.read(input("x.npy", axes)).sizes.length);
    byte[] more = file(start + "(" + "1,".repeat(65) + ")}", new byte[8]);
    assertTrue(refusal(() -> NpyHeader.read(input("x.npy", more))).contains("at most 64 axes"));
  }

  @Test
  void aHeaderMayBeLongAndNeedsNoNewline() {
    String dictionary = dictionary("<f8", false, "(3,)") + " ".repeat(60_000);
    NpyHeader header = NpyHeader.read(input("x.npy", file(dictionary, new byte[24])));
    assertEquals(3, header.checkedCount("x.npy", header.dataStart + 24, 8));
    byte[] file = file(dictionary("<f8", false, "(3,)"), new byte[24]);
    byte[] without = Arrays.copyOf(file, file.length - 1);
    without[8]--;
    assertArrayEquals(new long[] {3}, NpyHeader.read(input("x.npy", without)).sizes);
  }

  @Test
  void refusesAnotherMagic() {
    assertEquals(
        "x.npy: expected an NPY file (bytes 93 4E 55 4D 50 59), found 50 4B 03 04",
        refusal(() -> NpyHeader.read(input("x.npy", new byte[] {'P', 'K', 3, 4}))));
    assertEquals(
        "x.npy: expected an NPY file (bytes 93 4E 55 4D 50 59), found an empty file",
        refusal(() -> NpyHeader.read(input("x.npy", new byte[0]))));
  }

  @Test
  void refusesAnotherVersion() {
    byte[] file = file(dictionary("<f8", false, "()"), new byte[8]);
    file[6] = 4;
    assertEquals(
        "x.npy: expected NPY version 1.0, 2.0 or 3.0, found 4.0",
        refusal(() -> NpyHeader.read(input("x.npy", file))));
  }

  @Test
  void aHeaderLargerThanTheFileIsRefusedUnread() {
    byte[] file = file(dictionary("<f8", false, "()"));
    file[6] = 2;
    Arrays.fill(file, 8, 12, (byte) 0xFF);
    assertEquals(
        "x.npy: expected a header of 4294967307 bytes, found " + file.length + " in the file",
        refusal(() -> NpyHeader.read(input("x.npy", file))));
  }

  @Test
  void sizesBeyondTheFileAreRefused() {
    assertEquals(
        "x.npy: 4.0 GB announced by the header, 16 bytes in the file",
        count("(500000000,)", new byte[16]));
    assertEquals(
        "x.npy: more than 2^63 bytes announced by the header (shape 9000000000×9000000000),"
            + " 88 bytes in the file",
        count("(9000000000, 9000000000)", new byte[0]));
    assertEquals(
        "x.npy: more than 2^63 bytes announced by the header (shape 4611686018427387904×4),"
            + " 88 bytes in the file",
        count("(4611686018427387904, 4)", new byte[0]));
    assertEquals(
        "x.npy: 16 bytes announced by the header, 17 bytes in the file",
        count("(2,)", new byte[17]));
  }

  @Test
  void sizesBesidesAZeroMustHaveAProduct() {
    for (String shape : List.of("(0, 4611686018427387904, 4)", "(4611686018427387904, 4, 0)")) {
      String message = count(shape, new byte[0]);
      assertTrue(message.startsWith("x.npy: more than 2^63 bytes announced"), message);
    }
    byte[] file = file(dictionary("<f8", false, "(0, 1000000000)"));
    assertEquals(0, NpyHeader.read(input("x.npy", file)).checkedCount("x.npy", file.length, 8));
  }

  private static String count(String shape, byte[] data) {
    byte[] file = file(dictionary("<f8", false, shape), data);
    NpyHeader header = NpyHeader.read(input("x.npy", file));
    return refusal(() -> header.checkedCount("x.npy", file.length, 8));
  }

  @Test
  void writesTheBytesNumpyWrites() {
    // numpy.save of [[1, 2, 3], [4, 5, 6]] as float32, without its values.
    String numpy =
        "934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f7264657227"
            + "3a2046616c73652c20277368617065273a2028322c2033292c207d"
            + "20".repeat(58)
            + "0a";
    assertEquals(numpy, HexFormat.of().formatHex(NpyHeader.write("<f4", 2, 3)));
  }

  @Test
  void padsLikeNumpyAtEveryRank() {
    assertEquals(128, NpyHeader.write("<f8").length);
    assertTrue(text(NpyHeader.write("<f8")).contains("'shape': (), }"));
    assertEquals(128, NpyHeader.write("<f8", 3).length);
    assertTrue(text(NpyHeader.write("<f8", 3)).contains("'shape': (3,), }"));
    // numpy leaves room for the first size to grow: 192 bytes where 128 would do.
    long[] sixteen = new long[17];
    Arrays.fill(sixteen, 1);
    sixteen[0] = 2;
    assertEquals(192, NpyHeader.write("<f8", sixteen).length);
    assertEquals('\n', NpyHeader.write("<f8", sixteen)[191]);
  }

  private static String text(byte[] bytes) {
    return new String(bytes, ISO_8859_1);
  }

  @Test
  void truncatedAnywhereIsRefused() {
    byte[] file = file(dictionary("<f8", false, "(2, 3)"), new byte[48]);
    for (int length = 0; length < file.length; length++) {
      byte[] cut = Arrays.copyOf(file, length);
      refusal(() -> NpySource.open(input("x.npy", cut), Axes.channelAxis(1)));
    }
  }

  @Test
  void damagedHeadersAreReadOrRefusedButNothingElse() {
    byte[] file = file(dictionary("<f8", false, "(2, 3)"), doubles(1, 2, 3, 4, 5, 6));
    Random random = new Random(4);
    for (int i = 0; i < 3000; i++) {
      byte[] damaged = file.clone();
      for (int k = random.nextInt(3); k >= 0; k--) {
        damaged[random.nextInt(file.length - 48)] =
            (byte)
                (random.nextBoolean()
                    ? random.nextInt(256)
                    : "0123,()'{}: LTF".charAt(random.nextInt(15)));
      }
      try (Source source = NpySource.open(input("x.npy", damaged), Axes.channelAxis(0))) {
        assertEquals(48, source.shape().count() * source.type().bytes());
        source.chunk(0, (int) source.shape().count());
      } catch (InputException e) {
        assertTrue(String.valueOf(e.getMessage()).startsWith("x.npy: "));
      }
    }
  }
}
