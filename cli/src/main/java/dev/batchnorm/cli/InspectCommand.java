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
          + "NaN or infinite, the mean, |mean|/std, and the digits of the variance that a one-pass float kernel "
          + "(E[x²] − mean²) loses, log10(1 + mean²/variance), marked (all) if it has no more: 7.2 in f32 for f16 and "
          + "f32, else 15.9 in f64. Of more than 64 channels the 16 with the largest |mean|/std are shown.",
      "Of an NPZ all members are shown. One that cannot be read hides no other: it is listed with the reason, and the "
          + "exit code is 3."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm inspect x.csv",
      "  batchnorm inspect images.npy --layout NHWC",
      "  batchnorm inspect s.npz --json",
      "",
      "--json prints {\"file\", \"format\", \"bytes\", \"arrays\": [{\"name\", \"dtype\", \"shape\", \"sha256\", and of "
          + "NPY and NPZ \"descriptor\", \"fortran_order\", of CSV \"delimiter\", \"header\": true|false, \"fields\", "
          + "\"rows_skipped\", of a single value \"value\", of channels \"channel_axis\", \"rounded\" (how many 64-bit "
          + "integers are no f64), \"channels\": [{\"channel\", if it has one \"name\", \"count\", if a value is "
          + "finite \"min\", \"max\", \"nan\", \"positive_infinity\", \"negative_infinity\", \"mean\", "
          + "\"variance\", \"constant\": true|false, \"mean_over_std\", \"digits_lost\", \"loses_all\": "
          + "true|false}]}]}. An NPZ of statistics or exact sums also has \"holds\". An array that cannot be read has "
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
    Engine engine = engineOptions.engine(session);
    try (InputFiles inputs = new InputFiles(session)) {
      Inspection inspection = inspect(inputs.contents(file, format, DType.F64), engine);
      session.print(json ? InspectionJson.of(inspection) : InspectionText.of(inspection));
      refuse(inspection);
      return ExitCode.OK;
    }
  }

  private Inspection inspect(InputFiles.Contents contents, Engine engine) {
    List<Inspection.Part> parts = new ArrayList<>();
    List<String> members = contents.members();
    if (members == null) {
      InputFiles.Stored stored = contents.only();
      ArraySummary summary = ArraySummary.of(stored.array(), axes.axes(), engine);
      parts.add(Inspection.Part.of(stored, summary));
    } else {
      // What a state holds are pieces of integers: no channel's range or mean tells anything.
      Axes ofMembers = members.contains(STATE) ? null : axes.axes();
      for (String member : members) {
        parts.add(part(contents, member, ofMembers, engine));
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
      InputFiles.Contents contents, String member, @Nullable Axes axes, Engine engine) {
    try {
      InputFiles.Stored stored = contents.member(member);
      return Inspection.Part.of(stored, ArraySummary.of(stored.array(), axes, engine));
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
      ArraySummary.Channels all = ArraySummary.of(counts, Axes.channelAxis(0), engine).channels();
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
