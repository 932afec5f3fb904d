package dev.batchnorm.format.csv;

import dev.batchnorm.DType;
import dev.batchnorm.Values;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Spool;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A growing run of values of one type: in memory up to a limit, beyond it in a temporary file. */
final class CsvValues implements AutoCloseable {
  /** Stands for an absent value in a {@link Buffer}. */
  static final double ABSENT = absent();

  private static double absent() {
    Values one = Values.allocate(DType.F64, 1);
    one.setAbsent(0);
    return one.get(0);
  }

  private final DType type;
  private final long memoryLimit;
  private final List<Values> parts = new ArrayList<>();
  private long[] ends = new long[64];
  private long inMemory;
  private final Spool spool;
  private @Nullable InputBytes spooled;
  private Values window;

  /**
   * No values yet.
   *
   * @param name what messages call them
   * @param memoryLimit the bytes that may be held in memory
   */
  CsvValues(String name, DType type, long memoryLimit) {
    this.type = type;
    this.memoryLimit = memoryLimit;
    this.spool = new Spool(name, 0);
    this.window = Values.allocateDirect(type, 0);
  }

  /** Values as they are found, of a length not known before. */
  static final class Buffer {
    private final DType type;
    private double[] values = new double[1 << 12];
    private int count;

    Buffer(DType type) {
      this.type = type;
    }

    void add(double[] more, int size) {
      if (count + size > values.length) {
        values = Arrays.copyOf(values, Math.max(2 * values.length, count + size));
      }
      System.arraycopy(more, 0, values, count, size);
      count += size;
    }

    Values values() {
      Values result = Values.allocateDirect(type, count);
      if (type == DType.F64) {
        ((DoubleBuffer) result.buffer()).put(0, values, 0, count);
      } else {
        for (int i = 0; i < count; i++) {
          if (Double.doubleToRawLongBits(values[i]) == Double.doubleToRawLongBits(ABSENT)) {
            result.setAbsent(i);
          } else {
            result.set(i, values[i]);
          }
        }
      }
      return result;
    }
  }

  /** Appends values, which must not change any more. */
  void add(Buffer buffer) {
    if (buffer.count == 0) {
      return;
    }
    Values values = buffer.values();
    long bytes = (inMemory + values.count()) * type.bytes();
    if (spool.size() > 0 || bytes > memoryLimit) {
      spool.write(bytes(values));
      return;
    }
    if (parts.size() == ends.length) {
      ends = Arrays.copyOf(ends, 2 * ends.length);
    }
    inMemory += values.count();
    ends[parts.size()] = inMemory;
    parts.add(values);
  }

  private static ByteBuffer bytes(Values values) {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(values.count() * values.type().bytes())
            .order(ByteOrder.nativeOrder());
    Values.of(values.type(), bytes).put(0, values, 0, values.count());
    return bytes;
  }

  DType type() {
    return type;
  }

  /** The bytes in the temporary file. */
  long spooled() {
    return spool.size();
  }

  /** The values from {@code first} on, valid until the next call. */
  Values read(long first, int count) {
    if (window.count() < count) {
      window = Values.allocateDirect(type, count);
    }
    int done = 0;
    while (done < count && first + done < inMemory) {
      int part = partOf(first + done);
      int from = (int) (first + done - (ends[part] - parts.get(part).count()));
      int more = Math.min(count - done, parts.get(part).count() - from);
      window.put(done, parts.get(part), from, more);
      done += more;
    }
    if (done < count) {
      ByteBuffer bytes =
          ByteBuffer.allocateDirect((count - done) * type.bytes()).order(ByteOrder.nativeOrder());
      if (spooled == null) {
        spooled = spool.input();
      }
      spooled.read((first + done - inMemory) * type.bytes(), bytes);
      window.put(done, Values.of(type, bytes.flip()), 0, count - done);
    }
    return window.slice(0, count);
  }

  private int partOf(long index) {
    int found = Arrays.binarySearch(ends, 0, parts.size(), index);
    return found >= 0 ? found + 1 : -found - 1;
  }

  @Override
  public void close() {
    spool.close();
  }
}
