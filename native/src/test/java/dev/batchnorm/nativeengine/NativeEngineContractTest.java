package dev.batchnorm.nativeengine;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.contract.EngineContract;
import dev.batchnorm.engine.Engine;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;

/**
 * The contract on every instruction set, with one thread and with several. An engine or instruction
 * set that this machine lacks is reported as skipped, by name; {@code -Dbatchnorm.require=native}
 * makes a missing engine a failure.
 */
class NativeEngineContractTest {

  @Nested
  class Avx512OneThread extends OnInstructionSet {
    Avx512OneThread() {
      super(InstructionSet.AVX512, 1);
    }
  }

  @Nested
  class Avx512TwoThreads extends OnInstructionSet {
    Avx512TwoThreads() {
      super(InstructionSet.AVX512, 2);
    }
  }

  @Nested
  class Avx2OneThread extends OnInstructionSet {
    Avx2OneThread() {
      super(InstructionSet.AVX2, 1);
    }
  }

  @Nested
  class Avx2TwoThreads extends OnInstructionSet {
    Avx2TwoThreads() {
      super(InstructionSet.AVX2, 2);
    }
  }

  @Nested
  class BaselineOneThread extends OnInstructionSet {
    BaselineOneThread() {
      super(InstructionSet.BASELINE, 1);
    }
  }

  @Nested
  class BaselineEightThreads extends OnInstructionSet {
    BaselineEightThreads() {
      super(InstructionSet.BASELINE, 8);
    }
  }

  abstract static class OnInstructionSet extends EngineContract {
    private final InstructionSet isa;
    private final int threads;

    OnInstructionSet(InstructionSet isa, int threads) {
      this.isa = isa;
      this.threads = threads;
    }

    @BeforeEach
    void mustRunHere() {
      Engine engine = null;
      try {
        engine = NativeProvider.create(isa, threads);
      } catch (EngineUnavailableException e) {
        if ("native".equals(System.getProperty("batchnorm.require"))) {
          fail("-Dbatchnorm.require=native: " + e.getMessage(), e);
        }
        abort(e.getMessage());
      }
      if (engine == null) {
        abort("this processor has no " + isa.label());
      }
    }

    @Override
    protected Engine engine() {
      Engine engine = NativeProvider.create(isa, threads);
      if (engine == null) {
        throw new AssertionError("this processor has no " + isa.label());
      }
      return engine;
    }

    @Override
    protected String expectedName() {
      return "native";
    }
  }
}
