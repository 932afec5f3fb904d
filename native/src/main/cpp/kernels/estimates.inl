// Estimates with bounds, and what they decide: the steps of the parameters pass (parameters.inl).
//
// A quantity is estimated as hi + lo with a bound on everything that was dropped on the way. If both ends of that
// interval round to the same number, it is the rounded quantity; else the channel is undecided and left to big integers
// (Ziv's strategy). A bound of 0 says that nothing was dropped: means, variances and dβ that lie midway between two
// numbers, which no finite precision decides, are then rounded as exactly as any other.
//
// Nothing is assumed about the terms of a sum but their size. u is 2^-53; docs/math.md has the proof in words.
//
// A pass is a row of short loops over the block. One loop would be a single chain of dependent operations, longer than
// what a processor looks ahead, and was measured to take a third more.

#define BN_INLINED inline __attribute__((always_inline))
#define BN_STAGE __attribute__((noinline))

// Sizes of non-zero parts of sums. m·Q − S² and m·P − S·G are then multiples of 2^-584 below 2^334, and nothing that is
// called exact below over- or underflows (docs/math.md).
const double SMALLEST_LINEAR = 0x1p-240, LARGEST_LINEAR = 0x1p160;
const double SMALLEST_PRODUCT = 0x1p-530, LARGEST_PRODUCT = 0x1p280;
const double SMALLEST_EPS = 0x1p-500, LARGEST_EPS = 0x1p200;
const int COUNT_BITS = 51;

// hi + lo exactly, where hi is the rounded sum.
struct HiLo {
  double hi, lo;
};

// A number no farther than error from hi + lo; |lo| ≤ 2^-48·|hi|. Errors are sums of magnitudes and rounded themselves,
// by less than a relative 2^-20 in all: decision() doubles them.
struct Near {
  double hi, lo, error;
};

static BN_INLINED double size(double x) { return __builtin_fabs(x); }

static BN_INLINED HiLo plus_exactly(double a, double b) {  // Knuth's TwoSum
  double sum = a + b, part = sum - a;
  return HiLo{sum, (a - (sum - part)) + (b - part)};
}

static BN_INLINED HiLo times_exactly(double a, double b) {
  double product = a * b;
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return HiLo{product, __builtin_fma(a, b, -product)};
#else  // Dekker's product, of halves of 26 bits
  double split_a = 0x8000001p0 * a, a1 = split_a - (split_a - a), a2 = a - a1;
  double split_b = 0x8000001p0 * b, b1 = split_b - (split_b - b), b2 = b - b1;
  return HiLo{product, a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)};
#endif
}

// a − q·d where q = RN(a/d): a binary64 number. q·d is so near a that the first difference is exact too.
static BN_INLINED double remainder(double a, double q, double d) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fma(-q, d, a);
#else
  HiLo product = times_exactly(q, d);
  return (a - product.hi) - product.lo;
#endif
}

// The sums of a block, sorted: a linear sum is exactly s0 + s1 + s2, falling in size, one of products p0 + … + p3.
struct LinearSums {
  double s0[BN_BLOCK], s1[BN_BLOCK], s2[BN_BLOCK];
};

struct ProductSums {
  double p0[BN_BLOCK], p1[BN_BLOCK], p2[BN_BLOCK], p3[BN_BLOCK];
};

struct Nears {
  double hi[BN_BLOCK], lo[BN_BLOCK], error[BN_BLOCK];

  BN_INLINED Near at(int64_t c) const { return Near{hi[c], lo[c], error[c]}; }

  BN_INLINED void set(int64_t c, const Near& a) {
    hi[c] = a.hi;
    lo[c] = a.lo;
    error[c] = a.error;
  }
};

// 1 if x is neither 0 nor of these sizes.
static BN_INLINED int64_t out_of_range(double x, double smallest, double largest) {
  return !((size(x) <= largest) & ((size(x) >= smallest) | (x == 0)));
}

// Sorting tells how many parts are in use: few data need all, and what is 0 needs no operations. WIDE says that there
// are 3 and 4 terms, as for f64; otherwise 2 and 3.
template <bool WIDE>
static BN_STAGE int sort_linear(int64_t channels, const double* const* terms, LinearSums& s, int64_t* undecided) {
  const double *a = terms[0], *b = terms[1], *t = terms[2];
  int64_t second = 0, third = 0;
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    HiLo high, low = {0, 0};
    if constexpr (WIDE) {
      low = plus_exactly(b[c], t[c]);
      high = plus_exactly(a[c], low.hi);
      low = plus_exactly(high.lo, low.lo);
      high = plus_exactly(high.hi, low.hi);
    } else {
      high = plus_exactly(a[c], b[c]);
    }
    s.s0[c] = high.hi;
    s.s1[c] = high.lo;
    s.s2[c] = low.lo;
    second |= high.lo != 0;
    third |= low.lo != 0;
    undecided[c] |= out_of_range(high.hi, SMALLEST_LINEAR, LARGEST_LINEAR) |
                    out_of_range(high.lo, SMALLEST_LINEAR, LARGEST_LINEAR) |
                    out_of_range(low.lo, SMALLEST_LINEAR, LARGEST_LINEAR);
  }
  return third != 0 ? 3 : second != 0 ? 2 : 1;
}

template <bool WIDE>
static BN_STAGE int sort_products(int64_t channels, const double* const* terms, ProductSums& p, int64_t* undecided) {
  const double *a = terms[0], *b = terms[1], *t = terms[2], *last = terms[3];
  int64_t third = 0, fourth = 0;
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    HiLo low, lowest = {t[c], 0};
    if constexpr (WIDE) lowest = plus_exactly(t[c], last[c]);
    low = plus_exactly(b[c], lowest.hi);
    HiLo high = plus_exactly(a[c], low.hi);
    if constexpr (WIDE) lowest = plus_exactly(low.lo, lowest.lo);
    low = plus_exactly(high.lo, WIDE ? lowest.hi : low.lo);
    high = plus_exactly(high.hi, low.hi);
    p.p0[c] = high.hi;
    p.p1[c] = high.lo;
    p.p2[c] = low.lo;
    p.p3[c] = lowest.lo;
    third |= low.lo != 0;
    fourth |= lowest.lo != 0;
    undecided[c] |= out_of_range(high.hi, SMALLEST_PRODUCT, LARGEST_PRODUCT) |
                    out_of_range(high.lo, SMALLEST_PRODUCT, LARGEST_PRODUCT) |
                    out_of_range(low.lo, SMALLEST_PRODUCT, LARGEST_PRODUCT) |
                    out_of_range(lowest.lo, SMALLEST_PRODUCT, LARGEST_PRODUCT);
  }
  return fourth != 0 ? 4 : third != 0 ? 3 : 2;
}

// Counts as binary64; one of more than COUNT_BITS bits is left to integers, one of 0 has undecidable quotients.
static BN_STAGE void convert_counts(int64_t channels, const int64_t* counts, double* m, double* inverse_m,
                                    int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    uint64_t bits = (uint64_t)counts[c] | (uint64_t)0x433 << 52;  // 2^52 + count
    double value;
    memcpy(&value, &bits, sizeof value);
    m[c] = value - 0x1p52;
    inverse_m[c] = 1 / m[c];
    undecided[c] |= counts[c] >> COUNT_BITS;
  }
}

// Adds at three orders of magnitude: what an addition rounds off goes to the next one and at last to the error.
struct Cascade {
  double level0, level1, level2, error;

  BN_INLINED void add0(double x) {
    HiLo sum = plus_exactly(level0, x);
    level0 = sum.hi;
    add1(sum.lo);
  }

  BN_INLINED void add1(double x) {
    HiLo sum = plus_exactly(level1, x);
    level1 = sum.hi;
    add2(sum.lo);
  }

  BN_INLINED void add2(double x) {
    HiLo sum = plus_exactly(level2, x);
    level2 = sum.hi;
    error += size(sum.lo);
  }

  BN_INLINED void add_at0(HiLo x) {
    add0(x.hi);
    add1(x.lo);
  }

  BN_INLINED void add_at1(HiLo x) {
    add1(x.hi);
    add2(x.lo);
  }

  BN_INLINED void add_at2(HiLo x) {
    add2(x.hi);
    error += size(x.lo);
  }

  // Level 0 may have cancelled, even to 0.
  BN_INLINED Near sum() const {
    HiLo high = plus_exactly(level0, level1), low = plus_exactly(high.lo, level2);
    high = plus_exactly(high.hi, low.hi);
    return Near{high.hi, high.lo, error + size(low.lo)};
  }
};

// m·P. PARTS parts of linear sums and one more of products are in use.
template <int PARTS> static BN_INLINED Cascade times_count(double m, const ProductSums& p, int64_t c) {
  HiLo p0 = times_exactly(m, p.p0[c]), p1 = times_exactly(m, p.p1[c]);
  Cascade sum = {p0.hi, p0.lo, p1.lo, 0};
  sum.add1(p1.hi);
  if constexpr (PARTS >= 2) sum.add_at2(times_exactly(m, p.p2[c]));
  if constexpr (PARTS >= 3) sum.error += size(m * p.p3[c]);
  return sum;
}

// m²·V = m·Q − S²
template <int PARTS>
static BN_STAGE void spread(int64_t channels, const double* m, const ProductSums& q, const LinearSums& s, Nears& v) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    double s0 = s.s0[c], s1 = s.s1[c], s2 = s.s2[c];
    Cascade sum = times_count<PARTS>(m[c], q, c);
    sum.add_at0(times_exactly(-s0, s0));
    if constexpr (PARTS >= 2) {
      sum.add_at1(times_exactly(-s0, 2 * s1));
      sum.add_at2(times_exactly(-s1, s1));
    }
    if constexpr (PARTS >= 3) {
      sum.add_at2(times_exactly(-s0, 2 * s2));
      sum.error += size(2 * s1 * s2) + s2 * s2;
    }
    v.set(c, sum.sum());
  }
}

// m·B = m·P − S·G
template <int PARTS>
static BN_STAGE void covariation(int64_t channels, const double* m, const ProductSums& p, const LinearSums& s,
                                 const LinearSums& g, Nears& b) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    double s0 = s.s0[c], s1 = s.s1[c], s2 = s.s2[c], g0 = g.s0[c], g1 = g.s1[c], g2 = g.s2[c];
    Cascade sum = times_count<PARTS>(m[c], p, c);
    sum.add_at0(times_exactly(-s0, g0));
    if constexpr (PARTS >= 2) {
      sum.add_at1(times_exactly(-s0, g1));
      sum.add_at1(times_exactly(-s1, g0));
      sum.add_at2(times_exactly(-s1, g1));
    }
    if constexpr (PARTS >= 3) {
      sum.add_at2(times_exactly(-s0, g2));
      sum.add_at2(times_exactly(-s2, g0));
      sum.error += size(s1 * g2) + size(s2 * g1) + size(s2 * g2);
    }
    b.set(c, sum.sum());
  }
}

static int larger(int a, int b) { return a > b ? a : b; }

static void spread_of(int parts, int64_t channels, const double* m, const ProductSums& q, const LinearSums& s,
                      Nears& v) {
  auto stage = parts == 1 ? spread<1> : parts == 2 ? spread<2> : spread<3>;
  stage(channels, m, q, s, v);
}

static void covariation_of(int parts, int64_t channels, const double* m, const ProductSums& p, const LinearSums& s,
                           const LinearSums& g, Nears& b) {
  auto stage = parts == 1 ? covariation<1> : parts == 2 ? covariation<2> : covariation<3>;
  stage(channels, m, p, s, g, b);
}

// a·b. What is dropped, a.lo·b.lo, is below 2^-98 of it if one of the two comes from inverse_root, and so are the four
// roundings of lo together.
static BN_INLINED Near times(const Near& a, const Near& b) {
  HiLo product = times_exactly(a.hi, b.hi);
  double lo = product.lo + (a.hi * b.lo + a.lo * b.hi);
  double error = 0x1p-97 * size(product.hi) + size(a.hi) * b.error + a.error * size(b.hi);
  return Near{product.hi, lo, error};
}

// 1/√n. With y0 near it and r = 1 − y0²·n, 1/√n = y0·(1 − r)^(−1/2) = y0 + y0·r/2 + y0·(3/8)·r² + …
static BN_INLINED Near inverse_root(const Near& n) {
  double y0 = 1 / __builtin_sqrt(n.hi);
  HiLo square = times_exactly(y0, y0), product = times_exactly(square.hi, n.hi);
  // |r| is below 2^-49 and rounded to 2^-100; square.lo·n.lo is dropped: 2^-103; the term of r²: 2^-99.
  double r = ((1 - product.hi) - product.lo) - (square.hi * n.lo + square.lo * n.hi);
  // An error that is a part e of n adds e/2 and, as e ≤ 2^-20, less than that of its square.
  double e = square.hi * n.error;
  return Near{y0, y0 * (0.5 * r), e <= 0x1p-20 ? y0 * (0x1p-96 + e) : HUGE_VAL};
}

// The integer whose bits are hi + lo in binary64, the last one set if it is not exact: rounded to odd. Rounding that to
// a type of fewer bits is as good as rounding the sum.
static BN_INLINED uint64_t odd_bits(double hi, double lo) {
  HiLo sum = plus_exactly(hi, lo);
  double value = sum.hi + 0.0;  // no −0
  uint64_t bits, rest, inexact = sum.lo != 0;
  memcpy(&bits, &value, sizeof bits);
  memcpy(&rest, &sum.lo, sizeof rest);
  return (bits - ((bits ^ rest) >> 63 & inexact)) | inexact;
}

// The nearest binary32, ties to even, where it is normal.
static BN_INLINED double binary32_of(uint64_t bits) {
  bits += 0xfffffff + (bits >> 29 & 1);
  bits &= ~(uint64_t)0x1fffffff;
  double result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

// A rounded quantity; undecided is 1 if it is not certain.
struct Decision {
  double value;
  int64_t undecided;
};

// RN_T. The sums lo ± margin round to at most u·(|lo| + margin), which the margin covers, unless they are lo itself.
template <class T> static BN_INLINED Decision decision(double hi, double lo, double error) {
  double margin = 2 * error + (error > 0 ? 0x1p-52 * size(lo) : 0);
  if constexpr (std::is_same_v<T, float>) {
    double low = binary32_of(odd_bits(hi, lo - margin)), high = binary32_of(odd_bits(hi, lo + margin));
    return Decision{low, (int64_t)!(low == high) | out_of_range(low, 0x1p-126, 0x1p127)};
  } else {
    double low = hi + (lo - margin), high = hi + (lo + margin);
    return Decision{low + 0.0, !(low == high)};
  }
}

template <class T> static BN_INLINED Decision decision(const Near& a) { return decision<T>(a.hi, a.lo, a.error); }

// RN(S/m) and RN(S/m − RN(S/m)).
static BN_STAGE void round_means(int64_t channels, const LinearSums& s, const double* m, const double* inverse_m,
                                 double* mean, double* mean_lo, int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    double q0 = s.s0[c] / m[c];
    HiLo left = plus_exactly(remainder(s.s0[c], q0, m[c]), s.s1[c]);
    double q1 = left.hi / m[c], r = remainder(left.hi, q1, m[c]);
    // S/m = q0 + q1 + (r + left.lo + s2)/m, and that last part rounds four times.
    double last = (r + (left.lo + s.s2[c])) * inverse_m[c];
    double error = 0x1p-50 * (size(r) + size(left.lo) + size(s.s2[c])) * inverse_m[c];
    HiLo high = plus_exactly(q0, q1), low = plus_exactly(high.lo, last);
    Decision rounded_mean = decision<double>(high.hi, low.hi, error + size(low.lo));
    // Where the mean is certain, it is also the sum of the two leading parts, and what that rounds off is known.
    Decision rounded_lo = decision<double>(plus_exactly(high.hi, low.hi).lo, low.lo, error);
    mean[c] = rounded_mean.value;
    mean_lo[c] = rounded_lo.value;
    undecided[c] |= rounded_mean.undecided | rounded_lo.undecided;
  }
}

// RN(n/(m·(m − less))), where less is 0 or 1. With r = n − (q0 + q1)·d, n/d = q0 + q1 + r/d.
static BN_STAGE void round_variances(int64_t channels, const Nears& nears, const double* m, const double* inverse_m,
                                     double less, double* variance, int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    Near n = nears.at(c);
    HiLo d = times_exactly(m[c], m[c] - less);
    double q0 = n.hi / d.hi;
    HiLo product = times_exactly(q0, d.lo), with_lo = plus_exactly(remainder(n.hi, q0, d.hi), n.lo);
    HiLo left = plus_exactly(with_lo.hi, -product.hi);
    double q1 = left.hi / d.hi;
    double r = size(remainder(left.hi, q1, d.hi)) + size(q1 * d.lo) + size(with_lo.lo) + size(left.lo) +
               size(product.lo) + n.error;
    Decision v = decision<double>(q0, q1, r * (2 * inverse_m[c] * inverse_m[c]));  // m·(m − 1) ≥ m²/2
    variance[c] = v.value;
    undecided[c] |= v.undecided;
  }
}

static const int64_t NOWHERE[BN_BLOCK] = {};

// RN_T, and `at_zero` where zero is 1.
template <class T>
static BN_STAGE void round_nears(int64_t channels, const Nears& nears, const int64_t* zero, double at_zero, double* to,
                                 int64_t* undecided) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    Decision a = decision<T>(nears.at(c));
    to[c] = zero[c] != 0 ? at_zero : a.value;
    undecided[c] |= zero[c] != 0 ? 0 : a.undecided;
  }
}

static void round_nears_to(int type, int64_t channels, const Nears& nears, const int64_t* zero, double at_zero,
                           double* to, int64_t* undecided) {
  auto round = type == BN_F32 ? round_nears<float> : round_nears<double>;
  round(channels, nears, zero, at_zero, to, undecided);
}

// With n = m²·(V + ε), 1/√n; and whether n is 0.
static BN_STAGE void inverse_roots(int64_t channels, const Nears& v, const double* m, double eps, Nears& y,
                                   int64_t* zero) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) {
    HiLo square = times_exactly(m[c], m[c]), product = times_exactly(eps, square.hi);
    HiLo high = plus_exactly(v.hi[c], product.hi);
    double lo = high.lo + (v.lo[c] + (product.lo + eps * square.lo));  // five roundings, to 2^-104 of n each
    y.set(c, inverse_root(Near{high.hi, lo, v.error[c] + 0x1p-101 * high.hi}));
    zero[c] = (high.hi == 0) & (v.error[c] == 0);
  }
}

static BN_STAGE void multiply(int64_t channels, const Nears& a, const Nears& b, Nears& product) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) product.set(c, times(a.at(c), b.at(c)));
}

static BN_STAGE void multiply_by_counts(int64_t channels, const double* m, Nears& a) {
  BN_INDEPENDENT
  for (int64_t c = 0; c < channels; c++) a.set(c, times(Near{m[c], 0, 0}, a.at(c)));
}

static void mark_all_unless(bool certain, int64_t channels, int64_t* undecided) {
  for (int64_t c = 0; c < channels; c++) undecided[c] |= !certain;
}

// Whether eps may take part in an estimate.
static bool is_moderate(double eps) { return out_of_range(eps, SMALLEST_EPS, LARGEST_EPS) == 0; }
