package dev.batchnorm.cli;

import dev.batchnorm.InputException;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.format.Axes;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which axis holds the channels. */
final class AxisOptions {
  @Option(
      names = "--layout",
      paramLabel = "NAME",
      description = "The order of the axes: NC NCL NCHW NCDHW NLC NHWC NDHWC. C are the channels.")
  private @Nullable String layout;

  @Option(
      names = "--channel-axis",
      paramLabel = "K",
      description = "The 0-based axis of the channels; negative counts from the end. Default: 1.")
  private @Nullable Integer channelAxis;

  /** Checks what can be checked before a file is opened. */
  void check() {
    if (layout != null && channelAxis != null) {
      throw new UsageException("--layout and --channel-axis: expected one of the two, found both");
    }
    axes();
  }

  /** The option given, or null. */
  @Nullable String found() {
    return layout != null ? "--layout" : channelAxis != null ? "--channel-axis" : null;
  }

  /** Refuses a batch whose columns are not on its last axis. */
  static void requireColumnsLast(Source x) {
    if (x.shape().view().inner() != 1) {
      throw new InputException(
          x.name()
              + ": expected the columns on the last axis, found shape "
              + x.shape()
              + " with the channels on axis "
              + x.shape().channelAxis(),
          "--channel-axis -1 if that is where they are; else move them there");
    }
  }

  Axes axes() {
    if (layout == null) {
      return Axes.channelAxis(channelAxis == null ? 1 : channelAxis);
    }
    Layout named = Choice.of("--layout", layout, Layout.values());
    return sizes -> Shape.of(named, sizes);
  }
}
