package dev.batchnorm.cli;

import dev.batchnorm.BatchNorm;
import dev.batchnorm.Convention;
import dev.batchnorm.DType;
import dev.batchnorm.Momentum;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.npz.NpzWriter;
import java.util.concurrent.Callable;
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
      "  cat x.npy | batchnorm forward - --to csv"
    })
final class ForwardCommand implements Callable<Integer> {
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

  @Option(
      names = "--momentum",
      paramLabel = "A",
      description =
          "running = (1 − A)·running + A·batch; cumulative averages all batches alike. Default: 0.1, or the "
              + "convention's. Needs --running.")
  private @Nullable String momentum;

  @Option(
      names = "--convention",
      paramLabel = "NAME",
      defaultValue = "pytorch",
      description =
          "Whose defaults of eps and momentum, and whose running variance: pytorch onnx keras flax mxnet. Default: pytorch.")
  private String convention = "pytorch";

  @Option(
      names = "--save",
      paramLabel = "FILE.npz",
      description =
          "Also write mean, variance, inverse_std, count, eps, and the running statistics if asked for.")
  private @Nullable String save;

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
    if (momentum != null && running == null) {
      throw new UsageException("--momentum: expected --running beside it, found none");
    }
    if (save != null && FileFormat.ofExtension(save) != FileFormat.NPZ) {
      throw new UsageException("--save: expected a name ending in .npz, found " + save);
    }
    Convention chosen = Choice.of("--convention", convention, Convention.values());
    BatchNorm.Builder builder = BatchNorm.builder().convention(chosen);
    Double eps = affine.eps();
    if (eps != null) {
      builder.eps(eps);
    }
    if (momentum != null) {
      builder.momentum(momentum(chosen, momentum));
    }
    builder.engine(engine.engine(session));
    try (InputFiles inputs = new InputFiles(session);
        OutputFiles outputs = new OutputFiles(session, output)) {
      InputFiles.Input x = inputs.batch(InputFiles.INPUT, input, batch, "x");
      BatchNorm norm = builder.affine(affine.affine(inputs, x.source())).build();
      RunningStatistics before = running == null ? null : running(inputs, x.source(), running);
      DType type = batch.outputType(x.source());
      long[] sizes = x.source().shape().sizes();
      NpzWriter saved = save == null ? null : outputs.npz("--save", save);
      Sink y = outputs.array("-o", output.target(), output, x, true, "y", type, sizes);
      Statistics statistics = norm.forward(x.source(), y);
      statistics.warnings(norm.affine()).forEach(w -> session.warn(x.source().name() + ": " + w));
      if (running != null && saved == null) {
        session.warn("--running without --save: the updated statistics are written nowhere");
      }
      if (saved != null) {
        outputs.write(
            saved,
            statistics,
            before == null ? null : updated(norm, before, statistics, x.source()));
      }
      outputs.finish();
    }
    return ExitCode.OK;
  }

  private static Momentum momentum(Convention convention, String text) {
    return text.equals("cumulative")
        ? Momentum.cumulative()
        : convention.momentum().withNumber(Numbers.momentum(text));
  }

  private RunningStatistics running(InputFiles inputs, Source x, String argument) {
    return argument.equals("new")
        ? RunningStatistics.initial(x.shape().channels())
        : inputs.statistics("--running", argument).running(x, "cumulative".equals(momentum));
  }

  private static RunningStatistics updated(
      BatchNorm norm, RunningStatistics before, Statistics statistics, Source x) {
    return InputFiles.naming(x.name(), () -> norm.update(before, statistics));
  }
}
