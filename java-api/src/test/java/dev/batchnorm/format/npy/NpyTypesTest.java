package dev.batchnorm.format.npy;

import static dev.batchnorm.format.Refusals.input;
import static dev.batchnorm.format.npy.NpyFiles.dictionary;
import static dev.batchnorm.format.npy.NpyFiles.file;
import static dev.batchnorm.format.npy.NpyFiles.shape;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.NaiveNpy;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.npz.NpzFile;
import dev.batchnorm.format.npz.NpzWriter;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NpyTypesTest {
  private static final long[][] SHAPES = {
    {}, {1}, {0}, {3, 0, 2}, {7}, {1, 5, 1}, {3, 4}, {2, 3, 4, 5}
  };

  /** Either byte order, either order of axes, each version, from a single value to four axes. */
  @ParameterizedTest
  @EnumSource
  void isReadAndWrittenBitByBit(NumberType type) {
    Random random = new Random(type.ordinal());
    for (long[] sizes : SHAPES) {
      byte[] inOrder = new byte[(int) count(sizes) * type.bytes()];
      for (int sample = 0; sample < 12; sample++) {
        random.nextBytes(inOrder);
        boolean big = sample % 2 == 1;
        boolean fortran = sample / 2 % 2 == 1;
        byte[] file = stored(type, big, fortran, 1 + sample / 4, sizes, inOrder);
        NaiveNpy naive = NaiveNpy.read(file);
        assertArrayEquals(inOrder, naive == null ? null : naive.values());

        NpyArray array = NpyArray.open(input("x.npy", file));
        assertEquals(type, array.type());
        assertEquals(fortran, array.fortranOrder());
        assertArrayEquals(sizes, array.sizes());
        assertEquals(count(sizes), array.count());
        assertArrayEquals(inOrder, inPieces(array, random));
        assertValues(type, inOrder, array);
        assertArrayEquals(npy(type, inOrder, sizes), written(array, random));
        assertArrayEquals(inOrder, throughNpz(array));
      }
    }
  }

  private static long count(long... sizes) {
    return Arrays.stream(sizes).reduce(1, (a, b) -> a * b);
  }

  private static byte[] stored(
      NumberType type, boolean big, boolean fortran, int version, long[] sizes, byte[] inOrder) {
    int item = type.bytes();
    byte[] stored = new byte[inOrder.length];
    for (int i = 0; i < inOrder.length / item; i++) {
      int to = fortran ? NaiveNpy.fortranIndex(i, sizes) : i;
      for (int k = 0; k < item; k++) {
        stored[to * item + (big ? item - 1 - k : k)] = inOrder[i * item + k];
      }
    }
    String order = big ? ">" : item == 1 ? "|" : "<";
    String descriptor = order + type.descriptor().substring(1);
    return file(version, dictionary(descriptor, fortran, shape(sizes)), stored);
  }

  private static byte[] inPieces(NpyArray array, Random random) {
    ByteBuffer all = ByteBuffer.allocate((int) array.count() * array.type().bytes());
    for (int at = 0; at < array.count(); ) {
      int count = Math.min((int) array.count() - at, 1 + random.nextInt(30));
      all.put(array.read(at, count));
      at += count;
    }
    assertEquals(0, array.read(array.count(), 0).remaining());
    return all.array();
  }

  /** Integers by way of BigInteger, the others by Java's own conversions. */
  private static void assertValues(NumberType type, byte[] inOrder, NpyArray array) {
    ByteBuffer read = array.read(0, (int) array.count()).duplicate();
    read.order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 0; at < inOrder.length; at += type.bytes()) {
      byte[] bigEndian = new byte[type.bytes()];
      for (int k = 0; k < bigEndian.length; k++) {
        bigEndian[k] = inOrder[at + bigEndian.length - 1 - k];
      }
      ByteBuffer bytes = ByteBuffer.wrap(bigEndian);
      double expected =
          switch (type) {
            case BOOL -> bigEndian[0] == 0 ? 0 : 1;
            case U8, U16, U32, U64 -> new BigInteger(1, bigEndian).doubleValue();
            case I8, I16, I32, I64 -> new BigInteger(bigEndian).doubleValue();
            case F16 -> half(bytes.getShort());
            case F32 -> bytes.getFloat();
            case F64 -> bytes.getDouble();
          };
      assertEquals(expected, type.get(read, at));
    }
  }

  private static double half(short bits) {
    int exponent = bits >> 10 & 31;
    double size =
        exponent == 31
            ? (bits & 1023) == 0 ? Double.POSITIVE_INFINITY : Double.NaN
            : exponent == 0
                ? (bits & 1023) * Math.pow(2, -24)
                : (1024 + (bits & 1023)) * Math.pow(2, exponent - 25);
    return bits < 0 ? -size : size;
  }

  private static byte[] npy(NumberType type, byte[] inOrder, long... sizes) {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    file.writeBytes(NpySink.header(type.descriptor(), sizes));
    file.writeBytes(inOrder);
    return file.toByteArray();
  }

  private static byte[] written(NpyArray array, Random random) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    AtomicOutput out = AtomicOutput.standardOutput(bytes);
    try (NpySink sink = NpySink.create(out, array.type(), array.sizes())) {
      for (int at = 0; at < array.count(); ) {
        int count = Math.min((int) array.count() - at, 1 + random.nextInt(30));
        sink.write(array.read(at, count));
        at += count;
      }
      sink.finish();
    }
    return bytes.toByteArray();
  }

  private static byte[] throughNpz(NpyArray array) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (NpzWriter npz = new NpzWriter(AtomicOutput.standardOutput(bytes))) {
      npz.member("x", array.type(), array.sizes()).write(array.read(0, (int) array.count()));
      npz.finish();
    }
    try (NpzFile npz = NpzFile.open(input("x.npz", bytes.toByteArray()))) {
      NpyArray read = npz.array("x");
      assertEquals(array.type(), read.type());
      assertArrayEquals(array.sizes(), read.sizes());
      byte[] values = new byte[(int) read.count() * read.type().bytes()];
      read.read(0, (int) read.count()).get(values);
      return values;
    }
  }
}
