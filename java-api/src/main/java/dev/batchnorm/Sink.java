package dev.batchnorm;

import java.util.Optional;

/**
 * Takes an array's values in C order, chunk by chunk: the caller fills the room it is lent, then
 * commits it.
 */
public interface Sink {

  /** Room for the next {@code count} values, of the sink's type. Its content is undefined. */
  Values room(int count);

  /**
   * Takes the values of the room lent last.
   *
   * @throws OutputException if they cannot be written
   */
  void commit();

  /**
   * Passes over the next {@code count} values, which the area takes in any order and from several
   * threads. What the sink takes itself afterwards follows them.
   *
   * @return empty if the sink takes values only one after the other, as pipes and text do; then
   *     nothing is passed over
   * @throws OutputException if what stands before them cannot be written
   */
  default Optional<Area> area(long count) {
    return Optional.empty();
  }

  /** A part of the array that is written in any order; complete when each value was committed. */
  interface Area {

    /** A writer for one thread. */
    Writer writer();
  }

  /** Takes values of an {@link Area}: one thread fills the room it is lent, then commits it. */
  interface Writer extends AutoCloseable {

    /**
     * Room for {@code count} values of the sink's type. Its content is undefined.
     *
     * @param first the index in the area of the first of them
     */
    Values room(long first, int count);

    /**
     * Takes the values of the room lent last.
     *
     * @throws OutputException if they cannot be written
     */
    void commit();

    /** Releases what the writer holds. */
    @Override
    void close();
  }
}
