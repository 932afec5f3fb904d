package dev.batchnorm.golden;

import dev.batchnorm.Shape;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.verify.Ulps;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * How one output differs from the recorded one: to the bit, NaNs and the signs of zeros included,
 * or beyond its bound.
 */
public final class GoldenDifference {
  /** The number of differing elements that are remembered one by one. */
  public static final int FIRST = 5;

  /**
   * An element that differs.
   *
   * @param index its index on each axis, {@code (0, 3)}
   * @param expected the recorded value as text
   * @param found the computed value as text
   * @param ulps how far apart they are; NaN where one is a NaN, or both with different bits
   */
  public record Place(String index, String expected, String found, double ulps) {}

  private final GoldenArray array;
  private final NumberType type;
  private final List<Place> first = new ArrayList<>();
  private long compared;
  private long differing;
  private double maxUlps;

  GoldenDifference(GoldenArray array) {
    this.array = array;
    this.type = array.type();
  }

  /** Compares the next values, little-endian bytes of the recorded type. */
  void add(ByteBuffer expectedBytes, ByteBuffer foundBytes) {
    ByteBuffer expected = expectedBytes.slice().order(ByteOrder.LITTLE_ENDIAN);
    ByteBuffer found = foundBytes.slice().order(ByteOrder.LITTLE_ENDIAN);
    int bytes = type.bytes();
    int count = expected.limit() / bytes;
    int from = expected.mismatch(found);
    for (int i = from < 0 ? count : from / bytes; i < count; i++) {
      if (bits(expected, i * bytes) != bits(found, i * bytes)) {
        addElement(compared + i, expected, found, i * bytes);
      }
    }
    compared += count;
  }

  private long bits(ByteBuffer values, int offset) {
    return switch (type.bytes()) {
      case 8 -> values.getLong(offset);
      case 4 -> values.getInt(offset);
      default -> values.getShort(offset);
    };
  }

  private void addElement(long index, ByteBuffer expected, ByteBuffer found, int offset) {
    double right = type.get(expected, offset);
    double given = type.get(found, offset);
    boolean nan = Double.isNaN(right) || Double.isNaN(given);
    if (array.exactness() == Exactness.BOUNDED
        && (Math.abs(right - given) <= array.bound() || right == given)) {
      return;
    }
    double ulps =
        nan
            ? Double.NaN
            : type.isFloating()
                ? Ulps.between(right, given, type.floating())
                : Math.abs(right - given);
    differing++;
    maxUlps = Math.max(maxUlps, nan ? Double.POSITIVE_INFINITY : ulps);
    if (first.size() < FIRST) {
      String place = Shape.tuple(Shape.indices(index, array.sizes()));
      first.add(new Place(place, text(expected, offset), text(found, offset), ulps));
    }
  }

  /** NaNs have more bits than their text tells. */
  private String text(ByteBuffer values, int offset) {
    String text = type.text(values, offset);
    return text.equals("nan")
        ? "nan (0x" + Long.toHexString(bits(values, offset) & mask()) + ")"
        : text;
  }

  private long mask() {
    return -1L >>> (Long.SIZE - 8 * type.bytes());
  }

  /** The array as it was recorded. */
  public GoldenArray array() {
    return array;
  }

  /** How closely it was compared. */
  public Exactness exactness() {
    Exactness exactness = array.exactness();
    return exactness == null ? Exactness.FIXED_SEQUENCE : exactness;
  }

  /** The number of elements compared. */
  public long compared() {
    return compared;
  }

  /** The number of elements that differ. */
  public long differing() {
    return differing;
  }

  /** The largest distance in ulps; infinite where a NaN met anything else. */
  public double maxUlps() {
    return maxUlps;
  }

  /** The first elements that differ, at most {@link #FIRST}. */
  public List<Place> first() {
    return List.copyOf(first);
  }
}
