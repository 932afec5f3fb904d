package dev.batchnorm;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;

/**
 * A run of f16, f32 or f64 values in memory, on the heap or off it. A {@code Values} is a window:
 * it shares the array or buffer it was made from, and neither copies nor frees it.
 */
public final class Values {
  // Quiet NaNs with payload 1.
  private static final short ABSENT_16 = 0x7e01;
  private static final int ABSENT_32 = 0x7fc00001;
  private static final long ABSENT_64 = 0x7ff8000000000001L;

  private final DType type;
  private final Buffer buffer;

  private Values(DType type, Buffer buffer, ByteOrder order) {
    if (!buffer.hasArray() && !(buffer.isDirect() && order == ByteOrder.nativeOrder())) {
      throw new IllegalArgumentException(
          "values: expected an array that may be written, or a direct buffer in native byte order, found "
              + (buffer.isDirect() ? order + " order" : "another buffer on the heap"));
    }
    this.type = type;
    this.buffer = buffer;
  }

  /** A window on the whole array, whose elements are the bits of f16 values. */
  public static Values ofBinary16(short... bits) {
    return new Values(DType.F16, ShortBuffer.wrap(bits), ByteOrder.nativeOrder());
  }

  /** A window on the whole array. */
  public static Values of(float... values) {
    return new Values(DType.F32, FloatBuffer.wrap(values), ByteOrder.nativeOrder());
  }

  /** A window on the whole array. */
  public static Values of(double... values) {
    return new Values(DType.F64, DoubleBuffer.wrap(values), ByteOrder.nativeOrder());
  }

  /**
   * A window on the buffer's values from its position to its limit.
   *
   * @throws IllegalArgumentException if the buffer is neither over an array nor direct in native
   *     byte order
   */
  public static Values of(FloatBuffer values) {
    return new Values(DType.F32, values.slice(), values.order());
  }

  /**
   * A window on the buffer's values from its position to its limit.
   *
   * @throws IllegalArgumentException if the buffer is neither over an array nor direct in native
   *     byte order
   */
  public static Values of(DoubleBuffer values) {
    return new Values(DType.F64, values.slice(), values.order());
  }

  /**
   * A window on the bytes from the buffer's position to its limit. A {@link ByteBuffer} is
   * big-endian until told otherwise.
   *
   * @throws IllegalArgumentException if the bytes are no whole number of values, or the buffer is
   *     not direct in native byte order
   */
  public static Values of(DType type, ByteBuffer bytes) {
    if (bytes.remaining() % type.bytes() != 0) {
      throw new IllegalArgumentException(
          "bytes: expected a multiple of "
              + type.bytes()
              + " ("
              + type.label()
              + "), found "
              + bytes.remaining());
    }
    ByteBuffer own = bytes.slice().order(bytes.order());
    Buffer values =
        switch (type) {
          case F16 -> own.asShortBuffer();
          case F32 -> own.asFloatBuffer();
          case F64 -> own.asDoubleBuffer();
        };
    return new Values(type, values, own.order());
  }

  /** New zeros on the heap. */
  public static Values allocate(DType type, int count) {
    return switch (type) {
      case F16 -> ofBinary16(new short[count]);
      case F32 -> of(new float[count]);
      case F64 -> of(new double[count]);
    };
  }

  /**
   * New zeros off the heap, in native byte order, freed when no longer reachable. At most 2³¹ − 1
   * bytes.
   */
  public static Values allocateDirect(DType type, int count) {
    int bytes = Math.multiplyExact(count, type.bytes());
    return of(type, ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder()));
  }

  /** The type of the values. */
  public DType type() {
    return type;
  }

  /** The number of values. */
  public int count() {
    return buffer.limit();
  }

  /**
   * The shared {@link ShortBuffer} of f16 bits, {@link FloatBuffer} or {@link DoubleBuffer}; its
   * position is 0 and its limit the count.
   */
  public Buffer buffer() {
    return buffer;
  }

  /** The value at the index, widened exactly. */
  public double get(int index) {
    return switch (type) {
      case F16 -> Binary16.value(((ShortBuffer) buffer).get(index));
      case F32 -> ((FloatBuffer) buffer).get(index);
      case F64 -> ((DoubleBuffer) buffer).get(index);
    };
  }

  /**
   * Copies {@code count} values from the index on, widened exactly, to the start of an array: as
   * {@link #get(int)} does one by one, faster.
   *
   * @throws IndexOutOfBoundsException if they are not there or do not fit
   */
  public void get(int index, double[] to, int count) {
    switch (type) {
      case F16 -> {
        ShortBuffer bits = (ShortBuffer) buffer;
        for (int i = 0; i < count; i++) {
          to[i] = Binary16.value(bits.get(index + i));
        }
      }
      case F32 -> {
        FloatBuffer floats = (FloatBuffer) buffer;
        for (int i = 0; i < count; i++) {
          to[i] = floats.get(index + i);
        }
      }
      case F64 -> ((DoubleBuffer) buffer).get(index, to, 0, count);
    }
  }

  /**
   * Stores the value at the index, rounded once to this type; a NaN becomes the one NaN with an
   * empty payload.
   */
  public void set(int index, double value) {
    switch (type) {
      case F16 -> ((ShortBuffer) buffer).put(index, Binary16.bits(value));
      case F32 ->
          ((FloatBuffer) buffer).put(index, Double.isNaN(value) ? Float.NaN : (float) value);
      case F64 -> ((DoubleBuffer) buffer).put(index, Double.isNaN(value) ? Double.NaN : value);
    }
  }

  /**
   * Marks the value at the index as absent: a NaN like others, but told from them by {@link
   * #isAbsent}.
   */
  public void setAbsent(int index) {
    switch (type) {
      case F16 -> ((ShortBuffer) buffer).put(index, ABSENT_16);
      case F32 -> ((FloatBuffer) buffer).put(index, Float.intBitsToFloat(ABSENT_32));
      case F64 -> ((DoubleBuffer) buffer).put(index, Double.longBitsToDouble(ABSENT_64));
    }
  }

  /** Whether the value at the index was marked as absent, here or where it was copied from. */
  public boolean isAbsent(int index) {
    return switch (type) {
      case F16 -> ((ShortBuffer) buffer).get(index) == ABSENT_16;
      case F32 -> Float.floatToRawIntBits(((FloatBuffer) buffer).get(index)) == ABSENT_32;
      case F64 -> Double.doubleToRawLongBits(((DoubleBuffer) buffer).get(index)) == ABSENT_64;
    };
  }

  /**
   * A window on part of this window.
   *
   * @throws IndexOutOfBoundsException if the part is not inside
   */
  public Values slice(int first, int count) {
    if (first == 0 && count == count()) {
      return this;
    }
    return new Values(type, buffer.slice(first, count), ByteOrder.nativeOrder());
  }

  /**
   * Copies values {@code first … first + count − 1} of another window of the same type to this one,
   * from the index on.
   *
   * @throws IllegalArgumentException if the types differ
   * @throws IndexOutOfBoundsException if they are not there or do not fit
   */
  public void put(int index, Values source, int first, int count) {
    if (source.type != type) {
      throw new IllegalArgumentException(
          "values: expected " + type.label() + ", found " + source.type.label());
    }
    switch (type) {
      case F16 -> ((ShortBuffer) buffer).put(index, (ShortBuffer) source.buffer, first, count);
      case F32 -> ((FloatBuffer) buffer).put(index, (FloatBuffer) source.buffer, first, count);
      case F64 -> ((DoubleBuffer) buffer).put(index, (DoubleBuffer) source.buffer, first, count);
    }
  }

  /**
   * A copy as floats, f16 widened exactly.
   *
   * @throws IllegalStateException if the values are f64, which floats cannot hold
   */
  public float[] toFloats() {
    if (type == DType.F64) {
      throw new IllegalStateException(
          "values: expected f16 or f32, found f64; toDoubles() takes all");
    }
    float[] copy = new float[count()];
    for (int i = 0; i < copy.length; i++) {
      copy[i] = (float) get(i);
    }
    return copy;
  }

  /** A copy as doubles, widened exactly. */
  public double[] toDoubles() {
    double[] copy = new double[count()];
    if (buffer instanceof DoubleBuffer doubles) {
      doubles.get(0, copy);
    } else {
      for (int i = 0; i < copy.length; i++) {
        copy[i] = get(i);
      }
    }
    return copy;
  }

  @Override
  public String toString() {
    return count() + " values of " + type.label();
  }
}
