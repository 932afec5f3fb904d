package dev.batchnorm.format.csv;

import dev.batchnorm.format.AtomicOutput;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.ToIntFunction;
import java.util.regex.Pattern;

/** Grows by bytes of CSV until they are handed to the output. */
final class CsvBytes {
  private static final Pattern BLANKS_AROUND = Pattern.compile("^[ \t]+|[ \t]+\\z");

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
   * Puts a field of a file with another delimiter: in quotes if it would be cut and is not quoted.
   * Blanks around its content, of which one may be that delimiter, are left out then.
   */
  void putField(byte[] field, char delimiter) {
    String text = new String(field, StandardCharsets.ISO_8859_1);
    if (text.indexOf(delimiter) >= 0) {
      text = trimmed(text);
      if (text.startsWith("\"")) {
        text = '"' + trimmed(text.substring(1, text.length() - 1)) + '"';
      }
    }
    boolean isCut = text.indexOf(delimiter) >= 0 && !text.startsWith("\"");
    String quoted = '"' + text.replace("\"", "\"\"") + '"';
    put((isCut ? quoted : text).getBytes(StandardCharsets.ISO_8859_1));
  }

  private static String trimmed(String text) {
    return BLANKS_AROUND.matcher(text).replaceAll("");
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
