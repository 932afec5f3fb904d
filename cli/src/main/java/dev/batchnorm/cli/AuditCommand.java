package dev.batchnorm.cli;

import dev.batchnorm.Affine;
import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.audit.Audit;
import dev.batchnorm.audit.AuditReport;
import dev.batchnorm.audit.Output;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.npy.NpyArray;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code audit}: another implementation's results against the exact ones. */
@Command(
    name = "audit",
    sortOptions = false,
    description = {
      "Judge what another implementation made of X: every value may be off by what the arithmetic of a plain kernel of "
          + "its type explains on this data. What does not fit is compared with the conventions of other frameworks and "
          + "with known mistakes, alone and two at a time; the diagnosis names those that reproduce every value. Exit "
          + "code 1 if a value does not fit.",
      "",
      "Of --y, --mean, --variance, --inverse-std, --running-after, --dx, --dgamma and --dbeta at least one is needed. "
          + "The arrays of an NPZ are found by their names."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm audit x.npy --y theirs.npy",
      "  batchnorm audit x.npy --gamma g.npy --beta b.npy --y y.npz --mean y.npz --inverse-std y.npz",
      "  batchnorm audit x.npy --running before.npz --momentum 0.9 --running-after after.npz",
      "  batchnorm audit x.npy --dy dy.npy --dx dx.npy --dgamma dgamma.npy --json",
      "  batchnorm audit x.npy --frozen --running state.npz --y theirs.npy",
      "",
      "--json prints {\"status\": \"PASSED\"|\"FAILED\", \"input\", \"shape\", \"dtype\", \"statistics\": "
          + "\"batch\"|\"frozen\", \"eps\", \"arrays\": [{\"name\", \"status\", \"file\", \"dtype\", \"shape\", \"reason\" "
          + "if no values could be compared, \"compared\", \"exceeding\" (beyond their bound), \"apart\" (off the "
          + "line, for dx the plane, that the others of their channel lie on: they exceed too), \"careful\" (whether all are "
          + "within the bound of careful sums too), \"rounded\" (equal to the exact value rounded once), \"ulp_quantiles\": "
          + "[{\"percent\", \"ulp\", \"exact\"}], "
          + "\"largest\": {\"index\", \"found\", \"exact\", \"error\", \"ulp\", \"bound\", \"share\", \"apart\"}, \"worst\": [the same], "
          + "\"channels\": [{\"channel\", \"share\"}]}], \"diagnosis\": [{\"convention\": [NAME, …], \"framework\": NAME, "
          + "NAME, … or null, \"matches\": how many values it reproduces, \"rank\": explanations of one rank cannot be told "
          + "apart by this data, \"meaning\", \"loose\": whether it says how far "
          + "values may be off rather than which they are}], \"command\"}. The diagnosis is empty if nothing known "
          + "reproduces every value; the best explanation comes first."
    })
final class AuditCommand implements Callable<Integer> {
  private static final String NEW = "new";

  private final Session session;

  @Parameters(
      paramLabel = "X",
      description =
          "The batch: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
  private String input = "";

  @Option(names = "--y", paramLabel = "FILE", description = "Their y.")
  private @Nullable String y;

  @Option(
      names = "--mean",
      paramLabel = "FILE",
      description = "Their mean, one value per channel, as the others that follow.")
  private @Nullable String mean;

  @Option(names = "--variance", paramLabel = "FILE", description = "Their biased variance.")
  private @Nullable String variance;

  @Option(
      names = "--inverse-std",
      paramLabel = "FILE",
      description = "Their 1/sqrt(variance + eps).")
  private @Nullable String inverseStd;

  @Option(
      names = "--running-after",
      paramLabel = "FILE",
      description =
          "Their running statistics after the batch: an NPZ or a CSV as for --running, which is needed.")
  private @Nullable String runningAfter;

  @Option(names = "--dx", paramLabel = "FILE", description = "Their dx. Needs --dy, as the others.")
  private @Nullable String dx;

  @Option(names = "--dgamma", paramLabel = "FILE", description = "Their dgamma.")
  private @Nullable String dgamma;

  @Option(names = "--dbeta", paramLabel = "FILE", description = "Their dbeta.")
  private @Nullable String dbeta;

  @Mixin private AffineOptions affine = new AffineOptions();

  @Option(
      names = "--dy",
      paramLabel = "DY",
      description = "The output gradient they were given, of X's shape.")
  private @Nullable String dy;

  @Option(
      names = "--running",
      paramLabel = "FILE|new",
      description =
          "The running statistics before the batch, or new ones with mean 0 and variance 1. With --frozen what they "
              + "should have normalised with.")
  private @Nullable String running;

  @Option(
      names = "--frozen",
      description =
          "They should have normalised with the statistics of --running: inference, or gradients with constants.")
  private boolean frozen;

  @Mixin private ConventionOptions conventions = new ConventionOptions();

  @Option(names = "--json", description = "Print the result as JSON.")
  private boolean json;

  @Mixin private BatchOptions batch = new BatchOptions();
  @Mixin private EngineOptions engine = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  AuditCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    check();
    try (InputFiles inputs = new InputFiles(session)) {
      InputFiles.Input x = inputs.batch(InputFiles.INPUT, input, batch, "x");
      Affine parameters = affine.affine(inputs, Channels.of(x.source()));
      Audit audit = Audit.of(x.source()).engine(engine.engine(session)).affine(parameters);
      double eps = addSettings(audit, inputs, x);
      addElements(audit, inputs, x, Output.Y, y);
      addElements(audit, inputs, x, Output.DX, dx);
      addPerChannel(audit, inputs, Output.MEAN, mean, "save_mean");
      addPerChannel(audit, inputs, Output.VARIANCE, variance, "var", "save_var");
      addPerChannel(audit, inputs, Output.INVERSE_STD, inverseStd, "save_invstd", "invstd");
      addPerChannel(audit, inputs, Output.DGAMMA, dgamma, "dweight", "dscale");
      addPerChannel(audit, inputs, Output.DBETA, dbeta, "dbias", "dshift");
      addRunningAfter(audit, inputs);
      AuditReport report = audit.run();
      AuditText text = new AuditText(report, x.source(), frozen, eps, session.commandLine());
      session.print(json ? text.json() : text.table());
      return report.passed() ? ExitCode.OK : ExitCode.DIFFERENT;
    }
  }

  private void check() {
    batch.check();
    batch.format().text().requireNoGaps("audit");
    Map<String, @Nullable String> theirs = new LinkedHashMap<>();
    theirs.put("--y", y);
    theirs.put("--mean", mean);
    theirs.put("--variance", variance);
    theirs.put("--inverse-std", inverseStd);
    theirs.put("--running-after", runningAfter);
    theirs.put("--dx", dx);
    theirs.put("--dgamma", dgamma);
    theirs.put("--dbeta", dbeta);
    if (theirs.values().stream().allMatch(file -> file == null)) {
      throw new UsageException(
          "audit: expected one or more of " + String.join(", ", theirs.keySet()) + ", found none");
    }
    for (String option : new String[] {"--dx", "--dgamma", "--dbeta"}) {
      if (theirs.get(option) != null && dy == null) {
        throw new UsageException(option + ": expected --dy beside it, found none");
      }
    }
    if (frozen && running == null) {
      throw new UsageException("--frozen: expected --running beside it, found none");
    }
    if (frozen && NEW.equals(running)) {
      throw new UsageException("--running: expected a file of statistics (--frozen), found new");
    }
    if (frozen && runningAfter != null) {
      throw new UsageException(
          "--running-after: expected no --frozen beside it, found it",
          "frozen statistics are not updated");
    }
    if (runningAfter != null && running == null) {
      throw new UsageException(
          "--running-after: expected --running beside it (the statistics before the batch), found none",
          "--running new if they began with mean 0 and variance 1");
    }
    conventions.requireRunning(running);
  }

  /** Returns ε. */
  private double addSettings(Audit audit, InputFiles inputs, InputFiles.Input x) {
    audit.convention(conventions.convention()).momentum(conventions.momentum());
    Double typed = affine.eps();
    double eps = typed != null ? typed : conventions.convention().eps();
    if (running != null) {
      Channels channels = Channels.of(x.source());
      if (NEW.equals(running)) {
        audit.running(RunningStatistics.initial(channels.count()));
      } else {
        StatisticsFile file = inputs.statistics("--running", running);
        file.requireChannels(x);
        Double saved = file.eps();
        eps = typed == null && frozen && saved != null ? saved : eps;
        addRunning(audit, file, channels, eps);
      }
    }
    if (dy != null) {
      audit.dy(inputs.outputGradient(dy, batch, x));
    }
    audit.eps(eps);
    return eps;
  }

  private void addRunning(Audit audit, StatisticsFile file, Channels channels, double eps) {
    boolean asBatch = frozen && !file.hasRunning();
    RunningStatistics before =
        asBatch ? file.batch(channels) : file.running(channels, conventions.isCumulative());
    if (!frozen) {
      audit.running(before);
      return;
    }
    for (int c = 0; c < channels.count(); c++) {
      if (before.variance()[c] + eps < 0) {
        throw new InputException(
            file.name()
                + ": expected variance + eps ≥ 0, found "
                + Decimals.text(before.variance()[c])
                + " at channel "
                + c);
      }
    }
    audit.frozen(before);
  }

  private DType cells() {
    DType asked = batch.dtype();
    return asked == null ? DType.F64 : asked;
  }

  private void addElements(
      Audit audit,
      InputFiles inputs,
      InputFiles.Input x,
      Output output,
      @Nullable String argument) {
    if (argument == null) {
      return;
    }
    Shape shape = x.source().shape();
    Axes axes =
        sizes -> Arrays.equals(sizes, shape.sizes()) ? shape : Shape.withChannelAxis(0, sizes);
    InputFiles.Input found =
        inputs.array(
            "--" + output.label(),
            argument,
            batch.format().text(),
            axes,
            cells(),
            batch.narrow(),
            output.label());
    Source source = found.source();
    if (Arrays.equals(source.shape().sizes(), shape.sizes())) {
      InputFiles.requireSameRecords(found.table(), x.table());
    }
    audit.add(output, source);
  }

  private void addPerChannel(
      Audit audit,
      InputFiles inputs,
      Output output,
      @Nullable String argument,
      String... otherNames) {
    if (argument == null) {
      return;
    }
    String[] names = new String[otherNames.length + 1];
    names[0] = output.label();
    System.arraycopy(otherNames, 0, names, 1, otherNames.length);
    String option = "--" + output.label().replace('_', '-');
    InputFiles.Stored stored =
        inputs.stored(option, argument, batch.format().text().ofOtherTable(), cells(), names);
    double[] values =
        stored.table() != null ? stored.table().values() : ((NpyArray) stored.array()).values();
    audit.add(output, stored.array().name(), stored.array().type().floating(), values);
  }

  private void addRunningAfter(Audit audit, InputFiles inputs) {
    if (runningAfter == null) {
      return;
    }
    StatisticsFile file = inputs.statistics("--running-after", runningAfter);
    StatisticsFile.Found after = file.runningMean();
    audit.add(Output.RUNNING_MEAN, after.name(), after.type(), after.values());
    after = file.runningVariance();
    audit.add(Output.RUNNING_VARIANCE, after.name(), after.type(), after.values());
  }
}
