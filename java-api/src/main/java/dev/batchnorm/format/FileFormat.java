package dev.batchnorm.format;

import dev.batchnorm.InputException;
import java.util.Arrays;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The file formats. */
public enum FileFormat {
  CSV,
  TSV,
  NPY,
  NPZ;

  private static final byte[] NPY_MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final byte[] ZIP_MAGIC = {'P', 'K', 3, 4};
  private static final byte[] EMPTY_ZIP_MAGIC = {'P', 'K', 5, 6};

  /** The name used on the command line and in messages, {@code npy}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The format of an input: a name ending in {@code .npy} or {@code .npz} must hold that format;
   * otherwise content decides, and text is TSV if the name ends in {@code .tsv}, else CSV.
   *
   * @throws InputException if the content is not what the name says
   */
  public static FileFormat detect(InputBytes in, String name) {
    byte[] start = in.start(NPY_MAGIC.length);
    FileFormat content =
        startsWith(start, NPY_MAGIC)
            ? NPY
            : startsWith(start, ZIP_MAGIC) || startsWith(start, EMPTY_ZIP_MAGIC) ? NPZ : CSV;
    FileFormat extension = ofExtension(name);
    if (extension == NPY || extension == NPZ) {
      if (content != extension) {
        throw unexpected(in.name(), extension, content, start);
      }
      return extension;
    }
    return content == CSV && extension == TSV ? TSV : content;
  }

  private static InputException unexpected(
      String name, FileFormat expected, FileFormat content, byte[] start) {
    byte[] magic = expected == NPY ? NPY_MAGIC : ZIP_MAGIC;
    byte[] found = Arrays.copyOf(start, Math.min(start.length, magic.length));
    String hint =
        switch (content) {
          case NPY -> "this is an NPY file; name it .npy or pass --format npy";
          case NPZ -> "this is a ZIP; name it .npz or pass --format npz";
          default ->
              found.length == 0
                  ? "is the file complete?"
                  : "for text, name it .csv or pass --format csv";
        };
    return new InputException(
        name
            + ": expected an "
            + expected
            + " file (bytes "
            + Wording.hex(magic)
            + "), found "
            + (found.length == 0 ? "an empty file" : Wording.hex(found)),
        hint);
  }

  private static boolean startsWith(byte[] bytes, byte[] magic) {
    return bytes.length >= magic.length
        && Arrays.equals(bytes, 0, magic.length, magic, 0, magic.length);
  }

  /** The format a path's extension names, in any case, or null. */
  public static @Nullable FileFormat ofExtension(String path) {
    String lower = path.toLowerCase(Locale.ROOT);
    for (FileFormat format : values()) {
      if (lower.endsWith("." + format.label())) {
        return format;
      }
    }
    return null;
  }
}
