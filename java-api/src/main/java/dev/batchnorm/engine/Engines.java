package dev.batchnorm.engine;

import dev.batchnorm.EngineUnavailableException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** Finds engines by name among those on the class path. */
public final class Engines {
  private Engines() {}

  /** The providers on the class path, the one {@code auto} prefers first. */
  public static List<EngineProvider> providers() {
    List<EngineProvider> providers = new ArrayList<>();
    ServiceLoader.load(EngineProvider.class, Engines.class.getClassLoader())
        .forEach(providers::add);
    providers.sort(Comparator.comparing(EngineProvider::priority).reversed());
    return providers;
  }

  /**
   * The engine {@code auto} takes, with all processors; silent about engines that cannot run here.
   */
  public static Engine preferred() {
    return preferred(Runtime.getRuntime().availableProcessors(), reason -> {});
  }

  /**
   * The available engine with the highest priority.
   *
   * @param threads how many threads a pass may use, at least 1
   * @param unavailable told why each preferred engine cannot run here
   */
  public static Engine preferred(int threads, Consumer<String> unavailable) {
    for (EngineProvider provider : providers()) {
      try {
        return provider.create(checked(threads));
      } catch (EngineUnavailableException e) {
        unavailable.accept(e.getMessage());
      }
    }
    throw new EngineUnavailableException(
        "no engine is on the class path", "add batchnorm-java-api.jar");
  }

  /**
   * The engine of that name and no other.
   *
   * @param threads how many threads a pass may use, at least 1
   * @throws EngineUnavailableException if there is none of that name, or it cannot run here
   */
  public static Engine named(String name, int threads) {
    List<EngineProvider> providers = providers();
    for (EngineProvider provider : providers) {
      if (provider.name().equals(name)) {
        return provider.create(checked(threads));
      }
    }
    String known =
        providers.stream().map(EngineProvider::name).sorted().collect(Collectors.joining(", "));
    throw new EngineUnavailableException(
        "no engine named \"" + name + "\"; this machine has: " + known);
  }

  private static int checked(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("threads: expected at least 1, found " + threads);
    }
    return threads;
  }
}
