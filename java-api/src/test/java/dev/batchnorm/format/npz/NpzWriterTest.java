package dev.batchnorm.format.npz;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.batchnorm.DType;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.InputBytes;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NpzWriterTest {

  @SuppressWarnings("NullAway.Init")
  @TempDir
  Path directory;

  @Test
  void writesTheBytesOfNumpySavez() throws IOException {
    Path path = directory.resolve("y.npz");
    writeLikeNumpy(AtomicOutput.to(path));
    assertArrayEquals(NumpyFiles.saved(), Files.readAllBytes(path));
  }

  @Test
  void writesTheSameBytesToAStream() {
    ByteArrayOutputStream stream = new ByteArrayOutputStream();
    writeLikeNumpy(AtomicOutput.standardOutput(stream));
    assertArrayEquals(NumpyFiles.saved(), stream.toByteArray());
  }

  private static void writeLikeNumpy(AtomicOutput out) {
    try (NpzWriter npz = new NpzWriter(out)) {
      npz.doubles("mean", new double[] {1.5, -2}, 2);
      npz.int64("count", 7);
      Sink x = npz.member("x", DType.F32, 1, 2);
      for (int i = 1; i <= 2; i++) {
        x.room(1).set(0, i);
        x.commit();
      }
      npz.finish();
    }
  }

  @Test
  void whatIsWrittenReadsBackHereAndInJava() throws IOException {
    Path path = directory.resolve("y.npz");
    double[] values = new Random(9).doubles(3000).toArray();
    try (NpzWriter npz = new NpzWriter(AtomicOutput.to(path))) {
      npz.doubles("größe", values, 30, 100);
      npz.floats("f", new float[] {1, 2, 3}, 3);
      npz.float64("eps", 1e-5);
      npz.doubles("empty", new double[0], 0, 3);
      npz.finish();
    }
    try (NpzFile file = NpzFile.open(InputBytes.open(path));
        Source source = file.source("größe", Axes.channelAxis(1))) {
      assertEquals(List.of("größe", "f", "eps", "empty"), file.members());
      assertArrayEquals(new long[] {30, 100}, source.shape().sizes());
      assertArrayEquals(values, source.chunk(0, 3000).toDoubles());
      assertArrayEquals(new double[] {1, 2, 3}, file.array("f").values());
      assertArrayEquals(new double[] {1e-5}, file.array("eps").values());
      assertArrayEquals(new double[0], file.array("empty").values());
    }
    try (ZipFile zip = new ZipFile(path.toFile())) {
      assertEquals(4, zip.size());
      assertEquals(128 + 24000, zip.getEntry("größe.npy").getSize());
    }
  }

  @Test
  void anUnfinishedFileDoesNotAppear() throws IOException {
    Path path = directory.resolve("y.npz");
    try (NpzWriter npz = new NpzWriter(AtomicOutput.to(path))) {
      npz.doubles("mean", new double[] {1}, 1);
    }
    try (var files = Files.list(directory)) {
      assertEquals(0, files.count());
    }
  }

  @Test
  void anIncompleteMemberIsNotEnded() {
    try (NpzWriter npz = new NpzWriter(AtomicOutput.standardOutput(new ByteArrayOutputStream()))) {
      npz.member("x", DType.F32, 2);
      assertThrows(IllegalStateException.class, () -> npz.int64("count", 1));
    }
  }

  @Test
  void aMemberThatHasEndedTakesNothing() {
    try (NpzWriter npz = new NpzWriter(AtomicOutput.standardOutput(new ByteArrayOutputStream()))) {
      Sink sink = npz.member("x", DType.F32, 0);
      npz.int64("count", 1);
      sink.room(1).set(0, 1);
      assertThrows(IllegalStateException.class, sink::commit);
    }
  }
}
