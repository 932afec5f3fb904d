package dev.batchnorm.audit;

import dev.batchnorm.DType;
import dev.batchnorm.Source;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An array of the implementation under audit: as large as x and read in chunks, or one value a
 * channel.
 */
record Theirs(
    Output output,
    String name,
    DType type,
    long[] sizes,
    @Nullable Source elements,
    double[] perChannel) {

  static Theirs of(Output output, Source elements) {
    return new Theirs(
        output,
        elements.name(),
        elements.type(),
        elements.shape().sizes(),
        elements,
        new double[0]);
  }

  static Theirs of(Output output, String name, DType type, double[] values) {
    return new Theirs(output, name, type, new long[] {values.length}, null, values);
  }

  /** What is read side by side: x, theirs, and for gradients dy. */
  List<Source> beside(Source x, @Nullable Source dy) {
    return dy == null ? List.of(x, source()) : List.of(x, source(), dy);
  }

  Source source() {
    if (elements == null) {
      throw new IllegalStateException(output.label() + " has one value a channel");
    }
    return elements;
  }
}
