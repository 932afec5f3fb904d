package dev.batchnorm.cli;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.StateFile;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.csv.CsvOptions;
import dev.batchnorm.format.csv.CsvTable;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.format.npy.NpySource;
import dev.batchnorm.format.npz.NpzFile;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The files a command reads, each opened once: one NPZ may serve several options, also from
 * standard input. Closes them all.
 */
final class InputFiles implements AutoCloseable {
  static final String STANDARD_INPUT = "-";

  /** How {@code -:member} reaches a command, because it would be taken for an option. */
  static final String MEMBER_OF_STANDARD_INPUT = "standard input:";

  /** The option that messages name for the command's first argument. */
  static final String INPUT = "INPUT";

  /** A batch and what it came from; the table is there if it was text. */
  record Input(Source source, FileFormat format, @Nullable CsvTable table) {

    /** The names of the channels, empty if they have none. */
    List<String> channelNames() {
      return InputFiles.channelNames(table, source.shape());
    }
  }

  /** A file as opened; exactly one of bytes and npz is used. */
  private record Opened(InputBytes bytes, FileFormat format, @Nullable NpzFile npz) {
    boolean isText() {
      return format == FileFormat.CSV || format == FileFormat.TSV;
    }
  }

  /** An argument as {@code file} or {@code file.npz:member}. */
  private record Place(String file, @Nullable String member) {}

  private final Session session;
  private final Map<String, Opened> opened = new HashMap<>();
  private final Map<String, String> usedBy = new HashMap<>();
  private final List<AutoCloseable> closing = new ArrayList<>();

  InputFiles(Session session) {
    this.session = session;
  }

  /**
   * Opens a batch.
   *
   * @param option what the argument was given for, for messages
   * @param members the NPZ members that are meant if the argument names none
   */
  Input batch(String option, String argument, BatchOptions options, String... members) {
    DType type = options.dtype();
    Input input =
        batch(
            option,
            argument,
            options.format(),
            options.axes(),
            type == null ? DType.F64 : type,
            options.narrow(),
            members);
    if (option.equals(INPUT) && input.table() == null) {
      options.format().text().refuse(place(argument).file(), input.format());
    }
    return input;
  }

  /**
   * Opens a batch.
   *
   * @param option what the argument was given for, for messages
   * @param text the type that cells of CSV are rounded to
   * @param narrow whether 64-bit integers may be rounded
   * @param members the NPZ members that are meant if the argument names none
   */
  Input batch(
      String option,
      String argument,
      FormatOptions format,
      Axes axes,
      DType text,
      boolean narrow,
      String... members) {
    FileFormat forced = option.equals(INPUT) ? format.format() : null;
    return batch(option, argument, forced, format.text(), axes, text, narrow, members);
  }

  /** Opens INPUT, whose columns are on its last axis. */
  Input rows(String argument, FormatOptions format, Axes axes, DType text, boolean narrow) {
    Input input = batch(INPUT, argument, format, axes, text, narrow, "x");
    if (input.table() == null) {
      format.text().refuse(place(argument).file(), input.format());
    }
    AxisOptions.requireColumnsLast(input.source());
    return input;
  }

  /** Opens an array that is not INPUT, whose format is what its name and content say. */
  Input array(
      String option,
      String argument,
      TextOptions dialect,
      Axes axes,
      DType text,
      boolean narrow,
      String... members) {
    return batch(option, argument, null, dialect, axes, text, narrow, members);
  }

  private Input batch(
      String option,
      String argument,
      @Nullable FileFormat forced,
      TextOptions dialect,
      Axes axes,
      DType text,
      boolean narrow,
      String... members) {
    Place place = place(argument);
    Opened file = open(option, place, forced);
    if (file.npz() != null) {
      String member = member(file.npz(), place, members);
      return new Input(file.npz().source(member, axes, narrow), FileFormat.NPZ, null);
    }
    if (file.format() == FileFormat.NPY) {
      return new Input(NpySource.open(file.bytes(), axes, narrow), FileFormat.NPY, null);
    }
    CsvTable table = table(file, dialect, text);
    return new Input(table.source(axes), file.format(), table);
  }

  private CsvTable table(Opened file, TextOptions text, DType type) {
    CsvTable table =
        CsvTable.read(
            file.bytes(), session.csv(text.csv(file.format()), file.bytes().size()), type);
    if (table.spooled() > 0) {
      session.talk(
          table.name()
              + ": "
              + Wording.size(table.spooled())
              + " of values in a temporary file (--max-memory "
              + Wording.size(session.memory())
              + ")");
    }
    if (table.skipped() > 0) {
      session.warn(
          table.name()
              + ": "
              + table.skipped()
              + " of "
              + (table.rows() + table.skipped())
              + " rows skipped for an empty cell");
    }
    if (table.countsColumns()) {
      session.warn(
          table.name()
              + ": the first record is 0, 1, 2, … and taken as data; --header yes if it names the columns");
    }
    return table;
  }

  /**
   * An array of any real type and rank.
   *
   * @param member its name if it came from an NPZ, else null
   */
  record Stored(
      StoredArray array, FileFormat format, @Nullable String member, @Nullable CsvTable table) {}

  /**
   * Opens the arrays of INPUT: one, or all members of an NPZ of which the argument names none.
   *
   * @param type the type that cells of CSV are rounded to
   */
  List<Stored> arrays(String argument, FormatOptions format, DType type) {
    return contents(argument, format, type).all();
  }

  /**
   * Opens the arrays of a file: one, or all members of an NPZ of which the argument names none.
   *
   * @param option what the argument was given for, for messages
   */
  List<Stored> arrays(String option, String argument, TextOptions text) {
    return contents(option, argument, text).all();
  }

  /**
   * Opens INPUT, but none of its arrays yet.
   *
   * @param type the type that cells of CSV are rounded to
   */
  Contents contents(String argument, FormatOptions format, DType type) {
    Place place = place(argument);
    Opened file = open(INPUT, place, format.format());
    if (!file.isText()) {
      format.text().refuse(place.file(), file.format());
    }
    return new Contents(file, place, format.text(), type);
  }

  /**
   * Opens a file that is not INPUT, but none of its arrays yet.
   *
   * @param option what the argument was given for, for messages
   */
  Contents contents(String option, String argument, TextOptions text) {
    Place place = place(argument);
    return new Contents(open(option, place, null), place, text, DType.F64);
  }

  /** A file whose arrays are opened one by one, so that one that cannot be read hides no other. */
  final class Contents {
    private final Opened file;
    private final Place place;
    private final TextOptions text;
    private final DType type;

    private Contents(Opened file, Place place, TextOptions text, DType type) {
      this.file = file;
      this.place = place;
      this.text = text;
      this.type = type;
    }

    /** What messages call the file. */
    String name() {
      return file.bytes().name();
    }

    FileFormat format() {
      return file.format();
    }

    /** The size of the file. */
    long bytes() {
      return file.bytes().size();
    }

    /** The members of an NPZ of which the argument names none, else null. */
    @Nullable List<String> members() {
      return file.npz() == null || place.member() != null ? null : file.npz().members();
    }

    /** The array of a file that has no members, or of the member that the argument names. */
    Stored only() {
      if (place.member() != null) {
        return member(place.member());
      }
      if (file.format() == FileFormat.NPY) {
        return new Stored(NpyArray.open(file.bytes()), FileFormat.NPY, null, null);
      }
      CsvTable table = table(file, text, type);
      return new Stored(table.array(), file.format(), null, table);
    }

    Stored member(String member) {
      NpzFile npz = Objects.requireNonNull(file.npz(), "place() gives members to NPZ alone");
      return new Stored(npz.array(member), FileFormat.NPZ, member, null);
    }

    private List<Stored> all() {
      List<String> members = members();
      return members == null ? List.of(only()) : members.stream().map(this::member).toList();
    }
  }

  /**
   * The exact sums in INPUT if {@code stats --save} wrote it, or null if the argument means
   * anything else.
   */
  @Nullable ExactSums state(String argument, FormatOptions format) {
    Place place = place(argument);
    Opened file = open(INPUT, place, format.format());
    NpzFile npz = file.npz();
    if (npz == null) {
      usedBy.remove(place.file()); // nothing but its first bytes was read
    }
    if (npz == null || place.member() != null) {
      return null;
    }
    if (StateFile.isState(npz)) {
      return StateFile.read(npz);
    }
    if (npz.members().containsAll(List.of("mean", "variance")) && !npz.members().contains("x")) {
      throw new InputException(
          npz.name() + ": expected a batch or a state, found statistics without their exact sums",
          "stats --save writes a state, which can be merged; forward --save does not");
    }
    return null;
  }

  /** The one array that is meant where a file has several: of that name, or the only one. */
  static Stored only(String argument, List<Stored> arrays, String name) {
    if (arrays.size() == 1) {
      return arrays.get(0);
    }
    for (Stored stored : arrays) {
      if (name.equals(stored.member())) {
        return stored;
      }
    }
    List<String> members = arrays.stream().map(s -> String.valueOf(s.member())).toList();
    String file = argument.equals(STANDARD_INPUT) ? "standard input" : argument;
    throw noMember(file, argument, members, name);
  }

  private static InputException noMember(
      String name, String file, List<String> members, String... wanted) {
    if (members.isEmpty()) {
      return new InputException(
          name + ": expected a member " + String.join(" or ", wanted) + ", found no arrays",
          "arrays in an NPZ have names ending in .npy");
    }
    return new InputException(
        name
            + ": expected a member "
            + String.join(" or ", wanted)
            + ", found "
            + Wording.some(members),
        "name one: " + file + ":MEMBER");
  }

  /** Opens the output gradient that {@code --dy} names, which has x's shape. */
  Source outputGradient(String argument, BatchOptions options, Input xInput) {
    return outputGradientInput(argument, options, xInput).source();
  }

  /** Opens the output gradient that {@code --dy} names, with what it came from. */
  Input outputGradientInput(String argument, BatchOptions options, Input xInput) {
    DType type = options.dtype();
    return gradient("--dy", argument, options, type == null ? DType.F64 : type, xInput, "dy");
  }

  /**
   * Opens a gradient that has x's shape.
   *
   * @param option what the argument was given for, for messages
   * @param text the type that cells of CSV are rounded to
   * @param member the NPZ member that is meant if the argument names none
   */
  Input gradient(
      String option,
      String argument,
      BatchOptions options,
      DType text,
      Input xInput,
      String member) {
    Source x = xInput.source();
    Input input =
        batch(option, argument, options.format(), options.axes(), text, options.narrow(), member);
    Source gradient = input.source();
    requireSameRecords(input.table(), xInput.table());
    if (!gradient.shape().equals(x.shape())) {
      throw new InputException(
          gradient.name()
              + ": expected shape "
              + x.shape()
              + " ("
              + x.name()
              + "), found "
              + gradient.shape());
    }
    return input;
  }

  /**
   * Rows of two tables belong together: where both skip some, they skip the same. A file without
   * empty cells may have been made from the rows that are left; the shapes tell.
   */
  static void requireSameRows(CsvTable table, CsvTable reference) {
    boolean bothSkip = table.skipped() > 0 && reference.skipped() > 0;
    if (bothSkip && !table.skippedRows().equals(reference.skippedRows())) {
      throw new InputException(
          table.name()
              + ": expected the rows skipped that are skipped in "
              + reference.name()
              + " ("
              + reference.skipped()
              + "), found others ("
              + table.skipped()
              + ")",
          "--missing nan keeps the rows of both files together");
    }
  }

  /** A header names columns, which are the channels of a table that is not taken on its side. */
  static List<String> channelNames(@Nullable CsvTable table, Shape shape) {
    return table == null || shape.channelAxis() == 0 ? List.of() : table.names();
  }

  /** Two tables belong together: their rows, and their columns by name where both have names. */
  static void requireSameRecords(@Nullable CsvTable table, @Nullable CsvTable reference) {
    if (table == null || reference == null) {
      return;
    }
    requireSameRows(table, reference);
    if (!table.names().isEmpty()
        && !reference.names().isEmpty()
        && !table.names().equals(reference.names())) {
      throw new InputException(
          table.name()
              + ": expected the columns "
              + Wording.some(reference.names())
              + " ("
              + reference.name()
              + "), found "
              + Wording.some(table.names()));
    }
  }

  /** γ or β as typed: a number for all channels, or a file with one value per channel. */
  double[] perChannel(String option, String argument, Channels channels, String... members) {
    if (Numbers.isNumber(argument)) {
      double all = Numbers.orNaN(argument);
      if (!Double.isFinite(all)) {
        throw new InputException(option + ": expected a finite number, found " + argument);
      }
      return new double[] {all};
    }
    Vector vector = vector(option, argument, channels, members);
    return finite(vector.name(), vector.values());
  }

  /**
   * Values, one per channel.
   *
   * @param name what messages call them
   * @param type the type they are stored in, f64 for integers; null for text
   */
  record Vector(String name, double[] values, @Nullable DType type) {}

  /** A file with one value per channel, of any real type and along any axis. */
  Vector vector(String option, String argument, Channels channels, String... members) {
    Place place = place(argument);
    Opened file = open(option, place, null);
    if (file.isText()) {
      CsvTable table = CsvTable.read(file.bytes(), CsvOptions.of(file.format()), DType.F64);
      checkVector(table.name(), table.rows(), table.columns());
      channels.check(table.name(), table.rows() * table.columns());
      return new Vector(table.name(), table.values(), null);
    }
    NpyArray array =
        file.npz() != null
            ? file.npz().array(member(file.npz(), place, members))
            : NpyArray.open(file.bytes());
    checkVector(array.name(), array.sizes());
    channels.check(array.name(), array.count());
    return new Vector(array.name(), array.values(), array.type().floating());
  }

  /**
   * An array that another program wrote, whatever its shape.
   *
   * @param members the NPZ members that are meant if the argument names none
   */
  Stored stored(String option, String argument, TextOptions text, DType type, String... members) {
    Place place = place(argument);
    Opened file = open(option, place, null);
    Contents contents = new Contents(file, place, text, type);
    return file.npz() == null
        ? contents.only()
        : contents.member(member(file.npz(), place, members));
  }

  private static void checkVector(String name, long... sizes) {
    int longAxes = 0;
    for (long size : sizes) {
      longAxes += size == 1 ? 0 : 1;
    }
    if (longAxes > 1) {
      throw new InputException(
          name
              + ": expected one value per channel (at most one axis longer than 1), found shape "
              + Shape.text(sizes));
    }
  }

  private static double[] finite(String name, double[] values) {
    for (int c = 0; c < values.length; c++) {
      if (!Double.isFinite(values[c])) {
        throw new InputException(
            name
                + ": expected finite numbers, found "
                + Decimals.text(values[c])
                + " at channel "
                + c);
      }
    }
    return values;
  }

  /** A file of statistics. */
  StatisticsFile statistics(String option, String argument) {
    Place place = place(argument);
    Opened file = open(option, place, null);
    if (file.npz() != null && place.member() == null) {
      StatisticsFile statistics = StatisticsFile.of(file.npz());
      if (statistics.formula() != null) {
        session.warn(
            statistics.name()
                + ": the statistics are of the plain formula "
                + statistics.formula()
                + ", not exact");
      }
      return statistics;
    }
    if (file.isText()) {
      return StatisticsFile.of(file.bytes(), CsvOptions.of(file.format()));
    }
    throw new InputException(
        argument
            + ": expected statistics as NPZ or CSV, found "
            + (place.member() == null
                ? file.format().label().toUpperCase(Locale.ROOT)
                : "one member of an NPZ"),
        "forward --save FILE.npz writes such a file");
  }

  /**
   * γ and β as typed, 1 and 0 where they were not.
   *
   * @param gammaMembers the NPZ members that are meant if the argument names none
   * @param betaMembers the same for β
   */
  Affine affine(
      Channels channels,
      @Nullable String gamma,
      List<String> gammaMembers,
      @Nullable String beta,
      List<String> betaMembers) {
    Affine affine = Affine.IDENTITY;
    if (gamma != null) {
      double[] values = perChannel("--gamma", gamma, channels, gammaMembers.toArray(String[]::new));
      affine = values.length == 0 ? affine : affine.withGamma(values);
    }
    if (beta != null) {
      double[] values = perChannel("--beta", beta, channels, betaMembers.toArray(String[]::new));
      affine = values.length == 0 ? affine : affine.withBeta(values);
    }
    return affine;
  }

  /** A copy of all values, of which there must be room for in an array. */
  static Batch inMemory(Source source) {
    Batch batch = Batch.zeros(source.shape(), source.type());
    int count = batch.values().count();
    for (int first = 0; first < count; ) {
      Values chunk = source.chunk(first, Math.min(count - first, source.chunkLimit()));
      batch.values().put(first, chunk, 0, chunk.count());
      first += chunk.count();
    }
    return batch;
  }

  /** Runs something whose refusal does not know the file it is about, and names it. */
  static <T> T naming(String file, Supplier<T> action) {
    try {
      return action.get();
    } catch (InputException e) {
      throw new InputException(file + ": " + e.getMessage(), e.hint(), e);
    }
  }

  /**
   * Reads a table that the options for INPUT's columns and cells are not about: no hint to them.
   */
  static <T> T ofOwnTable(Supplier<T> read) {
    try {
      return read.get();
    } catch (InputException e) {
      String hint = e.hint();
      boolean isAboutInput =
          hint != null && (hint.startsWith("--missing") || hint.startsWith("--columns"));
      throw isAboutInput ? new InputException(String.valueOf(e.getMessage()), null, e) : e;
    }
  }

  /** Whether the argument is {@code file.npz:member}. */
  static boolean namesMember(String argument) {
    return place(argument).member() != null;
  }

  /** The file of an argument, without the member that it may name. */
  static String fileOf(String argument) {
    return place(argument).file();
  }

  /** The member that an argument names, or null. */
  static @Nullable String memberOf(String argument) {
    return place(argument).member();
  }

  /** Whether two arguments mean the same file, whichever of its members. */
  static boolean isSameFile(String argument, @Nullable String other) {
    return other != null && place(argument).file().equals(place(other).file());
  }

  /** Whether the argument means standard input or a member of the NPZ there. */
  static boolean isStandardInput(String argument) {
    return place(argument).file().equals(STANDARD_INPUT);
  }

  private static Place place(String argument) {
    if (argument.startsWith(MEMBER_OF_STANDARD_INPUT)) {
      return new Place(STANDARD_INPUT, argument.substring(MEMBER_OF_STANDARD_INPUT.length()));
    }
    int colon = argument.lastIndexOf(':');
    if (!argument.equals(STANDARD_INPUT) && colon > 0 && !exists(argument)) {
      String file = argument.substring(0, colon);
      if (file.equals(STANDARD_INPUT)
          || file.toLowerCase(Locale.ROOT).endsWith(".npz")
          || exists(file)) {
        return new Place(file, argument.substring(colon + 1));
      }
    }
    return new Place(argument, null);
  }

  private static boolean exists(String path) {
    try {
      return Files.exists(Path.of(path));
    } catch (InvalidPathException e) {
      return false;
    }
  }

  private Opened open(String option, Place place, @Nullable FileFormat forced) {
    Opened known = opened.get(place.file());
    if (known != null) {
      if (known.npz() != null) {
        return known;
      }
      String user = usedBy.putIfAbsent(place.file(), option);
      if (user == null) {
        return known;
      }
      if (place.file().equals(STANDARD_INPUT)) {
        throw new UsageException(
            option
                + ": expected another input, found standard input, which is "
                + user
                + " already",
            "one NPZ on standard input may serve several options");
      }
    }
    InputBytes bytes = bytes(option, place.file());
    closing.add(bytes);
    FileFormat format = forced != null ? forced : FileFormat.detect(bytes, place.file());
    if (place.member() != null && format != FileFormat.NPZ) {
      throw new InputException(
          place.file()
              + ": expected an NPZ file (to take member "
              + place.member()
              + " from), found "
              + format.label().toUpperCase(Locale.ROOT));
    }
    NpzFile npz = format == FileFormat.NPZ ? NpzFile.open(bytes) : null;
    if (npz != null) {
      closing.add(npz); // it may hold inflated members
    }
    Opened file = new Opened(bytes, format, npz);
    opened.put(place.file(), file);
    session.countInput(bytes.size());
    usedBy.put(place.file(), option);
    return file;
  }

  private InputBytes bytes(String option, String file) {
    if (file.isEmpty()) {
      throw new UsageException(option + ": expected a file, found an empty name");
    }
    if (file.equals(STANDARD_INPUT)) {
      InputBytes bytes = InputBytes.spool("standard input", session.in(), session.spoolMemory());
      if (bytes.size() > session.spoolMemory()) {
        session.talk(
            "standard input: "
                + Wording.size(bytes.size())
                + ", in a temporary file (--max-memory "
                + Wording.size(session.spoolMemory())
                + ")");
      }
      return bytes;
    }
    try {
      return InputBytes.open(Path.of(file));
    } catch (InvalidPathException e) {
      throw new InputException(file + ": expected a path, found " + e.getReason(), null, e);
    }
  }

  private static String member(NpzFile npz, Place place, String... wanted) {
    if (place.member() != null) {
      return place.member();
    }
    List<String> members = npz.members();
    for (String name : wanted) {
      if (members.contains(name)) {
        return name;
      }
    }
    if (members.size() == 1) {
      return members.get(0);
    }
    throw noMember(npz.name(), place.file(), members, wanted);
  }

  @Override
  public void close() {
    for (AutoCloseable resource : closing) {
      try {
        resource.close();
      } catch (Exception e) {
        session.talk("closing an input: " + e); // nothing is lost: it was only read
      }
    }
  }
}
