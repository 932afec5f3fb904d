package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.batchnorm.DType;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Batches of binary16 typed as commands. */
class HalfPrecisionTest extends CommandTest {
  private static final long[] SIZES = {50, 4};

  @BeforeEach
  void theSameNumbersInThreeTypes() {
    Random random = new Random(16);
    double[] x = new double[200];
    Arrays.setAll(x, i -> DType.F16.round(2 + random.nextGaussian()));
    double[] dy = new double[200];
    Arrays.setAll(dy, i -> DType.F16.round(random.nextGaussian()));
    for (DType type : DType.values()) {
      String suffix = type.name().substring(1) + ".npy";
      npy("x" + suffix, type, SIZES, x);
      npy("dy" + suffix, type, SIZES, dy);
    }
  }

  @Test
  void resultsAreRoundedOnce() {
    quiet("forward ./x16.npy --save ./s.npz -o ./y16.npy");
    quiet("forward ./x64.npy --save ./t.npz -o ./y64.npy");
    Stored y = npy("y16.npy");
    assertEquals("<f2", y.type());
    double[] expected = Arrays.stream(npy("y64.npy").values()).map(DType.F16::round).toArray();
    assertBits(expected, y.values(), "y");
    Map<String, Stored> wide = npz("t.npz");
    npz("s.npz").forEach((name, array) -> assertSame(member(wide, name), array, name));
    quiet("infer ./x16.npy --running ./s.npz -o ./i.npy");
    assertEquals("<f2", npy("i.npy").type());
    quiet("forward ./x16.npy --dtype f64 -o ./wide.npy");
    assertSame(npy("y64.npy"), npy("wide.npy"), "y of f64");
    quiet("forward ./x64.npy --dtype f16 -o ./narrow.npy");
    assertSame(y, npy("narrow.npy"), "y of f16");
  }

  @ParameterizedTest
  @ValueSource(strings = {"16", "32", "64"})
  void dxHasTheTypeOfXAndTheParametersGradientsThatOfBinary32(String ofDy) {
    quiet("backward ./x16.npy --dy ./dy" + ofDy + ".npy -o ./g.npz");
    Map<String, Stored> gradients = npz("g.npz");
    assertEquals("<f2", member(gradients, "dx").type());
    assertEquals("<f4", member(gradients, "dgamma").type());
    assertEquals("<f4", member(gradients, "dbeta").type());
    quiet("backward ./x64.npy --dy ./dy64.npy -o ./h.npz");
    Map<String, Stored> wide = npz("h.npz");
    for (String name : List.of("dgamma", "dbeta")) {
      double[] expected =
          Arrays.stream(member(wide, name).values()).map(DType.F32::round).toArray();
      assertBits(expected, member(gradients, name).values(), name);
    }
    double[] dx = Arrays.stream(member(wide, "dx").values()).map(DType.F16::round).toArray();
    assertBits(dx, member(gradients, "dx").values(), "dx");
  }

  @Test
  void textIsWhatNumpyPrintsForBinary16() {
    npy("x.npy", DType.F16, new long[] {4, 1}, 1, 2, 4, 65504);
    text("r.csv", "running_mean,running_variance\n0,1\n");
    assertEquals(
        "1.0\n2.0\n4.0\n65500.0\n",
        quiet("infer ./x.npy --running ./r.csv --eps 0 --to csv").out());
    assertEquals(
        "0.1\n0.2\n0.4\n6550.0\n",
        quiet("infer ./x.npy --running ./r.csv --eps 0 --gamma 0.1 --to csv").out());
  }

  @Test
  void cellsAreRoundedOnce() {
    // between two of f16, nearer the upper one by a digit that f64 does not hold
    text("x.csv", "1.00048828125" + "0".repeat(30) + "1\n0\n");
    npy("x.npy", DType.F16, new long[] {2, 1}, 1 + 0x1p-10, 0);
    quiet("forward ./x.csv --dtype f16 --save ./s.npz -o ./y.npy");
    quiet("forward ./x.npy --save ./t.npz -o ./z.npy");
    assertSame(npy("z.npy"), npy("y.npy"), "y");
    assertSame(member(npz("t.npz"), "mean"), member(npz("s.npz"), "mean"), "mean");
    assertEquals("<f2", npy("y.npy").type());
    text("x.csv", "1\n65520\n");
    refused(
        ExitCode.INPUT,
        "forward ./x.csv --dtype f16",
        "batchnorm: x.csv:2:1: expected a number within ±65504.0 (f16), found \"65520\"");
  }

  @Test
  void integersBigEndianAndFortranAreReadAsTheyAre() {
    byte[] data = {0, 1, 0, 2, 0, 6, 0, 10, 0, 14, 0, 12};
    bytes("x.npy", numpy(">i2", true, new long[] {3, 2}, data));
    testdata("graph/x.csv");
    quiet("forward ./x.csv -o ./y.npy");
    quiet("forward ./x.npy -o ./z.npy");
    assertSame(npy("y.npy"), npy("z.npy"), "y is of f64");
    quiet("forward ./x.csv --dtype f16 -o ./y.npy");
    quiet("forward ./x.npy --dtype f16 -o ./z.npy");
    assertSame(npy("y.npy"), npy("z.npy"), "y is of f16");
    byte[] large = numpy("<i8", false, new long[] {2, 1}, longs((1L << 53) + 1, 0));
    bytes("large.npy", large);
    refused(
        ExitCode.INPUT,
        "forward ./large.npy -o ./w.npy",
        "batchnorm: large.npy: expected integers that a binary64 holds exactly, found"
            + " 9007199254740993 at index (0, 0)",
        "hint: --narrow rounds them to the nearest binary64");
    assertEquals("1.0\n-1.0\n", quiet("forward ./large.npy --narrow --to csv").out());
  }
}
