package dev.batchnorm.format;

import static dev.batchnorm.format.Refusals.hint;
import static dev.batchnorm.format.Refusals.input;
import static dev.batchnorm.format.Refusals.refusal;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.ExactSums.Register;
import dev.batchnorm.InputException;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.format.npy.NpySink;
import dev.batchnorm.format.npz.NpzFile;
import dev.batchnorm.format.npz.NpzWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;

class StateFileTest {
  private static final BatchNorm NORM = BatchNorm.builder().build();
  private static final List<String> MEMBERS =
      List.of(
          "state",
          "count",
          "flags",
          "sum_x_exponent",
          "sum_x_limbs",
          "sum_x",
          "sum_xx_exponent",
          "sum_xx_limbs",
          "sum_xx",
          "mean",
          "variance");

  // Writing

  private static byte[] write(ExactSums sums) {
    return write(sums, NORM.statistics(sums));
  }

  private static byte[] write(ExactSums sums, Statistics statistics) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (NpzWriter npz = new NpzWriter(AtomicOutput.standardOutput(bytes))) {
      StateFile.write(npz, sums, statistics);
      npz.finish();
    }
    return bytes.toByteArray();
  }

  private static ExactSums read(byte[] bytes) {
    try (NpzFile npz = NpzFile.open(input("s.npz", bytes))) {
      return StateFile.read(npz);
    }
  }

  /** Rows of channels. */
  private static ExactSums sums(DType type, double[]... rows) {
    return sums(type, rows.length == 0 ? 0 : rows[0].length, rows);
  }

  private static ExactSums sums(DType type, int channels, double[]... rows) {
    Batch batch = Batch.zeros(Shape.of(Layout.NC, rows.length, channels), type);
    for (int r = 0; r < rows.length; r++) {
      for (int c = 0; c < channels; c++) {
        batch.values().set(r * channels + c, rows[r][c]);
      }
    }
    return NORM.sums(batch);
  }

  private static double[] row(double... channels) {
    return channels;
  }

  private static final double[][] SMALL = {
    row(1, Double.NaN, 0, 0.1), row(-2.5, 1, 0, -0x1p300), row(3, Double.NEGATIVE_INFINITY, 0, 7)
  };

  @Test
  void theMembersAreAsDescribed() {
    byte[] bytes = write(sums(DType.F64, SMALL));
    try (NpzFile npz = NpzFile.open(input("s.npz", bytes))) {
      assertTrue(StateFile.isState(npz));
      assertEquals(MEMBERS, npz.members());
      assertEquals(0, npz.array("state").sizes().length);
      assertArrayEquals(new long[] {1}, longs(npz, "state"));
      assertArrayEquals(new long[] {3, 3, 3, 3}, longs(npz, "count"));
      assertEquals(NumberType.U8, npz.array("flags").type());
      assertArrayEquals(new double[] {0, 5, 0, 0}, npz.array("flags").values());
      assertArrayEquals(new long[] {-1, 0, 0, -55}, longs(npz, "sum_x_exponent"));
      assertArrayEquals(new long[] {1, 0, 0, 6}, longs(npz, "sum_x_limbs"));
      assertEquals(NumberType.U64, npz.array("sum_x").type());
      assertEquals(7, npz.array("sum_x").count());
      assertEquals(3, longs(npz, "sum_x")[0]); // 1.5
      assertArrayEquals(new long[] {-2, 0, 0, -110}, longs(npz, "sum_xx_exponent"));
      assertArrayEquals(new long[] {1, 0, 0, 12}, longs(npz, "sum_xx_limbs"));
      assertEquals(65, longs(npz, "sum_xx")[0]); // 16.25
      assertArrayEquals(
          new double[] {0.5, Double.NaN, 0, -0x1p300 / 3}, npz.array("mean").values());
      assertEquals(5.166666666666667, npz.array("variance").values()[0]);
    }
  }

  private static long[] longs(NpzFile npz, String member) {
    StoredArray array = npz.array(member);
    long[] values = new long[(int) array.count()];
    array.read(0, values.length).asLongBuffer().get(values);
    return values;
  }

  /** As numpy and fractions read it, from what the members are described to be. */
  private static List<BigDecimal> described(byte[] bytes, String member) {
    List<BigDecimal> sums = new ArrayList<>();
    try (NpzFile npz = NpzFile.open(input("s.npz", bytes))) {
      long[] exponents = longs(npz, member + "_exponent");
      long[] counts = longs(npz, member + "_limbs");
      long[] limbs = longs(npz, member);
      int at = 0;
      for (int c = 0; c < exponents.length; c++) {
        BigInteger integer = BigInteger.ZERO;
        for (int i = 0; i < counts[c]; i++, at++) {
          BigInteger limb =
              i == counts[c] - 1
                  ? BigInteger.valueOf(limbs[at])
                  : new BigInteger(Long.toUnsignedString(limbs[at]));
          integer = integer.add(limb.shiftLeft(64 * i));
        }
        BigDecimal power = new BigDecimal(BigInteger.TWO.pow((int) Math.abs(exponents[c])));
        BigDecimal odd = new BigDecimal(integer);
        sums.add(exponents[c] < 0 ? odd.divide(power) : odd.multiply(power));
      }
    }
    return sums;
  }

  @Test
  void theSumsAreThoseOfDecimalArithmetic() {
    Random random = new Random(2);
    double[] extremes = {Double.MAX_VALUE, -Double.MAX_VALUE, Double.MIN_VALUE, -Double.MIN_VALUE};
    for (int i = 0; i < 100; i++) {
      double[][] rows = new double[1 + random.nextInt(6)][1];
      BigDecimal sum = BigDecimal.ZERO;
      BigDecimal squares = BigDecimal.ZERO;
      for (double[] row : rows) {
        do {
          row[0] =
              random.nextInt(3) == 0
                  ? extremes[random.nextInt(4)]
                  : Double.longBitsToDouble(random.nextLong());
        } while (!Double.isFinite(row[0]));
        BigDecimal value = new BigDecimal(row[0]);
        sum = sum.add(value);
        squares = squares.add(value.multiply(value));
      }
      ExactSums written = sums(DType.F64, rows);
      byte[] bytes = write(written);
      assertEquals(0, sum.compareTo(described(bytes, "sum_x").get(0)));
      assertEquals(0, squares.compareTo(described(bytes, "sum_xx").get(0)));
      ExactSums read = read(bytes);
      assertEquals(written, read);
      assertArrayEquals(bytes, write(read));
    }
  }

  @Test
  void sumsOfManyChannelsAreReadAsWritten() {
    Random random = new Random(5);
    double[][] rows = new double[2][9000];
    for (double[] row : rows) {
      for (int c = 0; c < row.length; c++) {
        row[c] = Math.scalb(random.nextGaussian(), random.nextInt(200) - 100);
      }
    }
    ExactSums written = sums(DType.F32, rows);
    byte[] bytes = write(written);
    ExactSums read = read(bytes);
    assertEquals(written, read);
    assertArrayEquals(bytes, write(read));
  }

  @Test
  void theBytesDoNotDependOnTheEnginesNaN() {
    ExactSums sums = sums(DType.F64, SMALL);
    Statistics statistics = NORM.statistics(sums);
    double[] mean = statistics.mean().clone();
    mean[1] = Double.longBitsToDouble(0xfff8_0000_0000_0001L);
    Statistics other =
        new Statistics(
            mean,
            statistics.meanLo(),
            statistics.variance(),
            statistics.inverseStd(),
            statistics.count(),
            1,
            sums);
    assertArrayEquals(write(sums, statistics), write(sums, other));
  }

  @Test
  void sumsOfGradientsAreRefused() {
    ExactSums sums = ExactSums.statistics(1, DType.F32);
    Statistics statistics = NORM.statistics(sums);
    sums.flags()[0] = ExactSums.PRODUCT_NOT_FINITE;
    try (NpzWriter npz = new NpzWriter(AtomicOutput.standardOutput(new ByteArrayOutputStream()))) {
      assertEquals(
          "sums: expected those of x, found those of gradients",
          String.valueOf(
              assertThrows(
                      IllegalArgumentException.class, () -> StateFile.write(npz, sums, statistics))
                  .getMessage()));
      assertEquals(
          "statistics: expected 2 channels, found 1",
          String.valueOf(
              assertThrows(
                      IllegalArgumentException.class,
                      () -> StateFile.write(npz, ExactSums.statistics(2, DType.F32), statistics))
                  .getMessage()));
    }
  }

  // Equal data, equal bytes

  @Test
  void anySplitOrderAndGroupingGivesTheSameBytes() {
    Random random = new Random(3);
    for (int set = 0; set < 10; set++) {
      double[][] rows = rows(random, 40, 5);
      ExactSums whole = sums(DType.F64, 5, rows);
      String hash = sha256(write(whole));
      Statistics statistics = NORM.statistics(whole);
      for (int i = 0; i < 100; i++) {
        List<ExactSums> shards = shards(random, rows, 5);
        while (shards.size() > 1) {
          ExactSums a = shards.remove(random.nextInt(shards.size()));
          ExactSums b = shards.remove(random.nextInt(shards.size()));
          ExactSums merged = ExactSums.merged(a, b);
          shards.add(random.nextInt(8) == 0 ? read(write(merged)) : merged);
        }
        ExactSums merged = shards.get(0);
        assertEquals(whole, merged);
        assertEquals(hash, sha256(write(merged)));
        assertBits(statistics, NORM.statistics(merged));
      }
    }
  }

  /** Values of f16: any finite ones, few, zeros, and in two channels some that are not finite. */
  private static double[][] rows(Random random, int count, int channels) {
    double[] special = {
      Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, -0.0, 65504, 0x1p-24
    };
    double[][] rows = new double[count][channels];
    for (double[] row : rows) {
      row[0] = random.nextInt(5) - 2;
      row[1] = random.nextInt(10) == 0 ? special[random.nextInt(6)] : 1;
      row[2] = random.nextInt(20) == 0 ? special[1 + random.nextInt(2)] : 0;
      for (int c = 4; c < channels; c++) {
        do {
          row[c] = DType.F16.fromBits(random.nextInt(1 << 16));
        } while (!Double.isFinite(row[c]));
      }
    }
    return rows;
  }

  private static List<ExactSums> shards(Random random, double[][] rows, int channels) {
    List<List<double[]>> parts = new ArrayList<>();
    int count = 1 + random.nextInt(7);
    for (int i = 0; i < count; i++) {
      parts.add(new ArrayList<>());
    }
    for (double[] row : rows) {
      parts.get(random.nextInt(1 + random.nextInt(count))).add(row);
    }
    List<ExactSums> shards = new ArrayList<>();
    for (List<double[]> part : parts) {
      DType type = DType.values()[random.nextInt(3)];
      shards.add(sums(type, channels, part.toArray(new double[0][])));
    }
    return shards;
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void assertBits(Statistics expected, Statistics found) {
    assertArrayEquals(bits(expected.mean()), bits(found.mean()));
    assertArrayEquals(bits(expected.meanLo()), bits(found.meanLo()));
    assertArrayEquals(bits(expected.variance()), bits(found.variance()));
    assertArrayEquals(bits(expected.inverseStd()), bits(found.inverseStd()));
    assertArrayEquals(expected.count(), found.count());
  }

  private static long[] bits(double... values) {
    return Arrays.stream(values).mapToLong(Double::doubleToRawLongBits).toArray();
  }

  // Reading

  @Test
  void sumsAreReadIntoTheNarrowestFormat() {
    ExactSums f32 = sums(DType.F32, row(Float.MAX_VALUE), row(Float.MAX_VALUE));
    assertEquals(Register.F32, read(write(f32)).linear());
    assertEquals(f32, read(write(f32)));
    for (double[][] rows :
        List.of(
            new double[][] {row(0x1p129)},
            new double[][] {row(0x1p-150)},
            new double[][] {row(0x1p64), row(0x1p130), row(-0x1p130)},
            new double[][] {row(1, 0x1p-149), row(2, 0x1p-151), row(3, 0x1p-151)},
            new double[][] {row(1, -0x1.2p-75), row(2, 0x1.000001p-126)})) {
      ExactSums f64 = sums(DType.F64, rows);
      ExactSums read = read(write(f64));
      assertEquals(f64, read);
      assertEquals(Register.F64, read.linear());
      assertEquals(Register.F64_PRODUCT, read.product());
    }
  }

  @Test
  void noValuesAndNoChannelsAreStates() {
    for (int channels : new int[] {0, 1, 3}) {
      ExactSums empty = ExactSums.statistics(channels, DType.F64);
      ExactSums read = read(write(empty));
      assertEquals(channels, read.channels());
      assertEquals(empty, read);
    }
  }

  @Test
  void theMostValuesOfTheLargestSizeAreRead() {
    ExactSums sums = ExactSums.statistics(1, DType.F64);
    BigInteger m = BigInteger.valueOf(Long.MAX_VALUE);
    BigInteger most = new BigDecimal(Double.MAX_VALUE).toBigIntegerExact();
    sums.counts()[0] = Long.MAX_VALUE;
    sums.addLinear(0, limbs(most.multiply(m).negate().shiftLeft(1074), 34));
    sums.addProduct(0, limbs(most.multiply(most).multiply(m).shiftLeft(2148), 67));
    ExactSums read = read(write(sums));
    assertEquals(sums, read);
    assertTrue(read.isConstant(0));
  }

  private static long[] limbs(BigInteger integer, int count) {
    long[] limbs = new long[count];
    for (int i = 0; i < count; i++) {
      limbs[i] = integer.shiftRight(64 * i).longValue();
    }
    return limbs;
  }

  @Test
  void anyOrderOfMembersAndDeflatedOnesAreRead() {
    Members members = new Members(1, 1, 0, 1, 0);
    byte[] count = members.remove("count");
    members.put("count", count);
    ExactSums sums = read(members.zip());
    assertEquals(sums(DType.F32, row(1)), sums);
    assertArrayEquals(write(sums), write(read(write(sums))));
  }

  // Refusals

  /** The members of a state of one channel, to be changed. */
  private static final class Members extends LinkedHashMap<String, byte[]> {
    private static final long serialVersionUID = 1;

    Members(long count, long x, long exponent, long xx, long exponentOfXx) {
      set("state", "<i8", new long[] {1});
      longs("count", count);
      flags(0);
      longs("sum_x_exponent", exponent);
      longs("sum_x_limbs", x == 0 ? 0 : 1);
      limbs("sum_x", x == 0 ? new long[0] : new long[] {x});
      longs("sum_xx_exponent", exponentOfXx);
      longs("sum_xx_limbs", xx == 0 ? 0 : 1);
      limbs("sum_xx", xx == 0 ? new long[0] : new long[] {xx});
      set("mean", "<f8", new long[1], 1);
      set("variance", "<f8", new long[1], 1);
    }

    Members set(String member, String descriptor, long[] values, long... sizes) {
      byte[] header = NpySink.header(descriptor, sizes);
      ByteBuffer npy = ByteBuffer.allocate(header.length + values.length * Long.BYTES);
      npy.put(header).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer().put(values);
      put(member, npy.array());
      return this;
    }

    Members longs(String member, long... values) {
      return set(member, "<i8", values, values.length);
    }

    Members limbs(String member, long... values) {
      return set(member, "<u8", values, values.length);
    }

    Members flags(int... flags) {
      byte[] header = NpySink.header("|u1", flags.length);
      byte[] npy = Arrays.copyOf(header, header.length + flags.length);
      for (int i = 0; i < flags.length; i++) {
        npy[header.length + i] = (byte) flags[i];
      }
      put("flags", npy);
      return this;
    }

    Members without(String member) {
      remove(member);
      return this;
    }

    byte[] zip() {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
        for (Map.Entry<String, byte[]> member : entrySet()) {
          zip.putNextEntry(new ZipEntry(member.getKey() + ".npy"));
          zip.write(member.getValue());
          zip.closeEntry();
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return bytes.toByteArray();
    }
  }

  private static Members one() {
    return new Members(1, 1, 0, 1, 0);
  }

  private static void assertRefused(String expected, Members members) {
    assertEquals(expected, refusal(() -> read(members.zip())));
  }

  @Test
  void otherVersionsAreRefused() {
    assertRefused(
        "s.npz:state: expected state version 1, found 2",
        one().set("state", "<i8", new long[] {2}));
    byte[] newer = one().set("state", "<i8", new long[] {2}).without("sum_x").zip();
    assertEquals("a newer batchnorm wrote it", hint(() -> read(newer)));
    assertRefused(
        "s.npz:state: expected state version 1, found -1",
        one().set("state", "<i8", new long[] {-1}));
  }

  @Test
  void foreignFilesAreRefused() {
    assertRefused(
        "s.npz:state: expected the version of a state (i64, no axes), found f64 of shape 2×1",
        one().set("state", "<f8", new long[2], 2, 1));
    assertRefused(
        "s.npz:state: expected the version of a state (i64, no axes), found f64, no axes",
        one().set("state", "<f8", new long[1]));
    assertRefused(
        "s.npz:state: expected real numbers (f2, f4, f8, i1 to i8, u1 to u8, b1), found dtype '<U2'",
        one().set("state", "<U2", new long[1]));
    Members mean = one();
    mean.keySet().retainAll(List.of("mean", "variance"));
    try (NpzFile npz = NpzFile.open(input("s.npz", mean.zip()))) {
      assertFalse(StateFile.isState(npz));
      assertEquals(
          "s.npz: expected a member \"state\", found mean, variance",
          refusal(() -> StateFile.read(npz)));
    }
  }

  @Test
  void missingAndFurtherMembersAreRefused() {
    for (String member : MEMBERS) {
      Members members = one().without(member);
      assertRefused(
          "s.npz: expected a member \""
              + member
              + "\", found "
              + String.join(", ", members.keySet()),
          members);
    }
    assertRefused(
        "s.npz: expected the 11 members of a state alone, found also \"eps\"",
        one().set("eps", "<f8", new long[1]));
  }

  @Test
  void otherTypesShapesAndLengthsAreRefused() {
    assertRefused(
        "s.npz:count: expected i64, one axis of at most 134217727 channels, found i64, no axes",
        one().set("count", "<i8", new long[1]));
    assertRefused(
        "s.npz:count: expected i64, one axis of at most 134217727 channels, found u64 of shape 1",
        one().limbs("count", 1));
    assertRefused("s.npz:flags: expected u8 of shape 1, found u8 of shape 2", one().flags(0, 0));
    for (String member : MEMBERS.subList(3, 11)) {
      String type =
          List.of("sum_x", "sum_xx").contains(member)
              ? "u64"
              : List.of("mean", "variance").contains(member) ? "f64" : "i64";
      String descriptor = "<" + type.charAt(0) + "8";
      assertRefused(
          "s.npz:" + member + ": expected " + type + " of shape 1, found " + type + " of shape 2",
          one().set(member, descriptor, new long[2], 2));
      assertRefused(
          "s.npz:" + member + ": expected " + type + " of shape 1, found " + type + " of shape 1×1",
          one().set(member, descriptor, new long[1], 1, 1));
      assertRefused(
          "s.npz:" + member + ": expected " + type + " of shape 1, found bool of shape 8",
          one().set(member, "|b1", new long[1], 8));
    }
  }

  @Test
  void countsAndFlagsOfNoDataAreRefused() {
    assertRefused(
        "s.npz:count: expected 0 to 2^63 − 1 values, found -1 at channel 0",
        new Members(-1, 0, 0, 0, 0));
    assertRefused(
        "s.npz:flags: expected 0 to 7 (NaN 1, +inf 2, -inf 4), found 8 at channel 0",
        new Members(9, 0, 0, 0, 0).flags(8));
    assertRefused(
        "s.npz:flags: expected 0 to 7 (NaN 1, +inf 2, -inf 4), found 255 at channel 0",
        new Members(9, 0, 0, 0, 0).flags(255));
    assertRefused(
        "s.npz:flags: expected at most one flag for each of 0 values, found 4 at channel 0",
        new Members(0, 0, 0, 0, 0).flags(4));
    assertRefused(
        "s.npz:flags: expected at most one flag for each of 2 values, found 7 at channel 0",
        new Members(2, 0, 0, 0, 0).flags(7));
    assertRefused(
        "s.npz:sum_x_limbs: expected 0 (count is 0), found 1 at channel 0",
        new Members(0, 1, 0, 1, 0));
    assertRefused(
        "s.npz:sum_xx_limbs: expected 0 (count is 0), found 1 at channel 0",
        new Members(0, 0, 0, 1, 0));
    assertRefused(
        "s.npz:sum_x_limbs: expected 0 (flags is 1), found 1 at channel 0", one().flags(1));
  }

  @Test
  void sumsOfAnotherFormAreRefused() {
    assertRefused(
        "s.npz:sum_x: expected an odd integer, found an even one at channel 0",
        new Members(4, 2, 0, 1, 0));
    assertRefused(
        "s.npz:sum_xx: expected an odd integer, found an even one at channel 0",
        new Members(4, 1, 0, -2, 0));
    assertRefused(
        "s.npz:sum_x: expected an odd integer, found an even one at channel 0",
        one().limbs("sum_x", 0));
    assertRefused(
        "s.npz:sum_x: expected the fewest limbs, 1 for this sum, found 2 at channel 0",
        one().longs("sum_x_limbs", 2).limbs("sum_x", -3, -1));
    assertRefused(
        "s.npz:sum_xx: expected the fewest limbs, 1 for this sum, found 3 at channel 0",
        one().longs("sum_xx_limbs", 3).limbs("sum_xx", 3, 0, 0));
    assertRefused(
        "s.npz:sum_x_limbs: expected 0 to 34 limbs, found 35 at channel 0",
        one().longs("sum_x_limbs", 35));
    assertRefused(
        "s.npz:sum_xx_limbs: expected 0 to 67 limbs, found 68 at channel 0",
        one().longs("sum_xx_limbs", 68));
    assertRefused(
        "s.npz:sum_x_limbs: expected 0 to 34 limbs, found -9223372036854775808 at channel 0",
        one().longs("sum_x_limbs", Long.MIN_VALUE));
    assertRefused(
        "s.npz:sum_xx: expected u64 of shape 67, found u64 of shape 1",
        one().longs("sum_xx_limbs", 67));
  }

  @Test
  void exponentsOutOfRangeAreRefused() {
    assertRefused(
        "s.npz:sum_x_exponent: expected 0 (the sum is 0), found 1 at channel 0",
        new Members(1, 0, 1, 0, 0));
    for (long exponent : new long[] {-1075, 1087, Long.MIN_VALUE, Long.MAX_VALUE}) {
      assertRefused(
          "s.npz:sum_x_exponent: expected -1074 to 1086, found " + exponent + " at channel 0",
          new Members(1, 1, exponent, 1, 0));
    }
    for (long exponent : new long[] {-2149, 2111, 1L << 32}) {
      assertRefused(
          "s.npz:sum_xx_exponent: expected -2148 to 2110, found " + exponent + " at channel 0",
          new Members(1, 1, 0, 1, exponent));
    }
  }

  @Test
  void sumsThatNoDataHaveAreRefused() {
    assertRefused(
        "s.npz:sum_x: expected a sum of 1 values below 2^1024, found 2^1025 or more at channel 0",
        new Members(1, -3, 1024, 1, 2000));
    assertRefused(
        "s.npz:sum_xx: expected a sum of 6 values below 2^2048, found 2^2050 or more at channel 0",
        new Members(6, 1, 0, 7, 2048));
    assertRefused(
        "s.npz:sum_xx: expected a sum ≥ 0, found a negative one at channel 0",
        new Members(1, 1, 0, -1, 0));
    assertRefused(
        "s.npz:sum_xx: expected count · sum_xx ≥ sum_x², found less at channel 0",
        new Members(2, 3, 7, 9, 12));
    assertRefused(
        "s.npz:sum_xx: expected count · sum_xx ≥ sum_x², found less at channel 0",
        new Members(1, 1, -1074, 0, 0));
    read(new Members(4, 3, 7, 9, 12).zip());
    read(new Members(6, 1, 0, 3, 2049).zip());
  }

  @Test
  void refusalsNameTheChannel() {
    Members members = one();
    members.longs("count", 1, 1).flags(0, 0);
    for (String member : List.of("sum_x", "sum_xx")) {
      members.longs(member + "_exponent", 0, 0).longs(member + "_limbs", 1, 1).limbs(member, 1, 2);
    }
    members.set("mean", "<f8", new long[2], 2).set("variance", "<f8", new long[2], 2);
    assertRefused("s.npz:sum_x: expected an odd integer, found an even one at channel 1", members);
  }

  @Test
  void cutShortAnywhereIsRefused() {
    byte[] bytes = write(sums(DType.F64, SMALL));
    for (int length = 0; length < bytes.length; length++) {
      byte[] cut = Arrays.copyOf(bytes, length);
      refusal(() -> read(cut));
    }
  }

  @Test
  void anyOverwrittenByteGivesARefusalOrTheSameSums() {
    Random random = new Random(4);
    ExactSums sums = sums(DType.F64, SMALL);
    byte[] bytes = write(sums);
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    for (int at = 0; at < bytes.length; at++) {
      // The members themselves; what is around them are headers of the ZIP.
      boolean inside = text.lastIndexOf("\u0093NUMPY", at) > text.lastIndexOf("PK", at);
      for (int i = 0; i < 3; i++) {
        byte[] damaged = bytes.clone();
        damaged[at] ^= (byte) (1 + random.nextInt(255));
        try {
          assertEquals(sums, read(damaged), "byte " + at);
          assertFalse(inside, "byte " + at);
        } catch (InputException e) {
          assertTrue(String.valueOf(e.getMessage()).startsWith("s.npz"), "byte " + at);
        }
      }
    }
  }
}
