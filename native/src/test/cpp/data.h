// Data that can break a kernel.
#ifndef BATCHNORM_TEST_DATA_H
#define BATCHNORM_TEST_DATA_H

#include "exact.h"
#include "half.h"

enum Kind { PLAIN, FAR_FROM_ZERO, WHOLE_RANGE, LIMITED_SPREAD, SPECIAL, ZEROS, EXTREMES, SUBNORMAL, ALL_ONES, KINDS };

inline const char* name_of(int kind) {
  const char* const names[] = {"plain",          "far from zero", "whole range",          "limited spread",
                               "special values", "mostly zeros",  "largest and smallest", "subnormal",
                               "all ones"};
  return names[kind];
}

// A buffer exactly as long as its values, so that a watched run sees what reads beyond it.
template <class T>
std::vector<T> values_of(Random& random, int kind, int64_t n) {
  const bool f16 = sizeof(T) == 2, f32 = sizeof(T) == 4;
  const int precision = PRECISION<T>, lowest = LOWEST<T>, highest = HIGHEST<T>;
  const T largest = (T)ldexp(2 - ldexp(2, -precision), highest), infinity = (T)HUGE_VAL;
  const double large = f16 ? 6e4 : f32 ? 1e38 : 1e300, small = f16 ? 6e-5 : f32 ? 1e-38 : 1e-300;
  const T edges[] = {largest,
                     (T)-largest,
                     (T)ldexp(1, lowest),
                     (T)-ldexp(1, lowest),
                     (T)large,
                     (T)-large,
                     (T)small,
                     (T)-small,
                     (T)1.0,
                     (T)-0.0};
  const T specials[] = {infinity, (T)-infinity, (T)__builtin_nan(""), (T)-__builtin_nan("77"), (T)-0.0};
  int spread = f16 ? random.between(0, 15) : f32 ? random.between(18, 24) : random.between(15, 42);
  int centre = random.between(lowest, highest - spread);
  if (random.one_in(4)) centre = random.one_in(2) ? highest - spread : lowest;
  if (random.one_in(2)) centre = 0;
  std::vector<T> values(n);
  for (T& value : values) {
    switch (kind) {
      case FAR_FROM_ZERO:
        value = (T)((f16 ? 1e3 : 1e6) + random.uniform() * 4 - 2);
        break;
      case WHOLE_RANGE:
        value = (T)random_double(random, lowest, highest, precision);
        break;
      case LIMITED_SPREAD:
        value = (T)random_double(random, centre, centre + spread, precision);
        break;
      case SPECIAL:
        value = random.one_in(100) ? specials[random.below(5)] : (T)(random.uniform() - 0.5);
        break;
      case ZEROS:
        value = random.one_in(20) ? (T)(random.uniform() * 100) : random.one_in(2) ? (T)0.0 : (T)-0.0;
        break;
      case EXTREMES:
        value = edges[random.below(10)];
        break;
      case SUBNORMAL:
        value = (T)random_double(random, lowest, lowest + precision - 2, precision);
        break;
      case ALL_ONES:
        value = (T)ldexp(largest, centre - highest);
        break;
      default:
        value = (T)(random.uniform() * 6 - 3);
        break;
    }
  }
  return values;
}

#endif
