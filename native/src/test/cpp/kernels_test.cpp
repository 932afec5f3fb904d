// The kernels of every instruction set: sums against one exact addition per value, element passes against a scalar
// loop. The data at the limits of window.inl are built to be summed wrongly one exponent further.
#include <algorithm>
#include <cmath>

#include "data.h"
#include "instruction_sets.h"
#include "sums.h"

namespace {

Block dense(int64_t outer, int64_t channels, int64_t inner) {
  return Block{outer, channels, inner, channels * inner, inner};
}

int64_t extent(const Block& b) {
  if (b.outer == 0 || b.channels == 0 || b.inner == 0) return 0;
  return (b.outer - 1) * b.outer_stride + (b.channels - 1) * b.channel_stride + b.inner;
}

std::string shown(const Block& b) {
  std::ostringstream out;
  out << b.outer << "x" << b.channels << "x" << b.inner;
  out << " (strides " << b.outer_stride << ", " << b.channel_stride << ")";
  return out.str();
}

template <class T>
const char* type_name() {
  return sizeof(T) == 2 ? "f16" : sizeof(T) == 4 ? "f32" : "f64";
}

// Shapes around the edges of tiles (256 rows, 256 columns), lanes (16, for f16 32) and few inner values (below 16).
std::vector<Block> shapes() {
  std::vector<Block> result;
  for (int64_t inner = 0; inner <= 20; inner++) {
    result.push_back(dense(37, 5, inner));
    result.push_back(dense(300, 3, inner));
    result.push_back(dense(1, 40, inner));
  }
  for (int64_t outer : {0, 1, 3, 4, 5, 255, 256, 257, 513}) {
    for (int64_t channels : {1, 15, 16, 17, 255, 256, 257}) result.push_back(dense(outer, channels, 1));
  }
  // Few rows and as many that are not: 32 | 33, of 4 KiB in f32 or f64 8 | 9 and 16 | 17.
  for (int64_t outer : {2, 8, 9, 16, 17, 32, 33}) {
    for (int64_t channels : {5, 9, 13, 30, 512, 1024}) result.push_back(dense(outer, channels, 1));
  }
  for (int64_t inner : {31,   32,   33,   63,   64,   65,   255,  256,  257,  4079, 4080,
                        4081, 4095, 4096, 4097, 4111, 4112, 4113, 8191, 8192, 8193}) {
    result.push_back(dense(1, 3, inner));
    result.push_back(dense(5, 2, inner));
  }
  // Runs that share a tile: 256, 128, 85 or 16 of them.
  for (int64_t outer : {127, 128, 129, 255, 256, 257, 513}) {
    result.push_back(dense(outer, 1, 16));
    result.push_back(dense(outer, 2, 17));
    result.push_back(dense(outer, 1, 33));
  }
  for (int64_t outer : {84, 85, 86, 15, 16, 17}) {
    result.push_back(dense(outer, 2, 48));
    result.push_back(dense(outer, 1, 256));
  }
  // 16 | 17 channels of 15 inner values: 240 | 255 columns; 18: 270.
  for (int64_t channels : {16, 17, 18}) result.push_back(dense(258, channels, 15));
  // Pieces of larger chunks: some channels of each row, and some inner values of each channel.
  result.push_back(Block{300, 5, 1, 12, 1});
  result.push_back(Block{30, 5, 7, 70, 7});
  result.push_back(Block{30, 5, 40, 1000, 40});
  for (int64_t inner : {1, 2, 15, 16, 17, 100}) result.push_back(Block{9, 4, inner, 4 * 120, 120});
  result.push_back(Block{0, 4, 1, 80, 20});
  // More channels than share a strip: 256 of 4 columns.
  result.push_back(dense(3, 130, 20));
  result.push_back(dense(2, 300, 9));
  // Rows that begin where lines do but do not end there.
  result.push_back(Block{10, 1001, 1, 1040, 1});
  return result;
}

// ---- Sums

// `filled` channels, the last ones, have something already.
template <bool SAME, class A, class B>
void check_sums(const Block& block, const A* a, const B* b, const std::string& what, int64_t filled) {
  at_case(what);
  int64_t first = block.channels - std::min(block.channels, filled);
  Sums expected(block.channels, TYPE<A>, TYPE<B>);
  expected.prefill(7, first);
  add_naively(block, a, b, SAME, expected);
  for (const InstructionSet& set : instruction_sets()) {
    at_case(SAME ? "statistics of " : "gradient sums of ", type_name<A>(), SAME ? "" : " and ",
            SAME ? "" : type_name<B>(), ", ", set.name, ", ", shown(block), ", ", what, ", ", filled, " channels filled");
    Sums found(block.channels, TYPE<A>, TYPE<B>);
    found.prefill(7, first);
    SumRoads roads = {};
    bool missing = SAME ? set.kernels->add_statistics[TYPE<A>](block, a, found.view(), &roads)
                        : set.kernels->add_gradient_sums[TYPE<A>][TYPE<B>](block, a, b, found.view(), &roads);
    CHECK_EQUAL(false, missing);
    for (int64_t& count : found.counts) count += block.outer * block.inner;
    CHECK_SUMS(expected, found);
  }
}

template <bool SAME, class A, class B>
void check_sums(const Block& block, const A* a, const B* b, const std::string& what) {
  check_sums<SAME>(block, a, b, what, block.channels);
  if (block.outer > 40 || block.inner > 4) return;
  for (int64_t filled : {0, 1}) check_sums<SAME>(block, a, b, what, filled);
}

template <class A, class B>
void check_sums_of_kinds(Random& random, const Block& block, int kind_a, int kind_b) {
  // One value further on, where no vector is aligned.
  int64_t off = random.below(2), n = extent(block);
  std::vector<A> a = values_of<A>(random, kind_a, n + off);
  std::vector<B> b = values_of<B>(random, kind_b, n + off);
  std::string what = std::string(name_of(kind_a)) + " and " + name_of(kind_b) + ", offset " + std::to_string(off);
  check_sums<false>(block, a.data() + off, b.data() + off, what);
  if (sizeof(A) == sizeof(B)) check_sums<true>(block, a.data() + off, a.data() + off, what);
}

template <class A, class B>
void sums_of_all_shapes(Random& random) {
  for (const Block& block : shapes()) {
    for (int round = scaled(2); round > 0; round--) {
      int kind_a = (int)random.below(KINDS), kind_b = random.one_in(3) ? kind_a : (int)random.below(KINDS);
      check_sums_of_kinds<A, B>(random, block, kind_a, kind_b);
    }
  }
}

// ---- The limits of exactness

// What windows at given k compute for a column of 2^8 values, without asking whether it is exact.
template <class A, class B>
struct Column {
  double sum_start, start, error_start, sum, high, error_high, sum_low = 0, low = 0, error_low = 0;

  // The lowest windows for exponents up to these.
  Column(int highest_a, int highest_product)
      : sum_start(sizeof(A) <= 4 ? 0 : ldexp(1.5, highest_a + 3 + 8)),
        start(ldexp(1.5, highest_product + 4 + 8)),
        error_start(start * 0x1p-53),
        sum(sum_start),
        high(start),
        error_high(error_start) {}

  // Returns what is cut off.
  static double cut(double& window, double y) {
    double before = window;
    window = before + y;
    return y - (window - before);
  }

  void add(double a, double b) {
    if (sizeof(A) <= 4) {
      sum += a;
    } else {
      sum_low += cut(sum, a);
    }
    double p = a * b;
    low += cut(high, p);
    if (sizeof(A) == 8 || sizeof(B) == 8) error_low += cut(error_high, std::fma(a, b, -p));
  }

  bool is_exact(const std::vector<A>& a, const std::vector<B>& b, bool linear) const {
    Sums expected(1, TYPE<A>, TYPE<B>), found(1, TYPE<A>, TYPE<B>);
    for (size_t i = 0; i < a.size(); i++) expected.add(0, a[i], b[i], false);
    for (double part : {sum - sum_start, sum_low}) {
      if (!(std::fabs(part) < HUGE_VAL)) return !linear;
      fixed_add(found.linear_of(0), found.linear, part);
    }
    for (double part : {high - start, low, error_high - error_start, error_low}) {
      if (!(std::fabs(part) < HUGE_VAL)) return linear;
      fixed_add(found.product_of(0), found.product, part);
    }
    return linear ? memcmp(expected.linear_of(0), found.linear_of(0), 8 * found.linear.limbs) == 0
                  : memcmp(expected.product_of(0), found.product_of(0), 8 * found.product.limbs) == 0;
  }
};

template <class A, class B>
bool tile_would_be_exact(const std::vector<A>& a, const std::vector<B>& b, bool linear, int highest_a,
                         int highest_product) {
  Column<A, B> column(highest_a, highest_product);
  for (size_t i = 0; i < a.size(); i++) column.add(a[i], b[i]);
  return column.is_exact(a, b, linear);
}

// All layouts that put a column of 256 values into one column of a tile.
template <bool SAME, class A, class B>
void check_column(const std::vector<A>& a, const std::vector<B>& b, const std::string& what) {
  int64_t rows = (int64_t)a.size();
  for (int64_t columns : {1, 15, 16, 17}) {
    if (SANITIZED && columns % 2 != 0) continue;
    std::vector<A> wide_a;
    std::vector<B> wide_b;
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t j = 0; j < columns; j++) {
        wide_a.push_back((A)(j % 3 == 1 ? -(double)a[r] : (double)a[r]));  // signs that don't cancel what is lost
        wide_b.push_back(SAME ? (B)(double)wide_a.back() : b[r]);
      }
    }
    check_sums<SAME>(dense(rows, columns, 1), wide_a.data(), wide_b.data(), what);
    check_sums<SAME>(dense(rows, 1, columns), wide_a.data(), wide_b.data(), what);
    check_sums<SAME>(dense(1, 1, rows * columns), wide_a.data(), wide_b.data(), what);
  }
}

template <class T>
T all_ones(int exponent, int less = 1) {
  return (T)ldexp(2 - less * (sizeof(T) == 4 ? 0x1p-23 : 0x1p-52), exponent);
}

// A significand whose last bit is set: the smallest one, or the largest, one unit below the next exponent.
template <class T>
double odd(bool largest) {
  return largest ? (double)all_ones<T>(0) : 1 + (sizeof(T) == 4 ? 0x1p-23 : 0x1p-52);
}

// 255 values at the largest exponents, each chosen so that as much as possible is rounded off upwards, and one with an
// odd last bit at the smallest, whose bit the sum of what was rounded off must still hold.
template <bool SAME, class A, class B>
void worst_products(int lowest_a, int lowest_b, int spread_a, int spread_b, bool smallest_first, std::vector<A>& a,
                    std::vector<B>& b) {
  const double odd_a = odd<A>(smallest_first), odd_b = odd<B>(smallest_first);
  const bool exact = sizeof(A) + sizeof(B) == 8;  // else one of the two is 1, so that RN(a·b) is odd
  A small_a = (A)ldexp(exact || sizeof(A) == 8 ? odd_a : 1, lowest_a);
  B small_b = (B)ldexp(exact || sizeof(A) == 4 ? odd_b : 1, lowest_b);
  if (SAME && sizeof(A) == 8) {  // the root of an odd number of units, nearly
    small_a = (A)ldexp(1 + 0x1.8p-26, lowest_a);
    while (bits_of((double)small_a * (double)small_a) % 2 == 0) small_a = (A)nextafter((double)small_a, HUGE_VAL);
    small_b = (B)small_a;
  }
  a.clear();
  b.clear();
  Column<A, B> column(lowest_a + spread_a, lowest_a + spread_a + lowest_b + spread_b);
  auto add = [&](A u, B v) {
    a.push_back(u);
    b.push_back(v);
    column.add(u, v);
  };
  if (smallest_first) add(small_a, small_b);
  const int candidates_a = SAME ? 1100 : sizeof(B) == 8 ? 3 : sizeof(A) == 8 ? 1100 : 16;
  const int candidates_b = SAME ? 1 : sizeof(B) == 8 ? 1100 : 16;
  for (int row = 0; row < 255; row++) {
    A best_a = 0;
    B best_b = 0;
    double most = -HUGE_VAL;
    for (int i = 1; i <= candidates_a; i++) {
      for (int j = 1; j <= candidates_b; j++) {
        A u = all_ones<A>(lowest_a + spread_a, i);
        B v = SAME ? (B)u : all_ones<B>(lowest_b + spread_b, j);
        double high = column.high, rounded_off = Column<A, B>::cut(high, (double)u * (double)v);
        if (rounded_off > most) {
          most = rounded_off;
          best_a = u;
          best_b = v;
        }
      }
    }
    add(best_a, best_b);
  }
  if (!smallest_first) add(small_a, small_b);
}

template <bool SAME, class A, class B>
void products_at_limit(const char* what, int lowest_a, int lowest_b, int spread_a, int spread_b) {
  for (bool smallest_first : {false, true}) {
    for (int more : {-1, 0, 1}) {
      std::vector<A> a;
      std::vector<B> b;
      worst_products<SAME>(lowest_a, lowest_b, spread_a + (SAME ? more : 0), spread_b + more, smallest_first, a, b);
      std::ostringstream name;
      name << what << ", spreads " << spread_a << " and " << spread_b << " plus " << more << ", exponents from "
           << lowest_a << " and " << lowest_b << (smallest_first ? ", smallest first" : ", smallest last");
      at_case(name.str());
      int highest_a = lowest_a + spread_a + (SAME ? more : 0), highest_b = lowest_b + spread_b + more;
      CHECK_EQUAL(more <= 0, (tile_would_be_exact<A, B>(a, b, false, highest_a, highest_a + highest_b)));
      check_column<SAME>(a, b, name.str());
    }
  }
}

template <class A>
void linear_at_limit(const char* what, int lowest, int limit, double other) {
  for (bool smallest_first : {false, true}) {
    for (int more : {-1, 0, 1}) {
      A small = (A)ldexp(odd<A>(smallest_first), lowest);
      std::vector<A> a;
      Column<A, float> column(lowest + limit + more, 0);
      if (smallest_first) a.push_back(small);
      for (A value : a) column.add(value, 0);
      for (int row = 0; row < 255; row++) {
        A best = all_ones<A>(lowest + limit + more);
        double most = -HUGE_VAL;
        for (int i = 1; i <= 1100 && sizeof(A) == 8; i++) {
          double sum = column.sum, rounded_off = Column<A, float>::cut(sum, all_ones<A>(lowest + limit + more, i));
          if (rounded_off > most) {
            most = rounded_off;
            best = all_ones<A>(lowest + limit + more, i);
          }
        }
        a.push_back(best);
        column.add(best, 0);
      }
      if (!smallest_first) a.push_back(small);
      std::vector<float> b(256, (float)other);
      std::ostringstream name;
      name << what << ", spread " << limit << " plus " << more << ", exponents from " << lowest;
      at_case(name.str());
      CHECK_EQUAL(more <= 0, (tile_would_be_exact<A, float>(a, b, true, lowest + limit + more, 0)));
      check_column<false>(a, b, name.str());
      check_column<false>(a, std::vector<double>(b.begin(), b.end()), name.str());
      check_column<true>(a, a, name.str());
    }
  }
}

// More rows than a tile's, at the limit of a tile's: an odd last bit is lost if one number holds 258 of them.
void more_rows_than_a_tile() {
  std::vector<float> a(600, all_ones<float>(21));
  a[0] = (float)odd<float>(false);
  check_column<false>(a, std::vector<float>(600), "f32 sum of 600 rows");
  check_column<true>(a, a, "f32 squares of 600 rows");
}

// 256 equal values with all-ones significands, about where no window may be used any more, and where sums overflow.
template <class A, class B>
void largest(const char* what, int exponent_a, int exponent_b, bool linear) {
  for (int more : {-1, 0, 1, 2}) {
    std::vector<A> a(256, all_ones<A>(exponent_a + (linear ? more : 0)));
    std::vector<B> b(256, linear ? (B)0 : all_ones<B>(exponent_b + more));
    std::ostringstream name;
    name << what << ", exponents " << exponent_a << " and " << exponent_b << " plus " << more;
    check_column<false>(a, b, name.str());
    if (sizeof(A) == sizeof(B)) check_column<true>(a, a, name.str());
  }
}

// Products whose rounding errors are the smallest subnormals, and one exponent below.
template <class A, class B>
void smallest_at_limit(const char* what, int exponent_a, int exponent_b) {
  const double odd_a = 1 + (sizeof(A) == 4 ? 0x1p-23 : 0x1p-52), odd_b = 1 + (sizeof(B) == 4 ? 0x1p-23 : 0x1p-52);
  for (int more : {1, 0, -1}) {
    std::vector<A> a(256, (A)ldexp(odd_a, exponent_a));
    std::vector<B> b(256, (B)ldexp(odd_b, exponent_b + more));
    a[1] = (A)-a[1];
    std::ostringstream name;
    name << what << ", exponents " << exponent_a << " and " << exponent_b << " plus " << more;
    at_case(name.str());
    if (sizeof(A) + sizeof(B) == 16) {
      int highest = exponent_a + exponent_b + more;
      CHECK_EQUAL(more >= 0, (tile_would_be_exact<A, B>(a, b, false, exponent_a, highest)));
    }
    check_column<false>(a, b, name.str());
    if (sizeof(A) + sizeof(B) == 16) check_column<true>(a, a, name.str());
  }
}

// A subnormal has fewer bits than the exponent of its field promises, and so has its product with a short value: with a
// smallest and a largest subnormal and a binary64 factor of spread s, RN(a·b) spreads over s + 22 (f32) or s + 51
// (f64).
template <class A, class B>
void subnormal_factor(const char* what, int lowest_b) {
  const double unit = sizeof(A) == 4 ? 0x1p-149 : 0x1p-1074;
  const double most = sizeof(A) == 4 ? 0x1.fffffcp-127 : 0x1.ffffffffffffep-1023;
  for (int spread : {0, 10, 30, 37}) {
    for (bool smallest_first : {false, true}) {
      std::vector<A> a(256, (A)most);
      std::vector<B> b(256, all_ones<B>(lowest_b + spread));
      for (int i = 0; i < 256; i++) b[i] = all_ones<B>(lowest_b + spread, 1 + i % 64);
      a[smallest_first ? 0 : 255] = (A)unit;
      b[smallest_first ? 0 : 255] = (B)ldexp(1 + 0x1p-52, lowest_b);
      std::ostringstream name;
      name << what << ", exponents from " << lowest_b << ", spread " << spread;
      at_case(name.str());
      check_column<false>(a, b, name.str());
      check_column<false>(b, a, name.str());
    }
  }
}

// Random significands with exponents that span exactly a limit.
template <class A, class B>
void random_spreads(Random& random, int total) {
  for (int round = 0; round < scaled(12); round++) {
    int most_a = sizeof(A) == 4 ? 22 : 39, spread_a = random.between(0, most_a);
    int spread_b = std::max(0, total - spread_a);
    auto lowest = [&](size_t bytes, int spread) {
      return bytes == 4 ? random.between(-126, 127 - spread) : random.between(-480, 480 - spread);
    };
    int lowest_a = lowest(sizeof(A), spread_a), lowest_b = lowest(sizeof(B), spread_b);
    int64_t n = 16 * 256;
    std::vector<A> a(n);
    std::vector<B> b(n);
    for (int64_t i = 0; i < n; i++) {
      bool smallest = random.one_in(50), extreme = random.one_in(3);
      a[i] = (A)random_double(random,
                              smallest  ? lowest_a
                              : extreme ? lowest_a + spread_a
                                        : lowest_a,
                              smallest ? lowest_a : lowest_a + spread_a, sizeof(A) == 4 ? 24 : 53);
      b[i] = (B)random_double(random,
                              smallest  ? lowest_b
                              : extreme ? lowest_b + spread_b
                                        : lowest_b,
                              smallest ? lowest_b : lowest_b + spread_b, sizeof(B) == 4 ? 24 : 53);
      if (round % 2 == 0) a[i] = std::fabs(a[i]), b[i] = std::fabs(b[i]);
    }
    std::string what = "random, spread " + std::to_string(total);
    check_sums<false>(dense(1, 1, n), a.data(), b.data(), what);
    check_sums<false>(dense(256, 16, 1), a.data(), b.data(), what);
    if (sizeof(A) == sizeof(B)) check_sums<true>(dense(256, 16, 1), a.data(), a.data(), what);
  }
}

void limits_of_exactness(Random& random) {
  for (int lowest : {-126, 0, 100}) {  // 24 + s + t ≤ 53
    linear_at_limit<float>("f32 sum", lowest, 21, 0);
    linear_at_limit<float>("f32 sum beside ones", lowest, 21, 1);
  }
  more_rows_than_a_tile();
  for (int lowest : {-1022, -40, 800}) linear_at_limit<double>("f64 sum", lowest, 35, 0);  // s + 2t ≤ 51
  for (int lowest : {-126, 0, 80}) {                                                       // sa + sb + 2t ≤ 56
    products_at_limit<false, float, float>("f32 f32 products", lowest, -lowest - 40, 20, 20);
    products_at_limit<false, float, float>("f32 f32 products", lowest, lowest, 3, 37);
  }
  for (int lowest : {-400, 0, 400}) {  // sa + sb + 2t ≤ 50
    products_at_limit<false, double, double>("f64 f64 products", lowest, lowest / 2, 17, 17);
    products_at_limit<false, double, double>("f64 f64 products", lowest, 10, 34, 0);
    products_at_limit<false, float, double>("f32 f64 products", lowest / 8, lowest, 10, 24);
    products_at_limit<false, double, float>("f64 f32 products", lowest, lowest / 8, 17, 17);
  }
  for (int lowest : {-400, 0, 400}) products_at_limit<true, double, double>("f64 squares", lowest, lowest, 17, 17);
  for (int lowest : {-126, 0, 100}) {
    for (int spread : {19, 20, 21, 22}) {
      std::vector<float> a, b;
      worst_products<true>(lowest, lowest, spread, spread, false, a, b);
      check_column<true>(a, a, "f32 squares, spread " + std::to_string(spread));
    }
  }
  largest<double, double>("largest f64 sum", 900, 0, true);
  largest<double, double>("largest f64 sum", 1014, 0, true);
  largest<double, double>("largest f64 f64 products", 450, 449, false);
  largest<double, double>("largest f64 f64 products", 507, 506, false);
  largest<double, double>("largest f64 f64 products", 10, 1003, false);
  largest<float, double>("largest f32 f64 products", 127, 886, false);
  largest<double, float>("largest f64 f32 products", 900, 113, false);
  for (int e : {505, 506, 507, 508, 511, 512, 1015, 1023}) {
    std::vector<double> a(256, all_ones<double>(e));
    check_column<true>(a, a, "largest f64 squares, exponent " + std::to_string(e));
  }
  smallest_at_limit<double, double>("smallest f64 f64 products", -485, -485);
  smallest_at_limit<double, double>("smallest f64 f64 products", -1000, 30);
  smallest_at_limit<double, float>("smallest f64 f32 products", -900, -70);
  smallest_at_limit<float, double>("smallest f32 f64 products", -126, -844);
  subnormal_factor<double, double>("f64 subnormal times f64", 53);
  subnormal_factor<double, double>("f64 subnormal times f64", 200);
  subnormal_factor<float, double>("f32 subnormal times f64", 0);
  subnormal_factor<float, double>("f32 subnormal times f64", -500);
  subnormal_factor<double, float>("f64 subnormal times f32", 60);
  for (int total : {20, 33, 34, 35, 39, 40, 41, 44}) {
    random_spreads<float, float>(random, total);
    random_spreads<float, double>(random, total);
    random_spreads<double, float>(random, total);
    random_spreads<double, double>(random, total);
  }
}

// In all windows from k = 42 to 50, which are those that f16 may have.
bool f16_is_exact(const std::vector<Half>& a, const std::vector<Half>& b) {
  bool exact = tile_would_be_exact<Half, Half>(a, b, true, 0, 30);
  for (int k = 42; k <= 50; k++) exact &= tile_would_be_exact<Half, Half>(a, b, false, 0, k - 12);
  return exact;
}

// Any finite f16 column is exact: the largest values and one smallest, all signs alike, and everything in between.
void widest_f16(Random& random) {
  for (bool smallest_first : {false, true}) {
    std::vector<Half> a(256, Half(65504.0));
    a[smallest_first ? 0 : 255] = Half(0x1p-24);
    CHECK(f16_is_exact(a, a));
    check_column<false>(a, a, "widest f16");
    check_column<true>(a, a, "widest f16");
    check_column<false>(a, std::vector<float>(256, 0x1.fffffep0f), "widest f16 and f32");
    check_column<false>(std::vector<float>(256, 0x1.fffffep0f), a, "f32 and widest f16");
  }
  for (int round = 0; round < scaled(16); round++) {
    std::vector<Half> a = values_of<Half>(random, WHOLE_RANGE, 256), b = values_of<Half>(random, WHOLE_RANGE, 256);
    for (Half& value : a) value.bits &= round % 2 == 0 ? 0x7fff : 0xffff;
    CHECK(f16_is_exact(a, b));
    check_column<false>(a, b, "whole range of f16");
  }
}

// ---- Passes over elements

template <class T>
T rounded_to(double value) {
  return (T)(value != value ? __builtin_nan("") : value);
}

template <class X, class Y>
void check_identity(const std::vector<X>& x) {
  const double zero = 0, minus_zero = -0.0, one = 1;
  Normalisation op = {&zero, &zero, &one, &minus_zero};
  std::vector<Y> expected;
  for (X value : x) expected.push_back(rounded_to<Y>(value));
  for (const InstructionSet& set : instruction_sets()) {
    at_case("every binary16, ", type_name<X>(), " to ", type_name<Y>(), ", ", set.name);
    std::vector<Y> y(x.size());
    set.kernels->normalise[TYPE<X>][TYPE<Y>](dense(1, 1, (int64_t)x.size()), x.data(), op, y.data(), false);
    CHECK_ALL_EQUAL(expected.data(), y.data(), y.size());
  }
}

void binary16() {
  std::vector<Half> all;
  for (int bits = 0; bits < 65536; bits++) all.push_back(Half::of_bits(bits));
  check_identity<Half, float>(all);
  check_identity<Half, double>(all);
  check_identity<Half, Half>(all);
  std::vector<double> values = {HUGE_VAL, 0x1.fffffffffffffp1023, 1e6, 7e4, 0x1p-26, 0x1p-1022, 0x1p-1074, 0,
                                __builtin_nan("1")};
  for (size_t i = 1; i < half_numbers().size(); i++) {
    double low = half_numbers()[i - 1], high = half_numbers()[i];
    for (double value : {low, (low + high) / 2, high}) {
      values.insert(values.end(), {nextafter(value, 0), value, nextafter(value, HUGE_VAL)});
    }
  }
  for (size_t i = 0, n = values.size(); i < n; i++) values.push_back(-values[i]);
  check_identity<double, Half>(values);
  std::vector<float> floats(values.begin(), values.end());
  for (size_t i = 0, n = floats.size(); i < n; i++) {
    floats.push_back(nextafterf(floats[i], 0));
    floats.push_back(nextafterf(floats[i], 1e30f));
  }
  check_identity<float, Half>(floats);
}

std::vector<double> operands(Random& random, int64_t channels, int kind) {
  std::vector<double> values = values_of<double>(random, kind, channels);
  for (double& value : values) {
    if (random.one_in(10)) value = random.one_in(2) ? 0.0 : -0.0;
  }
  return values;
}

template <class F>
void for_elements(const Block& block, const F& element) {
  for (int64_t o = 0; o < block.outer; o++) {
    for (int64_t c = 0; c < block.channels; c++) {
      for (int64_t i = 0; i < block.inner; i++) element(o * block.outer_stride + c * block.channel_stride + i, c);
    }
  }
}

// The element passes of an instruction set, through the caches or past them.
struct Way {
  const InstructionSet* set;
  bool streamed;
};

std::vector<Way> ways() {
  std::vector<Way> result;
  for (const InstructionSet& set : instruction_sets()) {
    for (bool streamed : {false, true}) result.push_back(Way{&set, streamed});
  }
  return result;
}

// Memory for results that lie on from values as addresses may: somewhere, or some lines farther on in their pages.
template <class T>
class Results {
 public:
  Results(Random& random, int64_t count, const void* values) : count_(count), memory_(count, (T)42.0) {
    if (random.one_in(2)) return;
    const uintptr_t ahead[] = {0, 64, 128, 192, 256, 320, 4032};
    uintptr_t apart = (uintptr_t)values + ahead[random.below(7)];
    memory_.assign(count + 2 * PAGE / (int64_t)sizeof(T), (T)42.0);
    first_ = (int64_t)((apart - (uintptr_t)memory_.data()) % PAGE / sizeof(T));
  }

  T* data() { return memory_.data() + first_; }

  // Compares them, and what must not be touched around them.
  void check(const std::vector<T>& expected) {
    CHECK_ALL_EQUAL(expected.data(), data(), count_);
    for (int64_t i = 0; i < first_; i++) CHECK_EQUAL((T)42.0, memory_[i]);
    for (int64_t i = first_ + count_; i < (int64_t)memory_.size(); i++) CHECK_EQUAL((T)42.0, memory_[i]);
  }

 private:
  static constexpr int64_t PAGE = 4096;
  int64_t count_, first_ = 0;
  std::vector<T> memory_;
};

template <class X, class Y>
void check_normalise(Random& random, const Block& block, int kind, int operand_kind) {
  int64_t off = random.below(2), n = extent(block) + off;
  std::vector<X> x = values_of<X>(random, kind, n);
  std::vector<double> mean = operands(random, block.channels, operand_kind),
                      mean_lo = operands(random, block.channels, random.one_in(2) ? ZEROS : operand_kind),
                      a = operands(random, block.channels, operand_kind),
                      beta = operands(random, block.channels, operand_kind);
  Normalisation op = {mean.data(), mean_lo.data(), a.data(), beta.data()};
  std::vector<Y> expected(n, (Y)42.0);  // between the pieces nothing is touched
  for_elements(block, [&](int64_t at, int64_t c) {
    double d = ((double)x[at + off] - mean[c]) - mean_lo[c];
    expected[at + off] = rounded_to<Y>(std::fma(d, a[c], beta[c]));
  });
  for (const Way& way : ways()) {
    const InstructionSet& set = *way.set;
    bool streamed = way.streamed;
    at_case("normalise ", type_name<X>(), " to ", type_name<Y>(), ", ", set.name, ", ", shown(block), ", ",
            name_of(kind), ", operands ", name_of(operand_kind), ", offset ", off,
            streamed ? ", streamed" : "");
    Results<Y> y(random, n, x.data());
    set.kernels->normalise[TYPE<X>][TYPE<Y>](block, x.data() + off, op, y.data() + off, streamed);
    y.check(expected);
    if constexpr (std::is_same_v<X, Y>) {
      std::vector<Y> place = x;
      set.kernels->normalise[TYPE<X>][TYPE<Y>](block, place.data() + off, op, place.data() + off, streamed);
      for_elements(block, [&](int64_t at, int64_t) { CHECK_EQUAL(expected[at + off], place[at + off]); });
    }
  }
}

template <class DY, class X, class DX>
void check_input_gradient(Random& random, const Block& block, int kind, int operand_kind) {
  int64_t off = random.below(2), n = extent(block) + off;
  std::vector<DY> dy = values_of<DY>(random, kind, n);
  std::vector<X> x = values_of<X>(random, random.one_in(2) ? kind : PLAIN, n);
  std::vector<double> p[6];
  for (std::vector<double>& values : p) {
    values = operands(random, block.channels, random.one_in(4) ? PLAIN : operand_kind);
  }
  for (int lo : {1, 4}) {  // mean_lo and k1_lo: +0 with a power of two of values
    if (random.one_in(3)) continue;
    p[lo].assign(block.channels, 0.0);
    if (random.one_in(3)) p[lo][random.below(block.channels)] = -0.0;
  }
  InputGradient op = {p[0].data(), p[1].data(), p[2].data(), p[3].data(), p[4].data(), p[5].data()};
  std::vector<DX> expected(n, (DX)42.0), frozen(n, (DX)42.0);
  for_elements(block, [&](int64_t at, int64_t c) {
    double d = ((double)x[at + off] - op.mean[c]) - op.mean_lo[c];
    double t = ((double)dy[at + off] - op.k1[c]) - op.k1_lo[c];
    double w = std::fma(-d, op.k2[c], t);
    expected[at + off] = rounded_to<DX>(op.a[c] * w);
    frozen[at + off] = rounded_to<DX>(op.a[c] * (double)dy[at + off]);
  });
  for (const Way& way : ways()) {
    const InstructionSet& set = *way.set;
    bool streamed = way.streamed;
    at_case("input gradient dy ", type_name<DY>(), ", x ", type_name<X>(), ", dx ", type_name<DX>(), ", ", set.name,
            ", ", shown(block), ", ", name_of(kind), ", operands ", name_of(operand_kind), ", offset ", off,
            streamed ? ", streamed" : "");
    auto gradient = set.kernels->input_gradient[TYPE<DY>][TYPE<X>][TYPE<DX>];
    auto frozen_gradient = set.kernels->frozen_input_gradient[TYPE<DY>][TYPE<DX>];
    const void* values = random.one_in(2) ? (const void*)dy.data() : x.data();
    Results<DX> dx(random, n, values), frozen_dx(random, n, values);
    gradient(block, dy.data() + off, x.data() + off, op, dx.data() + off, streamed);
    dx.check(expected);
    frozen_gradient(block, dy.data() + off, op.a, frozen_dx.data() + off, streamed);
    frozen_dx.check(frozen);
    if constexpr (std::is_same_v<DX, DY>) {
      std::vector<DX> place = dy, frozen_place = dy;
      gradient(block, place.data() + off, x.data() + off, op, place.data() + off, streamed);
      for_elements(block, [&](int64_t at, int64_t) { CHECK_EQUAL(expected[at + off], place[at + off]); });
      frozen_gradient(block, frozen_place.data() + off, op.a, frozen_place.data() + off, streamed);
      for_elements(block, [&](int64_t at, int64_t) { CHECK_EQUAL(frozen[at + off], frozen_place[at + off]); });
    }
    if constexpr (std::is_same_v<DX, X>) {
      std::vector<DX> place = x;
      gradient(block, dy.data() + off, place.data() + off, op, place.data() + off, streamed);
      for_elements(block, [&](int64_t at, int64_t) { CHECK_EQUAL(expected[at + off], place[at + off]); });
    }
  }
}

void elements(Random& random) {
  for (const Block& block : shapes()) {
    int kind = (int)random.below(KINDS), operand_kind = random.one_in(2) ? PLAIN : (int)random.below(KINDS);
    check_normalise<Half, Half>(random, block, kind, operand_kind);
    check_normalise<Half, float>(random, block, kind, operand_kind);
    check_normalise<Half, double>(random, block, kind, operand_kind);
    check_normalise<float, Half>(random, block, kind, operand_kind);
    check_normalise<double, Half>(random, block, kind, operand_kind);
    check_normalise<float, float>(random, block, kind, operand_kind);
    check_normalise<float, double>(random, block, kind, operand_kind);
    check_normalise<double, float>(random, block, kind, operand_kind);
    check_normalise<double, double>(random, block, kind, operand_kind);
    check_input_gradient<Half, Half, Half>(random, block, kind, operand_kind);
    check_input_gradient<Half, Half, float>(random, block, kind, operand_kind);
    check_input_gradient<Half, float, double>(random, block, kind, operand_kind);
    check_input_gradient<float, Half, Half>(random, block, kind, operand_kind);
    check_input_gradient<float, float, Half>(random, block, kind, operand_kind);
    check_input_gradient<double, Half, float>(random, block, kind, operand_kind);
    check_input_gradient<double, double, Half>(random, block, kind, operand_kind);
    check_input_gradient<float, float, float>(random, block, kind, operand_kind);
    check_input_gradient<float, float, double>(random, block, kind, operand_kind);
    check_input_gradient<float, double, float>(random, block, kind, operand_kind);
    check_input_gradient<float, double, double>(random, block, kind, operand_kind);
    check_input_gradient<double, float, float>(random, block, kind, operand_kind);
    check_input_gradient<double, float, double>(random, block, kind, operand_kind);
    check_input_gradient<double, double, float>(random, block, kind, operand_kind);
    check_input_gradient<double, double, double>(random, block, kind, operand_kind);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Random random = start(argc, argv);
  binary16();
  limits_of_exactness(random);
  widest_f16(random);
  sums_of_all_shapes<Half, Half>(random);
  sums_of_all_shapes<Half, float>(random);
  sums_of_all_shapes<Half, double>(random);
  sums_of_all_shapes<float, Half>(random);
  sums_of_all_shapes<double, Half>(random);
  sums_of_all_shapes<float, float>(random);
  sums_of_all_shapes<float, double>(random);
  sums_of_all_shapes<double, float>(random);
  sums_of_all_shapes<double, double>(random);
  elements(random);
}
