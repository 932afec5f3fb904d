package dev.batchnorm.contract;

import static dev.batchnorm.contract.GoldenFiles.affine;
import static dev.batchnorm.contract.GoldenFiles.assertBits;
import static dev.batchnorm.contract.GoldenFiles.batch;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.Batch;
import dev.batchnorm.Covariance;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Reparameterization;
import dev.batchnorm.Reparameterized;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.WeightGradients;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.npz.NpzFile;
import java.io.IOException;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Weights and what they must become (R1–R5), made in exact fractions by {@code
 * testdata/make_reparameterized.py}; gradients (R8, R9) are compared within the bound that comes
 * with them.
 *
 * @param mode {@code batch}, {@code given} or {@code weight-norm}
 * @param constant the units whose q + ε is 0, separated by spaces
 */
record GoldenWeights(String name, String mode, double eps, boolean hasGradients, String constant) {
  private static final GoldenFiles FILES = new GoldenFiles("reparameterized");
  private static final Axes MATRIX = sizes -> Shape.of(Layout.NC, sizes);

  /** All cases of the manifest. */
  static Stream<GoldenWeights> all() {
    return FILES.manifest(60).map(GoldenWeights::of);
  }

  /** name,mode,x_dtype,w_dtype,eps,gradients,constant,seed,why: only why may be quoted. */
  private static GoldenWeights of(String line) {
    String[] fields = line.split(",", 9);
    boolean hasGradients = fields[5].equals("within");
    return new GoldenWeights(
        fields[0], fields[1], Double.parseDouble(fields[4]), hasGradients, fields[6]);
  }

  /** Runs the case on the engine and compares every array. */
  void check(Engine engine) throws IOException {
    try (NpzFile npz = FILES.open(name)) {
      Reparameterization norm = norm(engine, npz);
      Batch w = batch(npz, "w", MATRIX);
      Reparameterized found;
      if (mode.equals("weight-norm")) {
        found = norm.weightNorm(w);
      } else {
        Covariance covariance;
        if (mode.equals("batch")) {
          covariance = norm.covariance(batch(npz, "x", MATRIX));
          assertBits(npz, "mean", Values.of(covariance.mean()));
          assertBits(npz, "covariance", Values.of(covariance.covariance()));
        } else {
          covariance =
              Covariance.given(npz.array("mean").values(), npz.array("covariance").values());
        }
        found = norm.weights(w, covariance);
      }
      assertBits(npz, "q", Values.of(found.q()));
      assertBits(npz, "weights", found.weights().values());
      assertBits(npz, "bias", found.bias());
      assertEquals(constant, constant(found), "units with q + eps = 0");
      if (hasGradients) {
        checkGradients(npz, norm, w);
      }
    }
  }

  private Reparameterization norm(Engine engine, NpzFile npz) {
    return Reparameterization.builder().engine(engine).affine(affine(npz)).eps(eps).build();
  }

  private static String constant(Reparameterized found) {
    return String.join(
        " ",
        IntStream.range(0, found.q().length)
            .filter(k -> found.q()[k] + found.eps() == 0)
            .mapToObj(Integer::toString)
            .toList());
  }

  private void checkGradients(NpzFile npz, Reparameterization norm, Batch w) {
    Batch x = batch(npz, "x", MATRIX);
    Batch dy = batch(npz, "dy", MATRIX);
    WeightGradients found =
        mode.equals("weight-norm") ? norm.weightNormGradients(dy, x, w) : norm.gradients(dy, x, w);
    assertWithin(npz, "dweights", found.dweights().values(), found.weightsBound());
    assertWithin(npz, "dgamma", found.dgamma(), found.gammaBound());
    double[] dbeta = npz.array("dbeta").values();
    for (int k = 0; k < dbeta.length; k++) {
      assertEquals(found.dbeta().type().round(dbeta[k]), found.dbeta().get(k), "dbeta at " + k);
    }
  }

  private static void assertWithin(NpzFile npz, String member, Values found, double[] bound) {
    double[] expected = npz.array(member).values();
    double size = 0;
    for (double value : expected) {
      size = Math.max(size, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(found.get(i) - expected[i]);
      double allowed = bound[i] + Math.ulp(expected[i]) / 2;
      String place = "%s at %d: expected %s within %s, found %s";
      assertTrue(error <= allowed, place.formatted(member, i, expected[i], allowed, found.get(i)));
      double most = found.type() == DType.F64 ? 1e-6 : 1e-2;
      assertTrue(
          allowed <= most * size,
          "%s at %d: the bound %s says nothing".formatted(member, i, allowed));
    }
  }
}
