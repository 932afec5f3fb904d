package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.csv.CsvOptions;
import dev.batchnorm.format.csv.CsvTable;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.format.npz.NpzFile;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Statistics read from an NPZ (as {@code --save} writes, or with PyTorch's names) or from a CSV,
 * one row a channel.
 */
final class StatisticsFile {
  private static final List<String> RUNNING_VARIANCE = List.of("running_variance", "running_var");

  /** The column in which {@code stats} names the channels. */
  private static final String CHANNEL = "channel";

  /** What the member begins with that marks the statistics of a plain formula. */
  static final String FORMULA = "formula_";

  private static final List<String> AFFINE = List.of("gamma", "beta");
  private static final List<String> PYTORCH_AFFINE = List.of("weight", "bias");
  private static final List<String> BATCHES = List.of("batches", "num_batches_tracked");

  private final String name;
  private final Map<String, double[]> arrays;
  private final Map<String, DType> types;
  private final List<String> members;
  private final List<String> channels;

  private StatisticsFile(
      String name,
      Map<String, double[]> arrays,
      Map<String, DType> types,
      List<String> members,
      List<String> channels) {
    this.name = name;
    this.arrays = arrays;
    this.types = types;
    this.members = members;
    this.channels = channels;
  }

  static StatisticsFile of(NpzFile npz) {
    Map<String, double[]> arrays = new LinkedHashMap<>();
    Map<String, DType> types = new LinkedHashMap<>();
    for (String member : npz.members()) {
      if (isKnown(member)) {
        NpyArray array = npz.array(member);
        arrays.put(member, array.values());
        types.put(member, array.type().floating());
      }
    }
    return new StatisticsFile(npz.name(), arrays, types, npz.members(), List.of());
  }

  /** Reads the columns of those names; others may hold anything, as the names of channels. */
  static StatisticsFile of(InputBytes in, CsvOptions options) {
    List<String> header = CsvTable.firstRecord(in, options);
    List<String> known = header.stream().filter(StatisticsFile::isKnown).toList();
    int names = header.indexOf(CHANNEL);
    List<String> channels = names < 0 ? List.of() : CsvTable.texts(in, options, names);
    Map<String, double[]> arrays = new LinkedHashMap<>();
    if (!known.isEmpty()) {
      CsvTable table =
          CsvTable.read(
              in,
              options.withHeader(CsvOptions.Header.YES).withColumns(String.join(",", known)),
              DType.F64);
      for (int i = 0; i < table.names().size(); i++) {
        arrays.put(table.names().get(i), table.column(i));
      }
    }
    return new StatisticsFile(in.name(), arrays, Map.of(), List.of(), channels);
  }

  private static boolean isKnown(String array) {
    return List.of("mean", "variance", "running_mean", "eps").contains(array)
        || RUNNING_VARIANCE.contains(array)
        || BATCHES.contains(array);
  }

  String name() {
    return name;
  }

  /** The plain formula and arithmetic that gave the statistics, {@code one_pass_f32}, or null. */
  @Nullable String formula() {
    return members.stream()
        .filter(m -> m.startsWith(FORMULA))
        .map(m -> m.substring(FORMULA.length()))
        .findFirst()
        .orElse(null);
  }

  /** Refuses columns of other names than the table of {@code stats} gives its channels. */
  void requireChannels(InputFiles.Input x) {
    List<String> columns = x.channelNames();
    boolean areNames =
        !channels.isEmpty()
            && !channels.equals(
                IntStream.range(0, channels.size()).mapToObj(Integer::toString).toList());
    if (areNames && !columns.isEmpty() && !channels.equals(columns)) {
      throw new InputException(
          x.source().name()
              + ": expected the columns "
              + Wording.some(channels)
              + " ("
              + name
              + "), found "
              + Wording.some(columns));
    }
  }

  /**
   * Whether γ or β stand beside the statistics, as in a PyTorch layer's state.
   *
   * @param ofLayer whether {@code weight} and {@code bias} are those of another layer
   */
  boolean hasAffine(boolean ofLayer) {
    return members.stream()
        .anyMatch(m -> AFFINE.contains(m) || (!ofLayer && PYTORCH_AFFINE.contains(m)));
  }

  boolean hasRunning() {
    return arrays.containsKey("running_mean");
  }

  /** ε as it was when the file was written, or null. */
  @Nullable Double eps() {
    double[] eps = arrays.get("eps");
    if (eps == null) {
      return null;
    }
    if (eps.length != 1 || !(eps[0] >= 0 && eps[0] < Double.POSITIVE_INFINITY)) {
      throw new InputException(name + ":eps: expected one finite number ≥ 0, found " + text(eps));
    }
    return eps[0];
  }

  private static String text(double[] values) {
    return values.length == 1 ? Decimals.text(values[0]) : values.length + " values";
  }

  /** The running mean and variance for the channels; no batches if the file does not count them. */
  RunningStatistics running(Channels channels, boolean needsBatches) {
    double[] mean = required(channels, List.of("running_mean"));
    double[] variance = required(channels, RUNNING_VARIANCE);
    double[] batches = find(BATCHES);
    if (batches == null) {
      if (needsBatches) {
        throw new InputException(
            name + ": expected batches (how many batches were averaged), found " + found(),
            "--momentum cumulative weighs each new batch by 1/(batches + 1)");
      }
      return new RunningStatistics(mean, variance, 0);
    }
    if (batches.length != 1
        || !(batches[0] >= 0 && batches[0] <= 0x1p53)
        || batches[0] != Math.rint(batches[0])) {
      throw new InputException(name + ":batches: expected one integer ≥ 0, found " + text(batches));
    }
    return new RunningStatistics(mean, variance, (long) batches[0]);
  }

  /** The mean and variance of one batch for the channels. */
  RunningStatistics batch(Channels channels) {
    return new RunningStatistics(
        required(channels, List.of("mean")), required(channels, List.of("variance")), 0);
  }

  /** Values as another program wrote them, whatever their number. */
  record Found(String name, DType type, double[] values) {}

  Found runningMean() {
    return found(List.of("running_mean"));
  }

  Found runningVariance() {
    return found(RUNNING_VARIANCE);
  }

  private Found found(List<String> names) {
    for (String candidate : names) {
      double[] values = arrays.get(candidate);
      if (values != null) {
        DType type = types.getOrDefault(candidate, DType.F64);
        return new Found(name + ":" + candidate, type, values);
      }
    }
    throw new InputException(
        name + ": expected " + String.join(" or ", names) + ", found " + found(),
        "forward --save FILE.npz writes mean and variance, with --running also running_mean and running_variance");
  }

  private double[] required(Channels channels, List<String> names) {
    double[] values = found(names).values();
    channels.check(name + ":" + names.get(0), values.length);
    return values;
  }

  private double @Nullable [] find(List<String> names) {
    for (String candidate : names) {
      if (arrays.containsKey(candidate)) {
        return arrays.get(candidate);
      }
    }
    return null;
  }

  private String found() {
    return arrays.isEmpty() ? "no statistics" : String.join(", ", arrays.keySet());
  }
}
