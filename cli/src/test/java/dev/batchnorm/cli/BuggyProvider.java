package dev.batchnorm.cli;

import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.EngineProvider;

/** An engine whose maker made a mistake that no user can cure. */
public final class BuggyProvider implements EngineProvider {
  /** Whether it breaks, rather than being unavailable. */
  static boolean breaks;

  @Override
  public String name() {
    return "buggy";
  }

  @Override
  public int priority() {
    return -1;
  }

  @Override
  public Engine create(int threads) {
    if (breaks) {
      throw new IllegalStateException("on purpose");
    }
    throw new EngineUnavailableException("engine buggy: expected a test, found none");
  }
}
