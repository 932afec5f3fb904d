package dev.batchnorm.format;

import dev.batchnorm.Shape;

/** Says which axis of an array found in a file holds the channels. */
@FunctionalInterface
public interface Axes {

  /**
   * The shape of an array of these sizes, in C order.
   *
   * @throws IllegalArgumentException if an array of these sizes is not what was asked for; the
   *     message says what was expected and found
   */
  Shape shape(long... sizes);

  /** The same axis at any rank; negative counts from the end. */
  static Axes channelAxis(int axis) {
    return sizes -> Shape.withChannelAxis(axis, sizes);
  }
}
