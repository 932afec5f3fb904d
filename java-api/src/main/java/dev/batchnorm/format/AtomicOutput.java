package dev.batchnorm.format;

import dev.batchnorm.OutputException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Locale;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * An output that appears complete or not at all: written to a temporary file beside the target,
 * which {@link #commit} renames. Closed without a commit, it leaves nothing behind and the target
 * as it was. Standard output, and targets that are no regular files, are written directly.
 */
public final class AtomicOutput implements AutoCloseable {
  private static final LongAdder BYTES_WRITTEN = new LongAdder();
  private static final int MOST_LINKS = 40;
  private static final int FILE_TYPE = 0170000;
  private static final int FIFO = 0010000;

  private final String name;
  private final WritableByteChannel channel;
  private final @Nullable OutputStream stream;
  private final @Nullable Path temporary;
  private final @Nullable Path target;
  private final boolean pipe;
  private boolean sync;
  private boolean closed;
  private @Nullable Spool spool;

  private AtomicOutput(
      String name,
      WritableByteChannel channel,
      @Nullable OutputStream stream,
      @Nullable Path temporary,
      @Nullable Path target,
      boolean pipe) {
    this.name = name;
    this.channel = channel;
    this.stream = stream;
    this.temporary = temporary;
    this.target = target;
    this.pipe = pipe;
  }

  /**
   * An output to a file, through symbolic links. An existing regular file keeps its mode, and its
   * owner and group where that is permitted.
   *
   * @throws OutputException if the target's directory does not exist or takes no new file, the
   *     target is a directory, or may not be written
   */
  public static AtomicOutput to(Path path) {
    String name = path.toString();
    try {
      if (Files.isDirectory(path)) {
        throw new OutputException(name + ": expected a file, found a directory");
      }
      if (Files.exists(path) && (!Files.isRegularFile(path) || isDescriptor(path))) {
        // Appending keeps what a shell's redirection has already written to /dev/stdout.
        FileChannel channel =
            FileChannel.open(path, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
        return new AtomicOutput(name, channel, null, null, null, isPipe(path));
      }
      Path target = followLinks(path).toAbsolutePath();
      if (Files.exists(target) && !Files.isWritable(target)) {
        throw new OutputException(
            name + ": expected a file that may be written, found no permission");
      }
      Path temporary = target.resolveSibling("." + PendingFiles.newName());
      return new AtomicOutput(name, create(temporary, target), null, temporary, target, false);
    } catch (NoSuchFileException e) {
      throw new OutputException(name + ": expected an existing directory, found none", null, e);
    } catch (IOException e) {
      throw new OutputException(
          name + ": expected a file that may be written, found " + Wording.reason(e), null, e);
    }
  }

  /** An output to the stream, written directly; it is flushed at the end and left open. */
  public static AtomicOutput standardOutput(OutputStream stream) {
    WritableByteChannel channel =
        stream instanceof FileOutputStream file ? file.getChannel() : Channels.newChannel(stream);
    boolean pipe = stream instanceof FileOutputStream && isPipe(Path.of("/dev/stdout"));
    return new AtomicOutput("standard output", channel, stream, null, null, pipe);
  }

  private static boolean isDescriptor(Path path) {
    String absolute = path.toAbsolutePath().normalize().toString();
    return absolute.equals("/dev/stdout")
        || absolute.equals("/dev/stderr")
        || absolute.startsWith("/dev/fd/")
        || absolute.matches("/proc/[^/]+/fd/.*");
  }

  private static boolean isPipe(Path path) {
    try {
      return Files.getAttribute(path, "unix:mode") instanceof Integer mode
          && (mode & FILE_TYPE) == FIFO;
    } catch (IOException | UnsupportedOperationException | IllegalArgumentException e) {
      return false;
    }
  }

  private static Path followLinks(Path path) throws IOException {
    Path followed = path;
    for (int i = 0; Files.isSymbolicLink(followed); i++) {
      if (i == MOST_LINKS) {
        throw new FileSystemException(path.toString(), null, "a circle of symbolic links");
      }
      followed = followed.resolveSibling(Files.readSymbolicLink(followed));
    }
    return followed;
  }

  private static FileChannel create(Path temporary, Path target) throws IOException {
    PosixFileAttributeView old =
        Files.exists(target)
            ? Files.getFileAttributeView(target, PosixFileAttributeView.class)
            : null;
    if (old == null) {
      return PendingFiles.create(temporary);
    }
    PosixFileAttributes attributes = old.readAttributes();
    FileAttribute<?> mode = PosixFilePermissions.asFileAttribute(attributes.permissions());
    FileChannel channel = PendingFiles.create(temporary, mode);
    try {
      keep(attributes, Files.getFileAttributeView(temporary, PosixFileAttributeView.class));
      return channel;
    } catch (IOException e) {
      channel.close();
      PendingFiles.remove(temporary);
      throw e;
    }
  }

  private static void keep(PosixFileAttributes old, PosixFileAttributeView fresh)
      throws IOException {
    PosixFileAttributes made = fresh.readAttributes();
    try {
      if (!made.group().equals(old.group())) {
        fresh.setGroup(old.group());
      }
      if (!made.owner().equals(old.owner())) {
        fresh.setOwner(old.owner());
      }
    } catch (IOException e) {
      // Only root may give files away; the mode below is kept all the same.
    }
    fresh.setPermissions(old.permissions());
  }

  /** Forces the bytes to the disk before they appear under the target's name. */
  public AtomicOutput sync() {
    sync = true;
    return this;
  }

  /** What messages call this output: its path, or standard output. */
  public String name() {
    return name;
  }

  /**
   * Allows {@link #patch} from now on; to be called before the first write. An output that cannot
   * seek keeps its bytes back until the commit.
   */
  public void makePatchable() {
    if (temporary == null && spool == null) {
      spool = new Spool(name);
    }
  }

  /**
   * Appends the bytes.
   *
   * @throws OutputException if there is no room for them
   * @throws ClosedPipeException if nobody reads them any more
   */
  public void write(ByteBuffer bytes) {
    BYTES_WRITTEN.add(bytes.remaining());
    if (spool != null) {
      spool.write(bytes);
      return;
    }
    try {
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
    } catch (IOException e) {
      throw refused(e);
    }
  }

  /** How many bytes this process has written to outputs, or begun to write. */
  public static long bytesWritten() {
    return BYTES_WRITTEN.sum();
  }

  /** Whether bytes may be passed over: not where they leave at once, as through a pipe. */
  public boolean canSkip() {
    return temporary != null && spool == null;
  }

  /**
   * Passes over the next bytes, which {@link #patch} then writes in any order.
   *
   * @return the position of the first of them
   */
  public long skip(long count) {
    try {
      FileChannel file = (FileChannel) channel;
      long start = file.position();
      file.position(start + count);
      return start;
    } catch (IOException e) {
      throw refused(e);
    }
  }

  /**
   * Writes bytes that were passed over, or replaces some that were written before, after {@link
   * #makePatchable}. Several threads may do so at once.
   *
   * @throws OutputException if there is no room for them
   */
  public void patch(long position, ByteBuffer bytes) {
    BYTES_WRITTEN.add(bytes.remaining());
    if (spool != null) {
      spool.patch(position, bytes);
      return;
    }
    try {
      long at = position;
      while (bytes.hasRemaining()) {
        at += ((FileChannel) channel).write(bytes, at);
      }
    } catch (IOException e) {
      throw refused(e);
    }
  }

  /**
   * Makes the output appear, whole.
   *
   * @throws OutputException if it cannot be
   * @throws ClosedPipeException if nobody reads it any more
   */
  public void commit() {
    if (closed) {
      throw new IllegalStateException(name + ": the output is closed");
    }
    try {
      if (spool != null) {
        spool.transferTo(channel);
      }
      if (stream != null) {
        stream.flush();
        return;
      }
      if (sync && temporary != null) {
        ((FileChannel) channel).force(true);
      }
      channel.close();
      if (temporary != null && target != null) {
        PendingFiles.rename(temporary, target);
      }
      closed = true;
    } catch (IOException e) {
      throw refused(e);
    }
  }

  private RuntimeException refused(IOException e) {
    String reason = Wording.reason(e);
    if (temporary == null && (pipe || reason.toLowerCase(Locale.ROOT).contains("broken pipe"))) {
      return new ClosedPipeException(name, e);
    }
    return new OutputException(
        name + ": expected to write all of it, found " + Wording.quoted(reason), null, e);
  }

  /** Without a commit before: removes what was written and leaves the target as it was. */
  @Override
  public void close() {
    if (spool != null) {
      spool.close();
      spool = null;
    }
    if (closed) {
      return;
    }
    closed = true;
    try {
      if (temporary != null) {
        PendingFiles.remove(temporary);
      }
      if (stream == null) {
        channel.close();
      }
    } catch (IOException e) {
      throw new OutputException(
          name + ": expected to remove its temporary file, found " + Wording.reason(e), null, e);
    }
  }
}
