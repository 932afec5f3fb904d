package dev.batchnorm.format;

/**
 * Nobody reads the output any more, as after {@code batchnorm … | head}. No error: whoever started
 * the program has all that was wanted.
 */
public final class ClosedPipeException extends RuntimeException {
  private static final long serialVersionUID = 1;

  ClosedPipeException(String name, Throwable cause) {
    super(name + ": expected a reader, found a closed pipe", cause);
  }
}
