package dev.batchnorm.format;

import dev.batchnorm.DType;
import java.nio.ByteBuffer;

/**
 * Reads and writes the text of many numbers at once, as {@link Decimals} does one by one: faster,
 * and with the same result. Whoever asks goes the slow way where this does not.
 */
public interface Numerals {

  /**
   * How records of CSV are cut, and which fields are numbers.
   *
   * @param type what cells are rounded to, once: f32 or f64
   * @param comment the character that begins a comment, or a negative number
   * @param fields of each record
   * @param selected the fields that are numbers, ascending
   */
  record Records(DType type, char delimiter, int comment, int fields, int... selected) {}

  /** Some text, and how far records may begin. */
  record Text(byte[] bytes, int first, int size, long startsBefore) {}

  /**
   * Reads records from the start of the text, while they are plain: on one line of ASCII that ends
   * in the text, with as many fields as asked for, those selected finite decimals without quotes.
   *
   * @param values as many whole records are read as fit
   * @param consumed its first element becomes the number of bytes read
   * @return the number of records
   */
  int read(Records records, Text text, double[] values, long[] consumed);

  /**
   * Writes f32 or f64 numbers, one after the other.
   *
   * @param values off the heap, in little-endian order, from its position on
   * @param text takes {@link Decimals#LONGEST} bytes a number
   * @param ends where each number ends; how many there are is its length, or what is left of the
   *     values
   */
  void write(DType type, ByteBuffer values, byte[] text, int[] ends);

  /**
   * How rows of numbers are written.
   *
   * @param first the column of the first number, 0-based
   */
  record Rows(int first, int columns, char delimiter, boolean carriageReturn) {}

  /**
   * Writes f32 or f64 numbers: the delimiter before each but the first of a row, LF or CR LF after
   * the last. Rows may begin before and end after them.
   *
   * @param values off the heap, in little-endian order, from its position to its limit
   * @param text takes {@link Decimals#LONGEST} + 3 bytes a number
   * @return the number of bytes written
   */
  int writeRows(DType type, ByteBuffer values, Rows rows, byte[] text);
}
