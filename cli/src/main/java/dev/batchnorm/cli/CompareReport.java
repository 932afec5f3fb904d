package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.Shape;
import dev.batchnorm.cli.CompareCommand.Tolerances;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.verify.ArrayDifference;
import dev.batchnorm.verify.ArrayDifference.Element;
import dev.batchnorm.verify.ArrayDifference.Largest;
import dev.batchnorm.verify.LeastTolerances;
import dev.batchnorm.verify.UlpQuantiles;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * What {@code compare} prints.
 *
 * @param a what A is called
 * @param b what B is called
 */
record CompareReport(String a, String b, Tolerances tolerances, List<Result> results) {
  private static final int[] PERCENTAGES = {0, 50, 90, 99, 100};

  /**
   * One array against another.
   *
   * @param a null if only B has it
   * @param b null if only A has it
   * @param difference null if the elements could not be compared
   * @param reason what differs beside elements, in words; null if nothing does
   * @param hint what cures the reason, or null
   */
  record Result(
      String name,
      @Nullable StoredArray a,
      @Nullable StoredArray b,
      @Nullable ArrayDifference difference,
      @Nullable String reason,
      @Nullable String hint) {

    /** An array that one side lacks. */
    static Result alone(
        String name, @Nullable StoredArray a, @Nullable StoredArray b, String reason) {
      return new Result(name, a, b, null, reason, null);
    }

    boolean passed() {
      return reason == null && differing() == 0;
    }

    /** Whether an element deviates, also one that passes. */
    boolean deviates() {
      return difference != null && !difference.isEqual();
    }

    long compared() {
      return difference == null ? 0 : difference.compared();
    }

    long differing() {
      return difference == null ? 0 : difference.differing();
    }
  }

  boolean passed() {
    return results.stream().allMatch(Result::passed);
  }

  /** The report for people. */
  String text(Session session) {
    StringBuilder out = new StringBuilder();
    out.append(a).append(" against ").append(b).append(", ").append(criterion()).append('\n');
    for (Result result : results) {
      append(out, result);
    }
    LeastTolerances least = least();
    long deviating = results.stream().filter(Result::deviates).count();
    if (least != null && deviating > 1) {
      out.append("  all arrays: ").append(least(least)).append('\n');
    }
    out.append(verdict()).append('\n');
    if (!passed()) {
      out.append("repeat: ").append(session.commandLine()).append('\n');
    }
    return out.toString();
  }

  private String criterion() {
    if (tolerances.none()) {
      return "to the bit";
    }
    Double atol = tolerances.atol();
    Double rtol = tolerances.rtol();
    Long ulp = tolerances.ulp();
    List<String> terms = new ArrayList<>();
    if (atol != null) {
      terms.add(Decimals.text(atol));
    }
    if (rtol != null) {
      terms.add(Decimals.text(rtol) + "·|b|");
    }
    if (terms.isEmpty()) {
      return "within " + ulp + " ulp";
    }
    String sum = "|a − b| ≤ " + String.join(" + ", terms);
    return ulp == null ? sum : "either " + sum + " or within " + ulp + " ulp";
  }

  /** What lets all arrays pass; null if some are not compared, or differ beside their elements. */
  private @Nullable LeastTolerances least() {
    LeastTolerances all = null;
    for (Result result : results) {
      ArrayDifference difference = result.difference();
      if (difference == null || result.reason() != null) {
        return null;
      }
      all = all == null ? difference.least() : all.and(difference.least());
    }
    return all;
  }

  private String verdict() {
    long compared = results.stream().mapToLong(Result::compared).sum();
    long differing = results.stream().mapToLong(Result::differing).sum();
    long failed = results.stream().filter(result -> !result.passed()).count();
    String arrays = results.size() + (results.size() == 1 ? " array" : " arrays");
    if (passed()) {
      return "PASSED: "
          + arrays
          + ", "
          + compared
          + (compared == 1 ? " number" : " numbers")
          + (tolerances.none() ? ", none differs by a bit" : ", all within the tolerance");
    }
    return "FAILED: "
        + failed
        + " of "
        + arrays
        + (failed == 1 ? " differs, " : " differ, ")
        + (compared == 0 ? "no numbers compared" : differing + " of " + compared + " numbers");
  }

  private static void append(StringBuilder out, Result result) {
    out.append("  ").append(result.name()).append(": ");
    ArrayDifference difference = result.difference();
    if (difference != null) {
      out.append(form(difference)).append(", ").append(summary(difference)).append('\n');
      appendElements(out, difference);
      if (!difference.isEqual()) {
        append(out, "max abs", difference.absolute(), difference);
        append(out, "max rel", difference.relative(), difference);
        append(out, "max ulp", difference.ulps(), difference);
        out.append("    ").append(quantiles(difference.quantiles())).append('\n');
        out.append("    ").append(least(difference.least())).append('\n');
      }
    }
    if (result.reason() != null) {
      out.append(difference == null ? "" : "    ").append(result.reason()).append('\n');
    }
    if (result.hint() != null) {
      out.append("    hint: ").append(result.hint()).append('\n');
    }
  }

  private static String form(ArrayDifference difference) {
    StoredArray a = difference.found();
    StoredArray b = difference.reference();
    return Shape.text(b.sizes())
        + " "
        + a.type().label()
        + (a.type() == b.type() ? "" : " against " + b.type().label());
  }

  private static String summary(ArrayDifference difference) {
    long compared = difference.compared();
    long differing = difference.differing();
    if (difference.isEqual()) {
      boolean sameType = difference.found().type() == difference.reference().type();
      return compared + (sameType ? " compared, identical" : " compared, equal in value");
    }
    if (differing == 0) {
      return compared + " compared, all within the tolerance";
    }
    long nans = difference.nanDiffering();
    return compared
        + " compared, "
        + differing
        + (differing == 1 ? " differs (" : " differ (")
        + String.format(Locale.ROOT, "%.3g %%", 100 * share(difference))
        + (nans == 0 ? ")" : "), " + nans + " of them NaN against a number");
  }

  /** The first elements that differ, in columns as wide as they need. */
  private static void appendElements(StringBuilder out, ArrayDifference difference) {
    if (difference.first().isEmpty()) {
      return;
    }
    List<String[]> rows = new ArrayList<>();
    rows.add(new String[] {"index", "a", "b", "|a − b|", "ulp"});
    for (Element e : difference.first()) {
      rows.add(
          new String[] {
            Shape.tuple(difference.place(e.index())),
            e.found(),
            e.reference(),
            Decimals.text(e.absolute()),
            Decimals.text(e.ulps())
          });
    }
    for (String[] row : rows) {
      StringBuilder line = new StringBuilder("  ");
      for (int i = 0; i < row.length; i++) {
        int column = i;
        int width = rows.stream().mapToInt(r -> r[column].length()).max().orElse(0);
        line.append("  ").append(row[i]).append(" ".repeat(width - row[i].length()));
      }
      out.append(line.toString().stripTrailing()).append('\n');
    }
    long more = difference.differing() - difference.first().size();
    if (more > 0) {
      out.append("    and ").append(more).append(" more (--first N prints N)\n");
    }
  }

  /** {@code half within 0 ulp, 90 % within 1, 99 % within 2048}. */
  static String quantiles(UlpQuantiles quantiles) {
    return "half within "
        + ulps(quantiles.within(50))
        + " ulp, 90 % within "
        + ulps(quantiles.within(90))
        + ", 99 % within "
        + ulps(quantiles.within(99));
  }

  /** {@code least to pass: --ulp 3, or --atol 0.25, or --rtol none}. */
  private static String least(LeastTolerances least) {
    if (least.isNone()) {
      return "least to pass: no tolerance does";
    }
    OptionalLong ulps = least.ulps();
    return "least to pass: --ulp "
        + (ulps.isPresent() ? Long.toString(ulps.getAsLong()) : "none")
        + ", or --atol "
        + orNone(least.absolute())
        + ", or --rtol "
        + orNone(least.relative());
  }

  private static String orNone(OptionalDouble tolerance) {
    return tolerance.isPresent() ? Decimals.text(tolerance.getAsDouble()) : "none";
  }

  /** A whole number as one, if it can be counted. */
  private static String ulps(double ulps) {
    return ulps <= ArrayDifference.MOST_ULPS ? Long.toString((long) ulps) : Decimals.text(ulps);
  }

  private static void append(
      StringBuilder out, String name, Largest largest, ArrayDifference difference) {
    out.append("    ").append(name).append(' ').append(Decimals.text(largest.value()));
    if (largest.index() >= 0) {
      out.append(" at ").append(Shape.tuple(difference.place(largest.index())));
    }
    out.append('\n');
  }

  /** The report for scripts. */
  String json(Session session) {
    return JsonText.of(
        json -> {
          json.writeStartObject();
          json.writeStringField("status", status(passed()));
          json.writeStringField("a", a);
          json.writeStringField("b", b);
          writeTolerances(json);
          json.writeArrayFieldStart("arrays");
          for (Result result : results) {
            write(json, result);
          }
          json.writeEndArray();
          LeastTolerances least = least();
          if (least != null) {
            write(json, least);
          }
          json.writeStringField("command", session.commandLine());
          json.writeEndObject();
        });
  }

  private static String status(boolean passed) {
    return passed ? "PASSED" : "FAILED";
  }

  private void writeTolerances(JsonGenerator json) throws IOException {
    json.writeObjectFieldStart("tolerances");
    Double rtol = tolerances.rtol();
    Double atol = tolerances.atol();
    Long ulp = tolerances.ulp();
    if (!tolerances.none()) {
      JsonText.number(json, "rtol", rtol == null ? 0 : rtol);
      JsonText.number(json, "atol", atol == null ? 0 : atol);
      json.writeNumberField("ulp", ulp == null ? 0 : ulp);
    }
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, Result result) throws IOException {
    json.writeStartObject();
    json.writeStringField("name", result.name());
    json.writeStringField("status", status(result.passed()));
    if (result.reason() != null) {
      json.writeStringField("reason", result.reason());
    }
    write(json, "a", result.a());
    write(json, "b", result.b());
    ArrayDifference difference = result.difference();
    if (difference != null) {
      json.writeNumberField("compared", difference.compared());
      json.writeNumberField("differing", difference.differing());
      JsonText.number(json, "share", share(difference));
      json.writeNumberField("nan_differing", difference.nanDiffering());
      json.writeNumberField("infinity_differing", difference.infinityDiffering());
      write(json, "max_abs", difference.absolute(), difference);
      write(json, "max_rel", difference.relative(), difference);
      write(json, "max_ulp", difference.ulps(), difference);
      write(json, difference.quantiles());
      write(json, difference.least());
      json.writeArrayFieldStart("first");
      for (Element element : difference.first()) {
        json.writeStartObject();
        JsonText.sizes(json, "index", difference.place(element.index()));
        write(json, "a", element.found());
        write(json, "b", element.reference());
        JsonText.number(json, "abs", element.absolute());
        JsonText.number(json, "ulp", element.ulps());
        json.writeEndObject();
      }
      json.writeEndArray();
    }
    json.writeEndObject();
  }

  private static double share(ArrayDifference difference) {
    return difference.compared() == 0 ? 0 : (double) difference.differing() / difference.compared();
  }

  static void write(JsonGenerator json, UlpQuantiles quantiles) throws IOException {
    json.writeArrayFieldStart("ulp_quantiles");
    for (int percent : PERCENTAGES) {
      json.writeStartObject();
      json.writeNumberField("percent", percent);
      JsonText.number(json, "ulp", quantiles.within(percent));
      json.writeBooleanField("exact", quantiles.isExact(percent));
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private static void write(JsonGenerator json, LeastTolerances least) throws IOException {
    json.writeObjectFieldStart("least");
    OptionalLong ulps = least.ulps();
    if (ulps.isPresent()) {
      json.writeNumberField("ulp", ulps.getAsLong());
    } else {
      json.writeStringField("ulp", "none");
    }
    write(json, "atol", least.absolute());
    write(json, "rtol", least.relative());
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, String name, OptionalDouble tolerance)
      throws IOException {
    if (tolerance.isPresent()) {
      JsonText.number(json, name, tolerance.getAsDouble());
    } else {
      json.writeStringField(name, "none");
    }
  }

  private static void write(JsonGenerator json, String name, @Nullable StoredArray array)
      throws IOException {
    if (array != null) {
      json.writeObjectFieldStart(name);
      json.writeStringField("dtype", array.type().label());
      JsonText.sizes(json, "shape", array.sizes());
      json.writeEndObject();
    }
  }

  private static void write(
      JsonGenerator json, String name, Largest largest, ArrayDifference difference)
      throws IOException {
    json.writeObjectFieldStart(name);
    JsonText.number(json, "value", largest.value());
    if (largest.index() >= 0) {
      JsonText.sizes(json, "index", difference.place(largest.index()));
    }
    json.writeEndObject();
  }

  /** A value as its type prints it, so that 64-bit integers keep their digits. */
  private static void write(JsonGenerator json, String name, String value) throws IOException {
    json.writeFieldName(name);
    if (Character.isDigit(value.charAt(value.length() - 1))) {
      json.writeNumber(value);
    } else {
      json.writeString(value); // nan, inf, -inf
    }
  }
}
