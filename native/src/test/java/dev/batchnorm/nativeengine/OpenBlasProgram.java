package dev.batchnorm.nativeengine;

import dev.batchnorm.EngineUnavailableException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Opens OpenBLAS and tells what came of it. {@code open} the one of the class path, {@code open
 * DIRECTORY} one that lies there, {@code threads} on a thread that those it starts are named after.
 */
final class OpenBlasProgram {
  private static final String OPENER = "opener";

  private OpenBlasProgram() {}

  public static void main(String[] arguments) throws IOException, InterruptedException {
    Kernels.load();
    if (arguments[0].equals("threads")) {
      Thread opener = new Thread(OpenBlasProgram::countThreads, OPENER);
      opener.start();
      opener.join();
    } else if (arguments.length == 1) {
      open(OpenBlas.class.getClassLoader());
    } else {
      URL[] place = {Path.of(arguments[1]).toUri().toURL()};
      try (URLClassLoader libraries = new URLClassLoader(place, null)) {
        open(libraries);
      }
    }
  }

  private static void open(ClassLoader classPath) {
    try {
      new OpenBlas(classPath).ensureOpen();
      System.out.println("open");
    } catch (EngineUnavailableException e) {
      System.out.println(e.getMessage());
      System.out.println(e.hint());
    }
  }

  private static void countThreads() {
    try {
      String before = processors();
      OpenBlas.open();
      long threads;
      try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
        threads = tasks.filter(task -> name(task).equals(OPENER)).count();
      }
      System.out.printf(
          "threads %d, as many processors: %s%n", threads, before.equals(processors()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A thread may end while it is looked at. */
  private static String name(Path task) {
    try {
      return Files.readString(task.resolve("comm")).strip();
    } catch (IOException e) {
      return "";
    }
  }

  private static String processors() throws IOException {
    List<String> status = Files.readAllLines(Path.of("/proc/thread-self/status"));
    return status.stream().filter(line -> line.startsWith("Cpus_allowed:")).findFirst().orElse("");
  }
}
