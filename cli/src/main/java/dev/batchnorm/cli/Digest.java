package dev.batchnorm.cli;

import dev.batchnorm.Values;
import dev.batchnorm.format.NumberType;
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
  private final NumberType type;
  private final MessageDigest sha256;
  private final ByteBuffer canonical;

  Digest(String name, NumberType type, long... sizes) {
    this.name = name;
    this.type = type;
    String shape = LongStream.of(sizes).mapToObj(Long::toString).collect(Collectors.joining(", "));
    description = type.descriptor() + " (" + shape + (sizes.length == 1 ? ",)" : ")");
    canonical = ByteBuffer.allocateDirect(CHUNK * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
    sha256.update((description + "\n").getBytes(StandardCharsets.US_ASCII));
  }

  /** Adds values of the floating type. */
  void add(Values values) {
    for (int first = 0; first < values.count(); first += CHUNK) {
      int count = Math.min(values.count() - first, CHUNK);
      Values chunk = Values.of(values.type(), canonical.clear().limit(count * type.bytes()));
      for (int i = 0; i < count; i++) {
        chunk.set(i, values.get(first + i)); // makes NaNs the one NaN
      }
      sha256.update(canonical);
    }
  }

  /** Adds little-endian values of the type; the buffer's position stays. */
  void add(ByteBuffer bytes) {
    if (type.isFloating()) {
      add(Values.of(type.floating(), bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN)));
    } else {
      sha256.update(bytes.duplicate());
    }
  }

  /** The line {@code --digest} prints; ends the digest. */
  String line() {
    return HexFormat.of().formatHex(sha256.digest()) + " " + name + " " + description;
  }
}
