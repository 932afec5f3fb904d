package dev.batchnorm.peers;

import dev.batchnorm.DType;
import dev.batchnorm.Values;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * libtorch's native_batch_norm, outputs reused, without the bookkeeping of gradients. Its backward
 * pass allocates dx each time (the variant with {@code out} allocates it too, and then copies); it
 * is freed before the next run, so that an allocator that keeps memory gives the same again.
 */
final class Torch implements Candidate {
  private static final double MOMENTUM = 0; // of running statistics, which are not kept

  private final PointerScope scope = new PointerScope();
  private final InferenceMode inferenceMode = new InferenceMode(true);
  private final Workload work;
  private final Pass pass;
  private final Tensor x;
  private final Tensor dy;
  private final Tensor y;
  private final TensorOptional gamma;
  private final TensorOptional beta;
  private final TensorOptional none = new TensorOptional();

  /** The batch's own mean and inverse std, which training fills and backward reads. */
  private final Tensor ownMean;

  private final Tensor ownInverseStd;

  /** Given ones for inference. */
  private final TensorOptional mean;

  private final TensorOptional variance;
  private final BoolPointer all = new BoolPointer(3).put(0, true).put(1, true).put(2, true);
  private @Nullable T_TensorTensorTensor_T gradients;

  /** libtorch knows memory by address only, so somebody else must keep it. */
  private final List<Values> memory = new ArrayList<>();

  Torch(Workload work, Pass pass) {
    this.work = work;
    this.pass = pass;
    x = ofData(work.x().values());
    dy = ofData(work.dy().values());
    y = ofData(work.result().values());
    gamma = new TensorOptional(ofChannels(work.gamma()));
    beta = new TensorOptional(ofChannels(work.beta()));
    mean = new TensorOptional(ofChannels(work.mean()));
    variance = new TensorOptional(ofChannels(work.variance()));
    int own = pass == Pass.INFERENCE ? 0 : work.view().channels();
    ownMean = ofChannels(new double[own]);
    ownInverseStd = ofChannels(new double[own]);
    if (pass == Pass.BACKWARD) {
      normalise(none, none, true);
    }
  }

  /** A tensor with libtorch's order of axes (N, C, …) over memory in the workload's order. */
  private Tensor ofData(Values values) {
    long[] n = work.x().shape().sizes();
    return switch (work.layout()) {
      case NC -> tensor(values, n, n[1], 1);
      case NCHW -> tensor(values, n, n[1] * n[2] * n[3], n[2] * n[3], n[3], 1);
      case NHWC -> {
        long[] sizes = {n[0], n[3], n[1], n[2]};
        yield tensor(values, sizes, n[1] * n[2] * n[3], 1, n[2] * n[3], n[3]);
      }
      default -> throw new IllegalArgumentException("layout: expected NC, NCHW or NHWC");
    };
  }

  private Tensor ofChannels(double[] numbers) {
    return tensor(work.perChannel(numbers), new long[] {numbers.length}, 1);
  }

  private Tensor tensor(Values values, long[] sizes, long... strides) {
    torch.ScalarType type =
        switch (values.type()) {
          case F16 -> torch.ScalarType.Half;
          case F32 -> torch.ScalarType.Float;
          case F64 -> torch.ScalarType.Double;
        };
    memory.add(values);
    return torch.from_blob(new Pointer(values.buffer()), sizes, strides, new TensorOptions(type));
  }

  private void normalise(TensorOptional mean, TensorOptional variance, boolean training) {
    torch
        .native_batch_norm_out(
            y,
            ownMean,
            ownInverseStd,
            x,
            gamma,
            beta,
            mean,
            variance,
            training,
            MOMENTUM,
            Workload.EPS)
        .close();
  }

  private void differentiate() {
    if (gradients != null) {
      gradients.close();
    }
    try (TensorOptional batchMean = new TensorOptional(ownMean);
        TensorOptional batchInverseStd = new TensorOptional(ownInverseStd)) {
      gradients =
          torch.native_batch_norm_backward(
              dy, x, gamma, none, none, batchMean, batchInverseStd, true, Workload.EPS, all);
    }
  }

  @Override
  public String name() {
    return "libtorch";
  }

  @Override
  public String note() {
    return torch.get_cpu_capability().getString();
  }

  @Override
  public void run() {
    switch (pass) {
      case TRAIN -> normalise(none, none, true);
      case INFERENCE -> normalise(mean, variance, false);
      case BACKWARD -> differentiate();
    }
  }

  @Override
  public Values output() {
    if (gradients == null) {
      return work.result().values();
    }
    return values(gradients.get0(), work.type());
  }

  @Override
  public Map<String, Values> outputs() {
    if (gradients != null) {
      DType type = work.type().gradientType();
      return Map.of(
          "dx",
          output(),
          "dgamma",
          values(gradients.get1(), type),
          "dbeta",
          values(gradients.get2(), type));
    }
    if (pass == Pass.INFERENCE) {
      return Map.of("y", output());
    }
    DType type = work.type().gradientType();
    return Map.of(
        "y", output(), "mean", values(ownMean, type), "inverse_std", values(ownInverseStd, type));
  }

  /** A tensor's memory. */
  private static Values values(Tensor tensor, DType type) {
    long bytes = tensor.numel() * type.bytes();
    Pointer memory = new BytePointer(tensor.data_ptr()).capacity(bytes);
    return Values.of(type, memory.asByteBuffer().order(ByteOrder.nativeOrder()));
  }

  @Override
  public void close() {
    if (gradients != null) {
      gradients.close();
    }
    inferenceMode.close();
    scope.close();
  }
}
