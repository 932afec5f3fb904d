package dev.batchnorm.cli;

import org.jspecify.annotations.Nullable;

/** The command line is wrong whatever the files hold: exit code 2. */
final class UsageException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final @Nullable String hint;

  UsageException(String message) {
    this(message, null);
  }

  UsageException(String message, @Nullable String hint) {
    super(message);
    this.hint = hint;
  }

  @Nullable String hint() {
    return hint;
  }
}
