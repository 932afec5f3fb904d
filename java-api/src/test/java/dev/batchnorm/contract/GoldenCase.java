package dev.batchnorm.contract;

import dev.batchnorm.engine.Engine;
import java.util.stream.Stream;

record GoldenCase(String name) {
  static Stream<GoldenCase> all() {
    return Stream.empty();
  }

  void check(Engine engine) {}
}
