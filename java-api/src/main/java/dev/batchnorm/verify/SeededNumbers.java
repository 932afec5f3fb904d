package dev.batchnorm.verify;

/**
 * Whole numbers from a seed, the same in every version of Java: SplitMix64 (Steele, Lea and Flood
 * 2014).
 */
final class SeededNumbers {
  private static final long GOLDEN = 0x9e3779b97f4a7c15L;

  private long state;

  /** The numbers of one of many streams of a seed. */
  SeededNumbers(long seed, long stream) {
    state = mixed(mixed(seed + GOLDEN) + (stream + 1) * GOLDEN);
  }

  /** The finaliser. */
  static long mixed(long z) {
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  private long next() {
    state += GOLDEN;
    return mixed(state);
  }

  /** A number from 0 to bound − 1. */
  int below(int bound) {
    return (int) (((next() >>> 32) * bound) >>> 32);
  }

  /** A number from least to most. */
  int between(int least, int most) {
    return least + below(most - least + 1);
  }

  /** A number of size 1 to largest, and either sign. */
  int signed(int largest) {
    int size = between(1, largest);
    return below(2) == 0 ? size : -size;
  }
}
