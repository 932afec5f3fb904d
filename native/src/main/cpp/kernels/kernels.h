// The passes of one instruction set, as a table of pointers. Each table is filled by one translation unit.
#ifndef BATCHNORM_KERNELS_H
#define BATCHNORM_KERNELS_H

#include "batchnorm.h"

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
struct Roads {
  int64_t tiles;
  int64_t again;
  int64_t expanded;
  int64_t slow;

  void operator+=(const Roads& other) {
    tiles += other.tiles;
    again += other.again;
    expanded += other.expanded;
    slow += other.slow;
  }
};

// Indices are the types of the operands (BN_F16 …), in the order of the parameters.
struct Kernels {
  // These two do not touch the counts. They return whether limbs were missing; then the sums are spoilt.
  bool (*add_statistics[BN_TYPE_COUNT])(const Block&, const void* x, const bn_sums&, Roads*);
  bool (*add_gradient_sums[BN_TYPE_COUNT][BN_TYPE_COUNT])(const Block&, const void* dy, const void* x, const bn_sums&,
                                                           Roads*);
  // Adds terms of channels to others. Types as for gradient sums.
  bool (*merge_terms[BN_TYPE_COUNT][BN_TYPE_COUNT])(int64_t channels, const bn_sums& from, const bn_sums& into);
  void (*normalise[BN_TYPE_COUNT][BN_TYPE_COUNT])(const Block&, const void* x, const Normalisation&, void* y);
  void (*input_gradient[BN_TYPE_COUNT][BN_TYPE_COUNT][BN_TYPE_COUNT])(const Block&, const void* dy, const void* x,
                                                                        const InputGradient&, void* dx);
  void (*frozen_input_gradient[BN_TYPE_COUNT][BN_TYPE_COUNT])(const Block&, const void* dy, const double* a, void* dx);
};

extern const Kernels kernels_baseline;
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;

#endif
