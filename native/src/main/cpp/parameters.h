// Rounding once, on the calling thread: for passes that already run on one, with IEEE arithmetic set (parallel.h).
#ifndef BATCHNORM_PARAMETERS_H
#define BATCHNORM_PARAMETERS_H

#include "batchnorm.h"
#include "kernels/kernels.h"

// How many channels were decided by an estimate, how many took big integers.
struct RoundingRoads {
  int64_t estimate = 0;
  int64_t integers = 0;
};

// The channels from first to end − 1.
struct Range {
  int64_t first;
  int64_t end;
};

// F1–F3. Results start at the range's first channel. zero, if not null, tells where V + ε is 0.
RoundingRoads round_parameters(const Kernels& kernels, int x_type, const bn_sums& sums, Range range, double eps,
                       const Parameters& to, bool* zero);

// F6.
RoundingRoads round_unbiased_variance(const Kernels& kernels, int x_type, const bn_sums& sums, Range range, double* variance);

// F3 with V = variance, which starts at the range's first channel as well.
RoundingRoads round_inverse_std(const Kernels& kernels, int64_t channels, const double* variance, double eps,
                        double* inverse_std);

// B1–B3.
RoundingRoads round_gradient_parameters(const Kernels& kernels, int dy_type, int x_type, const bn_sums& gradients,
                                const bn_sums& sums, Range range, double eps, int result_type,
                                const GradientParameters& to);

// B1 and B4's dγ; mean, variance and the results start at the range's first channel.
RoundingRoads round_frozen_gradient_parameters(const Kernels& kernels, int dy_type, int x_type, const bn_sums& gradients,
                                       Range range, const double* mean, const double* variance, double eps,
                                       int result_type, double* dgamma, double* dbeta);

// R2 for the pairs of column i with the columns from j on; `pair` is the first of them.
RoundingRoads round_covariances(const Kernels& kernels, int x_type, const bn_sums& singles, const PairSums& pairs,
                                int64_t i, int64_t j, int64_t pair, int64_t count, double* covariance);

#endif
