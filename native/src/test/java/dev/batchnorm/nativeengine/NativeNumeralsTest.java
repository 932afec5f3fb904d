package dev.batchnorm.nativeengine;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.batchnorm.EngineUnavailableException;
import dev.batchnorm.contract.CsvContract;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.format.Numerals;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;

/** A compiler whose library lacks {@code to_chars} leaves the text to Java: reported as skipped. */
class NativeNumeralsTest extends CsvContract {
  @BeforeEach
  void mustRunHere() {
    String missing = "this library was built without text functions";
    try {
      if (numerals() != null) {
        return;
      }
    } catch (EngineUnavailableException e) {
      missing = String.valueOf(e.getMessage());
    }
    if ("native".equals(System.getProperty("batchnorm.require"))) {
      fail("-Dbatchnorm.require=native: " + missing);
    }
    abort(missing);
  }

  @Override
  protected @Nullable Numerals numerals() {
    return Engines.named("native", 1).numerals();
  }
}
