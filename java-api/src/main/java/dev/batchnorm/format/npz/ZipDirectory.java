package dev.batchnorm.format.npz;

import dev.batchnorm.InputException;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Wording;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
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
  private static final int ENCRYPTED = 1;
  private static final int STREAMED = 8;
  private static final int UTF_8 = 0x800;
  private static final char NO_UTF_8 = '\uFFFD';
  private static final int LONGEST_COMMENT = 0xFFFF;
  private static final int LARGEST_DIRECTORY = 64 << 20;
  private static final long IN_EXTRA = 0xFFFFFFFFL;
  private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

  /** A member: where its bytes lie and what they should be. */
  record Entry(
      String name, int flags, int method, long crc, long compressed, long size, long local) {}

  private final InputBytes in;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private long start;

  /** Where the members begin, in ascending order. */
  private long[] locals = new long[0];

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
    long end64 = findEnd64(end);
    if (end64 >= 0) {
      end = end64;
      record = bytes(end, END_64_SIZE);
      if (record.getInt(0) != END_64) {
        throw damaged("the end of its directory at byte " + end);
      }
      count = record.getLong(32);
      size = record.getLong(40);
      start = record.getLong(48);
    }
    if (start < 0 || size < 0 || start > end || size > end - start) {
      throw damaged("its directory before byte " + end);
    }
    requireNothingBetween(end - size);
    if (size > LARGEST_DIRECTORY) {
      throw new InputException(
          in.name()
              + ": expected a directory of at most "
              + Wording.size(LARGEST_DIRECTORY)
              + ", found "
              + Wording.size(size));
    }
    readEntries(in.read(start, (int) size));
    if (entries.size() != count) {
      throw new InputException(
          in.name()
              + ": expected "
              + Long.toUnsignedString(count)
              + " members, found "
              + entries.size());
    }
    requireApart();
  }

  /** Where the end of the directory with 64-bit fields lies; −1 if there is none. */
  private long findEnd64(long end) {
    if (end < LOCATOR_64_SIZE) {
      return -1;
    }
    ByteBuffer locator = bytes(end - LOCATOR_64_SIZE, LOCATOR_64_SIZE);
    return locator.getInt(0) == LOCATOR_64 ? Math.max(locator.getLong(8), 0) : -1;
  }

  /** The directory ends where its end record begins, unless bytes were put in front of the ZIP. */
  private void requireNothingBetween(long found) {
    if (found == start) {
      return;
    }
    if (found == in.size() - END_SIZE || bytes(found, Integer.BYTES).getInt(0) == ENTRY) {
      throw new InputException(
          in.name()
              + ": expected a ZIP file from its first byte on, found "
              + Wording.size(found - start)
              + " in front of it",
          "tail -c +" + (found - start + 1) + " cuts them off");
    }
    throw damaged("its directory at byte " + found);
  }

  /** Members that share bytes would let a small file hold more than its size. */
  private void requireApart() {
    Entry[] sorted = entries.values().toArray(new Entry[0]);
    Arrays.sort(sorted, Comparator.comparingLong(Entry::local));
    locals = new long[sorted.length];
    for (int i = 0; i < sorted.length; i++) {
      Entry entry = sorted[i];
      locals[i] = entry.local;
      boolean last = i == sorted.length - 1;
      if (isBeyond(entry, start)) {
        throw damaged(place(entry));
      }
      if (!last && isBeyond(entry, sorted[i + 1].local)) {
        throw overlap(entry.name, sorted[i + 1].name);
      }
    }
  }

  private static boolean isBeyond(Entry entry, long limit) {
    long most = limit - LOCAL_SIZE;
    return entry.local > most || entry.compressed > most - entry.local;
  }

  private InputException overlap(String first, String second) {
    return new InputException(
        in.name()
            + ": expected members apart, found "
            + Wording.quoted(first)
            + " and "
            + Wording.quoted(second)
            + " in the same bytes");
  }

  private static String place(Entry entry) {
    return "member "
        + Wording.quoted(entry.name)
        + " of "
        + Wording.size(entry.compressed)
        + " at byte "
        + entry.local;
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

  private void readEntries(byte[] bytes) {
    ByteBuffer directory = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
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
      String text = text(flags, bytes, at + ENTRY_SIZE, nameSize);
      ByteBuffer extra =
          extraSize == 0 ? NOTHING : extra64(directory, at + ENTRY_SIZE + nameSize, extraSize);
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

  /** Programs as Info-ZIP write UTF-8 without its flag; what is none is taken byte by byte. */
  private static String text(int flags, byte[] bytes, int from, int count) {
    String text = new String(bytes, from, count, StandardCharsets.UTF_8);
    return (flags & UTF_8) == 0 && text.indexOf(NO_UTF_8) >= 0
        ? new String(bytes, from, count, StandardCharsets.ISO_8859_1)
        : text;
  }

  /** The content of the record of 64-bit fields among the extra bytes, empty if there is none. */
  private static ByteBuffer extra64(ByteBuffer bytes, int from, int count) {
    int end = from + count;
    for (int at = from; at + 4 <= end; ) {
      int size = Math.min(bytes.getShort(at + 2) & 0xFFFF, end - at - 4);
      if (bytes.getShort(at) == 1) {
        return bytes.slice(at + 4, size).order(ByteOrder.LITTLE_ENDIAN);
      }
      at += 4 + size;
    }
    return NOTHING;
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
  InputBytes stored(Entry entry, String label) {
    int next = Arrays.binarySearch(locals, entry.local) + 1;
    long limit = next < locals.length ? locals[next] : start;
    ByteBuffer local = bytes(entry.local, LOCAL_SIZE);
    int nameSize = local.getShort(26) & 0xFFFF;
    int extraSize = local.getShort(28) & 0xFFFF;
    long data = entry.local + LOCAL_SIZE + nameSize + extraSize;
    if (local.getInt(0) != LOCAL || data > limit || entry.compressed > limit - data) {
      throw damaged(place(entry));
    }
    byte[] name = in.read(entry.local + LOCAL_SIZE, nameSize);
    String found = text(local.getShort(6), name, 0, nameSize);
    if (!found.equals(entry.name)) {
      throw damaged("member " + Wording.quoted(entry.name) + " at byte " + entry.local);
    }
    requireAgreement(entry, local, bytes(data - extraSize, extraSize), label);
    return in.slice(label, data, entry.compressed);
  }

  /** What the header in front of a member says of it; where it was streamed, that says nothing. */
  private void requireAgreement(Entry entry, ByteBuffer local, ByteBuffer extra, String name) {
    int flags = local.getShort(6);
    requireSame(name, "encryption", entry.flags & ENCRYPTED, flags & ENCRYPTED);
    requireSame(name, "method", entry.method, local.getShort(8) & 0xFFFF);
    if ((flags & STREAMED) != 0) {
      return;
    }
    ByteBuffer extra64 = extra64(extra, 0, extra.limit());
    requireSame(name, "size", entry.size, field(local.getInt(22) & IN_EXTRA, extra64, entry.name));
    long compressed = field(local.getInt(18) & IN_EXTRA, extra64, entry.name);
    requireSame(name, "compressed size", entry.compressed, compressed);
    requireSame(name, "checksum", entry.crc, local.getInt(14) & 0xFFFFFFFFL);
  }

  private static void requireSame(String name, String what, long directory, long local) {
    if (directory != local) {
      throw new InputException(
          name
              + ": expected "
              + what
              + " "
              + directory
              + " as in the ZIP directory, found "
              + local
              + " in front of the member",
          "the file is damaged; is it complete?");
    }
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
