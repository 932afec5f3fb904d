package dev.batchnorm.contract;

import static dev.batchnorm.contract.GoldenFiles.affine;
import static dev.batchnorm.contract.GoldenFiles.assertBits;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.Convention;
import dev.batchnorm.Forward;
import dev.batchnorm.Gradients;
import dev.batchnorm.Momentum;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.npz.NpzFile;
import java.io.IOException;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Inputs and the bits they must give, made in exact fractions by {@code testdata/make_golden.py}.
 *
 * @param mode {@code training}, {@code inference}, {@code frozen} or {@code sequence}
 * @param channelAxis empty for an array of one axis
 * @param convention empty where no running statistics are asked for
 */
record GoldenBits(String name, String mode, String channelAxis, double eps, String convention) {
  private static final GoldenFiles FILES = new GoldenFiles("golden");

  /** All cases of the manifest. */
  static Stream<GoldenBits> all() {
    return FILES.manifest(280).map(GoldenBits::of);
  }

  /** name,mode,layout,channel_axis,x_dtype,eps,convention,seed,why: only why may be quoted. */
  private static GoldenBits of(String line) {
    String[] fields = line.split(",", 9);
    return new GoldenBits(
        fields[0], fields[1], fields[3], Double.parseDouble(fields[5]), fields[6]);
  }

  /** Runs the case on the engine and compares every array to the bit. */
  void check(Engine engine) throws IOException {
    try (NpzFile npz = FILES.open(name)) {
      BatchNorm norm = norm(engine, npz);
      Batch x = batch(npz, "x");
      switch (mode) {
        case "training" -> {
          Forward forward = norm.forward(x);
          Statistics s = forward.statistics();
          assertBits(npz, "mean", Values.of(s.mean()));
          assertBits(npz, "variance", Values.of(s.variance()));
          assertBits(npz, "inverse_std", Values.of(s.inverseStd()));
          assertBits(npz, "y", forward.y().values());
          for (long count : s.count()) {
            assertEquals((long) npz.array("count").values()[0], count, "count");
          }
          checkGradients(npz, norm, x, s);
          if (!convention.isEmpty()) {
            assertRunning(npz, norm.update(runningBefore(npz), s));
          }
        }
        case "inference", "frozen" -> {
          Statistics s =
              norm.given(
                  npz.array("running_mean").values(), npz.array("running_variance").values());
          assertBits(npz, "inverse_std", Values.of(s.inverseStd()));
          if (npz.members().contains("y")) {
            assertBits(npz, "y", norm.infer(x, s).values());
          }
          checkGradients(npz, norm, x, s);
        }
        case "sequence" -> checkSequence(npz, norm, x);
        default -> throw new AssertionError("unknown mode " + mode);
      }
    }
  }

  private BatchNorm norm(Engine engine, NpzFile npz) {
    BatchNorm.Builder builder = BatchNorm.builder().engine(engine).eps(eps);
    if (convention.equals("pytorch-cumulative")) {
      builder.momentum(Momentum.cumulative());
    } else if (!convention.isEmpty()) {
      builder.convention(Convention.valueOf(convention.toUpperCase(Locale.ROOT)));
    }
    return builder.affine(affine(npz)).build();
  }

  private Batch batch(NpzFile npz, String member) {
    return GoldenFiles.batch(npz, member, this::shape);
  }

  private Shape shape(long... sizes) {
    return Shape.withChannelAxis(channelAxis.isEmpty() ? 0 : Integer.parseInt(channelAxis), sizes);
  }

  private void checkGradients(NpzFile npz, BatchNorm norm, Batch x, Statistics statistics) {
    if (npz.members().contains("dy")) {
      Gradients gradients = norm.backward(batch(npz, "dy"), x, statistics);
      assertBits(npz, "dx", gradients.dx().values());
      assertBits(npz, "dgamma", gradients.dgamma());
      assertBits(npz, "dbeta", gradients.dbeta());
    }
  }

  /** Mini-batches along axis 0, each normalised by its own statistics. */
  private static void checkSequence(NpzFile npz, BatchNorm norm, Batch x) {
    long[] sizes = x.shape().sizes();
    long samples = sizes[0];
    long batchSize = (long) npz.array("batch_size").values()[0];
    Values y = Values.allocate(x.type(), x.values().count());
    RunningStatistics running = runningBefore(npz);
    int at = 0;
    for (long first = 0; first < samples; first += batchSize) {
      sizes[0] = Math.min(batchSize, samples - first);
      Shape shape = Shape.withChannelAxis(x.shape().channelAxis(), sizes);
      int count = (int) shape.count();
      Forward forward = norm.forward(new Batch(shape, x.values().slice(at, count)));
      running = norm.update(running, forward.statistics());
      y.put(at, forward.y().values(), 0, count);
      at += count;
    }
    assertBits(npz, "y", y);
    assertRunning(npz, running);
  }

  private static RunningStatistics runningBefore(NpzFile npz) {
    return new RunningStatistics(
        npz.array("running_mean_before").values(),
        npz.array("running_variance_before").values(),
        (long) npz.array("batches_before").values()[0]);
  }

  private static void assertRunning(NpzFile npz, RunningStatistics after) {
    assertBits(npz, "running_mean", Values.of(after.mean()));
    assertBits(npz, "running_variance", Values.of(after.variance()));
    assertEquals((long) npz.array("batches").values()[0], after.batches(), "batches");
  }
}
