package dev.batchnorm.engine;

import dev.batchnorm.EngineUnavailableException;

/** Makes an engine; found by {@link java.util.ServiceLoader}. */
public interface EngineProvider {

  /** The engine's name on the command line. */
  String name();

  /** Which engine {@code auto} takes: the available one with the highest number. */
  int priority();

  /**
   * The engine, ready to run.
   *
   * @param threads how many threads a pass may use, at least 1
   * @throws EngineUnavailableException if it cannot run here, with the reason
   */
  Engine create(int threads);
}
