// Exact sums with their memory, and the slow truth of the two passes that add to them.
#ifndef BATCHNORM_TEST_SUMS_H
#define BATCHNORM_TEST_SUMS_H

#include <math.h>

#include "check.h"
#include "fixed_point.h"
#include "half.h"
#include "kernels/kernels.h"

struct Sums {
  FixedPoint linear;
  FixedPoint product;
  std::vector<int64_t> counts;
  std::vector<int32_t> flags;
  std::vector<double> terms;
  std::vector<uint64_t> limbs;

  Sums(int64_t channels, int type_a, int type_b)
      : linear(linear_format(type_a)),
        product(product_format(type_a, type_b)),
        counts(channels),
        flags(channels),
        terms(channels * (linear.terms + product.terms)),
        limbs(channels * (linear.limbs + product.limbs)) {}

  bn_sums view() {
    return bn_sums{counts.data(), flags.data(), terms.data(), (int64_t)counts.size(), limbs.data()};
  }

  // One channel by itself.
  bn_sums channel(int64_t c) {
    return bn_sums{&counts[c], &flags[c], &terms[c], (int64_t)counts.size(), linear_of(c)};
  }

  // The limbs with the terms added: one form for each sum.
  std::vector<uint64_t> exact() const {
    Sums sums = *this;
    int64_t channels = counts.size();
    for (int64_t c = 0; c < channels; c++) {
      for (int k = 0; k < linear.terms + product.terms; k++) {
        bool first = k < linear.terms;
        fixed_add(first ? sums.linear_of(c) : sums.product_of(c), first ? linear : product, terms[k * channels + c]);
      }
    }
    return sums.limbs;
  }

  uint64_t* linear_of(int64_t c) { return limbs.data() + c * (linear.limbs + product.limbs); }
  uint64_t* product_of(int64_t c) { return linear_of(c) + linear.limbs; }

  void add(int64_t c, double a, double b, bool same) {
    auto flag = [](double v) {
      return v != v ? BN_NAN : v == HUGE_VAL ? BN_POSITIVE_INFINITY : v == -HUGE_VAL ? BN_NEGATIVE_INFINITY : 0;
    };
    counts[c]++;
    flags[c] |= flag(a) | (same || flag(b) == 0 ? 0 : BN_PRODUCT_NOT_FINITE);
    if (flag(a) != 0) return;
    fixed_add(linear_of(c), linear, a);
    if (flag(b) == 0) fixed_add_product(product_of(c), product, a, b);
  }

  // Something to add to, as if other chunks had come before: terms, and limbs, of the channels from `first` on, or, from 0,
  // of most.
  void prefill(uint64_t seed, int64_t first = 0) {
    Random random(seed);
    int64_t channels = counts.size();
    for (int64_t c = first; c < channels; c++) {
      for (int i = random.between(0, 2); i > 0; i--) add(c, random.uniform() - 0.5, random.uniform() * 1e3, false);
      for (int k = 0; (first > 0 || random.one_in(2)) && k < linear.terms + product.terms; k++) {
        terms[k * channels + c] = ldexp(random.uniform() - 0.5, random.between(-30, 30));
      }
      if (random.one_in(10)) flags[c] |= (int32_t)random.below(16);
    }
  }
};

#define CHECK_SUMS(expected, found)                                                           \
  CHECK_ALL_EQUAL((expected).counts.data(), (found).counts.data(), (expected).counts.size()); \
  CHECK_ALL_EQUAL((expected).flags.data(), (found).flags.data(), (expected).flags.size());    \
  CHECK_ALL_EQUAL((expected).exact().data(), (found).exact().data(), (expected).limbs.size())

// Every value added by itself. b may be a, for the statistics.
template <class A, class B>
void add_naively(const Block& block, const A* a, const B* b, bool same, Sums& sums) {
  for (int64_t o = 0; o < block.outer; o++) {
    for (int64_t c = 0; c < block.channels; c++) {
      for (int64_t i = 0; i < block.inner; i++) {
        int64_t at = o * block.outer_stride + c * block.channel_stride + i;
        sums.add(c, a[at], b[at], same);
      }
    }
  }
}

#endif
