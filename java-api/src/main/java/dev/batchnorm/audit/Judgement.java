package dev.batchnorm.audit;

import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import dev.batchnorm.verify.UlpQuantiles;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * One array of an implementation beside the exact results.
 *
 * @param output what it is
 * @param name what messages call it
 * @param type its type
 * @param sizes those of its axes
 * @param compared how many values were compared
 * @param exceeding how many of them are off by more than their bound, or apart
 * @param apart how many are off the line, or for dx the plane, that the other values of their
 *     channel lie on: no error of the statistics explains that
 * @param careful whether all are within the bound of a kernel whose sums are careful too
 * @param rounded how many are the exact value rounded once
 * @param ulps errors in ulps of the exact value, rounded up
 * @param largest the value with the largest error; null if none was compared
 * @param worst those whose errors are the largest shares of their bounds, the worst first
 * @param channels those with the largest shares, the worst first
 * @param reason why no values were compared, in words; null if they were
 */
public record Judgement(
    Output output,
    String name,
    DType type,
    long[] sizes,
    long compared,
    long exceeding,
    long apart,
    boolean careful,
    long rounded,
    UlpQuantiles ulps,
    @Nullable Element largest,
    List<Element> worst,
    List<Channel> channels,
    @Nullable String reason) {

  /** How many elements and channels are named. */
  public static final int NAMED = 5;

  /**
   * A value and what it should be.
   *
   * @param index its place in C order
   * @param found the value
   * @param exact what it should be, in binary64
   * @param bound how far a plain kernel may be off
   * @param ulps the error in ulps of the exact value in the array's type
   * @param share the error over the bound, +∞ where it is not finite; of a value apart, its
   *     distance from the line over what rounding allows
   */
  public record Element(
      long index,
      double found,
      double exact,
      double bound,
      double ulps,
      double share,
      boolean isApart) {

    /** |found − exact|; 0 where both are the same NaN or infinity. */
    public double error() {
      return Judgement.error(found, exact);
    }
  }

  /**
   * A channel and its largest error.
   *
   * @param channel its number
   * @param share the largest error in it over its bound
   */
  public record Channel(int channel, double share) {}

  /** Whether all values were compared and none is off by more than its bound. */
  public boolean passed() {
    return reason == null && exceeding == 0;
  }

  /** The index on each axis of the value at a place in C order. */
  public long[] place(long index) {
    return Shape.indices(index, sizes);
  }

  static double error(double found, double exact) {
    boolean same = found == exact || (Double.isNaN(found) && Double.isNaN(exact));
    return same ? 0 : Math.abs(found - exact);
  }

  static double share(double error, double bound) {
    double share = error == 0 ? 0 : error / bound;
    return error == Double.POSITIVE_INFINITY || Double.isNaN(share)
        ? Double.POSITIVE_INFINITY
        : share;
  }

  /** Whether a value is within its bound; values beyond the type are infinite. */
  static boolean fits(double found, double exact, double bound, DType type) {
    double error = error(found, exact);
    return error == 0 || error <= bound || found == type.round(exact);
  }

  static Judgement unlike(Output output, String name, DType type, long[] sizes, String reason) {
    return new Judgement(
        output,
        name,
        type,
        sizes,
        0,
        0,
        0,
        true,
        0,
        new UlpQuantiles(),
        null,
        List.of(),
        List.of(),
        reason);
  }

  /** Collects the values of one array. */
  static final class Collector {
    private static final Comparator<Element> WORST_LAST =
        Comparator.comparingDouble(Element::share).thenComparing(e -> -e.index());

    private final Output output;
    private final String name;
    private final DType type;
    private final long[] sizes;
    private final double[] shares;
    private final List<Element> worst = new ArrayList<>();
    private long compared;
    private long exceeding;
    private long apart;
    private boolean careful = true;
    private long rounded;
    private final UlpQuantiles ulps = new UlpQuantiles();
    private @Nullable Element largest;

    Collector(Output output, String name, DType type, long[] sizes, int channels) {
      this.output = output;
      this.name = name;
      this.type = type;
      this.sizes = sizes;
      shares = new double[channels];
    }

    /**
     * Adds a value.
     *
     * @param lineShare how far it is from the line of its channel, over what is allowed
     */
    void add(
        long index,
        int channel,
        double found,
        double exact,
        double bound,
        double carefulBound,
        double lineShare) {
      compared++;
      if (found == type.round(exact) || (Double.isNaN(found) && Double.isNaN(exact))) {
        rounded++;
      }
      boolean isApart = lineShare > 1;
      if (isApart) {
        apart++;
      }
      boolean fits = fits(found, exact, bound, type);
      if (!fits || isApart) {
        exceeding++;
      }
      careful &= fits(found, exact, carefulBound, type);
      double error = error(found, exact);
      double inUlps = error / ulp(exact);
      ulps.add(error == 0 ? 0 : inUlps);
      double share = share(error, bound);
      if (fits && share > 1) {
        share = 1; // beyond the type, as it should be
      }
      share = Math.max(share, isApart ? lineShare : 0);
      if (share > shares[channel]) {
        shares[channel] = share;
      }
      boolean isLargest =
          largest == null
              || (!Double.isNaN(largest.error())
                  && (error > largest.error() || Double.isNaN(error)));
      boolean isWorst = error != 0 && (worst.size() < NAMED || share > worst.get(0).share());
      if (isLargest || isWorst) {
        Element element = new Element(index, found, exact, bound, inUlps, share, isApart);
        if (isLargest) {
          largest = element;
        }
        if (isWorst) {
          if (worst.size() == NAMED) {
            worst.remove(0);
          }
          worst.add(element);
          worst.sort(WORST_LAST);
        }
      }
    }

    private double ulp(double exact) {
      double value = type.round(exact);
      return switch (type) {
        case F16 -> Math.scalb(1.0, Math.max(Math.getExponent(value), -14) - 10);
        case F32 -> Math.ulp((float) value);
        case F64 -> Math.ulp(value);
      };
    }

    Judgement judgement() {
      List<Element> worstFirst = new ArrayList<>(worst);
      worstFirst.sort(WORST_LAST.reversed());
      List<Channel> ranked =
          IntStream.range(0, shares.length)
              .boxed()
              .filter(c -> shares[c] > 0)
              .sorted(Comparator.comparingDouble(c -> -shares[c]))
              .limit(NAMED)
              .map(c -> new Channel(c, shares[c]))
              .toList();
      return new Judgement(
          output,
          name,
          type,
          sizes,
          compared,
          exceeding,
          apart,
          careful,
          rounded,
          ulps,
          largest,
          worstFirst,
          ranked,
          null);
    }
  }
}
