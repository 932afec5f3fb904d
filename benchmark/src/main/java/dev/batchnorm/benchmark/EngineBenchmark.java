package dev.batchnorm.benchmark;

import dev.batchnorm.Affine;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Each pass of {@link Engine} on one chunk of N(0,1) off the heap; a benchmark is named as the pass
 * it calls.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class EngineBenchmark {
  private static final double EPS = 1e-5;

  @Param({"native", "java"})
  String engine = "";

  @Param({"1", "2"})
  int threads;

  /** A layout and its sizes. */
  @Param({"NC:262144x64", "NC:4096x256", "NC:256x64", "NC:4x10000", "NCHW:8x64x56x56"})
  String shape = "";

  @Param({"F32", "F64", "F16"})
  DType type = DType.F32;

  private record Chunk(Engine engine, View view, Values x, Values dy, Values result) {}

  private record Computed(
      ExactSums sums, Statistics statistics, ExactSums gradients, GradientParameters parameters) {}

  @SuppressWarnings("NullAway.Init")
  private Chunk chunk;

  @SuppressWarnings("NullAway.Init")
  private Computed computed;

  /** Makes the chunk, and what the later passes need of the earlier ones. */
  @Setup
  public void prepare() {
    String[] parts = shape.split(":", -1);
    long[] sizes = Arrays.stream(parts[1].split("x", -1)).mapToLong(Long::parseLong).toArray();
    View view = Shape.of(Layout.valueOf(parts[0]), sizes).view();
    int count = Math.toIntExact(view.count());
    Values x = normal(count, 1);
    Values dy = normal(count, 2);
    Values result = Values.allocateDirect(type, count);
    chunk = new Chunk(Engines.named(engine, threads), view, x, dy, result);

    ExactSums sums = addStatistics();
    Statistics statistics = chunk.engine.parameters(sums, EPS);
    ExactSums gradients = addGradientSums();
    GradientParameters parameters = chunk.engine.gradientParameters(gradients, statistics, type);
    computed = new Computed(sums, statistics, gradients, parameters);
  }

  private Values normal(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    Values values = Values.allocateDirect(type, count);
    for (int i = 0; i < count; i++) {
      values.set(i, random.nextGaussian());
    }
    return values;
  }

  /** x → Σx, Σx². */
  @Benchmark
  public ExactSums addStatistics() {
    ExactSums sums = ExactSums.statistics(chunk.view.channels(), type);
    chunk.engine.addStatistics(chunk.x, chunk.view, sums, 0);
    return sums;
  }

  /** Sums → mean, variance, inverse std (F1–F3). */
  @Benchmark
  public Statistics parameters() {
    return chunk.engine.parameters(computed.sums, EPS);
  }

  /** x, parameters → y (F5). */
  @Benchmark
  public Values normalise() {
    chunk.engine.normalise(
        chunk.x, chunk.view, computed.statistics, Affine.IDENTITY, 0, chunk.result);
    return chunk.result;
  }

  /** dy, x → Σdy, Σdy·x. */
  @Benchmark
  public ExactSums addGradientSums() {
    ExactSums sums = ExactSums.gradients(chunk.view.channels(), type, type);
    chunk.engine.addGradientSums(chunk.dy, chunk.x, chunk.view, sums, 0);
    return sums;
  }

  /** Sums → dγ, dβ, k₁, k₂ (B1, B2). */
  @Benchmark
  public GradientParameters gradientParameters() {
    return chunk.engine.gradientParameters(computed.gradients, computed.statistics, type);
  }

  /** dy, x, parameters → dx (B3). */
  @Benchmark
  public Values inputGradient() {
    chunk.engine.inputGradient(
        chunk.dy,
        chunk.x,
        chunk.view,
        computed.statistics,
        Affine.IDENTITY,
        computed.parameters,
        0,
        chunk.result);
    return chunk.result;
  }
}
