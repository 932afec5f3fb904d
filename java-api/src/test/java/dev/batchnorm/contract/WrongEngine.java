package dev.batchnorm.contract;

import dev.batchnorm.Affine;
import dev.batchnorm.CrossSums;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.engine.LinearAlgebra;
import java.nio.DoubleBuffer;

/**
 * An engine that is right but for one mistake, the smallest there is: whatever judges engines must
 * find it. It answers to the reference's name, so that a judge cannot tell it by that.
 */
public final class WrongEngine extends Engine {

  /**
   * One mistake: one ulp, one unit or one flag, in the last channel or the last element of a chunk.
   */
  public enum Mistake {
    LINEAR_SUM,
    PRODUCT_SUM,
    COUNT,
    NAN_FLAG_FORGOTTEN,
    MEAN,
    MEAN_LO,
    VARIANCE,
    UNBIASED_VARIANCE,
    INVERSE_STD,
    GIVEN_INVERSE_STD,
    Y,
    NAN_PAYLOAD,
    GRADIENT_LINEAR_SUM,
    GRADIENT_PRODUCT_SUM,
    K1,
    K1_LO,
    K2,
    DGAMMA,
    DBETA,
    DX,
    FROZEN_DGAMMA,
    FROZEN_DX,
    PAIR_SUM,
    COVARIANCE,
    QUADRATIC_FORM,
    PROJECTION
  }

  private final Engine right = Engines.named("java", 1);
  private final Mistake mistake;

  /** An engine that makes the one mistake. */
  public WrongEngine(Mistake mistake) {
    this.mistake = mistake;
  }

  @Override
  public String name() {
    return right.name();
  }

  @Override
  public LinearAlgebra linearAlgebra() {
    return new WrongLinearAlgebra();
  }

  @Override
  public String description() {
    return "wrong: " + mistake;
  }

  @Override
  protected void doAddStatistics(Values x, View view, ExactSums sums, int firstChannel) {
    int before = view.channels() == 0 ? 0 : sums.flags()[firstChannel];
    right.addStatistics(x, view, sums, firstChannel);
    if (view.count() == 0) {
      return;
    }
    int last = firstChannel + view.channels() - 1;
    switch (mistake) {
      case LINEAR_SUM -> sums.addLinear(last, one(sums.linear()));
      case PRODUCT_SUM -> sums.addProduct(last, one(sums.product()));
      case COUNT -> sums.counts()[last]++;
      case NAN_FLAG_FORGOTTEN -> sums.flags()[firstChannel] = before;
      default -> {}
    }
  }

  private static long[] one(ExactSums.Register register) {
    long[] limbs = new long[register.limbs()];
    limbs[0] = 1;
    return limbs;
  }

  @Override
  protected void doAddGradientSums(
      Values dy, Values x, View view, ExactSums sums, int firstChannel) {
    right.addGradientSums(dy, x, view, sums, firstChannel);
    int last = firstChannel + view.channels() - 1;
    if (view.count() > 0 && mistake == Mistake.GRADIENT_LINEAR_SUM) {
      sums.addLinear(last, one(sums.linear()));
    }
    if (view.count() > 0 && mistake == Mistake.GRADIENT_PRODUCT_SUM) {
      sums.addProduct(last, one(sums.product()));
    }
  }

  @Override
  protected Statistics doParameters(ExactSums sums, double eps) {
    Statistics s = right.parameters(sums, eps);
    nudge(Mistake.MEAN, s.mean(), DType.F64);
    nudge(Mistake.MEAN_LO, s.meanLo(), DType.F64);
    nudge(Mistake.VARIANCE, s.variance(), DType.F64);
    nudge(Mistake.INVERSE_STD, s.inverseStd(), DType.F64);
    return s;
  }

  @Override
  protected double[] doUnbiasedVariance(ExactSums sums) {
    double[] variance = right.unbiasedVariance(sums);
    nudge(Mistake.UNBIASED_VARIANCE, variance, DType.F64);
    return variance;
  }

  @Override
  protected Statistics doGivenParameters(double[] mean, double[] variance, double eps) {
    Statistics s = right.givenParameters(mean, variance, eps);
    nudge(Mistake.GIVEN_INVERSE_STD, s.inverseStd(), DType.F64);
    return s;
  }

  @Override
  protected GradientParameters doGradientParameters(
      ExactSums gradients, Statistics statistics, DType type) {
    GradientParameters p = right.gradientParameters(gradients, statistics, type);
    nudge(Mistake.K1, p.k1(), DType.F64);
    nudge(Mistake.K1_LO, p.k1Lo(), DType.F64);
    nudge(Mistake.K2, p.k2(), DType.F64);
    nudge(Mistake.DBETA, p.dbeta(), type);
    nudge(statistics.given() ? Mistake.FROZEN_DGAMMA : Mistake.DGAMMA, p.dgamma(), type);
    return p;
  }

  @Override
  protected void doNormalise(
      Values x,
      View view,
      Statistics statistics,
      double[] scale,
      double[] shift,
      int firstChannel,
      Values y) {
    Affine shiftOnly = shift.length == 0 ? Affine.IDENTITY : Affine.IDENTITY.withBeta(shift);
    right.normalise(x, view, scaled(statistics, scale), shiftOnly, firstChannel, y);
    nudge(Mistake.Y, y);
    if (mistake == Mistake.NAN_PAYLOAD && y.type() == DType.F64) {
      for (int i = 0; i < y.count(); i++) {
        if (Double.isNaN(y.get(i))) {
          ((DoubleBuffer) y.buffer()).put(i, Double.longBitsToDouble(-1L));
        }
      }
    }
  }

  @Override
  protected void doInputGradient(
      Values dy,
      Values x,
      View view,
      Statistics statistics,
      double[] scale,
      GradientParameters parameters,
      int firstChannel,
      Values dx) {
    right.inputGradient(
        dy, x, view, scaled(statistics, scale), Affine.IDENTITY, parameters, firstChannel, dx);
    nudge(Mistake.DX, dx);
  }

  @Override
  protected void doFrozenInputGradient(
      Values dy, View view, double[] scale, int firstChannel, Values dx) {
    for (long o = 0, at = 0; o < view.outer(); o++) {
      for (int c = 0; c < view.channels(); c++) {
        for (long i = 0; i < view.inner(); i++, at++) {
          dx.set((int) at, scale[firstChannel + c] * dy.get((int) at));
        }
      }
    }
    nudge(Mistake.FROZEN_DX, dx);
  }

  /**
   * The statistics with a as the inverse std: with γ = 1 the right engine's scale is then a itself.
   */
  private static Statistics scaled(Statistics statistics, double[] a) {
    return new Statistics(
        statistics.mean(),
        statistics.meanLo(),
        statistics.variance(),
        a,
        statistics.count(),
        statistics.eps(),
        statistics.sums());
  }

  private void nudge(Mistake concerned, double[] values, DType type) {
    if (mistake == concerned && values.length > 0) {
      int last = values.length - 1;
      Values one = Values.allocate(type, 1);
      one.set(0, values[last]);
      nudge(concerned, one);
      values[last] = one.get(0);
    }
  }

  private void nudge(Mistake concerned, Values values) {
    if (mistake == concerned && values.count() > 0) {
      int last = values.count() - 1;
      double value = values.get(last);
      values.set(
          last,
          switch (values.type()) {
            case F16 -> Values.ofBinary16((short) (DType.F16.bits(value) + 1)).get(0);
            case F32 -> Math.nextUp((float) value);
            case F64 -> Math.nextUp(value);
          });
    }
  }

  /** That of the right engine but for the mistake, if it is one of these. */
  private final class WrongLinearAlgebra extends LinearAlgebra {
    private final LinearAlgebra algebra = right.linearAlgebra();

    @Override
    public String description() {
      return "wrong: " + mistake;
    }

    @Override
    protected int threads() {
      return 1;
    }

    @Override
    protected void doAddPairs(Values x, int rows, CrossSums sums) {
      CrossSums more = CrossSums.of(sums.columns(), x.type());
      algebra.addPairs(x, more);
      more.countPairs(-rows); // who calls counts them
      int last = more.pairs().channels() - 1;
      if (mistake == Mistake.PAIR_SUM) {
        more.pairs().addProduct(last, one(more.pairs().product()));
      }
      sums.pairs().merge(more.pairs());
    }

    @Override
    protected double[] doCovariance(CrossSums sums) {
      double[] covariance = algebra.covariance(sums);
      nudge(Mistake.COVARIANCE, covariance, DType.F64);
      return covariance;
    }

    @Override
    protected double[] doQuadraticForms(double[] s, Values w, int units) {
      double[] forms = algebra.quadraticForms(s, w, units);
      nudge(Mistake.QUADRATIC_FORM, forms, DType.F64);
      return forms;
    }

    @Override
    protected double[] doProjections(double[] v, Values w, int units) {
      double[] projections = algebra.projections(v, w, units);
      nudge(Mistake.PROJECTION, projections, DType.F64);
      return projections;
    }

    @Override
    protected void doAddCentredGram(Values x, int rows, Centre centre, double[] gram) {
      algebra.addCentredGram(x, centre, gram);
    }

    @Override
    protected void doAddCentredProducts(
        Values a, Centre ofA, Values b, Centre ofB, int rows, double[] products) {
      algebra.addCentredProducts(a, ofA, b, ofB, products);
    }

    @Override
    protected void doAddProjectedMoments(
        Values x, int rows, Centre centre, double[] w, double[] squares, double[] products) {
      algebra.addProjectedMoments(x, centre, w, squares, products);
    }

    @Override
    protected double[] doProduct(double[] s, double[] w, int d, int units) {
      return algebra.product(s, w, units);
    }
  }
}
