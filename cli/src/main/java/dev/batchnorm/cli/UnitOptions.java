package dev.batchnorm.cli;

import dev.batchnorm.Affine;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** γ, β and ε of units, whose {@code --weights} are other things. */
final class UnitOptions {
  @Option(
      names = {"--gamma", "--scale"},
      paramLabel = "G",
      description =
          "The scale γ: a number for all units, or a file with one value per unit. Default: 1.")
  private @Nullable String gamma;

  @Option(
      names = {"--beta", "--shift"},
      paramLabel = "B",
      description =
          "The shift β: a number for all units, or a file with one value per unit. Default: 0.")
  private @Nullable String beta;

  @Option(
      names = "--eps",
      paramLabel = "E",
      description =
          "Added to the variance under the root, finite and ≥ 0. Default: 1e-5. Weight normalization has none.")
  private @Nullable String eps;

  /** ε as typed, or null. */
  @Nullable Double eps() {
    return eps == null ? null : Numbers.eps(eps);
  }

  /** γ and β for the units. */
  Affine affine(InputFiles files, Channels units) {
    return files.affine(units, gamma, List.of("gamma", "scale"), beta, List.of("beta", "shift"));
  }
}
