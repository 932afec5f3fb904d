package dev.batchnorm.audit;

import dev.batchnorm.DType;
import org.jspecify.annotations.Nullable;

/**
 * A kernel of batch normalization as people write them: what it computes, and how far it may be off
 * in its arithmetic. As it stands after construction it follows the formulas; {@link Change}s make
 * it follow other conventions. Equations: docs/math.md, What a plain kernel may be off.
 */
final class Kernel {
  /** What a kernel normalises with. */
  enum Given {
    NONE,
    BEFORE,
    AFTER,
    BEFORE_SWAPPED
  }

  /** How the variance is computed. */
  enum Formula {
    TWO_PASS,
    WELFORD,
    ONE_PASS,
    ONE_PASS_CLIPPED
  }

  /** What stands where the variance or the inverse std should. */
  enum Stored {
    VARIANCE,
    STD,
    INVERSE_STD,
    INVERSE_VARIANCE
  }

  /** Where γ or β come from. */
  enum Parameter {
    GAMMA,
    BETA,
    NEUTRAL
  }

  private final Subject subject;

  // What it does. Changes set these.
  Facts facts;
  Given given;
  Formula formula = Formula.TWO_PASS;
  @Nullable DType arithmetic;
  double eps;
  boolean epsOutside;
  boolean unbiased;
  double countOfMean;
  double countOfVariance;
  double countOfBessel;
  double countOfGradient;
  double countOfSlope;
  boolean countInOnePass;
  Parameter gammaFrom = Parameter.GAMMA;
  Parameter betaFrom = Parameter.BETA;
  boolean affineByGroup;
  double keep;
  double take;
  boolean biasedRunning;
  boolean epsInRunning;
  boolean staleRunning;
  Stored variance = Stored.VARIANCE;
  Stored inverseStd = Stored.INVERSE_STD;
  boolean epsInVariance;
  boolean constantStatistics;
  boolean averaged;

  // The channel it is at.
  private int atChannel = -1;
  private int atGroup = -1;
  private @Nullable DType atType;
  private Roundoff.@Nullable Order atOrder;
  private Roundoff roundoff = Roundoff.of(DType.F64, Roundoff.Order.ANY);
  private double rounding;
  private double m;
  private double mu;
  private double muLo;
  private double muError;
  private double v;
  private double vError;
  private double r;
  private double rError;
  private double gamma;
  private double beta;

  // The value it gave last.
  private double value;
  private double bound;

  Kernel(Subject subject) {
    this.subject = subject;
    facts = subject.facts();
    given = subject.frozen() ? Given.BEFORE : Given.NONE;
    eps = subject.eps();
    keep = subject.keep();
    take = subject.take();
    biasedRunning = subject.biasedRunningVariance();
    countOfMean = facts.m();
    countOfVariance = facts.m();
    countOfBessel = facts.m();
    countOfGradient = facts.m();
    countOfSlope = facts.m();
    staleRunning = facts.m() == 0;
  }

  /** Takes the statistics of other groups than the channels. */
  void useGroups(Facts groups) {
    facts = groups;
    countOfMean = groups.m();
    countOfVariance = groups.m();
    countOfBessel = groups.m();
  }

  boolean isLoose() {
    return arithmetic != null;
  }

  /** The value given last. */
  double value() {
    return value;
  }

  /** How far that may be off. */
  double bound() {
    return bound;
  }

  /** Whether the variance may come out negative, and with it NaN. */
  boolean mayBeNaN() {
    return formula == Formula.ONE_PASS && v - vError + (epsOutside ? 0 : eps) < 0;
  }

  double gamma() {
    return gamma;
  }

  double beta() {
    return beta;
  }

  double unit() {
    return roundoff.u();
  }

  /**
   * Goes to a channel.
   *
   * @param c the channel that γ and β are of
   * @param g the group whose statistics count
   * @param type of the array that is computed
   */
  void at(int c, int g, DType type, Roundoff.Order order) {
    if (c == atChannel && g == atGroup && type == atType && order == atOrder) {
      return;
    }
    atChannel = c;
    atGroup = g;
    atType = type;
    atOrder = order;
    DType computing = arithmetic != null ? arithmetic : type;
    roundoff =
        Roundoff.of(computing, arithmetic != null ? orderOfSums(g, computing) : orderOf(g, order));
    rounding = subject.roundsInput(computing) ? roundoff.u() : 0;
    gamma = parameter(gammaFrom, affineByGroup ? g : c, 1);
    beta = parameter(betaFrom, affineByGroup ? g : c, 0);
    m = facts.m();
    if (given != Given.NONE) {
      atGiven(c);
    } else {
      atOwn(g);
      if (order == Roundoff.Order.ANY && arithmetic == null) {
        // A whole standard deviation would excuse noise: then only better sums will do.
        betterUnlessMeaningful(g, Roundoff.Order.CAREFUL);
        betterUnlessMeaningful(g, Roundoff.Order.ONCE);
      }
    }
  }

  private void betterUnlessMeaningful(int g, Roundoff.Order better) {
    if (r * muError >= 1 || rError >= 1) {
      roundoff = roundoff.in(better);
      atOwn(g);
    }
  }

  /**
   * Errors of sums are independent only while the last place of the largest partial sum is finer
   * than what the values differ by.
   */
  private Roundoff.Order orderOfSums(int g, DType computing) {
    double lastPlace = 2 * Roundoff.unit(computing) * facts.m() * facts.size()[g];
    return lastPlace < 0.5 * Math.sqrt(facts.variance()[g])
        ? Roundoff.Order.ANY
        : Roundoff.Order.WORST;
  }

  /** Whether the errors of its sums in the channel it is at are independent of each other. */
  boolean hasIndependentErrors() {
    return roundoff.order() != Roundoff.Order.WORST;
  }

  /** Equal values have equal errors, which add up. */
  private Roundoff.Order orderOf(int g, Roundoff.Order order) {
    boolean isConstant = facts.variance()[g] == 0;
    return isConstant && order == Roundoff.Order.ANY ? Roundoff.Order.WORST : order;
  }

  private double parameter(Parameter from, int c, double neutral) {
    return switch (from) {
      case GAMMA -> subject.gamma()[c];
      case BETA -> subject.beta()[c];
      case NEUTRAL -> neutral;
    };
  }

  private void atGiven(int c) {
    boolean swapped = given == Given.BEFORE_SWAPPED;
    double[] mean = given == Given.AFTER ? subject.meanAfter() : subject.meanBefore();
    double[] var = given == Given.AFTER ? subject.varianceAfter() : subject.varianceBefore();
    mu = swapped ? var[c] : mean[c];
    muLo = 0;
    v = swapped ? mean[c] : var[c];
    muError = roundoff.u() * Math.abs(mu);
    vError = roundoff.u() * Math.abs(v);
    root(true, 0);
  }

  private void atOwn(int g) {
    double u = roundoff.u();
    double k = roundoff.roundings(m);
    double mean = facts.mean()[g];
    double own = facts.variance()[g];
    double square = own + mean * mean;
    mu = mean * (m / countOfMean);
    muLo = countOfMean == m ? facts.meanLo()[g] : 0;
    double ofDivision = m == 1 && countOfMean == 1 ? 0 : 2 * u;
    muError = (k * u + rounding) * facts.size()[g] + ofDivision * Math.abs(mu);
    double shift = mu - mean;
    boolean direct =
        countInOnePass || formula == Formula.ONE_PASS || formula == Formula.ONE_PASS_CLIPPED;
    v =
        direct && shift != 0
            ? (m / countOfVariance) * square - mu * mu
            : (m / countOfVariance) * (own + shift * shift);
    double bessel = unbiased ? m / (m - 1) : 1;
    v *= bessel;
    double input = rounding * (2 * Math.sqrt(own * square) + rounding * square);
    vError =
        switch (formula) {
          case TWO_PASS ->
              (k + 6) * u * Math.abs(v)
                  + roundoff.ofUpdates() * u * Math.sqrt(own * square)
                  + muError * muError;
          case WELFORD -> (k + 6) * u * Math.sqrt(own * square) + muError * muError;
          case ONE_PASS, ONE_PASS_CLIPPED -> (2 * k + 8) * u * square;
        };
    vError = (vError + input) * Math.max(bessel, 1);
    root(false, facts.inverseStd()[g]);
  }

  /**
   * Takes the root.
   *
   * @param overflowed 1/σ where the variance is beyond binary64
   */
  private void root(boolean constant, double overflowed) {
    double u = roundoff.u();
    r = v == Double.POSITIVE_INFINITY ? overflowed : inverseRoot(v);
    double least = v - vError;
    if (!constant && formula != Formula.ONE_PASS) {
      least = Math.max(least, 0);
    }
    double most = inverseRoot(least);
    double error = Math.max(r - inverseRoot(v + vError), most - r);
    double relative = Double.isNaN(error) ? Double.POSITIVE_INFINITY : error / r;
    rError = relative + 4 * u * (1 + relative);
    if (!constant && v + eps == 0) {
      rError = 4 * u;
    }
  }

  private double inverseRoot(double of) {
    return epsOutside ? 1 / (Math.sqrt(of) + eps) : 1 / Math.sqrt(of + eps);
  }

  /** γ·inverse_std; 0 where a batch has no spread at all, as F5 has it. */
  double scale() {
    return given == Given.NONE && v + eps == 0 ? 0 : gamma * r;
  }

  private void give(double exact, double error, DType type) {
    value = exact;
    double all = error + underflow() + Roundoff.ofStoring(type, exact) + 0x1p-52 * Math.abs(exact);
    bound = Double.isNaN(all) ? Double.POSITIVE_INFINITY : all;
  }

  /** What the few products of one value lose below the smallest number of their arithmetic. */
  private double underflow() {
    double scale = Math.abs(gamma * r);
    return roundoff.smallest() * (8 + 4 * (Double.isFinite(scale) ? scale : 0));
  }

  private double distance(double x) {
    return (x - mu) - muLo;
  }

  /** How far (x − μ)·inverse_std may be off by what does not grow with it. */
  private double offset(double x) {
    return muError + (3 * roundoff.u() + rounding) * Math.abs(x) + 3 * roundoff.u() * Math.abs(mu);
  }

  /**
   * Goes to a channel as {@link #at} does, and computes y, or dx where there is dy as well.
   *
   * @param values x, theirs, and for dx dy
   */
  void element(int c, int g, double[] values, DType type, Roundoff.Order order) {
    at(c, g, type, order);
    if (values.length == 2) {
      y(values[0], type);
    } else {
      dx(values[2], values[0], g, type);
    }
  }

  /** F5. */
  private void y(double x, DType type) {
    double u = roundoff.u();
    double a = scale();
    double d = distance(x);
    double y = Math.fma(a, d, beta);
    double error =
        Math.abs(a) * (1 + rError) * offset(x)
            + Math.abs(a * d) * (rError + 6 * u)
            + 2 * u * (Math.abs(beta) + Math.abs(y))
            + 0x1p-50 * Math.abs(a * d);
    give(y, error, type);
  }

  /** B3, B4. */
  private void dx(double dy, double x, int g, DType type) {
    double u = roundoff.u();
    double a = scale();
    if (given != Given.NONE || constantStatistics) {
      give(a * dy, Math.abs(a * dy) * (rError + 6 * u), type);
      return;
    }
    double d = distance(x);
    double k1 = sumDy(g) / countOfGradient;
    double slope = dgammaOf(g) / countOfSlope;
    double normalised = d * r;
    double w = dy - k1 - normalised * slope;
    double error =
        sumDyError(g) / countOfGradient
            + Math.abs(normalised) * (1 + rError) * dgammaError(g) / countOfSlope
            + (r * (1 + rError) * offset(x) + Math.abs(normalised) * (rError + 4 * u))
                * Math.abs(slope)
            + (6 * u + 0x1p-50) * (Math.abs(dy) + Math.abs(k1) + Math.abs(normalised * slope));
    double dx = a == 0 ? 0 : a * w;
    double scaled = Math.abs(a) * (1 + rError) * error;
    give(dx, a == 0 ? 0 : scaled + Math.abs(dx) * (rError + 6 * u), type);
  }

  /**
   * Whether y could be {@code level + slope·(x − mean)} in the channel it is at: whether mean and
   * variance that belong to that line belong together, as the formula has them.
   */
  boolean couldGive(int g, double level, double slope) {
    if (given != Given.NONE || gamma == 0 || slope == 0) {
      return true;
    }
    double u = roundoff.u();
    double k = roundoff.roundings(m);
    double root = slope / gamma;
    double own = facts.variance()[g];
    double mean = facts.mean()[g];
    double square = own + mean * mean;
    double bessel = unbiased ? m / (m - 1) : 1;
    double shift = (beta - level) / slope;
    double std = 1 / root - (epsOutside ? eps : 0);
    double variance = (std * std - (epsOutside ? 0 : eps)) / bessel;
    double noise = 2 * slopeNoise(g) * std * std + 16 * u * Math.abs(variance);
    double shiftNoise = 8 * u * (Math.abs(mean) + Math.abs(level) / Math.abs(slope));
    double expected =
        switch (formula) {
          case TWO_PASS -> own + shift * shift;
          case WELFORD -> own;
          case ONE_PASS -> own - (2 * mean + shift) * shift;
          case ONE_PASS_CLIPPED -> Math.max(own - (2 * mean + shift) * shift, 0);
        };
    double error =
        switch (formula) {
          case TWO_PASS -> (k + 8) * u * expected + (2 * Math.abs(shift) + shiftNoise) * shiftNoise;
          case WELFORD -> (k + 8) * u * Math.sqrt(own * square) + shift * shift;
          case ONE_PASS, ONE_PASS_CLIPPED -> (2 * k + 32) * u * square;
        };
    double input = rounding * (2 * Math.sqrt(own * square) + rounding * square);
    return root > 0 && Math.abs(variance - expected) <= error + noise + input;
  }

  /** Whether that factor of the inverse std is that of a variance that was clipped to 0. */
  boolean isClipped(int g, double factor) {
    return formula == Formula.ONE_PASS_CLIPPED
        && Math.abs(factor * r / inverseRoot(0) - 1) < slopeNoise(g);
  }

  /** How far the slope of a fit may be off by the rounding of each value, in parts of it. */
  private double slopeNoise(int g) {
    double own = facts.variance()[g];
    double mean = facts.mean()[g];
    double condition = own == 0 ? 1 : Math.sqrt((own + mean * mean) / own);
    return roundoff.u() * (32 + 12 * condition);
  }

  private Facts.Gradients gradients() {
    Facts.Gradients gradients = facts.gradients();
    if (gradients == null) {
      throw new IllegalStateException("gradients were audited without dy");
    }
    return gradients;
  }

  private double sumDy(int g) {
    return gradients().dy()[g];
  }

  private double sumDyError(int g) {
    return (roundoff.roundings(m) + 1) * roundoff.u() * gradients().sizeDy()[g];
  }

  private double dgammaOf(int g) {
    double shift = facts.mean()[g] - mu;
    double sum = gradients().dyD()[g] + shift * gradients().dy()[g];
    return m == 0 || (given == Given.NONE && v + eps == 0) ? 0 : sum * r;
  }

  private double dgammaError(int g) {
    Facts.Gradients sums = gradients();
    double u = roundoff.u();
    double shift = Math.abs(facts.mean()[g] - mu);
    double sizes = sums.sizeDyD()[g] + shift * sums.sizeDy()[g];
    double error =
        (1 + rError) * (muError + 3 * u * Math.abs(mu)) * sums.sizeDy()[g]
            + (1 + rError) * (3 * u + rounding) * sums.sizeDyX()[g]
            + (rError + (roundoff.roundings(m) + 8) * u) * sizes
            + m * roundoff.smallest();
    return m == 0 || (given == Given.NONE && v + eps == 0) ? 0 : r * error;
  }

  /** A statistic or a gradient of a channel. */
  void perChannel(Output output, int c, int g, DType type) {
    double u = roundoff.u();
    switch (output) {
      case MEAN -> give(mu, muError, type);
      case VARIANCE -> giveStored(variance, type);
      case INVERSE_STD -> giveStored(inverseStd, type);
      case RUNNING_MEAN -> {
        double old = subject.meanBefore()[c];
        double kept = staleRunning ? old : keep * old;
        double taken = staleRunning ? 0 : take * mu;
        double error = staleRunning ? 0 : take * muError;
        give(kept + taken, error + 3 * u * (Math.abs(kept) + Math.abs(taken)), type);
      }
      case RUNNING_VARIANCE -> {
        double old = subject.varianceBefore()[c];
        double bessel = biasedRunning || unbiased ? 1 : countOfBessel / (countOfBessel - 1);
        double batch = v * bessel + (epsInRunning ? eps : 0);
        double kept = staleRunning ? old : keep * old;
        double taken = staleRunning ? 0 : take * batch;
        double error = staleRunning ? 0 : take * vError * bessel;
        give(kept + taken, error + 5 * u * (Math.abs(kept) + Math.abs(taken)), type);
      }
      case DBETA -> {
        double divisor = averaged ? countOfGradient : 1;
        double sum = sumDy(g) / divisor;
        give(sum, sumDyError(g) / divisor + 2 * u * Math.abs(sum), type);
      }
      case DGAMMA -> {
        double divisor = averaged ? countOfGradient : 1;
        double sum = dgammaOf(g) / divisor;
        give(sum, dgammaError(g) / divisor + 2 * u * Math.abs(sum), type);
      }
      case Y, DX -> throw new IllegalArgumentException(output.label());
    }
  }

  private void giveStored(Stored what, DType type) {
    double shifted = epsInVariance ? v + eps : v;
    switch (what) {
      case VARIANCE -> give(shifted, vError + 4 * roundoff.u() * Math.abs(shifted), type);
      case INVERSE_STD -> {
        double root = epsInVariance ? 1 / Math.sqrt(v) : r;
        give(root, root * rError, type);
      }
      case STD -> {
        double std = Math.sqrt(shifted);
        double error = std == 0 ? Math.sqrt(vError) : vError / std;
        give(std, error + 4 * roundoff.u() * std, type);
      }
      case INVERSE_VARIANCE -> {
        double inverse = 1 / shifted;
        give(inverse, inverse * (2 * rError), type);
      }
    }
  }
}
