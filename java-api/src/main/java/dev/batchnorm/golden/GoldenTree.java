package dev.batchnorm.golden;

import dev.batchnorm.InputException;
import dev.batchnorm.format.AtomicDirectory;
import dev.batchnorm.format.Wording;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * The golden cases below directories. A case is a directory with a manifest, or one that was meant
 * to have one: with digests or a y, or left behind by a recording that did not end. Directories
 * below a case belong to it. Symbolic links are followed, each directory once.
 */
public final class GoldenTree {
  private final Set<Path> seen = new HashSet<>();
  private final List<Path> cases = new ArrayList<>();

  private GoldenTree() {}

  /**
   * The cases, in the order of the trees and then of their names.
   *
   * @param roots cases, or directories with cases below them
   * @throws InputException if a root is no directory, or has no case
   */
  public static List<Path> cases(List<Path> roots) {
    GoldenTree tree = new GoldenTree();
    for (Path root : roots) {
      if (!Files.isDirectory(root)) {
        throw new InputException(
            root
                + ": expected a directory of golden cases, found "
                + (Files.exists(root) ? "a file" : "no such directory"));
      }
      if (!tree.add(root)) {
        throw new InputException(
            root + ": expected golden cases (directories with a manifest.json), found none",
            "batchnorm golden record " + root + " INPUT makes one");
      }
    }
    return List.copyOf(tree.cases);
  }

  /** Whether a directory is a case, whole or not. */
  static boolean isCase(Path directory) {
    Path name = directory.getFileName();
    return AtomicDirectory.isTemporary(String.valueOf(name))
        || Files.exists(directory.resolve(Manifest.FILE))
        || Files.exists(directory.resolve(Checksums.FILE))
        || Files.exists(directory.resolve("y.npy"));
  }

  /** Whether there is a case there, also one that was found before. */
  private boolean add(Path directory) {
    try {
      if (!seen.add(directory.toRealPath())) {
        return cases.stream().anyMatch(c -> isBelow(c, directory));
      }
      if (isCase(directory)) {
        cases.add(directory);
        return true;
      }
      boolean found = false;
      for (String entry : new TreeSet<>(GoldenCase.entries(directory))) {
        Path path = directory.resolve(entry);
        if (Files.isDirectory(path)) {
          found |= add(path);
        }
      }
      return found;
    } catch (UntrustedCaseException | IOException e) {
      cases.add(directory); // its check says why it cannot be read
      return true;
    }
  }

  private static boolean isBelow(Path golden, Path directory) {
    try {
      return golden.toRealPath().startsWith(directory.toRealPath());
    } catch (IOException e) {
      throw new InputException(
          directory + ": expected a directory that can be read, found " + Wording.reason(e),
          null,
          e);
    }
  }
}
