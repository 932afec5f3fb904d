package dev.batchnorm;

import org.jspecify.annotations.Nullable;

/**
 * Something about the data, the machine or the output, said in one line and, where there is a cure,
 * a hint.
 */
public abstract class BatchNormException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final @Nullable String hint;

  BatchNormException(String message, @Nullable String hint, @Nullable Throwable cause) {
    super(message, cause);
    this.hint = hint;
  }

  /** What to do about it, or null. */
  public @Nullable String hint() {
    return hint;
  }
}
