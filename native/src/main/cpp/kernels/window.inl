// Exact sums of many values in binary64 arithmetic. (Proofs: docs/math.md, "Windows".)
//
// A window is an accumulator that starts at 1.5·2^k. While what was added to it stays below 2^(k−1), all its values lie
// between 2^k and 2^(k+1), so each addition cuts a number at the unit U = 2^(k−52): the multiple of U goes in exactly,
// the rest, at most U/2, is found exactly and goes to a second accumulator, the low part. With 2^t numbers, all multiples
// of a grid 2^g and below 2^E,
//
//   no cut number is lost while   E + t + 2 ≤ k        the window's own sum stays below 2^(k−2) + 2^(k−2)
//   the low part is exact while   k ≤ g + 106 − t      2^t·U/2 is at most 2^53 steps of the grid
//
// Values with exponents from e to e + s, products with exponent sums from E to E + S (S is 2·s for squares) give
//
//   f32   Σa      one accumulator that starts at 0: multiples of 2^(e−23), exact while 24 + s + t ≤ 53
//   f32·f32       a·b has 48 bits: grid 2^(E−46), below 2^(E+S+2):  E + S + 4 + t ≤ k ≤ E + 60 − t
//   f64   Σa      grid 2^(e−52), below 2^(e+s+1):                   e + s + 3 + t ≤ k ≤ e + 54 − t
//   otherwise     p = RN(a·b) and q = fma(a, b, −p) are exact together. p: grid 2^(E−52), below 2^(E+S+2):
//                 E + S + 4 + t ≤ k ≤ E + 54 − t. q: grid 2^(E−104), at most 2^(E+S−52): a window at k − 53 serves
//                 under the same condition. q is exact while E ≥ −970 and no factor is subnormal (a subnormal's leading
//                 bit lies lower than its exponent field says, so RN(a·b) would be finer than the grid).
//   f16·f16       multiples of 2^-48 below 2^32, whatever the values: 34 + t ≤ k ≤ 58 − t
//
// k is guessed, from the values a tile begins with or from the tile before, and judged afterwards by the exponents that
// were met: a wrong guess is done again with the right k, once.

// 2^t values at the most meet in one accumulator.
constexpr int T = 8, TILE_ROWS = 1 << T;

// Exponents above this could overflow a sum of 2^63 values; they take the slow road.
constexpr int HIGHEST = 900;

template <class A> constexpr bool IS_F64 = std::is_same_v<A, double>;
template <class A> constexpr int FORMAT = IS_F64<A> ? BN_F64 : BN_F32;
template <class A, class B> constexpr bool BOTH_F16 = std::is_same_v<A, Half> && std::is_same_v<B, Half>;
template <class A> constexpr int BIAS = IS_F64<A> ? 1023 : 127;

// Which accumulators Σa and Σa·b take.
template <class A, class B> struct Kind {
  static constexpr bool LINEAR_EXACT = !IS_F64<A>, PRODUCT_EXACT = !IS_F64<A> && !IS_F64<B>;
  static constexpr int LINEAR_TERMS = LINEAR_EXACT ? BN_F32_TERMS : BN_F64_TERMS;
  static constexpr int PRODUCT_TERMS = PRODUCT_EXACT ? BN_F32_PRODUCT_TERMS : BN_F64_PRODUCT_TERMS;
  static constexpr int TERMS = LINEAR_TERMS + PRODUCT_TERMS;
};

// Where the windows of LANES columns start, 1.5·2^k, and k back from there.
static inline Doubles window_start(Longs k) { return (Doubles)((k + 1023) << 52 | (int64_t)1 << 51); }

static inline Longs window_exponent(Doubles start) { return ((Longs)start >> 52) - 1023; }

// s + e = x + y exactly (Knuth's TwoSum).
template <class V> static inline V two_sum(V x, V y, V* e) {
  V sum = x + y, part = sum - x;
  *e = (x - (sum - part)) + (y - part);
  return sum;
}

// Adds a value to the terms, the first of which takes most of it. What is returned did not fit.
template <int COUNT, class V> static inline V add_to_terms(V* terms, V value) {
  for (int k = 0; k < COUNT; k++) terms[k] = two_sum(terms[k], value, &value);
  return value;
}

// GROUP columns of accumulators, in registers. A and B are types of arithmetic: f16 comes widened to f32. Patterns are
// kept of the largest |a| and of the smallest that is not 0, less 1 (so that a 0 is the largest of all); b's only where it
// is not a. There is no room for what is not in use: it would keep the rest from filling the first-level cache.
template <bool SAME, class A, class B> struct Accumulators {
  typedef Kind<A, B> K;
  Words largest_a, smallest_a;
  Doubles sum[2], high[2], low[2];
  Words largest_b[SAME ? 0 : 1], smallest_b[SAME ? 0 : 1];
  Doubles sum_low[K::LINEAR_EXACT ? 0 : 2];
  Doubles error_high[K::PRODUCT_EXACT ? 0 : 2], error_low[K::PRODUCT_EXACT ? 0 : 2];

  template <class StoredA, class StoredB> void add(const StoredA* a, const StoredB* b) {
    note(a, b);
    for (int half = 0; half < 2; half++) add_half(half, a, b);
  }

  template <class StoredA, class StoredB> void add_half(int half, const StoredA* a, const StoredB* b) {
    Doubles u = load(a + half * LANES);
    add(half, u, SAME ? u : load(b + half * LANES));
  }

  template <class StoredA, class StoredB> void note(const StoredA* a, const StoredB* b) {
    note(patterns(a), SAME ? Words{} : patterns(b));
  }

  // As add, of the values that a mask leaves.
  template <class StoredA, class StoredB, class Rest>
  void add_rest(const StoredA* a, const StoredB* b, const Rest& rest) {
    note(patterns(a) & rest.patterns_a, SAME ? Words{} : patterns(b) & rest.patterns_b);
    for (int half = 0; half < 2; half++) {
      Doubles u = masked(load(a + half * LANES), rest.values[half]);
      add(half, u, SAME ? u : masked(load(b + half * LANES), rest.values[half]));
    }
  }

  void note(Words bits_a, Words bits_b) {
    largest_a = larger(largest_a, bits_a);
    smallest_a = smaller(smallest_a, bits_a - 1);
    if constexpr (!SAME) {
      largest_b[0] = larger(largest_b[0], bits_b);
      smallest_b[0] = smaller(smallest_b[0], bits_b - 1);
    }
  }

  void add(int half, Doubles u, Doubles v) {
    if constexpr (K::LINEAR_EXACT) {
      sum[half] += u;
    } else {
      Doubles next = sum[half] + u;
      sum_low[half] += u - (next - sum[half]);
      sum[half] = next;
    }
    if constexpr (K::PRODUCT_EXACT) {
      Doubles next = plus_exact_product(u, v, high[half]), cut = next - high[half];
      low[half] += plus_exact_product(u, v, -cut);
      high[half] = next;
    } else {
      Doubles p = u * v, q = fused(u, v, -p);
      Doubles next = high[half] + p, next_error = error_high[half] + q;
      low[half] += p - (next - high[half]);
      error_low[half] += q - (next_error - error_high[half]);
      high[half] = next;
      error_high[half] = next_error;
    }
  }
};

template <bool SAME, class A, class B> static inline void clear(Accumulators<SAME, A, B>& x) {
  typedef Kind<A, B> K;
  for (int half = 0; half < 2; half++) {
    x.sum[half] = x.high[half] = x.low[half] = Doubles{};
    if constexpr (!K::LINEAR_EXACT) x.sum_low[half] = Doubles{};
    if constexpr (!K::PRODUCT_EXACT) x.error_high[half] = x.error_low[half] = Doubles{};
  }
  x.largest_a = Words{};
  x.smallest_a = ~Words{};
  if constexpr (!SAME) {
    x.largest_b[0] = Words{};
    x.smallest_b[0] = ~Words{};
  }
}

// Field by field: what compilers copy as a whole does not stay in registers.
template <bool SAME, class A, class B>
static inline void copy(Accumulators<SAME, A, B>& to, const Accumulators<SAME, A, B>& from) {
  typedef Kind<A, B> K;
  for (int half = 0; half < 2; half++) {
    to.sum[half] = from.sum[half];
    to.high[half] = from.high[half];
    to.low[half] = from.low[half];
    if constexpr (!K::LINEAR_EXACT) to.sum_low[half] = from.sum_low[half];
    if constexpr (!K::PRODUCT_EXACT) {
      to.error_high[half] = from.error_high[half];
      to.error_low[half] = from.error_low[half];
    }
  }
  to.largest_a = from.largest_a;
  to.smallest_a = from.smallest_a;
  if constexpr (!SAME) {
    to.largest_b[0] = from.largest_b[0];
    to.smallest_b[0] = from.smallest_b[0];
  }
}

// The exponents of the values of each column that are not 0; fields as they are in memory, biased. Masks are 0 or −1.
struct Exponents {
  Ints any;
  Ints lowest;
  Ints highest;
};

template <class A> static inline Exponents exponents(Words largest, Words smallest_less_1) {
  Words highest = in_column_order<A>(largest) >> PATTERN_SHIFT<A>;
  Words lowest = (in_column_order<A>(smallest_less_1) + 1) >> PATTERN_SHIFT<A>;
  Ints any = in_column_order<A>(largest) != 0;
  return Exponents{any, any ? (Ints)lowest : (Ints)highest, (Ints)highest};
}

// The windows that columns with these exponents may have: k from lowest to highest, of products and, for f64, of Σa.
// A column has met products if some a and some b are not 0; it is regular if p and q are exact and nothing can overflow,
// tame if Σa needs no window or one may serve.
struct Windows {
  Ints met;
  Ints regular;
  Ints tame;
  Ints lowest;
  Ints highest;
  Ints lowest_linear;
  Ints highest_linear;

  Ints possible() const { return regular & tame & (lowest <= highest) & (lowest_linear <= highest_linear); }

  Ints hold(Ints k, Ints k_linear) const {
    return regular & tame & (lowest <= k) & (k <= highest) & (lowest_linear <= k_linear) & (k_linear <= highest_linear);
  }

  // A quarter of the room is left above: values grow less often than small ones turn up.
  Ints best() const { return best_of(lowest, highest); }
  Ints best_linear() const { return best_of(lowest_linear, highest_linear); }

  static Ints best_of(Ints lowest, Ints highest) {
    Ints k = lowest + (larger(highest - lowest, Ints{}) >> 2);
    return smaller(larger(k, Ints{} - 1000), Ints{} + 1000);  // whatever was met, a number
  }
};

// With at most 2^t numbers in each accumulator. f16 says that all values are.
template <class A, class B> static inline Windows windows(const Exponents& a, const Exponents& b, int t, bool f16) {
  typedef Kind<A, B> K;
  constexpr int INFINITE_A = IS_F64<A> ? 2047 : 255, INFINITE_B = IS_F64<B> ? 2047 : 255;
  Windows w;
  w.met = a.any & b.any;
  w.regular = (a.highest != INFINITE_A) & (b.highest != INFINITE_B);
  w.lowest_linear = w.highest_linear = Ints{};
  if (K::LINEAR_EXACT) {
    w.tame = f16 ? ~Ints{} : a.highest - a.lowest <= 29 - t;
  } else {
    w.tame = ~Ints{};
    w.regular &= a.highest <= BIAS<A> + HIGHEST;
    w.lowest_linear = a.any ? a.highest - BIAS<A> + 3 + t : Ints{} - 2000;
    w.highest_linear = a.any ? a.lowest - BIAS<A> + 54 - t : Ints{} + 2000;
  }
  if (f16) {
    w.lowest = Ints{} + 34 + t;
    w.highest = Ints{} + 58 - t;
    return w;
  }
  Ints lowest = a.lowest + b.lowest - BIAS<A> - BIAS<B>,
       highest = a.highest + b.highest - BIAS<A> - BIAS<B>;
  if (!K::PRODUCT_EXACT) {
    w.regular &= ~w.met | ((a.lowest > 0) & (b.lowest > 0) & (lowest >= -970) & (highest <= HIGHEST));
  }
  w.lowest = w.met ? highest + 4 + t : Ints{} - 2000;
  w.highest = w.met ? lowest + (K::PRODUCT_EXACT ? 60 : 54) - t : Ints{} + 2000;
  return w;
}

// The windows that fit what the accumulators met, with at most 2^t numbers in each.
template <bool SAME, class A, class B>
static inline Windows windows_of(const Accumulators<SAME, A, B>& r, int t, bool f16) {
  Exponents a = exponents<A>(r.largest_a, r.smallest_a);
  if constexpr (SAME) {
    return windows<A, B>(a, a, t, f16);
  } else {
    return windows<A, B>(a, exponents<B>(r.largest_b[0], r.smallest_b[0]), t, f16);
  }
}
