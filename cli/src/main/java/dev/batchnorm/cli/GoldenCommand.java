package dev.batchnorm.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code golden} without {@code record} or {@code check}: help. */
@Command(
    name = "golden",
    sortOptions = false,
    description = {
      "Record runs with all their inputs and outputs, and check later, elsewhere or on another engine, that they give "
          + "the same bits."
    },
    synopsisSubcommandLabel = "COMMAND",
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm golden record golden x.csv --dy dy.csv",
      "  batchnorm golden check golden"
    })
final class GoldenCommand implements Runnable {
  private final Session session;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Mixin private GlobalOptions global = new GlobalOptions();

  GoldenCommand(Session session) {
    this.session = session;
  }

  @Override
  public void run() {
    session.use(global);
    String known = String.join(" or ", spec.subcommands().keySet());
    throw new CommandLine.ParameterException(
        spec.commandLine(), "expected golden " + known + ", found none");
  }
}
