package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.DType;
import dev.batchnorm.Layer;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.verify.FoldDifference;
import dev.batchnorm.verify.FoldDifference.Output;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What {@code fold --check} found, for people and as JSON. */
record FoldReport(
    FoldDifference difference,
    Engine engine,
    Layer layer,
    Source weights,
    String running,
    String input,
    DType type) {
  /** Bounds are printed with so many digits, rounded up. */
  private static final MathContext UP = new MathContext(3, RoundingMode.UP);

  private String status() {
    return difference.passed() ? "PASSED" : "FAILED";
  }

  private long count() {
    return difference.shape().count();
  }

  private String place(Output output) {
    return Shape.tuple(Shape.indices(output.index(), difference.shape().sizes()));
  }

  String text(String command) {
    StringBuilder out = new StringBuilder();
    out.append(
        layer + " " + weights.name() + ", " + weights.shape() + ", folded to " + type.label());
    out.append(": " + input + ", outputs " + difference.shape() + "\n");
    Output largest = difference.largest();
    Output closest = difference.closest();
    if (largest != null && closest != null) {
      out.append("  largest |difference|  " + Decimals.text(largest.difference()));
      out.append(" at " + place(largest) + ": batch norm " + Decimals.text(largest.normalised()));
      out.append(", folded " + Decimals.text(largest.folded()));
      out.append(", bound " + bound(largest) + "\n");
      out.append("  closest to its bound  " + percent(closest.share()));
      out.append(" at " + place(closest) + ": |difference| " + Decimals.text(closest.difference()));
      out.append(", bound " + bound(closest) + "\n");
    }
    String what = "more than rounding to " + type.label() + " explains\n";
    out.append(
        difference.passed()
            ? "PASSED: " + count() + " outputs, none differs by " + what
            : "FAILED: "
                + difference.exceeding()
                + " of "
                + count()
                + " outputs differ by "
                + what);
    if (!difference.passed()) {
      out.append("repeat: ").append(command).append('\n');
    }
    return out.toString();
  }

  private static String bound(Output output) {
    double bound = output.bound();
    return Decimals.text(
        Double.isFinite(bound) ? new BigDecimal(bound).round(UP).doubleValue() : bound);
  }

  private static String percent(double share) {
    return share < 1e6 ? String.format(Locale.ROOT, "%.1f %%", 100 * share) : "more than 1e8 %";
  }

  String json(String command) {
    return JsonText.of(
        json -> {
          json.writeStartObject();
          json.writeStringField("status", status());
          json.writeStringField("engine", engine.name() + " (" + engine.description() + ")");
          json.writeStringField("layer", layer.kind().label());
          json.writeNumberField("groups", layer.groups());
          json.writeStringField("weights", weights.name());
          json.writeStringField("running", running);
          json.writeStringField("input", input);
          json.writeStringField("dtype", type.label());
          JsonText.sizes(json, "shape", difference.shape().sizes());
          json.writeNumberField("count", count());
          json.writeNumberField("exceeding", difference.exceeding());
          write(json, "largest", difference.largest());
          write(json, "closest", difference.closest());
          json.writeStringField("command", command);
          json.writeEndObject();
        });
  }

  private void write(JsonGenerator json, String name, @Nullable Output output) throws IOException {
    if (output == null) {
      return;
    }
    json.writeObjectFieldStart(name);
    JsonText.sizes(json, "index", Shape.indices(output.index(), difference.shape().sizes()));
    JsonText.number(json, "normalised", output.normalised());
    JsonText.number(json, "folded", output.folded());
    JsonText.number(json, "difference", output.difference());
    JsonText.number(json, "bound", output.bound());
    JsonText.number(json, "share", output.share());
    json.writeEndObject();
  }
}
