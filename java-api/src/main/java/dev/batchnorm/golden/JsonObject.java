package dev.batchnorm.golden;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import dev.batchnorm.DType;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.Wording;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A JSON object from which every field is to be taken once, in any order, each of the kind that is
 * asked for. Duplicate names, deep nesting, huge numbers and what stands behind the object are
 * refused.
 */
final class JsonObject {
  private static final int DEEPEST = 4;
  private static final int LONGEST_NUMBER = 40;

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(DEEPEST)
                  .maxNumberLength(LONGEST_NUMBER)
                  .build())
          .build();

  /** A number as it is written. */
  private record Numeral(String text) {}

  private final String place;
  private final Map<String, Object> fields;
  private final List<String> taken = new ArrayList<>();

  private JsonObject(String place, Map<String, Object> fields) {
    this.place = place;
    this.fields = fields;
  }

  static JsonObject parse(String file, byte[] bytes) {
    try (JsonParser json = FACTORY.createParser(bytes)) {
      if (json.nextToken() == JsonToken.START_OBJECT
          && value(file, json) instanceof JsonObject object) {
        if (json.nextToken() == null) {
          return object;
        }
      }
      throw new UntrustedCaseException(
          GoldenVerdict.CORRUPTED, file + ": expected one JSON object, found something else");
    } catch (IOException e) {
      String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      throw new UntrustedCaseException(
          GoldenVerdict.CORRUPTED, file + ": expected JSON, found " + Wording.onOneLine(reason));
    }
  }

  private static Object value(String place, JsonParser json) throws IOException {
    switch (json.currentToken()) {
      case START_OBJECT -> {
        Map<String, Object> fields = new LinkedHashMap<>();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
          String name = json.currentName();
          json.nextToken();
          fields.put(name, value(place + ": " + name, json));
        }
        return new JsonObject(place, fields);
      }
      case START_ARRAY -> {
        List<Object> items = new ArrayList<>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
          items.add(value(place + "[" + items.size() + "]", json));
        }
        return items;
      }
      case VALUE_STRING -> {
        return json.getText();
      }
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> {
        return new Numeral(json.getText());
      }
      default ->
          throw new UntrustedCaseException(
              GoldenVerdict.CORRUPTED,
              place
                  + ": expected an object, an array, a text or a number, found "
                  + json.getText());
    }
  }

  boolean has(String field) {
    return fields.containsKey(field);
  }

  boolean isText(String field) {
    return fields.get(field) instanceof String;
  }

  String text(String field) {
    return text(field, fields.get(field));
  }

  private String text(String field, @Nullable Object value) {
    if (value instanceof String text) {
      return taken(field, text);
    }
    throw wrong(field, "a text");
  }

  List<String> texts(String field) {
    List<String> texts = new ArrayList<>();
    for (Object item : list(field)) {
      texts.add(text(field, item));
    }
    return texts;
  }

  double number(String field) {
    try {
      if (fields.get(field) instanceof Numeral numeral) {
        return taken(field, Decimals.parse(DType.F64, numeral.text()));
      }
    } catch (NumberFormatException e) {
      // Beyond binary64, which is as wrong as no number.
    }
    throw wrong(field, "a number of binary64");
  }

  long wholeNumber(String field, long most) {
    return taken(field, wholeNumber(field, fields.get(field), most));
  }

  private long wholeNumber(String field, @Nullable Object value, long most) {
    try {
      if (value instanceof Numeral numeral) {
        long number = Long.parseLong(numeral.text());
        if (number >= 0 && number <= most) {
          return number;
        }
      }
    } catch (NumberFormatException e) {
      // No whole number, or beyond the largest.
    }
    throw wrong(field, "a whole number from 0 to " + most);
  }

  List<Long> wholeNumbers(String field) {
    List<Long> numbers = new ArrayList<>();
    for (Object item : list(field)) {
      numbers.add(wholeNumber(field, item, Long.MAX_VALUE));
    }
    return numbers;
  }

  List<JsonObject> objects(String field) {
    List<JsonObject> objects = new ArrayList<>();
    for (Object item : list(field)) {
      if (!(item instanceof JsonObject object)) {
        throw wrong(field, "objects");
      }
      objects.add(object);
    }
    return objects;
  }

  private List<?> list(String field) {
    if (fields.get(field) instanceof List<?> list) {
      return taken(field, list);
    }
    throw wrong(field, "an array");
  }

  private <T> T taken(String field, T value) {
    taken.add(field);
    return value;
  }

  /** Refuses fields that were not asked for. */
  void end() {
    for (String field : fields.keySet()) {
      if (!taken.contains(field)) {
        throw new UntrustedCaseException(
            GoldenVerdict.CORRUPTED,
            place + ": expected no field " + Wording.quoted(field) + ", found one");
      }
    }
  }

  /** Says what was expected of a field. */
  UntrustedCaseException wrong(String field, String expected) {
    Object found = fields.get(field);
    String text =
        found == null
            ? "none"
            : found instanceof Numeral numeral
                ? numeral.text()
                : found instanceof String string
                    ? Wording.quoted(string)
                    : found instanceof List ? "an array" : "an object";
    return new UntrustedCaseException(
        GoldenVerdict.CORRUPTED,
        place + ": " + field + ": expected " + expected + ", found " + text);
  }
}
