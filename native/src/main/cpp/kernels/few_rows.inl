// Exact sums of so few rows that what a window costs each column counts: a group at a time, in registers. Nothing is
// guessed: the sizes of all values are looked at first.

// No more than 2^T_OF_FEW rows.
constexpr int T_OF_FEW = 5;

// Whether rows are few. Each is met twice, a group at a time: of more than 16 rows that evict each other from the cache, it
// would be fetched twice. (Measured on a Zen 3, training and backward of f32 and f64 in the cache: 2 to 16 rows take 0.65
// to 0.85 of the time that tiles take, 32 rows 0.75 to 1.0; 32 that evict each other would take 0.9 to 1.1, of two inputs
// 1.1 to 1.4.)
template <bool SAME, class A, class B> static bool are_few(int64_t rows, int64_t stride) {
  constexpr int64_t BYTES = sizeof(A) > sizeof(B) ? sizeof(A) : sizeof(B), EVICTING = SAME ? 16 : 8;
  return rows <= (stride * BYTES % SAME_LINES == 0 ? EVICTING : (int64_t)1 << T_OF_FEW);
}

// The windows of a group of columns.
template <bool SAME, class WideA, class WideB, class A, class B>
static inline Windows windows_of_rows(const A* a, const B* b, int64_t stride, int rows) {
  const Words pattern_of_0 = Words{} + PATTERN_OF_0;
  Sizes sizes = {(Ints)pattern_of_0, (Ints)pattern_of_0, pattern_of_0, pattern_of_0};
  for (int row = 0; row < rows; row++) {
    Words of_a = patterns(a + row * stride), of_b = SAME ? of_a : patterns(b + row * stride);
    sizes.smallest_a = smaller(sizes.smallest_a, (Ints)of_a);
    sizes.largest_a = larger(sizes.largest_a, of_a);
    sizes.smallest_b = SAME ? sizes.smallest_a : smaller(sizes.smallest_b, (Ints)of_b);
    sizes.largest_b = SAME ? sizes.largest_a : larger(sizes.largest_b, of_b);
  }
  Windows w = windows_of<WideA, WideB>(sizes, T_OF_FEW);
  return BOTH_F16<A, B> ? windows_of_f16(w.regular, T_OF_FEW) : w;
}

// Adds all rows to the terms of a strip. Returns whether limbs were missing.
template <bool SAME, class WideA, class WideB, class A, class B>
static SHARED bool sum_few_rows(Strip<SAME, WideA, WideB>& strip, const A* a, const B* b, int64_t stride, int rows,
                                const bn_sums& sums) {
  bool missing = false, put = strip.terms_are_0();
  for (int slot = 0; slot < strip.columns; slot += GROUP) {
    const A* of_a = a + strip.column(slot);
    const B* of_b = b + strip.column(slot);
    Windows w = windows_of_rows<SAME, WideA, WideB>(of_a, of_b, stride, rows);
    strip.set_starts(slot, w, ~Ints{});
    typename Strip<SAME, WideA, WideB>::Registers r;
    strip.clear_registers(slot, r);
    for (int row = 0; row < rows; row++) {
      r.add_half(0, of_a + row * stride, of_b + row * stride);
      r.add_half(1, of_a + row * stride, of_b + row * stride);
    }
    Ints exact = w.possible();
    if (put) {
      strip.put(slot, r, exact);
    } else {
      missing |= strip.drain(slot, r, exact, sums);
    }
    if (any(~exact)) {
      missing |= sum_wide_columns(strip, slot, Rows<A, B>{of_a, of_b, stride, rows}, ~exact, w.regular, sums);
    }
  }
  strip.roads.tiles += strip.columns;
  return missing;
}
