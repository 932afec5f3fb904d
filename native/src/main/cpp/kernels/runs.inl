// Exact sums where a channel's values are neighbours: NCHW, and a single channel. A run is folded into GROUP columns, all
// with the windows of their channel.

// Groups of a tile: at most 2048 values, so that the columns can be added up exactly too, as a rule, and at most 2^T
// values in a column.
constexpr int TILE_GROUPS = 2048 / GROUP < TILE_ROWS ? 2048 / GROUP : TILE_ROWS;

// Which values of a run's last group were not in the group before: the last `count`.
struct Rest {
  int count;
  Longs values[2];
  Words patterns_a;
  Words patterns_b;
};

// Some runs of one channel.
template <class A, class B> struct Runs {
  const A* a;
  const B* b;
  int64_t count;
  int64_t stride;
  int64_t length;
  Rest rest;
  static constexpr bool F16 = BOTH_F16<A, B>;

  // Those that lie so much farther on.
  Runs at(int64_t offset) const {
    Runs runs = *this;
    runs.a += offset;
    runs.b += offset;
    return runs;
  }

  Rest rest_of_length() const {
    Rest rest;
    rest.count = (int)(length % GROUP);
    float floats[GROUP];
    double doubles[GROUP];
    for (int i = 0; i < GROUP; i++) {
      uint64_t mask = i < GROUP - rest.count ? 0 : ~(uint64_t)0;
      memcpy(floats + i, &mask, sizeof floats[i]);
      memcpy(doubles + i, &mask, sizeof doubles[i]);
    }
    rest.values[0] = load_vector<Longs>(doubles);
    rest.values[1] = load_vector<Longs>(doubles + LANES);
    Words of_floats = load_vector<Words>(floats), of_doubles = (Words)(patterns(doubles) != PATTERN_OF_0);
    rest.patterns_a = IS_F64<A> ? of_doubles : of_floats;
    rest.patterns_b = IS_F64<B> ? of_doubles : of_floats;
    return rest;
  }

  // Hands the run from an element on to add(a, b, length, rest): one shorter than a group is filled up with zeros.
  template <class Add> void one(int64_t at, const Add& add) const {
    const A* from_a = a + at;
    const B* from_b = b + at;
    if (length >= GROUP) {
      add(from_a, from_b, length, rest);
    } else {
      A copy_a[GROUP] = {};
      B copy_b[GROUP] = {};
      memcpy(copy_a, from_a, length * sizeof(A));
      memcpy(copy_b, from_b, length * sizeof(B));
      add(copy_a, copy_b, GROUP, Rest{});
    }
  }

  template <class Add> void each(const Add& add) const {
    for (int64_t run = 0; run < count; run++) one(run * stride, add);
  }
};

// Every lane the largest or smallest of all.
static inline Words largest_of(Words words) {
  uint32_t result = words[0];
  for (int i = 1; i < GROUP; i++) result = words[i] > result ? words[i] : result;
  return Words{} + result;
}

static inline Ints smallest_of(Ints words) {
  int32_t result = words[0];
  for (int i = 1; i < GROUP; i++) result = words[i] < result ? words[i] : result;
  return Ints{} + result;
}

static inline double sum_of_lanes(Doubles first, Doubles second) {
  Doubles both = first + second;
  double sum = 0;
  for (int i = 0; i < LANES; i++) sum += both[i];
  return sum;
}

// Adds a run of a group at least. A function by itself, so that the accumulators stay in registers.
template <bool SAME, class WideA, class WideB, class A, class B>
static SHARED void add_run(Accumulators<SAME, WideA, WideB>& registers, const A* a, const B* b, int64_t length,
                           const Rest& rest) {
  Accumulators<SAME, WideA, WideB> r;
  copy(r, registers);
  for (int64_t i = 0; i + GROUP <= length; i += GROUP) {
    prefetch_ahead(a + i);
    if (!SAME) prefetch_ahead(b + i);
    r.add(a + i, b + i);
  }
  if (rest.count > 0) r.add_rest(a + length - GROUP, b + length - GROUP, rest);
  copy(registers, r);
}

// One channel while its runs are added.
template <bool SAME, class A, class B> struct ChannelOfRuns {
  typedef Kind<A, B> K;
  typedef Accumulators<SAME, A, B> Registers;
  ChannelSums sums;
  SumRoads* roads;
  double start = 0, start_linear = 0;  // of its windows; plain sums start at 0

  void clear_registers(Registers& r) const {
    clear(r);
    for (int half = 0; half < 2; half++) {
      r.high[half] = broadcast(start);
      if constexpr (!K::LINEAR_EXACT) r.sum[half] = broadcast(start_linear);
      if constexpr (!K::PRODUCT_EXACT) r.error_high[half] = r.high[half] * 0x1p-53;
    }
  }

  template <class Runs> SHARED void sum(const Runs& runs, Registers& r) const {
    clear_registers(r);
    runs.each([&](auto* a, auto* b, int64_t length, const Rest& rest) { add_run(r, a, b, length, rest); });
    unite_sizes(r);
  }

  // The sizes that each lane has met, for all of them.
  static void unite_sizes(Registers& r) {
    r.smallest_a = smallest_of(r.smallest_a);
    if constexpr (!SAME) {
      r.largest_a[0] = largest_of(r.largest_a[0]);
      r.largest_b[0] = largest_of(r.largest_b[0]);
      r.smallest_b[0] = smallest_of(r.smallest_b[0]);
    }
  }

  // The windows of all lanes: for what they met together.
  Windows windows(const Registers& r, int t, bool f16) const {
    Doubles begin = broadcast(start), all = broadcast(sum_of_lanes(r.high[0] - begin, r.high[1] - begin));
    return windows_of(r, HighPart{{begin, begin}, {all, all}}, t, f16);
  }

  // Windows for what some runs begin with.
  template <class Runs> SHARED void guess(Runs runs, int t) {
    Registers r;
    runs.count = runs.count < 4 ? runs.count : 4;
    runs.length = runs.length < 4 * GROUP ? runs.length : 4 * GROUP;
    runs.rest = runs.rest_of_length();
    sum(runs, r);
    start_at_best(windows(r, t, runs.F16));
  }

  void start_at_best(const Windows& w) {
    start = window_start(Longs{} + w.best()[0])[0];
    start_linear = K::LINEAR_EXACT ? 0 : window_start(Longs{} + w.best_linear()[0])[0];
  }

  bool exact(const Windows& w) const {
    int k = (int)window_exponent(broadcast(start))[0], k_linear = (int)window_exponent(broadcast(start_linear))[0];
    return w.hold(Ints{} + k, Ints{} + (K::LINEAR_EXACT ? 0 : k_linear))[0] != 0;
  }

  // The sums of all columns together.
  SHARED bool drain(const Registers& r) {
    Doubles begin = broadcast(start), linear = broadcast(start_linear);
    bool missing = add_number<A, B>(sums, false, sum_of_lanes(r.sum[0] - linear, r.sum[1] - linear)) |
                   add_number<A, B>(sums, true, sum_of_lanes(r.high[0] - begin, r.high[1] - begin)) |
                   add_number<A, B>(sums, true, sum_of_lanes(r.low[0], r.low[1]));
    if constexpr (!K::LINEAR_EXACT) missing |= add_number<A, B>(sums, false, sum_of_lanes(r.sum_low[0], r.sum_low[1]));
    if constexpr (!K::PRODUCT_EXACT) {
      begin *= 0x1p-53;
      missing |= add_number<A, B>(sums, true, sum_of_lanes(r.error_high[0] - begin, r.error_high[1] - begin)) |
                 add_number<A, B>(sums, true, sum_of_lanes(r.error_low[0], r.error_low[1]));
    }
    return missing;
  }

  // The sums of each column.
  SHARED bool drain_columns(const Registers& r) {
    bool missing = false;
    for (int i = 0; i < GROUP; i++) {
      Registers column;
      clear(column);
      clear_registers(column);
      int half = i / LANES, j = i % LANES;
      column.sum[half][j] = r.sum[half][j];
      if constexpr (!K::LINEAR_EXACT) column.sum_low[half][j] = r.sum_low[half][j];
      column.high[half][j] = r.high[half][j];
      column.low[half][j] = r.low[half][j];
      if constexpr (!K::PRODUCT_EXACT) {
        column.error_high[half][j] = r.error_high[half][j];
        column.error_low[half][j] = r.error_low[half][j];
      }
      missing |= drain(column);
    }
    return missing;
  }

  // Adds a tile of runs, at most 2^T groups, that `r` has summed. Returns whether limbs were missing.
  template <class Runs> SHARED bool settle(const Runs& runs, int t, Registers& r) {
    Windows all, each;
    auto look = [&] {
      all = windows(r, t, runs.F16);
      each = windows(r, T, runs.F16);
    };
    auto sum_again = [&] {
      sum(runs, r);
      look();
    };
    look();
    roads->tiles++;
    if (SAME && !exact(all) && !exact(each)) {  // a window too high tells little of small squares
      start = start_linear = 0;
      sum_again();
    }
    if (!exact(all) && !exact(each) && each.possible()[0] != 0) {
      roads->again++;
      start_at_best(all.possible()[0] != 0 ? all : each);
      sum_again();
    }
    bool missing;
    if (exact(all)) {
      missing = drain(r);
    } else if (exact(each)) {
      missing = drain_columns(r);
    } else {
      missing = add_wide_tile(runs, each.regular[0] != 0);
    }
    if ((all.regular & all.met)[0] != 0) start_at_best(all);
    return missing;
  }

  template <class Runs> SHARED bool add_wide_tile(const Runs& runs, bool regular) {
    bool missing = false;
    if (regular) {
      Expansions<SAME, A, B> expansions = {};
      runs.each([&](auto* a, auto* b, int64_t length, const Rest& rest) {
        for (int64_t i = 0; i + GROUP <= length; i += GROUP) expansions.add(a + i, b + i);
        if (rest.count > 0) expansions.add_rest(a + length - GROUP, b + length - GROUP, rest);
      });
      if (!any(expansions.rest[0] | expansions.rest[1])) {
        roads->expanded++;
        for (int j = 0; j < GROUP; j++) missing |= expansions.drain(j, sums);
        return missing;
      }
    }
    roads->slow++;
    for (int64_t run = 0; run < runs.count; run++) {
      for (int64_t i = 0; i < runs.length; i++) {
        int64_t at = run * runs.stride + i;
        missing |= add_slowly<SAME>(sums, widened(runs.a[at]), widened(runs.b[at]));
      }
    }
    return missing;
  }
};

static inline int log_of(int64_t count) { return count <= 1 ? 0 : 64 - __builtin_clzll((uint64_t)count - 1); }

// Channels whose runs are added by turns, sample by sample, so that memory is read in its order.
constexpr int CHANNELS_AT_ONCE = 64;

// Adds a block to the sums of its channels. Returns whether limbs were missing; then the sums are spoilt.
template <bool SAME, class A, class B>
static bool add_runs(const Block& block, const A* a, const B* b, const bn_sums& sums, SumRoads* roads) {
  typedef ChannelOfRuns<SAME, Wide<A>, Wide<B>> Channel;
  // A tile is some whole runs, or a piece of a run.
  int64_t groups = (block.inner + GROUP - 1) / GROUP;
  int64_t runs_at_once = groups < TILE_GROUPS ? TILE_GROUPS / groups : 1;
  int64_t length_at_once = groups < TILE_GROUPS ? block.inner : TILE_GROUPS * GROUP;
  int64_t channels_at_once = runs_at_once > 1 ? CHANNELS_AT_ONCE : 1;
  Channel channels[CHANNELS_AT_ONCE];
  typename Channel::Registers registers[CHANNELS_AT_ONCE];
  bool missing = false;
  for (int64_t c = 0; c < block.channels; c += channels_at_once) {
    int count = (int)(block.channels - c < channels_at_once ? block.channels - c : channels_at_once);
    for (int i = 0; i < count; i++) channels[i] = {channel_sums<Wide<A>, Wide<B>>(sums, c + i), roads};
    for (int64_t outer = 0; outer < block.outer; outer += runs_at_once) {
      for (int64_t first = 0; first < block.inner; first += length_at_once) {
        int64_t at = outer * block.outer_stride + c * block.channel_stride + first;
        Runs<A, B> runs = {a + at, b + at, runs_at_once, block.outer_stride, length_at_once, {}};
        if (runs.count > block.outer - outer) runs.count = block.outer - outer;
        if (runs.length > block.inner - first) runs.length = block.inner - first;
        runs.rest = runs.rest_of_length();
        int t = log_of(runs.count * runs.length);
        for (int i = 0; i < count; i++) {
          if (outer == 0 && first == 0) channels[i].guess(runs.at(i * block.channel_stride), t);
          channels[i].clear_registers(registers[i]);
        }
        for (int64_t run = 0; run < runs.count; run++) {
          for (int i = 0; i < count; i++) {
            int64_t at = run * runs.stride + i * block.channel_stride;
            runs.one(at, [&](auto* a, auto* b, int64_t length, const Rest& rest) {
              add_run(registers[i], a, b, length, rest);
            });
          }
        }
        for (int i = 0; i < count; i++) {
          channels[i].unite_sizes(registers[i]);
          missing |= channels[i].settle(runs.at(i * block.channel_stride), t, registers[i]);
        }
      }
    }
  }
  return missing;
}

// Fewer inner values than this are columns.
constexpr int FEW_INNER = 8;

template <bool SAME, class A, class B>
static bool add_sums(const Block& block, const A* a, const B* b, const bn_sums& sums, SumRoads* roads) {
  return block.inner < FEW_INNER && block.channel_stride == block.inner
             ? add_columns<SAME>(block, a, b, sums, roads)
             : add_runs<SAME>(block, a, b, sums, roads);
}
