// The parameters pass (F1–F3, F6, B1–B4): each quantity rounded once, a vector of channels at a time.
//
// A quantity is estimated as hi + lo with a bound on everything that was dropped on the way. If both ends of that
// interval round to the same number, it is the rounded quantity; else the channel is undecided and left to big integers
// (Ziv's strategy). A bound of 0 says that nothing was dropped: the midpoints between two numbers, which no finite
// precision would decide, are then rounded as exactly as any other number.
//
// Nothing is assumed about the terms of a sum but their size; docs/math.md proves the bounds. Every bound is a sum of
// magnitudes computed in binary64. It takes fewer than 64 roundings, a relative error of 2^-46, and divides by a number
// known to 2^-20: both are covered by a factor 2 in its last step.

// Sizes of non-zero terms. The numbers m·Q − S² and m·P − S·G are then multiples of 2^-424 below 2^255, and what is
// computed from them is exact where it claims to be: nothing over- or underflows (docs/math.md).
#define BN_ALWAYS static inline __attribute__((always_inline))
const double SMALLEST_LINEAR = 0x1p-160, LARGEST_LINEAR = 0x1p100;
const double SMALLEST_PRODUCT = 0x1p-350, LARGEST_PRODUCT = 0x1p200;
const double SMALLEST_EPS = 0x1p-300, LARGEST_EPS = 0x1p100;
const int COUNT_BITS = 51;

// hi + lo exactly, where hi is the rounded sum.
struct HiLo {
  double hi, lo;
};

// A number no farther than error from hi + lo, |lo| ≤ 2^-52·|hi|.
struct Near {
  double hi, lo, error;
};

// A rounded quantity, if it is certain.
struct Decision {
  double value;
  bool certain;
};

BN_ALWAYS double size(double x) { return __builtin_fabs(x); }

BN_ALWAYS HiLo plus_exactly(double a, double b) {  // Knuth's TwoSum
  double sum = a + b, part = sum - a;
  return HiLo{sum, (a - (sum - part)) + (b - part)};
}

BN_ALWAYS HiLo times_exactly(double a, double b) {
  double product = a * b;
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return HiLo{product, __builtin_fma(a, b, -product)};
#else  // Dekker's product of halves of 26 bits
  double split_a = 0x8000001p0 * a, a1 = split_a - (split_a - a), a2 = a - a1;
  double split_b = 0x8000001p0 * b, b1 = split_b - (split_b - b), b2 = b - b1;
  return HiLo{product, a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)};
#endif
}

BN_ALWAYS bool is_between(double x, double smallest, double largest) {
  return (size(x) <= largest) & ((size(x) >= smallest) | (x == 0));
}

// What is left of a where q = RN(a/d): a number of binary64.
BN_ALWAYS double remainder(double a, double q, double d) {
  HiLo product = times_exactly(q, d);
  return (a - product.hi) - product.lo;
}

// A linear sum, exactly s0 + s1 + s2, falling in size.
struct LinearSum {
  double s0, s1, s2;
  bool in_range;
};

// A sum of products, exactly p0 + p1 + p2 + p3, falling in size.
struct ProductSum {
  double p0, p1, p2, p3;
  bool in_range;
};

// WIDE says that there are 3 and 4 terms, as for f64; otherwise 2 and 3.
template <bool WIDE> BN_ALWAYS LinearSum linear_sum(const double* const* terms, int64_t c) {
  double a = terms[0][c], b = terms[1][c];
  bool in_range = is_between(a, SMALLEST_LINEAR, LARGEST_LINEAR) & is_between(b, SMALLEST_LINEAR, LARGEST_LINEAR);
  if constexpr (WIDE) {
    double t = terms[2][c];
    HiLo low = plus_exactly(b, t), high = plus_exactly(a, low.hi);
    low = plus_exactly(high.lo, low.lo);
    high = plus_exactly(high.hi, low.hi);
    in_range &= is_between(t, SMALLEST_LINEAR, LARGEST_LINEAR);
    return LinearSum{high.hi, high.lo, low.lo, in_range};
  }
  HiLo sum = plus_exactly(a, b);
  return LinearSum{sum.hi, sum.lo, 0, in_range};
}

template <bool WIDE> BN_ALWAYS ProductSum product_sum(const double* const* terms, int64_t c) {
  double a = terms[0][c], b = terms[1][c], t = terms[2][c], last = 0;
  bool in_range = is_between(a, SMALLEST_PRODUCT, LARGEST_PRODUCT) &
                  is_between(b, SMALLEST_PRODUCT, LARGEST_PRODUCT) & is_between(t, SMALLEST_PRODUCT, LARGEST_PRODUCT);
  if constexpr (WIDE) {
    HiLo lowest = plus_exactly(t, terms[3][c]);
    in_range &= is_between(terms[3][c], SMALLEST_PRODUCT, LARGEST_PRODUCT);
    t = lowest.hi;
    last = lowest.lo;
  }
  HiLo low = plus_exactly(b, t), high = plus_exactly(a, low.hi);
  if constexpr (WIDE) {
    HiLo lowest = plus_exactly(low.lo, last);
    low.lo = lowest.hi;
    last = lowest.lo;
  }
  low = plus_exactly(high.lo, low.lo);
  high = plus_exactly(high.hi, low.hi);
  return ProductSum{high.hi, high.lo, low.lo, last, in_range};
}

// hi and lo as TwoSum leaves them. A lo below 2^-160·|hi| counts as dropped, so that products with it don't underflow.
BN_ALWAYS Near near(HiLo sum, double error) {
  bool tiny = size(sum.lo) < 0x1p-160 * size(sum.hi);
  return Near{sum.hi, tiny ? 0 : sum.lo, error + (tiny ? size(sum.lo) : 0)};
}

// Adds numbers of three orders of magnitude; what an addition at one level rounds off goes to the next.
struct Cascade {
  double level0, level1, level2, error;

  inline __attribute__((always_inline)) void add0(double x) {
    HiLo sum = plus_exactly(level0, x);
    level0 = sum.hi;
    add1(sum.lo);
  }

  inline __attribute__((always_inline)) void add1(double x) {
    HiLo sum = plus_exactly(level1, x);
    level1 = sum.hi;
    add2(sum.lo);
  }

  inline __attribute__((always_inline)) void add2(double x) {
    HiLo sum = plus_exactly(level2, x);
    level2 = sum.hi;
    error += size(sum.lo);
  }

  inline __attribute__((always_inline)) void subtract_at0(HiLo x) {
    add0(-x.hi);
    add1(-x.lo);
  }

  inline __attribute__((always_inline)) void subtract_at1(HiLo x) {
    add1(-x.hi);
    add2(-x.lo);
  }

  inline __attribute__((always_inline)) void subtract_at2(HiLo x) {
    add2(-x.hi);
    error += size(x.lo);
  }

  inline __attribute__((always_inline)) Near sum() const {
    HiLo low = plus_exactly(level1, level2), high = plus_exactly(level0, low.hi);
    low = plus_exactly(high.lo, low.lo);
    high = plus_exactly(high.hi, low.hi);
    return near(high, error + size(low.lo));
  }
};

BN_ALWAYS Cascade times(double m, const ProductSum& p) {
  HiLo first = times_exactly(m, p.p0), second = times_exactly(m, p.p1), third = times_exactly(m, p.p2);
  Cascade sum = {first.hi, first.lo, second.lo, size(third.lo) + size(m * p.p3)};
  sum.add1(second.hi);
  sum.add2(third.hi);
  return sum;
}

// m²·V = m·Q − S²
template <bool WIDE> BN_ALWAYS Near spread(double m, const ProductSum& q, const LinearSum& s) {
  Cascade sum = times(m, q);
  sum.subtract_at0(times_exactly(s.s0, s.s0));
  sum.subtract_at1(times_exactly(s.s0, 2 * s.s1));
  sum.subtract_at2(times_exactly(s.s1, s.s1));
  if constexpr (WIDE) {
    sum.subtract_at2(times_exactly(s.s0, 2 * s.s2));
    sum.error += size(2 * s.s1 * s.s2) + s.s2 * s.s2;
  }
  return sum.sum();
}

// m·B = m·P − S·G
template <bool WIDE>
BN_ALWAYS Near covariation(double m, const ProductSum& p, const LinearSum& s, const LinearSum& g) {
  Cascade sum = times(m, p);
  sum.subtract_at0(times_exactly(s.s0, g.s0));
  sum.subtract_at1(times_exactly(s.s0, g.s1));
  sum.subtract_at1(times_exactly(s.s1, g.s0));
  sum.subtract_at2(times_exactly(s.s1, g.s1));
  if constexpr (WIDE) {
    sum.subtract_at2(times_exactly(s.s0, g.s2));
    sum.subtract_at2(times_exactly(s.s2, g.s0));
    sum.error += size(s.s1 * g.s2) + size(s.s2 * g.s1) + size(s.s2 * g.s2);
  }
  return sum.sum();
}

// a + eps·square
BN_ALWAYS Near plus_eps(const Near& a, double eps, HiLo square) {
  HiLo first = times_exactly(eps, square.hi), second = times_exactly(eps, square.lo);
  HiLo high = plus_exactly(a.hi, first.hi), low = plus_exactly(a.lo, first.lo);
  HiLo middle = plus_exactly(high.lo, low.hi), rest = plus_exactly(middle.hi, second.hi);
  double error = a.error + size(low.lo) + size(middle.lo) + size(rest.lo) + size(second.lo);
  return near(plus_exactly(high.hi, rest.hi), error);
}

// n/d; inverse is 1/d.hi up to a relative 2^-50. With r = n − (q0 + q1)·d, n/d = q0 + q1 + r/d.
BN_ALWAYS Near quotient(const Near& n, const Near& d, double inverse) {
  double q0 = n.hi / d.hi;
  HiLo with_lo = plus_exactly(remainder(n.hi, q0, d.hi), n.lo), product = times_exactly(q0, d.lo);
  HiLo left = plus_exactly(with_lo.hi, -product.hi);
  double q1 = left.hi / d.hi, r = size(remainder(left.hi, q1, d.hi)) + size(with_lo.lo) + size(left.lo);
  r += size(product.lo) + (d.lo == 0 ? 0 : 0x1p-52 * size(left.hi));  // |q1·d.lo| ≤ 2^-52·|left|
  r += n.error + size(q0) * d.error;
  return Near{q0, q1, d.error <= 0x1p-20 * d.hi ? 2 * r * inverse : HUGE_VAL};
}

// √n; inverse is 1/√n.hi. With r = n − (w0 + w1)², √n = w0 + w1 + r/(√n + w0 + w1), and w0 is half that divisor.
BN_ALWAYS Near root(const Near& n, double w0, double inverse) {
  HiLo left = plus_exactly(remainder(n.hi, w0, w0), n.lo);
  double w1 = left.hi / (2 * w0);
  HiLo square = times_exactly(w1, w1);
  double r = size(remainder(left.hi, w1, 2 * w0) - square.hi) + size(square.lo) + size(left.lo) + n.error;
  return Near{w0, w1, r * inverse};
}

// An integer so near that it rounds as the sum does, for types with at least two bits less: the sum cut off, its last
// bit set if it was not exact (rounded to odd).
BN_ALWAYS uint64_t odd_bits(double hi, double lo) {
  HiLo sum = plus_exactly(hi, lo);
  double value = sum.hi + 0.0;  // no −0
  uint64_t bits, rest, inexact = sum.lo != 0;
  memcpy(&bits, &value, sizeof bits);
  memcpy(&rest, &sum.lo, sizeof rest);
  return (bits - ((bits ^ rest) >> 63 & inexact)) | inexact;
}

// A normal binary32, ties to even.
BN_ALWAYS double binary32_of(uint64_t bits) {
  bits += 0xfffffff + (bits >> 29 & 1);
  bits &= ~(uint64_t)0x1fffffff;
  double result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

// RN_T of a number no farther than error from hi + lo. The sums lo ± error are rounded: by at most 2^-53·|lo|, unless
// they are lo.
template <class T> BN_ALWAYS Decision decision(double hi, double lo, double error) {
  double margin = error + (error > 0 ? 0x1p-52 * size(lo) : 0);
  if constexpr (std::is_same_v<T, float>) {
    double low = binary32_of(odd_bits(hi, lo - margin)), high = binary32_of(odd_bits(hi, lo + margin));
    bool certain = (low == high) & is_between(low, 0x1p-126, 0x1p127);
    return Decision{low, certain};
  }
  double low = hi + (lo - margin), high = hi + (lo + margin);
  return Decision{low + 0.0, low == high};
}

template <class T> BN_ALWAYS Decision decision(const Near& a) { return decision<T>(a.hi, a.lo, a.error); }

// RN(S/m) and RN(S/m − RN(S/m)).
struct MeanDecision {
  Decision mean, mean_lo;
};

BN_ALWAYS MeanDecision mean_decision(const LinearSum& s, double m, double inverse_m) {
  double q0 = s.s0 / m;
  HiLo left = plus_exactly(remainder(s.s0, q0, m), s.s1);
  double q1 = left.hi / m, r = remainder(left.hi, q1, m);
  // S/m = q0 + q1 + (r + left.lo + s2)/m; that last part takes five roundings.
  double last = (r + (left.lo + s.s2)) * inverse_m;
  double error = 0x1p-49 * (size(r) + size(left.lo) + size(s.s2)) * inverse_m;
  HiLo high = plus_exactly(q0, q1), low = plus_exactly(high.lo, last);
  // Where the mean is certain, it is also what the two leading parts round to, and the rest is known exactly.
  double rest = plus_exactly(high.hi, low.hi).lo;
  return MeanDecision{decision<double>(high.hi, low.hi, error + 2 * size(low.lo)),
                      decision<double>(rest, low.lo, error)};
}

// The count as binary64, if it has at most COUNT_BITS bits.
BN_ALWAYS double count_of(int64_t count) {
  uint64_t bits = (uint64_t)count | (uint64_t)0x433 << 52;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value - 0x1p52;
}

BN_ALWAYS int64_t undecided_mark(int64_t count, bool certain) { return count >> COUNT_BITS | !certain; }

template <bool WIDE>
static void parameters(int64_t channels, const SumTerms& x, double eps, const Parameters& to, int64_t* undecided) {
  bool eps_in_range = is_between(eps, SMALLEST_EPS, LARGEST_EPS);
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    LinearSum s = linear_sum<WIDE>(x.linear, c);
    ProductSum q = product_sum<WIDE>(x.product, c);
    double m = count_of(x.counts[c]), inverse_m = 1 / m;
    HiLo square = times_exactly(m, m);
    Near v = spread<WIDE>(m, q, s), n = plus_eps(v, eps, square);
    MeanDecision mean = mean_decision(s, m, inverse_m);  // (F1)
    Decision variance = decision<double>(quotient(v, Near{square.hi, square.lo, 0}, inverse_m * inverse_m));  // (F2)
    double w = __builtin_sqrt(n.hi), inverse_w = 1 / w;
    Decision inverse_std = decision<double>(quotient(Near{m, 0, 0}, root(n, w, inverse_w), inverse_w));  // (F3)
    bool zero = (n.hi == 0) & (n.error == 0);
    to.mean[c] = mean.mean.value;
    to.mean_lo[c] = mean.mean_lo.value;
    to.variance[c] = variance.value;
    to.inverse_std[c] = zero ? HUGE_VAL : inverse_std.value;
    bool certain = s.in_range & q.in_range & eps_in_range & mean.mean.certain & mean.mean_lo.certain &
                   variance.certain & (inverse_std.certain | zero);
    undecided[c] |= undecided_mark(x.counts[c], certain);
  }
}

template <bool WIDE>
static void unbiased_variance(int64_t channels, const SumTerms& x, double* variance, int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    LinearSum s = linear_sum<WIDE>(x.linear, c);
    ProductSum q = product_sum<WIDE>(x.product, c);
    double m = count_of(x.counts[c]);
    HiLo product = times_exactly(m, m - 1);
    Near d = {product.hi, product.lo, 0};
    Decision v = decision<double>(quotient(spread<WIDE>(m, q, s), d, 1 / d.hi));  // (F6)
    variance[c] = v.value;
    undecided[c] |= undecided_mark(x.counts[c], s.in_range & q.in_range & v.certain);
  }
}

static void given_inverse_std(int64_t channels, const double* variance, double eps, double* inverse_std,
                              int64_t* undecided) {
  bool eps_in_range = is_between(eps, SMALLEST_EPS, LARGEST_EPS);
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    double v = variance[c];
    Near n = near(plus_exactly(v, eps), 0);
    double w = __builtin_sqrt(n.hi), inverse_w = 1 / w;
    Decision s = decision<double>(quotient(Near{1, 0, 0}, root(n, w, inverse_w), inverse_w));  // (F3)
    inverse_std[c] = s.value;
    undecided[c] |= !(is_between(v, SMALLEST_PRODUCT, LARGEST_PRODUCT) & eps_in_range & s.certain);
  }
}

template <bool WIDE, class T>
static void gradient_parameters(int64_t channels, const SumTerms& gradients, const SumTerms& x, double eps,
                                const GradientParameters& to, int64_t* undecided) {
  bool eps_in_range = is_between(eps, SMALLEST_EPS, LARGEST_EPS);
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    LinearSum s = linear_sum<WIDE>(x.linear, c), g = linear_sum<WIDE>(gradients.linear, c);
    ProductSum q = product_sum<WIDE>(x.product, c), p = product_sum<WIDE>(gradients.product, c);
    double m = count_of(x.counts[c]);
    Near n = plus_eps(spread<WIDE>(m, q, s), eps, times_exactly(m, m)), b = covariation<WIDE>(m, p, s, g);
    double w = __builtin_sqrt(n.hi), inverse_w = 1 / w;
    Decision dbeta = decision<T>(g.s0, g.s1, size(g.s2));                               // (B1)
    Decision dgamma = decision<T>(quotient(b, root(n, w, inverse_w), inverse_w));       // (B2)
    MeanDecision k1 = mean_decision(g, m, 1 / m);                                       // (B3)
    Decision k2 = decision<double>(quotient(b, n, inverse_w * inverse_w));              // (B3)
    bool zero = (n.hi == 0) & (n.error == 0);
    to.k1[c] = k1.mean.value;
    to.k1_lo[c] = k1.mean_lo.value;
    to.k2[c] = zero ? 0 : k2.value;
    to.dgamma[c] = zero ? 0 : dgamma.value;
    to.dbeta[c] = dbeta.value;
    bool certain = s.in_range & q.in_range & g.in_range & p.in_range & eps_in_range & dbeta.certain &
                   k1.mean.certain & k1.mean_lo.certain & ((dgamma.certain & k2.certain) | zero);
    undecided[c] |= undecided_mark(x.counts[c], certain);
  }
}

template <bool WIDE, class T>
static void frozen_gradient_parameters(int64_t channels, const SumTerms& gradients, const double* mean,
                                       const double* variance, double eps, double* to_dgamma, double* to_dbeta,
                                       int64_t* undecided) {
  bool eps_in_range = is_between(eps, SMALLEST_EPS, LARGEST_EPS);
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    LinearSum g = linear_sum<WIDE>(gradients.linear, c);
    ProductSum p = product_sum<WIDE>(gradients.product, c);
    double mu = mean[c], v = variance[c];
    Near n = near(plus_exactly(v, eps), 0), b = covariation<WIDE>(1, p, LinearSum{mu, 0, 0, true}, g);
    double w = __builtin_sqrt(n.hi), inverse_w = 1 / w;
    Decision dbeta = decision<T>(g.s0, g.s1, size(g.s2));                          // (B1)
    Decision dgamma = decision<T>(quotient(b, root(n, w, inverse_w), inverse_w));  // (B4)
    to_dgamma[c] = dgamma.value;
    to_dbeta[c] = dbeta.value;
    bool certain = g.in_range & p.in_range & is_between(mu, SMALLEST_LINEAR, LARGEST_LINEAR) &
                   is_between(v, SMALLEST_PRODUCT, LARGEST_PRODUCT) & eps_in_range & dbeta.certain & dgamma.certain;
    undecided[c] |= !certain;
  }
}
