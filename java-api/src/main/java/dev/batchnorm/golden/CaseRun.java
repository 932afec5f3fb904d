package dev.batchnorm.golden;

import dev.batchnorm.Affine;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.DType;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.InputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.ArraySink;
import dev.batchnorm.format.NumberType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One run of a case, the same whether it is recorded or checked. */
final class CaseRun {

  /** Takes the outputs, each whole before the next begins. */
  interface Outputs {
    ArraySink array(String name, NumberType type, long... sizes);
  }

  /**
   * What a case is computed from.
   *
   * @param statistics the running statistics before the first batch, or given ones if frozen; null
   *     if there are none
   */
  record Inputs(
      Source x, @Nullable Source dy, Affine affine, @Nullable RunningStatistics statistics) {}

  private final BatchNorm norm;
  private final GoldenSettings settings;
  private final Inputs inputs;
  private final Outputs outputs;
  private final List<String> warnings = new ArrayList<>();

  CaseRun(Engine engine, GoldenSettings settings, Inputs inputs, Outputs outputs) {
    this.norm = settings.norm(engine, inputs.affine());
    this.settings = settings;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  /**
   * Computes everything.
   *
   * @return what a user should know, such as channels without spread
   */
  List<String> run() {
    Source x = inputs.x();
    Statistics statistics = settings.frozen() ? infer(x) : train(x);
    Source dy = inputs.dy();
    if (dy != null) {
      NumberType type = NumberType.of(settings.outputType());
      Sink dx = outputs.array("dx", type, x.shape().sizes());
      GradientParameters p = norm.backward(dy, x, statistics, dx);
      doubles("dgamma", p.type(), p.dgamma());
      doubles("dbeta", p.type(), p.dbeta());
    }
    return warnings;
  }

  private Sink y(Source x) {
    return outputs.array("y", NumberType.of(settings.outputType()), x.shape().sizes());
  }

  private Statistics infer(Source x) {
    RunningStatistics given = Objects.requireNonNull(inputs.statistics(), "given statistics");
    Statistics statistics = norm.given(given.mean(), given.variance());
    warnings.addAll(statistics.warnings(norm.affine()));
    norm.infer(x, statistics, y(x));
    doubles("inverse_std", DType.F64, statistics.inverseStd());
    return statistics;
  }

  private Statistics train(Source x) {
    RunningStatistics running = inputs.statistics();
    Sink y = y(x);
    long samples = x.shape().sizes()[0];
    Long batchSize = settings.batchSize();
    boolean whole = batchSize == null || batchSize >= samples;
    long step = whole ? Math.max(samples, 1) : batchSize;
    Statistics own = null;
    for (long first = 0; own == null || first < samples; first += step) {
      Source batch = whole ? x : x.samples(first, Math.min(step, samples - first));
      own = norm.forward(batch, y);
      running = running == null ? null : updated(running, own, batch);
      for (String warning : own.warnings(norm.affine())) {
        warnings.add(whole ? warning : batch.name() + ": " + warning);
      }
    }
    doubles("mean", DType.F64, own.mean());
    doubles("variance", DType.F64, own.variance());
    doubles("inverse_std", DType.F64, own.inverseStd());
    whole("count", own.channels() == 0 ? 0 : own.count()[0]);
    if (running != null) {
      doubles("running_mean", DType.F64, running.mean());
      doubles("running_variance", DType.F64, running.variance());
      whole("batches", running.batches());
    }
    return own;
  }

  private RunningStatistics updated(RunningStatistics running, Statistics own, Source batch) {
    try {
      return norm.update(running, own);
    } catch (InputException e) {
      throw new InputException(batch.name() + ": " + e.getMessage(), e.hint(), e);
    }
  }

  private void doubles(String name, DType type, double[] values) {
    fill(outputs.array(name, NumberType.of(type), values.length), values);
  }

  /** Gives a sink all of its values. */
  static void fill(Sink sink, double[] values) {
    Values room = sink.room(values.length);
    for (int i = 0; i < values.length; i++) {
      room.set(i, values[i]);
    }
    sink.commit();
  }

  private void whole(String name, long value) {
    outputs.array(name, NumberType.I64).write(bytes(value));
  }

  /** As it lies in a file. */
  static ByteBuffer bytes(long value) {
    return ByteBuffer.allocateDirect(Long.BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(value)
        .flip();
  }
}
