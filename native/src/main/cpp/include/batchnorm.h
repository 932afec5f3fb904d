/* Batch normalization with exact sums: the passes of the native engine, as a C ABI.
 *
 * A chunk is a dense block of outer × channels × inner values in C order. Arrays per channel start at the chunk's first
 * channel. Equation ids (F1…F6, B1…B4) are those of docs/math.md. Every function leaves the floating-point environment
 * as it found it, may be called by several threads at once as long as they share no output, and trusts its arguments.
 */
#ifndef BATCHNORM_H
#define BATCHNORM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Types of values. BN_F16 is IEEE binary16, passed by its bits. Every f16 is an f32, and its sums have the formats of
 * f32: where a type only tells a format, BN_F32 says the same. */
enum { BN_F16 = 0, BN_F32 = 1, BN_F64 = 2, BN_TYPE_COUNT = 3 };

/* What a channel saw besides finite values. */
enum { BN_NAN = 1, BN_POSITIVE_INFINITY = 2, BN_NEGATIVE_INFINITY = 4, BN_PRODUCT_NOT_FINITE = 8 };

/* Instruction sets, the plainest first. */
enum { BN_BASELINE = 0, BN_AVX2 = 1, BN_AVX512 = 2, BN_ISA_COUNT = 3 };

/* What a call returns. BN_WANTS_LIMBS: the sums came without limbs and need them; nothing was added. */
enum { BN_OK = 0, BN_OUT_OF_MEMORY = 1, BN_WANTS_LIMBS = 2 };

/* Formats of exact sums: a number is the exact sum of a few finite binary64 terms, in no order and none of them
 * special, and of an integer in two's complement, 64-bit limbs, least first, in units of 2^lowest. */
enum {
  BN_F32_TERMS = 2, BN_F32_PRODUCT_TERMS = 3, BN_F64_TERMS = 3, BN_F64_PRODUCT_TERMS = 4,
  BN_F32_LOWEST = -149, BN_F32_LIMBS = 6,
  BN_F32_PRODUCT_LOWEST = -298, BN_F32_PRODUCT_LIMBS = 10,
  BN_F64_LOWEST = -1074, BN_F64_LIMBS = 34,
  BN_F64_PRODUCT_LOWEST = -2148, BN_F64_PRODUCT_LIMBS = 67
};

/* How to run: which instruction set, at most how many threads. */
typedef struct {
  int32_t isa;
  int32_t threads;
} bn_how;

/* The sizes of a chunk. */
typedef struct {
  int64_t outer;
  int64_t channels;
  int64_t inner;
} bn_view;

/* Exact sums: for each channel a count, flags, the terms and the limbs of the linear sum and those of the products.
 * Term k of channel c is terms[k * stride + c], those of the linear sum first; limbs lie channel by channel, those of
 * the linear sum first. limbs may be null, which says that all integers are 0. */
typedef struct {
  int64_t* counts;
  int32_t* flags;
  double* terms;
  int64_t stride;
  uint64_t* limbs;
} bn_sums;

/* 1 if this processor has the instruction set. */
int32_t bn_isa_available(int32_t isa);

/* How the sums of this process were added so far, counted in columns of tiles of at most 256 rows (a channel whose values are
 * neighbours is folded into some columns): all; those summed a second time, with a better guess; those that took
 * expansions; those added value by value. */
void bn_roads_taken(int64_t roads[4]);

/* Adds x to Σx, Σx² and the counts. The linear format is x's type. */
int32_t bn_add_statistics(bn_how how, bn_view view, int32_t x_type, const void* x, bn_sums sums);

/* Adds dy, x to Σdy, Σdy·x and the counts. The linear format is dy's type; products are F64 if either is. */
int32_t bn_add_gradient_sums(bn_how how, bn_view view, int32_t dy_type, const void* dy, int32_t x_type, const void* x,
                             bn_sums sums);

/* F1–F3: each quantity rounded once. x_type tells the format of the sums. */
int32_t bn_parameters(bn_how how, int64_t channels, int32_t x_type, bn_sums sums, double eps, double* mean,
                      double* mean_lo, double* variance, double* inverse_std);

/* F6: the unbiased variance of channels with at least 2 values. */
int32_t bn_unbiased_variance(bn_how how, int64_t channels, int32_t x_type, bn_sums sums, double* variance);

/* F3 with V = variance. */
int32_t bn_given_inverse_std(bn_how how, int64_t channels, const double* variance, double eps, double* inverse_std);

/* B1–B3: gradients are the sums of dy and dy·x, sums those of x; dγ and dβ are rounded once to result_type, BN_F32 or
 * BN_F64. */
int32_t bn_gradient_parameters(bn_how how, int64_t channels, int32_t dy_type, int32_t x_type, bn_sums gradients,
                               bn_sums sums, double eps, int32_t result_type, double* k1, double* k1_lo, double* k2,
                               double* dgamma, double* dbeta);

/* B1 and B4's dγ with given mean and variance. */
int32_t bn_frozen_gradient_parameters(bn_how how, int64_t channels, int32_t dy_type, int32_t x_type, bn_sums gradients,
                                      const double* mean, const double* variance, double eps, int32_t result_type,
                                      double* dgamma, double* dbeta);

/* F5: y = RN_T(fma(d, a, β)), d = (x − mean) − mean_lo. y may be x. */
int32_t bn_normalise(bn_how how, bn_view view, int32_t x_type, const void* x, const double* mean,
                     const double* mean_lo, const double* a, const double* beta, int32_t y_type, void* y);

/* B3: dx = RN_T(a·w), w = fma(−d, k2, t), t = (dy − k1) − k1_lo. dx may be dy or x. */
int32_t bn_input_gradient(bn_how how, bn_view view, int32_t dy_type, const void* dy, int32_t x_type, const void* x,
                          const double* mean, const double* mean_lo, const double* a, const double* k1,
                          const double* k1_lo, const double* k2, int32_t dx_type, void* dx);

/* B4: dx = RN_T(a·dy). dx may be dy. */
int32_t bn_frozen_input_gradient(bn_how how, bn_view view, int32_t dy_type, const void* dy, const double* a,
                                 int32_t dx_type, void* dx);

/* F1–F5 of a whole batch: adds x to sums, which must be 0, and gives its parameters and y. Where a channel's values fit
 * the cache, memory is read once. y may be x. After BN_WANTS_LIMBS sums and y hold nothing of use, but x is as it was. */
int32_t bn_forward(bn_how how, bn_view view, int32_t x_type, const void* x, double eps, const double* gamma,
                   const double* beta, bn_sums sums, double* mean, double* mean_lo, double* variance,
                   double* inverse_std, int32_t y_type, void* y);

/* B1–B3 of a whole batch, with the results of bn_forward and a = γ·inverse_std (+0 where V + ε is 0). dx may be dy or
 * x. */
int32_t bn_backward(bn_how how, bn_view view, int32_t dy_type, const void* dy, int32_t x_type, const void* x,
                    const double* mean, const double* mean_lo, const double* a, bn_sums sums, double eps,
                    int32_t result_type, double* k1, double* k1_lo, double* k2, double* dgamma, double* dbeta,
                    int32_t dx_type, void* dx);

/* Exact sums Σx_i·x_j of pairs i < j of columns, row by row of i: term k of pair p is terms[k * stride + p], and so are
 * the products' limbs, which may be null. */
typedef struct {
  double* terms;
  int64_t stride;
  uint64_t* limbs;
} bn_pair_sums;

/* Adds rows of x to the sums of all pairs; what is not finite counts as 0. After BN_WANTS_LIMBS the sums are spoilt. This
 * and the next functions up to bn_multiply, but for bn_covariances, need bn_blas_open. */
int32_t bn_add_pairs(bn_how how, int64_t rows, int64_t columns, int32_t x_type, const void* x, bn_pair_sums sums);

/* R2 for i ≠ j: columns × columns values of which the diagonal is left as it is. singles are the sums of each column. */
int32_t bn_covariances(bn_how how, int64_t columns, int32_t x_type, bn_sums singles, bn_pair_sums sums,
                       double* covariance);

/* Adds Σ c_i·c_j over rows to the upper triangle of gram, columns × columns; c = (x − mean) − mean_lo. */
int32_t bn_add_centred_gram(bn_how how, int64_t rows, int64_t columns, int32_t x_type, const void* x,
                            const double* mean, const double* mean_lo, double* gram);

/* Adds Σ c_i·e_k over rows to products, columns × units; c and e are the centred a and b. */
int32_t bn_add_centred_products(bn_how how, int64_t rows, int64_t columns, int32_t a_type, const void* a,
                                const double* a_mean, const double* a_mean_lo, int64_t units, int32_t b_type,
                                const void* b, const double* b_mean, const double* b_mean_lo, double* products);

/* With z = Wᵀc: adds Σ z_k² over rows to squares and Σ c_i·z_k to products, columns × units like w. */
int32_t bn_add_projected_moments(bn_how how, int64_t rows, int64_t columns, int32_t x_type, const void* x,
                                 const double* mean, const double* mean_lo, int64_t units, const double* w,
                                 double* squares, double* products);

/* S·W in binary64: rows × columns by columns × units. */
int32_t bn_multiply(bn_how how, int64_t rows, int64_t columns, const double* s, int64_t units, const double* w,
                    double* product);

/* R5: RN(Σ v_i·w_ik) of each unit of w, rows × units; NaN where a number is not finite. */
int32_t bn_projections(bn_how how, int64_t rows, int64_t units, const double* v, int32_t w_type, const void* w,
                       double* to);

/* R3: max(RN(w_kᵀ S w_k), 0) of each unit of w, rows × units; NaN where a number is not finite. */
int32_t bn_quadratic_forms(bn_how how, int64_t rows, int64_t units, const double* s, int32_t w_type, const void* w,
                           double* to);

/* Whether the text functions were built: the compiler's library may lack what they need. */
int32_t bn_text_available(void);

/* How records of CSV are cut, and which fields are numbers. */
typedef struct {
  int32_t type; /* BN_F32 or BN_F64: what cells are rounded to, once */
  int32_t delimiter;
  int32_t comment; /* the character that begins a comment, or a negative number */
  int32_t fields;  /* of each record */
  int32_t columns; /* fields that are numbers */
  const int32_t* selected; /* which, 0-based and ascending */
} bn_records;

/* Reads records from the start of a text, while they are plain: on one line of ASCII that ends in the text, with as many
 * fields as asked for, those selected finite decimals without quotes. At most `most` records, and none that begins
 * `starts_before` bytes from the start or farther. Returns their number, and how many bytes they take. */
int64_t bn_read_records(bn_records records, const char* text, int64_t size, int64_t starts_before, int64_t most,
                        double* values, int64_t* consumed);

/* Writes numbers, of type BN_F32 or BN_F64, as Python and numpy print them, one after the other: number i ends at ends[i].
 * No number takes more than 32 bytes. */
void bn_write_numbers(int32_t type, const void* values, int64_t count, char* text, int32_t* ends);

/* Writes rows of numbers: the delimiter before each but the first of a row, LF or CR LF after the last. The first number
 * stands in the column `first`, the last may stand in any. Returns the bytes written, at most 35 a number. */
int64_t bn_write_rows(int32_t type, const void* values, int64_t count, int64_t first, int64_t columns,
                      int32_t delimiter, int32_t carriage_return, char* text);

/* Opens OpenBLAS, once per process; after a success there is nothing left to do. `libraries` are full paths in the order
 * in which they are opened, OpenBLAS the last, each ended by a 0 byte and the list by another. It runs on the thread that
 * calls it and takes the kernels of this processor, or those of OPENBLAS_CORETYPE. Returns null, or why it cannot be used,
 * in words that hold until this thread's next call. */
const char* bn_blas_open(const char* libraries);

/* OpenBLAS's version and how it was built, in its own words; null unless it is open. */
const char* bn_blas_config(void);

/* Whose kernels OpenBLAS took, such as Zen; null unless it is open and tells. */
const char* bn_blas_core(void);

#ifdef __cplusplus
}
#endif

#endif
