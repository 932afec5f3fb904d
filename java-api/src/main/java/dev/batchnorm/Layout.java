package dev.batchnorm;

/** Named orders of axes: N the batch, C the channels, D H W (or L) space. */
public enum Layout {
  NC,
  NCL,
  NCHW,
  NCDHW,
  NLC,
  NHWC,
  NDHWC;

  /** The number of axes this layout demands. */
  public int rank() {
    return name().length();
  }

  /** The 0-based axis that holds the channels. */
  public int channelAxis() {
    return name().indexOf('C');
  }
}
