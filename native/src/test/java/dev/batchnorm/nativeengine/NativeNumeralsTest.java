package dev.batchnorm.nativeengine;

import dev.batchnorm.contract.CsvContract;
import dev.batchnorm.engine.Engines;
import dev.batchnorm.format.Numerals;
import java.util.Objects;

class NativeNumeralsTest extends CsvContract {
  @Override
  protected Numerals numerals() {
    return Objects.requireNonNull(Engines.named("native", 1).numerals());
  }
}
