// Estimates where sums are short: S, G and m² are one number each, Q and P two. Data of f16 and f32 seldom give others, and
// half of the operations of estimates.inl are for longer ones. Bounds are as there: what is dropped is added up as
// magnitudes, and nothing was dropped where they are 0.

// Whether the sums of all channels are short and in range, and their counts from 1 to 2^26, so that m² and m·(m − 1) are
// binary64 numbers. (Terms beyond these are those of f64.)
static BN_STAGE bool are_short(int64_t channels, const SumTerms& x) {
  const double *s = x.linear[0], *more_s = x.linear[1], *p0 = x.product[0], *p1 = x.product[1], *more_p = x.product[2];
  int64_t longer = 0;
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    uint64_t before = (uint64_t)x.counts[c] - 1;
    longer |= (int64_t)(before >> 26) | (more_s[c] != 0) | (more_p[c] != 0);
    longer |= out_of_range(s[c], SMALLEST_LINEAR, LARGEST_LINEAR);
    longer |= out_of_range(p0[c], SMALLEST_PRODUCT, LARGEST_PRODUCT) |
              out_of_range(p1[c], SMALLEST_PRODUCT, LARGEST_PRODUCT);
  }
  return longer == 0;
}

// m·P − S·G
static BN_STAGE void short_difference(int64_t channels, const double* m, const double* const* p, const double* s,
                                      const double* g, Nears& n) {
  const double *p0 = p[0], *p1 = p[1];  // in no order
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    HiLo sum = plus_exactly(p0[c], p1[c]);
    HiLo high = times_exactly(m[c], sum.hi), low = times_exactly(m[c], sum.lo), less = times_exactly(s[c], g[c]);
    HiLo top = plus_exactly(high.hi, -less.hi), rest = plus_exactly(high.lo, -less.lo);
    HiLo with_low = plus_exactly(rest.hi, low.hi), with_top = plus_exactly(with_low.hi, top.lo);
    HiLo whole = plus_exactly(top.hi, with_top.hi);
    n.set(c, Near{whole.hi, whole.lo, size(rest.lo) + size(with_low.lo) + size(with_top.lo) + size(low.lo)});
  }
}

// RN(S/m) and RN(S/m − RN(S/m)): both are quotients of numbers.
static BN_STAGE void round_short_means(int64_t channels, const double* s, const double* m, double* mean,
                                       double* mean_lo) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    double q = s[c] / m[c];
    mean[c] = q + 0.0;
    mean_lo[c] = remainder(s[c], q, m[c]) / m[c] + 0.0;
  }
}

// RN(n/d) with d = m·(m − less), as round_variances.
static BN_STAGE void round_short_variances(int64_t channels, const Nears& nears, const double* m,
                                           const double* inverse_m, double less, double* variance,
                                           int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    Near n = nears.at(c);
    double d = m[c] * (m[c] - less), q0 = n.hi / d;
    HiLo left = plus_exactly(remainder(n.hi, q0, d), n.lo);
    double q1 = left.hi / d, r = size(remainder(left.hi, q1, d)) + size(left.lo) + n.error;
    Decision v = decision<double>(q0, q1, r * (2 * inverse_m[c] * inverse_m[c]));
    variance[c] = v.value;
    undecided[c] |= v.undecided;
  }
}

// RN(m/√n), n = m²·(V + ε), as inverse_root: with z0 near it and r = 1 − z0²·n/m², it is z0·(1 + r/2 + …).
static BN_STAGE void round_short_inverse_std(int64_t channels, const Nears& v, const double* m, const double* inverse_m,
                                             double eps, double* inverse_std, int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    double d = m[c] * m[c];
    HiLo more = times_exactly(eps, d), n = plus_exactly(v.hi[c], more.hi);
    double lo = n.lo + (v.lo[c] + more.lo), error = v.error[c] + 0x1p-101 * n.hi;
    double z0 = m[c] / __builtin_sqrt(n.hi), inverse_d = inverse_m[c] * inverse_m[c];
    HiLo square = times_exactly(z0, z0), product = times_exactly(square.hi, n.hi);
    double r = (((d - product.hi) - product.lo) - (square.lo * n.hi + square.hi * lo)) * inverse_d;
    double e = square.hi * inverse_d * error;
    Decision z = decision<double>(z0, z0 * (0.5 * r), e <= 0x1p-20 ? z0 * (0x1p-96 + e) : HUGE_VAL);
    int64_t zero = (n.hi == 0) & (v.error[c] == 0);
    inverse_std[c] = zero != 0 ? HUGE_VAL : z.value;
    undecided[c] |= zero != 0 ? 0 : z.undecided;
  }
}

// RN_T(G)
template <class T> static BN_STAGE void round_short_sums(int64_t channels, const double* g, double* to, int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    Decision sum = decision<T>(g[c], 0, 0);
    to[c] = sum.value;
    undecided[c] |= sum.undecided;
  }
}

static void round_short_sums_to(int type, int64_t channels, const double* g, double* to, int64_t* undecided) {
  auto round = type == BN_F32 ? round_short_sums<float> : round_short_sums<double>;
  round(channels, g, to, undecided);
}
