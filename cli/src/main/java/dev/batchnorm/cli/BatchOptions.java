package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.Source;
import dev.batchnorm.format.Axes;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How a batch is read: its format, its axes and its type. */
final class BatchOptions {
  @Mixin private FormatOptions format = new FormatOptions();
  @Mixin private AxisOptions axes = new AxisOptions();

  @Option(
      names = "--dtype",
      paramLabel = "f16|f32|f64",
      description =
          "The type of the result; for CSV also the type that cells are rounded to. Default: INPUT's; f64 for CSV and integers.")
  private @Nullable String dtype;

  @Mixin private NarrowOptions narrow = new NarrowOptions();

  /** Checks what can be checked before a file is opened. */
  void check() {
    axes.check();
    dtype();
    format.check();
  }

  FormatOptions format() {
    return format;
  }

  Axes axes() {
    return axes.axes();
  }

  /** Whether 64-bit integers may be rounded. */
  boolean narrow() {
    return narrow.narrow();
  }

  /** The type asked for, or null for the input's own. */
  @Nullable DType dtype() {
    return dtype == null ? null : Choice.of("--dtype", dtype, DType.values());
  }

  /** T, the type of y and dx: the type asked for, else that of x. */
  DType outputType(Source x) {
    DType asked = dtype();
    return asked != null ? asked : x.type();
  }
}
