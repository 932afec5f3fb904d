package dev.batchnorm.cli;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * One run of the command in this process, and what came of it.
 *
 * @param code the exit code
 * @param bytes what went to standard output
 * @param error the lines that went to standard error, the directory's path left out
 */
record CommandLineRun(int code, byte[] bytes, List<String> error) {
  /** Begins the path of a file in the run's directory. */
  private static final String HERE = "./";

  /**
   * Runs the command.
   *
   * @param directory stands for the {@code ./} that a word begins with, also after {@code =}
   * @param in standard input
   * @param words the command line without {@code batchnorm}
   */
  static CommandLineRun of(Path directory, byte[] in, List<String> words) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    CommandLineRun run = writingTo(out, directory, new ByteArrayInputStream(in), words);
    return new CommandLineRun(run.code, out.toByteArray(), run.error);
  }

  /** Runs the command with a standard output that the test made; no bytes are recorded. */
  static CommandLineRun writingTo(
      OutputStream out, Path directory, InputStream in, List<String> words) {
    ByteArrayOutputStream error = new ByteArrayOutputStream();
    List<String> arguments = new ArrayList<>();
    for (String word : words) {
      arguments.add(word.startsWith(HERE) ? directory + word.substring(1) : word);
    }
    int code = Main.run(arguments, in, out, new PrintStream(error, true, StandardCharsets.UTF_8));
    String text = error.toString(StandardCharsets.UTF_8).replace(directory + "/", "");
    return new CommandLineRun(code, new byte[0], text.lines().toList());
  }

  /** Standard output as text. */
  String out() {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** The lines of standard output. */
  List<String> lines() {
    return out().lines().toList();
  }
}
