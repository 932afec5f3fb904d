package dev.batchnorm.peers;

import dev.batchnorm.BatchNorm;
import dev.batchnorm.Statistics;
import dev.batchnorm.Values;
import dev.batchnorm.engine.Engine;
import java.util.Map;

/** This project, through its Java API. */
final class Batchnorm implements Candidate {
  static final String NAME = "batchnorm";

  private final Workload work;
  private final Pass pass;
  private final BatchNorm norm;
  private final Statistics statistics;

  Batchnorm(Workload work, Pass pass, Engine engine) {
    this.work = work;
    this.pass = pass;
    norm = settings(work, engine);
    statistics =
        pass == Pass.BACKWARD
            ? norm.statistics(work.x())
            : norm.given(work.mean(), work.variance());
  }

  /** The workload's settings. */
  static BatchNorm settings(Workload work, Engine engine) {
    return BatchNorm.builder()
        .engine(engine)
        .gamma(work.gamma())
        .beta(work.beta())
        .eps(Workload.EPS)
        .build();
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public String note() {
    return norm.engine().description();
  }

  @Override
  public void run() {
    switch (pass) {
      case TRAIN -> norm.forward(work.x(), work.result());
      case INFERENCE -> norm.infer(work.x(), statistics, work.result());
      case BACKWARD -> norm.backward(work.dy(), work.x(), statistics, work.result());
    }
  }

  @Override
  public Values output() {
    return work.result().values();
  }

  @Override
  public Map<String, Values> outputs() {
    return Map.of(pass == Pass.BACKWARD ? "dx" : "y", output());
  }

  @Override
  public void close() {}
}
