package dev.batchnorm.engine;

import dev.batchnorm.CrossSums;
import dev.batchnorm.Values;

/**
 * The passes behind a covariance and the weights reparameterized by it (R1–R5). Those of the level
 * {@code exact} give the same bits from every engine. Those of the level {@code fast} are binary64
 * sums in any order, of at most {@link #depth} roundings each.
 *
 * <p>As in {@link Engine}, the public methods check their arguments and call the protected ones.
 * Matrices lie row by row: x is rows × d, W is d × k with one unit a column, S is d × d.
 */
public abstract class LinearAlgebra {
  /** Rows that are summed before they join the sums of other rows. */
  public static final int BLOCK = 512;

  /** What runs, in a few words. */
  public abstract String description();

  /** The most threads that a pass takes. */
  protected abstract int threads();

  /**
   * Adds rows to the exact sums Σx_i·x_j of all pairs i &lt; j and counts them. A value that is not
   * finite counts as 0: the sums of its column tell of it.
   *
   * @param x rows × d values
   * @throws IllegalArgumentException if x does not have whole rows, or another type than the sums
   */
  public final void addPairs(Values x, CrossSums sums) {
    int d = sums.columns();
    check("x", x.count() % Math.max(d, 1) == 0, "whole rows of " + d, x.count());
    CrossSums expected = CrossSums.of(0, x.type());
    boolean fits = expected.pairs().product() == sums.pairs().product();
    check("sums", fits, "those of " + x.type().label(), sums.pairs().product());
    int rows = d == 0 ? 0 : x.count() / d;
    if (d > 1 && rows > 0) {
      doAddPairs(x, rows, sums);
    }
    sums.countPairs(rows);
  }

  /**
   * S_ij = RN((m·Σx_i·x_j − Σx_i·Σx_j)/m²) (R2), the diagonal as F2; NaN for columns with values
   * that are not finite, and where there are no rows.
   *
   * @return d × d values
   */
  public final double[] covariance(CrossSums sums) {
    return doCovariance(sums);
  }

  /**
   * q_k = max(RN(w_kᵀ S w_k), 0) (R3), each rounded once; NaN where W has a value that is not
   * finite, everywhere if S has.
   *
   * @param s d × d values, symmetric
   * @param w d × units values
   * @throws IllegalArgumentException if the sizes do not fit each other
   */
  public final double[] quadraticForms(double[] s, Values w, int units) {
    int d = rows(w, units);
    if (units == 0) {
      return new double[0]; // W does not tell d then
    }
    check("s", s.length == (long) d * d, d + "×" + d + " values", s.length);
    return doQuadraticForms(s, w, units);
  }

  /**
   * RN(Σ_i v_i·w_ik) of each unit (R5), rounded once; NaN where a value is not finite.
   *
   * @param v d values
   * @param w d × units values
   * @throws IllegalArgumentException if the sizes do not fit each other
   */
  public final double[] projections(double[] v, Values w, int units) {
    int d = rows(w, units);
    if (units == 0) {
      return new double[0];
    }
    check("v", v.length == d, d + " values", v.length);
    return doProjections(v, w, units);
  }

  /**
   * Adds Σ c_i·c_j over rows to {@code gram}, c the centred x.
   *
   * @param x rows × d values
   * @param gram d × d values, of which those with i ≤ j count
   * @throws IllegalArgumentException if the sizes do not fit each other
   */
  public final void addCentredGram(Values x, Centre centre, double[] gram) {
    int d = centre.mean().length;
    int rows = rows(x, d);
    check("gram", gram.length == (long) d * d, d + "×" + d + " values", gram.length);
    doAddCentredGram(x, rows, centre, gram);
  }

  /**
   * Adds Σ c_i·e_k over rows to {@code products}, c and e the centred a and b.
   *
   * @param a rows × d values
   * @param b rows × k values
   * @param products d × k values
   * @throws IllegalArgumentException if the sizes do not fit each other
   */
  public final void addCentredProducts(
      Values a, Centre ofA, Values b, Centre ofB, double[] products) {
    int d = ofA.mean().length;
    int k = ofB.mean().length;
    int rows = rows(a, d);
    check("b", b.count() == (long) rows * k, rows + "×" + k + " values", b.count());
    check("products", products.length == (long) d * k, d + "×" + k + " values", products.length);
    if (products.length > 0) {
      doAddCentredProducts(a, ofA, b, ofB, rows, products);
    }
  }

  /**
   * With z = Wᵀc, c the centred x: adds Σ z_k² to {@code squares}, and Σ c_i·z_k to {@code
   * products}.
   *
   * @param x rows × d values
   * @param w d × k values
   * @param squares k values
   * @param products d × k values
   * @throws IllegalArgumentException if the sizes do not fit each other
   */
  public final void addProjectedMoments(
      Values x, Centre centre, double[] w, double[] squares, double[] products) {
    int d = centre.mean().length;
    int k = squares.length;
    int rows = rows(x, d);
    check("w", w.length == (long) d * k, d + "×" + k + " values", w.length);
    check("products", products.length == w.length, d + "×" + k + " values", products.length);
    if (products.length > 0) {
      doAddProjectedMoments(x, rows, centre, w, squares, products);
    }
  }

  /**
   * S·W in binary64.
   *
   * @param s d × d values
   * @param w d × k values
   */
  public final double[] product(double[] s, double[] w, int units) {
    if (units == 0) {
      return new double[0];
    }
    int d = w.length / units;
    check("s", s.length == (long) d * d, d + "×" + d + " values", s.length);
    return doProduct(s, w, d, units);
  }

  /**
   * What is taken from each column: mean, then mean_lo.
   *
   * @param mean one value a column
   * @param meanLo as many
   */
  public record Centre(double[] mean, double[] meanLo) {}

  /**
   * An upper bound of the roundings between a summand of a {@code fast} sum and the sum: those of a
   * block, in any order; a BLAS may add a block in up to 8 parts, and each call may end with a part
   * of a block; then the sums of the threads.
   */
  public final double depth(long rows, long calls) {
    double parts = 8 * ((double) rows / BLOCK + calls);
    return Math.min((double) rows, BLOCK + parts) + (double) calls * threads() + 2;
  }

  /** {@link #addPairs} behind the door: at least 2 columns and 1 row, not counted. */
  protected abstract void doAddPairs(Values x, int rows, CrossSums sums);

  /** {@link #covariance} behind the door. */
  protected abstract double[] doCovariance(CrossSums sums);

  /** {@link #quadraticForms} behind the door. */
  protected abstract double[] doQuadraticForms(double[] s, Values w, int units);

  /** {@link #projections} behind the door. */
  protected abstract double[] doProjections(double[] v, Values w, int units);

  /** {@link #addCentredGram} behind the door. */
  protected abstract void doAddCentredGram(Values x, int rows, Centre centre, double[] gram);

  /** {@link #addCentredProducts} behind the door. */
  protected abstract void doAddCentredProducts(
      Values a, Centre ofA, Values b, Centre ofB, int rows, double[] products);

  /** {@link #addProjectedMoments} behind the door. */
  protected abstract void doAddProjectedMoments(
      Values x, int rows, Centre centre, double[] w, double[] squares, double[] products);

  /** {@link #product} behind the door. */
  protected abstract double[] doProduct(double[] s, double[] w, int d, int units);

  /** The rows of a matrix of so many columns. */
  private static int rows(Values values, int columns) {
    check(
        "matrix",
        columns == 0 ? values.count() == 0 : values.count() % columns == 0,
        "whole rows of " + columns,
        values.count());
    return columns == 0 ? 0 : values.count() / columns;
  }

  private static void check(String name, boolean fits, String expected, Object found) {
    if (!fits) {
      throw new IllegalArgumentException(name + ": expected " + expected + ", found " + found);
    }
  }
}
