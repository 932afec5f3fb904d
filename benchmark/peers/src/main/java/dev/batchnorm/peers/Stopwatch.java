package dev.batchnorm.peers;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Times candidates in turns, A B C A B C …, so that what disturbs the machine disturbs them alike.
 * A turn is as many runs as take 5 ms, one at least; before it, threads that the candidate before
 * left spinning get the time to go to sleep.
 */
final class Stopwatch {
  private static final double WARM_UP = 0.3; // seconds
  private static final int WARM_UP_RUNS = 2;
  private static final double TURN = 5e-3; // seconds
  private static final long PAUSE = 10; // milliseconds

  private Stopwatch() {}

  /** Something that runs once and tells how many seconds that took. */
  interface Timed {
    double run();
  }

  /**
   * What turns took, in milliseconds a run.
   *
   * @param ratio of the first candidate's time to this one's in the same turn, the median: the
   *     machine may be twice as fast in one turn as in another, and medians come from any of them
   * @param runs in each turn
   */
  record Times(double median, double least, double most, double ratio, int runs) {}

  /** Seconds a call takes. */
  static Timed timed(Runnable call) {
    return () -> {
      long start = System.nanoTime();
      call.run();
      return (System.nanoTime() - start) / 1e9;
    };
  }

  /** The times of each candidate over the given number of turns. */
  static List<Times> race(List<Timed> candidates, int turns) throws InterruptedException {
    int[] runs = new int[candidates.size()];
    for (int i = 0; i < runs.length; i++) {
      double best = warmUp(candidates.get(i));
      runs[i] = (int) Math.max(1, Math.ceil(TURN / best));
    }
    double[][] milliseconds = new double[runs.length][turns];
    for (int turn = 0; turn < turns; turn++) {
      for (int i = 0; i < runs.length; i++) {
        milliseconds[i][turn] = 1e3 * turn(candidates.get(i), runs[i]);
      }
    }
    List<Times> times = new ArrayList<>();
    for (int i = 0; i < runs.length; i++) {
      double[] sorted = milliseconds[i].clone();
      Arrays.sort(sorted);
      double[] ratios = new double[turns];
      for (int turn = 0; turn < turns; turn++) {
        ratios[turn] = milliseconds[0][turn] / milliseconds[i][turn];
      }
      Arrays.sort(ratios);
      times.add(
          new Times(median(sorted), sorted[0], sorted[turns - 1], median(ratios), runs[i]));
    }
    return times;
  }

  private static double median(double[] sorted) {
    return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
  }

  private static double warmUp(Timed candidate) {
    double best = Double.POSITIVE_INFINITY;
    double spent = 0;
    for (int run = 0; run < WARM_UP_RUNS || spent < WARM_UP; run++) {
      double seconds = candidate.run();
      best = Math.min(best, seconds);
      spent += seconds;
    }
    return best;
  }

  private static double turn(Timed candidate, int runs) throws InterruptedException {
    Thread.sleep(PAUSE);
    if (runs > 1) {
      candidate.run(); // wakes its threads and brings its data to the cache
    }
    double seconds = 0;
    for (int run = 0; run < runs; run++) {
      seconds += candidate.run();
    }
    return seconds / runs;
  }
}
