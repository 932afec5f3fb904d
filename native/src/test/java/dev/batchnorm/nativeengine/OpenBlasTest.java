package dev.batchnorm.nativeengine;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.batchnorm.EngineUnavailableException;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.bytedeco.javacpp.Loader;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What happens once per process is tried in a process of its own, {@link OpenBlasProgram}. */
class OpenBlasTest {
  /** Where native/pom.xml brings its libraries along. */
  private static final Set<String> PLATFORMS =
      Set.of("linux-x86_64", "linux-arm64", "macosx-x86_64", "macosx-arm64");

  @TempDir Path directory;

  @BeforeEach
  void mustRunHere() {
    try {
      Kernels.load();
      OpenBlas.find();
    } catch (LinkageError | EngineUnavailableException e) {
      boolean required = "native".equals(System.getProperty("batchnorm.require"));
      if (required && PLATFORMS.contains(Loader.getPlatform())) {
        fail("-Dbatchnorm.require=native: " + e.getMessage(), e);
      }
      abort(e.getMessage());
    }
  }

  private static List<String> program(List<String> options, String... arguments)
      throws IOException {
    List<String> words = new ArrayList<>();
    words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    words.add("--enable-native-access=ALL-UNNAMED");
    words.addAll(options);
    words.add("-cp");
    words.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    words.add(OpenBlasProgram.class.getName());
    words.addAll(List.of(arguments));
    Process process = new ProcessBuilder(words).redirectErrorStream(true).start();
    // Newer Javas warn of a temporary directory that is not there.
    return new String(process.getInputStream().readAllBytes(), UTF_8)
        .lines()
        .filter(line -> !line.startsWith("WARNING: java.io.tmpdir"))
        .toList();
  }

  @Test
  void manyMayOpenItAtOnce() throws InterruptedException {
    List<Throwable> thrown = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      Thread thread = new Thread(OpenBlas::open);
      thread.setUncaughtExceptionHandler(
          (where, what) -> {
            synchronized (thrown) {
              thrown.add(what);
            }
          });
      threads.add(thread);
      thread.start();
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertEquals(List.of(), thrown);
  }

  @Test
  void tellsItsVersionAndKernels() {
    String description = OpenBlas.open().description();
    assertTrue(description.matches("OpenBLAS \\d+\\.\\d+\\.\\d+\\S*( for \\w+)?"), description);
  }

  @Test
  void startsNoThreadsAndLeavesTheProcessors() throws IOException {
    assumeTrue(
        Files.exists(Path.of("/proc/self/task")), "skipped: this system has no /proc/self/task");
    assertEquals(List.of("threads 1, as many processors: true"), program(List.of(), "threads"));
  }

  @Test
  void isNotAvailableWithoutItsLibrary() throws IOException {
    try (URLClassLoader nothing = new URLClassLoader(new URL[0], null)) {
      OpenBlas missing = new OpenBlas(nothing);
      for (int i = 0; i < 2; i++) {
        EngineUnavailableException e =
            assertThrows(EngineUnavailableException.class, missing::ensureOpen);
        assertEquals(
            "OpenBLAS is not available: no library for "
                + Loader.getPlatform()
                + " is on the class path",
            e.getMessage());
        assertEquals("--engine java works here", e.hint());
      }
    }
  }

  @Test
  void isNotAvailableWhereItsLibraryIsBroken() throws IOException {
    Path library = library("libopenblas.so.0");
    Files.writeString(library, "no library");
    assertEquals(
        List.of(
            "OpenBLAS is not available: " + library + ": file too short",
            "--engine java works here"),
        program(List.of(), "open", directory.toString()));
  }

  @Test
  void isNotAvailableWhereItsLibraryIsAnother() throws IOException {
    Path library = library("libopenblas.so.0");
    String mapped = System.mapLibraryName("jniKernels");
    URL other = Kernels.class.getResource(Loader.getPlatform() + "/" + mapped);
    assertTrue(other != null);
    Files.copy(Kernels.file(other).toPath(), library);
    assertEquals(
        List.of(
            "OpenBLAS is not available: " + library + ": undefined symbol: cblas_dsyrk",
            "--engine java works here"),
        program(List.of(), "open", directory.toString()));
  }

  @Test
  void isNotAvailableWhereItCannotBeUnpacked() throws IOException {
    String nowhere = Files.writeString(directory.resolve("file"), "").resolve("x").toString();
    List<String> options = new ArrayList<>();
    for (String property :
        List.of("org.bytedeco.javacpp.cachedir", "user.home", "java.io.tmpdir")) {
      options.add("-D" + property + "=" + nowhere);
    }
    assertEquals(
        List.of(
            "OpenBLAS is not available: it cannot be unpacked: Could not create the cache: "
                + "Set the \"org.bytedeco.javacpp.cachedir\" system property.",
            "BATCHNORM_JAVA_OPTS=-Dorg.bytedeco.javacpp.cachedir=DIRECTORY says where"),
        program(options, "open"));
  }

  private Path library(String name) throws IOException {
    assumeTrue(Loader.getPlatform().startsWith("linux"), "skipped: the linker's words are Linux's");
    String path = "org/bytedeco/openblas/" + Loader.getPlatform() + "/" + name;
    Path library = directory.resolve(path);
    Files.createDirectories(library.getParent());
    return library;
  }
}
