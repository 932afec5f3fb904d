package dev.batchnorm.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The command with the native engine, in a process of its own, which has OpenBLAS or has not. */
class OpenBlasCommandTest extends CommandTest {
  private static final String OPENBLAS_JAR = ".*/openblas-[^/]*[.]jar";

  @BeforeEach
  void theNativeEngineIsThere() {
    NativeClassPath.require("OpenBlasCommandTest");
    testdata("graph/x.csv");
  }

  /** What a program prints that says nothing on standard error. */
  private List<String> lines(List<String> nativeClassPath, Class<?> program, String... arguments) {
    List<String> lines = run(nativeClassPath, program, arguments);
    assertEquals("", text("errors"));
    return lines;
  }

  /** What a program prints; what it says on standard error is in the file errors. */
  private List<String> run(List<String> nativeClassPath, Class<?> program, String... arguments) {
    List<String> classPath = new ArrayList<>(nativeClassPath);
    classPath.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    List<String> words = new ArrayList<>();
    words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    words.addAll(List.of("-XX:TieredStopAtLevel=1", Console.NATIVE_ACCESS, "-cp"));
    words.add(String.join(File.pathSeparator, classPath));
    words.add(program.getName());
    words.addAll(List.of(arguments));
    try {
      Process process =
          new ProcessBuilder(words)
              .directory(directory.toFile())
              .redirectError(path("errors").toFile())
              .start();
      return new String(process.getInputStream().readAllBytes(), UTF_8).lines().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> withOpenBlas() {
    List<String> entries = NativeClassPath.entries();
    assumeTrue(
        entries.stream().anyMatch(entry -> entry.matches(OPENBLAS_JAR)),
        "skipped: there is no OpenBLAS for this platform");
    return entries;
  }

  private static List<String> withoutOpenBlas() {
    return NativeClassPath.entries().stream()
        .filter(entry -> !entry.matches(OPENBLAS_JAR))
        .toList();
  }

  @Test
  void noCommandOfBatchNormalizationLoadsAByteOfIt() {
    assumeTrue(
        Files.exists(Path.of("/proc/self/maps")), "skipped: this system has no /proc/self/maps");
    List<String> lines =
        lines(
            withOpenBlas(),
            LazyOpenBlas.class,
            "forward x.csv -o y.csv --save r.npz --engine native",
            "infer x.csv --running r.npz -o i.csv --engine native",
            "backward x.csv --dy y.csv -o g.npz --engine native",
            "stats x.csv --save s.npz --engine native",
            "verify x.csv --engine native",
            "engines",
            "engines -v");
    List<String> codes = lines.stream().filter(line -> line.startsWith("exit code")).toList();
    assertEquals(List.of("exit code 0"), codes.stream().distinct().toList(), lines::toString);
    assertEquals(7, codes.size());
    int opening = lines.lastIndexOf("exit code 0");
    assertTrue(
        lines.subList(0, opening).stream().noneMatch(line -> line.startsWith("mapped")),
        lines::toString);
    assertTrue(lines.subList(opening, lines.size()).contains("mapped libopenblas.so.0"));
  }

  @Test
  void enginesNamesItAndDescribesItWhenVerbose() {
    String plain = lines(withOpenBlas(), Main.class, "engines").get(0);
    assertTrue(plain.matches("native +.*, \\d+ threads?; OpenBLAS \\(auto\\)"), plain);
    String verbose = lines(withOpenBlas(), Main.class, "engines", "-v").get(0);
    assertTrue(verbose.matches("native +.*; OpenBLAS [0-9.]+( for \\w+)? \\(auto\\)"), verbose);
    assertEquals(
        "OpenBLAS", engine(lines(withOpenBlas(), Main.class, "engines", "--json")).get("blas"));
  }

  @Test
  void enginesTellsThatItIsMissing() {
    String reason = "OpenBLAS is not available: no library for .* is on the class path";
    for (String option : List.of("-q", "-v")) {
      String line = lines(withoutOpenBlas(), Main.class, "engines", option).get(0);
      assertTrue(line.matches("native +.*; " + reason + " \\(auto\\)"), line);
    }
    Map<?, ?> engine = engine(lines(withoutOpenBlas(), Main.class, "engines", "--json"));
    assertEquals(true, engine.get("available"));
    assertTrue(String.valueOf(engine.get("blasReason")).matches(reason));
  }

  @Test
  void withoutItAutoTakesJavaAndSaysSo() {
    List<String> expected =
        List.of(
            "a,b", "4.666666666666667,0.6666666666666666", "0.6666666666666666,2.6666666666666665");
    String[] command = {"covariance", "x.csv", "--covariance", "-"};
    String reason = "OpenBLAS is not available: no library for .* is on the class path";
    assertEquals(expected, lines(withOpenBlas(), Main.class, command));
    assertEquals(expected, run(withoutOpenBlas(), Main.class, command));
    assertTrue(
        text("errors").matches("batchnorm: warning: " + reason + "; the Java engine computes\n"),
        text("errors"));
    String[] named = {"covariance", "x.csv", "--covariance", "-", "--engine", "native"};
    assertEquals(List.of(), run(withoutOpenBlas(), Main.class, named));
    assertTrue(
        text("errors").matches("batchnorm: " + reason + "\nhint: --engine java works here\n"),
        text("errors"));
  }

  private static Map<?, ?> engine(List<String> json) {
    return Json.objects(Json.read(String.join("\n", json))).get(0);
  }
}
