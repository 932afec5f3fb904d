// The parameters pass (F1–F3, F6, B1–B4) of a block of channels: estimates, each quantity rounded once.

template <bool WIDE>
static void parameters(int64_t channels, const SumTerms& x, double eps, const Parameters& to, int64_t* undecided) {
  double m[BN_BLOCK], inverse_m[BN_BLOCK];
  int64_t zero[BN_BLOCK];
  LinearSums s;
  ProductSums q;
  Nears v, y;
  convert_counts(channels, x.counts, m, inverse_m, undecided);
  mark_all_unless(is_moderate(eps), channels, undecided);
  if (!WIDE && are_short(channels, x)) {
    short_difference(channels, m, x.product, x.linear[0], x.linear[0], v);
    round_short_means(channels, x.linear[0], m, to.mean, to.mean_lo);  // (F1)
    round_short_variances(channels, v, m, inverse_m, 0, to.variance, undecided);  // (F2)
    round_short_inverse_std(channels, v, m, inverse_m, eps, to.inverse_std, undecided);  // (F3)
    return;
  }
  int of_s = sort_linear<WIDE>(channels, x.linear, s, undecided);
  int of_q = sort_products<WIDE>(channels, x.product, q, undecided);
  spread_of(larger(of_s, of_q - 1), channels, m, q, s, v);
  round_means(channels, s, m, inverse_m, to.mean, to.mean_lo, undecided);  // (F1)
  round_variances(channels, v, m, inverse_m, 0, to.variance, undecided);  // (F2)
  inverse_roots(channels, v, m, eps, y, zero);
  multiply_by_counts(channels, m, y);
  round_nears<double>(channels, y, zero, HUGE_VAL, to.inverse_std, undecided);  // (F3) m/√n
}

template <bool WIDE>
static void unbiased_variance(int64_t channels, const SumTerms& x, double* variance, int64_t* undecided) {
  double m[BN_BLOCK], inverse_m[BN_BLOCK];
  LinearSums s;
  ProductSums q;
  Nears v;
  convert_counts(channels, x.counts, m, inverse_m, undecided);
  if (!WIDE && are_short(channels, x)) {
    short_difference(channels, m, x.product, x.linear[0], x.linear[0], v);
    round_short_variances(channels, v, m, inverse_m, 1, variance, undecided);  // (F6)
    return;
  }
  int of_s = sort_linear<WIDE>(channels, x.linear, s, undecided);
  int of_q = sort_products<WIDE>(channels, x.product, q, undecided);
  spread_of(larger(of_s, of_q - 1), channels, m, q, s, v);
  round_variances(channels, v, m, inverse_m, 1, variance, undecided);  // (F6)
}

// 1/√(v + ε) for given variances; a sum of 0 stays undecided.
static BN_STAGE void given_inverse_roots(int64_t channels, const double* variance, double eps, Nears& y,
                                         int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    HiLo n = plus_exactly(variance[c], eps);
    y.set(c, inverse_root(Near{n.hi, n.lo, 0}));
    undecided[c] |= out_of_range(variance[c], SMALLEST_PRODUCT, LARGEST_PRODUCT);
  }
  mark_all_unless(is_moderate(eps), channels, undecided);
}

static void given_inverse_std(int64_t channels, const double* variance, double eps, double* inverse_std,
                              int64_t* undecided) {
  Nears y;
  given_inverse_roots(channels, variance, eps, y, undecided);
  round_nears<double>(channels, y, NOWHERE, 0, inverse_std, undecided);  // (F3)
}

static BN_STAGE void nears_of(int64_t channels, const LinearSums& g, Nears& a) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) a.set(c, Near{g.s0[c], g.s1[c], size(g.s2[c])});
}

// RN_T(G)
static void round_sums(int type, int64_t channels, const LinearSums& g, double* to, int64_t* undecided) {
  Nears sums;
  nears_of(channels, g, sums);
  round_nears_to(type, channels, sums, NOWHERE, 0, to, undecided);
}

// μ as a sum of one value.
static BN_STAGE void linear_sums_of(int64_t channels, const double* mean, double* m, LinearSums& mu,
                                    int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    m[c] = 1;
    mu.s0[c] = mean[c];
    mu.s1[c] = mu.s2[c] = 0;
    undecided[c] |= out_of_range(mean[c], SMALLEST_LINEAR, LARGEST_LINEAR);
  }
}

template <bool WIDE>
static void gradient_parameters(int64_t channels, const SumTerms& gradients, const SumTerms& x, double eps,
                                int result_type, const GradientParameters& to, int64_t* undecided) {
  double m[BN_BLOCK], inverse_m[BN_BLOCK];
  int64_t zero[BN_BLOCK];
  Nears v, b, y;
  convert_counts(channels, x.counts, m, inverse_m, undecided);
  mark_all_unless(is_moderate(eps), channels, undecided);
  if (!WIDE && are_short(channels, x) && are_short(channels, gradients)) {
    const double *s = x.linear[0], *g = gradients.linear[0];
    short_difference(channels, m, x.product, s, s, v);
    short_difference(channels, m, gradients.product, s, g, b);
    round_short_sums_to(result_type, channels, g, to.dbeta, undecided);  // (B1)
    round_short_means(channels, g, m, to.k1, to.k1_lo);  // (B3)
  } else {
    LinearSums s, g;
    ProductSums q, p;
    int of_s = sort_linear<WIDE>(channels, x.linear, s, undecided);
    int of_g = sort_linear<WIDE>(channels, gradients.linear, g, undecided);
    int of_q = sort_products<WIDE>(channels, x.product, q, undecided);
    int of_p = sort_products<WIDE>(channels, gradients.product, p, undecided);
    spread_of(larger(of_s, of_q - 1), channels, m, q, s, v);
    covariation_of(larger(larger(of_s, of_g), of_p - 1), channels, m, p, s, g, b);
    round_sums(result_type, channels, g, to.dbeta, undecided);  // (B1)
    round_means(channels, g, m, inverse_m, to.k1, to.k1_lo, undecided);  // (B3)
  }
  inverse_roots(channels, v, m, eps, y, zero);
  multiply(channels, b, y, b);
  round_nears_to(result_type, channels, b, zero, 0, to.dgamma, undecided);  // (B2) m·B/√n
  multiply(channels, b, y, b);
  round_nears<double>(channels, b, zero, 0, to.k2, undecided);  // (B3) m·B/n
}

template <bool WIDE>
static void frozen_gradient_parameters(int64_t channels, const SumTerms& gradients, const double* mean,
                                       const double* variance, double eps, int result_type, double* dgamma,
                                       double* dbeta, int64_t* undecided) {
  double m[BN_BLOCK];
  LinearSums mu, g;
  ProductSums p;
  Nears b, y;
  linear_sums_of(channels, mean, m, mu, undecided);
  int of_g = sort_linear<WIDE>(channels, gradients.linear, g, undecided);
  int of_p = sort_products<WIDE>(channels, gradients.product, p, undecided);
  covariation_of(larger(of_g, of_p - 1), channels, m, p, mu, g, b);
  given_inverse_roots(channels, variance, eps, y, undecided);
  round_sums(result_type, channels, g, dbeta, undecided);  // (B1)
  multiply(channels, b, y, b);
  round_nears_to(result_type, channels, b, NOWHERE, 0, dgamma, undecided);  // (B4)
}
