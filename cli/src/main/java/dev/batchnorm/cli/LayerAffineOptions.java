package dev.batchnorm.cli;

import dev.batchnorm.Affine;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** γ, β and ε beside a layer, whose {@code --weights} and {@code --bias} are other things. */
final class LayerAffineOptions {
  @Option(
      names = {"--gamma", "--scale"},
      paramLabel = "G",
      description =
          "The scale γ: a number for all channels, or a file with one value per channel. Default: 1.")
  private @Nullable String gamma;

  @Option(
      names = {"--beta", "--shift"},
      paramLabel = "S",
      description =
          "The shift β: a number for all channels, or a file with one value per channel. Default: 0.")
  private @Nullable String beta;

  @Option(
      names = "--eps",
      paramLabel = "E",
      description =
          "Added to the variance under the root, finite and ≥ 0. Default: what --running FILE was saved with, else "
              + "1e-5.")
  private @Nullable String eps;

  /** ε as typed, or null. */
  @Nullable Double eps() {
    return eps == null ? null : Numbers.eps(eps);
  }

  /** Whether γ or β was given. */
  boolean isGiven() {
    return gamma != null || beta != null;
  }

  /**
   * γ and β for the output channels of a layer. What PyTorch calls weight and bias is the layer's
   * in the files of the layer, and not meant here.
   */
  Affine affine(InputFiles files, Channels channels, String weights, @Nullable String bias) {
    boolean isGammaOfLayer = isOfLayer(gamma, weights, bias);
    boolean isBetaOfLayer = isOfLayer(beta, weights, bias);
    return files.affine(
        channels,
        gamma,
        isGammaOfLayer ? List.of("gamma", "scale") : List.of("gamma", "weight", "scale"),
        beta,
        isBetaOfLayer ? List.of("beta", "shift") : List.of("beta", "bias", "shift"));
  }

  /** Whether an argument is a file of the layer. */
  static boolean isOfLayer(@Nullable String argument, String weights, @Nullable String bias) {
    if (argument == null) {
      return false;
    }
    return InputFiles.isSameFile(argument, weights) || InputFiles.isSameFile(argument, bias);
  }
}
