package dev.batchnorm.nativeengine;

import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.EngineProvider;
import org.jspecify.annotations.Nullable;

/**
 * Offers the C++ kernels where their library loads. The environment variable {@code BATCHNORM_ISA}
 * forces the instruction set down: {@code avx512}, {@code avx2} or {@code baseline}.
 */
public final class NativeProvider implements EngineProvider {

  @Override
  public String name() {
    return "native";
  }

  @Override
  public int priority() {
    return 100;
  }

  @Override
  public Engine create(int threads) {
    load();
    String forced = System.getenv("BATCHNORM_ISA");
    return new NativeEngine(
        forced == null ? InstructionSet.best() : InstructionSet.named(forced), threads);
  }

  /**
   * The engine with a given instruction set, or null if this processor lacks it.
   *
   * @throws EngineUnavailableException if the kernels cannot be loaded
   */
  public static @Nullable Engine create(InstructionSet isa, int threads) {
    load();
    return isa.available() ? new NativeEngine(isa, threads) : null;
  }

  private static void load() {
    try {
      Kernels.load();
    } catch (LinkageError e) {
      String reason = e.getMessage() != null ? e.getMessage() : e.toString();
      throw new EngineUnavailableException(
          "engine native is not available: " + reason.lines().findFirst().orElse(reason),
          "--engine java works here",
          e);
    }
  }
}
