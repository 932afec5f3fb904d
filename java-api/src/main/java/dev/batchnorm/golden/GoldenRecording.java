package dev.batchnorm.golden;

import dev.batchnorm.OutputException;
import dev.batchnorm.format.AtomicDirectory;
import dev.batchnorm.format.Wording;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/**
 * A case that has been computed and waits to appear. Closed without {@link #commit}, nothing is
 * left of it.
 */
public final class GoldenRecording implements AutoCloseable {
  private final Path place;
  private final AtomicDirectory directory;
  private final boolean replaces;
  private final boolean unchanged;
  private final List<String> warnings;
  private final List<String> changes;
  private final List<String> lacking;
  private final List<GoldenArray> outputs;

  GoldenRecording(
      Path place,
      AtomicDirectory directory,
      boolean update,
      List<String> warnings,
      GoldenCase recorded) {
    this.place = place;
    this.directory = directory;
    this.warnings = List.copyOf(warnings);
    this.lacking = recorded.lacking();
    this.outputs = recorded.outputs();
    this.replaces = update && Files.exists(place);
    this.changes = replaces ? changes(place, recorded) : List.of();
    this.unchanged = replaces && changes.isEmpty();
  }

  private static List<String> changes(Path place, GoldenCase recorded) {
    try {
      return recorded.changesSince(GoldenCase.open(place));
    } catch (UntrustedCaseException e) {
      return List.of("the old case was " + e.verdict() + ": " + String.join("; ", e.troubles()));
    }
  }

  /** Refuses a place that has something, unless that is a case which may be replaced. */
  static void checkPlace(Path place, boolean update) {
    if (!Files.exists(place, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    if (!Files.isDirectory(place, LinkOption.NOFOLLOW_LINKS)) {
      throw new OutputException(place + ": expected a new directory, found something else");
    }
    boolean isCase =
        Files.exists(place.resolve(Manifest.FILE)) || Files.exists(place.resolve(Checksums.FILE));
    if (!isCase) {
      throw new OutputException(place + ": expected a new case, found a directory that is none");
    }
    if (!update) {
      throw new OutputException(
          place + ": expected a new case, found one of that name",
          "--update records it again and shows what changes");
    }
    requireNothingElse(place);
  }

  /** What is replaced is lost, and what no recording has made is not ours to lose. */
  private static void requireNothingElse(Path place) {
    List<String> others =
        entries(place).stream()
            .filter(e -> !Manifest.mayHold(e) || isDirectory(place.resolve(e)))
            .sorted()
            .toList();
    if (!others.isEmpty()) {
      throw new OutputException(
          place + ": expected only the files of a case, found " + Wording.some(others),
          "they would be lost; move them to another directory");
    }
  }

  private static Set<String> entries(Path place) {
    try {
      return GoldenCase.entries(place);
    } catch (UntrustedCaseException e) {
      throw new OutputException(place + ": " + e.troubles().get(0), null, e);
    }
  }

  private static boolean isDirectory(Path path) {
    return Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS);
  }

  /** Where the case appears. */
  public Path place() {
    return place;
  }

  /** What a user should know about the numbers, such as channels without spread. */
  public List<String> warnings() {
    return warnings;
  }

  /** Why the case proves nothing, and a check says MISTRUSTED; empty if it does. */
  public List<String> lacking() {
    return lacking;
  }

  /** The arrays that a check will expect. */
  public List<GoldenArray> outputs() {
    return outputs;
  }

  /** Whether there was no such case. */
  public boolean isNew() {
    return !replaces && !unchanged;
  }

  /** What is other than in the case that is there, a line each; empty if none is. */
  public List<String> changes() {
    return changes;
  }

  /** Whether a case takes the place of one with other content. */
  public boolean replaces() {
    return replaces && !unchanged;
  }

  /**
   * Makes the case appear. One with the same content as before is left as it is.
   *
   * @throws OutputException if it cannot be
   */
  public void commit() {
    if (!unchanged) {
      directory.commit(replaces);
    }
  }

  @Override
  public void close() {
    directory.close();
  }
}
