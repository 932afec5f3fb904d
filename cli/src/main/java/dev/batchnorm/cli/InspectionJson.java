package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.format.csv.CsvTable;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.verify.Conditioning;
import dev.batchnorm.verify.Conditioning.Danger;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What {@code inspect --json} prints. */
final class InspectionJson {
  private InspectionJson() {}

  static String of(Inspection inspection) {
    return JsonText.of(
        json -> {
          json.writeStartObject();
          json.writeStringField("file", inspection.name());
          json.writeStringField("format", inspection.format().label());
          json.writeNumberField("bytes", inspection.bytes());
          if (inspection.holds() != null) {
            json.writeStringField("holds", inspection.holds());
          }
          json.writeArrayFieldStart("arrays");
          for (Inspection.Part part : inspection.parts()) {
            json.writeStartObject();
            json.writeStringField("name", part.name());
            if (part.found() != null) {
              write(json, part.found());
            } else {
              json.writeStringField("error", part.reason());
            }
            json.writeEndObject();
          }
          json.writeEndArray();
          json.writeEndObject();
        });
  }

  private static void write(JsonGenerator json, Inspection.Found found) throws IOException {
    InputFiles.Stored stored = found.stored();
    ArraySummary summary = found.summary();
    json.writeStringField("dtype", stored.array().type().label());
    JsonText.sizes(json, "shape", stored.array().sizes());
    json.writeStringField("sha256", summary.sha256());
    if (stored.array() instanceof NpyArray array) {
      json.writeStringField("descriptor", array.descriptor());
      json.writeBooleanField("fortran_order", array.fortranOrder());
    }
    CsvTable table = stored.table();
    if (table != null) {
      json.writeStringField("delimiter", String.valueOf(table.delimiter()));
      json.writeBooleanField("header", !table.names().isEmpty());
      json.writeNumberField("fields", table.fields());
      json.writeNumberField("rows_skipped", table.skipped());
    }
    number(json, "value", summary.value());
    ArraySummary.Channels channels = summary.channels();
    if (channels != null) {
      json.writeNumberField("channel_axis", channels.shape().channelAxis());
      json.writeNumberField("rounded", channels.rounded());
      json.writeArrayFieldStart("channels");
      for (int c = 0; c < channels.count(); c++) {
        write(json, channels, c, found.names());
      }
      json.writeEndArray();
      Conditioning conditioning = channels.conditioning();
      JsonText.number(json, "digits", conditioning.digits());
      JsonText.number(json, "eps", conditioning.eps());
      json.writeNumberField("in_danger", channels.inDanger());
    }
  }

  private static void write(
      JsonGenerator json, ArraySummary.Channels channels, int c, List<String> names)
      throws IOException {
    ChannelRanges ranges = channels.ranges();
    json.writeStartObject();
    json.writeNumberField("channel", c);
    if (!names.isEmpty()) {
      json.writeStringField("name", names.get(c));
    }
    json.writeNumberField("count", channels.statistics().count()[c]);
    number(json, "min", ranges.min(c));
    number(json, "max", ranges.max(c));
    json.writeNumberField("nan", ranges.nan(c));
    json.writeNumberField("positive_infinity", ranges.positiveInfinity(c));
    json.writeNumberField("negative_infinity", ranges.negativeInfinity(c));
    JsonText.number(json, "mean", channels.statistics().mean()[c]);
    JsonText.number(json, "variance", channels.statistics().variance()[c]);
    write(json, channels.conditioning(), c);
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, Conditioning conditioning, int c)
      throws IOException {
    json.writeBooleanField("constant", conditioning.isConstant(c));
    JsonText.number(json, "mean_over_std", conditioning.meanOverStd(c));
    double lost = conditioning.digitsLostByOnePass(c);
    JsonText.number(json, "digits_lost", lost);
    json.writeBooleanField("loses_all", lost >= conditioning.digits());
    JsonText.number(json, "condition", conditioning.condition(c));
    JsonText.number(json, "digits_lost_two_pass", conditioning.digitsLostByTwoPass(c));
    JsonText.number(json, "digits_lost_bf16", conditioning.digitsLostInBf16(c));
    json.writeObjectFieldStart("least_variance");
    JsonText.number(json, "rounded_once", conditioning.leastVariance(c, false));
    JsonText.number(json, "one_by_one", conditioning.leastVariance(c, true));
    json.writeEndObject();
    json.writeArrayFieldStart("flags");
    for (Danger danger : conditioning.dangers(c)) {
      json.writeString(danger.name().toLowerCase(Locale.ROOT));
    }
    json.writeEndArray();
  }

  /** A field with a number whose text in its own type is known; no field if there is no number. */
  private static void number(JsonGenerator json, String name, @Nullable String text)
      throws IOException {
    if (text == null) {
      return;
    }
    json.writeFieldName(name);
    if (text.endsWith("n") || text.endsWith("f")) {
      json.writeString(text); // nan, inf, -inf
    } else {
      json.writeNumber(text);
    }
  }
}
