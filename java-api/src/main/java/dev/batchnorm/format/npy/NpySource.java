package dev.batchnorm.format.npy;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Wording;

/** A batch in an NPY file: f32 or f64, little-endian, in C or Fortran order. */
public final class NpySource implements Source {
  private final InputBytes in;
  private final Shape shape;
  private final DType type;
  private final NpyData data;

  private NpySource(InputBytes in, Shape shape, DType type, NpyData data) {
    this.in = in;
    this.shape = shape;
    this.type = type;
    this.data = data;
  }

  /**
   * Reads the header and checks it against the size of the input, which from then on belongs to the
   * source and is closed with it. If this throws, the input stays the caller's.
   *
   * @throws InputException if this is no NPY file, its values are neither f32 nor f64, it is cut
   *     short or has bytes behind its values, or its sizes are not what the axes ask for
   */
  public static NpySource open(InputBytes in, Axes axes) {
    NpyHeader header = NpyHeader.read(in);
    DType type = type(in.name(), header.descriptor);
    header.checkedCount(in.name(), in.size(), type.bytes());
    if (header.sizes.length == 0) {
      throw new InputException(
          in.name() + ": expected an array of at least 1 axis, found a single value");
    }
    Shape shape;
    try {
      shape = axes.shape(header.sizes.clone());
    } catch (IllegalArgumentException e) {
      throw new InputException(in.name() + ": " + e.getMessage(), null, e);
    }
    return new NpySource(in, shape, type, new NpyData(in, header, type.bytes()));
  }

  private static DType type(String name, String descriptor) {
    for (DType type : DType.values()) {
      if (type.descriptor().equals(descriptor)) {
        return type;
      }
    }
    throw refused(name, descriptor, "'<f4' or '<f8'");
  }

  static InputException refused(String name, String descriptor, String expected) {
    if (descriptor.endsWith("O")) {
      return new InputException(
          name + ": expected numbers, found pickled objects (dtype " + quoted(descriptor) + ")",
          "pickles can run code and are never read; numpy.save the numbers alone");
    }
    return new InputException(
        name + ": expected dtype " + expected + ", found " + quoted(descriptor),
        "numpy.save(file, array.astype('<f8')) writes a file that is read");
  }

  private static String quoted(String descriptor) {
    String text = Wording.quoted(descriptor);
    return "'" + text.substring(1, text.length() - 1) + "'";
  }

  @Override
  public String name() {
    return in.name();
  }

  @Override
  public Shape shape() {
    return shape;
  }

  @Override
  public DType type() {
    return type;
  }

  /** Off the heap; memory of one chunk, and for Fortran order of a panel of at most 256 MiB. */
  @Override
  public Values chunk(long first, int count) {
    return Values.of(type, data.read(first, count));
  }

  @Override
  public int chunkLimit() {
    return NpyData.CHUNK;
  }

  @Override
  public void close() {
    in.close();
  }
}
