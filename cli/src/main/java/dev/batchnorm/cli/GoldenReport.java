package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.Wording;
import dev.batchnorm.golden.GoldenDifference;
import dev.batchnorm.golden.GoldenDifference.Place;
import dev.batchnorm.golden.GoldenResult;
import dev.batchnorm.golden.GoldenVerdict;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What {@code golden check} prints.
 *
 * @param options those of the engine as typed, for repeating a case
 */
record GoldenReport(List<GoldenResult> results, Engine engine, List<String> options) {

  boolean passed() {
    return results.stream().allMatch(GoldenResult::passed);
  }

  private String repeat(GoldenResult result) {
    List<String> arguments =
        new ArrayList<>(List.of("golden", "check", result.directory().toString()));
    arguments.addAll(options);
    return Session.commandLine(arguments);
  }

  private static String name(GoldenResult result) {
    return Wording.onOneLine(result.directory().toString());
  }

  private static String summary(GoldenResult result) {
    List<String> troubles = result.troubles();
    return troubles.isEmpty()
        ? result.outputs().size() + " arrays, " + numbers(result.compared())
        : Wording.escaped(troubles.get(0))
            + (troubles.size() > 1 ? " (and " + (troubles.size() - 1) + " more)" : "");
  }

  private static String numbers(long count) {
    return count + (count == 1 ? " number" : " numbers");
  }

  /** The report for people: a line each case, then what there is to say about those that differ. */
  String text() {
    StringBuilder out = new StringBuilder();
    int names = results.stream().mapToInt(r -> name(r).length()).max().orElse(0);
    int verdicts = results.stream().mapToInt(r -> r.verdict().toString().length()).max().orElse(0);
    for (GoldenResult result : results) {
      out.append(padded(name(result), names) + "  ");
      out.append(padded(result.verdict().toString(), verdicts) + "  ");
      out.append(summary(result)).append('\n');
    }
    for (GoldenResult result : results) {
      if (result.verdict() == GoldenVerdict.DIFFERENT) {
        appendDetails(out, result);
      }
    }
    return out.append(verdict()).append('\n').toString();
  }

  private static String padded(String text, int width) {
    return text + " ".repeat(width - text.length());
  }

  private void appendDetails(StringBuilder out, GoldenResult result) {
    out.append(name(result)).append('\n');
    for (String trouble : result.troubles()) {
      out.append("  ").append(Wording.escaped(trouble)).append('\n');
      for (GoldenDifference difference : result.outputs()) {
        if (trouble.startsWith(difference.array().name() + " at ")) {
          appendPlaces(out, difference);
        }
      }
    }
    out.append("  repeat: ").append(repeat(result)).append('\n');
  }

  private static void appendPlaces(StringBuilder out, GoldenDifference difference) {
    List<String[]> rows = new ArrayList<>();
    rows.add(new String[] {"index", "expected", "found", "ulp"});
    for (Place place : difference.first()) {
      rows.add(
          new String[] {
            place.index(), place.expected(), place.found(), Decimals.text(place.ulps())
          });
    }
    for (String[] row : rows) {
      StringBuilder line = new StringBuilder("  ");
      for (int i = 0; i < row.length; i++) {
        int column = i;
        int width = rows.stream().mapToInt(r -> r[column].length()).max().orElse(0);
        line.append("  ").append(padded(row[i], width));
      }
      out.append(line.toString().stripTrailing()).append('\n');
    }
  }

  private String verdict() {
    String cases = results.size() + (results.size() == 1 ? " case" : " cases");
    if (passed()) {
      long compared = results.stream().mapToLong(GoldenResult::compared).sum();
      return "PASSED: " + cases + ", " + numbers(compared) + ", none differs by a bit";
    }
    Map<GoldenVerdict, Integer> counts = new EnumMap<>(GoldenVerdict.class);
    results.forEach(r -> counts.merge(r.verdict(), 1, Integer::sum));
    return "FAILED: "
        + cases
        + ", "
        + counts.entrySet().stream()
            .map(e -> e.getValue() + " " + e.getKey())
            .collect(Collectors.joining(", "));
  }

  /** The report for scripts. */
  String json(Session session) {
    return JsonText.of(
        json -> {
          json.writeStartObject();
          json.writeStringField("status", passed() ? "PASSED" : "FAILED");
          json.writeStringField("engine", engine.name() + " (" + engine.description() + ")");
          json.writeArrayFieldStart("cases");
          for (GoldenResult result : results) {
            write(json, result);
          }
          json.writeEndArray();
          json.writeStringField("command", session.commandLine());
          json.writeEndObject();
        });
  }

  private void write(JsonGenerator json, GoldenResult result) throws IOException {
    json.writeStartObject();
    json.writeStringField("case", result.directory().toString());
    json.writeStringField("verdict", result.verdict().toString());
    json.writeNumberField("compared", result.compared());
    json.writeArrayFieldStart("troubles");
    for (String trouble : result.troubles()) {
      json.writeString(trouble);
    }
    json.writeEndArray();
    json.writeArrayFieldStart("arrays");
    for (GoldenDifference difference : result.outputs()) {
      write(json, difference);
    }
    json.writeEndArray();
    json.writeStringField("repeat", repeat(result));
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, GoldenDifference difference) throws IOException {
    json.writeStartObject();
    json.writeStringField("name", difference.array().name());
    json.writeStringField("dtype", difference.array().type().label());
    JsonText.sizes(
        json, "shape", difference.array().shape().stream().mapToLong(size -> size).toArray());
    json.writeStringField("exactness", difference.exactness().label());
    json.writeNumberField("compared", difference.compared());
    json.writeNumberField("differing", difference.differing());
    JsonText.number(json, "max_ulp", difference.maxUlps());
    json.writeArrayFieldStart("first");
    for (Place place : difference.first()) {
      json.writeStartObject();
      json.writeStringField("index", place.index());
      json.writeStringField("expected", place.expected());
      json.writeStringField("found", place.found());
      JsonText.number(json, "ulp", place.ulps());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  /** The report for CI systems. */
  String junit(Session session) {
    long errors = results.stream().filter(r -> r.verdict() == GoldenVerdict.ERROR).count();
    long failures = results.stream().filter(r -> !r.passed()).count() - errors;
    StringBuilder out = new StringBuilder("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.append("<testsuite name=\"batchnorm golden check\" tests=\"" + results.size() + "\"");
    out.append(" failures=\"" + failures + "\" errors=\"" + errors + "\" skipped=\"0\">\n");
    out.append("  <properties>\n    <property name=\"command\" value=\"");
    out.append(xml(session.commandLine())).append("\"/>\n  </properties>\n");
    for (GoldenResult result : results) {
      out.append("  <testcase classname=\"golden\" name=\"" + xml(name(result)) + "\"");
      if (result.passed()) {
        out.append("/>\n");
        continue;
      }
      String kind = result.verdict() == GoldenVerdict.ERROR ? "error" : "failure";
      out.append(">\n    <" + kind + " type=\"" + result.verdict() + "\" message=\"");
      out.append(xml(summary(result))).append("\">");
      result.troubles().forEach(t -> out.append(xml(Wording.escaped(t))).append('\n'));
      out.append("repeat: " + xml(repeat(result)));
      out.append("</" + kind + ">\n  </testcase>\n");
    }
    return out.append("</testsuite>\n").toString();
  }

  /** Text in XML; control characters, which it cannot hold, as a question mark. */
  private static String xml(String text) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '"' -> out.append("&quot;");
                default -> {
                  boolean none =
                      (c < ' ' && c != '\n' && c != '\t')
                          || (c >= 0xd800 && c < 0xe000)
                          || c == 0xfffe
                          || c == 0xffff;
                  out.appendCodePoint(none ? '?' : c);
                }
              }
            });
    return out.toString();
  }
}
