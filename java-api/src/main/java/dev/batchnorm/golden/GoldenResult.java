package dev.batchnorm.golden;

import dev.batchnorm.format.Decimals;
import java.nio.file.Path;
import java.util.List;

/**
 * What a check found about one case.
 *
 * @param directory the case
 * @param troubles what is wrong, a line each; empty if it passed
 * @param outputs one comparison for each output that was computed
 */
public record GoldenResult(
    Path directory, GoldenVerdict verdict, List<String> troubles, List<GoldenDifference> outputs) {

  static GoldenResult of(Path directory, UntrustedCaseException e) {
    return new GoldenResult(directory, e.verdict(), e.troubles(), List.of());
  }

  /** Whether every number has the recorded bits, and they say something. */
  public boolean passed() {
    return verdict == GoldenVerdict.PASSED;
  }

  /** The number of elements compared. */
  public long compared() {
    return outputs.stream().mapToLong(GoldenDifference::compared).sum();
  }

  /** One line about an output that differs. */
  static String line(GoldenDifference d) {
    GoldenDifference.Place place = d.first().get(0);
    return d.array().name()
        + " at "
        + place.index()
        + ": expected "
        + place.expected()
        + ", found "
        + place.found()
        + "; "
        + d.differing()
        + " of "
        + d.compared()
        + (d.differing() == 1 ? " differs" : " differ")
        + ", at most "
        + Decimals.text(d.maxUlps())
        + " ulp";
  }
}
