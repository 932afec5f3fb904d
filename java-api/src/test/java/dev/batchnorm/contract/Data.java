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
      return 1e4 + random.nextGaussian() * (type == DType.F16 ? 100 : 1);
    }
  },
  /** A mean that one binary64 cannot hold closely enough. */
  MEAN_1E10 {
    @Override
    double value(Random random, DType type) {
      return switch (type) {
        case F16 -> 5e4 + random.nextGaussian() * 1e3;
        case F32 -> 1e10 + random.nextGaussian() * 1e5;
        case F64 -> 1e10 + random.nextGaussian();
      };
    }
  },
  /** Sums that lose every other value of the tile. */
  OUTLIER {
    @Override
    double value(Random random, DType type) {
      double outlier = type == DType.F16 ? 6e4 : 1e30;
      return random.nextInt(50) == 0 ? outlier : random.nextGaussian();
    }
  },
  /** Every assumption about the spread of exponents; 28 binades in f16, 60 in f32, 600 in f64. */
  LOG_UNIFORM {
    @Override
    double value(Random random, DType type) {
      int binades =
          switch (type) {
            case F16 -> 28;
            case F32 -> 60;
            case F64 -> 600;
          };
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
        case 1 -> random.nextInt(100) * smallest(type);
        case 2 -> -0.0;
        default -> type == DType.F16 ? 1e-5 : 1e-40;
      };
    }
  },
  /** Squares beyond the type, and in f64 beyond binary64. */
  HUGE {
    @Override
    double value(Random random, DType type) {
      return switch (type) {
        case F16 -> random.nextGaussian() * 1e4;
        case F32 -> random.nextGaussian() * 1e37;
        case F64 -> random.nextGaussian() * 1e200;
      };
    }
  },
  /** Means and variances exactly between two numbers. */
  SMALL_INTEGERS {
    @Override
    double value(Random random, DType type) {
      return type == DType.F64 ? 1 + random.nextInt(16) * 0x1p-51 : random.nextInt(16);
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

  private static double smallest(DType type) {
    return switch (type) {
      case F16 -> 0x1p-24;
      case F32 -> Float.MIN_VALUE;
      case F64 -> Double.MIN_VALUE;
    };
  }

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
