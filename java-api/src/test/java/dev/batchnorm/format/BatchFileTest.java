package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.Forward;
import dev.batchnorm.InputException;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BatchFileTest {
  private static final Batch X = Batch.of(Shape.of(Layout.NC, 3, 2), 1.0, 2, 3, 4, 5, 7);

  @TempDir private Path folder;

  private void write(Path path, Batch batch) {
    try (BatchFile.Output out = BatchFile.create(path, batch.type(), batch.shape())) {
      for (int i = 0; i < batch.values().count(); i++) {
        out.room(1).set(0, batch.values().get(i));
        out.commit();
      }
      out.finish();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"x.npy", "x.npz", "x.csv", "x.tsv"})
  void forwardFromFileToFileGivesTheBitsOfMemory(String name) {
    Path in = folder.resolve(name);
    Path out = folder.resolve("y-" + name);
    write(in, X);
    BatchNorm norm = BatchNorm.builder().gamma(1.5, 0.5).build();
    Forward expected = norm.forward(X);
    try (Source x = BatchFile.open(in);
        BatchFile.Output y = BatchFile.create(out, x.type(), x.shape())) {
      assertArrayEquals(expected.statistics().mean(), norm.forward(x, y).mean());
      y.finish();
    }
    try (Source y = BatchFile.open(out)) {
      assertEquals(X.shape(), y.shape());
      assertArrayEquals(expected.y().values().toDoubles(), y.chunk(0, 6).toDoubles());
    }
  }

  @Test
  void axesTellWhereTheChannelsAre() {
    Path path = folder.resolve("x.npy");
    write(path, Batch.of(Shape.of(Layout.NCHW, 1, 2, 3, 1), 1f, 2, 3, 4, 5, 6));
    try (Source x = BatchFile.open(path, sizes -> Shape.of(Layout.NHWC, sizes))) {
      assertEquals(1, x.shape().channels());
      assertEquals(DType.F32, x.type());
    }
  }

  @Test
  void aFileThatIsNotFinishedLeavesNothingBehind() throws IOException {
    try (BatchFile.Output out = BatchFile.create(folder.resolve("y.npy"), DType.F32, X.shape())) {
      out.room(2);
      out.commit();
    }
    try (var files = Files.list(folder)) {
      assertEquals(0, files.count());
    }
    assertFalse(Files.exists(folder.resolve("y.npy")));
  }

  @Test
  void refusesWhatItCannotReadOrWrite() {
    Path missing = folder.resolve("missing.npy");
    assertThrows(InputException.class, () -> BatchFile.open(missing));
    assertEquals(
        "y.dat: expected a name ending in .csv, .tsv, .npy or .npz",
        assertThrows(
                IllegalArgumentException.class,
                () -> BatchFile.create(Path.of("y.dat"), DType.F32, X.shape()))
            .getMessage());
  }
}
