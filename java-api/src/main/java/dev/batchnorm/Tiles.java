package dev.batchnorm;

import dev.batchnorm.View.Block;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.tasks.Workers;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.function.Supplier;

/**
 * Arrays of one shape, cut into the tiles of one pass. Where every source has readers, each of the
 * engine's threads reads a tile, computes while it is in the cache, and writes it. Elsewhere one
 * thread reads and writes large tiles, and the engine cuts them for its threads. The bits are the
 * same.
 */
final class Tiles implements AutoCloseable {
  /** x and y of a tile fit a core's own cache; larger writes are cheaper (docs/design.md). */
  private static final int TILE_BYTES = 1 << 20;

  /** So many values of a channel in a tile hide what it costs to add its sum to the others. */
  private static final int VALUES_PER_CHANNEL = 256;

  /** How far a pass that goes backwards steps back at once; inside it reads forwards. */
  private static final int STEP_BYTES = 64 << 20;

  /** What a pass adds up of a tile. */
  interface Sums {
    /**
     * Adds a tile to the sums.
     *
     * @param values those of each source
     */
    void add(Engine engine, List<Values> values, Block tile, ExactSums sums);
  }

  /** What a pass computes of a tile. */
  interface Elements {
    /**
     * Fills the room.
     *
     * @param values those of each source
     */
    void compute(Engine engine, List<Values> values, Block tile, Values room);
  }

  private final Engine engine;
  private final List<Block> tiles;
  private final List<Runnable> closing = new ArrayList<>();

  /** For each thread, where it reads each array. */
  private final List<List<Source>> readers = new ArrayList<>();

  /** How many tiles make a step backwards; 0 where reading backwards costs more than reading on. */
  private final int step;

  private Tiles(Engine engine, boolean mayShare, List<Source> sources) {
    View view = sources.get(0).shape().view();
    int bytes = 0;
    int limit = Integer.MAX_VALUE;
    for (Source source : sources) {
      bytes = Math.max(bytes, source.type().bytes());
      limit = Math.min(limit, source.chunkLimit());
    }
    long values = Math.max(TILE_BYTES / bytes, (long) VALUES_PER_CHANNEL * view.channels());
    int tileLimit = (int) Math.min(values, limit);
    List<Block> shared = view.blocks(tileLimit);
    if (mayShare && shared.size() > 1 && shared.size() >= engine.threads()) {
      open(engine.threads(), sources);
    }
    if (readers.isEmpty()) {
      this.engine = engine;
      tiles = view.blocks(limit);
      readers.add(sources);
      step = 0;
    } else {
      this.engine = engine.singleThreaded();
      tiles = shared;
      step = Math.max(STEP_BYTES / bytes / tileLimit, 1);
    }
  }

  private void open(int threads, List<Source> sources) {
    for (int thread = 0; thread < threads; thread++) {
      List<Source> own = new ArrayList<>();
      for (Source source : sources) {
        Optional<Source> reader = source.reader();
        if (reader.isEmpty()) {
          readers.clear();
          return;
        }
        closing.add(reader.get()::close);
        own.add(reader.get());
      }
      readers.add(own);
    }
  }

  /**
   * The sums over arrays of one shape.
   *
   * @param empty makes the sums of one thread
   */
  static ExactSums sums(Engine engine, List<Source> sources, Supplier<ExactSums> empty, Sums pass) {
    // Sums for each thread must not outweigh the values; the engine cuts those along channels.
    long m = sources.get(0).shape().view().valuesPerChannel();
    boolean mayShare = m / engine.threads() >= VALUES_PER_CHANNEL;
    try (Tiles tiles = new Tiles(engine, mayShare, sources)) {
      return tiles.sums(empty, pass);
    }
  }

  /**
   * Computes elements of arrays of one shape and gives them to the sink.
   *
   * @param again whether the sources were just read to their ends: then this pass goes backwards
   *     where it can, since what was read last is still in memory, of a file larger than that too
   */
  static void write(Engine engine, List<Source> sources, Sink sink, boolean again, Elements pass) {
    try (Tiles tiles = new Tiles(engine, true, sources)) {
      Optional<Sink.Area> area =
          tiles.step > 0 ? sink.area(sources.get(0).shape().count()) : Optional.empty();
      if (area.isPresent()) {
        tiles.write(area.get(), again, pass);
      } else {
        tiles.write(sink, pass);
      }
    }
  }

  private ExactSums sums(Supplier<ExactSums> empty, Sums pass) {
    List<ExactSums> parts = new ArrayList<>();
    List<IntConsumer> workers = new ArrayList<>();
    for (List<Source> own : readers) {
      ExactSums sums = empty.get();
      parts.add(sums);
      workers.add(
          task -> {
            Block tile = tiles.get(task);
            pass.add(engine, read(own, tile), tile, sums);
          });
    }
    new Workers(tiles.size()).run(workers);
    parts.subList(1, parts.size()).forEach(parts.get(0)::merge);
    return parts.get(0);
  }

  private void write(Sink.Area area, boolean again, Elements pass) {
    List<IntConsumer> workers = new ArrayList<>();
    for (List<Source> own : readers) {
      Sink.Writer writer = area.writer();
      closing.add(writer::close);
      workers.add(
          task -> {
            Block tile = tiles.get(again ? backwards(task) : task);
            List<Values> values = read(own, tile);
            Values room = writer.room(tile.offset(), (int) tile.view().count());
            pass.compute(engine, values, tile, room);
            writer.commit();
          });
    }
    new Workers(tiles.size()).run(workers);
  }

  /** In order: reading is shared, the rest takes turns. */
  private void write(Sink sink, Elements pass) {
    Workers turns = new Workers(tiles.size());
    List<IntConsumer> workers = new ArrayList<>();
    for (List<Source> own : readers) {
      workers.add(
          task -> {
            Block tile = tiles.get(task);
            List<Values> values = read(own, tile);
            turns.awaitTurn(task);
            pass.compute(engine, values, tile, sink.room((int) tile.view().count()));
            sink.commit();
            turns.endTurn();
          });
    }
    turns.run(workers);
  }

  private static List<Values> read(List<Source> own, Block tile) {
    int count = (int) tile.view().count();
    if (own.size() == 1) {
      return List.of(own.get(0).chunk(tile.offset(), count));
    }
    return List.of(own.get(0).chunk(tile.offset(), count), own.get(1).chunk(tile.offset(), count));
  }

  /** The tile whose turn it is when steps go from the end backwards, the tiles in them forwards. */
  private int backwards(int task) {
    int fromStart = tiles.size() - 1 - task;
    int first = fromStart / step * step;
    int last = Math.min(first + step, tiles.size()) - 1;
    return first + last - fromStart;
  }

  @Override
  public void close() {
    closing.forEach(Runnable::run);
  }
}
