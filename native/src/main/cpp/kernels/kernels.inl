// All passes of one instruction set. Included once by each of baseline.cpp, avx2.cpp and avx512.cpp, which are compiled
// with different flags: nothing in here may have linkage, or the linker could keep one copy for all.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <type_traits>

#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
// Of gcc 12's own header, where it says that a value does not matter (gcc PR 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "../fixed_point.h"
#include "kernels.h"

// The next loop's iterations do not depend on each other, even where an output is an input.
#if defined(__clang__)
#define BN_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define BN_UNROLL_2 _Pragma("clang loop unroll_count(2)")
#define BN_UNROLL_4 _Pragma("clang loop unroll_count(4)")
#define BN_UNROLL_8 _Pragma("clang loop unroll_count(8)")
#else
#define BN_INDEPENDENT _Pragma("GCC ivdep")
#define BN_UNROLL_2 _Pragma("GCC unroll 2")
#define BN_UNROLL_4 _Pragma("GCC unroll 4")
#define BN_UNROLL_8 _Pragma("GCC unroll 8")
#endif

// Not worth a copy at each place that calls it.
#define SHARED __attribute__((noinline))

namespace {
#include "element.inl"
#include "vector.inl"
#include "window.inl"
#include "slow_roads.inl"
#include "strip.inl"
#include "few_rows.inl"
#include "columns.inl"
#include "runs.inl"
#include "elements.inl"
#include "gradient_sums.inl"
#include "input_gradient.inl"
#include "normalise.inl"
#include "estimates.inl"
#include "short_sums.inl"
#include "parameters.inl"
#include "forms.inl"
#include "pairs.inl"
#include "statistics.inl"
}  // namespace

// The instantiations of a pass, in the order of BN_F16, BN_F32 and BN_F64.
#define BN_EACH(pass) {pass<Half>, pass<float>, pass<double>}
#define BN_EACH_AFTER(pass, ...) {pass<__VA_ARGS__, Half>, pass<__VA_ARGS__, float>, pass<__VA_ARGS__, double>}
#define BN_PAIRS(pass) {BN_EACH_AFTER(pass, Half), BN_EACH_AFTER(pass, float), BN_EACH_AFTER(pass, double)}
#define BN_PAIRS_AFTER(pass, T) \
  {BN_EACH_AFTER(pass, T, Half), BN_EACH_AFTER(pass, T, float), BN_EACH_AFTER(pass, T, double)}
#define BN_TRIPLES(pass) {BN_PAIRS_AFTER(pass, Half), BN_PAIRS_AFTER(pass, float), BN_PAIRS_AFTER(pass, double)}

#define BN_WIDTHS(pass) {pass<false>, pass<true>}

#define BN_KERNELS                                                      \
  {                                                                     \
    BN_EACH(add_statistics),                           /* x */          \
        BN_PAIRS(add_gradient_sums),                   /* dy, x */      \
        BN_PAIRS(merge_terms),                         /* dy, x */      \
        BN_PAIRS(normalise),                           /* x, y */       \
        BN_TRIPLES(input_gradient),                    /* dy, x, dx */  \
        BN_PAIRS(frozen_input_gradient),               /* dy, dx */     \
        BN_WIDTHS(parameters),                                          \
        BN_WIDTHS(unbiased_variance),                                   \
        given_inverse_std,                                              \
        BN_WIDTHS(gradient_parameters),                                 \
        BN_WIDTHS(frozen_gradient_parameters),                          \
        BN_EACH(widen_rows),                           /* x */          \
        BN_EACH(centre_rows),                          /* x */          \
        cut_slice,                                                      \
        BN_WIDTHS(add_to_pairs),                                        \
        BN_WIDTHS(add_product_to_pair),                                 \
        BN_WIDTHS(covariances),                                         \
        projections,                                                    \
        quadratic_forms                                                 \
  }
