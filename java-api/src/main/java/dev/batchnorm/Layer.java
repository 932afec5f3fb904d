package dev.batchnorm;

/**
 * A layer z = W(x) + b in front of a batch normalization, which {@link BatchNorm#fold} makes part
 * of it. Its weights lie as PyTorch lays them out:
 *
 * <ul>
 *   <li>linear: out × in;
 *   <li>convolution: out × in/groups × kernel, with a kernel of 1 to 3 axes;
 *   <li>transposed convolution: in × out/groups × kernel.
 * </ul>
 *
 * <p>{@code Layer.conv(2)} is a convolution whose channels are split into two groups.
 *
 * @param kind which of the three
 * @param groups how many parts the channels are split into, each with weights of its own; at least
 *     1, and 1 for a linear layer
 */
public record Layer(Kind kind, int groups) {

  /** What a layer does. */
  public enum Kind {
    LINEAR("linear", "out × in"),
    CONV("conv", "out × in/groups × kernel"),
    CONV_TRANSPOSE("conv-transpose", "in × out/groups × kernel");

    private final String label;
    private final String axes;

    Kind(String label, String axes) {
      this.label = label;
      this.axes = axes;
    }

    /** The name used on the command line and in messages, {@code conv-transpose}. */
    public String label() {
      return label;
    }
  }

  /**
   * Checks the groups.
   *
   * @throws IllegalArgumentException if there are none, or a linear layer has several
   */
  public Layer {
    if (groups < 1 || (kind == Kind.LINEAR && groups > 1)) {
      throw new IllegalArgumentException(
          "groups: expected "
              + (kind == Kind.LINEAR ? "1 (linear)" : "a number ≥ 1")
              + ", found "
              + groups);
    }
  }

  /** A linear layer. */
  public static Layer linear() {
    return new Layer(Kind.LINEAR, 1);
  }

  /** A convolution of one group. */
  public static Layer conv() {
    return conv(1);
  }

  /**
   * A convolution.
   *
   * @throws IllegalArgumentException if there are no groups
   */
  public static Layer conv(int groups) {
    return new Layer(Kind.CONV, groups);
  }

  /** A transposed convolution of one group. */
  public static Layer convTranspose() {
    return convTranspose(1);
  }

  /**
   * A transposed convolution.
   *
   * @throws IllegalArgumentException if there are no groups
   */
  public static Layer convTranspose(int groups) {
    return new Layer(Kind.CONV_TRANSPOSE, groups);
  }

  /**
   * The shape of weights of these sizes. Its channel axis is the one that holds output channels:
   * all of them, or those of one group of a transposed convolution.
   *
   * @throws IllegalArgumentException if such a layer has no weights of these sizes: another number
   *     of axes, or channels that the groups do not divide
   */
  public Shape weights(long... sizes) {
    int rank = sizes.length;
    if (kind == Kind.LINEAR ? rank != 2 : rank < 3 || rank > 5) {
      throw new IllegalArgumentException(
          "weights: expected "
              + (kind == Kind.LINEAR ? "2 axes" : "3 to 5 axes")
              + " ("
              + this
              + ": "
              + kind.axes
              + "), found "
              + Shape.text(sizes));
    }
    if (sizes[0] % groups != 0) {
      throw new IllegalArgumentException(
          "weights: expected "
              + (kind == Kind.CONV_TRANSPOSE ? "input" : "output")
              + " channels that "
              + groups
              + " groups divide, found "
              + sizes[0]
              + " (shape "
              + Shape.text(sizes)
              + ")");
    }
    if (groups > 1 && sizes[1] > Integer.MAX_VALUE / groups) {
      throw new IllegalArgumentException(
          "weights: expected fewer than 2^31 channels, found "
              + groups
              + " groups of "
              + sizes[1]
              + " (shape "
              + Shape.text(sizes)
              + ")");
    }
    return Shape.withChannelAxis(kind == Kind.CONV_TRANSPOSE ? 1 : 0, sizes);
  }

  /**
   * The number of output channels of a layer with such weights.
   *
   * @param weights from {@link #weights}
   */
  public int outputChannels(Shape weights) {
    return weights.channels() * (kind == Kind.CONV_TRANSPOSE ? groups : 1);
  }

  /**
   * The number of input channels of a layer with such weights.
   *
   * @param weights from {@link #weights}
   */
  public long inputChannels(Shape weights) {
    long[] sizes = weights.sizes();
    return kind == Kind.CONV_TRANSPOSE ? sizes[0] : sizes[1] * groups;
  }

  /**
   * The shape of what the layer makes of an array, with stride 1 and no padding; channels along
   * axis 1.
   *
   * @param weights from {@link #weights}
   * @param sizes those of the array: N × in for a linear layer, else N × in × as many axes as the
   *     kernel has
   * @throws IllegalArgumentException if the array does not fit the weights
   */
  public Shape output(Shape weights, long... sizes) {
    long[] kernel = weights.sizes();
    if (sizes.length != kernel.length || sizes[1] != inputChannels(weights)) {
      throw new IllegalArgumentException(
          "shape: expected N×"
              + inputChannels(weights)
              + "×H×W×D".substring(0, 2 * (kernel.length - 2))
              + inputOf(weights)
              + Shape.text(sizes));
    }
    boolean transposed = kind == Kind.CONV_TRANSPOSE;
    long[] output = sizes.clone();
    output[1] = outputChannels(weights);
    for (int axis = 2; axis < sizes.length; axis++) {
      long least = transposed ? 1 : Math.max(kernel[axis], 1);
      if (sizes[axis] < least) {
        throw new IllegalArgumentException(
            "shape: expected a size of at least "
                + least
                + " on axis "
                + axis
                + inputOf(weights)
                + Shape.text(sizes));
      }
      output[axis] = Math.max(sizes[axis] + (transposed ? kernel[axis] - 1 : 1 - kernel[axis]), 0);
    }
    return Shape.withChannelAxis(1, output);
  }

  private String inputOf(Shape weights) {
    return " (input of weights " + weights + ", " + this + "), found ";
  }

  /** Its name, and the number of groups if there are several: {@code conv, 2 groups}. */
  @Override
  public String toString() {
    return kind.label + (groups > 1 ? ", " + groups + " groups" : "");
  }
}
