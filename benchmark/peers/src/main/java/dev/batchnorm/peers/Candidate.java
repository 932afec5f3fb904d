package dev.batchnorm.peers;

import dev.batchnorm.Values;
import java.util.Map;

/** One way to compute a pass: what is needed is allocated before, so that a run only computes. */
interface Candidate extends AutoCloseable {

  /** The library, and its way where it has several. */
  String name();

  /** What the library says about the code it chose; may be empty. */
  String note();

  /** Computes the pass. */
  void run();

  /** What the last run computed: y or dx, in the order of x. */
  Values output();

  /**
   * Everything the last run gave, valid until the next, named as in files: {@code y mean variance
   * inverse_std} or {@code dx dgamma dbeta}, those of them that the library tells.
   */
  Map<String, Values> outputs();

  /** Releases what it allocated. */
  @Override
  void close();
}
