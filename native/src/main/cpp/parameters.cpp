// The parameters pass: exact sums → what each channel is normalised with and its gradients, each rounded once.
//
// With S = Σx, Q = Σx², G = Σdy, P = Σdy·x and m values, everything is a ratio of integers or a ratio to a root:
//   m²·V = m·Q − S²,  N = m²·(V + ε),  m·B = m·P − S·G
//   mean = S/m, variance = m²·V/m², inverse_std = m/√N, dγ = m·B/√N, k1 = G/m, k2 = m·B/N.
#include <math.h>

#include "batchnorm.h"
#include "fixed_point.h"
#include "parallel.h"
#include "rounding.h"

namespace {

// The sums of channel c as exact numbers.
struct Channel {
  uint64_t count;
  int flags;
  Integer linear;
  Integer product;

  Channel(const bn_sums& sums, int64_t c, int type_a, int type_b) : count(sums.counts[c]), flags(sums.flags[c]) {
    FixedPoint first = linear_format(type_a), second = product_format(type_a, type_b);
    if (sums.limbs != nullptr) {
      const uint64_t* limbs = sums.limbs + c * (first.limbs + second.limbs);
      linear = Integer::of(limbs, first.limbs, first.lowest);
      product = Integer::of(limbs + first.limbs, second.limbs, second.lowest);
    }
    for (int k = 0; sums.terms != nullptr && k < first.terms + second.terms; k++) {
      Integer& sum = k < first.terms ? linear : product;
      sum = plus(sum, Integer::of(sums.terms[k * sums.stride + c]));
    }
  }
};

Integer spread(const Channel& x, const Integer& m) {
  return minus(times(m, x.product), times(x.linear, x.linear));  // m²·V = m·Q − S² (F2)
}

// A sum in which not every value was finite.
double sum_of(int flags) {
  switch (flags & ~BN_PRODUCT_NOT_FINITE) {
    case BN_POSITIVE_INFINITY: return HUGE_VAL;
    case BN_NEGATIVE_INFINITY: return -HUGE_VAL;
    default: return __builtin_nan("");
  }
}

bool linear_is_finite(int flags) { return (flags & ~BN_PRODUCT_NOT_FINITE) == 0; }

// n/√d where d may be 0: as IEEE divides.
double frozen_ratio_to_root(const Integer& n, const Integer& d, int type) {
  if (!d.is_zero()) return ratio_to_root(n, d, type);
  return n.is_zero() ? __builtin_nan("") : n.negative ? -HUGE_VAL : HUGE_VAL;
}

// Channels a task takes at once: some microseconds of work.
const int64_t CHANNELS_AT_ONCE = 16;

template <class F> int32_t for_channels(bn_how how, int64_t channels, const F& compute) {
  int64_t tasks = (channels + CHANNELS_AT_ONCE - 1) / CHANNELS_AT_ONCE;
  parallel(how.threads, tasks, [&](int64_t task) {
    int64_t end = (task + 1) * CHANNELS_AT_ONCE;
    for (int64_t c = task * CHANNELS_AT_ONCE; c < (end < channels ? end : channels); c++) compute(c);
  });
  return BN_OK;
}

}  // namespace

int32_t bn_parameters(bn_how how, int64_t channels, int32_t x_type, bn_sums sums, double eps, double* mean,
                      double* mean_lo, double* variance, double* inverse_std) {
  return for_channels(how, channels, [&](int64_t c) {
    Channel x(sums, c, x_type, x_type);
    if (x.count == 0 || x.flags != 0) {
      mean[c] = x.count == 0 ? __builtin_nan("") : sum_of(x.flags);
      mean_lo[c] = variance[c] = inverse_std[c] = __builtin_nan("");
      return;
    }
    Integer m = Integer::of(x.count), m_squared = times(m, m), v = spread(x, m);
    Integer n = plus(v, times(Integer::of(eps), m_squared));
    mean[c] = ratio(x.linear, m, BN_F64);  // (F1)
    mean_lo[c] = ratio(minus(x.linear, times(Integer::of(mean[c]), m)), m, BN_F64);
    variance[c] = ratio(v, m_squared, BN_F64);                                       // (F2)
    inverse_std[c] = n.is_zero() ? HUGE_VAL : ratio_to_root(m, n, BN_F64);  // (F3)
  });
}

int32_t bn_unbiased_variance(bn_how how, int64_t channels, int32_t x_type, bn_sums sums, double* variance) {
  return for_channels(how, channels, [&](int64_t c) {
    Channel x(sums, c, x_type, x_type);
    Integer m = Integer::of(x.count);
    variance[c] = x.flags != 0 ? __builtin_nan("")
                               : ratio(spread(x, m), times(m, Integer::of(x.count - 1)), BN_F64);  // (F6)
  });
}

int32_t bn_given_inverse_std(bn_how how, int64_t channels, const double* variance, double eps, double* inverse_std) {
  return for_channels(how, channels, [&](int64_t c) {
    if (variance[c] - variance[c] != 0) {
      inverse_std[c] = variance[c] == HUGE_VAL ? 0 : __builtin_nan("");
      return;
    }
    Integer n = plus(Integer::of(variance[c]), Integer::of(eps));
    inverse_std[c] = frozen_ratio_to_root(Integer::of((uint64_t)1), n, BN_F64);  // (F3)
  });
}

int32_t bn_gradient_parameters(bn_how how, int64_t channels, int32_t dy_type, int32_t x_type, bn_sums gradients,
                               bn_sums sums, double eps, int32_t result_type, double* k1, double* k1_lo, double* k2,
                               double* dgamma, double* dbeta) {
  return for_channels(how, channels, [&](int64_t c) {
    Channel g(gradients, c, dy_type, x_type), x(sums, c, x_type, x_type);
    k1[c] = k1_lo[c] = k2[c] = dgamma[c] = 0;
    dbeta[c] = linear_is_finite(g.flags) ? ratio(g.linear, Integer::of((uint64_t)1), result_type)  // (B1)
                                         : sum_of(g.flags);
    if (x.count == 0) return;
    if (g.flags != 0 || x.flags != 0) {
      k1[c] = k1_lo[c] = k2[c] = dgamma[c] = __builtin_nan("");
      return;
    }
    Integer m = Integer::of(x.count);
    k1[c] = ratio(g.linear, m, BN_F64);  // (B3)
    k1_lo[c] = ratio(minus(g.linear, times(Integer::of(k1[c]), m)), m, BN_F64);
    Integer n = plus(spread(x, m), times(Integer::of(eps), times(m, m)));
    if (n.is_zero()) return;
    Integer b = minus(times(m, g.product), times(x.linear, g.linear));
    dgamma[c] = ratio_to_root(b, n, result_type);  // (B2)
    k2[c] = ratio(b, n, BN_F64);                   // (B3)
  });
}

int32_t bn_frozen_gradient_parameters(bn_how how, int64_t channels, int32_t dy_type, int32_t x_type, bn_sums gradients,
                                      const double* mean, const double* variance, double eps, int32_t result_type,
                                      double* dgamma, double* dbeta) {
  return for_channels(how, channels, [&](int64_t c) {
    Channel g(gradients, c, dy_type, x_type);
    dbeta[c] = linear_is_finite(g.flags) ? ratio(g.linear, Integer::of((uint64_t)1), result_type)  // (B1)
                                         : sum_of(g.flags);
    dgamma[c] = __builtin_nan("");
    if (g.flags != 0 || mean[c] - mean[c] != 0 || variance[c] != variance[c]) return;
    Integer b = minus(g.product, times(Integer::of(mean[c]), g.linear));
    if (variance[c] == HUGE_VAL) {
      dgamma[c] = b.negative && !b.is_zero() ? -0.0 : 0.0;
      return;
    }
    dgamma[c] = frozen_ratio_to_root(b, plus(Integer::of(variance[c]), Integer::of(eps)), result_type);  // (B4)
  });
}
