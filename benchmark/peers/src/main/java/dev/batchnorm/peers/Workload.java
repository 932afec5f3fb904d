package dev.batchnorm.peers;

import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Arrays every candidate computes with: x = offset + N(0,1), dy = N(0,1), γ in [½, 1½), β = 0 (so
 * that an ulp of y means something where y is near zero), ε = 2⁻¹⁷. Numbers per channel are
 * binary32 for f16 and f32 and binary64 for f64, as the peers take them; memory is off the heap and
 * begins at a multiple of 64 bytes.
 *
 * @param layout the order of the axes
 * @param x the input
 * @param dy the output gradient
 * @param result room for y or dx
 * @param offset the mean of x
 * @param gamma γ
 * @param beta β
 * @param mean μ for inference: the offset
 * @param variance v for inference: 1
 */
record Workload(
    Layout layout,
    Batch x,
    Batch dy,
    Batch result,
    double offset,
    double[] gamma,
    double[] beta,
    double[] mean,
    double[] variance) {
  static final double EPS = 0x1p-17;
  private static final int ALIGNMENT = 64;

  /**
   * The workload of a name such as {@code NC:65536x64:F32} or {@code NC:65536x64:F32:1e4}: layout,
   * sizes, type and offset.
   */
  static Workload named(String name) {
    String[] parts = name.split(":", -1);
    if (parts.length < 3 || parts.length > 4) {
      throw new IllegalArgumentException(
          "workload: expected LAYOUT:SIZES:TYPE[:OFFSET], such as NC:65536x64:F32:1e4, found "
              + name);
    }
    Layout layout = Layout.valueOf(parts[0]);
    long[] sizes = Arrays.stream(parts[1].split("x", -1)).mapToLong(Long::parseLong).toArray();
    Shape shape = Shape.of(layout, sizes);
    DType type = DType.valueOf(parts[2]);
    double offset = parts.length == 4 ? Double.parseDouble(parts[3]) : 0;

    int channels = shape.channels();
    double[] gamma = new double[channels];
    double[] mean = new double[channels];
    double[] variance = new double[channels];
    SplittableRandom random = new SplittableRandom(3);
    Arrays.setAll(gamma, c -> (float) (0.5 + random.nextDouble()));
    Arrays.fill(mean, offset);
    Arrays.fill(variance, 1);
    return new Workload(
        layout,
        normal(shape, type, offset, 1),
        normal(shape, type, 0, 2),
        new Batch(shape, allocate(type, shape.count())),
        offset,
        gamma,
        new double[channels],
        mean,
        variance);
  }

  private static Batch normal(Shape shape, DType type, double offset, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Values values = allocate(type, shape.count());
    for (int i = 0; i < values.count(); i++) {
      values.set(i, offset + random.nextGaussian());
    }
    return new Batch(shape, values);
  }

  /** New zeros that begin at a multiple of 64 bytes. */
  static Values allocate(DType type, long count) {
    int bytes = Math.toIntExact(count * type.bytes());
    ByteBuffer memory = ByteBuffer.allocateDirect(bytes + ALIGNMENT);
    int padding = -memory.alignmentOffset(0, ALIGNMENT) & (ALIGNMENT - 1);
    return Values.of(type, memory.slice(padding, bytes).order(ByteOrder.nativeOrder()));
  }

  /** Numbers per channel as the peers take them: binary32 for f16 and f32, else binary64. */
  Values perChannel(double[] numbers) {
    Values values = allocate(type().gradientType(), numbers.length);
    for (int c = 0; c < numbers.length; c++) {
      values.set(c, numbers[c]);
    }
    return values;
  }

  DType type() {
    return x.type();
  }

  View view() {
    return x.shape().view();
  }

  /** The bytes of x. */
  long bytes() {
    return view().count() * type().bytes();
  }
}
