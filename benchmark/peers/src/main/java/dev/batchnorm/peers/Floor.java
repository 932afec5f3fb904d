package dev.batchnorm.peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.Buffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Name;
import org.bytedeco.javacpp.annotation.Platform;
import org.jspecify.annotations.Nullable;

/**
 * How fast memory lets a pass be on some threads: the least trips its bytes can make. Training
 * reads x, then copies it to y; where a channel's values fit the second cache they need not be read
 * twice. Backward reads dy and x, then both again while it writes dx. Where everything fits the
 * last cache there is no such floor.
 */
@Platform(include = "floor.h")
final class Floor {
  static {
    Loader.load();
  }

  private static final long CACHE_LINE = 64;

  private final Workload work;
  private final int threads;
  private final boolean isBackward;
  private final boolean inOneTrip;

  private Floor(Workload work, Pass pass, int threads) {
    this.work = work;
    this.threads = threads;
    isBackward = pass == Pass.BACKWARD;
    long line = Math.max(work.view().inner() * work.type().bytes(), CACHE_LINE);
    long slab = work.view().outer() * line * (isBackward ? 2 : 1);
    inOneTrip = pass == Pass.INFERENCE || slab <= cache(2);
  }

  /** The floor of a pass, or null where the last cache holds its arrays. */
  static @Nullable Floor of(Workload work, Pass pass, int threads) {
    long bytes = work.bytes() * (pass == Pass.BACKWARD ? 3 : 2);
    return bytes <= cache(3) ? null : new Floor(work, pass, threads);
  }

  /** What is moved. */
  String note() {
    String last = isBackward ? "triad" : "copy";
    return inOneTrip ? last : isBackward ? "2 reads + triad" : "read + copy";
  }

  /** Moves the bytes once: seconds. */
  double run() {
    long bytes = work.bytes();
    Buffer x = work.x().values().buffer();
    Buffer dy = work.dy().values().buffer();
    Buffer result = work.result().values().buffer();
    double first = 0;
    if (!inOneTrip) {
      first += read(threads, bytes, address(x));
      first += isBackward ? read(threads, bytes, address(dy)) : 0;
    }
    return first
        + (isBackward
            ? triad(threads, bytes, address(dy), address(x), address(result))
            : copy(threads, bytes, address(x), address(result)));
  }

  private static long address(Buffer buffer) {
    return new Pointer(buffer).address();
  }

  /** The bytes of a cache of this machine, as Linux tells them. */
  private static long cache(int level) {
    Path size = Path.of("/sys/devices/system/cpu/cpu0/cache/index" + level + "/size");
    try {
      return 1024 * Long.parseLong(Files.readString(size).strip().replace("K", ""));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Name("floor_read")
  private static native double read(int threads, long bytes, @Cast("const char*") long x);

  @Name("floor_copy")
  private static native double copy(
      int threads, long bytes, @Cast("const char*") long x, @Cast("char*") long y);

  @Name("floor_triad")
  private static native double triad(
      int threads,
      long bytes,
      @Cast("const char*") long dy,
      @Cast("const char*") long x,
      @Cast("char*") long dx);
}
