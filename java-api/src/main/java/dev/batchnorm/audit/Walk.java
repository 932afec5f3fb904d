package dev.batchnorm.audit;

import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.View;
import java.util.List;

/** Arrays of one shape, read side by side in C order. */
final class Walk {
  /** Values of each array that are held at once. */
  private static final int CHUNK = 1 << 16;

  /** Takes the values of all arrays at one place. */
  interface Visitor {
    /**
     * Takes them.
     *
     * @param index the place in C order
     * @param channel the channel of the place
     * @param values one for each array; the same array at each call
     */
    void visit(long index, int channel, double[] values);
  }

  private Walk() {}

  /** Visits all places of arrays of that shape. */
  static void over(Shape shape, List<Source> arrays, Visitor visitor) {
    View view = shape.view();
    long limit = CHUNK;
    for (Source array : arrays) {
      limit = Math.min(limit, array.chunkLimit());
    }
    double[][] chunks = new double[arrays.size()][(int) Math.min(limit, view.count())];
    double[] values = new double[arrays.size()];
    for (long first = 0; first < view.count(); first += limit) {
      int count = (int) Math.min(limit, view.count() - first);
      for (int a = 0; a < chunks.length; a++) {
        arrays.get(a).chunk(first, count).get(0, chunks[a], count);
      }
      for (int i = 0; i < count; i++) {
        for (int a = 0; a < chunks.length; a++) {
          values[a] = chunks[a][i];
        }
        visitor.visit(first + i, group(view, first + i), values);
      }
    }
  }

  /** The channel of a place. */
  static int group(View view, long index) {
    return (int) (index / view.inner() % view.channels());
  }
}
