package dev.batchnorm.format.csv;

import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.NumberType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Collects bytes of CSV and hands them to the output in blocks. */
final class CsvBytes {
  private static final int BLOCK = 1 << 16;

  private final AtomicOutput out;
  private final byte[] bytes = new byte[BLOCK];
  private int count;

  CsvBytes(AtomicOutput out) {
    this.out = out;
  }

  void put(byte[] from, int start, int end) {
    for (int at = start; at < end; ) {
      int part = Math.min(reserve(1), end - at);
      System.arraycopy(from, at, bytes, count, part);
      count += part;
      at += part;
    }
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

  /** Makes room for that many bytes and tells how much there is. */
  private int reserve(int needed) {
    if (bytes.length - count < needed) {
      flush();
    }
    return bytes.length - count;
  }

  void flush() {
    out.write(ByteBuffer.wrap(bytes, 0, count));
    count = 0;
  }
}
