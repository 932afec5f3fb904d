// What a matrix makes of units of weights: wᵀSw (R3) and vᵀw (R5), each rounded once.
//
// The kernels round most of them from estimates (kernels/forms.inl); the others are rounded here, from integers.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#include "batchnorm.h"
#include "cut.h"
#include "kernels/kernels.h"
#include "parallel.h"
#include "rounding.h"

namespace {

// Sizes of the numbers other than 0.
struct Sizes {
  double smallest = HUGE_VAL;
  double largest = 0;
  bool is_finite = true;

  void add(double value) {
    double size = fabs(value);
    is_finite &= size < HUGE_VAL;
    if (size == 0) return;
    smallest = std::min(smallest, size);
    largest = std::max(largest, size);
  }
};

// Whether all products of a number of `a` with one or two of `b` are such that nothing over- or underflows in an estimate.
bool is_moderate(const Sizes& a, const Sizes& b) {
  const double lowest = 0x1p-220, highest = 0x1p220;
  return a.smallest >= lowest && b.smallest >= lowest && a.largest <= highest && b.largest <= highest;
}

double widened(int type, const void* values, int64_t index) {
  if (type == BN_F64) return ((const double*)values)[index];
  if (type == BN_F32) return ((const float*)values)[index];
  uint16_t bits = ((const uint16_t*)values)[index];
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double size = exponent == 0    ? ldexp(fraction, -24)
                : exponent < 31  ? ldexp(1024 + fraction, exponent - 25)
                : fraction == 0 ? HUGE_VAL
                                 : __builtin_nan("");
  return (bits & 0x8000) != 0 ? -size : size;
}

// Σ a_i·b_(i·stride), exactly.
Integer product(int64_t count, const double* a, const double* b, int64_t stride) {
  uint64_t limbs[BN_F64_PRODUCT_LIMBS] = {};
  FixedPoint format = product_format(BN_F64, BN_F64);
  for (int64_t i = 0; i < count; i++) {
    if (a[i] != 0 && b[i * stride] != 0) fixed_add_product(limbs, format, a[i], b[i * stride]);
  }
  return Integer::of(limbs, format.limbs, format.lowest);
}

Integer form(int64_t count, const double* s, const double* panel) {
  Integer sum = Integer::of((uint64_t)0);
  for (int64_t i = 0; i < count; i++) {
    double w = panel[i * PANEL];
    if (w != 0) sum = plus(sum, times(Integer::of(w), product(count, s + i * count, panel, PANEL)));
  }
  return sum;
}

// Panels of units, each made and used by one task: estimate(panel, result, undecided), then for units left
// finish(the unit in its panel).
template <class Estimate, class Finish>
int32_t for_panels(bn_how how, int64_t rows, int64_t units, int type, const void* w, const Sizes& sizes, double* to,
                   const Estimate& estimate, const Finish& finish) {
  int64_t panels = (units + PANEL - 1) / PANEL;
  int64_t parts = std::min<int64_t>(std::max(how.threads, 1), panels);
  if (panels == 0) return BN_OK;
  double* memory = (double*)malloc(sizeof(double) * (size_t)(parts * (rows + 1) * PANEL));
  if (memory == nullptr) return BN_OUT_OF_MEMORY;
  parallel(how.threads, parts, [&](int64_t part) {
    double* panel = memory + part * (rows + 1) * PANEL;
    for (int64_t first = part * PANEL; first < units; first += parts * PANEL) {
      int64_t count = std::min<int64_t>(PANEL, units - first);
      Sizes of[PANEL];
      for (int64_t i = 0; i < rows; i++) {
        for (int64_t k = 0; k < PANEL; k++) {
          double value = k < count ? widened(type, w, i * units + first + k) : 0;
          of[k].add(value);
          panel[i * PANEL + k] = of[k].is_finite ? value : 0;
        }
      }
      double result[PANEL];
      int64_t undecided[PANEL];
      estimate(panel, result, undecided);
      for (int64_t k = 0; k < count; k++) {
        if (!sizes.is_finite || !of[k].is_finite) {
          result[k] = __builtin_nan("");
        } else if (undecided[k] != 0 || !is_moderate(sizes, of[k])) {
          result[k] = ratio(finish(panel + k), Integer::of((uint64_t)1), BN_F64);
        }
        to[first + k] = result[k];
      }
    }
  });
  free(memory);
  return BN_OK;
}

}  // namespace

int32_t bn_projections(bn_how how, int64_t rows, int64_t units, const double* v, int32_t w_type, const void* w,
                       double* to) {
  Sizes sizes;
  for (int64_t i = 0; i < rows; i++) sizes.add(v[i]);
  return for_panels(
      how, rows, units, w_type, w, sizes, to,
      [&](const double* panel, double* result, int64_t* undecided) {
        kernels(how.isa).projections(rows, v, panel, result, undecided);
      },
      [&](const double* panel) { return product(rows, v, panel, PANEL); });
}

int32_t bn_quadratic_forms(bn_how how, int64_t rows, int64_t units, const double* s, int32_t w_type, const void* w,
                           double* to) {
  Sizes sizes;
  for (int64_t i = 0; i < rows * rows; i++) sizes.add(s[i]);
  int32_t status = for_panels(
      how, rows, units, w_type, w, sizes, to,
      [&](const double* panel, double* result, int64_t* undecided) {
        kernels(how.isa).quadratic_forms(rows, s, panel, result, undecided);
      },
      [&](const double* panel) { return form(rows, s, panel); });
  for (int64_t k = 0; k < units; k++) to[k] = to[k] <= 0 ? 0 : to[k];  // (R3), and no −0
  return status;
}
