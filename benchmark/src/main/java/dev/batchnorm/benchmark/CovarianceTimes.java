package dev.batchnorm.benchmark;

import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Level;
import dev.batchnorm.Reparameterization;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.engine.Engines;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;

/**
 * Prints the milliseconds that the covariance of rows × columns numbers from N(0,1) takes at each
 * level; arguments are rows, columns, f32 or f64, threads and runs.
 */
public final class CovarianceTimes {
  private CovarianceTimes() {}

  /** Runs the levels by turns, after one turn that does not count. */
  public static void main(String[] arguments) {
    int rows = Integer.parseInt(arguments[0]);
    int columns = Integer.parseInt(arguments[1]);
    DType type = DType.valueOf(arguments[2].toUpperCase(Locale.ROOT));
    int threads = Integer.parseInt(arguments[3]);
    int runs = Integer.parseInt(arguments[4]);
    Values values = Values.allocateDirect(type, rows * columns);
    Random random = new Random(1);
    for (int i = 0; i < values.count(); i++) {
      values.set(i, random.nextGaussian());
    }
    Batch x = new Batch(Shape.of(Layout.NC, rows, columns), values);
    double[][] times = new double[Level.values().length][runs];
    for (int run = -1; run < runs; run++) {
      for (Level level : Level.values()) {
        Reparameterization norm =
            Reparameterization.builder()
                .engine(Engines.named("native", threads))
                .level(level)
                .build();
        long start = System.nanoTime();
        norm.covariance(x);
        if (run >= 0) {
          times[level.ordinal()][run] = (System.nanoTime() - start) / 1e6;
        }
      }
    }
    for (Level level : Level.values()) {
      double[] sorted = times[level.ordinal()];
      Arrays.sort(sorted);
      System.out.printf(
          Locale.ROOT,
          "%-6s %9.1f ms (%.1f–%.1f)%n",
          level.label(),
          sorted[runs / 2],
          sorted[0],
          sorted[runs - 1]);
    }
  }
}
