package dev.batchnorm.contract;

import dev.batchnorm.Batch;
import dev.batchnorm.Convention;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Shape;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.golden.GoldenCase;
import dev.batchnorm.golden.GoldenRecorder;
import dev.batchnorm.golden.GoldenSettings;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Golden cases of all kinds, recorded from hard data. */
public final class GoldenRuns {
  /** How often the data are taken another way. */
  public static final int KINDS = 4;

  private static final List<Shape> SHAPES =
      List.of(
          Shape.of(Layout.NC, 9, 5),
          Shape.of(Layout.NCHW, 2, 3, 5, 4),
          Shape.of(Layout.NHWC, 2, 3, 3, 6),
          Shape.of(Layout.NCL, 4, 3, 7),
          Shape.of(Layout.NLC, 3, 5, 2),
          Shape.of(Layout.NCDHW, 2, 2, 3, 2, 3),
          Shape.of(Layout.NDHWC, 2, 2, 2, 3, 4),
          Shape.withChannelAxis(0, 40),
          Shape.withChannelAxis(0, 3, 17));

  private GoldenRuns() {}

  /**
   * Records a case.
   *
   * @param kind from 0 to {@link #KINDS} − 1: gradients and running statistics, a plain average of
   *     biased ones, mini-batches, frozen statistics
   */
  public static GoldenCase record(
      Path directory, Engine engine, Data data, DType type, int kind, long seed) {
    Shape shape = SHAPES.get(Math.floorMod(seed, SHAPES.size()));
    boolean batches = kind == 2;
    if (batches && shape.sizes().length > 1 && shape.channelAxis() == 0) {
      shape = SHAPES.get(0);
    }
    Batch x = data.batch(shape, type, seed);
    Batch dy = Data.NORMAL.batch(shape, type == DType.F16 ? DType.F16 : DType.F32, seed + 1);
    int channels = shape.channels();
    double[] mean = new double[channels];
    double[] variance = new double[channels];
    double[] gamma = new double[channels];
    Arrays.setAll(mean, c -> c - 0.5);
    Arrays.setAll(variance, c -> 0.25 + c);
    Arrays.setAll(gamma, c -> 1.5 - c);
    RunningStatistics before = new RunningStatistics(mean, variance, 3);
    GoldenRecorder recorder = GoldenCase.recorder(x).engine(engine).gamma(gamma).beta(0.1);
    switch (kind) {
      case 0 -> recorder.dy(dy).running(before);
      case 1 ->
          recorder
              .dy(dy)
              .running(before)
              .convention(Convention.KERAS)
              .momentum(GoldenSettings.CUMULATIVE)
              .outputType(DType.F64);
      case 2 -> recorder.batchSize(2).running(before).convention(Convention.ONNX);
      default -> recorder.dy(dy).frozen(mean, variance).eps(1e-3);
    }
    return recorder.record(directory);
  }
}
