package dev.batchnorm.audit;

import java.util.List;

/**
 * What an audit found.
 *
 * @param judgements one for each array, in the order of {@link Output}
 * @param explanations what reproduces all arrays, the best first; empty if nothing known does, or
 *     there is nothing to explain
 */
public record AuditReport(List<Judgement> judgements, List<Explanation> explanations) {

  /** Whether every array is within the bounds of a plain kernel. */
  public boolean passed() {
    return judgements.stream().allMatch(Judgement::passed);
  }
}
