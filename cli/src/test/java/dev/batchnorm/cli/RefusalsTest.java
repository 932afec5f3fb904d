package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What is refused: the command line, the exit code, and the lines on standard error to the letter.
 * Nothing goes to standard output, nothing is left behind, and what stood there keeps its bytes.
 */
class RefusalsTest extends CommandTest {
  private static final Pattern WORDS_TO_AVOID =
      Pattern.compile("invalid|illegal|failed", Pattern.CASE_INSENSITIVE);
  private static final String OLD = "what stood there before";

  /** A row of the table. */
  record Refusal(int code, String line, List<String> error) {
    @Override
    public String toString() {
      return code + " " + line;
    }
  }

  private static Refusal wrong(int code, String line, String... error) {
    return new Refusal(code, line, Arrays.asList(error));
  }

  /** The command line is wrong, whatever the files hold. */
  static Stream<Refusal> usage() {
    String save = "hint: forward --save FILE.npz writes one";
    return Stream.of(
        wrong(2, "forward", "batchnorm: missing required parameter: 'INPUT'", help("forward")),
        wrong(
            2,
            "backward ./x.csv",
            "batchnorm: missing required option: '--dy=DY'",
            help("backward")),
        wrong(2, "forward ./x.csv --nope", "batchnorm: unknown option: '--nope'", help("forward")),
        wrong(
            2,
            "forward ./nope.csv -o ./y.foo",
            "batchnorm: -o: expected a name ending in .csv, .tsv, .npy or .npz, found y.foo",
            "hint: --to csv|tsv|npy|npz names the format"),
        wrong(
            2,
            "forward ./nope.csv --save ./s.txt",
            "batchnorm: --save: expected a name ending in .npz, found s.txt"),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv --statistics foo -o ./g.npz",
            "batchnorm: --statistics: expected --frozen beside it, found none",
            "hint: without --frozen the statistics are the batch's own"),
        wrong(
            2,
            "forward ./x.csv --threads many",
            "batchnorm: --threads: expected a whole number, found \"many\""),
        wrong(2, "engines --nope", "batchnorm: unknown option: '--nope'", help("engines")),
        wrong(
            2,
            "forward ./x.csv --eps 1 --eps 2",
            "batchnorm: option '--eps' (E) should be specified only once",
            help("forward")),
        wrong(
            2,
            "infer ./x.csv",
            "batchnorm: --running: expected a file of statistics, found none",
            save),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv --frozen",
            "batchnorm: --running: expected a file of statistics, found none",
            save),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv --running ./s.npz",
            "batchnorm: --running: expected --frozen beside it, found none",
            "hint: without --frozen the statistics are the batch's own"),
        wrong(
            2,
            "forward ./x.csv --momentum 0.5",
            "batchnorm: --momentum: expected --running beside it, found none"),
        wrong(
            2,
            "forward ./x.csv --running new --momentum 2 --save ./s.npz",
            "batchnorm: --momentum: expected a number from 0 to 1 or cumulative, found 2"),
        wrong(
            2,
            "forward ./x.csv --running new --momentum nan --save ./s.npz",
            "batchnorm: --momentum: expected a number from 0 to 1 or cumulative, found nan"),
        wrong(2, "forward ./x.csv --eps -1", eps("-1")),
        wrong(2, "forward ./x.csv --eps nan", eps("nan")),
        wrong(2, "infer ./x.csv --running ./s.npz --eps inf", eps("inf")),
        wrong(2, "backward ./x.csv --dy ./dy.csv --eps 0x1p3", eps("0x1p3")),
        wrong(2, "verify ./x.csv --engine java --eps 1d", eps("1d")),
        wrong(
            2,
            "infer ./x.csv --running ./s.npz --statistics both",
            "batchnorm: --statistics: expected one of batch, running, found \"both\""),
        wrong(
            2,
            "forward ./x.csv --layout NC --channel-axis 1",
            "batchnorm: --layout and --channel-axis: expected one of the two, found both"),
        wrong(
            2,
            "forward ./x.csv --layout NCX",
            "batchnorm: --layout: expected one of NC, NCL, NCHW, NCDHW, NLC, NHWC, NDHWC, found"
                + " \"NCX\""),
        wrong(
            2,
            "forward ./x.csv --convention caffe",
            "batchnorm: --convention: expected one of pytorch, onnx, keras, flax, mxnet, found"
                + " \"caffe\""),
        wrong(
            2,
            "forward ./x.csv --format xml",
            "batchnorm: --format: expected one of csv, tsv, npy, npz, found \"xml\""),
        wrong(
            2,
            "forward ./x.csv --to xml",
            "batchnorm: --to: expected one of csv, tsv, npy, npz, found \"xml\""),
        wrong(
            2,
            "forward ./x.csv --header maybe",
            "batchnorm: --header: expected one of auto, yes, no, found \"maybe\""),
        wrong(
            2,
            "forward ./x.csv --threads 0",
            "batchnorm: --threads: expected a number ≥ 1, found 0"),
        wrong(
            2,
            "forward ./x.csv --delimiter ab",
            "batchnorm: --delimiter: expected one character, found \"ab\""),
        wrong(
            2,
            "forward ./x.csv --delimiter 1",
            "batchnorm: --delimiter: expected one ASCII character that no number contains, found"
                + " '1'"),
        wrong(
            2,
            "forward ./x.csv --comment ,",
            "batchnorm: --comment: expected another character than the delimiter, found ','"),
        wrong(
            2,
            "forward ./x.csv -o ./y.txt",
            "batchnorm: -o: expected a name ending in .csv, .tsv, .npy or .npz, found y.txt",
            "hint: --to csv|tsv|npy|npz names the format"),
        wrong(
            2,
            "forward ./x.csv --save ./s.csv -o ./y.csv",
            "batchnorm: --save: expected a name ending in .npz, found s.csv"),
        wrong(
            2,
            "forward ./x.csv -o ./old.npz --save ./old.npz",
            "batchnorm: -o and --save: expected two files, found old.npz for both"),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv --dx ./old.csv --dbeta ./old.csv",
            "batchnorm: --dbeta and --dx: expected two files, found old.csv for both"),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv -o ./old.npz --dx ./dx.csv",
            "batchnorm: -o: expected either -o or --dx, --dgamma and --dbeta, found both"),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv -o ./old.csv",
            "batchnorm: -o: expected NPZ for several arrays, found csv",
            "hint: --dx FILE --dgamma FILE --dbeta FILE write one array each"),
        wrong(
            2,
            "backward ./x.csv --dy ./dy.csv --to npy",
            "batchnorm: -o: expected NPZ for several arrays, found npy",
            "hint: --dx FILE --dgamma FILE --dbeta FILE write one array each"));
  }

  private static String help(String command) {
    return "hint: batchnorm " + command + " --help";
  }

  private static String eps(String found) {
    return "batchnorm: --eps: expected a finite number ≥ 0, found " + found;
  }

  /** An input is unreadable, inconsistent, or does not fit the options. */
  static Stream<Refusal> input() {
    String bothKinds =
        "hint: forward --save FILE.npz writes mean and variance, with --running also"
            + " running_mean and running_variance";
    return Stream.of(
        wrong(
            3,
            "forward ./nope.csv -o ./old.csv",
            "batchnorm: nope.csv: expected a readable file, found no such file or directory"),
        wrong(3, "forward ./folder", "batchnorm: folder: expected a file, found a directory"),
        wrong(
            3,
            "forward ./bad.csv -o ./old.csv",
            "batchnorm: bad.csv:3:2: expected a number, found \"n/a\"",
            "hint: --missing nan reads empty cells as NaN"),
        wrong(
            3,
            "forward ./ragged.csv -o ./old.csv",
            "batchnorm: ragged.csv:3: expected 2 fields as in line 1, found 3"),
        wrong(
            3,
            "forward ./empty.csv",
            "batchnorm: empty.csv: expected at least 1 row of data, found none"),
        wrong(
            3,
            "forward ./header.csv",
            "batchnorm: header.csv: expected at least 1 row of data, found only a header"),
        wrong(
            3,
            "forward ./mixed.csv",
            "batchnorm: mixed.csv:1:2: expected names or numbers throughout the first record, found"
                + " the number 5 among names",
            "hint: --header yes|no says whether the first record is a header"),
        wrong(
            3,
            "forward ./x.csv --columns c",
            "batchnorm: x.csv: expected a column \"c\" (--columns), found 2 columns (a, b)"),
        wrong(
            3,
            "forward ./x.csv --exclude 3-4",
            "batchnorm: x.csv: expected a column \"3-4\" (--exclude), found 2 columns (a, b)"),
        wrong(
            3,
            "forward ./x.csv --exclude a,b",
            "batchnorm: x.csv: expected at least 1 column, found all of them excluded"),
        wrong(
            3,
            "forward ./twice.csv --columns a",
            "batchnorm: twice.csv: expected one column \"a\" (--columns), found it as column 1 and"
                + " 3",
            "hint: columns may be given by number, as 1"),
        wrong(
            3,
            "forward ./x.csv --layout NCHW",
            "batchnorm: x.csv: shape: expected 4 axes (layout NCHW), found 3×2"),
        wrong(
            3,
            "forward ./x.csv --channel-axis 2",
            "batchnorm: x.csv: channel axis: expected -2 to 1 (shape 3×2), found 2"),
        wrong(
            3,
            "forward ./x.csv --gamma nan",
            "batchnorm: --gamma: expected a finite number, found nan"),
        wrong(
            3,
            "forward ./x.csv --beta -inf",
            "batchnorm: --beta: expected a finite number, found -inf"),
        wrong(
            3,
            "forward ./x.csv --gamma ./three.npy -o ./old.csv",
            "batchnorm: three.npy: expected 2 values (channels of x.csv, shape 3×2), found 3"),
        wrong(
            3,
            "forward ./image.npy --gamma ./three.npy",
            "batchnorm: three.npy: expected 4 values (channels of image.npy, shape 1×4×2×2), found"
                + " 3"),
        wrong(
            3,
            "forward ./x.csv --beta ./x.csv",
            "batchnorm: x.csv: expected one value per channel (at most one axis longer than 1),"
                + " found shape 3×2"),
        wrong(
            3,
            "forward ./x.csv --beta ./infinite.npy",
            "batchnorm: infinite.npy: expected finite numbers, found -inf at channel 1"),
        wrong(
            3,
            "forward ./x.csv --gamma ./many.npz",
            "batchnorm: many.npz: expected a member gamma or weight or scale, found p, q",
            "hint: name one: many.npz:MEMBER"),
        wrong(
            3,
            "forward ./many.npz",
            "batchnorm: many.npz: expected a member x, found p, q",
            "hint: name one: many.npz:MEMBER"),
        wrong(
            3, "forward ./many.npz:r", "batchnorm: many.npz: expected a member \"r\", found p, q"),
        wrong(
            3,
            "forward ./text.npy",
            "batchnorm: text.npy: expected an NPY file (bytes 93 4E 55 4D 50 59), found 61 2C 62 0A"
                + " 31 2C",
            "hint: for text, name it .csv or pass --format csv"),
        wrong(
            3,
            "forward ./image.npy --to csv",
            "batchnorm: standard output: expected at most 2 axes for CSV, found shape 1×4×2×2",
            "hint: --to npy"),
        wrong(
            3,
            "backward ./x.csv --dy ./four.csv -o ./old.npz",
            "batchnorm: four.csv: expected shape 3×2 (x.csv), found 4×2"),
        wrong(
            3,
            "infer ./x.csv --running ./negative.csv --eps 0.5 -o ./old.csv",
            "batchnorm: negative.csv: variance: expected variance + eps ≥ 0, found -1.0 + 0.5 at"
                + " channel 1"),
        wrong(
            3,
            "infer ./x.csv --running ./batch.npz --statistics running",
            "batchnorm: batch.npz: expected running_mean, found mean, variance",
            bothKinds),
        wrong(
            3,
            "infer ./x.csv --running ./many.npz",
            "batchnorm: many.npz: expected mean, found no statistics",
            bothKinds),
        wrong(
            3,
            "infer ./x.csv --running ./three.npy",
            "batchnorm: three.npy: expected statistics as NPZ or CSV, found NPY",
            "hint: forward --save FILE.npz writes such a file"),
        wrong(
            3,
            "infer ./one.csv --running ./batch.npz",
            "batchnorm: batch.npz:mean: expected 1 value (channels of one.csv, shape 2×1), found"
                + " 2"),
        wrong(
            3,
            "forward ./x.csv --running ./r.csv --momentum cumulative --save ./old.npz -o ./y.csv",
            "batchnorm: r.csv: expected batches (how many batches were averaged), found"
                + " running_mean, running_variance",
            "hint: --momentum cumulative weighs each new batch by 1/(batches + 1)"),
        wrong(
            3,
            "forward ./single.csv --running new --save ./old.npz -o ./y.csv",
            "batchnorm: single.csv: running statistics: expected at least 2 values per channel,"
                + " found 1",
            "hint: the unbiased variance of one value does not exist; --convention onnx averages"
                + " the biased one"));
  }

  /** The output cannot be written. */
  static Stream<Refusal> output() {
    return Stream.of(
        wrong(
            5,
            "forward ./x.csv -o ./nowhere/y.csv",
            "batchnorm: nowhere/y.csv: expected an existing directory, found none"),
        wrong(
            5,
            "forward ./x.csv -o ./y.csv --save ./nowhere/s.npz",
            "batchnorm: nowhere/s.npz: expected an existing directory, found none"),
        wrong(
            5,
            "backward ./x.csv --dy ./dy.csv --dx ./old.csv --dbeta ./nowhere/b.csv",
            "batchnorm: nowhere/b.csv: expected an existing directory, found none"),
        wrong(
            5,
            "forward ./x.csv -o ./folder --to csv",
            "batchnorm: folder: expected a file, found a directory"),
        wrong(
            5,
            "forward ./x.csv -o ./x.csv/y.csv",
            "batchnorm: x.csv/y.csv: expected a file that may be written, found Not a directory"));
  }

  @BeforeEach
  void filesThatCanBeRefused() {
    testdata("graph/x.csv");
    testdata("graph/dy.csv");
    text("old.csv", OLD);
    text("old.npz", OLD);
    text("bad.csv", "a,b\n1,2\n3,n/a\n");
    text("ragged.csv", "a,b\n1,2\n3,4,5\n");
    text("empty.csv", "");
    text("header.csv", "a,b\n");
    text("mixed.csv", "a,5\n1,2\n");
    text("twice.csv", "a,b,a\n1,2,3\n");
    text("four.csv", "a,b\n1,2\n3,4\n5,6\n7,8\n");
    text("one.csv", "1\n2\n");
    text("single.csv", "1,2\n");
    text("text.npy", text("x.csv"));
    text("negative.csv", "running_mean,running_variance\n0,1\n0,-1\n");
    text("r.csv", "running_mean,running_variance\n0,1\n0,1\n");
    npy("three.npy", DType.F64, new long[] {3}, 1, 2, 3);
    npy("infinite.npy", DType.F64, new long[] {2}, 1, Double.NEGATIVE_INFINITY);
    npy("image.npy", DType.F32, new long[] {1, 4, 2, 2}, new double[16]);
    npz(
        "many.npz",
        npz -> {
          npz.doubles("p", new double[] {1, 2}, 2);
          npz.doubles("q", new double[] {1, 2}, 2);
        });
    npz(
        "batch.npz",
        npz -> {
          npz.doubles("mean", new double[] {1, 2}, 2);
          npz.doubles("variance", new double[] {1, 2}, 2);
        });
    assertTrue(path("folder").toFile().mkdir());
  }

  @ParameterizedTest
  @MethodSource({"usage", "input", "output"})
  void isRefused(Refusal refusal) {
    List<String> before = files();
    byte[] x = bytes("x.csv");
    refused(refusal.code(), refusal.line(), refusal.error().toArray(String[]::new));
    assertEquals(before, files(), "left behind");
    assertArrayEquals(x, bytes("x.csv"));
    assertEquals(OLD, text("old.csv"));
    assertEquals(OLD, text("old.npz"));
    assertTrue(refusal.error().size() <= 2);
    assertFalse(WORDS_TO_AVOID.matcher(refusal.error().get(0)).find(), refusal.error().get(0));
  }

  @Test
  void theCommandIsTheFirstThingExpected() {
    for (String line : List.of("nonsense", "nonsense ./x.csv", "Forward ./x.csv")) {
      CommandLineRun run = run(line);
      assertEquals(ExitCode.USAGE, run.code(), line);
      assertEquals("", run.out(), line);
      String first = run.error().get(0);
      assertTrue(first.startsWith("batchnorm: ") && first.contains(line.split(" ", 2)[0]), first);
    }
    CommandLineRun none = CommandLineRun.of(directory, new byte[0], List.of());
    assertEquals(ExitCode.USAGE, none.code());
    assertEquals("batchnorm: expected a command, found none", none.error().get(0));
  }

  @Test
  void textOnStandardInputIsReadOnce() {
    CommandLineRun run = run(bytes("x.csv"), "backward - --dy - -o ./old.npz");
    assertEquals(ExitCode.USAGE, run.code());
    assertEquals(
        List.of(
            "batchnorm: --dy: standard input is already INPUT",
            "hint: one NPZ on standard input may serve several options"),
        run.error());
    assertEquals(OLD, text("old.npz"));
  }

  @Test
  void anUnknownEngineIsAnsweredWithTheKnownOnes() {
    CommandLineRun run = run("forward ./x.csv --engine gpu");
    assertEquals(ExitCode.USAGE, run.code());
    String line = run.error().get(0);
    assertTrue(line.startsWith("batchnorm: --engine: expected one of auto, java, "), line);
    assertTrue(line.endsWith(", found \"gpu\""), line);
  }

  @Test
  void aDirectoryThatTakesNoFilesCannotBeWrittenTo() {
    File closed = path("closed").toFile();
    assertTrue(closed.mkdir() && closed.setWritable(false));
    // To root every directory is writable, but for those of the kernel.
    Path target = closed.canWrite() ? Path.of("/proc/y.csv") : path("closed/y.csv");
    CommandLineRun run = run("forward ./x.csv -o " + target);
    assertEquals(ExitCode.OUTPUT, run.code());
    assertEquals(1, run.error().size(), run.error()::toString);
    assertEquals("", run.out());
  }

  @Test
  void inputIsReadBeforeAnythingIsWritten() {
    StringBuilder rows = new StringBuilder("a,b\n");
    for (int i = 0; i < 100_000; i++) {
      rows.append(i).append(",1\n");
    }
    text("long.csv", rows + "x,1\n");
    CommandLineRun run = run("forward ./long.csv");
    assertEquals(ExitCode.INPUT, run.code());
    assertEquals("", run.out());
    assertEquals(
        "batchnorm: long.csv:100002:1: expected a number, found \"x\"", run.error().get(0));
  }

  @Test
  void afterARefusalTheSameCommandStillWorks() {
    List<String> again = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      refused(
          ExitCode.INPUT,
          "forward ./ragged.csv",
          "batchnorm: ragged.csv:3: expected 2 fields as in line 1, found 3");
      again.add(quiet("forward ./x.csv").out());
    }
    assertEquals(again.get(0), again.get(1));
  }
}
