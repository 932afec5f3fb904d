package dev.batchnorm.peers;

/** What is computed. Sums and parameters per channel belong to it. */
enum Pass {
  /** x → y with the batch's own statistics (F1–F5). */
  TRAIN,
  /** x → y with given statistics (F5). */
  INFERENCE,
  /** dy, x, statistics of an earlier forward pass → dx, dγ, dβ (B1–B3). */
  BACKWARD
}
