// The passes over a chunk, on all threads.
#include <stdlib.h>
#include <string.h>

#include <atomic>

#include "batchnorm.h"
#include "cut.h"
#include "fixed_point.h"
#include "kernels/kernels.h"
#include "parallel.h"

namespace {

// The sums of each part while a pass adds to them. Where limbs may turn out to be missing, the whole sums stay as they are
// until all has gone well.
class PartSums {
 public:
  PartSums(bn_sums whole, const Cut& cut, int type_a, int type_b)
      : whole_(whole),
        cut_(cut),
        limbs_(linear_format(type_a).limbs + product_format(type_a, type_b).limbs),
        linear_limbs_(linear_format(type_a).limbs),
        terms_(linear_format(type_a).terms + product_format(type_a, type_b).terms) {
    int64_t channels = cut.view.channels;
    doubles_per_part_ = channels * (terms_ + 1 + (whole.limbs == nullptr ? 0 : limbs_));
    int64_t parts = cut.axis == Axis::channels ? 1 : cut.parts;
    int64_t own = whole.limbs == nullptr ? parts : parts - 1;  // with limbs, the first part is the whole itself
    if (own == 0 || channels == 0) return;
    memory_ = (double*)calloc(own * doubles_per_part_, sizeof(double));
    out_of_memory_ = memory_ == nullptr;
    if (out_of_memory_ || whole.limbs != nullptr) return;
    bn_sums first = own_sums(0);
    for (int k = 0; k < terms_; k++) {
      memcpy(first.terms + k * channels, whole.terms + k * whole.stride, sizeof(double) * channels);
    }
    memcpy(first.flags, whole.flags, sizeof(int32_t) * channels);
  }

  PartSums(const PartSums&) = delete;
  PartSums& operator=(const PartSums&) = delete;

  ~PartSums() { free(memory_); }

  bool out_of_memory() const { return out_of_memory_; }

  // The sums part i adds to, from the part's first channel on.
  bn_sums part(int64_t i) const {
    if (cut_.axis != Axis::channels) return sums(i);
    bn_sums first = sums(0);
    int64_t c = cut_.first_channel(i);
    return bn_sums{nullptr, first.flags + c, first.terms + c, first.stride,
                   first.limbs == nullptr ? nullptr : first.limbs + c * limbs_};
  }

  // Adds all parts, and the counts, to the whole. Returns false, and leaves the whole as it was, if limbs were missing.
  bool merge(const Kernels& kernels, int type_a, int type_b) {
    int64_t channels = cut_.view.channels;
    bn_sums first = sums(0);
    for (int64_t i = 1; cut_.axis != Axis::channels && i < cut_.parts; i++) {
      bn_sums more = sums(i);
      if (kernels.merge_terms[type_a][type_b](channels, more, first)) return false;
      for (int64_t c = 0; c < channels; c++) first.flags[c] |= more.flags[c];
      for (int64_t c = 0; more.limbs != nullptr && c < channels; c++) {
        uint64_t *into = first.limbs + c * limbs_, *from = more.limbs + c * limbs_;
        fixed_merge(into, from, linear_limbs_);
        fixed_merge(into + linear_limbs_, from + linear_limbs_, limbs_ - linear_limbs_);
      }
    }
    for (int64_t c = 0; c < channels; c++) whole_.counts[c] += cut_.view.outer * cut_.view.inner;
    if (whole_.limbs != nullptr) return true;
    for (int k = 0; k < terms_; k++) {
      memcpy(whole_.terms + k * whole_.stride, first.terms + k * first.stride, sizeof(double) * channels);
    }
    memcpy(whole_.flags, first.flags, sizeof(int32_t) * channels);
    return true;
  }

 private:
  bn_sums sums(int64_t i) const {
    if (whole_.limbs == nullptr) return own_sums(i);
    return i == 0 ? whole_ : own_sums(i - 1);
  }

  bn_sums own_sums(int64_t i) const {
    int64_t channels = cut_.view.channels;
    double* terms = memory_ + i * doubles_per_part_;
    double* flags = terms + terms_ * channels;
    uint64_t* limbs = whole_.limbs == nullptr ? nullptr : (uint64_t*)(flags + channels);
    return bn_sums{nullptr, (int32_t*)flags, terms, channels, limbs};
  }

  bn_sums whole_;
  Cut cut_;
  int limbs_;
  int linear_limbs_;
  int terms_;
  int64_t doubles_per_part_;
  double* memory_ = nullptr;
  bool out_of_memory_ = false;
};

// The roads that all sums of this process took.
std::atomic<int64_t> roads_taken[4];

// Adds a chunk to sums: add(part) adds one part of it and tells whether limbs were missing.
template <class F>
int32_t add_parts(bn_how how, bn_view view, int type_a, int type_b, bn_sums sums, const F& add) {
  if (view.channels == 0 || view.outer == 0 || view.inner == 0) return BN_OK;
  Cut cut = cut_sums(how, view);
  PartSums parts(sums, cut, type_a, type_b);
  if (parts.out_of_memory()) return BN_OUT_OF_MEMORY;
  std::atomic<bool> missing{false};
  parallel(how.threads, cut.parts, [&](int64_t i) {
    SumRoads roads = {};
    if (add(cut.block(i), cut.offset(i), parts.part(i), &roads)) missing = true;
    count_roads(roads);
  });
  bool merged = false;
  if (!missing) parallel(1, 1, [&](int64_t) { merged = parts.merge(kernels(how.isa), type_a, type_b); });
  return merged ? BN_OK : BN_WANTS_LIMBS;
}

// Computes a chunk of elements piece by piece: compute(block, first channel, offset, streamed).
template <class F> int32_t compute_pieces(bn_how how, bn_view view, int result_type, const F& compute) {
  Cut cut = cut_elements(how, view);
  bool streamed = is_streamed(view, result_type);
  parallel(how.threads, cut.parts, [&](int64_t i) {
    int64_t piece = from_the_end(how, cut, i);
    compute(cut.block(piece), cut.first_channel(piece), cut.offset(piece), streamed);
  });
  return BN_OK;
}

}  // namespace

void count_roads(const SumRoads& roads) {
  int64_t counts[4] = {roads.tiles, roads.again, roads.expanded, roads.slow};
  for (int i = 0; i < 4; i++) roads_taken[i].fetch_add(counts[i], std::memory_order_relaxed);
}

void bn_roads_taken(int64_t roads[4]) {
  for (int i = 0; i < 4; i++) roads[i] = roads_taken[i].load(std::memory_order_relaxed);
}

int32_t bn_isa_available(int32_t isa) {
#if defined(__x86_64__)
  if (isa == BN_AVX512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  }
  if (isa == BN_AVX2) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  }
#endif
  return isa == BN_BASELINE;
}

int32_t bn_add_statistics(bn_how how, bn_view view, int32_t x_type, const void* x, bn_sums sums) {
  auto add = kernels(how.isa).add_statistics[x_type];
  return add_parts(how, view, x_type, x_type, sums,
                   [&](const Block& block, int64_t offset, const bn_sums& part, SumRoads* roads) {
                     return add(block, at(x, x_type, offset), part, roads);
                   });
}

int32_t bn_add_gradient_sums(bn_how how, bn_view view, int32_t dy_type, const void* dy, int32_t x_type, const void* x,
                             bn_sums sums) {
  auto add = kernels(how.isa).add_gradient_sums[dy_type][x_type];
  return add_parts(how, view, dy_type, x_type, sums,
                   [&](const Block& block, int64_t offset, const bn_sums& part, SumRoads* roads) {
                     return add(block, at(dy, dy_type, offset), at(x, x_type, offset), part, roads);
                   });
}

int32_t bn_normalise(bn_how how, bn_view view, int32_t x_type, const void* x, const double* mean,
                     const double* mean_lo, const double* a, const double* beta, int32_t y_type, void* y) {
  auto normalise = kernels(how.isa).normalise[x_type][y_type];
  return compute_pieces(how, view, y_type, [&](const Block& block, int64_t c, int64_t offset, bool streamed) {
    Normalisation operands = {mean + c, mean_lo + c, a + c, beta + c};
    normalise(block, at(x, x_type, offset), operands, at(y, y_type, offset), streamed);
  });
}

int32_t bn_input_gradient(bn_how how, bn_view view, int32_t dy_type, const void* dy, int32_t x_type, const void* x,
                          const double* mean, const double* mean_lo, const double* a, const double* k1,
                          const double* k1_lo, const double* k2, int32_t dx_type, void* dx) {
  auto gradient = kernels(how.isa).input_gradient[dy_type][x_type][dx_type];
  return compute_pieces(how, view, dx_type, [&](const Block& block, int64_t c, int64_t offset, bool streamed) {
    InputGradient operands = {mean + c, mean_lo + c, a + c, k1 + c, k1_lo + c, k2 + c};
    gradient(block, at(dy, dy_type, offset), at(x, x_type, offset), operands, at(dx, dx_type, offset), streamed);
  });
}

int32_t bn_frozen_input_gradient(bn_how how, bn_view view, int32_t dy_type, const void* dy, const double* a,
                                 int32_t dx_type, void* dx) {
  auto gradient = kernels(how.isa).frozen_input_gradient[dy_type][dx_type];
  return compute_pieces(how, view, dx_type, [&](const Block& block, int64_t c, int64_t offset, bool streamed) {
    gradient(block, at(dy, dy_type, offset), a + c, at(dx, dx_type, offset), streamed);
  });
}
