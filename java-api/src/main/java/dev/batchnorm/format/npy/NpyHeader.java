package dev.batchnorm.format.npy;

import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.Wording;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** What stands in front of an NPY file's values: their type, order and sizes. */
final class NpyHeader {
  static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final int LONGEST = 0xFFFF;
  private static final int ALIGNMENT = 64;

  /** numpy leaves room for the first size to grow to this many digits. */
  private static final int GROWTH_DIGITS = 21;

  final String descriptor;
  final boolean fortranOrder;
  final long[] sizes;

  /** Position of the first value. */
  final long dataStart;

  private NpyHeader(String descriptor, boolean fortranOrder, long[] sizes, long dataStart) {
    this.descriptor = descriptor;
    this.fortranOrder = fortranOrder;
    this.sizes = sizes;
    this.dataStart = dataStart;
  }

  static NpyHeader read(InputBytes in) {
    String name = in.name();
    byte[] start = in.start(12);
    if (start.length < MAGIC.length || !Arrays.equals(start, 0, 6, MAGIC, 0, 6)) {
      throw new InputException(
          name
              + ": expected an NPY file (bytes "
              + Wording.hex(MAGIC)
              + "), found "
              + (start.length == 0
                  ? "an empty file"
                  : Wording.hex(Arrays.copyOf(start, Math.min(start.length, MAGIC.length)))));
    }
    int version = start.length > 6 ? start[6] : 1;
    int minor = start.length > 7 ? start[7] : 0;
    if (version < 1 || version > 3 || minor != 0) {
      throw new InputException(
          name
              + ": expected NPY version 1.0, 2.0 or 3.0, found "
              + (version & 0xFF)
              + "."
              + (minor & 0xFF));
    }
    int prefix = version == 1 ? 10 : 12;
    if (start.length < prefix) {
      throw cutShort(name, prefix, in.size());
    }
    long length = 0;
    for (int i = prefix - 1; i >= 8; i--) {
      length = length << 8 | (start[i] & 0xFF);
    }
    if (length > in.size() - prefix) {
      throw cutShort(name, prefix + length, in.size());
    }
    if (length > LONGEST) {
      throw new InputException(
          name + ": expected a header of at most " + LONGEST + " bytes, found " + length);
    }
    byte[] header = in.read(prefix, (int) length);
    String text =
        new String(header, version == 3 ? StandardCharsets.UTF_8 : StandardCharsets.ISO_8859_1);
    NpyDictionary dictionary = NpyDictionary.parse(name, text);
    return new NpyHeader(
        dictionary.descriptor(), dictionary.fortranOrder(), dictionary.sizes(), prefix + length);
  }

  private static InputException cutShort(String name, long announced, long size) {
    return new InputException(
        name + ": expected a header of " + announced + " bytes, found " + size + " in the file");
  }

  /** The type of the values; any other than a real number is refused. */
  NumberType type(String name) {
    NumberType type = NumberType.ofDescriptor(descriptor);
    if (type != null) {
      return type;
    }
    String text = Wording.quoted(descriptor);
    String found = "'" + text.substring(1, text.length() - 1) + "'";
    if (descriptor.endsWith("O")) {
      throw new InputException(
          name + ": expected numbers, found pickled objects (dtype " + found + ")",
          "pickles can run code and are never read; numpy.save the numbers alone");
    }
    throw new InputException(
        name + ": expected real numbers (f2, f4, f8, i1 to i8, u1 to u8, b1), found dtype " + found,
        "numpy.save(file, array.astype('<f8')) writes a file that is read");
  }

  boolean isBigEndian() {
    return descriptor.startsWith(">");
  }

  /**
   * The number of values, after checking that exactly their bytes follow the header. As in numpy,
   * the sizes besides a 0 must have a product, so that whoever multiplies some of them can.
   *
   * @param fileSize the number of bytes of the whole file
   * @param itemBytes the size of one value
   */
  long checkedCount(String name, long fileSize, int itemBytes) {
    long announced = itemBytes;
    boolean empty = false;
    try {
      for (long size : sizes) {
        empty |= size == 0;
        announced = Math.multiplyExact(announced, Math.max(size, 1));
      }
    } catch (ArithmeticException e) {
      throw new InputException(
          name
              + ": more than 2^63 bytes announced by the header (shape "
              + Shape.text(sizes)
              + "), "
              + Wording.size(fileSize)
              + " in the file",
          null,
          e);
    }
    announced = empty ? 0 : announced;
    long found = fileSize - dataStart;
    if (announced != found) {
      throw new InputException(
          name + ": " + Wording.announced(announced, "the header", found, "the file"));
    }
    return announced / itemBytes;
  }

  /** The bytes numpy's {@code save} writes in front of the values of a C-order array. */
  static byte[] write(String descriptor, long... sizes) {
    StringBuilder shape = new StringBuilder("(");
    for (long size : sizes) {
      shape.append(shape.length() > 1 ? " " : "").append(size).append(",");
    }
    if (sizes.length > 1) {
      shape.setLength(shape.length() - 1);
    }
    StringBuilder text =
        new StringBuilder("{'descr': '" + descriptor)
            .append("', 'fortran_order': False, 'shape': ")
            .append(shape)
            .append("), }");
    if (sizes.length > 0) {
      text.append(" ".repeat(GROWTH_DIGITS - Long.toString(sizes[0]).length()));
    }
    int prefix = MAGIC.length + 4;
    int padding = ALIGNMENT - (prefix + text.length() + 1) % ALIGNMENT;
    text.append(" ".repeat(padding)).append('\n');
    byte[] header = Arrays.copyOf(MAGIC, prefix + text.length());
    header[6] = 1;
    header[8] = (byte) text.length();
    header[9] = (byte) (text.length() >> 8);
    byte[] ascii = text.toString().getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(ascii, 0, header, prefix, ascii.length);
    return header;
  }
}
