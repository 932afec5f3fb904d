package dev.batchnorm.golden;

import dev.batchnorm.Shape;
import dev.batchnorm.format.NumberType;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An array of a golden case, as its manifest describes it.
 *
 * @param name its role, such as {@code x}, {@code y} or {@code dgamma}
 * @param type the type of its values
 * @param shape the sizes of its axes; none for a single value
 * @param exactness how closely an output is expected; null for an input
 * @param bound the largest absolute difference, where {@link Exactness#BOUNDED}; else 0
 * @param digest the SHA-256 that {@code --digest} prints
 * @param reference where an input lies that is kept outside, relative to the case; null for a file
 *     of the case
 * @param member which member of an NPZ the reference means, or null
 */
public record GoldenArray(
    String name,
    NumberType type,
    List<Long> shape,
    @Nullable Exactness exactness,
    double bound,
    String digest,
    @Nullable String reference,
    @Nullable String member) {

  static GoldenArray input(String name, NumberType type, List<Long> shape, String digest) {
    return new GoldenArray(name, type, shape, null, 0, digest, null, null);
  }

  static GoldenArray output(String name, NumberType type, List<Long> shape, String digest) {
    return new GoldenArray(name, type, shape, Exactness.of(name), 0, digest, null, null);
  }

  /** The file in the case; there is none for a reference. */
  public String file() {
    return name + ".npy";
  }

  long[] sizes() {
    return shape.stream().mapToLong(size -> size).toArray();
  }

  /** Type and shape for people, {@code 3×2 f64}. */
  String form() {
    return Shape.text(sizes()) + " " + type.label();
  }
}
