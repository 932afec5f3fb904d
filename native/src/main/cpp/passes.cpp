// The passes over a chunk: which instruction set, and how the chunk is cut for the threads. No cut changes a bit.
#include <stdlib.h>
#include <string.h>

#include "batchnorm.h"
#include "fixed_point.h"
#include "kernels/kernels.h"
#include "parallel.h"

namespace {

// Fewer values than this are not worth waking a thread: some ten microseconds of work.
const int64_t WORTH_A_THREAD = 32768;

enum class Axis { outer, channels, inner };

// A cut of the chunk into `parts` along one axis.
struct Cut {
  bn_view view;
  Axis axis;
  int64_t parts;

  // Where part i begins along the axis.
  int64_t begin(int64_t i) const {
    int64_t size = axis == Axis::outer ? view.outer : axis == Axis::channels ? view.channels : view.inner;
    return (int64_t)((bn_u128)size * i / parts);
  }

  int64_t first_channel(int64_t i) const { return axis == Axis::channels ? begin(i) : 0; }

  // The index of part i's first value.
  int64_t offset(int64_t i) const {
    int64_t stride = axis == Axis::outer ? view.channels * view.inner : axis == Axis::channels ? view.inner : 1;
    return begin(i) * stride;
  }

  Block block(int64_t i) const {
    Block block = {view.outer, view.channels, view.inner, view.channels * view.inner, view.inner};
    int64_t size = begin(i + 1) - begin(i);
    (axis == Axis::outer ? block.outer : axis == Axis::channels ? block.channels : block.inner) = size;
    return block;
  }
};

int64_t parts_for(bn_how how, bn_view view) {
  int64_t worth = view.outer * view.channels * view.inner / WORTH_A_THREAD;
  return worth < 1 ? 1 : worth < how.threads ? worth : how.threads;
}

// Passes over elements cut where the pieces are contiguous.
Cut cut_elements(bn_how how, bn_view view) {
  int64_t parts = parts_for(how, view);
  Axis axis = view.outer >= parts ? Axis::outer : view.channels >= parts ? Axis::channels : Axis::inner;
  return Cut{view, axis, axis == Axis::inner && view.inner < parts ? 1 : parts};
}

// Sums cut along channels where there are many, or where sums for each part would outweigh the data: then no sums need to
// be merged.
Cut cut_sums(bn_how how, bn_view view, int64_t bytes_per_channel) {
  int64_t parts = parts_for(how, view);
  const int64_t many = 512;
  bool outweigh = parts * bytes_per_channel > 4 * view.outer * view.inner;
  if (view.channels >= many * parts || ((view.inner > 1 || outweigh) && view.channels >= parts)) {
    return Cut{view, Axis::channels, parts};
  }
  return outweigh && view.channels > 1 ? Cut{view, Axis::channels, view.channels} : cut_elements(how, view);
}

int64_t bytes_of_sums(int type_a, int type_b) {
  return 8 * (linear_format(type_a).limbs + product_format(type_a, type_b).limbs + 2);
}

size_t bytes_of(int type) { return type == BN_F16 ? 2 : type == BN_F32 ? 4 : 8; }

const void* at(const void* values, int type, int64_t index) {
  return (const char*)values + (int64_t)bytes_of(type) * index;
}

void* at(void* values, int type, int64_t index) { return (char*)values + (int64_t)bytes_of(type) * index; }

// Sums of its own for each part but the first, merged in the end.
class PartSums {
 public:
  PartSums(bn_sums whole, const Cut& cut, int type_a, int type_b)
      : whole_(whole),
        cut_(cut),
        limbs_(linear_format(type_a).limbs + product_format(type_a, type_b).limbs),
        linear_limbs_(linear_format(type_a).limbs) {
    if (cut.axis != Axis::channels && cut.parts > 1) {
      memory_ = (uint64_t*)calloc((cut.parts - 1) * cut.view.channels, (limbs_ + 2) * sizeof(uint64_t));
    }
  }

  PartSums(const PartSums&) = delete;
  PartSums& operator=(const PartSums&) = delete;

  ~PartSums() { free(memory_); }

  bool out_of_memory() const { return cut_.axis != Axis::channels && cut_.parts > 1 && memory_ == nullptr; }

  bn_sums part(int64_t i) const {
    if (cut_.axis == Axis::channels) {
      int64_t c = cut_.first_channel(i);
      return bn_sums{whole_.counts + c, whole_.flags + c, whole_.terms + c, whole_.stride, whole_.limbs + c * limbs_};
    }
    return i == 0 ? whole_ : own(i);
  }

  void merge() {
    for (int64_t i = 1; memory_ != nullptr && i < cut_.parts; i++) {
      bn_sums sums = own(i);
      for (int64_t c = 0; c < cut_.view.channels; c++) {
        whole_.counts[c] += sums.counts[c];
        whole_.flags[c] |= sums.flags[c];
        uint64_t* into = whole_.limbs + c * limbs_;
        const uint64_t* from = sums.limbs + c * limbs_;
        fixed_merge(into, from, linear_limbs_);
        fixed_merge(into + linear_limbs_, from + linear_limbs_, limbs_ - linear_limbs_);
      }
    }
  }

 private:
  bn_sums own(int64_t i) const {
    uint64_t* start = memory_ + (i - 1) * cut_.view.channels * (limbs_ + 2);
    uint64_t* limbs = start + 2 * cut_.view.channels;
    return bn_sums{(int64_t*)start, (int32_t*)(start + cut_.view.channels), nullptr, 0, limbs};
  }

  bn_sums whole_;
  Cut cut_;
  int limbs_;
  int linear_limbs_;
  uint64_t* memory_ = nullptr;
};

}  // namespace

int32_t bn_isa_available(int32_t isa) {
#if defined(__x86_64__)
  if (isa == BN_AVX512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
  }
  if (isa == BN_AVX2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return isa == BN_BASELINE;
}

int32_t bn_add_statistics(bn_how how, bn_view view, int32_t x_type, const void* x, bn_sums sums) {
  if (sums.limbs == nullptr) return BN_WANTS_LIMBS;
  Cut cut = cut_sums(how, view, bytes_of_sums(x_type, x_type));
  PartSums parts(sums, cut, x_type, x_type);
  if (parts.out_of_memory()) return BN_OUT_OF_MEMORY;
  auto add = kernels(how.isa).add_statistics[x_type];
  parallel(how.threads, cut.parts, [&](int64_t i) { add(cut.block(i), at(x, x_type, cut.offset(i)), parts.part(i)); });
  parts.merge();
  return BN_OK;
}

int32_t bn_add_gradient_sums(bn_how how, bn_view view, int32_t dy_type, const void* dy, int32_t x_type, const void* x,
                             bn_sums sums) {
  if (sums.limbs == nullptr) return BN_WANTS_LIMBS;
  Cut cut = cut_sums(how, view, bytes_of_sums(dy_type, x_type));
  PartSums parts(sums, cut, dy_type, x_type);
  if (parts.out_of_memory()) return BN_OUT_OF_MEMORY;
  auto add = kernels(how.isa).add_gradient_sums[dy_type][x_type];
  parallel(how.threads, cut.parts, [&](int64_t i) {
    int64_t offset = cut.offset(i);
    add(cut.block(i), at(dy, dy_type, offset), at(x, x_type, offset), parts.part(i));
  });
  parts.merge();
  return BN_OK;
}

int32_t bn_normalise(bn_how how, bn_view view, int32_t x_type, const void* x, const double* mean,
                     const double* mean_lo, const double* a, const double* beta, int32_t y_type, void* y) {
  Cut cut = cut_elements(how, view);
  auto normalise = kernels(how.isa).normalise[x_type][y_type];
  parallel(how.threads, cut.parts, [&](int64_t i) {
    int64_t c = cut.first_channel(i), offset = cut.offset(i);
    Normalisation operands = {mean + c, mean_lo + c, a + c, beta + c};
    normalise(cut.block(i), at(x, x_type, offset), operands, at(y, y_type, offset));
  });
  return BN_OK;
}

int32_t bn_input_gradient(bn_how how, bn_view view, int32_t dy_type, const void* dy, int32_t x_type, const void* x,
                          const double* mean, const double* mean_lo, const double* a, const double* k1,
                          const double* k1_lo, const double* k2, int32_t dx_type, void* dx) {
  Cut cut = cut_elements(how, view);
  auto gradient = kernels(how.isa).input_gradient[dy_type][x_type][dx_type];
  parallel(how.threads, cut.parts, [&](int64_t i) {
    int64_t c = cut.first_channel(i), offset = cut.offset(i);
    InputGradient operands = {mean + c, mean_lo + c, a + c, k1 + c, k1_lo + c, k2 + c};
    gradient(cut.block(i), at(dy, dy_type, offset), at(x, x_type, offset), operands, at(dx, dx_type, offset));
  });
  return BN_OK;
}

int32_t bn_frozen_input_gradient(bn_how how, bn_view view, int32_t dy_type, const void* dy, const double* a,
                                 int32_t dx_type, void* dx) {
  Cut cut = cut_elements(how, view);
  auto gradient = kernels(how.isa).frozen_input_gradient[dy_type][dx_type];
  parallel(how.threads, cut.parts, [&](int64_t i) {
    int64_t offset = cut.offset(i);
    gradient(cut.block(i), at(dy, dy_type, offset), a + cut.first_channel(i), at(dx, dx_type, offset));
  });
  return BN_OK;
}
