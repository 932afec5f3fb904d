package dev.batchnorm.format.csv;

import dev.batchnorm.DType;
import dev.batchnorm.Values;
import java.util.ArrayList;
import java.util.List;

/** A growing run of values of one type. */
final class CsvValues {
  private static final int SEGMENT = 1 << 16;

  private final DType type;
  private final List<Values> segments = new ArrayList<>();
  private long count;
  private Values window;

  CsvValues(DType type) {
    this.type = type;
    this.window = Values.allocate(type, 0);
  }

  void add(double value) {
    int at = (int) (count % SEGMENT);
    if (at == 0) {
      segments.add(Values.allocate(type, SEGMENT));
    }
    segments.get(segments.size() - 1).set(at, value);
    count++;
  }

  DType type() {
    return type;
  }

  /** The values from {@code first} on, valid until the next call. */
  Values read(long first, int count) {
    if (window.count() < count) {
      window = Values.allocateDirect(type, count);
    }
    for (int done = 0; done < count; ) {
      long at = first + done;
      int from = (int) (at % SEGMENT);
      int part = Math.min(count - done, SEGMENT - from);
      window.put(done, segments.get((int) (at / SEGMENT)), from, part);
      done += part;
    }
    return window.slice(0, count);
  }
}
