package dev.batchnorm.cli;

import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.format.npz.NpzWriter;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code backward}: B1–B4. */
@Command(
    name = "backward",
    sortOptions = false,
    description = {
      "The gradients of a loss with respect to the batch, gamma and beta, given its gradient with respect to y. The "
          + "statistics are the batch's own, or with --frozen given ones that do not depend on it."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm backward x.npy --dy dy.npy --gamma gamma.npy -o gradients.npz",
      "  batchnorm backward x.csv --dy dy.csv --dx dx.csv --dgamma dgamma.csv",
      "  batchnorm backward data.npz --dy data.npz -o gradients.npz",
      "  batchnorm backward x.npy --dy dy.npy --frozen --running running.npz -o gradients.npz"
    })
final class BackwardCommand implements Callable<Integer> {
  private final Session session;

  @Parameters(
      paramLabel = "INPUT",
      description =
          "The batch x: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
  private String input = "";

  @Option(
      names = "--dy",
      paramLabel = "DY",
      required = true,
      description = "The output gradient, of INPUT's shape; read with the same options.")
  private String dy = "";

  @Mixin private AffineOptions affine = new AffineOptions();

  @Option(
      names = "--frozen",
      description = "The statistics are constants: dx = gamma · inverse_std · dy. Needs --running.")
  private boolean frozen;

  @Mixin private GivenOptions given = new GivenOptions();

  @Option(
      names = "--dx",
      paramLabel = "FILE",
      description = "Write dx to a file of its own, instead of -o.")
  private @Nullable String dx;

  @Option(
      names = "--dgamma",
      paramLabel = "FILE",
      description = "Write dgamma to a file of its own, instead of -o.")
  private @Nullable String dgamma;

  @Option(
      names = "--dbeta",
      paramLabel = "FILE",
      description = "Write dbeta to a file of its own, instead of -o.")
  private @Nullable String dbeta;

  @Mixin private OutputOptions output = new OutputOptions();
  @Mixin private BatchOptions batch = new BatchOptions();
  @Mixin private EngineOptions engine = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  BackwardCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    check();
    Double eps = affine.eps();
    BatchNorm.Builder builder = BatchNorm.builder().engine(engine.engine(session));
    try (InputFiles inputs = new InputFiles(session);
        OutputFiles outputs = new OutputFiles(session, output)) {
      InputFiles.Input x = inputs.batch(InputFiles.INPUT, input, batch, "x");
      Source dySource = inputs.outputGradient(dy, batch, x);
      builder.affine(affine.affine(inputs, Channels.of(x.source())));
      StatisticsFile file = frozen ? inputs.statistics("--running", given.file()) : null;
      if (file != null) {
        file.requireChannels(x);
        builder.eps(given.eps(eps, file));
      } else if (eps != null) {
        builder.eps(eps);
      }
      BatchNorm norm = builder.build();
      Statistics statistics =
          file != null
              ? given.statistics(session, norm, file, Channels.of(x.source()))
              : norm.statistics(x.source());
      statistics.warnings(norm.affine()).forEach(w -> session.warn(x.source().name() + ": " + w));
      write(norm, x, dySource, statistics, outputs);
      outputs.finish();
    }
    return ExitCode.OK;
  }

  private void check() {
    batch.check();
    batch.format().text().requireNoGaps("backward");
    given.checkFrozen(frozen);
    boolean apart = dx != null || dgamma != null || dbeta != null;
    output.checkSeveral(apart, "--dx", "--dgamma", "--dbeta");
  }

  private void write(
      BatchNorm norm,
      InputFiles.Input x,
      Source dySource,
      Statistics statistics,
      OutputFiles outputs) {
    DType type = batch.outputType(x.source());
    long[] sizes = x.source().shape().sizes();
    if (dx == null && dgamma == null && dbeta == null) {
      NpzWriter npz = outputs.npz("-o", output.target());
      Sink dxSink = outputs.member(npz, "dx", type, sizes);
      GradientParameters p = norm.backward(dySource, x.source(), statistics, dxSink);
      long[] channels = {p.dgamma().length};
      OutputFiles.fill(outputs.member(npz, "dgamma", p.type(), channels), p.dgamma());
      OutputFiles.fill(outputs.member(npz, "dbeta", p.type(), channels), p.dbeta());
      return;
    }
    Sink dxSink =
        dx != null
            ? outputs.array("--dx", dx, output, x, true, "dx", type, sizes)
            : new DiscardingSink(type);
    GradientParameters p = norm.backward(dySource, x.source(), statistics, dxSink);
    if (dgamma != null) {
      OutputFiles.fill(array(outputs, "--dgamma", dgamma, x, "dgamma", p), p.dgamma());
    }
    if (dbeta != null) {
      OutputFiles.fill(array(outputs, "--dbeta", dbeta, x, "dbeta", p), p.dbeta());
    }
  }

  private Sink array(
      OutputFiles outputs,
      String option,
      String target,
      InputFiles.Input x,
      String name,
      GradientParameters p) {
    return outputs.array(option, target, output, x, false, name, p.type(), p.dgamma().length);
  }

  /** Takes dx where only the gradients of the parameters are asked for. */
  private static final class DiscardingSink implements Sink {
    private Values room;

    DiscardingSink(DType type) {
      room = Values.allocate(type, 0);
    }

    @Override
    public Values room(int count) {
      if (room.count() != count) {
        room = Values.allocate(room.type(), count);
      }
      return room;
    }

    @Override
    public void commit() {}
  }
}
