package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.format.Wording;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code inspect}: what a file holds, and how hard its channels are to normalise. */
@Command(
    name = "inspect",
    sortOptions = false,
    description = {
      "Show what a file holds: format, type, shape, digest; of each channel the range of its finite values, how many are "
          + "NaN or infinite, the mean, |mean|/std, and how many digits other kernels lose, of 7.2 that f32 has for f16 "
          + "and f32, else of 15.9 in f64: of the variance one-pass (E[x²] − mean²), log10(1 + mean²/variance); of "
          + "normalised values two-pass, half as many; and where x is rounded to bf16. Nothing here depends on them. Of "
          + "more than 64 channels the 16 with the largest |mean|/std are shown.",
      "",
      "Flags: not finite; constant; negative variance, or variance below -eps, where a one-pass f32 kernel can compute "
          + "one even if each of its sums is rounded only once; one-pass, two-pass or bf16 loses all digits; eps dominates "
          + "(variance < eps); f32 overflow of values or sums of squares; f16 overflow of values (beyond 65504), else of "
          + "squares, else of sums; f16 underflow of variance (below 2^-24). The last line counts them.",
      "",
      "Of an NPZ all members are shown. One that cannot be read hides no other: it is listed with the reason, and the "
          + "exit code is 3."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm inspect x.csv",
      "  batchnorm inspect images.npy --layout NHWC",
      "  batchnorm inspect activations.npy --eps 1e-3",
      "  batchnorm inspect s.npz --json",
      "",
      "--json prints {\"file\", \"format\", \"bytes\", \"arrays\": [{\"name\", \"dtype\", \"shape\", \"sha256\", and of "
          + "NPY and NPZ \"descriptor\", \"fortran_order\", of CSV \"delimiter\", \"header\": true|false, \"fields\", "
          + "\"rows_skipped\", of a single value \"value\", of channels \"channel_axis\", \"rounded\" (how many 64-bit "
          + "integers are no f64), \"channels\": [{\"channel\", if it has one \"name\", \"count\", if a value is "
          + "finite \"min\", \"max\", \"nan\", \"positive_infinity\", \"negative_infinity\", \"mean\", "
          + "\"variance\", \"constant\": true|false, \"mean_over_std\", \"digits_lost\" (one-pass), \"loses_all\": "
          + "true|false (one-pass), \"condition\" (√(1 + mean²/variance)), \"digits_lost_two_pass\", "
          + "\"digits_lost_bf16\", \"least_variance\": what a one-pass f32 kernel can compute for it, {\"rounded_once\": "
          + "each sum rounded once, \"one_by_one\": after every addition}, \"flags\": as above, [\"not_finite\", "
          + "\"constant\", \"negative_variance\", \"variance_below_eps\", \"one_pass_loses_all\", "
          + "\"two_pass_loses_all\", \"bf16_loses_all\", \"eps_dominates\", \"f32_overflow\", \"f16_overflow\", "
          + "\"f16_overflow_of_squares\", \"f16_overflow_of_sums\", \"f16_underflow_of_variance\"]}], \"digits\" that "
          + "can be lost, \"eps\", \"in_danger\" (how many channels have a flag)}]}. An NPZ of statistics or exact sums also has \"holds\". An array that cannot be read has "
          + "only \"name\" and \"error\"."
    })
final class InspectCommand implements Callable<Integer> {
  private static final String STATE = "state";

  private final Session session;

  @Parameters(
      paramLabel = "FILE",
      description =
          "A CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input. Arrays of any real type and rank.")
  private String file = "";

  @Option(
      names = "--eps",
      paramLabel = "E",
      defaultValue = "1e-5",
      description =
          "The eps by which variances are judged too small, and negative ones harmful. Default: ${DEFAULT-VALUE}.")
  private String eps = "1e-5";

  @Option(names = "--json", description = "Print it as JSON, with all channels.")
  private boolean json;

  @Mixin private FormatOptions format = new FormatOptions();
  @Mixin private AxisOptions axes = new AxisOptions();
  @Mixin private EngineOptions engineOptions = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  InspectCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    axes.check();
    format.check();
    format.text().requireNoGaps("inspect");
    double judgedBy = Numbers.eps(eps);
    Engine engine = engineOptions.engine(session);
    try (InputFiles inputs = new InputFiles(session)) {
      Inspection inspection = inspect(inputs.contents(file, format, DType.F64), judgedBy, engine);
      session.print(json ? InspectionJson.of(inspection) : InspectionText.of(inspection));
      refuse(inspection);
      return ExitCode.OK;
    }
  }

  private Inspection inspect(InputFiles.Contents contents, double judgedBy, Engine engine) {
    List<Inspection.Part> parts = new ArrayList<>();
    List<String> members = contents.members();
    if (members == null) {
      InputFiles.Stored stored = contents.only();
      ArraySummary summary = ArraySummary.of(stored.array(), axes.axes(), judgedBy, engine);
      parts.add(Inspection.Part.of(stored, summary));
    } else {
      // What a state holds are pieces of integers: no channel's range or mean tells anything.
      Axes ofMembers = members.contains(STATE) ? null : axes.axes();
      for (String member : members) {
        parts.add(part(contents, member, ofMembers, judgedBy, engine));
      }
    }
    return new Inspection(
        contents.name(),
        contents.format(),
        contents.bytes(),
        members != null,
        members == null ? null : holds(contents, members, engine),
        parts);
  }

  private static Inspection.Part part(
      InputFiles.Contents contents,
      String member,
      @Nullable Axes axes,
      double judgedBy,
      Engine engine) {
    try {
      InputFiles.Stored stored = contents.member(member);
      return Inspection.Part.of(stored, ArraySummary.of(stored.array(), axes, judgedBy, engine));
    } catch (InputException e) {
      return new Inspection.Part(contents.name() + ":" + member, null, e);
    }
  }

  private static @Nullable String holds(
      InputFiles.Contents contents, List<String> members, Engine engine) {
    if (members.contains(STATE)) {
      return "exact sums" + extent(contents, members, engine);
    }
    boolean batch = members.contains("mean") && members.contains("variance");
    boolean running = members.contains("running_mean");
    if (batch && running) {
      return "statistics of a batch and running statistics";
    }
    return batch ? "statistics of a batch" : running ? "running statistics" : null;
  }

  /** Of how many channels and values a state is, where its counts tell. */
  private static String extent(InputFiles.Contents contents, List<String> members, Engine engine) {
    if (!members.contains("count")) {
      return "";
    }
    try {
      StoredArray counts = contents.member("count").array();
      ArraySummary.Channels all =
          ArraySummary.of(counts, Axes.channelAxis(0), 0, engine).channels();
      if (all == null || counts.sizes().length != 1 || counts.count() == 0) {
        return "";
      }
      String least = String.valueOf(all.ranges().min(0));
      String most = String.valueOf(all.ranges().max(0));
      return " of "
          + InspectionText.count(counts.count(), "channel")
          + ", "
          + (least.equals(most) ? least : least + " to " + most)
          + (most.equals("1") ? " value each" : " values each");
    } catch (InputException e) {
      return ""; // the reason stands among the members
    }
  }

  private static void refuse(Inspection inspection) {
    List<String> refused =
        inspection.parts().stream()
            .filter(part -> part.refusal() != null)
            .map(Inspection.Part::name)
            .toList();
    if (!refused.isEmpty()) {
      throw new InputException(
          inspection.name()
              + ": expected to read "
              + InspectionText.count(inspection.parts().size(), "member")
              + ", found "
              + refused.size()
              + " that cannot be read or do not fit the options: "
              + Wording.some(refused),
          "file.npz:member inspects one");
    }
  }
}
