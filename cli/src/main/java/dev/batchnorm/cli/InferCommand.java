package dev.batchnorm.cli;

import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.Sink;
import dev.batchnorm.Statistics;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code infer}: F3–F5 with given statistics. */
@Command(
    name = "infer",
    sortOptions = false,
    description = {
      "Normalise a batch with given statistics: y = gamma · (x − mean)/sqrt(variance + eps) + beta, for each channel."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm infer x.csv --running running.npz -o y.csv",
      "  batchnorm infer x.npy --running statistics.npz --statistics batch --gamma 2 -o y.npy",
      "  batchnorm infer x.npy --running running.csv --eps 1e-3 -o y.npy"
    })
final class InferCommand implements Callable<Integer> {
  private final Session session;

  @Parameters(
      paramLabel = "INPUT",
      description =
          "The batch: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
  private String input = "";

  @Mixin private GivenOptions given = new GivenOptions();
  @Mixin private AffineOptions affine = new AffineOptions();
  @Mixin private OutputOptions output = new OutputOptions();
  @Mixin private BatchOptions batch = new BatchOptions();
  @Mixin private EngineOptions engine = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  InferCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    batch.check();
    output.check();
    given.check();
    Double eps = affine.eps();
    BatchNorm.Builder builder = BatchNorm.builder().engine(engine.engine(session));
    try (InputFiles inputs = new InputFiles(session);
        OutputFiles outputs = new OutputFiles(session, output)) {
      InputFiles.Input x = inputs.batch(InputFiles.INPUT, input, batch, "x");
      StatisticsFile file = inputs.statistics("--running", given.file());
      BatchNorm norm =
          builder
              .affine(affine.affine(inputs, Channels.of(x.source())))
              .eps(given.eps(eps, file))
              .build();
      if (file.hasAffine(false) && !affine.isGiven()) {
        session.warn(
            file.name()
                + ": its weight and bias are not used; --gamma and --beta may name the file");
      }
      file.requireChannels(x);
      Statistics statistics = given.statistics(session, norm, file, Channels.of(x.source()));
      DType type = batch.outputType(x.source());
      long[] sizes = x.source().shape().sizes();
      Sink y = outputs.array("-o", output.target(), output, x, true, "y", type, sizes);
      norm.infer(x.source(), statistics, y);
      statistics.warnings(norm.affine()).forEach(w -> session.warn(file.name() + ": " + w));
      outputs.finish();
    }
    return ExitCode.OK;
  }
}
