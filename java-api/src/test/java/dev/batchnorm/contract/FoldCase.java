package dev.batchnorm.contract;

import dev.batchnorm.Batch;
import dev.batchnorm.BatchNorm;
import dev.batchnorm.Folded;
import dev.batchnorm.Layer;
import dev.batchnorm.Statistics;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.format.Axes;
import dev.batchnorm.format.npz.NpzFile;
import java.io.IOException;
import java.util.Locale;
import java.util.stream.Stream;

/** Layers and what they become, made in exact fractions by {@code testdata/make_fold.py}. */
record FoldCase(String name, Layer layer) {
  private static final GoldenFiles FILES = new GoldenFiles("fold");

  /** All cases of the manifest. */
  static Stream<FoldCase> all() {
    return FILES.manifest(120).map(FoldCase::of);
  }

  /** name,layer,groups,dtype,seed,why: only why may be quoted. */
  private static FoldCase of(String line) {
    String[] fields = line.split(",", 6);
    Layer.Kind kind = Layer.Kind.valueOf(fields[1].replace('-', '_').toUpperCase(Locale.ROOT));
    return new FoldCase(fields[0], new Layer(kind, Integer.parseInt(fields[2])));
  }

  /** Folds on the engine and compares weights and bias to the bit. */
  void check(Engine engine) throws IOException {
    try (NpzFile npz = FILES.open(name)) {
      BatchNorm norm =
          BatchNorm.builder()
              .engine(engine)
              .eps(npz.array("eps").values()[0])
              .affine(GoldenFiles.affine(npz))
              .build();
      Statistics given =
          norm.given(npz.array("running_mean").values(), npz.array("running_variance").values());
      Batch weights = GoldenFiles.batch(npz, "weights", Axes.channelAxis(0));
      Folded folded =
          npz.members().contains("bias")
              ? norm.fold(
                  layer,
                  weights,
                  GoldenFiles.batch(npz, "bias", Axes.channelAxis(0)).values(),
                  given)
              : norm.fold(layer, weights, given);
      GoldenFiles.assertBits(npz, "folded_weights", folded.weights().values());
      GoldenFiles.assertBits(npz, "folded_bias", folded.bias());
    }
  }
}
