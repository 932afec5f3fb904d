package dev.batchnorm.format;

import java.io.File;
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
 * The temporary files and directories that are still to be renamed or removed. One shutdown hook
 * removes them when a signal ends the process; once it has run, no file is made or renamed any
 * more.
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
    prepare();
    FileChannel channel =
        FileChannel.open(
            temporary, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), attributes);
    FILES.add(temporary);
    return channel;
  }

  static synchronized void createDirectory(Path temporary) throws IOException {
    prepare();
    Files.createDirectory(temporary);
    FILES.add(temporary);
  }

  private static void prepare() throws IOException {
    stopAfterShutdown();
    if (hook == null) {
      hook = new Thread(PendingFiles::removeAll, "batchnorm-pending-files");
      Runtime.getRuntime().addShutdownHook(hook);
    }
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

  /**
   * Puts a directory in the place of another, which is removed. There is no moment at which the
   * other is lost, but a short one at which it has a temporary name.
   */
  static synchronized void replace(Path temporary, Path target) throws IOException {
    stopAfterShutdown();
    Path old = target.resolveSibling("." + newName());
    Files.move(target, old, StandardCopyOption.ATOMIC_MOVE);
    try {
      Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      Files.move(old, target, StandardCopyOption.ATOMIC_MOVE);
      throw e;
    }
    FILES.remove(temporary);
    delete(old.toFile());
  }

  static synchronized void removeDirectory(Path temporary) {
    FILES.remove(temporary);
    delete(temporary.toFile());
  }

  /** Deletes a file, or a directory and the files in it; a link, and not what it leads to. */
  private static void delete(File file) {
    File[] inside = Files.isSymbolicLink(file.toPath()) ? null : file.listFiles();
    if (inside != null) {
      for (File each : inside) {
        delete(each);
      }
    }
    file.delete();
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
      delete(temporary.toFile());
    }
    FILES.clear();
  }
}
