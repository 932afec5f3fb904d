package dev.batchnorm.cli;

import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.ClosedPipeException;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Numerals;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.csv.CsvOptions;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One run of the command: what was typed, its streams, and how much it talks. Only this class
 * prints to standard error.
 */
final class Session {
  private static final Pattern PLAIN = Pattern.compile("[\\w@%+=:,./-]+");

  private static final int LEAST_TIMED = 10_000_000;
  private static final int MOST_SPOOLED = 1 << 30;

  /** Text that takes longer than loading an engine that is not needed otherwise. */
  private static final int WORTH_AN_ENGINE = 16 << 20;

  private final List<String> arguments;
  private final InputStream in;
  private final OutputStream out;
  private final PrintStream error;
  private GlobalOptions options = new GlobalOptions();
  private int threads = Runtime.getRuntime().availableProcessors();
  private @Nullable Numerals numerals;
  private boolean knowsEngine;
  private final long start = System.nanoTime();
  private long inputBytes;
  private @Nullable Progress progress;
  private long memory = Runtime.getRuntime().maxMemory() / 4;
  private int spoolMemory = (int) Math.min(memory, InputBytes.SPOOLED_IN_MEMORY);

  Session(List<String> arguments, InputStream in, OutputStream out, PrintStream error) {
    this.arguments = arguments;
    this.in = in;
    this.out = out;
    this.error = error;
  }

  List<String> arguments() {
    return arguments;
  }

  InputStream in() {
    return in;
  }

  OutputStream out() {
    return out;
  }

  void use(GlobalOptions chosen) {
    options = chosen;
    showProgress();
    if (chosen.maxMemory != null) {
      memory = Numbers.bytes("--max-memory", chosen.maxMemory);
      spoolMemory = (int) Math.min(memory, MOST_SPOOLED);
    }
  }

  /** Lets files be read and written as an engine does it best, by that many threads. */
  void use(Engine engine, int chosen) {
    numerals = engine.numerals();
    knowsEngine = true;
    threads = chosen;
  }

  /**
   * How CSV is read and written: as asked for, with this run's threads and memory.
   *
   * @param bytes about how much there is of it
   */
  CsvOptions csv(CsvOptions asked, long bytes) {
    if (!knowsEngine && bytes > WORTH_AN_ENGINE) {
      use(Engines.preferred(), threads);
    }
    return asked.withThreads(threads).withMemory(memory).withNumerals(numerals);
  }

  /** The bytes of values that may be held in memory. */
  long memory() {
    return memory;
  }

  /** The bytes of standard input that may be held in memory. */
  int spoolMemory() {
    return spoolMemory;
  }

  boolean showsStackTraces() {
    return options.stackTrace;
  }

  boolean digests() {
    return options.digest;
  }

  /** Says something only {@code -v} asks for. */
  void talk(String line) {
    if (options.verbose) {
      say("batchnorm: " + line);
    }
  }

  /** Shows how far the run is, if standard error is a terminal. */
  private void showProgress() {
    if (System.getProperty(Progress.TERMINAL) != null && !options.quiet) {
      progress = new Progress(error);
    }
  }

  /** Shows no more of it. */
  void endProgress() {
    if (progress != null) {
      progress.close();
      progress = null;
    }
  }

  /** Prints with the line of {@link Progress} out of the way. */
  private void aside(Runnable print) {
    if (progress != null) {
      progress.aside(print);
    } else {
      print.run();
    }
  }

  private void say(String line) {
    aside(() -> error.println(line));
  }

  /** An input of that size is opened. */
  void countInput(long bytes) {
    inputBytes += bytes;
    if (progress != null) {
      progress.add(bytes);
    }
  }

  /** Says how fast inputs became outputs, unless it is over before that means anything. */
  void talkAboutSpeed() {
    double seconds = (System.nanoTime() - start) / 1e9;
    if (inputBytes >= LEAST_TIMED) {
      talk(
          String.format(
              Locale.ROOT,
              "%s in %.1f s, %s a second",
              Wording.size(inputBytes),
              seconds,
              Wording.size((long) (inputBytes / seconds))));
    }
  }

  /** Says something the user should know; {@code -q} silences it. */
  void warn(String line) {
    if (!options.quiet) {
      say("batchnorm: warning: " + line);
    }
  }

  /** Says what was asked for by an option of its own, such as {@code --digest}. */
  void tell(String line) {
    say(line);
  }

  void stackTrace(Throwable failure) {
    aside(() -> failure.printStackTrace(error));
  }

  /**
   * Prints to standard output; an output that cannot be written is an error as it is for data. Who
   * reads no further has all that was wanted, and the exit code is what it would be.
   */
  void print(String text) {
    aside(() -> write(text));
  }

  private void write(String text) {
    try (AtomicOutput output = AtomicOutput.standardOutput(out)) {
      output.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
      output.commit();
    } catch (ClosedPipeException e) {
      talk(String.valueOf(e.getMessage()));
    }
  }

  /** The command line as it would be pasted into a shell. */
  String commandLine() {
    return commandLine(arguments);
  }

  /** A command line of this program as it would be pasted into a shell. */
  static String commandLine(List<String> arguments) {
    return "batchnorm "
        + arguments.stream()
            .map(a -> PLAIN.matcher(a).matches() ? a : "'" + a.replace("'", "'\\''") + "'")
            .collect(Collectors.joining(" "));
  }
}
