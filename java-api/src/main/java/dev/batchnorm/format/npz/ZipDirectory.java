package dev.batchnorm.format.npz;

import dev.batchnorm.InputException;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Wording;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The directory at the end of a ZIP file. {@link java.util.zip.ZipFile} does not tell where a
 * member's bytes lie, and stored members are read where they are; nor does it read what was
 * spooled.
 */
final class ZipDirectory {
  private static final int END = 0x06054b50;
  private static final int END_64 = 0x06064b50;
  private static final int LOCATOR_64 = 0x07064b50;
  private static final int ENTRY = 0x02014b50;
  private static final int LOCAL = 0x04034b50;
  private static final int END_SIZE = 22;
  private static final int END_64_SIZE = 56;
  private static final int LOCATOR_64_SIZE = 20;
  private static final int ENTRY_SIZE = 46;
  private static final int LOCAL_SIZE = 30;
  private static final int LONGEST_COMMENT = 0xFFFF;
  private static final int LARGEST_DIRECTORY = 64 << 20;
  private static final long IN_EXTRA = 0xFFFFFFFFL;

  /** A member: where its bytes lie and what they should be. */
  record Entry(
      String name, int flags, int method, long crc, long compressed, long size, long local) {}

  private final InputBytes in;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private long start;

  private ZipDirectory(InputBytes in) {
    this.in = in;
  }

  static ZipDirectory read(InputBytes in) {
    ZipDirectory directory = new ZipDirectory(in);
    directory.readAll();
    return directory;
  }

  /** The members by their names in the file, in the directory's order. */
  Map<String, Entry> entries() {
    return entries;
  }

  private void readAll() {
    long end = findEnd();
    ByteBuffer record = bytes(end, END_SIZE);
    long count = record.getShort(10) & 0xFFFF;
    long size = record.getInt(12) & IN_EXTRA;
    start = record.getInt(16) & IN_EXTRA;
    if (count == 0xFFFF || size == IN_EXTRA || start == IN_EXTRA) {
      if (end >= LOCATOR_64_SIZE) {
        ByteBuffer locator = bytes(end - LOCATOR_64_SIZE, LOCATOR_64_SIZE);
        if (locator.getInt(0) == LOCATOR_64) {
          end = locator.getLong(8);
          record = bytes(end, END_64_SIZE);
          if (record.getInt(0) != END_64) {
            throw damaged("the end of its directory at byte " + end);
          }
          count = record.getLong(32);
          size = record.getLong(40);
          start = record.getLong(48);
        }
      }
    }
    if (start < 0 || size < 0 || start > end || size > end - start) {
      throw damaged("its directory before byte " + end);
    }
    if (size > LARGEST_DIRECTORY) {
      throw new InputException(
          in.name()
              + ": expected a directory of at most "
              + Wording.size(LARGEST_DIRECTORY)
              + ", found "
              + Wording.size(size));
    }
    readEntries(bytes(start, (int) size));
    if (entries.size() != count) {
      throw new InputException(
          in.name() + ": expected " + count + " members, found " + entries.size());
    }
  }

  private long findEnd() {
    long from = Math.max(0, in.size() - END_SIZE - LONGEST_COMMENT);
    ByteBuffer tail = bytes(from, (int) (in.size() - from));
    for (int at = tail.limit() - END_SIZE; at >= 0; at--) {
      if (tail.getInt(at) == END
          && (tail.getShort(at + 20) & 0xFFFF) == tail.limit() - at - END_SIZE) {
        return from + at;
      }
    }
    throw new InputException(
        in.name() + ": expected the directory of a ZIP file at its end, found none",
        "is the file complete?");
  }

  private void readEntries(ByteBuffer directory) {
    while (directory.hasRemaining()) {
      int at = directory.position();
      if (directory.remaining() < ENTRY_SIZE || directory.getInt(at) != ENTRY) {
        throw damaged("a member at byte " + (start + at));
      }
      int flags = directory.getShort(at + 8) & 0xFFFF;
      int nameSize = directory.getShort(at + 28) & 0xFFFF;
      int extraSize = directory.getShort(at + 30) & 0xFFFF;
      int commentSize = directory.getShort(at + 32) & 0xFFFF;
      if (directory.remaining() < ENTRY_SIZE + nameSize + extraSize + commentSize) {
        throw damaged("a whole member at byte " + (start + at));
      }
      byte[] name = new byte[nameSize];
      directory.get(at + ENTRY_SIZE, name);
      String text = new String(name, charset(flags));
      ByteBuffer extra =
          extra64(directory.slice(at + ENTRY_SIZE + nameSize, extraSize).order(directory.order()));
      // The order of the fields in the extra record is fixed; each is there only if needed.
      long size = field(directory.getInt(at + 24) & IN_EXTRA, extra, text);
      long compressed = field(directory.getInt(at + 20) & IN_EXTRA, extra, text);
      long local = field(directory.getInt(at + 42) & IN_EXTRA, extra, text);
      Entry entry =
          new Entry(
              text,
              flags,
              directory.getShort(at + 10) & 0xFFFF,
              directory.getInt(at + 16) & 0xFFFFFFFFL,
              compressed,
              size,
              local);
      if (entries.put(text, entry) != null) {
        throw new InputException(
            in.name() + ": expected each member once, found two " + Wording.quoted(text));
      }
      directory.position(at + ENTRY_SIZE + nameSize + extraSize + commentSize);
    }
  }

  private static Charset charset(int flags) {
    return (flags & 0x800) != 0 ? StandardCharsets.UTF_8 : StandardCharsets.ISO_8859_1;
  }

  /** The content of the record of 64-bit fields, empty if there is none. */
  private static ByteBuffer extra64(ByteBuffer extra) {
    int at = 0;
    while (at + 4 <= extra.limit()) {
      int size = Math.min(extra.getShort(at + 2) & 0xFFFF, extra.limit() - at - 4);
      if (extra.getShort(at) == 1) {
        return extra.slice(at + 4, size).order(extra.order());
      }
      at += 4 + size;
    }
    return ByteBuffer.allocateDirect(0);
  }

  private long field(long value, ByteBuffer extra, String member) {
    if (value != IN_EXTRA) {
      return value;
    }
    long wide = extra.remaining() >= Long.BYTES ? extra.getLong() : -1;
    if (wide < 0) {
      throw damaged("64-bit sizes of member " + Wording.quoted(member));
    }
    return wide;
  }

  /** The stored bytes of the member, as they lie in the file. */
  InputBytes stored(Entry entry, String name) {
    if (entry.local > start - LOCAL_SIZE) {
      throw damaged("member " + Wording.quoted(entry.name) + " before byte " + start);
    }
    ByteBuffer local = bytes(entry.local, LOCAL_SIZE);
    int nameSize = local.getShort(26) & 0xFFFF;
    long data = entry.local + LOCAL_SIZE + nameSize + (local.getShort(28) & 0xFFFF);
    if (local.getInt(0) != LOCAL || data > start || entry.compressed > start - data) {
      throw damaged(
          "member "
              + Wording.quoted(entry.name)
              + " of "
              + Wording.size(entry.compressed)
              + " at byte "
              + entry.local);
    }
    String found =
        new String(in.read(entry.local + LOCAL_SIZE, nameSize), charset(local.getShort(6)));
    if (!found.equals(entry.name)) {
      throw damaged("member " + Wording.quoted(entry.name) + " at byte " + entry.local);
    }
    return in.slice(name, data, entry.compressed);
  }

  private ByteBuffer bytes(long position, int count) {
    if (position < 0 || position > in.size() - count) {
      throw damaged(count + " bytes at byte " + position);
    }
    return ByteBuffer.wrap(in.read(position, count)).order(ByteOrder.LITTLE_ENDIAN);
  }

  private InputException damaged(String expected) {
    return new InputException(
        in.name() + ": expected " + expected + ", found a damaged ZIP file",
        "is the file complete?");
  }
}
