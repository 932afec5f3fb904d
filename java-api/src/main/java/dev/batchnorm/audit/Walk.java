package dev.batchnorm.audit;

import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.View;
import java.util.List;

/** Arrays of one shape, read side by side. */
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

  /**
   * Visits all places of arrays of that shape: chunk by chunk, and in each of them channel by
   * channel where whole rows of channels fit, because kernels are slow to change channels.
   */
  static void over(Shape shape, List<Source> arrays, Visitor visitor) {
    View view = shape.view();
    long row = view.channels() * view.inner();
    long limit = CHUNK;
    for (Source array : arrays) {
      limit = Math.min(limit, array.chunkLimit());
    }
    boolean byChannels = row > 0 && row <= limit;
    limit = byChannels ? limit / row * row : limit;
    double[][] chunks = new double[arrays.size()][(int) Math.min(limit, view.count())];
    double[] values = new double[arrays.size()];
    for (long first = 0; first < view.count(); first += limit) {
      int count = (int) Math.min(limit, view.count() - first);
      for (int a = 0; a < chunks.length; a++) {
        arrays.get(a).chunk(first, count).get(0, chunks[a], count);
      }
      if (byChannels) {
        int inner = (int) view.inner();
        for (int c = 0; c < view.channels(); c++) {
          for (int start = c * inner; start < count; start += (int) row) {
            visit(first, start, start + inner, c, chunks, values, visitor);
          }
        }
      } else {
        for (int i = 0; i < count; i++) {
          visit(first, i, i + 1, group(view, first + i), chunks, values, visitor);
        }
      }
    }
  }

  private static void visit(
      long first, int from, int to, int c, double[][] chunks, double[] values, Visitor visitor) {
    for (int i = from; i < to; i++) {
      for (int a = 0; a < chunks.length; a++) {
        values[a] = chunks[a][i];
      }
      visitor.visit(first + i, c, values);
    }
  }

  /** The channel of a place. */
  static int group(View view, long index) {
    return (int) (index / view.inner() % view.channels());
  }
}
