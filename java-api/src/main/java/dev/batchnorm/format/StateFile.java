package dev.batchnorm.format;

import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.ExactSums.Register;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.format.npz.NpzFile;
import dev.batchnorm.format.npz.NpzWriter;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The exact sums Σx and Σx² of a data set in an NPZ file, to be merged with those of others. Equal
 * data give equal bytes: nothing depends on type, order, grouping or engine.
 *
 * <p>The members, in this order; all have one value per channel but {@code state} and the limbs:
 *
 * <ul>
 *   <li>{@code state} (i64, no axes): the version, 1;
 *   <li>{@code count} (i64): m, values that are not finite included;
 *   <li>{@code flags} (u8): 1 saw a NaN, 2 +∞, 4 −∞; the sums of a channel with flags are 0;
 *   <li>{@code sum_x_exponent} (i64), {@code sum_x_limbs} (i64), {@code sum_x} (u64): Σx = M·2^E
 *       with M odd; E; the number of limbs of M; and the limbs of all channels one after the other,
 *       each M in two's complement, least limb first, in the fewest limbs that hold it. A sum of 0
 *       has no limbs and E = 0;
 *   <li>{@code sum_xx_exponent}, {@code sum_xx_limbs}, {@code sum_xx}: Σx² likewise;
 *   <li>{@code mean}, {@code variance} (f64): F1 and F2, for people; a reader computes them again.
 * </ul>
 *
 * <p>In Python:
 *
 * <pre>{@code
 * state = numpy.load("state.npz")
 * def sums(name):  # sums("sum_x"), sums("sum_xx"): one Fraction per channel
 *     limbs = numpy.split(state[name], numpy.cumsum(state[name + "_limbs"])[:-1])
 *     return [int.from_bytes(m.tobytes(), "little", signed=True) * Fraction(2) ** int(e)
 *             for m, e in zip(limbs, state[name + "_exponent"])]
 * }</pre>
 */
public final class StateFile {
  private static final long VERSION = 1;
  private static final String VERSION_MEMBER = "state";
  private static final List<String> MEMBERS =
      List.of(
          VERSION_MEMBER,
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
  private static final int ALL_FLAGS =
      ExactSums.NAN | ExactSums.POSITIVE_INFINITY | ExactSums.NEGATIVE_INFINITY;
  private static final int BLOCK = 1 << 16;

  /** The two sums of a channel; no f32 or f64 reaches 2 to the top, nor does its square. */
  private enum Part {
    X("sum_x", Register.F32, 128, Register.F64, 1024),
    XX("sum_xx", Register.F32_PRODUCT, 256, Register.F64_PRODUCT, 2048);

    private final String member;
    private final Register narrow;
    private final int narrowTop;
    private final Register wide;
    private final int wideTop;

    Part(String member, Register narrow, int narrowTop, Register wide, int wideTop) {
      this.member = member;
      this.narrow = narrow;
      this.narrowTop = narrowTop;
      this.wide = wide;
      this.wideTop = wideTop;
    }

    Register format(ExactSums sums) {
      return this == X ? sums.linear() : sums.product();
    }

    BigInteger get(ExactSums sums, int channel) {
      if (!sums.isFinite(channel)) {
        return BigInteger.ZERO;
      }
      return this == X ? sums.linearSum(channel) : sums.productSum(channel);
    }

    void add(ExactSums sums, int channel, Sum sum) {
      Register format = format(sums);
      BigInteger integer = sum.odd.shiftLeft(sum.exponent - format.lowest());
      long[] limbs = new long[format.limbs()];
      for (int i = 0; i < limbs.length; i++) {
        limbs[i] = limb(integer, i);
      }
      if (this == X) {
        sums.addLinear(channel, limbs);
      } else {
        sums.addProduct(channel, limbs);
      }
    }
  }

  /** odd · 2^exponent, or 0. */
  private record Sum(BigInteger odd, int exponent) {
    static final Sum ZERO = new Sum(BigInteger.ZERO, 0);

    /** Whether the sum is at most count · 2^top either way. */
    boolean isWithin(long count, int top) {
      return odd.bitLength() + exponent <= top
          || odd.abs().compareTo(BigInteger.valueOf(count).shiftLeft(top - exponent)) <= 0;
    }

    /** Whether values of the narrow format can have this sum. */
    boolean isNarrow(long count, Part part) {
      return exponent >= part.narrow.lowest() && isWithin(count, part.narrowTop);
    }
  }

  private StateFile() {}

  private static long limb(BigInteger integer, int index) {
    return integer.shiftRight(index * Long.SIZE).longValue();
  }

  /** The fewest limbs that hold the integer and its sign; none for 0. */
  private static int limbs(BigInteger integer) {
    return integer.signum() == 0 ? 0 : integer.bitLength() / Long.SIZE + 1;
  }

  /**
   * Writes the members of a state, which make up the whole file.
   *
   * @param sums sums of x, made by {@link ExactSums#statistics}
   * @param statistics those of the sums
   * @throws IllegalArgumentException if the sums are those of gradients, or the channels differ
   */
  public static void write(NpzWriter npz, ExactSums sums, Statistics statistics) {
    int channels = sums.channels();
    if (statistics.channels() != channels) {
      throw new IllegalArgumentException(
          "statistics: expected " + channels + " channels, found " + statistics.channels());
    }
    ByteBuffer flags = ByteBuffer.allocate(channels);
    for (int flag : sums.flags()) {
      if ((flag & ~ALL_FLAGS) != 0) {
        throw new IllegalArgumentException("sums: expected those of x, found those of gradients");
      }
      flags.put((byte) flag);
    }
    npz.int64(VERSION_MEMBER, VERSION);
    npz.int64s("count", sums.counts(), channels);
    npz.member("flags", NumberType.U8, channels).write(flags.flip());
    for (Part part : Part.values()) {
      write(npz, part, sums);
    }
    npz.doubles("mean", withOneNaN(statistics.mean()), channels);
    npz.doubles("variance", withOneNaN(statistics.variance()), channels);
  }

  private static void write(NpzWriter npz, Part part, ExactSums sums) {
    int channels = sums.channels();
    long[] exponents = new long[channels];
    long[] counts = new long[channels];
    long all = 0;
    for (int c = 0; c < channels; c++) {
      BigInteger sum = part.get(sums, c);
      if (sum.signum() != 0) {
        int zeros = sum.getLowestSetBit();
        exponents[c] = (long) part.format(sums).lowest() + zeros;
        counts[c] = limbs(sum.shiftRight(zeros));
        all += counts[c];
      }
    }
    npz.int64s(part.member + "_exponent", exponents, channels);
    npz.int64s(part.member + "_limbs", counts, channels);
    ArraySink sink = npz.member(part.member, NumberType.U64, all);
    ByteBuffer block = ByteBuffer.allocate(BLOCK).order(ByteOrder.LITTLE_ENDIAN);
    for (int c = 0; c < channels; c++) {
      if (block.remaining() < counts[c] * Long.BYTES) {
        sink.write(block.flip());
        block.clear();
      }
      BigInteger sum = part.get(sums, c);
      BigInteger odd = sum.shiftRight(Math.max(0, sum.getLowestSetBit()));
      for (int i = 0; i < counts[c]; i++) {
        block.putLong(limb(odd, i));
      }
    }
    sink.write(block.flip());
  }

  /** The values with one NaN for all, so that engines need not agree on theirs. */
  private static double[] withOneNaN(double[] values) {
    double[] canonical = values.clone();
    for (int c = 0; c < canonical.length; c++) {
      canonical[c] = Double.isNaN(canonical[c]) ? Double.NaN : canonical[c];
    }
    return canonical;
  }

  /** Whether the file claims to be a state: it has a member {@code state}. */
  public static boolean isState(NpzFile npz) {
    return npz.members().contains(VERSION_MEMBER);
  }

  /**
   * Reads a state in any order of members, stored or deflated. Mean and variance are not read.
   *
   * @return sums in the format of f32 if values of f32 can have them, else in that of f64
   * @throws InputException if the file is no state, is damaged, or has sums that no data have
   */
  public static ExactSums read(NpzFile npz) {
    checkVersion(npz.array(VERSION_MEMBER));
    List<String> others = new ArrayList<>(npz.members());
    others.removeAll(MEMBERS);
    if (!others.isEmpty()) {
      throw new InputException(
          npz.name()
              + ": expected the "
              + MEMBERS.size()
              + " members of a state alone, found also "
              + Wording.some(others.stream().map(Wording::quoted).toList()));
    }
    return new Reader(npz).read();
  }

  private static void checkVersion(NpyArray array) {
    if (array.type() != NumberType.I64 || array.sizes().length != 0) {
      throw new InputException(
          array.name() + ": expected the version of a state (i64, no axes), found " + text(array),
          "stats --save writes states; other files may not have a member of that name");
    }
    long version = array.read(0, 1).getLong();
    if (version != VERSION) {
      throw new InputException(
          array.name() + ": expected state version " + VERSION + ", found " + version,
          version > VERSION ? "a newer batchnorm wrote it" : null,
          null);
    }
  }

  private static String text(NpyArray array) {
    return array.type().label()
        + (array.sizes().length == 0 ? ", no axes" : " of shape " + Shape.text(array.sizes()));
  }

  private static InputException refusal(
      String member, String expected, Object found, long channel) {
    return new InputException(
        member + ": expected " + expected + ", found " + found + " at channel " + channel);
  }

  private static final class Reader {
    private final NpzFile npz;
    private final int channels;
    private final Column counts;
    private final Column flags;
    private final SumColumn x;
    private final SumColumn xx;

    Reader(NpzFile npz) {
      this.npz = npz;
      NpyArray count = npz.array("count");
      long most = ExactSums.mostChannels(DType.F32);
      if (count.type() != NumberType.I64 || count.sizes().length != 1 || count.count() > most) {
        throw new InputException(
            count.name()
                + ": expected i64, one axis of at most "
                + most
                + " channels, found "
                + text(count));
      }
      channels = (int) count.count();
      counts = new Column(count);
      flags = column("flags", NumberType.U8);
      x = new SumColumn(Part.X);
      xx = new SumColumn(Part.XX);
      column("mean", NumberType.F64);
      column("variance", NumberType.F64);
    }

    private Column column(String member, NumberType type) {
      return column(member, type, channels);
    }

    private Column column(String member, NumberType type, long size) {
      NpyArray array = npz.array(member);
      if (array.type() != type || array.sizes().length != 1 || array.count() != size) {
        throw new InputException(
            array.name()
                + ": expected "
                + type.label()
                + " of shape "
                + size
                + ", found "
                + text(array));
      }
      return new Column(array);
    }

    ExactSums read() {
      ExactSums sums = ExactSums.statistics(channels, DType.F32);
      for (int c = 0; c < channels; c++) {
        long count = counts.next();
        if (count < 0) {
          throw refusal(counts.name(), "0 to 2^63 − 1 values", count, c);
        }
        int flag = (int) flags.next();
        if (flag > ALL_FLAGS) {
          throw refusal(flags.name(), "0 to 7 (NaN 1, +inf 2, -inf 4)", flag, c);
        }
        if (Integer.bitCount(flag) > count) {
          throw refusal(flags.name(), "at most one flag for each of " + count + " values", flag, c);
        }
        Sum sumX = x.next(c, count, flag);
        Sum sumXx = xx.next(c, count, flag);
        if (!isSpread(count, sumX, sumXx)) {
          throw refusal(xx.name(), "count · sum_xx ≥ sum_x²", "less", c);
        }
        if (sums.linear() == Register.F32
            && !(sumX.isNarrow(count, Part.X) && sumXx.isNarrow(count, Part.XX))) {
          sums = widened(sums);
        }
        sums.counts()[c] = count;
        sums.flags()[c] = flag;
        Part.X.add(sums, c, sumX);
        Part.XX.add(sums, c, sumXx);
      }
      return sums;
    }

    private ExactSums widened(ExactSums narrow) {
      int most = ExactSums.mostChannels(DType.F64);
      if (channels > most) {
        throw new InputException(
            counts.name() + ": expected at most " + most + " channels of f64, found " + channels);
      }
      ExactSums wide = ExactSums.statistics(channels, DType.F64);
      wide.merge(narrow);
      return wide;
    }

    /** Whether m·Σx² ≥ (Σx)², as of all real numbers. */
    private static boolean isSpread(long count, Sum x, Sum xx) {
      BigInteger left = xx.odd.multiply(BigInteger.valueOf(count));
      BigInteger right = x.odd.multiply(x.odd);
      int shift = xx.exponent - 2 * x.exponent;
      return left.shiftLeft(Math.max(0, shift)).compareTo(right.shiftLeft(Math.max(0, -shift)))
          >= 0;
    }

    /** The sums of all channels, one after the other. */
    private final class SumColumn {
      private final Part part;
      private final Column exponents;
      private final String limbsName;
      private final byte[] limbCounts = new byte[channels];
      private final Column limbs;

      SumColumn(Part part) {
        this.part = part;
        exponents = column(part.member + "_exponent", NumberType.I64);
        Column found = column(part.member + "_limbs", NumberType.I64);
        limbsName = found.name();
        long all = 0;
        for (int c = 0; c < channels; c++) {
          long count = found.next();
          if (count < 0 || count > part.wide.limbs()) {
            throw refusal(limbsName, "0 to " + part.wide.limbs() + " limbs", count, c);
          }
          limbCounts[c] = (byte) count;
          all += count;
        }
        limbs = column(part.member, NumberType.U64, all);
      }

      String name() {
        return limbs.name();
      }

      Sum next(int channel, long count, int flag) {
        int size = limbCounts[channel];
        long exponent = exponents.next();
        if (size == 0) {
          if (exponent != 0) {
            throw refusal(exponents.name(), "0 (the sum is 0)", exponent, channel);
          }
          return Sum.ZERO;
        }
        if (count == 0 || flag != 0) {
          String why = count == 0 ? "0 (count is 0)" : "0 (flags is " + flag + ")";
          throw refusal(limbsName, why, size, channel);
        }
        int lowest = part.wide.lowest();
        int highest = part.wideTop + Long.SIZE - 2;
        if (exponent < lowest || exponent > highest) {
          throw refusal(exponents.name(), lowest + " to " + highest, exponent, channel);
        }
        Sum sum = new Sum(integer(size), (int) exponent);
        checkOdd(sum.odd, size, channel);
        if (part == Part.XX && sum.odd.signum() < 0) {
          throw refusal(name(), "a sum ≥ 0", "a negative one", channel);
        }
        if (!sum.isWithin(count, part.wideTop)) {
          throw refusal(
              name(),
              "a sum of " + count + " values below 2^" + part.wideTop,
              "2^" + (sum.odd.abs().bitLength() - 1 + exponent) + " or more",
              channel);
        }
        return sum;
      }

      private void checkOdd(BigInteger integer, int size, int channel) {
        if (!integer.testBit(0)) {
          throw refusal(name(), "an odd integer", "an even one", channel);
        }
        if (limbs(integer) != size) {
          throw refusal(
              name(), "the fewest limbs, " + limbs(integer) + " for this sum", size, channel);
        }
      }

      private BigInteger integer(int size) {
        ByteBuffer bigEndian = ByteBuffer.allocate(size * Long.BYTES);
        for (int i = size - 1; i >= 0; i--) {
          bigEndian.putLong(i * Long.BYTES, limbs.next());
        }
        return new BigInteger(bigEndian.array());
      }
    }
  }

  /** The integers of a member, one after the other. */
  private static final class Column {
    private final NpyArray array;
    private ByteBuffer block = ByteBuffer.allocate(0);
    private long at;

    Column(NpyArray array) {
      this.array = array;
    }

    String name() {
      return array.name();
    }

    long next() {
      if (!block.hasRemaining()) {
        int count = (int) Math.min(BLOCK / Long.BYTES, array.count() - at);
        block = array.read(at, count);
        at += count;
      }
      return array.type() == NumberType.U8 ? block.get() & 0xFF : block.getLong();
    }
  }
}
