package dev.batchnorm.audit;

import dev.batchnorm.GradientParameters;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.View;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What x and dy hold in each group of values, that is in each channel, or in what was mistaken for
 * one. Arrays have one value for each group; d = x − mean.
 *
 * @param view how the groups lie in the array
 * @param m the number of values
 * @param meanLo what one binary64 cannot hold of the mean
 * @param variance V, biased; +∞ beyond binary64
 * @param inverseStd 1/√(V + ε), also where V is beyond binary64; 0 for other groups than channels
 * @param size the mean of |x|
 * @param gradients null without dy
 */
record Facts(
    View view,
    double m,
    double[] mean,
    double[] meanLo,
    double[] variance,
    double[] inverseStd,
    double[] size,
    @Nullable Gradients gradients) {

  /**
   * Sums over dy.
   *
   * @param dy Σdy
   * @param dyD Σdy·d
   * @param sizeDy Σ|dy|
   * @param sizeDyD Σ|dy·d|
   * @param sizeDyX Σ|dy·x|
   */
  record Gradients(
      double[] dy, double[] dyD, double[] sizeDy, double[] sizeDyD, double[] sizeDyX) {}

  int groups() {
    return view.channels();
  }

  /** Of the channels, whose sums are exact. */
  static Facts ofChannels(
      Source x, Statistics own, @Nullable Source dy, @Nullable GradientParameters exact) {
    int channels = x.shape().channels();
    double m = x.shape().view().valuesPerChannel();
    double[] size = new double[channels];
    double[] sizeDy = new double[channels];
    double[] sizeDyD = new double[channels];
    double[] sizeDyX = new double[channels];
    Walk.over(
        x.shape(),
        dy == null ? List.of(x) : List.of(x, dy),
        (index, c, values) -> {
          double sizeOfX = Math.abs(values[0]);
          size[c] += sizeOfX;
          if (values.length > 1) {
            double sizeOfDy = Math.abs(values[1]);
            sizeDy[c] += sizeOfDy;
            sizeDyD[c] += sizeOfDy * Math.abs(values[0] - own.mean()[c]);
            sizeDyX[c] += sizeOfDy * sizeOfX;
          }
        });
    divide(size, m);
    Gradients gradients = null;
    if (exact != null) {
      double[] dyD = new double[channels];
      Arrays.setAll(dyD, c -> exact.dgamma()[c] / own.inverseStd()[c]);
      gradients = new Gradients(exact.dbeta(), dyD, sizeDy, sizeDyD, sizeDyX);
    }
    return new Facts(
        x.shape().view(),
        m,
        own.mean(),
        own.meanLo(),
        own.variance(),
        own.inverseStd(),
        size,
        gradients);
  }

  /** Of other groups of the same array, in binary64. */
  static Facts ofGroups(Source x, View view) {
    int groups = view.channels();
    double m = view.valuesPerChannel();
    double[] mean = new double[groups];
    double[] size = new double[groups];
    double[] rest = new double[groups];
    Shape all = Shape.withChannelAxis(0, x.shape().count());
    Walk.over(
        all,
        List.of(x),
        (index, channel, values) -> {
          int g = Walk.group(view, index);
          double sum = mean[g] + values[0];
          double part = sum - mean[g];
          rest[g] += (mean[g] - (sum - part)) + (values[0] - part);
          mean[g] = sum;
          size[g] += Math.abs(values[0]);
        });
    Arrays.setAll(mean, g -> (mean[g] + rest[g]) / m);
    divide(size, m);
    double[] variance = new double[groups];
    Walk.over(
        all,
        List.of(x),
        (index, channel, values) -> {
          int g = Walk.group(view, index);
          double d = values[0] - mean[g];
          variance[g] += d * d;
        });
    divide(variance, m);
    return new Facts(view, m, mean, new double[groups], variance, new double[groups], size, null);
  }

  private static void divide(double[] sums, double m) {
    Arrays.setAll(sums, c -> sums[c] / m);
  }
}
