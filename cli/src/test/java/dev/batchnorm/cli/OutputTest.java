package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OutputTest extends CommandTest {
  private static final String Y_CSV =
      """
      a,b
      -0.9258191078240388,-1.2247425750014138
      -0.4629095539120194,1.2247425750014138
      1.3887286617360581,0.0
      """;

  private final Stored exact = member(golden("graph-f64"), "y");

  @BeforeEach
  void theGraphExampleInAllFormats() {
    testdata("graph/x.csv");
    text("x.tsv", text("x.csv").replace(',', '\t'));
    double[] x = member(golden("graph-f64"), "x").values();
    npy("x.npy", DType.F64, new long[] {3, 2}, x);
    npz("x.npz", npz -> npz.doubles("x", x, 3, 2));
  }

  @ParameterizedTest
  @ValueSource(strings = {"x.csv", "x.tsv", "x.npy", "x.npz"})
  void theNameOfTheOutputDecidesTheFormat(String input) {
    quiet("forward ./" + input + " -o ./y.npy");
    assertSame(exact, npy("y.npy"), "y");
    quiet("forward ./" + input + " -o ./y.npz");
    assertEquals(List.of("y"), List.copyOf(npz("y.npz").keySet()));
    assertSame(exact, member(npz("y.npz"), "y"), "y");
    quiet("forward ./" + input + " -o ./Y.NPY");
    assertArrayEquals(bytes("y.npy"), bytes("Y.NPY"));
  }

  @ParameterizedTest
  @CsvSource({"x.csv, npz", "x.npy, npz", "x.npz, npy", "x.csv, npy", "x.tsv, npy"})
  void toDecidesWhereTheNameDoesNot(String input, String format) {
    quiet("forward ./" + input + " -o ./named." + format);
    quiet("forward ./" + input + " --to " + format + " -o ./y");
    assertArrayEquals(bytes("named." + format), bytes("y"));
    quiet("forward ./" + input + " --to " + format + " -o ./y.data");
    assertArrayEquals(bytes("y"), bytes("y.data"));
    assertArrayEquals(bytes("y"), quiet("forward ./" + input + " --to " + format).bytes());
    assertArrayEquals(bytes("y"), quiet("forward ./" + input + " -o - --to " + format).bytes());
  }

  @ParameterizedTest
  @CsvSource({"x.csv, y.csv", "x.npy, y.npy", "x.npz, y.npz"})
  void otherwiseTheOutputHasTheFormatOfTheInput(String input, String like) {
    quiet("forward ./" + input + " -o ./" + like);
    quiet("forward ./" + input + " -o ./y");
    assertArrayEquals(bytes(like), bytes("y"));
    assertArrayEquals(bytes(like), quiet("forward ./" + input).bytes());
  }

  @Test
  void tabsStayTabs() {
    assertEquals(Y_CSV.replace(',', '\t'), quiet("forward ./x.tsv").out());
    quiet("forward ./x.tsv -o ./y.tsv");
    assertEquals(Y_CSV.replace(',', '\t'), text("y.tsv"));
  }

  @Test
  void arraysWithoutNamesGetNoHeader() {
    String rows = Y_CSV.substring("a,b\n".length());
    assertEquals(rows, quiet("forward ./x.npy --to csv").out());
    assertEquals(rows.replace(',', '\t'), quiet("forward ./x.npz --to tsv").out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"x.csv", "x.npy", "x.npz"})
  void standardInputIsReadByItsContent(String input) {
    byte[] expected = quiet("forward ./" + input).bytes();
    CommandLineRun run = run(bytes(input), "forward -");
    assertEquals(List.of(), run.error());
    assertArrayEquals(expected, run.bytes());
  }

  @Test
  void standardInputIsReadAsToldOrAsNamed() {
    assertEquals(Y_CSV.replace(',', '\t'), run(bytes("x.tsv"), "forward - --format tsv").out());
    npz(
        "two.npz",
        npz -> {
          npz.doubles("p", new double[] {1, 3}, 2, 1);
          npz.doubles("q", new double[] {3, 1}, 2, 1);
        });
    assertEquals("1.0\n-1.0\n", run(bytes("two.npz"), "forward --eps 0 --to csv -- -:q").out());
    CommandLineRun refused =
        run("no numbers\nat all\n".getBytes(StandardCharsets.UTF_8), "forward -");
    assertEquals(ExitCode.INPUT, refused.code());
    assertTrue(
        refused.error().get(0).startsWith("batchnorm: standard input:2:1: expected a number"),
        refused.error()::toString);
  }

  @Test
  void memberOfAnNpzIsNamedLikeTheOptionOrTheOnlyOneOrNamed() {
    npz(
        "two.npz",
        npz -> {
          npz.doubles("q", new double[] {3, 1}, 2, 1);
          npz.doubles("x", new double[] {1, 3}, 2, 1);
        });
    assertEquals("-1.0\n1.0\n", quiet("forward ./two.npz --eps 0 --to csv").out());
    assertEquals("1.0\n-1.0\n", quiet("forward ./two.npz:q --eps 0 --to csv").out());
    npz("one.npz", npz -> npz.doubles("activations", new double[] {3, 1}, 2, 1));
    assertEquals("1.0\n-1.0\n", quiet("forward ./one.npz --eps 0 --to csv").out());
  }

  @Test
  void aPathThatExistsIsTakenAsItIs() {
    npz("a.npz", npz -> npz.doubles("x", new double[] {3, 1}, 2, 1));
    text("a.npz:x", "1\n3\n");
    assertEquals("-1.0\n1.0\n", quiet("forward ./a.npz:x --eps 0").out());
  }

  @Test
  void formatForcesHowTheInputIsRead() {
    bytes("x.data", bytes("x.npy"));
    assertArrayEquals(quiet("forward ./x.npy").bytes(), quiet("forward ./x.data").bytes());
    assertArrayEquals(
        quiet("forward ./x.npy").bytes(), quiet("forward ./x.data --format npy").bytes());
    bytes("x.txt", bytes("x.tsv"));
    assertEquals(quiet("forward ./x.tsv").out(), quiet("forward ./x.txt --format tsv").out());
  }

  @Test
  void cellsThatAreNotChosenPassThroughByteForByte() {
    text("x.csv", "id, a ,\"la\"\"bel\",b\r\n 007 ,1,\"x,\r\ny\",10\r\n\r\n1e5,3,  ,14");
    assertEquals(
        "id, a ,\"la\"\"bel\",b\r\n 007 ,-1.0,\"x,\r\ny\",-1.0\r\n1e5,1.0,  ,1.0\r\n",
        quiet("forward ./x.csv --columns a,b --eps 0").out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"x.csv", "x.tsv", "x.npy", "x.npz"})
  void theOutputMayBeTheInput(String input) {
    byte[] expected = quiet("forward ./" + input).bytes();
    quiet("forward ./" + input + " -o ./" + input);
    if (input.endsWith(".npz")) {
      assertSame(exact, member(npz(input), "y"), "y");
    } else {
      assertArrayEquals(expected, bytes(input));
    }
    assertEquals(List.of("x.csv", "x.npy", "x.npz", "x.tsv"), files());
  }

  @Test
  void theOutputMayBeTheInputWhoseOtherCellsAreRepeated() {
    testdata("iris.csv");
    byte[] expected = quiet("forward ./iris.csv --exclude species").bytes();
    quiet("forward ./iris.csv --exclude species -o ./iris.csv");
    assertArrayEquals(expected, bytes("iris.csv"));
  }

  @Test
  void anExistingFileIsReplacedAndKeepsItsMode() throws IOException {
    text("y.csv", "old");
    Files.setPosixFilePermissions(path("y.csv"), PosixFilePermissions.fromString("rw-r-----"));
    quiet("forward ./x.csv -o ./y.csv --sync");
    assertEquals(Y_CSV, text("y.csv"));
    assertEquals(
        "rw-r-----", PosixFilePermissions.toString(Files.getPosixFilePermissions(path("y.csv"))));
  }

  @Test
  void aLinkIsFollowed() throws IOException {
    text("y.csv", "old");
    Files.createSymbolicLink(path("link.csv"), Path.of("y.csv"));
    quiet("forward ./x.csv -o ./link.csv");
    assertTrue(Files.isSymbolicLink(path("link.csv")));
    assertEquals(Y_CSV, text("y.csv"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"csv", "npy", "npz"})
  void whatIsNoFileIsWrittenDirectly(String format) {
    assertEquals("", quiet("forward ./x.csv -o /dev/null --to " + format).out());
    assertTrue(new File("/dev/null").exists());
  }

  @Test
  void writtenNpyIsVersion1LittleEndianInCOrderAlignedTo64() {
    quiet("forward ./x.csv -o ./y.npy");
    byte[] bytes = bytes("y.npy");
    assertEquals(128 + 6 * 8, bytes.length);
    String header = new String(bytes, 0, 128, StandardCharsets.ISO_8859_1);
    assertEquals("\u0093NUMPY\u0001\u0000v\u0000", header.substring(0, 10));
    assertEquals(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }",
        header.substring(10).stripTrailing());
    assertTrue(header.endsWith(" \n"), header);
  }

  @Test
  void fortranOrderIsReadAndCOrderWritten() {
    String header = "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }";
    byte[] c = bytes("x.npy");
    byte[] fortran = c.clone();
    byte[] text =
        (header + " ".repeat(117 - header.length()) + "\n").getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(text, 0, fortran, 10, text.length);
    for (int row = 0; row < 3; row++) {
      for (int column = 0; column < 2; column++) {
        System.arraycopy(c, 128 + 8 * (2 * row + column), fortran, 128 + 8 * (3 * column + row), 8);
      }
    }
    bytes("f.npy", fortran);
    quiet("forward ./f.npy -o ./f.npy");
    quiet("forward ./x.npy -o ./x.npy");
    assertArrayEquals(bytes("x.npy"), bytes("f.npy"));
  }

  @Test
  void writtenNpzHoldsStoredMembers() throws IOException {
    quiet("backward ./x.csv --dy ./x.csv -o ./g.npz");
    try (ZipFile zip = new ZipFile(path("g.npz").toFile())) {
      List<String> names =
          zip.stream()
              .peek(entry -> assertEquals(ZipEntry.STORED, entry.getMethod()))
              .map(ZipEntry::getName)
              .toList();
      assertEquals(List.of("dx.npy", "dgamma.npy", "dbeta.npy"), names);
    }
  }

  /** Takes some bytes, then refuses as the operating system would. */
  private static final class Refusing extends OutputStream {
    private final String reason;
    private int room;

    Refusing(int room, String reason) {
      this.room = room;
      this.reason = reason;
    }

    @Override
    public void write(int b) throws IOException {
      if (room-- <= 0) {
        throw new IOException(reason);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "forward ./x.csv, 0",
    "forward ./x.csv, 10",
    "forward ./x.csv --to npy, 0",
    "forward ./x.csv --to npz, 130",
    "backward ./x.csv --dy ./x.csv, 0",
    "engines, 0",
    "forward --help, 5",
  })
  void aClosedPipeEndsQuietlyWith0(String line, int room) {
    CommandLineRun run = writingTo(new Refusing(room, "Broken pipe"), line);
    assertEquals(List.of(), run.error());
    assertEquals(ExitCode.OK, run.code());
  }

  @ParameterizedTest
  @CsvSource({
    "forward ./x.csv, 0",
    "forward ./x.csv --to npy, 130",
    "backward ./x.csv --dy ./x.csv, 200",
  })
  void aFullDiskBehindStandardOutputIsTold(String line, int room) {
    CommandLineRun run = writingTo(new Refusing(room, "No space left on device"), line);
    assertEquals(
        List.of(
            "batchnorm: standard output: expected to write all of it, found \"No space left on"
                + " device\""),
        run.error());
    assertEquals(ExitCode.OUTPUT, run.code());
  }

  @Test
  void aFullDeviceIsTold() {
    CommandLineRun run = run("forward ./x.csv -o /dev/full --to csv");
    assertEquals(ExitCode.OUTPUT, run.code());
    assertEquals(
        List.of(
            "batchnorm: /dev/full: expected to write all of it, found \"No space left on device\""),
        run.error());
  }

  @Test
  void textThatCannotBeWrittenIsTold() {
    for (String line :
        List.of(
            "engines",
            "engines --json",
            "verify ./x.csv --engine java",
            "inspect ./x.csv",
            "--help")) {
      CommandLineRun run =
          writingTo(
              new OutputStream() {
                @Override
                public void write(int b) throws IOException {
                  throw new IOException("No space left on device");
                }
              },
              line);
      assertEquals(ExitCode.OUTPUT, run.code(), line);
      assertEquals(1, run.error().size(), line);
    }
  }

  @Test
  void oneFileSpelledTwoWaysIsOneFile() {
    refused(
        2,
        "forward ./x.csv -o ./y.npz --save ./../" + directory.getFileName() + "/y.npz",
        "batchnorm: -o and --save: expected two files, found y.npz for both");
  }

  @Test
  void aNameMayBeginWithAnAtSign() throws IOException {
    Files.copy(path("x.csv"), path("@x.csv"));
    assertEquals(quiet("forward ./x.csv").out(), quiet("forward ./@x.csv").out());
  }

  private CommandLineRun writingTo(OutputStream out, String line) {
    InputStream nothing = new ByteArrayInputStream(new byte[0]);
    return CommandLineRun.writingTo(out, directory, nothing, List.of(line.split(" ", -1)));
  }

  @Test
  void standardInputThatBreaksIsAnInputError() {
    InputStream broken =
        new InputStream() {
          @Override
          public int read() throws IOException {
            throw new IOException("Input/output error");
          }

          @Override
          public int read(byte[] bytes, int from, int count) throws IOException {
            return read();
          }
        };
    CommandLineRun run =
        CommandLineRun.writingTo(
            OutputStream.nullOutputStream(), directory, broken, List.of("forward", "-"));
    assertEquals(ExitCode.INPUT, run.code());
    assertEquals(
        List.of(
            "batchnorm: standard input: expected to read on at byte 0, found Input/output error"),
        run.error());
  }
}
