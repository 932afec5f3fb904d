package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.OutputException;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.EngineProvider;
import dev.batchnorm.engine.Engines;
import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
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
      "List the engines: which can run here and how, which one auto takes, and why one cannot run."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm engines",
      "  BATCHNORM_ISA=avx2 batchnorm engines",
      "  batchnorm engines --json",
      "",
      "--json prints [{\"name\", \"available\": true|false, \"auto\": true|false, and \"description\" or \"reason\"}]."
    })
final class EnginesCommand implements Callable<Integer> {
  private final Session session;

  @Option(names = "--json", description = "Print the list as JSON.")
  private boolean json;

  @Mixin private GlobalOptions global = new GlobalOptions();

  /** An engine, or why there is none. */
  private record Line(String name, @Nullable Engine engine, String text, boolean auto) {}

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
        lines.add(new Line(provider.name(), engine, engine.description(), !autoIsTaken));
        autoIsTaken = true;
      } catch (EngineUnavailableException e) {
        String reason = String.valueOf(e.getMessage());
        String prefix = "engine " + provider.name() + " is not available: ";
        String text = reason.startsWith(prefix) ? reason.substring(prefix.length()) : reason;
        lines.add(new Line(provider.name(), null, text, false));
      }
    }
    if (json) {
      printJson(lines);
    } else {
      PrintStream out = session.text();
      for (Line line : lines) {
        out.printf(
            "%-8s %s%s%n",
            line.name(),
            line.engine() != null ? line.text() : "not available: " + line.text(),
            line.auto() ? " (auto)" : "");
      }
      out.flush();
    }
    return ExitCode.OK;
  }

  private void printJson(List<Line> lines) {
    try (JsonGenerator generator = new JsonFactory().createGenerator(session.text())) {
      generator.useDefaultPrettyPrinter();
      generator.writeStartArray();
      for (Line line : lines) {
        generator.writeStartObject();
        generator.writeStringField("name", line.name());
        generator.writeBooleanField("available", line.engine() != null);
        generator.writeBooleanField("auto", line.auto());
        generator.writeStringField(line.engine() != null ? "description" : "reason", line.text());
        generator.writeEndObject();
      }
      generator.writeEndArray();
      generator.writeRaw('\n');
    } catch (IOException e) {
      throw new OutputException("standard output: " + e.getMessage(), null, e);
    }
  }
}
