package dev.batchnorm.cli;

import dev.batchnorm.BatchNormException;
import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.InputException;
import dev.batchnorm.OutputException;
import dev.batchnorm.format.ClosedPipeException;
import dev.batchnorm.format.Wording;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.OverwrittenOptionException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns whatever went wrong into one line, a hint where there is one, and an exit code. */
final class ErrorReporter {
  private final Session session;

  ErrorReporter(Session session) {
    this.session = session;
  }

  int report(Throwable failure) {
    if (failure instanceof ClosedPipeException) {
      return ExitCode.OK; // whoever reads has all that was wanted
    }
    if (session.showsStackTraces()) {
      session.stackTrace(failure);
    }
    if (failure instanceof UsageException usage) {
      return say(usage.getMessage(), usage.hint(), ExitCode.USAGE);
    }
    if (failure instanceof UnmatchedArgumentException unmatched
        && !unmatched.isUnknownOption()
        && unmatched.getCommandLine().getSubcommands().isEmpty()) {
      return say(
          "expected no further argument, found " + Wording.quoted(unmatched.getUnmatched().get(0)),
          null,
          ExitCode.USAGE);
    }
    if (failure instanceof UnmatchedArgumentException unmatched && !unmatched.isUnknownOption()) {
      String known = String.join(", ", unmatched.getCommandLine().getSubcommands().keySet());
      String found = unmatched.getUnmatched().get(0);
      return say(
          "expected a command (" + known + "), found \"" + found + "\"", null, ExitCode.USAGE);
    }
    if (failure instanceof ParameterException parameter
        && parameter.getArgSpec() instanceof OptionSpec option
        && parameter.getValue() != null) {
      return say(
          option.longestName()
              + ": expected a whole number"
              + (parameter.getValue().matches("[+-]?[0-9]+") ? " that a machine can count to" : "")
              + ", found "
              + Wording.quoted(parameter.getValue()),
          null,
          ExitCode.USAGE);
    }
    if (failure instanceof ParameterException parameter) {
      String command = parameter.getCommandLine().getCommandSpec().qualifiedName();
      return say(message(parameter), command + " --help", ExitCode.USAGE);
    }
    if (failure instanceof BatchNormException known) {
      return say(known.getMessage(), known.hint(), code(known));
    }
    if (failure instanceof OutOfMemoryError) {
      String reason = String.valueOf(failure.getMessage());
      String most = Runtime.getRuntime().maxMemory() / (1 << 20) + " MB";
      return reason.startsWith("Java heap")
          ? say(
              "out of memory: the Java heap ends at " + most,
              "BATCHNORM_JAVA_OPTS=-Xmx… raises it",
              ExitCode.BUG)
          : say("out of memory: " + reason, null, ExitCode.BUG);
    }
    return say("this is a bug: " + failure, "--stacktrace shows where", ExitCode.BUG);
  }

  /** What picocli found, in the form of all other errors. */
  private static String message(ParameterException failure) {
    String text = lowerFirst(failure.getMessage());
    if (failure instanceof UnmatchedArgumentException unmatched) {
      String command =
          failure.getCommandLine().getCommandSpec().qualifiedName().replaceFirst("^batchnorm ", "");
      String found = Wording.quoted(unmatched.getUnmatched().get(0));
      return "expected an option of " + command + ", found " + found;
    }
    if (failure instanceof OverwrittenOptionException twice
        && twice.getOverwritten() instanceof OptionSpec option) {
      return option.names()[0] + ": expected it once, found it twice";
    }
    if (!(failure instanceof MissingParameterException missing) || missing.getMissing().isEmpty()) {
      return text;
    }
    ArgSpec first = missing.getMissing().get(0);
    if (!(first instanceof OptionSpec option)) {
      return "expected " + first.paramLabel() + ", found none";
    }
    return text.startsWith("missing required option")
        ? "expected " + option.names()[0] + " " + option.paramLabel() + ", found none"
        : option.names()[0] + ": expected " + option.paramLabel() + " behind it, found none";
  }

  private static int code(BatchNormException failure) {
    if (failure instanceof InputException) {
      return ExitCode.INPUT;
    }
    if (failure instanceof EngineUnavailableException) {
      return ExitCode.ENGINE;
    }
    return failure instanceof OutputException ? ExitCode.OUTPUT : ExitCode.BUG;
  }

  private int say(@Nullable String message, @Nullable String hint, int code) {
    session.tell("batchnorm: " + Wording.escaped(String.valueOf(message)));
    if (hint != null) {
      session.tell("hint: " + Wording.escaped(hint));
    }
    return code;
  }

  /** picocli begins its messages with a capital letter, ours begin with a place. */
  private static String lowerFirst(@Nullable String message) {
    return message == null || message.isEmpty()
        ? "the command line is not understood"
        : Character.toLowerCase(message.charAt(0)) + message.substring(1);
  }
}
