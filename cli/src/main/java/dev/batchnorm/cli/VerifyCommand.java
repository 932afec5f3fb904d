package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.Affine;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.Convention;
import dev.batchnorm.DType;
import dev.batchnorm.Level;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.verify.ArrayComparison;
import dev.batchnorm.verify.EngineComparison;
import dev.batchnorm.verify.ReparameterizationDifference;
import dev.batchnorm.verify.ReparameterizationDifference.Output;
import dev.batchnorm.verify.SeededSource;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code verify}: one engine against the reference, to the bit. */
@Command(
    name = "verify",
    sortOptions = false,
    description = {
      "Run the native and the Java engine on a batch, forward and backward, with its own and with frozen statistics, and "
          + "compare every number to the bit. Exit code 1 if one differs. With --weights also the covariance and the "
          + "reparameterized weights, and how far X·W' + b' is from BN(X·W) beside the bounds of W' and b'."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm verify x.csv",
      "  batchnorm verify x.npy --dy dy.npy --gamma gamma.npy --eps 1e-3",
      "  batchnorm verify images.npy --layout NHWC --threads 1 --json",
      "  batchnorm verify x.csv --weights w.csv",
      "",
      "--json prints {\"status\": \"PASSED\"|\"FAILED\", \"engine\", \"reference\", \"input\", \"shape\", \"dtype\", "
          + "\"arrays\": [{\"statistics\": \"batch\"|\"frozen\"|\"reparameterized\", \"name\", \"dtype\", \"count\", "
          + "\"differing\", \"max_ulp\", and where one differs \"first\": {\"index\", \"place\", \"expected\", "
          + "\"found\"}}], with --weights \"identity\": [{\"level\": \"exact\"|\"fast\", \"count\", \"exceeding\", "
          + "\"unbounded\", and where one has a bound \"worst\": {\"index\", \"place\", \"normalised\", \"difference\", "
          + "\"bound\", \"share\"}}], \"command\"}."
    })
final class VerifyCommand implements Callable<Integer> {
  private static final String REPARAMETERIZED = "reparameterized";

  private final Session session;

  @Parameters(
      paramLabel = "INPUT",
      description =
          "The batch: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
  private String input = "";

  @Option(
      names = "--dy",
      paramLabel = "DY",
      description = "The output gradient, of INPUT's shape. Default: made from --seed.")
  private @Nullable String dy;

  @Option(
      names = "--seed",
      paramLabel = "S",
      defaultValue = "1",
      description = "The seed of the output gradient where --dy gives none. Default: 1.")
  private long seed = 1;

  @Mixin private AffineOptions affine = new AffineOptions();

  @Option(
      names = "--weights",
      paramLabel = "W",
      description =
          "Weights, d × k with one unit a column, for INPUT with its d columns on the last axis. Numbers --gamma and "
              + "--beta are those of the units too; for files of them the units have 1 and 0.")
  private @Nullable String weights;

  @Option(names = "--json", description = "Print the result as JSON.")
  private boolean json;

  @Mixin private BatchOptions batch = new BatchOptions();
  @Mixin private EngineOptions engineOptions = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  /** The comparisons of one kind of statistics. */
  private record Part(String statistics, List<ArrayComparison> arrays) {
    /** The line above them. */
    String title() {
      return statistics.equals(REPARAMETERIZED) ? statistics : statistics + " statistics";
    }
  }

  /** X·Ŵ + b̂ beside BN(X·W) at one level. */
  private record Identity(Level level, ReparameterizationDifference difference) {}

  VerifyCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    batch.check();
    batch.format().text().requireNoGaps("verify");
    Double typed = affine.eps();
    double eps = typed != null ? typed : Convention.PYTORCH.eps();
    Engine engine = engineOptions.engineOr(session, "native");
    Engine reference = Engines.named("java", 1);
    try (InputFiles inputs = new InputFiles(session)) {
      InputFiles.Input xInput = inputs.batch(InputFiles.INPUT, input, batch, "x");
      Source x = xInput.source();
      Weights w = weights == null ? null : weights(inputs, weights, x);
      DType type = batch.outputType(x);
      Source gradient =
          dy == null
              ? new SeededSource(x.shape(), x.type(), seed)
              : inputs.outputGradient(dy, batch, xInput);
      Affine parameters = affine.affine(inputs, Channels.of(x));
      EngineComparison comparison = new EngineComparison(reference, engine, parameters, eps);
      Statistics own = BatchNorm.builder().engine(reference).eps(eps).build().statistics(x);
      List<Part> parts = new ArrayList<>();
      List<Identity> identities = new ArrayList<>();
      parts.add(new Part("batch", comparison.training(x, gradient, type)));
      parts.add(
          new Part("frozen", comparison.given(x, own.mean(), own.variance(), gradient, type)));
      if (w != null) {
        EngineComparison layers = new EngineComparison(reference, engine, affine.ofNumbers(), eps);
        verify(layers, w, x, parts, identities);
      }
      return report(x, engine, reference, parts, identities);
    }
  }

  private Weights weights(InputFiles inputs, String argument, Source x) {
    AxisOptions.requireColumnsLast(x);
    DType asked = batch.dtype();
    DType cells = asked == null ? DType.F64 : asked;
    Weights w = Weights.read(inputs, argument, batch.format().text(), cells, batch.narrow());
    w.requireRows(Weights.columnsOf(x));
    return w;
  }

  private void verify(
      EngineComparison layers, Weights w, Source x, List<Part> parts, List<Identity> identities) {
    DType output = batch.outputType(w.batch());
    parts.add(new Part(REPARAMETERIZED, layers.reparameterization(w.batch(), x, output)));
    for (Level level : Level.values()) {
      identities.add(new Identity(level, layers.identity(w.batch(), x, level, output)));
    }
  }

  private int report(
      Source x, Engine engine, Engine reference, List<Part> parts, List<Identity> identities) {
    boolean passed =
        parts.stream().flatMap(p -> p.arrays().stream()).allMatch(c -> c.differing() == 0)
            && identities.stream().allMatch(i -> i.difference().passed());
    if (json) {
      printJson(x, engine, reference, parts, identities, passed);
    } else {
      printTable(x, engine, reference, parts, identities, passed);
    }
    return passed ? ExitCode.OK : ExitCode.DIFFERENT;
  }

  private static String describe(Engine engine) {
    return engine.name() + " (" + engine.description() + ")";
  }

  private void printTable(
      Source x,
      Engine engine,
      Engine reference,
      List<Part> parts,
      List<Identity> identities,
      boolean passed) {
    StringBuilder out = new StringBuilder();
    out.append(describe(engine) + " against " + describe(reference) + ": ");
    out.append(x.name() + ", " + x.shape() + " " + x.type().label() + "\n");
    long compared = 0;
    long differing = 0;
    for (Part part : parts) {
      out.append(part.title()).append("\n");
      for (ArrayComparison c : part.arrays()) {
        compared += c.compared();
        differing += c.differing();
        out.append(
            String.format(
                Locale.ROOT, "  %-18s %12d compared  %s%n", c.name(), c.compared(), verdict(c)));
      }
    }
    long outputs = 0;
    long exceeding = 0;
    for (Identity identity : identities) {
      ReparameterizationDifference d = identity.difference();
      outputs += d.compared();
      exceeding += d.exceeding();
      String name = "X·W' + b', " + identity.level().label();
      out.append(
          String.format(
              Locale.ROOT, "  %-18s %12d compared  %s%n", name, d.compared(), verdict(d)));
    }
    out.append(passed ? "PASSED: " : "FAILED: ");
    out.append(
        differing == 0
            ? compared + " numbers, none differs by a bit"
            : differing + " of " + compared + " numbers differ");
    if (!identities.isEmpty()) {
      out.append(
          exceeding == 0
              ? "; " + outputs + " outputs within their bounds"
              : "; " + exceeding + " of " + outputs + " outputs beyond their bounds");
    }
    out.append('\n');
    if (!passed) {
      out.append("repeat: ").append(session.commandLine()).append('\n');
    }
    session.print(out.toString());
  }

  private static String verdict(ArrayComparison c) {
    if (c.differing() == 0) {
      return "identical";
    }
    return c.differing()
        + " differ, first at "
        + c.firstPlace()
        + ": reference "
        + text(c, c.firstExpected())
        + ", found "
        + text(c, c.firstFound())
        + ", up to "
        + Decimals.text(c.maxUlps())
        + " ulp apart";
  }

  private static String verdict(ReparameterizationDifference d) {
    Output worst = d.worst();
    String unbounded =
        d.unbounded() == 0
            ? ""
            : "; "
                + d.unbounded()
                + " without a bound: a variance within rounding of 0, or a result beyond its type";
    if (worst == null) {
      return "no output has a bound" + unbounded;
    }
    return (d.passed() ? "within their bounds" : d.exceeding() + " beyond their bounds")
        + ", at most "
        + Numbers.brief(worst.share())
        + " of it, at "
        + place(d, worst)
        + unbounded;
  }

  private static String place(ReparameterizationDifference d, Output output) {
    long units = d.shape().channels();
    return "(n=" + output.index() / units + ", k=" + output.index() % units + ")";
  }

  private static String text(ArrayComparison c, double value) {
    return Decimals.text(c.type(), value);
  }

  private void printJson(
      Source x,
      Engine engine,
      Engine reference,
      List<Part> parts,
      List<Identity> identities,
      boolean passed) {
    session.print(
        JsonText.of(
            json -> {
              json.writeStartObject();
              json.writeStringField("status", passed ? "PASSED" : "FAILED");
              json.writeStringField("engine", describe(engine));
              json.writeStringField("reference", describe(reference));
              json.writeStringField("input", x.name());
              JsonText.sizes(json, "shape", x.shape().sizes());
              json.writeStringField("dtype", x.type().label());
              json.writeArrayFieldStart("arrays");
              for (Part part : parts) {
                for (ArrayComparison c : part.arrays()) {
                  write(json, part.statistics(), c);
                }
              }
              json.writeEndArray();
              if (!identities.isEmpty()) {
                json.writeArrayFieldStart("identity");
                for (Identity identity : identities) {
                  write(json, identity);
                }
                json.writeEndArray();
              }
              json.writeStringField("command", session.commandLine());
              json.writeEndObject();
            }));
  }

  private static void write(JsonGenerator json, Identity identity) throws IOException {
    ReparameterizationDifference d = identity.difference();
    json.writeStartObject();
    json.writeStringField("level", identity.level().label());
    json.writeNumberField("count", d.compared());
    json.writeNumberField("exceeding", d.exceeding());
    json.writeNumberField("unbounded", d.unbounded());
    Output worst = d.worst();
    if (worst != null) {
      json.writeObjectFieldStart("worst");
      json.writeNumberField("index", worst.index());
      json.writeStringField("place", place(d, worst));
      JsonText.number(json, "normalised", worst.normalised());
      JsonText.number(json, "difference", worst.difference());
      JsonText.number(json, "bound", worst.bound());
      JsonText.number(json, "share", worst.share());
      json.writeEndObject();
    }
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, String statistics, ArrayComparison c)
      throws IOException {
    json.writeStartObject();
    json.writeStringField("statistics", statistics);
    json.writeStringField("name", c.name());
    json.writeStringField("dtype", c.type().label());
    json.writeNumberField("count", c.compared());
    json.writeNumberField("differing", c.differing());
    JsonText.number(json, "max_ulp", c.maxUlps());
    if (c.differing() > 0) {
      json.writeObjectFieldStart("first");
      json.writeNumberField("index", c.firstIndex());
      json.writeStringField("place", c.firstPlace());
      JsonText.number(json, "expected", c.firstExpected());
      JsonText.number(json, "found", c.firstFound());
      json.writeEndObject();
    }
    json.writeEndObject();
  }
}
