package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.audit.AuditReport;
import dev.batchnorm.audit.Explanation;
import dev.batchnorm.audit.Judgement;
import dev.batchnorm.audit.Judgement.Channel;
import dev.batchnorm.audit.Judgement.Element;
import dev.batchnorm.format.Decimals;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** What {@code audit} found, for people and as JSON. */
record AuditText(AuditReport report, Source x, boolean frozen, double eps, String command) {

  private String status() {
    return report.passed() ? "PASSED" : "FAILED";
  }

  String table() {
    StringBuilder out = new StringBuilder();
    out.append(x.name() + ", " + x.shape() + " " + x.type().label() + ", ");
    out.append(frozen ? "frozen statistics" : "statistics of the batch");
    out.append(", eps " + Decimals.text(eps) + "\n");
    for (Judgement judgement : report.judgements()) {
      append(out, judgement);
    }
    appendDiagnosis(out);
    out.append(verdict()).append('\n');
    if (!report.passed()) {
      out.append("repeat: ").append(command).append('\n');
    }
    return out.toString();
  }

  private static void append(StringBuilder out, Judgement judgement) {
    String name = judgement.output().label();
    out.append(String.format(Locale.ROOT, "  %-16s %s  ", name, judgement.type().label()));
    if (judgement.reason() != null) {
      out.append("FAILED  " + judgement.name() + ": " + judgement.reason() + "\n");
      return;
    }
    out.append(judgement.passed() ? "passed  " : "FAILED  ");
    out.append(
        judgement.passed()
            ? InspectionText.count(judgement.compared(), "value")
            : judgement.exceeding() + " of " + judgement.compared() + " beyond their bounds");
    Element largest = judgement.largest();
    if (largest != null) {
      out.append(", " + percent(judgement) + " correctly rounded");
      if (largest.error() != 0) {
        out.append(", largest error " + Numbers.brief(largest.error()));
        out.append(" at " + place(judgement, largest));
        out.append(", " + CompareReport.quantiles(judgement.ulps()));
      }
    }
    out.append('\n');
    if (judgement.apart() > 0) {
      out.append("    " + judgement.apart());
      out.append(" of them off the line that the others of their channel lie on\n");
    }
    if (!judgement.worst().isEmpty()) {
      Element worst = judgement.worst().get(0);
      out.append(judgement.passed() ? "    closest to its bound" : "    farthest beyond its bound");
      out.append(" at " + place(judgement, worst));
      out.append(": found " + text(judgement, worst.found()));
      out.append(", exact " + Decimals.text(worst.exact()));
      out.append(", " + share(worst) + "\n");
    }
    if (!judgement.passed() && judgement.channels().size() > 1) {
      out.append("    worst channels: ");
      out.append(
          judgement.channels().stream()
              .map(c -> c.channel() + " (" + Numbers.brief(c.share()) + " ×)")
              .collect(Collectors.joining(", ")));
      out.append('\n');
    }
  }

  private static String share(Element element) {
    String share = Numbers.brief(element.share());
    return element.isApart()
        ? share + " × what rounding moves off the line"
        : share + " × " + Numbers.brief(element.bound());
  }

  private static String percent(Judgement judgement) {
    double share = 100.0 * judgement.rounded() / judgement.compared();
    boolean isAll = judgement.rounded() == judgement.compared();
    return isAll ? "all" : String.format(Locale.ROOT, "%.1f %%", Math.min(share, 99.9));
  }

  private static String place(Judgement judgement, Element element) {
    return Shape.tuple(judgement.place(element.index()));
  }

  private static String text(Judgement judgement, double value) {
    return Decimals.text(judgement.type(), value);
  }

  private void appendDiagnosis(StringBuilder out) {
    if (report.explanations().isEmpty()) {
      if (!report.passed()) {
        out.append(
            "diagnosis: none of the known conventions and mistakes reproduces every value\n");
      }
      return;
    }
    out.append(
        report.passed()
            ? "diagnosis: careful sums would come closer\n"
            : "diagnosis:"
                + (tied() ? " this data cannot tell the first of these apart" : "")
                + "\n");
    for (Explanation explanation : report.explanations()) {
      out.append(
          "  "
              + explanation.rank()
              + "  "
              + String.join(" + ", explanation.labels())
              + ": "
              + meaning(explanation));
      List<String> frameworks = explanation.frameworks();
      out.append(frameworks.isEmpty() ? "" : " (" + String.join(", ", frameworks) + ")");
      out.append('\n');
    }
  }

  private boolean tied() {
    return report.explanations().stream().filter(e -> e.rank() == 1).count() > 1;
  }

  private static String meaning(Explanation explanation) {
    return explanation.causes().stream()
        .map(cause -> cause.meaning())
        .collect(Collectors.joining("; "));
  }

  private String verdict() {
    int arrays = report.judgements().size();
    long failed = report.judgements().stream().filter(j -> !j.passed()).count();
    return report.passed()
        ? "PASSED: "
            + InspectionText.count(arrays, "array")
            + (arrays == 1 ? "," : ", all")
            + " within what the arithmetic of a plain kernel explains"
        : "FAILED: "
            + failed
            + " of "
            + InspectionText.count(arrays, "array")
            + " beyond what the arithmetic of a plain kernel explains";
  }

  String json() {
    return JsonText.of(
        json -> {
          json.writeStartObject();
          json.writeStringField("status", status());
          json.writeStringField("input", x.name());
          JsonText.sizes(json, "shape", x.shape().sizes());
          json.writeStringField("dtype", x.type().label());
          json.writeStringField("statistics", frozen ? "frozen" : "batch");
          JsonText.number(json, "eps", eps);
          json.writeArrayFieldStart("arrays");
          for (Judgement judgement : report.judgements()) {
            write(json, judgement);
          }
          json.writeEndArray();
          json.writeArrayFieldStart("diagnosis");
          for (Explanation explanation : report.explanations()) {
            write(json, explanation);
          }
          json.writeEndArray();
          json.writeStringField("command", command);
          json.writeEndObject();
        });
  }

  private static void write(JsonGenerator json, Judgement judgement) throws IOException {
    json.writeStartObject();
    json.writeStringField("name", judgement.output().label());
    json.writeStringField("status", judgement.passed() ? "PASSED" : "FAILED");
    json.writeStringField("file", judgement.name());
    json.writeStringField("dtype", judgement.type().label());
    JsonText.sizes(json, "shape", judgement.sizes());
    if (judgement.reason() != null) {
      json.writeStringField("reason", judgement.reason());
      json.writeEndObject();
      return;
    }
    json.writeNumberField("compared", judgement.compared());
    json.writeNumberField("exceeding", judgement.exceeding());
    json.writeNumberField("apart", judgement.apart());
    json.writeBooleanField("careful", judgement.careful());
    json.writeNumberField("rounded", judgement.rounded());
    CompareReport.write(json, judgement.ulps());
    if (judgement.largest() != null) {
      json.writeFieldName("largest");
      write(json, judgement, judgement.largest());
    }
    json.writeArrayFieldStart("worst");
    for (Element element : judgement.worst()) {
      write(json, judgement, element);
    }
    json.writeEndArray();
    json.writeArrayFieldStart("channels");
    for (Channel channel : judgement.channels()) {
      json.writeStartObject();
      json.writeNumberField("channel", channel.channel());
      JsonText.number(json, "share", channel.share());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, Judgement judgement, Element element)
      throws IOException {
    json.writeStartObject();
    JsonText.sizes(json, "index", judgement.place(element.index()));
    JsonText.number(json, "found", element.found());
    JsonText.number(json, "exact", element.exact());
    JsonText.number(json, "error", element.error());
    JsonText.number(json, "ulp", element.ulps());
    JsonText.number(json, "bound", element.bound());
    JsonText.number(json, "share", element.share());
    json.writeBooleanField("apart", element.isApart());
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, Explanation explanation) throws IOException {
    json.writeStartObject();
    json.writeArrayFieldStart("convention");
    for (String label : explanation.labels()) {
      json.writeString(label);
    }
    json.writeEndArray();
    List<String> frameworks = explanation.frameworks();
    if (frameworks.isEmpty()) {
      json.writeNullField("framework");
    } else {
      json.writeStringField("framework", String.join(", ", frameworks));
    }
    json.writeNumberField("matches", explanation.reproduced());
    json.writeNumberField("rank", explanation.rank());
    json.writeStringField("meaning", meaning(explanation));
    json.writeBooleanField("loose", explanation.isLoose());
    json.writeEndObject();
  }
}
