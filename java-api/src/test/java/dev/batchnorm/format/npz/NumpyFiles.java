package dev.batchnorm.format.npz;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Base64;
import java.util.zip.InflaterInputStream;

/** Files that numpy wrote: 2.4 under Python 3.11.7, and 1.24 under Python 3.11.2. */
public final class NumpyFiles {
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

  /*
   * The next three hold mean.npy = [1.5, -2.0], stored, and x.npy = numpy.asfortranarray([[1, 2, 3],
   * [4, 5, 6]], '>f4'), deflated; compressed by zlib.
   */

  /** Written by zipfile to a stream that cannot seek: sizes behind the members. */
  private static final String STREAMED =
      "eNoL8GZmEWHgYAABRQZkABLLTU3M08srqJzsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqGuo6Cell9UUpSYF59f"
          + "lJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC6Ii37YQ512IMCbnWPDjKOOE4AcEA6A+oIDwxesQFwB8sLs"
          + "N+KvpAVOngg4FrB23qSoOTFL8pYuyJuetmjd4gXzpsWHBE2ZIT4/fsokLiF+TS1fVi7xdBWxJUw7pdysuI7N"
          + "suLayvWEWe83Gxsbu0AawyNWB54UC5mEBJDN7BydDvuXhAPtmQF2CSOTCDMiRJFdyYHkrgZGBqTwReiC+ADZ"
          + "RFYUXcdg/gnwZmUDCTEBYSbIYrCBADX2XQg=";

  /** As before, with {@code force_zip64} and a comment. */
  private static final String STREAMED_64 =
      "eNoL8GZmEWHgYAABRQZkwMEgwpCbmpinl1dQycggwIAOJvuF+gZEMjKUMVSrp6QWJxepWymo26RZqOsoqKfl"
          + "F5UUJebF5xelpILE3RJzilOB4sUZiQWpQL6GkY6mjkKtAgWAC+KKH/ZQ5xwI8Gbn2DDjqOMEqACMDoD6kAPD"
          + "h6xAH1bg8t7sN+KvpAVOngg4FrB23qSoOTFL8pYuyJuetmjd4gXzpsWHBE2ZIT4/fsokLiF+TS1fVi7xdBWx"
          + "JUw7pdysuI7NsuLayvWEWe83Gxsbu0AawyNWB54UC5mEBJBr2Dk6HfYvCYdaMwPuSkYmEWZETMB8MgEcEwjQ"
          + "wAgiYfGC0AXxHczkGWDfIet6BCQrIFpY2UBCTECYCaQ7gAZyMiQqJOfn5qbmlQAABBdhIw==";

  /** Written by zipfile with its limit of 32-bit fields lowered, so that all have 64 bits. */
  private static final String WIDE =
      "eNoL8GZm0WWAAEWGDTOOOv6HAg4GEYbc1MQ8vbyCSkYGAYYJUFUwerJfqG9AJCNDGUO1ekpqcXKRupWCuk2a"
          + "hbqOgnpaflFJUWJefH5RSipI3C0xpzgVKF6ckViQCuRrGOlo6ijUKlAAuCCu+GEPdc6BAKhPOMA+6XTYvwTm"
          + "E1agTypg3pgBVR8OpWe/EX8lLXDyRMCxgLXzJkXNiVmSt3RB3vS0ResWL5g3LT4kaMoM8fnxUyZxCfFravmy"
          + "comnq4gtYdop5WbFdWyWFddWrifMer/Z2NjYBdIYHrE68KRYyCQkMDAEeDMy6TLjDlkYaGAEkfjCGWESNp/J"
          + "IJkEEoH6UwLDn6fgxrGx6UDZugy6cO1MaPRMKB3BCNfHDqI/QvmMYDFWNogeJrB6iFoA1uKEpA==";

  private NumpyFiles() {}

  static byte[] saved() {
    return decompress(SAVED);
  }

  private static byte[] decompress(String base64) {
    byte[] bytes = Base64.getDecoder().decode(base64);
    try (var stream = new InflaterInputStream(new ByteArrayInputStream(bytes))) {
      return stream.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static byte[] compressed() {
    return Base64.getDecoder().decode(COMPRESSED);
  }

  static byte[] streamed() {
    return decompress(STREAMED);
  }

  static byte[] streamed64() {
    return decompress(STREAMED_64);
  }

  /** All fields of 64 bits, a directory end of 64 bits. */
  public static byte[] wide() {
    return decompress(WIDE);
  }
}
