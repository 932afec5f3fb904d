package dev.batchnorm.format.npz;

import static dev.batchnorm.format.Refusals.input;
import static dev.batchnorm.format.Refusals.refusal;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.InputException;
import dev.batchnorm.Source;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.npy.NpySink;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;

class NpzFileTest {
  private static final Axes LAST = Axes.channelAxis(-1);

  @Test
  void readsStoredMembers() {
    try (NpzFile file = open(NumpyFiles.saved())) {
      assertEquals("x.npz", file.name());
      assertEquals(List.of("mean", "count", "x"), file.members());
      assertArrayEquals(new double[] {1.5, -2}, file.array("mean").values());
      assertArrayEquals(new double[] {7}, file.array("count").values());
      assertArrayEquals(new long[0], file.array("count").sizes());
      try (Source source = file.source("x", LAST)) {
        assertEquals("x.npz:x", source.name());
        assertArrayEquals(new double[] {1, 2}, source.chunk(0, 2).toDoubles());
      }
    }
  }

  @Test
  void readsDeflatedMembersAsOftenAsAsked() {
    try (NpzFile file = open(NumpyFiles.compressed())) {
      assertArrayEquals(new double[] {1.5, -2}, file.array("mean").values());
      for (int i = 0; i < 2; i++) {
        try (Source source = file.source("x", LAST)) {
          assertArrayEquals(new double[200], source.chunk(0, 200).toDoubles());
        }
      }
    }
  }

  private static NpzFile open(byte[] bytes) {
    return NpzFile.open(input("x.npz", bytes));
  }

  @Test
  void aMissingMemberNamesThoseThere() {
    try (NpzFile file = open(NumpyFiles.saved())) {
      assertEquals(
          "x.npz: expected a member \"gamma\", found mean, count, x",
          refusal(() -> file.array("gamma")));
    }
  }

  @Test
  void anEmptyZipHasNoMembers() {
    byte[] empty = Arrays.copyOf(new byte[] {'P', 'K', 5, 6}, 22);
    try (NpzFile file = open(empty)) {
      assertEquals(List.of(), file.members());
      assertEquals(
          "x.npz: expected a member \"x\", found none", refusal(() -> file.source("x", LAST)));
    }
  }

  @Test
  void truncatedAnywhereIsRefused() {
    for (byte[] bytes : List.of(NumpyFiles.saved(), NumpyFiles.compressed())) {
      for (int length = 0; length < bytes.length; length++) {
        byte[] cut = Arrays.copyOf(bytes, length);
        refusal(() -> open(cut));
      }
    }
  }

  @Test
  void aDamagedValueIsRefusedByItsChecksum() {
    byte[] bytes = NumpyFiles.saved();
    bytes[30 + 8 + 20 + 128] ^= 1;
    try (NpzFile file = open(bytes)) {
      String message = refusal(() -> file.array("mean"));
      assertTrue(message.startsWith("x.npz:mean: expected checksum "), message);
    }
  }

  @Test
  void damagedFilesGiveTheirValuesOrARefusalButNothingElse() {
    Random random = new Random(8);
    for (byte[] bytes : List.of(NumpyFiles.saved(), NumpyFiles.compressed())) {
      for (int i = 0; i < 3000; i++) {
        byte[] damaged = bytes.clone();
        damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
        try (NpzFile file = open(damaged)) {
          assertArrayEquals(new double[] {1.5, -2}, file.array("mean").values());
        } catch (InputException e) {
          assertTrue(String.valueOf(e.getMessage()).startsWith("x.npz"));
        }
      }
    }
  }

  @Test
  void aMemberThatInflatesToAnotherSizeIsRefused() throws IOException {
    byte[] bytes = zip(npy(1000), true);
    assertArrayEquals(new double[1000], values(bytes));
    setSizes(bytes, -1, 128 + 7992);
    assertEquals(
        "x.npz:x: 8120 bytes announced by the ZIP directory, 8128 bytes in the member",
        refusal(() -> values(bytes)));
    setSizes(bytes, -1, 128 + 8008);
    assertEquals(
        "x.npz:x: 8000 bytes announced by the header, 8008 bytes in the file",
        refusal(() -> values(bytes)));
  }

  @Test
  void aClaimThatNoDeflatedBytesFulfilIsRefusedUnread() throws IOException {
    byte[] bytes = zip(npy(1000), true);
    setSizes(bytes, -1, 2_000_000_000);
    String message = refusal(() -> values(bytes));
    assertTrue(message.startsWith("x.npz:x: 2.0 GB announced by the ZIP directory"), message);
  }

  @Test
  void aBombThatIsNoArrayIsNotInflated() throws IOException {
    byte[] start = npy(2);
    byte[] bomb = Arrays.copyOf(start, 200 << 20);
    assertEquals(
        "x.npz:x: 16 bytes announced by the header, 209.7 MB in the file",
        refusal(() -> values(zip(bomb, true))));
  }

  @Test
  void aStoredMemberOfAnotherSizeIsRefused() throws IOException {
    byte[] bytes = zip(npy(2), false);
    setSizes(bytes, -1, 128 + 17);
    assertEquals(
        "x.npz:x: 145 bytes announced by the ZIP directory, 144 bytes in the member",
        refusal(() -> values(bytes)));
  }

  @Test
  void aStoredMemberBeyondTheFileIsRefused() throws IOException {
    byte[] bytes = zip(npy(2), false);
    setSizes(bytes, 4_000_000, 4_000_000);
    assertEquals(
        "x.npz: expected member \"x.npy\" of 4.0 MB at byte 0, found a damaged ZIP file",
        refusal(() -> values(bytes)));
  }

  @Test
  void encryptedAndOtherwiseCompressedMembersAreRefused() throws IOException {
    byte[] encrypted = zip(npy(2), false);
    encrypted[directory(encrypted) + 8] |= 1;
    assertEquals(
        "x.npz:x: expected a plain member, found an encrypted one",
        refusal(() -> values(encrypted)));
    byte[] packed = zip(npy(2), false);
    packed[directory(packed) + 10] = 14;
    assertEquals(
        "x.npz:x: expected a member stored (0) or deflated (8), found ZIP method 14",
        refusal(() -> values(packed)));
  }

  @Test
  void aMemberThatIsNoNpyFileIsRefused() throws IOException {
    byte[] bytes = zip("import os".getBytes(US_ASCII), true);
    String message = refusal(() -> values(bytes));
    assertTrue(message.startsWith("x.npz:x: expected an NPY file"), message);
  }

  private static double[] values(byte[] zip) {
    try (NpzFile file = open(zip)) {
      return file.array("x").values();
    }
  }

  private static byte[] npy(int values) {
    byte[] header = NpySink.header("<f8", values);
    return Arrays.copyOf(header, header.length + 8 * values);
  }

  /** A ZIP as other programs make them, with its one member x.npy. */
  private static byte[] zip(byte[] content, boolean deflated) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      ZipEntry entry = new ZipEntry("x.npy");
      if (!deflated) {
        CRC32 crc = new CRC32();
        crc.update(content);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(content.length);
        entry.setCrc(crc.getValue());
      }
      zip.putNextEntry(entry);
      zip.write(content);
      zip.closeEntry();
    }
    return bytes.toByteArray();
  }

  private static int directory(byte[] zip) {
    return ByteBuffer.wrap(zip).order(ByteOrder.LITTLE_ENDIAN).getInt(zip.length - 6);
  }

  private static void setSizes(byte[] zip, int compressed, int size) {
    ByteBuffer bytes = ByteBuffer.wrap(zip).order(ByteOrder.LITTLE_ENDIAN);
    if (compressed >= 0) {
      bytes.putInt(directory(zip) + 20, compressed);
    }
    bytes.putInt(directory(zip) + 24, size);
  }

  @Test
  void aTextFileIsRefused() {
    assertEquals(
        "x.npz: expected the directory of a ZIP file at its end, found none",
        String.valueOf(
            assertThrows(InputException.class, () -> open("1,2\n".getBytes(US_ASCII)))
                .getMessage()));
  }
}
