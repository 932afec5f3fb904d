package dev.batchnorm.verify;

import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * The least tolerance of each kind that, given alone, lets every element pass: with exactly this
 * number {@link ArrayDifference#within} finds no difference, with the next smaller one it does.
 * None of a kind passes where a NaN or an infinity met another value, and none of
 *
 * <ul>
 *   <li>ulps, where more than {@link ArrayDifference#MOST_ULPS} would be needed,
 *   <li>absolute, where |a − b| is beyond binary64,
 *   <li>relative, where b is 0 and a is not, or the quotient is beyond binary64.
 * </ul>
 */
public final class LeastTolerances {
  private double ulps;
  private double absolute;
  private double relative;

  LeastTolerances() {}

  /** Takes in an element that no tolerance lets pass. */
  void addUnequal() {
    ulps = Double.POSITIVE_INFINITY;
    absolute = Double.POSITIVE_INFINITY;
    relative = Double.POSITIVE_INFINITY;
  }

  /**
   * Takes in a finite element.
   *
   * @param x a
   * @param y b
   * @param distance |a − b|
   * @param steps their distance in ulps
   */
  void add(double x, double y, double distance, double steps) {
    if (distance == 0) {
      return; // two zeros
    }
    ulps = Math.max(ulps, steps);
    absolute = Math.max(absolute, distance);
    if (!ArrayDifference.isClose(x, y, distance, relative, 0)) {
      relative = leastRelative(x, y, distance, relative);
    }
  }

  /**
   * The least rtol that lets an element pass, by halving the numbers between: rounding makes the
   * quotient |a − b|/|b| miss it by a little, among subnormals by far.
   *
   * @param fails an rtol that does not
   */
  private static double leastRelative(double x, double y, double distance, double fails) {
    if (!ArrayDifference.isClose(x, y, distance, Double.MAX_VALUE, 0)) {
      return Double.POSITIVE_INFINITY;
    }
    long low = Double.doubleToRawLongBits(fails);
    long high = Double.doubleToRawLongBits(Double.MAX_VALUE);
    while (high - low > 1) {
      long middle = low + (high - low) / 2;
      if (ArrayDifference.isClose(x, y, distance, Double.longBitsToDouble(middle), 0)) {
        high = middle;
      } else {
        low = middle;
      }
    }
    return Double.longBitsToDouble(high);
  }

  /** What lets the elements of both pass. */
  public LeastTolerances and(LeastTolerances other) {
    LeastTolerances both = new LeastTolerances();
    both.ulps = Math.max(ulps, other.ulps);
    both.absolute = Math.max(absolute, other.absolute);
    both.relative = Math.max(relative, other.relative);
    return both;
  }

  /** The least number of ulps; empty if none passes. */
  public OptionalLong ulps() {
    return ulps <= ArrayDifference.MOST_ULPS ? OptionalLong.of((long) ulps) : OptionalLong.empty();
  }

  /** The least atol; empty if none passes. */
  public OptionalDouble absolute() {
    return finite(absolute);
  }

  /** The least rtol; empty if none passes. */
  public OptionalDouble relative() {
    return finite(relative);
  }

  private static OptionalDouble finite(double value) {
    return Double.isFinite(value) ? OptionalDouble.of(value) : OptionalDouble.empty();
  }

  /** Whether no tolerance of any kind lets every element pass. */
  public boolean isNone() {
    return ulps().isEmpty() && absolute().isEmpty() && relative().isEmpty();
  }
}
