package dev.batchnorm;

import org.jspecify.annotations.Nullable;

/** An input is unreadable, inconsistent, or does not fit what was asked of it. */
public final class InputException extends BatchNormException {
  private static final long serialVersionUID = 1;

  /** A finding without a cure to name. */
  public InputException(String message) {
    super(message, null, null);
  }

  /**
   * A finding with its cure.
   *
   * @param message {@code where: expected …, found …}
   * @param hint the next step
   */
  public InputException(String message, String hint) {
    super(message, hint, null);
  }

  /** A finding with what caused it. */
  public InputException(String message, @Nullable String hint, @Nullable Throwable cause) {
    super(message, hint, cause);
  }
}
