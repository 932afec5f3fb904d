package dev.batchnorm.format;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The temporary files that are still to be renamed or removed. One shutdown hook removes them when
 * a signal ends the process; once it has run, no file is made or renamed any more.
 */
final class PendingFiles {
  private static final Set<Path> FILES = new HashSet<>();
  private static @Nullable Thread hook;
  private static boolean shutDown;

  private PendingFiles() {}

  /**
   * A name that no other file has: of this process and this moment. Not a random one, for which
   * Java would load its cryptography.
   */
  static String newName() {
    long process = ProcessHandle.current().pid();
    return "batchnorm-"
        + Long.toString(process, Character.MAX_RADIX)
        + "-"
        + Long.toString(System.currentTimeMillis(), Character.MAX_RADIX)
        + "-"
        + Long.toString(System.nanoTime() & Integer.MAX_VALUE, Character.MAX_RADIX)
        + ".tmp";
  }

  static synchronized FileChannel create(Path temporary, FileAttribute<?>... attributes)
      throws IOException {
    stopAfterShutdown();
    if (hook == null) {
      hook = new Thread(PendingFiles::removeAll, "batchnorm-pending-files");
      Runtime.getRuntime().addShutdownHook(hook);
    }
    FileChannel channel =
        FileChannel.open(
            temporary, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), attributes);
    FILES.add(temporary);
    return channel;
  }

  static synchronized void rename(Path temporary, Path target) throws IOException {
    stopAfterShutdown();
    Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
    FILES.remove(temporary);
  }

  static synchronized void remove(Path temporary) throws IOException {
    FILES.remove(temporary);
    Files.deleteIfExists(temporary);
  }

  static synchronized int count() {
    return FILES.size();
  }

  private static void stopAfterShutdown() throws IOException {
    if (shutDown) {
      throw new IOException("the end of the process");
    }
  }

  private static synchronized void removeAll() {
    shutDown = true;
    for (Path temporary : FILES) {
      temporary.toFile().delete();
    }
    FILES.clear();
  }
}
