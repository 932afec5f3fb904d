package dev.batchnorm.cli;

import dev.batchnorm.Affine;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.npz.NpzWriter;
import dev.batchnorm.verify.PlainFormula;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forward}: F1–F6. */
@Command(
    name = "forward",
    sortOptions = false,
    description = {
      "Normalise a batch with its own mean and biased variance: y = gamma · (x − mean)/sqrt(variance + eps) + beta, "
          + "for each channel."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm forward x.csv -o y.csv",
      "  batchnorm forward x.csv --exclude id,label --gamma gamma.npy --beta 0.5 > y.csv",
      "  batchnorm forward images.npy --layout NHWC --save statistics.npz -o y.npy",
      "  batchnorm forward x.npy --running new --save running.npz -o y.npy",
      "  batchnorm forward epoch.npy --batch-size 32 --running new --save running.npz -o y.npy",
      "  cat x.npy | batchnorm forward - --to csv",
      "  batchnorm forward x.npy --formula one-pass --dtype f32 -o wrong.npy"
    })
final class ForwardCommand implements Callable<Integer> {
  private static final String EXACT = "exact";

  private final Session session;

  @Parameters(
      paramLabel = "INPUT",
      description =
          "The batch: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
  private String input = "";

  @Mixin private AffineOptions affine = new AffineOptions();

  @Option(
      names = "--running",
      paramLabel = "FILE|new",
      description =
          "Also update running statistics: those in FILE, or new ones with mean 0 and variance 1. --save writes them.")
  private @Nullable String running;

  @Mixin private ConventionOptions conventions = new ConventionOptions();

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      description =
          "Take INPUT as consecutive mini-batches of N samples (indices of axis 0; the last may be shorter): each is "
              + "normalised by its own statistics, and --running goes through all of them in order.")
  private @Nullable Long batchSize;

  @Option(
      names = "--save",
      paramLabel = "FILE.npz",
      description =
          "Also write mean, variance, inverse_std, count, eps (with --batch-size those of the last mini-batch), and the "
              + "running statistics if asked for.")
  private @Nullable String save;

  @Option(
      names = "--formula",
      paramLabel = "NAME",
      defaultValue = EXACT,
      description =
          "exact, or one-pass, one-pass-clipped, welford or two-pass: the variance as plain kernels compute it, in "
              + "f32, or f64 where the result has that type (--dtype), to show how it fails. What comes from it is "
              + "named so. Default: exact.")
  private String formula = EXACT;

  @Mixin private OutputOptions output = new OutputOptions();
  @Mixin private BatchOptions batch = new BatchOptions();
  @Mixin private EngineOptions engine = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  ForwardCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    batch.check();
    output.check();
    conventions.requireRunning(running);
    if (batchSize != null && batchSize < 1) {
      throw new UsageException("--batch-size: expected a whole number ≥ 1, found " + batchSize);
    }
    if (save != null && FileFormat.ofExtension(save) != FileFormat.NPZ) {
      throw new UsageException("--save: expected a name ending in .npz, found " + save);
    }
    PlainFormula plain = plainFormula();
    BatchNorm.Builder builder =
        BatchNorm.builder().convention(conventions.convention()).momentum(conventions.momentum());
    Double eps = affine.eps();
    if (eps != null) {
      builder.eps(eps);
    }
    if (plain != null) {
      forward(plain, eps != null ? eps : conventions.convention().eps());
      return ExitCode.OK;
    }
    builder.engine(engine.engine(session));
    try (InputFiles inputs = new InputFiles(session);
        OutputFiles outputs = new OutputFiles(session, output)) {
      InputFiles.Input x = inputs.batch(InputFiles.INPUT, input, batch, "x");
      BatchNorm norm = builder.affine(affine.affine(inputs, Channels.of(x.source()))).build();
      RunningStatistics before = running == null ? null : running(inputs, x.source(), running);
      DType type = batch.outputType(x.source());
      long[] sizes = x.source().shape().sizes();
      NpzWriter saved = save == null ? null : outputs.npz("--save", save);
      Sink y = outputs.array("-o", output.target(), output, x, true, "y", type, sizes);
      Pass pass = new Pass(norm, y, before);
      forEachBatch(x.source(), pass::check, pass::add);
      pass.warn(session);
      if (running != null && saved == null) {
        session.warn("--running without --save: the updated statistics are written nowhere");
      }
      if (saved != null) {
        outputs.write(saved, pass.statistics(), pass.running);
      }
      outputs.finish();
    }
    return ExitCode.OK;
  }

  private RunningStatistics running(InputFiles inputs, Source x, String argument) {
    return argument.equals("new")
        ? RunningStatistics.initial(x.shape().channels())
        : inputs
            .statistics("--running", argument)
            .running(Channels.of(x), conventions.isCumulative());
  }

  private @Nullable PlainFormula plainFormula() {
    if (formula.equals(EXACT)) {
      return null;
    }
    for (PlainFormula plain : PlainFormula.values()) {
      if (plain.label().equals(formula)) {
        if (running != null) {
          throw new UsageException(
              "--formula "
                  + formula
                  + ": expected no --running beside it, found "
                  + running
                  + " (averages would carry its errors on)");
        }
        batch.format().text().requireNoGaps("forward --formula " + formula);
        engine.requireNone("--formula " + formula + ", which is one plain loop");
        return plain;
      }
    }
    throw new UsageException(
        "--formula: expected one of exact, "
            + Stream.of(PlainFormula.values())
                .map(PlainFormula::label)
                .collect(Collectors.joining(", "))
            + ", found \""
            + formula
            + "\"");
  }

  /** The plain formula, which is named by the arrays that hold what comes from it. */
  private void forward(PlainFormula plain, double eps) {
    try (InputFiles inputs = new InputFiles(session);
        OutputFiles outputs = new OutputFiles(session, output)) {
      InputFiles.Input x = inputs.batch(InputFiles.INPUT, input, batch, "x");
      Source source = x.source();
      Affine parameters = affine.affine(inputs, Channels.of(source));
      DType type = batch.outputType(source);
      DType arithmetic = PlainFormula.arithmeticOf(type);
      String name = plain.nameIn(arithmetic);
      NpzWriter saved = save == null ? null : outputs.npz("--save", save);
      Sink y =
          outputs.array(
              "-o", output.target(), output, x, true, "y_" + name, type, source.shape().sizes());
      List<PlainFormula.Moments> all = new ArrayList<>();
      forEachBatch(
          source,
          part -> {},
          part -> {
            PlainFormula.Moments moments = plain.moments(part, eps, arithmetic);
            moments.normalise(part, parameters, y);
            all.add(moments);
          });
      long negative = all.stream().mapToLong(PlainFormula.Moments::negative).sum();
      session.warn(
          source.name()
              + ": y is of the plain formula "
              + name
              + ", not exact"
              + (negative == 0
                  ? ""
                  : "; it gave "
                      + negative
                      + (negative == 1 ? " negative variance" : " negative variances")));
      if (saved != null) {
        outputs.write(saved, all.get(all.size() - 1).statistics(), null);
        outputs.write(saved, StatisticsFile.FORMULA + name, 1);
      }
      outputs.finish();
    }
  }

  private void forEachBatch(Source x, Consumer<Source> check, Consumer<Source> add) {
    long samples = x.shape().sizes()[0];
    if (batchSize == null) {
      check.accept(x);
      add.accept(x);
      return;
    }
    requireSamplesFirst(x, batchSize);
    if (batchSize >= samples) {
      check.accept(x);
      add.accept(x);
      return;
    }
    check.accept(x.samples(0, batchSize));
    long rest = samples % batchSize;
    check.accept(x.samples(samples - rest, rest));
    for (long first = 0; first < samples; first += batchSize) {
      add.accept(x.samples(first, Math.min(batchSize, samples - first)));
    }
  }

  /** Refuses a batch that cannot be cut into mini-batches. */
  static void requireSamplesFirst(Source x, long batchSize) {
    if (x.shape().sizes().length > 1 && x.shape().channelAxis() == 0) {
      throw new InputException(
          x.name()
              + ": expected samples along axis 0 (--batch-size "
              + batchSize
              + "), found the channels there (shape "
              + x.shape()
              + ")");
    }
  }

  /** One batch after the other through the same layer. */
  private static final class Pass {
    private final BatchNorm norm;
    private final Sink y;
    private @Nullable RunningStatistics running;
    private @Nullable Statistics statistics;

    /** What is to be said, with the name of the batch in which it was found first. */
    private final Map<String, String> warnings = new LinkedHashMap<>();

    /** In how many batches it was found. */
    private final Map<String, Integer> found = new HashMap<>();

    Pass(BatchNorm norm, Sink y, @Nullable RunningStatistics running) {
      this.norm = norm;
      this.y = y;
      this.running = running;
    }

    /** Refuses before anything is written what has no unbiased variance to average. */
    void check(Source x) {
      RunningStatistics before = running;
      if (before != null && x.shape().count() == x.shape().channels()) {
        InputFiles.naming(x.name(), () -> norm.update(before, norm.statistics(x)));
      }
    }

    void add(Source x) {
      Statistics own = norm.forward(x, y);
      statistics = own;
      RunningStatistics before = running;
      if (before != null) {
        running = InputFiles.naming(x.name(), () -> norm.update(before, own));
      }
      for (String warning : own.warnings(norm.affine())) {
        // One line for each kind, however many batches and channels it concerns.
        String kind = warning.substring(warning.indexOf(": ") + 1);
        warnings.putIfAbsent(kind, x.name() + ": " + warning);
        found.merge(kind, 1, Integer::sum);
      }
    }

    void warn(Session session) {
      warnings.forEach(
          (kind, warning) -> {
            int more = found.getOrDefault(kind, 1) - 1;
            session.warn(
                more == 0
                    ? warning
                    : warning
                        + " (and in "
                        + more
                        + (more == 1 ? " batch" : " batches")
                        + " more)");
          });
    }

    /** Those of the last batch. */
    Statistics statistics() {
      return Objects.requireNonNull(statistics);
    }
  }
}
