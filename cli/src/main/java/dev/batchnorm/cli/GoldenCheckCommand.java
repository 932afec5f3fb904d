package dev.batchnorm.cli;

import dev.batchnorm.OutputException;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.golden.GoldenCase;
import dev.batchnorm.golden.GoldenResult;
import dev.batchnorm.golden.GoldenTree;
import dev.batchnorm.tasks.Workers;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code golden check}: cases against what they were. */
@Command(
    name = "check",
    sortOptions = false,
    description = {
      "Run golden cases again and compare every output to the bit. Exit code 0 only if all of them are PASSED, else 1. "
          + "Nothing is written into DIR."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm golden check golden",
      "  batchnorm golden check golden/x --engine java",
      "  batchnorm golden check golden --junit report.xml --json",
      "",
      "Verdicts: PASSED; DIFFERENT, a number, type or shape is another; CORRUPTED, a file has other bytes; MISSING, a file "
          + "or a referenced input is gone or another; EXTRA, a file that no manifest names; INCOMPLETE, no manifest; "
          + "MISTRUSTED, outputs that any engine would give; ERROR, it could not be run.",
      "",
      "--json prints {\"status\": \"PASSED\"|\"FAILED\", \"engine\", \"cases\": [{\"case\", \"verdict\", \"compared\", "
          + "\"troubles\": [...], \"arrays\": [{\"name\", \"dtype\", \"shape\", \"exactness\", \"compared\", "
          + "\"differing\", \"max_ulp\", \"first\": [{\"index\", \"expected\", \"found\", \"ulp\"}]}], \"repeat\"}], "
          + "\"command\"}; expected and found are texts."
    })
final class GoldenCheckCommand implements Callable<Integer> {
  private final Session session;

  @Parameters(
      arity = "1..*",
      paramLabel = "DIR",
      description = "Cases, or directories with cases below them.")
  private List<String> directories = List.of();

  @Option(names = "--json", description = "Print the result as JSON.")
  private boolean json;

  @Option(
      names = "--junit",
      paramLabel = "FILE",
      description = "Also write the result as XML that CI systems read.")
  private @Nullable String junit;

  @Mixin private EngineOptions engineOptions = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  GoldenCheckCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    List<Path> roots = directories.stream().map(d -> path("DIR", d)).toList();
    if (junit != null) {
      if (junit.equals(OutputOptions.STANDARD_OUTPUT)) {
        throw new UsageException(
            "--junit: expected a file, found standard output (the report is there)");
      }
      requireOutside(roots, path("--junit", junit));
    }
    List<Path> cases = GoldenTree.cases(roots);
    List<Engine> engines = engineOptions.engines(session, cases.size());
    try (AtomicOutput report = junit == null ? null : AtomicOutput.to(Path.of(junit))) {
      GoldenReport result =
          new GoldenReport(check(cases, engines), engines.get(0), engineOptions.given());
      if (report != null) {
        report.write(ByteBuffer.wrap(result.junit(session).getBytes(StandardCharsets.UTF_8)));
        report.commit();
      }
      session.print(json ? result.json(session) : result.text());
      return result.passed() ? ExitCode.OK : ExitCode.DIFFERENT;
    }
  }

  /** Cases are shared out among the engines. */
  private static List<GoldenResult> check(List<Path> cases, List<Engine> engines) {
    GoldenResult[] results = new GoldenResult[cases.size()];
    List<IntConsumer> workers =
        engines.stream()
            .map(engine -> (IntConsumer) i -> results[i] = GoldenCase.check(cases.get(i), engine))
            .toList();
    new Workers(results.length).run(workers);
    return Arrays.asList(results);
  }

  private static Path path(String option, String text) {
    if (text.isEmpty()) {
      throw new UsageException(option + ": expected a name, found an empty one");
    }
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      throw new UsageException(option + ": expected a path, found " + e.getReason());
    }
  }

  /** A check that changed a tree would make its next check another. */
  private static void requireOutside(List<Path> roots, Path file) {
    Path parent = file.toAbsolutePath().normalize().getParent();
    for (Path root : roots) {
      try {
        if (parent != null && parent.toRealPath().startsWith(root.toRealPath())) {
          throw new UsageException(
              "--junit: expected a file outside " + root + " (which is only read), found " + file);
        }
      } catch (IOException e) {
        if (root.toFile().exists()) {
          throw new OutputException(file + ": expected an existing directory, found none", null, e);
        }
      }
    }
  }
}
