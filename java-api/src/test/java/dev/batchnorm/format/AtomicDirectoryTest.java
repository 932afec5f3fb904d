package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.batchnorm.OutputException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicDirectoryTest {
  @SuppressWarnings("NullAway.Init")
  @TempDir
  Path directory;

  /** The temporary name is gone when the message is read. */
  @Test
  void whatBefallsAFileIsToldOfThePlaceItIsFor() {
    Path target = directory.resolve("case");
    try (AtomicDirectory atomic = AtomicDirectory.of(target)) {
      Path file = atomic.path().resolve("gone").resolve("y.npy");
      OutputException e = assertThrows(OutputException.class, () -> AtomicOutput.to(file));
      OutputException told = atomic.told(e);
      assertEquals(
          String.valueOf(e.getMessage()).replace(atomic.path().toString(), target.toString()),
          told.getMessage());
      assertEquals(0, String.valueOf(told.getMessage()).indexOf(target + "/gone/y.npy: expected"));
    }
  }
}
