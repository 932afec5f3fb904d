package dev.batchnorm.format.csv;

import dev.batchnorm.contract.CsvContract;
import dev.batchnorm.format.Numerals;
import org.jspecify.annotations.Nullable;

class CsvContractTest extends CsvContract {
  @Override
  protected @Nullable Numerals numerals() {
    return null;
  }
}
