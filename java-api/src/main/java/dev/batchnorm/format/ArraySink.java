package dev.batchnorm.format;

import dev.batchnorm.Sink;
import java.nio.ByteBuffer;

/**
 * Takes an array of any real type. Of floating types it takes values as any {@link Sink}; of all
 * types it takes bytes.
 */
public interface ArraySink extends Sink {

  /**
   * Appends values.
   *
   * @param bytes little-endian values of the sink's type, whole ones, whatever order the buffer is
   *     set to; its position moves to its limit
   * @throws dev.batchnorm.OutputException if they cannot be written
   */
  void write(ByteBuffer bytes);
}
