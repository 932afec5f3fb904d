package dev.batchnorm.golden;

import dev.batchnorm.format.InputBytes;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * {@code SHA256SUMS}: the SHA-256 of the bytes of every other file of a case, as {@code sha256sum}
 * writes and checks it. With it no byte of the directory can change unseen.
 */
record Checksums(Map<String, String> ofFile) {
  static final String FILE = "SHA256SUMS";

  private static final Pattern LINE = Pattern.compile("([0-9a-f]{64})  ([a-z_.]+)\n");
  private static final int PIECE = 1 << 16;

  static Checksums read(byte[] file) {
    String text = new String(file, StandardCharsets.ISO_8859_1);
    Map<String, String> ofFile = new LinkedHashMap<>();
    Matcher line = LINE.matcher(text);
    int end = 0;
    while (end < text.length()) {
      boolean matches = line.find(end) && line.start() == end;
      if (!matches || ofFile.put(line.group(2), line.group(1)) != null) {
        long number = text.substring(0, end).lines().count() + 1;
        throw new UntrustedCaseException(
            GoldenVerdict.CORRUPTED,
            FILE
                + ":"
                + number
                + ": expected a SHA-256, two blanks and the name of another file, found something else");
      }
      end = line.end();
    }
    return new Checksums(ofFile);
  }

  String text() {
    StringBuilder text = new StringBuilder();
    ofFile.forEach((file, sha256) -> text.append(sha256 + "  " + file + "\n"));
    return text.toString();
  }

  static String sha256(byte[] bytes) {
    return HexFormat.of().formatHex(digest().digest(bytes));
  }

  /** That of a whole file. */
  static String sha256(Path file) {
    MessageDigest digest = digest();
    try (InputBytes in = InputBytes.open(file)) {
      ByteBuffer piece = ByteBuffer.allocate(PIECE);
      for (long at = 0; at < in.size(); at += PIECE) {
        piece.clear().limit((int) Math.min(PIECE, in.size() - at));
        in.read(at, piece);
        digest.update(piece.flip());
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}
