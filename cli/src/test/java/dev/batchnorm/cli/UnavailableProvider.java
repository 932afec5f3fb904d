package dev.batchnorm.cli;

import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.EngineProvider;

/** An engine that can run nowhere. */
public final class UnavailableProvider implements EngineProvider {
  /** Whether {@code auto} would take it, if it could run. */
  static boolean preferred;

  @Override
  public String name() {
    return "unavailable";
  }

  @Override
  public int priority() {
    return preferred ? Integer.MAX_VALUE : -1;
  }

  @Override
  public Engine create(int threads) {
    throw new EngineUnavailableException(
        "engine unavailable: expected another machine, found this one", "try elsewhere");
  }
}
