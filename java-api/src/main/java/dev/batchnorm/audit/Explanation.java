package dev.batchnorm.audit;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Causes that together reproduce everything that was audited.
 *
 * @param causes at least one, in the order of {@link Cause}
 * @param reproduced how many values, over all arrays, the explanation reproduces within the bound
 *     of a plain kernel that does so
 * @param isLoose whether it is arithmetic that loses digits: such an explanation says how far
 *     values may be off, not which values they are
 * @param rank from 1; this data cannot tell explanations of one rank apart
 */
public record Explanation(Set<Cause> causes, long reproduced, boolean isLoose, int rank) {

  Explanation ranked(int other) {
    return new Explanation(causes, reproduced, isLoose, other);
  }

  boolean isOnLevelWith(Explanation other) {
    return isLoose == other.isLoose && causes.size() == other.causes.size();
  }

  /** The frameworks known for all of the causes, in lower case; empty if there is none. */
  public List<String> frameworks() {
    List<String> common = null;
    for (Cause cause : causes) {
      if (common == null) {
        common = new ArrayList<>(cause.frameworks());
      } else {
        common.retainAll(cause.frameworks());
      }
    }
    return common == null ? List.of() : List.copyOf(common);
  }

  /** The names of the causes. */
  public List<String> labels() {
    return causes.stream().map(Cause::label).toList();
  }
}
