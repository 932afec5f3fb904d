package dev.batchnorm.verify;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * The loss ℓ = Σ dy·y of one channel, in integers: y = γ·(x − μ)/√(V + ε) + β as F1–F5 define it,
 * without a rounding but for the last root and quotient, which err by less than a unit of 2⁻¹⁷⁶ of
 * what is asked for. It knows how to evaluate y, and no gradient of it. Derivation: docs/math.md,
 * Gradients against differences.
 *
 * <p>Integers stand for numbers on grids: x on 2^gridX, dy on 2^gridG.
 */
final class ExactLoss {
  /** A step moves x by no more than 2⁻⁶⁰ of what would double the spread. */
  private static final int STEP = 60;

  private static final int DIGITS = 240;

  private final BigInteger m;
  private final int logM;
  private final int gridX;
  private final int gridG;
  private final BigInteger[] x;
  private final BigInteger[] g;
  private final BigInteger sumX;
  private final BigInteger sumXx;
  private final BigInteger sumG;
  private final BigInteger sumXg;

  /** Σdy², on 2^(2·gridG). */
  private final BigInteger sumGg;

  /** m·Σdy² − (Σdy)², on 2^(2·gridG). */
  private final BigInteger spreadG;

  private final Dyadic eps;
  private final @Nullable Given given;
  private final State now;

  /** μ and v + ε that do not depend on x. */
  private record Given(BigInteger mean, Dyadic radicand) {}

  /**
   * Where x is: ℓ = γ·N/√R + β·Σdy.
   *
   * @param n N, on 2^(grid + gridG)
   * @param grid that of x
   * @param r R, on 2^(2·root)
   */
  private record State(BigInteger n, int grid, BigInteger r, int root) {}

  /** The sums of a direction v in integers: Σv, Σv², Σx·v and Σdy·v. */
  record Direction(BigInteger v, BigInteger vv, BigInteger xv, BigInteger gv) {}

  private ExactLoss(double[] x, double[] g, Dyadic eps, double @Nullable [] given) {
    m = BigInteger.valueOf(x.length);
    logM = m.bitLength();
    int finest = Dyadic.grid(x);
    gridX = given == null ? finest : Math.min(finest, Dyadic.grid(given[0]));
    gridG = Dyadic.grid(g);
    this.x = Dyadic.integers(x, gridX);
    this.g = Dyadic.integers(g, gridG);
    BigInteger[] sums = new BigInteger[5];
    Arrays.fill(sums, BigInteger.ZERO);
    for (int i = 0; i < x.length; i++) {
      BigInteger xi = this.x[i];
      BigInteger gi = this.g[i];
      sums[0] = sums[0].add(xi);
      sums[1] = sums[1].add(xi.multiply(xi));
      sums[2] = sums[2].add(gi);
      sums[3] = sums[3].add(xi.multiply(gi));
      sums[4] = sums[4].add(gi.multiply(gi));
    }
    sumX = sums[0];
    sumXx = sums[1];
    sumG = sums[2];
    sumXg = sums[3];
    sumGg = sums[4];
    spreadG = m.multiply(sumGg).subtract(sumG.multiply(sumG));
    this.eps = eps;
    this.given =
        given == null
            ? null
            : new Given(Dyadic.of(given[0]).on(gridX), Dyadic.of(given[1]).plus(eps).onEvenGrid());
    now = state(sumX, sumXx, sumXg, gridX);
  }

  /** The loss with the batch's own statistics. */
  static ExactLoss training(double[] x, double[] g, double eps) {
    return new ExactLoss(x, g, Dyadic.of(eps), null);
  }

  /** The loss with the statistics frozen at μ and v. */
  static ExactLoss frozen(double[] x, double[] g, double eps, double mean, double variance) {
    return new ExactLoss(x, g, Dyadic.of(eps), new double[] {mean, variance});
  }

  /** Whether V + ε is 0, where there is no y. */
  boolean isSingular() {
    return now.r.signum() <= 0;
  }

  /** Whether dy has one value only. */
  boolean isConstantGradient() {
    return spreadG.signum() == 0;
  }

  private State state(BigInteger sX, BigInteger sXx, BigInteger sXg, int grid) {
    if (given != null) {
      BigInteger mean = given.mean.shiftLeft(gridX - grid);
      BigInteger n = sXg.subtract(mean.multiply(sumG));
      return new State(n, grid, given.radicand.integer(), given.radicand.exponent() / 2);
    }
    BigInteger n = m.multiply(sXg).subtract(sX.multiply(sumG));
    Dyadic v = new Dyadic(m.multiply(sXx).subtract(sX.multiply(sX)), 2 * grid);
    Dyadic r = v.plus(eps.times(new Dyadic(m.multiply(m), 0))).onEvenGrid();
    return new State(n, grid, r.integer(), r.exponent() / 2);
  }

  /** The direction that moves one value alone. */
  Direction single(int i) {
    return new Direction(BigInteger.ONE, BigInteger.ONE, x[i], g[i]);
  }

  /** The direction that adds 1 where a bit is set and takes 1 away elsewhere. */
  Direction signs(BitSet up) {
    BigInteger xv = BigInteger.ZERO;
    BigInteger gv = BigInteger.ZERO;
    for (int i = 0; i < x.length; i++) {
      xv = up.get(i) ? xv.add(x[i]) : xv.subtract(x[i]);
      gv = up.get(i) ? gv.add(g[i]) : gv.subtract(g[i]);
    }
    return new Direction(BigInteger.valueOf(2L * up.cardinality() - x.length), m, xv, gv);
  }

  /**
   * (ℓ(x + h·v) − ℓ(x − h·v))/2h for γ = 1. It differs from the derivative by less than 2⁻¹¹⁰ of
   * √(m·Σdy² − (Σdy)²)·σ_v/√(V + ε); in the frozen case by less than 2⁻¹¹⁰ of the finest step of dy
   * over √(v + ε).
   */
  Dyadic difference(Direction v) {
    int step = step(v);
    int grid = Math.min(gridX, step);
    State up = moved(v, BigInteger.ONE.shiftLeft(step - grid), grid);
    State down = moved(v, BigInteger.ONE.shiftLeft(step - grid).negate(), grid);
    // One unit for both: 2^−DIGITS of √(m·Σdy² − (Σdy)²), which no N/√R exceeds (Cauchy, Schwarz).
    int scale =
        given == null
            ? DIGITS + grid - spreadG.bitLength() / 2
            : DIGITS / 2 + up.r.bitLength() / 2 + 1 + up.root;
    BigInteger rise =
        quotient(up.n, up.r, scale - up.root).subtract(quotient(down.n, down.r, scale - down.root));
    return new Dyadic(rise, grid + gridG - scale - step - 1);
  }

  /** log2 of h. */
  private int step(Direction v) {
    if (given != null) {
      return gridX;
    }
    int root = (now.r.bitLength() - 1) / 2 + now.root - logM; // of √(V + ε)
    int spread = (logM - v.vv.bitLength()) / 2; // of 1/σ_v
    return root + Math.max(spread - 1, 0) - STEP;
  }

  private State moved(Direction v, BigInteger h, int grid) {
    int finer = gridX - grid;
    BigInteger sX = sumX.shiftLeft(finer).add(h.multiply(v.v));
    BigInteger sXx =
        sumXx
            .shiftLeft(2 * finer)
            .add(h.multiply(v.xv).shiftLeft(finer + 1))
            .add(h.multiply(h).multiply(v.vv));
    BigInteger sXg = sumXg.shiftLeft(finer).add(h.multiply(v.gv));
    return state(sX, sXx, sXg, grid);
  }

  /** n·2^scale/√r, cut towards 0. */
  private static BigInteger quotient(BigInteger n, BigInteger r, int scale) {
    BigInteger root = n.multiply(n).shiftLeft(2 * scale).divide(r).sqrt();
    return n.signum() < 0 ? root.negate() : root;
  }

  /**
   * N/√R = Σdy·x̂, to 2⁻²⁰⁰ of its size: what ℓ rises by for each step of γ, in which it is linear.
   */
  Dyadic slopeInGamma() {
    return overRoot(new Dyadic(now.n, now.grid + gridG));
  }

  /** Σdy, what ℓ rises by for each step of β. */
  Dyadic slopeInBeta() {
    return new Dyadic(sumG, gridG);
  }

  /** n/√R to 2⁻²⁰⁰ of its size; in training x̂ = (m·x − Σx)/√R. */
  private Dyadic overRoot(Dyadic n) {
    int scale = DIGITS + now.r.bitLength() / 2 - n.integer().bitLength();
    return new Dyadic(quotient(n.integer(), now.r, scale), n.exponent() - now.root - scale);
  }

  /** √(V + ε), rounded a few times. */
  double spread() {
    Dyadic root = new Dyadic(now.r, 2 * now.root).root();
    return given != null ? root.toDouble() : root.toDouble() / x.length;
  }

  /** √(m·Σdy² − (Σdy)²), rounded a few times. */
  double spreadOfGradient() {
    return new Dyadic(spreadG, 2 * gridG).root().toDouble();
  }

  /** The finest step of dy. */
  double stepOfGradient() {
    return new Dyadic(BigInteger.ONE, gridG).toDouble();
  }

  /** |x − Σx/m|, rounded a few times. */
  double deviation(int i) {
    return new Dyadic(m.multiply(x[i]).subtract(sumX).abs(), gridX).toDouble() / x.length;
  }

  /** |dy − Σdy/m|, rounded a few times. */
  double deviationOfGradient(int i) {
    return new Dyadic(m.multiply(g[i]).subtract(sumG).abs(), gridG).toDouble() / x.length;
  }

  /** Σ dx·x̂ of a dx, to 2⁻²⁰⁰ of its size. */
  Dyadic projection(double[] dx) {
    int grid = Dyadic.grid(dx);
    BigInteger[] values = Dyadic.integers(dx, grid);
    BigInteger sum = BigInteger.ZERO;
    for (int i = 0; i < values.length; i++) {
      sum = sum.add(values[i].multiply(m.multiply(x[i]).subtract(sumX)));
    }
    return overRoot(new Dyadic(sum, grid + gridX));
  }

  /** B·ε/(V + ε)², which is Σ dx·x̂ for γ = 1. */
  Dyadic expectedProjection() {
    Dyadic r = new Dyadic(now.r, 2 * now.root);
    Dyadic numerator =
        new Dyadic(now.n, now.grid + gridG).times(eps).times(new Dyadic(m.pow(3), 0));
    return numerator.over(r.times(r), DIGITS);
  }

  /**
   * (Σdy² − (Σdy)²/m − ((2 − r)/m)·(Σdy·x̂)²)/(V + ε), or Σdy²/(v + ε) if frozen, which is Σ dx²
   * for γ = 1.
   */
  Dyadic expectedNorm() {
    Dyadic r = new Dyadic(now.r, 2 * now.root);
    if (given != null) {
      return new Dyadic(sumGg, 2 * gridG).over(r, DIGITS);
    }
    Dyadic n = new Dyadic(now.n, now.grid + gridG);
    Dyadic twice = r.plus(eps.times(new Dyadic(m.multiply(m), 0)));
    Dyadic numerator =
        new Dyadic(spreadG, 2 * gridG).times(r).times(r).minus(twice.times(n).times(n));
    return numerator.times(new Dyadic(m, 0)).over(r.times(r).times(r), DIGITS);
  }
}
