package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.format.NumberType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class InspectCommandTest extends CommandTest {

  /** Writes an NPY file whose header is the given one. */
  private void npy(String name, String descriptor, boolean fortran, String shape, byte... values) {
    bytes(name, npyBytes(descriptor, fortran, shape, values));
  }

  private static byte[] npyBytes(String descriptor, boolean fortran, String shape, byte... values) {
    String header =
        "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n"
            .formatted(descriptor, fortran ? "True" : "False", shape);
    ByteBuffer file = ByteBuffer.allocate(10 + header.length() + values.length);
    file.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0});
    file.put((byte) header.length()).put((byte) 0);
    return file.put(header.getBytes(StandardCharsets.US_ASCII)).put(values).array();
  }

  private static byte[] floats(float... values) {
    byte[] bytes = new byte[Float.BYTES * values.length];
    littleEndian(bytes).asFloatBuffer().put(values);
    return bytes;
  }

  private static byte[] doubles(double... values) {
    byte[] bytes = new byte[Double.BYTES * values.length];
    littleEndian(bytes).asDoubleBuffer().put(values);
    return bytes;
  }

  private static ByteBuffer littleEndian(byte... bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** The line of the digest, made without the program. */
  private static String sha256(String description, byte... values) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update((description + "\n").getBytes(StandardCharsets.US_ASCII));
      return "sha256 " + HexFormat.of().formatHex(digest.digest(values)) + " " + description;
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  /** What a run printed, the directory's path left out. */
  private List<String> found(CommandLineRun run) {
    return run.out().replace(directory + "/", "").lines().toList();
  }

  private void inspects(String line, String... expected) {
    assertEquals(
        String.join("\n", expected), String.join("\n", found(quiet("inspect " + line))), line);
  }

  private Map<?, ?> json(String line) {
    return Json.object(quiet("inspect " + line + " --json").out());
  }

  private static Map<?, ?> array(Map<?, ?> report, int index) {
    return Json.objects(Json.get(report, "arrays")).get(index);
  }

  private static Map<?, ?> channel(Map<?, ?> report, int channel) {
    return Json.objects(Json.get(array(report, 0), "channels")).get(channel);
  }

  @Test
  void npyTellsHowItIsStored() {
    // 3×2 in Fortran order: 1 3 5, then 2 4 9.
    ByteBuffer values = ByteBuffer.allocate(24);
    values.asFloatBuffer().put(new float[] {1, 3, 5, 2, 4, 9});
    npy("x.npy", ">f4", true, "(3, 2)", values.array());
    inspects(
        "./x.npy",
        "x.npy: NPY, f4 big-endian, Fortran order, 93 bytes",
        "shape 3×2: 2 channels (axis 1) of 3 values",
        sha256("<f4 (3, 2)", floats(1, 2, 3, 4, 5, 9)),
        "channel  min  max  mean  |mean|/std  lost one-pass  two-pass  bf16",
        "0        1.0  5.0   3.0       1.837            0.6       0.3   5.1",
        "1        2.0  9.0   5.0       1.698            0.6       0.3   5.1",
        "in danger: none of 2 channels (7.2 digits to lose, eps 1e-05)");
  }

  @Test
  void digestsTellValuesApartAndNotOrders() {
    npy("x.npy", DType.F32, new long[] {2, 2}, 1, 2, 3, 4);
    npy("fortran.npy", "<f4", true, "(2, 2)", floats(1, 3, 2, 4));
    assertEquals(
        found(quiet("inspect ./x.npy")).get(2), found(quiet("inspect ./fortran.npy")).get(2));
  }

  @Test
  void halfPrecision() {
    npy("x.npy", DType.F16, new long[] {2, 2}, 0.1, 2048, 0.2, 2048);
    String digest =
        sha256(
            "<f2 (2, 2)",
            (byte) 0x66,
            (byte) 0x2e,
            (byte) 0,
            (byte) 0x68,
            (byte) 0x66,
            (byte) 0x32,
            (byte) 0,
            (byte) 0x68);
    inspects(
        "./x.npy",
        "x.npy: NPY, f2 little-endian, C order, 136 bytes",
        "shape 2×2: 2 channels (axis 1) of 2 values",
        digest,
        "channel     min     max              mean  |mean|/std  lost one-pass  two-pass  bf16  flags",
        "0           0.1     0.2  0.14996337890625       3.000            1.0       0.5   5.3",
        "1        2048.0  2048.0            2048.0         inf            inf       inf   inf "
            + " constant, variance below -eps, f16 overflow of squares",
        "in danger: 1 of 2 channels (7.2 digits to lose, eps 1e-05): 1 constant, 1 variance below"
            + " -eps, 1 f16 overflow of squares");
  }

  @Test
  void integersAreExactInTheRangeAndRoundedInTheMean() {
    long odd = (1L << 62) + 1;
    npy("x.npy", "<i8", false, "(2, 2)", longs(odd, -3, 5, 7));
    inspects(
        "./x.npy",
        "x.npy: NPY, i8 little-endian, C order, 102 bytes",
        "shape 2×2: 2 channels (axis 1) of 2 values",
        sha256("<i8 (2, 2)", longs(odd, -3, 5, 7)),
        "channel  min                  max                   mean  |mean|/std  lost one-pass  two-pass "
            + " bf16  flags",
        "0          5  4611686018427387905  2.305843009213694e+18       1.000            0.3       0.2 "
            + " 13.7  f16 overflow",
        "1         -3                    7                    2.0      0.4000            0.1       0.0 "
            + " 13.6",
        "in danger: 1 of 2 channels (15.9 digits to lose, eps 1e-05): 1 f16 overflow",
        "note: 1 integer that no f64 holds; mean, |mean|/std and what follows are of the nearest");
    npy("u.npy", "<u8", false, "(2,)", longs(-1, 1));
    String row = found(quiet("inspect ./u.npy")).get(4);
    assertTrue(row.startsWith("0          1  18446744073709551615  9.223372036854776e+18"), row);
  }

  @Test
  void truthIsZeroAndOne() {
    npy("x.npy", "|b1", false, "(2, 2)", (byte) 1, (byte) 0, (byte) 2, (byte) 1);
    inspects(
        "./x.npy",
        "x.npy: NPY, b1, C order, 74 bytes",
        "shape 2×2: 2 channels (axis 1) of 2 values",
        sha256("|b1 (2, 2)", (byte) 1, (byte) 0, (byte) 1, (byte) 1),
        "channel  min  max  mean  |mean|/std  lost one-pass  two-pass  bf16  flags",
        "0          1    1   1.0         inf            inf       inf   inf  constant, negative variance",
        "1          0    1   0.5       1.000            0.3       0.2  13.7",
        "in danger: 1 of 2 channels (15.9 digits to lose, eps 1e-05): 1 constant, 1 negative variance");
  }

  @Test
  void aSingleValueHasNoChannels() {
    npy("x.npy", DType.F64, new long[] {}, 2.5);
    inspects(
        "./x.npy",
        "x.npy: NPY, f8 little-endian, C order, 136 bytes",
        "value 2.5",
        sha256("<f8 ()", doubles(2.5)));
    assertEquals(2.5, array(json("./x.npy"), 0).get("value"));
    npy("x.npy", DType.F64, new long[] {}, Double.NEGATIVE_INFINITY);
    assertEquals("-inf", array(json("./x.npy"), 0).get("value"));
  }

  @Test
  void nothingIsAnArrayToo() {
    npy("x.npy", DType.F16, new long[] {0, 3});
    inspects(
        "./x.npy",
        "x.npy: NPY, f2 little-endian, C order, 128 bytes",
        "shape 0×3: 3 channels (axis 1) of 0 values",
        sha256("<f2 (0, 3)"));
    Map<?, ?> channel = channel(json("./x.npy"), 2);
    assertEquals(0.0, channel.get("count"));
    assertFalse(channel.containsKey("min"));
    assertEquals("nan", channel.get("mean"));
    assertEquals(false, channel.get("constant"));
  }

  @Test
  void oneAxisIsOneChannel() {
    npy("x.npy", DType.F64, new long[] {4}, -0.0, 0.0, 1, 3);
    inspects(
        "./x.npy",
        "x.npy: NPY, f8 little-endian, C order, 160 bytes",
        "shape 4: 1 channel of 4 values",
        sha256("<f8 (4,)", doubles(-0.0, 0.0, 1, 3)),
        "channel   min  max  mean  |mean|/std  lost one-pass  two-pass  bf16",
        "0        -0.0  3.0   1.0      0.8165            0.2       0.1  13.7",
        "in danger: none of 1 channel (15.9 digits to lose, eps 1e-05)");
  }

  @Test
  void theChannelAxisIsTheUsersChoice() {
    npy("x.npy", DType.F32, new long[] {1, 2, 3}, 1, 2, 3, 4, 5, 6);
    assertEquals(
        "shape 1×2×3: 2 channels (axis 1) of 3 values", found(quiet("inspect ./x.npy")).get(1));
    List<String> lines = found(quiet("inspect ./x.npy --layout NLC"));
    assertEquals("shape 1×2×3: 3 channels (axis 2) of 2 values", lines.get(1));
    assertEquals(
        "0        1.0  4.0   2.5       1.667            0.6       0.3   5.1", lines.get(4));
    assertEquals(lines, found(quiet("inspect ./x.npy --channel-axis -1")));
  }

  @Test
  void csvTellsItsDialectAndNamesItsChannels() {
    text("x.tsv", "a\tid\tb\n1\tu\t2\n3\tv\t6\n");
    inspects(
        "./x.tsv --exclude id",
        "x.tsv: TSV, 2 of 3 columns, delimiter tab, header, 19 bytes",
        "shape 2×2: 2 channels (axis 1) of 2 values",
        sha256("<f8 (2, 2)", doubles(1, 2, 3, 6)),
        "channel  min  max  mean  |mean|/std  lost one-pass  two-pass  bf16",
        "a        1.0  3.0   2.0       2.000            0.7       0.3  13.9",
        "b        2.0  6.0   4.0       2.000            0.7       0.3  13.9",
        "in danger: none of 2 channels (15.9 digits to lose, eps 1e-05)");
    Map<?, ?> array = array(json("./x.tsv --exclude id"), 0);
    assertEquals("\t", array.get("delimiter"));
    assertEquals(true, array.get("header"));
    assertEquals(3.0, array.get("fields"));
    assertEquals(0.0, array.get("rows_skipped"));
    assertEquals("b", channel(json("./x.tsv --exclude id"), 1).get("name"));
  }

  @Test
  void rowsAsChannelsHaveNoNames() {
    text("x.csv", "a,b\n1,2\n3,5\n5,6\n");
    List<String> lines = found(quiet("inspect ./x.csv --channel-axis 0"));
    assertTrue(lines.get(6).startsWith("2 "), lines::toString);
    Map<?, ?> array = array(json("./x.csv --channel-axis 0"), 0);
    assertEquals(3, Json.objects(Json.get(array, "channels")).size());
    assertFalse(channel(json("./x.csv --channel-axis 0"), 0).containsKey("name"));
  }

  @Test
  void namesStayOnTheirLine() {
    text("x.csv", "\"a\nb\",\"\"\n1,2\n");
    List<String> lines = found(quiet("inspect ./x.csv --header yes"));
    assertTrue(lines.get(4).startsWith("\"a\\nb\" "), lines::toString);
    assertTrue(lines.get(5).startsWith("\"\" "), lines::toString);
  }

  @Test
  void standardInputIsRead() {
    CommandLineRun run = run("1;2\n".getBytes(StandardCharsets.UTF_8), "inspect - --delimiter ;");
    assertEquals(
        "standard input: CSV, 2 columns, delimiter semicolon, no header, 4 bytes",
        run.lines().get(0));
  }

  @Test
  void whatIsNotFiniteIsCountedBesideTheFiniteRange() {
    text("x.csv", "a,b,c\nnan,1,inf\n2,2,-inf\ninf,3,inf\n");
    List<String> lines = found(quiet("inspect ./x.csv"));
    assertEquals(
        List.of(
            "channel  min  max  nan  inf  mean  |mean|/std  lost one-pass  two-pass  bf16  flags",
            "a        2.0  2.0    1    1   nan         nan            nan       nan   nan  not finite",
            "b        1.0  3.0    0    0   2.0       2.449            0.8       0.4  14.0",
            "c          -    -    0    3   nan         nan            nan       nan   nan  not finite"),
        lines.subList(3, 7));
    Map<?, ?> c = channel(json("./x.csv"), 2);
    assertEquals(2.0, c.get("positive_infinity"));
    assertEquals(1.0, c.get("negative_infinity"));
    assertFalse(c.containsKey("max"));
  }

  @Test
  void nanPayloadsDoNotChangeTheDigest() {
    byte[] values = floats(Float.NaN, 1);
    littleEndian(values).putInt(0xffc12345);
    npy("x.npy", "<f4", false, "(2,)", values);
    assertEquals(sha256("<f4 (2,)", floats(Float.NaN, 1)), found(quiet("inspect ./x.npy")).get(2));
  }

  /** ±1 around a mean of 10⁴: κ² = 10⁸ + 1 is more than f32 has, and half of what f64 has. */
  @Test
  void aLargeMeanCostsAOnePassKernelItsDigits() {
    npy("x.npy", DType.F32, new long[] {2}, 9999, 10001);
    assertEquals(
        "0        9999.0  10001.0  10000.0   1.000e+04            8.0       4.0   8.8  variance below"
            + " -eps, one-pass loses all, bf16 loses all, f16 overflow of squares",
        found(quiet("inspect ./x.npy")).get(4));
    npy("x.npy", DType.F64, new long[] {2}, 9999, 10001);
    Map<?, ?> channel = channel(json("./x.npy"), 0);
    assertEquals(1e4, channel.get("mean_over_std"));
    assertEquals(Math.log10(1e8 + 1), (Double) Json.get(channel, "digits_lost"), 1e-14);
    assertEquals(false, channel.get("loses_all"));
    npy("x.npy", DType.F64, new long[] {2}, 1e8 - 1, 1e8 + 1);
    assertEquals(true, channel(json("./x.npy"), 0).get("loses_all"));
  }

  /** A variance too small for binary64 is not that of a constant channel. */
  @Test
  void aTinySpreadIsASpread() {
    npy("x.npy", DType.F64, new long[] {2, 3}, 1e-200, 5, 0, 3e-200, 5, 0);
    List<String> lines = found(quiet("inspect ./x.npy"));
    assertEquals(
        List.of(
            "0        1e-200  3e-200  2e-200       2.000            0.7       0.3  13.9  negative"
                + " variance, eps dominates, f16 underflow of variance",
            "1           5.0     5.0     5.0         inf            inf       inf   inf  constant,"
                + " variance below -eps",
            "2           0.0     0.0     0.0       0.000            0.0       0.0  13.5  constant",
            "in danger: 3 of 3 channels (15.9 digits to lose, eps 1e-05): 2 constant, 1 negative"
                + " variance, 1 variance below -eps, 1 eps dominates, 1 f16 underflow of variance"),
        lines.subList(4, 8));
    Map<?, ?> report = json("./x.npy");
    assertEquals(false, channel(report, 0).get("constant"));
    assertEquals(true, channel(report, 1).get("constant"));
    assertEquals("inf", channel(report, 1).get("mean_over_std"));
  }

  @Test
  void ofManyChannelsTheWorstAreShown() {
    double[] values = new double[2 * 100];
    for (int c = 0; c < 100; c++) {
      values[c] = c - 1;
      values[100 + c] = c + 1;
    }
    values[99] = Double.NaN;
    npy("x.npy", DType.F64, new long[] {2, 100}, values);
    List<String> lines = found(quiet("inspect ./x.npy"));
    assertEquals(3 + 1 + 16 + 2, lines.size());
    assertEquals(
        "98       97.0  99.0  98.0       98.00            4.0       2.0  15.5", lines.get(4));
    assertEquals(
        "83       82.0  84.0  83.0       83.00            3.8       1.9  15.5", lines.get(19));
    assertEquals(
        "in danger: 1 of 100 channels (15.9 digits to lose, eps 1e-05): 1 not finite",
        lines.get(21));
    assertEquals(
        "16 of 100 channels, largest |mean|/std first, those with NaN or Inf (1) last; --json prints"
            + " all",
        lines.get(20));
    assertEquals(100, Json.objects(Json.get(array(json("./x.npy"), 0), "channels")).size());
    npy("x.npy", DType.F64, new long[] {1, 64}, new double[64]);
    assertEquals(3 + 1 + 64 + 1, quiet("inspect ./x.npy").lines().size());
  }

  /** Pieces of rows and of channels come to what whole ones do. */
  @Test
  void chunksDoNotShow() {
    int count = (1 << 20) + 3;
    byte[] values = new byte[2 * count];
    Arrays.fill(values, (byte) 1);
    values[count - 1] = 5;
    values[2 * count - 1] = -7;
    npy("x.npy", "|i1", false, "(1, 2, %d)".formatted(count), values);
    List<String> lines = found(quiet("inspect ./x.npy"));
    assertEquals(sha256("|i1 (1, 2, %d)".formatted(count), values), lines.get(2));
    assertTrue(lines.get(4).startsWith("0          1    5  "), lines::toString);
    assertTrue(lines.get(5).startsWith("1         -7    1  "), lines::toString);
  }

  @Test
  void everyMemberOfAnNpzHasItsBlock() {
    npz(
        "x.npz",
        npz -> {
          npz.floats("x", new float[] {1, 2, 3, 4}, 2, 2);
          npz.int64("n", 7);
        });
    String[] x = {
      "x.npz:x: f4 little-endian, C order, 16 bytes of values",
      "shape 2×2: 2 channels (axis 1) of 2 values",
      sha256("<f4 (2, 2)", floats(1, 2, 3, 4)),
      "channel  min  max  mean  |mean|/std  lost one-pass  two-pass  bf16",
      "0        1.0  3.0   2.0       2.000            0.7       0.3   5.2",
      "1        2.0  4.0   3.0       3.000            1.0       0.5   5.3",
      "in danger: none of 2 channels (7.2 digits to lose, eps 1e-05)"
    };
    String all =
        String.join(
            "\n",
            "x.npz: NPZ, 2 members, " + bytes("x.npz").length + " bytes",
            "",
            String.join("\n", x),
            "",
            "x.npz:n: i8 little-endian, C order, 8 bytes of values",
            "value 7",
            sha256("<i8 ()", longs(7)));
    inspects("./x.npz", all);
    inspects("./x.npz:x", x);
    assertEquals("npz", json("./x.npz:x").get("format"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"mean variance", "running_mean running_var", "mean"})
  void statisticsAreCalledSo(String members) {
    npz(
        "s.npz",
        npz -> {
          for (String member : members.split(" ", -1)) {
            npz.doubles(member, new double[] {1, 2}, 2);
          }
        });
    String holds =
        switch (members) {
          case "mean" -> "";
          case "mean variance" -> ", statistics of a batch";
          default -> ", running statistics";
        };
    String first = found(quiet("inspect ./s.npz")).get(0);
    assertTrue(first.endsWith(" bytes" + holds), first);
  }

  @Test
  void whatForwardSavesIsKnown() {
    text("x.csv", "1\n2\n");
    quiet("forward ./x.csv -o ./y.csv --running new --save ./s.npz");
    assertEquals("statistics of a batch and running statistics", json("./s.npz").get("holds"));
  }

  @Test
  void aStateIsDescribedAndItsLimbsAreNot() {
    npz(
        "s.npz",
        npz -> {
          npz.int64("state", 1);
          npz.int64s("count", new long[] {150, 150, 150}, 3);
          npz.member("sum_x", NumberType.U64, 1).write(littleEndian(longs(9)));
        });
    List<String> lines = found(quiet("inspect ./s.npz"));
    assertTrue(lines.get(0).endsWith(", exact sums of 3 channels, 150 values each"), lines.get(0));
    assertEquals(
        List.of(
            "s.npz:sum_x: u8 little-endian, C order, 8 bytes of values",
            "shape 1",
            sha256("<u8 (1,)", longs(9))),
        lines.subList(lines.size() - 3, lines.size()));
    npz(
        "s.npz",
        npz -> {
          npz.int64("state", 1);
          npz.int64s("count", new long[] {0, 1}, 2);
        });
    assertEquals("exact sums of 2 channels, 0 to 1 value each", json("./s.npz").get("holds"));
    npz("s.npz", npz -> npz.int64("state", 1));
    assertEquals("exact sums", json("./s.npz").get("holds"));
  }

  @Test
  void aMemberThatCannotBeReadHidesNoOther() {
    npz(
        "x.npz",
        npz -> {
          npz.floats("flat", new float[] {1, 2}, 2);
          npz.floats("x", new float[] {1, 2, 3, 4}, 1, 2, 2);
        });
    CommandLineRun run = run("inspect ./x.npz --layout NLC --json");
    assertEquals(ExitCode.INPUT, run.code());
    assertEquals(
        List.of(
            "batchnorm: x.npz: expected to read 2 members, found 1 that cannot be read or do not fit"
                + " the options: x.npz:flat",
            "hint: file.npz:member inspects one"),
        run.error());
    Map<?, ?> report = Json.object(run.out());
    assertEquals(Set.of("name", "error"), array(report, 0).keySet());
    assertEquals("shape: expected 3 axes (layout NLC), found 2", array(report, 0).get("error"));
    assertEquals(2.0, array(report, 1).get("channel_axis"));
  }

  @Test
  void pickledObjectsAreListedWithTheReason() throws IOException {
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(path("x.npz")))) {
      zip.putNextEntry(new ZipEntry("o.npy"));
      zip.write(npyBytes("|O", false, "(1,)", new byte[9]));
      zip.putNextEntry(new ZipEntry("c.npy"));
      zip.write(npyBytes("<c16", false, "(1,)", new byte[16]));
      zip.putNextEntry(new ZipEntry("x.npy"));
      zip.write(npyBytes("<f8", false, "()", doubles(1)));
    }
    CommandLineRun run = run("inspect ./x.npz");
    assertEquals(ExitCode.INPUT, run.code());
    assertEquals(
        "batchnorm: x.npz: expected to read 3 members, found 2 that cannot be read or do not fit"
            + " the options: x.npz:o, x.npz:c",
        run.error().get(0));
    List<String> lines = found(run);
    assertEquals(
        "x.npz:o: not read: expected numbers, found pickled objects (dtype '|O')", lines.get(2));
    assertEquals(
        "x.npz:c: not read: expected real numbers (f2, f4, f8, i1 to i8, u1 to u8, b1), found dtype"
            + " '<c16'",
        lines.get(4));
    assertEquals("value 1.0", lines.get(7));
    refused(
        ExitCode.INPUT,
        "inspect ./x.npz:o",
        "batchnorm: x.npz:o: expected numbers, found pickled objects (dtype '|O')",
        "hint: pickles can run code and are never read; numpy.save the numbers alone");
  }

  @Test
  void jsonHasEverything() {
    npy("x.npy", DType.F32, new long[] {2, 1}, 1, 3);
    Map<?, ?> report = json("./x.npy");
    assertEquals(Set.of("file", "format", "bytes", "arrays"), report.keySet());
    assertEquals(path("x.npy").toString(), report.get("file"));
    assertEquals("npy", report.get("format"));
    assertEquals(136.0, report.get("bytes"));
    assertEquals(
        Set.of(
            "name",
            "dtype",
            "shape",
            "sha256",
            "descriptor",
            "fortran_order",
            "channel_axis",
            "rounded",
            "channels",
            "digits",
            "eps",
            "in_danger"),
        array(report, 0).keySet());
    assertEquals("f32", array(report, 0).get("dtype"));
    assertEquals("<f4", array(report, 0).get("descriptor"));
    assertEquals(List.of(2.0, 1.0), array(report, 0).get("shape"));
    assertEquals(
        sha256("<f4 (2, 1)", floats(1, 3)),
        "sha256 " + array(report, 0).get("sha256") + " <f4 (2, 1)");
    Map<?, ?> channel = channel(report, 0);
    assertEquals(
        List.of(
            "channel",
            "count",
            "min",
            "max",
            "nan",
            "positive_infinity",
            "negative_infinity",
            "mean",
            "variance",
            "constant",
            "mean_over_std",
            "digits_lost",
            "loses_all",
            "condition",
            "digits_lost_two_pass",
            "digits_lost_bf16",
            "least_variance",
            "flags"),
        List.copyOf(channel.keySet()));
    assertEquals(1.0, channel.get("min"));
    assertEquals(3.0, channel.get("max"));
    assertEquals(2.0, channel.get("mean"));
    assertEquals(1.0, channel.get("variance"));
    assertEquals(2.0, channel.get("mean_over_std"));
    assertEquals(Math.sqrt(5), channel.get("condition"));
    assertEquals(Math.log10(5) / 2, (Double) Json.get(channel, "digits_lost_two_pass"), 1e-15);
    assertEquals(List.of(), channel.get("flags"));
    double least = (Double) Json.get((Map<?, ?>) Json.get(channel, "least_variance"), "one_by_one");
    assertEquals(1 - 8 * 5 * 0x1p-24, least, 12 * 0x1p-24);
    assertEquals(24 * Math.log10(2), (Double) Json.get(array(report, 0), "digits"), 1e-15);
    assertEquals(1e-5, array(report, 0).get("eps"));
    assertEquals(0.0, array(report, 0).get("in_danger"));
  }

  @Test
  void epsIsTheUsersChoice() {
    npy("x.npy", DType.F32, new long[] {2, 3}, 1, -1, 10, 3, 1, 10);
    assertEquals(List.of(), channel(json("./x.npy"), 0).get("flags"));
    Map<?, ?> report = json("./x.npy --eps 1.5");
    assertEquals(List.of("eps_dominates"), channel(report, 0).get("flags"));
    assertEquals(List.of("eps_dominates"), channel(report, 1).get("flags"));
    assertEquals(List.of("constant", "negative_variance"), channel(report, 2).get("flags"));
    assertEquals(
        List.of("constant", "variance_below_eps"),
        channel(json("./x.npy --eps 0"), 2).get("flags"));
    assertEquals(3.0, array(report, 0).get("in_danger"));
    for (String wrong : List.of("-1", "inf", "nan", "x")) {
      refused(
          ExitCode.USAGE,
          "inspect ./x.npy --eps " + wrong,
          "batchnorm: --eps: expected a finite number ≥ 0, found " + wrong);
    }
  }

  /** Channels of any layout and order of axes, in f16, f32, f64 and text, have the same flags. */
  @Test
  void flagsDoNotDependOnHowTheArrayIsStored() {
    // Channels: near 2000 ± 1, plain, all NaN.
    npy("x.npy", DType.F64, new long[] {2, 3}, 1999, -1, Double.NaN, 2001, 1, Double.NaN);
    npy("nhwc.npy", DType.F16, new long[] {1, 2, 1, 3}, 1999, -1, Double.NaN, 2001, 1, Double.NaN);
    npy("ncl.npy", DType.F32, new long[] {1, 3, 2}, 1999, 2001, -1, 1, Double.NaN, Double.NaN);
    byte[] fortran = floats(1999, 2001, -1, 1, Float.NaN, Float.NaN);
    npy("fortran.npy", "<f4", true, "(2, 3)", fortran);
    text("x.csv", "1999,-1,nan\n2001,1,nan\n");
    for (String line :
        List.of("x.npy", "nhwc.npy --layout NHWC", "ncl.npy", "fortran.npy", "x.csv")) {
      Map<?, ?> report = json("./" + line);
      assertEquals(
          List.of("variance_below_eps", "bf16_loses_all", "f16_overflow_of_squares"),
          channel(report, 0).get("flags"),
          line);
      assertEquals(List.of(), channel(report, 1).get("flags"), line);
      assertEquals(List.of("not_finite"), channel(report, 2).get("flags"), line);
    }
    npy("x.npy", DType.F64, new long[] {0, 2});
    assertEquals(List.of(), channel(json("./x.npy"), 1).get("flags"));
    npy("u.npy", "<u8", false, "(2,)", longs(-1, 1));
    assertEquals(List.of("f32_overflow", "f16_overflow"), channel(json("./u.npy"), 0).get("flags"));
  }

  /** A million values near 10: harmless rounded once, not where each addition rounds. */
  @Test
  void longSumsAreToldInTheLastLine() {
    byte[] values = new byte[1 << 20];
    for (int i = 0; i < values.length; i++) {
      values[i] = (byte) (9 + i % 3);
    }
    npy("x.npy", "|i1", false, "(1, 1, %d)".formatted(values.length), values);
    List<String> lines = found(quiet("inspect ./x.npy"));
    assertEquals(
        "in danger: 1 of 1 channel (15.9 digits to lose, eps 1e-05): 1 f16 overflow of sums; 1 more"
            + " if f32 sums are added up one by one",
        lines.get(5));
  }

  @Test
  void refusals() {
    npy("x.npy", DType.F32, new long[] {2, 1}, 1, 3);
    text("x.csv", "a,b\n1,n/a\n");
    refused(
        ExitCode.INPUT,
        "inspect ./x.npy --channel-axis 2",
        "batchnorm: x.npy: channel axis: expected -2 to 1 (shape 2×1), found 2");
    refused(
        ExitCode.INPUT,
        "inspect ./x.csv",
        "batchnorm: x.csv:2:2: expected a number, found \"n/a\"",
        "hint: --missing nan reads empty cells as NaN");
    refused(
        ExitCode.INPUT,
        "inspect ./x.npy --header yes",
        "batchnorm: x.npy: expected CSV or TSV (for --columns, --exclude, --delimiter, --comment,"
            + " --header or --missing), found NPY");
    refused(
        ExitCode.INPUT,
        "inspect ./nope.npy",
        "batchnorm: nope.npy: expected a readable file, found no such file or directory");
    refused(
        ExitCode.USAGE,
        "inspect",
        "batchnorm: expected FILE, found none",
        "hint: batchnorm inspect --help");
    npy("wide.npy", "<f8", false, "(0, %d)".formatted(Integer.MAX_VALUE));
    refused(
        ExitCode.INPUT,
        "inspect ./wide.npy",
        "batchnorm: wide.npy: expected at most 65536 channels in an array without values, found"
            + " 2147483647 (shape 0×2147483647)");
  }
}
