package dev.batchnorm.audit;

import dev.batchnorm.DType;
import dev.batchnorm.Source;
import dev.batchnorm.View;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Whatever a kernel makes of the statistics of a channel, y is one line over x there, and dx one
 * plane over dy and x. Fitted to each channel by least squares, they tell bad statistics from
 * values that are wrong one by one. With other groups than the channels the line is that of (y −
 * β)/γ.
 */
final class Lines {
  private static final int DY = 2;

  /** More than the operations on the way to one value. */
  private static final double ROUNDINGS = 12;

  /** More than a fit is off by the storing of all values, in standard deviations. */
  private static final double DEVIATIONS = 6;

  private final Source x;
  private final @Nullable Source dy;
  private final Theirs theirs;
  private final Kernel kernel;
  private final Facts facts;
  private final boolean byGroups;

  // Of each group: value = level + slope·d + slopeDy·(dy − mean of dy)
  private final double[] level;
  private final double[] slope;
  private final double[] slopeDy;
  private final double[] count;
  private final double[] noise;
  private final double[] spread;
  private final boolean[] allNaN;
  private final boolean[] someNaN;

  /** Which values the fit is for. */
  interface Which {
    boolean counts(int channel, double[] values);
  }

  private Lines(Source x, @Nullable Source dy, Theirs theirs, Kernel kernel) {
    this.x = x;
    this.dy = dy;
    this.theirs = theirs;
    this.kernel = kernel;
    facts = kernel.facts;
    byGroups = !facts.view().equals(x.shape().view());
    int groups = facts.groups();
    count = new double[groups];
    noise = new double[groups];
    spread = new double[groups];
    level = new double[groups];
    slope = new double[groups];
    slopeDy = new double[groups];
    allNaN = new boolean[groups];
    someNaN = new boolean[groups];
    Arrays.fill(allNaN, true);
  }

  /**
   * Fits those of y, or with dy those of dx.
   *
   * @param kernel whose groups, γ and β they are
   * @param which those that the others are measured by; x, theirs and dy
   */
  static Lines through(Source x, @Nullable Source dy, Theirs theirs, Kernel kernel, Which which) {
    Lines lines = new Lines(x, dy, theirs, kernel);
    lines.fit(which);
    return lines;
  }

  private int group(long index, int c) {
    View view = facts.view();
    return byGroups ? Walk.group(view, index) : c;
  }

  private double meanOfDy(int g) {
    Facts.Gradients gradients = facts.gradients();
    return gradients == null ? 0 : gradients.dy()[g] / facts.m();
  }

  private double sizeOfDy(int g) {
    Facts.Gradients gradients = facts.gradients();
    return gradients == null ? 0 : gradients.sizeDy()[g] / facts.m();
  }

  /** The value itself, or without γ and β where they differ within a group. */
  private double value(double found, int c, int g) {
    if (!byGroups) {
      return found;
    }
    kernel.at(c, g, theirs.type(), Roundoff.Order.CAREFUL);
    return (found - kernel.beta()) / kernel.gamma();
  }

  private void fit(Which which) {
    int groups = facts.groups();
    double[] sum = new double[groups];
    double[] rest = new double[groups];
    double[] sumD = new double[groups];
    double[] sumG = new double[groups];
    double[][] products = new double[5][groups]; // dd, dv, gg, gv, dg
    Walk.over(
        x.shape(),
        theirs.beside(x, dy),
        (index, c, values) -> {
          int at = group(index, c);
          boolean isNaN = Double.isNaN(values[1]);
          allNaN[at] &= isNaN;
          someNaN[at] |= isNaN;
          if (!which.counts(c, values)) {
            return;
          }
          double d = values[0] - facts.mean()[at];
          double g = dy == null ? 0 : values[DY] - meanOfDy(at);
          double v = value(values[1], c, at);
          double stored = Roundoff.ofStoring(theirs.type(), values[1]);
          count[at]++;
          noise[at] += stored * stored;
          double total = sum[at] + v; // equal values have equal errors, which would add up
          double part = total - sum[at];
          rest[at] += (sum[at] - (total - part)) + (v - part);
          sum[at] = total;
          sumD[at] += d;
          sumG[at] += g;
          products[0][at] += d * d;
          products[1][at] += d * v;
          products[2][at] += g * g;
          products[3][at] += g * v;
          products[4][at] += d * g;
        });
    for (int c = 0; c < groups; c++) {
      double n = count[c];
      sum[c] += rest[c];
      double dd = products[0][c] - sumD[c] * (sumD[c] / n);
      double dv = products[1][c] - sumD[c] * (sum[c] / n);
      double gg = products[2][c] - sumG[c] * (sumG[c] / n);
      double gv = products[3][c] - sumG[c] * (sum[c] / n);
      double dg = products[4][c] - sumD[c] * (sumG[c] / n);
      spread[c] = Math.sqrt(dd / n);
      boolean isLost = dd < 0x1p-900 && facts.variance()[c] > 0;
      if (isLost || !Double.isFinite(dd + gg)) {
        count[c] = 0; // squares beyond binary64 fit nothing
      }
      double determinant = dd * gg - dg * dg;
      if (dy != null && gg > 0 && determinant > 1e-12 * dd * gg) {
        slope[c] = (dv * gg - gv * dg) / determinant;
        slopeDy[c] = (gv * dd - dv * dg) / determinant;
      } else if (dy != null && gg > 0) {
        slopeDy[c] = gv / gg;
      } else {
        slope[c] = dd == 0 ? 0 : dv / dd;
      }
      level[c] = (sum[c] - slope[c] * sumD[c] - slopeDy[c] * sumG[c]) / n;
    }
  }

  /** Whether the fit is that of most values of a group. */
  boolean isOfMost(int g) {
    return count[g] >= facts.m() / 2;
  }

  /**
   * How far a value is from the fit of its group, over what rounding of the value alone explains;
   * NaN if nothing was fitted.
   *
   * @param values x, theirs and dy
   * @param u the unit roundoff of the arithmetic
   */
  double share(int c, int at, double[] values, double u) {
    DType type = theirs.type();
    double d = values[0] - facts.mean()[at];
    double g = dy == null ? 0 : values[DY] - meanOfDy(at);
    double v = value(values[1], c, at);
    double fitted = level[at] + slope[at] * d + slopeDy[at] * g;
    double scale = byGroups ? Math.abs(kernel.gamma()) : 1;
    double sizes =
        Math.abs(slope[at]) * (Math.abs(values[0]) + Math.abs(facts.mean()[at]))
            + (dy == null ? 0 : Math.abs(slopeDy[at]) * (Math.abs(values[DY]) + Math.abs(g)))
            + Math.abs(level[at])
            + Math.abs(v)
            + Math.abs(slope[at]) * facts.size()[at] // the fit follows the errors of all
            + (dy == null ? 0 : Math.abs(slopeDy[at]) * sizeOfDy(at))
            + (byGroups ? Math.abs(kernel.beta()) / scale : 0);
    double ownError = 0x1p-47 * Math.sqrt(count[at]);
    double stored = 2 * Roundoff.ofStoring(type, scale * fitted) / scale;
    double leverage = 1 + (d == 0 ? 0 : Math.abs(d) / spread[at]);
    double ofFit = DEVIATIONS * leverage * Math.sqrt(noise[at]) / (count[at] * scale);
    return Math.abs(v - fitted) / ((ROUNDINGS * u + ownError) * sizes + stored + ofFit);
  }

  /** Whether every value is on the line of its group, but for rounding of its own. */
  boolean areStraight(double u) {
    boolean[] crooked = new boolean[1];
    Walk.over(
        x.shape(),
        theirs.beside(x, dy),
        (index, c, values) -> {
          int at = group(index, c);
          crooked[0] |= !someNaN[at] && share(c, at, values, u) > 1;
        });
    return !crooked[0];
  }

  /** Whether statistics as bad as a kernel's bounds allow could have given these lines. */
  boolean couldBeOf(Kernel other) {
    double least = Double.POSITIVE_INFINITY;
    double most = Double.NEGATIVE_INFINITY;
    int errors = 0;
    for (int c = 0; c < facts.groups(); c++) {
      other.at(c, c, theirs.type(), Roundoff.Order.ANY);
      if (someNaN[c]) {
        if (!allNaN[c] || !(other.mayBeNaN() || Double.isNaN(facts.mean()[c]))) {
          return false;
        }
      } else if (dy == null) {
        if (!other.couldGive(c, level[c], slope[c])) {
          return false;
        }
        double factor = slope[c] / other.scale();
        if (other.hasIndependentErrors() && !other.isClipped(c, factor)) {
          errors++;
          least = Math.min(least, Math.log(factor));
          most = Math.max(most, Math.log(factor));
        }
      }
    }
    return !isOneFactor(errors, least, most, other.unit());
  }

  /** Rounding does not make the same error in all channels: that is a factor. */
  static boolean isOneFactor(int errors, double least, double most, double u) {
    double size = Math.max(Math.abs(least), Math.abs(most));
    return errors > 2 && size > 32 * u && most - least < 0.1 * size;
  }
}
