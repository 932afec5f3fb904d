package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.npz.NpzWriter;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class StatsCommandTest extends CommandTest {
  private static final String HEADER = "channel,count,mean,variance,unbiased_variance\n";

  /** Of the graph example. */
  private static final String GRAPH =
      HEADER + "a,3,3.0,4.666666666666667,7.0\nb,3,12.0,2.6666666666666665,4.0\n";

  private static final List<String> STATE =
      List.of(
          "state",
          "count",
          "flags",
          "sum_x_exponent",
          "sum_x_limbs",
          "sum_x",
          "sum_xx_exponent",
          "sum_xx_limbs",
          "sum_xx",
          "mean",
          "variance");

  @BeforeEach
  void theGraphExample() {
    testdata("graph/x.csv");
  }

  private static String nameless(String table) {
    return table.replaceAll("(?m)^a,", "0,").replaceAll("(?m)^b,", "1,");
  }

  @Test
  void printsTheTableOfTheGraphExample() {
    assertEquals(GRAPH, quiet("stats ./x.csv").out());
    assertEquals(GRAPH.replace(',', '\t'), quiet("stats ./x.csv --to tsv").out());
    quiet("stats ./x.csv -o ./t.csv");
    assertEquals(GRAPH, text("t.csv"));
    quiet("stats ./x.csv -o ./t.tsv");
    assertEquals(GRAPH.replace(',', '\t'), text("t.tsv"));
    quiet("stats ./x.csv -o ./t");
    assertEquals(GRAPH, text("t"));
    text("plain.csv", "1,10\n2,14\n6,12\n");
    assertEquals(nameless(GRAPH), quiet("stats ./plain.csv").out());
  }

  @Test
  void rowsAsChannelsHaveNoNames() {
    text("x.csv", "a,b\n1,2\n3,5\n5,8\n");
    assertEquals(
        HEADER + "0,2,1.5,0.25,0.5\n1,2,4.0,1.0,2.0\n2,2,6.5,2.25,4.5\n",
        quiet("stats ./x.csv --channel-axis 0").out());
    quiet("stats ./x.csv --channel-axis 0 --json");
  }

  @Test
  void theTableAsNpz() {
    quiet("stats ./x.csv -o ./t.npz");
    Map<String, Stored> table = npz("t.npz");
    assertEquals(
        List.of("count", "mean", "variance", "unbiased_variance"), List.copyOf(table.keySet()));
    List<Long> two = List.of(2L);
    assertSame(new Stored("<i8", two, new double[] {3, 3}), member(table, "count"), "count");
    Map<String, Stored> exact = golden("graph-f64");
    assertSame(member(exact, "mean"), member(table, "mean"), "mean");
    assertSame(member(exact, "variance"), member(table, "variance"), "variance");
    assertSame(
        new Stored("<f8", two, new double[] {7, 4}), member(table, "unbiased_variance"), "F6");
    assertArrayEquals(bytes("t.npz"), quiet("stats ./x.csv --to npz").bytes());
  }

  @Test
  void namesAreQuotedWhereTheyMustBe() {
    text("x.csv", "\"a,b\",\"c\n\"\"d\"\"\",\"e\tf\",  g ,\"\"\n1,2,3,4,5\n");
    assertEquals(
        HEADER
            + "\"a,b\",1,1.0,0.0,nan\n\"c\n\"\"d\"\"\",1,2.0,0.0,nan\ne\tf,1,3.0,0.0,nan\n"
            + "g,1,4.0,0.0,nan\n,1,5.0,0.0,nan\n",
        quiet("stats ./x.csv").out());
    String tabs = quiet("stats ./x.csv --to tsv").out();
    assertTrue(tabs.contains("\na,b\t1\t1.0\t"), tabs);
    assertTrue(tabs.contains("\n\"c\n\"\"d\"\"\"\t1\t2.0\t"), tabs);
    assertTrue(tabs.contains("\n\"e\tf\"\t1\t3.0\t"), tabs);
    text("lines.csv", "\"g\nh\",\"i\rj\"\n1,2\n");
    assertEquals(
        HEADER + "\"g\nh\",1,1.0,0.0,nan\n\"i\rj\",1,2.0,0.0,nan\n",
        quiet("stats ./lines.csv").out());
    quiet("stats ./x.csv -o ./t.csv");
    // five rows as infer and stats itself read them
    assertEquals(
        "0.0,0.0,0.0,0.0,0.0\n",
        quiet("infer ./x.csv --running ./t.csv").out().replaceFirst("(?s).*\n(?=0.0)", ""));
    assertEquals(HEADER + "mean,5,3.0,2.0,2.5\n", quiet("stats ./t.csv --columns mean").out());
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void everyFloatingTypeGivesItsExactStatistics(DType type) {
    npy("x.npy", type, new long[] {3, 2}, 1, 10, 2, 14, 6, 12);
    assertEquals(nameless(GRAPH), quiet("stats ./x.npy").out());
    quiet("stats ./x.npy -o ./t --to npz");
    assertEquals("<f8", member(npz("t"), "mean").type());
  }

  @ParameterizedTest
  @ValueSource(strings = {"|i1", "|u1", "<i2", ">i2", "<u2", ">i4", "<u4", "<i8", ">u8"})
  void integersOfAllSizes(String type) {
    int size = type.charAt(2) - '0';
    long[] values = {1, 10, 2, 14, 6, 12};
    byte[] data = new byte[size * values.length];
    for (int i = 0; i < values.length; i++) {
      data[i * size + (type.startsWith(">") ? size - 1 : 0)] = (byte) values[i];
    }
    bytes("x.npy", numpy(type, false, new long[] {3, 2}, data));
    assertEquals(nameless(GRAPH), quiet("stats ./x.npy").out());
  }

  @ParameterizedTest
  @CsvSource({
    "--layout NHWC, 3",
    "--channel-axis -1, 3",
    "--layout NCHW, 1",
    "--channel-axis 0, 0"
  })
  void axesAreChosen(String option, int axis) {
    int[] sizes = {2, 3, 4, 5};
    double[] values = new Random(8).ints(120, -50, 50).asDoubleStream().toArray();
    npy("x.npy", DType.F32, new long[] {2, 3, 4, 5}, values);
    StringBuilder expected = new StringBuilder(HEADER);
    int inner = axis == 3 ? 1 : axis == 1 ? 20 : 60;
    for (int c = 0; c < sizes[axis]; c++) {
      long sum = 0;
      long squares = 0;
      long count = 0;
      for (int i = 0; i < values.length; i++) {
        if (i / inner % sizes[axis] == c) {
          sum += (long) values[i];
          squares += (long) (values[i] * values[i]);
          count++;
        }
      }
      // one division of exact integers each
      double spread = count * squares - sum * sum;
      expected.append(
          "%d,%d,%s,%s,%s\n"
              .formatted(
                  c,
                  count,
                  Decimals.text((double) sum / count),
                  Decimals.text(spread / (count * count)),
                  Decimals.text(spread / (count * (count - 1)))));
    }
    assertEquals(expected.toString(), quiet("stats ./x.npy " + option).out());
  }

  @Test
  void oneDimensionIsOneChannel() {
    npy("x.npy", DType.F64, new long[] {3}, 1, 2, 6);
    text("y.csv", "-1\n0\n4\n");
    assertEquals(HEADER + "0,3,3.0,4.666666666666667,7.0\n", quiet("stats ./x.npy").out());
    assertEquals(HEADER + "0,6,2.0,5.666666666666667,6.8\n", quiet("stats ./x.npy ./y.csv").out());
  }

  @Test
  void oneValueHasNoUnbiasedVariance() {
    text("x.csv", "a,b\n1.5,-0\n");
    assertEquals(HEADER + "a,1,1.5,0.0,nan\nb,1,0.0,0.0,nan\n", quiet("stats ./x.csv").out());
    quiet("stats ./x.csv --save ./s.npz -o ./t.npz");
    assertBits(
        new double[] {Double.NaN, Double.NaN},
        member(npz("t.npz"), "unbiased_variance").values(),
        "F6");
  }

  @Test
  void emptyShardsAddNothing() {
    npy("none.npy", DType.F64, new long[] {0, 2});
    assertEquals(GRAPH, quiet("stats ./none.npy ./x.csv ./none.npy").out());
    CommandLineRun run = run("stats ./none.npy --save ./s.npz");
    assertEquals(HEADER + "0,0,nan,nan,nan\n1,0,nan,nan,nan\n", run.out());
    List<String> warning =
        List.of("batchnorm: warning: none.npy: no values: the statistics are NaN");
    assertEquals(warning, run.error());
    assertEquals(GRAPH, quiet("stats ./s.npz ./x.csv").out());
    assertEquals(
        List.of("batchnorm: warning: 2 inputs: no values: the statistics are NaN"),
        run("stats ./s.npz ./none.npy").error());
    npy("flat.npy", DType.F64, new long[] {3, 0});
    assertEquals(HEADER, quiet("stats ./flat.npy --save ./s.npz").out());
    assertEquals(HEADER, quiet("stats ./s.npz ./flat.npy").out());
  }

  @Test
  void nonFiniteValuesSpoilTheirOwnChannel() {
    text("x.csv", "a,b,c,d,e\n1,nan,inf,-inf,inf\n3,2,2,2,-inf\n");
    String table =
        HEADER
            + "a,2,2.0,1.0,2.0\nb,2,nan,nan,nan\nc,2,inf,nan,nan\nd,2,-inf,nan,nan\n"
            + "e,2,nan,nan,nan\n";
    assertEquals(table, quiet("stats ./x.csv --save ./s.npz").out());
    assertEquals(
        nameless(table)
            .replace("c,", "2,")
            .replace("d,", "3,")
            .replace("\ne,", "\n4,")
            .lines()
            .skip(1)
            .toList(),
        quiet("stats ./s.npz").out().lines().skip(1).toList());
    text("y.csv", "a,b,c,d,e\n5,2,2,inf,0\n");
    assertEquals(
        HEADER
            + "a,3,3.0,2.6666666666666665,4.0\nb,3,nan,nan,nan\nc,3,inf,nan,nan\n"
            + "d,3,nan,nan,nan\ne,3,nan,nan,nan\n",
        quiet("stats ./s.npz ./y.csv").out());
  }

  /** A data set of three channels that binary32 holds, with exponents far apart. */
  private static List<double[]> rows(Random random) {
    List<double[]> rows = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      rows.add(
          new double[] {
            (float) (random.nextGaussian() * Math.pow(2, random.nextInt(60) - 30)),
            (float) (1e6 + random.nextGaussian()),
            (float) random.nextInt(7)
          });
    }
    return rows;
  }

  private void write(String name, List<double[]> rows, DType type) {
    npy(
        name,
        type,
        new long[] {rows.size(), 3},
        rows.stream().flatMapToDouble(Arrays::stream).toArray());
  }

  @Test
  void orderGroupingSplitAndFormatChangeNoBit() {
    Random random = new Random(20_261_125);
    List<double[]> rows = rows(random);
    write("all.npy", rows, DType.F64);
    String table = quiet("stats ./all.npy --save ./all.npz").out();
    byte[] state = bytes("all.npz");
    assertEquals(4, table.lines().count());
    for (int run = 0; run < 25; run++) {
      Collections.shuffle(rows, random);
      List<String> shards = shards(rows, random);
      while (shards.size() > 2 && random.nextInt(3) > 0) {
        // some of them become a state, which may be made of states
        Collections.shuffle(shards, random);
        List<String> some = shards.subList(0, 1 + random.nextInt(shards.size() - 1));
        String merged = "./state" + random.nextInt(1_000_000) + ".npz";
        quiet("stats " + String.join(" ", some) + " -o ./ignored.csv --save " + merged);
        some.clear();
        shards.add(merged);
      }
      Collections.shuffle(shards, random);
      String line = "stats " + String.join(" ", shards) + " --save ./s.npz";
      assertEquals(table, quiet(line).out(), line);
      assertArrayEquals(state, bytes("s.npz"), line);
    }
  }

  private List<String> shards(List<double[]> rows, Random random) {
    List<String> shards = new ArrayList<>();
    for (int from = 0; from < rows.size(); ) {
      int to = Math.min(rows.size(), from + random.nextInt(20));
      List<double[]> part = rows.subList(from, to);
      // a table has at least one row
      String format = List.of("npy", "npz", part.isEmpty() ? "npy" : "tsv").get(random.nextInt(3));
      String shard = "./shard" + shards.size() + "." + format;
      // the shortest decimals of binary32 are other numbers of binary64
      boolean narrow = random.nextBoolean() && !format.equals("tsv");
      write("part.npy", part, narrow ? DType.F32 : DType.F64);
      quiet("convert ./part.npy -o " + shard);
      shards.add(shard);
      from = to;
    }
    return shards;
  }

  @Test
  void namesComeFromWhoeverHasThem() {
    npy("y.npy", DType.F32, new long[] {1, 2}, 3, 12);
    String table = HEADER + "a,4,3.0,3.5,4.666666666666667\nb,4,12.0,2.0,2.6666666666666665\n";
    assertEquals(table, quiet("stats ./x.csv ./y.npy").out());
    assertEquals(table, quiet("stats ./y.npy ./x.csv").out());
    quiet("stats ./y.npy --save ./s.npz -o ./t.csv");
    assertEquals(table, quiet("stats ./s.npz ./x.csv").out());
  }

  @Test
  void otherColumnsOrChannelsAreRefused() {
    text("other.csv", "b,a\n1,2\n");
    text("three.csv", "a,b,c\n1,2,3\n");
    npy("three.npy", DType.F64, new long[] {1, 3}, 1, 2, 3);
    quiet("stats ./three.npy --save ./three.npz -o ./t.csv");
    refused(
        3,
        "stats ./x.csv ./other.csv -o ./new.csv --save ./new.npz",
        "batchnorm: other.csv: expected the columns a, b (x.csv), found b, a");
    refused(
        3,
        "stats ./x.csv ./three.csv -o ./new.csv",
        "batchnorm: three.csv: expected 2 channels (x.csv, shape 3×2), found 3 (shape 1×3)");
    refused(
        3,
        "stats ./x.csv ./three.npz -o ./new.csv",
        "batchnorm: three.npz: expected 2 channels (x.csv, shape 3×2), found 3 (3 channels)");
    refused(
        3,
        "stats ./three.npz ./x.csv",
        "batchnorm: x.csv: expected 3 channels (three.npz, 3 channels), found 2 (shape 3×2)");
    assertTrue(files().stream().noneMatch(f -> f.startsWith("new")), files()::toString);
  }

  @Test
  void eachGivesTheTablesOneAfterTheOther() {
    text("y,z.csv", "p\n1\n3\n");
    String expected =
        "input,"
            + HEADER
            + "DIR/x.csv,a,3,3.0,4.666666666666667,7.0\nDIR/x.csv,b,3,12.0,2.6666666666666665,4.0\n"
            + "\"DIR/y,z.csv\",p,2,2.0,1.0,2.0\n";
    expected = expected.replace("DIR", directory.toString());
    assertEquals(expected, quiet("stats ./x.csv ./y,z.csv --each").out());
    assertEquals(
        expected.replace("\"", "").lines().count(),
        quiet("stats ./x.csv ./y,z.csv --each --to tsv").lines().size());
    refused(
        3,
        "stats ./x.csv ./y,z.csv --each -o ./t.npz",
        "batchnorm: y,z.csv: expected 2 channels (x.csv), found 1",
        "hint: --to csv writes tables of several sizes");
    assertEquals(List.of("x.csv", "y,z.csv"), files());
    quiet("stats ./x.csv ./x.csv --each -o ./t.npz");
    Map<String, Stored> table = npz("t.npz");
    List<Long> sizes = List.of(2L, 2L);
    assertSame(
        new Stored("<f8", sizes, new double[] {3, 12, 3, 12}), member(table, "mean"), "mean");
    assertSame(
        new Stored("<i8", sizes, new double[] {3, 3, 3, 3}), member(table, "count"), "count");
  }

  @Test
  void jsonHasOneElementOrOneForEachInput() {
    text("y.csv", "1,nan\n3,2\n");
    CommandLineRun run = quiet("stats ./x.csv ./y.csv --each --json");
    List<Map<?, ?>> all = Json.objects(Json.read(run.out()));
    assertEquals(2, all.size());
    assertEquals(List.of(directory + "/x.csv"), all.get(0).get("inputs"));
    Map<?, ?> b = Json.objects(Json.get(all.get(0), "channels")).get(1);
    assertEquals(
        Map.of(
            "channel",
            1.0,
            "name",
            "b",
            "count",
            3.0,
            "mean",
            12.0,
            "variance",
            8 / 3.0,
            "unbiased_variance",
            4.0),
        b);
    Map<?, ?> spoiled = Json.objects(Json.get(all.get(1), "channels")).get(1);
    assertEquals(
        Map.of(
            "channel",
            1.0,
            "count",
            2.0,
            "mean",
            "nan",
            "variance",
            "nan",
            "unbiased_variance",
            "nan"),
        spoiled);
    List<Map<?, ?>> one = Json.objects(Json.read(quiet("stats ./x.csv ./y.csv --json").out()));
    assertEquals(1, one.size());
    assertEquals(List.of(directory + "/x.csv", directory + "/y.csv"), one.get(0).get("inputs"));
    assertEquals(quiet("stats ./x.csv --json").out(), quiet("stats ./x.csv --json -o -").out());
    quiet("stats ./x.csv --json -o ./t.csv --save ./s.npz");
    assertEquals(GRAPH, text("t.csv"));
    assertEquals(STATE, List.copyOf(npz("s.npz").keySet()));
  }

  @Test
  void aTableIsNoArray() {
    for (String option : List.of("-o ./t.npy", "--to npy", "-o ./t --to npy")) {
      refused(
          ExitCode.USAGE,
          "stats ./x.csv " + option,
          "batchnorm: "
              + (option.startsWith("-o") ? "-o" : "--to")
              + ": expected CSV, TSV or NPZ for a table, found npy");
    }
    refused(
        ExitCode.USAGE,
        "stats ./x.csv --save ./s.csv",
        "batchnorm: --save: expected a name ending in .npz, found s.csv");
    refused(
        ExitCode.USAGE,
        "stats ./x.csv --save ./s.npz --each",
        "batchnorm: --each and --save: expected one of the two, found both",
        "hint: a state holds the sums of all INPUTs together");
    assertEquals(List.of("x.csv"), files());
  }

  @Test
  void theStateIsWrittenWithAndWithoutATable() {
    assertEquals(GRAPH, quiet("stats ./x.csv --save ./s.npz").out());
    assertEquals("", quiet("stats ./x.csv --save ./t.npz -o ./t.csv").out());
    assertArrayEquals(bytes("s.npz"), bytes("t.npz"));
    assertEquals(STATE, List.copyOf(npz("s.npz").keySet()));
    assertEquals(nameless(GRAPH), quiet("stats ./s.npz").out());
    // a state may be replaced by one that it is in
    quiet("stats ./s.npz ./s.npz --save ./s.npz -o ./t.csv");
    assertBits(new double[] {6, 6}, member(npz("s.npz"), "count").values(), "count");
  }

  @Test
  void inferTakesStateAndTableAsItTakesWhatForwardSaved() {
    testdata("iris.csv");
    String infer = "infer ./iris.csv --exclude species --running ./";
    quiet("forward ./iris.csv --exclude species --save ./f.npz -o ./y.csv");
    String expected = quiet(infer + "f.npz").out();
    assertEquals(151, expected.lines().count());
    quiet("stats ./iris.csv --exclude species --save ./s.npz -o ./t.csv");
    quiet("stats ./s.npz -o ./t.npz");
    quiet("stats ./s.npz -o ./t.tsv");
    for (String file : List.of("s.npz", "t.csv", "t.npz", "t.tsv")) {
      assertEquals(expected, quiet(infer + file).out(), file);
      assertEquals(expected, quiet(infer + file + " --statistics batch").out(), file);
    }
    refused(
        3,
        "infer ./x.csv --running ./s.npz",
        "batchnorm: s.npz:mean: expected 2 values (channels of x.csv, shape 3×2), found 4");
  }

  @Test
  void standardInputIsReadOnce() {
    npy("x.npy", DType.F64, new long[] {3, 2}, 1, 10, 2, 14, 6, 12);
    quiet("stats ./x.npy --save ./s.npz -o ./t.csv");
    assertEquals(GRAPH, run(bytes("x.csv"), "stats -").out());
    assertEquals(nameless(GRAPH), run(bytes("x.npy"), "stats -").out());
    assertEquals(nameless(GRAPH), run(bytes("s.npz"), "stats -").out());
    String twice = quiet("stats ./x.csv ./x.npy").out();
    assertEquals(twice, run(bytes("x.npy"), "stats ./x.csv -").out());
    assertEquals(twice, run(bytes("x.csv"), "stats - ./s.npz").out());
    CommandLineRun run = run(bytes("x.csv"), "stats - ./x.csv -");
    assertEquals(ExitCode.USAGE, run.code());
    assertEquals(
        List.of("batchnorm: INPUT: expected standard input once, found it twice"), run.error());
    assertEquals(
        List.of("input", "standard input", "standard input"),
        run(bytes("x.csv"), "stats - --each").lines().stream()
            .map(line -> line.substring(0, line.indexOf(',')))
            .toList());
  }

  @Test
  void membersOfAnNpzAreInputsOfTheirOwn() {
    npz(
        "a.npz",
        npz -> {
          npz.doubles("p", new double[] {1, 10}, 1, 2);
          npz.floats("q", new float[] {2, 14, 6, 12}, 2, 2);
          npz.doubles("x", new double[] {5, 5, 5}, 3);
        });
    String expected = nameless(GRAPH);
    assertEquals(expected, quiet("stats ./a.npz:q ./a.npz:p").out());
    assertEquals(HEADER + "0,3,5.0,0.0,0.0\n", quiet("stats ./a.npz").out());
    assertEquals(expected, run(bytes("a.npz"), "stats --to csv -- -:q -:p").out());
    CommandLineRun run = run(bytes("x.csv"), "stats -- - -:p");
    assertEquals(ExitCode.USAGE, run.code(), run.error()::toString);
    assertEquals(
        "batchnorm: INPUT: expected another input, found standard input, which is INPUT already",
        run.error().get(0));
    npz("b.npz", npz -> npz.doubles("only", new double[] {1}, 1));
    assertEquals(HEADER + "0,1,1.0,0.0,nan\n", quiet("stats ./b.npz").out());
  }

  @Test
  void optionsOfTextNeedOneText() {
    npy("x.npy", DType.F64, new long[] {3, 2}, 1, 10, 2, 14, 6, 12);
    refused(
        3,
        "stats ./x.npy ./x.npy --exclude label -o ./t.csv",
        "batchnorm: x.npy: expected CSV or TSV (for --columns, --exclude, --delimiter, --comment,"
            + " --header or --missing), found NPY");
    text("x.csv", "id,a,b\nu,1,10\nv,2,14\nw,6,12\n");
    assertEquals(
        quiet("stats ./x.csv --exclude id").out().lines().count(),
        quiet("stats ./x.npy ./x.csv --exclude id").lines().size());
    assertEquals(List.of("x.csv", "x.npy"), files());
  }

  @Test
  void otherNpzFilesAreNotTakenForStates() {
    quiet("forward ./x.csv --save ./f.npz -o ./y.csv");
    refused(
        3,
        "stats ./f.npz",
        "batchnorm: f.npz: expected a batch or a state, found statistics without their exact sums",
        "hint: stats --save writes a state, which can be merged; forward --save does not");
    npz(
        "g.npz",
        npz -> {
          npz.doubles("p", new double[] {1}, 1);
          npz.doubles("q", new double[] {1}, 1);
        });
    refused(
        3,
        "stats ./x.csv ./g.npz",
        "batchnorm: g.npz: expected a member x, found p, q",
        "hint: name one: g.npz:MEMBER");
    npz("h.npz", npz -> npz.doubles("state", new double[] {1}, 1));
    refused(
        3,
        "stats ./h.npz",
        "batchnorm: h.npz:state: expected the version of a state (i64, no axes), found f64 of"
            + " shape 1",
        "hint: stats --save writes states; other files may not have a member of that name");
  }

  @Test
  void damagedAndNewerStatesAreRefused() {
    quiet("stats ./x.csv --save ./s.npz -o ./t.csv");
    byte[] state = bytes("s.npz");
    byte[] damaged = state.clone();
    int at = new String(state, StandardCharsets.ISO_8859_1).indexOf("sum_xx.npy") + 10 + 20 + 128;
    damaged[at] ^= 1;
    bytes("d.npz", damaged);
    CommandLineRun run = run("stats ./d.npz ./x.csv -o ./new.csv --save ./new.npz");
    assertEquals(ExitCode.INPUT, run.code());
    assertTrue(
        run.error().get(0).matches("batchnorm: d.npz:sum_xx: expected checksum .{8}, found .{8}"),
        run.error()::toString);
    bytes("cut.npz", Arrays.copyOf(state, state.length - 30));
    assertEquals(ExitCode.INPUT, run("stats ./cut.npz").code());
    npz("new.npz", npz -> copy(npz, "s.npz", 2, 0));
    refused(
        3,
        "stats ./new.npz",
        "batchnorm: new.npz:state: expected state version 1, found 2",
        "hint: a newer batchnorm wrote it");
    npz("less.npz", npz -> copy(npz, "s.npz", 1, -2));
    refused(
        3,
        "stats ./less.npz",
        "batchnorm: less.npz:sum_xx: expected count · sum_xx ≥ sum_x², found less at channel 0");
  }

  /** Copies a state with another version, and counts that are larger by so much. */
  private void copy(NpzWriter npz, String from, long version, long more) {
    npz(from)
        .forEach(
            (name, array) -> {
              long[] integers = Arrays.stream(array.values()).mapToLong(v -> (long) v).toArray();
              long[] sizes = array.sizes().stream().mapToLong(v -> v).toArray();
              switch (array.type()) {
                case "<f8" -> npz.doubles(name, array.values(), sizes);
                case "|u1" ->
                    npz.member(name, NumberType.U8, sizes)
                        .write(ByteBuffer.allocate(integers.length));
                case "<u8" ->
                    npz.member(name, NumberType.U64, sizes).write(ByteBuffer.wrap(longs(integers)));
                default -> {
                  if (name.equals("state")) {
                    npz.int64(name, version);
                  } else {
                    boolean counts = name.equals("count");
                    npz.int64s(
                        name,
                        Arrays.stream(integers).map(v -> counts ? v + more : v).toArray(),
                        sizes);
                  }
                }
              }
            });
  }

  /** Two names of one file: the one written last would have taken the other's place. */
  @Test
  void twoOutputsMayNotBeOneFileThroughLinks() throws IOException {
    bytes("s.npz", new byte[] {1});
    Files.createSymbolicLink(path("l.npz"), path("s.npz"));
    refused(
        ExitCode.USAGE,
        "stats ./x.csv -o ./l.npz --save ./s.npz",
        "batchnorm: --save and -o: expected two files, found s.npz for both");
    assertArrayEquals(new byte[] {1}, bytes("s.npz"));
  }

  @Test
  void aStandardOutputThatTakesNoJsonLeavesTheOldState() {
    bytes("s.npz", new byte[] {1});
    OutputStream full =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException("No space left on device");
          }
        };
    CommandLineRun run =
        CommandLineRun.writingTo(
            full,
            directory,
            InputStream.nullInputStream(),
            List.of("stats", "./x.csv", "--json", "--save", "./s.npz"));
    assertEquals(ExitCode.OUTPUT, run.code());
    assertArrayEquals(new byte[] {1}, bytes("s.npz"));
  }

  @Test
  void aMemberOfStandardInputIsNoOption() {
    npz(
        "two.npz",
        npz -> {
          npz.doubles("p", new double[] {1, 3}, 2);
          npz.doubles("q", new double[] {5, 9}, 2);
        });
    CommandLineRun run =
        CommandLineRun.of(directory, bytes("two.npz"), List.of("stats", "-:p", "-:q"));
    assertEquals(List.of(), run.error());
    assertEquals("0,4,4.5,8.75,11.666666666666666", run.lines().get(1));
  }

  @Test
  void jsonLeavesNoRoomForATableOnStandardOutput() {
    refused(
        ExitCode.USAGE,
        "stats ./x.csv --json --to npz",
        "batchnorm: --to: expected -o FILE beside it (standard output takes the JSON), found none");
  }

  @Test
  void integersBeyondBinary64NeedNarrow() {
    long large = (1L << 53) + 1;
    bytes("x.npy", numpy("<i8", false, new long[] {2}, longs(large, 1L << 54)));
    refused(
        3,
        "stats ./x.npy",
        "batchnorm: x.npy: expected integers that a binary64 holds exactly, found "
            + large
            + " at index (0,)",
        "hint: --narrow rounds them to the nearest binary64");
    npy("rounded.npy", DType.F64, new long[] {2}, 0x1p53, 0x1p54);
    assertEquals(quiet("stats ./rounded.npy").out(), quiet("stats ./x.npy --narrow").out());
  }

  @Test
  void digestsAreThoseOfTheTableWhateverItsFormat() {
    List<String> expected = run("stats ./x.csv -o ./t.npz --digest").error();
    assertEquals(4, expected.size());
    String[] endings = {" count <i8 (2,)", " mean <f8 (2,)", " variance <f8 (2,)"};
    for (int i = 0; i < endings.length; i++) {
      assertTrue(expected.get(i).endsWith(endings[i]), expected::toString);
    }
    assertEquals(expected, run("stats ./x.csv --digest").error());
    assertEquals(expected, run("stats ./x.csv --digest --json").error());
    quiet("stats ./x.csv -o ./t.npz --save ./s.npz");
    assertEquals(expected, run("convert ./t.npz -o ./u.npz --digest").error());
    assertEquals(expected, run("stats ./s.npz --digest --to tsv").error());
    List<String> each = run("stats ./x.csv ./s.npz --each --digest").error();
    assertEquals(8, each.size());
    assertEquals(expected.get(1).replace(" mean", " s.npz:mean"), each.get(5));
  }

  @Test
  void saysWhatItReadIfAsked() {
    quiet("stats ./x.csv --save ./s.npz -o ./t.csv");
    CommandLineRun run = run("stats ./x.csv ./s.npz --engine java --threads 1 -v -o ./t.csv");
    assertEquals(
        List.of(
            "batchnorm: engine java: reference, 1 thread",
            "batchnorm: x.csv: 3×2 f64",
            "batchnorm: s.npz: a state of 2 channels"),
        run.error());
  }
}
