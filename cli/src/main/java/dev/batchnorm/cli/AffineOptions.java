package dev.batchnorm.cli;

import dev.batchnorm.Affine;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** γ, β and ε. */
final class AffineOptions {
  @Option(
      names = {"--gamma", "--scale", "--weight"},
      paramLabel = "G",
      description =
          "The scale γ: a number for all channels, or a file with one value per channel. Default: 1.")
  private @Nullable String gamma;

  @Option(
      names = {"--beta", "--shift", "--bias"},
      paramLabel = "B",
      description =
          "The shift β: a number for all channels, or a file with one value per channel. Default: 0.")
  private @Nullable String beta;

  @Option(
      names = "--eps",
      paramLabel = "E",
      description =
          "Added to the variance under the root, finite and ≥ 0. Default: what --running FILE was saved with "
              + "where its statistics are used, the convention's where there is one, else 1e-5.")
  private @Nullable String eps;

  /** ε as typed, or null. */
  @Nullable Double eps() {
    return eps == null ? null : Numbers.eps(eps);
  }

  /** Whether γ or β was given. */
  boolean isGiven() {
    return gamma != null || beta != null;
  }

  /** Whether γ was given. */
  boolean hasGamma() {
    return gamma != null;
  }

  /** Whether β was given. */
  boolean hasBeta() {
    return beta != null;
  }

  /** γ and β where they were typed as numbers, for anything; 1 and 0 where they are files. */
  Affine ofNumbers() {
    Affine affine = Affine.IDENTITY;
    if (gamma != null && Numbers.isNumber(gamma)) {
      affine = affine.withGamma(Numbers.orNaN(gamma));
    }
    if (beta != null && Numbers.isNumber(beta)) {
      affine = affine.withBeta(Numbers.orNaN(beta));
    }
    return affine;
  }

  /** γ and β for the channels. */
  Affine affine(InputFiles files, Channels channels) {
    return files.affine(
        channels,
        gamma,
        List.of("gamma", "weight", "scale"),
        beta,
        List.of("beta", "bias", "shift"));
  }
}
