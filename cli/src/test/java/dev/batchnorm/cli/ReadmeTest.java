package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs what the documents show. Blocks tagged {@code console} are transcripts, see {@link Console};
 * the blocks of one document run in order and share a directory. Those tagged {@code console
 * native} need the native engine. Blocks tagged {@code java} that begin with {@code // example} are
 * compiled with all warnings as errors and run; where they say {@code // prints TEXT}, these texts
 * are what they print.
 */
class ReadmeTest {
  private static final Path ROOT = CommandTest.ROOT.toAbsolutePath().normalize();
  private static final String EXAMPLE = "// example";
  private static final Pattern CLASS =
      Pattern.compile(
          "^(?:public |final )*(?:class|record|interface|enum) (\\w+)", Pattern.MULTILINE);
  private static final Pattern PRINTS = Pattern.compile("// prints (.*)$", Pattern.MULTILINE);

  @TempDir Path directory;

  @TestFactory
  Stream<DynamicNode> whatTheDocumentsShowIsTrue() throws IOException {
    List<Path> documents = new ArrayList<>();
    for (Path folder : List.of(ROOT, ROOT.resolve("docs"))) {
      try (Stream<Path> files = Files.list(folder)) {
        files.filter(file -> file.toString().endsWith(".md")).sorted().forEach(documents::add);
      }
    }
    return documents.stream().map(this::document);
  }

  @Test
  void theReadmeShowsTheCommand() throws IOException {
    Path readme = ROOT.resolve("README.md");
    assertTrue(Files.exists(readme), () -> "expected " + readme);
    String text = Files.readString(readme);
    assertTrue(
        Markdown.blocks(text).stream().anyMatch(block -> block.tag().equals("console")),
        "expected a block tagged console in " + readme);
  }

  private DynamicNode document(Path file) {
    String name = ROOT.relativize(file).toString();
    try {
      Path folder = directory.resolve(name.replace('/', '_'));
      List<Markdown.Block> blocks =
          Markdown.blocks(Files.readString(file)).stream().filter(ReadmeTest::isRun).toList();
      if (blocks.isEmpty()) {
        return dynamicContainer(name, List.of());
      }
      List<DynamicTest> tests = new ArrayList<>();
      Console console =
          new Console(Files.createDirectory(folder), ROOT.resolve("testdata"), classPath());
      for (Markdown.Block block : blocks) {
        String place = name + ":" + block.line();
        if (block.tag().startsWith("console")) {
          tests.add(dynamicTest(place, file.toUri(), () -> transcript(console, place, block)));
        } else {
          tests.add(dynamicTest(place, file.toUri(), () -> example(console, folder, place, block)));
        }
      }
      return dynamicContainer(name, tests);
    } catch (IOException e) {
      return dynamicTest(name, () -> fail(e));
    }
  }

  private static void transcript(Console console, String place, Markdown.Block block) {
    switch (block.tag()) {
      case "console" -> {}
      case "console native" -> NativeClassPath.require(place);
      default -> fail(place + ": expected the tag console or console native, found " + block.tag());
    }
    String difference = console.check(block.lines());
    assertEquals("", difference, () -> place + ": the terminal shows something else");
  }

  private static boolean isRun(Markdown.Block block) {
    return block.tag().startsWith("console") || isExample(block);
  }

  private static boolean isExample(Markdown.Block block) {
    return block.tag().equals("java")
        && !block.lines().isEmpty()
        && block.lines().get(0).strip().startsWith(EXAMPLE);
  }

  private static void example(Console console, Path folder, String place, Markdown.Block block)
      throws IOException {
    String source = String.join("\n", block.lines()) + "\n";
    Matcher name = CLASS.matcher(source);
    assertTrue(name.find(), () -> place + ": expected a class, found\n" + source);
    Path file = folder.resolve(name.group(1) + ".java");
    Files.writeString(file, source);
    compile(place, file, folder);
    String found =
        console.run(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                Console.NATIVE_ACCESS,
                "-cp",
                folder + File.pathSeparator + classPath(),
                name.group(1)));
    String expected =
        PRINTS.matcher(source).results().map(m -> m.group(1) + "\n").collect(Collectors.joining());
    if (expected.isEmpty()) {
      assertFalse(found.contains("Exception"), () -> place + ":\n" + found);
    } else {
      assertEquals(expected, found, () -> place + ": the example prints something else");
    }
  }

  private static void compile(String place, Path file, Path folder) {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter messages = new StringWriter();
    var files = compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8);
    boolean done =
        compiler
            .getTask(
                messages,
                files,
                null,
                List.of(
                    "-Xlint:all,-processing,-path",
                    "-Werror",
                    "-proc:none",
                    "--release",
                    "17",
                    "-d",
                    folder.toString(),
                    "-cp",
                    classPath()),
                null,
                files.getJavaFileObjects(file))
            .call();
    assertTrue(done, () -> place + ":\n" + messages);
  }

  /** What a user's program would find: neither the tests nor what only they need. */
  private static String classPath() {
    String tests =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    List<String> path =
        Stream.of(tests.split(File.pathSeparator, -1))
            .filter(entry -> !entry.contains("test-classes") && !entry.endsWith("-tests.jar"))
            .filter(entry -> !entry.contains("/org/junit/"))
            .collect(Collectors.toCollection(ArrayList::new));
    path.addAll(NativeClassPath.entries());
    return String.join(File.pathSeparator, path);
  }

  /** The mechanism itself, on documents of a few lines. */
  private String check(String markdown) throws IOException {
    Console console = new Console(directory, ROOT.resolve("testdata/graph"), classPath());
    return Markdown.blocks(markdown).stream()
        .map(block -> console.check(block.lines()))
        .filter(difference -> !difference.isEmpty())
        .collect(Collectors.joining("\n"));
  }

  @Test
  void aTrueTranscriptPasses() throws IOException {
    assertEquals(
        "",
        check(
            """
            Some text.

            ```console
            $ ./batchnorm forward testdata/x.csv
            a,b
            -0.9258191078240388,-1.2247425750014138
            …
            1.388…,0.0
            $ batchnorm forward nope.csv; echo $?
            batchnorm: nope.csv: expected a readable file, found no such file or directory
            3
            $ cat > tiny.csv <<END
            > 1
            > 3
            > END
            $ printf 'no line end'
            no line end
            $ false
            $ echo $?
            1
            ```

            ```console
            $ ./batchnorm forward tiny.csv --eps 0 | tail -n 1
            1.0
            ```
            """));
  }

  @Test
  void aWrongOutputIsCaught() throws IOException {
    String difference =
        check(
            """
            ```console
            $ echo one
            one
            $ ./batchnorm forward testdata/x.csv --columns b
            a,b
            1,-1.2247425750014139
            2,1.2247425750014138
            6,0.0
            ```
            """);
    assertTrue(
        difference.startsWith("$ ./batchnorm forward testdata/x.csv --columns b\n"), difference);
    assertTrue(difference.contains("\nfound:\na,b\n1,-1.2247425750014138\n"), difference);
  }

  @Test
  void outputThatIsNotShownIsCaughtAndSoIsAnEmptyLine() throws IOException {
    for (String wrong :
        List.of(
            "$ echo one",
            "$ true\none",
            "$ echo one\none\n",
            "$ printf 'one\\ntwo\\n'\none",
            "$ echo one >&2",
            "$ exit 3\n$ echo two\ntwo")) {
      String difference = check("```console\n" + wrong + "\n```\n");
      assertTrue(difference.startsWith("$ "), () -> wrong + ": " + difference);
    }
  }

  @Test
  void anExampleIsCompiledRunAndBelieved() throws IOException {
    Console console = new Console(directory, ROOT.resolve("testdata/graph"), classPath());
    String source =
        """
        // example
        import dev.batchnorm.Batch;
        import dev.batchnorm.BatchNorm;
        import dev.batchnorm.Layout;
        import dev.batchnorm.Shape;

        public class Small {
          public static void main(String[] arguments) {
            BatchNorm norm = BatchNorm.builder().eps(0).build();
            Batch y = norm.forward(Batch.of(Shape.of(Layout.NC, 2, 1), 1f, 3f)).y();
            System.out.println(y.values().get(0)); // prints -1.0
            System.out.println(y.values().get(1)); // prints 1.0
          }
        }
        """;
    Markdown.Block block = Markdown.blocks("```java\n" + source + "```\n").get(0);
    assertTrue(isExample(block));
    example(console, directory, "here", block);
    Markdown.Block wrong =
        Markdown.blocks("```java\n" + source.replace("prints 1.0", "prints 2.0") + "```\n").get(0);
    assertTrue(
        caught(() -> example(console, directory, "here", wrong)).contains("prints something else"));
    Markdown.Block broken =
        Markdown.blocks("```java\n" + source.replace("forward(", "forwards(") + "```\n").get(0);
    assertTrue(caught(() -> example(console, directory, "here", broken)).contains("forwards"));
  }

  private static String caught(Executable check) {
    return String.valueOf(assertThrows(AssertionError.class, check).getMessage());
  }
}
