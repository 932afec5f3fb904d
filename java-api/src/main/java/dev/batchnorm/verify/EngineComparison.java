package dev.batchnorm.verify;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.Covariance;
import dev.batchnorm.DType;
import dev.batchnorm.ExactSums;
import dev.batchnorm.GradientParameters;
import dev.batchnorm.Level;
import dev.batchnorm.Reparameterization;
import dev.batchnorm.Reparameterized;
import dev.batchnorm.Source;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.View;
import dev.batchnorm.View.Block;
import dev.batchnorm.engine.Engine;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs two engines over the same data, each with its own sums and its own rounding, and compares
 * everything they give to the bit: statistics, y, gradients, reparameterized weights.
 */
public final class EngineComparison {
  private final Engine reference;
  private final Engine engine;
  private final Affine affine;
  private final double eps;

  /**
   * A comparison of an engine with a reference.
   *
   * @param eps ε
   */
  public EngineComparison(Engine reference, Engine engine, Affine affine, double eps) {
    this.reference = reference;
    this.engine = engine;
    this.affine = affine;
    this.eps = eps;
  }

  /**
   * Normalises x with its own statistics and computes the gradients, on both engines.
   *
   * @param dy the output gradient, shape of x
   * @param output T, the type of y and dx
   * @return one comparison for each of count, sum_x, sum_xx, mean, mean_lo, variance,
   *     unbiased_variance (where m ≥ 2), inverse_std, y, sum_dy, sum_dyx, k1, k1_lo, k2, dgamma,
   *     dbeta, dx; only the first three where a count differs, because nothing after it could be
   *     compared
   */
  public List<ArrayComparison> training(Source x, Source dy, DType output) {
    View view = x.shape().view();
    List<Block> blocks = view.blocks(Math.min(x.chunkLimit(), dy.chunkLimit()));
    ExactSums expectedSums = sums(reference, x, blocks);
    ExactSums foundSums = sums(engine, x, blocks);
    Statistics expected = reference.parameters(expectedSums, eps);
    Statistics found = engine.parameters(foundSums, eps);
    List<ArrayComparison> comparisons = new ArrayList<>();
    ArrayComparison counts = counts(expectedSums, foundSums);
    comparisons.add(counts);
    comparisons.addAll(exactSums("sum_x", "sum_xx", expectedSums, foundSums));
    if (counts.differing() > 0) {
      return comparisons; // the passes that follow would refuse to go on
    }
    comparisons.add(perChannel("mean", expected.mean(), found.mean()));
    comparisons.add(perChannel("mean_lo", expected.meanLo(), found.meanLo()));
    comparisons.add(perChannel("variance", expected.variance(), found.variance()));
    if (view.valuesPerChannel() >= 2) {
      comparisons.add(
          perChannel(
              "unbiased_variance",
              reference.unbiasedVariance(expectedSums),
              engine.unbiasedVariance(foundSums)));
    }
    comparisons.add(perChannel("inverse_std", expected.inverseStd(), found.inverseStd()));
    comparisons.add(normalised(x, expected, found, output, blocks));
    comparisons.addAll(gradients(x, dy, expected, found, output, blocks));
    return comparisons;
  }

  /**
   * Normalises x with given statistics and computes the frozen gradients, on both engines.
   *
   * @param mean μ, one per channel
   * @param variance v, one per channel
   * @param dy the output gradient, shape of x
   * @param output T, the type of y and dx
   * @return one comparison for each of inverse_std, y, sum_dy, sum_dyx, k1, k1_lo, k2, dgamma,
   *     dbeta, dx
   */
  public List<ArrayComparison> given(
      Source x, double[] mean, double[] variance, Source dy, DType output) {
    List<Block> blocks = x.shape().view().blocks(Math.min(x.chunkLimit(), dy.chunkLimit()));
    Statistics expected = reference.givenParameters(mean, variance, eps);
    Statistics found = engine.givenParameters(mean, variance, eps);
    List<ArrayComparison> comparisons = new ArrayList<>();
    comparisons.add(perChannel("inverse_std", expected.inverseStd(), found.inverseStd()));
    comparisons.add(normalised(x, expected, found, output, blocks));
    comparisons.addAll(gradients(x, dy, expected, found, output, blocks));
    return comparisons;
  }

  /**
   * Reparameterizes weights by x at {@link Level#EXACT} on both engines, γ and β being those of the
   * weights' units.
   *
   * @param w W, d × k, one unit a column
   * @param x m × d, channels on the last axis
   * @param output T, the type of Ŵ and b̂
   * @return one comparison for each of mean, covariance, variance (R3), weights, bias
   * @throws IllegalArgumentException if sizes do not fit each other
   */
  public List<ArrayComparison> reparameterization(Batch w, Source x, DType output) {
    Reparameterization right = reparameterization(reference, Level.EXACT, output);
    Reparameterization given = reparameterization(engine, Level.EXACT, output);
    Covariance expected = right.covariance(x);
    Covariance found = given.covariance(x);
    Reparameterized expectedLayer = right.weights(w, expected);
    Reparameterized foundLayer = given.weights(w, found);
    ArrayComparison covariance =
        new ArrayComparison(
            "covariance", DType.F64, new View(expected.columns(), expected.columns(), 1));
    covariance.add(Values.of(expected.covariance()), Values.of(found.covariance()));
    ArrayComparison weights = new ArrayComparison("weights", output, w.shape().view());
    weights.add(expectedLayer.weights().values(), foundLayer.weights().values());
    ArrayComparison bias =
        new ArrayComparison("bias", output, new View(1, w.shape().channels(), 1));
    bias.add(expectedLayer.bias(), foundLayer.bias());
    return List.of(
        perChannel("mean", expected.mean(), found.mean()),
        covariance,
        perChannel("variance", expectedLayer.q(), foundLayer.q()),
        weights,
        bias);
  }

  /**
   * How far X·Ŵ + b̂ from the engine is from BN(X·W), beside the bounds on Ŵ and b̂.
   *
   * @param w W, d × k, one unit a column
   * @param x m × d, channels on the last axis
   * @param output T, the type of Ŵ and b̂
   * @throws IllegalArgumentException if sizes do not fit each other
   */
  public ReparameterizationDifference identity(Batch w, Source x, Level level, DType output) {
    Reparameterized result = reparameterization(engine, level, output).weights(w, x);
    return ReparameterizationDifference.measure(w, result, affine, x);
  }

  private Reparameterization reparameterization(Engine by, Level level, DType output) {
    return Reparameterization.builder()
        .engine(by)
        .affine(affine)
        .eps(eps)
        .level(level)
        .outputType(output)
        .build();
  }

  private static ExactSums sums(Engine engine, Source x, List<Block> blocks) {
    ExactSums sums = ExactSums.statistics(x.shape().channels(), x.type());
    for (Block block : blocks) {
      engine.addStatistics(chunk(x, block), block.view(), sums, block.firstChannel());
    }
    return sums;
  }

  private static ExactSums gradientSums(Engine engine, Source x, Source dy, List<Block> blocks) {
    ExactSums sums = ExactSums.gradients(x.shape().channels(), dy.type(), x.type());
    for (Block block : blocks) {
      engine.addGradientSums(
          chunk(dy, block), chunk(x, block), block.view(), sums, block.firstChannel());
    }
    return sums;
  }

  private static Values chunk(Source source, Block block) {
    return source.chunk(block.offset(), (int) block.view().count());
  }

  private static ArrayComparison counts(ExactSums expected, ExactSums found) {
    ArrayComparison counts =
        new ArrayComparison("count", DType.F64, new View(1, expected.channels(), 1));
    for (int c = 0; c < expected.channels(); c++) {
      counts.add(BigInteger.valueOf(expected.counts()[c]), BigInteger.valueOf(found.counts()[c]));
    }
    return counts;
  }

  private static List<ArrayComparison> exactSums(
      String linearName, String productName, ExactSums expected, ExactSums found) {
    View view = new View(1, expected.channels(), 1);
    ArrayComparison linear = new ArrayComparison(linearName, DType.F64, view);
    ArrayComparison product = new ArrayComparison(productName, DType.F64, view);
    for (int c = 0; c < expected.channels(); c++) {
      linear.add(
          expected.linearIsFinite(c) ? expected.linearSum(c) : BigInteger.ZERO,
          found.linearIsFinite(c) ? found.linearSum(c) : BigInteger.ZERO);
      product.add(
          expected.isFinite(c) ? expected.productSum(c) : BigInteger.ZERO,
          found.isFinite(c) ? found.productSum(c) : BigInteger.ZERO);
    }
    return List.of(linear, product);
  }

  private static ArrayComparison perChannel(String name, double[] expected, double[] found) {
    return perChannel(name, DType.F64, expected, found);
  }

  private static ArrayComparison perChannel(
      String name, DType type, double[] expected, double[] found) {
    ArrayComparison comparison = new ArrayComparison(name, type, new View(1, expected.length, 1));
    comparison.add(ofType(type, expected), ofType(type, found));
    return comparison;
  }

  private static Values ofType(DType type, double[] exact) {
    Values values = Values.allocate(type, exact.length);
    for (int c = 0; c < exact.length; c++) {
      values.set(c, exact[c]);
    }
    return values;
  }

  private ArrayComparison normalised(
      Source x, Statistics expected, Statistics found, DType output, List<Block> blocks) {
    ArrayComparison y = new ArrayComparison("y", output, x.shape().view());
    for (Block block : blocks) {
      Values chunk = chunk(x, block);
      Values right = Values.allocate(output, chunk.count());
      Values given = Values.allocate(output, chunk.count());
      reference.normalise(chunk, block.view(), expected, affine, block.firstChannel(), right);
      engine.normalise(chunk, block.view(), found, affine, block.firstChannel(), given);
      y.add(right, given);
    }
    return y;
  }

  private List<ArrayComparison> gradients(
      Source x,
      Source dy,
      Statistics expected,
      Statistics found,
      DType output,
      List<Block> blocks) {
    ExactSums expectedSums = gradientSums(reference, x, dy, blocks);
    ExactSums foundSums = gradientSums(engine, x, dy, blocks);
    GradientParameters right = reference.gradientParameters(expectedSums, expected, x.type());
    GradientParameters given = engine.gradientParameters(foundSums, found, x.type());
    List<ArrayComparison> comparisons = new ArrayList<>();
    comparisons.addAll(exactSums("sum_dy", "sum_dyx", expectedSums, foundSums));
    comparisons.add(perChannel("k1", right.k1(), given.k1()));
    comparisons.add(perChannel("k1_lo", right.k1Lo(), given.k1Lo()));
    comparisons.add(perChannel("k2", right.k2(), given.k2()));
    comparisons.add(perChannel("dgamma", right.type(), right.dgamma(), given.dgamma()));
    comparisons.add(perChannel("dbeta", right.type(), right.dbeta(), given.dbeta()));
    ArrayComparison dx = new ArrayComparison("dx", output, x.shape().view());
    for (Block block : blocks) {
      int c = block.firstChannel();
      Values dyChunk = chunk(dy, block);
      Values xChunk = chunk(x, block);
      Values rightDx = Values.allocate(output, xChunk.count());
      Values givenDx = Values.allocate(output, xChunk.count());
      reference.inputGradient(dyChunk, xChunk, block.view(), expected, affine, right, c, rightDx);
      engine.inputGradient(dyChunk, xChunk, block.view(), found, affine, given, c, givenDx);
      dx.add(rightDx, givenDx);
    }
    comparisons.add(dx);
    return comparisons;
  }
}
