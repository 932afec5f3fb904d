package dev.batchnorm.format;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * An NPY file read in the most straightforward way, independently of what is tested: patterns for
 * the header, one value at a time.
 *
 * @param type numpy's descriptor without the byte order
 * @param values little-endian, in C order
 */
public record NaiveNpy(String type, long[] sizes, byte[] values) {
  private static final Pattern DESCR =
      Pattern.compile("(['\"])descr\\1\\s*:\\s*(['\"])([<>|])([biuf]\\d)\\2");
  private static final Pattern ORDER =
      Pattern.compile("(['\"])fortran_order\\1\\s*:\\s*(True|False)");
  private static final Pattern SHAPE =
      Pattern.compile("(['\"])shape\\1\\s*:\\s*\\(([\\s\\dL,]*)\\)");

  /** The file's array; null if the file is none that this reads. */
  public static @Nullable NaiveNpy read(byte[] file) {
    int prefix = file.length > 6 && file[6] == 1 ? 10 : 12;
    if (file.length < prefix) {
      return null;
    }
    long length = 0;
    for (int i = prefix - 1; i >= 8; i--) {
      length = 256 * length + (file[i] & 0xff);
    }
    if (prefix + length > file.length) {
      return null;
    }
    String header = new String(file, prefix, (int) length, ISO_8859_1);
    Matcher descr = DESCR.matcher(header);
    Matcher order = ORDER.matcher(header);
    Matcher shape = SHAPE.matcher(header);
    if (!descr.find() || !order.find() || !shape.find()) {
      return null;
    }
    String list = shape.group(2).replaceAll("[\\sL]", "");
    long[] sizes =
        Arrays.stream(list.split(",", -1))
            .filter(size -> !size.isEmpty())
            .mapToLong(Long::parseLong)
            .toArray();
    int item = descr.group(4).charAt(1) - '0';
    BigInteger bytes = BigInteger.valueOf(item);
    for (long size : sizes) {
      bytes = bytes.multiply(BigInteger.valueOf(size));
    }
    int start = prefix + (int) length;
    if (!bytes.equals(BigInteger.valueOf(file.length - start))) {
      return null;
    }
    byte[] stored = Arrays.copyOfRange(file, start, file.length);
    byte[] values =
        arrange(
            stored, item, descr.group(3).equals(">"), order.group(2).equals("True") ? sizes : null);
    return new NaiveNpy(descr.group(4), sizes, values);
  }

  /**
   * Reverses each value, and brings Fortran order into C order.
   *
   * @param fortran the sizes if the bytes are in Fortran order
   */
  private static byte[] arrange(
      byte[] stored, int item, boolean reverse, long @Nullable [] fortran) {
    byte[] values = new byte[stored.length];
    for (int i = 0; i < stored.length / item; i++) {
      int from = fortran == null ? i : fortranIndex(i, fortran);
      for (int k = 0; k < item; k++) {
        values[i * item + k] = stored[from * item + (reverse ? item - 1 - k : k)];
      }
    }
    return values;
  }

  /** Where in Fortran order the value lies that is the i-th in C order. */
  public static int fortranIndex(int i, long... sizes) {
    int rest = i;
    int place = 0;
    for (int axis = sizes.length - 1; axis >= 0; axis--) {
      int index = rest % (int) sizes[axis];
      rest /= (int) sizes[axis];
      int stride = 1;
      for (int before = 0; before < axis; before++) {
        stride *= (int) sizes[before];
      }
      place += index * stride;
    }
    return place;
  }
}
