// Exact sums where neighbouring values belong to different channels: NC, NHWC, and channels of a few inner values.
//
// A strip is some columns × all rows of a block. It is summed tile by tile, TILE_ROWS rows each: the accumulators of all
// its columns lie in the cache, and are loaded and stored once for several rows. Column j belongs to channel
// (first + j) mod period / inner: rows of few columns are folded, several to one. Where there are but few rows, they are
// summed as few_rows.inl says.

// Rows that are added while a group's accumulators are in registers, at most.
template <bool SAME> constexpr int MOST_ROWS_AT_ONCE = SAME ? 8 : 4;

// How far ahead memory is asked for, at least. (Measured on a Zen 4 beyond the cache, with 256 bytes a row: statistics take 0.76
// to 0.86 of the time that asking for the next rows takes, gradient sums 0.64 to 0.69; with 1 KiB 1.0 and 0.84 to 0.95.)
constexpr int64_t BYTES_AHEAD = 8 << 10;

// Adds ROWS rows to a group's accumulators.
template <int ROWS, class Registers, class A, class B>
static inline void sum_rows(Registers& r, const A* a, const B* b, int64_t stride) {
  if (Registers::K::PRODUCT_EXACT) {
    // Of eight rows unrolled gcc 12 loads so much ahead that 16 registers do not suffice.
#if defined(__AVX512F__)
    BN_UNROLL_8
#else
    BN_UNROLL_4
#endif
    for (int row = 0; row < ROWS; row++) r.add(a + row * stride, b + row * stride);
    return;
  }
  // Not all accumulators fit the registers with what is computed on the way.
  BN_UNROLL_4
  for (int row = 0; row < ROWS; row++) r.note(a + row * stride, b + row * stride);
  BN_UNROLL_2
  for (int half = 0; half < 2; half++) {
    BN_UNROLL_4
    for (int row = 0; row < ROWS; row++) r.add_half(half, a + row * stride, b + row * stride);
  }
}

// Asks for COUNT groups that follow each other.
template <int COUNT, class A> static inline void prefetch_groups(const A* from) {
  BN_UNROLL_8
  for (int k = 0; k < COUNT; k++) prefetch_group<2>(from + k * GROUP);
}

// Adds ROWS rows to neighbouring groups, and asks for as many rows, some rows ahead, in the order of memory. (Measured beyond
// the cache: in the order of the sums, a group of each row, gradient sums of rows of 1 KiB take 1.5 to 1.8 times as long, of
// f64 1.7 times, of long or short f32 rows 1.0 to 1.15.)
template <int ROWS, bool SAME, class WideA, class WideB, class A, class B>
static SHARED void sum_groups(Accumulators<SAME, WideA, WideB>* groups, int64_t count, const A* a, const B* b,
                              int64_t stride, int64_t rows_ahead) {
  int64_t ahead = rows_ahead * stride, end = ahead + count * GROUP;
  for (int64_t i = 0; i < count; i++) {
    Accumulators<SAME, WideA, WideB> r;
    copy(r, groups[i]);
    sum_rows<ROWS>(r, a + i * GROUP, b + i * GROUP, stride);
    copy(groups[i], r);
    if (ROWS > 1) {
      prefetch_groups<ROWS>(a + ahead);
      if (!SAME) prefetch_groups<ROWS>(b + ahead);
      ahead += ROWS * GROUP;
      if (ahead >= end) {
        ahead += stride - count * GROUP;
        end += stride;
      }
    }
  }
}

// Adds ROWS rows to all groups of a strip.
template <int ROWS, class S, class A, class B>
static void sum_tile_rows(S& strip, const A* a, const B* b, int64_t stride) {
  int64_t whole = strip.columns / GROUP, last = strip.columns - GROUP;
  sum_groups<ROWS>(strip.groups, whole, a, b, stride, strip.rows_ahead);
  if (whole * GROUP < strip.columns) {
    sum_groups<ROWS>(strip.groups + whole, 1, a + last, b + last, stride, strip.rows_ahead);
  }
}

// Adds rows to all groups of a strip.
template <class S, class A, class B>
static void add_tile_rows(S& strip, const A* a, const B* b, int64_t stride, int rows) {
  constexpr int MOST = MOST_ROWS_AT_ONCE<S::SAME_INPUTS>;
  int row = 0;
  for (; strip.rows_at_once == MOST && row + MOST <= rows; row += MOST) {
    sum_tile_rows<MOST>(strip, a + row * stride, b + row * stride, stride);
  }
  constexpr int FEWER = MOST / 2;
  for (; row + FEWER <= rows; row += FEWER) {
    sum_tile_rows<FEWER>(strip, a + row * stride, b + row * stride, stride);
  }
  for (; row < rows; row++) sum_tile_rows<1>(strip, a + row * stride, b + row * stride, stride);
}

// A group some columns of which were not exact: summed again in the windows that the tile asks for.
template <class S, class Rows>
static SHARED bool sum_group_again(S& strip, int slot, const Rows& rows, const bn_sums& sums) {
  typename S::Registers r;
  auto sum_again = [&] { rows.each([&](auto* a, auto* b) { sum_rows<1>(r, a, b, 0); }); };
  copy(r, strip.groups[slot / GROUP]);
  Windows w = strip.windows(slot, r, Rows::F16);
  Ints exact = strip.exact(slot, w);
  bool cleared = S::SAME_INPUTS && any(~exact & ~w.possible() & is_vague(strip.high_part(slot, r), T));
  if (cleared) {
    clear(r);
    sum_again();
    w = windows_of(r, high_part_of(r, Doubles{}, Doubles{}), T, Rows::F16);
  }
  Ints again = ~exact & w.possible();
  if (any(again)) strip.set_starts(slot, w, again);
  if (any(again) || cleared) {
    strip.clear_registers(slot, r);
    sum_again();
    exact |= again;
    for (int j = 0; j < GROUP; j++) strip.roads.again += again[j] != 0;
  }
  bool missing = false;
  if (any(~exact)) missing = sum_wide_columns(strip, slot, rows, ~exact, w.regular, sums);
  missing |= strip.drain(slot, r, exact, sums);
  strip.set_starts(slot, w, w.regular & w.met);
  return missing;
}

// Adds a tile to the strip's terms. The first tile's windows are guessed from its first rows. Returns whether limbs were
// missing.
template <class S, class A, class B>
static bool sum_tile(S& strip, const A* a, const B* b, int64_t stride, int rows, bool first, const bn_sums& sums) {
  if (first) {
    strip.clear_all(true);
    add_tile_rows(strip, a, b, stride, rows < 8 ? rows : 8);
    strip.guess(BOTH_F16<A, B>);
  }
  strip.clear_all(false);
  add_tile_rows(strip, a, b, stride, rows);
  int unsettled[S::MOST_COLUMNS / GROUP], count = 0;
  bool missing = strip.settle(BOTH_F16<A, B>, sums, unsettled, &count);
  for (int i = 0; i < count; i++) {
    int64_t at = strip.column(unsettled[i]);
    missing |= sum_group_again(strip, unsettled[i], Rows<A, B>{a + at, b + at, stride, rows}, sums);
  }
  return missing;
}

// Adds all rows to the strip's terms; rows lie `stride` apart. Returns whether limbs were missing.
template <bool SAME, class S, class A, class B>
static bool sum_strip(S& strip, const A* a, const B* b, int64_t stride, int64_t rows,
                      const bn_sums& sums) {
  if (strip.columns >= GROUP && are_few<SAME, A, B>(rows, stride)) {
    return sum_few_rows(strip, a, b, stride, (int)rows, sums);
  }
  bool missing = false;
  const int64_t bytes = stride * (int64_t)sizeof(A), most = MOST_ROWS_AT_ONCE<SAME>;
  strip.rows_at_once = (int)(ROWS_EVICT && bytes % SAME_LINES == 0 ? most / 2 : most);
  strip.rows_ahead = rows > 1 && bytes * most < BYTES_AHEAD ? (BYTES_AHEAD + bytes - 1) / bytes : strip.rows_at_once;
  for (int64_t row = 0; row < rows; row += TILE_ROWS) {
    int64_t at = row * stride;
    int tile = (int)(rows - row < TILE_ROWS ? rows - row : TILE_ROWS);
    if (strip.columns >= GROUP) {
      missing |= sum_tile(strip, a + at, b + at, stride, tile, row == 0, sums);
      continue;
    }
    A copy_a[TILE_ROWS * GROUP] = {};
    B copy_b[SAME ? 1 : TILE_ROWS * GROUP] = {};
    for (int r = 0; r < tile; r++) {
      memcpy(copy_a + r * GROUP, a + at + r * stride, strip.columns * sizeof(A));
      if (!SAME) memcpy(copy_b + r * GROUP, b + at + r * stride, strip.columns * sizeof(B));
    }
    int columns = strip.columns;
    strip.columns = GROUP;
    missing |= sum_tile(strip, copy_a, SAME ? (const B*)(const void*)copy_a : copy_b, GROUP, tile, row == 0, sums);
    strip.columns = columns;
  }
  return missing;
}

// The terms of a strip at the start: those of the channels that its first columns are, and 0.
template <bool SAME, class A, class B>
static SHARED void take_terms(Strip<SAME, A, B>& strip, int64_t channels, const bn_sums& sums) {
  int whole = strip.columns / GROUP * GROUP, copied = channels < whole ? (int)channels : whole;
  for (int k = 0; k < Kind<A, B>::TERMS; k++) {
    const double* from = sums.terms + k * sums.stride + strip.first;
    memcpy(strip.terms[k], from, sizeof(double) * copied);
    memset(strip.terms[k] + copied, 0, sizeof(double) * (strip.slots() - copied));
    for (int j = whole; j < channels; j++) strip.terms[k][strip.slot_of(j)] = from[j];
  }
}

// Adds columns [half, 2·half) of a strip's terms to columns [0, half); what no term can hold stays where it was.
template <class K, class V> static void fold_terms(double* const (&terms)[K::TERMS], int half) {
  for (int j = 0; j < half; j += sizeof(V) / sizeof(double)) {
    V into[K::TERMS], more[K::TERMS];
    for (int k = 0; k < K::TERMS; k++) {
      into[k] = load_vector<V>(&terms[k][j]);
      more[k] = load_vector<V>(&terms[k][half + j]);
    }
    merge<K>(into, more);
    for (int k = 0; k < K::TERMS; k++) {
      store_vector(&terms[k][j], into[k]);
      store_vector(&terms[k][half + j], more[k]);
    }
  }
}

// Gives the terms of a strip to the channels: those of its first columns were taken from channels, the others are parts of
// channels. Returns whether limbs were missing.
template <bool SAME, class A, class B>
static SHARED bool return_terms(Strip<SAME, A, B>& strip, int64_t taken, const bn_sums& sums) {
  typedef Kind<A, B> K;
  for (int k = 0; k < K::TERMS; k++) {
    for (int j = strip.columns / GROUP * GROUP; j < strip.columns; j++) {
      strip.terms[k][j] = strip.terms[k][strip.slot_of(j)];
    }
  }
  int half = strip.columns / 2;
  for (; taken < strip.columns && 2 * half % strip.period == 0 && half % strip.period == 0; half /= 2) {
    if (half % LANES == 0) {
      fold_terms<K, Doubles>(strip.terms, half);
    } else {
      fold_terms<K, double>(strip.terms, half);
    }
    if (half % 2 != 0) break;
  }
  for (int k = 0; k < K::TERMS; k++) {
    memcpy(sums.terms + k * sums.stride + strip.first, strip.terms[k], sizeof(double) * taken);
  }
  bool missing = false;
  for (int64_t j = taken; j < strip.columns; j++) {
    bool any = false;
    for (int k = 0; k < K::TERMS; k++) any |= strip.terms[k][j] != 0;
    if (!any) continue;
    ChannelSums channel = channel_sums<A, B>(sums, (strip.first + j) % strip.period / strip.inner);
    for (int k = 0; k < K::TERMS; k++) missing |= add_number<A, B>(channel, k >= K::LINEAR_TERMS, strip.terms[k][j]);
  }
  return missing;
}

// Adds a block to the sums of its channels. Returns whether limbs were missing; then the sums are spoilt.
template <bool SAME, class A, class B>
static bool add_columns(const Block& block, const A* a, const B* b, const bn_sums& sums, SumRoads* roads) {
  typedef Strip<SAME, Wide<A>, Wide<B>> S;
  typedef typename S::template Room<S::MOST_COLUMNS> LargeRoom;
  typename S::template Room<S::COLUMNS> small_room;
  void* large_room = nullptr;
  S strip;
  strip.use(small_room);
  strip.roads = SumRoads{};
  strip.period = block.channels * block.inner;
  strip.inner = block.inner;
  // Without memory for long strips, rows are read in pieces.
  if (strip.period > S::COLUMNS && block.outer * strip.period * (int64_t)sizeof(A) > CACHED_BYTES) {
    large_room = aligned_alloc(64, (sizeof(LargeRoom) + 63) / 64 * 64);
    if (large_room != nullptr) strip.use(*(LargeRoom*)large_room);
  }
  bool missing = false;
  // `rows` rows of `width` columns. Where each channel is one column, or the first of some, its terms go on.
  auto sum = [&](const A* a, const B* b, int64_t stride, int64_t rows, int64_t width) {
    if (width == 0) return;
    int64_t strips = (width + strip.room - 1) / strip.room, share = (width + strips - 1) / strips;
    int64_t columns = (share + 2 * GROUP - 1) / (2 * GROUP) * (2 * GROUP);
    for (strip.first = 0; strip.first < width; strip.first += columns) {
      strip.columns = (int)(width - strip.first < columns ? width - strip.first : columns);
      int64_t channels = block.inner > 1 ? 0 : width == strip.period ? strip.columns : strip.period;
      take_terms(strip, channels, sums);
      missing |= sum_strip<SAME>(strip, a + strip.first, b + strip.first, stride, rows, sums);
      missing |= return_terms(strip, channels, sums);
    }
  };
  // Rows of few columns, or of columns that leave a group half empty, are folded while enough rows remain: what a tile costs
  // each column is little beside its rows. (Measured on a Zen 4: 256 rows of 64 columns of f32 take 0.81 to 0.85 of the
  // time that 128 rows of 128 take, 4096 rows 1.02 to 1.04.)
  constexpr int64_t ENOUGH = 64;
  int64_t folds = 1, period = strip.period;
  while (block.outer_stride == period && 2 * period * folds <= S::COLUMNS && block.outer >= 32 * folds &&
         (period * folds < ENOUGH || period * folds % GROUP != 0)) {
    folds *= 2;
  }
  int64_t rows = block.outer / folds, rest = block.outer % folds, at = rows * folds * block.outer_stride;
  sum(a, b, folds * block.outer_stride, rows, folds * period);
  if (rest > 0) sum(a + at, b + at, 0, 1, rest * period);
  free(large_room);
  *roads += strip.roads;
  return missing;
}
