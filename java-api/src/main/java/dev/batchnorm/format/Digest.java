package dev.batchnorm.format;

import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * The SHA-256 of an array: of its type and shape as in {@code <f4 (2, 3)} and a line feed, then its
 * little-endian values in C order, NaNs canonical and truth as 0 and 1.
 */
public final class Digest {
  private static final int CHUNK = 8192;

  private final String name;
  private final String description;
  private final NumberType type;
  private final MessageDigest sha256;
  private final ByteBuffer chunk;

  /**
   * A digest of an array whose values are still to come.
   *
   * @param name what {@link #line} calls the array
   */
  public Digest(String name, NumberType type, long... sizes) {
    this.name = name;
    this.type = type;
    description = type.descriptor() + " " + Shape.tuple(sizes);
    chunk = ByteBuffer.allocateDirect(CHUNK * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
    sha256.update((description + "\n").getBytes(StandardCharsets.US_ASCII));
  }

  /** Adds values of the digest's type. */
  public void add(Values values) {
    for (int first = 0; first < values.count(); first += CHUNK) {
      int count = Math.min(values.count() - first, CHUNK);
      Values copy = Values.of(type.floating(), chunk.clear().limit(count * type.bytes()));
      copy.put(0, values, first, count);
      addChunk();
    }
  }

  /** Adds the little-endian bytes of values, from position to limit; neither moves. */
  public void add(ByteBuffer bytes) {
    for (int at = bytes.position(); at < bytes.limit(); at += chunk.limit()) {
      int size = Math.min(bytes.limit() - at, chunk.capacity());
      chunk.clear().limit(size);
      chunk.put(0, bytes, at, size);
      addChunk();
    }
  }

  private void addChunk() {
    switch (type) {
      case BOOL -> {
        for (int i = 0; i < chunk.limit(); i++) {
          chunk.put(i, (byte) (chunk.get(i) == 0 ? 0 : 1));
        }
      }
      case F16 -> {
        ShortBuffer items = chunk.asShortBuffer();
        short nan = (short) DType.F16.bits(Double.NaN);
        for (int i = 0; i < items.limit(); i++) {
          items.put(i, (items.get(i) & 0x7fff) > 0x7c00 ? nan : items.get(i));
        }
      }
      case F32 -> {
        IntBuffer items = chunk.asIntBuffer();
        int nan = (int) DType.F32.bits(Double.NaN);
        for (int i = 0; i < items.limit(); i++) {
          items.put(i, (items.get(i) & 0x7fffffff) > 0x7f800000 ? nan : items.get(i));
        }
      }
      case F64 -> {
        LongBuffer items = chunk.asLongBuffer();
        long nan = DType.F64.bits(Double.NaN);
        for (int i = 0; i < items.limit(); i++) {
          long item = items.get(i);
          items.put(i, (item & Long.MAX_VALUE) > 0x7ffL << 52 ? nan : item);
        }
      }
      default -> {} // integers are what they are
    }
    sha256.update(chunk);
  }

  /** Adds all values of an array, which is read chunk by chunk. */
  public Digest add(StoredArray array) {
    for (long at = 0; at < array.count(); at += StoredArray.CHUNK) {
      add(array.read(at, (int) Math.min(StoredArray.CHUNK, array.count() - at)));
    }
    array.release();
    return this;
  }

  /** Type and shape, as in {@code <f4 (2, 3)}. */
  public String description() {
    return description;
  }

  /** The digest in hex; ends it. */
  public String hex() {
    return HexFormat.of().formatHex(sha256.digest());
  }

  /** The line {@code --digest} prints; ends the digest. */
  public String line() {
    return hex() + " " + Wording.onOneLine(name) + " " + description;
  }
}
