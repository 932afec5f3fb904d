package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.batchnorm.DType;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code forward --batch-size} against forward on a file for each mini-batch. */
class BatchSizeTest extends CommandTest {
  private static final int SAMPLES = 11;

  private static double[] random(int values, DType type, long seed) {
    Random random = new Random(seed);
    double[] x = new double[values];
    Arrays.setAll(x, i -> type.round(3 + 5 * random.nextGaussian()));
    return x;
  }

  /** The sizes with another number of samples. */
  private static long[] of(long samples, long... sizes) {
    long[] some = sizes.clone();
    some[0] = samples;
    return some;
  }

  /**
   * Writes the data to one file and to one for each mini-batch, normalises both, and compares all
   * that comes of it.
   */
  private void isForwardOfEachSlice(
      DType type, int batchSize, String options, String more, long... sizes) {
    int perSample = (int) (Arrays.stream(sizes).reduce(1, (a, b) -> a * b) / sizes[0]);
    double[] x = random((int) sizes[0] * perSample, type, 77);
    npy("x.npy", type, sizes, x);
    quiet(
        "forward ./x.npy --batch-size "
            + batchSize
            + " --running new --save ./whole.npz "
            + "-o ./whole.npy"
            + options
            + more);
    double[] y = new double[x.length];
    String running = "new";
    for (int first = 0; first < sizes[0]; first += batchSize) {
      int count = (int) Math.min(batchSize, sizes[0] - first);
      double[] slice = Arrays.copyOfRange(x, first * perSample, (first + count) * perSample);
      npy("slice.npy", type, of(count, sizes), slice);
      quiet(
          "forward ./slice.npy --running "
              + running
              + " --save ./r.npz -o ./y.npy"
              + options
              + more);
      running = "./r.npz";
      double[] part = npy("y.npy").values();
      System.arraycopy(part, 0, y, first * perSample, part.length);
    }
    Stored whole = npy("whole.npy");
    assertEquals(Arrays.stream(sizes).boxed().toList(), whole.sizes());
    assertBits(y, whole.values(), "y");
    assertArrayEquals(bytes("r.npz"), bytes("whole.npz"), "statistics and running statistics");
    assertBits(
        new double[] {Math.ceil(sizes[0] / (double) batchSize)},
        member(npz("whole.npz"), "batches").values(),
        "batches");
  }

  @ParameterizedTest
  @CsvSource({"1", "2", "3", "4", "5", "10", "11", "12", "1000000000000"})
  void everySizeOfBatch(long batchSize) {
    int size = (int) Math.min(batchSize, 1_000_000);
    isForwardOfEachSlice(DType.F32, size, "", "", SAMPLES, 3, 2, 2);
    byte[] expected = bytes("whole.npy");
    quiet("forward ./x.npy -o ./y.npy --batch-size " + batchSize);
    assertArrayEquals(expected, bytes("y.npy"));
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void everyTypeAndLayout(DType type) {
    isForwardOfEachSlice(type, 4, " --layout NHWC", "", SAMPLES, 2, 3, 5);
    isForwardOfEachSlice(type, 4, " --layout NCHW", " --gamma 2 --beta -1", SAMPLES, 2, 3, 5);
    isForwardOfEachSlice(type, 3, " --channel-axis -1", "", SAMPLES, 2, 3);
    isForwardOfEachSlice(type, 3, "", "", SAMPLES, 2);
    isForwardOfEachSlice(type, 3, "", "", SAMPLES);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--convention pytorch",
        "--convention onnx",
        "--convention keras",
        "--convention flax",
        "--convention mxnet",
        "--momentum cumulative",
        "--momentum 0.3 --eps 0.5",
        "--momentum cumulative --convention onnx",
        "--engine java",
        "--threads 2",
      })
  void everyConvention(String options) {
    isForwardOfEachSlice(DType.F64, 4, " " + options, "", SAMPLES, 3);
  }

  @Test
  void aLastBatchOfOneValueNeedsABiasedVariance() {
    text("x.csv", "a\n1\n3\n5\n");
    for (String convention : List.of("onnx", "keras", "flax", "mxnet")) {
      quiet(
          "forward ./x.csv --batch-size 2 --running new --save ./r.npz -o ./y.csv --convention "
              + convention);
      assertBits(new double[] {2}, member(npz("r.npz"), "batches").values(), convention);
      assertBits(new double[] {1}, member(npz("r.npz"), "count").values(), convention);
    }
    text("r.npz", "what stood there before");
    text("y.csv", "what stood there before");
    refused(
        ExitCode.INPUT,
        "forward ./x.csv --batch-size 2 --running new --save ./r.npz -o ./y.csv",
        "batchnorm: x.csv[2:3]: running statistics: expected at least 2 values per channel, found 1",
        "hint: the unbiased variance of one value does not exist; --convention onnx averages the"
            + " biased one");
    assertEquals("what stood there before", text("r.npz"));
    assertEquals("what stood there before", text("y.csv"));
    assertEquals(List.of("r.npz", "x.csv", "y.csv"), files());
    assertEquals("a\n-1.0\n1.0\n0.0\n", quiet("forward ./x.csv --batch-size 2 --eps 0 -q").out());
  }

  @Test
  void aLastBatchThatIsRefusedIsRefusedBeforeAnythingIsWritten() {
    text("x.csv", "1,2\n".repeat(40_000) + "5,6\n");
    refused(
        ExitCode.INPUT,
        "forward ./x.csv --batch-size 40000 --running new --save ./r.npz",
        "batchnorm: x.csv[40000:40001]: running statistics: expected at least 2 values per channel,"
            + " found 1",
        "hint: the unbiased variance of one value does not exist; --convention onnx averages the"
            + " biased one");
    refused(
        ExitCode.INPUT,
        "forward ./x.csv --batch-size 1 --running new --save ./r.npz",
        "batchnorm: x.csv[0:1]: running statistics: expected at least 2 values per channel, found"
            + " 1",
        "hint: the unbiased variance of one value does not exist; --convention onnx averages the"
            + " biased one");
  }

  @Test
  void tablesAreCutByRows() {
    text("x.csv", "id,a\nu,1\nv,3\nw,10\nx,30\ny,7\nz,5\n");
    quiet("forward ./x.csv --exclude id --batch-size 4 --eps 0 --save ./s.npz -o ./y.csv");
    assertEquals("id,a", text("y.csv").lines().findFirst().orElseThrow());
    assertEquals(List.of("y,1.0", "z,-1.0"), text("y.csv").lines().skip(5).toList());
    Map<String, Stored> saved = npz("s.npz");
    assertBits(new double[] {6}, member(saved, "mean").values(), "mean of the last batch");
    assertBits(new double[] {1}, member(saved, "variance").values(), "variance");
    assertBits(new double[] {1}, member(saved, "inverse_std").values(), "inverse_std");
    assertBits(new double[] {2}, member(saved, "count").values(), "count");
    assertEquals(5, saved.size());
    assertEquals(
        "id,a\nu,-1.0\nv,1.0\nw,-1.0\nx,1.0\ny,1.0\nz,-1.0\n",
        quiet("forward ./x.csv --exclude id --batch-size 2 --eps 0").out());
    // rows that are skipped are in no batch
    text("holes.csv", "a\n1\n\"\"\n3\n\"\"\n10\n30\n");
    assertEquals(
        "a\n-1.0\n1.0\n-1.0\n1.0\n",
        run("forward ./holes.csv --missing skip --batch-size 2 --eps 0").out());
  }

  @Test
  void theOrderOfAFilesAxesChangesNoBit() {
    double[] x = random(SAMPLES * 6, DType.F64, 9);
    npy("x.npy", DType.F64, new long[] {SAMPLES, 3, 2}, x);
    byte[] c = bytes("x.npy");
    byte[] data = new byte[8 * x.length];
    for (int n = 0; n < SAMPLES; n++) {
      for (int i = 0; i < 6; i++) {
        int from = c.length - data.length + 8 * (n * 6 + i);
        System.arraycopy(c, from, data, 8 * (n + SAMPLES * (i / 2 + 3 * (i % 2))), 8);
      }
    }
    bytes("f.npy", numpy("<f8", true, new long[] {SAMPLES, 3, 2}, data));
    quiet("forward ./x.npy --batch-size 4 -o ./y.npy");
    quiet("forward ./f.npy --batch-size 4 -o ./z.npy");
    assertArrayEquals(bytes("y.npy"), bytes("z.npy"));
    assertArrayEquals(
        bytes("y.npy"), run(bytes("f.npy"), "forward - --batch-size 4 --to npy").bytes());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 100})
  void channelsAlongTheFirstAxisLeaveNoSamples(int batchSize) {
    npy("x.npy", DType.F64, new long[] {3, 2}, 1, 2, 3, 4, 5, 6);
    refused(
        ExitCode.INPUT,
        "forward ./x.npy --channel-axis 0 -o ./y.npy --batch-size " + batchSize,
        "batchnorm: x.npy: expected samples along axis 0 (--batch-size "
            + batchSize
            + "), found the channels there (shape 3×2)");
    assertEquals(List.of("x.npy"), files());
  }

  @Test
  void noSamplesAreNoBatch() {
    npy("x.npy", DType.F64, new long[] {0, 2});
    text("r.csv", "running_mean,running_variance,batches\n3,4,1\n5,6,1\n");
    CommandLineRun plain = run("forward ./x.npy -o ./plain.npy");
    CommandLineRun run =
        run("forward ./x.npy --batch-size 3 --running new --save ./r.npz -o ./y.npy");
    assertEquals(plain.error(), run.error());
    assertEquals(ExitCode.OK, run.code());
    assertArrayEquals(bytes("plain.npy"), bytes("y.npy"));
    Map<String, Stored> saved = npz("r.npz");
    assertBits(new double[] {0, 0}, member(saved, "running_mean").values(), "running_mean");
    assertBits(new double[] {0}, member(saved, "batches").values(), "batches");
  }

  @Test
  void warnsOnceOfWhatSeveralBatchesHave() {
    text("x.csv", "a,b\n1,5\n1,6\n2,7\n2,8\n3,9\n3,9\n");
    CommandLineRun run = run("forward ./x.csv --batch-size 2 --eps 0");
    assertEquals(ExitCode.OK, run.code());
    assertEquals("a,b\n0.0,-1.0\n0.0,1.0\n0.0,-1.0\n0.0,1.0\n0.0,0.0\n0.0,0.0\n", run.out());
    assertEquals(
        List.of(
            "batchnorm: warning: x.csv[0:2]: channel 0: variance + eps is 0, y is beta and the"
                + " gradients are 0 (and in 2 batches more)"),
        run.error());
    assertEquals(List.of(), run("forward ./x.csv --batch-size 2 --eps 0 -q").error());
  }

  @Test
  void aSingleValueIsRefusedBeforeAnythingIsWritten() {
    npy("one.npy", DType.F32, new long[] {1, 2}, 3, 4);
    for (String size : List.of("", " --batch-size 1", " --batch-size 4")) {
      refused(
          ExitCode.INPUT,
          "forward ./one.npy --running new --save ./r.npz" + size,
          "batchnorm: one.npy: running statistics: expected at least 2 values per channel, found 1",
          "hint: the unbiased variance of one value does not exist; --convention onnx averages the"
              + " biased one");
    }
  }

  @Test
  void nonFiniteValuesSpoilTheirOwnBatch() {
    text("x.csv", "1\nnan\n1\n3\n");
    assertEquals("nan\nnan\n-1.0\n1.0\n", quiet("forward ./x.csv --batch-size 2 --eps 0").out());
  }

  @ParameterizedTest
  @CsvSource({
    "0, 'expected a whole number ≥ 1, found 0'",
    "-3, 'expected a whole number ≥ 1, found -3'",
    "x, 'expected a whole number, found \"x\"'",
    "1.5, 'expected a whole number, found \"1.5\"'",
    "1e3, 'expected a whole number, found \"1e3\"'",
    "99999999999999999999, 'expected a whole number that a machine can count to, found"
        + " \"99999999999999999999\"'",
  })
  void theSizeIsAWholeNumber(String size, String message) {
    refused(
        ExitCode.USAGE,
        "forward ./nope.csv --batch-size " + size,
        "batchnorm: --batch-size: " + message);
  }
}
