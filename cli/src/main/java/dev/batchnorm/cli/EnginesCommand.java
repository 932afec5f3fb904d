package dev.batchnorm.cli;

import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.EngineProvider;
import dev.batchnorm.engine.Engines;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
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
  private record Line(String name, boolean available, String text, boolean auto) {}

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
        lines.add(new Line(provider.name(), true, engine.description(), !autoIsTaken));
        autoIsTaken = true;
      } catch (EngineUnavailableException e) {
        String reason = String.valueOf(e.getMessage());
        String prefix = "engine " + provider.name() + " is not available: ";
        String text = reason.startsWith(prefix) ? reason.substring(prefix.length()) : reason;
        lines.add(new Line(provider.name(), false, text, false));
      }
    }
    if (lines.stream().noneMatch(line -> line.name().equals("native"))) {
      lines.add(0, new Line("native", false, "batchnorm-native is not on the class path", false));
    }
    if (json) {
      printJson(lines);
    } else {
      StringBuilder out = new StringBuilder();
      for (Line line : lines) {
        String text = line.available() ? line.text() : "not available: " + line.text();
        out.append(String.format(Locale.ROOT, "%-8s ", line.name())).append(text);
        out.append(line.auto() ? " (auto)\n" : "\n");
      }
      session.print(out.toString());
    }
    return ExitCode.OK;
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
                json.writeEndObject();
              }
              json.writeEndArray();
            }));
  }
}
