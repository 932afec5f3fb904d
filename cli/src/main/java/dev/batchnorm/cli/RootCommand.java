package dev.batchnorm.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The command without a command: help and version. */
@Command(
    name = "batchnorm",
    mixinStandardHelpOptions = true,
    versionProvider = RootCommand.Version.class,
    description = {
      "Batch normalization on data files: forward and backward passes whose bits depend on the data alone. "
          + "Every sum is exact and rounded once, so the engine, the threads, the instruction set, the layout and the "
          + "order of the rows change nothing."
    },
    synopsisSubcommandLabel = "COMMAND",
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm forward x.csv -o y.csv",
      "  batchnorm backward x.npy --dy dy.npy -o gradients.npz",
      "  batchnorm verify x.csv",
      "",
      "Exit codes: 0 done or no difference, 1 a check found a difference, 2 the command line is wrong, 3 an input is, "
          + "4 the engine is not available, 5 the output could not be written, 70 a bug."
    })
final class RootCommand implements Runnable {

  /** The version that the jar was built as. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = RootCommand.class.getPackage().getImplementationVersion();
      return new String[] {"batchnorm " + (version != null ? version : "(unpacked)")};
    }
  }

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public void run() {
    throw new CommandLine.ParameterException(spec.commandLine(), "expected a command, found none");
  }

  /** {@code -:member} is no option, though it begins as one. */
  private static String argument(String typed) {
    return typed.startsWith("-:")
        ? InputFiles.MEMBER_OF_STANDARD_INPUT + typed.substring(2)
        : typed;
  }

  private static void setVersion(CommandLine command) {
    for (CommandLine below : command.getSubcommands().values()) {
      below.getCommandSpec().versionProvider(new Version());
      setVersion(below);
    }
  }

  /** Parses and runs what the session's arguments ask for. */
  static int execute(Session session) {
    ErrorReporter reporter = new ErrorReporter(session);
    StringWriter help = new StringWriter();
    CommandLine commands =
        new CommandLine(new RootCommand())
            .addSubcommand(new ForwardCommand(session))
            .addSubcommand(new InferCommand(session))
            .addSubcommand(new BackwardCommand(session))
            .addSubcommand(new StatsCommand(session))
            .addSubcommand(new CovarianceCommand(session))
            .addSubcommand(new ReparamCommand(session))
            .addSubcommand(new FoldCommand(session))
            .addSubcommand(new InspectCommand(session))
            .addSubcommand(new ConvertCommand(session))
            .addSubcommand(new CompareCommand(session))
            .addSubcommand(new VerifyCommand(session))
            .addSubcommand(
                new CommandLine(new GoldenCommand(session))
                    .addSubcommand(new GoldenRecordCommand(session))
                    .addSubcommand(new GoldenCheckCommand(session)))
            .addSubcommand(new AuditCommand(session))
            .addSubcommand(new GradcheckCommand(session))
            .addSubcommand(new CasesCommand(session))
            .addSubcommand(new EnginesCommand(session))
            .setOut(new PrintWriter(help))
            .setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF))
            .setUsageHelpWidth(100)
            .setExpandAtFiles(false)
            .setParameterExceptionHandler((failure, arguments) -> reporter.report(failure))
            .setExecutionExceptionHandler((failure, command, parsed) -> reporter.report(failure));
    setVersion(commands);
    try {
      int code =
          commands.execute(
              session.arguments().stream().map(RootCommand::argument).toArray(String[]::new));
      session.endProgress();
      if (code == ExitCode.OK) {
        session.talkAboutSpeed();
      }
      if (help.getBuffer().length() > 0) {
        session.print(help.toString());
      }
      return code;
    } catch (RuntimeException
        | Error e) { // picocli hands over neither errors nor what printing throws
      return reporter.report(e);
    } finally {
      session.endProgress();
    }
  }
}
