package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.batchnorm.DType;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class BackwardCommandTest extends CommandTest {
  private static final String GRAPH = "backward ./x.csv --dy ./dy.csv";

  private final Map<String, Stored> exact = golden("graph-f64");

  @BeforeEach
  void theGraphExample() {
    testdata("graph/x.csv");
    testdata("graph/dy.csv");
  }

  @Test
  void writesTheGradientsOfTheGraphExampleToTheBit() {
    quiet(GRAPH + " -o ./g.npz");
    Map<String, Stored> found = npz("g.npz");
    assertEquals(List.of("dx", "dgamma", "dbeta"), List.copyOf(found.keySet()));
    found.forEach((name, array) -> assertSame(member(exact, name), array, name));
  }

  @Test
  void writesNpzToStandardOutputUnlessToldOtherwise() {
    quiet(GRAPH + " -o ./g.npz");
    assertArrayEquals(bytes("g.npz"), quiet(GRAPH).bytes());
    assertArrayEquals(bytes("g.npz"), quiet(GRAPH + " --to npz -o -").bytes());
  }

  @Test
  void writesEachGradientToAFileOfItsOwn() {
    quiet(GRAPH + " --dx ./dx.csv --dgamma ./dgamma.npy --dbeta ./dbeta.csv");
    assertEquals("a,b", text("dx.csv").lines().findFirst().orElse(""));
    assertBits(member(exact, "dx").values(), numbers(text("dx.csv"), 0, 1), "dx");
    assertSame(member(exact, "dgamma"), npy("dgamma.npy"), "dgamma");
    assertEquals("-0.25\n-0.5\n", text("dbeta.csv"));
    assertEquals(List.of("dbeta.csv", "dgamma.npy", "dx.csv", "dy.csv", "x.csv"), files());
  }

  @Test
  void writesOnlyTheGradientsAskedFor() {
    quiet(GRAPH + " --dbeta ./dbeta.csv");
    assertEquals(List.of("dbeta.csv", "dy.csv", "x.csv"), files());
    assertBits(
        member(exact, "dgamma").values(),
        numbers("\n" + quiet(GRAPH + " --dgamma -").out(), 0),
        "dgamma");
  }

  @Test
  void oneNpzHoldsInputAndGradient() {
    npz(
        "data.npz",
        npz -> {
          npz.doubles("x", member(exact, "x").values(), 3, 2);
          npz.doubles("dy", member(exact, "dy").values(), 3, 2);
        });
    byte[] expected = quiet(GRAPH).bytes();
    assertArrayEquals(expected, quiet("backward ./data.npz --dy ./data.npz").bytes());
    assertArrayEquals(expected, quiet("backward ./data.npz:x --dy ./data.npz:dy").bytes());
    assertArrayEquals(expected, run(bytes("data.npz"), "backward - --dy -").bytes());
  }

  @Test
  void inputAndGradientMayHaveDifferentFormats() {
    npy("dy.npy", DType.F64, new long[] {3, 2}, member(exact, "dy").values());
    assertArrayEquals(quiet(GRAPH).bytes(), quiet("backward ./x.csv --dy ./dy.npy").bytes());
    assertArrayEquals(
        quiet(GRAPH).bytes(), run(bytes("dy.csv"), "backward ./x.csv --dy -").bytes());
  }

  @Test
  void dxHasTheTypeOfXWhateverTheTypeOfDy() {
    npy("x.npy", DType.F32, new long[] {3, 2}, member(exact, "x").values());
    npy("dy.npy", DType.F64, new long[] {3, 2}, member(exact, "dy").values());
    quiet("backward ./x.npy --dy ./dy.npy -o ./g.npz");
    npz("g.npz").forEach((name, array) -> assertEquals("<f4", array.type(), name));
    quiet("backward ./dy.npy --dy ./x.npy -o ./g.npz");
    npz("g.npz").forEach((name, array) -> assertEquals("<f8", array.type(), name));
    quiet("backward ./x.npy --dy ./dy.npy --dtype f64 -o ./g.npz");
    Map<String, Stored> wide = npz("g.npz");
    assertEquals("<f8", member(wide, "dx").type());
    assertEquals("<f4", member(wide, "dgamma").type());
    assertEquals("<f4", member(wide, "dbeta").type());
  }

  @Test
  void gammaScalesDxAndNothingElse() {
    quiet(GRAPH + " -o ./one.npz");
    quiet(GRAPH + " --gamma 2 --beta 5 -o ./two.npz");
    Map<String, Stored> one = npz("one.npz");
    Map<String, Stored> two = npz("two.npz");
    double[] dx = member(one, "dx").values();
    for (int i = 0; i < dx.length; i++) {
      dx[i] *= 2;
    }
    assertBits(dx, member(two, "dx").values(), "dx");
    assertSame(member(one, "dgamma"), member(two, "dgamma"), "dgamma");
    assertSame(member(one, "dbeta"), member(two, "dbeta"), "dbeta");
  }

  @Test
  void frozenStatisticsAreConstants() {
    text("r.csv", "running_mean,running_variance\n0,3\n10,15\n");
    quiet(GRAPH + " --frozen --running ./r.csv --eps 1 --gamma 2 -o ./g.npz");
    Map<String, Stored> found = npz("g.npz");
    // dx = γ·dy/√(v + ε) with roots 2 and 4
    double[] dy = member(exact, "dy").values();
    double[] dx = new double[6];
    for (int i = 0; i < dx.length; i++) {
      dx[i] = 2 * dy[i] / (i % 2 == 0 ? 2 : 4);
    }
    assertBits(dx, member(found, "dx").values(), "dx");
    assertBits(member(exact, "dbeta").values(), member(found, "dbeta").values(), "dbeta");
  }

  @Test
  void frozenStatisticsMayBeTheBatchsOwn() {
    quiet("forward ./x.csv --running new --save ./s.npz -o ./y.csv");
    quiet(GRAPH + " --frozen --running ./s.npz --statistics batch -o ./g.npz");
    Map<String, Stored> found = npz("g.npz");
    assertSame(member(exact, "dbeta"), member(found, "dbeta"), "dbeta");
    double[] dx = member(exact, "dy").values();
    double[] inverseStd = member(exact, "inverse_std").values();
    for (int i = 0; i < dx.length; i++) {
      dx[i] *= inverseStd[i % 2];
    }
    assertBits(dx, member(found, "dx").values(), "dx");
  }

  @Test
  void repeatsTheCellsThatAreNotChosen() {
    text("x.csv", "id,a,b\nu,1,10\nv,2,14\nw,6,12\n");
    text("dy.csv", "id,a,b\nu,0.5,1\nv,-1,0.5\nw,0.25,-2\n");
    quiet(GRAPH + " --exclude id --dx ./dx.csv");
    List<String> lines = text("dx.csv").lines().toList();
    assertEquals("id,a,b", lines.get(0));
    assertEquals(
        List.of("u", "v", "w"), lines.stream().skip(1).map(l -> l.substring(0, 1)).toList());
    assertBits(member(exact, "dx").values(), numbers(text("dx.csv"), 1, 2), "dx");
  }

  /** dy may come from the rows that were left. */
  @Test
  void aGradientOfTheRowsThatAreLeftFits() {
    text("gap.csv", "a,b\n1,2\n,4\n5,9\n");
    text("left.csv", "a,b\n1,2\n5,9\n");
    text("dy.csv", "a,b\n0.5,1\n3,0\n");
    assertEquals(
        quiet("backward ./left.csv --dy ./dy.csv --dx -").out(),
        run("backward ./gap.csv --dy ./dy.csv --missing skip --dx -").out());
  }
}
