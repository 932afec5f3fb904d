package dev.batchnorm.nativeengine;

import dev.batchnorm.DType;
import dev.batchnorm.format.Numerals;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;

/** Text of numbers by the C++ library's {@code from_chars} and {@code to_chars}. */
final class NativeNumerals implements Numerals {

  @Override
  public int read(Records records, Text text, double[] values, long[] consumed) {
    int columns = records.selected().length;
    return (int)
        Kernels.readRecords(
            type(records.type()),
            records.delimiter(),
            records.comment(),
            records.fields(),
            records.selected(),
            columns,
            text.bytes(),
            text.first(),
            text.size(),
            text.startsBefore(),
            values.length / columns,
            values,
            consumed);
  }

  @Override
  @SuppressWarnings("ReachabilityFenceUsage") // the kernels throw nothing
  public void write(DType type, ByteBuffer values, byte[] text, int[] ends) {
    int count = Math.min(ends.length, values.remaining() / type.bytes());
    long address = Kernels.address(values) + values.position();
    int status = Kernels.writeNumbers(type(type), address, count, text, ends);
    Reference.reachabilityFence(values);
    if (status != 0) {
      throw new OutOfMemoryError("no memory for the text of " + count + " numbers");
    }
  }

  @Override
  @SuppressWarnings("ReachabilityFenceUsage") // the kernels throw nothing
  public int writeRows(DType type, ByteBuffer values, Rows rows, byte[] text) {
    int count = values.remaining() / type.bytes();
    long address = Kernels.address(values) + values.position();
    long bytes =
        Kernels.writeRows(
            type(type),
            address,
            count,
            rows.first(),
            rows.columns(),
            rows.delimiter(),
            rows.carriageReturn() ? 1 : 0,
            text);
    Reference.reachabilityFence(values);
    if (bytes < 0) {
      throw new OutOfMemoryError("no memory for the text of " + count + " numbers");
    }
    return (int) bytes;
  }

  private static int type(DType type) {
    return switch (type) {
      case F32 -> 1;
      case F64 -> 2;
      case F16 -> throw new IllegalArgumentException("type: expected f32 or f64, found f16");
    };
  }
}
