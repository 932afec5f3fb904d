package dev.batchnorm;

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
}
