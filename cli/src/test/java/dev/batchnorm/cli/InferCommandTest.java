package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.batchnorm.DType;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class InferCommandTest extends CommandTest {
  /** Mean 1 and variance 4, but running mean 3 and running variance 1. */
  @BeforeEach
  void statisticsOfBothKinds() {
    text("x.csv", "1\n3\n");
    npz(
        "both.npz",
        npz -> {
          npz.doubles("mean", new double[] {1}, 1);
          npz.doubles("variance", new double[] {4}, 1);
          npz.float64("eps", 0);
          npz.doubles("running_mean", new double[] {3}, 1);
          npz.doubles("running_variance", new double[] {1}, 1);
        });
  }

  @Test
  void usesTheRunningStatisticsIfTheFileHasThem() {
    assertEquals("-2.0\n0.0\n", quiet("infer ./x.csv --running ./both.npz").out());
    assertEquals(
        "-2.0\n0.0\n", quiet("infer ./x.csv --running ./both.npz --statistics running").out());
    assertEquals(
        "0.0\n1.0\n", quiet("infer ./x.csv --running ./both.npz --statistics batch").out());
  }

  @Test
  void saysWhichStatisticsItUsesIfAsked() {
    List<String> running = run("infer ./x.csv --running ./both.npz -v --engine java").error();
    assertEquals(
        List.of(
            "batchnorm: engine java: reference, 1 thread",
            "batchnorm: both.npz: running statistics, eps 0.0"),
        running);
    assertEquals(
        "batchnorm: both.npz: batch statistics, eps 1e-05",
        run("infer ./x.csv --running ./both.npz -v --statistics batch --eps 1e-5").error().get(1));
  }

  @Test
  void epsIsTheFilesUnlessTyped() {
    assertEquals("-1.0\n0.0\n", quiet("infer ./x.csv --running ./both.npz --eps 3").out());
    text("r.csv", "running_mean,running_variance\n3,0.99999\n");
    assertEquals("-2.0\n0.0\n", quiet("infer ./x.csv --running ./r.csv").out());
  }

  @Test
  void scalesAndShifts() {
    assertEquals(
        "-19.0\n1.0\n", quiet("infer ./x.csv --running ./both.npz --gamma 10 --beta 1").out());
  }

  @Test
  void takesBackWhatForwardSaved() {
    testdata("iris.csv");
    String options = " ./iris.csv --exclude species --eps 0.25 --gamma 3 --beta -1";
    String y = quiet("forward" + options + " --save ./s.npz").out();
    String inferred = quiet("infer" + options + " --running ./s.npz").out();
    // Forward subtracts the mean in twice the precision that a file of statistics holds.
    assertArrayEquals(numbers(y, 0, 1, 2, 3), numbers(inferred, 0, 1, 2, 3), 1e-13);
    String withoutEps = options.replace(" --eps 0.25", "");
    assertEquals(inferred, quiet("infer" + withoutEps + " --running ./s.npz").out());
  }

  @Test
  void prefersTheRunningStatisticsThatForwardSaved() {
    text("x.csv", "1\n3\n");
    quiet("forward ./x.csv --eps 0 --running new --momentum 1 --save ./s.npz -o ./y.csv");
    // Unbiased variance 2 against the batch's own, biased one of 1.
    assertEquals(
        "-0.7071067811865476\n0.7071067811865476\n",
        quiet("infer ./x.csv --running ./s.npz").out());
    assertEquals("-1.0\n1.0\n", quiet("infer ./x.csv --running ./s.npz --statistics batch").out());
  }

  @Test
  void readsPyTorchsNames() {
    npz(
        "torch.npz",
        npz -> {
          npz.floats("weight", new float[] {10}, 1);
          npz.floats("bias", new float[] {1}, 1);
          npz.floats("running_mean", new float[] {3}, 1);
          npz.floats("running_var", new float[] {1}, 1);
          npz.int64("num_batches_tracked", 7);
        });
    assertEquals(
        "-19.0\n1.0\n",
        quiet(
                "infer ./x.csv --running ./torch.npz --gamma ./torch.npz --beta ./torch.npz"
                    + " --eps 0")
            .out());
  }

  @Test
  void writesTheTypeOfTheInput() {
    npy("x.npy", DType.F32, new long[] {1, 1, 2}, 1, 3);
    quiet("infer ./x.npy --running ./both.npz -o ./y.npy");
    assertSame(new Stored("<f4", List.of(1L, 1L, 2L), new double[] {-2, 0}), npy("y.npy"), "y");
    quiet("infer ./x.npy --running ./both.npz --dtype f64 -o ./y.npy");
    assertEquals("<f8", npy("y.npy").type());
  }

  @Test
  void warnsOfAVarianceOfZero() {
    text("r.csv", "running_mean,running_variance\n1,0\n");
    CommandLineRun run = run("infer ./x.csv --running ./r.csv --eps 0");
    assertEquals("nan\ninf\n", run.out());
    assertEquals(
        List.of(
            "batchnorm: warning: r.csv: channel 0: variance + eps is 0, the result follows IEEE"
                + " division"),
        run.error());
  }
}
