// The parameters pass: exact sums → what each channel is normalised with and its gradients, each rounded once.
//
// With S = Σx, Q = Σx², G = Σdy, P = Σdy·x and m values, everything is a ratio of integers or a ratio to a root:
//   m²·V = m·Q − S²,  N = m²·(V + ε),  m·B = m·P − S·G
//   mean = S/m, variance = m²·V/m², inverse_std = m/√N, dγ = m·B/√N, k1 = G/m, k2 = m·B/N.
//
// The kernels round most channels from estimates (kernels/estimates.inl); the others are rounded here, from integers.
#include "parameters.h"

#include <math.h>
#include <string.h>

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

// Whether any of the limbs is not 0.
bool any(const uint64_t* limbs, int count) {
  uint64_t bits = 0;
  for (int i = 0; i < count; i++) bits |= limbs[i];
  return bits != 0;
}

const int64_t BLOCK = BN_BLOCK;

const double NO_TERMS[BLOCK] = {};

// A block of channels and which of them are left to integers.
struct RoundingBlock {
  int64_t first;
  int64_t channels;
  int64_t undecided[BLOCK];

  RoundingBlock(int64_t first, int64_t end) : first(first), channels(end - first < BLOCK ? end - first : BLOCK) {
    memset(undecided, 0, sizeof undecided);
  }

  // The terms of the block's sums; what a sum has besides them is for integers.
  SumTerms terms(const bn_sums& sums, int type_a, int type_b) {
    FixedPoint linear = linear_format(type_a), product = product_format(type_a, type_b);
    int limbs = linear.limbs + product.limbs;
    int32_t flags = 0;
    for (int64_t c = 0; c < channels; c++) flags |= sums.flags[first + c];
    for (int64_t c = 0; flags != 0 && c < channels; c++) undecided[c] |= sums.flags[first + c];
    for (int64_t c = 0; sums.limbs != nullptr && c < channels; c++) {
      undecided[c] |= any(sums.limbs + (first + c) * limbs, limbs);
    }
    SumTerms terms;
    terms.counts = sums.counts + first;
    for (int k = 0; k < BN_F64_TERMS; k++) terms.linear[k] = term(sums, k, k < linear.terms);
    for (int k = 0; k < BN_F64_PRODUCT_TERMS; k++) {
      terms.product[k] = term(sums, linear.terms + k, k < product.terms);
    }
    return terms;
  }

  const double* term(const bn_sums& sums, int k, bool exists) const {
    return exists && sums.terms != nullptr ? sums.terms + k * sums.stride + first : NO_TERMS;
  }

  // Calls compute(c) for every channel left; c counts from the block's first.
  template <class F> void finish(RoundingRoads& roads, const F& compute) const {
    int64_t left = 0;
    for (int64_t c = 0; c < channels; c++) left |= undecided[c];
    if (left == 0) {
      roads.estimate += channels;
      return;
    }
    for (int64_t c = 0; c < channels; c++) {
      if (undecided[c] != 0) {
        compute(c);
        roads.integers++;
      } else {
        roads.estimate++;
      }
    }
  }
};

bool is_wide(int type_a, int type_b) { return type_a == BN_F64 || type_b == BN_F64; }

// The roads of integers, for the channel c of the sums.

void parameters_of(const bn_sums& sums, int64_t c, int x_type, double eps, double* mean, double* mean_lo,
                   double* variance, double* inverse_std, bool* zero) {
  Channel x(sums, c, x_type, x_type);
  *zero = false;
  if (x.count == 0 || x.flags != 0) {
    *mean = x.count == 0 ? __builtin_nan("") : sum_of(x.flags);
    *mean_lo = *variance = *inverse_std = __builtin_nan("");
    return;
  }
  Integer m = Integer::of(x.count), m_squared = times(m, m), v = spread(x, m);
  Integer n = plus(v, times(Integer::of(eps), m_squared));
  *zero = n.is_zero();
  *mean = ratio(x.linear, m, BN_F64);  // (F1)
  *mean_lo = ratio(minus(x.linear, times(Integer::of(*mean), m)), m, BN_F64);
  *variance = ratio(v, m_squared, BN_F64);                            // (F2)
  *inverse_std = *zero ? HUGE_VAL : ratio_to_root(m, n, BN_F64);  // (F3)
}

double unbiased_variance_of(const bn_sums& sums, int64_t c, int x_type) {
  Channel x(sums, c, x_type, x_type);
  if (x.flags != 0) return __builtin_nan("");
  Integer m = Integer::of(x.count);
  return ratio(spread(x, m), times(m, Integer::of(x.count - 1)), BN_F64);  // (F6)
}

double inverse_std_of(double variance, double eps) {
  if (variance - variance != 0) return variance == HUGE_VAL ? 0 : __builtin_nan("");
  Integer n = plus(Integer::of(variance), Integer::of(eps));
  return frozen_ratio_to_root(Integer::of((uint64_t)1), n, BN_F64);  // (F3)
}

double dbeta_of(const Channel& g, int result_type) {
  if (!linear_is_finite(g.flags)) return sum_of(g.flags);
  return ratio(g.linear, Integer::of((uint64_t)1), result_type);  // (B1)
}

void gradient_parameters_of(const bn_sums& gradients, const bn_sums& sums, int64_t c, int dy_type, int x_type,
                            double eps, int result_type, double* k1, double* k1_lo, double* k2, double* dgamma,
                            double* dbeta) {
  Channel g(gradients, c, dy_type, x_type), x(sums, c, x_type, x_type);
  *k1 = *k1_lo = *k2 = *dgamma = 0;
  *dbeta = dbeta_of(g, result_type);
  if (x.count == 0) return;
  if (g.flags != 0 || x.flags != 0) {
    *k1 = *k1_lo = *k2 = *dgamma = __builtin_nan("");
    return;
  }
  Integer m = Integer::of(x.count);
  *k1 = ratio(g.linear, m, BN_F64);  // (B3)
  *k1_lo = ratio(minus(g.linear, times(Integer::of(*k1), m)), m, BN_F64);
  Integer n = plus(spread(x, m), times(Integer::of(eps), times(m, m)));
  if (n.is_zero()) return;
  Integer b = minus(times(m, g.product), times(x.linear, g.linear));
  *dgamma = ratio_to_root(b, n, result_type);  // (B2)
  *k2 = ratio(b, n, BN_F64);                   // (B3)
}

void frozen_gradient_parameters_of(const bn_sums& gradients, int64_t c, int dy_type, int x_type, double mean,
                                   double variance, double eps, int result_type, double* dgamma, double* dbeta) {
  Channel g(gradients, c, dy_type, x_type);
  *dbeta = dbeta_of(g, result_type);
  *dgamma = __builtin_nan("");
  if (g.flags != 0 || mean - mean != 0 || variance != variance) return;
  Integer b = minus(g.product, times(Integer::of(mean), g.linear));
  if (variance == HUGE_VAL) {
    *dgamma = b.negative && !b.is_zero() ? -0.0 : 0.0;
    return;
  }
  *dgamma = frozen_ratio_to_root(b, plus(Integer::of(variance), Integer::of(eps)), result_type);  // (B4)
}

// Channels a task takes at once, some microseconds of work: with estimates, and where all take integers.
const int64_t CHANNELS_AT_ONCE = 8 * BLOCK, CHANNELS_AT_ONCE_OF_LIMBS = 16;

template <class F> int32_t for_ranges(bn_how how, int64_t channels, bool estimates, const F& compute) {
  int64_t size = estimates ? CHANNELS_AT_ONCE : CHANNELS_AT_ONCE_OF_LIMBS;
  parallel(how.threads, (channels + size - 1) / size, [&](int64_t task) {
    int64_t end = (task + 1) * size;
    compute(Range{task * size, end < channels ? end : channels});
  });
  return BN_OK;
}

}  // namespace

RoundingRoads round_parameters(const Kernels& kernels, int x_type, const bn_sums& sums, Range range, double eps,
                       const Parameters& to, bool* zero) {
  RoundingRoads roads;
  for (int64_t first = range.first; first < range.end; first += BLOCK) {
    RoundingBlock block(first, range.end);
    int64_t at = first - range.first;
    Parameters here = {to.mean + at, to.mean_lo + at, to.variance + at, to.inverse_std + at};
    SumTerms x = block.terms(sums, x_type, x_type);
    kernels.parameters[is_wide(x_type, x_type)](block.channels, x, eps, here, block.undecided);
    // A decided inverse_std is finite where V + ε is not 0: its range is limited.
    for (int64_t c = 0; zero != nullptr && c < block.channels; c++) zero[at + c] = here.inverse_std[c] == HUGE_VAL;
    block.finish(roads, [&](int64_t c) {
      bool is_zero;
      parameters_of(sums, first + c, x_type, eps, &here.mean[c], &here.mean_lo[c], &here.variance[c],
                    &here.inverse_std[c], &is_zero);
      if (zero != nullptr) zero[at + c] = is_zero;
    });
  }
  return roads;
}

RoundingRoads round_unbiased_variance(const Kernels& kernels, int x_type, const bn_sums& sums, Range range, double* variance) {
  RoundingRoads roads;
  for (int64_t first = range.first; first < range.end; first += BLOCK) {
    RoundingBlock block(first, range.end);
    double* here = variance + (first - range.first);
    SumTerms x = block.terms(sums, x_type, x_type);
    kernels.unbiased_variance[is_wide(x_type, x_type)](block.channels, x, here, block.undecided);
    block.finish(roads, [&](int64_t c) { here[c] = unbiased_variance_of(sums, first + c, x_type); });
  }
  return roads;
}

RoundingRoads round_inverse_std(const Kernels& kernels, int64_t channels, const double* variance, double eps,
                        double* inverse_std) {
  RoundingRoads roads;
  for (int64_t first = 0; first < channels; first += BLOCK) {
    RoundingBlock block(first, channels);
    const double* v = variance + first;
    double* here = inverse_std + first;
    kernels.given_inverse_std(block.channels, v, eps, here, block.undecided);
    block.finish(roads, [&](int64_t c) { here[c] = inverse_std_of(v[c], eps); });
  }
  return roads;
}

RoundingRoads round_gradient_parameters(const Kernels& kernels, int dy_type, int x_type, const bn_sums& gradients,
                                const bn_sums& sums, Range range, double eps, int result_type,
                                const GradientParameters& to) {
  RoundingRoads roads;
  for (int64_t first = range.first; first < range.end; first += BLOCK) {
    RoundingBlock block(first, range.end);
    int64_t at = first - range.first;
    GradientParameters here = {to.k1 + at, to.k1_lo + at, to.k2 + at, to.dgamma + at, to.dbeta + at};
    SumTerms g = block.terms(gradients, dy_type, x_type), x = block.terms(sums, x_type, x_type);
    kernels.gradient_parameters[is_wide(dy_type, x_type)](block.channels, g, x, eps, result_type, here,
                                                          block.undecided);
    block.finish(roads, [&](int64_t c) {
      gradient_parameters_of(gradients, sums, first + c, dy_type, x_type, eps, result_type, &here.k1[c],
                             &here.k1_lo[c], &here.k2[c], &here.dgamma[c], &here.dbeta[c]);
    });
  }
  return roads;
}

RoundingRoads round_frozen_gradient_parameters(const Kernels& kernels, int dy_type, int x_type, const bn_sums& gradients,
                                       Range range, const double* mean, const double* variance, double eps,
                                       int result_type, double* dgamma, double* dbeta) {
  RoundingRoads roads;
  for (int64_t first = range.first; first < range.end; first += BLOCK) {
    RoundingBlock block(first, range.end);
    int64_t at = first - range.first;
    SumTerms g = block.terms(gradients, dy_type, x_type);
    kernels.frozen_gradient_parameters[is_wide(dy_type, x_type)](block.channels, g, mean + at, variance + at, eps,
                                                                 result_type, dgamma + at, dbeta + at,
                                                                 block.undecided);
    block.finish(roads, [&](int64_t c) {
      frozen_gradient_parameters_of(gradients, first + c, dy_type, x_type, mean[at + c], variance[at + c], eps,
                                    result_type, &dgamma[at + c], &dbeta[at + c]);
    });
  }
  return roads;
}

RoundingRoads round_covariances(const Kernels& kernels, int x_type, const bn_sums& singles, const PairSums& pairs,
                                int64_t i, int64_t j, int64_t pair, int64_t count, double* covariance) {
  RoundingRoads roads;
  RoundingBlock block(j, j + count), of_i(i, i + 1);
  SumTerms s = block.terms(singles, x_type, x_type), one = of_i.terms(singles, x_type, x_type), p = {};
  double g[BN_F64_TERMS];
  for (int k = 0; k < BN_F64_TERMS; k++) g[k] = one.linear[k][0];
  for (int k = 0; k < BN_F64_PRODUCT_TERMS; k++) {
    p.product[k] = k < pairs.format.terms ? pairs.terms + k * pairs.stride + pair : NO_TERMS;
  }
  const int limbs = pairs.format.limbs;
  for (int64_t c = 0; c < count; c++) {
    block.undecided[c] |= of_i.undecided[0];
    if (pairs.limbs != nullptr) block.undecided[c] |= any(pairs.limbs + (pair + c) * limbs, limbs);
  }
  kernels.covariances[is_wide(x_type, x_type)](count, p, s, g, covariance, block.undecided);
  block.finish(roads, [&](int64_t c) {
    covariance[c] = __builtin_nan("");
    Channel a(singles, i, x_type, x_type), b(singles, j + c, x_type, x_type);
    if (a.count == 0 || a.flags != 0 || b.flags != 0) return;
    Integer product = Integer::of((uint64_t)0), m = Integer::of(a.count);
    if (pairs.limbs != nullptr) {
      product = Integer::of(pairs.limbs + (pair + c) * limbs, limbs, pairs.format.lowest);
    }
    for (int k = 0; k < pairs.format.terms; k++) {
      product = plus(product, Integer::of(pairs.terms[k * pairs.stride + pair + c]));
    }
    Integer n = minus(times(m, product), times(a.linear, b.linear));
    covariance[c] = ratio(n, times(m, m), BN_F64);  // (R2)
  });
  return roads;
}

int32_t bn_parameters(bn_how how, int64_t channels, int32_t x_type, bn_sums sums, double eps, double* mean,
                      double* mean_lo, double* variance, double* inverse_std) {
  return for_ranges(how, channels, sums.terms != nullptr, [&](Range r) {
    Parameters to = {mean + r.first, mean_lo + r.first, variance + r.first, inverse_std + r.first};
    round_parameters(kernels(how.isa), x_type, sums, r, eps, to, nullptr);
  });
}

int32_t bn_unbiased_variance(bn_how how, int64_t channels, int32_t x_type, bn_sums sums, double* variance) {
  return for_ranges(how, channels, sums.terms != nullptr, [&](Range r) {
    round_unbiased_variance(kernels(how.isa), x_type, sums, r, variance + r.first);
  });
}

int32_t bn_given_inverse_std(bn_how how, int64_t channels, const double* variance, double eps, double* inverse_std) {
  return for_ranges(how, channels, true, [&](Range r) {
    round_inverse_std(kernels(how.isa), r.end - r.first, variance + r.first, eps, inverse_std + r.first);
  });
}

int32_t bn_gradient_parameters(bn_how how, int64_t channels, int32_t dy_type, int32_t x_type, bn_sums gradients,
                               bn_sums sums, double eps, int32_t result_type, double* k1, double* k1_lo, double* k2,
                               double* dgamma, double* dbeta) {
  return for_ranges(how, channels, gradients.terms != nullptr && sums.terms != nullptr, [&](Range r) {
    GradientParameters to = {k1 + r.first, k1_lo + r.first, k2 + r.first, dgamma + r.first, dbeta + r.first};
    round_gradient_parameters(kernels(how.isa), dy_type, x_type, gradients, sums, r, eps, result_type, to);
  });
}

int32_t bn_frozen_gradient_parameters(bn_how how, int64_t channels, int32_t dy_type, int32_t x_type, bn_sums gradients,
                                      const double* mean, const double* variance, double eps, int32_t result_type,
                                      double* dgamma, double* dbeta) {
  return for_ranges(how, channels, gradients.terms != nullptr, [&](Range r) {
    round_frozen_gradient_parameters(kernels(how.isa), dy_type, x_type, gradients, r, mean + r.first,
                                     variance + r.first, eps, result_type, dgamma + r.first, dbeta + r.first);
  });
}
