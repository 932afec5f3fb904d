package dev.batchnorm;

import org.jspecify.annotations.Nullable;

/** An output could not be written; nothing was left behind under its name. */
public final class OutputException extends BatchNormException {
  private static final long serialVersionUID = 1;

  /** A finding without a cure to name. */
  public OutputException(String message) {
    super(message, null, null);
  }

  /**
   * A finding with its cure.
   *
   * @param message {@code where: expected …, found …}
   * @param hint the next step
   */
  public OutputException(String message, String hint) {
    super(message, hint, null);
  }

  /** A finding with what caused it. */
  public OutputException(String message, @Nullable String hint, @Nullable Throwable cause) {
    super(message, hint, cause);
  }
}
