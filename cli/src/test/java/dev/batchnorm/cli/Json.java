package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads JSON as a script would: maps, lists, texts, numbers as binary64, booleans. */
final class Json {
  private Json() {}

  /** The value that the text is, and nothing behind it. */
  static Object read(String text) {
    try (JsonParser parser = new JsonFactory().createParser(text)) {
      parser.nextToken();
      Object value = value(parser);
      if (parser.nextToken() != null) {
        throw new AssertionError("expected one JSON value, found more: " + text);
      }
      return value;
    } catch (IOException e) {
      throw new UncheckedIOException(text, e);
    }
  }

  /** The object that the text is. */
  static Map<?, ?> object(String text) {
    return (Map<?, ?>) read(text);
  }

  /** The list of objects that the value is. */
  static List<Map<?, ?>> objects(Object value) {
    List<Map<?, ?>> objects = new ArrayList<>();
    ((List<?>) value).forEach(object -> objects.add((Map<?, ?>) object));
    return objects;
  }

  /** The value of a key that must be there. */
  static Object get(Map<?, ?> object, String key) {
    Object value = object.get(key);
    if (value == null) {
      throw new AssertionError("expected a key " + key + ", found " + object.keySet());
    }
    return value;
  }

  private static Object value(JsonParser parser) throws IOException {
    return switch (parser.currentToken()) {
      case START_OBJECT -> {
        Map<String, Object> object = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
          String key = parser.currentName();
          parser.nextToken();
          object.put(key, value(parser));
        }
        yield object;
      }
      case START_ARRAY -> {
        List<Object> list = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          list.add(value(parser));
        }
        yield list;
      }
      case VALUE_STRING -> parser.getText();
      case VALUE_TRUE, VALUE_FALSE -> parser.getBooleanValue();
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
      default -> throw new AssertionError("unexpected " + parser.currentToken());
    };
  }
}
