package dev.batchnorm.format;

import dev.batchnorm.InputException;
import dev.batchnorm.OutputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.FileSystems;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Bytes that cannot be had at random where they come from: held in memory up to a limit, beyond
 * that in a temporary file that has no name any more, so that even a killed process leaves nothing
 * behind.
 */
public final class Spool implements AutoCloseable {
  static final int MEMORY_LIMIT = 64 << 20;

  private final String name;
  private final int memoryLimit;
  private byte @Nullable [] memory = new byte[1 << 13];
  private @Nullable FileChannel file;
  private long size;

  /**
   * An empty spool.
   *
   * @param name what messages call the bytes
   */
  public Spool(String name) {
    this(name, MEMORY_LIMIT);
  }

  /**
   * An empty spool.
   *
   * @param name what messages call the bytes
   * @param memoryLimit the bytes that are held in memory
   */
  public Spool(String name, int memoryLimit) {
    this.name = name;
    this.memoryLimit = memoryLimit;
  }

  /** The number of bytes held. */
  public long size() {
    return size;
  }

  /**
   * Appends the bytes.
   *
   * @throws OutputException if the temporary directory has no room for them
   */
  public void write(ByteBuffer bytes) {
    int count = bytes.remaining();
    put(size, bytes);
    size += count;
  }

  /** Replaces bytes that were written before. */
  public void patch(long position, ByteBuffer bytes) {
    put(position, bytes);
  }

  private void put(long position, ByteBuffer bytes) {
    int count = bytes.remaining();
    try {
      byte[] held = memory;
      if (held != null && position + count > memoryLimit) {
        file = moveToFile(held, (int) size);
        memory = null;
        held = null;
      }
      if (held != null) {
        int end = (int) position + count;
        if (end > held.length) {
          held = Arrays.copyOf(held, Math.min(memoryLimit, Math.max(end, 2 * held.length)));
          memory = held;
        }
        bytes.get(held, (int) position, count);
        return;
      }
      FileChannel channel = channel();
      while (bytes.hasRemaining()) {
        position += channel.write(bytes, position);
      }
    } catch (IOException e) {
      throw new OutputException(
          directory()
              + ": expected room for "
              + Wording.size(position + count)
              + " of "
              + name
              + ", found "
              + Wording.quoted(Wording.reason(e)),
          null,
          e);
    }
  }

  private static FileChannel moveToFile(byte[] held, int size) throws IOException {
    Set<OpenOption> options =
        Set.of(
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            StandardOpenOption.DELETE_ON_CLOSE);
    Path path = directory().resolve(PendingFiles.newName());
    FileAttribute<?>[] mode =
        FileSystems.getDefault().supportedFileAttributeViews().contains("posix")
            ? new FileAttribute<?>[] {
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
            }
            : new FileAttribute<?>[0];
    FileChannel channel = FileChannel.open(path, options, mode);
    try {
      ByteBuffer bytes = ByteBuffer.wrap(held, 0, size);
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      return channel;
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  private static Path directory() {
    return Path.of(System.getProperty("java.io.tmpdir", "."));
  }

  private FileChannel channel() {
    FileChannel channel = file;
    if (channel == null) {
      throw new IllegalStateException(name + ": the spool is closed");
    }
    return channel;
  }

  /** Fills the buffer from the position on; the bytes must be there. */
  void read(long position, ByteBuffer into) throws IOException {
    byte[] held = memory;
    if (held != null) {
      into.put(held, Math.toIntExact(position), into.remaining());
      return;
    }
    InputBytes.readFully(channel(), name, size, position, into);
  }

  /** Writes everything held to the channel. */
  void transferTo(WritableByteChannel channel) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 16);
    for (long at = 0; at < size; at += buffer.limit()) {
      buffer.clear().limit((int) Math.min(buffer.capacity(), size - at));
      read(at, buffer);
      buffer.flip();
      while (buffer.hasRemaining()) {
        channel.write(buffer);
      }
    }
  }

  /** What was written, to be read; closing it closes this spool. */
  public InputBytes input() {
    return InputBytes.of(name, this);
  }

  /** Forgets the bytes and the temporary file. */
  @Override
  public void close() {
    memory = null;
    FileChannel channel = file;
    file = null;
    if (channel != null) {
      try {
        channel.close();
      } catch (IOException e) {
        throw new InputException(
            name + ": expected to close its temporary file, found " + Wording.reason(e), null, e);
      }
    }
  }
}
