package dev.batchnorm.verify;

import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What {@link GradientCheck} found.
 *
 * @param channelsInAll how many channels the batch has, of which those checked are a sample
 * @param directions how many directions each channel was moved along
 * @param elements how many elements of each channel were moved alone
 * @param channels those checked, in order
 */
public record GradientReport(
    int channelsInAll, int directions, int elements, List<Channel> channels) {

  /** What a check came to. */
  public enum Status {
    /** Every gradient is within its bound. */
    PASSED,
    /** A gradient is beyond its bound. */
    FAILED,
    /** None is beyond its bound, but the check could not tell a right gradient from a wrong one. */
    MISTRUSTED
  }

  /**
   * One comparison.
   *
   * @param index the element's index in C order in the whole array, the number of the direction, or
   *     the channel
   * @param expected from the loss or the identity, rounded for display
   * @param found from the gradients
   * @param difference |found − expected|, taken before rounding; NaN if found is no number
   * @param bound the most that rounding explains
   */
  public record Comparison(
      long index, double expected, double found, double difference, double bound) {

    /** Whether the difference is no larger than the bound. */
    public boolean isWithin() {
      return difference <= bound;
    }

    /** The difference over the bound; +Inf where found is no number, or the bound is 0. */
    public double share() {
      double share = difference == 0 ? 0 : difference / bound;
      return Double.isNaN(share) ? Double.POSITIVE_INFINITY : share;
    }
  }

  /**
   * All comparisons of one kind.
   *
   * @param name {@code element direction dgamma dbeta sum projection norm}
   * @param exceeding how many are beyond their bounds
   * @param worst the one with the largest share of its bound, the first of several
   */
  public record Check(String name, int compared, int exceeding, Comparison worst) {

    static Check of(String name, List<Comparison> comparisons) {
      int exceeding = (int) comparisons.stream().filter(c -> !c.isWithin()).count();
      Comparison worst = comparisons.get(0);
      for (Comparison c : comparisons) {
        worst = c.share() > worst.share() ? c : worst;
      }
      return new Check(name, comparisons.size(), exceeding, worst);
    }
  }

  /**
   * What was found in one channel.
   *
   * @param channel its number
   * @param mistrusted why the channel tells nothing, or null
   * @param checks those that could be made, none if there are no finite gradients to compare
   */
  public record Channel(int channel, @Nullable String mistrusted, List<Check> checks) {

    /** What it comes to. */
    public Status status() {
      if (checks.stream().anyMatch(c -> c.exceeding() > 0)) {
        return Status.FAILED;
      }
      return mistrusted != null ? Status.MISTRUSTED : Status.PASSED;
    }

    /** The check that came closest to its bound, or went farthest beyond it. */
    public @Nullable Check worst() {
      return checks.stream()
          .reduce((a, b) -> b.worst().share() > a.worst().share() ? b : a)
          .orElse(null);
    }

    private double share() {
      Check worst = worst();
      return worst == null ? 0 : worst.worst().share();
    }
  }

  /** What it comes to: failed if a channel failed, else mistrusted if one told nothing. */
  public Status status() {
    if (channels.stream().anyMatch(c -> c.status() == Status.FAILED)) {
      return Status.FAILED;
    }
    boolean told = channels.stream().allMatch(c -> c.status() == Status.PASSED);
    return told && !channels.isEmpty() ? Status.PASSED : Status.MISTRUSTED;
  }

  /** The channels, those that failed first, then those that told nothing, each by their share. */
  public List<Channel> worstFirst() {
    Comparator<Channel> failed = Comparator.comparing(c -> c.status() != Status.FAILED);
    return channels.stream()
        .sorted(
            failed
                .thenComparing(c -> c.status() != Status.MISTRUSTED)
                .thenComparing(Channel::share, Comparator.reverseOrder()))
        .toList();
  }

  /** The number of comparisons made. */
  public long compared() {
    return channels.stream().flatMap(c -> c.checks().stream()).mapToLong(Check::compared).sum();
  }

  /** The number of comparisons beyond their bounds. */
  public long exceeding() {
    return channels.stream().flatMap(c -> c.checks().stream()).mapToLong(Check::exceeding).sum();
  }

  /** The number of channels of which that is the status. */
  public long count(Status status) {
    return channels.stream().filter(c -> c.status() == status).count();
  }
}
