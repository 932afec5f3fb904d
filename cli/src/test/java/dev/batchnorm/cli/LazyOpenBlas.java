package dev.batchnorm.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A program that runs commands, one an argument, and prints after the output of each which files of
 * OpenBLAS are mapped into memory.
 */
final class LazyOpenBlas {
  private LazyOpenBlas() {}

  public static void main(String[] commands) throws IOException {
    for (String command : commands) {
      int code = Main.run(List.of(command.split(" ")), System.in, System.out, System.err);
      System.out.println("exit code " + code);
      Files.readAllLines(Path.of("/proc/self/maps")).stream()
          .filter(line -> line.matches(".*(openblas|gfortran|quadmath).*"))
          .map(line -> "mapped " + line.substring(line.lastIndexOf('/') + 1))
          .distinct()
          .forEach(System.out::println);
    }
  }
}
