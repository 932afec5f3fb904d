package dev.batchnorm.format.npz;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Base64;
import java.util.zip.InflaterInputStream;

/** Files that numpy wrote: 2.4 under Python 3.11.7, and 1.24 under Python 3.11.2. */
final class NumpyFiles {
  /**
   * {@code numpy.savez(f, mean=[1.5, -2.0], count=numpy.int64(7), x=numpy.array([[1, 2]], 'f4'))},
   * compressed by zlib.
   */
  private static final String SAVED =
      "eNoL8GZm0WWAAEWGDTOOOv6HAg4GEYbc1MQ8vbyCSkYGAYYJUFUwerJfqG9AJCNDGUO1ekpqcXKRupWC"
          + "uk2ahbqOgnpaflFJUWJefH5RSipI3C0xpzgVKF6ckViQCuRrGOlo6ijUKlAAuCCu+GEPdc6BABSfKO/4"
          + "kAPzCSfQJ8n5pXklMK90QJV14PVKJnFeodQjQK+wQ92B6oWNbq6vYF5gBXqhgjTnp5kQ5XxDHQUjyrwA"
          + "jIkGUCw4BHgzMukyo6amCdAUw8GAAA2MIBKWttB1gWKuA+o7ThRdp4AkPB7RtYFCC6aNFUVbL9C6CogW"
          + "VjaQEDMQLgDSPkwgHgCQpJ2Y";

  /** {@code numpy.savez_compressed(f, mean=[1.5, -2.0], x=numpy.zeros((50, 4)))}. */
  private static final String COMPRESSED =
      "UEsDBBQAAAAIAAAAIQCwmMVBTQAAAJAAAAAIABQAbWVhbi5ucHkBABAAkAAAAAAAAABNAAAAAAAAAJvsF+ob"
          + "EMnIUMZQrZ6SWpxcpG6loG6TZqGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoU"
          + "AC4GMPhhD6EZDgAAUEsDBBQAAAAIAAAAIQDZXnVlVAAAAMAGAAAFABQAeC5ucHkBABAAwAYAAAAAAABU"
          + "AAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQW"
          + "pAL5GqYGOgommjoKtQrkAi6GUTAKRsEoGAWjgAwAAFBLAQIUAxQAAAAIAAAAIQCwmMVBTQAAAJAAAAAI"
          + "AAAAAAAAAAAAAACAAQAAAABtZWFuLm5weVBLAQIUAxQAAAAIAAAAIQDZXnVlVAAAAMAGAAAFAAAAAAAA"
          + "AAAAAACAAYcAAAB4Lm5weVBLBQYAAAAAAgACAGkAAAASAQAAAAA=";

  private NumpyFiles() {}

  static byte[] saved() {
    byte[] bytes = Base64.getDecoder().decode(SAVED);
    try (var stream = new InflaterInputStream(new ByteArrayInputStream(bytes))) {
      return stream.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static byte[] compressed() {
    return Base64.getDecoder().decode(COMPRESSED);
  }
}
