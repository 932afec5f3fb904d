package dev.batchnorm.format;

import dev.batchnorm.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;

/**
 * The bytes of an input, readable at any position and by several threads at once: a file, a part of
 * one, or spooled standard input.
 *
 * <p>Files are read, never mapped: a mapped file that is cut short while it is read would end the
 * process by a signal.
 */
public abstract class InputBytes implements AutoCloseable {
  /** What {@link #spool(String, InputStream)} holds in memory. */
  public static final int SPOOLED_IN_MEMORY = Spool.MEMORY_LIMIT;

  private static final LongAdder BYTES_READ = new LongAdder();

  private final String name;
  private final long size;

  private InputBytes(String name, long size) {
    this.name = name;
    this.size = size;
  }

  /**
   * Opens a file. What is no regular file (a pipe, {@code /dev/stdin}) is spooled first.
   *
   * @throws InputException if there is no such file, it is a directory, or it may not be read
   */
  public static InputBytes open(Path path) {
    String name = path.toString();
    try {
      if (Files.isDirectory(path)) {
        throw new InputException(name + ": expected a file, found a directory");
      }
      // Files of /proc say that they are regular and have 0 bytes.
      if (Files.exists(path) && (!Files.isRegularFile(path) || Files.size(path) == 0)) {
        try (InputStream stream = Files.newInputStream(path)) {
          return spool(name, stream);
        }
      }
      FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
      try {
        return new OfFile(name, channel, channel.size());
      } catch (IOException e) {
        channel.close();
        throw e;
      }
    } catch (IOException e) {
      throw new InputException(
          name + ": expected a readable file, found " + Wording.reason(e), null, e);
    }
  }

  /**
   * Reads the stream to its end: into memory, or beyond 64 MiB into a temporary file that vanishes
   * with the process. The stream is left open.
   *
   * @param name what messages call the input
   */
  public static InputBytes spool(String name, InputStream stream) {
    return spool(name, stream, SPOOLED_IN_MEMORY);
  }

  /**
   * Reads the stream to its end: into memory, or beyond a limit into a temporary file that vanishes
   * with the process. The stream is left open.
   *
   * @param name what messages call the input
   * @param memoryLimit the bytes that are held in memory
   */
  public static InputBytes spool(String name, InputStream stream, int memoryLimit) {
    Spool spool = new Spool(name, memoryLimit);
    boolean done = false;
    try {
      byte[] buffer = new byte[1 << 16];
      for (int n = stream.read(buffer); n >= 0; n = stream.read(buffer)) {
        spool.write(ByteBuffer.wrap(buffer, 0, n));
      }
      done = true;
      return spool.input();
    } catch (IOException e) {
      throw new InputException(
          name + ": expected to read on at byte " + spool.size() + ", found " + Wording.reason(e),
          null,
          e);
    } finally {
      if (!done) {
        spool.close();
      }
    }
  }

  static InputBytes of(String name, Spool spool) {
    return new OfSpool(name, spool);
  }

  /** How many bytes of all inputs together this process has read or begun to read. */
  public static long bytesRead() {
    return BYTES_READ.sum();
  }

  /** What messages call this input, usually its path. */
  public final String name() {
    return name;
  }

  /** The number of bytes. */
  public final long size() {
    return size;
  }

  /**
   * Fills the buffer with the bytes from the position on.
   *
   * @throws InputException if the input ends before the buffer is full, or cannot be read
   */
  public final void read(long position, ByteBuffer into) {
    if (position < 0 || into.remaining() > size - position) {
      throw ended(name, size, position + into.remaining());
    }
    BYTES_READ.add(into.remaining());
    try {
      doRead(position, into);
    } catch (IOException e) {
      throw new InputException(
          name + ": expected to read on at byte " + position + ", found " + Wording.reason(e),
          null,
          e);
    }
  }

  /**
   * The bytes from the position on, as a new array.
   *
   * @throws InputException if the input ends before, or cannot be read
   */
  public final byte[] read(long position, int count) {
    if (position < 0 || count > size - position) {
      throw ended(name, size, position + count);
    }
    byte[] bytes = new byte[count];
    read(position, ByteBuffer.wrap(bytes));
    return bytes;
  }

  /** The first bytes, fewer than asked if the input is shorter. */
  public final byte[] start(int most) {
    return read(0, (int) Math.min(most, size));
  }

  /**
   * A part of this input under a name of its own. It reads through this input and closing it does
   * nothing.
   *
   * @throws IndexOutOfBoundsException if the part is not inside
   */
  public final InputBytes slice(String name, long position, long size) {
    Objects.checkFromIndexSize(position, size, this.size);
    return new Part(name, this, position, size);
  }

  abstract void doRead(long position, ByteBuffer into) throws IOException;

  @Override
  public abstract void close();

  private static InputException ended(String name, long at, long expected) {
    return new InputException(
        name + ": ended at byte " + at + " while it was read, expected " + expected + " bytes");
  }

  static void readFully(FileChannel channel, String name, long size, long position, ByteBuffer into)
      throws IOException {
    long at = position;
    while (into.hasRemaining()) {
      int n = channel.read(into, at);
      if (n < 0) {
        throw ended(name, channel.size(), size);
      }
      at += n;
    }
  }

  private static final class OfFile extends InputBytes {
    private final FileChannel channel;

    OfFile(String name, FileChannel channel, long size) {
      super(name, size);
      this.channel = channel;
    }

    @Override
    void doRead(long position, ByteBuffer into) throws IOException {
      readFully(channel, name(), size(), position, into);
    }

    @Override
    public void close() {
      try {
        channel.close();
      } catch (IOException e) {
        throw new InputException(
            name() + ": expected to close it, found " + Wording.reason(e), null, e);
      }
    }
  }

  private static final class OfSpool extends InputBytes {
    private final Spool spool;

    OfSpool(String name, Spool spool) {
      super(name, spool.size());
      this.spool = spool;
    }

    @Override
    void doRead(long position, ByteBuffer into) throws IOException {
      spool.read(position, into);
    }

    @Override
    public void close() {
      spool.close();
    }
  }

  private static final class Part extends InputBytes {
    private final InputBytes whole;
    private final long start;

    Part(String name, InputBytes whole, long start, long size) {
      super(name, size);
      this.whole = whole;
      this.start = start;
    }

    @Override
    void doRead(long position, ByteBuffer into) throws IOException {
      whole.doRead(start + position, into);
    }

    @Override
    public void close() {}
  }
}
