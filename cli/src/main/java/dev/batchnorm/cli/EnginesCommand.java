package dev.batchnorm.cli;

import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.EngineProvider;
import dev.batchnorm.engine.Engines;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code engines}: what can run here, and if not, why. */
@Command(
    name = "engines",
    sortOptions = false,
    description = {
      "List the engines: which can run here and how, which one auto takes, and why one cannot run.",
      "Linear algebra takes a library that is opened when first needed; -v opens it to tell its version and kernels."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm engines",
      "  BATCHNORM_ISA=avx2 batchnorm engines",
      "  batchnorm engines --json",
      "",
      "--json prints [{\"name\", \"available\": true|false, \"auto\": true|false, and \"description\" or \"reason\"}],",
      "with \"blas\" or \"blasReason\" where an engine takes a library for linear algebra."
    })
final class EnginesCommand implements Callable<Integer> {
  private final Session session;

  @Option(names = "--json", description = "Print the list as JSON.")
  private boolean json;

  @Mixin private GlobalOptions global = new GlobalOptions();

  /** An engine, or why there is none; its library for linear algebra, or why there is none. */
  private record Line(String name, boolean available, String text, boolean auto, Blas blas) {}

  private record Blas(boolean available, @Nullable String text) {
    static final Blas NONE = new Blas(true, null);
  }

  EnginesCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    List<Line> lines = new ArrayList<>();
    boolean autoIsTaken = false;
    for (EngineProvider provider : Engines.providers()) {
      try {
        Engine engine = provider.create(Runtime.getRuntime().availableProcessors());
        lines.add(
            new Line(provider.name(), true, engine.description(), !autoIsTaken, blas(engine)));
        autoIsTaken = true;
      } catch (EngineUnavailableException e) {
        String reason = String.valueOf(e.getMessage());
        String prefix = "engine " + provider.name() + " is not available: ";
        String text = reason.startsWith(prefix) ? reason.substring(prefix.length()) : reason;
        lines.add(new Line(provider.name(), false, text, false, Blas.NONE));
      }
    }
    if (lines.stream().noneMatch(line -> line.name().equals("native"))) {
      lines.add(
          0,
          new Line("native", false, "batchnorm-native is not on the class path", false, Blas.NONE));
    }
    if (json) {
      printJson(lines);
    } else {
      StringBuilder out = new StringBuilder();
      for (Line line : lines) {
        String text = line.available() ? line.text() : "not available: " + line.text();
        out.append(String.format(Locale.ROOT, "%-8s ", line.name())).append(text);
        if (line.blas().text() != null) {
          out.append("; ").append(line.blas().text());
        }
        out.append(line.auto() ? " (auto)\n" : "\n");
      }
      session.print(out.toString());
    }
    return ExitCode.OK;
  }

  private Blas blas(Engine engine) {
    try {
      return new Blas(true, engine.blas(global.verbose));
    } catch (EngineUnavailableException e) {
      return new Blas(false, e.getMessage());
    }
  }

  private void printJson(List<Line> lines) {
    session.print(
        JsonText.of(
            json -> {
              json.writeStartArray();
              for (Line line : lines) {
                json.writeStartObject();
                json.writeStringField("name", line.name());
                json.writeBooleanField("available", line.available());
                json.writeBooleanField("auto", line.auto());
                json.writeStringField(line.available() ? "description" : "reason", line.text());
                if (line.blas().text() != null) {
                  String field = line.blas().available() ? "blas" : "blasReason";
                  json.writeStringField(field, line.blas().text());
                }
                json.writeEndObject();
              }
              json.writeEndArray();
            }));
  }
}
