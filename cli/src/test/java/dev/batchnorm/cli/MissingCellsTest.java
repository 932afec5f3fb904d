package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code --missing ignore}: each column has the statistics of the cells it has. */
class MissingCellsTest extends CommandTest {

  @Test
  void emptyCellsAreLeftOutAndStayEmpty() {
    text("x.csv", "a,id,b\n1,u,2\n,v,4\n3,w, \n\"\",x,6\n");
    assertEquals(
        "a,id,b\n-1.0,u,-1.224744871391589\n,v,0.0\n1.0,w, \n\"\",x,1.224744871391589\n",
        quiet("forward ./x.csv --columns a,b --missing ignore --eps 0").out());
    assertEquals(
        "channel,count,mean,variance,unbiased_variance\na,2,2.0,1.0,2.0\nb,3,4.0,2.6666666666666665,4.0\n",
        quiet("stats ./x.csv --columns a,b --missing ignore").out());
  }

  @Test
  void withoutEmptyCellsNothingChanges() {
    text("x.csv", "a,b\n1,2\n3,5\n6,1\n");
    assertEquals(quiet("forward ./x.csv").out(), quiet("forward ./x.csv --missing ignore").out());
  }

  @Test
  void aCellThatSaysNanIsThere() {
    text("x.csv", "a,b\n1,2\nnan,\n3,4\n");
    assertEquals(
        "a,b\nnan,-1.0\nnan,\nnan,1.0\n", quiet("forward ./x.csv --missing ignore --eps 0").out());
  }

  @Test
  void eachColumnIsAsIfItWereAlone() {
    Random random = new Random(1);
    StringBuilder both = new StringBuilder("a,b\n");
    StringBuilder a = new StringBuilder("a\n");
    StringBuilder b = new StringBuilder("b\n");
    for (int i = 0; i < 3000; i++) {
      String first = random.nextInt(4) == 0 ? "" : "" + random.nextGaussian();
      String second = random.nextInt(4) == 0 ? "" : "" + (1e6 + random.nextGaussian());
      both.append(first).append(',').append(second).append('\n');
      a.append(first.isEmpty() ? "" : first + "\n");
      b.append(second.isEmpty() ? "" : second + "\n");
    }
    text("both.csv", both.toString());
    text("a.csv", a.toString());
    text("b.csv", b.toString());
    String[] alone = {quiet("forward ./a.csv").out(), quiet("forward ./b.csv").out()};
    for (String more : List.of("", " --engine java", " --threads 1", " --batch-size 4000")) {
      String[] rows = quiet("forward ./both.csv --missing ignore" + more).out().split("\n", -1);
      for (int column = 0; column < 2; column++) {
        StringBuilder found = new StringBuilder();
        for (String row : rows) {
          String[] cells = row.split(",", -1);
          if (cells.length == 2 && !cells[column].isEmpty()) {
            found.append(cells[column]).append('\n');
          }
        }
        assertEquals(alone[column], found.toString(), "column " + column + more);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"f16", "f32", "f64"})
  void otherFormatsHaveNanInTheirPlace(String type) {
    text("x.csv", "a,b\n1,2\n,4\n3,6\n");
    quiet("forward ./x.csv --missing ignore --eps 0 --dtype " + type + " -o ./y.npy");
    String text = quiet("convert ./y.npy --to csv").out();
    assertEquals("nan", text.split("\n", -1)[1].split(",", -1)[0]);
    assertTrue(text.startsWith("-1.0,-1.22"), text);
  }

  @Test
  void miniBatchesAndRunningStatisticsLeaveThemOutToo() {
    text("x.csv", "a\n1\n3\n5\n7\n");
    text("gaps.csv", "a,b\n1,9\n,9\n3,9\n5,9\n7,9\n,9\n");
    String run = " --eps 0 --running new --momentum cumulative --batch-size ";
    assertEquals(
        "-1.0,1.0,-1.0,1.0",
        quiet("forward ./x.csv" + run + "2 --save ./one.npz")
            .out()
            .substring(2)
            .strip()
            .replace('\n', ','));
    quiet("forward ./gaps.csv --columns a --missing ignore" + run + "3 --save ./two.npz");
    String members = "running_mean running_variance";
    for (String member : members.split(" ", -1)) {
      assertEquals(
          quiet("convert ./one.npz:" + member + " --to csv").out(),
          quiet("convert ./two.npz:" + member + " --to csv").out(),
          member);
    }
  }

  @Test
  void savedCountsAreThoseOfEachColumn() {
    text("x.csv", "a,b\n1,2\n,4\n3,6\n");
    quiet("forward ./x.csv --missing ignore --save ./s.npz -o ./y.csv");
    assertEquals("2\n3\n", quiet("convert ./s.npz:count --to csv").out());
    assertEquals(
        quiet("forward ./x.csv --missing ignore").out(),
        quiet("infer ./x.csv --missing ignore --running ./s.npz").out());
  }

  @Test
  void aColumnWithoutCellsHasNoStatistics() {
    text("x.csv", "a,b\n1,\n3,\n");
    CommandLineRun run = run("stats ./x.csv --missing ignore");
    assertEquals(ExitCode.OK, run.code());
    assertTrue(run.out().endsWith("\nb,0,nan,nan,nan\n"), run.out());
  }
}
