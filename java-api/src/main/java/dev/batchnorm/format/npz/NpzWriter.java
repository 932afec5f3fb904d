package dev.batchnorm.format.npz;

import dev.batchnorm.DType;
import dev.batchnorm.OutputException;
import dev.batchnorm.Values;
import dev.batchnorm.format.ArraySink;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.npy.NpySink;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * Writes arrays as NPZ, the bytes that numpy's {@code savez} writes (Python 3.11.4 or later):
 * stored members in the order given, dated 1980-01-01. Only one member is open at a time: the next
 * one, or {@link #finish}, ends it.
 */
public final class NpzWriter implements AutoCloseable {
  private static final int VERSION_64 = 45;
  private static final int UTF_8 = 0x800;
  private static final short JANUARY_1980 = 1 << 5 | 1;
  private static final int LONGEST_NAME = 0xFFFF;
  private static final int UNIX = 3 << 8;
  private static final int OWNER_MAY_READ_AND_WRITE = 0600 << 16;
  private static final long IN_EXTRA = 0xFFFFFFFFL;

  /** As in Python's zipfile, which writes 64-bit fields from 2 GiB on. */
  private static final long LARGEST_32 = Integer.MAX_VALUE;

  private record Entry(byte[] name, int flags, long offset, long size, CRC32 crc) {}

  private final AtomicOutput out;
  private final List<Entry> entries = new ArrayList<>();
  private @Nullable Member member;
  private long position;

  /** A writer to the output, which belongs to it and is closed with it. */
  public NpzWriter(AtomicOutput out) {
    this.out = out;
    out.makePatchable();
  }

  /**
   * Begins a member that takes its values chunk by chunk.
   *
   * @param name the member's name without {@code .npy}
   * @param sizes the sizes of the axes; none is a single value
   */
  public ArraySink member(String name, DType type, long... sizes) {
    return begin(name, NumberType.of(type), sizes);
  }

  /**
   * Begins a member that takes its values chunk by chunk.
   *
   * @param name the member's name without {@code .npy}
   * @param sizes the sizes of the axes; none is a single value
   */
  public ArraySink member(String name, NumberType type, long... sizes) {
    return begin(name, type, sizes);
  }

  /** Writes a member of f64 values in C order. */
  public void doubles(String name, double[] values, long... sizes) {
    write(begin(name, NumberType.F64, sizes), Values.of(values));
  }

  /** Writes a member of f32 values in C order. */
  public void floats(String name, float[] values, long... sizes) {
    write(begin(name, NumberType.F32, sizes), Values.of(values));
  }

  /** Writes a single f64 value, an array without axes. */
  public void float64(String name, double value) {
    doubles(name, new double[] {value});
  }

  /** Writes a single integer, an array without axes. */
  public void int64(String name, long value) {
    int64s(name, new long[] {value});
  }

  /** Writes a member of i64 values in C order. */
  public void int64s(String name, long[] values, long... sizes) {
    ByteBuffer bytes = buffer(Math.multiplyExact(values.length, Long.BYTES));
    bytes.asLongBuffer().put(values);
    begin(name, NumberType.I64, sizes).write(bytes);
  }

  private static void write(Member member, Values values) {
    Values room = member.room(values.count());
    for (int i = 0; i < values.count(); i++) {
      room.set(i, values.get(i));
    }
    member.commit();
  }

  private Member begin(String name, NumberType type, long... sizes) {
    endMember();
    byte[] npy = NpySink.header(type.descriptor(), sizes);
    long count = 1;
    for (long size : sizes) {
      count = Math.multiplyExact(count, size);
    }
    String file = name + ".npy";
    byte[] fileName = file.getBytes(StandardCharsets.UTF_8);
    if (fileName.length > LONGEST_NAME) {
      throw new OutputException(
          out.name()
              + ": expected member names of at most "
              + LONGEST_NAME
              + " bytes, found one of "
              + fileName.length);
    }
    int flags = fileName.length == file.length() ? 0 : UTF_8;
    long size = npy.length + count * type.bytes();
    Entry entry = new Entry(fileName, flags, position, size, new CRC32());
    entries.add(entry);
    append(localHeader(entry));
    Member begun = new Member(entry, type, count, sizes.clone());
    member = begun;
    begun.append(ByteBuffer.wrap(npy));
    return begun;
  }

  /** The checksum is patched in when the member ends. */
  private static ByteBuffer localHeader(Entry entry) {
    ByteBuffer header = buffer(30 + entry.name.length + 20);
    header.putInt(0x04034b50).putShort((short) VERSION_64).putShort((short) entry.flags);
    header.putShort((short) 0).putShort((short) 0).putShort(JANUARY_1980);
    header.putInt(0).putInt((int) IN_EXTRA).putInt((int) IN_EXTRA);
    header.putShort((short) entry.name.length).putShort((short) 20).put(entry.name);
    header.putShort((short) 1).putShort((short) 16).putLong(entry.size).putLong(entry.size);
    return header.flip();
  }

  private void endMember() {
    Member open = member;
    if (open == null) {
      return;
    }
    member = null;
    NpySink.requireComplete(open.missing, open.sizes);
    ByteBuffer crc = buffer(Integer.BYTES).putInt((int) open.entry.crc.getValue()).flip();
    out.patch(open.entry.offset + 14, crc);
  }

  /**
   * Writes the directory and makes the output appear under its name.
   *
   * @throws IllegalStateException if the last member was given fewer or more values than its sizes
   *     say
   */
  public void finish() {
    endMember();
    long start = position;
    for (Entry entry : entries) {
      append(directoryEntry(entry));
    }
    writeEnd(start, position - start);
    out.commit();
  }

  private static ByteBuffer directoryEntry(Entry entry) {
    boolean largeSize = entry.size > LARGEST_32;
    boolean largeOffset = entry.offset > LARGEST_32;
    int fields = (largeSize ? 16 : 0) + (largeOffset ? 8 : 0);
    int extra = fields == 0 ? 0 : 4 + fields;
    int size = (int) (largeSize ? IN_EXTRA : entry.size);
    ByteBuffer record = buffer(46 + entry.name.length + extra);
    record.putInt(0x02014b50).putShort((short) (UNIX | VERSION_64)).putShort((short) VERSION_64);
    record.putShort((short) entry.flags).putShort((short) 0).putShort((short) 0);
    record.putShort(JANUARY_1980).putInt((int) entry.crc.getValue()).putInt(size).putInt(size);
    record.putShort((short) entry.name.length).putShort((short) extra).putShort((short) 0);
    record.putShort((short) 0).putShort((short) 0).putInt(OWNER_MAY_READ_AND_WRITE);
    record.putInt((int) (largeOffset ? IN_EXTRA : entry.offset)).put(entry.name);
    if (fields > 0) {
      record.putShort((short) 1).putShort((short) fields);
    }
    if (largeSize) {
      record.putLong(entry.size).putLong(entry.size);
    }
    if (largeOffset) {
      record.putLong(entry.offset);
    }
    return record.flip();
  }

  private void writeEnd(long start, long size) {
    int count = entries.size();
    if (start > LARGEST_32 || count >= 0xFFFF) {
      long end = position;
      ByteBuffer wide = buffer(56 + 20);
      wide.putInt(0x06064b50).putLong(44).putShort((short) VERSION_64).putShort((short) VERSION_64);
      wide.putInt(0).putInt(0).putLong(count).putLong(count).putLong(size).putLong(start);
      wide.putInt(0x07064b50).putInt(0).putLong(end).putInt(1);
      append(wide.flip());
    }
    short shortCount = (short) Math.min(count, 0xFFFF);
    ByteBuffer end = buffer(22).putInt(0x06054b50).putInt(0);
    end.putShort(shortCount).putShort(shortCount).putInt((int) size);
    end.putInt((int) Math.min(start, IN_EXTRA)).putShort((short) 0);
    append(end.flip());
  }

  private void append(ByteBuffer bytes) {
    position += bytes.remaining();
    out.write(bytes);
  }

  private static ByteBuffer buffer(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Leaves nothing behind if {@link #finish} was not called. */
  @Override
  public void close() {
    out.close();
  }

  private final class Member implements ArraySink {
    private final Entry entry;
    private final NumberType type;
    private final long[] sizes;
    private long missing;
    private ByteBuffer room = ByteBuffer.allocateDirect(0).order(ByteOrder.LITTLE_ENDIAN);

    Member(Entry entry, NumberType type, long missing, long[] sizes) {
      this.entry = entry;
      this.type = type;
      this.missing = missing;
      this.sizes = sizes;
    }

    @Override
    public Values room(int count) {
      NpySink.requireFloating(type);
      int size = Math.multiplyExact(count, type.bytes());
      if (room.capacity() < size) {
        room = ByteBuffer.allocateDirect(size).order(ByteOrder.LITTLE_ENDIAN);
      }
      return Values.of(type.floating(), room.clear().limit(size));
    }

    @Override
    public void commit() {
      write(room);
    }

    @Override
    public void write(ByteBuffer bytes) {
      missing -= bytes.remaining() / type.bytes();
      append(bytes);
    }

    private void append(ByteBuffer bytes) {
      if (member != this) {
        throw new IllegalStateException("sink: expected the open member, found one that has ended");
      }
      entry.crc.update(bytes.duplicate());
      NpzWriter.this.append(bytes);
    }
  }
}
