package dev.batchnorm.reference;

import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.EngineProvider;

/** Offers the reference engine, which runs everywhere. */
public final class ReferenceProvider implements EngineProvider {

  @Override
  public String name() {
    return "java";
  }

  @Override
  public int priority() {
    return 0;
  }

  /** The reference engine uses one thread, however many it may. */
  @Override
  public Engine create(int threads) {
    return new ReferenceEngine();
  }
}
