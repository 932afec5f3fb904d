package dev.batchnorm.format.csv;

import dev.batchnorm.format.AtomicOutput;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.ToIntFunction;

/** Grows by bytes of CSV until they are handed to the output. */
final class CsvBytes {
  private byte[] bytes = new byte[1 << 16];
  private int count;

  void put(byte[] from, int start, int end) {
    reserve(end - start);
    System.arraycopy(from, start, bytes, count, end - start);
    count += end - start;
  }

  void put(byte[] from) {
    put(from, 0, from.length);
  }

  void put(char ascii) {
    reserve(1);
    bytes[count++] = (byte) ascii;
  }

  /**
   * Puts a field of a file with another delimiter. If it would be cut, it is put in quotes; if it
   * is in quotes, the blanks around them are left out.
   */
  void putField(byte[] field, char delimiter) {
    String text = new String(field, StandardCharsets.ISO_8859_1);
    if (text.indexOf(delimiter) >= 0) {
      int start = 0;
      int end = text.length();
      while (start < end && isBlank(text.charAt(start))) {
        start++;
      }
      while (start < end && isBlank(text.charAt(end - 1))) {
        end--;
      }
      boolean isQuoted = text.startsWith("\"", start);
      text = isQuoted ? text.substring(start, end) : '"' + text.replace("\"", "\"\"") + '"';
    }
    put(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  private static boolean isBlank(char c) {
    return c == ' ' || c == '\t';
  }

  private void reserve(int needed) {
    if (bytes.length - count < needed) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, Math.addExact(count, needed)));
    }
  }

  /**
   * Appends what is written to the start of a free array.
   *
   * @param most the bytes that it takes
   * @param write returns how many it wrote
   */
  void putFirst(int most, ToIntFunction<byte[]> write) {
    if (count > 0) {
      throw new IllegalStateException("expected no bytes before, found " + count);
    }
    reserve(most);
    count = write.applyAsInt(bytes);
  }

  void writeTo(AtomicOutput out) {
    out.write(ByteBuffer.wrap(bytes, 0, count));
    count = 0;
  }
}
