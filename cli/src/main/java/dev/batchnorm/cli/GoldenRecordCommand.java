package dev.batchnorm.cli;

import dev.batchnorm.Affine;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.InputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.Wording;
import dev.batchnorm.golden.GoldenArray;
import dev.batchnorm.golden.GoldenCase;
import dev.batchnorm.golden.GoldenRecorder;
import dev.batchnorm.golden.GoldenRecording;
import dev.batchnorm.golden.GoldenSettings;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code golden record}: a run becomes a case. */
@Command(
    name = "record",
    sortOptions = false,
    description = {
      "Record a golden case for each INPUT: a directory DIR/NAME, NAME being INPUT's without its ending, with the inputs "
          + "and outputs of forward (with --dy also of backward; with --frozen of infer) as NPY files, a manifest.json "
          + "that says how they belong together, and the SHA-256 of every file. It appears complete or not at all."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm golden record golden x.csv --dy dy.csv --gamma 1.5",
      "  batchnorm golden record golden x.npy --running new --batch-size 32",
      "  batchnorm golden record golden images.npy --layout NHWC --reference",
      "  batchnorm golden record golden a.npy b.npy --update",
      "",
      "With --update, standard output tells what is new, changed or unchanged."
    })
final class GoldenRecordCommand implements Callable<Integer> {
  private static final String UPDATE = "--update";

  private final Session session;

  @Parameters(index = "0", paramLabel = "DIR", description = "Where the cases are.")
  private String directory = "";

  @Parameters(
      index = "1..*",
      arity = "1..*",
      paramLabel = "INPUT",
      description =
          "Batches: CSV, TSV, NPY or NPZ files, file.npz:member, or - for standard input.")
  private List<String> inputs = List.of();

  @Option(
      names = "--dy",
      paramLabel = "DY",
      description =
          "The output gradient, of each INPUT's shape; read with the same options. The case then has gradients.")
  private @Nullable String dy;

  @Mixin private AffineOptions affine = new AffineOptions();

  @Option(
      names = "--running",
      paramLabel = "FILE|new",
      description =
          "Also record how running statistics move on: those in FILE, or new ones with mean 0 and variance 1. With "
              + "--frozen, FILE has the statistics to normalise with.")
  private @Nullable String running;

  @Mixin private ConventionOptions conventions = new ConventionOptions();

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      description = "Take INPUT as consecutive mini-batches of N samples, as forward does.")
  private @Nullable Long batchSize;

  @Option(
      names = "--frozen",
      description =
          "Normalise with given statistics: infer, and backward with frozen ones. Needs --running FILE.")
  private boolean frozen;

  @Option(
      names = "--statistics",
      paramLabel = "batch|running",
      description =
          "Which of FILE's statistics --frozen uses. Default: the running ones if it has any, else the batch's.")
  private @Nullable String statistics;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "The name of the case, for a single INPUT.")
  private @Nullable String name;

  @Option(
      names = "--reference",
      description =
          "Leave INPUT and DY, NPY or NPZ, where they are: the case holds their relative path and digest, no copy.")
  private boolean reference;

  @Option(
      names = UPDATE,
      description = "Record a case that is there already again, and say what changes.")
  private boolean update;

  @Mixin private BatchOptions batch = new BatchOptions();
  @Mixin private EngineOptions engineOptions = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  GoldenRecordCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    check();
    Map<String, String> cases = names();
    Engine engine = engineOptions.engine(session);
    List<GoldenRecording> recordings = new ArrayList<>();
    try {
      cases.forEach((caseName, input) -> recordings.add(record(caseName, input, engine)));
      StringBuilder told = new StringBuilder();
      for (GoldenRecording recording : recordings) {
        recording.commit();
        tell(recording, told);
      }
      if (update) {
        session.print(told.toString());
      }
    } finally {
      recordings.forEach(GoldenRecording::close);
    }
    return ExitCode.OK;
  }

  private void check() {
    batch.check();
    batch.format().text().requireNoGaps("golden record");
    if (directory.isEmpty()) {
      throw new UsageException("DIR: expected a directory, found an empty name");
    }
    if (frozen) {
      GivenOptions.of("new".equals(running) ? null : running, statistics).check();
    } else if (statistics != null) {
      throw new UsageException("--statistics: expected --frozen beside it, found none");
    }
    if (conventions.hasMomentum() && (running == null || frozen)) {
      throw new UsageException(
          "--momentum: expected --running beside it, "
              + (frozen ? "and no --frozen, found both" : "found none"));
    }
    if (batchSize != null && batchSize < 1) {
      throw new UsageException("--batch-size: expected a whole number ≥ 1, found " + batchSize);
    }
    if (batchSize != null && (frozen || dy != null)) {
      throw new UsageException(
          "--batch-size: expected no " + (frozen ? "--frozen" : "--dy") + " beside it, found it",
          "gradients and frozen statistics are those of a whole batch");
    }
    if (reference && batch.narrow()) {
      throw new UsageException("--reference: expected no --narrow beside it, found it");
    }
    if (name != null && inputs.size() > 1) {
      throw new UsageException(
          "--name: expected one INPUT, found " + inputs.size(), "each case has its INPUT's name");
    }
  }

  /** The cases by name, with their inputs. */
  private Map<String, String> names() {
    Map<String, String> names = new LinkedHashMap<>();
    for (String input : inputs) {
      String caseName = name == null ? nameOf(input) : name;
      boolean isName =
          !caseName.isEmpty()
              && caseName.charAt(0) != '.'
              && caseName.indexOf('/') < 0
              && caseName.indexOf('\\') < 0;
      if (!isName) {
        throw new UsageException(
            (name == null ? "INPUT" : "--name")
                + ": expected a name for a directory, found "
                + Wording.quoted(caseName),
            name == null ? "--name NAME gives one" : null);
      }
      String other = names.put(caseName, input);
      if (other != null) {
        throw new UsageException(
            "INPUT: expected inputs of different names, found "
                + other
                + " and "
                + input
                + " (both are case "
                + caseName
                + ")",
            "--name NAME names the case of a single INPUT");
      }
    }
    return names;
  }

  private static String nameOf(String input) {
    if (input.isEmpty()) {
      throw new UsageException("INPUT: expected a file, found an empty name");
    }
    if (InputFiles.isStandardInput(input)) {
      return "stdin";
    }
    String file = InputFiles.fileOf(input);
    String base = file.substring(file.lastIndexOf('/') + 1);
    String stem =
        FileFormat.ofExtension(base) == null ? base : base.substring(0, base.length() - 4);
    String member = InputFiles.memberOf(input);
    return member == null ? stem : stem + "-" + member;
  }

  private GoldenRecording record(String caseName, String input, Engine engine) {
    try (InputFiles files = new InputFiles(session)) {
      InputFiles.Input x = files.batch(InputFiles.INPUT, input, batch, "x");
      Source source = x.source();
      if (batchSize != null) {
        ForwardCommand.requireSamplesFirst(source, batchSize);
      }
      GoldenRecorder recorder =
          GoldenCase.recorder(source)
              .engine(engine)
              .convention(conventions.convention())
              .outputType(batch.outputType(source))
              .command(command());
      Channels channels = Channels.of(source);
      Affine parameters = affine.affine(files, channels);
      if (affine.hasGamma()) {
        recorder.gamma(parameters.gamma(channels.count()));
      }
      if (affine.hasBeta()) {
        recorder.beta(parameters.beta(channels.count()));
      }
      Double eps = affine.eps();
      if (eps != null) {
        recorder.eps(eps);
      }
      if (batchSize != null) {
        recorder.batchSize(batchSize);
      }
      if (running != null) {
        statistics(recorder, files, x, running, eps, engine);
      }
      if (conventions.hasMomentum()) {
        recorder.momentum(
            conventions.isCumulative() ? GoldenSettings.CUMULATIVE : conventions.number());
      }
      if (dy != null) {
        InputFiles.Input gradient = files.outputGradientInput(dy, batch, x);
        recorder.dy(gradient.source());
        refer(recorder, "dy", dy, gradient);
      }
      refer(recorder, "x", input, x);
      return recorder.prepare(path(caseName), update);
    }
  }

  private void statistics(
      GoldenRecorder recorder,
      InputFiles files,
      InputFiles.Input x,
      String argument,
      @Nullable Double eps,
      Engine engine) {
    Channels channels = Channels.of(x.source());
    if (argument.equals("new")) {
      recorder.running(RunningStatistics.initial(channels.count()));
      return;
    }
    StatisticsFile file = files.statistics("--running", argument);
    if (!frozen) {
      recorder.running(file.running(channels, conventions.isCumulative()));
      return;
    }
    file.requireChannels(x);
    GivenOptions given = GivenOptions.of(argument, statistics);
    double used = given.eps(eps, file);
    BatchNorm norm = BatchNorm.builder().engine(engine).eps(used).build();
    Statistics s = given.statistics(session, norm, file, channels);
    recorder.eps(used).frozen(s.mean(), s.variance());
  }

  /** Leaves an input where it is, if that was asked for. */
  private void refer(
      GoldenRecorder recorder, String input, String argument, InputFiles.Input opened) {
    if (!reference) {
      return;
    }
    String file = InputFiles.fileOf(argument);
    if (InputFiles.isStandardInput(argument)) {
      throw new UsageException("--reference: expected files, found standard input");
    }
    FileFormat format = opened.format();
    if (format != FileFormat.NPY && format != FileFormat.NPZ) {
      throw new InputException(
          file
              + ": expected NPY or NPZ (for --reference), found "
              + format.label().toUpperCase(Locale.ROOT),
          "without --reference the numbers are copied into the case");
    }
    String source = opened.source().name();
    String member = format == FileFormat.NPZ ? source.substring(file.length() + 1) : null;
    recorder.reference(input, Path.of(file), member);
  }

  private Path path(String caseName) {
    try {
      return Path.of(directory, caseName);
    } catch (InvalidPathException e) {
      throw new UsageException("DIR: expected a path, found " + e.getReason());
    }
  }

  /** What the manifest says: the same whether a case is recorded or recorded again. */
  private String command() {
    return Session.commandLine(
        session.arguments().stream().filter(a -> !a.equals(UPDATE)).toList());
  }

  private void tell(GoldenRecording recording, StringBuilder told) {
    Path place = recording.place();
    recording.warnings().forEach(w -> session.warn(place + ": " + w));
    recording
        .lacking()
        .forEach(w -> session.warn(place + ": " + w + ": golden check says MISTRUSTED"));
    if (session.digests()) {
      for (GoldenArray array : recording.outputs()) {
        long[] sizes = array.shape().stream().mapToLong(size -> size).toArray();
        session.tell(
            array.digest()
                + " "
                + (inputs.size() > 1 ? place.getFileName() + "/" : "")
                + array.name()
                + " "
                + array.type().descriptor()
                + " "
                + Shape.tuple(sizes));
      }
    }
    if (!recording.replaces()) {
      told.append(place).append(recording.isNew() ? ": new\n" : ": unchanged\n");
      return;
    }
    told.append(place).append(": changed\n");
    recording.changes().forEach(c -> told.append("  ").append(Wording.escaped(c)).append('\n'));
  }
}
