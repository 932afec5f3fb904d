package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.InputException;
import java.io.ByteArrayInputStream;
import java.util.regex.Pattern;
import org.junit.jupiter.api.function.Executable;

/** What the tests of all formats need. */
public final class Refusals {
  private static final Pattern WORDS_TO_AVOID =
      Pattern.compile("invalid|illegal|failed", Pattern.CASE_INSENSITIVE);

  private Refusals() {}

  /** The message of the {@link InputException} that the call must throw. */
  public static String refusal(Executable call) {
    String message = String.valueOf(assertThrows(InputException.class, call).getMessage());
    assertTrue(!WORDS_TO_AVOID.matcher(message).find() && !message.contains("\n"), message);
    return message;
  }

  /** The hint of the {@link InputException} that the call must throw. */
  public static String hint(Executable call) {
    return String.valueOf(assertThrows(InputException.class, call).hint());
  }

  /** The bytes as an input. */
  public static InputBytes input(String name, byte[] bytes) {
    return InputBytes.spool(name, new ByteArrayInputStream(bytes));
  }
}
