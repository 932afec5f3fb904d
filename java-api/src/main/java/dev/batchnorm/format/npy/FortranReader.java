package dev.batchnorm.format.npy;

import dev.batchnorm.format.InputBytes;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Values in C order from a file whose first axis varies fastest. A panel of consecutive rows (a row
 * is everything at one index of the first axis) is transposed in memory at a time, so that reading
 * in order reads each value once. Where not even one row fits, the panel is a part of a row,
 * gathered value by value.
 */
final class FortranReader {
  private static final int READ_AHEAD = 1 << 20;

  /** Skipping a gap shorter than this costs more than reading it. */
  private static final int NEAR = 4096;

  private final InputBytes in;
  private final long dataStart;
  private final long[] sizes;
  private final int itemBytes;
  private final long mostValues;
  private final long rowValues;
  private final long count;

  private ByteBuffer panel = ByteBuffer.allocate(0);
  private long panelFirst;
  private long panelCount;

  private ByteBuffer window = ByteBuffer.allocate(0);
  private long windowStart;

  FortranReader(InputBytes in, long dataStart, long[] sizes, int itemBytes, long panelBytes) {
    this.in = in;
    this.dataStart = dataStart;
    this.sizes = sizes;
    this.itemBytes = itemBytes;
    this.mostValues = Math.max(panelBytes / itemBytes, 1);
    this.count = (in.size() - dataStart) / itemBytes;
    this.rowValues = count == 0 || sizes.length == 0 ? 0 : count / sizes[0];
  }

  /** Frees the memory; the values may be read again. */
  void release() {
    panel = ByteBuffer.allocate(0);
    panelCount = 0;
    window = ByteBuffer.allocate(0);
    windowStart = 0;
  }

  /** Fills the buffer with the values from {@code first} on; there must be that many. */
  void read(long first, int count, ByteBuffer into) {
    long at = first;
    long end = first + count;
    while (at < end) {
      if (at < panelFirst || at >= panelFirst + panelCount) {
        fill(at);
      }
      int values = (int) (Math.min(end, panelFirst + panelCount) - at);
      int from = (int) (at - panelFirst) * itemBytes;
      into.put(panel.slice(from, values * itemBytes));
      at += values;
    }
  }

  private void fill(long at) {
    long row = at / rowValues;
    panelCount = 0;
    if (rowValues <= mostValues) {
      long rows = Math.min(mostValues / rowValues, sizes[0] - row);
      prepare(rows * rowValues);
      fillRows(row, (int) rows);
      panelFirst = row * rowValues;
      panelCount = rows * rowValues;
    } else {
      long most = Math.min(mostValues, (row + 1) * rowValues - at);
      prepare(most);
      fillPartOfRow(row, at - row * rowValues, (int) most);
      panelFirst = at;
      panelCount = most;
    }
  }

  private void prepare(long values) {
    int bytes = Math.toIntExact(values * itemBytes);
    if (panel.capacity() < bytes) {
      panel = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
  }

  /** Each column of the file (all other indices fixed) gives one run of the panel's rows. */
  private void fillRows(long firstRow, int rows) {
    int rank = sizes.length;
    long[] index = new long[rank];
    long[] strides = new long[rank];
    strides[rank - 1] = 1;
    for (int axis = rank - 2; axis > 0; axis--) {
      strides[axis] = strides[axis + 1] * sizes[axis + 1];
    }
    long gap = (sizes[0] - rows) * itemBytes;
    int row = Math.toIntExact(rowValues);
    int target = 0;
    for (long column = 0; column < rowValues; column++) {
      long start = (column * sizes[0] + firstRow) * itemBytes;
      for (int done = 0; done < rows; ) {
        int at = locate(start + (long) done * itemBytes, gap <= NEAR);
        int values = Math.min(rows - done, (window.limit() - at) / itemBytes);
        for (int i = 0; i < values; i++) {
          copy(at + i * itemBytes, ((done + i) * row + target) * itemBytes);
        }
        done += values;
      }
      for (int axis = 1; axis < rank; axis++) {
        target += (int) strides[axis];
        if (++index[axis] < sizes[axis]) {
          break;
        }
        target -= (int) (strides[axis] * sizes[axis]);
        index[axis] = 0;
      }
    }
  }

  private void fillPartOfRow(long row, long firstColumn, int values) {
    int rank = sizes.length;
    long[] index = new long[rank];
    long[] strides = new long[rank];
    strides[0] = 1;
    for (int axis = 1; axis < rank; axis++) {
      strides[axis] = strides[axis - 1] * sizes[axis - 1];
    }
    long rest = firstColumn;
    long source = row;
    for (int axis = rank - 1; axis > 0; axis--) {
      index[axis] = rest % sizes[axis];
      rest /= sizes[axis];
      source += index[axis] * strides[axis];
    }
    boolean near = strides[rank - 1] * itemBytes <= NEAR;
    for (int i = 0; i < values; i++) {
      copy(locate(source * itemBytes, near), i * itemBytes);
      for (int axis = rank - 1; axis > 0; axis--) {
        source += strides[axis];
        if (++index[axis] < sizes[axis]) {
          break;
        }
        source -= strides[axis] * sizes[axis];
        index[axis] = 0;
      }
    }
  }

  /** Where in the window the value at the position of the data lies, read if it is not there. */
  private int locate(long position, boolean ahead) {
    if (position < windowStart || position >= windowStart + window.limit()) {
      if (window.capacity() == 0) {
        int bytes = (int) Math.min(READ_AHEAD, count * itemBytes);
        window = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
      }
      long most = ahead ? READ_AHEAD : NEAR;
      window.clear().limit((int) Math.min(most, count * itemBytes - position));
      windowStart = Long.MAX_VALUE; // nothing is there if the next line throws
      in.read(dataStart + position, window);
      window.flip();
      windowStart = position;
    }
    return (int) (position - windowStart);
  }

  private void copy(int from, int to) {
    switch (itemBytes) {
      case 8 -> panel.putLong(to, window.getLong(from));
      case 4 -> panel.putInt(to, window.getInt(from));
      case 2 -> panel.putShort(to, window.getShort(from));
      default -> panel.put(to, window.get(from));
    }
  }
}
