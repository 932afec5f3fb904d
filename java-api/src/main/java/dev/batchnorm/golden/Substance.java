package dev.batchnorm.golden;

import dev.batchnorm.Shape;
import dev.batchnorm.View;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** Whether recorded outputs depend on what an engine does; those that do not prove nothing. */
final class Substance {
  private Substance() {}

  /**
   * Why y would pass whatever normalised it.
   *
   * @param frozen whether the statistics are given ones, where a single value in a channel says
   *     something
   * @return null if it would not
   */
  static @Nullable String lackingInY(StoredArray y, Shape shape, boolean frozen) {
    if (y.count() == 0) {
      return "y has no values";
    }
    View view = frozen ? new View(shape.count(), 1, 1) : shape.view();
    double[] first = new double[view.channels()];
    boolean constant = frozen ? y.count() > 1 : true;
    boolean nan = true;
    for (long at = 0; at < y.count() && (constant || nan); at += StoredArray.CHUNK) {
      int count = (int) Math.min(StoredArray.CHUNK, y.count() - at);
      ByteBuffer bytes = y.read(at, count);
      for (int i = 0; i < count; i++) {
        double value = y.type().get(bytes, i * y.type().bytes());
        nan &= Double.isNaN(value);
        int channel = (int) ((at + i) / view.inner() % view.channels());
        boolean isFirst = at + i < view.channels() * view.inner() && (at + i) % view.inner() == 0;
        if (isFirst) {
          first[channel] = value;
        }
        constant &=
            value == first[channel] || (Double.isNaN(value) && Double.isNaN(first[channel]));
      }
    }
    y.release();
    if (nan) {
      return "y is NaN everywhere";
    }
    return !constant
        ? null
        : frozen ? "y is the same everywhere" : "y is the same throughout each channel";
  }

  /** Why dx would pass whatever computed it; null if it would not. */
  static @Nullable String lackingInDx(StoredArray dx) {
    NumberType type = dx.type();
    boolean zero = true;
    boolean nan = true;
    for (long at = 0; at < dx.count() && (zero || nan); at += StoredArray.CHUNK) {
      int count = (int) Math.min(StoredArray.CHUNK, dx.count() - at);
      ByteBuffer bytes = dx.read(at, count);
      for (int i = 0; i < count; i++) {
        double value = type.get(bytes, i * type.bytes());
        zero &= value == 0;
        nan &= Double.isNaN(value);
      }
    }
    dx.release();
    if (nan) {
      return "dx is NaN everywhere";
    }
    return zero ? "dx is 0 everywhere, as it is for a dy of equal values" : null;
  }
}
