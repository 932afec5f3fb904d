package dev.batchnorm.nativeengine;

import dev.batchnorm.Affine;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Normalisation;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.LinearAlgebra;
import dev.batchnorm.format.Numerals;
import java.lang.ref.Reference;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/** Hands each pass to the C++ kernels: arrays pinned, buffers by address, nothing copied. */
final class NativeEngine extends Engine {
  private final InstructionSet isa;
  private final int threads;

  NativeEngine(InstructionSet isa, int threads) {
    this.isa = isa;
    this.threads = threads;
  }

  @Override
  public String name() {
    return "native";
  }

  @Override
  public String description() {
    return text(isa, threads);
  }

  static String text(InstructionSet isa, int threads) {
    return isa.label() + ", " + threads + (threads == 1 ? " thread" : " threads");
  }

  @Override
  public int threads() {
    return threads;
  }

  @Override
  public Engine singleThreaded() {
    return threads == 1 ? this : new NativeEngine(isa, 1);
  }

  @Override
  public LinearAlgebra linearAlgebra() {
    return new NativeLinearAlgebra(isa, threads);
  }

  @Override
  public String blas(boolean open) {
    return open ? OpenBlas.open().description() : OpenBlas.find().name();
  }

  @Override
  public @Nullable Numerals numerals() {
    return Kernels.textAvailable() != 0 ? new NativeNumerals() : null;
  }

  /** The type's number in {@code batchnorm.h}. */
  static int type(DType type) {
    return switch (type) {
      case F16 -> 0;
      case F32 -> 1;
      case F64 -> 2;
    };
  }

  /** A type whose sums have this format: that of f16 is f32's. */
  static int linearType(ExactSums sums) {
    return type(sums.linear() == ExactSums.Register.F32 ? DType.F32 : DType.F64);
  }

  /** Adds to sums; where they turn out to need limbs, gives them some and adds again. */
  private static int add(ExactSums sums, IntSupplier pass) {
    int status = pass.getAsInt();
    if (status != Kernels.WANTS_LIMBS) {
      return status;
    }
    sums.ensureLimbs();
    return pass.getAsInt();
  }

  /**
   * Ends a call: the values it was given by address must not be freed before. The kernels throw
   * nothing.
   */
  @SuppressWarnings("ReachabilityFenceUsage")
  static void check(int status, Values... used) {
    for (Values values : used) {
      Reference.reachabilityFence(values);
    }
    if (status != 0) {
      throw new OutOfMemoryError("no memory for the sums of each thread; fewer threads need less");
    }
  }

  @Override
  protected void doAddStatistics(Values x, View view, ExactSums sums, int firstChannel) {
    Memory xAt = Memory.of(x);
    check(
        add(
            sums,
            () ->
                Kernels.addStatistics(
                    isa.code(),
                    threads,
                    view.outer(),
                    view.channels(),
                    view.inner(),
                    type(x.type()),
                    xAt.array(),
                    xAt.at(),
                    sums.counts(),
                    sums.flags(),
                    sums.terms(),
                    sums.channels(),
                    sums.limbs(),
                    firstChannel,
                    sums.limbsPerChannel())),
        x);
  }

  @Override
  protected void doAddGradientSums(
      Values dy, Values x, View view, ExactSums sums, int firstChannel) {
    Memory dyAt = Memory.of(dy);
    Memory xAt = Memory.of(x);
    check(
        add(
            sums,
            () ->
                Kernels.addGradientSums(
                    isa.code(),
                    threads,
                    view.outer(),
                    view.channels(),
                    view.inner(),
                    type(dy.type()),
                    dyAt.array(),
                    dyAt.at(),
                    type(x.type()),
                    xAt.array(),
                    xAt.at(),
                    sums.counts(),
                    sums.flags(),
                    sums.terms(),
                    sums.channels(),
                    sums.limbs(),
                    firstChannel,
                    sums.limbsPerChannel())),
        dy,
        x);
  }

  @Override
  protected Statistics doParameters(ExactSums sums, double eps) {
    int channels = sums.channels();
    double[] mean = new double[channels];
    double[] meanLo = new double[channels];
    double[] variance = new double[channels];
    double[] inverseStd = new double[channels];
    check(
        Kernels.parameters(
            isa.code(),
            threads,
            channels,
            linearType(sums),
            sums.counts(),
            sums.flags(),
            sums.terms(),
            sums.limbs(),
            eps,
            mean,
            meanLo,
            variance,
            inverseStd));
    return new Statistics(mean, meanLo, variance, inverseStd, sums.counts().clone(), eps, sums);
  }

  @Override
  protected double[] doUnbiasedVariance(ExactSums sums) {
    double[] variance = new double[sums.channels()];
    check(
        Kernels.unbiasedVariance(
            isa.code(),
            threads,
            sums.channels(),
            linearType(sums),
            sums.counts(),
            sums.flags(),
            sums.terms(),
            sums.limbs(),
            variance));
    return variance;
  }

  @Override
  protected Statistics doGivenParameters(double[] mean, double[] variance, double eps) {
    int channels = mean.length;
    double[] inverseStd = new double[channels];
    check(Kernels.givenInverseStd(isa.code(), threads, channels, variance, eps, inverseStd));
    return new Statistics(
        mean, new double[channels], variance, inverseStd, new long[channels], eps, null);
  }

  private static boolean isNarrow(ExactSums sums) {
    return sums.product() == ExactSums.Register.F32_PRODUCT;
  }

  @Override
  protected GradientParameters doGradientParameters(
      ExactSums ofGradients, Statistics statistics, DType type) {
    ExactSums sums = statistics.sums();
    ExactSums gradients = ofGradients;
    int channels = gradients.channels();
    // The kernel knows the formats from the types of dy and x. Sums that were merged, or read from
    // files, may have other formats than x; then the narrow ones are widened.
    if (sums != null && isNarrow(sums) != isNarrow(gradients)) {
      if (isNarrow(sums)) {
        sums = ExactSums.merged(sums, ExactSums.statistics(channels, DType.F64));
      } else {
        gradients =
            ExactSums.merged(gradients, ExactSums.gradients(channels, DType.F32, DType.F64));
      }
    }
    int dyType = linearType(gradients);
    double[] k1 = new double[channels];
    double[] k1Lo = new double[channels];
    double[] k2 = new double[channels];
    double[] dgamma = new double[channels];
    double[] dbeta = new double[channels];
    if (sums == null) {
      // x's type decides the format of the products; any type that gives the found format serves.
      int xType = type(isNarrow(gradients) ? DType.F32 : DType.F64);
      check(
          Kernels.frozenGradientParameters(
              isa.code(),
              threads,
              channels,
              dyType,
              xType,
              gradients.counts(),
              gradients.flags(),
              gradients.terms(),
              gradients.limbs(),
              statistics.mean(),
              statistics.variance(),
              statistics.eps(),
              type(type),
              dgamma,
              dbeta));
    } else {
      check(
          Kernels.gradientParameters(
              isa.code(),
              threads,
              channels,
              dyType,
              linearType(sums),
              gradients.counts(),
              gradients.flags(),
              gradients.terms(),
              gradients.limbs(),
              sums.counts(),
              sums.flags(),
              sums.terms(),
              sums.limbs(),
              statistics.eps(),
              type(type),
              k1,
              k1Lo,
              k2,
              dgamma,
              dbeta));
    }
    return new GradientParameters(k1, k1Lo, k2, dgamma, dbeta, type);
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
    Memory xAt = Memory.of(x);
    Memory yAt = Memory.of(y);
    check(
        Kernels.normalise(
            isa.code(),
            threads,
            view.outer(),
            view.channels(),
            view.inner(),
            type(x.type()),
            xAt.array(),
            xAt.at(),
            statistics.mean(),
            statistics.meanLo(),
            scale,
            shift,
            firstChannel,
            type(y.type()),
            yAt.array(),
            yAt.at()),
        x,
        y);
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
    Memory dyAt = Memory.of(dy);
    Memory xAt = Memory.of(x);
    Memory dxAt = Memory.of(dx);
    check(
        Kernels.inputGradient(
            isa.code(),
            threads,
            view.outer(),
            view.channels(),
            view.inner(),
            type(dy.type()),
            dyAt.array(),
            dyAt.at(),
            type(x.type()),
            xAt.array(),
            xAt.at(),
            statistics.mean(),
            statistics.meanLo(),
            scale,
            parameters.k1(),
            parameters.k1Lo(),
            parameters.k2(),
            firstChannel,
            type(dx.type()),
            dxAt.array(),
            dxAt.at()),
        dy,
        x,
        dx);
  }

  @Override
  protected void doFrozenInputGradient(
      Values dy, View view, double[] scale, int firstChannel, Values dx) {
    Memory dyAt = Memory.of(dy);
    Memory dxAt = Memory.of(dx);
    check(
        Kernels.frozenInputGradient(
            isa.code(),
            threads,
            view.outer(),
            view.channels(),
            view.inner(),
            type(dy.type()),
            dyAt.array(),
            dyAt.at(),
            scale,
            firstChannel,
            type(dx.type()),
            dxAt.array(),
            dxAt.at()),
        dy,
        dx);
  }

  @Override
  protected Statistics doForward(Values x, View view, double eps, Affine affine, Values y) {
    int channels = view.channels();
    Memory xAt = Memory.of(x);
    Memory yAt = Memory.of(y);
    double[] gamma = affine.gamma(channels);
    double[] beta = affine.beta(channels);
    double[] mean = new double[channels];
    double[] meanLo = new double[channels];
    double[] variance = new double[channels];
    double[] inverseStd = new double[channels];
    ExactSums sums = ExactSums.statistics(channels, x.type());
    for (int status = Kernels.WANTS_LIMBS; status == Kernels.WANTS_LIMBS; ) {
      status =
          Kernels.forward(
              isa.code(),
              threads,
              view.outer(),
              channels,
              view.inner(),
              type(x.type()),
              xAt.array(),
              xAt.at(),
              eps,
              gamma,
              beta,
              sums.counts(),
              sums.flags(),
              sums.terms(),
              sums.limbs(),
              mean,
              meanLo,
              variance,
              inverseStd,
              type(y.type()),
              yAt.array(),
              yAt.at());
      if (status == Kernels.WANTS_LIMBS) {
        sums = ExactSums.statistics(channels, x.type());
        sums.ensureLimbs();
      } else {
        check(status, x, y);
      }
    }
    return new Statistics(mean, meanLo, variance, inverseStd, sums.counts().clone(), eps, sums);
  }

  @Override
  protected GradientParameters doBackward(
      Values dy, Values x, View view, Normalisation normalisation, Values dx) {
    Statistics statistics = normalisation.statistics();
    ExactSums sums = statistics.sums();
    ExactSums formats = ExactSums.statistics(0, x.type());
    // Sums that were merged with those of wider types have other formats than x.
    if (sums == null || sums.linear() != formats.linear() || sums.product() != formats.product()) {
      return super.doBackward(dy, x, view, normalisation, dx);
    }
    int channels = view.channels();
    Memory dyAt = Memory.of(dy);
    Memory xAt = Memory.of(x);
    Memory dxAt = Memory.of(dx);
    DType type = x.type().gradientType();
    double[] k1 = new double[channels];
    double[] k1Lo = new double[channels];
    double[] k2 = new double[channels];
    double[] dgamma = new double[channels];
    double[] dbeta = new double[channels];
    check(
        Kernels.backward(
            isa.code(),
            threads,
            view.outer(),
            channels,
            view.inner(),
            type(dy.type()),
            dyAt.array(),
            dyAt.at(),
            type(x.type()),
            xAt.array(),
            xAt.at(),
            statistics.mean(),
            statistics.meanLo(),
            normalisation.a(),
            sums.counts(),
            sums.flags(),
            sums.terms(),
            sums.limbs(),
            statistics.eps(),
            type(type),
            k1,
            k1Lo,
            k2,
            dgamma,
            dbeta,
            type(dx.type()),
            dxAt.array(),
            dxAt.at()),
        dy,
        x,
        dx);
    return new GradientParameters(k1, k1Lo, k2, dgamma, dbeta, type);
  }
}
