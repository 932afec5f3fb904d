// A strip (columns.inl): columns of a block that are summed together, their windows and the terms of their sums.

// Rows this far apart, or a multiple, evict each other: the first-level cache holds eight such lines. (Measured for
// gradient sums of 1024 f32: 4 rows of two inputs at once take 1.04 to 1.1 times as long as 2, on a Zen 3.) Half of the rows
// at once are then enough, but not for vectors of whole lines (Zen 4: 2 rows take 1.3 times as long as 4).
constexpr int64_t SAME_LINES = 4096;
constexpr bool ROWS_EVICT = LANES < 8;

template <bool SAME, class A, class B> struct Strip {
  typedef Kind<A, B> K;
  typedef Accumulators<SAME, A, B> Registers;
  static constexpr bool SAME_INPUTS = SAME;
  // Columns whose accumulators stay in the first-level cache, more or less, and columns of rows beyond the caches: memory is
  // fastest where rows are read through. (Measured: halves of rows take 1.3 to 1.5 times as long as the whole.)
  static constexpr int COLUMNS = K::PRODUCT_EXACT ? 1024 : 512, MOST_COLUMNS = 4096;

  // Memory for so many columns.
  template <int COUNT> struct Room {
    // Not a multiple of 4 KiB apart, lest they evict each other.
    static constexpr int STRIDE = COUNT + 2 * GROUP;
    Registers groups[COUNT / GROUP];
    double start[STRIDE], start_linear[STRIDE];
    double terms[K::TERMS][STRIDE];
  };

  int64_t first, period, inner;
  int columns, room;
  int rows_at_once;
  int64_t rows_ahead;
  SumRoads roads;
  Registers* groups;
  double *start, *start_linear;
  double* terms[K::TERMS];

  template <int COUNT> void use(Room<COUNT>& memory) {
    room = COUNT;
    groups = memory.groups;
    start = memory.start;
    start_linear = memory.start_linear;
    for (int k = 0; k < K::TERMS; k++) terms[k] = memory.terms[k];
  }

  int slots() const { return (columns + GROUP - 1) / GROUP * GROUP; }

  // The first column of a group: the last group ends with the last column, and may repeat some of the one before.
  int column(int slot) const { return slot + GROUP <= columns ? slot : columns - GROUP; }

  // Where column j of the last group lies.
  int slot_of(int j) const { return columns < GROUP ? j : slots() - columns + j; }

  // The first lane of a group that is not repeated.
  int fresh(int slot) const { return slot - column(slot); }

  // The sums of the channel to which lane j of a group belongs, with the terms of this strip.
  ChannelSums sums_of(int slot, int j, const bn_sums& sums) {
    ChannelSums channel = channel_sums<A, B>(sums, (first + column(slot) + j) % period / inner);
    channel.terms = &terms[0][slot + j];
    channel.stride = terms[1] - terms[0];
    return channel;
  }

  // A group's accumulators at the start of its windows.
  void clear_registers(int slot, Registers& r) const {
    clear(r);
    for (int half = 0; half < 2; half++) {
      r.high[half] = start_of(slot, half);
      if constexpr (!K::LINEAR_EXACT) r.sum[half] = load(start_linear + slot + half * LANES);
      if constexpr (!K::PRODUCT_EXACT) r.error_high[half] = r.high[half] * 0x1p-53;
    }
  }

  Doubles start_of(int slot, int half) const { return load(start + slot + half * LANES); }

  // Windows for what all groups have met since they were at 0.
  SHARED void guess(bool f16) {
    Registers r;
    for (int slot = 0; slot < columns; slot += GROUP) {
      copy(r, groups[slot / GROUP]);
      set_starts(slot, windows_of(r, high_part_of(r, Doubles{}, Doubles{}), T, f16), ~Ints{});
    }
  }

  HighPart high_part(int slot, const Registers& r) const {
    return high_part_of(r, start_of(slot, 0), start_of(slot, 1));
  }

  Windows windows(int slot, const Registers& r, bool f16) const { return windows_of(r, high_part(slot, r), T, f16); }

  // All accumulators at the start of their windows, or at 0.
  SHARED void clear_all(bool to_zero) {
    Registers r;
    for (int slot = 0; slot < columns; slot += GROUP) {
      if (to_zero) {
        clear(r);
      } else {
        clear_registers(slot, r);
      }
      copy(groups[slot / GROUP], r);
    }
  }

  // Adds the sums of a tile to the terms, and lists the groups that have columns whose sums are not exact: those are
  // not added. Returns whether limbs were missing.
  SHARED bool settle(bool f16, const bn_sums& sums, int* unsettled, int* count) {
    bool missing = false;
    Registers r;
    for (int slot = 0; slot < columns; slot += GROUP) {
      copy(r, groups[slot / GROUP]);
      Windows w = windows(slot, r, f16);
      if (any(~exact(slot, w))) {
        unsettled[(*count)++] = slot;
        continue;
      }
      missing |= drain(slot, r, ~Ints{}, sums);
      set_starts(slot, w, w.regular & w.met);
    }
    roads.tiles += columns;
    return missing;
  }

  // Lets the windows of masked columns start at the best k for what was met.
  void set_starts(int slot, const Windows& w, Ints mask) {
    Ints best = w.best(), best_linear = w.best_linear();
    for (int half = 0; half < 2; half++) {
      int j = slot + half * LANES;
      Longs set = half_of(mask, half);
      store_vector(start + j, set ? window_start(half_of(best, half)) : load(start + j));
      if (!K::LINEAR_EXACT) {
        store_vector(start_linear + j, set ? window_start(half_of(best_linear, half)) : load(start_linear + j));
      }
    }
  }

  // The columns of a group whose sums are exact.
  Ints exact(int slot, const Windows& w) const {
    Ints k = group_of(window_exponent(load(start + slot)), window_exponent(load(start + slot + LANES)));
    if (K::LINEAR_EXACT) return w.hold(k, Ints{});
    return w.hold(k, group_of(window_exponent(load(start_linear + slot)),
                              window_exponent(load(start_linear + slot + LANES))));
  }

  SHARED bool terms_are_0() const {
    Longs bits = {};
    for (int k = 0; k < K::TERMS; k++) {
      for (int slot = 0; slot < slots(); slot += LANES) bits |= (Longs)load(terms[k] + slot);
    }
    return !any(bits);
  }

  // As drain, where terms are 0.
  void put(int slot, const Registers& r, Ints mask) {
    for (int half = 0; half < 2; half++) {
      int j = slot + half * LANES;
      Longs in = half_of(mask, half);
      Doubles begin = load(start + j);
      Doubles parts[K::TERMS] = {};
      parts[0] = K::LINEAR_EXACT ? r.sum[half] : r.sum[half] - load(start_linear + j);
      if constexpr (!K::LINEAR_EXACT) parts[1] = r.sum_low[half];
      parts[K::LINEAR_TERMS] = r.high[half] - begin;
      parts[K::LINEAR_TERMS + 1] = r.low[half];
      if constexpr (!K::PRODUCT_EXACT) {
        parts[K::LINEAR_TERMS + 2] = r.error_high[half] - begin * 0x1p-53;
        parts[K::LINEAR_TERMS + 3] = r.error_low[half];
      }
      for (int k = 0; k < K::TERMS; k++) store_vector(terms[k] + j, masked(parts[k], in));
    }
  }

  // Adds what masked columns of a group have summed to their terms. Returns whether limbs were missing.
  SHARED bool drain(int slot, const Registers& r, Ints mask, const bn_sums& sums) {
    bool missing = false;
    for (int half = 0; half < 2; half++) {
      int j = slot + half * LANES;
      Longs in = half_of(mask, half);
      Doubles linear[K::LINEAR_TERMS], product[K::PRODUCT_TERMS], rest[2][2] = {}, error_rest[2] = {};
      for (int k = 0; k < K::LINEAR_TERMS; k++) linear[k] = load(terms[k] + j);
      for (int k = 0; k < K::PRODUCT_TERMS; k++) product[k] = load(terms[K::LINEAR_TERMS + k] + j);
      Doubles sum = K::LINEAR_EXACT ? r.sum[half] : r.sum[half] - load(start_linear + j), begin = load(start + j);
      rest[0][0] = add_to_terms<K::LINEAR_TERMS>(linear, masked(sum, in));
      if constexpr (!K::LINEAR_EXACT) rest[0][1] = add_to_terms<K::LINEAR_TERMS>(linear, masked(r.sum_low[half], in));
      rest[1][0] = add_to_terms<K::PRODUCT_TERMS>(product, masked(r.high[half] - begin, in));
      rest[1][1] = add_to_terms<K::PRODUCT_TERMS>(product, masked(r.low[half], in));
      if constexpr (!K::PRODUCT_EXACT) {
        Doubles error = r.error_high[half] - begin * 0x1p-53;
        error_rest[0] = add_to_terms<K::PRODUCT_TERMS>(product, masked(error, in));
        error_rest[1] = add_to_terms<K::PRODUCT_TERMS>(product, masked(r.error_low[half], in));
      }
      for (int k = 0; k < K::LINEAR_TERMS; k++) store_vector(terms[k] + j, linear[k]);
      for (int k = 0; k < K::PRODUCT_TERMS; k++) store_vector(terms[K::LINEAR_TERMS + k] + j, product[k]);
      Longs left = (rest[0][0] != 0) | (rest[0][1] != 0) | (rest[1][0] != 0) | (rest[1][1] != 0) |
                   (error_rest[0] != 0) | (error_rest[1] != 0);
      if (!any(left)) continue;
      for (int i = 0; i < LANES; i++) {
        if (half * LANES + i < fresh(slot)) continue;
        ChannelSums channel = sums_of(slot, half * LANES + i, sums);
        missing |= add_number<A, B>(channel, false, rest[0][0][i]) | add_number<A, B>(channel, false, rest[0][1][i]) |
                   add_number<A, B>(channel, true, rest[1][0][i]) | add_number<A, B>(channel, true, rest[1][1][i]) |
                   add_number<A, B>(channel, true, error_rest[0][i]) |
                   add_number<A, B>(channel, true, error_rest[1][i]);
      }
    }
    return missing;
  }
};

// A group's values in the rows of a tile.
template <class A, class B> struct Rows {
  const A* a;
  const B* b;
  int64_t stride;
  int count;
  static constexpr bool F16 = BOTH_F16<A, B>;

  // Hands over a row after the other.
  template <class Add> void each(const Add& add) const {
    for (int row = 0; row < count; row++) add(a + row * stride, b + row * stride);
  }
};

// The columns of a group that windows cannot sum: expanded, and value by value where even that leaves a rest.
template <bool SAME, class A, class B, class Rows>
static SHARED bool sum_wide_columns(Strip<SAME, A, B>& strip, int slot, const Rows& rows, Ints wide, Ints regular,
                                    const bn_sums& sums) {
  Expansions<SAME, A, B> expansions = {};
  rows.each([&](auto* a, auto* b) { expansions.add(a, b); });
  bool missing = false;
  for (int j = strip.fresh(slot); j < GROUP; j++) {
    if (wide[j] == 0) continue;
    ChannelSums channel = strip.sums_of(slot, j, sums);
    if (regular[j] != 0 && expansions.rest[j / LANES][j % LANES] == 0) {
      strip.roads.expanded++;
      missing |= expansions.drain(j, channel);
      continue;
    }
    strip.roads.slow++;
    rows.each([&](auto* a, auto* b) { missing |= add_slowly<SAME>(channel, widened(a[j]), widened(b[j])); });
  }
  return missing;
}
