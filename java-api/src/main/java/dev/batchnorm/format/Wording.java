package dev.batchnorm.format;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** How error lines show what was found. */
public final class Wording {
  private static final int LONGEST_QUOTE = 40;
  private static final int LONGEST_NAME = 200;

  private Wording() {}

  /** The first names of a list, and how many there are if that is not all. */
  public static String some(List<String> names) {
    int most = 12;
    if (names.isEmpty()) {
      return "none";
    }
    String some =
        names.stream().limit(most).map(Wording::onOneLine).collect(Collectors.joining(", "));
    return names.size() <= most ? some : some + ", … (" + names.size() + " in all)";
  }

  /** The text in quotes, on one line, cut after 40 characters. */
  public static String quoted(String text) {
    return "\"" + printable(text, LONGEST_QUOTE) + "\"";
  }

  /** A name out of a file as messages show it: on one line, cut after 200 characters. */
  public static String onOneLine(String name) {
    return printable(name, LONGEST_NAME);
  }

  /** The whole text on one line: a file's name may hold line feeds, an error is one line. */
  public static String escaped(String text) {
    return printable(text, Integer.MAX_VALUE - 1);
  }

  private static String printable(String text, int most) {
    StringBuilder quoted = new StringBuilder();
    int[] characters = text.codePoints().limit(most + 1L).toArray();
    for (int i = 0; i < Math.min(characters.length, most); i++) {
      int c = characters[i];
      if (c == '\n') {
        quoted.append("\\n");
      } else if (c == '\r') {
        quoted.append("\\r");
      } else if (c == '\t') {
        quoted.append("\\t");
      } else if (Character.isISOControl(c)) {
        quoted.append(String.format(Locale.ROOT, "\\x%02x", c));
      } else if (isUnseen(c)) {
        quoted.append(String.format(Locale.ROOT, "\\u%04x", c));
      } else {
        quoted.appendCodePoint(c);
      }
    }
    return quoted.append(characters.length > most ? "…" : "").toString();
  }

  /** Breaks a line, turns its direction, or is half a character. */
  private static boolean isUnseen(int c) {
    return switch (Character.getType(c)) {
      case Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.FORMAT,
          Character.SURROGATE ->
          true;
      default -> false;
    };
  }

  /** The bytes in hex, as in {@code 93 4E 55}. */
  public static String hex(byte... bytes) {
    StringBuilder hex = new StringBuilder();
    for (byte b : bytes) {
      hex.append(hex.isEmpty() ? "" : " ").append(String.format(Locale.ROOT, "%02X", b));
    }
    return hex.toString();
  }

  /** A number of bytes for people, as in {@code 812 bytes} or {@code 4.0 GB}. */
  public static String size(long bytes) {
    if (bytes < 10_000) {
      return bytes + (bytes == 1 ? " byte" : " bytes");
    }
    String[] units = {"kB", "MB", "GB", "TB", "PB", "EB"};
    double size = bytes / 1000.0;
    int unit = 0;
    while (size >= 999.95 && unit < units.length - 1) {
      size /= 1000;
      unit++;
    }
    return String.format(Locale.ROOT, "%.1f %s", size, units[unit]);
  }

  /** Says that two sizes differ, exactly where the rounded words would be the same. */
  public static String announced(long announced, String by, long found, String in) {
    boolean same = size(announced).equals(size(found));
    return (same ? announced + " bytes" : size(announced))
        + " announced by "
        + by
        + ", "
        + (same ? found + " bytes" : size(found))
        + " in "
        + in;
  }

  /** Why the operating system refused. */
  public static String reason(IOException e) {
    if (e instanceof NoSuchFileException) {
      return "no such file or directory";
    }
    if (e instanceof AccessDeniedException) {
      return "no permission";
    }
    String reason = e instanceof FileSystemException file ? file.getReason() : e.getMessage();
    if (reason != null && reason.startsWith("Too many levels of symbolic links")) {
      return "a circle of symbolic links";
    }
    return reason == null ? e.getClass().getSimpleName() : reason;
  }
}
