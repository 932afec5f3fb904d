package dev.batchnorm.verify;

import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.Folded;
import dev.batchnorm.InputException;
import dev.batchnorm.Layer;
import dev.batchnorm.Normalisation;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import org.jspecify.annotations.Nullable;

/**
 * How far a folded layer is from the layer and the batch normalization behind it, measured on data:
 * the outputs of both in binary64, from compensated sums, and for each output a bound on what the
 * rounding of W' and b' (R6, R7) and of the measurement itself can make of it. The layer has stride
 * 1, no padding and no dilation. Derivation: docs/math.md, Folding.
 *
 * @param shape that of the layer's output, channels along axis 1
 * @param exceeding how many outputs differ by more than their bound
 * @param largest the output that differs most, the first of several; null if there are no outputs
 * @param closest the output whose difference is the largest share of its bound, the first of
 *     several; null if there are no outputs
 */
public record FoldDifference(
    Shape shape, long exceeding, @Nullable Output largest, @Nullable Output closest) {

  /**
   * One output, computed on both ways.
   *
   * @param index its place in C order
   * @param normalised what batch norm makes of the layer's output
   * @param folded what the folded layer gives
   * @param bound the most that they may differ
   */
  public record Output(long index, double normalised, double folded, double bound) {

    /**
     * |normalised − folded|; 0 for two NaNs and for equal infinities, NaN or +Inf where one of them
     * alone is not finite.
     */
    public double difference() {
      boolean equal = normalised == folded || (Double.isNaN(normalised) && Double.isNaN(folded));
      return equal ? 0 : Math.abs(normalised - folded);
    }

    /** Whether the difference is finite and no larger than the bound. */
    public boolean isWithin() {
      return Double.isFinite(difference()) && (difference() == 0 || difference() <= bound);
    }

    /** The difference over its bound; +Inf where it is not finite. */
    public double share() {
      double share = difference() == 0 ? 0 : difference() / bound;
      return isWithin() || share > 1 ? share : Double.POSITIVE_INFINITY;
    }
  }

  /**
   * Measures the difference, sample by sample; x is read once.
   *
   * @param weights those of the layer
   * @param bias b, one value per output channel; zeros for a layer that has none
   * @param normalisation what was folded, with given statistics
   * @param folded from {@link dev.batchnorm.BatchNorm#fold}
   * @param x N × in for a linear layer, else N × in × as many axes as the kernel has
   * @throws IllegalArgumentException if sizes do not fit each other
   * @throws InputException if a sample has more than 2³¹ − 1 values
   */
  public static FoldDifference measure(
      Layer layer,
      Batch weights,
      Values bias,
      Normalisation normalisation,
      Folded folded,
      Source x) {
    return new Measurement(layer, weights, bias, normalisation, folded, x).run();
  }

  /** Whether no output differs by more than its bound. */
  public boolean passed() {
    return exceeding == 0;
  }

  /** Linear layers and convolutions of fewer axes have sizes of 1 in front. */
  private static final class Measurement {
    private static final int SPACE = 3;
    private static final double U = 0x1p-53;

    private final boolean transposed;
    private final Shape shape;
    private final Source x;
    private final Normalisation normalisation;
    private final DType type;
    private final double[] weights;
    private final double[] foldedWeights;
    private final double[] bias;
    private final double[] foldedBias;

    private final int inputsPerGroup;
    private final int outputsPerGroup;
    private final int[] kernel;
    private final int[] input;
    private final int[] output;
    private final double[] sample;

    // What meets in one output: the inputs and their weights.
    private int taps;
    private final double[] tapX;
    private final double[] tapW;
    private final double[] tapFolded;

    private long index;
    private long exceeding;
    private @Nullable Output largest;
    private @Nullable Output closest;

    Measurement(
        Layer layer,
        Batch weights,
        Values bias,
        Normalisation normalisation,
        Folded folded,
        Source x) {
      Shape laidOut = layer.weights(weights.shape().sizes());
      this.shape = layer.output(laidOut, x.shape().sizes());
      int outputs = layer.outputChannels(laidOut);
      check("bias", outputs, bias.count());
      check("normalisation", outputs, normalisation.a().length);
      check("folded weights", weights.shape().count(), folded.weights().shape().count());
      check("folded bias", outputs, folded.bias().count());
      this.transposed = layer.kind() == Layer.Kind.CONV_TRANSPOSE;
      this.x = x;
      this.normalisation = normalisation;
      this.type = folded.weights().type();
      this.weights = weights.values().toDoubles();
      this.foldedWeights = folded.weights().values().toDoubles();
      this.bias = bias.toDoubles();
      this.foldedBias = folded.bias().toDoubles();
      this.inputsPerGroup = Math.toIntExact(layer.inputChannels(laidOut)) / layer.groups();
      this.outputsPerGroup = outputs / layer.groups();
      this.kernel = space(x, laidOut);
      this.input = space(x, x.shape());
      this.output = space(x, shape);
      long samples = x.shape().sizes()[0];
      long perSample = samples == 0 ? 0 : x.shape().count() / samples;
      checkRoom(x, perSample);
      this.sample = new double[(int) perSample];
      int most = outputs == 0 ? 0 : this.weights.length / outputs;
      this.tapX = new double[most];
      this.tapW = new double[most];
      this.tapFolded = new double[most];
    }

    private static void check(String name, long expected, long found) {
      if (expected != found) {
        throw new IllegalArgumentException(
            name + ": expected " + expected + " values (as the weights ask), found " + found);
      }
    }

    private static void checkRoom(Source x, long size) {
      if (size > Integer.MAX_VALUE) {
        throw new InputException(
            x.name()
                + ": expected at most 2147483647 values a sample and axis, found shape "
                + x.shape());
      }
    }

    private static int[] space(Source x, Shape shape) {
      int[] space = {1, 1, 1};
      long[] sizes = shape.sizes();
      for (int axis = 2; axis < sizes.length; axis++) {
        checkRoom(x, sizes[axis]);
        space[SPACE - sizes.length + axis] = (int) sizes[axis];
      }
      return space;
    }

    FoldDifference run() {
      for (long n = 0; n < shape.sizes()[0]; n++) {
        read(n);
        for (int channel = 0; channel < bias.length; channel++) {
          for (int d = 0; d < output[0]; d++) {
            for (int h = 0; h < output[1]; h++) {
              for (int w = 0; w < output[2]; w++) {
                gather(channel, d, h, w);
                note(output(channel));
              }
            }
          }
        }
      }
      return new FoldDifference(shape, exceeding, largest, closest);
    }

    private void read(long n) {
      for (int at = 0; at < sample.length; ) {
        int count = Math.min(sample.length - at, x.chunkLimit());
        Values chunk = x.chunk(n * sample.length + at, count);
        for (int i = 0; i < count; i++) {
          sample[at + i] = chunk.get(i);
        }
        at += count;
      }
    }

    private void gather(int channel, int d, int h, int w) {
      taps = 0;
      int group = channel / outputsPerGroup;
      for (int i = 0; i < inputsPerGroup; i++) {
        int in = group * inputsPerGroup + i;
        int at =
            transposed
                ? in * outputsPerGroup + channel % outputsPerGroup
                : channel * inputsPerGroup + i;
        at *= kernel[0] * kernel[1] * kernel[2];
        for (int kd = 0; kd < kernel[0]; kd++) {
          for (int kh = 0; kh < kernel[1]; kh++) {
            for (int kw = 0; kw < kernel[2]; kw++, at++) {
              int xd = transposed ? d - kd : d + kd;
              int xh = transposed ? h - kh : h + kh;
              int xw = transposed ? w - kw : w + kw;
              if (isInside(xd, 0) && isInside(xh, 1) && isInside(xw, 2)) {
                tapX[taps] = sample[((in * input[0] + xd) * input[1] + xh) * input[2] + xw];
                tapW[taps] = weights[at];
                tapFolded[taps] = foldedWeights[at];
                taps++;
              }
            }
          }
        }
      }
    }

    private boolean isInside(int place, int axis) {
      return place >= 0 && place < input[axis];
    }

    private Output output(int channel) {
      double mean = normalisation.statistics().mean()[channel];
      double a = normalisation.a()[channel];
      double b = bias[channel];
      double bFolded = foldedBias[channel];
      double z = dot(b, tapW);
      double d = z - mean;
      double y = Math.fma(d, a, normalisation.beta()[channel]); // (F5)
      double f = dot(bFolded, tapFolded);
      double bound =
          rounding(size(bFolded, tapFolded), a * (b - mean))
              + Math.abs(a) * (evaluation(z, size(b, tapW)) + U * Math.abs(d))
              + U * Math.abs(y)
              + evaluation(f, size(bFolded, tapFolded));
      return new Output(index++, y, f, bound * (1 + (taps + 64) * 0x1p-52));
    }

    /**
     * The most that rounding W' and b' to T changes an output: e·|x| for each weight, e ≤ u_T·|w'|
     * + η_T, and the same for the bias, where b − μ was rounded too.
     */
    private double rounding(double size, double shifted) {
      double relative =
          switch (type) {
            case F16 -> 0x1p-11;
            case F32 -> 0x1p-24;
            case F64 -> U;
          };
      double smallest = type.fromBits(1);
      double sizeOfX = 1;
      for (int i = 0; i < taps; i++) {
        sizeOfX += Math.abs(tapX[i]);
      }
      return relative * (1 + 0x1p-28) * size + smallest * sizeOfX + U * Math.abs(shifted);
    }

    /** The most that a compensated sum is off by (Ogita, Rump, Oishi 2005, Proposition 5.5). */
    private double evaluation(double sum, double size) {
      double gamma = (taps + 2) * U;
      return U * Math.abs(sum) + 1.01 * gamma * gamma * size + 5.0 * (taps + 1) * Double.MIN_VALUE;
    }

    /** start + Σ w·x with the errors of all products and sums added at the end. */
    private double dot(double start, double[] w) {
      double sum = start;
      double errors = 0;
      for (int i = 0; i < taps; i++) {
        double product = w[i] * tapX[i];
        double next = sum + product;
        double added = next - sum;
        errors += (sum - (next - added)) + (product - added) + Math.fma(w[i], tapX[i], -product);
        sum = next;
      }
      return Double.isFinite(sum) ? sum + errors : sum;
    }

    /** |start| + Σ |w·x|. */
    private double size(double start, double[] w) {
      double size = Math.abs(start);
      for (int i = 0; i < taps; i++) {
        size += Math.abs(w[i] * tapX[i]);
      }
      return size;
    }

    private void note(Output found) {
      if (!found.isWithin()) {
        exceeding++;
      }
      double difference = found.difference();
      if (largest == null
          || difference > largest.difference()
          || (Double.isNaN(difference) && !Double.isNaN(largest.difference()))) {
        largest = found;
      }
      if (closest == null || found.share() > closest.share()) {
        closest = found;
      }
    }
  }
}
