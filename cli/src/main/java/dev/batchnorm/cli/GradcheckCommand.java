package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.verify.GradientCheck;
import dev.batchnorm.verify.GradientReport;
import dev.batchnorm.verify.GradientReport.Channel;
import dev.batchnorm.verify.GradientReport.Check;
import dev.batchnorm.verify.GradientReport.Comparison;
import dev.batchnorm.verify.GradientReport.Status;
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

/** {@code gradcheck}: B1–B4 against differences of the loss in exact arithmetic. */
@Command(
    name = "gradcheck",
    sortOptions = false,
    description = {
      "Check gradients against differences of the loss sum(dy · y), (loss(x + h·v) - loss(x - h·v))/2h in exact "
          + "arithmetic: for single elements, for directions of +1 and -1, for gamma and beta; and the identities that "
          + "dx obeys. Each has a bound, derived from what rounding can do. Exit code 1 if one is beyond it, and also "
          + "where a check is void because dx is 0 whatever is right or wrong, as where dy is constant.",
      "At most 262144 values are looked at, whole channels drawn from the seed, and at most 16384 elements are moved "
          + "alone."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm gradcheck x.csv",
      "  batchnorm gradcheck x.npy --dy dy.npy --gamma gamma.npy --eps 1e-3",
      "  batchnorm gradcheck x.npy --dy dy.npy --dx dx.npy --dgamma dgamma.npy --json",
      "  batchnorm gradcheck x.npy --frozen --running running.npz",
      "",
      "--json prints {\"status\": \"PASSED\"|\"FAILED\"|\"MISTRUSTED\", \"engine\", \"input\", \"dy\", \"shape\", "
          + "\"dtype\", \"statistics\": \"batch\"|\"frozen\", \"eps\", \"seed\", \"given\": those of dx, dgamma, dbeta "
          + "that were read, \"channels_in_all\", \"directions\" and \"elements\" a channel, \"compared\", "
          + "\"exceeding\", \"channels\": [{\"channel\", \"name\" if it has one, \"status\", \"reason\" if MISTRUSTED, "
          + "\"checks\": [{\"name\": \"element\"|\"direction\"|\"dgamma\"|\"dbeta\"|\"sum\"|\"projection\"|\"norm\", "
          + "\"compared\", \"exceeding\", \"worst\": {\"index\", \"place\", \"expected\", \"found\", \"difference\", "
          + "\"bound\", \"share\"}}]}], worst first, \"command\"}."
    })
final class GradcheckCommand implements Callable<Integer> {
  /** How many channels the table shows. */
  private static final int SHOWN = 20;

  private final Session session;

  @Parameters(
      paramLabel = "INPUT",
      description =
          "The batch x: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
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
      description =
          "The seed of directions, elements and channels, and of the output gradient where --dy gives none. Default: 1.")
  private long seed = 1;

  @Mixin private AffineOptions affine = new AffineOptions();

  @Option(
      names = "--frozen",
      description = "The statistics are constants: dx = gamma · inverse_std · dy. Needs --running.")
  private boolean frozen;

  @Mixin private GivenOptions given = new GivenOptions();

  @Option(
      names = "--dx",
      paramLabel = "FILE",
      description = "Check the dx in this file, of INPUT's shape, and not the engine's.")
  private @Nullable String dx;

  @Option(
      names = "--dgamma",
      paramLabel = "FILE",
      description = "Check the dgamma in this file, one value per channel.")
  private @Nullable String dgamma;

  @Option(
      names = "--dbeta",
      paramLabel = "FILE",
      description = "Check the dbeta in this file, one value per channel.")
  private @Nullable String dbeta;

  @Option(names = "--json", description = "Print the result as JSON.")
  private boolean json;

  @Mixin private BatchOptions batch = new BatchOptions();
  @Mixin private EngineOptions engine = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  /** What was checked, for the report. */
  private record Subject(InputFiles.Input x, String dy, BatchNorm norm, Statistics statistics) {
    Source source() {
      return x.source();
    }
  }

  GradcheckCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    batch.check();
    batch.format().text().requireNoGaps("gradcheck");
    given.checkFrozen(frozen);
    Double eps = affine.eps();
    BatchNorm.Builder builder = BatchNorm.builder().engine(engine.engine(session));
    try (InputFiles inputs = new InputFiles(session)) {
      InputFiles.Input x = inputs.batch(InputFiles.INPUT, input, batch, "x");
      Source source = x.source();
      Channels channels = Channels.of(source);
      Source gradient =
          dy == null
              ? new SeededSource(source.shape(), source.type(), seed)
              : inputs.outputGradient(dy, batch, x);
      builder.affine(affine.affine(inputs, channels));
      StatisticsFile file = frozen ? inputs.statistics("--running", given.file()) : null;
      if (file != null) {
        file.requireChannels(x);
        builder.eps(given.eps(eps, file));
      } else if (eps != null) {
        builder.eps(eps);
      }
      BatchNorm norm = builder.build();
      Statistics statistics =
          file != null ? given.statistics(session, norm, file, channels) : norm.statistics(source);
      GradientCheck check = new GradientCheck(norm).seed(seed).outputType(batch.outputType(source));
      if (dx != null) {
        check.dx(inputs.gradient("--dx", dx, batch, batch.outputType(source), x, "dx").source());
      }
      if (dgamma != null) {
        check.dgamma(parameter(inputs, "--dgamma", dgamma, source, "dgamma"));
      }
      if (dbeta != null) {
        check.dbeta(parameter(inputs, "--dbeta", dbeta, source, "dbeta"));
      }
      Subject subject = new Subject(x, gradient.name(), norm, statistics);
      GradientReport report = check.run(gradient, source, statistics);
      session.print(json ? json(subject, report) : table(subject, report));
      return report.status() == Status.PASSED ? ExitCode.OK : ExitCode.DIFFERENT;
    }
  }

  /** Cells of text are taken as numbers of the type that B1 and B2 give. */
  private static Values parameter(
      InputFiles inputs, String option, String argument, Source x, String member) {
    InputFiles.Vector vector = inputs.vector(option, argument, Channels.of(x), member);
    DType stored = vector.type();
    Values values =
        Values.allocate(stored != null ? stored : x.type().gradientType(), vector.values().length);
    for (int c = 0; c < values.count(); c++) {
      values.set(c, vector.values()[c]);
    }
    return values;
  }

  private List<String> read() {
    List<String> read = new ArrayList<>();
    if (dx != null) {
      read.add("dx");
    }
    if (dgamma != null) {
      read.add("dgamma");
    }
    if (dbeta != null) {
      read.add("dbeta");
    }
    return read;
  }

  private static String describe(BatchNorm norm) {
    return norm.engine().name() + " (" + norm.engine().description() + ")";
  }

  private String table(Subject s, GradientReport report) {
    StringBuilder out = new StringBuilder();
    List<String> read = read();
    out.append(read.size() == 3 ? "" : describe(s.norm()) + ": ");
    out.append(s.source().name() + ", " + s.source().shape() + " " + s.source().type().label());
    out.append(", dy " + s.dy() + ", " + (frozen ? "frozen" : "batch") + " statistics, eps ");
    out.append(Decimals.text(s.norm().eps()) + "\n");
    if (!read.isEmpty()) {
      out.append("read, not computed: " + String.join(", ", read) + "\n");
    }
    out.append(report.elements() + (report.elements() == 1 ? " element" : " elements"));
    out.append(" and " + report.directions() + " directions a channel, seed " + seed);
    int checked = report.channels().size();
    out.append(
        checked < report.channelsInAll()
            ? "; " + checked + " of " + report.channelsInAll() + " channels, drawn from the seed\n"
            : "\n");
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("channel", "closest check", "", "found", "expected", "of its bound"));
    List<Channel> worst = report.worstFirst();
    for (Channel channel : worst.subList(0, Math.min(worst.size(), SHOWN))) {
      rows.add(row(s, channel));
    }
    TextTable.append(out, rows, 3, 0);
    if (checked > SHOWN) {
      out.append("(the worst of " + checked + " channels; --json prints all)\n");
    }
    out.append(summary(report)).append('\n');
    if (report.status() != Status.PASSED) {
      out.append("repeat: ").append(session.commandLine()).append('\n');
    }
    return out.toString();
  }

  private static List<String> row(Subject s, Channel channel) {
    String name = name(s, channel);
    String remark = channel.mistrusted();
    Check check = channel.worst();
    if (check == null) {
      return List.of(name, "-", "", "-", "-", "-", "MISTRUSTED: " + remark);
    }
    Comparison worst = check.worst();
    List<String> row = new ArrayList<>();
    row.add(name);
    row.add(check.name());
    row.add(place(s, check));
    row.add(Decimals.text(worst.found()));
    row.add(Decimals.text(worst.expected()));
    row.add(percent(worst.share()));
    if (channel.status() == Status.FAILED) {
      row.add("FAILED");
    } else if (remark != null) {
      row.add("MISTRUSTED: " + remark);
    }
    return row;
  }

  private static String name(Subject s, Channel channel) {
    List<String> names = s.x().channelNames();
    return names.isEmpty()
        ? Integer.toString(channel.channel())
        : TextTable.name(names.get(channel.channel()));
  }

  private static String percent(double share) {
    return share <= 1e4
        ? String.format(Locale.ROOT, "%.1f %%", 100 * share)
        : Numbers.brief(share) + " times";
  }

  /** Where in the channel it is, as outer n and inner s, or which direction; else nothing. */
  private static String place(Subject s, Check check) {
    long index = check.worst().index();
    return switch (check.name()) {
      case "element" -> {
        long inner = s.source().shape().view().inner();
        long n = index / s.source().shape().view().channels() / inner;
        yield "(n=" + n + (inner > 1 ? ", s=" + index % inner : "") + ")";
      }
      case "direction" -> Long.toString(index);
      default -> "";
    };
  }

  private static String summary(GradientReport report) {
    long mistrusted = report.count(Status.MISTRUSTED);
    String nothing =
        mistrusted == 0
            ? ""
            : mistrusted
                + (mistrusted == 1 ? " channel tells" : " channels tell")
                + " nothing: a wrong dx would look like a right one";
    return switch (report.status()) {
      case PASSED -> "PASSED: " + report.compared() + " comparisons, all within their bounds";
      case FAILED ->
          "FAILED: "
              + report.exceeding()
              + " of "
              + report.compared()
              + " comparisons beyond their bounds"
              + (mistrusted == 0 ? "" : "; " + nothing);
      case MISTRUSTED -> "MISTRUSTED: " + (mistrusted == 0 ? "there are no channels" : nothing);
    };
  }

  private String json(Subject s, GradientReport report) {
    return JsonText.of(
        json -> {
          json.writeStartObject();
          json.writeStringField("status", report.status().name());
          json.writeStringField("engine", describe(s.norm()));
          json.writeStringField("input", s.source().name());
          json.writeStringField("dy", s.dy());
          JsonText.sizes(json, "shape", s.source().shape().sizes());
          json.writeStringField("dtype", s.source().type().label());
          json.writeStringField("statistics", frozen ? "frozen" : "batch");
          JsonText.number(json, "eps", s.norm().eps());
          json.writeNumberField("seed", seed);
          json.writeArrayFieldStart("given");
          for (String name : read()) {
            json.writeString(name);
          }
          json.writeEndArray();
          json.writeNumberField("channels_in_all", report.channelsInAll());
          json.writeNumberField("directions", report.directions());
          json.writeNumberField("elements", report.elements());
          json.writeNumberField("compared", report.compared());
          json.writeNumberField("exceeding", report.exceeding());
          json.writeArrayFieldStart("channels");
          for (Channel channel : report.worstFirst()) {
            write(json, s, channel);
          }
          json.writeEndArray();
          json.writeStringField("command", session.commandLine());
          json.writeEndObject();
        });
  }

  private static void write(JsonGenerator json, Subject s, Channel channel) throws IOException {
    json.writeStartObject();
    json.writeNumberField("channel", channel.channel());
    List<String> names = s.x().channelNames();
    if (!names.isEmpty()) {
      json.writeStringField("name", names.get(channel.channel()));
    }
    json.writeStringField("status", channel.status().name());
    if (channel.mistrusted() != null) {
      json.writeStringField("reason", channel.mistrusted());
    }
    json.writeArrayFieldStart("checks");
    for (Check check : channel.checks()) {
      Comparison worst = check.worst();
      json.writeStartObject();
      json.writeStringField("name", check.name());
      json.writeNumberField("compared", check.compared());
      json.writeNumberField("exceeding", check.exceeding());
      json.writeObjectFieldStart("worst");
      json.writeNumberField("index", worst.index());
      json.writeStringField("place", place(s, check));
      JsonText.number(json, "expected", worst.expected());
      JsonText.number(json, "found", worst.found());
      JsonText.number(json, "difference", worst.difference());
      JsonText.number(json, "bound", worst.bound());
      JsonText.number(json, "share", worst.share());
      json.writeEndObject();
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }
}
