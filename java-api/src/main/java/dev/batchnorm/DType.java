package dev.batchnorm;

/** The floating types a batch may have. Every value of each type is exactly one binary64. */
public enum DType {
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

  /** NumPy's descriptor of the little-endian type, {@code <f4} or {@code <f8}. */
  public String descriptor() {
    return descriptor;
  }

  /** The name used on the command line and in messages, {@code f32} or {@code f64}. */
  public String label() {
    return this == F32 ? "f32" : "f64";
  }

  /** The type of dγ and dβ for x of this type: f32 for f32, else f64. */
  public DType gradientType() {
    return this;
  }
}
