package dev.batchnorm.verify;

import dev.batchnorm.Values;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Values in memory, read as arrays in files are. */
record MemoryArray(String name, Values values, long[] sizes) implements StoredArray {

  @Override
  public NumberType type() {
    return NumberType.of(values.type());
  }

  @Override
  public long count() {
    return values.count();
  }

  @Override
  public ByteBuffer read(long first, int count) {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(count * type().bytes()).order(ByteOrder.LITTLE_ENDIAN);
    Values.of(values.type(), bytes).put(0, values, (int) first, count);
    return bytes;
  }
}
