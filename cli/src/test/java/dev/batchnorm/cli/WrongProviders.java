package dev.batchnorm.cli;

import dev.batchnorm.contract.WrongEngine;
import dev.batchnorm.contract.WrongEngine.Mistake;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.EngineProvider;
import java.util.Locale;

/**
 * An engine for each mistake, {@code wrong-dx} for {@link Mistake#DX}. They are listed in {@code
 * META-INF/services}, and {@code auto} takes none of them.
 */
final class WrongProviders {
  private WrongProviders() {}

  /** The name on the command line of the engine with the mistake. */
  static String name(Mistake mistake) {
    return "wrong-" + mistake.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Makes the mistake its class is named after. */
  abstract static class Provider implements EngineProvider {
    private Mistake mistake() {
      String words = getClass().getSimpleName().replaceAll("(?<=[a-z0-9])(?=[A-Z])", "_");
      return Mistake.valueOf(words.toUpperCase(Locale.ROOT));
    }

    @Override
    public String name() {
      return WrongProviders.name(mistake());
    }

    @Override
    public int priority() {
      return -1;
    }

    @Override
    public Engine create(int threads) {
      return new WrongEngine(mistake());
    }
  }

  public static final class LinearSum extends Provider {}

  public static final class ProductSum extends Provider {}

  public static final class Count extends Provider {}

  public static final class NanFlagForgotten extends Provider {}

  public static final class Mean extends Provider {}

  public static final class MeanLo extends Provider {}

  public static final class Variance extends Provider {}

  public static final class UnbiasedVariance extends Provider {}

  public static final class InverseStd extends Provider {}

  public static final class GivenInverseStd extends Provider {}

  public static final class Y extends Provider {}

  public static final class NanPayload extends Provider {}

  public static final class GradientLinearSum extends Provider {}

  public static final class GradientProductSum extends Provider {}

  public static final class K1 extends Provider {}

  public static final class K1Lo extends Provider {}

  public static final class K2 extends Provider {}

  public static final class Dgamma extends Provider {}

  public static final class Dbeta extends Provider {}

  public static final class Dx extends Provider {}

  public static final class FrozenDgamma extends Provider {}

  public static final class FrozenDx extends Provider {}

  public static final class PairSum extends Provider {}

  public static final class Covariance extends Provider {}

  public static final class QuadraticForm extends Provider {}

  public static final class Projection extends Provider {}
}
