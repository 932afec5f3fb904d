package dev.batchnorm.audit;

import dev.batchnorm.DType;
import dev.batchnorm.Source;
import dev.batchnorm.View;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The search for what explains arrays that do not fit: every known change of the kernel, and every
 * two of them, for each array; then the smallest sets of causes of which a part explains each
 * array. An explanation has to reproduce every single value within the bound of a plain kernel that
 * makes those changes.
 */
final class Diagnosis {
  /** A set of causes with more members explains everything and says nothing. */
  private static final int MOST_CAUSES = 4;

  private static final int MOST_EXPLANATIONS = 8;

  private static final int DY = 2;

  private final Subject subject;
  private final Source x;
  private final @Nullable Source dy;
  private final List<Change> changes;

  /** The kernel without changes. */
  private final Kernel right;

  /** How well sets of causes fit the arrays that they explain, the best where several. */
  private final Map<Set<Cause>, Double> fits = new HashMap<>();

  /** A kernel that makes some changes, and what they are called. */
  private record Candidate(Set<Cause> causes, Kernel kernel, Fit fit) {}

  /** How well something fits. */
  private static final class Fit {
    private double squares;
    private long count;
    private long wrong;
    private long sharp;

    void add(double error, double bound) {
      double share = error == 0 ? 0 : error / bound;
      squares += share * share;
      count++;
    }

    /** Adds a value that does not fit what it should be. */
    void addWrong(double deviation, double bound) {
      wrong++;
      sharp += bound <= deviation || Double.isNaN(deviation) ? 1 : 0;
    }

    /** The mean square of errors in parts of their bounds. */
    double mean() {
      return count == 0 ? 0 : squares / count;
    }

    /** Whether bounds are mostly less than what is to be explained. */
    boolean isSharp() {
      return 2 * sharp >= wrong;
    }
  }

  Diagnosis(Subject subject, Source x, @Nullable Source dy) {
    this.subject = subject;
    this.x = x;
    this.dy = dy;
    changes = Change.of(subject, x);
    right = new Kernel(subject);
  }

  /**
   * The explanations, the best first.
   *
   * @param arrays with what was judged of them
   */
  List<Explanation> of(Map<Theirs, Judgement> arrays) {
    boolean failed = arrays.values().stream().anyMatch(judgement -> !judgement.passed());
    Map<Output, List<Set<Cause>>> alternatives = new EnumMap<>(Output.class);
    long values = 0;
    for (Map.Entry<Theirs, Judgement> entry : arrays.entrySet()) {
      Theirs theirs = entry.getKey();
      Judgement judgement = entry.getValue();
      values += judgement.reason() == null ? judgement.compared() : theirs.perChannel().length;
      if (judgement.passed() && (failed || judgement.careful())) {
        continue;
      }
      List<Set<Cause>> found = minimal(matching(theirs, judgement));
      if (found.isEmpty()) {
        return List.of();
      }
      alternatives.put(theirs.output(), found);
    }
    return explanations(alternatives, values);
  }

  private List<Explanation> explanations(Map<Output, List<Set<Cause>>> alternatives, long values) {
    Set<Set<Cause>> covers = new LinkedHashSet<>();
    cover(List.copyOf(alternatives.values()), 0, EnumSet.noneOf(Cause.class), covers);
    covers.removeIf(Set::isEmpty);
    List<Explanation> all =
        minimal(covers).stream()
            .map(causes -> new Explanation(causes, values, isLoose(causes), 0))
            .sorted(
                Comparator.comparing(Explanation::isLoose)
                    .thenComparing(explanation -> explanation.causes().size())
                    .thenComparing(this::misfit)
                    .thenComparing(explanation -> first(explanation).ordinal()))
            .toList();
    int most = // arithmetic beside as many conventions adds nothing
        all.isEmpty() || all.get(0).isLoose() ? MOST_CAUSES : all.get(0).causes().size();
    List<Explanation> explanations = new ArrayList<>();
    for (Explanation explanation : all) {
      if (explanation.causes().size() <= most && explanations.size() < MOST_EXPLANATIONS) {
        Explanation before =
            explanations.isEmpty() ? null : explanations.get(explanations.size() - 1);
        int rank = before == null ? 1 : before.rank() + (before.isOnLevelWith(explanation) ? 0 : 1);
        explanations.add(explanation.ranked(rank));
      }
    }
    return explanations;
  }

  /** How badly an explanation fits; for arithmetic, whose bounds are what differs, nothing. */
  private double misfit(Explanation explanation) {
    return explanation.isLoose() ? 0 : fits.getOrDefault(explanation.causes(), 1.0);
  }

  private static Cause first(Explanation explanation) {
    return explanation.causes().iterator().next();
  }

  private boolean isLoose(Set<Cause> causes) {
    return changes.stream()
        .anyMatch(change -> change.slot().equals("arithmetic") && causes.contains(change.cause()));
  }

  /** Adds every union of one alternative for each array. */
  private static void cover(
      List<List<Set<Cause>>> alternatives, int next, Set<Cause> chosen, Set<Set<Cause>> covers) {
    if (next == alternatives.size()) {
      covers.add(chosen);
      return;
    }
    for (Set<Cause> alternative : alternatives.get(next)) {
      Set<Cause> union = EnumSet.copyOf(alternative);
      union.addAll(chosen);
      if (union.size() <= MOST_CAUSES) {
        cover(alternatives, next + 1, union, covers);
      }
    }
  }

  /** Those of which no other is a part. */
  private static List<Set<Cause>> minimal(Iterable<Set<Cause>> sets) {
    List<Set<Cause>> all = new ArrayList<>();
    sets.forEach(all::add);
    List<Set<Cause>> smallest = new ArrayList<>();
    for (Set<Cause> set : all) {
      boolean hasPart =
          all.stream().anyMatch(other -> !other.equals(set) && set.containsAll(other));
      if (!hasPart && !smallest.contains(set)) {
        smallest.add(set);
      }
    }
    return smallest;
  }

  /** The causes that reproduce an array, alone, or two where none of the two does alone. */
  private List<Set<Cause>> matching(Theirs theirs, Judgement judgement) {
    List<Change> concerned =
        changes.stream().filter(change -> change.affects().contains(theirs.output())).toList();
    if (judgement.passed()) { // but its sums are not careful: only arithmetic can be the cause
      DType own = theirs.type() == DType.F64 ? DType.F64 : DType.F32;
      List<Candidate> alone = ofOne(concerned);
      alone.removeIf(candidate -> candidate.kernel().arithmetic != own);
      return kept(alone, theirs, judgement);
    }
    List<Set<Cause>> found = new ArrayList<>(kept(ofOne(concerned), theirs, judgement));
    Set<Cause> enough = EnumSet.noneOf(Cause.class);
    found.forEach(enough::addAll);
    found.addAll(kept(ofTwo(concerned, enough), theirs, judgement));
    return found;
  }

  private List<Set<Cause>> kept(List<Candidate> candidates, Theirs theirs, Judgement judgement) {
    if (!theirs.output().isElementwise()) {
      candidates.removeIf(candidate -> !matchesChannels(candidate, theirs));
    } else if (judgement.reason() != null) {
      candidates.clear(); // an array of another shape
    } else {
      keepThoseOfElements(candidates, theirs);
    }
    candidates.removeIf(candidate -> !candidate.kernel().isLoose() && !candidate.fit().isSharp());
    for (Candidate candidate : candidates) {
      fits.merge(candidate.causes(), candidate.fit().mean(), Math::min);
    }
    return candidates.stream().map(Candidate::causes).toList();
  }

  private List<Candidate> ofOne(List<Change> concerned) {
    List<Candidate> candidates = new ArrayList<>();
    for (Change change : concerned) {
      candidates.add(candidate(change));
    }
    return candidates;
  }

  private List<Candidate> ofTwo(List<Change> concerned, Set<Cause> enough) {
    List<Candidate> candidates = new ArrayList<>();
    for (int i = 0; i < concerned.size(); i++) {
      for (int j = i + 1; j < concerned.size(); j++) {
        Change one = concerned.get(i);
        Change other = concerned.get(j);
        boolean blurs = // bounds of the two together that allow anything
            (one.cause() == Cause.WRONG_AXIS && other.slot().equals("arithmetic"))
                || (one.cause() == Cause.WRONG_COUNT && other.cause().isOnePass());
        boolean excluded = one.slot().equals(other.slot()) || one.cause() == other.cause();
        boolean longer = enough.contains(one.cause()) || enough.contains(other.cause());
        if (!blurs && !excluded && !longer) {
          candidates.add(candidate(one, other));
        }
      }
    }
    return candidates;
  }

  private Candidate candidate(Change... made) {
    Kernel kernel = new Kernel(subject);
    Set<Cause> causes = EnumSet.noneOf(Cause.class);
    for (Change change : made) {
      change.apply().accept(kernel);
      causes.add(change.cause());
    }
    return new Candidate(causes, kernel, new Fit());
  }

  private boolean matchesChannels(Candidate candidate, Theirs theirs) {
    Kernel kernel = candidate.kernel();
    double[] values = theirs.perChannel();
    int groups = kernel.facts.groups();
    boolean isRunning =
        theirs.output() == Output.RUNNING_MEAN || theirs.output() == Output.RUNNING_VARIANCE;
    if (values.length != groups || (isRunning && groups != subject.facts().groups())) {
      return false;
    }
    int channels = subject.facts().groups();
    double least = Double.POSITIVE_INFINITY;
    double most = Double.NEGATIVE_INFINITY;
    int errors = 0;
    for (int g = 0; g < groups; g++) {
      int c = Math.min(g, channels - 1);
      kernel.at(c, g, theirs.type(), Roundoff.Order.ANY);
      kernel.perChannel(theirs.output(), c, g, theirs.type());
      if (groups == channels) {
        right.at(c, g, theirs.type(), Roundoff.Order.ANY);
        right.perChannel(theirs.output(), c, g, theirs.type());
      }
      boolean isNaN = Double.isNaN(kernel.facts.mean()[g]) && Double.isNaN(kernel.value());
      if (!fits(candidate, values[g], isNaN, theirs)) {
        return false;
      }
      double factor = values[g] / kernel.value();
      boolean isClipped = factor == 0 || kernel.isClipped(g, factor);
      if (kernel.hasIndependentErrors() && !isClipped) {
        errors++;
        least = Math.min(least, Math.log(factor));
        most = Math.max(most, Math.log(factor));
      }
    }
    return !(kernel.isLoose() && Lines.isOneFactor(errors, least, most, kernel.unit()));
  }

  /**
   * Whether a candidate reproduces the value where it and the right kernel are.
   *
   * @param isNaN whether it should be NaN, as it is where x is
   */
  private boolean fits(Candidate candidate, double found, boolean isNaN, Theirs theirs) {
    Kernel kernel = candidate.kernel();
    if (Double.isNaN(found)) {
      return isNaN || kernel.mayBeNaN();
    }
    candidate.fit().add(Judgement.error(found, kernel.value()), kernel.bound());
    if (!Judgement.fits(found, right.value(), right.bound(), theirs.type())) {
      candidate.fit().addWrong(Judgement.error(found, right.value()), kernel.bound());
    }
    return Judgement.fits(found, kernel.value(), kernel.bound(), theirs.type());
  }

  private void keepThoseOfElements(List<Candidate> candidates, Theirs theirs) {
    boolean isY = theirs.output() == Output.Y;
    Source gradient = isY ? null : dy;
    View channels = x.shape().view();
    Walk.over(
        x.shape(),
        theirs.beside(x, gradient),
        (index, c, values) -> {
          right.element(c, c, values, theirs.type(), Roundoff.Order.ANY);
          for (Iterator<Candidate> each = candidates.iterator(); each.hasNext(); ) {
            Candidate candidate = each.next();
            Kernel kernel = candidate.kernel();
            View view = kernel.facts.view();
            int g = view.equals(channels) ? c : Walk.group(view, index);
            kernel.element(c, g, values, theirs.type(), Roundoff.Order.ANY);
            boolean isNaN =
                Double.isNaN(values[0] + (isY ? 0 : values[DY]) + kernel.facts.mean()[g])
                    && Double.isNaN(kernel.value());
            if (!fits(candidate, values[1], isNaN, theirs)) {
              each.remove();
            }
          }
        });
    keepThoseOfLines(candidates, theirs, gradient);
  }

  private void keepThoseOfLines(
      List<Candidate> candidates, Theirs theirs, @Nullable Source gradient) {
    if (candidates.isEmpty()) {
      return;
    }
    double u = Roundoff.unit(theirs.type());
    Lines lines =
        Lines.through(x, gradient, theirs, new Kernel(subject), (channel, values) -> true);
    boolean straight = lines.areStraight(u);
    boolean straightInF32 = straight || lines.areStraight(Roundoff.unit(DType.F32));
    candidates.removeIf(
        candidate -> {
          Kernel kernel = candidate.kernel();
          if (!kernel.facts.view().equals(x.shape().view())) {
            return !Lines.through(x, gradient, theirs, kernel, (channel, values) -> true)
                .areStraight(u);
          }
          if (!kernel.isLoose()) {
            return !straight;
          }
          boolean fits = kernel.arithmetic == DType.F64 ? straight : straightInF32;
          return !fits || !lines.couldBeOf(kernel);
        });
  }
}
