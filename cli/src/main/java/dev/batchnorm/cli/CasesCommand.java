package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.verify.ExactCase;
import dev.batchnorm.verify.ExactCase.Answer;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code cases}: input files whose answers are exact in any order. */
@Command(
    name = "cases",
    sortOptions = false,
    description = {
      "Write a batch and what batch normalization makes of it, for testing another implementation to the bit: x, dy, "
          + "gamma, beta and running statistics, chosen so that every sum is exact in any order, in plain arithmetic of "
          + "one type, and so are the answers. DIR is plain NPY files with a README and a manifest.json.",
      "",
      "The eps to test with is chosen too: with it V + eps is a power of 4. With another one, named by --eps, only sums, "
          + "means and variances are exact, and the other answers are correctly rounded ones."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm cases --shape 8,64,7,7 --layout NCHW --dtype f32 --seed 1 -o exact",
      "  batchnorm cases --shape 32,56,56,16 --layout NHWC --dtype f16 --arithmetic f32 -o exact16",
      "  batchnorm cases --shape 256,64 --dtype f64 --eps 1e-5 -o rounded",
      "",
      "manifest.json is {\"format\": \"batchnorm exact case\", \"version\": 1, \"shape\", \"channel_axis\", "
          + "\"values_per_channel\", \"dtype\", \"arithmetic\" (the smallest type in which sums are exact), \"seed\", "
          + "\"eps\", \"momentum\" (the weight of the new batch), \"running_variance\": \"unbiased\"|\"biased\", "
          + "\"also_exact\": {\"reciprocal_of_count\", \"dx_scaled_by_count\"}, \"files\": [{\"file\", \"role\": "
          + "\"input\"|\"expected\", \"dtype\", \"shape\", \"equation\" and \"exactness\" if expected, \"digest\" (of "
          + "the array, as --digest), \"sha256\" (of the file's bytes)}], \"command\"}; of running.npz \"members\" "
          + "stand in the place of type and shape."
    })
final class CasesCommand implements Callable<Integer> {
  private final Session session;

  @Option(
      names = "--shape",
      paramLabel = "N,C,…",
      required = true,
      description = "The sizes of the axes of x, from the first axis on: 8,64,7,7.")
  private String shape = "";

  @Mixin private AxisOptions axes = new AxisOptions();

  @Option(
      names = "--dtype",
      paramLabel = "f16|f32|f64",
      description = "The type of x, dy, y and dx. Default: f32.")
  private String dtype = "f32";

  @Option(
      names = "--arithmetic",
      paramLabel = "f16|f32|f64",
      description =
          "The type whose arithmetic, and that of larger types, gives the answers. Default: that of --dtype. f16 has "
              + "room for 591 values a channel, f32 for 4843160.")
  private @Nullable String arithmetic;

  @Option(
      names = "--seed",
      paramLabel = "S",
      defaultValue = "1",
      description =
          "The seed of the values: the same one gives the same files everywhere. Default: 1.")
  private long seed = 1;

  @Option(
      names = "--eps",
      paramLabel = "E",
      description = "An eps of yours, with which answers round. Default: the one that is exact.")
  private @Nullable String eps;

  @Option(
      names = "--biased",
      description =
          "The running variance takes the biased variance, as in ONNX, Keras, Flax and MXNet, and is exact too. "
              + "Default: the unbiased one, as in PyTorch, which rounds.")
  private boolean biased;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "DIR",
      required = true,
      description = "The directory to write, new or empty; appears complete or not at all.")
  private String output = "";

  @Mixin private EngineOptions engineOptions = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  CasesCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    axes.check();
    Shape sizes = shape();
    DType type = Choice.of("--dtype", dtype, DType.values());
    DType sums = arithmetic == null ? type : Choice.of("--arithmetic", arithmetic, DType.values());
    Double typed = eps == null ? null : Numbers.eps(eps);
    engineOptions.check();
    Path directory = directory();
    try (CasesDirectory target = CasesDirectory.begin(session, directory)) {
      ExactCase exact = exact(sizes, type, sums);
      List<Answer> answers = answers(exact, typed);
      target.write(exact, typed == null ? exact.eps() : typed, biased, answers, command(exact));
      target.commit();
      talk(exact, typed);
    }
    return ExitCode.OK;
  }

  private Shape shape() {
    if (!shape.matches("[0-9]{1,18}(,[0-9]{1,18})*")) {
      throw new UsageException("--shape: expected sizes such as 8,64,7,7, found \"" + shape + "\"");
    }
    long[] sizes = Arrays.stream(shape.split(",")).mapToLong(Long::parseLong).toArray();
    return asked(() -> axes.axes().shape(sizes), null);
  }

  private Path directory() {
    if (output.isEmpty()) {
      throw new UsageException("-o: expected a directory, found an empty name");
    }
    if (output.equals(OutputOptions.STANDARD_OUTPUT)) {
      throw new UsageException("-o: expected a directory, found standard output");
    }
    try {
      return Path.of(output);
    } catch (InvalidPathException e) {
      throw new UsageException("-o: expected a path, found " + e.getReason());
    }
  }

  private ExactCase exact(Shape sizes, DType type, DType sums) {
    if (sizes.channels() == 0) {
      throw new UsageException("--shape: expected at least 1 channel, found shape " + sizes);
    }
    boolean fits = sizes.view().valuesPerChannel() <= ExactCase.mostValues(sums);
    String hint =
        fits || sums == DType.F64
            ? null
            : "--arithmetic " + (sums == DType.F16 ? "f32" : "f64") + " has room for more";
    return asked(() -> ExactCase.of(sizes, type, sums, seed), hint);
  }

  private List<Answer> answers(ExactCase exact, @Nullable Double typed) {
    String hint = "--biased takes the biased variance";
    if (typed == null) {
      return asked(() -> exact.answers(biased), hint);
    }
    Engine engine = engineOptions.engine(session);
    return asked(() -> exact.answers(typed, biased, engine), hint);
  }

  /** What may be made. */
  private interface Made<T> {
    T get();
  }

  /** What refuses begins with what an option is called. */
  private static <T> T asked(Made<T> made, @Nullable String hint) {
    try {
      return made.get();
    } catch (IllegalArgumentException e) {
      String message = "" + e.getMessage();
      String named =
          message.replaceFirst("^channel axis", "channel-axis").replaceFirst("^view", "shape");
      throw new UsageException("--" + named, hint);
    }
  }

  /** The command line that gives the same files, wherever they are to be. */
  private String command(ExactCase exact) {
    return "batchnorm cases --shape "
        + shape
        + " --channel-axis "
        + exact.shape().channelAxis()
        + " --dtype "
        + exact.type().label()
        + " --arithmetic "
        + exact.arithmetic().label()
        + " --seed "
        + seed
        + (eps == null ? "" : " --eps " + eps)
        + (biased ? " --biased" : "")
        + " -o DIR";
  }

  private void talk(ExactCase exact, @Nullable Double typed) {
    session.talk(
        exact.shape()
            + " "
            + exact.type().label()
            + ", "
            + exact.shape().view().valuesPerChannel()
            + " values a channel, sums exact in "
            + exact.arithmetic().label()
            + ", eps "
            + Decimals.text(typed == null ? exact.eps() : typed));
    List<ExactCase.Channel> channels = exact.channels();
    for (int c = 0; c < Math.min(channels.size(), 8); c++) {
      ExactCase.Channel channel = channels.get(c);
      session.talk(
          "channel "
              + c
              + ": mean "
              + Decimals.text(channel.mean())
              + ", variance "
              + Decimals.text(channel.variance())
              + ", deviations of "
              + channel.bits()
              + " bits");
    }
  }
}
