package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.DType;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CovarianceCommandTest extends CommandTest {
  private static final double[] MEAN = {3, 12};
  private static final double[] S = {14.0 / 3, 2.0 / 3, 2.0 / 3, 8.0 / 3};

  @BeforeEach
  void theGraphExample() {
    testdata("graph/x.csv");
  }

  @Test
  void writesMeanCovarianceAndCount() {
    quiet("covariance ./x.csv -o ./c.npz");
    Map<String, Stored> found = npz("c.npz");
    assertEquals(List.of("mean", "covariance", "count"), List.copyOf(found.keySet()));
    assertSame(new Stored("<f8", List.of(2L), MEAN), member(found, "mean"), "mean");
    assertSame(new Stored("<f8", List.of(2L, 2L), S), member(found, "covariance"), "covariance");
    assertSame(new Stored("<i8", List.of(), new double[] {3}), member(found, "count"), "count");
    assertArrayEquals(bytes("c.npz"), quiet("covariance ./x.csv").bytes());
  }

  @Test
  void fastHasABound() {
    quiet("covariance ./x.csv --level fast -o ./c.npz");
    Map<String, Stored> found = npz("c.npz");
    assertEquals(
        List.of("mean", "covariance", "count", "covariance_bound"), List.copyOf(found.keySet()));
    double[] bound = member(found, "covariance_bound").values();
    for (int i = 0; i < 4; i++) {
      assertTrue(bound[i] > 0 && bound[i] < 1e-14);
      assertEquals(S[i], member(found, "covariance").values()[i], bound[i]);
    }
  }

  @Test
  void writesEachArrayToAFileOfItsOwnUnderTheColumnsNames() {
    text("x.csv", "\"a;1\";no;b\r\n1;u;10\r\n2;v;14\r\n6;w;12\r\n");
    String line = "covariance ./x.csv --delimiter ; --exclude no";
    quiet(line + " --mean ./mean.csv --covariance ./s.csv");
    assertEquals("3.0\n12.0\n", text("mean.csv"));
    assertTrue(text("s.csv").startsWith("\"a;1\";b\r\n4.666666666666667;0.6666666"), text("s.csv"));
    assertEquals(3, text("s.csv").lines().count());
    quiet(line + " --covariance ./s.npy");
    assertBits(S, npy("s.npy").values(), "covariance");
    assertTrue(
        quiet(line + " --covariance - --to tsv").out().startsWith("a;1\tb\r\n")
            || quiet(line + " --covariance - --to tsv").out().startsWith("\"a;1\"\tb\r\n"));
    text("x.csv", "1,10\n2,14\n6,12\n");
    assertEquals(2, quiet("covariance ./x.csv --covariance -").lines().size());
  }

  @Test
  void dataOfAnyTypeAndLayoutGiveTheSame() {
    npy("x.npy", DType.F32, new long[] {3, 1, 2}, 1, 10, 2, 14, 6, 12);
    quiet("covariance ./x.csv -o ./c.npz");
    assertArrayEquals(
        bytes("c.npz"), quiet("covariance ./x.npy --channel-axis -1 --to npz").bytes());
    assertArrayEquals(bytes("c.npz"), quiet("covariance ./x.npy --layout NLC").bytes());
    assertArrayEquals(bytes("c.npz"), quiet("covariance ./x.csv --engine java").bytes());
  }

  @Test
  void theDiagonalIsThatOfStats() {
    testdata("iris.csv");
    quiet("covariance ./iris.csv --exclude species -o ./c.npz");
    quiet("stats ./iris.csv --exclude species -o ./s.npz");
    double[] s = member(npz("c.npz"), "covariance").values();
    double[] diagonal = {s[0], s[5], s[10], s[15]};
    assertBits(member(npz("s.npz"), "variance").values(), diagonal, "variance");
    assertBits(
        member(npz("s.npz"), "mean").values(), member(npz("c.npz"), "mean").values(), "mean");
  }

  @Test
  void warnsOfWhatIsSpecial() {
    npy("none.npy", DType.F64, new long[] {0, 2});
    text("one.csv", "1,2\n");
    text("nan.csv", "1,nan\n2,3\n");
    for (String level : List.of("exact", "fast")) {
      String options = " --level " + level + " -o ./c.npz";
      assertEquals(
          List.of("batchnorm: warning: none.npy: no rows: the mean and the covariance are NaN"),
          run("covariance ./none.npy" + options).error());
      assertEquals(
          List.of("batchnorm: warning: one.csv: 1 row: nothing varies, so the covariance is 0"),
          run("covariance ./one.csv" + options).error());
      assertEquals(
          List.of(
              "batchnorm: warning: nan.csv: column 1: values that are not finite, so its covariances are NaN"),
          run("covariance ./nan.csv" + options).error());
    }
    assertEquals(List.of(), run("covariance ./nan.csv -q -o ./c.npz").error());
  }

  @Test
  void saysLevelAndDigests() {
    List<String> error =
        run("covariance ./x.csv --level fast --engine java -v --digest -o ./c.npz").error();
    assertEquals("batchnorm: level fast: reference, 1 thread", error.get(1));
    assertTrue(error.get(2).endsWith(" mean <f8 (2,)"), error::toString);
    assertTrue(error.get(3).endsWith(" covariance <f8 (2, 2)"), error::toString);
    assertTrue(error.get(4).endsWith(" count <i8 ()"), error::toString);
    assertTrue(error.get(5).endsWith(" covariance_bound <f8 (2, 2)"), error::toString);
    assertEquals(6, error.size());
  }

  @Test
  void theColumnsAreOnTheLastAxis() {
    npy("x.npy", DType.F32, new long[] {1, 2, 1, 2}, 1, 2, 3, 4);
    refused(
        ExitCode.INPUT,
        "covariance ./x.npy --layout NCHW",
        "batchnorm: x.npy: expected the columns on the last axis, found shape 1×2×1×2 with the channels on axis 1",
        "hint: --channel-axis -1 if that is where they are; else move them there");
  }
}
