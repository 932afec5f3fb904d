package dev.batchnorm.format.npz;

import dev.batchnorm.InputException;
import dev.batchnorm.Source;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.Spool;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.npy.NpyArray;
import dev.batchnorm.format.npy.NpySource;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * The arrays of an NPZ file. Stored members are read where they lie, deflated ones are inflated
 * once; either way a member's checksum is verified when it is first asked for, which reads it once.
 */
public final class NpzFile implements AutoCloseable {
  private static final String EXTENSION = ".npy";
  private static final int STORED = 0;
  private static final int DEFLATED = 8;
  private static final int ENCRYPTED = 1;
  private static final int BLOCK = 1 << 16;

  /** No deflated bytes inflate to more than this many times their number. */
  private static final int MOST_EXPANSION = 1032;

  /** The longest NPY header and what stands before it. */
  private static final int HEADER = 12 + 0xFFFF;

  private final InputBytes in;
  private final ZipDirectory directory;
  private final Map<String, InputBytes> opened = new HashMap<>();

  private NpzFile(InputBytes in, ZipDirectory directory) {
    this.in = in;
    this.directory = directory;
  }

  /**
   * Reads the directory. The input belongs to the file from then on and is closed with it; if this
   * throws, it stays the caller's.
   *
   * @throws InputException if this is no ZIP file, or its directory is damaged
   */
  public static NpzFile open(InputBytes in) {
    return new NpzFile(in, ZipDirectory.read(in));
  }

  /** What messages call this file. */
  public String name() {
    return in.name();
  }

  /** The names of the members without {@code .npy}, in the file's order. */
  public List<String> members() {
    List<String> members = new ArrayList<>();
    for (String name : directory.entries().keySet()) {
      if (name.endsWith(EXTENSION)) {
        members.add(name.substring(0, name.length() - EXTENSION.length()));
      }
    }
    return members;
  }

  /**
   * The member as a batch. It needs this file to stay open.
   *
   * @throws InputException as {@link NpySource#open}; or if there is no such member, or it is
   *     damaged
   */
  public Source source(String member, Axes axes) {
    return source(member, axes, false);
  }

  /**
   * As {@link #source(String, Axes)}.
   *
   * @param narrow as {@link NpySource#open(InputBytes, Axes, boolean)}
   */
  public Source source(String member, Axes axes, boolean narrow) {
    return NpySource.open(bytes(member), axes, narrow);
  }

  /**
   * The member as an array of any real type and rank. It needs this file to stay open.
   *
   * @throws InputException as {@link NpyArray#open}; or if there is no such member, or it is
   *     damaged
   */
  public NpyArray array(String member) {
    return NpyArray.open(bytes(member));
  }

  private InputBytes bytes(String member) {
    InputBytes known = opened.get(member);
    if (known != null) {
      return known.slice(known.name(), 0, known.size());
    }
    ZipDirectory.Entry entry = directory.entries().get(member + EXTENSION);
    if (entry == null) {
      List<String> members = members();
      throw new InputException(
          in.name()
              + ": expected a member "
              + Wording.quoted(member)
              + ", found "
              + Wording.some(members));
    }
    InputBytes bytes = check(entry, in.name() + ":" + Wording.onOneLine(member));
    opened.put(member, bytes);
    return bytes.slice(bytes.name(), 0, bytes.size());
  }

  private InputBytes check(ZipDirectory.Entry entry, String name) {
    if ((entry.flags() & ENCRYPTED) != 0) {
      throw new InputException(name + ": expected a plain member, found an encrypted one");
    }
    if (entry.method() != STORED && entry.method() != DEFLATED) {
      throw new InputException(
          name
              + ": expected a member stored (0) or deflated (8), found ZIP method "
              + entry.method());
    }
    if (entry.method() == STORED && entry.size() != entry.compressed()) {
      throw sizes(name, entry.size(), entry.compressed());
    }
    InputBytes stored = directory.stored(entry, name);
    if (entry.method() == DEFLATED) {
      return inflate(entry, stored);
    }
    checkCrc(name, entry.crc(), crc(stored));
    return stored;
  }

  private static long crc(InputBytes bytes) {
    CRC32 crc = new CRC32();
    ByteBuffer block = ByteBuffer.allocateDirect((int) Math.min(BLOCK, bytes.size()));
    for (long at = 0; at < bytes.size(); at += block.limit()) {
      block.clear().limit((int) Math.min(block.capacity(), bytes.size() - at));
      bytes.read(at, block);
      crc.update(block.flip());
    }
    return crc.getValue();
  }

  private static InputBytes inflate(ZipDirectory.Entry entry, InputBytes deflated) {
    String name = deflated.name();
    if (entry.size() / MOST_EXPANSION > entry.compressed()) {
      throw sizes(name, entry.size(), entry.compressed());
    }
    Spool spool = new Spool(name);
    Inflater inflater = new Inflater(true);
    boolean done = false;
    try {
      inflateInto(spool, inflater, entry, deflated);
      done = true;
      return spool.input();
    } catch (DataFormatException e) {
      throw new InputException(name + ": expected deflated bytes, found damage", null, e);
    } finally {
      inflater.end();
      if (!done) {
        spool.close();
      }
    }
  }

  private static void inflateInto(
      Spool spool, Inflater inflater, ZipDirectory.Entry entry, InputBytes deflated)
      throws DataFormatException {
    String name = deflated.name();
    CRC32 crc = new CRC32();
    byte[] block = new byte[BLOCK];
    long taken = 0;
    boolean checked = false;
    while (!inflater.finished()) {
      if (inflater.needsInput()) {
        int count = (int) Math.min(BLOCK, deflated.size() - taken);
        if (count == 0) {
          throw new InputException(
              name
                  + ": expected deflated bytes up to their end, found none after "
                  + Wording.size(taken));
        }
        inflater.setInput(deflated.read(taken, count));
        taken += count;
      }
      int count = inflater.inflate(block);
      if (count == 0 && inflater.needsDictionary()) {
        throw new DataFormatException("dictionary");
      }
      if (count > entry.size() - spool.size()) {
        throw sizes(name, entry.size(), spool.size() + count);
      }
      crc.update(block, 0, count);
      spool.write(ByteBuffer.wrap(block, 0, count));
      if (!checked && (spool.size() >= HEADER || inflater.finished())) {
        // What is no array of that size is not inflated to its end.
        NpyArray.check(spool.input(), entry.size());
        checked = true;
      }
    }
    if (spool.size() != entry.size()) {
      throw sizes(name, entry.size(), spool.size());
    }
    if (inflater.getBytesRead() != entry.compressed()) {
      throw sizes(name, entry.compressed(), inflater.getBytesRead());
    }
    checkCrc(name, entry.crc(), crc.getValue());
  }

  private static void checkCrc(String name, long expected, long found) {
    if (expected != found) {
      throw new InputException(
          String.format("%s: expected checksum %08x, found %08x", name, expected, found),
          "the file is damaged; is it complete?");
    }
  }

  private static InputException sizes(String name, long announced, long found) {
    return new InputException(
        name + ": " + Wording.announced(announced, "the ZIP directory", found, "the member"));
  }

  /** Closes the input and forgets what was inflated; sources of its members end with it. */
  @Override
  public void close() {
    for (InputBytes bytes : opened.values()) {
      bytes.close();
    }
    opened.clear();
    in.close();
  }
}
