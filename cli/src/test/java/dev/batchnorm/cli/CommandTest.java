package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.batchnorm.DType;
import dev.batchnorm.Values;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.format.npy.NpySink;
import dev.batchnorm.format.npz.NpzFile;
import dev.batchnorm.format.npz.NpzWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;

/** What the tests of all commands need: a directory, files in it, and runs on them. */
abstract class CommandTest {
  /** The repository, where {@code testdata} is. */
  static final Path ROOT = Path.of(System.getProperty("batchnorm.root", ".."));

  private static final byte[] NOTHING = {};

  @TempDir Path directory;

  /** An array as it is in a file: numpy's type, the sizes, and the values. */
  record Stored(String type, List<Long> sizes, double[] values) {
    static Stored of(NpyArray array) {
      return new Stored(
          array.descriptor(), Arrays.stream(array.sizes()).boxed().toList(), array.values());
    }
  }

  /**
   * Runs the command.
   *
   * @param line the words of the command line, separated by blanks; {@code ./} is the directory
   */
  CommandLineRun run(String line) {
    return CommandLineRun.of(directory, NOTHING, List.of(line.split(" +")));
  }

  /** Runs the command with something on standard input. */
  CommandLineRun run(byte[] in, String line) {
    return CommandLineRun.of(directory, in, List.of(line.split(" +")));
  }

  /** Runs the command, which must succeed and say nothing on standard error. */
  CommandLineRun quiet(String line) {
    CommandLineRun run = run(line);
    assertEquals(List.of(), run.error(), line);
    assertEquals(ExitCode.OK, run.code(), line);
    return run;
  }

  /** Runs the command, which must refuse with these lines on standard error and nothing else. */
  void refused(int code, String line, String... error) {
    CommandLineRun run = run(line);
    assertEquals(List.of(error), run.error(), line);
    assertEquals(code, run.code(), line);
    assertEquals("", run.out(), line);
  }

  Path path(String name) {
    return directory.resolve(name);
  }

  /** Writes a text file. */
  void text(String name, String content) {
    bytes(name, content.getBytes(StandardCharsets.UTF_8));
  }

  void bytes(String name, byte[] content) {
    try {
      Files.write(path(name), content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  byte[] bytes(String name) {
    try {
      return Files.readAllBytes(path(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  String text(String name) {
    return new String(bytes(name), StandardCharsets.UTF_8);
  }

  /** Copies a file of {@code testdata} into the directory. */
  void testdata(String file) {
    try {
      Files.copy(ROOT.resolve("testdata").resolve(file), path(Path.of(file).getFileName() + ""));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The names of the files in the directory, in order. */
  List<String> files() {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Writes an NPY file of the type. */
  void npy(String name, DType type, long[] sizes, double... values) {
    try (NpySink sink = NpySink.create(AtomicOutput.to(path(name)), type, sizes)) {
      Values room = sink.room(values.length);
      for (int i = 0; i < values.length; i++) {
        room.set(i, values[i]);
      }
      sink.commit();
      sink.finish();
    }
  }

  /**
   * An NPY file as numpy writes it, made here byte by byte.
   *
   * @param descriptor numpy's name of the type, {@code >f4}
   * @param data the values as they lie in the file
   */
  static byte[] numpy(String descriptor, boolean fortran, long[] sizes, byte... data) {
    String shape = Arrays.stream(sizes).mapToObj(Long::toString).collect(Collectors.joining(", "));
    String dictionary =
        "{'descr': '%s', 'fortran_order': %s, 'shape': (%s%s), }"
            .formatted(descriptor, fortran ? "True" : "False", shape, sizes.length == 1 ? "," : "");
    int length = (10 + dictionary.length() + 1 + 63) / 64 * 64 - 10;
    ByteBuffer file = ByteBuffer.allocate(10 + length + data.length).order(ByteOrder.LITTLE_ENDIAN);
    file.put((byte) 0x93).put("NUMPY".getBytes(StandardCharsets.US_ASCII)).put((byte) 1);
    file.put((byte) 0).putShort((short) length);
    file.put(dictionary.getBytes(StandardCharsets.US_ASCII));
    while (file.position() < 10 + length - 1) {
      file.put((byte) ' ');
    }
    return file.put((byte) '\n').put(data).array();
  }

  /** The 64-bit integers as they lie in a little-endian file. */
  static byte[] longs(long... values) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asLongBuffer().put(values);
    return bytes.array();
  }

  /** The values as text, one a line. */
  static String lines(Object... values) {
    return Arrays.stream(values).map(value -> value + "\n").collect(Collectors.joining());
  }

  /** Writes an NPZ file. */
  void npz(String name, Consumer<NpzWriter> members) {
    try (NpzWriter npz = new NpzWriter(AtomicOutput.to(path(name)))) {
      members.accept(npz);
      npz.finish();
    }
  }

  /** Reads an NPY file. */
  Stored npy(String name) {
    try (InputBytes bytes = InputBytes.open(path(name))) {
      return Stored.of(NpyArray.open(bytes));
    }
  }

  /** Reads all members of an NPZ file, in its order. */
  Map<String, Stored> npz(String name) {
    return npz(path(name));
  }

  /** Reads all members of an NPZ file, in its order. */
  static Map<String, Stored> npz(Path file) {
    InputBytes bytes = InputBytes.open(file);
    try (NpzFile npz = NpzFile.open(bytes)) {
      Map<String, Stored> members = new LinkedHashMap<>();
      for (String member : npz.members()) {
        members.put(member, Stored.of(npz.array(member)));
      }
      return members;
    }
  }

  /** The members of a golden case. */
  static Map<String, Stored> golden(String name) {
    return npz(ROOT.resolve("testdata/golden").resolve(name + ".npz"));
  }

  /** Some member that must be there. */
  static Stored member(Map<String, Stored> npz, String name) {
    Stored member = npz.get(name);
    if (member == null) {
      throw new AssertionError("expected a member " + name + ", found " + npz.keySet());
    }
    return member;
  }

  /** The numbers in the lines of a CSV text, header and other cells left out. */
  static double[] numbers(String csv, int... columns) {
    return csv.lines()
        .skip(1)
        .flatMapToDouble(
            line ->
                Arrays.stream(columns).mapToDouble(c -> Double.parseDouble(line.split(",", -1)[c])))
        .toArray();
  }

  /** Compares bits, not values: −0.0 is not 0.0, and NaN is NaN. */
  static void assertBits(double[] expected, double[] found, String what) {
    long[] right = Arrays.stream(expected).mapToLong(Double::doubleToLongBits).toArray();
    long[] given = Arrays.stream(found).mapToLong(Double::doubleToLongBits).toArray();
    assertArrayEquals(right, given, () -> what + ": " + Arrays.toString(found));
  }

  /** Compares type, sizes and bits. */
  static void assertSame(Stored expected, Stored found, String what) {
    assertEquals(expected.type(), found.type(), what);
    assertEquals(expected.sizes(), found.sizes(), what);
    assertBits(expected.values(), found.values(), what);
  }
}
