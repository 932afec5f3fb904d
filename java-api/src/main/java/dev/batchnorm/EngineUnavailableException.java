package dev.batchnorm;

import org.jspecify.annotations.Nullable;

/** The engine asked for cannot run here; the message tells why. */
public final class EngineUnavailableException extends BatchNormException {
  private static final long serialVersionUID = 1;

  /** A finding without a cure to name. */
  public EngineUnavailableException(String message) {
    super(message, null, null);
  }

  /**
   * A finding with its cure.
   *
   * @param message {@code where: expected …, found …}
   * @param hint the next step
   */
  public EngineUnavailableException(String message, String hint) {
    super(message, hint, null);
  }

  /** A finding with what caused it. */
  public EngineUnavailableException(
      String message, @Nullable String hint, @Nullable Throwable cause) {
    super(message, hint, cause);
  }
}
