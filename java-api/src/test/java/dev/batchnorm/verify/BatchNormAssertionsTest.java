package dev.batchnorm.verify;

import static dev.batchnorm.verify.BatchNormAssertions.assertMatchesGolden;
import static dev.batchnorm.verify.BatchNormAssertions.assertSameBits;
import static dev.batchnorm.verify.BatchNormAssertions.assertWithinUlps;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.golden.GoldenCase;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class BatchNormAssertionsTest {
  private static final Shape SHAPE = Shape.of(Layout.NC, 3, 2);

  @TempDir Path directory;

  private static String refused(Executable assertion) {
    return String.valueOf(assertThrows(AssertionError.class, assertion).getMessage());
  }

  @Test
  void ulpsAreCountedAndNansEqualOnlyNans() {
    float[] a = {1, Float.NaN, -0f, 3};
    assertWithinUlps(a, new float[] {Math.nextUp(1f), Float.NaN, 0f, 3}, 1);
    assertEquals(
        "actual: 1 of 4 differs by more than 0 ulp, at most 1.0 ulp apart\n"
            + "  (0,): expected 1.0, found 1.0000001, 1.0 ulp apart",
        refused(() -> assertWithinUlps(a, new float[] {Math.nextUp(1f), Float.NaN, 0f, 3}, 0)));
    String nan = refused(() -> assertWithinUlps(a, new float[] {1, 1, -0f, 3}, 1L << 52));
    assertTrue(nan.contains("(1,): expected nan, found 1.0"), nan);
    refused(() -> assertWithinUlps(a, new float[] {1, Float.NaN, -0f, Float.NaN}, 1L << 52));
    refused(
        () ->
            assertWithinUlps(new double[] {1}, new double[] {Double.POSITIVE_INFINITY}, 1L << 52));
    assertEquals(
        "actual: expected 4 values, found 1",
        refused(() -> assertWithinUlps(a, new float[] {1}, 9)));
    assertThrows(
        IllegalArgumentException.class, () -> assertWithinUlps(new double[0], new double[0], -1));
    assertWithinUlps(new double[] {1}, new double[] {1 + 0x1p-52}, 1);
    refused(() -> assertWithinUlps(new double[] {1}, new double[] {1 + 0x1p-51}, 1));
  }

  @Test
  void bitsTellZerosApart() {
    assertSameBits(new double[] {Double.NaN, -0.0}, new double[] {Double.NaN, -0.0});
    refused(() -> assertSameBits(new double[] {-0.0}, new double[] {0.0}));
    refused(() -> assertSameBits(new float[] {1}, new float[] {Math.nextUp(1f)}));
    Batch batch = Batch.of(SHAPE, 1f, 2f, 3f, 4f, 5f, 6f);
    assertSameBits(batch, Batch.of(SHAPE, 1f, 2f, 3f, 4f, 5f, 6f));
    String place = refused(() -> assertSameBits(batch, Batch.of(SHAPE, 1f, 2f, 3f, 4f, 5f, 7f)));
    assertTrue(place.contains("(2, 1): expected 6.0, found 7.0"), place);
    refused(
        () -> assertSameBits(batch, Batch.of(Shape.of(Layout.NC, 2, 3), 1f, 2f, 3f, 4f, 5f, 6f)));
    refused(() -> assertSameBits(batch, Batch.of(SHAPE, 1.0, 2, 3, 4, 5, 6)));
    assertWithinUlps(batch, Batch.of(SHAPE, 1.0, 2, 3, 4, 5, 6), 0);
  }

  @Test
  void aKernelIsHeldToAGoldenCase() throws IOException {
    Path golden = directory.resolve("golden");
    Batch x = Batch.of(SHAPE, 1f, 2f, 3f, 5f, 8f, 13f);
    GoldenCase.recorder(x).record(golden);
    Batch y = BatchNorm.builder().build().forward(x).y();
    float[] floats = y.values().toFloats();
    assertMatchesGolden(golden);
    assertMatchesGolden(golden, "y", y);
    assertMatchesGolden(golden, "y", floats);
    assertMatchesGolden(golden, "mean", new double[] {4, 20.0 / 3});
    assertMatchesGolden(golden, "mean", new float[] {4, 20f / 3}, 1L << 30);
    floats[3] = Math.nextUp(floats[3]);
    assertMatchesGolden(golden, "y", floats, 1);
    String differs = refused(() -> assertMatchesGolden(golden, "y", floats));
    assertTrue(differs.startsWith("y of " + golden + ": 1 of 6 differs by bits"), differs);
    assertTrue(differs.contains("--update"), differs);
    refused(() -> assertMatchesGolden(golden, "y", y.values().toDoubles()));
    refused(() -> assertMatchesGolden(golden, "y", new float[5], 3));
    refused(() -> assertMatchesGolden(golden, "y", Batch.zeros(SHAPE, DType.F64), 3));
    refused(() -> assertMatchesGolden(golden, "y", Batch.of(Shape.of(Layout.NC, 2, 3), floats)));
    refused(() -> assertMatchesGolden(golden, "z", floats));
    refused(() -> assertMatchesGolden(golden, "x", floats));
    refused(() -> assertMatchesGolden(directory));
    Files.writeString(golden.resolve("more"), "");
    String extra = refused(() -> assertMatchesGolden(golden));
    assertTrue(extra.contains("found EXTRA"), extra);
    refused(() -> assertMatchesGolden(golden, "y", y));
  }
}
