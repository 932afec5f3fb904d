package dev.batchnorm.cli;

import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.View;
import dev.batchnorm.format.Axes;

/**
 * Weights W in memory, d × k with one unit a column.
 *
 * @param input where they came from
 */
record Weights(Batch batch, InputFiles.Input input) {

  /**
   * Reads the weights that {@code --weights} names.
   *
   * @param text how INPUT's text is read
   * @param cells the type that cells of CSV are rounded to
   */
  static Weights read(
      InputFiles inputs, String argument, TextOptions text, DType cells, boolean narrow) {
    InputFiles.Input input =
        InputFiles.ofOwnTable(
            () ->
                inputs.array(
                    "--weights",
                    argument,
                    text.ofOtherTable(),
                    Axes.channelAxis(1),
                    cells,
                    narrow,
                    "weights",
                    "weight",
                    "w"));
    Source w = input.source();
    if (w.shape().sizes().length > 2) {
      throw new InputException(
          w.name() + ": expected 2 axes (d × k, one unit a column), found shape " + w.shape());
    }
    if (w.shape().view().outer() > Integer.MAX_VALUE
        || w.shape().count() > Integer.MAX_VALUE / Double.BYTES) {
      throw new InputException(
          w.name() + ": expected at most 268435455 weights, found shape " + w.shape());
    }
    return new Weights(InputFiles.inMemory(w), input);
  }

  /** What messages call them. */
  String name() {
    return input.source().name();
  }

  /** The number of rows d. */
  long rows() {
    return batch.shape().view().outer();
  }

  /** The number of columns k. */
  int units() {
    return batch.shape().channels();
  }

  /** The units, for parameters. */
  Channels channels() {
    return new Channels(units(), "units of " + name() + ", shape " + batch.shape());
  }

  /** The columns of a batch, each of which has a row of weights. */
  static Channels columnsOf(Source x) {
    int d = x.shape().channels();
    return new Channels(d, "columns of " + x.name() + ", shape " + x.shape());
  }

  /** Refuses weights that do not have a row for each column. */
  void requireRows(Channels columns) {
    if (rows() == columns.count()) {
      return;
    }
    String message =
        name()
            + ": expected "
            + columns.count()
            + (columns.count() == 1 ? " row (" : " rows (")
            + columns.of()
            + "), found shape "
            + batch.shape();
    throw units() == columns.count()
        ? new InputException(
            message, "one unit a column; weights as PyTorch lays them out must be transposed")
        : new InputException(message);
  }

  /** Refuses a gradient of the units' outputs that does not have a row of them for each of x. */
  void requireOutputGradient(Source dy, Source x) {
    View view = dy.shape().view();
    long rows = x.shape().view().outer();
    if (view.outer() != rows || view.channels() != units() || view.inner() != 1) {
      long[] sizes = x.shape().sizes();
      long[] expected = sizes.length == 1 ? new long[] {sizes[0], units()} : sizes;
      expected[expected.length - 1] = units();
      throw new InputException(
          dy.name()
              + ": expected shape "
              + Shape.text(expected)
              + " (rows of "
              + x.name()
              + ", units of "
              + name()
              + "), found "
              + dy.shape());
    }
  }
}
