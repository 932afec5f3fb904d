// The passes of one instruction set, as a table of pointers. Each table is filled by one translation unit.
#ifndef BATCHNORM_KERNELS_H
#define BATCHNORM_KERNELS_H

#include "../fixed_point.h"
#include "batchnorm.h"

// What the caches hold, more or less: arrays beyond are read from memory again.
constexpr int64_t CACHED_BYTES = (int64_t)8 << 20;

// Part of a chunk: outer rows of channels of inner contiguous values; strides in values.
struct Block {
  int64_t outer;
  int64_t channels;
  int64_t inner;
  int64_t outer_stride;
  int64_t channel_stride;
};

// Per-channel operands of F5, starting at the block's first channel.
struct Normalisation {
  const double* mean;
  const double* mean_lo;
  const double* a;
  const double* beta;
};

// Per-channel operands of B3, starting at the block's first channel.
struct InputGradient {
  const double* mean;
  const double* mean_lo;
  const double* a;
  const double* k1;
  const double* k1_lo;
  const double* k2;
};

// How columns of tiles were summed: in how many tiles in all, how many of them again with a better window, how many by
// expansions, how many value by value.
struct SumRoads {
  int64_t tiles;
  int64_t again;
  int64_t expanded;
  int64_t slow;

  void operator+=(const SumRoads& other) {
    tiles += other.tiles;
    again += other.again;
    expanded += other.expanded;
    slow += other.slow;
  }
};

// Channels a rounding pass takes at once: what it keeps of them stays in the first-level cache.
enum { BN_BLOCK = 128 };

// The terms of a block's sums: term k of channel c is linear[k][c] or product[k][c].
struct SumTerms {
  const int64_t* counts;
  const double* linear[BN_F64_TERMS];
  const double* product[BN_F64_PRODUCT_TERMS];
};

// The sums of pairs of columns: term k of pair p is terms[k * stride + p]; limbs may be null.
struct PairSums {
  double* terms;
  int64_t stride;
  uint64_t* limbs;
  FixedPoint format;
};

// Units that a pass over weights takes side by side: a matrix of them lies panel by panel, row by row.
enum { PANEL = 8 };

// Results of F1–F3, starting at the first channel.
struct Parameters {
  double* mean;
  double* mean_lo;
  double* variance;
  double* inverse_std;
};

// Results of B1–B3, starting at the first channel.
struct GradientParameters {
  double* k1;
  double* k1_lo;
  double* k2;
  double* dgamma;
  double* dbeta;
};

// Indices are the types of the operands (BN_F16 …), in the order of the parameters, or whether sums have as many terms
// as those of f64. The rounding passes set undecided[c] where they can't tell.
struct Kernels {
  // These two do not touch the counts. They return whether limbs were missing; then the sums are spoilt.
  bool (*add_statistics[BN_TYPE_COUNT])(const Block&, const void* x, const bn_sums&, SumRoads*);
  bool (*add_gradient_sums[BN_TYPE_COUNT][BN_TYPE_COUNT])(const Block&, const void* dy, const void* x, const bn_sums&,
                                                           SumRoads*);
  // Adds terms of channels to others. Types as for gradient sums. Returns as they do.
  bool (*merge_terms[BN_TYPE_COUNT][BN_TYPE_COUNT])(int64_t channels, const bn_sums& from, const bn_sums& into);
  // Element passes write past the caches if `streamed` says so and the types allow.
  void (*normalise[BN_TYPE_COUNT][BN_TYPE_COUNT])(const Block&, const void* x, const Normalisation&, void* y,
                                                   bool streamed);
  void (*input_gradient[BN_TYPE_COUNT][BN_TYPE_COUNT][BN_TYPE_COUNT])(const Block&, const void* dy, const void* x,
                                                                        const InputGradient&, void* dx,
                                                                        bool streamed);
  void (*frozen_input_gradient[BN_TYPE_COUNT][BN_TYPE_COUNT])(const Block&, const void* dy, const double* a, void* dx,
                                                               bool streamed);
  void (*parameters[2])(int64_t channels, const SumTerms& x, double eps, const Parameters&, int64_t* undecided);
  void (*unbiased_variance[2])(int64_t channels, const SumTerms& x, double* variance, int64_t* undecided);
  void (*given_inverse_std)(int64_t channels, const double* variance, double eps, double* inverse_std,
                            int64_t* undecided);
  void (*gradient_parameters[2])(int64_t channels, const SumTerms& gradients, const SumTerms& x, double eps,
                                 int result_type, const GradientParameters&, int64_t* undecided);
  void (*frozen_gradient_parameters[2])(int64_t channels, const SumTerms& gradients, const double* mean,
                                        const double* variance, double eps, int result_type, double* dgamma,
                                        double* dbeta, int64_t* undecided);

  // Linear algebra; rows of `columns` values. Adding returns whether limbs were missing; then the sums are spoilt.
  void (*widen_rows[BN_TYPE_COUNT])(const void* x, int64_t rows, int64_t columns, double* to, double* largest);
  void (*centre_rows[BN_TYPE_COUNT])(const void* x, int64_t rows, int64_t columns, const double* mean,
                                     const double* mean_lo, double* to);
  int64_t (*cut_slice)(int64_t rows, int64_t columns, const double* shift, double* rest, double* slice);
  bool (*add_to_pairs[2])(int64_t count, const double* numbers, const PairSums&, int64_t first);
  bool (*add_product_to_pair[2])(const PairSums&, int64_t pair, double a, double b);
  void (*covariances[2])(int64_t pairs, const SumTerms& p, const SumTerms& s, const double* g, double* covariance,
                         int64_t* undecided);
  void (*projections)(int64_t count, const double* v, const double* panel, double* to, int64_t* undecided);
  void (*quadratic_forms)(int64_t count, const double* s, const double* panel, double* to, int64_t* undecided);
};

extern const Kernels kernels_baseline;
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;

static inline const Kernels& kernels(int isa) {
#if defined(__x86_64__)
  if (isa == BN_AVX512) return kernels_avx512;
  if (isa == BN_AVX2) return kernels_avx2;
#endif
  (void)isa;
  return kernels_baseline;
}

#endif
