package dev.batchnorm.format.npy;

import dev.batchnorm.InputException;
import dev.batchnorm.format.Wording;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The Python dictionary of an NPY header, {@code {'descr': '<f4', 'fortran_order': False, 'shape':
 * (3, 4), }}: keys in any order, blanks anywhere, a trailing comma or none, and the {@code 3L} of
 * Python 2.
 */
final class NpyDictionary {
  private static final int MOST_AXES = 64;

  private final String file;
  private final String text;
  private int at;
  private @Nullable String descriptor;
  private @Nullable Boolean fortranOrder;
  private long @Nullable [] sizes;

  private NpyDictionary(String file, String text) {
    this.file = file;
    this.text = text;
  }

  static NpyDictionary parse(String file, String text) {
    NpyDictionary dictionary = new NpyDictionary(file, text);
    dictionary.readAll();
    return dictionary;
  }

  String descriptor() {
    return present(descriptor, "descr");
  }

  boolean fortranOrder() {
    return present(fortranOrder, "fortran_order");
  }

  long[] sizes() {
    return present(sizes, "shape");
  }

  private <T> T present(@Nullable T value, String key) {
    if (value == null) {
      throw new InputException(
          file + ": expected descr, fortran_order and shape in the header, found no " + key);
    }
    return value;
  }

  private void readAll() {
    expect('{');
    while (!accept('}')) {
      readEntry();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skipBlanks();
    if (at < text.length()) {
      throw unexpected("the end of the header");
    }
    descriptor();
    fortranOrder();
    sizes();
  }

  private void readEntry() {
    int start = at;
    String key = readString("a key in quotes");
    expect(':');
    switch (key) {
      case "descr" -> {
        once(descriptor == null, start, key);
        descriptor = readDescriptor();
      }
      case "fortran_order" -> {
        once(fortranOrder == null, start, key);
        fortranOrder = readBoolean();
      }
      case "shape" -> {
        once(sizes == null, start, key);
        sizes = readSizes();
      }
      default -> {
        at = start;
        throw unexpected("the key descr, fortran_order or shape");
      }
    }
  }

  private void once(boolean first, int start, String key) {
    if (!first) {
      at = start;
      throw unexpected("the key " + key + " once");
    }
  }

  private String readDescriptor() {
    skipBlanks();
    if (at < text.length() && text.charAt(at) == '[') {
      throw new InputException(
          file + ": expected one real number an element, found a structured dtype");
    }
    return readString("a dtype in quotes");
  }

  private String readString(String expected) {
    skipBlanks();
    char quote = at < text.length() ? text.charAt(at) : 0;
    int end = quote == '\'' || quote == '"' ? text.indexOf(quote, at + 1) : -1;
    if (end < 0 || text.lastIndexOf('\\', end) > at) {
      throw unexpected(expected);
    }
    String string = text.substring(at + 1, end);
    at = end + 1;
    return string;
  }

  private boolean readBoolean() {
    skipBlanks();
    for (String word : new String[] {"True", "False"}) {
      if (text.startsWith(word, at)) {
        at += word.length();
        return word.equals("True");
      }
    }
    throw unexpected("True or False");
  }

  private long[] readSizes() {
    skipBlanks();
    int start = at;
    expect('(');
    long[] read = new long[MOST_AXES];
    int count = 0;
    boolean comma = true;
    while (!accept(')')) {
      if (!comma || count == MOST_AXES) {
        throw unexpected(comma ? "at most " + MOST_AXES + " axes" : "',' or ')'");
      }
      read[count++] = readSize();
      comma = accept(',');
    }
    if (count == 1 && !comma) {
      at = start;
      throw unexpected("a tuple of sizes as (3,)");
    }
    return Arrays.copyOf(read, count);
  }

  private long readSize() {
    skipBlanks();
    int start = at;
    while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
      at++;
    }
    int end = at;
    if (at < text.length() && text.charAt(at) == 'L') {
      at++;
    }
    boolean plain = end - start == 1 || (end > start && text.charAt(start) != '0');
    try {
      if (plain) {
        return Long.parseLong(text, start, end, 10);
      }
    } catch (NumberFormatException e) {
      at = start;
      throw unexpected("a size below 2^63");
    }
    at = start;
    throw unexpected("a size");
  }

  private boolean accept(char c) {
    skipBlanks();
    if (at < text.length() && text.charAt(at) == c) {
      at++;
      return true;
    }
    return false;
  }

  private void expect(char c) {
    if (!accept(c)) {
      throw unexpected("'" + c + "'");
    }
  }

  private void skipBlanks() {
    while (at < text.length() && " \t\n\r\f".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
  }

  private InputException unexpected(String expected) {
    return new InputException(
        file
            + ": expected "
            + expected
            + " at character "
            + (at + 1)
            + " of the header, found "
            + (text.substring(at).isBlank()
                ? "its end"
                : Wording.quoted(text.substring(at).stripTrailing())));
  }
}
