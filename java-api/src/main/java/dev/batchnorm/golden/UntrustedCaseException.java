package dev.batchnorm.golden;

import java.util.List;

/** A case about which a verdict is known before anything is computed. */
final class UntrustedCaseException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final GoldenVerdict verdict;
  private final transient List<String> troubles;

  UntrustedCaseException(GoldenVerdict verdict, String... troubles) {
    this(verdict, List.of(troubles));
  }

  UntrustedCaseException(GoldenVerdict verdict, List<String> troubles) {
    super(verdict + ": " + troubles.get(0));
    this.verdict = verdict;
    this.troubles = troubles;
  }

  GoldenVerdict verdict() {
    return verdict;
  }

  List<String> troubles() {
    return troubles;
  }
}
