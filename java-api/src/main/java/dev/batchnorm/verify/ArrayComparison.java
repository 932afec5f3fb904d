package dev.batchnorm.verify;

import dev.batchnorm.DType;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import java.math.BigInteger;

/**
 * Compares an array with a reference, chunk by chunk, to the bit: two NaNs are equal, −0.0 and +0.0
 * differ. Remembers how many elements differ, the first of them, and the largest distance in ulps.
 */
public final class ArrayComparison {
  private final String name;
  private final DType type;
  private final View view;
  private long compared;
  private long differing;
  private double maxUlps;
  private long firstIndex = -1;
  private double firstExpected;
  private double firstFound;

  /**
   * A comparison that has seen nothing yet.
   *
   * @param name what messages call the array
   * @param view the sizes of the whole array, for naming places
   */
  public ArrayComparison(String name, DType type, View view) {
    this.name = name;
    this.type = type;
    this.view = view;
  }

  /**
   * Compares the next elements in C order.
   *
   * @throws IllegalArgumentException if lengths or types differ
   */
  public void add(Values expected, Values found) {
    if (expected.count() != found.count() || expected.type() != type || found.type() != type) {
      throw new IllegalArgumentException(name + ": expected " + expected + ", found " + found);
    }
    for (int i = 0; i < expected.count(); i++) {
      double right = expected.get(i);
      double given = found.get(i);
      if (Double.doubleToLongBits(right) != Double.doubleToLongBits(given)) {
        note(i, right, given);
      }
    }
    compared += expected.count();
  }

  /**
   * Compares the next exact sum; differences are told as binary64, which may hide how small they
   * are.
   */
  void add(BigInteger expected, BigInteger found) {
    if (!expected.equals(found)) {
      note(0, expected.doubleValue(), found.doubleValue());
    }
    compared++;
  }

  private void note(int offset, double expected, double found) {
    if (differing++ == 0) {
      firstIndex = compared + offset;
      firstExpected = expected;
      firstFound = found;
    }
    maxUlps = Math.max(maxUlps, Ulps.between(expected, found, type));
  }

  /** What messages call the array. */
  public String name() {
    return name;
  }

  /** The type of the elements. */
  public DType type() {
    return type;
  }

  /** The number of elements compared. */
  public long compared() {
    return compared;
  }

  /** The number of elements that differ. */
  public long differing() {
    return differing;
  }

  /** The largest distance in ulps of the type; infinite where a NaN met a number. */
  public double maxUlps() {
    return maxUlps;
  }

  /** The first element that differs, as an index in C order; −1 if there is none. */
  public long firstIndex() {
    return firstIndex;
  }

  /** The reference's value at the first element that differs. */
  public double firstExpected() {
    return firstExpected;
  }

  /** The compared value at the first element that differs. */
  public double firstFound() {
    return firstFound;
  }

  /**
   * The first element that differs as outer n, channel c and inner s, without those that have one
   * value only.
   */
  public String firstPlace() {
    long n = firstIndex / (view.channels() * view.inner());
    long c = firstIndex / view.inner() % view.channels();
    long s = firstIndex % view.inner();
    return "("
        + (view.outer() > 1 ? "n=" + n + ", " : "")
        + "c="
        + c
        + (view.inner() > 1 ? ", s=" + s : "")
        + ")";
  }
}
