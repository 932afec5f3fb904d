package dev.batchnorm.format.npy;

import dev.batchnorm.format.InputBytes;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;
import org.jspecify.annotations.Nullable;

/** The values behind an NPY header as little-endian bytes in C order, however they lie. */
final class NpyData {
  private static final long PANEL = 256L << 20;

  private final InputBytes in;
  private final NpyHeader header;
  private final int itemBytes;
  private final FortranReader fortran;
  private final boolean inPlace;
  private @Nullable ByteBuffer buffer;

  NpyData(InputBytes in, NpyHeader header, int itemBytes) {
    this(in, header, itemBytes, Math.min(PANEL, Runtime.getRuntime().maxMemory() / 4));
  }

  NpyData(InputBytes in, NpyHeader header, int itemBytes, long panelBytes) {
    this.in = in;
    this.header = header;
    this.itemBytes = itemBytes;
    this.inPlace = !header.fortranOrder || longAxes(header.sizes) <= 1;
    this.fortran =
        new FortranReader(in, header.dataStart, header.sizes.clone(), itemBytes, panelBytes);
  }

  /** Whether the values lie in C order, so that they can be read anywhere. */
  boolean isInPlace() {
    return inPlace;
  }

  /** With one axis longer than 1, both orders are the same. */
  private static int longAxes(long[] sizes) {
    int count = 0;
    for (long size : sizes) {
      count += size == 1 ? 0 : 1;
    }
    return count;
  }

  /** The values in C order, valid until the next call. */
  ByteBuffer read(long first, int count) {
    int bytes = Math.multiplyExact(count, itemBytes);
    ByteBuffer buffer = this.buffer;
    if (buffer == null || buffer.capacity() < bytes) {
      buffer = ByteBuffer.allocateDirect(bytes);
      this.buffer = buffer;
    }
    buffer.clear().limit(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (inPlace) {
      in.read(header.dataStart + first * itemBytes, buffer);
    } else if (count > 0) {
      fortran.read(first, count, buffer);
    }
    buffer.flip();
    if (header.isBigEndian()) {
      swap(buffer);
    }
    return buffer;
  }

  /** Frees the memory; the values may be read again. */
  void release() {
    buffer = null;
    fortran.release();
  }

  private void swap(ByteBuffer buffer) {
    switch (itemBytes) {
      case 2 -> {
        ShortBuffer items = buffer.asShortBuffer();
        for (int i = 0; i < items.limit(); i++) {
          items.put(i, Short.reverseBytes(items.get(i)));
        }
      }
      case 4 -> {
        IntBuffer items = buffer.asIntBuffer();
        for (int i = 0; i < items.limit(); i++) {
          items.put(i, Integer.reverseBytes(items.get(i)));
        }
      }
      case 8 -> {
        LongBuffer items = buffer.asLongBuffer();
        for (int i = 0; i < items.limit(); i++) {
          items.put(i, Long.reverseBytes(items.get(i)));
        }
      }
      default -> {} // one byte has no order
    }
  }
}
