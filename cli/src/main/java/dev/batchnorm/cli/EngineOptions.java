package dev.batchnorm.cli;

import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.EngineProvider;
import dev.batchnorm.engine.Engines;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/** Which engine computes. */
final class EngineOptions {
  static final String AUTO = "auto";

  @Option(
      names = "--engine",
      paramLabel = "NAME",
      defaultValue = AUTO,
      description =
          "auto, native or java: auto is native where it loads. The bits are the same. Default: auto.")
  private String name = AUTO;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "How many threads may compute. Default: all processors. The bits are the same.")
  private int threads = Runtime.getRuntime().availableProcessors();

  /** Refuses a named engine where none computes. */
  void requireNone(String why) {
    if (!name.equals(AUTO)) {
      throw new UsageException("--engine: expected none with " + why + ", found " + name);
    }
  }

  /** Refuses what names no engine, where it is not sure that one computes. */
  void check() {
    checkThreads();
    if (!name.equals(AUTO)) {
      checkKnown(name);
    }
  }

  /** The options that were given other values than their defaults, as they are typed. */
  List<String> given() {
    List<String> given = new ArrayList<>();
    if (!name.equals(AUTO)) {
      given.addAll(List.of("--engine", name));
    }
    if (threads != Runtime.getRuntime().availableProcessors()) {
      given.addAll(List.of("--threads", Integer.toString(threads)));
    }
    return given;
  }

  /** The engine asked for; a named one never falls back to another. */
  Engine engine(Session session) {
    return engine(session, name);
  }

  /**
   * The engine asked for, with what it needs for products of matrices; {@code auto} means the Java
   * engine where that is missing.
   */
  Engine forProducts(Session session) {
    Engine engine = engine(session);
    try {
      engine.blas(true);
      return engine;
    } catch (EngineUnavailableException e) {
      if (!name.equals(AUTO)) {
        throw e;
      }
      session.warn(e.getMessage() + "; the Java engine computes");
      return engine(session, "java");
    }
  }

  /** The engine asked for, where {@code auto} means the given one and no other. */
  Engine engineOr(Session session, String preferred) {
    return engine(session, name.equals(AUTO) ? preferred : name);
  }

  /**
   * An engine for each of so many tasks, but for no more than there are threads, which they share.
   */
  List<Engine> engines(Session session, int tasks) {
    checkThreads();
    int count = Math.max(1, Math.min(threads, tasks));
    List<Engine> engines = new ArrayList<>();
    engines.add(engine(session, name, threads / count));
    while (engines.size() < count) {
      engines.add(
          name.equals(AUTO)
              ? Engines.preferred(threads / count, reason -> {})
              : Engines.named(name, threads / count));
    }
    return engines;
  }

  private Engine engine(Session session, String wanted) {
    checkThreads();
    return engine(session, wanted, threads);
  }

  private static Engine engine(Session session, String wanted, int threads) {
    Engine engine;
    if (wanted.equals(AUTO)) {
      engine = Engines.preferred(threads, session::warn);
    } else {
      checkKnown(wanted);
      engine = Engines.named(wanted, threads);
    }
    session.use(engine, threads);
    session.talk("engine " + engine.name() + ": " + engine.description());
    return engine;
  }

  private void checkThreads() {
    if (threads < 1) {
      throw new UsageException("--threads: expected a number ≥ 1, found " + threads);
    }
  }

  /** "native" is known even where its jar is not there: then it is unavailable, not unknown. */
  private static void checkKnown(String wanted) {
    if (wanted.equals("native")) {
      return;
    }
    String known =
        Engines.providers().stream().map(EngineProvider::name).collect(Collectors.joining(", "));
    if (Engines.providers().stream().noneMatch(p -> p.name().equals(wanted))) {
      throw new UsageException(
          "--engine: expected one of auto, " + known + ", found \"" + wanted + "\"");
    }
  }
}
