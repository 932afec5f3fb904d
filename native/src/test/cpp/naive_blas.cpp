// What the covariance needs of BLAS, as its definitions say; the linker finds it where OpenBLAS would be. Sums run
// backwards: exact ones do not mind.
#include <stdint.h>

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

const int TRANSPOSE = 112;

double at(const double* a, int32_t lda, int transposed, int64_t row, int64_t column) {
  return transposed == TRANSPOSE ? a[column * lda + row] : a[row * lda + column];
}

// C = alpha·op(A)·op(B) + beta·C for columns from the given one on.
void add_product(int ta, int tb, int64_t i, int64_t first, int32_t n, int32_t k, double alpha, const double* a,
                 int32_t lda, const double* b, int32_t ldb, double beta, double* c, int32_t ldc) {
  for (int64_t j = first; j < n; j++) {
    double sum = 0;
    for (int64_t r = k; r-- > 0;) sum += at(a, lda, ta, i, r) * at(b, ldb, tb, r, j);
    c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
  }
}

int other(int transposed) { return transposed == TRANSPOSE ? 111 : TRANSPOSE; }

}  // namespace

EXPORTED void cblas_dgemm(int, int ta, int tb, int32_t m, int32_t n, int32_t k, double alpha, const double* a,
                          int32_t lda, const double* b, int32_t ldb, double beta, double* c, int32_t ldc) {
  for (int64_t i = 0; i < m; i++) add_product(ta, tb, i, 0, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

EXPORTED void cblas_dsyrk(int, int, int t, int32_t n, int32_t k, double alpha, const double* a, int32_t lda,
                          double beta, double* c, int32_t ldc) {
  for (int64_t i = 0; i < n; i++) add_product(t, other(t), i, i, n, k, alpha, a, lda, a, lda, beta, c, ldc);
}

EXPORTED void cblas_dsyr2k(int, int, int t, int32_t n, int32_t k, double alpha, const double* a, int32_t lda,
                           const double* b, int32_t ldb, double beta, double* c, int32_t ldc) {
  for (int64_t i = 0; i < n; i++) {
    add_product(t, other(t), i, i, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    add_product(t, other(t), i, i, n, k, alpha, b, ldb, a, lda, 1, c, ldc);
  }
}

EXPORTED void openblas_set_num_threads(int) {}

EXPORTED const char* openblas_get_config() { return "naive"; }
