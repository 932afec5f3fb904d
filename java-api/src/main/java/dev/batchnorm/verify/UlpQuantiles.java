package dev.batchnorm.verify;

/**
 * How far most elements are: quantiles of distances in ulps, in the memory of a thousand counters
 * however many elements there are.
 *
 * <p>Distances up to {@link #EXACT} are counted one by one. Farther ones are counted by powers of
 * two, and a quantile among them is the power that the distance does not exceed, or the largest
 * distance if that is less: never too small, at most twice too large. A NaN against a number is
 * infinitely far.
 *
 * <pre>{@code
 * difference.quantiles().within(99); // 99 % of the elements are within so many ulps
 * }</pre>
 */
public final class UlpQuantiles {
  /** The largest distance that has a counter of its own. */
  public static final int EXACT = 1024;

  private static final int EXACT_LOG2 = 10;
  private static final int MOST_LOG2 = 1024; // of a binary64 to an integer

  /** By distance, then by the least power of two from 2^11 to 2^1024, then infinity. */
  private final long[] counts = new long[EXACT + 1 + MOST_LOG2 - EXACT_LOG2 + 1];

  private long count;
  private double largest;

  /** No distances yet. */
  public UlpQuantiles() {}

  /** Counts one distance, parts of an ulp as a whole one; NaN counts as infinite. */
  public void add(double ulps) {
    counts[bucket(ulps)]++;
    count++;
    if (Double.isFinite(ulps)) {
      largest = Math.max(largest, ulps);
    }
  }

  /** Counts so many elements that do not deviate. */
  void addEqual(long elements) {
    counts[0] += elements;
    count += elements;
  }

  private int bucket(double ulps) {
    if (ulps <= EXACT) {
      return (int) Math.ceil(ulps);
    }
    if (!Double.isFinite(ulps)) {
      return counts.length - 1;
    }
    return EXACT - EXACT_LOG2 + exponentAbove(ulps);
  }

  /** The least k with ulps ≤ 2^k. */
  private static int exponentAbove(double ulps) {
    int floor = Math.getExponent(ulps);
    return ulps == Math.scalb(1.0, floor) ? floor : floor + 1;
  }

  /** The number of elements counted. */
  public long count() {
    return count;
  }

  /**
   * The least distance, as far as it was counted exactly, that so many percent of the elements do
   * not exceed.
   *
   * @param percent from 0, which gives the least distance of all, to 100, the largest
   * @return in ulps; infinite if that many are not finitely far, 0 without elements
   * @throws IllegalArgumentException for another percentage
   */
  public double within(int percent) {
    if (percent < 0 || percent > 100) {
      throw new IllegalArgumentException("percent: expected 0 to 100, found " + percent);
    }
    return distance(bucketOf(percent));
  }

  /** Whether {@link #within} gives the distance itself and not only a bound of it. */
  public boolean isExact(int percent) {
    double within = within(percent);
    return within <= EXACT || Double.isInfinite(within) || isLast(percent);
  }

  /** Whether the quantile is the farthest finite element. */
  private boolean isLast(int percent) {
    return rank(percent) == count - counts[counts.length - 1];
  }

  /** How many elements a percentage is, rounded up, at least one. */
  private long rank(int percent) {
    long rest = count % 100 * percent;
    return Math.max(1, count / 100 * percent + (rest + 99) / 100);
  }

  private int bucketOf(int percent) {
    if (count == 0) {
      return 0;
    }
    long below = 0;
    long rank = rank(percent);
    for (int bucket = 0; bucket < counts.length; bucket++) {
      below += counts[bucket];
      if (below >= rank) {
        return bucket;
      }
    }
    throw new IllegalStateException("more than all elements: " + rank + " of " + count);
  }

  private double distance(int bucket) {
    if (bucket <= EXACT) {
      return bucket;
    }
    return bucket == counts.length - 1
        ? Double.POSITIVE_INFINITY
        : Math.min(largest, Math.scalb(1.0, bucket - EXACT + EXACT_LOG2));
  }
}
