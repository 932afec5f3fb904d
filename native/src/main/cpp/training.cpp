// The passes of training one after the other, over a batch that lies in memory. Where a channel's values fit the cache,
// channel by channel: memory is read once.
#include <math.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <new>
#include <vector>

#include "batchnorm.h"
#include "cut.h"
#include "kernels/kernels.h"
#include "parallel.h"
#include "parameters.h"

namespace {

// What a slab of some channels takes of the second-level cache, all arrays together; what it may take of the third so that
// its pieces are long, and what a single channel may.
const int64_t SLAB_BYTES = 256 << 10, WIDE_SLAB_BYTES = 2 << 20, CHANNEL_BYTES = 4 << 20;

// What a slab should have, and must have, of each sample in one piece: memory is slow to give less at a time. (Measured for
// training with 512 rows of 65536 f32: pieces of 512 bytes take 1.8 times as long as those of 4 KiB, reading memory twice
// 1.4 times.)
const int64_t PIECE_BYTES = 8 << 10, SMALLEST_PIECE_BYTES = 1 << 10;

// Channels whose parameters are rounded together, and so the most of a slab.
const int64_t MOST_CHANNELS = 2048;

// Channels of a slab whose passes follow each other in the cache; 0 if the batch is no such batch. A value has so many
// bytes in all arrays that are read together.
int64_t channels_per_slab(bn_view view, int arrays, int64_t bytes_per_value) {
  int64_t channel = view.outer * view.inner * bytes_per_value;
  if (channel == 0) return 0;
  int64_t piece = view.inner * bytes_per_value / arrays;
  int64_t channels = (PIECE_BYTES + piece - 1) / piece;
  if (channels > WIDE_SLAB_BYTES / channel) channels = WIDE_SLAB_BYTES / channel;
  if (channels < SLAB_BYTES / channel) channels = SLAB_BYTES / channel;
  if (channels == 0 && channel <= CHANNEL_BYTES) channels = 1;
  if (channels > MOST_CHANNELS) channels = MOST_CHANNELS;
  return channels * piece >= SMALLEST_PIECE_BYTES || channels >= view.channels ? channels : 0;
}

bool overlap(bn_view view, const void* a, int type_a, const void* b, int type_b) {
  uintptr_t first_a = (uintptr_t)a, first_b = (uintptr_t)b;
  return first_a < first_b + values_of(view) * bytes_of(type_b) && first_b < first_a + values_of(view) * bytes_of(type_a);
}

// The slabs of a batch, each a task.
template <class F> void for_slabs(bn_how how, bn_view view, int64_t channels, const F& compute) {
  int64_t slabs = (view.channels + channels - 1) / channels;
  parallel(parts_for(how, view) > 1 ? how.threads : 1, slabs, [&](int64_t slab) {
    int64_t first = slab * channels, end = first + channels < view.channels ? first + channels : view.channels;
    Block block = {view.outer, end - first, view.inner, view.channels * view.inner, view.inner};
    compute(block, Range{first, end});
  });
}

// Sums of types a and b from a channel on.
bn_sums from(const bn_sums& sums, int64_t channel, int type_a, int type_b) {
  int limbs = linear_format(type_a).limbs + product_format(type_a, type_b).limbs;
  return bn_sums{sums.counts + channel, sums.flags + channel, sums.terms == nullptr ? nullptr : sums.terms + channel,
                 sums.stride, sums.limbs == nullptr ? nullptr : sums.limbs + channel * limbs};
}

// F1–F3 and a = γ·inverse_std of no more than MOST_CHANNELS channels; a starts at the first.
void round_scale(const Kernels& kernels, int x_type, const bn_sums& sums, Range range, double eps, const double* gamma,
                 const Parameters& to, double* a) {
  bool zero[MOST_CHANNELS];
  int64_t first = range.first, channels = range.end - first;
  Parameters here = {to.mean + first, to.mean_lo + first, to.variance + first, to.inverse_std + first};
  round_parameters(kernels, x_type, sums, range, eps, here, zero);
  for (int64_t c = 0; c < channels; c++) a[c] = gamma[first + c] * here.inverse_std[c];
  if (std::find(zero, zero + channels, true) == zero + channels) return;
  for (int64_t c = 0; c < channels; c++) a[c] = zero[c] ? 0 : a[c];
}

// Sums that begin at 0, in memory of their own.
class ScratchSums {
 public:
  ScratchSums(int64_t channels, int type_a, int type_b, bool limbs)
      : counts_(channels),
        flags_(channels),
        terms_(channels * (linear_format(type_a).terms + product_format(type_a, type_b).terms)),
        limbs_(limbs ? channels * (linear_format(type_a).limbs + product_format(type_a, type_b).limbs) : 0),
        channels_(channels) {}

  bn_sums view() {
    return bn_sums{counts_.data(), flags_.data(), terms_.data(), channels_, limbs_.empty() ? nullptr : limbs_.data()};
  }

 private:
  std::vector<int64_t> counts_;
  std::vector<int32_t> flags_;
  std::vector<double> terms_;
  std::vector<uint64_t> limbs_;
  int64_t channels_;
};

}  // namespace

int32_t bn_forward(bn_how how, bn_view view, int32_t x_type, const void* x, double eps, const double* gamma,
                   const double* beta, bn_sums sums, double* mean, double* mean_lo, double* variance,
                   double* inverse_std, int32_t y_type, void* y) {
  const Kernels& kernel = kernels(how.isa);
  Parameters to = {mean, mean_lo, variance, inverse_std};
  int64_t slab = overlap(view, x, x_type, y, y_type) ? 0 : channels_per_slab(view, 1, (int64_t)bytes_of(x_type));
  if (slab == 0) {
    std::unique_ptr<double[]> a(new (std::nothrow) double[view.channels]);
    if (a == nullptr) return BN_OUT_OF_MEMORY;
    int32_t status = bn_add_statistics(how, view, x_type, x, sums);
    if (status != BN_OK) return status;
    int64_t tasks = (view.channels + MOST_CHANNELS - 1) / MOST_CHANNELS;
    parallel(how.threads, tasks, [&](int64_t task) {
      int64_t first = task * MOST_CHANNELS, end = first + MOST_CHANNELS;
      Range range = {first, end < view.channels ? end : view.channels};
      round_scale(kernel, x_type, sums, range, eps, gamma, to, &a[first]);
    });
    return bn_normalise(how, view, x_type, x, mean, mean_lo, a.get(), beta, y_type, y);
  }
  bool streamed = is_streamed(view, y_type);
  std::atomic<bool> missing{false};
  for_slabs(how, view, slab, [&](const Block& block, Range range) {
    int64_t c = range.first, offset = c * view.inner;
    SumRoads roads = {};
    if (kernel.add_statistics[x_type](block, at(x, x_type, offset), from(sums, c, x_type, x_type), &roads)) {
      missing = true;
      return;
    }
    count_roads(roads);
    std::fill(sums.counts + c, sums.counts + range.end, view.outer * view.inner);
    double a[MOST_CHANNELS];
    round_scale(kernel, x_type, sums, range, eps, gamma, to, a);
    Normalisation operands = {mean + c, mean_lo + c, a, beta + c};
    kernel.normalise[x_type][y_type](block, at(x, x_type, offset), operands, at(y, y_type, offset), streamed);
  });
  return missing ? BN_WANTS_LIMBS : BN_OK;
}

namespace {

// bn_backward with limbs for Σdy and Σdy·x, or without.
int32_t backward(bn_how how, bn_view view, int32_t dy_type, const void* dy, int32_t x_type, const void* x,
                 const InputGradient& statistics, bn_sums sums, double eps, int32_t result_type, bool limbs,
                 const GradientParameters& to, int32_t dx_type, void* dx) {
  const Kernels& kernel = kernels(how.isa);
  const InputGradient& s = statistics;
  bool in_place = overlap(view, dx, dx_type, dy, dy_type) || overlap(view, dx, dx_type, x, x_type);
  int64_t slab = in_place ? 0 : channels_per_slab(view, 2, (int64_t)(bytes_of(dy_type) + bytes_of(x_type)));
  if (slab == 0) {
    ScratchSums gradients(view.channels, dy_type, x_type, limbs);
    int32_t status = bn_add_gradient_sums(how, view, dy_type, dy, x_type, x, gradients.view());
    if (status != BN_OK) return status;
    bn_gradient_parameters(how, view.channels, dy_type, x_type, gradients.view(), sums, eps, result_type, to.k1, to.k1_lo,
                           to.k2, to.dgamma, to.dbeta);
    return bn_input_gradient(how, view, dy_type, dy, x_type, x, s.mean, s.mean_lo, s.a, to.k1, to.k1_lo, to.k2, dx_type,
                             dx);
  }
  bool streamed = is_streamed(view, dx_type);
  std::atomic<int32_t> status{BN_OK};
  auto compute_slab = [&](const Block& block, Range range) {
    int64_t c = range.first, channels = range.end - c, offset = c * view.inner;
    const void *dy_values = at(dy, dy_type, offset), *x_values = at(x, x_type, offset);
    ScratchSums gradients(channels, dy_type, x_type, limbs);
    bn_sums g = gradients.view();
    SumRoads roads = {};
    if (kernel.add_gradient_sums[dy_type][x_type](block, dy_values, x_values, g, &roads)) {
      status = BN_WANTS_LIMBS;
      return;
    }
    count_roads(roads);
    std::fill_n(g.counts, channels, view.outer * view.inner);
    GradientParameters here = {to.k1 + c, to.k1_lo + c, to.k2 + c, to.dgamma + c, to.dbeta + c};
    round_gradient_parameters(kernel, dy_type, x_type, g, from(sums, c, x_type, x_type), Range{0, channels}, eps,
                              result_type, here);
    InputGradient operands = {s.mean + c, s.mean_lo + c, s.a + c, here.k1, here.k1_lo, here.k2};
    kernel.input_gradient[dy_type][x_type][dx_type](block, dy_values, x_values, operands, at(dx, dx_type, offset),
                                                    streamed);
  };
  for_slabs(how, view, slab, [&](const Block& block, Range range) {
    try {
      compute_slab(block, range);
    } catch (const std::exception&) {  // no memory
      status = BN_OUT_OF_MEMORY;
    }
  });
  return status;
}

}  // namespace

int32_t bn_backward(bn_how how, bn_view view, int32_t dy_type, const void* dy, int32_t x_type, const void* x,
                    const double* mean, const double* mean_lo, const double* a, bn_sums sums, double eps,
                    int32_t result_type, double* k1, double* k1_lo, double* k2, double* dgamma, double* dbeta,
                    int32_t dx_type, void* dx) {
  try {
    for (bool limbs : {false, true}) {
      int32_t status = backward(how, view, dy_type, dy, x_type, x, {mean, mean_lo, a, nullptr, nullptr, nullptr}, sums,
                                eps, result_type, limbs, {k1, k1_lo, k2, dgamma, dbeta}, dx_type, dx);
      if (status != BN_WANTS_LIMBS) return status;
    }
  } catch (const std::exception&) {  // no memory
  }
  return BN_OUT_OF_MEMORY;
}
