package dev.batchnorm.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Runs any command line in the current directory, which it brings back to what it was: whatever the
 * words, the exit code is one of those that scripts know, and an error has its line.
 */
public final class CommandLineTarget {
  private static final Path HERE = Path.of("");
  private static final Pattern WORD = Pattern.compile("'([^']*)'|([^' ]+)");
  private static final long MOST_SECONDS = 10;
  private static final Map<Path, byte[]> FILES = new HashMap<>();

  private CommandLineTarget() {}

  /** Remembers the files of the current directory. */
  public static void fuzzerInitialize() throws IOException {
    if (!HERE.toAbsolutePath().endsWith(Path.of("fuzz", "target", "work"))) {
      throw new IllegalStateException(
          "expected fuzz/target/work, whose files may vanish, found " + HERE.toAbsolutePath());
    }
    for (Path file : list()) {
      FILES.put(file, Files.readAllBytes(file));
    }
  }

  private static List<Path> list() throws IOException {
    try (Stream<Path> files = Files.list(HERE)) {
      return files.toList();
    }
  }

  /**
   * What Jazzer calls.
   *
   * @param input the words as a shell would have them; what follows the first line feed is standard
   *     input
   */
  public static void fuzzerTestOneInput(byte[] input) throws IOException {
    int end = 0;
    while (end < input.length && input[end] != '\n') {
      end++;
    }
    List<String> words = words(new String(input, 0, end, UTF_8));
    InputStream in =
        new ByteArrayInputStream(
            Arrays.copyOfRange(input, Math.min(end + 1, input.length), input.length));
    ByteArrayOutputStream error = new ByteArrayOutputStream();
    long start = System.nanoTime();
    int code =
        Main.run(words, in, new ByteArrayOutputStream(), new PrintStream(error, true, UTF_8));
    long seconds = (System.nanoTime() - start) / 1_000_000_000;
    restore();
    String told = error.toString(UTF_8);
    boolean isRefused = code >= ExitCode.USAGE;
    if (code < 0 || code > ExitCode.OUTPUT || (isRefused && !told.startsWith("batchnorm: "))) {
      throw new AssertionError(words + ": exit code " + code + ", " + told);
    }
    if (seconds > MOST_SECONDS) {
      throw new AssertionError(words + ": " + seconds + " seconds");
    }
  }

  /** No word leads out of the directory, and none holds a NUL: the system hands over none. */
  private static List<String> words(String line) {
    List<String> words = new ArrayList<>();
    for (Matcher word = WORD.matcher(line.replace('/', '_').replace('\0', ' ')); word.find(); ) {
      words.add(word.group(1) != null ? word.group(1) : word.group(2));
    }
    return words;
  }

  /** A command may write over its inputs. */
  private static void restore() throws IOException {
    for (Path file : list()) {
      if (!FILES.containsKey(file)) {
        Files.delete(file);
      }
    }
    for (Map.Entry<Path, byte[]> file : FILES.entrySet()) {
      Path path = file.getKey();
      if (!Files.exists(path)
          || Files.size(path) != file.getValue().length
          || Files.getLastModifiedTime(path).toMillis() != 0) {
        Files.write(path, file.getValue());
        Files.setLastModifiedTime(path, FileTime.fromMillis(0));
      }
    }
  }
}
