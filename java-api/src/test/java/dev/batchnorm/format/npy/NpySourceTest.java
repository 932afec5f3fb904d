package dev.batchnorm.format.npy;

import static dev.batchnorm.format.Refusals.hint;
import static dev.batchnorm.format.Refusals.input;
import static dev.batchnorm.format.Refusals.refusal;
import static dev.batchnorm.format.npy.NpyFiles.dictionary;
import static dev.batchnorm.format.npy.NpyFiles.doubles;
import static dev.batchnorm.format.npy.NpyFiles.file;
import static dev.batchnorm.format.npy.NpyFiles.shape;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.InputBytes;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NpySourceTest {
  private static final Axes LAST = Axes.channelAxis(-1);

  @SuppressWarnings("NullAway.Init")
  @TempDir
  Path directory;

  @Test
  void whatIsWrittenReadsBack() {
    Random random = new Random(5);
    for (int i = 0; i < 60; i++) {
      DType type = random.nextBoolean() ? DType.F32 : DType.F64;
      long[] sizes = sizes(random, 1);
      Path path = directory.resolve("x.npy");
      Values written = write(path, type, random, sizes);
      try (Source source = NpySource.open(InputBytes.open(path), LAST)) {
        assertEquals(type, source.type());
        assertArrayEquals(sizes, source.shape().sizes());
        assertEquals(path.toString(), source.name());
        assertArrayEquals(written.toDoubles(), readInPieces(source, random));
      }
    }
  }

  private static Values write(Path path, DType type, Random random, long... sizes) {
    int count = 1;
    for (long size : sizes) {
      count *= (int) size;
    }
    Values values = Values.allocate(type, count);
    for (int i = 0; i < count; i++) {
      values.set(i, random.nextGaussian());
    }
    try (NpySink sink = NpySink.create(AtomicOutput.to(path), type, sizes)) {
      for (int at = 0; at < count; ) {
        int part = Math.min(count - at, 1 + random.nextInt(20));
        Values room = sink.room(part);
        for (int i = 0; i < part; i++) {
          room.set(i, values.get(at + i));
        }
        sink.commit();
        at += part;
      }
      sink.finish();
    }
    return values;
  }

  private static double[] readInPieces(Source source, Random random) {
    int count = (int) source.shape().count();
    double[] read = new double[count];
    for (int at = 0; at < count; ) {
      int part = Math.min(count - at, 1 + random.nextInt(30));
      System.arraycopy(source.chunk(at, part).toDoubles(), 0, read, at, part);
      at += part;
    }
    return read;
  }

  private static long[] sizes(Random random, int fewestAxes) {
    long[] sizes = new long[fewestAxes + random.nextInt(5 - fewestAxes)];
    for (int axis = 0; axis < sizes.length; axis++) {
      sizes[axis] = random.nextInt(10) == 0 ? 0 : 1 + random.nextInt(7);
    }
    return sizes;
  }

  @Test
  void fortranOrderComesOutInCOrder() {
    Random random = new Random(6);
    for (int i = 0; i < 400; i++) {
      long[] sizes = sizes(random, 1);
      int count = (int) Arrays.stream(sizes).reduce(1, (a, b) -> a * b);
      double[] inOrder = random.doubles(count).toArray();
      byte[] bytes = file(dictionary("<f8", true, shape(sizes)), doubles(fortran(inOrder, sizes)));
      InputBytes in = input("x.npy", bytes);
      try (Source source = NpySource.open(in, LAST)) {
        assertArrayEquals(inOrder, readInPieces(source, random));
      }
      // Panels of any size, down to parts of a row.
      NpyData data = new NpyData(in(bytes), NpyHeader.read(in(bytes)), 8, 8L << random.nextInt(7));
      for (int k = 0; k < 10; k++) {
        int first = random.nextInt(count + 1);
        int part = random.nextInt(count - first + 1);
        double[] read = new double[part];
        data.read(first, part).asDoubleBuffer().get(read);
        assertArrayEquals(Arrays.copyOfRange(inOrder, first, first + part), read);
      }
    }
  }

  private static InputBytes in(byte[] bytes) {
    return input("x.npy", bytes);
  }

  /** The naive permutation: for each index in C order, its place in Fortran order. */
  private static double[] fortran(double[] inOrder, long... sizes) {
    double[] permuted = new double[inOrder.length];
    for (int i = 0; i < inOrder.length; i++) {
      int rest = i;
      int place = 0;
      for (int axis = sizes.length - 1; axis >= 0; axis--) {
        int index = rest % (int) sizes[axis];
        rest /= (int) sizes[axis];
        int stride = 1;
        for (int before = 0; before < axis; before++) {
          stride *= (int) sizes[before];
        }
        place += index * stride;
      }
      permuted[place] = inOrder[i];
    }
    return permuted;
  }

  @Test
  void fortranRunsLongerThanAWindowAreRead() {
    // 3 columns of 300000 floats, more than a read-ahead, in panels of 100000 rows.
    int rows = 300_000;
    ByteBuffer data = ByteBuffer.allocate(rows * 3 * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < rows * 3; i++) {
      data.putFloat(i);
    }
    byte[] bytes = file(dictionary("<f4", true, "(300000, 3)"), data.array());
    for (long panel : new long[] {1 << 30, 1_200_000}) {
      NpyData values = new NpyData(in(bytes), NpyHeader.read(in(bytes)), 4, panel);
      ByteBuffer read = values.read(0, rows * 3);
      for (int row = 0; row < rows; row += 997) {
        for (int column = 0; column < 3; column++) {
          assertEquals(column * rows + row, read.getFloat((row * 3 + column) * 4));
        }
      }
    }
  }

  @Test
  void filesBeyondTwoGigabytesAreReadToTheirEnd() throws IOException {
    Path path = directory.resolve("large.npy");
    byte[] header = NpyHeader.write("<f8", 300_000_000, 1);
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.write(header);
      file.seek(header.length + 299_999_999L * 8);
      file.write(doubles(42));
    }
    try (Source source = NpySource.open(InputBytes.open(path), LAST)) {
      assertArrayEquals(new double[] {0, 42}, source.chunk(299_999_998L, 2).toDoubles());
    }
    Files.delete(path);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"=f8", "|f8", "f8", "<f16", "<i3", "<c16", "<U3", "|S1", "|V8", "<M8[s]", ">"})
  void otherTypesAreRefusedByName(String descriptor) {
    byte[] bytes = file(dictionary(descriptor, false, "(1, 1)"), new byte[8]);
    assertEquals(
        "x.npy: expected real numbers (f2, f4, f8, i1 to i8, u1 to u8, b1), found dtype '"
            + descriptor
            + "'",
        refusal(() -> NpySource.open(input("x.npy", bytes), LAST)));
  }

  @Test
  void picklesAreRefused() {
    byte[] bytes = file(dictionary("|O", false, "(1, 1)"), new byte[8]);
    assertEquals(
        "x.npy: expected numbers, found pickled objects (dtype '|O')",
        refusal(() -> NpySource.open(input("x.npy", bytes), LAST)));
    assertTrue(hint(() -> NpySource.open(input("x.npy", bytes), LAST)).contains("never read"));
  }

  @Test
  void aSingleValueIsRefused() {
    byte[] bytes = file(dictionary("<f8", false, "()"), new byte[8]);
    assertEquals(
        "x.npy: expected an array of at least 1 axis, found a single value",
        refusal(() -> NpySource.open(input("x.npy", bytes), LAST)));
  }

  @Test
  void theAxesDecideTheShapeOrRefuse() {
    byte[] bytes = file(dictionary("<f8", false, "(2, 1)"), new byte[16]);
    Axes nchw = sizes -> Shape.of(Layout.NCHW, sizes);
    assertEquals(
        "x.npy: shape: expected 4 axes (layout NCHW), found 2×1",
        refusal(() -> NpySource.open(input("x.npy", bytes), nchw)));
    try (Source source = NpySource.open(input("x.npy", bytes), Axes.channelAxis(0))) {
      assertEquals(2, source.shape().channels());
    }
  }

  @Test
  void aFileCutShortWhileItIsReadIsAnError() throws IOException {
    Path path = directory.resolve("x.npy");
    write(path, DType.F64, new Random(1), 1000, 10);
    try (Source source = NpySource.open(InputBytes.open(path), LAST)) {
      Files.write(path, new byte[200]);
      String message = refusal(() -> source.chunk(0, 10_000));
      assertEquals(path + ": ended at byte 200 while it was read, expected 80128 bytes", message);
    }
  }

  @Test
  void aFileCutShortAnywhereWhileItIsReadIsAnError() throws IOException {
    Path path = directory.resolve("x.npy");
    byte[] bytes = file(dictionary(">f4", true, "(50, 40)"), new byte[8000]);
    for (int length : new int[] {0, 5, 11, 60, bytes.length - 1}) {
      Files.write(path, bytes);
      try (InputBytes in = InputBytes.open(path);
          InputBytes unread = InputBytes.open(path)) {
        NpyArray array = NpyArray.open(in);
        Files.write(path, Arrays.copyOf(bytes, length));
        String message =
            String.format(
                "%s: ended at byte %d while it was read, expected %d bytes",
                path, length, bytes.length);
        assertEquals(message, refusal(() -> array.read(0, 2000)));
        assertEquals(message, refusal(() -> array.read(1999, 1)));
        assertEquals(message, refusal(() -> NpyArray.open(unread).values()));
      }
    }
  }
}
