package dev.batchnorm;

import java.util.Optional;

/**
 * Consecutive samples of an array, the first axis of which counts them; or all of it, with its axes
 * in another role.
 *
 * @param owner whether the whole array is closed with these samples
 */
record Samples(Source whole, String name, Shape shape, long start, boolean owner)
    implements Source {

  static Samples of(Source whole, long first, long count) {
    Shape shape = whole.shape();
    long[] sizes = shape.sizes();
    if (sizes.length > 1 && shape.channelAxis() == 0) {
      throw new IllegalArgumentException(
          "samples: expected them along axis 0, found the channels there (shape " + shape + ")");
    }
    if (first < 0 || count < 0 || first > sizes[0] - count) {
      throw new IllegalArgumentException(
          "samples: expected a part of 0 to "
              + sizes[0]
              + ", found "
              + first
              + " to "
              + (first + count));
    }
    long perSample = sizes[0] == 0 ? 0 : shape.count() / sizes[0];
    sizes[0] = count;
    return new Samples(
        whole,
        whole.name() + "[" + first + ":" + (first + count) + "]",
        Shape.withChannelAxis(shape.channelAxis(), sizes),
        first * perSample,
        false);
  }

  /** The same values in another shape, of as many. */
  static Source reshaped(Source whole, Shape shape) {
    return shape.equals(whole.shape()) ? whole : new Samples(whole, whole.name(), shape, 0, false);
  }

  @Override
  public DType type() {
    return whole.type();
  }

  @Override
  public Values chunk(long first, int count) {
    return whole.chunk(start + first, count);
  }

  @Override
  public int chunkLimit() {
    return whole.chunkLimit();
  }

  @Override
  public boolean hasGaps() {
    return whole.hasGaps();
  }

  @Override
  public Optional<Source> reader() {
    return whole.reader().map(reader -> new Samples(reader, name, shape, start, true));
  }

  @Override
  public void close() {
    if (owner) {
      whole.close();
    }
  }
}
