package dev.batchnorm.format;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.batchnorm.InputException;
import dev.batchnorm.Source;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.format.npy.NpySource;
import dev.batchnorm.format.npz.NpzFile;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is true of any bytes that are read as NPY or NPZ: they are refused in one line that names
 * the file, or give the array that {@link NaiveNpy} reads; memory stays in proportion.
 */
public final class FileProperties {
  /** Buffers that do not depend on the file. */
  static final long ROOM = Long.getLong("batchnorm.room", 1 << 20);

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
  private static final BufferPoolMXBean DIRECT =
      ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
          .filter(pool -> pool.getName().equals("direct"))
          .findFirst()
          .orElseThrow();

  private FileProperties() {}

  /** One line, that begins with the name and repeats no more than a dozen others of the file. */
  public static String assertRefusal(InputException e, String name) {
    String message = String.valueOf(e.getMessage());
    String hint = String.valueOf(e.hint());
    boolean line = (message + hint).codePoints().noneMatch(Character::isISOControl);
    assertTrue(line && message.startsWith(name) && message.length() < 2500, message);
    return message;
  }

  /** Reading takes at most {@link #ROOM} and some bytes for each of the file. */
  public static void assertMemory(byte[] file, int perByte, Runnable read) {
    assertMemory(ROOM + (long) perByte * file.length, read);
  }

  /** Reads again where it took more: Jazzer instruments classes when they are first used. */
  private static void assertMemory(long most, Runnable read) {
    long allocated = allocated(read);
    for (int i = 0; i < 2 && allocated > most; i++) {
      allocated = allocated(read);
    }
    String found = allocated + " bytes allocated, expected at most " + most;
    assertTrue(allocated <= most, found);
  }

  /** Bytes of the heap, garbage included, and of direct buffers. */
  static long allocated(Runnable read) {
    long heap = THREADS.getCurrentThreadAllocatedBytes();
    long direct = DIRECT.getTotalCapacity();
    read.run();
    return THREADS.getCurrentThreadAllocatedBytes()
        - heap
        + Math.max(DIRECT.getTotalCapacity() - direct, 0);
  }

  private static InputBytes input(String name, byte[] bytes) {
    Spool spool = new Spool(name);
    spool.write(ByteBuffer.wrap(bytes));
    return spool.input();
  }

  /**
   * Checks an NPY file.
   *
   * @return whether it was read rather than refused
   */
  public static boolean checkNpy(byte[] file) {
    boolean[] read = new boolean[1];
    assertMemory(file, 4, () -> read[0] = readNpy(file));
    return read[0];
  }

  private static boolean readNpy(byte[] file) {
    long[] sizes;
    try {
      NpyArray array = NpyArray.open(input("x.npy", file));
      assertArray(NaiveNpy.read(file), array);
      sizes = array.sizes();
    } catch (InputException e) {
      assertRefusal(e, "x.npy: ");
      return false;
    }
    try (Source source = NpySource.open(input("x.npy", file), Axes.channelAxis(-1))) {
      assertArrayEquals(sizes, source.shape().sizes());
      assertEquals(source.shape().count(), source.chunk(0, (int) source.shape().count()).count());
    } catch (InputException e) {
      assertRefusal(e, "x.npy: ");
    }
    return true;
  }

  static void assertArray(@Nullable NaiveNpy expected, NpyArray array) {
    assertNotNull(expected, "read what is no array");
    assertArrayEquals(expected.sizes(), array.sizes());
    assertEquals(expected.type(), array.type().descriptor().substring(1));
    assertEquals(expected.values().length, array.count() * array.type().bytes());
    byte[] values = new byte[expected.values().length];
    array.read(0, (int) array.count()).get(values);
    assertArrayEquals(expected.values(), values);
  }

  /** Checks an NPZ file, of which each member is read, and all of them as a state. */
  public static void checkNpz(byte[] file) {
    // Each member may take the room; what is deflated may rightly be 1032 times as large.
    List<String> members;
    try (NpzFile npz = NpzFile.open(input("x.npz", file))) {
      members = npz.members();
    } catch (InputException e) {
      assertRefusal(e, "x.npz: ");
      return;
    }
    assertMemory(ROOM * (2 + members.size()) + 4 * 1032L * file.length, () -> readNpz(file));
  }

  private static void readNpz(byte[] file) {
    try (NpzFile npz = NpzFile.open(input("x.npz", file))) {
      for (String member : npz.members()) {
        try {
          NpyArray array = npz.array(member);
          long bytes = array.count() * array.type().bytes();
          assertTrue(bytes <= 1032L * file.length, () -> bytes + " bytes of values");
          for (long at = 0; at < array.count(); at += StoredArray.CHUNK) {
            int count = (int) Math.min(StoredArray.CHUNK, array.count() - at);
            assertEquals(count * array.type().bytes(), array.read(at, count).remaining());
          }
        } catch (InputException e) {
          assertRefusal(e, "x.npz:");
        }
      }
      try {
        if (StateFile.isState(npz)) {
          StateFile.read(npz);
        }
      } catch (InputException e) {
        assertRefusal(e, "x.npz:");
      }
    }
  }
}
