package dev.batchnorm.golden;

import java.util.Locale;

/** Why an output may be expected again, and how closely. All but the last mean to the bit. */
public enum Exactness {
  /** An integer, such as a count. */
  EXACT,
  /** The exact number, rounded once: F1–F3, B1, B2. */
  ROUNDED_ONCE,
  /** One fixed sequence of IEEE operations: F5, F6, B3, B4. */
  FIXED_SEQUENCE,
  /** Within a proved bound on the absolute difference, which the manifest gives. */
  BOUNDED;

  /** The name in a manifest. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  static Exactness of(String output) {
    return switch (output) {
      case "count", "batches" -> EXACT;
      case "mean", "variance", "inverse_std", "dgamma", "dbeta" -> ROUNDED_ONCE;
      default -> FIXED_SEQUENCE;
    };
  }
}
