package dev.batchnorm.cli;

import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.cli.CompareReport.Result;
import dev.batchnorm.cli.InputFiles.Stored;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.csv.CsvTable;
import dev.batchnorm.verify.ArrayDifference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code compare}: arrays of one file against those of another. */
@Command(
    name = "compare",
    sortOptions = false,
    description = {
      "Compare A with the reference B, member by member. Without tolerances to the bit: types and shapes must be the "
          + "same, NaN equals NaN, -0.0 differs from 0.0. Exit code 1 if anything differs.",
      "",
      "With a tolerance an element passes if EITHER |a − b| ≤ atol + rtol·|b| OR it is within N ulps of B's type: "
          + "--atol and --rtol add up, --ulp stands beside them, and what is not given is 0. NaN and the infinities "
          + "only equal themselves, and types may differ.",
      "",
      "Where elements deviate the report has the largest deviations with their places; within how many ulps half, 90 %% "
          + "and 99 %% of all elements are (exact up to 1024, beyond that a power of two they do not exceed); and the "
          + "least --ulp, --atol and --rtol of which each, given alone, lets all elements pass, none if a NaN or an "
          + "infinity met another value."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm compare y.npy expected.npy",
      "  batchnorm compare gradients.npz expected.npz --rtol 1e-5 --atol 1e-8",
      "  batchnorm compare gradients.npz:dx dx.csv --ulp 2",
      "  batchnorm compare y.npy expected.npy --bitwise --first 100",
      "  cat y.csv | batchnorm compare - expected.npy --atol 0 --json",
      "",
      "--json prints {\"status\": \"PASSED\"|\"FAILED\", \"a\", \"b\", \"tolerances\": {\"rtol\", \"atol\", \"ulp\"} or {} "
          + "if to the bit, \"arrays\": [{\"name\", \"status\", \"reason\" if there is another than elements, \"a\": "
          + "{\"dtype\", \"shape\"}, \"b\": the same, either left out if it has no such member, and if elements were "
          + "compared \"compared\", \"differing\", \"share\" (differing/compared), \"nan_differing\" (a NaN against a "
          + "number), \"infinity_differing\" (an infinity against another number), \"max_abs\": {\"value\", \"index\" "
          + "unless 0}, \"max_rel\", \"max_ulp\", \"ulp_quantiles\": [{\"percent\": 0|50|90|99|100, \"ulp\": so many "
          + "percent of the elements are within it, \"exact\": false if it is a power of two above}], \"least\": "
          + "{\"ulp\", \"atol\", \"rtol\": each \"none\" if none passes}, \"first\": [{\"index\", \"a\", \"b\", \"abs\", "
          + "\"ulp\"}]}], \"least\" for all arrays unless one has a reason, \"command\"}. Maxima are over all elements, "
          + "those that pass included and NaNs not; in quantiles a NaN against a number is \"inf\"."
    })
final class CompareCommand implements Callable<Integer> {
  /** What a person asks for, and memory holds. */
  private static final int MOST_FIRST = 1_000_000;

  private final Session session;

  @Parameters(
      index = "0",
      paramLabel = "A",
      description =
          "What is compared: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
  private String a = "";

  @Parameters(index = "1", paramLabel = "B", description = "The reference, the same.")
  private String b = "";

  @Option(
      names = "--rtol",
      paramLabel = "R",
      description =
          "The tolerance relative to |b|, added to --atol. Default: 0 if another tolerance is given.")
  private @Nullable String rtol;

  @Option(
      names = "--atol",
      paramLabel = "R",
      description =
          "The absolute tolerance, added to --rtol·|b|. Default: 0 if another tolerance is given.")
  private @Nullable String atol;

  @Option(
      names = "--ulp",
      paramLabel = "N",
      description =
          "The tolerance in units in the last place of B's type, beside the others. Default: 0 if another is given.")
  private @Nullable String ulp;

  @Option(
      names = "--bitwise",
      description = "Compare to the bit, as without tolerances; for scripts that say so.")
  private boolean bitwise;

  @Option(
      names = "--first",
      paramLabel = "N",
      defaultValue = "" + ArrayDifference.FIRST,
      description =
          "Print the first N differing elements, with index and both values. Default: ${DEFAULT-VALUE}; 0 prints none.")
  private String first = "" + ArrayDifference.FIRST;

  @Option(names = "--json", description = "Print the result as JSON.")
  private boolean json;

  @Mixin private TextOptions text = new TextOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  /**
   * The tolerances as typed.
   *
   * @param rtol null if it was not given, as the others
   * @param first how many differing elements are told
   */
  record Tolerances(@Nullable Double rtol, @Nullable Double atol, @Nullable Long ulp, int first) {
    boolean none() {
      return rtol == null && atol == null && ulp == null;
    }

    ArrayDifference difference(StoredArray a, StoredArray b) {
      return none()
          ? ArrayDifference.bitwise(a, b, first)
          : ArrayDifference.within(
              a, b, rtol == null ? 0 : rtol, atol == null ? 0 : atol, ulp == null ? 0 : ulp, first);
    }
  }

  /**
   * A or B.
   *
   * @param argument as typed
   * @param archive whether it is an NPZ whose members are meant by their names
   */
  private record Side(String argument, List<Stored> arrays, boolean archive) {
    /** What the report calls it. */
    String name() {
      return archive ? fileName() : arrays.get(0).array().name();
    }

    private String fileName() {
      return argument.equals(InputFiles.STANDARD_INPUT) ? "standard input" : argument;
    }

    @Nullable Stored member(String name) {
      for (Stored array : arrays) {
        if (name.equals(array.member())) {
          return array;
        }
      }
      return null;
    }

    /** The one array, for comparing with an array that has no name. */
    Stored single(Side other) {
      if (arrays.size() == 1) {
        return arrays.get(0);
      }
      throw new InputException(
          fileName()
              + ": expected one array (to compare with "
              + other.name()
              + "), found "
              + Wording.some(arrays.stream().map(array -> "" + array.member()).toList()),
          arrays.isEmpty() ? null : "name one: " + argument + ":MEMBER",
          null);
    }
  }

  CompareCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    text.check();
    text.requireNoGaps("compare");
    Tolerances tolerances =
        new Tolerances(
            rtol == null ? null : Numbers.atLeastZero("--rtol", rtol),
            atol == null ? null : Numbers.atLeastZero("--atol", atol),
            ulp == null ? null : Numbers.count("--ulp", ulp, ArrayDifference.MOST_ULPS),
            (int) Numbers.count("--first", first, MOST_FIRST));
    if (bitwise && !tolerances.none()) {
      String other = rtol != null ? "--rtol" : atol != null ? "--atol" : "--ulp";
      throw new UsageException(
          "--bitwise and " + other + ": expected one of the two, found both",
          "to the bit there is no tolerance; --ulp 0 alone compares values");
    }
    if (a.equals(InputFiles.STANDARD_INPUT) && b.equals(InputFiles.STANDARD_INPUT)) {
      throw new UsageException("A and B: expected two inputs, found standard input for both");
    }
    try (InputFiles inputs = new InputFiles(session)) {
      Side found = side(inputs, "A", a);
      Side reference = side(inputs, "B", b);
      if (!hasText(found) && !hasText(reference)) {
        text.refuse(found.fileName(), format(found));
      }
      CompareReport report =
          new CompareReport(
              found.name(), reference.name(), tolerances, results(found, reference, tolerances));
      session.print(json ? report.json(session) : report.text(session));
      return report.passed() ? ExitCode.OK : ExitCode.DIFFERENT;
    }
  }

  private Side side(InputFiles inputs, String option, String argument) {
    List<Stored> arrays = inputs.arrays(option, argument, text);
    boolean npz = arrays.isEmpty() || arrays.get(0).format() == FileFormat.NPZ;
    return new Side(argument, arrays, npz && !InputFiles.namesMember(argument));
  }

  private static boolean hasText(Side side) {
    return side.arrays().stream().anyMatch(array -> array.table() != null);
  }

  private static FileFormat format(Side side) {
    return side.arrays().isEmpty() ? FileFormat.NPZ : side.arrays().get(0).format();
  }

  private static List<Result> results(Side a, Side b, Tolerances tolerances) {
    if (!a.archive() || !b.archive()) {
      Stored found = a.single(b);
      Stored reference = b.single(a);
      String name = reference.member() != null ? reference.member() : found.member();
      return List.of(compare(name == null ? "array" : name, found, reference, tolerances));
    }
    if (a.arrays().isEmpty() && b.arrays().isEmpty()) {
      throw new InputException(
          a.fileName()
              + ": expected arrays to compare with "
              + b.fileName()
              + ", found none in both");
    }
    List<Result> results = new ArrayList<>();
    for (Stored reference : b.arrays()) {
      String name = "" + reference.member();
      Stored found = a.member(name);
      results.add(
          found == null
              ? Result.alone(name, null, reference.array(), missing(a, name, b))
              : compare(name, found, reference, tolerances));
    }
    for (Stored found : a.arrays()) {
      String name = "" + found.member();
      if (b.member(name) == null) {
        results.add(Result.alone(name, found.array(), null, missing(b, name, a)));
      }
    }
    return results;
  }

  private static String missing(Side from, String member, Side in) {
    return from.name()
        + ": expected a member "
        + Wording.quoted(member)
        + " ("
        + in.name()
        + " has one), found none";
  }

  private static Result compare(String name, Stored a, Stored b, Tolerances tolerances) {
    StoredArray found = a.array();
    StoredArray reference = b.array();
    if (a.table() != null && b.table() != null) {
      InputFiles.requireSameRows(a.table(), b.table());
    }
    boolean sameShape = Arrays.equals(found.sizes(), reference.sizes());
    boolean sameType = found.type() == reference.type();
    if (sameShape && (sameType || !tolerances.none())) {
      ArrayDifference difference = tolerances.difference(found, reference);
      return new Result(name, found, reference, difference, columns(a.table(), b.table()), null);
    }
    String reason =
        found.name()
            + ": expected "
            + (sameShape ? "type " : "shape ")
            + form(reference, sameShape, sameType)
            + " ("
            + reference.name()
            + "), found "
            + form(found, sameShape, sameType);
    String hint =
        sameShape
            ? "--atol 0 compares the values of different types"
            : likeness(found.sizes(), reference.sizes());
    return new Result(name, found, reference, null, reason, hint);
  }

  /** What two shapes have in common, in words; null if nothing. */
  private static @Nullable String likeness(long[] a, long[] b) {
    if (Arrays.equals(longer(a), longer(b))) {
      return "the shapes differ in axes of length 1 only";
    }
    long[] sortedA = a.clone();
    long[] sortedB = b.clone();
    Arrays.sort(sortedA);
    Arrays.sort(sortedB);
    return Arrays.equals(sortedA, sortedB)
        ? "the shapes have the same axes in another order, as after a transposition"
        : null;
  }

  private static long[] longer(long... sizes) {
    return Arrays.stream(sizes).filter(size -> size != 1).toArray();
  }

  /** Shape and type, of which one is left out if it is the same for both. */
  private static String form(StoredArray array, boolean sameShape, boolean sameType) {
    if (sameShape) {
      return array.type().label();
    }
    return Shape.text(array.sizes()) + (sameType ? "" : " " + array.type().label());
  }

  /** The first column whose name differs, in words; null if none does or a table has no names. */
  private static @Nullable String columns(@Nullable CsvTable a, @Nullable CsvTable b) {
    if (a == null || b == null || a.names().isEmpty() || b.names().isEmpty()) {
      return null;
    }
    for (int column = 0; column < b.columns(); column++) {
      String expected = b.names().get(column);
      String given = a.names().get(column);
      if (!expected.equals(given)) {
        return a.name()
            + ": expected selected column "
            + (column + 1)
            + " to be "
            + Wording.quoted(expected)
            + " ("
            + b.name()
            + "), found "
            + Wording.quoted(given);
      }
    }
    return null;
  }
}
