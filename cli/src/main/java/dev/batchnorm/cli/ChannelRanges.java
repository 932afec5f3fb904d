package dev.batchnorm.cli;

import dev.batchnorm.View;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.NumberType;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The least and the largest finite value of each channel, exact also for 64-bit integers, and how
 * many values are not finite.
 */
final class ChannelRanges {
  private final NumberType type;
  private final long[] min;
  private final long[] max;
  private final long[] nan;
  private final long[] positiveInfinity;
  private final long[] negativeInfinity;

  ChannelRanges(NumberType type, int channels) {
    this.type = type;
    min = new long[channels];
    max = new long[channels];
    Arrays.fill(min, Long.MAX_VALUE);
    Arrays.fill(max, Long.MIN_VALUE);
    nan = new long[channels];
    positiveInfinity = new long[channels];
    negativeInfinity = new long[channels];
  }

  /** Adds a block of values whose channels begin at the given one. */
  void add(ByteBuffer littleEndian, View view, int firstChannel) {
    int offset = 0;
    int bytes = type.bytes();
    for (long o = 0; o < view.outer(); o++) {
      for (int c = firstChannel; c < firstChannel + view.channels(); c++) {
        for (long i = 0; i < view.inner(); i++) {
          add(littleEndian, offset, c);
          offset += bytes;
        }
      }
    }
  }

  private void add(ByteBuffer littleEndian, int offset, int channel) {
    long key;
    if (type == NumberType.I64) {
      key = littleEndian.getLong(offset);
    } else if (type == NumberType.U64) {
      key = littleEndian.getLong(offset) ^ Long.MIN_VALUE;
    } else {
      double value = type.get(littleEndian, offset);
      if (!(Math.abs(value) <= Double.MAX_VALUE)) {
        (value > 0 ? positiveInfinity : value < 0 ? negativeInfinity : nan)[channel]++;
        return;
      }
      key = swap(Double.doubleToRawLongBits(value));
    }
    min[channel] = Math.min(min[channel], key);
    max[channel] = Math.max(max[channel], key);
  }

  /**
   * Turns a binary64's bits into an integer ordered as the values are, −0.0 below 0.0, and back.
   */
  private static long swap(long bits) {
    return bits ^ (bits >> 63 & Long.MAX_VALUE);
  }

  /** The least finite value of a channel as text in its type, null if there is none. */
  @Nullable String min(int channel) {
    return text(channel, min[channel]);
  }

  /** The largest finite value of a channel as text in its type, null if there is none. */
  @Nullable String max(int channel) {
    return text(channel, max[channel]);
  }

  /** The largest |x| among the finite values of a channel, in binary64; 0 if there is none. */
  double largest(int channel) {
    return min[channel] > max[channel]
        ? 0
        : Math.max(Math.abs(value(min[channel])), Math.abs(value(max[channel])));
  }

  private double value(long key) {
    return switch (type) {
      case I64 -> key;
      case U64 -> 0x1p63 + key;
      default -> Double.longBitsToDouble(swap(key));
    };
  }

  private @Nullable String text(int channel, long key) {
    if (min[channel] > max[channel]) {
      return null;
    }
    return switch (type) {
      case I64 -> Long.toString(key);
      case U64 -> Long.toUnsignedString(key ^ Long.MIN_VALUE);
      case F16, F32, F64 -> Decimals.text(type.floating(), Double.longBitsToDouble(swap(key)));
      default -> Long.toString((long) Double.longBitsToDouble(swap(key)));
    };
  }

  long nan(int channel) {
    return nan[channel];
  }

  long positiveInfinity(int channel) {
    return positiveInfinity[channel];
  }

  long negativeInfinity(int channel) {
    return negativeInfinity[channel];
  }
}
