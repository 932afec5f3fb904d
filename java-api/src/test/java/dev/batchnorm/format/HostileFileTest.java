package dev.batchnorm.format;

import static dev.batchnorm.format.FileProperties.ROOM;
import static dev.batchnorm.format.FileProperties.assertArray;
import static dev.batchnorm.format.FileProperties.assertRefusal;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.InputException;
import dev.batchnorm.format.csv.CsvProperties;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.format.npy.NpySink;
import dev.batchnorm.format.npz.NpzFile;
import dev.batchnorm.format.npz.NumpyFiles;
import dev.batchnorm.format.npz.ZipMaker;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/**
 * Truncated, flipped and mutated files give a refusal of one line that names the file, or the array
 * that {@link NaiveNpy} reads; never another exception, a hang, or more memory than in proportion
 * to the file.
 */
class HostileFileTest {
  private static final int MUTATIONS = 1000;
  private static final int SEED = 1;
  private static final Path MALFORMED =
      Path.of(System.getProperty("batchnorm.root", ".."), "testdata/malformed");
  private static final Duration NO_HANG = Duration.ofSeconds(60);

  /** How many arrays were read rather than refused. */
  private static long read;

  private static byte[] npy(String descriptor, byte[] values, long... sizes) {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    file.writeBytes(NpySink.header(descriptor, sizes));
    file.writeBytes(values);
    return file.toByteArray();
  }

  /** Version 2.0, big-endian, Fortran order, no blank too many. */
  private static byte[] dense(byte[] values, String shape) {
    byte[] header =
        ("{'descr':'>i2','fortran_order':True,'shape':" + shape + "}").getBytes(ISO_8859_1);
    ByteBuffer file = ByteBuffer.allocate(12 + header.length + values.length);
    file.put(
        new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0, (byte) header.length, 0, 0, 0});
    return file.put(header).put(values).array();
  }

  private static byte[] random(int seed, int count) {
    byte[] bytes = new byte[count];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  private static final byte[] PADDED = npy("<f4", random(1, 48), 3, 4);
  private static final byte[] DENSE = dense(random(2, 48), "(2,3,4)");
  private static final byte[] MIXED =
      ZipMaker.mixed(npy("<f8", random(3, 16), 2), PADDED, dense(new byte[240], "(3,40)"));

  private static InputBytes input(String name, byte[] bytes) {
    Spool spool = new Spool(name);
    spool.write(ByteBuffer.wrap(bytes));
    return spool.input();
  }

  private static void check(byte[] file, Consumer<byte[]> reader) {
    long allocated = allocated(file, reader);
    assertTrue(allocated <= ROOM + 4L * file.length, () -> allocated + " bytes allocated");
  }

  private static long allocated(byte[] file, Consumer<byte[]> reader) {
    try {
      return FileProperties.allocated(() -> reader.accept(file));
    } catch (RuntimeException | Error e) {
      throw new AssertionError(HexFormat.of().formatHex(file, 0, Math.min(file.length, 2000)), e);
    }
  }

  private static void readNpy(byte[] file) {
    read += FileProperties.checkNpy(file) ? 1 : 0;
  }

  /** Members that are read hold what they held: a checksum guards them. */
  private static Consumer<byte[]> npzReader(byte[] original) {
    Map<String, NaiveNpy> members = new LinkedHashMap<>();
    try (NpzFile npz = NpzFile.open(input("x.npz", original))) {
      for (String member : npz.members()) {
        NpyArray array = npz.array(member);
        byte[] values = new byte[(int) array.count() * array.type().bytes()];
        array.read(0, (int) array.count()).get(values);
        String type = array.type().descriptor().substring(1);
        members.put(member, new NaiveNpy(type, array.sizes(), values));
      }
    }
    assertTrue(members.size() >= 2);
    return file -> {
      InputBytes in = input("x.npz", file);
      try (NpzFile npz = NpzFile.open(in)) {
        for (Map.Entry<String, NaiveNpy> member : members.entrySet()) {
          try {
            assertArray(member.getValue(), npz.array(member.getKey()));
            read++;
          } catch (InputException e) {
            assertRefusal(e, "x.npz:");
          }
        }
      } catch (InputException e) {
        assertRefusal(e, "x.npz: ");
      }
    };
  }

  private static void truncateAnywhere(byte[] file, Consumer<byte[]> reader) {
    for (int length = 0; length < file.length; length++) {
      long before = read;
      check(Arrays.copyOf(file, length), reader);
      assertEquals(before, read, "read what was cut short");
    }
  }

  @Test
  void truncatedFilesAreRefused() {
    withoutHanging(
        () -> {
          truncateAnywhere(PADDED, HostileFileTest::readNpy);
          truncateAnywhere(DENSE, HostileFileTest::readNpy);
          for (byte[] zip : new byte[][] {MIXED, NumpyFiles.wide()}) {
            truncateAnywhere(zip, npzReader(zip));
          }
        });
  }

  private static void withoutHanging(Executable test) {
    assertTimeoutPreemptively(NO_HANG, test);
  }

  /** Every bit flipped is among them, and every other byte. */
  @Test
  void anyByteOfAnNpyHeaderSetToAnything() {
    withoutHanging(
        () -> {
          for (byte[] original : new byte[][] {PADDED, DENSE}) {
            byte[] file = original.clone();
            for (int at = 0; at < file.length - 48; at++) {
              for (int value = 0; value < 256; value++) {
                file[at] = (byte) value;
                check(file, HostileFileTest::readNpy);
              }
              file[at] = original[at];
            }
          }
        });
  }

  @Test
  void anyBitOfAZipFlipped() {
    withoutHanging(
        () -> {
          for (byte[] original : new byte[][] {MIXED, NumpyFiles.wide()}) {
            Consumer<byte[]> reader = npzReader(original);
            byte[] file = original.clone();
            for (int bit = 0; bit < 8 * file.length; bit++) {
              file[bit / 8] ^= (byte) (1 << bit % 8);
              check(file, reader);
              file[bit / 8] = original[bit / 8];
            }
          }
        });
  }

  @Test
  void seededMutations() {
    withoutHanging(
        () -> {
          Random random = new Random(12);
          for (int i = 0; i < MUTATIONS; i++) {
            check(mutated(PADDED, DENSE, random), HostileFileTest::readNpy);
            check(mutated(DENSE, PADDED, random), HostileFileTest::readNpy);
          }
          byte[] wide = NumpyFiles.wide();
          Consumer<byte[]> ofMixed = npzReader(MIXED);
          Consumer<byte[]> ofWide = npzReader(wide);
          for (int i = 0; i < MUTATIONS; i++) {
            check(mutated(MIXED, wide, random), ofMixed);
            check(mutated(wide, MIXED, random), ofWide);
          }
        });
  }

  /** Those of testdata, each with bytes of others in it; {@code make fuzz} goes on from here. */
  @Test
  void seededMutationsOfTheCorpus() {
    withoutHanging(
        () -> {
          mutateCorpus(".csv", 40, CsvProperties::check);
          mutateCorpus(".npy", 40, FileProperties::checkNpy);
          mutateCorpus(".npz", 20, FileProperties::checkNpz);
        });
  }

  private static void mutateCorpus(String extension, int mutations, Consumer<byte[]> reader)
      throws IOException {
    List<Path> corpus;
    try (Stream<Path> files = Files.list(MALFORMED)) {
      corpus = files.filter(f -> f.toString().endsWith(extension)).sorted().toList();
    }
    assertTrue(corpus.size() > 20);
    byte[] other = Files.readAllBytes(corpus.get(0));
    for (Path path : corpus) {
      byte[] original = Files.readAllBytes(path);
      for (int i = 0; i < mutations; i++) {
        int seed = SEED + 1000 * corpus.indexOf(path) + i;
        Random random = new Random(seed);
        byte[] file = i == 0 || original.length == 0 ? original : mutated(original, other, random);
        if (extension.equals(".csv")) {
          file = withChoices(file, random);
        }
        try {
          reader.accept(file);
        } catch (RuntimeException | Error e) {
          String hex = HexFormat.of().formatHex(file);
          throw new AssertionError(path + " with seed " + seed + ": " + hex, e);
        }
      }
      other = original.length == 0 ? other : original;
    }
  }

  /** The file and how it is to be read, as {@link CsvProperties#check} takes it. */
  private static byte[] withChoices(byte[] file, Random random) {
    byte[] choices = new byte[7];
    random.nextBytes(choices);
    choices[5] = (byte) random.nextInt(1 << random.nextInt(8));
    ByteBuffer with = ByteBuffer.allocate(file.length + 1 + choices.length + 9);
    String[] columns = {"", "1", "2", "1-2", "a", "|1", "|2", "1-3|2", "|b"};
    with.put(file).put((byte) 0xff).put(choices);
    with.put(columns[random.nextInt(columns.length)].getBytes(ISO_8859_1));
    return Arrays.copyOf(with.array(), with.position());
  }

  /** One to three times: some bytes overwritten, put in, taken out, or those of the other file. */
  private static byte[] mutated(byte[] original, byte[] other, Random random) {
    byte[] file = original;
    for (int k = random.nextInt(3); k >= 0; k--) {
      int at = random.nextInt(file.length);
      int count = Math.min(1 + random.nextInt(1 << random.nextInt(7)), file.length - at);
      byte[] bytes = new byte[count];
      if (random.nextBoolean()) {
        random.nextBytes(bytes);
      } else {
        byte[] from = random.nextBoolean() ? other : file;
        int start = random.nextInt(from.length);
        bytes = Arrays.copyOfRange(from, start, Math.min(start + count, from.length));
      }
      int without =
          switch (random.nextInt(4)) {
            case 0 -> 0; // put in
            case 1 -> count + random.nextInt(file.length - at - count + 1); // replaced
            default -> bytes.length; // overwritten
          };
      if (random.nextInt(5) == 0) {
        bytes = new byte[0];
      }
      int rest = Math.min(at + without, file.length);
      ByteBuffer next = ByteBuffer.allocate(at + bytes.length + file.length - rest);
      next.put(file, 0, at).put(bytes).put(file, rest, file.length - rest);
      file = next.array();
      if (file.length == 0) {
        return file;
      }
    }
    return file;
  }

  @Test
  void largeFilesTakeMemoryInProportion() {
    withoutHanging(
        () -> {
          int count = 1 << 20;
          byte[] values = random(5, 4 * count);
          byte[] inOrder = npy("<f4", values, 1024, 1024);
          byte[] fortran = dense(values, "(1024,2,1024)");
          for (byte[] file : new byte[][] {inOrder, fortran}) {
            checkOpened(file, 3);
            // The claim is twice of what is there.
            checkOpened(Arrays.copyOf(file, file.length / 2), 0.1);
          }
          assertTrue(naiveSample(fortran));
        });
  }

  /** The first and last value and some between, as the naive order has them. */
  private static boolean naiveSample(byte[] fortran) {
    NpyArray array = NpyArray.open(input("x.npy", fortran));
    ByteBuffer values = array.read(0, (int) array.count());
    int start = fortran.length - 2 * (int) array.count();
    ByteBuffer file = ByteBuffer.wrap(fortran).order(ByteOrder.BIG_ENDIAN);
    for (int i = 0; i < array.count(); i += 9973) {
      int from = NaiveNpy.fortranIndex(i, array.sizes());
      assertEquals(file.getShort(start + 2 * from), values.getShort(2 * i));
    }
    return true;
  }

  private static void checkOpened(byte[] file, double timesItsSize) {
    InputBytes in = input("x.npy", file);
    long allocated =
        allocated(
            file,
            bytes -> {
              try {
                NpyArray array = NpyArray.open(in);
                for (long at = 0; at < array.count(); at += StoredArray.CHUNK) {
                  array.read(at, (int) Math.min(StoredArray.CHUNK, array.count() - at));
                }
              } catch (InputException e) {
                assertRefusal(e, "x.npy: ");
              }
            });
    assertTrue(allocated <= ROOM + timesItsSize * file.length, allocated + " bytes allocated");
  }

  /** Their names, mostly. */
  @Test
  void aZipOfManyMembersTakesMemoryInProportion() {
    byte[] file = ZipMaker.many(20_000);
    InputBytes in = input("x.npz", file);
    long allocated = allocated(file, bytes -> NpzFile.open(in));
    assertTrue(allocated <= 4L * file.length, allocated + " bytes allocated");
  }
}
