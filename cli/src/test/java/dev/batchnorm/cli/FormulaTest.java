package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code forward --formula}. */
class FormulaTest extends CommandTest {
  private static final String WARNING =
      "batchnorm: warning: x.npy: y is of the plain formula %s, not exact";

  private void batch(DType type, double mean) {
    Random random = new Random(5);
    double[] x = random.doubles(40, mean - 1, mean + 1).map(type::round).toArray();
    npy("x.npy", type, new long[] {20, 2}, x);
  }

  private static String warning(String name) {
    return WARNING.formatted(name);
  }

  @ParameterizedTest
  @CsvSource({
    "one-pass, F32, one_pass_f32",
    "one-pass-clipped, F32, one_pass_clipped_f32",
    "welford, F16, welford_f32",
    "two-pass, F64, two_pass_f64"
  })
  void everyOutputIsNamed(String formula, DType type, String name) {
    batch(type, 3);
    CommandLineRun run =
        run("forward ./x.npy --digest --save ./s.npz -o ./y.npz --formula " + formula);
    assertEquals(0, run.code(), run.error()::toString);
    assertEquals(warning(name), run.error().get(0));
    assertTrue(run.error().get(1).contains(" y_" + name + " " + type.descriptor() + " (20, 2)"));
    assertEquals(Set.of("y_" + name), npz(directory.resolve("y.npz")).keySet());
    Map<String, Stored> saved = npz(directory.resolve("s.npz"));
    assertEquals(
        Set.of("mean", "variance", "inverse_std", "count", "eps", "formula_" + name),
        saved.keySet());
    assertArrayEquals(new double[] {1}, member(saved, "formula_" + name).values());
    assertEquals(List.of(), run("forward ./x.npy -q -o ./y.npy --formula " + formula).error());

    CommandLineRun infer = run("infer ./x.npy --running ./s.npz -o ./z.npy");
    assertEquals(0, infer.code());
    assertEquals(
        List.of(
            "batchnorm: warning: s.npz: the statistics are of the plain formula "
                + name
                + ", not exact"),
        infer.error());
  }

  @Test
  void exactIsTheDefault() {
    batch(DType.F32, 1e4);
    quiet("forward ./x.npy -o ./a.npy");
    quiet("forward ./x.npy --formula exact -o ./b.npy");
    assertArrayEquals(bytes("a.npy"), bytes("b.npy"));
  }

  @Test
  void theTextbookFailsWhereTheOthersDoNot() {
    batch(DType.F32, 1e4);
    quiet("forward ./x.npy -o ./exact.npy");
    for (String formula : List.of("one-pass", "one-pass-clipped", "welford", "two-pass")) {
      run("forward ./x.npy -o ./y.npy --formula " + formula);
      int code = run("compare ./y.npy ./exact.npy --atol 0.02").code();
      assertEquals(formula.startsWith("one") ? 1 : 0, code, formula);
    }
    run("forward ./x.npy --dtype f64 -o ./y.npy --formula one-pass");
    quiet("forward ./x.npy --dtype f64 -o ./exact.npy");
    quiet("compare ./y.npy ./exact.npy --atol 1e-6");
  }

  @Test
  void negativeVariancesAreCounted() {
    text("x.csv", "10000.0078125\n10000.0078125\n10000.001953125\n10000.0048828125\n");
    text("y.csv", "10000.0029296875\n10000.001953125\n10000.0009765625\n");
    text("z.csv", text("x.csv") + text("y.csv"));
    CommandLineRun run = run("forward ./z.csv --header no --dtype f32 --formula one-pass");
    assertEquals(List.of("nan", "nan"), run.lines().subList(0, 2));
    assertEquals(
        List.of(
            "batchnorm: warning: z.csv: y is of the plain formula one_pass_f32, not exact; it gave 1 negative"
                + " variance"),
        run.error());
  }

  @Test
  void miniBatchesHaveTheirOwnStatistics() {
    text("x.csv", "a,b,k\n1,2,x\n3,8,y\n5,1,z\n9,1,w\n");
    CommandLineRun run =
        run(
            "forward ./x.csv --exclude k --batch-size 2 --eps 0 --gamma 2 --formula two-pass --save ./s.npz");
    assertEquals(List.of("a,b,k", "-2.0,-2.0,x", "2.0,2.0,y"), run.lines().subList(0, 3));
    assertTrue(run.lines().get(3).startsWith("-2.0,nan,z"), run.out()); // 0·∞, as it is elsewhere
    assertArrayEquals(
        new double[] {7, 1}, member(npz(directory.resolve("s.npz")), "mean").values());
    assertFalse(run.error().isEmpty());
  }

  @Test
  void readsStandardInputAndFortranOrder() {
    batch(DType.F32, 10);
    run("forward ./x.npy -q -o ./a.npy --formula welford");
    byte[] stored = bytes("x.npy");
    CommandLineRun piped = run(stored, "forward - -q --formula welford");
    assertArrayEquals(bytes("a.npy"), piped.bytes());
    int size = DType.F32.bytes();
    ByteBuffer columns = ByteBuffer.allocate(40 * size);
    for (int c = 0; c < 2; c++) {
      for (int n = 0; n < 20; n++) {
        columns.put(stored, stored.length - (40 - 2 * n - c) * size, size);
      }
    }
    byte[] fortran = numpy("<f4", true, new long[] {20, 2}, columns.array());
    piped = run(fortran, "forward - -q --formula welford");
    assertArrayEquals(bytes("a.npy"), piped.bytes());
  }
}
