package dev.batchnorm.format.npy;

import dev.batchnorm.format.InputBytes;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The raw little-endian values behind an NPY header, in C order whatever order they lie in. */
final class NpyData {
  /** Values a reader should ask for at once. */
  static final int CHUNK = 1 << 20;

  private static final long PANEL = 256L << 20;

  private final InputBytes in;
  private final NpyHeader header;
  private final int itemBytes;
  private final FortranReader fortran;
  private final boolean inPlace;
  private ByteBuffer buffer = ByteBuffer.allocateDirect(0);

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
    if (buffer.capacity() < bytes) {
      buffer = ByteBuffer.allocateDirect(bytes);
    }
    buffer.clear().limit(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (inPlace) {
      in.read(header.dataStart + first * itemBytes, buffer);
    } else if (count > 0) {
      fortran.read(first, count, buffer);
    }
    return buffer.flip();
  }
}
