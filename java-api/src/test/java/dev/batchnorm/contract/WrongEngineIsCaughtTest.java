package dev.batchnorm.contract;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.launcher.TagFilter.excludeTags;

import dev.batchnorm.Affine;
import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.Layout;
import dev.batchnorm.Shape;
import dev.batchnorm.contract.WrongEngine.Mistake;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.verify.ArrayComparison;
import dev.batchnorm.verify.EngineComparison;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestWatcher;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Judges the judges: an engine with one mistake of one ulp must fail the contract and the
 * comparison of engines.
 */
class WrongEngineIsCaughtTest {
  private static Mistake mistake = Mistake.Y;

  private static boolean caught;

  /** One failure is enough: what would still run is skipped. */
  static final class UntilCaught implements ExecutionCondition, TestWatcher {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      return caught
          ? ConditionEvaluationResult.disabled("caught")
          : ConditionEvaluationResult.enabled("not caught yet");
    }

    @Override
    public void testFailed(ExtensionContext context, Throwable cause) {
      caught = true;
    }
  }

  /** Not found by Surefire: its name does not end in Test. */
  @ExtendWith(UntilCaught.class)
  static final class Contract extends EngineContract {
    @Override
    protected Engine engine() {
      return new WrongEngine(mistake);
    }

    @Override
    protected String expectedName() {
      return "java";
    }
  }

  @ParameterizedTest
  @EnumSource(Mistake.class)
  void theContractCatches(Mistake wrong) {
    mistake = wrong;
    caught = false;
    TestExecutionSummary summary =
        run(
            LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClass(Contract.class))
                .filters(excludeTags("thorough"))
                .build());
    assertTrue(summary.getTestsFailedCount() > 0, wrong + " passed the contract");
  }

  private static TestExecutionSummary run(LauncherDiscoveryRequest request) {
    SummaryGeneratingListener listener = new SummaryGeneratingListener();
    LauncherFactory.create().execute(request, listener);
    return listener.getSummary();
  }

  /**
   * What two engines are compared in: a NaN's payload and the sums of pairs are the contract's to
   * judge.
   */
  @ParameterizedTest
  @EnumSource(
      value = Mistake.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"NAN_PAYLOAD", "PAIR_SUM"})
  void theComparisonOfEnginesCatches(Mistake wrong) {
    Shape shape = Shape.of(Layout.NC, 20, 3);
    Engine engine = new WrongEngine(wrong);
    EngineComparison comparison =
        new EngineComparison(Engines.named("java", 1), engine, Affine.IDENTITY, 1e-5);
    List<ArrayComparison> all = new ArrayList<>();
    for (DType type : DType.values()) {
      Data data = wrong == Mistake.NAN_FLAG_FORGOTTEN ? Data.NOT_FINITE : Data.SMALL_INTEGERS;
      Batch x = data.batch(shape, type, 1);
      if (wrong == Mistake.NAN_FLAG_FORGOTTEN) {
        x.values().set(0, Double.NaN);
      }
      Batch dy = Data.SMALL_INTEGERS.batch(shape, type, 2);
      all.addAll(comparison.training(x, dy, type));
      Batch w = Data.SMALL_INTEGERS.batch(Shape.of(Layout.NC, 3, 2), type, 3);
      all.addAll(comparison.reparameterization(w, x, type));
      all.addAll(comparison.given(x, new double[3], new double[] {1, 2, 3}, dy, type));
    }
    assertTrue(all.stream().anyMatch(c -> c.differing() > 0), wrong + " passed the comparison");
  }
}
