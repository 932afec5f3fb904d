package dev.batchnorm.verify;

import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How the elements a of an array differ from the elements b of a reference of the same shape, to
 * the bit or within tolerances. Byte order, Fortran order and container do not matter: both are
 * read chunk by chunk in C order, in the memory of two chunks.
 *
 * <p>NaN equals NaN and nothing else; an infinity equals itself and nothing else, whatever the
 * tolerance. |a − b| is exact, rounded once to binary64, also for 64-bit integers. The distance in
 * ulps counts steps between neighbours of b's type, the two zeros being one number unless bits are
 * compared; an a between two of them counts as the farther, one too large for the type is
 * infinitely far.
 *
 * <pre>{@code
 * ArrayDifference difference = ArrayDifference.within(found, reference, 1e-5, 1e-8, 0);
 * difference.differing(); // 0 if every element passes
 * }</pre>
 */
public final class ArrayDifference {
  /** The number of differing elements that are remembered one by one if no other is given. */
  public static final int FIRST = 5;

  /** Ulps are counted in binary64, which counts no further without a gap. */
  public static final long MOST_ULPS = (1L << 53) - 1;

  /**
   * An element that does not pass.
   *
   * @param index its place in C order
   * @param found a as text, in its type
   * @param reference b as text, in its type
   * @param absolute |a − b|, NaN where one of the two is
   * @param ulps the distance in ulps, NaN where one of the two is
   */
  public record Element(long index, String found, String reference, double absolute, double ulps) {}

  /**
   * The largest distance of one kind, and its first place.
   *
   * @param value 0 if nothing deviates
   * @param index the place in C order, −1 if nothing deviates
   */
  public record Largest(double value, long index) {
    private static final Largest NONE = new Largest(0, -1);

    private Largest or(double other, long at) {
      return other > value ? new Largest(other, at) : this;
    }
  }

  private final StoredArray found;
  private final StoredArray reference;
  private final NumberType foundType;
  private final NumberType referenceType;
  private final boolean bitwise;
  private final double rtol;
  private final double atol;
  private final long ulps;
  private final int most;
  private final UlpQuantiles quantiles = new UlpQuantiles();
  private final LeastTolerances least = new LeastTolerances();
  private final List<Element> first = new ArrayList<>();
  private long differing;
  private long nanDiffering;
  private long infinityDiffering;
  private Largest absolute = Largest.NONE;
  private Largest relative = Largest.NONE;
  private Largest inUlps = Largest.NONE;

  private ArrayDifference(
      StoredArray found,
      StoredArray reference,
      boolean bitwise,
      double rtol,
      double atol,
      long ulps,
      int most) {
    this.found = found;
    this.reference = reference;
    this.foundType = found.type();
    this.referenceType = reference.type();
    this.bitwise = bitwise;
    this.rtol = rtol;
    this.atol = atol;
    this.ulps = ulps;
    this.most = most;
    if (most < 0) {
      throw new IllegalArgumentException("first: expected a whole number ≥ 0, found " + most);
    }
    if (!Arrays.equals(found.sizes(), reference.sizes())) {
      throw new IllegalArgumentException(
          found.name()
              + ": expected shape "
              + Shape.text(reference.sizes())
              + " ("
              + reference.name()
              + "), found "
              + Shape.text(found.sizes()));
    }
  }

  /** Compares to the bit and remembers the first {@link #FIRST} differing elements. */
  public static ArrayDifference bitwise(StoredArray found, StoredArray reference) {
    return bitwise(found, reference, FIRST);
  }

  /**
   * Compares to the bit: −0.0 and 0.0 differ, any two NaNs are equal.
   *
   * @param first how many differing elements to remember one by one, at least 0
   * @throws IllegalArgumentException if the shapes or the types differ
   * @throws dev.batchnorm.InputException if values cannot be read
   */
  public static ArrayDifference bitwise(StoredArray found, StoredArray reference, int first) {
    if (found.type() != reference.type()) {
      throw new IllegalArgumentException(
          found.name()
              + ": expected type "
              + reference.type().label()
              + " ("
              + reference.name()
              + "), found "
              + found.type().label());
    }
    return new ArrayDifference(found, reference, true, 0, 0, 0, first).walked();
  }

  /** Compares within tolerances and remembers the first {@link #FIRST} differing elements. */
  public static ArrayDifference within(
      StoredArray found, StoredArray reference, double rtol, double atol, long ulps) {
    return within(found, reference, rtol, atol, ulps, FIRST);
  }

  /**
   * Compares values, whatever their types: an element passes if |a − b| ≤ atol + rtol·|b|, or if it
   * is within so many ulps of b's type.
   *
   * @param rtol finite and at least 0
   * @param atol finite and at least 0
   * @param ulps from 0 to {@link #MOST_ULPS}
   * @param first how many differing elements to remember one by one, at least 0
   * @throws IllegalArgumentException if the shapes differ, or a tolerance is out of its range
   * @throws dev.batchnorm.InputException if values cannot be read
   */
  public static ArrayDifference within(
      StoredArray found, StoredArray reference, double rtol, double atol, long ulps, int first) {
    requireTolerance("rtol", rtol);
    requireTolerance("atol", atol);
    if (ulps < 0 || ulps > MOST_ULPS) {
      throw new IllegalArgumentException(
          "ulps: expected a whole number from 0 to " + MOST_ULPS + ", found " + ulps);
    }
    return new ArrayDifference(found, reference, false, rtol, atol, ulps, first).walked();
  }

  private static void requireTolerance(String name, double value) {
    if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(name + ": expected a finite number ≥ 0, found " + value);
    }
  }

  private ArrayDifference walked() {
    for (long at = 0; at < reference.count(); at += StoredArray.CHUNK) {
      int count = (int) Math.min(StoredArray.CHUNK, reference.count() - at);
      compare(at, count, found.read(at, count), reference.read(at, count));
    }
    quantiles.addEqual(reference.count() - quantiles.count());
    found.release();
    reference.release();
    return this;
  }

  private void compare(long at, int count, ByteBuffer a, ByteBuffer b) {
    int aBytes = foundType.bytes();
    int bBytes = referenceType.bytes();
    if (foundType != referenceType) {
      for (int i = 0; i < count; i++) {
        compareElement(at + i, a, i * aBytes, b, i * bBytes);
      }
      return;
    }
    int equal = a.mismatch(b);
    for (int i = equal < 0 ? count : equal / bBytes; i < count; i++) {
      int offset = i * bBytes;
      if (!sameBits(a, b, offset, bBytes)) {
        compareElement(at + i, a, offset, b, offset);
      }
    }
  }

  private static boolean sameBits(ByteBuffer a, ByteBuffer b, int offset, int bytes) {
    return switch (bytes) {
      case 8 -> a.getLong(offset) == b.getLong(offset);
      case 4 -> a.getInt(offset) == b.getInt(offset);
      case 2 -> a.getShort(offset) == b.getShort(offset);
      default -> a.get(offset) == b.get(offset);
    };
  }

  private void compareElement(long index, ByteBuffer a, int aOffset, ByteBuffer b, int bOffset) {
    double x = foundType.get(a, aOffset);
    double y = referenceType.get(b, bOffset);
    boolean exact = foundType.isExact(a, aOffset) && referenceType.isExact(b, bOffset);
    if (exact && Double.doubleToLongBits(x) == Double.doubleToLongBits(y)) {
      return;
    }
    double distance;
    double steps;
    boolean passes;
    if (Double.isNaN(x) || Double.isNaN(y)) {
      nanDiffering++;
      least.addUnequal();
      distance = Double.NaN;
      steps = Double.NaN;
      passes = false;
    } else if (Double.isInfinite(x) || Double.isInfinite(y)) {
      infinityDiffering++;
      least.addUnequal();
      distance = Double.POSITIVE_INFINITY;
      steps = Double.POSITIVE_INFINITY;
      passes = false;
    } else {
      distance = exact ? Math.abs(x - y) : exactDistance(a, aOffset, b, bOffset);
      steps = steps(x, y, distance, a, aOffset);
      passes = !bitwise && (isClose(x, y, distance, rtol, atol) || steps <= ulps);
      least.add(x, y, distance, steps);
    }
    quantiles.add(steps);
    absolute = absolute.or(distance, index);
    relative = relative.or(relative(distance, y), index);
    inUlps = inUlps.or(steps, index);
    if (!passes) {
      differing++;
      if (first.size() < most) {
        first.add(
            new Element(
                index,
                foundType.text(a, aOffset),
                referenceType.text(b, bOffset),
                distance,
                steps));
      }
    }
  }

  /** |a − b| ≤ atol + rtol·|b|, halved where |a − b| is beyond binary64. */
  static boolean isClose(double x, double y, double distance, double rtol, double atol) {
    return Double.isInfinite(distance)
        ? Math.abs(x / 2 - y / 2) <= atol / 2 + rtol * (Math.abs(y) / 2)
        : distance <= atol + rtol * Math.abs(y);
  }

  private static double relative(double distance, double y) {
    return Double.isInfinite(distance) || distance == 0 ? distance : distance / Math.abs(y);
  }

  /** |a − b| where one is a 64-bit integer that is no binary64. */
  private double exactDistance(ByteBuffer a, int aOffset, ByteBuffer b, int bOffset) {
    if (foundType == referenceType) {
      long inOrder = foundType == NumberType.U64 ? Long.MIN_VALUE : 0;
      return Ulps.between(a.getLong(aOffset) ^ inOrder, b.getLong(bOffset) ^ inOrder);
    }
    return exact(foundType, a, aOffset)
        .subtract(exact(referenceType, b, bOffset))
        .abs()
        .doubleValue();
  }

  private static BigDecimal exact(NumberType type, ByteBuffer bytes, int offset) {
    return type.isFloating()
        ? new BigDecimal(type.get(bytes, offset))
        : new BigDecimal(type.text(bytes, offset));
  }

  /** The distance of finite numbers in ulps of b's type. */
  private double steps(double x, double y, double distance, ByteBuffer a, int aOffset) {
    if (!referenceType.isFloating()) {
      return Math.ceil(distance);
    }
    DType type = referenceType.floating();
    double nearest = type.round(x);
    if (Double.isInfinite(nearest)) {
      return Double.POSITIVE_INFINITY;
    }
    int side =
        foundType.isExact(a, aOffset)
            ? Double.compare(x, nearest)
            : exact(foundType, a, aOffset).compareTo(new BigDecimal(nearest));
    boolean farther = (side > 0 && nearest >= y) || (side < 0 && nearest <= y);
    double inOrder = Ulps.between(nearest, y, type); // counts −0.0 and 0.0 as two numbers
    boolean acrossZero = (Double.doubleToRawLongBits(nearest) ^ Double.doubleToRawLongBits(y)) < 0;
    boolean zerosDiffer = bitwise && nearest == 0 && y == 0;
    return inOrder - (acrossZero && !zerosDiffer ? 1 : 0) + (farther ? 1 : 0);
  }

  /** The array compared, a. */
  public StoredArray found() {
    return found;
  }

  /** The array compared with, b. */
  public StoredArray reference() {
    return reference;
  }

  /** The number of elements compared. */
  public long compared() {
    return reference.count();
  }

  /** The number of elements that do not pass. */
  public long differing() {
    return differing;
  }

  /** How many of the differing elements are a NaN against a number. */
  public long nanDiffering() {
    return nanDiffering;
  }

  /** How many of the differing elements are an infinity against another number. */
  public long infinityDiffering() {
    return infinityDiffering;
  }

  /** Whether no element deviates at all, also none that passes. */
  public boolean isEqual() {
    return differing == 0 && inUlps.value() == 0;
  }

  /** The largest |a − b| of all elements, those that pass included, those with a NaN not. */
  public Largest absolute() {
    return absolute;
  }

  /** The largest |a − b| / |b|, of the same elements; infinite where only b is 0. */
  public Largest relative() {
    return relative;
  }

  /** The largest distance in ulps of b's type, of the same elements. */
  public Largest ulps() {
    return inUlps;
  }

  /** The distances in ulps of all elements; those with a NaN are infinite. */
  public UlpQuantiles quantiles() {
    return quantiles;
  }

  /** The least tolerances that would let all elements pass. */
  public LeastTolerances least() {
    return least;
  }

  /** The first elements that do not pass, at most as many as were asked for. */
  public List<Element> first() {
    return List.copyOf(first);
  }

  /** The index on each axis of the element at a place in C order. */
  public long[] place(long index) {
    return Shape.indices(index, reference.sizes());
  }
}
