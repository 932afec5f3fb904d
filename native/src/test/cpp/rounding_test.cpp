// RN_T of ratios and of ratios to a root: by the definition, as inequalities between integers.
#include "rounding.h"

#include "batchnorm.h"
#include "exact.h"

namespace {

Exact exact_of(const Integer& a) {
  Exact result;
  for (int i = 0; i < a.count; i++) {
    result.digits.push_back((uint32_t)a.limbs[i]);
    result.digits.push_back((uint32_t)(a.limbs[i] >> 32));
  }
  drop_zeros(result.digits);
  result.negative = a.negative;
  result.exponent = a.exponent;
  return result;
}

void check_ratio(const Integer& n, const Integer& d) {
  Exact u = exact_of(n), v = exact_of(d);
  CHECK_ROUNDED(u, v, RATIO, false, ratio(n, d, BN_F64));
  CHECK_ROUNDED(u, v, RATIO, true, ratio(n, d, BN_F32));
}

void check_both(const Integer& n, const Integer& d) {
  check_ratio(n, d);
  if (d.negative) return;
  Exact u = exact_of(n), v = exact_of(d);
  CHECK_ROUNDED(u, v, RATIO_TO_ROOT, false, ratio_to_root(n, d, BN_F64));
  CHECK_ROUNDED(u, v, RATIO_TO_ROOT, true, ratio_to_root(n, d, BN_F32));
}

Integer random_integer(Random& random, int limbs, int exponent) {
  Integer result;
  result.count = 1 + (int)random.below(limbs);
  int mode = (int)random.below(4);
  for (int i = 0; i < result.count; i++) {
    result.limbs[i] = mode == 0 ? random.bits() : mode == 1 ? ~(uint64_t)0 : mode == 2 ? 1 : random.bits() >> 40;
  }
  if (mode != 1 && random.one_in(2)) result.limbs[result.count - 1] |= (uint64_t)1 << 63;
  result.negative = random.one_in(2);
  result.exponent = exponent;
  return plus(result, Integer());
}

Integer small(int64_t value, int exponent = 0) {
  Integer result = Integer::of((uint64_t)(value < 0 ? -value : value));
  result.negative = value < 0;
  result.exponent = exponent;
  return result;
}

void random_numbers(Random& random) {
  for (int limbs : {1, 2, 3, 8, 40}) {
    for (int round = 0; round < scaled(limbs > 8 ? 500 : 3000); round++) {
      at_case("random, ", limbs, " limbs, round ", round);
      Integer n = random_integer(random, limbs, 0), d = random_integer(random, limbs, 0);
      if (n.is_zero() || d.is_zero()) continue;
      // Results from below the smallest to beyond the largest of both types.
      int range = random.one_in(2) ? 160 : 1100;
      int magnitude = random.between(-range, range);
      n.exponent = magnitude + d.bits() - n.bits();
      check_both(n, d);
      d.negative = false;
      d.exponent = -2 * n.exponent - 2 * n.bits() + 2 * magnitude + random.between(-1, 1);
      check_both(n, d);
    }
  }
}

// Numbers one unit, and far less, away from a midpoint and on it, everywhere a format has edges.
void midpoints(Random& random) {
  for (bool binary32 : {false, true}) {
    int precision = binary32 ? 24 : 53, lowest = binary32 ? -149 : -1074, highest = binary32 ? 128 : 1024;
    for (int round = 0; round < scaled(3000); round++) {
      // r + half an ulp, r with its last bit in units of 2^e.
      int e = round % 3 == 0   ? lowest
              : round % 3 == 1 ? highest - precision
                               : random.between(lowest, highest - precision);
      int64_t k = (int64_t)(random.bits() >> (64 - precision));
      if (e != lowest) k |= (int64_t)1 << (precision - 1);
      if (random.one_in(8)) k = ((int64_t)1 << precision) - 1;
      if (random.one_in(8)) k = e == lowest ? random.below(3) : (int64_t)1 << (precision - 1);
      at_case(binary32 ? "f32" : "f64", " midpoint above ", k, " * 2^", e);
      int64_t m = 3 + 2 * random.below(1000);
      Integer d = small(m), n = times(small(2 * k + 1, e - 1), d);
      if (random.one_in(2)) n.negative = true;
      check_both(n, d);
      double even = ldexp((double)(k + (k & 1)), e), found = ratio(n, d, binary32 ? BN_F32 : BN_F64);
      CHECK_EQUAL(binary32 && even >= 0x1p128 ? HUGE_VAL : even, fabs(found));
      CHECK_EQUAL(n.negative, signbit(found));
      for (int away : {-1, -60, -64, -70, -128, -129, -300}) {
        Integer nudge = small(1, e + away);
        check_both(plus(n, nudge), d);
        check_both(minus(n, nudge), d);
      }
      // The same midpoint as a ratio to the root of a square.
      Integer square = times(d, d);
      CHECK_EQUAL(found, ratio_to_root(n, square, binary32 ? BN_F32 : BN_F64));
      check_both(n, square);
      Integer nudge = small(1, -200);
      check_both(n, plus(square, nudge));
      check_both(n, minus(square, nudge));
    }
  }
}

void named_cases() {
  at_case("named");
  Integer one = small(1), none;
  CHECK_EQUAL(0.0, ratio(none, small(-3), BN_F64));
  CHECK_EQUAL(0.0, ratio(minus(small(-2), small(-2)), one, BN_F64));
  CHECK_EQUAL(0.0, ratio_to_root(none, small(3), BN_F32));
  CHECK_EQUAL(1.0 / 3, ratio(one, small(3), BN_F64));
  CHECK_EQUAL((double)(1.0f / 3), ratio(one, small(3), BN_F32));
  CHECK_EQUAL(-2.5, ratio(small(5), small(-2), BN_F64));
  CHECK_EQUAL(0.5, ratio_to_root(one, small(4), BN_F64));
  CHECK_EQUAL(-0x1.6a09e667f3bcdp0, ratio_to_root(small(-2), small(2), BN_F64));
  // Beyond the largest: the midpoint goes to infinity, what is below it stays.
  Integer f64_edge = small(((int64_t)1 << 54) - 1, 970), f32_edge = small(((int64_t)1 << 25) - 1, 103);
  CHECK_EQUAL(HUGE_VAL, ratio(f64_edge, one, BN_F64));
  CHECK_EQUAL(0x1.fffffffffffffp1023, ratio(minus(f64_edge, small(1, -1074)), one, BN_F64));
  CHECK_EQUAL(HUGE_VAL, ratio(f32_edge, one, BN_F32));
  CHECK_EQUAL(0x1.fffffep127, ratio(minus(f32_edge, small(1, -1074)), one, BN_F32));
  CHECK_EQUAL(-HUGE_VAL, ratio(small(-1, 5000), one, BN_F32));
  // Below the smallest: the midpoint goes to zero, with its sign.
  CHECK_EQUAL(0.0, ratio(small(1, -1075), one, BN_F64));
  CHECK_EQUAL(-0.0, ratio(small(-1, -1075), one, BN_F64));
  CHECK_EQUAL(0x1p-1074, ratio(plus(small(1, -1075), small(1, -2148)), one, BN_F64));
  CHECK_EQUAL(-0.0, ratio(small(1, -150), small(-1), BN_F32));
  CHECK_EQUAL(0x1p-149, ratio(plus(small(1, -150), small(1, -1500)), one, BN_F32));
  CHECK_EQUAL(-0.0, ratio(small(-1, -5000), one, BN_F64));
  CHECK_EQUAL(0.0, ratio_to_root(one, small(1, 2150), BN_F64));
  CHECK_EQUAL(0x1p-1074, ratio_to_root(one, minus(small(1, 2150), one), BN_F64));
  // f32 directly: by way of binary64 the first would become a midpoint and go to the even neighbour below.
  Integer above = plus(plus(small(1), small(1, -24)), small(1, -60));
  CHECK_EQUAL(0x1.000002p0, ratio(above, one, BN_F32));
  CHECK_EQUAL(1.0, (double)(float)ratio(above, one, BN_F64));
  Integer below = minus(plus(small(1), small(3, -24)), small(1, -60));
  CHECK_EQUAL(0x1.000002p0, ratio(below, one, BN_F32));
  CHECK_EQUAL(0x1.000004p0, (double)(float)ratio(below, one, BN_F64));
}

// A digit of Knuth's division that is estimated too large by two, in a quotient one below a midpoint.
void estimate_too_large_by_two() {
  at_case("estimate too large by two");
  Integer d = plus(small(1, 127), Integer::of(~(uint64_t)0));
  Integer n = plus(times(d, small(1, 64)), times(Integer::of((uint64_t)0 - 2047), small(1, 127)));
  check_ratio(n, d);
}

// Sizes from parameters.cpp at their largest, and divisors that make estimates of digits too large.
void largest(Random& random) {
  for (int round = 0; round < scaled(100); round++) {
    at_case("largest, round ", round);
    Integer b = random_integer(random, 68, 0);
    while (b.count < 68) b = random_integer(random, 68, 0);
    Integer n = random_integer(random, 68, 0);
    n.negative = false;
    if (n.is_zero()) continue;
    check_both(b, n);
    check_both(n, times(b, b));
    check_ratio(times(b, b), n);
    check_both(b, small(1 + random.below(1000)));
    check_both(small(1 + random.below(1000)), times(n, n));
  }
  for (int round = 0; round < scaled(20000); round++) {
    at_case("estimates, round ", round);
    Integer d;
    d.count = 2 + (int)random.below(2);
    for (int i = 0; i < d.count; i++) {
      int kind = (int)random.below(3);
      d.limbs[i] = kind == 0 ? ~(uint64_t)0 >> random.below(3) : kind == 1 ? (uint64_t)random.below(3) : random.bits();
    }
    d.limbs[d.count - 1] =
        random.one_in(2) ? (uint64_t)1 << 63 : d.limbs[d.count - 1] | (uint64_t)1 << random.below(64);
    d = plus(d, Integer());
    // A dividend just below a multiple of the divisor.
    Integer q = random.one_in(2) ? Integer::of(~(uint64_t)0 - random.below(3)) : Integer::of(random.bits() | 1);
    Integer n = minus(times(times(q, Integer::of(~(uint64_t)0)), d), small(random.below(3)));
    n.negative = false;
    if (n.is_zero()) continue;
    check_both(n, d);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Random random = start(argc, argv);
  named_cases();
  random_numbers(random);
  midpoints(random);
  estimate_too_large_by_two();
  largest(random);
}
