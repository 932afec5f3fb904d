package dev.batchnorm.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Where the command starts, and the only place that ends the process. */
public final class Main {
  private Main() {}

  /** Runs one command and exits with its code. */
  public static void main(String[] arguments) {
    // What is written is UTF-8 on every machine: a script must find the same bytes whatever the
    // locale.
    PrintStream error =
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8);
    System.exit(
        run(List.of(arguments), System.in, new FileOutputStream(FileDescriptor.out), error));
  }

  /** Runs one command; never exits. */
  static int run(List<String> arguments, InputStream in, OutputStream out, PrintStream error) {
    Session session = new Session(arguments, in, out, error);
    return RootCommand.execute(session);
  }
}
