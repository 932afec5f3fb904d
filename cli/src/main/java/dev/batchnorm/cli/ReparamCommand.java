package dev.batchnorm.cli;

import dev.batchnorm.Batch;
import dev.batchnorm.Covariance;
import dev.batchnorm.DType;
import dev.batchnorm.Level;
import dev.batchnorm.Reparameterization;
import dev.batchnorm.Reparameterized;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.WeightGradients;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.csv.CsvTable;
import dev.batchnorm.format.npz.NpzWriter;
import java.util.Arrays;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code reparam}: R3–R5, R8 and R9. */
@Command(
    name = "reparam",
    sortOptions = false,
    description = {
      "The weights that do what a linear layer and the batch norm behind it do: BN(X·W) = X·W' + b', "
          + "W' = gamma · w/sqrt(wᵀSw + eps) for each unit w, a column of W, and b' = beta − meanᵀW', where mean and S "
          + "are the mean and covariance of X. With --weight-norm S is the identity and eps 0."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm reparam --weights w.csv --input x.csv -o layer.npz",
      "  batchnorm reparam --weights w.npy --covariance covariance.npz --gamma 2 --eps 1e-3 -o layer.npz",
      "  batchnorm reparam --weights w.csv --covariance s.csv --mean mean.csv -o layer.npz",
      "  batchnorm reparam --weights w.csv --input x.csv --reparam-weights w2.csv --reparam-bias b2.csv",
      "  batchnorm reparam --weights w.npy --input x.npy --dy dy.npy -o gradients.npz",
      "  batchnorm reparam --weights w.npy --weight-norm --gamma gamma.npy -o layer.npz",
      "",
      "The NPZ holds weights (d, k), bias (k), variance (k), that of each unit before batch norm, and with --dy dweights "
          + "(d, k), dgamma (k), dbeta (k). At level fast also weights_bound, bias_bound, and for gradients at every level "
          + "dweights_bound, dgamma_bound: how far each may be from the exact one.",
      "W, S and MU are CSV, TSV, NPY or NPZ files, file.npz:member, or - for standard input."
    })
final class ReparamCommand implements Callable<Integer> {
  private static final String[] FILES = {
    "--reparam-weights", "--reparam-bias", "--variance", "--dweights", "--dgamma", "--dbeta"
  };

  private final Session session;

  @Option(
      names = "--weights",
      paramLabel = "W",
      required = true,
      description = "The weights, d × k: one unit a column, one row for each column of INPUT.")
  private String weights = "";

  @Option(
      names = "--input",
      paramLabel = "INPUT",
      description =
          "The batch X, columns on its last axis: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
  private @Nullable String input;

  @Option(
      names = "--covariance",
      paramLabel = "S",
      description =
          "The covariance of X instead of X: an NPZ that holds covariance and mean, as the command covariance writes it, "
              + "or a d × d matrix, with --mean.")
  private @Nullable String covariance;

  @Option(
      names = "--mean",
      paramLabel = "MU",
      description =
          "The mean beside --covariance: a number for all columns, or a file with one value per column.")
  private @Nullable String mean;

  @Option(
      names = "--weight-norm",
      description = "Weight normalization, W' = gamma · w/|w| and b' = beta; INPUT is not needed.")
  private boolean weightNorm;

  @Mixin private UnitOptions units = new UnitOptions();
  @Mixin private LevelOptions level = new LevelOptions();

  @Option(
      names = "--dy",
      paramLabel = "DY",
      description =
          "The gradient of the output, m × k: adds those of W, gamma and beta, through mean and covariance. Needs --input.")
  private @Nullable String dy;

  @Option(
      names = "--reparam-weights",
      paramLabel = "FILE",
      description = "Write W' to a file of its own, instead of -o.")
  private @Nullable String reparamWeights;

  @Option(
      names = "--reparam-bias",
      paramLabel = "FILE",
      description = "Write b' to a file of its own, instead of -o.")
  private @Nullable String reparamBias;

  @Option(
      names = "--variance",
      paramLabel = "FILE",
      description = "Write the variance of each unit to a file of its own, instead of -o.")
  private @Nullable String variance;

  @Option(
      names = "--dweights",
      paramLabel = "FILE",
      description = "Write dweights to a file of its own, instead of -o.")
  private @Nullable String dweights;

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
  @Mixin private FormatOptions format = new FormatOptions();
  @Mixin private AxisOptions axes = new AxisOptions();

  @Option(
      names = "--dtype",
      paramLabel = "f16|f32|f64",
      description =
          "The type of W', b' and dweights; for CSV also the type that cells of W and INPUT are rounded to. Default: W's; "
              + "f64 for CSV and integers.")
  private @Nullable String dtype;

  @Mixin private NarrowOptions narrow = new NarrowOptions();
  @Mixin private EngineOptions engine = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  /** What was computed. */
  private record Result(
      Weights w, Reparameterized layer, @Nullable WeightGradients gradients, boolean isBounded) {}

  ReparamCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    check();
    boolean multiplies = !weightNorm || dy != null;
    Reparameterization.Builder builder =
        Reparameterization.builder()
            .engine(multiplies ? engine.forProducts(session) : engine.engine(session))
            .level(level.level());
    DType type = dtype();
    Double eps = units.eps();
    if (type != null) {
      builder.outputType(type);
    }
    if (eps != null) {
      builder.eps(eps);
    }
    try (InputFiles inputs = new InputFiles(session);
        OutputFiles outputs = new OutputFiles(session, output)) {
      DType cells = type == null ? DType.F64 : type;
      Weights w = Weights.read(inputs, weights, format.text(), cells, narrow.narrow());
      Reparameterization norm = builder.affine(units.affine(inputs, w.channels())).build();
      Result result = result(inputs, norm, w, cells);
      result.layer.warnings().forEach(line -> session.warn(w.name() + ": " + line));
      if (result.gradients != null) {
        result.gradients.warnings().forEach(line -> session.warn(w.name() + ": " + line));
        session.talk(w.name() + ": gradients " + result.gradients.road());
      }
      talk(result.layer, norm);
      if (isApart()) {
        writeApart(result, outputs);
      } else {
        write(result, outputs);
      }
      outputs.finish();
    }
    return ExitCode.OK;
  }

  private void check() {
    dtype();
    format.check();
    format.text().requireNoGaps("reparam");
    axes.check();
    level.level();
    units.eps();
    int roads = (input != null ? 1 : 0) + (covariance != null ? 1 : 0);
    if (roads == 0 && !weightNorm) {
      throw new UsageException(
          "expected one of --input INPUT, --covariance S and --weight-norm, found none",
          "--input INPUT takes mean and covariance from data");
    }
    excludes("--covariance", covariance != null, "--input", input != null);
    excludes("--weight-norm", weightNorm, "--covariance", covariance != null);
    excludes("--weight-norm", weightNorm, "--level", level.isGiven());
    if (weightNorm && units.eps() != null) {
      throw new UsageException(
          "--weight-norm and --eps: expected one of the two, found both",
          "weight normalization divides by the norm alone");
    }
    needs("--mean", mean != null, "--covariance S", covariance != null);
    needs("--dy", dy != null, "--input INPUT", input != null);
    if (weightNorm && input != null) {
      needs("--input", true, "--dy DY (weight normalization has no use for data)", dy != null);
    }
    String found = axes.found() != null ? axes.found() : format.found();
    needs(String.valueOf(found), found != null, "--input INPUT", input != null);
    excludes("--weight-norm", weightNorm, "--variance", variance != null);
    needs("--dweights", dweights != null, "--dy DY", dy != null);
    needs("--dgamma", dgamma != null, "--dy DY", dy != null);
    needs("--dbeta", dbeta != null, "--dy DY", dy != null);
    output.checkSeveral(isApart(), FILES);
  }

  private static void excludes(String option, boolean isGiven, String other, boolean otherIsGiven) {
    if (isGiven && otherIsGiven) {
      throw new UsageException(option + " and " + other + ": expected one of the two, found both");
    }
  }

  private static void needs(String option, boolean isGiven, String other, boolean otherIsGiven) {
    if (isGiven && !otherIsGiven) {
      throw new UsageException(option + ": expected " + other + " beside it, found none");
    }
  }

  private @Nullable DType dtype() {
    return dtype == null ? null : Choice.of("--dtype", dtype, DType.values());
  }

  private boolean isApart() {
    return reparamWeights != null
        || reparamBias != null
        || variance != null
        || dweights != null
        || dgamma != null
        || dbeta != null;
  }

  private Result result(InputFiles inputs, Reparameterization norm, Weights w, DType cells) {
    boolean isFast = norm.level() == Level.FAST;
    if (covariance != null) {
      CovarianceFile file = CovarianceFile.read(inputs, covariance, mean, format.text());
      Covariance s = file.covariance();
      w.requireRows(
          new Channels(s.columns(), "columns of " + file.name() + ", " + s.columns() + " in all"));
      boolean isBounded = isFast || s.level() == Level.FAST;
      return new Result(w, norm.weights(w.batch(), s), null, isBounded);
    }
    if (input == null) {
      return new Result(w, norm.weightNorm(w.batch()), null, false);
    }
    Axes layout = axes.axes();
    InputFiles.Input xInput = inputs.rows(input, format, layout, cells, narrow.narrow());
    Source x = xInput.source();
    w.requireRows(Weights.columnsOf(x));
    Source gradient = dy == null ? null : outputGradient(inputs, dy, w, xInput);
    if (weightNorm) {
      WeightGradients gradients =
          gradient == null ? null : norm.weightNormGradients(gradient, x, w.batch());
      return new Result(w, norm.weightNorm(w.batch()), gradients, false);
    }
    WeightGradients gradients = gradient == null ? null : norm.gradients(gradient, x, w.batch());
    if (isFast) {
      Covariance.warnings(x.shape().view().outer())
          .forEach(line -> session.warn(x.name() + ": " + line));
      return new Result(w, norm.weights(w.batch(), x), gradients, true);
    }
    Covariance s = norm.covariance(x);
    s.warnings().forEach(line -> session.warn(x.name() + ": " + line));
    return new Result(w, norm.weights(w.batch(), s), gradients, false);
  }

  /** The gradient belongs to INPUT row by row, so its empty cells are those of INPUT. */
  private Source outputGradient(
      InputFiles inputs, String argument, Weights w, InputFiles.Input xInput) {
    InputFiles.Input input =
        inputs.array(
            "--dy",
            argument,
            format.text().ofOtherColumns(),
            axes.axes(),
            DType.F64,
            narrow.narrow(),
            "dy");
    CsvTable table = input.table();
    CsvTable xTable = xInput.table();
    if (table != null && xTable != null) {
      InputFiles.requireSameRows(table, xTable);
    }
    w.requireOutputGradient(input.source(), xInput.source());
    return input.source();
  }

  private void talk(Reparameterized result, Reparameterization norm) {
    double[] sizes = result.weights().values().toDoubles();
    double[] bounds = result.weightsBound();
    double largest = 0;
    for (int i = 0; i < sizes.length; i++) {
      largest = Math.max(largest, sizes[i] == 0 ? 0 : bounds[i] / Math.abs(sizes[i]));
    }
    double ofBias = Arrays.stream(result.biasBound()).max().orElse(0);
    if (!weightNorm) {
      session.talk("level " + norm.level().label() + ": " + norm.description());
    }
    session.talk(
        weights
            + ": "
            + result.road()
            + "; weights within "
            + Numbers.brief(largest)
            + " of their size, bias within "
            + Numbers.brief(ofBias));
  }

  private void write(Result result, OutputFiles outputs) {
    Reparameterized r = result.layer;
    Batch w = r.weights();
    long[] sizes = w.shape().sizes();
    long k = result.w.units();
    NpzWriter npz = outputs.npz("-o", output.target());
    fill(outputs, npz, "weights", w.values(), sizes);
    fill(outputs, npz, "bias", r.bias(), k);
    if (!weightNorm) {
      outputs.write(npz, "variance", r.q(), k);
    }
    if (result.isBounded) {
      outputs.write(npz, "weights_bound", r.weightsBound(), sizes);
      outputs.write(npz, "bias_bound", r.biasBound(), k);
    }
    WeightGradients g = result.gradients;
    if (g != null) {
      fill(outputs, npz, "dweights", g.dweights().values(), sizes);
      fill(outputs, npz, "dgamma", g.dgamma(), k);
      fill(outputs, npz, "dbeta", g.dbeta(), k);
      outputs.write(npz, "dweights_bound", g.weightsBound(), sizes);
      outputs.write(npz, "dgamma_bound", g.gammaBound(), k);
    }
  }

  private static void fill(
      OutputFiles outputs, NpzWriter npz, String name, Values values, long... sizes) {
    OutputFiles.fill(outputs.member(npz, name, values.type(), sizes), values.toDoubles());
  }

  private void writeApart(Result result, OutputFiles outputs) {
    Reparameterized r = result.layer;
    long[] sizes = r.weights().shape().sizes();
    long k = result.w.units();
    Values q = Values.of(r.q());
    fill(
        outputs,
        result,
        "--reparam-weights",
        reparamWeights,
        "weights",
        r.weights().values(),
        sizes);
    fill(outputs, result, "--reparam-bias", reparamBias, "bias", r.bias(), k);
    fill(outputs, result, "--variance", variance, "variance", q, k);
    WeightGradients g = result.gradients;
    if (g != null) {
      fill(outputs, result, "--dweights", dweights, "dweights", g.dweights().values(), sizes);
      fill(outputs, result, "--dgamma", dgamma, "dgamma", g.dgamma(), k);
      fill(outputs, result, "--dbeta", dbeta, "dbeta", g.dbeta(), k);
    }
  }

  private void fill(
      OutputFiles outputs,
      Result result,
      String option,
      @Nullable String target,
      String name,
      Values values,
      long... sizes) {
    if (target != null) {
      boolean repeats = name.endsWith("weights");
      OutputFiles.fill(
          outputs.array(
              option, target, output, result.w.input(), repeats, name, values.type(), sizes),
          values.toDoubles());
    }
  }
}
