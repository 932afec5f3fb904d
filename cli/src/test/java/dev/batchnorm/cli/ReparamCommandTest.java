package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReparamCommandTest extends CommandTest {
  private static final String DATA = "reparam --weights ./w.csv --input ./x.csv";

  /** Mean (1, 2), covariance (4, 0; 0, 1). */
  @BeforeEach
  void data() {
    text("x.csv", "a,b\n3,3\n3,1\n-1,3\n-1,1\n");
    text("w.csv", "u,v\n1,0\n0,3\n");
    text("dy.csv", "u,v\n1,0\n0,2\n0,0\n0,1\n");
  }

  @Test
  void writesWeightsBiasAndVariance() {
    quiet(DATA + " --eps 0 -o ./l.npz");
    Map<String, Stored> found = npz("l.npz");
    assertEquals(List.of("weights", "bias", "variance"), List.copyOf(found.keySet()));
    assertSame(
        new Stored("<f8", List.of(2L, 2L), new double[] {0.5, 0, 0, 1}),
        member(found, "weights"),
        "weights");
    assertSame(
        new Stored("<f8", List.of(2L), new double[] {-0.5, -2}), member(found, "bias"), "bias");
    assertSame(
        new Stored("<f8", List.of(2L), new double[] {4, 9}), member(found, "variance"), "variance");
    assertArrayEquals(bytes("l.npz"), quiet(DATA + " --eps 0").bytes());
  }

  @Test
  void givesWhatForwardGivesOfTheProduct() {
    text("z.csv", "u,v\n3,9\n3,3\n-1,9\n-1,3\n");
    quiet(DATA + " --gamma 2 --beta 1 -o ./l.npz");
    double[] y = numbers(quiet("forward ./z.csv --gamma 2 --beta 1").out(), 0, 1);
    double[] w = member(npz("l.npz"), "weights").values();
    double[] b = member(npz("l.npz"), "bias").values();
    double[] x = numbers(text("x.csv"), 0, 1);
    for (int r = 0; r < 4; r++) {
      for (int k = 0; k < 2; k++) {
        double found = x[2 * r] * w[k] + x[2 * r + 1] * w[2 + k] + b[k];
        assertEquals(y[2 * r + k], found, 1e-14);
      }
    }
  }

  @Test
  void dataAndTheirCovarianceGiveTheSame() {
    byte[] expected = quiet(DATA).bytes();
    quiet("covariance ./x.csv -o ./c.npz");
    quiet("covariance ./x.csv --mean ./mean.csv --covariance ./s.csv");
    quiet("covariance ./x.csv --mean ./mean.npy --covariance ./s.npy");
    String weights = "reparam --weights ./w.csv --covariance ";
    assertArrayEquals(expected, quiet(weights + "./c.npz").bytes());
    assertArrayEquals(expected, quiet(weights + "./s.csv --mean ./mean.csv").bytes());
    assertArrayEquals(expected, quiet(weights + "./s.npy --mean ./mean.npy").bytes());
    assertArrayEquals(expected, quiet(weights + "./c.npz:covariance --mean ./c.npz").bytes());
    assertArrayEquals(expected, run(bytes("c.npz"), weights + "-").bytes());
  }

  @Test
  void oneNpzMayHoldAll() {
    npz(
        "all.npz",
        npz -> {
          npz.doubles("x", numbers(text("x.csv"), 0, 1), 4, 2);
          npz.doubles("w", numbers(text("w.csv"), 0, 1), 2, 2);
          npz.doubles("dy", numbers(text("dy.csv"), 0, 1), 4, 2);
        });
    assertArrayEquals(
        quiet(DATA + " --dy ./dy.csv").bytes(),
        quiet("reparam --weights ./all.npz --input ./all.npz --dy ./all.npz").bytes());
    assertArrayEquals(
        quiet(DATA).bytes(), run(bytes("all.npz"), "reparam --weights - --input -").bytes());
  }

  @Test
  void theMeanMayBeANumber() {
    text("s.csv", "4,0\n0,1\n");
    quiet("reparam --weights ./w.csv --covariance ./s.csv --mean 2 --eps 0 -o ./l.npz");
    assertBits(new double[] {-1, -2}, member(npz("l.npz"), "bias").values(), "bias");
  }

  @ParameterizedTest
  @CsvSource({"exact, false", "fast, true"})
  void fastHasBounds(String level, boolean bounds) {
    quiet(DATA + " --level " + level + " --dy ./dy.csv -o ./l.npz");
    Map<String, Stored> found = npz("l.npz");
    List<String> gradients =
        List.of("dweights", "dgamma", "dbeta", "dweights_bound", "dgamma_bound");
    List<String> first =
        bounds
            ? List.of("weights", "bias", "variance", "weights_bound", "bias_bound")
            : List.of("weights", "bias", "variance");
    assertEquals(
        java.util.stream.Stream.concat(first.stream(), gradients.stream()).toList(),
        List.copyOf(found.keySet()));
    assertEquals(List.of(2L, 2L), member(found, "dweights_bound").sizes());
    assertEquals(List.of(2L), member(found, "dgamma_bound").sizes());
  }

  @Test
  void theBoundOfACovarianceGoesOnIntoTheWeights() {
    quiet("covariance ./x.csv --level fast -o ./c.npz");
    quiet("reparam --weights ./w.csv --covariance ./c.npz -o ./l.npz");
    assertTrue(npz("l.npz").containsKey("weights_bound"));
  }

  @Test
  void gradientsGoThroughMeanAndCovariance() {
    // g = Xc'dY = (2, 2; 1, -3), q = (4, 9), s = (1/2, 1/3), dW = s·(g − S·w·(w'g)/q)
    quiet(DATA + " --eps 0 --gamma 1 --dy ./dy.csv -o ./l.npz");
    Map<String, Stored> found = npz("l.npz");
    double[] dw = member(found, "dweights").values();
    double[] bound = member(found, "dweights_bound").values();
    double[] expected = {0, 2.0 / 3, 0.5, 0};
    for (int i = 0; i < 4; i++) {
      assertEquals(expected[i], dw[i], bound[i], "" + i);
    }
    assertBits(new double[] {1, -3}, member(found, "dgamma").values(), "dgamma");
    assertBits(new double[] {1, 3}, member(found, "dbeta").values(), "dbeta");
  }

  @Test
  void writesEachArrayToAFileOfItsOwn() {
    quiet(
        DATA
            + " --eps 0 --dy ./dy.csv --reparam-weights ./w2.csv --reparam-bias ./b.npy"
            + " --variance ./v.csv --dweights ./dw.csv --dgamma ./dg.csv --dbeta ./db.csv");
    assertEquals("u,v\n0.5,0.0\n0.0,1.0\n", text("w2.csv"));
    assertBits(new double[] {-0.5, -2}, npy("b.npy").values(), "bias");
    assertEquals("4.0\n9.0\n", text("v.csv"));
    assertEquals("u,v", text("dw.csv").lines().findFirst().orElse(""));
    assertEquals("1.0\n-3.0\n", text("dg.csv"));
    assertEquals("1.0\n3.0\n", text("db.csv"));
    assertEquals("-0.5\n-2.0\n", quiet(DATA + " --eps 0 --reparam-bias -").out());
  }

  @Test
  void weightNormalizationNeedsNoData() {
    text("w.csv", "3,0\n4,2\n");
    quiet("reparam --weights ./w.csv --weight-norm --gamma 10 --beta 1 -o ./l.npz");
    Map<String, Stored> found = npz("l.npz");
    assertEquals(List.of("weights", "bias"), List.copyOf(found.keySet()));
    assertBits(new double[] {6, 0, 8, 10}, member(found, "weights").values(), "weights");
    assertBits(new double[] {1, 1}, member(found, "bias").values(), "bias");
    quiet("reparam --weights ./w.csv --weight-norm --input ./x.csv --dy ./dy.csv -o ./l.npz");
    assertTrue(npz("l.npz").containsKey("dweights"));
  }

  @Test
  void typesAreThoseOfTheWeightsUnlessAsked() {
    npy("w.npy", DType.F32, new long[] {2, 2}, 1, 0, 0, 3);
    quiet("reparam --weights ./w.npy --input ./x.csv --dy ./dy.csv -o ./l.npz");
    Map<String, Stored> found = npz("l.npz");
    for (String name : List.of("weights", "bias", "dweights", "dgamma", "dbeta")) {
      assertEquals("<f4", member(found, name).type(), name);
    }
    assertEquals("<f8", member(found, "variance").type());
    quiet("reparam --weights ./w.npy --input ./x.csv --dy ./dy.csv --dtype f16 -o ./l.npz");
    found = npz("l.npz");
    for (String name : List.of("weights", "bias", "dweights")) {
      assertEquals("<f2", member(found, name).type(), name);
    }
    assertEquals("<f4", member(found, "dgamma").type());
  }

  @Test
  void readsTheOtherTablesAsInput() {
    text("x.csv", "id;a;b\nq;3;3\nr;3;1\ns;-1;3\nt;-1;1\n");
    text("w.csv", "1;0\n0;3\n");
    text("dy.csv", "u;v\n1;0\n0;2\n0;0\n0;1\n");
    byte[] found = quiet(DATA + " --delimiter ; --exclude id --dy ./dy.csv").bytes();
    data();
    assertArrayEquals(quiet(DATA + " --dy ./dy.csv").bytes(), found);
  }

  @Test
  void rowsThatAreSkippedAreTheSame() {
    text("gap.csv", "a,b\n3,3\n,5\n3,1\n-1,3\n-1,1\n");
    text("gap-dy.csv", "u,v\n1,0\n7,\n0,2\n0,0\n0,1\n");
    String line = "reparam --weights ./w.csv --missing skip --input ./gap.csv --dy ";
    byte[] expected = quiet(DATA + " --dy ./dy.csv").bytes();
    assertArrayEquals(expected, run(line + "./gap-dy.csv -q").bytes());
    assertArrayEquals(expected, run(line + "./dy.csv -q").bytes());
  }

  @Test
  void saysTheRoadAndHowSureItIs() {
    List<String> error = run(DATA + " --engine java -v -o ./l.npz").error();
    assertEquals("batchnorm: level exact: reference, 1 thread", error.get(1));
    assertTrue(
        error
            .get(2)
            .matches(
                "batchnorm: .*w.csv: through the covariance; weights within \\S+e-16 of their size, bias"
                    + " within \\S+e-15"),
        error::toString);
  }

  @Test
  void warnsOfUnitsAndRows() {
    text("x.csv", "1,5\n2,5\n4,5\n");
    text("w.csv", "0\n1\n");
    assertEquals(
        List.of(
            "batchnorm: warning: w.csv: unit 0: its output is constant and eps is 0, so its weights are 0 and its bias"
                + " is beta"),
        run(DATA + " --eps 0 -o ./l.npz").error());
    text("x.csv", "1,5\n");
    assertEquals(
        List.of("batchnorm: warning: x.csv: 1 row: nothing varies, so the covariance is 0"),
        run(DATA + " -o ./l.npz").error());
    text("w.csv", "0\n0\n");
    assertEquals(
        List.of(
            "batchnorm: warning: w.csv: unit 0: its squares add up to 0, so it cannot be normalized: NaN"),
        run("reparam --weights ./w.csv --weight-norm -o ./l.npz").error());
  }
}
