// F1–F3, F6 and B1–B4 per channel, against the formulas in school arithmetic over the values themselves.
#include <math.h>

#include "data.h"
#include "sums.h"

namespace {

const bn_how HOW = {BN_BASELINE, 1};
const double INFINITE = HUGE_VAL, NOT_A_NUMBER = __builtin_nan("");

// Σx, Σx² and so on, from the values.
struct Channel {
  int64_t m = 0;
  Exact x, xx, dy, dyx;

  void add(double x_value, double dy_value) {
    m++;
    x = x + Exact(x_value);
    xx = xx + Exact(x_value) * Exact(x_value);
    dy = dy + Exact(dy_value);
    dyx = dyx + Exact(dy_value) * Exact(x_value);
  }

  Exact count() const { return Exact(m); }
  Exact spread() const { return count() * xx - x * x; }                                   // m²·V
  Exact with_eps(double eps) const { return spread() + Exact(eps) * count() * count(); }  // m²·(V + ε)
  Exact b() const { return count() * dyx - x * dy; }                                      // m·B
};

struct Results {
  double mean, mean_lo, variance, inverse_std, unbiased, k1, k1_lo, k2, dgamma, dbeta;
};

Results results_of(Sums& x, Sums& g, int64_t c, int x_type, int dy_type, double eps, int result_type) {
  bn_sums one = x.channel(c), gradients = g.channel(c);
  Results r;
  CHECK_EQUAL(BN_OK, bn_parameters(HOW, 1, x_type, one, eps, &r.mean, &r.mean_lo, &r.variance, &r.inverse_std));
  CHECK_EQUAL(BN_OK, bn_unbiased_variance(HOW, 1, x_type, one, &r.unbiased));
  CHECK_EQUAL(BN_OK, bn_gradient_parameters(HOW, 1, dy_type, x_type, gradients, one, eps, result_type, &r.k1, &r.k1_lo,
                                            &r.k2, &r.dgamma, &r.dbeta));
  return r;
}

void check_finite_channel(const Channel& e, const Results& r, double eps, int result_type) {
  Exact m = e.count(), one((int64_t)1), n = e.with_eps(eps);
  bool f32 = result_type == BN_F32;
  CHECK_ROUNDED(e.x, m, RATIO, false, r.mean);                                      // (F1)
  CHECK_ROUNDED(e.x - Exact(r.mean) * m, m, RATIO, false, r.mean_lo);               // (F4)
  CHECK_ROUNDED(e.spread(), m * m, RATIO, false, r.variance);                       // (F2)
  if (e.m > 1) CHECK_ROUNDED(e.spread(), m * (m - one), RATIO, false, r.unbiased);  // (F6)
  CHECK_ROUNDED(e.dy, one, RATIO, f32, r.dbeta);                                    // (B1)
  CHECK_ROUNDED(e.dy, m, RATIO, false, r.k1);
  CHECK_ROUNDED(e.dy - Exact(r.k1) * m, m, RATIO, false, r.k1_lo);
  if (n.is_zero()) {
    CHECK_EQUAL(INFINITE, r.inverse_std);
    CHECK_EQUAL(0.0, r.dgamma);
    CHECK_EQUAL(0.0, r.k2);
    return;
  }
  CHECK_ROUNDED(m, n, RATIO_TO_ROOT, false, r.inverse_std);  // (F3)
  CHECK_ROUNDED(e.b(), n, RATIO_TO_ROOT, f32, r.dgamma);     // (B2)
  CHECK_ROUNDED(e.b(), n, RATIO, false, r.k2);               // (B3)
}

void check_frozen(const Channel& e, Sums& g, int64_t c, int dy_type, int x_type, double mean, double variance,
                  double eps, int result_type) {
  double dgamma, dbeta, inverse_std;
  bn_sums gradients = g.channel(c);
  CHECK_EQUAL(BN_OK, bn_frozen_gradient_parameters(HOW, 1, dy_type, x_type, gradients, &mean, &variance, eps,
                                                   result_type, &dgamma, &dbeta));
  CHECK_EQUAL(BN_OK, bn_given_inverse_std(HOW, 1, &variance, eps, &inverse_std));
  Exact one((int64_t)1), b = e.dyx - Exact(mean) * e.dy, n = Exact(variance) + Exact(eps);
  bool f32 = result_type == BN_F32;
  CHECK_ROUNDED(e.dy, one, RATIO, f32, dbeta);
  if (n.is_zero()) {
    CHECK_EQUAL(INFINITE, inverse_std);
    CHECK_EQUAL(b.is_zero() ? NOT_A_NUMBER : b.negative ? -INFINITE : INFINITE, dgamma);
    return;
  }
  CHECK_ROUNDED(one, n, RATIO_TO_ROOT, false, inverse_std);  // (F3)
  CHECK_ROUNDED(b, n, RATIO_TO_ROOT, f32, dgamma);           // (B4)
}

template <class X, class DY>
void random_channels(Random& random) {
  for (int round = 0; round < scaled(3000); round++) {
    int kinds[] = {PLAIN, FAR_FROM_ZERO, WHOLE_RANGE, LIMITED_SPREAD, ZEROS, EXTREMES, SUBNORMAL, ALL_ONES};
    int kind_x = kinds[random.below(8)], kind_dy = kinds[random.below(8)];
    int64_t m = random.one_in(3) ? 4 : 1 + random.below(12);  // four values: many midpoints
    std::vector<X> x = values_of<X>(random, kind_x, m);
    std::vector<DY> dy = values_of<DY>(random, kind_dy, m);
    if (random.one_in(5)) {
      for (X& value : x) value = (X)random.between(-20, 20);
      for (DY& value : dy) value = (DY)random.between(-3, 3);
    }
    const double epsilons[] = {0, 1e-5, 1e-300, 0x1p-1074, 1, 1e300, 0x1.fffffffffffffp1023};
    double eps = random.one_in(2) ? epsilons[random.below(2)] : epsilons[random.below(7)];
    int result_type = random.one_in(2) ? BN_F32 : BN_F64;
    at_case("x f", 8 * sizeof(X), " ", name_of(kind_x), ", dy f", 8 * sizeof(DY), " ", name_of(kind_dy), ", m ", m,
            ", eps ", eps, ", result type ", result_type, ", round ", round);
    Channel expected;
    Sums sums(1, TYPE<X>, TYPE<X>), gradients(1, TYPE<DY>, TYPE<X>);
    for (int64_t i = 0; i < m; i++) {
      expected.add(x[i], dy[i]);
      sums.add(0, x[i], x[i], true);
      gradients.add(0, dy[i], x[i], false);
    }
    check_finite_channel(expected, results_of(sums, gradients, 0, TYPE<X>, TYPE<DY>, eps, result_type), eps,
                         result_type);
    double mean = random.one_in(4) ? (double)x[0] : random_double(random, -1074, 1023);
    double variance = random.one_in(4) ? 0 : fabs(random_double(random, -1074, 1023));
    check_frozen(expected, gradients, 0, TYPE<DY>, TYPE<X>, mean, variance, eps, result_type);
    check_frozen(expected, gradients, 0, TYPE<DY>, TYPE<X>, 0.5, 2, eps, result_type);
    if (eps > 0) check_frozen(expected, gradients, 0, TYPE<DY>, TYPE<X>, 0.5, -eps / 2, eps, result_type);
  }
}

// Values one can check by hand: x = 1, 2, 3, 4 and dy = 1, 0, 0, 1.
void by_hand() {
  at_case("by hand");
  Sums sums(1, BN_F32, BN_F32), gradients(1, BN_F32, BN_F32);
  const double dy[] = {1, 0, 0, 3};
  for (int i = 0; i < 4; i++) {
    sums.add(0, i + 1, i + 1, true);
    gradients.add(0, dy[i], i + 1, false);
  }
  Results r = results_of(sums, gradients, 0, BN_F32, BN_F32, 0, BN_F32);
  CHECK_EQUAL(2.5, r.mean);
  CHECK_EQUAL(0.0, r.mean_lo);
  CHECK_EQUAL(1.25, r.variance);
  CHECK_EQUAL(5.0 / 3, r.unbiased);
  CHECK_EQUAL((double)(1 / sqrtl(1.25L)), r.inverse_std);
  CHECK_EQUAL(4.0, r.dbeta);
  CHECK_EQUAL(1.0, r.k1);
  CHECK_EQUAL(0.0, r.k1_lo);
  CHECK_EQUAL((double)(float)(3 / sqrtl(1.25L)), r.dgamma);  // B = 13 − 10·4/4
  CHECK_EQUAL(0.6, r.k2);                                    // B/(m·V) = 3/5
  // 2⁵³ + 1 is a midpoint: the even neighbour, and the rest in mean_lo.
  Sums wide(1, BN_F64, BN_F64), none(1, BN_F64, BN_F64);
  wide.add(0, 0x1p53, 0x1p53, true);
  wide.add(0, 0x1p53 + 2, 0x1p53 + 2, true);
  r = results_of(wide, none, 0, BN_F64, BN_F64, 3, BN_F64);
  CHECK_EQUAL(0x1p53, r.mean);
  CHECK_EQUAL(1.0, r.mean_lo);
  CHECK_EQUAL(1.0, r.variance);
  CHECK_EQUAL(2.0, r.unbiased);
  CHECK_EQUAL(0.5, r.inverse_std);
}

void empty_channel() {
  at_case("count 0");
  Sums sums(1, BN_F32, BN_F32), gradients(1, BN_F32, BN_F32);
  Results r = results_of(sums, gradients, 0, BN_F32, BN_F32, 1e-5, BN_F32);
  for (double value : {r.mean, r.mean_lo, r.variance, r.inverse_std}) CHECK_EQUAL(NOT_A_NUMBER, value);
  for (double value : {r.dgamma, r.dbeta, r.k1, r.k1_lo, r.k2}) CHECK_EQUAL(0.0, value);
}

void constant_channel() {
  for (double eps : {0.0, 0.25}) {
    at_case("constant channel, eps ", eps);
    Channel expected;
    Sums sums(1, BN_F64, BN_F64), gradients(1, BN_F64, BN_F64);
    for (int i = 0; i < 7; i++) {
      double dy = i - 1;
      expected.add(0.1, dy);
      sums.add(0, 0.1, 0.1, true);
      gradients.add(0, dy, 0.1, false);
    }
    Results r = results_of(sums, gradients, 0, BN_F64, BN_F64, eps, BN_F64);
    CHECK_EQUAL(0.1, r.mean);
    CHECK_EQUAL(0.0, r.mean_lo);
    CHECK_EQUAL(0.0, r.variance);
    CHECK_EQUAL(0.0, r.unbiased);
    CHECK_EQUAL(eps == 0 ? INFINITE : 2.0, r.inverse_std);
    CHECK_EQUAL(0.0, r.dgamma);
    CHECK_EQUAL(0.0, r.k2);
    CHECK_EQUAL(14.0, r.dbeta);
    CHECK_EQUAL(2.0, r.k1);
    check_finite_channel(expected, r, eps, BN_F64);
  }
}

void flags() {
  for (int x_flags = 0; x_flags < 8; x_flags++) {
    for (int g_flags = 0; g_flags < 16; g_flags++) {
      at_case("flags ", x_flags, " of x, ", g_flags, " of the gradients");
      Sums sums(1, BN_F32, BN_F32), gradients(1, BN_F32, BN_F32);
      Channel expected;
      for (double value : {1.0, 2.0, 4.0}) {
        expected.add(value, -value);
        sums.add(0, value, value, true);
        gradients.add(0, -value, value, false);
      }
      sums.flags[0] = x_flags;
      gradients.flags[0] = g_flags;
      Results r = results_of(sums, gradients, 0, BN_F32, BN_F32, 1, BN_F64);
      auto sum_of = [](int flags) {
        return flags == BN_POSITIVE_INFINITY ? INFINITE : flags == BN_NEGATIVE_INFINITY ? -INFINITE : NOT_A_NUMBER;
      };
      if (x_flags != 0) {
        CHECK_EQUAL(sum_of(x_flags), r.mean);
        for (double value : {r.mean_lo, r.variance, r.inverse_std, r.unbiased}) CHECK_EQUAL(NOT_A_NUMBER, value);
      }
      if ((g_flags & 7) != 0) CHECK_EQUAL(sum_of(g_flags & 7), r.dbeta);
      if ((g_flags & 7) == 0) CHECK_EQUAL(-7.0, r.dbeta);
      if (x_flags != 0 || g_flags != 0) {
        for (double value : {r.dgamma, r.k1, r.k1_lo, r.k2}) CHECK_EQUAL(NOT_A_NUMBER, value);
      } else {
        check_finite_channel(expected, r, 1, BN_F64);
      }
      double mean = 1, variance = 2, dgamma, dbeta;
      bn_frozen_gradient_parameters(HOW, 1, BN_F32, BN_F32, gradients.view(), &mean, &variance, 1, BN_F64, &dgamma,
                                    &dbeta);
      CHECK_EQUAL(r.dbeta, dbeta);
      if (g_flags != 0) CHECK_EQUAL(NOT_A_NUMBER, dgamma);
    }
  }
}

// Given statistics that are not finite.
void given() {
  at_case("given statistics");
  const double variances[] = {INFINITE, NOT_A_NUMBER, -NOT_A_NUMBER, 0.0, -0.0, 0.25};
  const double expected[] = {0.0, NOT_A_NUMBER, NOT_A_NUMBER, INFINITE, INFINITE, 2.0};
  double found[6];
  CHECK_EQUAL(BN_OK, bn_given_inverse_std(HOW, 6, variances, 0, found));
  CHECK_ALL_EQUAL(expected, found, 6);
  struct Case {
    double mean, variance, eps, dgamma;
  };
  for (int sign : {1, -1}) {
    Sums gradients(1, BN_F64, BN_F64);
    gradients.add(0, sign * 3, 5, false);
    gradients.add(0, sign, 2, false);
    // B = 17 − 4·mean, or its opposite.
    for (const Case& c : std::vector<Case>{{1, INFINITE, 0, 0.0},
                                           {5, INFINITE, 1, -0.0},
                                           {4.25, INFINITE, 1, 0.0},
                                           {4.25, 0, 0, NOT_A_NUMBER},
                                           {4.25, 4, 0, 0.0},
                                           {1, 0, 0, INFINITE},
                                           {5, -0.0, 0, -INFINITE},
                                           {1, 4, 0, 6.5},
                                           {1, 3, 1, 6.5},
                                           {INFINITE, 1, 0, NOT_A_NUMBER},
                                           {NOT_A_NUMBER, 1, 0, NOT_A_NUMBER},
                                           {1, NOT_A_NUMBER, 0, NOT_A_NUMBER}}) {
      at_case("given mean ", c.mean, ", variance ", c.variance, ", eps ", c.eps, ", sign ", sign);
      double dgamma, dbeta;
      bn_frozen_gradient_parameters(HOW, 1, BN_F64, BN_F64, gradients.view(), &c.mean, &c.variance, c.eps, BN_F64,
                                    &dgamma, &dbeta);
      // An exact 0 is +0 and a NaN is the one NaN, whatever the sign.
      CHECK_EQUAL(c.mean == 4.25 || c.dgamma != c.dgamma ? c.dgamma : sign * c.dgamma, dgamma);
      CHECK_EQUAL(sign * 4.0, dbeta);
    }
  }
}

// 2^63 − 1 values: the sums as large and as small as they can be at once, with the widest eps.
void largest_counts() {
  for (double eps : {0.0, 0x1p-1074, 0x1.fffffffffffffp1023}) {
    for (int sign : {1, -1}) {
      at_case("largest count, eps ", eps, ", sign ", sign);
      Sums sums(1, BN_F64, BN_F64), gradients(1, BN_F64, BN_F64);
      sums.counts[0] = gradients.counts[0] = INT64_MAX;
      sums.linear_of(0)[0] = 1;
      for (int i = 0; i < 66; i++) sums.product_of(0)[i] = gradients.product_of(0)[i] = ~(uint64_t)0;
      sums.product_of(0)[66] = gradients.product_of(0)[66] = ((uint64_t)1 << (4259 - 66 * 64)) - 1;
      for (int i = 0; i < 33; i++) gradients.linear_of(0)[i] = ~(uint64_t)0;
      gradients.linear_of(0)[33] = ((uint64_t)1 << (2160 - 33 * 64)) - 1;  // a mean of binary64's size
      if (sign < 0) {
        for (int i = 0; i < 67; i++) gradients.product_of(0)[i] = ~gradients.product_of(0)[i];
      }
      Channel expected;
      expected.m = INT64_MAX;
      expected.x = exact_of_limbs(sums.linear_of(0), 34, -1074);
      expected.xx = exact_of_limbs(sums.product_of(0), 67, -2148);
      expected.dy = exact_of_limbs(gradients.linear_of(0), 34, -1074);
      expected.dyx = exact_of_limbs(gradients.product_of(0), 67, -2148);
      for (int result_type : {BN_F32, BN_F64}) {
        check_finite_channel(expected, results_of(sums, gradients, 0, BN_F64, BN_F64, eps, result_type), eps,
                             result_type);
        for (double mean : {0x1.fffffffffffffp1023, -0x1.fffffffffffffp-1023, 0x1.fffffffffffffp-10}) {
          check_frozen(expected, gradients, 0, BN_F64, BN_F64, mean, 0x1.fffffffffffffp1023, eps, result_type);
          check_frozen(expected, gradients, 0, BN_F64, BN_F64, mean, 0x1p-1074, eps, result_type);
        }
      }
    }
  }
}

// Many channels on several threads: each its own, whatever the cut.
void many_channels(Random& random) {
  for (int64_t channels : {0, 1, 15, 16, 17, 100}) {
    Sums sums(channels, BN_F32, BN_F32);
    for (int64_t c = 0; c < channels; c++) {
      for (int i = random.between(2, 5); i > 0; i--) {
        double value = (float)random.uniform();
        sums.add(c, value, value, true);
      }
    }
    std::vector<double> one[4], many[4];
    for (int i = 0; i < 4; i++) one[i] = many[i] = std::vector<double>(channels, 42);
    bn_parameters({BN_BASELINE, 1}, channels, BN_F32, sums.view(), 1e-5, one[0].data(), one[1].data(), one[2].data(),
                  one[3].data());
    for (int64_t c = 0; c < channels; c++) {
      at_case("channel ", c, " of ", channels);
      bn_sums alone = sums.channel(c);
      double r[4];
      bn_parameters(HOW, 1, BN_F32, alone, 1e-5, &r[0], &r[1], &r[2], &r[3]);
      for (int i = 0; i < 4; i++) CHECK_EQUAL(r[i], one[i][c]);
    }
    for (int threads : {2, 3, 8}) {
      at_case(channels, " channels on ", threads, " threads");
      bn_parameters({BN_BASELINE, threads}, channels, BN_F32, sums.view(), 1e-5, many[0].data(), many[1].data(),
                    many[2].data(), many[3].data());
      for (int i = 0; i < 4; i++) CHECK_ALL_EQUAL(one[i].data(), many[i].data(), channels);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Random random = start(argc, argv);
  by_hand();
  empty_channel();
  constant_channel();
  flags();
  largest_counts();
  random_channels<Half, Half>(random);
  random_channels<Half, double>(random);
  random_channels<float, Half>(random);
  random_channels<float, float>(random);
  random_channels<float, double>(random);
  random_channels<double, float>(random);
  random_channels<double, double>(random);
  many_channels(random);
  given();
}
