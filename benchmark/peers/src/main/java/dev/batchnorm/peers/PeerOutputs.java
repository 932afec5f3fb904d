package dev.batchnorm.peers;

import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.format.BatchFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.global.torch;

/**
 * Writes what every candidate gives as NPY, for {@code batchnorm audit}: {@code PeerOutputs THREADS
 * FOLDER WORKLOAD...}. FOLDER/WORKLOAD holds {@code x dy gamma beta}, and a folder for each
 * candidate with its {@code y mean variance inverse_std dx dgamma dbeta}, those that it tells.
 * Colons of the workload's name become hyphens, as do blanks of the candidate's.
 */
public final class PeerOutputs {
  private final Path folder;
  private final Workload work;
  private final Engine engine;

  private PeerOutputs(Path folder, Workload work, Engine engine) {
    this.folder = folder;
    this.work = work;
    this.engine = engine;
  }

  /** The program. */
  public static void main(String[] arguments) throws IOException {
    if (arguments.length < 3) {
      throw new IllegalArgumentException(
          "arguments: expected THREADS FOLDER WORKLOAD..., found " + List.of(arguments));
    }
    int threads = Integer.parseInt(arguments[0]);
    torch.set_num_threads(threads);
    for (String name : Arrays.asList(arguments).subList(2, arguments.length)) {
      Path folder = Path.of(arguments[1], name.replace(':', '-'));
      new PeerOutputs(folder, Workload.named(name), Engines.named("native", threads)).write();
    }
  }

  private void write() throws IOException {
    Files.createDirectories(folder);
    write(folder, "x", work.x().values());
    write(folder, "dy", work.dy().values());
    write(folder, "gamma", work.perChannel(work.gamma()));
    write(folder, "beta", work.perChannel(work.beta()));
    for (Pass pass : List.of(Pass.TRAIN, Pass.BACKWARD)) {
      List<Candidate> candidates = new ArrayList<>();
      candidates.add(new Batchnorm(work, pass, engine));
      candidates.addAll(OneDnn.candidates(work, pass, System.err::println));
      candidates.add(new Torch(work, pass));
      for (Candidate candidate : candidates) {
        candidate.run();
        Path own = Files.createDirectories(folder.resolve(candidate.name().replace(' ', '-')));
        for (Map.Entry<String, Values> output : candidate.outputs().entrySet()) {
          write(own, output.getKey(), output.getValue());
        }
        candidate.close();
      }
    }
  }

  private void write(Path to, String name, Values values) {
    boolean isData = values.count() == work.view().count();
    Shape shape = isData ? work.x().shape() : Shape.withChannelAxis(0, values.count());
    try (BatchFile.Output out = BatchFile.create(to.resolve(name + ".npy"), values.type(), shape)) {
      out.room(values.count()).put(0, values, 0, values.count());
      out.commit();
      out.finish();
    }
  }
}
