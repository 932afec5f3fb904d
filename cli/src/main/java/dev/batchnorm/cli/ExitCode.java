package dev.batchnorm.cli;

/** The exit codes scripts rely on. 130 and 143 after SIGINT and SIGTERM are the JVM's. */
final class ExitCode {
  /** Done, or no difference found. */
  static final int OK = 0;

  /** A check found a difference. */
  static final int DIFFERENT = 1;

  /** The command line is wrong whatever the files hold. */
  static final int USAGE = 2;

  /** An input is unreadable, inconsistent, or does not fit the options. */
  static final int INPUT = 3;

  /** The requested engine is not available. */
  static final int ENGINE = 4;

  /** The output could not be written. */
  static final int OUTPUT = 5;

  /** A bug of this program, or the machine ran out of memory. */
  static final int BUG = 70;

  private ExitCode() {}
}
