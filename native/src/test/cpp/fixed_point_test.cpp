// Exact sums in fixed point against school arithmetic.
#include "fixed_point.h"

#include "exact.h"

namespace {

struct Format {
  const char* name;
  FixedPoint format;
  bool product;
  int lowest_exponent;  // of the values, or of the factors of a product
  int highest_exponent;
  int precision;
};

const Format FORMATS[] = {
    {"f32", linear_format(BN_F32), false, -149, 127, 24},
    {"f64", linear_format(BN_F64), false, -1074, 1023, 53},
    {"f32 products", product_format(BN_F32, BN_F32), true, -149, 127, 24},
    {"f64 products", product_format(BN_F64, BN_F64), true, -1074, 1023, 53},
};

struct Sum {
  FixedPoint format;
  std::vector<uint64_t> limbs;

  explicit Sum(FixedPoint f) : format(f), limbs(f.limbs) {}

  Exact exact() const { return exact_of_limbs(limbs.data(), format.limbs, format.lowest); }
};

#define CHECK_EXACT(expected, sum)           \
  if (compare(expected, (sum).exact()) != 0) \
  fail(__FILE__, __LINE__, "expected " + shown(expected) + ", found " + shown((sum).exact()))

// A value of the format's type, subnormals included.
double value_in(Random& random, const Format& f) {
  double value = random_double(random, f.lowest_exponent, f.highest_exponent, f.precision);
  if (f.precision == 24) value = (float)value;
  return random.one_in(20) ? copysign(0.0, value) : value;
}

void add(Sum& sum, Exact& expected, bool product, double a, double b) {
  if (product) {
    fixed_add_product(sum.limbs.data(), sum.format, a, b);
    expected = expected + Exact(a) * Exact(b);
  } else {
    fixed_add(sum.limbs.data(), sum.format, a);
    expected = expected + Exact(a);
  }
}

void random_sums(Random& random, const Format& f) {
  for (int round = 0; round < scaled(200); round++) {
    at_case(f.name, ", random sum ", round);
    Sum sum(f.format);
    Exact expected;
    std::vector<std::pair<double, double>> values;
    for (int i = 0; i < 60; i++) {
      values.push_back({value_in(random, f), value_in(random, f)});
      add(sum, expected, f.product, values.back().first, values.back().second);
      CHECK_EXACT(expected, sum);
    }
    // Taken away in another order, nothing is left.
    for (size_t i = 0; i < values.size(); i++) {
      std::swap(values[i], values[random.below((int64_t)values.size())]);
    }
    for (auto [a, b] : values) add(sum, expected, f.product, -a, b);
    CHECK_EXACT(Exact(), sum);
    CHECK_ALL_EQUAL(Sum(f.format).limbs.data(), sum.limbs.data(), sum.limbs.size());
  }
}

// −unit then +unit: a borrow to the top limb and a carry back, from every bit.
void carries(const Format& f) {
  for (int e = f.lowest_exponent; e <= f.highest_exponent; e++) {
    at_case(f.name, ", carry from 2^", e);
    double unit = ldexp(1, e), other = f.product ? ldexp(1, f.lowest_exponent) : 1;
    for (double sign : {1.0, -1.0}) {
      Sum sum(f.format);
      Exact expected;
      add(sum, expected, f.product, -sign * unit, other);
      CHECK_EXACT(expected, sum);
      CHECK_EQUAL(sign > 0, sum.limbs.back() >> 63 != 0);
      add(sum, expected, f.product, sign * ldexp(1, f.lowest_exponent), other);
      CHECK_EXACT(expected, sum);
      add(sum, expected, f.product, sign * unit, other);
      CHECK_EXACT(expected, sum);
      add(sum, expected, f.product, -sign * ldexp(1, f.lowest_exponent), other);
      CHECK_EXACT(Exact(), sum);
    }
  }
}

// As if 2^63 − 1 of the largest values had been added: the sign limb holds.
void largest_sums(const Format& f) {
  double largest = f.precision == 24 ? 0x1.fffffep127 : 0x1.fffffffffffffp1023;
  for (double sign : {1.0, -1.0}) {
    at_case(f.name, ", largest sum, sign ", sign);
    Sum sum(f.format);
    Exact expected;
    add(sum, expected, f.product, sign * largest, largest);
    add(sum, expected, f.product, sign * ldexp(1, f.lowest_exponent), ldexp(1, f.lowest_exponent));
    Sum one = sum;
    Exact once = expected;
    for (int doubling = 0; doubling < 62; doubling++) {
      Sum copy = sum;
      fixed_merge(sum.limbs.data(), copy.limbs.data(), f.format.limbs);
      fixed_merge(sum.limbs.data(), one.limbs.data(), f.format.limbs);
      expected = expected + expected + once;
      CHECK_EXACT(expected, sum);
      CHECK_EQUAL(sign < 0, sum.limbs.back() >> 63 != 0);
    }
    CHECK_EXACT(once * Exact(INT64_MAX), sum);
  }
}

void merges(Random& random, const Format& f) {
  for (int round = 0; round < scaled(300); round++) {
    at_case(f.name, ", merge ", round);
    Sum left(f.format), right(f.format);
    Exact expected;
    for (int i = 0; i < 5; i++) {
      double a = value_in(random, f), b = value_in(random, f);
      add(left, expected, f.product, a, b);
      a = random.one_in(3) ? -a : value_in(random, f);
      add(right, expected, f.product, a, b);
    }
    fixed_merge(left.limbs.data(), right.limbs.data(), f.format.limbs);
    CHECK_EXACT(expected, left);
  }
}

// Numbers a tile drains: binary64 values with zeros below the format's lowest bit.
void zeros_below(const Format& f) {
  for (int e = f.format.lowest; e < f.format.lowest + 120; e++) {
    at_case(f.name, ", 2^", e);
    if (e < -1074) continue;
    Sum sum(f.format);
    fixed_add(sum.limbs.data(), f.format, ldexp(1, e));
    fixed_add(sum.limbs.data(), f.format, -ldexp(1, e + 40));
    CHECK_EXACT(power_of_two(e) - power_of_two(e + 40), sum);
  }
}

// Every f16 is an f32, and so are its sums.
void formats_of_f16() {
  at_case("formats of f16");
  CHECK_EQUAL(linear_format(BN_F32).limbs, linear_format(BN_F16).limbs);
  CHECK_EQUAL(linear_format(BN_F32).lowest, linear_format(BN_F16).lowest);
  for (int other : {BN_F16, BN_F32, BN_F64}) {
    FixedPoint expected = product_format(BN_F32, other);
    for (FixedPoint found : {product_format(BN_F16, other), product_format(other, BN_F16)}) {
      CHECK_EQUAL(expected.limbs, found.limbs);
      CHECK_EQUAL(expected.lowest, found.lowest);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Random random = start(argc, argv);
  formats_of_f16();
  for (const Format& f : FORMATS) {
    random_sums(random, f);
    carries(f);
    largest_sums(f);
    merges(random, f);
    zeros_below(f);
  }
}
