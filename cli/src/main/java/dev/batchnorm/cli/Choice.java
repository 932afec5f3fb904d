package dev.batchnorm.cli;

import dev.batchnorm.Layout;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** Values of options that are one of a few names. */
final class Choice {
  private Choice() {}

  /** The value named so in any case; an unknown one is answered with those known. */
  static <E extends Enum<E>> E of(String option, String text, E[] values) {
    for (E value : values) {
      if (name(value).equalsIgnoreCase(text)) {
        return value;
      }
    }
    boolean upper = values[0] instanceof Layout;
    String known =
        Arrays.stream(values)
            .map(v -> upper ? name(v) : name(v).toLowerCase(Locale.ROOT))
            .collect(Collectors.joining(", "));
    throw new UsageException(option + ": expected one of " + known + ", found \"" + text + "\"");
  }

  private static String name(Enum<?> value) {
    return value.name().replace('_', '-');
  }
}
