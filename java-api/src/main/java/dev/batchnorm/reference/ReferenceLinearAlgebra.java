package dev.batchnorm.reference;

import dev.batchnorm.CrossSums;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.ExactSums.Register;
import dev.batchnorm.Values;
import dev.batchnorm.engine.LinearAlgebra;
import java.util.Arrays;
import java.util.stream.DoubleStream;

/** The passes of linear algebra as their equations, on one thread. */
final class ReferenceLinearAlgebra extends LinearAlgebra {

  @Override
  public String description() {
    return "reference, 1 thread";
  }

  @Override
  protected int threads() {
    return 1;
  }

  @Override
  protected void doAddPairs(Values x, int rows, CrossSums sums) {
    int d = sums.columns();
    Register register = sums.pairs().product();
    double[] row = new double[d];
    for (int i = 0; i < d - 1; i++) {
      Superaccumulator[] products = new Superaccumulator[d - 1 - i];
      Arrays.setAll(products, j -> new Superaccumulator(register));
      for (int r = 0; r < rows; r++) {
        x.slice(r * d + i, d - i).get(0, row, d - i);
        if (!Double.isFinite(row[0])) {
          continue;
        }
        for (int j = 1; j < d - i; j++) {
          if (Double.isFinite(row[j])) {
            products[j - 1].addProduct(row[0], row[j]);
          }
        }
      }
      for (int j = i + 1; j < d; j++) {
        sums.pairs().addProduct(CrossSums.pair(i, j, d), products[j - i - 1].drain(register));
      }
    }
  }

  @Override
  protected double[] doCovariance(CrossSums sums) {
    int d = sums.columns();
    ExactSums singles = sums.singles();
    double[] s = new double[d * d];
    Dyadic m = Dyadic.of(sums.count());
    for (int i = 0; i < d; i++) {
      for (int j = i; j < d; j++) {
        double covariance = Double.NaN;
        if (sums.count() > 0 && singles.isFinite(i) && singles.isFinite(j)) {
          Dyadic product =
              i == j
                  ? new Dyadic(singles.productSum(i), singles.product().lowest())
                  : new Dyadic(
                      sums.pairs().productSum(CrossSums.pair(i, j, d)),
                      sums.pairs().product().lowest());
          Dyadic spread = m.times(product).minus(sum(singles, i).times(sum(singles, j)));
          covariance = Rounding.ratio(spread, m.times(m), DType.F64); // (R2)
        }
        s[i * d + j] = s[j * d + i] = covariance;
      }
    }
    return s;
  }

  private static Dyadic sum(ExactSums singles, int column) {
    return new Dyadic(singles.linearSum(column), singles.linear().lowest());
  }

  @Override
  protected double[] doQuadraticForms(double[] s, Values w, int units) {
    int d = units == 0 ? 0 : w.count() / units;
    double[] q = new double[units];
    boolean isFinite = DoubleStream.of(s).allMatch(Double::isFinite);
    Superaccumulator sum = new Superaccumulator(Register.F64_PRODUCT);
    for (int k = 0; k < units; k++) {
      double[] unit = column(w, k, units);
      if (!isFinite || !DoubleStream.of(unit).allMatch(Double::isFinite)) {
        q[k] = Double.NaN;
        continue;
      }
      Dyadic form = Dyadic.of(0);
      for (int i = 0; i < d; i++) {
        if (unit[i] != 0) {
          for (int j = 0; j < d; j++) {
            sum.addProduct(s[i * d + j], unit[j]);
          }
          form = form.plus(Dyadic.of(unit[i]).times(sum.drain()));
        }
      }
      q[k] = Math.max(Rounding.ratio(form, Dyadic.of(1), DType.F64), 0.0); // (R3)
    }
    return q;
  }

  @Override
  protected double[] doProjections(double[] v, Values w, int units) {
    double[] projections = new double[units];
    Superaccumulator sum = new Superaccumulator(Register.F64_PRODUCT);
    for (int k = 0; k < units; k++) {
      double[] unit = column(w, k, units);
      projections[k] = Double.NaN;
      if (DoubleStream.of(v).allMatch(Double::isFinite)
          && DoubleStream.of(unit).allMatch(Double::isFinite)) {
        for (int i = 0; i < v.length; i++) {
          sum.addProduct(v[i], unit[i]);
        }
        projections[k] = Rounding.ratio(sum.drain(), Dyadic.of(1), DType.F64); // (R5)
      }
    }
    return projections;
  }

  private static double[] column(Values w, int k, int units) {
    double[] column = new double[w.count() / units];
    Arrays.setAll(column, i -> w.get(i * units + k));
    return column;
  }

  @Override
  protected void doAddCentredGram(Values x, int rows, Centre centre, double[] gram) {
    int d = centre.mean().length;
    double[] sums = new double[d * d];
    for (int first = 0; first < rows; first += BLOCK) {
      int count = Math.min(BLOCK, rows - first);
      double[] c = centred(x, centre, first, count);
      addTransposedProduct(c, c, count, d, d, sums);
      addAndClear(sums, gram);
    }
  }

  @Override
  protected void doAddCentredProducts(
      Values a, Centre ofA, Values b, Centre ofB, int rows, double[] products) {
    int d = ofA.mean().length;
    int units = ofB.mean().length;
    double[] sums = new double[d * units];
    for (int first = 0; first < rows; first += BLOCK) {
      int count = Math.min(BLOCK, rows - first);
      double[] c = centred(a, ofA, first, count);
      double[] e = centred(b, ofB, first, count);
      addTransposedProduct(c, e, count, d, units, sums);
      addAndClear(sums, products);
    }
  }

  @Override
  protected void doAddProjectedMoments(
      Values x, int rows, Centre centre, double[] w, double[] squares, double[] products) {
    int d = centre.mean().length;
    int units = squares.length;
    double[] sums = new double[d * units];
    double[] squareSums = new double[units];
    for (int first = 0; first < rows; first += BLOCK) {
      int count = Math.min(BLOCK, rows - first);
      double[] c = centred(x, centre, first, count);
      double[] z = multiplied(c, w, count, d, units);
      for (int i = 0; i < z.length; i++) {
        squareSums[i % units] += z[i] * z[i];
      }
      addTransposedProduct(c, z, count, d, units, sums);
      addAndClear(sums, products);
      addAndClear(squareSums, squares);
    }
  }

  @Override
  protected double[] doProduct(double[] s, double[] w, int d, int units) {
    return multiplied(s, w, d, d, units);
  }

  /** Rows of x less mean and mean_lo. */
  private static double[] centred(Values x, Centre centre, int first, int rows) {
    int d = centre.mean().length;
    double[] c = new double[rows * d];
    x.get(first * d, c, c.length);
    for (int i = 0; i < c.length; i++) {
      c[i] = (c[i] - centre.mean()[i % d]) - centre.meanLo()[i % d];
    }
    return c;
  }

  /** a·b, a rows × n, b n × columns. */
  private static double[] multiplied(double[] a, double[] b, int rows, int n, int columns) {
    double[] product = new double[rows * columns];
    for (int r = 0; r < rows; r++) {
      for (int i = 0; i < n; i++) {
        for (int k = 0; k < columns; k++) {
          product[r * columns + k] += a[r * n + i] * b[i * columns + k];
        }
      }
    }
    return product;
  }

  /** Adds aᵀ·b, a rows × n, b rows × columns. */
  private static void addTransposedProduct(
      double[] a, double[] b, int rows, int n, int columns, double[] to) {
    for (int r = 0; r < rows; r++) {
      for (int i = 0; i < n; i++) {
        for (int k = 0; k < columns; k++) {
          to[i * columns + k] += a[r * n + i] * b[r * columns + k];
        }
      }
    }
  }

  private static void addAndClear(double[] sums, double[] to) {
    for (int i = 0; i < sums.length; i++) {
      to[i] += sums[i];
      sums[i] = 0;
    }
  }
}
