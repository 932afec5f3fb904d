package dev.batchnorm.format.npz;

import static dev.batchnorm.format.Refusals.hint;
import static dev.batchnorm.format.Refusals.input;
import static dev.batchnorm.format.Refusals.refusal;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.npy.NpySink;
import dev.batchnorm.format.npz.ZipMaker.Descriptor;
import dev.batchnorm.format.npz.ZipMaker.Member;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The ways a ZIP may hold its members, and what it must not do. */
class NpzZipTest {

  @SuppressWarnings("NullAway.Init")
  @TempDir
  Path directory;

  private static byte[] npy(double... values) {
    byte[] header = NpySink.header("<f8", values.length);
    ByteBuffer file = ByteBuffer.allocate(header.length + 8 * values.length).put(header);
    for (double value : values) {
      file.putLong(Long.reverseBytes(Double.doubleToLongBits(value)));
    }
    return file.array();
  }

  private static NpzFile open(byte[] bytes) {
    return NpzFile.open(input("x.npz", bytes));
  }

  private static double[] x(byte[] bytes) {
    try (NpzFile file = open(bytes)) {
      return file.array("x").values();
    }
  }

  private static double[] x(ZipMaker zip) {
    return x(zip.bytes());
  }

  @Test
  void whatPythonWritesIsRead() {
    for (byte[] bytes :
        List.of(NumpyFiles.streamed(), NumpyFiles.streamed64(), NumpyFiles.wide())) {
      try (NpzFile file = open(bytes)) {
        assertEquals(List.of("mean", "x"), file.members());
        assertArrayEquals(new double[] {1.5, -2}, file.array("mean").values());
        assertArrayEquals(new long[] {2, 3}, file.array("x").sizes());
        assertArrayEquals(new double[] {1, 2, 3, 4, 5, 6}, file.array("x").values());
      }
      for (int length = 0; length < bytes.length; length++) {
        byte[] cut = Arrays.copyOf(bytes, length);
        refusal(() -> open(cut));
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void streamedMembersAreRead(Descriptor descriptor) {
    ZipMaker zip = new ZipMaker();
    zip.stored("x.npy", npy(1, 2)).streamed(descriptor);
    zip.deflated("y.npy", npy(3)).streamed(descriptor).wide();
    zip.stored("z.npy", npy());
    try (NpzFile file = open(zip.bytes())) {
      assertArrayEquals(new double[] {1, 2}, file.array("x").values());
      assertArrayEquals(new double[] {3}, file.array("y").values());
      assertArrayEquals(new double[0], file.array("z").values());
    }
  }

  @Test
  void sixtyFourBitFieldsAreRead() {
    for (int which = 0; which < 8; which++) {
      ZipMaker zip = new ZipMaker();
      zip.stored("w.npy", npy(7));
      Member member = zip.deflated("x.npy", npy(1, 2));
      member.wideLocal = (which & 1) != 0;
      member.wideDirectory = (which & 2) != 0;
      zip.wideEnd = (which & 4) != 0;
      assertArrayEquals(new double[] {1, 2}, x(zip));
    }
  }

  @Test
  void damagedSixtyFourBitFieldsAreRefused() {
    ZipMaker zip = new ZipMaker();
    Member member = zip.stored("x.npy", npy(1));
    member.compressed = 0xFFFFFFFFL;
    assertEquals(
        "x.npz: expected 64-bit sizes of member \"x.npy\", found a damaged ZIP file",
        refusal(() -> x(zip)));
    member.extra = new byte[] {1, 0, 8, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    assertEquals(
        "x.npz: expected 64-bit sizes of member \"x.npy\", found a damaged ZIP file",
        refusal(() -> x(zip)));
    member.extra = new byte[] {1, 0, 8, 0, -1, -1, -1, -1, -1, -1, -1, 127};
    assertEquals(
        "x.npz: expected member \"x.npy\" of 9.2 EB at byte 0, found a damaged ZIP file",
        refusal(() -> x(zip)));
  }

  @Test
  void claimsOfTheEndRecordAreCheckedBeforeAnythingIsRead() {
    for (boolean wide : new boolean[] {false, true}) {
      ZipMaker zip = new ZipMaker();
      zip.stored("x.npy", npy(1));
      zip.wideEnd = wide;
      zip.moreMembers = wide ? -2 : 65_000;
      assertEquals(
          "x.npz: expected " + (wide ? "18446744073709551615" : "65001") + " members, found 1",
          refusal(() -> x(zip)));
      zip.moreMembers = 0;
      zip.moreSize = wide ? Long.MAX_VALUE : 0x7fffff00;
      assertEquals(
          "x.npz: expected its directory before byte 222, found a damaged ZIP file",
          refusal(() -> x(zip)));
      zip.moreSize = 0;
      zip.moreStart = wide ? Long.MAX_VALUE - 1000 : 0x7fffff00;
      assertEquals(
          "x.npz: expected its directory before byte 222, found a damaged ZIP file",
          refusal(() -> x(zip)));
      zip.moreStart = -1;
      assertEquals(
          "x.npz: expected a ZIP file from its first byte on, found 1 byte in front of it",
          refusal(() -> x(zip)));
    }
    ZipMaker zip = new ZipMaker();
    zip.stored("x.npy", npy(1));
    zip.wideEnd = true;
    byte[] bytes = zip.bytes();
    bytes[bytes.length - 22 - 12] ^= 1;
    assertEquals(
        "x.npz: expected the end of its directory at byte 223, found a damaged ZIP file",
        refusal(() -> x(bytes)));
    Arrays.fill(bytes, bytes.length - 22 - 12, bytes.length - 22 - 4, (byte) 0x7f);
    assertEquals(
        "x.npz: expected 56 bytes at byte 9187201950435737471, found a damaged ZIP file",
        refusal(() -> x(bytes)));
  }

  @Test
  void aCommentIsSkipped() {
    ZipMaker zip = new ZipMaker();
    zip.stored("x.npy", npy(1, 2)).comment = "of the member".getBytes(US_ASCII);
    zip.comment = new byte[0xFFFF];
    zip.comment[100] = 'P';
    assertArrayEquals(new double[] {1, 2}, x(zip));
    byte[] longer = Arrays.copyOf(zip.bytes(), zip.bytes().length + 1);
    assertEquals(
        "x.npz: expected the directory of a ZIP file at its end, found none",
        refusal(() -> x(longer)));
  }

  @Test
  void aZipBehindOtherBytesIsRefused() {
    ZipMaker zip = new ZipMaker();
    zip.stored("x.npy", npy(1));
    zip.prefix = "#!/bin/sh\n".getBytes(US_ASCII);
    assertEquals(
        "x.npz: expected a ZIP file from its first byte on, found 10 bytes in front of it",
        refusal(() -> x(zip)));
    assertEquals("tail -c +11 cuts them off", hint(() -> x(zip)));
    zip.prefix = new byte[0];
    zip.gap = new byte[3];
    assertEquals(
        "x.npz: expected its directory at byte 174, found a damaged ZIP file",
        refusal(() -> x(zip)));
  }

  @Test
  void whatIsNotNpyIsNoMember() {
    ZipMaker zip = new ZipMaker();
    zip.stored("a/", new byte[0]);
    zip.stored("a.npy/", new byte[0]);
    zip.stored("readme.txt", new byte[3]);
    zip.stored("a/b.npy", npy(1));
    zip.deflated("../c.npy", npy(2));
    zip.utf8("größe.npy", npy(3));
    zip.stored(".npy", npy(4));
    zip.stored("x.NPY", npy(5));
    try (NpzFile file = open(zip.bytes())) {
      assertEquals(List.of("a/b", "../c", "größe", ""), file.members());
      for (int i = 0; i < 4; i++) {
        String member = file.members().get(i);
        assertArrayEquals(new double[] {i + 1}, file.array(member).values());
      }
      assertEquals(
          "x.npz: expected a member \"x\", found a/b, ../c, größe, ",
          refusal(() -> file.array("x")));
    }
  }

  @Test
  void namesAreUtf8EvenWhereNoFlagSaysSo() {
    ZipMaker zip = new ZipMaker();
    Member unflagged = zip.utf8("größe.npy", npy(1));
    unflagged.flags = 0;
    unflagged.localFlags = 0;
    zip.stored("maße.npy", npy(2)); // as ISO 8859-1
    zip.utf8("名前.npy", npy(3)).localFlags = 0;
    try (NpzFile file = open(zip.bytes())) {
      assertEquals(List.of("größe", "maße", "名前"), file.members());
      assertArrayEquals(new double[] {1}, file.array("größe").values());
      assertArrayEquals(new double[] {2}, file.array("maße").values());
      assertArrayEquals(new double[] {3}, file.array("名前").values());
    }
  }

  @Test
  void namesThatWouldBreakTheLineAreEscaped() {
    ZipMaker zip = new ZipMaker();
    zip.stored("a\n\u001b[2J.npy", new byte[0]);
    try (NpzFile file = open(zip.bytes())) {
      assertEquals(
          "x.npz: expected a member \"x\", found a\\n\\x1b[2J", refusal(() -> file.array("x")));
      assertEquals(
          "x.npz:a\\n\\x1b[2J: expected an NPY file (bytes 93 4E 55 4D 50 59), found an empty file",
          refusal(() -> file.array("a\n\u001b[2J")));
    }
    ZipMaker turned = new ZipMaker();
    turned.utf8("\u202e\u2028" + "y".repeat(250) + ".npy", new byte[0]);
    try (NpzFile file = open(turned.bytes())) {
      assertEquals(
          "x.npz: expected a member \"x\", found \\u202e\\u2028" + "y".repeat(198) + "…",
          refusal(() -> file.array("x")));
    }
  }

  @Test
  void twoMembersOfOneNameAreRefused() {
    ZipMaker zip = new ZipMaker();
    zip.stored("x.npy", npy(1));
    zip.stored("x.npy", npy(2));
    assertEquals(
        "x.npz: expected each member once, found two \"x.npy\"", refusal(() -> open(zip.bytes())));
  }

  @Test
  void aMemberWhoseOwnHeaderSaysOtherwiseIsRefused() {
    assertDisagreement("size 136 as in the ZIP directory, found 137", m -> m.localSize++);
    assertDisagreement(
        "compressed size 136 as in the ZIP directory, found 0", m -> m.localCompressed = 0);
    assertDisagreement("method 0 as in the ZIP directory, found 8", m -> m.localMethod = 8);
    assertDisagreement("encryption 0 as in the ZIP directory, found 1", m -> m.localFlags = 1);
    assertDisagreement(
        "checksum 7 as in the ZIP directory, found 9",
        m -> {
          m.crc = 7;
          m.localCrc = 9;
        });
    ZipMaker zip = new ZipMaker();
    zip.stored("x.npy", npy(1)).localName = "y.npy".getBytes(US_ASCII);
    assertEquals(
        "x.npz: expected member \"x.npy\" at byte 0, found a damaged ZIP file",
        refusal(() -> x(zip)));
  }

  private static void assertDisagreement(String part, Consumer<Member> change) {
    for (boolean wide : new boolean[] {false, true}) {
      ZipMaker zip = new ZipMaker();
      Member member = zip.stored("x.npy", npy(1));
      member.wideLocal = wide;
      change.accept(member);
      assertEquals("x.npz:x: expected " + part + " in front of the member", refusal(() -> x(zip)));
    }
  }

  @Test
  void membersInTheSameBytesAreRefused() {
    ZipMaker zip = new ZipMaker();
    byte[] inner = zipOf("y.npy", npy(1));
    zip.stored("x.npy", inner);
    Member second = zip.stored("y.npy", npy(1));
    second.offset = 35L;
    assertEquals(
        "x.npz: expected members apart, found \"x.npy\" and \"y.npy\" in the same bytes",
        refusal(() -> open(zip.bytes())));
    second.offset = 0L;
    assertEquals(
        "x.npz: expected members apart, found \"x.npy\" and \"y.npy\" in the same bytes",
        refusal(() -> open(zip.bytes())));
    second.offset = 1_000_000L;
    assertEquals(
        "x.npz: expected member \"y.npy\" of 136 bytes at byte 1000000, found a damaged ZIP file",
        refusal(() -> open(zip.bytes())));
    second.offset = Long.MAX_VALUE;
    second.wideDirectory = true;
    assertEquals(
        "x.npz: expected member \"y.npy\" of 136 bytes at byte 9223372036854775807,"
            + " found a damaged ZIP file",
        refusal(() -> open(zip.bytes())));
  }

  @Test
  void aLocalHeaderThatReachesIntoTheNextMemberIsRefused() {
    ZipMaker zip = new ZipMaker();
    Member first = zip.stored("x.npy", npy(1));
    zip.stored("y.npy", npy(1));
    byte[] bytes = zip.bytes();
    assertArrayEquals(new double[] {1}, x(bytes));
    bytes[28] = 1;
    assertEquals(
        "x.npz: expected member \"x.npy\" of 136 bytes at byte 0, found a damaged ZIP file",
        refusal(() -> x(bytes)));
    first.localExtra = new byte[] {0, 1, 2};
    assertArrayEquals(new double[] {1}, x(zip));
  }

  private static byte[] zipOf(String name, byte[] content) {
    ZipMaker zip = new ZipMaker();
    zip.stored(name, content);
    return zip.bytes();
  }

  @Test
  void encryptedMembersAndOtherMethodsAreRefused() {
    ZipMaker encrypted = new ZipMaker();
    encrypted.stored("x.npy", npy(1)).flags = 1;
    assertEquals(
        "x.npz:x: expected a plain member, found an encrypted one", refusal(() -> x(encrypted)));
    for (int method : new int[] {1, 9, 12, 14, 93, 65535}) {
      ZipMaker zip = new ZipMaker();
      zip.raw("x.npy", npy(1), npy(1), method);
      assertEquals(
          "x.npz:x: expected a member stored (0) or deflated (8), found ZIP method " + method,
          refusal(() -> x(zip)));
    }
  }

  @Test
  void aMemberOfNoBytesIsNoArray() {
    for (int method : new int[] {0, 8}) {
      ZipMaker zip = new ZipMaker();
      zip.raw("x.npy", new byte[0], method == 0 ? new byte[0] : new byte[] {3, 0}, method);
      assertEquals(
          "x.npz:x: expected an NPY file (bytes 93 4E 55 4D 50 59), found an empty file",
          refusal(() -> x(zip)));
    }
    ZipMaker zip = new ZipMaker();
    zip.raw("x.npy", new byte[0], new byte[0], 8);
    assertEquals(
        "x.npz:x: expected deflated bytes up to their end, found none after 0 bytes",
        refusal(() -> x(zip)));
  }

  @Test
  void deflatedBytesMustEndWhereTheyShould() {
    byte[] npy = npy(1, 2, 3);
    byte[] deflated = ZipMaker.deflate(npy);
    ZipMaker cut = new ZipMaker();
    cut.raw("x.npy", npy, Arrays.copyOf(deflated, deflated.length - 1), 8);
    assertEquals(
        "x.npz:x: expected deflated bytes up to their end, found none after "
            + (deflated.length - 1)
            + " bytes",
        refusal(() -> x(cut)));
    ZipMaker longer = new ZipMaker();
    longer.raw("x.npy", npy, Arrays.copyOf(deflated, deflated.length + 1), 8);
    assertEquals(
        String.format(
            "x.npz:x: %d bytes announced by the ZIP directory, %d bytes in the member",
            deflated.length + 1, deflated.length),
        refusal(() -> x(longer)));
    ZipMaker damaged = new ZipMaker();
    damaged.raw("x.npy", npy, new byte[] {7, 7, 7}, 8);
    assertEquals("x.npz:x: expected deflated bytes, found damage", refusal(() -> x(damaged)));
  }

  @Test
  void aFileThatShrinksWhileItIsReadIsRefused() throws IOException {
    ZipMaker zip = new ZipMaker();
    zip.stored("x.npy", npy(new double[1000]));
    zip.deflated("y.npy", npy(new double[1000]));
    Path path = Files.write(directory.resolve("x.npz"), zip.bytes());
    try (NpzFile file = NpzFile.open(InputBytes.open(path))) {
      Files.write(path, new byte[0]);
      String end = path + ": ended at byte 0 while it was read, expected " + zip.bytes().length;
      assertEquals(end + " bytes", refusal(() -> file.array("x")));
      assertEquals(end + " bytes", refusal(() -> file.array("y")));
    }
    Files.write(path, zip.bytes());
    try (NpzFile file = NpzFile.open(InputBytes.open(path))) {
      var x = file.array("x");
      var y = file.array("y");
      Files.write(path, Arrays.copyOf(zip.bytes(), 1000));
      assertEquals(
          path
              + ": ended at byte 1000 while it was read, expected "
              + zip.bytes().length
              + " bytes",
          refusal(x::values));
      assertArrayEquals(new double[1000], y.values());
    }
  }
}
