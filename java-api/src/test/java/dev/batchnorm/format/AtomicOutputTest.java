package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.batchnorm.OutputException;
import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicOutputTest {
  @SuppressWarnings("NullAway.Init")
  @TempDir
  Path directory;

  @AfterEach
  void nothingIsPending() {
    assertEquals(0, PendingFiles.count());
  }

  @Test
  void appearsOnlyWhenItIsCommitted() throws IOException {
    Path path = directory.resolve("y");
    try (AtomicOutput out = AtomicOutput.to(path).sync()) {
      out.write(bytes("hello"));
      assertFalse(Files.exists(path));
      out.commit();
      assertEquals("hello", Files.readString(path));
    }
    assertEquals(List.of("y"), names());
  }

  @Test
  void abandonedLeavesTheOldContentAndNothingElse() throws IOException {
    Path path = Files.writeString(directory.resolve("y"), "old");
    try (AtomicOutput out = AtomicOutput.to(path)) {
      out.write(bytes("new"));
      assertEquals(2, names().size());
    }
    assertEquals("old", Files.readString(path));
    assertEquals(List.of("y"), names());
  }

  @Test
  void keepsTheModeOfAnExistingFile() throws IOException {
    Path path = Files.writeString(directory.resolve("y"), "old");
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-rw--wx"));
    try (AtomicOutput out = AtomicOutput.to(path)) {
      out.write(bytes("new"));
      out.commit();
    }
    assertEquals("new", Files.readString(path));
    assertEquals("rw-rw--wx", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
  }

  @Test
  void aNewFileHasTheUsualMode() throws IOException {
    Path usual = Files.createFile(directory.resolve("usual"));
    Path path = directory.resolve("y");
    try (AtomicOutput out = AtomicOutput.to(path)) {
      out.commit();
    }
    assertEquals(Files.getPosixFilePermissions(usual), Files.getPosixFilePermissions(path));
  }

  @Test
  void followsSymbolicLinks() throws IOException {
    Path real = Files.createDirectory(directory.resolve("real"));
    Files.writeString(real.resolve("y"), "old");
    Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("real", "y"));
    try (AtomicOutput out = AtomicOutput.to(link)) {
      out.write(bytes("new"));
      out.commit();
    }
    assertTrue(Files.isSymbolicLink(link));
    assertEquals("new", Files.readString(real.resolve("y")));
  }

  @Test
  void followsALinkToAFileThatIsNotThereYet() throws IOException {
    Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("y"));
    try (AtomicOutput out = AtomicOutput.to(link)) {
      out.write(bytes("new"));
      out.commit();
    }
    assertTrue(Files.isSymbolicLink(link));
    assertEquals("new", Files.readString(directory.resolve("y")));
  }

  @Test
  void aCircleOfLinksIsRefused() throws IOException {
    Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("link"));
    refused(link, "link: expected a file that may be written, found a circle of symbolic links");
  }

  @Test
  void aMissingDirectoryIsRefused() {
    Path path = directory.resolve("none").resolve("y");
    refused(path, "y: expected an existing directory, found none");
  }

  @Test
  void aDirectoryIsRefused() {
    refused(directory, ": expected a file, found a directory");
  }

  @Test
  void aDirectoryThatTakesNoFileIsRefused() {
    // Even root makes no files in /proc.
    Path path = Path.of("/proc/batchnorm-test");
    assumeTrue(Files.isDirectory(Path.of("/proc/self")));
    assertThrows(OutputException.class, () -> AtomicOutput.to(path));
  }

  @Test
  void aFullDeviceIsRefused() {
    Path full = Path.of("/dev/full");
    assumeTrue(Files.exists(full));
    try (AtomicOutput out = AtomicOutput.to(full)) {
      var thrown = assertThrows(OutputException.class, () -> out.write(bytes("x")));
      assertEquals(
          "/dev/full: expected to write all of it, found \"No space left on device\"",
          thrown.getMessage());
    }
  }

  private static void refused(Path path, String end) {
    var thrown = assertThrows(OutputException.class, () -> AtomicOutput.to(path));
    assertTrue(String.valueOf(thrown.getMessage()).endsWith(end), thrown.getMessage());
  }

  @Test
  void bytesCanBePatched() throws IOException {
    Path path = directory.resolve("y");
    try (AtomicOutput out = AtomicOutput.to(path)) {
      out.makePatchable();
      out.write(bytes("hello"));
      out.patch(1, bytes("a"));
      out.write(bytes(" you"));
      out.commit();
    }
    assertEquals("hallo you", Files.readString(path));
  }

  @Test
  void bytesThatWerePassedOverAreWrittenInAnyOrder() throws IOException {
    Path path = directory.resolve("y");
    try (AtomicOutput out = AtomicOutput.to(path)) {
      out.write(bytes("<"));
      assertTrue(out.canSkip());
      assertEquals(1, out.skip(4));
      out.write(bytes(">"));
      out.patch(3, bytes("cd"));
      out.patch(1, bytes("ab"));
      out.commit();
    }
    assertEquals("<abcd>", Files.readString(path));
  }

  @Test
  void nothingIsPassedOverWhereBytesLeaveAtOnce() {
    try (AtomicOutput stream = AtomicOutput.standardOutput(new ByteArrayOutputStream());
        AtomicOutput device = AtomicOutput.to(Path.of("/dev/null"))) {
      assertFalse(stream.canSkip());
      assertFalse(device.canSkip());
    }
  }

  @Test
  void aStreamIsWrittenDirectlyAndLeftOpen() {
    ByteArrayOutputStream stream = new ByteArrayOutputStream();
    try (AtomicOutput out = AtomicOutput.standardOutput(stream)) {
      out.write(bytes("hello"));
      assertEquals("hello", stream.toString(StandardCharsets.US_ASCII));
      out.commit();
    }
    stream.write('!');
    assertEquals("hello!", stream.toString(StandardCharsets.US_ASCII));
  }

  @Test
  void aPatchableStreamGetsItsBytesAtTheEnd() {
    ByteArrayOutputStream stream = new ByteArrayOutputStream();
    try (AtomicOutput out = AtomicOutput.standardOutput(stream)) {
      out.makePatchable();
      out.write(bytes("hello"));
      out.patch(1, bytes("a"));
      assertEquals(0, stream.size());
      out.commit();
    }
    assertEquals("hallo", stream.toString(StandardCharsets.US_ASCII));
  }

  @Test
  void aFileStreamIsWrittenWhereItStands() throws IOException {
    Path path = directory.resolve("y");
    try (OutputStream stream = new FileOutputStream(path.toFile())) {
      stream.write("a ".getBytes(StandardCharsets.US_ASCII));
      try (AtomicOutput out = AtomicOutput.standardOutput(stream)) {
        out.write(bytes("b"));
        out.commit();
      }
      stream.write(" c".getBytes(StandardCharsets.US_ASCII));
    }
    assertArrayEquals("a b c".getBytes(StandardCharsets.US_ASCII), Files.readAllBytes(path));
  }

  @Test
  void aPipeIsWrittenDirectlyAndItsEndIsNoError() throws IOException, InterruptedException {
    Path pipe = directory.resolve("pipe");
    assumeTrue(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0);
    Process head = new ProcessBuilder("head", "-c", "5", pipe.toString()).start();
    try (AtomicOutput out = AtomicOutput.to(pipe)) {
      out.write(bytes("hello"));
      head.waitFor();
      assertThrows(ClosedPipeException.class, () -> out.write(bytes("nobody reads this")));
    }
    assertEquals("hello", new String(head.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
    assertEquals(List.of("pipe"), names());
  }

  @Test
  void aSignalLeavesNothingBehind() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Waiting.class.getName(),
                directory.resolve("y").toString())
            .redirectErrorStream(true)
            .start();
    assertEquals('w', process.getInputStream().read());
    assertEquals(1, names().size());
    process.destroy();
    process.waitFor();
    assertEquals(List.of(), names());
  }

  /** Writes an output and waits to be killed. */
  static final class Waiting {
    private Waiting() {}

    public static void main(String[] arguments) throws InterruptedException {
      try (AtomicOutput out = AtomicOutput.to(Path.of(arguments[0]))) {
        out.write(bytes("half"));
        System.out.println("written");
        Thread.sleep(60_000);
      }
    }
  }

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static ByteBuffer bytes(String text) {
    return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
  }
}
