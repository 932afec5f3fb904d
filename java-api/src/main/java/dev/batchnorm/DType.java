package dev.batchnorm;

/** The floating types a batch may have. Every value of each type is exactly one binary64. */
public enum DType {
  /** IEEE binary16. */
  F16(2, "<f2"),
  /** IEEE binary32. */
  F32(4, "<f4"),
  /** IEEE binary64. */
  F64(8, "<f8");

  private final int bytes;
  private final String descriptor;

  DType(int bytes, String descriptor) {
    this.bytes = bytes;
    this.descriptor = descriptor;
  }

  /** Size of one value in bytes. */
  public int bytes() {
    return bytes;
  }

  /** NumPy's descriptor of the little-endian type: {@code <f2}, {@code <f4} or {@code <f8}. */
  public String descriptor() {
    return descriptor;
  }

  /** The name used on the command line and in messages: {@code f16}, {@code f32} or {@code f64}. */
  public String label() {
    return "f" + 8 * bytes;
  }

  /** The type of dγ and dβ for x of this type: f32 for f16 and f32, else f64. */
  public DType gradientType() {
    return this == F64 ? F64 : F32;
  }

  /** RN_T: the binary64 rounded once to this type, to nearest, ties to even, as a binary64. */
  public double round(double value) {
    return switch (this) {
      case F16 -> Binary16.value(Binary16.bits(value));
      case F32 -> (float) value;
      case F64 -> value;
    };
  }

  /** The bits of the value rounded once to this type, zero-extended; every NaN has the same. */
  public long bits(double value) {
    return switch (this) {
      case F16 -> Binary16.bits(value) & 0xffffL;
      case F32 -> Float.floatToIntBits((float) value) & 0xffffffffL;
      case F64 -> Double.doubleToLongBits(value);
    };
  }

  /** The number that the lowest bits stand for. */
  public double fromBits(long bits) {
    return switch (this) {
      case F16 -> Binary16.value((short) bits);
      case F32 -> Float.intBitsToFloat((int) bits);
      case F64 -> Double.longBitsToDouble(bits);
    };
  }
}
