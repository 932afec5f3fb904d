package dev.batchnorm.audit;

import dev.batchnorm.Convention;
import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import dev.batchnorm.Source;
import dev.batchnorm.View;
import dev.batchnorm.audit.Kernel.Formula;
import dev.batchnorm.audit.Kernel.Given;
import dev.batchnorm.audit.Kernel.Parameter;
import dev.batchnorm.audit.Kernel.Stored;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * One thing that a kernel does otherwise.
 *
 * @param cause what it is called
 * @param slot what it changes: two changes of one slot exclude each other
 * @param affects the arrays that may show it
 * @param apply makes a kernel do so
 */
record Change(Cause cause, String slot, Set<Output> affects, Consumer<Kernel> apply) {
  /** Those that the variance and ε reach; the inverse std may stand for the variance. */
  private static final Set<Output> SCALED =
      Set.of(Output.Y, Output.VARIANCE, Output.INVERSE_STD, Output.DGAMMA, Output.DX);

  private static final Set<Output> RUNNING = Set.of(Output.RUNNING_MEAN, Output.RUNNING_VARIANCE);

  /** Groups of more than this are nobody's mistake. */
  private static final int MOST_GROUPS = 1 << 22;

  /** Sizes that tiles are padded to. */
  private static final int[] PADDED = {4, 8, 16, 32, 64, 128, 256, 512, 1024};

  /** Everything known that may concern a subject. */
  static List<Change> of(Subject subject, Source x) {
    List<Change> changes = new ArrayList<>();
    addVariances(changes, subject);
    addAffine(changes);
    addStatistics(changes, subject);
    addRunning(changes, subject);
    addStored(changes);
    addGradients(changes);
    if (!subject.frozen() && subject.facts().m() > 0) {
      addCounts(changes, subject, x.shape());
      addAxes(changes, x);
      addArithmetic(changes);
    }
    return changes;
  }

  private static void addVariances(List<Change> changes, Subject subject) {
    if (!subject.frozen() && subject.facts().m() > 1) {
      changes.add(new Change(Cause.UNBIASED_VARIANCE, "variance", SCALED, k -> k.unbiased = true));
      changes.add( // as differentiation of that variance gives it
          new Change(
              Cause.UNBIASED_VARIANCE,
              "variance",
              Set.of(Output.DX),
              k -> {
                k.unbiased = true;
                k.countOfSlope = k.facts.m() - 1;
              }));
    }
    if (subject.eps() != 0) {
      changes.add(new Change(Cause.EPS_MISSING, "eps", SCALED, k -> k.eps = 0));
      changes.add(new Change(Cause.EPS_OUTSIDE_ROOT, "eps", SCALED, k -> k.epsOutside = true));
    }
    Map<Cause, Double> known = new LinkedHashMap<>();
    known.put(Cause.EPS_1E_3, 1e-3);
    known.put(Cause.EPS_1E_5, 1e-5);
    known.put(Cause.EPS_1E_6, 1e-6);
    known.put(Cause.EPS_1E_8, 1e-8);
    known.forEach(
        (cause, eps) -> {
          if (eps != subject.eps()) {
            changes.add(new Change(cause, "eps", SCALED, k -> k.eps = eps));
          }
        });
  }

  private static void addAffine(List<Change> changes) {
    Set<Output> byGamma = Set.of(Output.Y, Output.DX);
    changes.add(
        new Change(Cause.GAMMA_MISSING, "gamma", byGamma, k -> k.gammaFrom = Parameter.NEUTRAL));
    changes.add(
        new Change(
            Cause.BETA_MISSING, "beta", Set.of(Output.Y), k -> k.betaFrom = Parameter.NEUTRAL));
    changes.add(
        new Change(
            Cause.GAMMA_BETA_SWAPPED,
            "gamma",
            byGamma,
            k -> {
              k.gammaFrom = Parameter.BETA;
              k.betaFrom = Parameter.GAMMA;
            }));
  }

  private static void addStatistics(List<Change> changes, Subject subject) {
    Set<Output> affected = EnumSet.copyOf(SCALED);
    affected.add(Output.MEAN);
    if (subject.frozen()) {
      changes.add(
          new Change(Cause.BATCH_STATISTICS, "statistics", affected, k -> k.given = Given.NONE));
    } else {
      if (subject.hasBefore()) {
        changes.add(
            new Change(
                Cause.STALE_STATISTICS, "statistics", affected, k -> k.given = Given.BEFORE));
      }
      if (subject.hasAfter()) {
        changes.add(
            new Change(Cause.STALE_STATISTICS, "statistics", affected, k -> k.given = Given.AFTER));
      }
    }
    if (subject.hasBefore()) {
      changes.add(
          new Change(
              Cause.MEAN_VARIANCE_SWAPPED,
              "statistics",
              affected,
              k -> k.given = Given.BEFORE_SWAPPED));
    }
  }

  private static void addRunning(List<Change> changes, Subject subject) {
    if (subject.frozen() || !subject.hasAfter()) {
      return;
    }
    Set<Output> variance = Set.of(Output.RUNNING_VARIANCE);
    boolean biased = subject.biasedRunningVariance();
    changes.add(
        new Change(
            biased ? Cause.UNBIASED_RUNNING_VARIANCE : Cause.BIASED_RUNNING_VARIANCE,
            "running variance",
            variance,
            k -> k.biasedRunning = !biased));
    changes.add(
        new Change(
            Cause.EPS_IN_RUNNING_VARIANCE, "running eps", variance, k -> k.epsInRunning = true));
    changes.add(
        new Change(Cause.STALE_STATISTICS, "momentum", RUNNING, k -> k.staleRunning = true));
    double keep = subject.keep();
    double take = subject.take();
    if (keep != take) {
      boolean weighsOld = subject.momentumIsOfOld();
      changes.add(
          new Change(
              weighsOld ? Cause.MOMENTUM_NEW : Cause.MOMENTUM_OLD,
              "momentum",
              RUNNING,
              k -> {
                k.keep = take;
                k.take = keep;
              }));
    }
    addMomentum(changes, subject, Cause.MOMENTUM_0_1, Convention.PYTORCH.momentum().take(1));
    addMomentum(changes, subject, Cause.MOMENTUM_0_01, 1 - Convention.KERAS.momentum().keep(1));
  }

  private static void addMomentum(List<Change> changes, Subject subject, Cause cause, double take) {
    boolean isKnown =
        Math.abs(take - subject.take()) < 1e-9 || Math.abs(take - subject.keep()) < 1e-9;
    if (!isKnown) {
      changes.add(
          new Change(
              cause,
              "momentum",
              RUNNING,
              k -> {
                k.keep = 1 - take;
                k.take = take;
              }));
    }
  }

  private static void addStored(List<Change> changes) {
    Set<Output> variance = Set.of(Output.VARIANCE);
    Set<Output> inverse = Set.of(Output.INVERSE_STD);
    changes.add(
        new Change(
            Cause.VARIANCE_AS_INVERSE_STD,
            "stored variance",
            variance,
            k -> k.variance = Stored.INVERSE_STD));
    changes.add(
        new Change(
            Cause.VARIANCE_AS_INVERSE_STD,
            "stored inverse",
            inverse,
            k -> k.inverseStd = Stored.VARIANCE));
    changes.add(
        new Change(
            Cause.STD_AS_VARIANCE, "stored variance", variance, k -> k.variance = Stored.STD));
    changes.add(
        new Change(
            Cause.STD_AS_INVERSE_STD, "stored inverse", inverse, k -> k.inverseStd = Stored.STD));
    changes.add(
        new Change(
            Cause.INVERSE_VARIANCE_AS_INVERSE_STD,
            "stored inverse",
            inverse,
            k -> k.inverseStd = Stored.INVERSE_VARIANCE));
    // The same with eps added before the root is taken.
    Set<Output> both = Set.of(Output.VARIANCE, Output.INVERSE_STD);
    for (Change stored : List.copyOf(changes)) {
      if (stored.slot().startsWith("stored") && both.containsAll(stored.affects())) {
        boolean isRoot = stored.cause() == Cause.STD_AS_VARIANCE;
        if (isRoot || stored.affects().contains(Output.INVERSE_STD)) {
          changes.add(
              new Change(
                  stored.cause(),
                  stored.slot(),
                  stored.affects(),
                  stored.apply().andThen(k -> k.epsInVariance = true)));
        }
      }
    }
    changes.add(
        new Change(
            Cause.EPS_IN_RUNNING_VARIANCE,
            "stored variance",
            variance,
            k -> k.epsInVariance = true));
  }

  private static void addGradients(List<Change> changes) {
    changes.add(
        new Change(
            Cause.CONSTANT_STATISTICS,
            "gradient",
            Set.of(Output.DX),
            k -> k.constantStatistics = true));
    changes.add(
        new Change(
            Cause.MEAN_GRADIENT_MISSING,
            "gradient",
            Set.of(Output.DX),
            k -> k.countOfGradient = Double.POSITIVE_INFINITY));
    changes.add(
        new Change(
            Cause.VARIANCE_GRADIENT_MISSING,
            "gradient",
            Set.of(Output.DX),
            k -> k.countOfSlope = Double.POSITIVE_INFINITY));
    changes.add(
        new Change(
            Cause.GRADIENTS_AVERAGED,
            "sums",
            Set.of(Output.DGAMMA, Output.DBETA),
            k -> k.averaged = true));
  }

  /** Other numbers that sums may have been divided by. */
  private static void addCounts(List<Change> changes, Subject subject, Shape shape) {
    double m = subject.facts().m();
    View view = shape.view();
    Set<Double> counts = new LinkedHashSet<>();
    counts.add((double) shape.sizes()[0]);
    counts.add((double) view.outer());
    counts.add((double) view.inner());
    counts.add(m / shape.sizes()[0]);
    counts.add(m - 1);
    counts.add(m + 1);
    counts.add(2 * m);
    counts.add(m / 2);
    counts.add(m * view.channels());
    for (int size : PADDED) {
      if (size <= m) {
        counts.add(Math.ceil(m / size) * size);
      }
      counts.add(Math.floor(m / size) * size);
    }
    counts.removeIf(n -> n == m || n < 1);
    Set<Output> statistics = EnumSet.copyOf(SCALED);
    statistics.add(Output.RUNNING_VARIANCE);
    Set<Output> all = EnumSet.copyOf(statistics);
    all.add(Output.MEAN);
    all.add(Output.RUNNING_MEAN);
    for (double n : counts) {
      if (n != m - 1) { // else it is the unbiased variance
        changes.add(
            new Change(Cause.WRONG_COUNT, "statistics", statistics, k -> k.countOfVariance = n));
      }
      for (boolean onePass : new boolean[] {false, true}) {
        changes.add(
            new Change(
                Cause.WRONG_COUNT,
                "statistics",
                all,
                k -> {
                  k.countOfMean = n;
                  k.countOfVariance = n;
                  k.countInOnePass = onePass;
                }));
      }
      changes.add(
          new Change(
              Cause.WRONG_COUNT,
              "gradient",
              Set.of(Output.DX, Output.DGAMMA, Output.DBETA),
              k -> {
                k.countOfGradient = n;
                k.countOfSlope = n;
              }));
      if (n > 1) {
        changes.add(
            new Change(
                Cause.WRONG_COUNT,
                "running variance",
                Set.of(Output.RUNNING_VARIANCE),
                k -> k.countOfBessel = n));
      }
    }
  }

  /** Other axes, and the buffer read in another layout. */
  private static void addAxes(List<Change> changes, Source x) {
    Shape shape = x.shape();
    Set<View> views = new LinkedHashSet<>();
    long[] sizes = shape.sizes();
    long count = shape.count();
    int channels = shape.channels();
    long inner = shape.view().inner();
    for (int axis = 0; axis < sizes.length; axis++) {
      views.add(Shape.withChannelAxis(axis, sizes).view());
    }
    views.add(new View(1, 1, count));
    if (channels > 0 && sizes[0] > 0) {
      views.add(new View(count / channels, channels, 1));
      views.add(new View(sizes[0], channels, count / channels / sizes[0]));
      views.add(new View(1, channels, count / channels));
      long instances = sizes[0] * channels;
      if (instances <= MOST_GROUPS && inner > 1) {
        views.add(new View(1, (int) instances, count / instances));
      }
    }
    views.remove(shape.view());
    Set<Output> affected =
        Set.of(
            Output.MEAN,
            Output.VARIANCE,
            Output.INVERSE_STD,
            Output.RUNNING_MEAN,
            Output.RUNNING_VARIANCE,
            Output.Y);
    for (View view : views) {
      if (view.count() != count || view.channels() > MOST_GROUPS) {
        continue;
      }
      Facts facts = Facts.ofGroups(x, view);
      for (boolean byGroup : new boolean[] {false, true}) {
        if (!byGroup || view.channels() == channels) {
          changes.add(
              new Change(
                  Cause.WRONG_AXIS,
                  "statistics",
                  affected,
                  k -> {
                    k.useGroups(facts);
                    k.affineByGroup = byGroup;
                  }));
        }
      }
    }
  }

  private static void addArithmetic(List<Change> changes) {
    addArithmetic(changes, Cause.TWO_PASS_F32, DType.F32, Formula.TWO_PASS);
    addArithmetic(changes, Cause.WELFORD_F32, DType.F32, Formula.WELFORD);
    addArithmetic(changes, Cause.ONE_PASS_F32, DType.F32, Formula.ONE_PASS);
    addArithmetic(changes, Cause.ONE_PASS_F32_CLIPPED, DType.F32, Formula.ONE_PASS_CLIPPED);
    addArithmetic(changes, Cause.TWO_PASS_F64, DType.F64, Formula.TWO_PASS);
    addArithmetic(changes, Cause.WELFORD_F64, DType.F64, Formula.WELFORD);
    addArithmetic(changes, Cause.ONE_PASS_F64, DType.F64, Formula.ONE_PASS);
    addArithmetic(changes, Cause.ONE_PASS_F64_CLIPPED, DType.F64, Formula.ONE_PASS_CLIPPED);
  }

  private static void addArithmetic(
      List<Change> changes, Cause cause, DType type, Formula formula) {
    changes.add(
        new Change(
            cause,
            "arithmetic",
            EnumSet.allOf(Output.class),
            k -> {
              k.arithmetic = type;
              k.formula = formula;
            }));
  }
}
