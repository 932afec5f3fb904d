package dev.batchnorm.cli;

import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View.Block;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.format.npy.NpySource;
import dev.batchnorm.verify.Conditioning;
import java.nio.ByteBuffer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What one reading of an array tells.
 *
 * @param description type and shape as the digest has them, {@code <f4 (2, 3)}
 * @param sha256 the digest
 * @param value the text of a single value, null for an array with axes
 * @param channels null for an array without channels
 */
record ArraySummary(
    String description, String sha256, @Nullable String value, @Nullable Channels channels) {

  /**
   * What is known of each channel.
   *
   * @param statistics with ε = 0
   * @param conditioning how hard they are for other kernels
   * @param rounded the number of 64-bit integers that no binary64 holds; the statistics are those
   *     of the nearest
   */
  record Channels(
      Shape shape,
      ChannelRanges ranges,
      Statistics statistics,
      Conditioning conditioning,
      long rounded) {

    int count() {
      return shape.channels();
    }

    /** How many channels have a danger. */
    long inDanger() {
      return IntStream.range(0, count()).filter(c -> !conditioning.dangers(c).isEmpty()).count();
    }

    boolean hasNonFinite(int channel) {
      return ranges.nan(channel) > 0 || infinities(channel) > 0;
    }

    long infinities(int channel) {
      return ranges.positiveInfinity(channel) + ranges.negativeInfinity(channel);
    }
  }

  /**
   * Reads the array once.
   *
   * @param axes which axis holds the channels; null if none does
   * @param eps the ε that channels are judged by
   * @throws InputException if it cannot be read, or its sizes are not what the axes ask for
   */
  static ArraySummary of(StoredArray array, @Nullable Axes axes, double eps, Engine engine) {
    Digest digest = new Digest(array.name(), array.type(), array.sizes());
    String description = digest.description();
    if (array.sizes().length == 0) {
      ByteBuffer bytes = array.read(0, 1);
      digest.add(bytes);
      return new ArraySummary(description, digest.hex(), array.type().text(bytes, 0), null);
    }
    if (axes == null) {
      for (long at = 0; at < array.count(); at += StoredArray.CHUNK) {
        digest.add(array.read(at, (int) Math.min(StoredArray.CHUNK, array.count() - at)));
      }
      array.release();
      return new ArraySummary(description, digest.hex(), null, null);
    }
    Channels channels = channels(array, axes, eps, engine, digest);
    array.release();
    return new ArraySummary(description, digest.hex(), null, channels);
  }

  private static Channels channels(
      StoredArray array, Axes axes, double eps, Engine engine, Digest digest) {
    NumberType type = array.type();
    Shape shape;
    ExactSums sums;
    try {
      shape = axes.shape(array.sizes());
      NpySource.checkChannels(array.name(), shape);
      sums = ExactSums.statistics(shape.channels(), type.floating());
    } catch (IllegalArgumentException e) {
      throw new InputException(array.name() + ": " + e.getMessage(), null, e);
    }
    ChannelRanges ranges = new ChannelRanges(type, shape.channels());
    Values widened = Values.allocate(DType.F64, 0);
    long rounded = 0;
    for (Block block : shape.view().blocks(StoredArray.CHUNK)) {
      int count = (int) block.view().count();
      ByteBuffer bytes = array.read(block.offset(), count);
      digest.add(bytes);
      ranges.add(bytes, block.view(), block.firstChannel());
      Values values;
      if (type.isFloating()) {
        values = Values.of(type.floating(), bytes);
      } else {
        if (widened.count() < count) {
          widened = Values.allocateDirect(DType.F64, count);
        }
        rounded += widen(type, bytes, widened, count);
        values = widened.slice(0, count);
      }
      engine.addStatistics(values, block.view(), sums, block.firstChannel());
    }
    BatchNorm norm = BatchNorm.builder().engine(engine).eps(0).build();
    Statistics statistics = norm.statistics(sums);
    double[] largest = IntStream.range(0, shape.channels()).mapToDouble(ranges::largest).toArray();
    Conditioning conditioning = Conditioning.of(statistics, largest, type.floating(), eps);
    return new Channels(shape, ranges, statistics, conditioning, rounded);
  }

  /** Widens integers and returns how many had to be rounded. */
  private static long widen(NumberType type, ByteBuffer bytes, Values widened, int count) {
    IntStream.range(0, count).forEach(i -> widened.set(i, type.get(bytes, i * type.bytes())));
    return IntStream.range(0, count).filter(i -> !type.isExact(bytes, i * type.bytes())).count();
  }
}
