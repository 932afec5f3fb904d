package dev.batchnorm.golden;

import dev.batchnorm.Convention;
import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.OutputException;
import dev.batchnorm.RunningStatistics;
import dev.batchnorm.Sink;
import dev.batchnorm.Source;
import dev.batchnorm.Values;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.format.AtomicDirectory;
import dev.batchnorm.format.AtomicOutput;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.npy.NpySink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Records a golden case. Without settings: PyTorch's conventions, no gradients, no running
 * statistics, the fastest engine available (all have the same bits).
 *
 * <pre>{@code
 * GoldenCase.recorder(x).dy(dy).gamma(1.5, 0.5).record(Path.of("golden/small"));
 * }</pre>
 */
public final class GoldenRecorder {
  private final Source x;
  private @Nullable Source dy;
  private @Nullable Engine engine;
  private double @Nullable [] gamma;
  private double @Nullable [] beta;
  private @Nullable RunningStatistics statistics;
  private boolean frozen;
  private Convention convention = Convention.PYTORCH;
  private @Nullable Double eps;
  private @Nullable Double momentum;
  private @Nullable Long batchSize;
  private @Nullable DType outputType;
  private String command = "GoldenCase.recorder(x).record(directory)";
  private final Map<String, Reference> references = new HashMap<>();

  private record Reference(Path file, @Nullable String member) {}

  GoldenRecorder(Source x) {
    this.x = x;
  }

  /** Sets the output gradient, of x's shape; the case then has gradients. Read, not closed. */
  public GoldenRecorder dy(Source gradient) {
    dy = gradient;
    return this;
  }

  /** Sets γ, one value per channel or a single one for all. */
  public GoldenRecorder gamma(double... values) {
    gamma = values.clone();
    return this;
  }

  /** Sets β, one value per channel or a single one for all. */
  public GoldenRecorder beta(double... values) {
    beta = values.clone();
    return this;
  }

  /** Sets ε, finite and ≥ 0. */
  public GoldenRecorder eps(double value) {
    eps = value;
    return this;
  }

  /** Sets whose ε and momentum are meant where none is set, and whose running variance. */
  public GoldenRecorder convention(Convention chosen) {
    convention = chosen;
    return this;
  }

  /**
   * Also updates running statistics (F6).
   *
   * @param before those before the first batch
   */
  public GoldenRecorder running(RunningStatistics before) {
    statistics = before;
    frozen = false;
    return this;
  }

  /** Normalises with given statistics instead of x's own, and takes B4 for the gradients. */
  public GoldenRecorder frozen(double[] mean, double[] variance) {
    statistics = new RunningStatistics(mean, variance, 0);
    frozen = true;
    return this;
  }

  /**
   * Sets the number that momentum is, in the meaning of the convention.
   *
   * @param number from 0 to 1, or {@link GoldenSettings#CUMULATIVE}
   */
  public GoldenRecorder momentum(double number) {
    momentum = number;
    return this;
  }

  /** Takes x as consecutive mini-batches of so many samples. */
  public GoldenRecorder batchSize(long samples) {
    batchSize = samples;
    return this;
  }

  /** Sets T, the type of y and dx; x's type unless set. */
  public GoldenRecorder outputType(DType type) {
    outputType = type;
    return this;
  }

  /** Sets which engine computes. */
  public GoldenRecorder engine(Engine chosen) {
    engine = chosen;
    return this;
  }

  /** Sets what the manifest says about how the case was made. */
  public GoldenRecorder command(String line) {
    command = line;
    return this;
  }

  /**
   * Leaves an input where it is: the case refers to the file, by its path relative to the case and
   * the digest of its values.
   *
   * @param input {@code x} or {@code dy}
   * @param file the NPY or NPZ file it was opened from
   * @param member the member of an NPZ, else null
   */
  public GoldenRecorder reference(String input, Path file, @Nullable String member) {
    references.put(input, new Reference(file, member));
    return this;
  }

  /**
   * Records a new case.
   *
   * @param directory appears complete or not at all
   * @throws IllegalArgumentException if the settings do not fit x or each other
   * @throws InputException if an input cannot be read, or computed with
   * @throws OutputException if there is such a directory already, or it cannot be written
   */
  public GoldenCase record(Path directory) {
    try (GoldenRecording recording = prepare(directory, false)) {
      recording.commit();
    }
    return GoldenCase.read(directory);
  }

  /**
   * Computes a case, which appears when {@link GoldenRecording#commit} is called.
   *
   * @param update whether it may take the place of a case that is there
   * @throws IllegalArgumentException if the settings do not fit x or each other
   * @throws InputException if an input cannot be read, or computed with
   * @throws OutputException if there is such a directory already, or it cannot be written
   */
  public GoldenRecording prepare(Path directory, boolean update) {
    check();
    GoldenRecording.checkPlace(directory, update);
    AtomicDirectory target = AtomicDirectory.of(directory);
    try {
      return new Writing(target.path()).write(directory, target, update);
    } catch (OutputException e) {
      target.close();
      throw target.told(e);
    } catch (RuntimeException | Error e) {
      target.close();
      throw e;
    }
  }

  private void check() {
    if (dy != null && !dy.shape().equals(x.shape())) {
      throw new IllegalArgumentException(
          "dy: expected shape " + x.shape() + " (" + x.name() + "), found " + dy.shape());
    }
    if (batchSize != null && (frozen || dy != null)) {
      throw new IllegalArgumentException(
          "batch size: expected neither dy nor given statistics beside it, found one");
    }
    if (batchSize != null && batchSize < 1) {
      throw new IllegalArgumentException("batch size: expected at least 1, found " + batchSize);
    }
    if (momentum != null && momentum != GoldenSettings.CUMULATIVE) {
      convention.momentum().withNumber(momentum);
    }
  }

  /** The files of one case. */
  private final class Writing {
    private final Path directory;
    private final List<GoldenArray> inputs = new ArrayList<>();
    private final List<GoldenArray> outputs = new ArrayList<>();

    Writing(Path directory) {
      this.directory = directory;
    }

    GoldenRecording write(Path place, AtomicDirectory target, boolean update) {
      GoldenSettings settings = settings();
      writeInputs(settings);
      Map<String, String> names = new HashMap<>(Map.of("x", x.name()));
      if (dy != null) {
        names.put("dy", dy.name());
      }
      List<NpySink> open = new ArrayList<>();
      List<String> warnings;
      try {
        warnings =
            GoldenCase.run(
                directory,
                new Manifest(settings, inputs, List.of()),
                names,
                engine != null ? engine : Engines.preferred(),
                (name, type, sizes) -> {
                  NpySink sink = NpySink.create(AtomicOutput.to(file(name)), type, sizes);
                  open.add(sink);
                  outputs.add(GoldenArray.output(name, type, shape(sizes), ""));
                  return sink;
                });
        open.forEach(NpySink::finish);
      } finally {
        open.forEach(NpySink::close);
      }
      outputs.replaceAll(a -> GoldenCase.describe(directory, a, settings));
      Manifest manifest = new Manifest(settings, inputs, outputs);
      text(Manifest.FILE, manifest.text());
      Map<String, String> sums = new LinkedHashMap<>();
      sums.put(Manifest.FILE, Checksums.sha256(directory.resolve(Manifest.FILE)));
      manifest.files().forEach(f -> sums.put(f, Checksums.sha256(directory.resolve(f))));
      text(Checksums.FILE, new Checksums(sums).text());
      return new GoldenRecording(place, target, update, warnings, GoldenCase.open(directory));
    }

    private GoldenSettings settings() {
      return new GoldenSettings(
          frozen,
          eps != null ? eps : convention.eps(),
          frozen ? Convention.PYTORCH : convention,
          momentum != null && !frozen && statistics != null
              ? momentum
              : GoldenSettings.momentumOf(frozen ? Convention.PYTORCH : convention),
          batchSize,
          x.shape().channelAxis(),
          outputType != null ? outputType : x.type(),
          command);
    }

    private void writeInputs(GoldenSettings settings) {
      input("x", x, settings);
      if (dy != null) {
        input("dy", dy, settings);
      }
      int channels = x.shape().channels();
      if (gamma != null) {
        doubles("gamma", perChannel("gamma", gamma), settings);
      }
      if (beta != null) {
        doubles("beta", perChannel("beta", beta), settings);
      }
      RunningStatistics given = statistics;
      if (given == null) {
        return;
      }
      if (given.mean().length != channels) {
        throw new IllegalArgumentException(
            "statistics: expected "
                + channels
                + " channels ("
                + x.name()
                + ", shape "
                + x.shape()
                + "), found "
                + given.mean().length);
      }
      doubles(frozen ? "given_mean" : "running_mean_before", given.mean(), settings);
      doubles(frozen ? "given_variance" : "running_variance_before", given.variance(), settings);
      if (!frozen) {
        try (NpySink sink = sink("batches_before", NumberType.I64)) {
          sink.write(CaseRun.bytes(given.batches()));
          sink.finish();
        }
        described("batches_before", settings);
      }
    }

    private double[] perChannel(String name, double... values) {
      int channels = x.shape().channels();
      if (values.length == 1) {
        double[] all = new double[channels];
        Arrays.fill(all, values[0]);
        return all;
      }
      if (values.length != channels) {
        throw new IllegalArgumentException(
            name + ": expected " + channels + " values (one per channel), found " + values.length);
      }
      return values;
    }

    private void input(String name, Source source, GoldenSettings settings) {
      Reference reference = references.get(name);
      if (reference == null) {
        try (NpySink sink = sink(name, NumberType.of(source.type()), source.shape().sizes())) {
          copy(source, sink);
          sink.finish();
        }
        described(name, settings);
        return;
      }
      try {
        String path =
            directory.relativize(reference.file().toRealPath()).toString().replace('\\', '/');
        GoldenArray outside =
            new GoldenArray(name, NumberType.F64, List.of(), null, 0, "", path, reference.member());
        inputs.add(GoldenCase.describe(directory, outside, settings));
      } catch (IOException e) {
        throw new InputException(
            reference.file() + ": expected a file to refer to, found none", null, e);
      }
    }

    private void doubles(String name, double[] values, GoldenSettings settings) {
      try (NpySink sink = sink(name, NumberType.F64, values.length)) {
        CaseRun.fill(sink, values);
        sink.finish();
      }
      described(name, settings);
    }

    private void described(String name, GoldenSettings settings) {
      GoldenArray named = GoldenArray.input(name, NumberType.F64, List.of(), "");
      inputs.add(GoldenCase.describe(directory, named, settings));
    }

    private NpySink sink(String name, NumberType type, long... sizes) {
      return NpySink.create(AtomicOutput.to(file(name)), type, sizes);
    }

    private Path file(String name) {
      return directory.resolve(name + ".npy");
    }

    private void text(String file, String text) {
      try (AtomicOutput out = AtomicOutput.to(directory.resolve(file))) {
        out.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
        out.commit();
      }
    }
  }

  private static List<Long> shape(long... sizes) {
    return Arrays.stream(sizes).boxed().toList();
  }

  private static void copy(Source from, Sink to) {
    long count = from.shape().count();
    int most = Math.min(from.chunkLimit(), 1 << 20);
    for (long at = 0; at < count; at += most) {
      int part = (int) Math.min(most, count - at);
      Values values = from.chunk(at, part);
      to.room(part).put(0, values, 0, part);
      to.commit();
    }
  }
}
