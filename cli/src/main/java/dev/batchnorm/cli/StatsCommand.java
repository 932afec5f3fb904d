package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.InputException;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.StateFile;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.npz.NpzWriter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code stats}: F1, F2 and the unbiased variance of F6, of several files as of one. */
@Command(
    name = "stats",
    sortOptions = false,
    description = {
      "The count, mean, biased and unbiased variance of each channel, of all INPUTs together: each rounded once from exact "
          + "sums, so that order, grouping and split change no bit. An INPUT may also be a state that --save wrote, which "
          + "holds the exact sums of the data behind it. The table is CSV unless -o or --to says otherwise."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm stats x.csv --exclude species",
      "  batchnorm stats shard1.npy --save state1.npz",
      "  batchnorm stats state1.npz state2.npz shard3.npy -o table.csv --save all.npz",
      "  batchnorm stats shard*.npy --each --json",
      "",
      "--save writes exact sums to be merged later, and mean and variance for infer --running.",
      "--json prints [{\"inputs\": [NAME, …], \"channels\": [{\"channel\": INDEX, \"name\" of a CSV column, \"count\", "
          + "\"mean\", \"variance\", \"unbiased_variance\"}]}]: one element, or with --each one an INPUT."
    })
final class StatsCommand implements Callable<Integer> {
  private final Session session;

  @Parameters(
      paramLabel = "INPUT",
      arity = "1..*",
      description =
          "Batches and states: CSV, TSV, NPY or NPZ files, file.npz:member, or - for standard input.")
  private List<String> inputs = new ArrayList<>();

  @Option(names = "--each", description = "The statistics of each INPUT instead of all together.")
  private boolean each;

  @Option(
      names = "--save",
      paramLabel = "STATE.npz",
      description = "Also write the exact sums of all INPUTs, to be merged with others later.")
  private @Nullable String save;

  @Option(
      names = "--json",
      description = "Print the table as JSON; without -o nothing else is written.")
  private boolean json;

  @Mixin private OutputOptions output = new OutputOptions();
  @Mixin private FormatOptions format = new FormatOptions();
  @Mixin private AxisOptions axes = new AxisOptions();
  @Mixin private NarrowOptions narrow = new NarrowOptions();
  @Mixin private EngineOptions engine = new EngineOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  /** The exact sums of one input, and what its channels are called. */
  private record Part(
      String input, FileFormat format, String description, ExactSums sums, List<String> names) {}

  /** The rows of a table that belong together. */
  private record Group(
      List<String> inputs, List<String> names, Statistics statistics, double[] unbiased) {}

  StatsCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    check();
    BatchNorm norm = BatchNorm.builder().engine(engine.engine(session)).build();
    List<Group> groups = new ArrayList<>();
    List<String> names = new ArrayList<>();
    Set<FileFormat> formats = EnumSet.noneOf(FileFormat.class);
    Part all = null;
    try (InputFiles standardInput = new InputFiles(session)) {
      for (String input : inputs) {
        Part part = read(norm, input, standardInput);
        names.add(part.input());
        formats.add(part.format());
        if (each) {
          groups.add(group(norm, List.of(part.input()), part));
        } else {
          all = all == null ? part : merged(all, part);
        }
      }
    }
    if (all != null) {
      groups.add(group(norm, names, all));
    }
    if (!formats.contains(FileFormat.CSV) && !formats.contains(FileFormat.TSV)) {
      format.text().refuse(names.get(0), formats.iterator().next());
    }
    try (OutputFiles outputs = new OutputFiles(session, output)) {
      if (!json || !output.target().equals(OutputOptions.STANDARD_OUTPUT)) {
        writeTable(outputs, groups);
      } else {
        digest(outputs, groups);
      }
      if (save != null && all != null) {
        NpzWriter npz = outputs.npz("--save", save);
        StateFile.write(npz, all.sums(), groups.get(0).statistics());
      }
      if (json) {
        session.print(JsonText.of(generator -> writeJson(generator, groups)));
      }
      outputs.finish();
    }
    return ExitCode.OK;
  }

  private void check() {
    format.check();
    axes.check();
    output.check();
    if (Collections.frequency(inputs, InputFiles.STANDARD_INPUT) > 1) {
      throw new UsageException("INPUT: expected standard input once, found it twice");
    }
    if (each && save != null) {
      throw new UsageException(
          "--each and --save: expected one of the two, found both",
          "a state holds the sums of all INPUTs together");
    }
    if (save != null && FileFormat.ofExtension(save) != FileFormat.NPZ) {
      throw new UsageException("--save: expected a name ending in .npz, found " + save);
    }
    FileFormat to = output.format("-o", output.target());
    if (json && to != null && output.target().equals(OutputOptions.STANDARD_OUTPUT)) {
      throw new UsageException(
          "--to: expected -o FILE beside it (standard output takes the JSON), found none");
    }
    if (to == FileFormat.NPY) {
      throw new UsageException(
          (output.isGiven() ? "-o" : "--to") + ": expected CSV, TSV or NPZ for a table, found npy");
    }
  }

  /** Files are opened one after the other: there may be more of them than a process may open. */
  private Part read(BatchNorm norm, String input, InputFiles standardInput) {
    if (InputFiles.isStandardInput(input)) {
      return read(norm, standardInput, input);
    }
    try (InputFiles files = new InputFiles(session)) {
      return read(norm, files, input);
    }
  }

  private Part read(BatchNorm norm, InputFiles files, String input) {
    ExactSums state = files.state(input, format);
    if (state != null) {
      String name = InputFiles.isStandardInput(input) ? "standard input" : input;
      session.talk(name + ": a state of " + state.channels() + " channels");
      return new Part(name, FileFormat.NPZ, state.channels() + " channels", state, List.of());
    }
    InputFiles.Input x =
        files.batch(InputFiles.INPUT, input, format, axes.axes(), DType.F64, narrow.narrow(), "x");
    Source source = x.source();
    session.talk(source.name() + ": " + source.shape() + " " + source.type().label());
    return new Part(
        source.name(), x.format(), "shape " + source.shape(), norm.sums(source), x.channelNames());
  }

  private static Part merged(Part all, Part part) {
    if (all.sums().channels() != part.sums().channels()) {
      throw new InputException(
          part.input()
              + ": expected "
              + all.sums().channels()
              + " channels ("
              + all.input()
              + ", "
              + all.description()
              + "), found "
              + part.sums().channels()
              + " ("
              + part.description()
              + ")");
    }
    if (!all.names().isEmpty() && !part.names().isEmpty() && !all.names().equals(part.names())) {
      throw new InputException(
          part.input()
              + ": expected the columns "
              + Wording.some(all.names())
              + " ("
              + all.input()
              + "), found "
              + Wording.some(part.names()));
    }
    try {
      ExactSums sums = ExactSums.merged(all.sums(), part.sums());
      List<String> names = all.names().isEmpty() ? part.names() : all.names();
      return new Part(all.input(), all.format(), all.description(), sums, names);
    } catch (IllegalArgumentException e) {
      throw new InputException(part.input() + ": " + e.getMessage(), null, e);
    }
  }

  private Group group(BatchNorm norm, List<String> inputs, Part part) {
    Statistics statistics = norm.statistics(part.sums());
    String where = inputs.size() == 1 ? part.input() : inputs.size() + " inputs";
    long empty = Arrays.stream(statistics.count()).filter(m -> m == 0).count();
    if (empty > 0 && empty == statistics.channels()) {
      session.warn(where + ": no values: the statistics are NaN");
    } else if (empty > 0) {
      session.warn(where + ": no values in " + empty + " channels: their statistics are NaN");
    }
    return new Group(inputs, part.names(), statistics, norm.unbiasedVariance(part.sums()));
  }

  private void writeTable(OutputFiles outputs, List<Group> groups) {
    FileFormat named = output.format("-o", output.target());
    if (named == FileFormat.NPZ) {
      writeNpz(outputs.npz("-o", output.target()), outputs, groups);
    } else {
      FileFormat to = named == null ? FileFormat.CSV : named;
      outputs.text("-o", output.target(), to, table(to == FileFormat.TSV ? '\t' : ',', groups));
      digest(outputs, groups);
    }
  }

  private void digest(OutputFiles outputs, List<Group> groups) {
    for (Group group : groups) {
      long channels = group.statistics().channels();
      String prefix = each ? group.inputs().get(0) + ":" : "";
      outputs.digest(prefix + "count", group.statistics().count(), channels);
      outputs.digest(prefix + "mean", group.statistics().mean(), channels);
      outputs.digest(prefix + "variance", group.statistics().variance(), channels);
      outputs.digest(prefix + "unbiased_variance", group.unbiased(), channels);
    }
  }

  private void writeNpz(NpzWriter npz, OutputFiles outputs, List<Group> groups) {
    int channels = groups.get(0).statistics().channels();
    for (int i = 0; i < groups.size(); i++) {
      if (groups.get(i).statistics().channels() != channels) {
        throw new InputException(
            groups.get(i).inputs().get(0)
                + ": expected "
                + channels
                + " channels ("
                + groups.get(0).inputs().get(0)
                + "), found "
                + groups.get(i).statistics().channels(),
            "--to csv writes tables of several sizes");
      }
    }
    long[] sizes = each ? new long[] {groups.size(), channels} : new long[] {channels};
    int values = Math.multiplyExact(groups.size(), channels);
    long[] count = new long[values];
    double[][] columns = new double[3][values];
    for (int i = 0; i < groups.size(); i++) {
      Group group = groups.get(i);
      System.arraycopy(group.statistics().count(), 0, count, i * channels, channels);
      System.arraycopy(group.statistics().mean(), 0, columns[0], i * channels, channels);
      System.arraycopy(group.statistics().variance(), 0, columns[1], i * channels, channels);
      System.arraycopy(group.unbiased(), 0, columns[2], i * channels, channels);
    }
    outputs.write(npz, "count", count, sizes);
    outputs.write(npz, "mean", columns[0], sizes);
    outputs.write(npz, "variance", columns[1], sizes);
    outputs.write(npz, "unbiased_variance", columns[2], sizes);
  }

  private String table(char delimiter, List<Group> groups) {
    StringBuilder out = new StringBuilder();
    List<String> header = List.of("channel", "count", "mean", "variance", "unbiased_variance");
    out.append(each ? "input" + delimiter : "");
    out.append(String.join(String.valueOf(delimiter), header)).append('\n');
    for (Group group : groups) {
      Statistics s = group.statistics();
      for (int c = 0; c < s.channels(); c++) {
        if (each) {
          out.append(cell(group.inputs().get(0), delimiter)).append(delimiter);
        }
        out.append(group.names().isEmpty() ? "" + c : cell(group.names().get(c), delimiter));
        out.append(delimiter).append(s.count()[c]);
        for (double value : new double[] {s.mean()[c], s.variance()[c], group.unbiased()[c]}) {
          out.append(delimiter).append(Decimals.text(value));
        }
        out.append('\n');
      }
    }
    return out.toString();
  }

  /** A cell by RFC 4180: in quotes where it would be cut otherwise. */
  private static String cell(String text, char delimiter) {
    boolean plain = text.chars().noneMatch(c -> c == delimiter || "\"\r\n".indexOf(c) >= 0);
    return plain ? text : '"' + text.replace("\"", "\"\"") + '"';
  }

  private static void writeJson(JsonGenerator generator, List<Group> groups) throws IOException {
    generator.writeStartArray();
    for (Group group : groups) {
      generator.writeStartObject();
      generator.writeArrayFieldStart("inputs");
      for (String input : group.inputs()) {
        generator.writeString(input);
      }
      generator.writeEndArray();
      generator.writeArrayFieldStart("channels");
      Statistics s = group.statistics();
      for (int c = 0; c < s.channels(); c++) {
        generator.writeStartObject();
        generator.writeNumberField("channel", c);
        if (!group.names().isEmpty()) {
          generator.writeStringField("name", group.names().get(c));
        }
        generator.writeNumberField("count", s.count()[c]);
        JsonText.number(generator, "mean", s.mean()[c]);
        JsonText.number(generator, "variance", s.variance()[c]);
        JsonText.number(generator, "unbiased_variance", group.unbiased()[c]);
        generator.writeEndObject();
      }
      generator.writeEndArray();
      generator.writeEndObject();
    }
    generator.writeEndArray();
  }
}
