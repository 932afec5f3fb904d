package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.batchnorm.DType;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ForwardCommandTest extends CommandTest {
  @BeforeEach
  void aBatchOfThreeSamplesAndTwoChannels() {
    testdata("graph/x.csv");
  }

  @Test
  void normalisesTheGraphExampleToTheBit() {
    CommandLineRun run = quiet("forward ./x.csv");
    assertEquals("a,b", run.lines().get(0));
    assertBits(member(golden("graph-f64"), "y").values(), numbers(run.out(), 0, 1), "y");
  }

  @Test
  void writesTheShortestDecimalsThatReadBackTheSame() {
    assertEquals(
        """
        a,b
        -0.9258191078240388,-1.2247425750014138
        -0.4629095539120194,1.2247425750014138
        1.3887286617360581,0.0
        """,
        quiet("forward ./x.csv").out());
  }

  @Test
  void normalisesIrisWithoutTheSpecies() {
    testdata("iris.csv");
    Map<String, Stored> exact = golden("iris-f64");
    CommandLineRun run = quiet("forward ./iris.csv --exclude species");
    assertBits(member(exact, "y").values(), numbers(run.out(), 0, 1, 2, 3), "y");
    assertEquals(species(text("iris.csv")), species(run.out()));
  }

  private static List<String> species(String csv) {
    return csv.lines().map(line -> line.substring(line.lastIndexOf(','))).toList();
  }

  @Test
  void theOrderOfTheRowsChangesNoBitOfARow() {
    List<String> rows = new ArrayList<>(text("x.csv").lines().toList());
    rows.add(1, rows.remove(3));
    text("turned.csv", String.join("\n", rows) + "\n");
    List<String> y = new ArrayList<>(quiet("forward ./x.csv").lines());
    y.add(1, y.remove(3));
    assertEquals(y, quiet("forward ./turned.csv").lines());
  }

  @Test
  void roundsCellsAndResultsToTheTypeAskedFor() {
    assertArrayEquals(
        member(golden("graph-f32"), "y").values(),
        numbers(quiet("forward ./x.csv --dtype f32").out(), 0, 1),
        1e-6);
    quiet("forward ./x.csv --dtype f32 -o ./y.npy");
    assertSame(member(golden("graph-f32"), "y"), npy("y.npy"), "y");
    assertEquals(
        "-0.9258191", quiet("forward ./x.csv --dtype f32").lines().get(1).split(",", -1)[0]);
  }

  @Test
  void theResultHasTheTypeOfTheInputUnlessAnotherIsAskedFor() {
    npy("x32.npy", DType.F32, new long[] {2, 1}, 1, 2);
    npy("x64.npy", DType.F64, new long[] {2, 1}, 1, 2);
    quiet("forward ./x32.npy -o ./y.npy");
    assertEquals("<f4", npy("y.npy").type());
    quiet("forward ./x64.npy -o ./y.npy");
    assertEquals("<f8", npy("y.npy").type());
    quiet("forward ./x32.npy --dtype f64 -o ./y.npy");
    assertEquals("<f8", npy("y.npy").type());
    quiet("forward ./x64.npy --dtype F32 -o ./y.npy");
    assertEquals("<f4", npy("y.npy").type());
  }

  @ParameterizedTest
  @CsvSource({"NHWC, 3", "NHWC, -1", "NCHW, 1", "NCHW, -3"})
  void aLayoutIsAChannelAxis(String layout, int axis) {
    double[] values = new double[2 * 3 * 4 * 5];
    for (int i = 0; i < values.length; i++) {
      values[i] = (i * 37) % 101;
    }
    npy("x.npy", DType.F32, new long[] {2, 3, 4, 5}, values);
    quiet("forward ./x.npy --layout " + layout + " -o ./named.npy");
    quiet("forward ./x.npy --channel-axis " + axis + " -o ./axis.npy");
    assertArrayEquals(bytes("named.npy"), bytes("axis.npy"));
    assertEquals(List.of(2L, 3L, 4L, 5L), npy("named.npy").sizes());
    quiet("forward ./x.npy -o ./default.npy");
    assertEquals(layout.equals("NCHW"), npyEquals("default.npy", "named.npy"));
  }

  private boolean npyEquals(String one, String other) {
    return Arrays.equals(bytes(one), bytes(other));
  }

  @Test
  void oneDimensionIsOneChannel() {
    npy("x.npy", DType.F64, new long[] {2}, 1, 3);
    assertEquals("-1.0\n1.0\n", quiet("forward ./x.npy --eps 0 --to csv").out());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "./g.csv",
        "./row.csv",
        "./g.tsv",
        "./g.npy",
        "./g32.npy",
        "./row.npy",
        "./one.npz",
        "./many.npz",
        "./many.npz:gamma",
        "./pytorch.npz",
        "./pytorch.npz:weight",
      })
  void gammaComesFromAnyKindOfFile(String file) {
    text("g.csv", "2\n-0.5\n");
    text("row.csv", "2,-0.5\n");
    text("g.tsv", "2\t-0.5\n");
    npy("g.npy", DType.F64, new long[] {2}, 2, -0.5);
    npy("g32.npy", DType.F32, new long[] {2, 1}, 2, -0.5);
    npy("row.npy", DType.F64, new long[] {1, 2, 1}, 2, -0.5);
    npz("one.npz", npz -> npz.doubles("whatever", new double[] {2, -0.5}, 2));
    npz(
        "many.npz",
        npz -> {
          npz.doubles("beta", new double[] {7, 7}, 2);
          npz.doubles("gamma", new double[] {2, -0.5}, 2);
        });
    npz(
        "pytorch.npz",
        npz -> {
          npz.floats("weight", new float[] {2, -0.5f}, 2);
          npz.floats("bias", new float[] {7, 7}, 2);
        });
    assertEquals(
        """
        a,b
        -1.8516382156480775,0.6123712875007069
        -0.9258191078240388,-0.6123712875007069
        2.7774573234721163,0.0
        """,
        quiet("forward ./x.csv --gamma " + file).out());
  }

  @ParameterizedTest
  @CsvSource({"--gamma, --beta", "--scale, --shift", "--weight, --bias"})
  void oneNumberServesAllChannelsUnderEveryName(String gamma, String beta) {
    text("x.csv", "1,10\n3,14\n");
    assertEquals(
        "2.5,2.5\n-1.5,-1.5\n",
        quiet("forward ./x.csv --eps 0 " + gamma + " -2 " + beta + " .5").out());
  }

  @Test
  void oneFileServesSeveralOptions() {
    npz(
        "all.npz",
        npz -> {
          npz.doubles("x", new double[] {1, 10, 2, 14, 6, 12}, 3, 2);
          npz.doubles("bias", new double[] {1, -1}, 2);
          npz.doubles("weight", new double[] {2, 3}, 2);
        });
    text("g.csv", "2,3\n");
    text("b.csv", "1,-1\n");
    String expected = quiet("forward ./x.csv --gamma ./g.csv --beta ./b.csv").out();
    String found = quiet("forward ./all.npz --gamma ./all.npz --beta ./all.npz --to csv").out();
    assertEquals(expected, "a,b\n" + found);
    CommandLineRun piped = run(bytes("all.npz"), "forward - --gamma - --beta -:bias --to csv");
    assertEquals(found, piped.out());
  }

  @Test
  void epsIsAddedUnderTheRoot() {
    text("x.csv", "1\n3\n");
    assertEquals("-1.0\n1.0\n", quiet("forward ./x.csv --eps 0").out());
    assertEquals("-0.5\n0.5\n", quiet("forward ./x.csv --eps 3").out());
  }

  @Test
  void savesWhatItNormalisedWith() {
    Map<String, Stored> exact = golden("graph-f64");
    quiet("forward ./x.csv --save ./s.npz -o ./y.csv");
    Map<String, Stored> saved = npz("s.npz");
    assertEquals(
        List.of("mean", "variance", "inverse_std", "count", "eps"), List.copyOf(saved.keySet()));
    for (String name : List.of("mean", "variance", "inverse_std")) {
      assertSame(member(exact, name), member(saved, name), name);
    }
    assertSame(new Stored("<i8", List.of(), new double[] {3}), member(saved, "count"), "count");
    assertSame(new Stored("<f8", List.of(), new double[] {1e-5}), member(saved, "eps"), "eps");
  }

  @Test
  void savedStatisticsAreBinary64WhateverTheType() {
    npy("x.npy", DType.F32, new long[] {3, 1}, 0.1f, 0.2f, 0.4f);
    quiet("forward ./x.npy --running new --save ./s.npz -o ./y.npy");
    npz("s.npz")
        .forEach(
            (name, array) ->
                assertEquals(
                    name.equals("count") || name.equals("batches") ? "<i8" : "<f8",
                    array.type(),
                    name));
  }

  @Test
  void newRunningStatisticsBeginAtMean0AndVariance1() {
    // Means 3 and 12, unbiased variances 7 and 4; running = 0.75·old + 0.25·batch.
    quiet("forward ./x.csv --running new --momentum 0.25 --save ./r.npz -o ./y.csv");
    Map<String, Stored> saved = npz("r.npz");
    assertBits(new double[] {0.75, 3}, member(saved, "running_mean").values(), "running_mean");
    assertBits(new double[] {2.5, 1.75}, member(saved, "running_variance").values(), "variance");
    assertSame(new Stored("<i8", List.of(), new double[] {1}), member(saved, "batches"), "batches");
  }

  @Test
  void runningStatisticsGoOnFromAFileThatIsReadAndThenReplaced() {
    quiet("forward ./x.csv --running new --momentum 0.25 --save ./r.npz -o ./y.csv");
    quiet("forward ./x.csv --running ./r.npz --momentum 0.25 --save ./r.npz -o ./y.csv");
    Map<String, Stored> saved = npz("r.npz");
    assertBits(new double[] {1.3125, 5.25}, member(saved, "running_mean").values(), "mean");
    assertBits(new double[] {3.625, 2.3125}, member(saved, "running_variance").values(), "var");
    assertBits(new double[] {2}, member(saved, "batches").values(), "batches");
  }

  @Test
  void runningStatisticsAreReadAndNeverWrittenUnlessSaveNamesThem() {
    quiet("forward ./x.csv --running new --save ./r.npz -o ./y.csv");
    byte[] before = bytes("r.npz");
    quiet("forward ./x.csv --running ./r.npz --save ./other.npz -o ./y.csv");
    assertArrayEquals(before, bytes("r.npz"));
  }

  @Test
  void runningStatisticsComeFromCsvAndFromPyTorchsNames() {
    text("r.csv", "running_variance,running_mean\n4,8\n8,4\n");
    npz(
        "torch.npz",
        npz -> {
          npz.floats("running_mean", new float[] {8, 4}, 2);
          npz.floats("running_var", new float[] {4, 8}, 2);
          npz.int64("num_batches_tracked", 3);
        });
    String options = " --momentum 0.5 -o ./y.csv --save ";
    quiet("forward ./x.csv --running ./r.csv" + options + "./a.npz");
    quiet("forward ./x.csv --running ./torch.npz" + options + "./b.npz");
    Map<String, Stored> saved = npz("a.npz");
    assertBits(new double[] {5.5, 8}, member(saved, "running_mean").values(), "running_mean");
    assertBits(new double[] {5.5, 6}, member(saved, "running_variance").values(), "variance");
    assertBits(new double[] {1}, member(saved, "batches").values(), "batches");
    Map<String, Stored> torch = npz("b.npz");
    assertSame(member(saved, "running_mean"), member(torch, "running_mean"), "running_mean");
    assertSame(member(saved, "running_variance"), member(torch, "running_variance"), "variance");
    assertBits(new double[] {4}, member(torch, "batches").values(), "batches");
  }

  @Test
  void cumulativeMomentumIsThePlainAverage() {
    text("other.csv", "3,2\n5,6\n7,10\n");
    quiet("forward ./x.csv --running new --momentum cumulative --save ./r.npz -o ./y.csv");
    assertBits(new double[] {3, 12}, member(npz("r.npz"), "running_mean").values(), "first");
    quiet("forward ./other.csv --running ./r.npz --momentum cumulative --save ./r.npz -o ./y.csv");
    assertBits(new double[] {4, 9}, member(npz("r.npz"), "running_mean").values(), "second");
  }

  @ParameterizedTest
  @CsvSource({
    // running mean 8 → keep·8 + take·3, running variance 4 → keep·4 + take·(7 or 14/3)
    "pytorch, 0.25, 6.75, 4.75",
    "onnx, 0.25, 4.25, 4.5",
    "keras, 0.25, 4.25, 4.5",
    "flax, 0.25, 4.25, 4.5",
    "mxnet, 0.25, 4.25, 4.5",
  })
  void theConventionSaysWhatMomentumWeighsAndWhichVariance(
      String convention, String momentum, double mean, double variance) {
    text("x.csv", "1\n2\n6\n");
    text("r.csv", "running_mean,running_variance\n8,4\n");
    quiet(
        "forward ./x.csv --running ./r.csv --save ./s.npz -o ./y.csv --convention "
            + convention
            + " --momentum "
            + momentum);
    assertBits(new double[] {mean}, member(npz("s.npz"), "running_mean").values(), "mean");
    assertBits(new double[] {variance}, member(npz("s.npz"), "running_variance").values(), "var");
  }

  @ParameterizedTest
  @CsvSource({"pytorch, 1e-5", "onnx, 1e-5", "keras, 1e-3", "flax, 1e-5", "mxnet, 1e-3"})
  void theConventionSetsEpsUnlessItIsTyped(String convention, String eps) {
    String byName = quiet("forward ./x.csv --convention " + convention).out();
    assertEquals(quiet("forward ./x.csv --eps " + eps).out(), byName);
    assertEquals(
        quiet("forward ./x.csv --eps 0.5").out(),
        quiet("forward ./x.csv --eps 0.5 --convention " + convention).out());
  }

  @Test
  void everyEngineAndThreadCountWritesTheSameBytes() {
    byte[] expected = quiet("forward ./x.csv").bytes();
    for (String option : List.of("--engine java", "--engine auto", "--threads 1", "--threads 7")) {
      assertArrayEquals(expected, quiet("forward ./x.csv " + option).bytes(), option);
    }
  }

  @Test
  void warnsOnceOfChannelsWithoutSpread() {
    text("x.csv", "a,b,c\n1,2,5\n1,3,5\n");
    CommandLineRun run = run("forward ./x.csv --eps 0 --beta 7");
    assertEquals(ExitCode.OK, run.code());
    assertEquals("a,b,c\n7.0,6.0,7.0\n7.0,8.0,7.0\n", run.out());
    assertEquals(
        List.of(
            "batchnorm: warning: x.csv: channels 0, 2: variance + eps is 0, y is beta and the"
                + " gradients are 0"),
        run.error());
  }

  @Test
  void missingCellsBecomeNanOrDropTheirRowOrAreRefused() {
    text("x.csv", "a,b\n1,2\n,4\n3,4\n,2\n");
    assertEquals(
        "a,b\nnan,-1.0\nnan,1.0\nnan,1.0\nnan,-1.0\n",
        quiet("forward ./x.csv --missing nan --eps 0").out());
    CommandLineRun run = run("forward ./x.csv --missing skip --eps 0");
    assertEquals("a,b\n-1.0,-1.0\n1.0,1.0\n", run.out());
    assertEquals(
        List.of("batchnorm: warning: x.csv: 2 of 4 rows skipped for an empty cell"), run.error());
    refused(
        ExitCode.INPUT,
        "forward ./x.csv",
        "batchnorm: x.csv:3:1: expected a number, found an empty cell",
        "hint: --missing nan reads empty cells as NaN, --missing skip drops their rows");
  }

  @Test
  void theDialectOfCsvIsOptional() {
    String expected = quiet("forward ./x.csv").out();
    text("semicolons.csv", "a;b\r\n1;10\r\n2;14\r\n6;12\r\n");
    assertEquals(
        expected.replace(',', ';').replace("\n", "\r\n"),
        quiet("forward ./semicolons.csv --delimiter ;").out());
    assertEquals(
        expected.replace(',', ';').replace("\n", "\r\n"),
        quiet("forward ./semicolons.csv --delimiter auto").out());
    text("comments.csv", "# by hand\na,b\n1,10\n# second\n2,14\n6,12\n");
    assertEquals(expected, quiet("forward ./comments.csv --comment #").out());
    text("numbers.csv", "1,10\n2,14\n6,12\n");
    assertEquals(
        expected.lines().skip(1).toList(), quiet("forward ./numbers.csv --header no").lines());
    text("years.csv", "2023,2024\n1,10\n2,14\n6,12\n");
    assertEquals(
        expected.replace("a,b", "2023,2024"), quiet("forward ./years.csv --header yes").out());
    assertNotEquals(expected, quiet("forward ./years.csv").out());
  }

  @Test
  void columnsAreChosenByNameNumberAndRange() {
    text("x.csv", "id,a,b,label\n7,1,10,u\n8,3,14,v\n");
    String expected = "id,a,b,label\n7,-1.0,-1.0,u\n8,1.0,1.0,v\n";
    for (String option :
        List.of(
            "--columns a,b",
            "--columns 2-3",
            "--columns b,a",
            "--columns 2,b",
            "--exclude id,label",
            "--exclude 1,4",
            "--columns 1-3 --exclude id")) {
      assertEquals(expected, quiet("forward ./x.csv --eps 0 " + option).out(), option);
    }
  }

  @Test
  void writesUtf8AsItWasRead() {
    text("x.csv", "größe,名前\n1,a\n3,ß\n");
    assertEquals(
        "größe,名前\n-1.0,a\n1.0,ß\n",
        new String(
            quiet("forward ./x.csv --columns größe --eps 0").bytes(), StandardCharsets.UTF_8));
  }
}
