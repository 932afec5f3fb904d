package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.format.Decimals;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;

/** What {@code --json} prints. */
final class JsonText {
  private JsonText() {}

  /** Writes to a generator. */
  interface Content {
    void write(JsonGenerator json) throws IOException;
  }

  /** The content, indented, with a line feed at its end. */
  static String of(Content content) {
    StringWriter out = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(out)) {
      json.useDefaultPrettyPrinter();
      content.write(json);
      json.writeRaw('\n');
    } catch (IOException e) {
      throw new UncheckedIOException("a StringWriter takes everything", e);
    }
    return out.toString();
  }

  /** A field with a number; JSON has none that are not finite, they are written as strings. */
  static void number(JsonGenerator json, String name, double value) throws IOException {
    json.writeFieldName(name);
    number(json, value);
  }

  /** A number as an element. */
  static void number(JsonGenerator json, double value) throws IOException {
    if (Double.isFinite(value)) {
      json.writeNumber(Decimals.text(value));
    } else {
      json.writeString(Decimals.text(value));
    }
  }

  /** A field with the sizes of axes. */
  static void sizes(JsonGenerator json, String name, long... sizes) throws IOException {
    json.writeFieldName(name);
    json.writeArray(sizes, 0, sizes.length);
  }
}
