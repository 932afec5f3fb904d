package dev.batchnorm.nativeengine;

import dev.batchnorm.EngineUnavailableException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URL;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Loader;
import org.jspecify.annotations.Nullable;

/**
 * OpenBLAS as JavaCPP's preset ships it, unpacked and opened by the first who asks: who computes
 * without linear algebra pays nothing. The preset's own classes would take ten times as long and
 * load LAPACK as well.
 *
 * <p>The environment variable {@code OPENBLAS_CORETYPE}, OpenBLAS's own, forces its kernels.
 */
final class OpenBlas {
  private static final OpenBlas SHARED = new OpenBlas(OpenBlas.class.getClassLoader());

  /** Libraries by platform, in the order in which they need each other; not all have all. */
  private static final List<String> LINUX =
      List.of("libquadmath.so.0", "libgfortran.so.5", "libopenblas.so.0");

  private static final List<String> MACOS =
      List.of(
          "libgcc_s.1.1.dylib",
          "libquadmath.0.dylib",
          "libgfortran.5.dylib",
          "libopenblas.0.dylib");

  private static final String JAVA_WORKS = "--engine java works here";

  private static final String NAME_A_CACHE =
      "BATCHNORM_JAVA_OPTS=-Dorg.bytedeco.javacpp.cachedir=DIRECTORY says where";

  private static final Charset FILE_NAMES =
      Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"));

  private final ClassLoader classPath;
  private boolean open;
  private @Nullable Unavailable unavailable;

  private record Unavailable(String reason, String hint, @Nullable Throwable cause) {
    EngineUnavailableException exception() {
      return new EngineUnavailableException("OpenBLAS is not available: " + reason, hint, cause);
    }
  }

  /**
   * One that is not open yet.
   *
   * @param classPath where its libraries lie
   */
  OpenBlas(ClassLoader classPath) {
    this.classPath = classPath;
  }

  /**
   * Opened for this process: from now on {@code blas()} in C++ is not null. Tried once; later calls
   * end as the first did. The kernels must be loaded.
   *
   * @throws EngineUnavailableException if it cannot be used, with the reason
   */
  static OpenBlas open() {
    SHARED.ensureOpen();
    return SHARED;
  }

  /**
   * Neither opened nor unpacked.
   *
   * @throws EngineUnavailableException if it is not on the class path
   */
  static OpenBlas find() {
    if (SHARED.libraries().isEmpty()) {
      throw missing().exception();
    }
    return SHARED;
  }

  String name() {
    return "OpenBLAS";
  }

  /** Version and kernels; it must be open. */
  String description() {
    String config = String.valueOf(Kernels.blasConfig()); // OpenBLAS 0.3.31 DYNAMIC_ARCH …
    String core = Kernels.blasCore();
    return name() + " " + config.split(" ", 3)[1] + (core == null ? "" : " for " + core);
  }

  synchronized void ensureOpen() {
    if (!open && unavailable == null) {
      unavailable = whyItDoesNotOpen();
      open = unavailable == null;
    }
    if (unavailable != null) {
      throw unavailable.exception();
    }
  }

  private @Nullable Unavailable whyItDoesNotOpen() {
    List<URL> libraries = libraries();
    if (libraries.isEmpty()) {
      return missing();
    }
    ByteArrayOutputStream paths = new ByteArrayOutputStream();
    try {
      for (URL library : libraries) {
        paths.write(Kernels.file(library).getAbsolutePath().getBytes(FILE_NAMES));
        paths.write(0);
      }
    } catch (IOException e) {
      return new Unavailable("it cannot be unpacked: " + e.getMessage(), NAME_A_CACHE, e);
    }
    String reason = Kernels.blasOpen(paths.toByteArray());
    return reason == null ? null : new Unavailable(reason, JAVA_WORKS, null);
  }

  private static Unavailable missing() {
    return new Unavailable(
        "no library for " + Loader.getPlatform() + " is on the class path", JAVA_WORKS, null);
  }

  /** Those that are there, as they need each other; none without OpenBLAS itself, the last. */
  private List<URL> libraries() {
    String platform = Loader.getPlatform();
    List<String> names = platform.startsWith("macosx") ? MACOS : LINUX;
    List<URL> found = new ArrayList<>();
    URL resource = null;
    for (String name : names) {
      String path = "org/bytedeco/openblas/" + platform + "/" + name;
      resource = classPath.getResource(path);
      if (resource != null) {
        found.add(resource);
      }
    }
    return resource == null ? List.of() : found;
  }
}
