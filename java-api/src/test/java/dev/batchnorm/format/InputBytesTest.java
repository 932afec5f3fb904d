package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.batchnorm.InputException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InputBytesTest {
  @SuppressWarnings("NullAway.Init")
  @TempDir
  Path directory;

  @Test
  void readsAFileAtAnyPosition() throws IOException {
    Path path = Files.write(directory.resolve("x"), new byte[] {1, 2, 3, 4, 5});
    try (InputBytes in = InputBytes.open(path)) {
      assertEquals(5, in.size());
      assertEquals(path.toString(), in.name());
      assertArrayEquals(new byte[] {4, 5}, in.read(3, 2));
      assertArrayEquals(new byte[] {1, 2}, in.read(0, 2));
      assertArrayEquals(new byte[] {1, 2, 3, 4, 5}, in.start(9));
    }
  }

  @Test
  void aMissingFileIsNamed() {
    assertMessage("x: expected a readable file, found no such file or directory", "x");
  }

  @Test
  void aDirectoryIsNamed() {
    assertMessage(": expected a file, found a directory", "");
  }

  private void assertMessage(String end, String name) {
    Path path = directory.resolve(name);
    var thrown = assertThrows(InputException.class, () -> InputBytes.open(path));
    assertTrue(String.valueOf(thrown.getMessage()).endsWith(end), thrown.getMessage());
    assertTrue(String.valueOf(thrown.getMessage()).startsWith(directory.toString()));
  }

  @Test
  void readingBeyondTheEndTellsWhereItEnded() throws IOException {
    Path path = Files.write(directory.resolve("x"), new byte[5]);
    try (InputBytes in = InputBytes.open(path)) {
      var thrown = assertThrows(InputException.class, () -> in.read(3, ByteBuffer.allocate(3)));
      assertEquals(
          path + ": ended at byte 5 while it was read, expected 6 bytes", thrown.getMessage());
    }
  }

  @Test
  void aFileCutShortWhileItIsReadIsAnError() throws IOException {
    Path path = Files.write(directory.resolve("x"), new byte[100]);
    try (InputBytes in = InputBytes.open(path)) {
      Files.write(path, new byte[10]);
      var thrown = assertThrows(InputException.class, () -> in.read(0, 100));
      assertEquals(
          path + ": ended at byte 10 while it was read, expected 100 bytes", thrown.getMessage());
    }
  }

  @Test
  void aPipeIsSpooled() throws IOException, InterruptedException {
    Path pipe = directory.resolve("pipe");
    assumeTrue(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0);
    Process writer =
        new ProcessBuilder("sh", "-c", "printf 12345 > " + pipe).redirectErrorStream(true).start();
    try (InputBytes in = InputBytes.open(pipe)) {
      assertEquals(5, in.size());
      assertArrayEquals(new byte[] {'3', '4'}, in.read(2, 2));
    }
    writer.waitFor();
  }

  @Test
  void anEmptyFileHasNoBytes() throws IOException {
    Path path = Files.createFile(directory.resolve("x"));
    try (InputBytes in = InputBytes.open(path)) {
      assertEquals(0, in.size());
    }
  }

  @Test
  void aStreamLargerThanMemoryAllowsLeavesNoFile() {
    byte[] bytes = new byte[300_000];
    new Random(3).nextBytes(bytes);
    long before = temporaryFiles();
    try (Spool spool = new Spool("spool", 100_000)) {
      for (int at = 0; at < bytes.length; at += 7_000) {
        spool.write(ByteBuffer.wrap(bytes, at, Math.min(7_000, bytes.length - at)));
      }
      spool.patch(5, ByteBuffer.wrap(new byte[] {9, 8}));
      bytes[5] = 9;
      bytes[6] = 8;
      assertArrayEquals(bytes, spool.input().read(0, bytes.length));
      assertEquals(before, temporaryFiles());
    }
  }

  private static long temporaryFiles() {
    String[] names = Path.of(System.getProperty("java.io.tmpdir")).toFile().list();
    long count = 0;
    for (String name : names == null ? new String[0] : names) {
      count += name.startsWith("batchnorm-") && name.endsWith(".tmp") ? 1 : 0;
    }
    return count;
  }

  @Test
  void aPartReadsItsPartOnly() {
    InputBytes in = InputBytes.spool("x", new ByteArrayInputStream(new byte[] {1, 2, 3, 4, 5}));
    InputBytes part = in.slice("x:part", 1, 3);
    assertArrayEquals(new byte[] {2, 3, 4}, part.read(0, 3));
    var thrown = assertThrows(InputException.class, () -> part.read(1, 3));
    assertEquals(
        "x:part: ended at byte 3 while it was read, expected 4 bytes", thrown.getMessage());
    assertThrows(IndexOutOfBoundsException.class, () -> in.slice("x", 3, 3));
  }

  @Test
  void aStreamThatBreaksIsAnError() {
    InputStream broken =
        new InputStream() {
          @Override
          public int read() throws IOException {
            throw new IOException("the plug was pulled");
          }

          @Override
          public int read(byte[] bytes, int from, int count) throws IOException {
            throw new IOException("the plug was pulled");
          }
        };
    var thrown = assertThrows(InputException.class, () -> InputBytes.spool("-", broken));
    assertEquals(
        "-: expected to read on at byte 0, found the plug was pulled", thrown.getMessage());
  }
}
