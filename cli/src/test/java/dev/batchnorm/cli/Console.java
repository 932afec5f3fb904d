package dev.batchnorm.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A shell in a directory that holds {@code testdata} and {@code ./batchnorm}, also found as {@code
 * batchnorm}. It runs transcripts and tells where they are not what the shell says.
 *
 * <p>A transcript: a line {@code $ command}, continued by lines {@code > …}, then what the terminal
 * shows, standard output and standard error as they come. A line {@code …} stands for any lines, a
 * {@code …} within a line for any characters. The commands of one transcript share a shell.
 */
final class Console {
  /** As the launcher says it: without it, newer Javas warn of every native library. */
  static final String NATIVE_ACCESS =
      Runtime.version().feature() >= 24 ? "--enable-native-access=ALL-UNNAMED" : "-Xshare:auto";

  private static final String MARK = "--- end of command ---";
  private static final String PROMPT = "$ ";
  private static final String MORE = "> ";
  private static final String ANYTHING = "…";
  private static final int MOST_SECONDS = 60;

  private final Path directory;

  private record Step(String command, List<String> expected) {}

  /**
   * Lays out the directory.
   *
   * @param classPath where {@code ./batchnorm} finds the program
   */
  Console(Path directory, Path testdata, String classPath) throws IOException {
    this.directory = directory;
    try (Stream<Path> files = Files.walk(testdata)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Path copy = directory.resolve("testdata").resolve(testdata.relativize(file).toString());
        if (!copy.toString().contains("/testdata/target/")) {
          Files.createDirectories(copy.getParent());
          Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING);
        }
      }
    }
    Path command = directory.resolve("batchnorm");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Files.writeString(
        command,
        "#!/bin/sh\nexec '%s' -XX:TieredStopAtLevel=1 %s -cp '%s' dev.batchnorm.cli.Main \"$@\"\n"
            .formatted(java, NATIVE_ACCESS, classPath));
    Files.setPosixFilePermissions(command, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  /** Runs a transcript; the first difference found, or an empty text. */
  String check(List<String> transcript) {
    List<Step> steps = steps(transcript);
    StringBuilder script = new StringBuilder();
    for (Step step : steps) {
      // The mark ends each command's output; $? stays what it was.
      script
          .append(step.command)
          .append("\n{ c=$?; printf '\\n%s\\n' '" + MARK + "'; (exit $c); }\n");
    }
    String[] outputs = bash(script.toString()).split(Pattern.quote("\n" + MARK + "\n"), -1);
    for (int i = 0; i < steps.size(); i++) {
      Step step = steps.get(i);
      String found = i < outputs.length ? outputs[i] : "";
      if (!pattern(step.expected).matcher(ended(found)).matches()) {
        return "%s%s\nexpected:\n%s\nfound:\n%s"
            .formatted(PROMPT, step.command, String.join("\n", step.expected), found);
      }
    }
    return "";
  }

  private static String ended(String output) {
    return output.isEmpty() || output.endsWith("\n") ? output : output + "\n";
  }

  private static List<Step> steps(List<String> transcript) {
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < transcript.size(); ) {
      if (!transcript.get(i).startsWith(PROMPT)) {
        throw new AssertionError(
            "expected a transcript to begin with \"$ \", found: " + transcript.get(i));
      }
      StringBuilder command = new StringBuilder(transcript.get(i++).substring(PROMPT.length()));
      while (i < transcript.size() && transcript.get(i).startsWith(MORE)) {
        command.append("\n").append(transcript.get(i++).substring(MORE.length()));
      }
      List<String> expected = new ArrayList<>();
      while (i < transcript.size() && !transcript.get(i).startsWith(PROMPT)) {
        expected.add(transcript.get(i++));
      }
      steps.add(new Step(command.toString(), expected));
    }
    return steps;
  }

  private static Pattern pattern(List<String> expected) {
    return Pattern.compile(
        expected.stream()
            .map(
                line ->
                    line.strip().equals(ANYTHING)
                        ? "(?:.*\n)*"
                        : Stream.of(line.split(ANYTHING, -1))
                                .map(Pattern::quote)
                                .collect(Collectors.joining(".*"))
                            + "\n")
            .collect(Collectors.joining()));
  }

  /** What the script writes, standard error among standard output. */
  String bash(String script) {
    return run(List.of("bash", "-c", script));
  }

  /** What the program writes, standard error among standard output. */
  String run(List<String> words) {
    ProcessBuilder builder =
        new ProcessBuilder(words).directory(directory.toFile()).redirectErrorStream(true);
    Map<String, String> environment = builder.environment();
    environment.put("PATH", directory + ":" + environment.get("PATH"));
    environment.keySet().removeIf(name -> name.startsWith("BATCHNORM_") || name.equals("_"));
    environment.remove("JAVA_TOOL_OPTIONS");
    builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
    try {
      Process process = builder.start();
      Thread guard = new Thread(() -> endAfterAWhile(process));
      guard.setDaemon(true);
      guard.start();
      try (InputStream output = process.getInputStream()) {
        return new String(output.readAllBytes(), StandardCharsets.UTF_8);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void endAfterAWhile(Process process) {
    try {
      if (!process.waitFor(MOST_SECONDS, TimeUnit.SECONDS)) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
