package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.batchnorm.InputException;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class FileFormatTest {
  private static final String NPY = "\u0093NUMPY\1\0";
  private static final String ZIP = "PK\3\4abc";

  @Test
  void contentDecides() {
    assertEquals(FileFormat.NPY, detect("-", NPY));
    assertEquals(FileFormat.NPZ, detect("x.dat", ZIP));
    assertEquals(FileFormat.NPZ, detect("x.csv", "PK\5\6abc"));
    assertEquals(FileFormat.CSV, detect("x", "1,2"));
    assertEquals(FileFormat.TSV, detect("x.tsv", "1\t2"));
    assertEquals(FileFormat.CSV, detect("x", ""));
  }

  @Test
  void anNpyNameMustHoldThatFormat() {
    assertEquals(FileFormat.NPY, detect("x.NPY", NPY));
    var thrown = assertThrows(InputException.class, () -> detect("x.npy", ZIP));
    assertEquals(
        "x.npy: expected an NPY file (bytes 93 4E 55 4D 50 59), found 50 4B 03 04 61 62",
        thrown.getMessage());
    assertEquals("this is a ZIP; name it .npz or pass --format npz", thrown.hint());
  }

  @Test
  void anNpzNameMustHoldThatFormat() {
    assertEquals(FileFormat.NPZ, detect("x.npz", ZIP));
    var thrown = assertThrows(InputException.class, () -> detect("x.npz", ""));
    assertEquals(
        "x.npz: expected an NPZ file (bytes 50 4B 03 04), found an empty file",
        thrown.getMessage());
  }

  @Test
  void extensionsNameFormats() {
    assertEquals(FileFormat.TSV, FileFormat.ofExtension("a/b.tsv"));
    assertEquals(FileFormat.CSV, FileFormat.ofExtension("b.CSV"));
    assertNull(FileFormat.ofExtension("b.txt"));
    assertNull(FileFormat.ofExtension("npy"));
  }

  private static FileFormat detect(String name, String content) {
    byte[] bytes = content.getBytes(StandardCharsets.ISO_8859_1);
    try (InputBytes in = InputBytes.spool(name, new ByteArrayInputStream(bytes))) {
      return FileFormat.detect(in, name);
    }
  }
}
