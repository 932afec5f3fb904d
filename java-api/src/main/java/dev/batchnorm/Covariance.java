package dev.batchnorm;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The mean and the biased covariance of d columns. Arrays are shared, not copied: treat them as
 * constants.
 *
 * @param mean R1, RN(Σx_i/m), one value a column
 * @param covariance R2, d × d values row by row, symmetric; at {@link Level#FAST} near it
 * @param count m, the number of rows; 0 if the covariance was given
 * @param level how sure the covariance is
 * @param bound as many values as the covariance: how far each may be from the exact one; null at
 *     {@link Level#EXACT}, where that is half an ulp
 */
public record Covariance(
    double[] mean, double[] covariance, long count, Level level, double @Nullable [] bound) {

  /**
   * A covariance that was not computed here.
   *
   * @param mean one value a column
   * @param covariance symmetric, row by row
   * @throws InputException if it is not symmetric, or a variance on its diagonal is negative
   * @throws IllegalArgumentException if it does not have as many rows and columns as the mean has
   *     values
   */
  public static Covariance given(double[] mean, double[] covariance) {
    int d = mean.length;
    if ((long) d * d != covariance.length) {
      throw new IllegalArgumentException(
          "covariance: expected "
              + d
              + "×"
              + d
              + " values (as the mean has), found "
              + covariance.length);
    }
    for (int i = 0; i < d; i++) {
      if (covariance[i * d + i] < 0) {
        throw new InputException(
            "covariance: expected variances ≥ 0 on the diagonal, found "
                + covariance[i * d + i]
                + " at ("
                + i
                + ", "
                + i
                + ")");
      }
      for (int j = 0; j < i; j++) {
        double a = covariance[i * d + j];
        double b = covariance[j * d + i];
        if (a != b && !(Double.isNaN(a) && Double.isNaN(b))) {
          throw new InputException(
              "covariance: expected a symmetric matrix, found "
                  + a
                  + " at ("
                  + i
                  + ", "
                  + j
                  + ") and "
                  + b
                  + " at ("
                  + j
                  + ", "
                  + i
                  + ")");
        }
      }
    }
    return new Covariance(mean, covariance, 0, Level.EXACT, null);
  }

  /** The number of columns d. */
  public int columns() {
    return mean.length;
  }

  /** S_ij. */
  public double at(int i, int j) {
    return covariance[i * columns() + j];
  }

  /** What a user should know of data of so many rows. */
  public static List<String> warnings(long rows) {
    if (rows == 0) {
      return List.of("no rows: the mean and the covariance are NaN");
    }
    return rows == 1 ? List.of("1 row: nothing varies, so the covariance is 0") : List.of();
  }

  /** One line for each thing a user should know about the data behind it. */
  public List<String> warnings() {
    boolean isGiven = count == 0 && !(columns() > 0 && Double.isNaN(mean[0]));
    List<String> warnings = new ArrayList<>(isGiven ? List.of() : warnings(count));
    if (count == 0 && !isGiven) {
      return warnings;
    }
    Statistics.warn(
        warnings,
        "column",
        columns(),
        i -> Double.isNaN(at(i, i)),
        "values that are not finite, so its covariances are NaN");
    Statistics.warn(
        warnings,
        "column",
        columns(),
        i -> at(i, i) == Double.POSITIVE_INFINITY,
        "the variance exceeds binary64 and is inf");
    return warnings;
  }
}
