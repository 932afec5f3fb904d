package dev.batchnorm.contract;

import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import java.util.Optional;

/** A batch in memory that is read and written as a file is: in small parts, by several threads. */
final class Parts {
  private Parts() {}

  /** Reads through memory of its own, which the next chunk overwrites. */
  static final class In implements Source {
    private final Batch batch;
    private final int chunkLimit;
    private final boolean hasReaders;
    private Values own;

    In(Batch batch, int chunkLimit, boolean hasReaders) {
      this.batch = batch;
      this.chunkLimit = chunkLimit;
      this.hasReaders = hasReaders;
      this.own = Values.allocate(batch.type(), 0);
    }

    @Override
    public String name() {
      return batch.name();
    }

    @Override
    public Shape shape() {
      return batch.shape();
    }

    @Override
    public DType type() {
      return batch.type();
    }

    @Override
    public Values chunk(long first, int count) {
      if (own.count() < count) {
        own = Values.allocate(type(), count);
      }
      own.put(0, batch.values(), (int) first, count);
      return own.slice(0, count);
    }

    @Override
    public int chunkLimit() {
      return chunkLimit;
    }

    @Override
    public Optional<Source> reader() {
      return hasReaders ? Optional.of(new In(batch, chunkLimit, true)) : Optional.empty();
    }

    @Override
    public void close() {}
  }

  /** Takes values in order, or also in areas. */
  static final class Out implements Sink {
    private final Values values;
    private final boolean hasAreas;
    private Values room;
    private int taken;

    Out(Values values, boolean hasAreas) {
      this.values = values;
      this.hasAreas = hasAreas;
      this.room = Values.allocate(values.type(), 0);
    }

    /** The number of values taken and passed over. */
    int taken() {
      return taken;
    }

    @Override
    public Values room(int count) {
      room = Values.allocate(values.type(), count);
      return room;
    }

    @Override
    public void commit() {
      values.put(taken, room, 0, room.count());
      taken += room.count();
    }

    @Override
    public Optional<Area> area(long count) {
      if (!hasAreas) {
        return Optional.empty();
      }
      int start = taken;
      taken += (int) count;
      return Optional.of(() -> new AreaWriter(start));
    }

    private final class AreaWriter implements Writer {
      private final int start;
      private Values lent = Values.allocate(values.type(), 0);
      private int at;

      AreaWriter(int start) {
        this.start = start;
      }

      @Override
      public Values room(long first, int count) {
        at = start + (int) first;
        lent = Values.allocate(values.type(), count);
        return lent;
      }

      @Override
      public void commit() {
        values.put(at, lent, 0, lent.count());
      }

      @Override
      public void close() {}
    }
  }
}
