package dev.batchnorm.format.npy;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** NPY files made by hand. */
final class NpyFiles {
  private NpyFiles() {}

  /** A version 1.0 file with the dictionary and the data behind it. */
  static byte[] file(String dictionary, byte... data) {
    return file(1, dictionary, data);
  }

  static byte[] file(int version, String dictionary, byte... data) {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    byte[] text = (dictionary + "\n").getBytes(version == 3 ? UTF_8 : ISO_8859_1);
    file.writeBytes(NpyHeader.MAGIC);
    file.writeBytes(new byte[] {(byte) version, 0, (byte) text.length, (byte) (text.length >> 8)});
    if (version > 1) {
      file.writeBytes(new byte[] {(byte) (text.length >> 16), 0});
    }
    file.writeBytes(text);
    file.writeBytes(data);
    return file.toByteArray();
  }

  static String dictionary(String descriptor, boolean fortran, String shape) {
    return "{'descr': '"
        + descriptor
        + "', 'fortran_order': "
        + (fortran ? "True" : "False")
        + ", 'shape': "
        + shape
        + ", }";
  }

  static String shape(long... sizes) {
    StringBuilder shape = new StringBuilder("(");
    for (long size : sizes) {
      shape.append(size).append(",");
    }
    return shape.append(")").toString();
  }

  static byte[] doubles(double... values) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asDoubleBuffer().put(values);
    return bytes.array();
  }

  static byte[] longs(long... values) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asLongBuffer().put(values);
    return bytes.array();
  }
}
