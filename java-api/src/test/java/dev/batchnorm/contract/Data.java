package dev.batchnorm.contract;

import dev.batchnorm.Batch;
import dev.batchnorm.DType;
import dev.batchnorm.Shape;
import java.util.Random;

/** Kinds of values that can break something, each with what it breaks. */
public enum Data {
  /** Nothing special. */
  NORMAL {
    @Override
    double value(Random random, DType type) {
      return random.nextGaussian();
    }
  },
  /** E[x²] − μ² in floating point. */
  MEAN_1E4 {
    @Override
    double value(Random random, DType type) {
      return 1e4 + random.nextGaussian();
    }
  },
  /** A mean that one binary64 cannot hold closely enough. */
  MEAN_1E10 {
    @Override
    double value(Random random, DType type) {
      return 1e10 + random.nextGaussian() * (type == DType.F32 ? 1e5 : 1);
    }
  },
  /** Sums that lose every other value of the tile. */
  OUTLIER {
    @Override
    double value(Random random, DType type) {
      return random.nextInt(50) == 0 ? 1e30 : random.nextGaussian();
    }
  },
  /** Every assumption about the spread of exponents; 60 binades in f32, 600 in f64. */
  LOG_UNIFORM {
    @Override
    double value(Random random, DType type) {
      int binades = type == DType.F32 ? 60 : 600;
      double size = Math.scalb(1 + random.nextDouble(), random.nextInt(binades) - binades / 2);
      return random.nextBoolean() ? size : -size;
    }
  },
  /** Ordinary values beside subnormal ones and zeros of both signs. */
  TINY {
    @Override
    double value(Random random, DType type) {
      return switch (random.nextInt(4)) {
        case 0 -> 1;
        case 1 -> random.nextInt(100) * (type == DType.F32 ? Float.MIN_VALUE : Double.MIN_VALUE);
        case 2 -> -0.0;
        default -> 1e-40;
      };
    }
  },
  /** Squares beyond the type, and in f64 beyond binary64. */
  HUGE {
    @Override
    double value(Random random, DType type) {
      return random.nextGaussian() * (type == DType.F32 ? 1e37 : 1e200);
    }
  },
  /** Means and variances exactly between two numbers. */
  SMALL_INTEGERS {
    @Override
    double value(Random random, DType type) {
      double step = type == DType.F32 ? 1 : 0x1p-51;
      return (type == DType.F32 ? 0 : 1) + random.nextInt(16) * step;
    }
  },
  /** A variance of exactly 0. */
  CONSTANT {
    @Override
    double value(Random random, DType type) {
      return 3.5;
    }
  },
  /** Here and there a NaN or an infinity. */
  NOT_FINITE {
    @Override
    double value(Random random, DType type) {
      return switch (random.nextInt(400)) {
        case 0 -> Double.NaN;
        case 1 -> Double.POSITIVE_INFINITY;
        case 2 -> Double.NEGATIVE_INFINITY;
        default -> random.nextGaussian();
      };
    }
  };

  abstract double value(Random random, DType type);

  /** A batch of such values. */
  public Batch batch(Shape shape, DType type, long seed) {
    Random random = new Random(seed);
    Batch batch = Batch.zeros(shape, type);
    for (int i = 0; i < batch.values().count(); i++) {
      batch.values().set(i, value(random, type));
    }
    return batch;
  }
}
