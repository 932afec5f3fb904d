package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where tests find the native engine, which the command does not depend on. */
final class NativeClassPath {
  private static final Path ROOT = CommandTest.ROOT.toAbsolutePath().normalize();

  private NativeClassPath() {}

  /** The engine as built, and the libraries it needs; nothing if one of them is missing. */
  static List<String> entries() {
    String given = System.getProperty("batchnorm.native.classpath", "");
    if (!given.isEmpty()) {
      return List.of(given.split(File.pathSeparator, -1));
    }
    Path classes = ROOT.resolve("native/target/classes");
    String javacpp = property("pom.xml", "javacpp.version");
    Path jar = jar("javacpp", javacpp, "");
    if (!Files.exists(classes.resolve("META-INF/services")) || !Files.exists(jar)) {
      return List.of();
    }
    List<String> entries = new ArrayList<>(List.of(classes.toString(), jar.toString()));
    String version =
        property("native/pom.xml", "openblas.version").replace("${javacpp.version}", javacpp);
    Path openblas = jar("openblas", version, "-" + platform());
    if (Files.exists(openblas)) {
      entries.add(openblas.toString());
    }
    return entries;
  }

  /** Skips the test, or fails it where the native engine was asked for, unless it is there. */
  static void require(String test) {
    if (entries().isEmpty()) {
      String reason = test + ": skipped, native/target/classes or javacpp.jar is not there";
      if ("native".equals(System.getProperty("batchnorm.require"))) {
        fail(reason);
      }
      abort(reason);
    }
  }

  private static Path jar(String artifact, String version, String classifier) {
    return Path.of(
        System.getProperty("user.home"),
        ".m2/repository/org/bytedeco",
        artifact,
        version,
        artifact + "-" + version + classifier + ".jar");
  }

  /** As JavaCPP calls it. */
  private static String platform() {
    boolean mac = System.getProperty("os.name").toLowerCase(Locale.ROOT).startsWith("mac");
    String arch = System.getProperty("os.arch");
    return (mac ? "macosx-" : "linux-") + (arch.equals("aarch64") ? "arm64" : "x86_64");
  }

  private static String property(String pom, String name) {
    try {
      Matcher value =
          Pattern.compile("<" + Pattern.quote(name) + ">(.*?)</")
              .matcher(Files.readString(ROOT.resolve(pom)));
      return value.find() ? value.group(1) : "";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
