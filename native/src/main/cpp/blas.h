// OpenBLAS, opened at run time by who needs it: no pass of batch normalization does, and it is 40 MB.
#ifndef BATCHNORM_BLAS_H
#define BATCHNORM_BLAS_H

#include <stdint.h>

// cblas.h's numbers.
enum { BLAS_ROW_MAJOR = 101 };
enum { BLAS_NO_TRANSPOSE = 111, BLAS_TRANSPOSE = 112 };
enum { BLAS_UPPER = 121 };

// cblas.h's functions. Each runs on the thread that calls it, and several threads may call at once.
struct Blas {
  // C = alpha·A·Aᵀ + beta·C, A of n × k; with `trans` alpha·Aᵀ·A + beta·C, A of k × n. Only the triangle `uplo` of C.
  void (*dsyrk)(int order, int uplo, int trans, int32_t n, int32_t k, double alpha, const double* a, int32_t lda,
                double beta, double* c, int32_t ldc);

  // C = alpha·(A·Bᵀ + B·Aᵀ) + beta·C, A and B of n × k; with `trans` alpha·(Aᵀ·B + Bᵀ·A) + beta·C, both of k × n. Only
  // the triangle `uplo` of C.
  void (*dsyr2k)(int order, int uplo, int trans, int32_t n, int32_t k, double alpha, const double* a, int32_t lda,
                 const double* b, int32_t ldb, double beta, double* c, int32_t ldc);

  // C = alpha·A·B + beta·C, A of m × k, B of k × n, each after its transposition.
  void (*dgemm)(int order, int trans_a, int trans_b, int32_t m, int32_t n, int32_t k, double alpha, const double* a,
                int32_t lda, const double* b, int32_t ldb, double beta, double* c, int32_t ldc);
};

// Null until bn_blas_open has succeeded.
const Blas* blas();

#endif
