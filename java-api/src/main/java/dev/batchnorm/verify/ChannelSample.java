package dev.batchnorm.verify;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Some channels of an array, or all: whole channels, drawn from a seed, with no more than {@link
 * GradientCheck#MOST_VALUES} values together, and so many channels that one element of each can be
 * moved alone.
 */
final class ChannelSample {
  private final View view;
  private final int[] channels;

  /** The place of a channel among those of the sample, or −1. */
  private final int[] places;

  private ChannelSample(View view, int[] channels) {
    this.view = view;
    this.channels = channels;
    places = new int[view.channels()];
    Arrays.fill(places, -1);
    for (int i = 0; i < channels.length; i++) {
      places[channels[i]] = i;
    }
  }

  /**
   * A sample of an array's channels.
   *
   * @throws InputException if one channel has more values than a sample may have
   */
  static ChannelSample of(Source x, long seed) {
    View view = x.shape().view();
    long m = view.valuesPerChannel();
    if (m > GradientCheck.MOST_VALUES) {
      throw new InputException(
          x.name()
              + ": expected at most "
              + GradientCheck.MOST_VALUES
              + " values a channel (their gradients are taken in exact arithmetic), found "
              + m
              + " (shape "
              + x.shape()
              + ")",
          "a part of the batch has gradients too");
    }
    int[] all = IntStream.range(0, view.channels()).toArray();
    long fit = Math.min(GradientCheck.MOST_VALUES / Math.max(m, 1), GradientCheck.MOST_ELEMENTS);
    int count = (int) Math.min(all.length, fit);
    Random random = new Random(seed);
    for (int i = 0; i < count && count < all.length; i++) {
      int j = i + random.nextInt(all.length - i);
      int drawn = all[j];
      all[j] = all[i];
      all[i] = drawn;
    }
    int[] channels = Arrays.copyOf(all, count);
    Arrays.sort(channels);
    return new ChannelSample(view, channels);
  }

  /** The channels, in order. */
  int[] channels() {
    return channels;
  }

  /** The index in C order, in the whole array, of a value of a channel. */
  long index(int channel, long value) {
    long inner = Math.max(view.inner(), 1);
    return (value / inner * view.channels() + channel) * inner + value % inner;
  }

  /** The values of the sampled channels, a row each. */
  double[][] read(Source source) {
    Collector collector = collector(source.shape(), source.type());
    long count = view.count();
    for (long first = 0; first < count; ) {
      Values chunk = source.chunk(first, (int) Math.min(count - first, source.chunkLimit()));
      collector.add(chunk);
      first += chunk.count();
    }
    return collector.values;
  }

  /** Takes an array's values and keeps those of the sampled channels. */
  Collector collector(Shape shape, DType type) {
    if (!shape.view().equals(view)) {
      throw new IllegalArgumentException("shape: expected " + view + ", found " + shape);
    }
    return new Collector(type);
  }

  /** What is kept of an array. */
  final class Collector implements Sink {
    /** A row for each sampled channel. */
    final double[][] values = new double[channels.length][Math.toIntExact(view.valuesPerChannel())];

    private Values room;
    private long seen;

    private Collector(DType type) {
      room = Values.allocate(type, 0);
    }

    @Override
    public Values room(int count) {
      if (room.count() != count) {
        room = Values.allocate(room.type(), count);
      }
      return room;
    }

    @Override
    public void commit() {
      add(room);
    }

    private void add(Values chunk) {
      long inner = view.inner();
      for (int at = 0; at < chunk.count(); ) {
        long run = seen / inner; // of the values of one sample and channel
        int count = (int) Math.min(chunk.count() - at, inner - seen % inner);
        int place = places[(int) (run % view.channels())];
        if (place >= 0) {
          int first = (int) (run / view.channels() * inner + seen % inner);
          for (int i = 0; i < count; i++) {
            values[place][first + i] = chunk.get(at + i);
          }
        }
        at += count;
        seen += count;
      }
    }
  }
}
