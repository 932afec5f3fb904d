package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.batchnorm.format.npz.NpzWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every golden case typed as commands: what they write has the bits of the exact answers. */
class GoldenBitsCommandTest extends CommandTest {
  private static final Path GOLDEN = ROOT.resolve("testdata/golden");

  /** A row of {@code testdata/golden/manifest.csv}. */
  record Case(String name, String mode, String layout, String axis, String eps, String convention) {
    static Case of(String line) {
      String[] fields = line.split(",", 9);
      return new Case(fields[0], fields[1], fields[2], fields[3], fields[5], fields[6]);
    }

    @Override
    public String toString() {
      return name;
    }

    Path file() {
      return GOLDEN.resolve(name + ".npz");
    }

    /** How the batch lies, as a user who knows it would say. */
    String axes() {
      if (!layout.isEmpty()) {
        return " --layout " + layout;
      }
      return axis.isEmpty() ? "" : " --channel-axis " + axis;
    }

    String parameters(Map<String, Stored> members) {
      return " --eps "
          + eps
          + (members.containsKey("gamma") ? " --gamma " + file() : "")
          + (members.containsKey("beta") ? " --beta " + file() : "");
    }

    String conventions() {
      if (convention.equals("pytorch-cumulative")) {
        return " --momentum cumulative";
      }
      return " --convention " + convention;
    }
  }

  static Stream<Case> training() throws IOException {
    return cases("training");
  }

  static Stream<Case> given() throws IOException {
    return Stream.concat(cases("inference"), cases("frozen"));
  }

  static Stream<Case> sequence() throws IOException {
    return cases("sequence");
  }

  private static Stream<Case> cases(String mode) throws IOException {
    List<Case> cases =
        Files.readAllLines(GOLDEN.resolve("manifest.csv"), StandardCharsets.UTF_8).stream()
            .skip(1)
            .map(Case::of)
            .filter(c -> c.mode().equals(mode))
            .toList();
    assertTrue(cases.size() > 10, mode + " cases in the manifest: " + cases.size());
    return cases.stream();
  }

  @ParameterizedTest
  @MethodSource("training")
  void forwardAndBackward(Case c) {
    Map<String, Stored> exact = golden(c.name());
    String options = c.axes() + c.parameters(exact);
    String running = "";
    if (!c.convention().isEmpty()) {
      running = running(c, exact);
    }
    succeeds("forward " + c.file() + options + running + " --save ./s.npz -o ./y.npy");
    assertSame(member(exact, "y"), npy("y.npy"), "y");
    Map<String, Stored> saved = npz("s.npz");
    assertMembers(exact, saved, "mean", "variance", "inverse_std");
    assertBits(member(exact, "count").values(), member(saved, "count").values(), "count");
    if (!running.isEmpty()) {
      assertRunning(exact, saved);
    }
    if (exact.containsKey("dy")) {
      backward(c, exact, options);
    }
  }

  @ParameterizedTest
  @MethodSource("sequence")
  void miniBatches(Case c) {
    Map<String, Stored> exact = golden(c.name());
    String size = " --batch-size " + (long) member(exact, "batch_size").values()[0];
    String options = c.axes() + c.parameters(exact) + size + running(c, exact);
    succeeds("forward " + c.file() + options + " --save ./s.npz -o ./y.npy");
    assertSame(member(exact, "y"), npy("y.npy"), "y");
    assertRunning(exact, npz("s.npz"));
  }

  private String running(Case c, Map<String, Stored> exact) {
    npz(
        "before.npz",
        npz -> {
          write(npz, exact, "running_mean");
          write(npz, exact, "running_variance");
          npz.int64("batches", (long) member(exact, "batches_before").values()[0]);
        });
    return " --running ./before.npz" + c.conventions();
  }

  private static void assertRunning(Map<String, Stored> exact, Map<String, Stored> saved) {
    assertMembers(exact, saved, "running_mean", "running_variance");
    assertBits(member(exact, "batches").values(), member(saved, "batches").values(), "batches");
  }

  @ParameterizedTest
  @MethodSource("given")
  void inferAndFrozenBackward(Case c) {
    Map<String, Stored> exact = golden(c.name());
    String options = c.axes() + c.parameters(exact) + " --running " + c.file();
    if (exact.containsKey("y")) {
      succeeds("infer " + c.file() + options + " -o ./y.npz");
      assertMembers(exact, npz("y.npz"), "y");
    }
    if (exact.containsKey("dy")) {
      backward(c, exact, options + " --frozen");
    }
  }

  private void backward(Case c, Map<String, Stored> exact, String options) {
    succeeds("backward " + c.file() + " --dy " + c.file() + options + " -o ./g.npz");
    assertMembers(exact, npz("g.npz"), "dx", "dgamma", "dbeta");
  }

  /** Warnings are welcome: many cases are made to need one. */
  private void succeeds(String line) {
    CommandLineRun run = run(line + " --engine java");
    assertEquals(ExitCode.OK, run.code(), () -> line + ": " + run.error());
  }

  private static void write(NpzWriter npz, Map<String, Stored> exact, String name) {
    double[] values = member(exact, name + "_before").values();
    npz.doubles(name, values, values.length);
  }

  private static void assertMembers(
      Map<String, Stored> exact, Map<String, Stored> found, String... names) {
    for (String name : names) {
      assertSame(member(exact, name), member(found, name), name);
    }
  }
}
