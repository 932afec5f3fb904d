package dev.batchnorm.format;

import dev.batchnorm.OutputException;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * A directory that appears with all its files or not at all: they are written to a temporary
 * directory beside it, which {@link #commit} renames. Closed without a commit, nothing is left of
 * it; nor after a signal.
 */
public final class AtomicDirectory implements AutoCloseable {
  private static final String BEGIN = ".batchnorm-";
  private static final String END = ".tmp";

  private final Path target;
  private final Path temporary;
  private boolean closed;

  private AtomicDirectory(Path target, Path temporary) {
    this.target = target;
    this.temporary = temporary;
  }

  /**
   * Begins a directory. The directories above it are made if they are not there, and stay.
   *
   * @throws OutputException if no directory can be made there
   */
  public static AtomicDirectory of(Path target) {
    try {
      Path absolute = target.toAbsolutePath().normalize();
      Path parent = absolute.getParent();
      if (parent == null) {
        throw new OutputException(target + ": expected a new directory, found the root of all");
      }
      Files.createDirectories(parent);
      Path temporary = parent.toRealPath().resolve("." + PendingFiles.newName());
      PendingFiles.createDirectory(temporary);
      return new AtomicDirectory(target, temporary);
    } catch (FileAlreadyExistsException e) {
      throw new OutputException(target + ": expected directories above it, found a file", null, e);
    } catch (IOException e) {
      throw refused(target, e);
    }
  }

  /** Whether a name is that of a directory which was never finished. */
  public static boolean isTemporary(String name) {
    return name.startsWith(BEGIN) && name.endsWith(END);
  }

  /** Where the files are to be written. */
  public Path path() {
    return temporary;
  }

  /** What befell one of its files, told of the place where that was to appear. */
  public OutputException told(OutputException e) {
    String message = String.valueOf(e.getMessage());
    return new OutputException(
        message.replace(temporary.toString(), target.toString()), e.hint(), e);
  }

  /**
   * Makes the directory appear.
   *
   * @param replace whether it may take the place of another
   * @throws OutputException if it cannot be, or another is there that it may not replace
   */
  public void commit(boolean replace) {
    if (closed) {
      throw new IllegalStateException(target + ": the directory is closed");
    }
    try {
      Path place = temporary.resolveSibling(target.toAbsolutePath().normalize().getFileName());
      if (!Files.exists(place, LinkOption.NOFOLLOW_LINKS)) {
        PendingFiles.rename(temporary, place);
      } else if (replace) {
        PendingFiles.replace(temporary, place);
      } else {
        throw new OutputException(target + ": expected no such directory yet, found one");
      }
      closed = true;
    } catch (IOException e) {
      throw refused(target, e);
    }
  }

  private static OutputException refused(Path target, IOException e) {
    String reason =
        e instanceof NoSuchFileException
            ? "that the one above it is gone"
            : Wording.quoted(Wording.reason(e));
    return new OutputException(
        target + ": expected to make this directory, found " + reason, null, e);
  }

  /** Without a commit before: removes what was written. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      PendingFiles.removeDirectory(temporary);
    }
  }
}
