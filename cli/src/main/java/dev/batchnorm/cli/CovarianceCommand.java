package dev.batchnorm.cli;

import dev.batchnorm.Covariance;
import dev.batchnorm.DType;
import dev.batchnorm.Reparameterization;
import dev.batchnorm.format.npz.NpzWriter;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code covariance}: R1 and R2. */
@Command(
    name = "covariance",
    sortOptions = false,
    description = {
      "The mean and the biased covariance S of the columns of a batch: S[i, j] = Σ (x_i − mean_i)·(x_j − mean_j) / m, "
          + "m the number of its rows. Its diagonal are the variances of stats."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm covariance x.csv --exclude species -o covariance.npz",
      "  batchnorm covariance x.npy --level fast -o covariance.npz",
      "  batchnorm covariance x.csv --mean mean.csv --covariance covariance.csv",
      "  batchnorm covariance images.npy --layout NHWC -o covariance.npz",
      "",
      "The NPZ holds mean (d), covariance (d, d), count (m), and at level fast covariance_bound (d, d): how far each may "
          + "be from the exact one."
    })
final class CovarianceCommand implements Callable<Integer> {
  private final Session session;

  @Parameters(
      paramLabel = "INPUT",
      description =
          "The batch, columns on its last axis: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
  private String input = "";

  @Mixin private LevelOptions level = new LevelOptions();

  @Option(
      names = "--mean",
      paramLabel = "FILE",
      description = "Write the mean to a file of its own, instead of -o.")
  private @Nullable String mean;

  @Option(
      names = "--covariance",
      paramLabel = "FILE",
      description = "Write the covariance to a file of its own, instead of -o.")
  private @Nullable String covariance;

  @Mixin private OutputOptions output = new OutputOptions();
  @Mixin private FormatOptions format = new FormatOptions();
  @Mixin private AxisOptions axes = new AxisOptions();
  @Mixin private NarrowOptions narrow = new NarrowOptions();
  @Mixin private EngineOptions engine = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  CovarianceCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    check();
    Reparameterization norm =
        Reparameterization.builder()
            .engine(engine.forProducts(session))
            .level(level.level())
            .build();
    try (InputFiles inputs = new InputFiles(session);
        OutputFiles outputs = new OutputFiles(session, output)) {
      InputFiles.Input x = inputs.rows(input, format, axes.axes(), DType.F64, narrow.narrow());
      session.talk("level " + norm.level().label() + ": " + norm.description());
      Covariance found = norm.covariance(x.source());
      found.warnings().forEach(w -> session.warn(x.source().name() + ": " + w));
      write(x, found, outputs);
      outputs.finish();
    }
    return ExitCode.OK;
  }

  private void check() {
    format.check();
    format.text().requireNoGaps("covariance");
    axes.check();
    level.level();
    output.checkSeveral(mean != null || covariance != null, "--mean", "--covariance");
  }

  private void write(InputFiles.Input x, Covariance found, OutputFiles outputs) {
    long d = found.columns();
    if (mean == null && covariance == null) {
      NpzWriter npz = outputs.npz("-o", output.target());
      outputs.write(npz, "mean", found.mean(), d);
      OutputFiles.fill(outputs.member(npz, "covariance", DType.F64, d, d), found.covariance());
      outputs.write(npz, "count", found.count());
      double[] bound = found.bound();
      if (bound != null) {
        OutputFiles.fill(outputs.member(npz, "covariance_bound", DType.F64, d, d), bound);
      }
      return;
    }
    if (mean != null) {
      OutputFiles.fill(
          outputs.array("--mean", mean, output, x, false, "mean", DType.F64, d), found.mean());
    }
    if (covariance != null) {
      OutputFiles.fill(
          outputs.columns("--covariance", covariance, output, x, "covariance", d),
          found.covariance());
    }
  }
}
