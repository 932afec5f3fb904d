package dev.batchnorm;

/**
 * An array in memory: its shape and its values in C order.
 *
 * <p>{@code Batch.of(Shape.of(Layout.NC, 3, 2), 1, 2, 3, 4, 5, 6)} is three samples of two
 * channels.
 *
 * @param shape the sizes of the axes and the channel axis
 * @param values the values, shared and not copied
 */
public record Batch(Shape shape, Values values) implements Source {

  /**
   * Checks that the values fill the shape.
   *
   * @throws IllegalArgumentException if their number differs from the shape's
   */
  public Batch {
    if (values.count() != shape.count()) {
      throw new IllegalArgumentException(
          "values: expected " + shape.count() + " (shape " + shape + "), found " + values.count());
    }
  }

  /** A batch over the array, which is shared. */
  public static Batch of(Shape shape, float... values) {
    return new Batch(shape, Values.of(values));
  }

  /** A batch over the array, which is shared. */
  public static Batch of(Shape shape, double... values) {
    return new Batch(shape, Values.of(values));
  }

  /**
   * A new batch of zeros on the heap.
   *
   * @throws IllegalArgumentException if the shape has more than 2³¹ − 1 values
   */
  public static Batch zeros(Shape shape, DType type) {
    if (shape.count() > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "shape: expected at most 2147483647 values in memory, found "
              + shape.count()
              + " ("
              + shape
              + ")");
    }
    return new Batch(shape, Values.allocate(type, (int) shape.count()));
  }

  @Override
  public String name() {
    return "batch";
  }

  @Override
  public DType type() {
    return values.type();
  }

  @Override
  public Values chunk(long first, int count) {
    return values.slice(Math.toIntExact(first), count);
  }

  @Override
  public int chunkLimit() {
    return Integer.MAX_VALUE;
  }

  /** Does nothing: the memory belongs to whoever made it. */
  @Override
  public void close() {}
}
