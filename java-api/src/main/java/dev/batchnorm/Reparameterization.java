package dev.batchnorm;

import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.engine.LinearAlgebra;
import dev.batchnorm.engine.LinearAlgebra.Centre;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Batch normalization as a reparameterization of the weights before it. A unit with weights w gives
 * wᵀx; its mean over a batch is w's product with the mean of x, its variance wᵀSw with the
 * covariance S of x. So for X, m × d, and W, d × k with one unit a column,
 *
 * <pre>BN(X·W) = X·Ŵ + b̂,  ŵ = γ·w/√(wᵀSw + ε),  b̂ = β − mean·ŵ</pre>
 *
 * whatever X is. With the identity for S and ε = 0 it is weight normalization. Immutable and safe
 * for use by several threads.
 *
 * <pre>{@code
 * Reparameterization bn = Reparameterization.builder().gamma(2).build();
 * Reparameterized layer = bn.weights(w, bn.covariance(x));
 * }</pre>
 *
 * <p>Source: Ioffe and Szegedy, Batch Normalization, 2015; Salimans and Kingma, Weight
 * Normalization, 2016; Kohler et al., 2018; equations R1–R5, R8 and R9 in docs/math.md.
 */
public final class Reparameterization {
  /** Values that make a call worth its while, and the most that are gathered for one. */
  private static final int CHUNK = 1 << 22;

  private static final int MOST_GATHERED = 1 << 26;

  /** Blocks of rows for each thread in a call: each thread starts sums of its own. */
  private static final int BLOCKS_AT_ONCE = 4;

  private final Engine engine;
  private final LinearAlgebra algebra;
  private final Affine affine;
  private final double eps;
  private final Level level;
  private final @Nullable DType outputType;

  private Reparameterization(Builder builder) {
    engine = builder.engine != null ? builder.engine : preferred();
    algebra = engine.linearAlgebra();
    affine = builder.affine;
    eps = builder.eps;
    level = builder.level;
    outputType = builder.outputType;
  }

  private static Engine preferred() {
    Engine engine = Engines.preferred();
    try {
      engine.blas(true);
      return engine;
    } catch (EngineUnavailableException e) {
      return Engines.named("java", 1);
    }
  }

  /** Settings with ε = 1e-5, γ = 1, β = 0, {@link Level#EXACT} and the fastest engine. */
  public static Builder builder() {
    return new Builder();
  }

  /** The engine that computes. */
  public Engine engine() {
    return engine;
  }

  /**
   * What computes sums of products, in a few words; opens the library that does, if there is one.
   *
   * @throws EngineUnavailableException if it does not open
   */
  public String description() {
    return algebra.description();
  }

  /** How sure results are. */
  public Level level() {
    return level;
  }

  /**
   * The exact sums of an array, to be merged with those of others; x is read once.
   *
   * @param x m × d: any array with its channels on the last axis, or of one axis
   * @throws InputException if x cannot be read, or has too many columns for sums of all pairs
   * @throws IllegalArgumentException if the channels are not on the last axis
   */
  public CrossSums sums(Source x) {
    checkRows(x);
    int d = x.shape().channels();
    int most = CrossSums.mostColumns(x.type());
    if (d > most) {
      throw new InputException(
          x.name()
              + ": expected at most "
              + most
              + " columns (for the exact sums of all pairs), found shape "
              + x.shape(),
          "--level fast needs less memory");
    }
    CrossSums sums = CrossSums.of(d, x.type());
    forChunks(
        x,
        chunk -> {
          engine.addStatistics(chunk, new View(chunk.count() / d, d, 1), sums.singles(), 0);
          algebra.addPairs(chunk, sums);
        });
    return sums;
  }

  /**
   * The mean and covariance of everything that was merged into the sums (R1, R2), each rounded
   * once.
   */
  public Covariance covariance(CrossSums sums) {
    double[] mean = engine.parameters(sums.singles(), 0).mean();
    return new Covariance(mean, algebra.covariance(sums), sums.count(), Level.EXACT, null);
  }

  /**
   * The mean (R1) and the biased covariance (R2) of the columns of an array; at {@link Level#FAST}
   * x is read twice.
   *
   * @param x m × d: any array with its channels on the last axis, or of one axis
   * @throws InputException if x cannot be read, or has too many columns
   * @throws EngineUnavailableException if the engine's library for products of matrices does not
   *     open
   * @throws IllegalArgumentException if the channels are not on the last axis
   */
  public Covariance covariance(Source x) {
    return level == Level.EXACT ? covariance(sums(x)) : fastCovariance(x);
  }

  private Covariance fastCovariance(Source x) {
    checkRows(x);
    int d = x.shape().channels();
    checkSquare(x, d);
    Statistics statistics = statistics(x);
    double[] gram = new double[d * d];
    long m = x.shape().view().outer();
    Centre centre = new Centre(statistics.mean(), statistics.meanLo());
    long chunks = forChunks(x, chunk -> algebra.addCentredGram(chunk, centre, gram));
    double[] bound = new double[d * d];
    double relative = Bound.gamma(algebra.depth(m, chunks)) + 5 * Bound.U;
    double[] std = Bound.roots(statistics.variance());
    for (int i = 0; i < d; i++) {
      for (int j = i; j < d; j++) {
        int at = i * d + j;
        gram[at] = i == j ? statistics.variance()[i] : gram[at] / m;
        bound[at] = i == j ? Bound.U * gram[at] : Bound.up(Bound.part(relative, std[i] * std[j]));
        gram[j * d + i] = gram[at];
        bound[j * d + i] = bound[at];
      }
    }
    return new Covariance(statistics.mean(), gram, m, Level.FAST, bound);
  }

  private static void checkSquare(Source x, int columns) {
    if ((long) columns * columns > Integer.MAX_VALUE - 8) {
      throw new InputException(
          x.name()
              + ": expected at most 46340 columns (for their covariance), found shape "
              + x.shape());
    }
  }

  /**
   * Ŵ and b̂ (R3–R5) from a covariance.
   *
   * @param w W, d × k, one unit a column
   * @param covariance that of {@link #covariance(Source)}, or {@link Covariance#given}
   * @throws IllegalArgumentException if W does not have as many rows as the covariance, or γ or β
   *     was given for another number of units
   */
  public Reparameterized weights(Batch w, Covariance covariance) {
    int d = covariance.columns();
    checkWeights(w, d, "columns of x");
    int units = w.shape().channels();
    double[] magnitudes = magnitudes(w, covariance);
    double[] q;
    double[] error = new double[units];
    if (covariance.level() == Level.EXACT && level == Level.EXACT) {
      q = algebra.quadraticForms(covariance.covariance(), w.values(), units); // (R3)
      Arrays.setAll(error, k -> Bound.part(Bound.U, magnitudes[k] + q[k]));
    } else {
      q = fastForms(covariance, w);
      double relative = Bound.gamma(2.0 * d + 2) + ofCovariance(covariance);
      Arrays.setAll(error, k -> Bound.part(relative, magnitudes[k]));
    }
    return reparameterized(w, covariance.mean(), q, error, eps, "through the covariance");
  }

  /** wᵀ(Sw) of each unit, at least 0 (R3); NaN where it meets a number that is not finite. */
  private double[] fastForms(Covariance covariance, Batch w) {
    double[] q = new double[w.shape().channels()];
    double[] exact = w.values().toDoubles();
    double[] t = algebra.product(covariance.covariance(), exact, q.length);
    boolean isFinite = Arrays.stream(covariance.covariance()).allMatch(Double::isFinite);
    for (int i = 0; i < t.length; i++) {
      q[i % q.length] += isFinite && Double.isFinite(exact[i]) ? exact[i] * t[i] : Double.NaN;
    }
    Arrays.setAll(q, k -> q[k] <= 0 ? 0.0 : q[k]);
    return q;
  }

  /** The relative error of a covariance beside √(S_ii·S_jj). */
  private static double ofCovariance(Covariance covariance) {
    double[] bound = covariance.bound();
    if (bound == null) {
      return Bound.U;
    }
    double worst = Bound.U;
    int d = covariance.columns();
    for (int i = 0; i < d; i++) {
      for (int j = 0; j <= i; j++) {
        double size = Math.sqrt(covariance.at(i, i)) * Math.sqrt(covariance.at(j, j));
        double error = bound[i * d + j];
        worst = Math.max(worst, error == 0 ? 0 : error / size);
      }
    }
    return Bound.up(worst);
  }

  /** |w|ᵀ|S||w| of each unit, or more. */
  private double[] magnitudes(Batch w, Covariance covariance) {
    int d = covariance.columns();
    int units = w.shape().channels();
    double[] sizes = Arrays.stream(w.values().toDoubles()).map(Math::abs).toArray();
    double[] magnitudes = new double[units];
    if (covariance.count() > 0) { // |S_ij| ≤ √(S_ii·S_jj)
      double[] std = new double[d];
      Arrays.setAll(std, i -> Math.sqrt(covariance.at(i, i)));
      for (int i = 0; i < sizes.length; i++) {
        magnitudes[i % units] += sizes[i] * std[i / units];
      }
      Arrays.setAll(magnitudes, k -> Bound.square(magnitudes[k]));
      return magnitudes;
    }
    double[] s = Arrays.stream(covariance.covariance()).map(Math::abs).toArray();
    double[] t = algebra.product(s, sizes, units);
    for (int i = 0; i < sizes.length; i++) {
      magnitudes[i % units] += sizes[i] * t[i];
    }
    Arrays.setAll(magnitudes, k -> Bound.up(magnitudes[k]));
    return magnitudes;
  }

  /**
   * Ŵ and b̂ (R3–R5) from data. At {@link Level#FAST} by the cheaper road: through the covariance
   * of x, or directly from X·W.
   *
   * @param w W, d × k, one unit a column
   * @param x m × d
   * @throws InputException if x cannot be read, or has too many columns
   * @throws EngineUnavailableException if the engine's library for products of matrices does not
   *     open
   * @throws IllegalArgumentException if W does not have as many rows as x has columns, or γ or β
   *     was given for another number of units
   */
  public Reparameterized weights(Batch w, Source x) {
    checkRows(x);
    checkWeights(w, x);
    if (level == Level.EXACT || !isDirect(x.shape().channels(), w.shape().channels())) {
      return weights(w, covariance(x));
    }
    Moments moments = moments(x, w);
    return reparameterized(
        w, moments.statistics.mean(), moments.q, moments.errorOfQ, eps, "directly, from X·W");
  }

  /** m·d·k against m·d²/2: so few units that S is not worth its sums. */
  private static boolean isDirect(int columns, int units) {
    return 4L * units < columns;
  }

  /**
   * What S would be needed for, from X·W itself: that does not lose the variance of a unit beside
   * those of x.
   *
   * @param statistics what x is centred by
   * @param q R3
   * @param errorOfQ how far each may be from the exact one
   * @param t S·W
   * @param errorOfT how far each may be from the exact one, beside √S_ii·Σ|w|√S
   */
  private record Moments(
      Statistics statistics, double[] q, double[] errorOfQ, double[] t, double errorOfT) {}

  private Moments moments(Source x, Batch w) {
    int d = x.shape().channels();
    int units = w.shape().channels();
    Statistics statistics = statistics(x);
    Centre centre = new Centre(statistics.mean(), statistics.meanLo());
    double[] exact = w.values().toDoubles();
    double[] q = new double[units];
    double[] t = new double[exact.length];
    long m = x.shape().view().outer();
    long chunks = forChunks(x, chunk -> algebra.addProjectedMoments(chunk, centre, exact, q, t));
    double[] norms = norms(w, Bound.roots(statistics.variance()));
    double ofZ = Bound.gamma(d) + 3 * Bound.U;
    double ofSum = Bound.gamma(algebra.depth(m, chunks)) + 2 * Bound.U;
    double[] error = new double[units];
    for (int k = 0; k < units; k++) {
      q[k] /= m;
      double z = ofZ * norms[k];
      error[k] = Bound.up(2 * z * Math.sqrt(q[k]) + Bound.square(z) + ofSum * q[k]);
    }
    Arrays.setAll(t, i -> t[i] / m);
    return new Moments(statistics, q, error, t, ofZ + ofSum + 3 * Bound.U);
  }

  /** Σ|w_i|·size_i of each unit, or a little more. */
  private static double[] norms(Batch w, double[] sizes) {
    int units = w.shape().channels();
    double[] norms = new double[units];
    for (int i = 0; i < w.values().count(); i++) {
      norms[i % units] += Math.abs(w.values().get(i)) * sizes[i / units];
    }
    Arrays.setAll(norms, k -> Bound.up(norms[k]));
    return norms;
  }

  /**
   * Weight normalization: ŵ = γ·w/‖w‖, b̂ = β (R3–R5 with the identity for S, ε = 0). A unit of
   * zeros has no direction: its weights are NaN.
   *
   * @param w W, d × k, one unit a column
   * @throws IllegalArgumentException if γ or β was given for another number of units
   */
  public Reparameterized weightNorm(Batch w) {
    checkWeights(w, (int) w.shape().view().outer(), "rows of W");
    double[] q = squares(w);
    double[] error = Arrays.stream(q).map(v -> Bound.part(Bound.U, v)).toArray();
    double[] mean = new double[(int) w.shape().view().outer()];
    Reparameterized result = reparameterized(w, mean, q, error, 0, "weight normalization");
    int units = q.length;
    for (int i = 0; i < w.values().count(); i++) {
      if (q[i % units] == 0) {
        result.weights().values().set(i, Double.NaN);
      }
    }
    double[] beta = affine.beta(units);
    for (int k = 0; k < units; k++) {
      result.bias().set(k, beta[k]);
    }
    return result;
  }

  /** RN(Σw²) of each unit. */
  private double[] squares(Batch w) {
    ExactSums sums = ExactSums.statistics(w.shape().channels(), w.type());
    engine.addStatistics(w.values(), w.shape().view(), sums, 0);
    return rounded(sums, DType.F64).dgamma();
  }

  /** Σa as dβ and Σa² as dγ, each rounded once: B4 with mean 0 and variance + ε = 1. */
  private GradientParameters rounded(ExactSums sums, DType type) {
    double[] zeros = new double[sums.channels()];
    return engine.gradientParameters(sums, engine.givenParameters(zeros, zeros, 1), type);
  }

  /** R4 and R5, and bounds, given how far each q may be from the exact one. */
  private Reparameterized reparameterized(
      Batch w, double[] mean, double[] q, double[] errorOfQ, double eps, String road) {
    int units = q.length;
    double[] beta = affine.beta(units);
    DType type = outputType != null ? outputType : w.type();
    double[] r = algebra.projections(mean, w.values(), units);
    Statistics statistics = engine.givenParameters(r, q, eps);
    double[] gamma = affine.gamma(units);
    double[] a = new double[units];
    Arrays.setAll(a, k -> q[k] + eps == 0 ? 0.0 : gamma[k] * statistics.inverseStd()[k]);
    Batch weights = Batch.zeros(w.shape(), type);
    Normalisation scaling = new Normalisation(statistics, a, beta);
    engine.scale(w.values(), w.shape().view(), scaling, 0, weights.values()); // (R4)
    Values bias = Values.allocate(type, units);
    double[] sizes = norms(w, Arrays.stream(mean).map(Math::abs).toArray());
    double[] weightsBound = new double[w.values().count()];
    double[] biasBound = new double[units];
    double[] relative = new double[units];
    boolean[] isSure = new boolean[units]; // whatever the roundings were, a is 0
    for (int k = 0; k < units; k++) {
      isSure[k] = gamma[k] == 0 || (q[k] + eps == 0 && errorOfQ[k] == 0);
      bias.set(k, Math.fma(-r[k], a[k], beta[k])); // (R5)
      relative[k] = Bound.ofRoot(errorOfQ[k], q[k] + eps) + 3 * Bound.U;
      double part = Math.abs(r[k] * a[k]);
      double rounding = Bound.ofRounding(type, bias.get(k)) + Bound.U * Math.abs(bias.get(k));
      double ofR = Math.abs(a[k]) * 2 * Bound.U * sizes[k] + part * relative[k];
      biasBound[k] = Bound.up(isSure[k] ? rounding : ofR + rounding);
    }
    for (int i = 0; i < weightsBound.length; i++) {
      int k = i % units;
      double exact = w.values().get(i);
      double error = isSure[k] || exact == 0 ? 0 : Math.abs(a[k] * exact) * relative[k];
      weightsBound[i] = Bound.up(error + Bound.ofRounding(type, weights.values().get(i)));
    }
    return new Reparameterized(weights, bias, q, eps, weightsBound, biasBound, road);
  }

  /**
   * The gradients of W, γ and β through mean and covariance (R8, R9), given the gradient of Y = X·Ŵ
   * + b̂; x is read three times, dy twice.
   *
   * @param dy m × k
   * @param x m × d
   * @param w W, d × k, one unit a column
   * @throws InputException if x or dy cannot be read
   * @throws EngineUnavailableException if the engine's library for products of matrices does not
   *     open
   * @throws IllegalArgumentException if the sizes do not fit each other, or γ was given for another
   *     number of units
   */
  public WeightGradients gradients(Source dy, Source x, Batch w) {
    checkRows(x);
    checkWeights(w, x);
    checkOutputGradient(dy, x, w);
    Moments moments = moments(x, w);
    double[] std = Bound.roots(moments.statistics.variance());
    return gradients(dy, x, w, moments, std, eps, "directly, from X·W");
  }

  /**
   * The gradients of W, γ and β of a unit with normalized weights (R8, R9 with the identity for S,
   * ε = 0), given the gradient of Y = X·Ŵ + β. Both sources are read twice.
   *
   * @param dy m × k
   * @param x m × d
   * @param w W, d × k, one unit a column
   * @throws InputException if x or dy cannot be read
   * @throws EngineUnavailableException if the engine's library for products of matrices does not
   *     open
   * @throws IllegalArgumentException if the sizes do not fit each other, or γ was given for another
   *     number of units
   */
  public WeightGradients weightNormGradients(Source dy, Source x, Batch w) {
    checkRows(x);
    checkWeights(w, x);
    checkOutputGradient(dy, x, w);
    int d = x.shape().channels();
    double[] q = squares(w);
    double[] error = Arrays.stream(q).map(v -> Bound.part(Bound.U, v)).toArray();
    Statistics x0 = statistics(x);
    double[] sizes = new double[d];
    Arrays.setAll(sizes, i -> Bound.up(Math.hypot(Math.sqrt(x0.variance()[i]), x0.mean()[i])));
    Statistics none = engine.givenParameters(new double[d], new double[d], 1);
    Moments moments = new Moments(none, q, error, w.values().toDoubles(), 0);
    return gradients(dy, x, w, moments, sizes, 0, "weight normalization");
  }

  /**
   * R8 and R9.
   *
   * @param sizes of each column of the centred x, its root of the mean square
   */
  private WeightGradients gradients(
      Source dy, Source x, Batch w, Moments moments, double[] sizes, double eps, String road) {
    Statistics statistics = moments.statistics;
    double[] q = moments.q;
    double[] t = moments.t;
    int d = x.shape().channels();
    int units = q.length;
    long m = x.shape().view().outer();
    boolean isCentred = !statistics.given();
    ExactSums sumsOfDy = BatchNorm.builder().engine(engine).build().sums(dy);
    Statistics ofDy = engine.parameters(sumsOfDy, 0);
    GradientParameters sums = rounded(sumsOfDy, w.type());
    double[] g = new double[d * units];
    Centre centre = new Centre(statistics.mean(), statistics.meanLo());
    Centre centreOfDy =
        isCentred
            ? new Centre(ofDy.mean(), ofDy.meanLo())
            : new Centre(new double[units], new double[units]);
    long chunks = addProducts(x, centre, dy, centreOfDy, g);
    double ofG = Bound.gamma(algebra.depth(m, chunks)) + 5 * Bound.U;
    double[] norms = norms(w, sizes);
    double[] inverseStd = engine.givenParameters(new double[units], q, eps).inverseStd();
    double[] gamma = affine.gamma(units);
    DType type = w.type().gradientType();
    DType weightType = outputType != null ? outputType : w.type();
    Batch dweights = Batch.zeros(w.shape(), weightType);
    Values dgamma = Values.allocate(type, units);
    Values dbeta = Values.allocate(type, units);
    double[] weightsBound = new double[d * units];
    double[] gammaBound = new double[units];
    for (int k = 0; k < units; k++) {
      double variance = q[k] + eps;
      double sizeOfDy =
          isCentred
              ? Math.sqrt(ofDy.variance()[k])
              : Math.hypot(Math.sqrt(ofDy.variance()[k]), ofDy.mean()[k]);
      double p = 0; // wᵀg
      for (int i = 0; i < d; i++) {
        p += w.values().get(i * units + k) * g[i * units + k];
      }
      boolean isConstant = variance == 0 && isCentred;
      double s = isConstant ? 0 : inverseStd[k];
      double a = gamma[k] * s;
      dbeta.set(k, sums.dbeta()[k]); // (B1)
      dgamma.set(k, s * p); // (R9)
      double errorOfP = m * norms[k] * sizeOfDy * (ofG + Bound.gamma(d));
      double root = Bound.ofRoot(moments.errorOfQ[k], variance);
      double ofZero = moments.errorOfQ[k] == 0 ? 0 : Double.POSITIVE_INFINITY;
      gammaBound[k] =
          isConstant
              ? ofZero
              : Bound.up(
                  1.05 * s * errorOfP
                      + Math.abs(s * p) * (root + 3 * Bound.U)
                      + Bound.ofRounding(type, s * p));
      for (int i = 0; i < d; i++) {
        int at = i * units + k;
        double along = isConstant ? 0 : t[at] * (p / variance);
        dweights.values().set(at, a * (g[at] - along)); // (R8)
        double errorOfT = moments.errorOfT * sizes[i] * norms[k];
        double error =
            m * sizes[i] * sizeOfDy * ofG
                + (Math.abs(p) * errorOfT + (Math.abs(t[at]) + errorOfT) * errorOfP) / variance
                + Math.abs(along) * (2.1 * root + 5 * Bound.U)
                + 2 * Bound.U * Math.abs(g[at]);
        double value = dweights.values().get(at);
        weightsBound[at] =
            isConstant
                ? ofZero
                : Bound.up(
                    1.05 * Math.abs(a) * error
                        + Math.abs(value) * (root + 3 * Bound.U)
                        + Bound.ofRounding(weightType, value));
      }
    }
    return new WeightGradients(dweights, dgamma, dbeta, weightsBound, gammaBound, road);
  }

  private long addProducts(Source x, Centre centre, Source dy, Centre centreOfDy, double[] g) {
    int d = x.shape().channels();
    int units = dy.shape().channels();
    long m = x.shape().view().outer();
    int rows = Math.min(rowsAtOnce(x), rowsAtOnce(dy));
    Rows ofX = new Rows(x);
    Rows ofDy = new Rows(dy);
    long chunks = 0;
    for (long first = 0; first < m && d > 0 && units > 0; first += rows, chunks++) {
      int count = (int) Math.min(rows, m - first);
      algebra.addCentredProducts(
          ofX.get(first, count), centre, ofDy.get(first, count), centreOfDy, g);
    }
    return chunks;
  }

  private Statistics statistics(Source x) {
    return BatchNorm.builder().engine(engine).eps(0).build().statistics(x);
  }

  /** As many as the source gives at once, if they are enough for every thread. */
  private int rowsAtOnce(Source source) {
    int columns = Math.max(source.shape().channels(), 1);
    long enough = (long) BLOCKS_AT_ONCE * LinearAlgebra.BLOCK * engine.threads();
    long rows = Math.max(Math.min(CHUNK, source.chunkLimit()) / columns, enough);
    return (int) Math.max(1, Math.min(rows, MOST_GATHERED / columns));
  }

  /** Gives whole rows to the pass, chunk by chunk; returns the number of chunks. */
  private long forChunks(Source x, Consumer<Values> pass) {
    int d = x.shape().channels();
    long m = x.shape().view().outer();
    int atOnce = rowsAtOnce(x);
    Rows rows = new Rows(x);
    long chunks = 0;
    for (long first = 0; first < m && d > 0; first += atOnce, chunks++) {
      pass.accept(rows.get(first, (int) Math.min(atOnce, m - first)));
    }
    return chunks;
  }

  /** Whole rows of a source, gathered where it gives fewer at once. */
  private static final class Rows {
    private final Source source;
    private final int columns;
    private Values room;

    Rows(Source source) {
      this.source = source;
      this.columns = source.shape().channels();
      this.room = Values.allocateDirect(source.type(), 0);
    }

    /** Valid until the next call. */
    Values get(long first, int rows) {
      int count = rows * columns;
      if (count <= source.chunkLimit()) {
        return source.chunk(first * columns, count);
      }
      if (room.count() < count) {
        room = Values.allocateDirect(source.type(), count);
      }
      for (int done = 0; done < count; ) {
        int more = Math.min(count - done, source.chunkLimit());
        room.put(done, source.chunk(first * columns + done, more), 0, more);
        done += more;
      }
      return room.slice(0, count);
    }
  }

  private static void checkRows(Source x) {
    if (x.shape().view().inner() != 1) {
      throw new IllegalArgumentException(
          x.name()
              + ": expected the columns on the last axis, found shape "
              + x.shape()
              + " with channel axis "
              + x.shape().channelAxis());
    }
    if (x.hasGaps()) {
      throw new IllegalArgumentException(x.name() + ": expected no absent values, found some");
    }
  }

  private void checkWeights(Batch w, Source x) {
    checkWeights(w, x.shape().channels(), "columns of " + x.name() + ", shape " + x.shape());
  }

  private void checkWeights(Batch w, int rows, String why) {
    View view = w.shape().view();
    if (view.inner() != 1 || view.outer() != rows) {
      throw new IllegalArgumentException(
          "weights: expected " + rows + " rows (" + why + "), found shape " + w.shape());
    }
    affine.gamma(view.channels());
    affine.beta(view.channels());
  }

  private static void checkOutputGradient(Source dy, Source x, Batch w) {
    if (dy.hasGaps()) {
      throw new IllegalArgumentException(dy.name() + ": expected no absent values, found some");
    }
    View view = dy.shape().view();
    long m = x.shape().view().outer();
    int units = w.shape().channels();
    if (view.inner() != 1 || view.outer() != m || view.channels() != units) {
      throw new IllegalArgumentException(
          dy.name()
              + ": expected shape "
              + Shape.text(m, units)
              + " (rows of "
              + x.name()
              + ", units of the weights), found "
              + dy.shape());
    }
  }

  /** Collects the settings of a {@link Reparameterization}. */
  public static final class Builder {
    private Affine affine = Affine.IDENTITY;
    private double eps = Convention.PYTORCH.eps();
    private Level level = Level.EXACT;
    private @Nullable Engine engine;
    private @Nullable DType outputType;

    private Builder() {}

    /**
     * Sets γ, 1 unless set.
     *
     * @param gamma one finite value per unit, or a single one for all units
     */
    public Builder gamma(double... gamma) {
      affine = affine.withGamma(gamma);
      return this;
    }

    /**
     * Sets β, 0 unless set.
     *
     * @param beta one finite value per unit, or a single one for all units
     */
    public Builder beta(double... beta) {
      affine = affine.withBeta(beta);
      return this;
    }

    /** Sets γ and β. */
    public Builder affine(Affine affine) {
      this.affine = affine;
      return this;
    }

    /**
     * Sets ε, 1e-5 unless set; weight normalization has none.
     *
     * @throws IllegalArgumentException if ε is negative or not finite
     */
    public Builder eps(double eps) {
      Engine.checkEps(eps);
      this.eps = eps;
      return this;
    }

    /** Sets how sure results are, {@link Level#EXACT} unless set. */
    public Builder level(Level level) {
      this.level = level;
      return this;
    }

    /**
     * Sets the engine. Unless set it is the one {@code auto} takes, or the Java engine where that
     * one cannot do linear algebra here; {@link Reparameterization#engine} tells.
     */
    public Builder engine(Engine engine) {
      this.engine = engine;
      return this;
    }

    /** Sets T, the type of Ŵ, b̂ and the gradient of W; W's type unless set. */
    public Builder outputType(DType outputType) {
      this.outputType = outputType;
      return this;
    }

    /**
     * The settings, ready to compute.
     *
     * @throws EngineUnavailableException if no engine was set and none can run here
     */
    public Reparameterization build() {
      return new Reparameterization(this);
    }
  }
}
