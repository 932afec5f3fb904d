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
//   a²            the high part only grows, so its end tells that it stayed in the window and a w for which Σa² < 2^w:
//                 w + 2 instead of E + S + 4 + t; and |Σa| ≤ √(2^t·Σa²), so ⌈(t + w)/2⌉ + 2 instead of e + s + 3 + t,
//                 and for f32 24 + s + t ≤ 53 follows
//
// k is guessed, from the values a tile begins with or from the tile before, and judged afterwards by the exponents that
// were met: a wrong guess is done again with the right k, once. (Of few rows the sizes are looked at first.)

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
// kept of the smallest and the largest |a| and |b|; of squares only of the smallest, their sum bounds the largest. There is
// no room for what is not in use: it would keep the rest from filling the first-level cache.
template <bool SAME, class A, class B> struct Accumulators {
  typedef Kind<A, B> K;
  Ints smallest_a;  // that is not 0: signed, 0 is the largest of all
  Doubles sum[2], high[2], low[2];
  Words largest_a[SAME ? 0 : 1], largest_b[SAME ? 0 : 1];
  Ints smallest_b[SAME ? 0 : 1];
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

  // The sizes of f16 do not matter.
  template <class StoredA, class StoredB> void note(const StoredA* a, const StoredB* b) {
    if constexpr (!BOTH_F16<StoredA, StoredB>) note(patterns(a), SAME ? Words{} : patterns(b));
  }

  // As add, of the values that a mask leaves.
  template <class StoredA, class StoredB, class Rest>
  void add_rest(const StoredA* a, const StoredB* b, const Rest& rest) {
    note(rest.patterns_a ? patterns(a) : Words{} + PATTERN_OF_0,
         SAME ? Words{} : rest.patterns_b ? patterns(b) : Words{} + PATTERN_OF_0);
    for (int half = 0; half < 2; half++) {
      Doubles u = masked(load(a + half * LANES), rest.values[half]);
      add(half, u, SAME ? u : masked(load(b + half * LANES), rest.values[half]));
    }
  }

  void note(Words pattern_a, Words pattern_b) {
    smallest_a = smaller(smallest_a, (Ints)pattern_a);
    if constexpr (!SAME) {
      largest_a[0] = larger(largest_a[0], pattern_a);
      largest_b[0] = larger(largest_b[0], pattern_b);
      smallest_b[0] = smaller(smallest_b[0], (Ints)pattern_b);
    }
  }

  void add(int half, Doubles u, Doubles v) {
    if constexpr (K::LINEAR_EXACT) {
      sum[half] = sum_by_multiplier(u, sum[half]);
    } else {
      add_cut(sum[half], sum_low[half], u);
    }
    if constexpr (K::PRODUCT_EXACT) {
      Doubles next = plus_exact_product(u, v, high[half]), cut = next - high[half];
      low[half] += plus_exact_product(u, v, -cut);
      high[half] = next;
    } else {
      Doubles p = u * v, q = fused(u, v, -p);
      add_cut(high[half], low[half], p);
      add_cut(error_high[half], error_low[half], q);
    }
  }

  // Adds a number to a window, and what that cuts off to the low part.
  static void add_cut(Doubles& window, Doubles& below, Doubles number) {
    Doubles next = window + number, cut = next - window;
    below = sum_by_multiplier(difference_by_multiplier(number, cut), below);
    window = next;
  }
};

template <bool SAME, class A, class B> static inline void clear(Accumulators<SAME, A, B>& x) {
  typedef Kind<A, B> K;
  for (int half = 0; half < 2; half++) {
    x.sum[half] = x.high[half] = x.low[half] = Doubles{};
    if constexpr (!K::LINEAR_EXACT) x.sum_low[half] = Doubles{};
    if constexpr (!K::PRODUCT_EXACT) x.error_high[half] = x.error_low[half] = Doubles{};
  }
  const Words pattern_of_0 = Words{} + PATTERN_OF_0;
  x.smallest_a = (Ints)pattern_of_0;
  if constexpr (!SAME) {
    x.largest_a[0] = x.largest_b[0] = pattern_of_0;
    x.smallest_b[0] = (Ints)pattern_of_0;
  }
}

// Field by field, in place: what compilers copy as a whole, or elsewhere, does not stay in registers.
template <bool SAME, class A, class B>
static inline __attribute__((always_inline)) void copy(Accumulators<SAME, A, B>& to,
                                                       const Accumulators<SAME, A, B>& from) {
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
  to.smallest_a = from.smallest_a;
  if constexpr (!SAME) {
    to.largest_a[0] = from.largest_a[0];
    to.smallest_b[0] = from.smallest_b[0];
    to.largest_b[0] = from.largest_b[0];
  }
}

// Whether a column has values that are not 0, and the smallest of their exponents: the field as it is in memory, biased.
struct SmallestExponent {
  Ints any;
  Ints field;
};

template <class A> static inline SmallestExponent of_smallest(Ints smallest) {
  Words pattern = in_column_order<A>((Words)smallest);
  return SmallestExponent{pattern != PATTERN_OF_0, exponent_field<A>(pattern)};
}

template <class A> static inline Ints of_largest(Words largest) {
  return exponent_field<A>(in_column_order<A>(largest));
}

// The windows that columns may have: k from lowest to highest, of products and, for f64, of Σa. Masks are 0 or −1.
struct Windows {
  Ints met;      // some a and some b are not 0
  Ints regular;  // all is finite, p and q are exact, and nothing can overflow
  Ints tame;     // Σa needs no window, or one may serve
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

// Where the high part started, and the sum of what was cut off into it.
struct HighPart {
  Doubles start[2], sum[2];
};

template <class Registers> static inline HighPart high_part_of(const Registers& r, Doubles start_0, Doubles start_1) {
  return HighPart{{start_0, start_1}, {r.high[0] - start_0, r.high[1] - start_1}};
}

// w, where the sum of squares is below 2^w: of the cuts, and of at most U/2 for each of 2^t numbers. (The rest of the
// bound is for what f64 rounds off squares, and for plain sums, which start at 0.)
static inline Ints ceiling_exponents(const HighPart& high, int t) {
  Longs exponents[2];
  for (int half = 0; half < 2; half++) {
    Doubles bound = high.sum[half] * (1 + 0x1p-20) + high.start[half] * (0x1p-52 * (double)(1 << t));
    exponents[half] = ((Longs)absolute(bound) >> 52) - 1022;
  }
  return group_of(exponents[0], exponents[1]);
}

// Whether that bound says little, for the window was so high that as much may have been cut off as was summed.
static inline Ints is_vague(const HighPart& high, int t) {
  const double part = 0x1p-52 * (double)(1 << t);
  return group_of(high.sum[0] < high.start[0] * part, high.sum[1] < high.start[1] * part);
}

// Products of f16 fit one window, whatever the values.
static inline Windows windows_of_f16(Ints regular, int t) {
  Windows w;
  w.met = w.tame = ~Ints{};
  w.regular = regular;
  w.lowest = Ints{} + 34 + t;
  w.highest = Ints{} + 58 - t;
  w.lowest_linear = w.highest_linear = Ints{};
  return w;
}

// Patterns of the smallest and the largest |a| and |b|, as accumulators note them.
struct Sizes {
  Ints smallest_a;
  Ints smallest_b;
  Words largest_a;
  Words largest_b;
};

// The windows that fit products of such values, with at most 2^t numbers in each.
template <class A, class B> static inline Windows windows_of(const Sizes& sizes, int t) {
  typedef Kind<A, B> K;
  constexpr int INFINITE_A = IS_F64<A> ? 2047 : 255, INFINITE_B = IS_F64<B> ? 2047 : 255;
  Windows w;
  SmallestExponent a = of_smallest<A>(sizes.smallest_a), b = of_smallest<B>(sizes.smallest_b);
  Ints highest_a = of_largest<A>(sizes.largest_a), highest_b = of_largest<B>(sizes.largest_b);
  Ints lowest_a = a.any ? a.field : highest_a, lowest_b = b.any ? b.field : highest_b;
  w.met = a.any & b.any;
  w.regular = (highest_a != INFINITE_A) & (highest_b != INFINITE_B);
  w.tame = ~Ints{};
  w.lowest_linear = w.highest_linear = Ints{};
  if (K::LINEAR_EXACT) {
    w.tame = highest_a - lowest_a <= 29 - t;
  } else {
    w.regular &= highest_a <= BIAS<A> + HIGHEST;
    w.lowest_linear = a.any ? highest_a - BIAS<A> + 3 + t : Ints{} - 2000;
    w.highest_linear = a.any ? lowest_a - BIAS<A> + 54 - t : Ints{} + 2000;
  }
  Ints lowest = lowest_a + lowest_b - BIAS<A> - BIAS<B>, highest = highest_a + highest_b - BIAS<A> - BIAS<B>;
  if (!K::PRODUCT_EXACT) {
    w.regular &= ~w.met | ((lowest_a > 0) & (lowest_b > 0) & (lowest >= -970) & (highest <= HIGHEST));
  }
  w.lowest = w.met ? highest + 4 + t : Ints{} - 2000;
  w.highest = w.met ? lowest + (K::PRODUCT_EXACT ? 60 : 54) - t : Ints{} + 2000;
  return w;
}

// The windows that fit what the accumulators met, with at most 2^t numbers in each. f16 says that all values are.
template <class A, class B>
static inline Windows windows_of(const Accumulators<false, A, B>& r, const HighPart& high, int t, bool f16) {
  Ints finite = group_of(high.sum[0] - high.sum[0] == 0, high.sum[1] - high.sum[1] == 0);
  if (f16) return windows_of_f16(finite, t);
  Windows w = windows_of<A, B>(Sizes{r.smallest_a, r.smallest_b[0], r.largest_a[0], r.largest_b[0]}, t);
  w.regular &= finite;
  return w;
}

// Of squares, whose sum bounds all the rest. Their high part only grows, so where it ends tells where it was.
template <class A>
static inline Windows windows_of(const Accumulators<true, A, A>& r, const HighPart& high, int t, bool f16) {
  typedef Kind<A, A> K;
  Ints squares = ceiling_exponents(high, t);
  if (f16) return windows_of_f16(squares <= HIGHEST, t);
  Windows w;
  w.tame = ~Ints{};
  w.regular = squares <= HIGHEST;
  w.lowest_linear = w.highest_linear = Ints{};
  SmallestExponent a = of_smallest<A>(r.smallest_a);
  Ints lowest = a.field - BIAS<A>;
  w.met = a.any;
  if (!K::LINEAR_EXACT) {
    w.regular &= ~w.met | ((a.field > 0) & (2 * lowest >= -970));
    w.lowest_linear = w.met ? ((squares + t + 1) >> 1) + 2 : Ints{} - 2000;
    w.highest_linear = w.met ? lowest + 54 - t : Ints{} + 2000;
  }
  w.lowest = w.met ? squares + 2 : Ints{} - 2000;
  w.highest = w.met ? 2 * lowest + (K::PRODUCT_EXACT ? 60 : 54) - t : Ints{} + 2000;
  return w;
}
