package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.csv.CsvOptions;
import dev.batchnorm.format.csv.CsvTable;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The cases of {@code testdata/malformed}: each command line is refused with the exit code and the
 * lines that the manifest has, writes nothing to standard output, leaves nothing behind and changes
 * no file.
 */
class MalformedFilesTest extends CommandTest {
  private static final Path FOLDER = ROOT.resolve("testdata/malformed");
  private static final String MANIFEST = "cases.csv";
  private static final List<String> COLUMNS =
      List.of("case", "command", "setup", "stdin", "exit", "message", "hint", "why");
  private static final Pattern WORDS_TO_AVOID =
      Pattern.compile("invalid|illegal|failed", Pattern.CASE_INSENSITIVE);
  private static final Pattern WORD = Pattern.compile("'([^']*)'|([^' ]+)");

  /** A name with an extension; numbers have no letters behind their dot. */
  private static final Pattern FILE = Pattern.compile("\\w[\\w/.-]*\\.[a-z]+(:\\w+)?");

  private static final String BEGIN = "<!-- made by testdata/make_malformed.py -->";

  /** A row of the manifest. */
  record Malformed(
      String name,
      String command,
      String setup,
      String stdin,
      int code,
      String message,
      String hint,
      String why) {
    /** What standard error shows. */
    List<String> error() {
      return hint.isEmpty()
          ? List.of("batchnorm: " + message)
          : List.of("batchnorm: " + message, "hint: " + hint);
    }

    /** The names of files in the command line and on standard input, which may be there or not. */
    Set<String> files() {
      Set<String> files = new TreeSet<>();
      words().forEach(word -> files.add(word.replaceAll(":.*", "")));
      files.add(stdin);
      return files;
    }

    /** The command line cut at blanks, without its quotes. */
    List<String> words() {
      List<String> words = new ArrayList<>();
      for (Matcher word = WORD.matcher(command); word.find(); ) {
        words.add(word.group(1) != null ? word.group(1) : word.group(2));
      }
      return words;
    }

    @Override
    public String toString() {
      return name + ": " + command;
    }
  }

  static List<Malformed> cases() throws IOException {
    List<Malformed> cases = new ArrayList<>();
    for (List<String> r : records(Files.readString(FOLDER.resolve(MANIFEST)))) {
      if (!r.equals(COLUMNS)) {
        int code = Integer.parseInt(r.get(4));
        cases.add(
            new Malformed(
                r.get(0), r.get(1), r.get(2), r.get(3), code, r.get(5), r.get(6), r.get(7)));
      }
    }
    return cases;
  }

  /** The records of a CSV text whose cells hold no line ends. */
  private static List<List<String>> records(String csv) {
    List<List<String>> records = new ArrayList<>();
    for (String line : csv.lines().toList()) {
      InputBytes in =
          InputBytes.spool(
              MANIFEST, new ByteArrayInputStream(line.getBytes(StandardCharsets.UTF_8)));
      records.add(CsvTable.firstRecord(in, CsvOptions.of(FileFormat.CSV)));
      in.close();
    }
    return records;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void isRefused(Malformed malformed) throws IOException {
    for (String file : malformed.files()) {
      if (Files.isRegularFile(FOLDER.resolve(file))) {
        Files.copy(FOLDER.resolve(file), path(file));
      }
    }
    setUp(malformed);
    Map<String, String> before = content();
    byte[] in = malformed.stdin().isEmpty() ? new byte[0] : bytes(malformed.stdin());
    CommandLineRun run =
        CommandLineRun.of(directory, in, malformed.words().stream().map(this::located).toList());
    assertEquals(malformed.error(), run.error());
    assertEquals(malformed.code(), run.code());
    assertEquals("", run.out());
    assertEquals(before, content());
    assertFalse(WORDS_TO_AVOID.matcher(malformed.message()).find(), malformed::message);
    assertTrue(malformed.code() == 2 || malformed.code() == 3 || malformed.code() == 5);
  }

  /** A word of the command line, with the directory in front if it names something there. */
  private String located(String word) {
    boolean isHere =
        FILE.matcher(word).matches()
            || (word.matches("\\w+") && Files.exists(path(word), LinkOption.NOFOLLOW_LINKS));
    return isHere ? "./" + word : word;
  }

  /** Makes what a folder under version control cannot hold, or says why it cannot be had. */
  private void setUp(Malformed malformed) throws IOException {
    if (malformed.setup().isEmpty()) {
      return;
    }
    String[] setup = malformed.setup().split(" ", 2);
    Path path = path(setup[1]);
    switch (setup[0]) {
      case "directory" -> Files.createDirectory(path);
      case "loop" -> Files.createSymbolicLink(path, path.getFileName());
      case "device" -> {
        if (!Files.isWritable(Path.of(setup[1]))) {
          abort(malformed.name() + ": skipped, this machine has no " + setup[1]);
        }
      }
      case "read-only" -> {
        Files.writeString(path, "kept");
        restrict(malformed, path, "r--r--r--");
      }
      case "no-permission" -> {
        Files.writeString(path, "1,2\n3,4\n");
        restrict(malformed, path, "---------");
      }
      case "closed" -> {
        Files.createDirectory(path);
        restrict(malformed, path, "r-xr-xr-x");
      }
      default -> throw new AssertionError(malformed.name() + ": setup " + malformed.setup());
    }
  }

  private static void restrict(Malformed malformed, Path path, String mode) throws IOException {
    Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(mode));
    boolean allowed = mode.startsWith("r") ? Files.isWritable(path) : Files.isReadable(path);
    if (allowed) {
      abort(malformed.name() + ": skipped, permissions do not bind this user (root)");
    }
  }

  /** What stands in the directory: names and content. */
  private Map<String, String> content() throws IOException {
    Map<String, String> content = new TreeMap<>();
    for (String name : files()) {
      Path path = path(name);
      content.put(
          name,
          Files.isRegularFile(path) && Files.isReadable(path)
              ? new String(Files.readAllBytes(path), StandardCharsets.ISO_8859_1)
              : "not read");
    }
    return content;
  }

  @Test
  void eachCaseIsAnother() throws IOException {
    Map<String, String> seen = new HashMap<>();
    for (Malformed malformed : cases()) {
      assertTrue(malformed.why().endsWith("."), malformed::toString);
      for (String text :
          List.of(
              "name " + malformed.name(),
              "command " + malformed.command() + " " + malformed.setup(),
              "message " + malformed.message(),
              "why " + malformed.why())) {
        String other = seen.put(text, malformed.name());
        assertTrue(other == null, () -> other + " and " + malformed.name() + " have one " + text);
      }
    }
  }

  @Test
  void eachFileIsInSomeCase() throws IOException {
    Set<String> used = new HashSet<>(Set.of(MANIFEST));
    for (Malformed malformed : cases()) {
      used.addAll(malformed.files());
    }
    try (Stream<Path> folder = Files.list(FOLDER)) {
      for (Path file : folder.toList()) {
        assertTrue(used.contains(file.getFileName().toString()), file + " is in no case");
        assertTrue(file.endsWith(MANIFEST) || Files.size(file) <= 4096, file + " is large");
      }
    }
  }

  @Test
  void theDocumentHasEachCase() throws IOException {
    String document = Files.readString(ROOT.resolve("docs/errors.md"));
    List<String> rows =
        document
            .substring(document.indexOf(BEGIN))
            .lines()
            .filter(l -> l.startsWith("| `"))
            .toList();
    Map<String, String> byMessage =
        rows.stream()
            .map(row -> row.substring(3).split("` \\| ", 2))
            .filter(cells -> cells.length == 2)
            .collect(Collectors.toMap(cells -> cells[0], cells -> cells[1], (a, b) -> a));
    for (Malformed malformed : cases()) {
      String cause = byMessage.get(malformed.message().replace("|", "\\|"));
      assertTrue(
          cause != null && cause.startsWith(malformed.why()),
          () -> "docs/errors.md: run testdata/make_malformed.py for " + malformed);
    }
  }

  @Test
  void theScriptWritesWhatIsHere() throws Exception {
    Process script;
    try {
      script =
          new ProcessBuilder("python3", ROOT.resolve("testdata/make_malformed.py") + "", "--check")
              .redirectErrorStream(true)
              .start();
    } catch (IOException e) {
      abort("theScriptWritesWhatIsHere: skipped, this machine has no python3");
      return;
    }
    String out = new String(script.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals("", out);
    assertEquals(0, script.waitFor());
  }

  @Test
  void columnsOfNoRowsCostNothing() {
    testdata("malformed/wide.npy");
    testdata("malformed/wide-empty.npy");
    assertEquals("", quiet("convert ./wide-empty.npy --to csv").out());
    assertEquals("", quiet("convert ./wide.npy --to tsv").out());
  }

  @Test
  void theManifestHasItsColumns() throws IOException {
    List<List<String>> records = records(Files.readString(FOLDER.resolve(MANIFEST)));
    assertEquals(COLUMNS, records.get(0));
    assertEquals(
        Set.of(COLUMNS.size()), records.stream().map(List::size).collect(Collectors.toSet()));
    assertEquals(
        Arrays.asList("2", "3", "5"),
        records.stream().skip(1).map(r -> r.get(4)).distinct().sorted().toList());
  }
}
