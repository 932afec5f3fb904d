package dev.batchnorm.verify;

import dev.batchnorm.DType;
import java.util.Arrays;

/**
 * One channel of an {@link ExactCase} in whole numbers (docs/math.md, Exact cases): x = mean + d in
 * units of x, dy = dyMean + slope·d + r in units of dy, with Σd = Σr = Σr·d = 0 and Σd² = m·v. Then
 * Σdy·d = m·slope·v, and with v + η = 4^k everything else is a small whole number times a power of
 * 2.
 */
final class ExactChannel {
  /** γ is a quarter of a whole number up to this, β too. */
  static final int LARGEST_AFFINE = 7;

  /** How often means are drawn until sums times 1/m are exact too. */
  private static final int DRAWS = 64;

  /** How often four squares are drawn before all are. */
  private static final int SQUARES = 100_000;

  final int m;
  final int level;
  final long v;
  final int mean;
  final int dyMean;
  final int slope;
  final int gamma;
  final int beta;

  /** k of the running variance, v_r = 4^k − η. */
  final int runningLevel;

  /** The running mean minus the mean. */
  final int runningShift;

  /** Whether sums multiplied by the rounded 1/m are what they are divided by m. */
  final boolean reciprocal;

  private int[] deviations;
  private int[] gradients;

  private ExactChannel(ExactBudget budget, DType arithmetic, SeededNumbers numbers) {
    m = budget.count();
    int k = 0;
    int mu = 0;
    int g = 0;
    int c = 0;
    boolean exact = false;
    for (int draw = 0; draw < DRAWS && !exact; draw++) {
      k = numbers.between(budget.leastLevel(), budget.level());
      mu = numbers.signed(ExactBudget.largestMean(k));
      g = numbers.signed(ExactBudget.largestMean(k));
      c = numbers.signed(1);
      exact = isReciprocalExact(arithmetic, m, budget.variance(k), mu, g, c);
    }
    reciprocal = exact;
    level = k;
    v = budget.variance(k);
    mean = mu;
    slope = c;
    int scale = numbers.signed(LARGEST_AFFINE);
    gamma = m == 1 ? Math.abs(scale) : scale; // dx and dγ are 0 then, and +0
    dyMean = m == 1 ? Math.abs(g) : g;
    beta = numbers.signed(LARGEST_AFFINE);
    runningLevel = m == 1 ? k + 1 : numbers.between(k, k + 1);
    int shift = numbers.signed(ExactBudget.largestMean(k));
    runningShift = c * v == (long) g * shift ? -shift : shift; // or B4's dγ would be 0
    deviations = deviations(numbers);
    gradients = gradients(numbers, budget.eta());
  }

  /** The channel of that number. */
  static ExactChannel of(ExactBudget budget, DType arithmetic, long seed, int channel) {
    ExactChannel made = new ExactChannel(budget, arithmetic, new SeededNumbers(seed, channel));
    made.check(arithmetic);
    return made;
  }

  /** d, m values. */
  int[] deviations() {
    return deviations;
  }

  /** dy, m values. */
  int[] gradients() {
    return gradients;
  }

  /** Forgets the values, which take more memory than all else. */
  ExactChannel withoutValues() {
    deviations = new int[0];
    gradients = new int[0];
    return this;
  }

  private static boolean isReciprocalExact(
      DType arithmetic, int m, long v, int mean, int dyMean, int slope) {
    double share = arithmetic.round(1.0 / m);
    long[] means = {
      mean, v, v + (long) mean * mean, dyMean, slope * v, slope * v + (long) mean * dyMean
    };
    return Arrays.stream(means).allMatch(n -> arithmetic.round((double) m * n * share) == n);
  }

  /** Σd = 0 and Σd² = m·v: pairs of d and −d, and three that add up to 0 where m is odd. */
  private int[] deviations(SeededNumbers numbers) {
    int[] d = new int[m];
    if (v > 0) {
      while (!draw(d, numbers)) {
        Arrays.fill(d, 0);
      }
    }
    for (int i = m - 1; i > 0; i--) { // Fisher and Yates
      int j = numbers.below(i + 1);
      int other = d[j];
      d[j] = d[i];
      d[i] = other;
    }
    return d;
  }

  private boolean draw(int[] d, SeededNumbers numbers) {
    int largest = ExactBudget.largestDeviation(level);
    long rest = m * v;
    int at = 0;
    if (m % 2 == 1) {
      d[0] = numbers.between(-largest, largest);
      d[1] = numbers.between(-largest, largest);
      d[2] = -d[0] - d[1];
      rest -= (long) d[0] * d[0] + (long) d[1] * d[1] + (long) d[2] * d[2];
      at = 3;
      boolean hasZero = d[0] == 0 || d[1] == 0 || d[2] == 0;
      if (hasZero || Math.abs(d[2]) > largest || rest < 0) {
        return false;
      }
    }
    rest /= 2;
    for (; m - at > 8; at += 2) {
      int size = size(rest, (m - at) / 2, numbers);
      if (size > largest) {
        return false;
      }
      pair(d, at, size);
      rest -= (long) size * size;
    }
    // Every number is a sum of four squares (Lagrange), so for m ≥ 8 this ends.
    int tries = m < 8 ? 1 : SQUARES;
    for (int i = 0; i < tries; i++) {
      if (drawLast(d, at, rest, largest, numbers)) {
        return true;
      }
    }
    return false;
  }

  private boolean drawLast(int[] d, int first, long sum, int largest, SeededNumbers numbers) {
    long rest = sum;
    int at = first;
    for (; m - at > 2; at += 2) {
      int size = size(rest, (m - at) / 2, numbers);
      pair(d, at, size);
      rest -= (long) size * size;
    }
    int size = (int) Math.sqrt((double) rest);
    if (m - at == 2) {
      pair(d, at, size);
      rest -= (long) size * size;
    }
    return rest == 0 && Arrays.stream(d, first, m).allMatch(each -> Math.abs(each) <= largest);
  }

  /** Uniform with the mean square that those to come need. */
  private static int size(long rest, int pairs, SeededNumbers numbers) {
    double bound = Math.sqrt(Math.min(3.0 * rest / pairs, (double) rest));
    return numbers.below((int) bound + 1);
  }

  private static void pair(int[] d, int at, int size) {
    d[at] = size;
    d[at + 1] = -size;
  }

  /**
   * r is t and −t at two places of the same d, which keeps Σr and Σr·d at 0. No dx is 0, whose sign
   * would depend on the formula: the zeros among d, an even number, all have an r, and none cancels
   * with slope·d·η.
   */
  private int[] gradients(SeededNumbers numbers, int eta) {
    int most = ExactBudget.largestDeviation(level);
    int[] waiting = new int[2 * most + 1];
    Arrays.fill(waiting, -1);
    int[] dy = new int[m];
    for (int i = 0; i < m; i++) {
      dy[i] = dyMean + slope * deviations[i];
      int place = deviations[i] + most;
      if (waiting[place] < 0) {
        waiting[place] = i;
      } else {
        int residual = numbers.signed(ExactBudget.largestResidual(level));
        boolean cancels = Math.abs(residual) << (2 * level) == Math.abs(deviations[i]) * eta;
        dy[i] += cancels ? 0 : residual;
        dy[waiting[place]] -= cancels ? 0 : residual;
        waiting[place] = -1;
      }
    }
    return dy;
  }

  /** Counts what the construction promises: a sum beyond the significand would be a bug. */
  private void check(DType arithmetic) {
    long largest = 1L << ExactBudget.bits(arithmetic);
    Sum x = new Sum();
    Sum xx = new Sum();
    Sum d = new Sum();
    Sum dd = new Sum();
    Sum dy = new Sum();
    Sum dyX = new Sum();
    Sum dyD = new Sum();
    Sum dyRunning = new Sum();
    for (int i = 0; i < m; i++) {
      long deviation = deviations[i];
      long value = mean + deviation;
      long gradient = gradients[i];
      x.add(value);
      xx.add(value * value);
      d.add(deviation);
      dd.add(deviation * deviation);
      dy.add(gradient);
      dyX.add(gradient * value);
      dyD.add(gradient * deviation);
      dyRunning.add(gradient * (deviation - runningShift));
    }
    for (Sum sum : new Sum[] {x, xx, d, dd, dy, dyX, dyD, dyRunning}) {
      if (sum.above > largest || sum.below > largest) {
        throw new IllegalStateException("a partial sum has more bits than " + arithmetic.label());
      }
    }
    if (d.total() != 0
        || dd.total() != m * v
        || dy.total() != (long) m * dyMean
        || dyD.total() != (long) m * slope * v) {
      throw new IllegalStateException("a sum is not what it was made to be");
    }
  }

  /** The largest partial sums in any order: all terms above 0, and all below. */
  private static final class Sum {
    private long above;
    private long below;

    void add(long term) {
      if (term > 0) {
        above += term;
      } else {
        below -= term;
      }
    }

    long total() {
      return above - below;
    }
  }
}
