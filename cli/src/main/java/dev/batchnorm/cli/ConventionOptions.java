package dev.batchnorm.cli;

import dev.batchnorm.Convention;
import dev.batchnorm.Momentum;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Whose convention, and the momentum of running statistics. */
final class ConventionOptions {
  private static final String CUMULATIVE = "cumulative";

  @Option(
      names = "--momentum",
      paramLabel = "A",
      description =
          "running = (1 − A)·running + A·batch, but A·running + (1 − A)·batch with --convention onnx, keras, flax or "
              + "mxnet; cumulative averages all batches alike. Default: 0.1, or the convention's. Needs --running.")
  private @Nullable String momentum;

  @Option(
      names = "--convention",
      paramLabel = "NAME",
      defaultValue = "pytorch",
      description =
          "Whose defaults of eps and momentum, and whose running variance: pytorch onnx keras flax mxnet. Default: pytorch.")
  private String convention = "pytorch";

  Convention convention() {
    return Choice.of("--convention", convention, Convention.values());
  }

  boolean hasMomentum() {
    return momentum != null;
  }

  /** Refuses a momentum where there are no running statistics. */
  void requireRunning(@Nullable String running) {
    if (momentum != null && running == null) {
      throw new UsageException("--momentum: expected --running beside it, found none");
    }
  }

  /** Whether all batches are averaged alike, which has to know how many there were. */
  boolean isCumulative() {
    return CUMULATIVE.equals(momentum);
  }

  /** The number typed, or NaN if it was none. */
  double number() {
    return momentum == null || isCumulative() ? Double.NaN : Numbers.momentum(momentum);
  }

  /** The momentum as typed, with the convention's meaning; the convention's if none was. */
  Momentum momentum() {
    if (isCumulative()) {
      return Momentum.cumulative();
    }
    Momentum usual = convention().momentum();
    return momentum == null ? usual : usual.withNumber(Numbers.momentum(momentum));
  }
}
