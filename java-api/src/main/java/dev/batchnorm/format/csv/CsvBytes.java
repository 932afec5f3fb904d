package dev.batchnorm.format.csv;

import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.NumberType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

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

  void putNumber(NumberType type, ByteBuffer littleEndian, int offset) {
    reserve(Decimals.LONGEST);
    if (type.isFloating()) {
      double value = type.get(littleEndian, offset);
      count = Decimals.put(type.floating(), value, bytes, count);
    } else {
      put(type.text(littleEndian, offset).getBytes(StandardCharsets.US_ASCII));
    }
  }

  /**
   * Puts a field of a file with another delimiter: in quotes if it would be cut and is not quoted.
   */
  void putField(byte[] field, char delimiter) {
    String text = new String(field, StandardCharsets.ISO_8859_1);
    boolean isCut = text.indexOf(delimiter) >= 0 && !text.strip().startsWith("\"");
    String quoted = '"' + text.replace("\"", "\"\"") + '"';
    put((isCut ? quoted : text).getBytes(StandardCharsets.ISO_8859_1));
  }

  private void reserve(int needed) {
    if (bytes.length - count < needed) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, Math.addExact(count, needed)));
    }
  }

  /** The number of bytes collected. */
  int count() {
    return count;
  }

  void writeTo(AtomicOutput out) {
    out.write(ByteBuffer.wrap(bytes, 0, count));
    count = 0;
  }
}
