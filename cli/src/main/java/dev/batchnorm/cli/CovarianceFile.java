package dev.batchnorm.cli;

import dev.batchnorm.Covariance;
import dev.batchnorm.InputException;
import dev.batchnorm.Level;
import dev.batchnorm.Shape;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.csv.CsvTable;
import dev.batchnorm.format.npy.NpyArray;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A covariance read from an NPZ that holds {@code covariance} and {@code mean}, and perhaps {@code
 * covariance_bound}; or from a matrix alone, with its mean.
 *
 * @param name what messages call it
 */
record CovarianceFile(String name, Covariance covariance) {
  private static final String COVARIANCE = "covariance";
  private static final String MEAN = "mean";
  private static final String BOUND = "covariance_bound";

  /**
   * Reads what {@code --covariance} names.
   *
   * @param mean what {@code --mean} names, or null
   * @param text how INPUT's text would be read
   */
  static CovarianceFile read(
      InputFiles inputs, String argument, @Nullable String mean, TextOptions text) {
    InputFiles.Contents file = inputs.contents("--covariance", argument, text.ofOtherTable());
    List<String> members = file.members();
    boolean isAlone = members == null || !members.contains(COVARIANCE);
    InputFiles.Stored stored =
        members == null
            ? InputFiles.ofOwnTable(file::only)
            : isAlone
                ? InputFiles.only(
                    argument, inputs.arrays("--covariance", argument, text), COVARIANCE)
                : file.member(COVARIANCE);
    String name = stored.array().name();
    double[] s = square(stored);
    int d = (int) stored.array().sizes()[0];
    Channels columns = new Channels(d, "columns of " + name + ", shape " + Shape.text(d, d));
    if (mean == null && (members == null || !members.contains(MEAN))) {
      throw new InputException(
          file.name()
              + ": expected the mean beside the covariance, found "
              + (members == null ? "the covariance alone" : Wording.some(members)),
          "--mean MU names it");
    }
    double[] given =
        mean != null
            ? inputs.perChannel("--mean", mean, columns, MEAN)
            : inputs.perChannel("--covariance", argument + ":" + MEAN, columns);
    double[] mu = given.length == 1 ? filled(d, given[0]) : given;
    Covariance covariance = InputFiles.naming(file.name(), () -> Covariance.given(mu, s));
    if (members == null || isAlone || !members.contains(BOUND)) {
      return new CovarianceFile(name, covariance);
    }
    double[] bound = bound(file.member(BOUND), d);
    return new CovarianceFile(name, new Covariance(mu, s, 0, Level.FAST, bound));
  }

  private static double[] filled(int d, double all) {
    double[] mean = new double[d];
    Arrays.fill(mean, all);
    return mean;
  }

  private static double[] square(InputFiles.Stored stored) {
    long[] sizes = stored.array().sizes();
    if (sizes.length != 2 || sizes[0] != sizes[1]) {
      throw new InputException(
          stored.array().name() + ": expected a square matrix, found shape " + Shape.text(sizes));
    }
    double[] values = values(stored);
    for (int i = 0; i < values.length; i++) {
      require(stored, i, Double.isFinite(values[i]), "finite numbers", values[i]);
    }
    return values;
  }

  private static double[] bound(InputFiles.Stored stored, int d) {
    if (!Arrays.equals(stored.array().sizes(), new long[] {d, d})) {
      throw new InputException(
          stored.array().name()
              + ": expected shape "
              + Shape.text(d, d)
              + " as the covariance, found "
              + Shape.text(stored.array().sizes()));
    }
    double[] values = values(stored);
    for (int i = 0; i < values.length; i++) {
      require(stored, i, values[i] >= 0, "numbers ≥ 0", values[i]);
    }
    return values;
  }

  private static double[] values(InputFiles.Stored stored) {
    CsvTable table = stored.table();
    return table != null ? table.values() : ((NpyArray) stored.array()).values();
  }

  private static void require(
      InputFiles.Stored stored, int index, boolean fits, String expected, double found) {
    if (!fits) {
      throw new InputException(
          stored.array().name()
              + ": expected "
              + expected
              + ", found "
              + Decimals.text(found)
              + " at "
              + Shape.tuple(Shape.indices(index, stored.array().sizes())));
    }
  }
}
