package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.Values;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * The SHA-256 of an array: of its type and shape as in {@code <f4 (2, 3)} and a line feed, then its
 * little-endian values in C order, NaNs canonical.
 */
final class Digest {
  private static final int CHUNK = 8192;

  private final String name;
  private final String description;
  private final DType type;
  private final MessageDigest sha256;

  Digest(String name, DType type, long... sizes) {
    this.name = name;
    this.type = type;
    String shape = LongStream.of(sizes).mapToObj(Long::toString).collect(Collectors.joining(", "));
    description = type.descriptor() + " (" + shape + (sizes.length == 1 ? ",)" : ")");
    sha256 = sha256(description);
  }

  /** The line for a single integer. */
  static String line(String name, long value) {
    String description = "<i8 ()";
    ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    MessageDigest sha256 = sha256(description);
    sha256.update(bytes.putLong(value).flip());
    return HexFormat.of().formatHex(sha256.digest()) + " " + name + " " + description;
  }

  private static MessageDigest sha256(String description) {
    try {
      MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
      sha256.update((description + "\n").getBytes(StandardCharsets.US_ASCII));
      return sha256;
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }

  void add(Values values) {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(CHUNK * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    for (int first = 0; first < values.count(); first += CHUNK) {
      int count = Math.min(values.count() - first, CHUNK);
      Values chunk = Values.of(type, bytes.clear().limit(count * type.bytes()));
      for (int i = 0; i < count; i++) {
        chunk.set(i, values.get(first + i)); // makes NaNs the one NaN
      }
      sha256.update(bytes);
    }
  }

  /** The line {@code --digest} prints; ends the digest. */
  String line() {
    return HexFormat.of().formatHex(sha256.digest()) + " " + name + " " + description;
  }
}
