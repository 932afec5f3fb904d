package dev.batchnorm.reference;

import dev.batchnorm.contract.EngineContract;
import dev.batchnorm.engine.Engine;
import dev.batchnorm.engine.Engines;

class ReferenceEngineContractTest extends EngineContract {

  @Override
  protected Engine engine() {
    return Engines.named("java", 1);
  }

  @Override
  protected String expectedName() {
    return "java";
  }
}
