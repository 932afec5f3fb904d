package dev.batchnorm.cli;

import dev.batchnorm.DType;
import dev.batchnorm.InputException;
import dev.batchnorm.Shape;
import dev.batchnorm.Values;
import dev.batchnorm.format.ArraySink;
import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.StoredArray;
import dev.batchnorm.format.npz.NpzWriter;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code convert}: the same values in another format or type. */
@Command(
    name = "convert",
    sortOptions = false,
    description = {
      "Write an array in another format or type: CSV, TSV, NPY and NPZ, and any real type, byte order and order of axes "
          + "that numpy writes. What is written is little-endian and in C order. Without --dtype no bit of a value changes."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  batchnorm convert x.csv --exclude label -o x.npy",
      "  batchnorm convert x.npy --to csv",
      "  batchnorm convert weights.npz -o weights32.npz --dtype f32 --narrow",
      "  batchnorm convert checkpoint.npz:gamma -o gamma.npy",
      "",
      "An NPZ written from an NPZ has all its members, from another file one called x."
    })
final class ConvertCommand implements Callable<Integer> {
  private final Session session;

  @Parameters(
      paramLabel = "INPUT",
      description =
          "The array: a CSV, TSV, NPY or NPZ file, file.npz:member, or - for standard input.")
  private String input = "";

  @Option(
      names = "--dtype",
      paramLabel = "f16|f32|f64",
      description =
          "The type to write. Default: the stored one; f64 for CSV, whose cells are rounded to it once. A value that "
              + "would change is refused without --narrow.")
  private @Nullable String dtype;

  @Mixin private NarrowOptions narrow = new NarrowOptions();
  @Mixin private OutputOptions output = new OutputOptions();
  @Mixin private FormatOptions format = new FormatOptions();
  @Mixin private GlobalOptions global = new GlobalOptions();

  ConvertCommand(Session session) {
    this.session = session;
  }

  @Override
  public Integer call() {
    session.use(global);
    format.check();
    output.check();
    DType asked = dtype == null ? null : Choice.of("--dtype", dtype, DType.values());
    DType text = asked == null ? DType.F64 : asked;
    try (InputFiles inputs = new InputFiles(session);
        OutputFiles outputs = new OutputFiles(session, output)) {
      List<InputFiles.Stored> arrays = inputs.arrays(input, format, text);
      if (arrays.isEmpty()) {
        throw new InputException(
            input + ": expected at least 1 array, found a ZIP file without any",
            "arrays in an NPZ have names ending in .npy; PyTorch's files are exported with numpy.savez");
      }
      FileFormat named = output.format("-o", output.target());
      FileFormat to = named == null ? arrays.get(0).format() : named;
      if (to == FileFormat.NPZ) {
        NpzWriter npz = outputs.npz("-o", output.target());
        for (InputFiles.Stored stored : arrays) {
          String name = stored.member() == null ? "x" : stored.member();
          NumberType type = type(stored.array(), asked);
          long[] sizes = stored.array().sizes();
          copy(
              stored.array(),
              type,
              outputs.digested(npz.member(name, type, sizes), name, type, sizes));
        }
      } else {
        InputFiles.Stored stored = InputFiles.only(input, arrays, "x");
        NumberType type = type(stored.array(), asked);
        copy(
            stored.array(),
            type,
            outputs.array(
                "-o",
                output.target(),
                to,
                stored.format(),
                stored.table(),
                "x",
                type,
                stored.array().sizes()));
      }
      outputs.finish();
    }
    return ExitCode.OK;
  }

  private static NumberType type(StoredArray array, @Nullable DType asked) {
    return asked == null ? array.type() : NumberType.of(asked);
  }

  private void copy(StoredArray from, NumberType type, ArraySink to) {
    session.talk(
        from.name()
            + ": "
            + from.type().label()
            + " to "
            + type.label()
            + ", shape "
            + Shape.text(from.sizes()));
    long first = 0;
    while (first < from.count()) {
      int part = (int) Math.min(StoredArray.CHUNK, from.count() - first);
      ByteBuffer bytes = from.read(first, part);
      if (type == from.type()) {
        to.write(bytes);
      } else {
        Values room = to.room(part);
        for (int i = 0; i < part; i++) {
          room.set(i, converted(from, bytes, i, first, room.type()));
        }
        to.commit();
      }
      first += part;
    }
    from.release(); // there may be many members
  }

  private double converted(StoredArray from, ByteBuffer bytes, int index, long first, DType type) {
    NumberType stored = from.type();
    int offset = index * stored.bytes();
    double value = stored.get(bytes, offset, type);
    boolean exact =
        stored.isExact(bytes, offset) && Double.compare(value, stored.get(bytes, offset)) == 0;
    if (!exact && !narrow.narrow()) {
      throw new InputException(
          from.name()
              + ": expected numbers that "
              + type.label()
              + " holds exactly, found "
              + stored.text(bytes, offset)
              + " at index "
              + Shape.tuple(Shape.indices(first + index, from.sizes())),
          "--narrow rounds each to the nearest");
    }
    return value;
  }
}
