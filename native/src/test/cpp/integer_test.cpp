// Integers against school arithmetic.
#include "integer.h"

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

// The invariants of every result, and its value.
void check(const char* file, int line, const Exact& expected, const Integer& found) {
  if (found.count < 0 || found.count > Integer::MOST) fail(file, line, "limbs: " + std::to_string(found.count));
  if (found.count > 0 && (found.limbs[0] == 0 || found.limbs[found.count - 1] == 0)) fail(file, line, "not trimmed");
  if (found.is_zero() != expected.is_zero() || compare(expected, exact_of(found)) != 0) {
    fail(file, line, "expected " + shown(expected) + ", found " + shown(exact_of(found)));
  }
}

#define CHECK_EXACT(expected, found) check(__FILE__, __LINE__, expected, found)

// Up to `most` limbs in two's complement with runs of zeros and ones, in units of 2^lowest.
Integer random_integer(Random& random, int most, int lowest) {
  std::vector<uint64_t> limbs(1 + random.below(most));
  int mode = 0;
  for (uint64_t& limb : limbs) {
    if (random.one_in(3)) mode = (int)random.below(4);
    limb = mode == 0 ? 0 : mode == 1 ? ~(uint64_t)0 : mode == 2 ? random.bits() : random.bits() & random.bits() << 32;
  }
  Integer result = Integer::of(limbs.data(), (int)limbs.size(), lowest);
  CHECK_EXACT(exact_of_limbs(limbs.data(), (int)limbs.size(), lowest), result);
  return result;
}

void conversions(Random& random) {
  at_case("conversions");
  for (uint64_t value : {(uint64_t)0, (uint64_t)1, (uint64_t)INT64_MAX, (uint64_t)1 << 63, ~(uint64_t)0}) {
    Exact expected = Exact((int64_t)(value >> 1)) * Exact((int64_t)2) + Exact((int64_t)(value & 1));
    CHECK_EXACT(expected, Integer::of(value));
    CHECK_EQUAL(value == 0 ? 0 : 64 - __builtin_clzll(value), Integer::of(value).bits());
  }
  for (double value : {0.0, -0.0, 1.0, -1.0, 0x1p-1074, -0x1.fffffffffffffp1023, 0x1.fffffffffffffp-1023, 0x1p-1022}) {
    at_case("of ", value);
    CHECK_EXACT(Exact(value), Integer::of(value));
  }
  for (int i = 0; i < scaled(10000); i++) {
    double value = random_double(random, -1080, 1023);
    at_case("of ", value);
    CHECK_EXACT(Exact(value), Integer::of(value));
  }
  // The most negative number of every width.
  for (int limbs = 1; limbs <= 67; limbs++) {
    at_case("most negative of ", limbs, " limbs");
    std::vector<uint64_t> most(limbs);
    most.back() = (uint64_t)1 << 63;
    Integer value = Integer::of(most.data(), limbs, -2148);
    CHECK_EXACT(-power_of_two(64 * limbs - 1 - 2148), value);
    CHECK_EQUAL(1, value.count);
    CHECK_EQUAL(64, value.bits());
  }
}

void arithmetic(Random& random, int rounds, int most, int exponents) {
  for (int round = 0; round < rounds; round++) {
    at_case("arithmetic on ", most, " limbs, round ", round);
    Integer a = random_integer(random, most, random.between(-exponents, exponents));
    Integer b = random_integer(random, most, random.between(-exponents, exponents));
    if (random.one_in(4)) b.exponent = a.exponent;
    if (random.one_in(8)) b = a;
    if (random.one_in(8)) b = plus(a, Integer::of(random_double(random, a.exponent - 64, a.exponent + 64)));
    if (random.one_in(2)) b.negative = !b.negative;
    Exact u = exact_of(a), v = exact_of(b);
    CHECK_EXACT(u + v, plus(a, b));
    CHECK_EXACT(u - v, minus(a, b));
    CHECK_EXACT(v - u, minus(b, a));
    CHECK_EXACT(u * v, times(a, b));
    CHECK_EXACT(Exact(), minus(a, a));
    CHECK_EXACT(Exact(), times(a, minus(b, b)));
    CHECK_EXACT(u, plus(a, minus(b, b)));
    CHECK_EXACT(-u, minus(minus(b, b), a));
  }
}

// The numbers of parameters.cpp at their largest: limbs that are not zero from the lowest to the highest bit.
void largest() {
  at_case("largest");
  Integer m = Integer::of((uint64_t)INT64_MAX);
  std::vector<uint64_t> limbs(67, ~(uint64_t)0);
  // 4260 bits and a sign: |Σdy·x| of 2^63 − 1 values.
  limbs[66] = ((uint64_t)1 << (4259 - 66 * 64)) - 1;
  Integer product = Integer::of(limbs.data(), 67, -2148);
  CHECK_EQUAL(4259, product.bits());
  std::vector<uint64_t> linear_limbs(34, ~(uint64_t)0);
  linear_limbs[33] = ((uint64_t)1 << (2161 - 33 * 64)) - 1;
  Integer linear = Integer::of(linear_limbs.data(), 34, -1074);
  CHECK_EQUAL(2161, linear.bits());
  Integer opposite = linear;
  opposite.negative = true;
  Exact P = exact_of(product), S = exact_of(linear), M((int64_t)INT64_MAX);
  Integer b = minus(times(m, product), times(linear, opposite));  // m·P − S·G with both at their largest
  CHECK_EXACT(M * P + S * S, b);
  Integer square = times(b, b);
  CHECK_EXACT((M * P + S * S) * (M * P + S * S), square);
  CHECK(square.count + 3 <= Integer::MOST);  // a quotient shifts by less than 130 bits
  // Given statistics: a mean at an exponent that is no multiple of 64 from the limbs.
  for (int e : {-1074, -1021, -1000, 0, 1, 970, 971}) {
    at_case("largest, mean in units of 2^", e);
    Integer mean = Integer::of(ldexp(0x1.fffffffffffffp52, e));
    Integer frozen = minus(product, times(mean, opposite));
    CHECK_EXACT(P + exact_of(mean) * S, frozen);
    CHECK_EXACT((P + exact_of(mean) * S) * (P + exact_of(mean) * S), times(frozen, frozen));
    CHECK(times(frozen, frozen).count + 3 <= Integer::MOST);
    Integer n = plus(b, times(mean, times(m, m)));  // an eps of that size
    CHECK_EXACT(exact_of(b) + exact_of(mean) * M * M, n);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Random random = start(argc, argv);
  conversions(random);
  arithmetic(random, scaled(20000), 3, 70);
  arithmetic(random, scaled(2000), 20, 700);
  arithmetic(random, scaled(400), 60, 1500);
  largest();
}
