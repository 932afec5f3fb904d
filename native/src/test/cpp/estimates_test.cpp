// The two roads of the parameters pass against each other: what an estimate decides is bit for bit what integers give
// (which parameters_test holds against school arithmetic), on every instruction set. Prints each kind's share of roads.
#include "parameters.h"

#include <math.h>

#include <memory>

#include "fixed_point.h"
#include "instruction_sets.h"

namespace {

// The exact sum of doubles as doubles that don't overlap, the largest first (Shewchuk 1997).
class Parts {
 public:
  void add(double x) {
    size_t kept = 0;
    for (double y : parts_) {
      double sum = x + y, part = sum - x, error = (x - (sum - part)) + (y - part);
      if (error != 0) parts_[kept++] = error;
      x = sum;
    }
    parts_.resize(kept);
    parts_.push_back(x);
  }

  void add_product(double x, double y) {
    double product = x * y;
    add(product);
    add(fma(x, y, -product));
  }

  int count() const { return (int)largest_first().size(); }

  // Compressed: most sums are few doubles then.
  std::vector<double> largest_first() const {
    std::vector<double> result = {0};
    for (int pass = 0; pass < 3; pass++) {
      std::vector<double> parts = pass == 0 ? std::vector<double>(parts_.rbegin(), parts_.rend()) : result;
      double sum = 0;
      result.clear();
      for (size_t i = parts.size(); i-- > 0;) {
        double whole = sum + parts[i], part = whole - sum, error = (sum - (whole - part)) + (parts[i] - part);
        if (error != 0) result.insert(result.begin(), error);
        sum = whole;
      }
      result.insert(result.begin(), sum);
    }
    return result;
  }

 private:
  std::vector<double> parts_;
};

// Terms of a sum in any order and not normalised: parts of one may have moved to another.
void write_terms(Random& random, const Parts& sum, int count, double* terms, int64_t stride, bool disorder) {
  std::vector<double> parts = sum.largest_first();
  CHECK((int)parts.size() <= count);
  parts.resize(count);
  for (int i = 0; disorder && i < 4; i++) {
    double &a = parts[random.below(count)], &b = parts[random.below(count)];
    double moved = random.one_in(2) ? a * random.uniform() : ldexp(random.uniform(), random.between(-60, 60));
    double less = a - moved, more = b + moved;
    bool exact = &a != &b && (a - less) - moved == 0 && less + moved == a && (more - b) - moved == 0 &&
                 more - moved == b && fabs(less) < 1e300 && fabs(more) < 1e300;
    Parts before, after;
    before.add(a), before.add(b), after.add(less), after.add(more);
    if (exact && before.largest_first() == after.largest_first()) a = less, b = more;
    std::swap(parts[random.below(count)], parts[random.below(count)]);
  }
  for (int k = 0; k < count; k++) terms[k * stride] = parts[k];
}

struct Terms {
  int64_t channels;
  int linear, product;
  std::vector<int64_t> counts;
  std::vector<int32_t> flags;
  std::vector<double> terms;

  Terms(int64_t channels, int type_a, int type_b)
      : channels(channels),
        linear(linear_format(type_a).terms),
        product(product_format(type_a, type_b).terms),
        counts(channels),
        flags(channels),
        terms(channels * (linear + product)) {}

  bn_sums view() { return bn_sums{counts.data(), flags.data(), terms.data(), channels, nullptr}; }

  void set(Random& random, int64_t c, const Parts& linear_sum, const Parts& product_sum, bool disorder) {
    write_terms(random, linear_sum, linear, &terms[c], channels, disorder);
    write_terms(random, product_sum, product, &terms[linear * channels + c], channels, disorder);
  }
};

// Kernels that decide nothing.
void leave(int64_t channels, int64_t* undecided) {
  for (int64_t c = 0; c < channels; c++) undecided[c] = 1;
}

Kernels undeciding() {
  Kernels k = kernels_baseline;
  for (int wide : {0, 1}) {
    k.parameters[wide] = [](int64_t n, const SumTerms&, double, const Parameters&, int64_t* u) { leave(n, u); };
    k.unbiased_variance[wide] = [](int64_t n, const SumTerms&, double*, int64_t* u) { leave(n, u); };
    k.gradient_parameters[wide] = [](int64_t n, const SumTerms&, const SumTerms&, double, int,
                                     const GradientParameters&, int64_t* u) { leave(n, u); };
    k.frozen_gradient_parameters[wide] = [](int64_t n, const SumTerms&, const double*, const double*, double, int,
                                            double*, double*, int64_t* u) { leave(n, u); };
  }
  k.given_inverse_std = [](int64_t n, const double*, double, double*, int64_t* u) { leave(n, u); };
  return k;
}

const char* const QUANTITIES[] = {"mean", "mean_lo", "variance", "inverse_std",   "unbiased",     "given inverse_std",
                                  "k1",   "k1_lo",   "k2",       "dgamma",        "dbeta",        "frozen dgamma",
                                  "frozen dbeta"};
const int QUANTITY_COUNT = 13;

struct Results {
  std::vector<double> of[QUANTITY_COUNT];
  std::unique_ptr<bool[]> zero;
  RoundingRoads forward, unbiased, given, gradient, frozen;
};

struct Setting {
  int x_type, dy_type, result_type;
  double eps;
};

// All roundings; given statistics are some other channel's mean and variance.
Results results_of(const Kernels& kernels, const Setting& s, Terms& x, Terms& g, const std::vector<double>& mean,
                   const std::vector<double>& variance) {
  int64_t channels = x.channels;
  Range all = {0, channels};
  Results r;
  for (auto& values : r.of) values.assign(channels, 42);
  r.zero.reset(new bool[channels]);
  auto at = [&](int i) { return r.of[i].data(); };
  r.forward = round_parameters(kernels, s.x_type, x.view(), all, s.eps, {at(0), at(1), at(2), at(3)}, r.zero.get());
  r.unbiased = round_unbiased_variance(kernels, s.x_type, x.view(), all, at(4));
  r.given = round_inverse_std(kernels, channels, variance.data(), s.eps, at(5));
  r.gradient = round_gradient_parameters(kernels, s.dy_type, s.x_type, g.view(), x.view(), all, s.eps, s.result_type,
                                         {at(6), at(7), at(8), at(9), at(10)});
  r.frozen = round_frozen_gradient_parameters(kernels, s.dy_type, s.x_type, g.view(), all, mean.data(),
                                              variance.data(), s.eps, s.result_type, at(11), at(12));
  return r;
}

void check_roads(const char* kind, const Setting& s, Terms& x, Terms& g, const std::vector<double>& mean,
                 const std::vector<double>& variance, bool print) {
  static const Kernels nothing = undeciding();
  Results expected = results_of(nothing, s, x, g, mean, variance);
  CHECK_EQUAL((int64_t)0, expected.forward.estimate);
  RoundingRoads before;
  for (const InstructionSet& set : instruction_sets()) {
    Results found = results_of(*set.kernels, s, x, g, mean, variance);
    for (int i = 0; i < QUANTITY_COUNT; i++) {
      at_case(QUANTITIES[i], " of ", kind, ", ", set.name, ", x f", s.x_type == BN_F32 ? 32 : 64, ", dy f",
              s.dy_type == BN_F32 ? 32 : 64, ", result f", s.result_type == BN_F32 ? 32 : 64, ", eps ", s.eps);
      CHECK_ALL_EQUAL(expected.of[i].data(), found.of[i].data(), x.channels);
    }
    CHECK_ALL_EQUAL(expected.zero.get(), found.zero.get(), x.channels);
    CHECK_EQUAL(x.channels, found.forward.estimate + found.forward.integers);
    if (set.isa != BN_BASELINE) CHECK_EQUAL(before.integers, found.forward.integers);  // the same operations
    before = found.forward;
    if (print && set.isa == BN_BASELINE) {
      double all = 100.0 / x.channels;
      printf("%-34s x f%d dy f%d eps %-6g by integers: forward %6.3f %%, unbiased %6.3f %%, given %6.3f %%, "
             "gradient %6.3f %%, frozen %6.3f %%\n",
             kind, s.x_type == BN_F32 ? 32 : 64, s.dy_type == BN_F32 ? 32 : 64, s.eps,
             all * found.forward.integers, all * found.unbiased.integers, all * found.given.integers,
             all * found.gradient.integers, all * found.frozen.integers);
    }
  }
}

double normal(Random& random) {  // near enough
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += random.uniform();
  return sum;
}

// Values of a channel, and how far its count is scaled.
struct Kind {
  const char* name;
  int64_t values;
  double (*value)(Random&, int type);
  double (*upstream)(Random&, double x);
  int most_scale;
};

double plain_gradient(Random& random, double) { return normal(random); }
double far_gradient(Random& random, double) { return 1e6 + normal(random); }
double same_gradient(Random&, double) { return 0.3; }
double own_gradient(Random&, double x) { return 3 * x; }

template <int EXPONENT> double around(Random& random, int) { return pow(10, EXPONENT) + normal(random); }
double standard(Random& random, int) { return normal(random); }
double two_values(Random& random, int) { return random.one_in(2) ? 1.7 : -0.3; }
double small_integers(Random& random, int) { return random.between(-20, 20); }
double sparse(Random& random, int) { return random.one_in(2) ? 0 : normal(random); }
double wild(Random& random, int) { return ldexp(random.uniform() - 0.5, random.between(-20, 20)); }
double tiny(Random& random, int type) { return ldexp(normal(random), type == BN_F32 ? -110 : -230); }
double huge(Random& random, int type) { return ldexp(normal(random), type == BN_F32 ? 100 : 150); }
double short_numbers(Random& random, int) { return ldexp(random.between(-4095, 4095), -9); }

const Kind KINDS_OF_DATA[] = {
    {"N(0,1), 4 values", 4, standard, plain_gradient, 0},
    {"1e4 + N, 4 values", 4, around<4>, plain_gradient, 0},
    {"1e6 + N, 4 values, dy 1e6 + N", 4, around<6>, far_gradient, 0},
    {"1e8 + N, 4 values", 4, around<8>, plain_gradient, 0},
    {"1e8 + N, 100 values", 100, around<8>, plain_gradient, 0},
    {"1e10 + N, 7 values, dy 1e6 + N", 7, around<10>, far_gradient, 0},
    {"1e15 + N, 5 values", 5, around<15>, plain_gradient, 0},
    {"N(0,1), 2 values", 2, standard, plain_gradient, 0},
    {"two values", 6, two_values, plain_gradient, 0},
    {"one value", 1, standard, plain_gradient, 0},
    {"integers, 4 values", 4, small_integers, plain_gradient, 0},
    {"short numbers, 3 values", 3, short_numbers, plain_gradient, 0},
    {"half zeros, 4 values", 4, sparse, plain_gradient, 0},
    {"log-uniform, 8 values", 8, wild, plain_gradient, 0},
    {"N(0,1), constant dy", 5, standard, same_gradient, 0},
    {"1e4 + N, dy = 3x", 5, around<4>, own_gradient, 0},
    {"N(0,1), scaled counts", 4, standard, plain_gradient, 60},
    {"1e4 + N, scaled counts", 3, around<4>, plain_gradient, 40},
    {"tiny", 4, tiny, plain_gradient, 0},
    {"huge", 4, huge, plain_gradient, 0},
};

void data(Random& random) {
  const int64_t channels = scaled(8000);
  for (const Kind& kind : KINDS_OF_DATA) {
    for (int types = 0; types < 4; types++) {
      Setting s = {types & 1 ? BN_F64 : BN_F32, types & 2 ? BN_F64 : BN_F32, BN_F32, 1e-5};
      s.result_type = types == 0 ? BN_F32 : random.one_in(2) ? BN_F32 : BN_F64;
      Terms x(channels, s.x_type, s.x_type), g(channels, s.dy_type, s.x_type);
      std::vector<double> mean(channels), variance(channels);
      for (int64_t c = 0; c < channels; c++) {
        Parts sum, squares, upstream, products;
        // In every other block sums lie as windows leave them: most of f32 are short.
        bool constant = random.one_in(20), disorder = c / BN_BLOCK % 2 == 1 && random.one_in(4), fits = false;
        int scale = kind.most_scale == 0 ? 0 : random.between(0, kind.most_scale);
        double first = 0;
        while (!fits) {
          sum = squares = upstream = products = Parts();
          for (int64_t i = 0; i < kind.values; i++) {
            double value = i > 0 && constant ? first : kind.value(random, s.x_type);
            if (s.x_type == BN_F32) value = (float)value;
            double dy = kind.upstream(random, value);
            if (s.dy_type == BN_F32) dy = (float)dy;
            first = value;
            double times = ldexp(1, scale);
            sum.add(value * times);
            squares.add_product(value * times, value);
            upstream.add(dy * times);
            products.add_product(dy * times, value);
          }
          fits = sum.count() <= x.linear && squares.count() <= x.product && upstream.count() <= g.linear &&
                 products.count() <= g.product;
        }
        x.counts[c] = g.counts[c] = kind.values << scale;
        x.set(random, c, sum, squares, disorder);
        g.set(random, c, upstream, products, disorder);
        mean[c] = random.one_in(4) ? 0 : first;
        variance[c] = random.one_in(20) ? 0 : random.uniform() * 4;
      }
      for (double eps : {1e-5, 0.0}) {
        s.eps = eps;
        check_roads(kind.name, s, x, g, mean, variance, types == 0 || types == 3);
      }
    }
  }
}

double odd_of(Random& random, int bits) { return (double)((int64_t)(random.bits() >> (64 - bits)) | 1); }

// Sums whose quotients are midpoints of binary64 (54 bits) or binary32 (25), or lie beside one by a small part.
// Those of f32 are short, so their means are no midpoints.
void midpoints(Random& random, int type) {
  const int64_t channels = scaled(40000);
  for (bool beside : {false, true}) {
    for (int result_type : {BN_F32, BN_F64}) {
      Terms x(channels, type, type), g(channels, type, type);
      std::vector<double> mean(channels), variance(channels);
      for (int64_t c = 0; c < channels; c++) {
        // A midpoint is u + v; times adds m times it to a sum, with or without the part beside it.
        int bits = result_type == BN_F32 && random.one_in(2) ? 25 : 54;
        double m = random.one_in(2) ? ldexp(1, random.between(1, 12)) : random.between(2, 4096), u, v;
        int part = random.one_in(2) ? random.between(-112, -96) : random.between(-230, -180);
        double sign = random.one_in(2) ? 1 : -1;
        auto midpoint = [&] {
          u = ldexp(floor(ldexp(random.uniform() + 1, bits - 2)), random.between(-60, 20) - bits);
          double ulp = ldexp(1, ilogb(u) - (bits - 2));
          v = random.one_in(2) ? ulp / 2 : -ulp / 2;
        };
        auto times_midpoint = [&](Parts& sum) {
          midpoint();
          sum.add_product(m, u), sum.add_product(m, v);
          if (beside) sum.add(ldexp(sign, ilogb(m * u) + part));
        };
        Parts sum, squares, upstream, products;
        bool root = beside && random.one_in(3);
        if (root) {
          // V = 1/z² to some 150 bits (of f32, 100), S = 0 and P = 1: inverse_std and dγ lie beside the midpoint z.
          midpoint();
          Parts z_squared, rest;
          z_squared.add_product(u, u), z_squared.add_product(2 * u, v), z_squared.add_product(v, v);
          rest.add(1);
          for (int i = 0; i < (type == BN_F32 ? 2 : 3); i++) {
            double q = rest.largest_first()[0] / z_squared.largest_first()[0];
            squares.add_product(m, q);
            for (double w : z_squared.largest_first()) rest.add_product(-q, w);
          }
        } else if (type == BN_F64 && random.one_in(2)) {
          times_midpoint(sum);
          squares.add(m * ldexp(1, 60));
        } else {
          double s = random.one_in(2) ? 0 : odd_of(random, 20);  // S = m·s, Q = m·(V + s²)
          sum.add(m * s);
          squares.add_product(m, s * s);
          times_midpoint(squares);
        }
        if (type == BN_F64 || bits == 25) {
          times_midpoint(upstream);
        } else {
          upstream.add(odd_of(random, 30));
        }
        if (root) {
          products.add(1);
        } else {
          times_midpoint(products);
        }
        x.counts[c] = g.counts[c] = (int64_t)m;
        int linear = type == BN_F32 ? 1 : 3, product = type == BN_F32 ? 2 : 4;
        if (sum.count() > linear || squares.count() > product || upstream.count() > linear ||
            products.count() > product) {
          x.counts[c] = g.counts[c] = 0;
          if (type == BN_F32 && !random.one_in(5000)) c--;  // of f32 few, as no sum of such a block is short
          continue;
        }
        x.set(random, c, sum, squares, type == BN_F64 && random.one_in(2));
        g.set(random, c, upstream, products, type == BN_F64 && random.one_in(2));
        variance[c] = ldexp(1, 2 * random.between(-10, 10));  // roots that are powers of 2: midpoints of B4
      }
      Setting s = {type, type, result_type, 0};
      check_roads(beside ? "beside midpoints" : "midpoints", s, x, g, mean, variance, true);
    }
  }
}

// Terms of any kind, as no data make them: negative squares, all of one size, of sizes at the ends of the range.
void garbage(Random& random) {
  const int64_t channels = scaled(16000);
  for (int types = 0; types < 4; types++) {
    Setting s = {types & 1 ? BN_F64 : BN_F32, types & 2 ? BN_F64 : BN_F32, random.one_in(2) ? BN_F32 : BN_F64, 0};
    Terms x(channels, s.x_type, s.x_type), g(channels, s.dy_type, s.x_type);
    std::vector<double> mean(channels), variance(channels);
    for (int64_t c = 0; c < channels; c++) {
      int64_t block = c / BN_BLOCK % 8;
      int reach = random.one_in(2) ? 3 : random.one_in(2) ? 60 : 250;
      int linear = random.between(-260, 170), product = random.one_in(2) ? 2 * linear : random.between(-540, 290);
      bool in_range = block > 0 && block < 5;
      if (in_range) reach = reach > 60 ? 60 : reach, linear = random.between(-100, 100), product = 2 * linear;
      auto some = [&](int around) {
        return random.one_in(4) ? 0 : ldexp(random.uniform() - 0.5, around + random.between(-reach, 0));
      };
      x.counts[c] = g.counts[c] = (int64_t)(random.bits() >> random.between(1, 63)) | 2;
      for (int k = 0; k < x.linear + x.product; k++) {
        x.terms[k * channels + c] = some(k < x.linear ? linear : product);
      }
      for (int k = 0; k < g.linear + g.product; k++) {
        g.terms[k * channels + c] = some(k < g.linear ? linear : product);
      }
      // m·Q ≥ S², as of any data.
      Parts parts;
      for (int k = 0; k < x.linear; k++) parts.add(x.terms[k * channels + c]);
      double sum = fabs(parts.largest_first()[0]), enough = sum * sum * (1 + random.uniform());
      x.terms[x.linear * channels + c] = fmax(enough, in_range ? 0x1p-500 : 0x1p-540);
      for (int k = x.linear + 1; k < x.linear + x.product; k++) {
        double& term = x.terms[k * channels + c];
        term = fabs(term);
      }
      // All is short in these blocks, but for one thing.
      auto shorten = [&](Terms& of, int first, int count) {
        for (int k = first; k < count; k++) of.terms[k * channels + c] = 0;
      };
      if (block < 5) {
        x.counts[c] = g.counts[c] = (x.counts[c] & (block == 1 ? 0x1fffffff : 0x3ffffff)) | 2;
        if (block != 2) shorten(x, x.linear + 2, x.linear + x.product), shorten(g, g.linear + 2, g.linear + g.product);
        if (block != 3) shorten(x, 1, x.linear), shorten(g, 1, g.linear);
        if (block == 4) shorten(x, 0, x.linear), shorten(g, 0, g.linear);
      }
      mean[c] = some(linear);
      variance[c] = fabs(some(product)) + 0x1p-560;
    }
    for (double eps : {0.0, 0x1p-300, 0x1p150, 0x1p-600, 0x1p300}) {
      s.eps = eps;
      check_roads("garbage", s, x, g, mean, variance, types == 3);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Random random = start(argc, argv);
  data(random);
  for (int type : {BN_F32, BN_F64}) midpoints(random, type);
  garbage(random);
}
