package dev.batchnorm.cli;

import dev.batchnorm.InputException;
import dev.batchnorm.format.FileFormat;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What {@code inspect} found in a file.
 *
 * @param bytes the size of the file
 * @param isList whether the parts are members of an NPZ rather than the one array asked for
 * @param holds what the members are together, null if that is not known
 */
record Inspection(
    String name,
    FileFormat format,
    long bytes,
    boolean isList,
    @Nullable String holds,
    List<Part> parts) {

  /** An array that was read, or why it cannot be read; one of found and refusal is null. */
  record Part(String name, @Nullable Found found, @Nullable InputException refusal) {

    static Part of(InputFiles.Stored stored, ArraySummary summary) {
      return new Part(stored.array().name(), new Found(stored, summary), null);
    }

    /** Why it cannot be read, without the name in front. */
    String reason() {
      String message = String.valueOf(Objects.requireNonNull(refusal).getMessage());
      String prefix = name + ": ";
      return message.startsWith(prefix) ? message.substring(prefix.length()) : message;
    }
  }

  /** An array that was read. */
  record Found(InputFiles.Stored stored, ArraySummary summary) {

    /** The names of the channels, empty if they have none. */
    List<String> names() {
      ArraySummary.Channels channels = summary.channels();
      return channels == null
          ? List.of()
          : InputFiles.channelNames(stored.table(), channels.shape());
    }
  }
}
