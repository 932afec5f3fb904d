// Exact sums of pairs, covariances (R2), quadratic forms (R3) and projections (R5) against school arithmetic, and fast
// sums against exact ones.
#include <math.h>

#include <string>

#include "data.h"
#include "instruction_sets.h"
#include "sums.h"

namespace {

double or_zero(double value) { return value - value == 0 ? value : 0; }

struct Pairs {
  int64_t columns;
  FixedPoint format;
  std::vector<double> terms;
  std::vector<uint64_t> limbs;
  bool has_limbs = false;

  Pairs(int64_t columns, int type)
      : columns(columns),
        format(product_format(type, type)),
        terms(count() * format.terms),
        limbs(count() * format.limbs) {}

  int64_t count() const { return columns * (columns - 1) / 2; }
  bn_pair_sums view() { return bn_pair_sums{terms.data(), count(), has_limbs ? limbs.data() : nullptr}; }

  // As the engine does: with limbs only where they are wanted.
  template <class T> void add(bn_how how, int64_t rows, int type, const T* x) {
    std::vector<double> before = terms;
    int32_t status = bn_add_pairs(how, rows, columns, type, x, view());
    if (status == BN_WANTS_LIMBS) {
      CHECK(!has_limbs);
      terms = before;
      has_limbs = true;
      status = bn_add_pairs(how, rows, columns, type, x, view());
    }
    CHECK_EQUAL(BN_OK, status);
  }

  Exact sum(int64_t pair) const {
    Exact result = exact_of_limbs(limbs.data() + pair * format.limbs, format.limbs, format.lowest);
    for (int k = 0; k < format.terms; k++) result = result + Exact(terms[k * count() + pair]);
    return result;
  }
};

template <class T> void check_covariances(Random& random, int type, int kind, bn_how how, int64_t rows, int64_t columns) {
  std::vector<T> x = values_of<T>(random, kind, rows * columns);
  at_case(name_of(kind), ", type ", type, ", ", rows, " x ", columns, ", isa ", how.isa, ", threads ", how.threads);
  Pairs pairs(columns, type);
  int64_t cut = random.below(rows + 1);
  pairs.add(how, cut, type, x.data());
  pairs.add(how, rows - cut, type, x.data() + cut * columns);
  Sums singles(columns, type, type);
  add_naively(Block{rows, columns, 1, columns, 1}, x.data(), x.data(), true, singles);
  std::vector<double> covariance(columns * columns);
  bn_covariances(how, columns, type, singles.view(), pairs.view(), covariance.data());
  std::vector<Exact> sums(columns);
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t i = 0; i < columns; i++) sums[i] = sums[i] + Exact(or_zero(x[r * columns + i]));
  }
  int64_t pair = 0;
  for (int64_t i = 0; i < columns; i++) {
    for (int64_t j = i + 1; j < columns; j++, pair++) {
      Exact sum, m(rows);
      for (int64_t r = 0; r < rows; r++) {
        sum = sum + Exact(or_zero(x[r * columns + i])) * Exact(or_zero(x[r * columns + j]));
      }
      CHECK((sum - pairs.sum(pair)).is_zero());
      double found = covariance[i * columns + j];
      CHECK_EQUAL(found, covariance[j * columns + i]);
      if (singles.flags[i] != 0 || singles.flags[j] != 0) {
        CHECK(found != found);
      } else {
        CHECK_ROUNDED(m * sum - sums[i] * sums[j], m * m, RATIO, false, found);  // (R2)
      }
    }
  }
}

void covariances(Random& random) {
  for (const InstructionSet& set : instruction_sets()) {
    for (int kind = 0; kind < KINDS; kind++) {
      for (int i = 0; i < scaled(8); i++) {
        bn_how how = {set.isa, random.between(1, 3)};
        int64_t rows = random.one_in(4) ? 500 + random.below(30) : 1 + random.below(40);
        int64_t columns = 1 + random.below(rows > 100 ? 4 : 11);
        check_covariances<float>(random, BN_F32, kind, how, rows, columns);
        check_covariances<double>(random, BN_F64, kind, how, rows, columns);
        check_covariances<Half>(random, BN_F16, kind, how, rows, columns);
      }
    }
  }
}

template <class T> void check_forms(Random& random, int type, int kind, bn_how how, int64_t rows, int64_t units) {
  std::vector<T> w = values_of<T>(random, kind, rows * units);
  std::vector<double> s = values_of<double>(random, random.one_in(2) ? PLAIN : kind, rows * rows);
  std::vector<double> v = values_of<double>(random, kind, rows), q(units), r(units);
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < i; j++) s[i * rows + j] = s[j * rows + i];
  }
  at_case(name_of(kind), ", type ", type, ", ", rows, " x ", units, ", isa ", how.isa, ", threads ", how.threads);
  CHECK_EQUAL(BN_OK, bn_quadratic_forms(how, rows, units, s.data(), type, w.data(), q.data()));
  CHECK_EQUAL(BN_OK, bn_projections(how, rows, units, v.data(), type, w.data(), r.data()));
  bool finite_s = true, finite_v = true;
  for (double value : s) finite_s &= value - value == 0;
  for (double value : v) finite_v &= value - value == 0;
  for (int64_t k = 0; k < units; k++) {
    Exact form, projection;
    bool finite_w = true;
    for (int64_t i = 0; i < rows; i++) {
      double wi = w[i * units + k];
      finite_w &= wi - wi == 0;
      for (int64_t j = 0; j < rows && finite_s && finite_w; j++) {
        double wj = w[j * units + k];
        if (wj - wj == 0) form = form + Exact(wi) * Exact(s[i * rows + j]) * Exact(wj);
      }
      if (finite_v && finite_w) projection = projection + Exact(v[i]) * Exact(wi);
    }
    if (finite_s && finite_w) {
      if (form.negative) form = Exact();
      CHECK_ROUNDED(form, Exact((int64_t)1), RATIO, false, q[k]);  // (R3)
    } else {
      CHECK(q[k] != q[k]);
    }
    if (finite_v && finite_w) {
      CHECK_ROUNDED(projection, Exact((int64_t)1), RATIO, false, r[k]);  // (R5)
    } else {
      CHECK(r[k] != r[k]);
    }
  }
}

void forms(Random& random) {
  for (const InstructionSet& set : instruction_sets()) {
    for (int kind = 0; kind < KINDS; kind++) {
      for (int i = 0; i < scaled(12); i++) {
        bn_how how = {set.isa, random.between(1, 3)};
        int64_t rows = 1 + random.below(9), units = 1 + random.below(19);
        check_forms<float>(random, BN_F32, kind, how, rows, units);
        check_forms<double>(random, BN_F64, kind, how, rows, units);
        check_forms<Half>(random, BN_F16, kind, how, rows, units);
      }
    }
  }
}

// Small integers and halves: no fast sum rounds, so all must be equal, however rows are cut.
void fast_sums(Random& random) {
  for (const InstructionSet& set : instruction_sets()) {
    for (int threads : {1, 3}) {
      const int64_t rows = 1300, d = 7, k = 3;
      at_case("fast sums, ", set.name, ", threads ", threads);
      bn_how how = {set.isa, threads};
      std::vector<float> x(rows * d);
      std::vector<double> dy(rows * k), w(d * k), mean(d), lo(d), dy_mean(k), dy_lo(k);
      for (float& value : x) value = (float)random.between(-8, 8);
      for (double& value : dy) value = random.between(-8, 8);
      for (double& value : w) value = random.between(-4, 4);
      for (double& value : mean) value = random.between(-2, 2);
      for (double& value : lo) value = 0.5;
      std::vector<double> gram(d * d), g(d * k), squares(k), moments(d * k), product(d * k);
      CHECK_EQUAL(BN_OK, bn_add_centred_gram(how, rows, d, BN_F32, x.data(), mean.data(), lo.data(), gram.data()));
      CHECK_EQUAL(BN_OK, bn_add_centred_products(how, rows, d, BN_F32, x.data(), mean.data(), lo.data(), k, BN_F64,
                                                 dy.data(), dy_mean.data(), dy_lo.data(), g.data()));
      CHECK_EQUAL(BN_OK, bn_add_projected_moments(how, rows, d, BN_F32, x.data(), mean.data(), lo.data(), k, w.data(),
                                                  squares.data(), moments.data()));
      std::vector<double> right_gram(d * d), right_g(d * k), right_squares(k), right_moments(d * k);
      for (int64_t r = 0; r < rows; r++) {
        double c[d], z[k] = {};
        for (int64_t i = 0; i < d; i++) c[i] = x[r * d + i] - mean[i] - lo[i];
        for (int64_t i = 0; i < d; i++) {
          for (int64_t j = i; j < d; j++) right_gram[i * d + j] += c[i] * c[j];
          for (int64_t j = 0; j < k; j++) {
            right_g[i * k + j] += c[i] * dy[r * k + j];
            z[j] += c[i] * w[i * k + j];
          }
        }
        for (int64_t j = 0; j < k; j++) {
          right_squares[j] += z[j] * z[j];
          for (int64_t i = 0; i < d; i++) right_moments[i * k + j] += c[i] * z[j];
        }
      }
      CHECK_ALL_EQUAL(right_gram.data(), gram.data(), gram.size());
      CHECK_ALL_EQUAL(right_g.data(), g.data(), g.size());
      CHECK_ALL_EQUAL(right_squares.data(), squares.data(), squares.size());
      CHECK_ALL_EQUAL(right_moments.data(), moments.data(), moments.size());
      CHECK_EQUAL(BN_OK, bn_multiply(how, d, d, gram.data(), k, w.data(), product.data()));
      for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < k; j++) {
          double sum = 0;
          for (int64_t l = 0; l < d; l++) sum += gram[i * d + l] * w[l * k + j];
          CHECK_EQUAL(sum, product[i * k + j]);
        }
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Random random = start(argc, argv);
  std::string paths = std::string(NAIVE_BLAS) + '\0';
  at_case("opening ", NAIVE_BLAS);
  CHECK(bn_blas_open("/nowhere\0") != nullptr);
  const char* why_not = bn_blas_open(paths.c_str());
  if (why_not != nullptr) fail(__FILE__, __LINE__, why_not);
  CHECK_EQUAL(std::string("naive"), std::string(bn_blas_config()));
  covariances(random);
  forms(random);
  fast_sums(random);
}
