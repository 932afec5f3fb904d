package dev.batchnorm.format;

import dev.batchnorm.DType;
import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The real types an array in a file may have, in little-endian order. */
public enum NumberType {
  BOOL("|b1"),
  I8("|i1"),
  I16("<i2"),
  I32("<i4"),
  I64("<i8"),
  U8("|u1"),
  U16("<u2"),
  U32("<u4"),
  U64("<u8"),
  F16("<f2"),
  F32("<f4"),
  F64("<f8");

  private static final double TWO_63 = 0x1p63;

  private final String descriptor;
  private final DType floating;

  NumberType(String descriptor) {
    this.descriptor = descriptor;
    this.floating =
        switch (descriptor) {
          case "<f2" -> DType.F16;
          case "<f4" -> DType.F32;
          default -> DType.F64;
        };
  }

  /** The type of that name. */
  public static NumberType of(DType type) {
    return switch (type) {
      case F16 -> F16;
      case F32 -> F32;
      case F64 -> F64;
    };
  }

  /** The type numpy's descriptor names, whatever its byte order; null if it is none of these. */
  public static @Nullable NumberType ofDescriptor(String descriptor) {
    for (NumberType type : values()) {
      boolean hasOrder = descriptor.startsWith("<") || descriptor.startsWith(">");
      if (descriptor.equals(type.descriptor)
          || (hasOrder && descriptor.substring(1).equals(type.descriptor.substring(1)))) {
        return type;
      }
    }
    return null;
  }

  /** numpy's descriptor of the little-endian type: {@code <i8}, {@code |b1}. */
  public String descriptor() {
    return descriptor;
  }

  /** Size of one value in bytes. */
  public int bytes() {
    return descriptor.charAt(2) - '0';
  }

  /** The name used in messages: {@code bool}, {@code i64}, {@code u8}, {@code f32}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether this is f16, f32 or f64. */
  public boolean isFloating() {
    return descriptor.charAt(1) == 'f';
  }

  /** T, the type of y and dx for x of this type: itself if floating, else f64. */
  public DType floating() {
    return floating;
  }

  /** The value at the byte offset, widened to binary64; a 64-bit integer is rounded once. */
  public double get(ByteBuffer littleEndian, int offset) {
    return switch (this) {
      case BOOL -> littleEndian.get(offset) == 0 ? 0 : 1;
      case I8 -> littleEndian.get(offset);
      case U8 -> littleEndian.get(offset) & 0xff;
      case I16 -> littleEndian.getShort(offset);
      case U16 -> littleEndian.getShort(offset) & 0xffff;
      case I32 -> littleEndian.getInt(offset);
      case U32 -> littleEndian.getInt(offset) & 0xffffffffL;
      case I64 -> littleEndian.getLong(offset);
      case U64 -> unsigned(littleEndian.getLong(offset));
      case F16 -> DType.F16.fromBits(littleEndian.getShort(offset));
      case F32 -> littleEndian.getFloat(offset);
      case F64 -> littleEndian.getDouble(offset);
    };
  }

  /**
   * The first values as binary64, as {@link #get} gives them. The type is asked once and not for
   * each value, which for u8 took as long as all the rest of {@code forward}.
   */
  public void widen(ByteBuffer littleEndian, int count, DoubleBuffer to) {
    switch (this) {
      case I8 -> {
        for (int i = 0; i < count; i++) {
          to.put(i, littleEndian.get(i));
        }
      }
      case U8 -> {
        for (int i = 0; i < count; i++) {
          to.put(i, littleEndian.get(i) & 0xff);
        }
      }
      case I16 -> {
        for (int i = 0; i < count; i++) {
          to.put(i, littleEndian.getShort(2 * i));
        }
      }
      case U16 -> {
        for (int i = 0; i < count; i++) {
          to.put(i, littleEndian.getShort(2 * i) & 0xffff);
        }
      }
      case I32 -> {
        for (int i = 0; i < count; i++) {
          to.put(i, littleEndian.getInt(4 * i));
        }
      }
      default -> {
        for (int i = 0; i < count; i++) {
          to.put(i, get(littleEndian, i * bytes()));
        }
      }
    }
  }

  /** The value at the byte offset, rounded once to the type, as a binary64. */
  public double get(ByteBuffer littleEndian, int offset, DType type) {
    boolean twice = type == DType.F32 && !isExact(littleEndian, offset);
    if (!twice) {
      return type.round(get(littleEndian, offset));
    }
    long bits = littleEndian.getLong(offset);
    return this == I64 || bits >= 0 ? (float) bits : 2 * (float) ((bits >>> 1) | (bits & 1));
  }

  /** The upper half is halved with its lowest bit kept, so that it is rounded once. */
  private static double unsigned(long bits) {
    return bits >= 0 ? bits : 2.0 * ((bits >>> 1) | (bits & 1));
  }

  /** Whether {@link #get} gives the value itself: false for some 64-bit integers. */
  public boolean isExact(ByteBuffer littleEndian, int offset) {
    if (this != I64 && this != U64) {
      return true;
    }
    double rounded = get(littleEndian, offset);
    long bits = littleEndian.getLong(offset);
    if (this == I64) {
      return rounded < TWO_63 && (long) rounded == bits;
    }
    return rounded < 2 * TWO_63
        && (rounded < TWO_63 ? (long) rounded : (long) (rounded - TWO_63) ^ Long.MIN_VALUE) == bits;
  }

  /** The value as text: integers as they are, truth as 0 and 1, the others as {@link Decimals}. */
  public String text(ByteBuffer littleEndian, int offset) {
    return switch (this) {
      case I64 -> Long.toString(littleEndian.getLong(offset));
      case U64 -> Long.toUnsignedString(littleEndian.getLong(offset));
      case F16, F32, F64 -> Decimals.text(floating(), get(littleEndian, offset));
      default -> Long.toString((long) get(littleEndian, offset));
    };
  }
}
