package dev.batchnorm.verify;

import dev.batchnorm.Batch;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.format.Wording;
import dev.batchnorm.golden.GoldenArray;
import dev.batchnorm.golden.GoldenCase;
import dev.batchnorm.golden.GoldenDifference;
import dev.batchnorm.golden.GoldenResult;
import dev.batchnorm.verify.ArrayDifference.Element;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Assertions for tests of any framework: they throw an {@link AssertionError} that names the first
 * places, both values and their distance in ulps. NaN equals NaN and nothing else.
 *
 * <pre>{@code
 * assertMatchesGolden(Path.of("golden/small"));                 // our engines, run again
 * assertMatchesGolden(Path.of("golden/small"), "y", ourKernel); // your kernel's y, to the bit
 * assertWithinUlps(expected, actual, 2);
 * }</pre>
 */
public final class BatchNormAssertions {
  private BatchNormAssertions() {}

  /**
   * Runs a golden case again on the engine that {@code auto} takes and compares every output to the
   * bit.
   *
   * @param golden the directory of the case
   * @throws AssertionError if the verdict is any but PASSED: also for a case that is damaged, or
   *     proves nothing
   */
  public static void assertMatchesGolden(Path golden) {
    GoldenResult result = GoldenCase.check(golden, Engines.preferred());
    if (result.passed()) {
      return;
    }
    List<String> lines = new ArrayList<>();
    lines.add(golden + ": expected PASSED, found " + result.verdict());
    for (String trouble : result.troubles()) {
      lines.add("  " + Wording.escaped(trouble));
    }
    for (GoldenDifference difference : result.outputs()) {
      for (GoldenDifference.Place place : difference.first()) {
        lines.add(
            "    "
                + difference.array().name()
                + " "
                + place.index()
                + ": expected "
                + place.expected()
                + ", found "
                + place.found()
                + ulps(place.ulps()));
      }
    }
    lines.add("repeat: batchnorm golden check " + golden);
    throw new AssertionError(String.join("\n", lines));
  }

  /**
   * Compares an output of yours with that of a golden case, to the bit.
   *
   * @param output such as {@code y}, {@code mean} or {@code dx}
   * @param actual of the recorded shape and type
   */
  public static void assertMatchesGolden(Path golden, String output, Batch actual) {
    Golden expected = Golden.of(golden, output);
    expected.requireShape(actual);
    compare(expected.title(), expected.array(), array(actual), -1, expected.hint());
  }

  /**
   * Compares an output of yours with that of a golden case, in C order, to the bit.
   *
   * @param output such as {@code y}, {@code mean} or {@code dx}, recorded as f32
   */
  public static void assertMatchesGolden(Path golden, String output, float[] actual) {
    Golden expected = Golden.of(golden, output);
    compare(expected.title(), expected.flat(), array(actual), -1, expected.hint());
  }

  /**
   * Compares an output of yours with that of a golden case, in C order, to the bit.
   *
   * @param output such as {@code y}, {@code mean} or {@code dx}, recorded as f64
   */
  public static void assertMatchesGolden(Path golden, String output, double[] actual) {
    Golden expected = Golden.of(golden, output);
    compare(expected.title(), expected.flat(), array(actual), -1, expected.hint());
  }

  /**
   * Compares an output of yours with that of a golden case, within so many ulps of the recorded
   * type.
   *
   * @param output such as {@code y}, {@code mean} or {@code dx}
   * @param actual of the recorded shape and any type
   */
  public static void assertMatchesGolden(Path golden, String output, Batch actual, long ulps) {
    Golden expected = Golden.of(golden, output);
    expected.requireShape(actual);
    compare(expected.title(), expected.array(), array(actual), checked(ulps), expected.hint());
  }

  /** As {@link #assertMatchesGolden(Path, String, Batch, long)}, in C order. */
  public static void assertMatchesGolden(Path golden, String output, float[] actual, long ulps) {
    Golden expected = Golden.of(golden, output);
    compare(expected.title(), expected.flat(), array(actual), checked(ulps), expected.hint());
  }

  /** As {@link #assertMatchesGolden(Path, String, Batch, long)}, in C order. */
  public static void assertMatchesGolden(Path golden, String output, double[] actual, long ulps) {
    Golden expected = Golden.of(golden, output);
    compare(expected.title(), expected.flat(), array(actual), checked(ulps), expected.hint());
  }

  /** Each element is within so many ulps of the expected one; −0.0 and 0.0 are one number. */
  public static void assertWithinUlps(float[] expected, float[] actual, long ulps) {
    compare("actual", array(expected), array(actual), checked(ulps), "");
  }

  /** Each element is within so many ulps of the expected one; −0.0 and 0.0 are one number. */
  public static void assertWithinUlps(double[] expected, double[] actual, long ulps) {
    compare("actual", array(expected), array(actual), checked(ulps), "");
  }

  /**
   * Each element is within so many ulps of the expected one, in the expected type; −0.0 and 0.0 are
   * one number.
   */
  public static void assertWithinUlps(Batch expected, Batch actual, long ulps) {
    requireShape(expected.shape(), actual.shape());
    compare("actual", array(expected), array(actual), checked(ulps), "");
  }

  /** Each element has the expected bits, the signs of zeros included; NaNs are all one. */
  public static void assertSameBits(float[] expected, float[] actual) {
    compare("actual", array(expected), array(actual), -1, "");
  }

  /** Each element has the expected bits, the signs of zeros included; NaNs are all one. */
  public static void assertSameBits(double[] expected, double[] actual) {
    compare("actual", array(expected), array(actual), -1, "");
  }

  /** Type, shape and bits are the expected ones, the signs of zeros included; NaNs are all one. */
  public static void assertSameBits(Batch expected, Batch actual) {
    requireShape(expected.shape(), actual.shape());
    compare("actual", array(expected), array(actual), -1, "");
  }

  /** An output of a golden case. */
  private record Golden(Path place, GoldenArray described, Batch batch) {
    static Golden of(Path place, String output) {
      try {
        GoldenCase golden = GoldenCase.read(place);
        Batch batch = golden.batch(output);
        for (GoldenArray array : golden.outputs()) {
          if (array.name().equals(output)) {
            return new Golden(place, array, batch);
          }
        }
        throw new AssertionError(
            place + ": expected the name of an output, found the input " + output);
      } catch (InputException e) {
        throw new AssertionError(e.getMessage(), e);
      }
    }

    String title() {
      return described.name() + " of " + place;
    }

    String hint() {
      return "\nhint: batchnorm golden record … --update records the case again; its manifest.json has the command";
    }

    void requireShape(Batch actual) {
      long[] recorded = described.shape().stream().mapToLong(size -> size).toArray();
      if (!Arrays.equals(recorded, actual.shape().sizes())) {
        throw new AssertionError(
            title() + ": expected shape " + Shape.text(recorded) + ", found " + actual.shape());
      }
    }

    MemoryArray array() {
      return BatchNormAssertions.array(batch);
    }

    MemoryArray flat() {
      return new MemoryArray("expected", batch.values(), new long[] {batch.values().count()});
    }
  }

  private static MemoryArray array(Batch batch) {
    return new MemoryArray("batch", batch.values(), batch.shape().sizes());
  }

  private static MemoryArray array(float... values) {
    return new MemoryArray("array", Values.of(values), new long[] {values.length});
  }

  private static MemoryArray array(double... values) {
    return new MemoryArray("array", Values.of(values), new long[] {values.length});
  }

  private static void requireShape(Shape expected, Shape actual) {
    if (!Arrays.equals(expected.sizes(), actual.sizes())) {
      throw new AssertionError("actual: expected shape " + expected + ", found " + actual);
    }
  }

  private static long checked(long ulps) {
    if (ulps < 0 || ulps > ArrayDifference.MOST_ULPS) {
      throw new IllegalArgumentException("ulps: expected a number ≥ 0, found " + ulps);
    }
    return ulps;
  }

  /**
   * Throws if arrays differ.
   *
   * @param ulps how far apart numbers may be, −1 to compare bits
   */
  private static void compare(
      String title, StoredArray expected, StoredArray actual, long ulps, String hint) {
    if (expected.count() != actual.count()) {
      throw new AssertionError(
          title + ": expected " + expected.count() + " values, found " + actual.count() + hint);
    }
    if (ulps < 0 && expected.type() != actual.type()) {
      throw new AssertionError(
          title
              + ": expected type "
              + expected.type().label()
              + ", found "
              + actual.type().label()
              + "; within ulps, types may differ");
    }
    ArrayDifference difference =
        ulps < 0
            ? ArrayDifference.bitwise(actual, expected)
            : ArrayDifference.within(actual, expected, 0, 0, ulps);
    if (difference.differing() == 0) {
      return;
    }
    StringBuilder text = new StringBuilder(title);
    text.append(
        String.format(
            ": %d of %d %s%s, at most %s ulp apart",
            difference.differing(),
            difference.compared(),
            difference.differing() == 1 ? "differs" : "differ",
            ulps < 0 ? " by bits" : " by more than " + ulps + " ulp",
            difference.nanDiffering() > 0 ? "nan" : Decimals.text(difference.ulps().value())));
    for (Element e : difference.first()) {
      text.append("\n  ")
          .append(Shape.tuple(difference.place(e.index())))
          .append(": expected ")
          .append(e.reference())
          .append(", found ")
          .append(e.found())
          .append(ulps(e.ulps()));
    }
    throw new AssertionError(text + hint);
  }

  private static String ulps(double ulps) {
    return Double.isNaN(ulps) ? "" : ", " + Decimals.text(ulps) + " ulp apart";
  }
}
