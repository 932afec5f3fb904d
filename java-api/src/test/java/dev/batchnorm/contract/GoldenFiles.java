package dev.batchnorm.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.InputBytes;
import dev.batchnorm.format.npz.NpzFile;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;

/** A folder of golden cases in testdata: a manifest, and an NPZ for each. */
record GoldenFiles(String folder) {

  /** The rows of the manifest, which has more than {@code least} of them. */
  Stream<String> manifest(int least) {
    try (BufferedReader manifest =
        new BufferedReader(
            new InputStreamReader(resource("manifest.csv"), StandardCharsets.UTF_8))) {
      List<String> rows = manifest.lines().skip(1).toList();
      assertTrue(rows.size() > least, "cases in the manifest of " + folder + ": " + rows.size());
      return rows.stream();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private InputStream resource(String file) {
    String path = "/dev/batchnorm/testdata/" + folder + "/" + file;
    InputStream stream = GoldenFiles.class.getResourceAsStream(path);
    if (stream == null) {
      throw new AssertionError("testdata is not on the class path: " + path);
    }
    return stream;
  }

  NpzFile open(String name) throws IOException {
    String file = name + ".npz";
    try (InputStream stream = resource(file)) {
      return NpzFile.open(InputBytes.spool(file, stream));
    }
  }

  /** A member, in memory of its own. */
  static Batch batch(NpzFile npz, String member, Axes axes) {
    try (Source source = npz.source(member, axes)) {
      Values chunk = source.chunk(0, (int) source.shape().count());
      Batch batch = Batch.zeros(source.shape(), source.type());
      for (int i = 0; i < chunk.count(); i++) {
        batch.values().set(i, chunk.get(i));
      }
      return batch;
    }
  }

  /** γ and β, where the case has them. */
  static Affine affine(NpzFile npz) {
    Affine affine = Affine.IDENTITY;
    if (npz.members().contains("gamma") && npz.array("gamma").count() > 0) {
      affine = affine.withGamma(npz.array("gamma").values());
    }
    if (npz.members().contains("beta") && npz.array("beta").count() > 0) {
      affine = affine.withBeta(npz.array("beta").values());
    }
    return affine;
  }

  /** Compares with a member, type and bits. */
  static void assertBits(NpzFile npz, String member, Values found) {
    Values expected = batch(npz, member, Axes.channelAxis(0)).values();
    assertEquals(expected.type(), found.type(), member);
    assertEquals(expected.count(), found.count(), member);
    for (int i = 0; i < expected.count(); i++) {
      double right = expected.get(i);
      if (Double.doubleToRawLongBits(right) != Double.doubleToRawLongBits(found.get(i))) {
        throw new AssertionError(
            "%s at %d: expected %s, found %s".formatted(member, i, right, found.get(i)));
      }
    }
  }
}
