package dev.batchnorm;

/**
 * How much a running statistic keeps of its old value and takes of the batch's: running = keep·old
 * + take·batch (F6).
 */
public final class Momentum {
  private enum Meaning {
    WEIGHT_OF_NEW,
    WEIGHT_OF_OLD,
    CUMULATIVE
  }

  private final Meaning meaning;
  private final double number;

  private Momentum(Meaning meaning, double number) {
    if (!(number >= 0 && number <= 1)) {
      throw new IllegalArgumentException(
          "momentum: expected a number from 0 to 1, found " + number);
    }
    this.meaning = meaning;
    this.number = number;
  }

  /**
   * running = (1 − alpha)·running + alpha·batch, as PyTorch.
   *
   * @throws IllegalArgumentException if alpha is outside [0, 1]
   */
  public static Momentum ofNew(double alpha) {
    return new Momentum(Meaning.WEIGHT_OF_NEW, alpha);
  }

  /**
   * running = p·running + (1 − p)·batch, as ONNX, Keras, Flax and MXNet.
   *
   * @throws IllegalArgumentException if p is outside [0, 1]
   */
  public static Momentum ofOld(double p) {
    return new Momentum(Meaning.WEIGHT_OF_OLD, p);
  }

  /** The plain average of all batches: the weight of the n-th batch is 1/n. */
  public static Momentum cumulative() {
    return new Momentum(Meaning.CUMULATIVE, 0);
  }

  /** The same meaning with another number; a cumulative one becomes {@link #ofNew}. */
  public Momentum withNumber(double other) {
    return meaning == Meaning.WEIGHT_OF_OLD ? ofOld(other) : ofNew(other);
  }

  /** Whether the number is the weight of the old value rather than of the batch. */
  public boolean weighsOld() {
    return meaning == Meaning.WEIGHT_OF_OLD;
  }

  /** The weight of the batch that is the n-th, counted from 1. */
  public double take(long n) {
    return switch (meaning) {
      case WEIGHT_OF_NEW -> number;
      case WEIGHT_OF_OLD -> 1 - number;
      case CUMULATIVE -> 1.0 / n;
    };
  }

  /** The weight of the old value when the n-th batch comes, counted from 1. */
  public double keep(long n) {
    return meaning == Meaning.WEIGHT_OF_OLD ? number : 1 - take(n);
  }
}
