package dev.batchnorm.format.npz;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import org.jspecify.annotations.Nullable;

/** ZIP files by hand, as programs write them and as they should not. */
public final class ZipMaker {
  private static final int SATURATED = -1;

  /** How a streamed member's sizes follow its bytes. */
  public enum Descriptor {
    NONE,
    PLAIN,
    SIGNED,
    SIGNED_64
  }

  /** A member; every field may be set to what it should not be. */
  public static final class Member {
    final byte[] name;
    final byte[] stored;
    byte[] localName;
    Descriptor descriptor = Descriptor.NONE;
    boolean wideLocal;
    boolean wideDirectory;
    int flags;
    int localFlags;
    int method;
    int localMethod;
    long crc;
    long localCrc;
    long size;
    long localSize;
    long compressed;
    long localCompressed;
    byte[] localExtra = {};
    byte[] extra = {};
    byte[] comment = {};
    @Nullable Long offset;
    private long local;

    private Member(byte[] name, byte[] content, byte[] stored, int method) {
      this.name = name;
      this.localName = name;
      this.stored = stored;
      this.method = method;
      localMethod = method;
      CRC32 sum = new CRC32();
      sum.update(content);
      crc = sum.getValue();
      localCrc = crc;
      size = content.length;
      localSize = size;
      compressed = stored.length;
      localCompressed = compressed;
    }

    /** Written to a stream: sizes and checksum behind the bytes. */
    Member streamed(Descriptor kind) {
      descriptor = kind;
      flags |= 8;
      localFlags |= 8;
      localCrc = 0;
      localSize = 0;
      localCompressed = 0;
      return this;
    }

    Member wide() {
      wideLocal = true;
      wideDirectory = true;
      return this;
    }
  }

  private final List<Member> members = new ArrayList<>();
  byte[] prefix = {};
  byte[] gap = {};
  byte[] comment = {};
  boolean wideEnd;
  long moreMembers;
  long moreSize;
  long moreStart;

  Member stored(String name, byte[] content) {
    return add(name.getBytes(ISO_8859_1), content, content, 0);
  }

  Member deflated(String name, byte[] content) {
    return add(name.getBytes(ISO_8859_1), content, deflate(content), 8);
  }

  Member utf8(String name, byte[] content) {
    Member member = add(name.getBytes(UTF_8), content, content, 0);
    member.flags = 0x800;
    member.localFlags = 0x800;
    return member;
  }

  Member raw(String name, byte[] content, byte[] stored, int method) {
    return add(name.getBytes(ISO_8859_1), content, stored, method);
  }

  private Member add(byte[] name, byte[] content, byte[] stored, int method) {
    Member member = new Member(name, content, stored, method);
    members.add(member);
    return member;
  }

  static byte[] deflate(byte[] content) {
    Deflater deflater = new Deflater(9, true);
    deflater.setInput(content);
    deflater.finish();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    byte[] block = new byte[1 << 16];
    while (!deflater.finished()) {
      bytes.write(block, 0, deflater.deflate(block));
    }
    deflater.end();
    return bytes.toByteArray();
  }

  /** A ZIP of a member streamed, one stored and one deflated. */
  public static byte[] mixed(byte[] streamed, byte[] stored, byte[] deflated) {
    ZipMaker zip = new ZipMaker();
    zip.deflated("a.npy", streamed).streamed(Descriptor.SIGNED);
    zip.stored("b.npy", stored);
    zip.deflated("c.npy", deflated).wide();
    zip.comment = "a comment".getBytes(ISO_8859_1);
    return zip.bytes();
  }

  /** A ZIP of members without bytes, with names as short as can be. */
  public static byte[] many(int count) {
    ZipMaker zip = new ZipMaker();
    for (int i = 0; i < count; i++) {
      zip.stored(Integer.toString(i, 36) + ".npy", new byte[0]);
    }
    return zip.bytes();
  }

  byte[] bytes() {
    ByteArrayOutputStream zip = new ByteArrayOutputStream();
    for (Member member : members) {
      member.local = zip.size();
      zip.writeBytes(local(member));
      zip.writeBytes(member.stored);
      zip.writeBytes(descriptor(member));
    }
    long start = zip.size();
    for (Member member : members) {
      zip.writeBytes(directory(member));
    }
    long size = zip.size() - start;
    zip.writeBytes(gap);
    long end = zip.size();
    long count = members.size() + moreMembers;
    if (wideEnd) {
      ByteBuffer wide = buffer(76).putInt(0x06064b50).putLong(44).putShort((short) 45);
      wide.putShort((short) 45).putLong(0).putLong(count).putLong(count);
      wide.putLong(size + moreSize).putLong(start + moreStart);
      wide.putInt(0x07064b50).putInt(0).putLong(end).putInt(1);
      zip.writeBytes(written(wide));
    }
    ByteBuffer last = buffer(22).putInt(0x06054b50).putInt(0);
    short shortCount = (short) (wideEnd ? SATURATED : count);
    last.putShort(shortCount).putShort(shortCount);
    last.putInt(wideEnd ? SATURATED : (int) (size + moreSize));
    last.putInt(wideEnd ? SATURATED : (int) (start + moreStart)).putShort((short) comment.length);
    zip.writeBytes(written(last));
    zip.writeBytes(comment);
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.writeBytes(prefix);
    all.writeBytes(zip.toByteArray());
    return all.toByteArray();
  }

  private static byte[] local(Member member) {
    byte[] extra = member.localExtra;
    if (member.wideLocal) {
      ByteBuffer wide = buffer(20).putShort((short) 1).putShort((short) 16);
      extra = written(wide.putLong(member.localSize).putLong(member.localCompressed));
    }
    ByteBuffer header = buffer(30 + member.localName.length + extra.length);
    header.putInt(0x04034b50).putShort((short) 20).putShort((short) member.localFlags);
    header.putShort((short) member.localMethod).putInt(0).putInt((int) member.localCrc);
    header.putInt(member.wideLocal ? SATURATED : (int) member.localCompressed);
    header.putInt(member.wideLocal ? SATURATED : (int) member.localSize);
    header.putShort((short) member.localName.length).putShort((short) extra.length);
    return written(header.put(member.localName).put(extra));
  }

  private static byte[] descriptor(Member member) {
    ByteBuffer after = buffer(24);
    if (member.descriptor != Descriptor.PLAIN) {
      after.putInt(0x08074b50);
    }
    after.putInt((int) member.crc);
    if (member.descriptor == Descriptor.SIGNED_64) {
      after.putLong(member.compressed).putLong(member.size);
    } else {
      after.putInt((int) member.compressed).putInt((int) member.size);
    }
    return member.descriptor == Descriptor.NONE ? new byte[0] : written(after);
  }

  private static byte[] directory(Member member) {
    byte[] extra = member.extra;
    long offset = member.offset == null ? member.local : member.offset;
    if (member.wideDirectory) {
      ByteBuffer wide =
          buffer(7 + 28).putShort((short) 0x7075).putShort((short) 3).put(new byte[3]);
      wide.putShort((short) 1).putShort((short) 24);
      extra = written(wide.putLong(member.size).putLong(member.compressed).putLong(offset));
    }
    ByteBuffer entry = buffer(46 + member.name.length + extra.length + member.comment.length);
    entry.putInt(0x02014b50).putInt(20).putShort((short) member.flags);
    entry.putShort((short) member.method).putInt(0).putInt((int) member.crc);
    entry.putInt(member.wideDirectory ? SATURATED : (int) member.compressed);
    entry.putInt(member.wideDirectory ? SATURATED : (int) member.size);
    entry.putShort((short) member.name.length).putShort((short) extra.length);
    entry.putShort((short) member.comment.length).putInt(0).putInt(0);
    entry.putInt(member.wideDirectory ? SATURATED : (int) offset);
    return written(entry.put(member.name).put(extra).put(member.comment));
  }

  private static byte[] written(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.position()];
    buffer.get(0, bytes);
    return bytes;
  }

  private static ByteBuffer buffer(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }
}
