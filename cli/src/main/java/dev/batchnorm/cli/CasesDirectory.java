package dev.batchnorm.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.OutputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.format.AtomicDirectory;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.Digest;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.Wording;
import dev.batchnorm.format.npy.NpySink;
import dev.batchnorm.format.npz.NpzWriter;
import dev.batchnorm.verify.ExactCase;
import dev.batchnorm.verify.ExactCase.Answer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The directory that {@code cases} writes; appears with all its files or not at all. */
final class CasesDirectory implements AutoCloseable {
  private static final String EXPECTED = "expected/";
  private static final String RUNNING = "running.npz";
  private static final int PIECE = 1 << 16;

  /** How to use the files without this program. */
  private static final String README =
      """
      Batch normalization, a case with exact answers.

      x.npy dy.npy        the batch and the output gradient, %1$s of %2$s, channels on axis %3$d
      gamma.npy beta.npy  scale and shift, one value per channel
      running.npz         running_mean, running_variance and batches, as they are before the batch
      expected/           what batch normalization makes of them
      manifest.json       all of this for programs; of each file the SHA-256

      eps = %4$s. Momentum is 0.125, the weight of the new batch: running = 0.875*running + 0.125*batch,
      with the %5$s variance of the batch.

      Mean and variance are biased, over the %6$d values of a channel.
        mean variance inverse_std   inverse_std = 1/sqrt(variance + eps)
        y                           gamma*(x - mean)*inverse_std + beta
        dx dgamma dbeta             gradients for dy, through mean and variance
        running_mean running_variance   after the batch
        infer_y                     y with the given running_mean and running_variance in place of the batch's
        frozen_dx frozen_dgamma     the gradients of that: mean and variance are constants

      manifest.json says of each array how exact it is. "exact in any order": the true answer; all partial
      sums of x, x*x, (x - mean)^2, dy, dy*x and dy*(x - mean) are numbers of %7$s, in any order and any
      grouping, with or without fused multiply-add, so a kernel that computes in %7$s or more has to give
      these very bits. Divide sums by the count; to multiply by a rounded 1/count is %8$s here.
      "correctly rounded": the true answer rounded once to the type of the file, so right kernels may differ
      from it by their own rounding. "within half an ulp": the same within 0.5 + 2^-29 ulp, and 2^-50 of the
      terms it is a sum of. "rounded twice": the unbiased variance rounded to f64, then the sum.

      Arrays of one value per channel are f64 (gradients f32 beside f16 and f32): compare numbers, or round
      them to your type first, which changes none that is exact.

          import numpy as np
          y = yours(np.load("x.npy"), ...)
          np.testing.assert_array_equal(y, np.load("expected/y.npy"))

      Made by: %9$s
      """;

  private final Session session;
  private final Path target;
  private final AtomicDirectory directory;
  private final List<Entry> entries = new ArrayList<>();
  private final List<String> digests = new ArrayList<>();

  /**
   * A file of the directory.
   *
   * @param array what it holds; null for several
   * @param answer what it is to be compared with; null for an input
   */
  private record Entry(
      String file, @Nullable Batch array, @Nullable Answer answer, String digest, String sha256) {}

  private CasesDirectory(Session session, Path target, AtomicDirectory directory) {
    this.session = session;
    this.target = target;
    this.directory = directory;
  }

  /**
   * Begins a directory.
   *
   * @throws OutputException if there is one with something in it, or none can be made
   */
  static CasesDirectory begin(Session session, Path target) {
    if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
      requireEmpty(target);
    }
    return new CasesDirectory(session, target, AtomicDirectory.of(target));
  }

  private static void requireEmpty(Path target) {
    if (!Files.isDirectory(target, LinkOption.NOFOLLOW_LINKS)) {
      throw new OutputException(target + ": expected a new or empty directory, found another file");
    }
    try (Stream<Path> inside = Files.list(target)) {
      if (inside.findAny().isPresent()) {
        throw notEmpty(target);
      }
    } catch (IOException e) {
      throw refused(target, e);
    }
  }

  private static OutputException notEmpty(Path target) {
    return new OutputException(
        target + ": expected a new or empty directory, found one with files in it",
        "nothing is overwritten; name another, or remove it",
        null);
  }

  private static OutputException refused(Path target, IOException e) {
    return new OutputException(
        target + ": expected a directory that may be written, found " + Wording.reason(e), null, e);
  }

  /**
   * Writes all files.
   *
   * @param eps that of the answers
   * @param command the command line that gives the same files
   */
  void write(ExactCase exact, double eps, boolean biased, List<Answer> answers, String command) {
    try {
      writeFiles(exact, eps, biased, answers, command);
    } catch (OutputException e) {
      throw directory.told(e);
    }
  }

  private void writeFiles(
      ExactCase exact, double eps, boolean biased, List<Answer> answers, String command) {
    try {
      Files.createDirectory(directory.path().resolve("expected"));
    } catch (IOException e) {
      throw refused(target, e);
    }
    DType affine = exact.type().gradientType();
    array("x.npy", exact.x(), null);
    array("dy.npy", exact.dy(), null);
    array("gamma.npy", vector(affine, exact.gamma()), null);
    array("beta.npy", vector(affine, exact.beta()), null);
    running(exact.running());
    for (Answer answer : answers) {
      array(EXPECTED + answer.name() + ".npy", answer.values(), answer);
    }
    String readme =
        README.formatted(
            exact.shape(),
            exact.type().label(),
            exact.shape().channelAxis(),
            Decimals.text(eps),
            biased ? "biased" : "unbiased",
            exact.shape().view().valuesPerChannel(),
            exact.arithmetic().label(),
            exact.reciprocalIsExact() ? "exact too" : "not exact",
            command);
    text("README.txt", readme);
    text("manifest.json", JsonText.of(json -> manifest(json, exact, eps, biased, command)));
  }

  private static Batch vector(DType type, double... values) {
    Batch vector = Batch.zeros(Shape.withChannelAxis(0, values.length), type);
    for (int i = 0; i < values.length; i++) {
      vector.values().set(i, values[i]);
    }
    return vector;
  }

  private void array(String file, Batch array, @Nullable Answer answer) {
    long[] sizes = array.shape().sizes();
    NumberType type = NumberType.of(array.type());
    Digest digest = new Digest(file, type, sizes);
    try (NpySink sink = NpySink.create(AtomicOutput.to(path(file)), type, sizes)) {
      Values values = array.values();
      for (int first = 0; first < values.count(); first += PIECE) {
        int count = Math.min(PIECE, values.count() - first);
        Values room = sink.room(count);
        room.put(0, values, first, count);
        digest.add(room);
        sink.commit();
      }
      sink.finish();
    }
    String hex = digest.hex();
    digests.add(hex + " " + file + " " + digest.description());
    entries.add(new Entry(file, array, answer, hex, sha256(file)));
  }

  private void running(RunningStatistics running) {
    long channels = running.mean().length;
    try (NpzWriter npz = new NpzWriter(AtomicOutput.to(path(RUNNING)))) {
      npz.doubles("running_mean", running.mean(), channels);
      npz.doubles("running_variance", running.variance(), channels);
      npz.int64("batches", running.batches());
      npz.finish();
    }
    entries.add(new Entry(RUNNING, null, null, "", sha256(RUNNING)));
  }

  private void text(String file, String text) {
    try (AtomicOutput out = AtomicOutput.to(path(file))) {
      out.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
      out.commit();
    }
  }

  private Path path(String file) {
    return directory.path().resolve(file);
  }

  private String sha256(String file) {
    try (InputStream in = Files.newInputStream(path(file))) {
      MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
      new DigestInputStream(in, sha256).transferTo(OutputStream.nullOutputStream());
      return HexFormat.of().formatHex(sha256.digest());
    } catch (IOException e) {
      throw refused(target, e);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }

  private void manifest(
      JsonGenerator json, ExactCase exact, double eps, boolean biased, String command)
      throws IOException {
    json.writeStartObject();
    json.writeStringField("format", "batchnorm exact case");
    json.writeNumberField("version", 1);
    JsonText.sizes(json, "shape", exact.shape().sizes());
    json.writeNumberField("channel_axis", exact.shape().channelAxis());
    json.writeNumberField("values_per_channel", exact.shape().view().valuesPerChannel());
    json.writeStringField("dtype", exact.type().label());
    json.writeStringField("arithmetic", exact.arithmetic().label());
    json.writeNumberField("seed", exact.seed());
    JsonText.number(json, "eps", eps);
    JsonText.number(json, "momentum", ExactCase.MOMENTUM);
    json.writeStringField("running_variance", biased ? "biased" : "unbiased");
    json.writeObjectFieldStart("also_exact");
    json.writeBooleanField("reciprocal_of_count", exact.reciprocalIsExact());
    json.writeBooleanField("dx_scaled_by_count", exact.scaledByCountIsExact());
    json.writeEndObject();
    json.writeArrayFieldStart("files");
    for (Entry entry : entries) {
      write(json, entry);
    }
    json.writeEndArray();
    json.writeStringField("command", command);
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, Entry entry) throws IOException {
    json.writeStartObject();
    json.writeStringField("file", entry.file());
    json.writeStringField("role", entry.answer() == null ? "input" : "expected");
    if (entry.array() == null) {
      json.writeArrayFieldStart("members");
      for (String member : List.of("running_mean", "running_variance", "batches")) {
        json.writeString(member);
      }
      json.writeEndArray();
    } else {
      json.writeStringField("dtype", entry.array().type().label());
      JsonText.sizes(json, "shape", entry.array().shape().sizes());
    }
    if (entry.answer() != null) {
      json.writeStringField("equation", entry.answer().equation());
      json.writeStringField("exactness", entry.answer().exactness().label());
    }
    if (entry.array() != null) {
      json.writeStringField("digest", entry.digest());
    }
    json.writeStringField("sha256", entry.sha256());
    json.writeEndObject();
  }

  /** Makes the directory appear, then tells the digests. */
  void commit() {
    try {
      Files.deleteIfExists(target); // an empty one
    } catch (DirectoryNotEmptyException e) {
      throw notEmpty(target);
    } catch (IOException e) {
      throw refused(target, e);
    }
    directory.commit(false);
    if (session.digests()) {
      digests.forEach(session::tell);
    }
  }

  /** Without a commit before: leaves nothing behind. */
  @Override
  public void close() {
    directory.close();
  }
}
