// Exact sums where a channel's values are neighbours: NCHW, and a single channel. A run is folded: the groups of its values
// are rows of GROUP columns, which have windows and terms of their own as in a strip of columns (strip.inl), and are added up
// at the end. A strip holds some channels.

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

  // Hands over the last values of a run, `at` and after, with zeros before them.
  template <class Add> void last_group(int64_t at, const Add& add) const {
    A last_a[GROUP] = {};
    B last_b[GROUP] = {};
    memcpy(last_a + GROUP - rest.count, a + at, rest.count * sizeof(A));
    memcpy(last_b + GROUP - rest.count, b + at, rest.count * sizeof(B));
    add(last_a, last_b);
  }

  // Hands over a group after the other.
  template <class Add> void each(const Add& add) const {
    for (int64_t run = 0; run < count; run++) {
      int64_t i = run * stride, end = i + length;
      for (; i + GROUP <= end; i += GROUP) add(a + i, b + i);
      if (i < end) last_group(i, add);
    }
  }
};

// How far ahead of runs memory is asked for: of long ones into the second-level cache, of short ones less far, but into the
// first. (Measured on a Zen 4 beyond the cache: for runs of 3136 f32 the first way takes 0.65 to 0.75 of the time of the second,
// for runs of 196 1.15.)
constexpr int64_t BYTES_AHEAD_OF_LONG_RUNS = 4 << 10, BYTES_AHEAD_OF_SHORT_RUNS = 2 << 10;

// Asks for GROUP values that are added some time after i, of a run or of the one that begins at `next`.
template <class A>
static inline void prefetch_ahead_in_run(const A* a, int64_t i, int64_t length, const A* next, bool is_long) {
  int64_t at = i + (is_long ? BYTES_AHEAD_OF_LONG_RUNS : BYTES_AHEAD_OF_SHORT_RUNS) / (int64_t)sizeof(A);
  const A* from = at < length ? a + at : next + (at - length);
  if (is_long) {
    prefetch_group<2>(from);
  } else {
    prefetch_group<3>(from);
  }
}

// Adds a run of a group at least, and asks for the values that follow it from next_a and next_b on. A function by itself, so
// that the accumulators stay in registers.
template <bool SAME, class WideA, class WideB, class A, class B>
static SHARED void add_run(Accumulators<SAME, WideA, WideB>& registers, const A* a, const B* b, int64_t length,
                           const Rest& rest, const A* next_a, const B* next_b) {
  Accumulators<SAME, WideA, WideB> r;
  copy(r, registers);
  const bool is_long = length * (int64_t)sizeof(A) >= BYTES_AHEAD_OF_LONG_RUNS;
  for (int64_t i = 0; i + GROUP <= length; i += GROUP) {
    prefetch_ahead_in_run(a, i, length, next_a, is_long);
    if (!SAME) prefetch_ahead_in_run(b, i, length, next_b, is_long);
    r.add(a + i, b + i);
  }
  if (rest.count > 0) r.add_rest(a + length - GROUP, b + length - GROUP, rest);
  copy(registers, r);
}

// Adds the run that begins at `at` to its channel's group; the values that are added after it begin at `next`.
template <class Registers, class A, class B>
static void add_run_at(Registers& registers, const Runs<A, B>& runs, int64_t at, int64_t next) {
  if (runs.length < GROUP) {
    runs.last_group(at, [&](const A* a, const B* b) { add_run(registers, a, b, GROUP, Rest{}, a, b); });
  } else {
    add_run(registers, runs.a + at, runs.b + at, runs.length, runs.rest, runs.a + next, runs.b + next);
  }
}

// Adds the terms of a strip's columns to those of their channels. Returns whether limbs were missing.
template <bool SAME, class A, class B>
static SHARED bool return_columns(const Strip<SAME, A, B>& strip, const bn_sums& sums) {
  typedef Kind<A, B> K;
  bool missing = false;
  for (int slot = 0; slot < strip.columns; slot += GROUP) {
    ChannelSums channel = channel_sums<A, B>(sums, (strip.first + slot) / GROUP);
    Doubles terms[K::TERMS], more[K::TERMS];
    Longs left = {};
    auto add_more = [&] {
      merge<K>(terms, more);
      for (int k = 0; k < K::TERMS; k++) left |= more[k] != 0;
    };
    for (int k = 0; k < K::TERMS; k++) {
      terms[k] = load(strip.terms[k] + slot);
      more[k] = load(strip.terms[k] + slot + LANES);
    }
    add_more();
    for (int lanes = LANES / 2; lanes > 0; lanes /= 2) {
      Longs order, first;
      for (int i = 0; i < LANES; i++) {
        order[i] = (i + lanes) % LANES;
        first[i] = i < lanes ? -1 : 0;
      }
      for (int k = 0; k < K::TERMS; k++) more[k] = (Doubles)(shuffled((Longs)terms[k], order) & first);
      add_more();
    }
    for (int k = 0; k < K::TERMS; k++) {
      const double* columns = strip.terms[k] + slot;
      for (int j = 0; j < (any(left) ? GROUP : 1); j++) {
        missing |= add_number<A, B>(channel, k >= K::LINEAR_TERMS, any(left) ? columns[j] : terms[k][0]);
      }
    }
  }
  return missing;
}

// Adds a block to the sums of its channels. Returns whether limbs were missing; then the sums are spoilt.
template <bool SAME, class A, class B>
static bool add_runs(const Block& block, const A* a, const B* b, const bn_sums& sums, SumRoads* roads) {
  typedef Strip<SAME, Wide<A>, Wide<B>> S;
  // A tile is some whole runs of each channel, or a piece of a run. Short runs of several channels are added by turns,
  // sample by sample, so that memory is read in its order.
  int64_t groups = (block.inner + GROUP - 1) / GROUP;
  int64_t runs_at_once = groups < TILE_ROWS ? TILE_ROWS / groups : 1;
  int64_t length_at_once = groups < TILE_ROWS ? block.inner : TILE_ROWS * GROUP;
  int64_t channels_at_once = runs_at_once > 1 ? S::COLUMNS / GROUP : 1;
  typename S::template Room<S::COLUMNS> room;
  S strip;
  strip.use(room);
  strip.roads = SumRoads{};
  strip.period = block.channels * GROUP;
  strip.inner = GROUP;
  bool missing = false;
  for (int64_t c = 0; c < block.channels; c += channels_at_once) {
    int64_t channels = block.channels - c < channels_at_once ? block.channels - c : channels_at_once;
    strip.first = c * GROUP;
    strip.columns = (int)channels * GROUP;
    take_terms(strip, 0, sums);
    // The values that are added after these begin at `next`.
    auto add = [&](const Runs<A, B>& runs, int64_t next) {
      for (int64_t run = 0; run < runs.count; run++) {
        for (int64_t i = 0; i < channels; i++) {
          int64_t here = run * runs.stride + i * block.channel_stride, after = here + block.channel_stride;
          if (i + 1 == channels) after = run + 1 < runs.count ? (run + 1) * runs.stride : next;
          add_run_at(strip.groups[i], runs, here, after);
        }
      }
    };
    for (int64_t outer = 0; outer < block.outer; outer += runs_at_once) {
      for (int64_t first = 0; first < block.inner; first += length_at_once) {
        int64_t at = outer * block.outer_stride + c * block.channel_stride + first;
        Runs<A, B> runs = {a + at, b + at, runs_at_once, block.outer_stride, length_at_once, {}};
        if (runs.count > block.outer - outer) runs.count = block.outer - outer;
        if (runs.length > block.inner - first) runs.length = block.inner - first;
        runs.rest = runs.rest_of_length();
        if (outer == 0 && first == 0) {
          Runs<A, B> beginning = runs;
          beginning.count = runs.count < 4 ? runs.count : 4;
          beginning.length = runs.length < 8 * GROUP ? runs.length : 8 * GROUP;
          beginning.rest = beginning.rest_of_length();
          strip.clear_all(true);
          add(beginning, 0);
          strip.guess(runs.F16);
        }
        strip.clear_all(false);
        bool ends = first + runs.length == block.inner;
        add(runs, ends ? runs.count * runs.stride - first : runs.length);
        int unsettled[S::COLUMNS / GROUP], count = 0;
        missing |= strip.settle(runs.F16, sums, unsettled, &count);
        for (int i = 0; i < count; i++) {
          missing |= sum_group_again(strip, unsettled[i], runs.at(unsettled[i] / GROUP * block.channel_stride), sums);
        }
      }
    }
    missing |= return_columns(strip, sums);
  }
  *roads += strip.roads;
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
