package dev.batchnorm.peers;

import dev.batchnorm.Values;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.peers.Stopwatch.Timed;
import dev.batchnorm.peers.Stopwatch.Times;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.bytedeco.pytorch.global.torch;

/**
 * Checks every candidate against the exact truth, then times them in turns, and appends a line for
 * each to a CSV file: {@code SideBySide THREADS TURNS RESULT WORKLOAD PASS...}, such as {@code
 * SideBySide 2 15 peers.csv NC:65536x64:F32 train backward}. The passes of one workload run in one
 * process; threads are fixed for its life, as OpenMP fixes them.
 */
public final class SideBySide {
  private static final String HEADER =
      "layout,shape,dtype,offset,pass,threads,candidate,median_ms,min_ms,max_ms,ratio,turns,"
          + "runs,others_percent,max_ulp,max_abs,note\n";

  /**
   * A peer farther away than this on N(0,1) was not asked for the same thing. It must be that far:
   * oneDNN adds 2²⁴ values in binary32 one after the other, and is off by 0.05.
   */
  private static final double PLAUSIBLE = 0.5;

  private final int threads;
  private final int turns;
  private final Path result;
  private final Workload work;
  private final Engine engine;

  private SideBySide(int threads, int turns, Path result, Workload work) {
    this.threads = threads;
    this.turns = turns;
    this.result = result;
    this.work = work;
    engine = Engines.named("native", threads);
  }

  /** The program. */
  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length < 5) {
      throw new IllegalArgumentException(
          "arguments: expected THREADS TURNS RESULT WORKLOAD PASS..., found " + List.of(arguments));
    }
    int threads = Integer.parseInt(arguments[0]);
    String ofOpenMp = System.getenv("OMP_NUM_THREADS");
    if (!arguments[0].equals(ofOpenMp)) {
      throw new IllegalArgumentException(
          "OMP_NUM_THREADS: expected " + threads + " (the threads), found " + ofOpenMp);
    }
    torch.set_num_threads(threads);
    SideBySide run =
        new SideBySide(
            threads,
            Integer.parseInt(arguments[1]),
            Path.of(arguments[2]),
            Workload.named(arguments[3]));
    for (String pass : Arrays.asList(arguments).subList(4, arguments.length)) {
      run.compare(Pass.valueOf(pass.toUpperCase(Locale.ROOT)));
    }
  }

  private void compare(Pass pass) throws InterruptedException {
    List<Candidate> candidates = new ArrayList<>();
    candidates.add(new Batchnorm(work, pass, engine));
    candidates.addAll(OneDnn.candidates(work, pass, why -> write(pass, "oneDNN", ",,,,,,,,", why)));
    candidates.add(new Torch(work, pass));
    List<Truth.Errors> errors = check(pass, candidates);

    List<Timed> timed = new ArrayList<>();
    for (Candidate candidate : candidates) {
      timed.add(Stopwatch.timed(candidate::run));
    }
    Floor floor = Floor.of(work, pass, threads);
    if (floor != null) {
      timed.add(floor::run);
    }
    Processors before = Processors.now();
    List<Times> times = Stopwatch.race(timed, turns);
    double others = Processors.now().othersSince(before);

    for (int i = 0; i < candidates.size(); i++) {
      Candidate candidate = candidates.get(i);
      Truth.Errors error = errors.get(i);
      String far = String.format(Locale.ROOT, "%.4g,%.4g", error.ulps(), error.absolute());
      write(pass, candidate.name(), text(times.get(i), others) + far, candidate.note());
    }
    if (floor != null) {
      write(pass, "floor", text(times.get(candidates.size()), others) + ",", floor.note());
    }
    for (Candidate candidate : candidates) {
      candidate.close();
    }
  }

  private List<Truth.Errors> check(Pass pass, List<Candidate> candidates) {
    Truth truth = new Truth(work, pass);
    List<Truth.Errors> errors = new ArrayList<>();
    for (Candidate candidate : candidates) {
      spoil(work.result().values());
      candidate.run();
      Truth.Errors error = truth.errors(candidate.output());
      boolean isRight =
          candidate instanceof Batchnorm
              ? truth.isReferences(candidate.output())
              : work.offset() != 0 || error.absolute() <= PLAUSIBLE;
      if (!isRight) {
        throw new IllegalStateException(
            candidate.name() + ": wrong " + pass + " of " + work.x().shape() + ": " + error);
      }
      errors.add(error);
    }
    return errors;
  }

  /** So that what a run leaves out is seen. */
  private static void spoil(Values values) {
    for (int i = 0; i < values.count(); i++) {
      values.set(i, Double.NaN);
    }
  }

  private String text(Times times, double others) {
    return String.format(
        Locale.ROOT,
        "%.5g,%.5g,%.5g,%.4g,%d,%d,%.1f,",
        times.median(),
        times.least(),
        times.most(),
        times.ratio(),
        turns,
        times.runs(),
        others);
  }

  private void write(Pass pass, String candidate, String numbers, String note) {
    String line =
        String.join(
                ",",
                work.layout().name(),
                work.x().shape().toString(),
                work.type().label(),
                Long.toString((long) work.offset()),
                pass.name().toLowerCase(Locale.ROOT),
                Integer.toString(threads),
                candidate,
                numbers,
                note.replace(',', ';'))
            + "\n";
    try {
      String header = Files.exists(result) ? "" : HEADER;
      Files.writeString(
          result, header + line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
