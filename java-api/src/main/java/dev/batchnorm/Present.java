package dev.batchnorm;

/**
 * An array with zeros in place of absent values, which add nothing to sums, and how many there were
 * of each channel in what was read.
 */
final class Present implements Source {
  private final Source source;
  private final long[] absent;
  private Values filled;

  Present(Source source) {
    this.source = source;
    this.absent = new long[source.shape().channels()];
    this.filled = Values.allocateDirect(source.type(), 0);
  }

  @Override
  public String name() {
    return source.name();
  }

  @Override
  public Shape shape() {
    return source.shape();
  }

  @Override
  public DType type() {
    return source.type();
  }

  @Override
  public Values chunk(long first, int count) {
    Values values = source.chunk(first, count);
    if (filled.count() < count) {
      filled = Values.allocateDirect(type(), count);
    }
    filled.put(0, values, 0, count);
    View view = shape().view();
    for (int i = 0; i < count; i++) {
      if (values.isAbsent(i)) {
        filled.set(i, 0);
        absent[(int) ((first + i) / view.inner() % view.channels())]++;
      }
    }
    return filled.slice(0, count);
  }

  @Override
  public int chunkLimit() {
    return source.chunkLimit();
  }

  /** The number of absent values of each channel in all chunks that were read. */
  long[] absent() {
    return absent;
  }

  @Override
  public void close() {}
}
