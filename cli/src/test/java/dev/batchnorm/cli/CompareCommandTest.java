package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.batchnorm.DType;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.npy.NpySink;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CompareCommandTest extends CommandTest {
  /** The lines of a report, the directory's path left out. */
  private List<String> lines(CommandLineRun run) {
    return run.out().replace(directory + "/", "").lines().toList();
  }

  private void passes(String line, String... report) {
    assertEquals(List.of(report), lines(quiet(line)), line);
  }

  /** Runs a comparison that must fail; the line to repeat it is left out of the report. */
  private void fails(String line, String... report) {
    CommandLineRun run = run(line);
    assertEquals(List.of(), run.error(), line);
    assertEquals(ExitCode.DIFFERENT, run.code(), line);
    List<String> lines = lines(run);
    assertEquals(List.of(report), lines.subList(0, lines.size() - 1), line);
    assertEquals("repeat: batchnorm " + line.replace("./", ""), lines.get(lines.size() - 1), line);
  }

  private void longs(String name, NumberType type, long... values) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asLongBuffer().put(values);
    try (NpySink sink = NpySink.create(AtomicOutput.to(path(name)), type, values.length)) {
      sink.write(bytes);
      sink.finish();
    }
  }

  /** An NPY file of version 2.0, big-endian, in Fortran order. */
  private void foreign(String name, String shape, double... values) {
    byte[] header =
        ("{'descr': '>f8', 'fortran_order': True, 'shape': " + shape + ", }\n")
            .getBytes(StandardCharsets.ISO_8859_1);
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    file.writeBytes(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 2, 0});
    file.writeBytes(new byte[] {(byte) header.length, 0, 0, 0});
    file.writeBytes(header);
    ByteBuffer data = ByteBuffer.allocate(8 * values.length);
    data.asDoubleBuffer().put(values);
    file.writeBytes(data.array());
    bytes(name, file.toByteArray());
  }

  @Test
  void whatIsTheSameIsOneLineAnArray() {
    npy("a.npy", DType.F32, new long[] {2, 3}, 1, 2, Double.NaN, -0.0, 5, 6);
    passes(
        "compare ./a.npy ./a.npy",
        "a.npy against a.npy, to the bit",
        "  array: 2×3 f32, 6 compared, identical",
        "PASSED: 1 array, 6 numbers, none differs by a bit");
  }

  @Test
  void everyWayToStoreAnArrayIsTheSame() {
    double[] values = {1.5, -0.0, Double.NaN, 4, 5, 6e300};
    npy("a.npy", DType.F64, new long[] {2, 3}, values);
    foreign("b.npy", "(2, 3)", 1.5, 4, -0.0, 5, Double.NaN, 6e300);
    text("a.csv", "x;y;z\n1.5;-0.0;nan\n4;5;6e300\n");
    text("b.tsv", "1.5\t-0.0\tnan\n4\t5\t6e300\n");
    npz("a.npz", npz -> npz.doubles("q", values, 2, 3));
    List<String> files = List.of("a.npy", "b.npy", "b.tsv", "a.npz", "a.npz:q");
    for (String a : files) {
      for (String b : files) {
        String name = a.contains("npz") || b.contains("npz") ? "q" : "array";
        List<String> lines = lines(quiet("compare ./" + a + " ./" + b));
        assertEquals(a + " against " + b + ", to the bit", lines.get(0));
        assertEquals("  " + name + ": 2×3 f64, 6 compared, identical", lines.get(1));
        assertEquals("PASSED: 1 array, 6 numbers, none differs by a bit", lines.get(2));
      }
    }
    for (String b : List.of("a.npy", "b.npy", "a.npz")) {
      assertEquals(ExitCode.OK, quiet("compare ./a.csv ./" + b + " --delimiter ;").code());
    }
  }

  @Test
  void toTheBit() {
    npy("b.npy", DType.F32, new long[] {4, 2}, 1, 2, 0.0, Double.NaN, 0.1, 7, 1e10, 8);
    npy(
        "a.npy",
        DType.F32,
        new long[] {4, 2},
        1,
        Double.NaN,
        -0.0,
        Double.NaN,
        Math.nextUp(0.1f),
        Double.POSITIVE_INFINITY,
        1e10,
        9);
    fails(
        "compare ./a.npy ./b.npy",
        "a.npy against b.npy, to the bit",
        "  array: 4×2 f32, 8 compared, 5 differ (62.5 %), 1 of them NaN against a number",
        "    index   a           b    |a − b|                ulp",
        "    (0, 1)  nan         2.0  nan                    nan",
        "    (1, 0)  -0.0        0.0  0.0                    1.0",
        "    (2, 0)  0.10000001  0.1  7.450580596923828e-09  1.0",
        "    (2, 1)  inf         7.0  inf                    inf",
        "    (3, 1)  9.0         8.0  1.0                    1048576.0",
        "    max abs inf at (2, 1)",
        "    max rel inf at (2, 1)",
        "    max ulp inf at (2, 1)",
        "    half within 1 ulp, 90 % within inf, 99 % within inf",
        "    least to pass: no tolerance does",
        "FAILED: 1 of 1 array differs, 5 of 8 numbers");
  }

  @Test
  void onlyTheFirstFiveAreShown() {
    npy("b.npy", DType.F64, new long[] {200}, new double[200]);
    double[] values = new double[200];
    for (int i = 1; i < 200; i += 25) {
      values[i] = i;
    }
    npy("a.npy", DType.F64, new long[] {200}, values);
    fails(
        "compare ./a.npy ./b.npy --rtol 0.5 --atol 1",
        "a.npy against b.npy, |a − b| ≤ 1.0 + 0.5·|b|",
        "  array: 200 f64, 200 compared, 7 differ (3.50 %)",
        "    index   a      b    |a − b|  ulp",
        "    (26,)   26.0   0.0  26.0     4.628011567076606e+18",
        "    (51,)   51.0   0.0  51.0     4.632374429215621e+18",
        "    (76,)   76.0   0.0  76.0     4.635048441494372e+18",
        "    (101,)  101.0  0.0  101.0    4.636807660098814e+18",
        "    (126,)  126.0  0.0  126.0    4.638566878703256e+18",
        "    and 2 more (--first N prints N)",
        "    max abs 176.0 at (176,)",
        "    max rel inf at (1,)",
        "    max ulp 4.640396466051875e+18 at (176,)",
        "    half within 0 ulp, 90 % within 0, 99 % within 4.640396466051875e+18",
        "    least to pass: --ulp none, or --atol 176.0, or --rtol none",
        "FAILED: 1 of 1 array differs, 7 of 200 numbers");
  }

  @Test
  void withinATolerance() {
    npy("a.npy", DType.F64, new long[] {3}, 1.25, -4, 0);
    npy("b.npy", DType.F64, new long[] {3}, 1, -4, -0.0);
    passes(
        "compare ./a.npy ./b.npy --rtol 0.25",
        "a.npy against b.npy, |a − b| ≤ 0.25·|b|",
        "  array: 3 f64, 3 compared, all within the tolerance",
        "    max abs 0.25 at (0,)",
        "    max rel 0.25 at (0,)",
        "    max ulp 1125899906842624.0 at (0,)",
        "    half within 0 ulp, 90 % within 1125899906842624, 99 % within 1125899906842624",
        "    least to pass: --ulp 1125899906842624, or --atol 0.25, or --rtol 0.25",
        "PASSED: 1 array, 3 numbers, all within the tolerance");
    assertEquals(ExitCode.OK, run("compare ./a.npy ./b.npy --ulp 1125899906842624").code());
    assertEquals(ExitCode.DIFFERENT, run("compare ./a.npy ./b.npy --ulp 1125899906842623").code());
    assertEquals(ExitCode.OK, run("compare ./a.npy ./b.npy --atol 0.25").code());
    assertEquals(ExitCode.DIFFERENT, run("compare ./a.npy ./b.npy --atol 0.24 --ulp 3").code());
    assertEquals(
        "a.npy against b.npy, within 4 ulp", lines(run("compare ./a.npy ./b.npy --ulp 4")).get(0));
    assertEquals(
        "a.npy against b.npy, either |a − b| ≤ 1.0 + 2.0·|b| or within 4 ulp",
        lines(run("compare ./a.npy ./b.npy --ulp 4 --rtol 2 --atol 1")).get(0));
  }

  @ParameterizedTest
  @ValueSource(strings = {"--rtol 1e300", "--atol 1e300", "--ulp 9007199254740991"})
  void noToleranceLetsNanOrInfinityPass(String tolerance) {
    npy("b.npy", DType.F64, new long[] {4}, 1, Double.POSITIVE_INFINITY, Double.NaN, 1);
    npy("a.npy", DType.F64, new long[] {4}, Double.NaN, 1, 1, Double.NEGATIVE_INFINITY);
    Map<?, ?> array = array(run("compare ./a.npy ./b.npy --json " + tolerance));
    assertEquals(4.0, array.get("differing"));
    assertEquals(2.0, array.get("nan_differing"));
    npy("a.npy", DType.F64, new long[] {4}, 1, Double.POSITIVE_INFINITY, Double.NaN, 1);
    assertEquals(ExitCode.OK, quiet("compare ./a.npy ./b.npy " + tolerance).code());
  }

  @Test
  void integersOf64BitsAreExact() {
    longs("a.npy", NumberType.I64, 5, (1L << 53) + 1, Long.MAX_VALUE);
    longs("b.npy", NumberType.I64, 5, 1L << 53, Long.MIN_VALUE);
    for (String tolerance : List.of("", " --atol 0", " --rtol 0 --ulp 0")) {
      List<String> lines = lines(run("compare ./a.npy ./b.npy" + tolerance));
      assertEquals(
          List.of(
              "    index  a                    b                     |a − b|                 ulp",
              "    (1,)   9007199254740993     9007199254740992      1.0                     1.0",
              "    (2,)   9223372036854775807  -9223372036854775808  1.8446744073709552e+19 "
                  + " 1.8446744073709552e+19"),
          lines.subList(2, 5));
    }
    Map<?, ?> array = array(run("compare ./a.npy ./b.npy --ulp 1 --json"));
    assertEquals(1.0, array.get("differing"));
    npy("b.npy", DType.F64, new long[] {3}, 5, 0x1p53, 0x1p63);
    assertEquals(
        "    (1,)   9007199254740993     9007199254740992.0     1.0      1.0",
        lines(run("compare ./a.npy ./b.npy --atol 0")).get(3));
  }

  @Test
  void anotherTypeIsADifferenceUnlessThereIsATolerance() {
    npy("a.npy", DType.F32, new long[] {2, 1}, 0.1f, 2);
    text("b.csv", "x\n0.1\n2\n");
    fails(
        "compare ./a.npy ./b.csv",
        "a.npy against b.csv, to the bit",
        "  array: a.npy: expected type f64 (b.csv), found f32",
        "    hint: --atol 0 compares the values of different types",
        "FAILED: 1 of 1 array differs, no numbers compared");
    fails(
        "compare ./a.npy ./b.csv --atol 0",
        "a.npy against b.csv, |a − b| ≤ 0.0",
        "  array: 2×1 f32 against f64, 2 compared, 1 differs (50.0 %)",
        "    index   a    b    |a − b|                 ulp",
        "    (0, 0)  0.1  0.1  1.4901161138336505e-09  107374182.0",
        "    max abs 1.4901161138336505e-09 at (0, 0)",
        "    max rel 1.4901161138336505e-08 at (0, 0)",
        "    max ulp 107374182.0 at (0, 0)",
        "    half within 0 ulp, 90 % within 107374182, 99 % within 107374182",
        "    least to pass: --ulp 107374182, or --atol 1.4901161138336505e-09, or --rtol"
            + " 1.4901161138336503e-08",
        "FAILED: 1 of 1 array differs, 1 of 2 numbers");
    text("b.csv", "x\n0.5\n2\n");
    npy("a.npy", DType.F16, new long[] {2, 1}, 0.5, 2);
    passes(
        "compare ./a.npy ./b.csv --ulp 0",
        "a.npy against b.csv, within 0 ulp",
        "  array: 2×1 f16 against f64, 2 compared, equal in value",
        "PASSED: 1 array, 2 numbers, all within the tolerance");
  }

  @Test
  void ulpsAreThoseOfTheReference() {
    npy("wide.npy", DType.F64, new long[] {1}, Math.nextUp(1.0));
    npy("narrow.npy", DType.F32, new long[] {1}, 1);
    assertEquals(ExitCode.DIFFERENT, run("compare ./wide.npy ./narrow.npy --ulp 0").code());
    assertEquals(ExitCode.OK, run("compare ./wide.npy ./narrow.npy --ulp 1").code());
    npy("narrow.npy", DType.F32, new long[] {1}, Math.nextUp(1f));
    assertEquals(ExitCode.DIFFERENT, run("compare ./narrow.npy ./wide.npy --ulp 536870910").code());
    assertEquals(ExitCode.OK, run("compare ./narrow.npy ./wide.npy --ulp 536870911").code());
  }

  @Test
  void toTheBitMayBeSaid() {
    npy("a.npy", DType.F64, new long[] {1}, 0.0);
    npy("b.npy", DType.F64, new long[] {1}, -0.0);
    fails(
        "compare ./a.npy ./b.npy --bitwise",
        "a.npy against b.npy, to the bit",
        "  array: 1 f64, 1 compared, 1 differs (100 %)",
        "    index  a    b     |a − b|  ulp",
        "    (0,)   0.0  -0.0  0.0      1.0",
        "    max abs 0.0",
        "    max rel 0.0",
        "    max ulp 1.0 at (0,)",
        "    half within 1 ulp, 90 % within 1, 99 % within 1",
        "    least to pass: --ulp 0, or --atol 0.0, or --rtol 0.0",
        "FAILED: 1 of 1 array differs, 1 of 1 numbers");
    for (String least : List.of("--ulp 0", "--atol 0.0", "--rtol 0.0")) {
      assertEquals(ExitCode.OK, quiet("compare ./a.npy ./b.npy " + least).code());
    }
    for (String tolerance : List.of("--rtol", "--atol", "--ulp")) {
      refused(
          ExitCode.USAGE,
          "compare ./a.npy ./b.npy --bitwise " + tolerance + " 0",
          "batchnorm: --bitwise and " + tolerance + ": expected one of the two, found both",
          "hint: to the bit there is no tolerance; --ulp 0 alone compares values");
    }
  }

  @Test
  void asManyElementsAreShownAsAreAskedFor() {
    npy("a.npy", DType.F32, new long[] {3}, 1, 2, 3);
    npy("b.npy", DType.F32, new long[] {3}, 2, 4, 6);
    List<String> none = lines(run("compare ./a.npy ./b.npy --first 0"));
    assertEquals("    max abs 3.0 at (2,)", none.get(2));
    List<String> two = lines(run("compare ./a.npy ./b.npy --first 2"));
    assertEquals("    (1,)   2.0  4.0  2.0      8388608.0", two.get(4));
    assertEquals("    and 1 more (--first N prints N)", two.get(5));
    List<String> all = lines(run("compare ./a.npy ./b.npy --first 1000000"));
    assertEquals("    max abs 3.0 at (2,)", all.get(6));
    assertEquals(List.of(), array(run("compare ./a.npy ./b.npy --first 0 --json")).get("first"));
    for (String wrong : List.of("-1", "1000001", "x", "1.0")) {
      refused(
          ExitCode.USAGE,
          "compare ./a.npy ./b.npy --first " + wrong,
          "batchnorm: --first: expected a whole number from 0 to 1000000, found " + wrong);
    }
  }

  /** Each printed number passes, and the next smaller one does not, also over several arrays. */
  @Test
  void theLeastTolerancesAreTheLeast() {
    Random random = new Random(20261127);
    double[] b = random.doubles(500, -1e3, 1e3).toArray();
    double[] a = Arrays.stream(b).map(y -> y + 1e-4 * random.nextGaussian()).toArray();
    float[] narrow = new float[] {1e6f, -3, 0x1p-149f};
    float[] near = new float[] {Math.nextUp(1e6f), -3, 0x1p-148f};
    npz(
        "a.npz",
        npz -> {
          npz.doubles("p", a, 500);
          npz.floats("q", near, 3);
        });
    npz(
        "b.npz",
        npz -> {
          npz.doubles("p", b, 500);
          npz.floats("q", narrow, 3);
        });
    Map<?, ?> least =
        (Map<?, ?>) Json.get(Json.object(run("compare ./a.npz ./b.npz --json").out()), "least");
    long ulp = ((Number) Json.get(least, "ulp")).longValue();
    assertLeast("--ulp " + ulp, "--ulp " + (ulp - 1));
    for (String kind : List.of("atol", "rtol")) {
      double value = (Double) Json.get(least, kind);
      assertLeast("--" + kind + " " + value, "--" + kind + " " + Math.nextDown(value));
    }
    List<String> lines = lines(run("compare ./a.npz ./b.npz"));
    assertEquals(
        "  all arrays: least to pass: --ulp "
            + ulp
            + ", or --atol "
            + Decimals.text((Double) Json.get(least, "atol"))
            + ", or --rtol "
            + Decimals.text((Double) Json.get(least, "rtol")),
        lines.get(lines.size() - 3));
  }

  private void assertLeast(String passes, String fails) {
    assertEquals(ExitCode.OK, run("compare ./a.npz ./b.npz " + passes).code(), passes);
    assertEquals(ExitCode.DIFFERENT, run("compare ./a.npz ./b.npz " + fails).code(), fails);
  }

  @Test
  void axesOfLengthOneAreToldApart() {
    npy("a.npy", DType.F64, new long[] {2, 1}, 1, 2);
    npy("b.npy", DType.F64, new long[] {2}, 1, 2);
    List<String> lines = lines(run("compare ./a.npy ./b.npy"));
    assertEquals("  array: a.npy: expected shape 2 (b.npy), found 2×1", lines.get(1));
    assertEquals("    hint: the shapes differ in axes of length 1 only", lines.get(2));
  }

  @Test
  void anotherShapeIsADifference() {
    npy("a.npy", DType.F32, new long[] {2, 3}, 1, 2, 3, 4, 5, 6);
    npy("b.npy", DType.F32, new long[] {3, 2}, 1, 2, 3, 4, 5, 6);
    npy("c.npy", DType.F64, new long[] {}, 1);
    for (String tolerance : List.of("", " --atol 1e9")) {
      List<String> lines = lines(run("compare ./a.npy ./b.npy" + tolerance));
      assertEquals("  array: a.npy: expected shape 3×2 (b.npy), found 2×3", lines.get(1));
      assertEquals(
          "    hint: the shapes have the same axes in another order, as after a transposition",
          lines.get(2));
      assertEquals("FAILED: 1 of 1 array differs, no numbers compared", lines.get(3));
      lines = lines(run("compare ./c.npy ./b.npy" + tolerance));
      assertEquals("  array: c.npy: expected shape 3×2 f32 (b.npy), found () f64", lines.get(1));
    }
  }

  @Test
  void singleValuesAndEmptyArrays() {
    npy("a.npy", DType.F64, new long[] {}, 1);
    npy("b.npy", DType.F64, new long[] {}, 2);
    fails(
        "compare ./a.npy ./b.npy",
        "a.npy against b.npy, to the bit",
        "  array: () f64, 1 compared, 1 differs (100 %)",
        "    index  a    b    |a − b|  ulp",
        "    ()     1.0  2.0  1.0      4503599627370496.0",
        "    max abs 1.0 at ()",
        "    max rel 0.5 at ()",
        "    max ulp 4503599627370496.0 at ()",
        "    half within 4503599627370496 ulp, 90 % within 4503599627370496, 99 % within"
            + " 4503599627370496",
        "    least to pass: --ulp 4503599627370496, or --atol 1.0, or --rtol 0.5",
        "FAILED: 1 of 1 array differs, 1 of 1 numbers");
    npy("a.npy", DType.F64, new long[] {0, 3});
    passes(
        "compare ./a.npy ./a.npy",
        "a.npy against a.npy, to the bit",
        "  array: 0×3 f64, 0 compared, identical",
        "PASSED: 1 array, 0 numbers, none differs by a bit");
  }

  @Test
  void membersAreComparedByNameInTheOrderOfB() {
    npz(
        "a.npz",
        npz -> {
          npz.doubles("only_a", new double[] {1}, 1);
          npz.int64("count", 3);
          npz.doubles("mean", new double[] {1, 2}, 2);
        });
    npz(
        "b.npz",
        npz -> {
          npz.doubles("mean", new double[] {1, 3}, 2);
          npz.floats("only_b", new float[] {1}, 1);
          npz.int64("count", 3);
        });
    fails(
        "compare ./a.npz ./b.npz --atol 0.5",
        "a.npz against b.npz, |a − b| ≤ 0.5",
        "  mean: 2 f64, 2 compared, 1 differs (50.0 %)",
        "    index  a    b    |a − b|  ulp",
        "    (1,)   2.0  3.0  1.0      2251799813685248.0",
        "    max abs 1.0 at (1,)",
        "    max rel 0.3333333333333333 at (1,)",
        "    max ulp 2251799813685248.0 at (1,)",
        "    half within 0 ulp, 90 % within 2251799813685248, 99 % within 2251799813685248",
        "    least to pass: --ulp 2251799813685248, or --atol 1.0, or --rtol 0.3333333333333333",
        "  only_b: a.npz: expected a member \"only_b\" (b.npz has one), found none",
        "  count: () i64, 1 compared, identical",
        "  only_a: b.npz: expected a member \"only_a\" (a.npz has one), found none",
        "FAILED: 3 of 4 arrays differ, 1 of 3 numbers");
    passes(
        "compare ./a.npz:only_a ./b.npz:only_b --atol 0",
        "a.npz:only_a against b.npz:only_b, |a − b| ≤ 0.0",
        "  only_b: 1 f64 against f32, 1 compared, equal in value",
        "PASSED: 1 array, 1 number, all within the tolerance");
  }

  @Test
  void aMemberThatOnlyOneHasIsADifferenceAlsoIfItIsTheOnlyOne() {
    npz("a.npz", npz -> npz.doubles("x", new double[] {1}, 1));
    npz("b.npz", npz -> npz.doubles("y", new double[] {1}, 1));
    fails(
        "compare ./a.npz ./b.npz",
        "a.npz against b.npz, to the bit",
        "  y: a.npz: expected a member \"y\" (b.npz has one), found none",
        "  x: b.npz: expected a member \"x\" (a.npz has one), found none",
        "FAILED: 2 of 2 arrays differ, no numbers compared");
    assertEquals(ExitCode.OK, quiet("compare ./a.npz:x ./b.npz").code());
    assertEquals(ExitCode.OK, quiet("compare ./a.npz ./b.npz:y").code());
    npz("none.npz", npz -> {});
    refused(
        ExitCode.INPUT,
        "compare ./none.npz ./none.npz",
        "batchnorm: none.npz: expected arrays to compare with none.npz, found none in both");
  }

  @Test
  void severalMembersAgainstOneArrayAreRefused() {
    npz(
        "many.npz",
        npz -> {
          npz.doubles("p", new double[] {1, 2}, 2);
          npz.doubles("q", new double[] {1, 2}, 2);
        });
    npz("one.npz", npz -> npz.doubles("p", new double[] {1, 2}, 2));
    npz("none.npz", npz -> {});
    npy("a.npy", DType.F64, new long[] {2}, 1, 2);
    String hint = "hint: name one: many.npz:MEMBER";
    for (String other : List.of("a.npy", "one.npz:p", "many.npz:q")) {
      String refusal =
          "batchnorm: many.npz: expected one array (to compare with " + other + "), found p, q";
      for (String line : List.of("./many.npz ./" + other, "./" + other + " ./many.npz")) {
        refused(ExitCode.INPUT, "compare " + line, refusal, hint);
      }
    }
    refused(
        ExitCode.INPUT,
        "compare ./none.npz ./a.npy",
        "batchnorm: none.npz: expected one array (to compare with a.npy), found none");
    refused(
        ExitCode.INPUT,
        "compare ./many.npz:r ./a.npy",
        "batchnorm: many.npz: expected a member \"r\", found p, q");
  }

  @Test
  void otherNamesOfColumnsAreADifference() {
    text("a.csv", "id,x,y\n7,1,2\n8,3,4\n");
    text("b.csv", "id,x,z\n7,1,2\n8,3,4\n");
    text("c.csv", "7,1,2\n8,3,4\n");
    fails(
        "compare ./a.csv ./b.csv --exclude id",
        "a.csv against b.csv, to the bit",
        "  array: 2×2 f64, 4 compared, identical",
        "    a.csv: expected selected column 2 to be \"z\" (b.csv), found \"y\"",
        "FAILED: 1 of 1 array differs, 0 of 4 numbers");
    assertEquals(ExitCode.OK, quiet("compare ./a.csv ./b.csv --columns id,x").code());
    assertEquals(ExitCode.OK, quiet("compare ./a.csv ./c.csv").code());
    text("wide.csv", "id,x,y,w\n7,1,2,3\n8,3,4,5\n");
    assertEquals(
        "  array: a.csv: expected shape 2×4 (wide.csv), found 2×3",
        lines(run("compare ./a.csv ./wide.csv")).get(1));
  }

  @Test
  void theDialectIsThatOfBothFiles() {
    text("a.csv", "# one\n1;2\n;4\n");
    text("b.csv", "1;2\n;4\n# two\n");
    passes(
        "compare ./a.csv ./b.csv --delimiter ; --comment # --missing nan --header no",
        "a.csv against b.csv, to the bit",
        "  array: 2×2 f64, 4 compared, identical",
        "PASSED: 1 array, 4 numbers, none differs by a bit");
    CommandLineRun skipped =
        run("compare ./a.csv ./b.csv --delimiter ; --comment # --missing skip");
    assertEquals(ExitCode.OK, skipped.code());
    assertEquals(
        List.of(
            "batchnorm: warning: a.csv: 1 of 2 rows skipped for an empty cell",
            "batchnorm: warning: b.csv: 1 of 2 rows skipped for an empty cell"),
        skipped.error());
    npy("a.npy", DType.F64, new long[] {1}, 1);
    refused(
        ExitCode.INPUT,
        "compare ./a.npy ./a.npy --columns x",
        "batchnorm: a.npy: expected CSV or TSV (for --columns, --exclude, --delimiter, --comment,"
            + " --header or --missing), found NPY");
  }

  @Test
  void oneFileMayBeStandardInput() {
    text("a.csv", "1,2\n");
    byte[] csv = bytes("a.csv");
    CommandLineRun run = run(csv, "compare - ./a.csv");
    assertEquals(ExitCode.OK, run.code());
    assertEquals("standard input against a.csv, to the bit", lines(run).get(0));
    run = run(csv, "compare ./a.csv -");
    assertEquals("a.csv against standard input, to the bit", lines(run).get(0));
    run = run(csv, "compare - -");
    assertEquals(ExitCode.USAGE, run.code());
    assertEquals(
        "batchnorm: A and B: expected two inputs, found standard input for both",
        run.error().get(0));
    npz("a.npz", npz -> npz.doubles("x", new double[] {1, 3}, 1, 2));
    run = run(bytes("a.npz"), "compare - ./a.csv");
    assertEquals(ExitCode.DIFFERENT, run.code());
    assertEquals("standard input against a.csv, to the bit", lines(run).get(0));
    run = run(bytes("a.npz"), "compare - ./a.npz");
    assertEquals("standard input against a.npz, to the bit", lines(run).get(0));
  }

  private static Map<?, ?> array(CommandLineRun run) {
    List<Map<?, ?>> arrays = Json.objects(Json.get(Json.object(run.out()), "arrays"));
    assertEquals(1, arrays.size());
    return arrays.get(0);
  }

  @Test
  void jsonOfADifference() {
    npy("a.npy", DType.F32, new long[] {2, 2}, 1, Double.NaN, 3, 4);
    npy("b.npy", DType.F32, new long[] {2, 2}, 1, 2, 3, 5);
    CommandLineRun run = run("compare ./a.npy ./b.npy --json --rtol 1e-3");
    assertEquals(ExitCode.DIFFERENT, run.code());
    Map<?, ?> report = Json.object(run.out());
    assertEquals(
        Set.of("status", "a", "b", "tolerances", "arrays", "least", "command"), report.keySet());
    assertEquals("FAILED", report.get("status"));
    assertEquals(path("a.npy").toString(), report.get("a"));
    assertEquals(path("b.npy").toString(), report.get("b"));
    assertEquals(Map.of("rtol", 1e-3, "atol", 0.0, "ulp", 0.0), report.get("tolerances"));
    assertEquals(
        "batchnorm compare " + path("a.npy") + " " + path("b.npy") + " --json --rtol 1e-3",
        report.get("command"));
    Map<String, Object> form = Map.of("dtype", "f32", "shape", List.of(2.0, 2.0));
    List<Double> place = List.of(1.0, 1.0);
    assertEquals(
        Map.ofEntries(
            Map.entry("name", "array"),
            Map.entry("status", "FAILED"),
            Map.entry("a", form),
            Map.entry("b", form),
            Map.entry("compared", 4.0),
            Map.entry("differing", 2.0),
            Map.entry("share", 0.5),
            Map.entry("nan_differing", 1.0),
            Map.entry("infinity_differing", 0.0),
            Map.entry("max_abs", Map.of("value", 1.0, "index", place)),
            Map.entry("max_rel", Map.of("value", 0.2, "index", place)),
            Map.entry("max_ulp", Map.of("value", 2097152.0, "index", place)),
            Map.entry(
                "ulp_quantiles",
                List.of(
                    Map.of("percent", 0.0, "ulp", 0.0, "exact", true),
                    Map.of("percent", 50.0, "ulp", 0.0, "exact", true),
                    Map.of("percent", 90.0, "ulp", "inf", "exact", true),
                    Map.of("percent", 99.0, "ulp", "inf", "exact", true),
                    Map.of("percent", 100.0, "ulp", "inf", "exact", true))),
            Map.entry("least", Map.of("ulp", "none", "atol", "none", "rtol", "none")),
            Map.entry(
                "first",
                List.of(
                    Map.of(
                        "index",
                        List.of(0.0, 1.0),
                        "a",
                        "nan",
                        "b",
                        2.0,
                        "abs",
                        "nan",
                        "ulp",
                        "nan"),
                    Map.of("index", place, "a", 4.0, "b", 5.0, "abs", 1.0, "ulp", 2097152.0)))),
        array(run));
  }

  @Test
  void jsonOfWhatIsTheSameAndOfWhatCannotBeCompared() {
    npy("a.npy", DType.F64, new long[] {1}, 1);
    CommandLineRun run = quiet("compare ./a.npy ./a.npy --json");
    assertEquals("PASSED", Json.object(run.out()).get("status"));
    assertEquals(Map.of(), Json.object(run.out()).get("tolerances"));
    Map<?, ?> array = array(run);
    assertEquals("PASSED", array.get("status"));
    assertEquals(Map.of("value", 0.0), array.get("max_abs"));
    assertEquals(List.of(), array.get("first"));
    assertFalse(array.containsKey("reason"));

    npz("a.npz", npz -> npz.doubles("x", new double[] {1}, 1));
    npz("b.npz", npz -> npz.int64("n", 1));
    List<Map<?, ?>> arrays =
        Json.objects(Json.get(Json.object(run("compare ./a.npz ./b.npz --json").out()), "arrays"));
    assertEquals(
        List.of(
            Map.of(
                "name",
                "n",
                "status",
                "FAILED",
                "reason",
                path("a.npz")
                    + ": expected a member \"n\" ("
                    + path("b.npz")
                    + " has one), found none",
                "b",
                Map.of("dtype", "i64", "shape", List.of())),
            Map.of(
                "name",
                "x",
                "status",
                "FAILED",
                "reason",
                path("b.npz")
                    + ": expected a member \"x\" ("
                    + path("a.npz")
                    + " has one), found none",
                "a",
                Map.of("dtype", "f64", "shape", List.of(1.0)))),
        arrays);
  }

  @Test
  void jsonKeepsTheDigitsOf64BitIntegersAndWritesInfinityAsText() {
    longs("a.npy", NumberType.U64, -1);
    longs("b.npy", NumberType.U64, 0);
    String json = run("compare ./a.npy ./b.npy --json").out();
    assertEquals(1, json.split("\"a\" : 18446744073709551615,", -1).length - 1, json);
    assertEquals(
        "inf",
        ((Map<?, ?>) Json.get(array(run("compare ./a.npy ./b.npy --json")), "max_rel"))
            .get("value"));
  }

  @ParameterizedTest
  @CsvSource({"--rtol,-1", "--rtol,nan", "--rtol,inf", "--atol,x", "--atol,1e400", "--atol,0x1p3"})
  void tolerancesAreFiniteAndNotNegative(String option, String value) {
    refused(
        ExitCode.USAGE,
        "compare ./nope.npy ./nope.npy " + option + " " + value,
        "batchnorm: " + option + ": expected a finite number ≥ 0, found " + value);
  }

  @ParameterizedTest
  @ValueSource(strings = {"-1", "1.5", "x", "1e3", "9007199254740992", "99999999999999999999"})
  void ulpsAreAWholeNumber(String value) {
    refused(
        ExitCode.USAGE,
        "compare ./nope.npy ./nope.npy --ulp " + value,
        "batchnorm: --ulp: expected a whole number from 0 to 9007199254740991, found " + value);
  }

  @Test
  void whatCannotBeReadIsRefused() {
    npy("a.npy", DType.F64, new long[] {1}, 1);
    refused(
        ExitCode.INPUT,
        "compare ./a.npy ./nope.npy",
        "batchnorm: nope.npy: expected a readable file, found no such file or directory");
    refused(
        ExitCode.USAGE,
        "compare ./a.npy",
        "batchnorm: expected B, found none",
        "hint: batchnorm compare --help");
  }
}
