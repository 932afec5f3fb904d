package dev.batchnorm.verify;

import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import java.util.Optional;

/**
 * Values made from a seed and their index, so that they are the same in every chunking: 1/4 plus
 * the sum of four uniform numbers in [−1, 1), with a mean that is not 0 because an output gradient
 * of mean 0 hides mistakes in dβ.
 */
public final class SeededSource implements Source {
  private static final int CHUNK = 1 << 20;

  private final Shape shape;
  private final DType type;
  private final long seed;

  /** An array of the given shape and type. */
  public SeededSource(Shape shape, DType type, long seed) {
    this.shape = shape;
    this.type = type;
    this.seed = seed;
  }

  @Override
  public String name() {
    return "seed " + seed;
  }

  @Override
  public Shape shape() {
    return shape;
  }

  @Override
  public DType type() {
    return type;
  }

  @Override
  public Values chunk(long first, int count) {
    Values values = Values.allocate(type, count);
    for (int i = 0; i < count; i++) {
      long bits = SeededNumbers.mixed(seed * 0x9e3779b97f4a7c15L + first + i);
      double sum = 0.25;
      for (int k = 0; k < 4; k++) {
        sum += (short) (bits >> (16 * k)) * 0x1p-15;
      }
      values.set(i, sum);
    }
    return values;
  }

  /** Itself: values are made from their index alone. */
  @Override
  public Optional<Source> reader() {
    return Optional.of(this);
  }

  @Override
  public int chunkLimit() {
    return CHUNK;
  }

  @Override
  public void close() {}
}
