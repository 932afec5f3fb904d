// All passes of one instruction set. Included once by each of baseline.cpp, avx2.cpp and avx512.cpp, which are compiled
// with different flags: nothing in here may have linkage, or the linker could keep one copy for all.

#include <stdint.h>
#include <string.h>

#include "../fixed_point.h"
#include "kernels.h"

// The next loop's iterations do not depend on each other, even where an output is an input.
#if defined(__clang__)
#define BN_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define BN_UNROLL_4 _Pragma("clang loop unroll_count(4)")
#else
#define BN_INDEPENDENT _Pragma("GCC ivdep")
#define BN_UNROLL_4 _Pragma("GCC unroll 4")
#endif

namespace {
#include "element.inl"
#include "exact_tile.inl"
#include "gradient_sums.inl"
#include "input_gradient.inl"
#include "normalise.inl"
#include "statistics.inl"
}  // namespace

#define BN_KERNELS                                                                                               \
  {                                                                                                              \
    {add_statistics<float>, add_statistics<double>},                                                             \
        {{add_gradient_sums<float, float>, add_gradient_sums<float, double>},                                    \
         {add_gradient_sums<double, float>, add_gradient_sums<double, double>}},                                 \
        {{normalise<float, float>, normalise<float, double>},                                                    \
         {normalise<double, float>, normalise<double, double>}},                                                 \
        {{{input_gradient<float, float, float>, input_gradient<float, float, double>},                           \
          {input_gradient<float, double, float>, input_gradient<float, double, double>}},                        \
         {{input_gradient<double, float, float>, input_gradient<double, float, double>},                         \
          {input_gradient<double, double, float>, input_gradient<double, double, double>}}},                     \
        {{frozen_input_gradient<float, float>, frozen_input_gradient<float, double>},                            \
         {frozen_input_gradient<double, float>, frozen_input_gradient<double, double>}},                         \
  }
