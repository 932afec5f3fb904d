// Covariance of the columns of a matrix: exact sums of products and what is made of them (R2), or binary64 sums of centred
// data; both through the matrix products of BLAS, on our own threads.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>

#include "batchnorm.h"
#include "blas.h"
#include "cut.h"
#include "parallel.h"
#include "parameters.h"
#include "rounding.h"

namespace {

// Rows whose products are summed before they are added to other sums.
const int64_t BLOCK_ROWS = 512;

// A slice has at most SLICE_BITS − 1 bits, so the four products of slices that share a grid add up to less than
// 4·512·2^42 = 2^53 of its units.
const int SLICE_BITS = 22, MOST_SLICES = 4;

// Columns beyond these are added value by value: slices and their products must neither over- nor underflow.
const int HIGHEST_SLICED = 400, LOWEST_SLICED = -400;

// One more slice costs about as much as adding the products of this part of the values one by one.
const int64_t WORTH_A_SLICE = 64;

// Memory of one thread, of no content.
double* doubles(int64_t count) {
  double* memory = (double*)malloc(sizeof(double) * (size_t)std::max<int64_t>(count, 1));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

struct Memory {
  explicit Memory(int64_t count) : values(doubles(count)) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { free(values); }

  double* const values;
};

// Runs `run`, which may find no memory.
template <class F> int32_t if_memory(const F& run) {
  try {
    return run();
  } catch (const std::bad_alloc&) {
    return BN_OUT_OF_MEMORY;
  }
}

// The first pair (i, i + 1) of column i; pairs (i, j) lie row by row.
int64_t first_pair(int64_t i, int64_t columns) { return i * (2 * columns - i - 1) / 2; }

int64_t pair_of(int64_t i, int64_t j, int64_t columns) {
  return i < j ? first_pair(i, columns) + j - i - 1 : first_pair(j, columns) + i - j - 1;
}

PairSums pair_sums(const bn_pair_sums& sums, int type) {
  return PairSums{sums.terms, sums.stride, sums.limbs, product_format(type, type)};
}

// A block of rows, cut into slices.
class SlicedRows {
 public:
  SlicedRows(const Kernels& kernels, int64_t columns)
      : kernels_(kernels),
        columns_(columns),
        values_(BLOCK_ROWS * columns),
        rest_(BLOCK_ROWS * columns),
        largest_(columns),
        shift_(columns),
        products_(columns * columns),
        slices_(MOST_SLICES * BLOCK_ROWS * columns) {}

  void read(int type, const void* x, int64_t rows) {
    rows_ = rows;
    kernels_.widen_rows[type](x, rows, columns_, values_.values, largest_.values);
    memcpy(rest_.values, values_.values, sizeof(double) * (size_t)(rows * columns_));
    used_ = 0;
    while (used_ < MOST_SLICES && cut() > rows * columns_ / WORTH_A_SLICE) {
    }
  }

  // Adds the products of slices: those of slices s and t share a grid with all whose s + t is the same.
  template <class Add> void multiply(const Add& add) {
    int n = (int)columns_, rows = (int)rows_;
    for (int both = 0; both <= 2 * (used_ - 1); both++) {
      double beta = 0;
      for (int s = std::max(0, both - used_ + 1); 2 * s <= both; s++) {
        const double *a = slice(s), *b = slice(both - s);
        if (2 * s == both) {
          blas()->dsyrk(BLAS_ROW_MAJOR, BLAS_UPPER, BLAS_TRANSPOSE, n, rows, 1, a, n, beta, products_.values, n);
        } else {
          blas()->dsyr2k(BLAS_ROW_MAJOR, BLAS_UPPER, BLAS_TRANSPOSE, n, rows, 1, a, n, b, n, beta, products_.values, n);
        }
        beta = 1;
      }
      add(products_.values);
    }
  }

  // Adds the products that involve what no slice holds: x_i·x_j less those of the slices' sums, x − rest.
  template <class Add> void multiply_rest(const Add& add) const {
    for (int64_t r = 0; r < rows_; r++) {
      const double *x = values_.values + r * columns_, *rest = rest_.values + r * columns_;
      for (int64_t i = 0; i < columns_; i++) {
        if (rest[i] == 0) continue;
        for (int64_t j = 0; j < columns_; j++) {
          if (j != i) add(pair_of(i, j, columns_), rest[i], j > i ? x[j] : x[j] - rest[j]);
        }
      }
    }
  }

 private:
  // Takes one more slice off the rest. Returns how many values have one still.
  int64_t cut() {
    bool all_fit = true;
    for (int64_t j = 0; j < columns_; j++) {
      int exponent = exponent_of(largest_.values[j]);
      all_fit &= fits(exponent);
      // The slice's unit is 2^(exponent + 1 − SLICE_BITS·(used + 1)), and 52 bits above it 1.5·2^k ends.
      shift_.values[j] = fits(exponent) ? ldexp(1.5, exponent + 53 - SLICE_BITS * (used_ + 1)) : 0;
    }
    double* cut = slice(used_++);
    int64_t left = kernels_.cut_slice(rows_, columns_, shift_.values, rest_.values, cut);
    if (all_fit) return left;
    for (int64_t j = 0; j < columns_; j++) {
      if (fits(exponent_of(largest_.values[j]))) continue;
      for (int64_t at = j; at < rows_ * columns_; at += columns_) {
        rest_.values[at] = values_.values[at];
        cut[at] = 0;
      }
    }
    return left;
  }

  double* slice(int s) { return slices_.values + s * BLOCK_ROWS * columns_; }

  // The least e with |x| < 2^e for all x of a column.
  static int exponent_of(double largest) {
    int exponent = 0;
    frexp(largest, &exponent);
    return exponent;
  }

  static bool fits(int exponent) { return exponent >= LOWEST_SLICED && exponent <= HIGHEST_SLICED; }

  const Kernels& kernels_;
  int64_t columns_;
  int64_t rows_ = 0;
  Memory values_, rest_, largest_, shift_, products_, slices_;
  int used_ = 0;
};

// Runs work(first row, rows) for blocks of rows: each thread has a state of its own, made by `make`, and gives it to
// `end`.
template <class Make, class Work, class End>
int32_t for_blocks(bn_how how, int64_t rows, const Make& make, const Work& work, const End& end) {
  int64_t blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  int64_t parts = std::min<int64_t>(std::max(how.threads, 1), blocks);
  std::atomic<int64_t> next{0};
  std::atomic<bool> out_of_memory{false};
  parallel(how.threads, parts, [&](int64_t) {
    int32_t status = if_memory([&] {
      auto state = make();
      for (int64_t block = next++; block < blocks; block = next++) {
        int64_t first = block * BLOCK_ROWS;
        work(*state, first, std::min(BLOCK_ROWS, rows - first));
      }
      end(*state);
      return (int32_t)BN_OK;
    });
    if (status != BN_OK) out_of_memory = true;
  });
  return out_of_memory ? BN_OUT_OF_MEMORY : BN_OK;
}

// Sums of one thread, and rows for them.
struct Centred {
  Memory rows, other, sums, squares;

  Centred(int64_t values, int64_t others, int64_t sums_count, int64_t units)
      : rows(values), other(others), sums(sums_count), squares(units) {
    memset(sums.values, 0, sizeof(double) * (size_t)sums_count);
    memset(squares.values, 0, sizeof(double) * (size_t)units);
  }
};

void add_all(int64_t count, const double* from, double* to) {
  for (int64_t i = 0; i < count; i++) to[i] += from[i];
}

}  // namespace

int32_t bn_add_pairs(bn_how how, int64_t rows, int64_t columns, int32_t x_type, const void* x, bn_pair_sums sums) {
  const Kernels& table = kernels(how.isa);
  bool wide = x_type == BN_F64;
  PairSums pairs = pair_sums(sums, x_type);
  std::mutex mutex;
  std::atomic<bool> missing{false};
  int32_t status = for_blocks(
      how, rows, [&] { return std::make_unique<SlicedRows>(table, columns); },
      [&](SlicedRows& sliced, int64_t first, int64_t count) {
        sliced.read(x_type, at(x, x_type, first * columns), count);
        sliced.multiply([&](const double* products) {
          std::lock_guard<std::mutex> lock(mutex);
          for (int64_t i = 0; i + 1 < columns; i++) {
            const double* row = products + i * columns + i + 1;
            if (table.add_to_pairs[wide](columns - 1 - i, row, pairs, first_pair(i, columns))) missing = true;
          }
        });
        std::lock_guard<std::mutex> lock(mutex);
        sliced.multiply_rest([&](int64_t pair, double a, double b) {
          if (table.add_product_to_pair[wide](pairs, pair, a, b)) missing = true;
        });
      },
      [](SlicedRows&) {});
  return status != BN_OK ? status : missing ? BN_WANTS_LIMBS : BN_OK;
}

int32_t bn_covariances(bn_how how, int64_t columns, int32_t x_type, bn_sums singles, bn_pair_sums sums,
                       double* covariance) {
  const Kernels& table = kernels(how.isa);
  PairSums pairs = pair_sums(sums, x_type);
  parallel(how.threads, columns, [&](int64_t i) {
    for (int64_t j = i + 1; j < columns; j += BN_BLOCK) {
      int64_t count = std::min<int64_t>(BN_BLOCK, columns - j), pair = first_pair(i, columns) + j - i - 1;
      round_covariances(table, x_type, singles, pairs, i, j, pair, count, covariance + i * columns + j);
    }
  });
  for (int64_t i = 0; i < columns; i++) {
    for (int64_t j = 0; j < i; j++) covariance[i * columns + j] = covariance[j * columns + i];
  }
  return BN_OK;
}

int32_t bn_add_centred_gram(bn_how how, int64_t rows, int64_t columns, int32_t x_type, const void* x,
                            const double* mean, const double* mean_lo, double* gram) {
  std::mutex mutex;
  int n = (int)columns;
  return for_blocks(
      how, rows,
      [&] { return std::make_unique<Centred>(BLOCK_ROWS * columns, 0, columns * columns, 0); },
      [&](Centred& own, int64_t first, int64_t count) {
        const void* from = at(x, x_type, first * columns);
        kernels(how.isa).centre_rows[x_type](from, count, columns, mean, mean_lo, own.rows.values);
        blas()->dsyrk(BLAS_ROW_MAJOR, BLAS_UPPER, BLAS_TRANSPOSE, n, (int)count, 1, own.rows.values, n, 1,
                      own.sums.values, n);
      },
      [&](Centred& own) {
        std::lock_guard<std::mutex> lock(mutex);
        for (int64_t i = 0; i < columns; i++) {
          add_all(columns - i, own.sums.values + i * columns + i, gram + i * columns + i);
        }
      });
}

int32_t bn_add_centred_products(bn_how how, int64_t rows, int64_t columns, int32_t a_type, const void* a,
                                const double* a_mean, const double* a_mean_lo, int64_t units, int32_t b_type,
                                const void* b, const double* b_mean, const double* b_mean_lo, double* products) {
  std::mutex mutex;
  int n = (int)columns, k = (int)units;
  const Kernels& table = kernels(how.isa);
  return for_blocks(
      how, rows,
      [&] { return std::make_unique<Centred>(BLOCK_ROWS * columns, BLOCK_ROWS * units, columns * units, 0); },
      [&](Centred& own, int64_t first, int64_t count) {
        table.centre_rows[a_type](at(a, a_type, first * columns), count, columns, a_mean, a_mean_lo, own.rows.values);
        table.centre_rows[b_type](at(b, b_type, first * units), count, units, b_mean, b_mean_lo, own.other.values);
        blas()->dgemm(BLAS_ROW_MAJOR, BLAS_TRANSPOSE, BLAS_NO_TRANSPOSE, n, k, (int)count, 1, own.rows.values, n,
                      own.other.values, k, 1, own.sums.values, k);
      },
      [&](Centred& own) {
        std::lock_guard<std::mutex> lock(mutex);
        add_all(columns * units, own.sums.values, products);
      });
}

int32_t bn_add_projected_moments(bn_how how, int64_t rows, int64_t columns, int32_t x_type, const void* x,
                                 const double* mean, const double* mean_lo, int64_t units, const double* w,
                                 double* squares, double* products) {
  std::mutex mutex;
  int n = (int)columns, k = (int)units;
  return for_blocks(
      how, rows,
      [&] { return std::make_unique<Centred>(BLOCK_ROWS * columns, BLOCK_ROWS * units, columns * units, units); },
      [&](Centred& own, int64_t first, int64_t count) {
        const void* from = at(x, x_type, first * columns);
        double *c = own.rows.values, *z = own.other.values;
        kernels(how.isa).centre_rows[x_type](from, count, columns, mean, mean_lo, c);
        blas()->dgemm(BLAS_ROW_MAJOR, BLAS_NO_TRANSPOSE, BLAS_NO_TRANSPOSE, (int)count, k, n, 1, c, n, w, k, 0, z, k);
        for (int64_t i = 0; i < units; i++) {
          double sum = 0;
          for (int64_t at = i; at < count * units; at += units) sum += z[at] * z[at];
          own.squares.values[i] += sum;
        }
        blas()->dgemm(BLAS_ROW_MAJOR, BLAS_TRANSPOSE, BLAS_NO_TRANSPOSE, n, k, (int)count, 1, c, n, z, k, 1,
                      own.sums.values, k);
      },
      [&](Centred& own) {
        std::lock_guard<std::mutex> lock(mutex);
        add_all(units, own.squares.values, squares);
        add_all(columns * units, own.sums.values, products);
      });
}

int32_t bn_multiply(bn_how how, int64_t rows, int64_t columns, const double* s, int64_t units, const double* w,
                    double* product) {
  int n = (int)columns, k = (int)units;
  int64_t parts = std::min<int64_t>(std::max(how.threads, 1), rows);
  parallel(how.threads, parts, [&](int64_t part) {
    int64_t first = rows * part / parts, count = rows * (part + 1) / parts - first;
    blas()->dgemm(BLAS_ROW_MAJOR, BLAS_NO_TRANSPOSE, BLAS_NO_TRANSPOSE, (int)count, k, n, 1, s + first * columns, n, w,
                  k, 0, product + first * units, k);
  });
  return BN_OK;
}
