package dev.batchnorm.golden;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import dev.batchnorm.Convention;
import dev.batchnorm.DType;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.NumberType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * {@code manifest.json}: how the outputs of a case come from its inputs. Whatever {@link #text}
 * does not write, {@link #read} refuses.
 */
record Manifest(GoldenSettings settings, List<GoldenArray> inputs, List<GoldenArray> outputs) {
  static final String FILE = "manifest.json";

  /** A manifest beyond that is none. */
  static final int MOST_BYTES = 1 << 20;

  private static final int VERSION = 1;
  private static final String VERSION_FIELD = "batchnorm_golden";
  private static final List<String> INPUTS =
      List.of(
          "x",
          "dy",
          "gamma",
          "beta",
          "running_mean_before",
          "running_variance_before",
          "batches_before",
          "given_mean",
          "given_variance");
  private static final List<String> OUTPUTS =
      List.of(
          "y",
          "mean",
          "variance",
          "inverse_std",
          "count",
          "running_mean",
          "running_variance",
          "batches",
          "dx",
          "dgamma",
          "dbeta");

  Stream<GoldenArray> arrays() {
    return Stream.concat(inputs.stream(), outputs.stream());
  }

  /** The files of the case, manifest and checksums not among them. */
  List<String> files() {
    return arrays().filter(a -> a.reference() == null).map(GoldenArray::file).toList();
  }

  /** Whether some case has a file of that name. */
  static boolean mayHold(String file) {
    return file.equals(FILE)
        || file.equals(Checksums.FILE)
        || Stream.concat(INPUTS.stream(), OUTPUTS.stream())
            .anyMatch(name -> file.equals(name + ".npy"));
  }

  @Nullable GoldenArray find(String name) {
    return arrays().filter(a -> a.name().equals(name)).findFirst().orElse(null);
  }

  private boolean has(String name) {
    return find(name) != null;
  }

  private List<String> verbs() {
    String first = settings.frozen() ? "infer" : "forward";
    return has("dy") ? List.of(first, "backward") : List.of(first);
  }

  /** The file, an array a line. */
  String text() {
    StringBuilder out = new StringBuilder("{\n");
    field(out, VERSION_FIELD, Integer.toString(VERSION));
    field(out, "command", quoted(settings.command()));
    field(
        out,
        "verbs",
        verbs().stream().map(Manifest::quoted).collect(Collectors.joining(", ", "[", "]")));
    field(out, "eps", Decimals.text(settings.eps()));
    if (!settings.frozen()) {
      field(out, "convention", quoted(settings.convention().label()));
    }
    if (has("running_mean_before")) {
      boolean cumulative = settings.momentum() == GoldenSettings.CUMULATIVE;
      field(out, "momentum", cumulative ? "\"cumulative\"" : Decimals.text(settings.momentum()));
    }
    if (settings.batchSize() != null) {
      field(out, "batch_size", settings.batchSize().toString());
    }
    field(out, "channel_axis", Integer.toString(settings.channelAxis()));
    field(out, "dtype", quoted(settings.outputType().label()));
    arrays(out, "inputs", inputs);
    out.append(",\n");
    arrays(out, "outputs", outputs);
    return out.append("\n}\n").toString();
  }

  private static void field(StringBuilder out, String name, String value) {
    out.append("  \"").append(name).append("\": ").append(value).append(",\n");
  }

  private static String quoted(String text) {
    return "\"" + new String(JsonStringEncoder.getInstance().quoteAsString(text)) + "\"";
  }

  private static void arrays(StringBuilder out, String name, List<GoldenArray> arrays) {
    out.append("  \"")
        .append(name)
        .append("\": [\n")
        .append(arrays.stream().map(a -> "    " + text(a)).collect(Collectors.joining(",\n")))
        .append("\n  ]");
  }

  private static String text(GoldenArray a) {
    List<String> fields = new ArrayList<>();
    fields.add("\"name\": " + quoted(a.name()));
    if (a.reference() == null) {
      fields.add("\"file\": " + quoted(a.file()));
    } else {
      fields.add("\"reference\": " + quoted(a.reference()));
      if (a.member() != null) {
        fields.add("\"member\": " + quoted(a.member()));
      }
    }
    fields.add("\"dtype\": " + quoted(a.type().descriptor()));
    fields.add("\"shape\": " + a.shape());
    if (a.exactness() != null) {
      fields.add("\"exactness\": " + quoted(a.exactness().label()));
      if (a.exactness() == Exactness.BOUNDED) {
        fields.add("\"bound\": " + Decimals.text(a.bound()));
      }
    }
    fields.add("\"digest\": " + quoted(a.digest()));
    return "{" + String.join(", ", fields) + "}";
  }

  /**
   * Reads a manifest.
   *
   * @throws UntrustedCaseException if it is none of this version, or contradicts itself
   */
  static Manifest read(byte[] json) {
    JsonObject root = JsonObject.parse(FILE, json);
    long version = root.wholeNumber(VERSION_FIELD, Long.MAX_VALUE);
    if (version != VERSION) {
      throw new UntrustedCaseException(
          GoldenVerdict.ERROR,
          FILE + ": expected version " + VERSION + " of the format, found " + version);
    }
    String command = root.text("command");
    List<String> verbs = root.texts("verbs");
    boolean frozen = verbs.contains("infer");
    double eps = root.number("eps");
    Convention convention =
        frozen
            ? Convention.PYTORCH
            : choice(root, "convention", Convention.values(), Convention::label);
    double momentum = GoldenSettings.momentumOf(convention);
    boolean hasMomentum = root.has("momentum");
    if (hasMomentum) {
      momentum =
          root.isText("momentum") && root.text("momentum").equals("cumulative")
              ? GoldenSettings.CUMULATIVE
              : root.number("momentum");
      require(
          root,
          "momentum",
          momentum == GoldenSettings.CUMULATIVE || (momentum >= 0 && momentum <= 1),
          "a number from 0 to 1 or \"cumulative\"");
    }
    Long batchSize = root.has("batch_size") ? root.wholeNumber("batch_size", Long.MAX_VALUE) : null;
    require(root, "batch_size", batchSize == null || batchSize > 0, "at least 1");
    int axis = (int) root.wholeNumber("channel_axis", 63);
    DType type = choice(root, "dtype", DType.values(), DType::label);
    List<GoldenArray> inputs = arrays(root, "inputs", INPUTS, false);
    List<GoldenArray> outputs = arrays(root, "outputs", OUTPUTS, true);
    root.end();
    require(root, "eps", eps >= 0 && eps < Double.POSITIVE_INFINITY, "a finite number ≥ 0");
    Manifest manifest =
        new Manifest(
            new GoldenSettings(frozen, eps, convention, momentum, batchSize, axis, type, command),
            inputs,
            outputs);
    require(root, "verbs", verbs.equals(manifest.verbs()), manifest.verbs().toString());
    manifest.checkInputs(root, hasMomentum);
    return manifest;
  }

  private void checkInputs(JsonObject root, boolean hasMomentum) {
    boolean frozen = settings.frozen();
    require(root, "inputs", has("x"), "an array x");
    require(
        root,
        "inputs",
        has("given_mean") == frozen && has("given_variance") == frozen,
        frozen ? "given_mean and given_variance" : "no given statistics");
    boolean running = has("running_mean_before");
    require(
        root,
        "inputs",
        has("running_variance_before") == running && has("batches_before") == running,
        "all or none of running_mean_before, running_variance_before and batches_before");
    GoldenArray batches = find("batches_before");
    require(
        root,
        "inputs",
        batches == null || (batches.type() == NumberType.I64 && batches.shape().isEmpty()),
        "a single i64 for batches_before");
    require(root, "momentum", running == hasMomentum, running ? "a momentum" : "none");
    require(
        root,
        "batch_size",
        settings.batchSize() == null || !(frozen || has("dy")),
        "no gradients and no given statistics beside it");
  }

  private static List<GoldenArray> arrays(
      JsonObject root, String field, List<String> known, boolean output) {
    List<GoldenArray> arrays = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (JsonObject entry : root.objects(field)) {
      String name = entry.text("name");
      require(entry, "name", known.contains(name), "one of " + String.join(", ", known));
      require(entry, "name", names.add(name), "each array once");
      String reference = null;
      String member = null;
      boolean mayLieOutside = name.equals("x") || name.equals("dy");
      if (mayLieOutside && entry.has("reference")) {
        reference = entry.text("reference");
        require(
            entry,
            "reference",
            !reference.isEmpty() && !reference.startsWith("/") && reference.indexOf('\0') < 0,
            "a relative path");
        member = entry.has("member") ? entry.text("member") : null;
      } else {
        String file = entry.text("file");
        require(entry, "file", file.equals(name + ".npy"), "\"" + name + ".npy\"");
      }
      NumberType type = choice(entry, "dtype", NumberType.values(), NumberType::descriptor);
      List<Long> shape = entry.wholeNumbers("shape");
      Exactness exactness = null;
      double bound = 0;
      if (output) {
        exactness = choice(entry, "exactness", Exactness.values(), Exactness::label);
        if (exactness == Exactness.BOUNDED) {
          bound = entry.number("bound");
          require(
              entry,
              "bound",
              bound >= 0 && bound < Double.POSITIVE_INFINITY && type.isFloating(),
              "a finite number ≥ 0, for an array of floating type");
        }
      }
      String digest = entry.text("digest");
      require(entry, "digest", digest.matches("[0-9a-f]{64}"), "a SHA-256 in hex");
      entry.end();
      arrays.add(new GoldenArray(name, type, shape, exactness, bound, digest, reference, member));
    }
    return arrays;
  }

  private interface Label<E> {
    String of(E value);
  }

  private static <E> E choice(JsonObject object, String field, E[] values, Label<E> label) {
    String text = object.text(field);
    for (E value : values) {
      if (label.of(value).equals(text)) {
        return value;
      }
    }
    String known =
        Arrays.stream(values)
            .map(label::of)
            .collect(Collectors.joining(", "))
            .toLowerCase(Locale.ROOT);
    throw object.wrong(field, "one of " + known);
  }

  private static void require(JsonObject object, String field, boolean holds, String expected) {
    if (!holds) {
      throw object.wrong(field, expected);
    }
  }
}
