package dev.batchnorm.cli;

import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Layer;
import dev.batchnorm.Normalisation;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.format.npz.NpzWriter;
import dev.batchnorm.verify.FoldDifference;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fold}: R6 and R7. */
@Command(
    name = "fold",
    sortOptions = false,
    description = {
      "Fold a batch norm with given statistics into the layer before it: W' = a · W and b' = (b − mean) · a + beta, "
          + "a = gamma/sqrt(variance + eps) of each output channel. The layer with W' and b' gives what batch norm makes "
          + "of the output of the layer with W and b. The bits are those of R6 and R7 in docs/math.md."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm fold --weights w.npy --bias b.npy --running running.npz --gamma 2 -o folded.npz",
      "  batchnorm fold --weights net.npz:conv1.weight --running bn1.npz --gamma bn1.npz -o folded.npz",
      "  batchnorm fold --weights w.npy --layer conv-transpose --groups 4 --running bn.npz -o folded.npz",
      "  batchnorm fold --weights w.csv --running running.csv --folded-weights w2.csv --folded-bias b2.csv",
      "  batchnorm fold --weights w.npy --running running.npz --check x.npy",
      "",
      "The NPZ has the members weights and bias.",
      "--json prints {\"status\": \"PASSED\"|\"FAILED\", \"engine\", \"layer\": \"linear\"|\"conv\"|\"conv-transpose\", "
          + "\"groups\", \"weights\", \"running\", \"input\", \"dtype\", \"shape\", \"count\", \"exceeding\", and where "
          + "there are outputs \"largest\" and \"closest\": {\"index\": [...], \"normalised\", \"folded\", "
          + "\"difference\", \"bound\", \"share\"}, \"command\"}."
    })
final class FoldCommand implements Callable<Integer> {
  private final Session session;

  @Option(
      names = "--weights",
      paramLabel = "W",
      required = true,
      description =
          "The layer's weights: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input; as PyTorch lays "
              + "them out, out × in/groups × kernel, of a transposed convolution in × out/groups × kernel.")
  private String weights = "";

  @Option(
      names = "--bias",
      paramLabel = "B",
      description = "The layer's bias: a file with one value per output channel. Default: 0.")
  private @Nullable String bias;

  @Option(
      names = "--layer",
      paramLabel = "linear|conv|conv-transpose",
      description = "What the layer is. Default: linear if W has 2 axes, conv if it has 3 to 5.")
  private @Nullable String layer;

  @Option(
      names = "--groups",
      paramLabel = "G",
      defaultValue = "1",
      description = "The groups of a convolution. Default: 1.")
  private int groups = 1;

  @Mixin private GivenOptions given = new GivenOptions();
  @Mixin private LayerAffineOptions affine = new LayerAffineOptions();

  @Option(
      names = "--check",
      paramLabel = "X",
      description =
          "Measure on an input of the layer, N × in or N × in × space, how far the folded layer is from the layer and "
              + "batch norm, and whether rounding W' and b' explains it (stride 1, no padding). Exit code 1 if not. "
              + "Nothing is written without -o.")
  private @Nullable String check;

  @Option(names = "--json", description = "Print what --check found as JSON.")
  private boolean json;

  @Option(
      names = "--folded-weights",
      paramLabel = "FILE",
      description = "Write W' to a file of its own, instead of -o.")
  private @Nullable String foldedWeights;

  @Option(
      names = "--folded-bias",
      paramLabel = "FILE",
      description = "Write b' to a file of its own, instead of -o.")
  private @Nullable String foldedBias;

  @Mixin private OutputOptions output = new OutputOptions();

  @Option(
      names = "--dtype",
      paramLabel = "f16|f32|f64",
      description =
          "The type of W' and b'; for CSV also the type that cells of W are rounded to. Default: W's; f64 for CSV and "
              + "integers.")
  private @Nullable String dtype;

  @Mixin private NarrowOptions narrow = new NarrowOptions();
  @Mixin private TextOptions text = new TextOptions();
  @Mixin private EngineOptions engine = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  /** What is folded, and with what. */
  private record Fold(
      BatchNorm norm,
      Layer layer,
      Shape shape,
      InputFiles.Input weights,
      Values bias,
      Statistics statistics,
      DType type) {}

  FoldCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    check();
    BatchNorm.Builder builder = BatchNorm.builder().engine(engine.engine(session));
    try (InputFiles inputs = new InputFiles(session);
        OutputFiles outputs = new OutputFiles(session, output)) {
      Fold fold = open(inputs, builder);
      InputFiles.Input x = check == null ? null : input(inputs, fold);
      if (fold.weights.table() == null && (x == null || x.table() == null)) {
        text.refuse(fold.weights.source().name(), fold.weights.format());
      }
      if (isWritten()) {
        write(fold, outputs);
      }
      FoldDifference difference = x == null ? null : difference(fold, x.source());
      outputs.finish();
      if (difference == null) {
        return ExitCode.OK;
      }
      FoldReport report =
          new FoldReport(
              difference,
              fold.norm.engine(),
              fold.layer,
              fold.weights.source(),
              given.file(),
              String.valueOf(check),
              fold.type);
      session.print(json ? report.json(session.commandLine()) : report.text(session.commandLine()));
      return difference.passed() ? ExitCode.OK : ExitCode.DIFFERENT;
    }
  }

  private void check() {
    dtype();
    text.check();
    text.requireNoGaps("fold");
    given.check();
    if (groups < 1) {
      throw new UsageException("--groups: expected a number ≥ 1, found " + groups);
    }
    if (kind() == Layer.Kind.LINEAR && groups > 1) {
      throw new UsageException(
          "--groups: expected --layer conv or conv-transpose beside it, found linear");
    }
    output.checkSeveral(isApart(), "--folded-weights", "--folded-bias");
    if (json && check == null) {
      throw new UsageException("--json: expected --check beside it, found none");
    }
    if (check != null && isWritten()) {
      checkTarget("-o", isApart() ? null : output.target());
      checkTarget("--folded-weights", foldedWeights);
      checkTarget("--folded-bias", foldedBias);
    }
  }

  private static void checkTarget(String option, @Nullable String target) {
    if (OutputOptions.STANDARD_OUTPUT.equals(target)) {
      throw new UsageException(
          option + ": expected a file, found standard output, where --check reports");
    }
  }

  private boolean isApart() {
    return foldedWeights != null || foldedBias != null;
  }

  private boolean isWritten() {
    return check == null || isApart() || output.isGiven();
  }

  private @Nullable DType dtype() {
    return dtype == null ? null : Choice.of("--dtype", dtype, DType.values());
  }

  private Layer.@Nullable Kind kind() {
    return layer == null ? null : Choice.of("--layer", layer, Layer.Kind.values());
  }

  private Layer layer(long... sizes) {
    Layer.Kind kind = kind();
    if (kind == null && (sizes.length < 2 || sizes.length > 5)) {
      throw new IllegalArgumentException(
          "weights: expected 2 axes (linear) or 3 to 5 (conv), found " + Shape.text(sizes));
    }
    boolean isLinear = sizes.length == 2 && groups == 1;
    return new Layer(kind != null ? kind : isLinear ? Layer.Kind.LINEAR : Layer.Kind.CONV, groups);
  }

  private Fold open(InputFiles inputs, BatchNorm.Builder builder) {
    DType asked = dtype();
    InputFiles.Input w =
        inputs.array(
            "--weights",
            weights,
            text,
            sizes -> layer(sizes).weights(sizes),
            asked == null ? DType.F64 : asked,
            narrow.narrow(),
            "weights",
            "weight");
    Shape shape = w.source().shape();
    Layer chosen = layer(shape.sizes());
    DType type = asked == null ? w.source().type() : asked;
    Channels channels =
        new Channels(
            chosen.outputChannels(shape),
            "outputs of " + w.source().name() + ", " + chosen + ", shape " + shape);
    session.talk(w.source().name() + ": " + chosen + ", shape " + shape + ", to " + type.label());
    double[] b =
        bias == null
            ? new double[channels.count()]
            : inputs.vector("--bias", bias, channels, "bias").values();
    StatisticsFile file = inputs.statistics("--running", given.file());
    BatchNorm norm =
        builder
            .affine(affine.affine(inputs, channels, weights, bias))
            .eps(given.eps(affine.eps(), file))
            .outputType(type)
            .build();
    boolean ofLayer = LayerAffineOptions.isOfLayer(given.file(), weights, bias);
    if (file.hasAffine(ofLayer) && !affine.isGiven()) {
      session.warn(
          file.name()
              + ": its "
              + (ofLayer ? "gamma and beta" : "weight and bias")
              + " are not used; --gamma and --beta may name the file");
    }
    Statistics statistics = given.statistics(session, norm, file, channels);
    statistics.warnings(norm.affine()).forEach(line -> session.warn(file.name() + ": " + line));
    return new Fold(norm, chosen, shape, w, Values.of(b), statistics, type);
  }

  private InputFiles.Input input(InputFiles inputs, Fold fold) {
    return inputs.array(
        "--check",
        String.valueOf(check),
        text,
        sizes -> {
          fold.layer.output(fold.shape, sizes);
          return Shape.withChannelAxis(1, sizes);
        },
        DType.F64,
        narrow.narrow(),
        "x");
  }

  private void write(Fold fold, OutputFiles outputs) {
    Source w = fold.weights.source();
    long[] channels = {fold.bias.count()};
    if (!isApart()) {
      NpzWriter npz = outputs.npz("-o", output.target());
      fold.norm.foldWeights(
          fold.layer,
          w,
          fold.statistics,
          outputs.member(npz, "weights", fold.type, fold.shape.sizes()));
      OutputFiles.fill(outputs.member(npz, "bias", fold.type, channels), folded(fold));
      return;
    }
    if (foldedWeights != null) {
      fold.norm.foldWeights(
          fold.layer,
          w,
          fold.statistics,
          outputs.array(
              "--folded-weights",
              foldedWeights,
              output,
              fold.weights,
              true,
              "weights",
              fold.type,
              fold.shape.sizes()));
    }
    if (foldedBias != null) {
      OutputFiles.fill(
          outputs.array(
              "--folded-bias",
              foldedBias,
              output,
              fold.weights,
              false,
              "bias",
              fold.type,
              channels),
          folded(fold));
    }
  }

  private static double[] folded(Fold fold) {
    return fold.norm.foldBias(fold.bias, fold.statistics, fold.type).toDoubles();
  }

  private static FoldDifference difference(Fold fold, Source x) {
    Batch inMemory = inMemory(fold.weights.source());
    return FoldDifference.measure(
        fold.layer,
        inMemory,
        fold.bias,
        Normalisation.of(fold.statistics, fold.norm.affine()),
        fold.norm.fold(fold.layer, inMemory, fold.bias, fold.statistics),
        x);
  }

  private static Batch inMemory(Source weights) {
    if (weights.shape().count() > Integer.MAX_VALUE) {
      throw new InputException(
          weights.name()
              + ": expected at most 2147483647 weights (--check holds them in memory), found shape "
              + weights.shape());
    }
    return InputFiles.inMemory(weights);
  }
}
