package dev.batchnorm.nativeengine;

import dev.batchnorm.Values;
import java.nio.Buffer;
import org.jspecify.annotations.Nullable;

/** Where values lie: an array and an offset in bytes, or null and an address. */
record Memory(@Nullable Object array, long at) {

  static Memory of(Values values) {
    Buffer buffer = values.buffer();
    if (buffer.hasArray()) {
      return new Memory(buffer.array(), (long) buffer.arrayOffset() * values.type().bytes());
    }
    return new Memory(null, Kernels.address(buffer));
  }
}
