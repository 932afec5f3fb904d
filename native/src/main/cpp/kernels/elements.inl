// How the element passes go through memory. An element's result depends on it and on operands of its channel; the passes
// differ in how many arrays they read and in what they compute, which a Pass tells:
//
//   Pass::OPERANDS                 numbers per channel
//   Pass::INPUTS                   arrays read
//   Pass::ROWS                     rows that are worth computing at once
//   Pass::compute(inputs, operands)  the result of LANES elements, before it is rounded to its type
//   Pass::element(inputs, operands)  the result of one

// The one NaN for every NaN.
template <class V> static inline V canonical(V value, V nan) { return value == value ? value : nan; }

// A group of results, rounded to its type, at the latest where it is stored. To know whether there are NaNs, a witness adds
// products of results: it is NaN where a factor was. That it may be NaN without (∞·0, ∞ − ∞) costs time only.
template <class T> struct Group;

template <> struct Group<double> {
  typedef Doubles Vector;
  Doubles first, second;

  Group(Doubles first, Doubles second) : first(first), second(second) {}

  void make_canonical() {
    const Doubles nan = broadcast(__builtin_nan(""));
    first = canonical(first, nan);
    second = canonical(second, nan);
  }

  static void witness(const Group& a, const Group& b, Vector& nan) {
    nan = roughly_fused(a.first, b.first, nan);
    nan = roughly_fused(a.second, b.second, nan);
  }

  void store(double* to, bool streamed) const {
#if defined(__AVX512F__)
    if (streamed) {
      _mm512_stream_pd(to, (__m512d)first);
      _mm512_stream_pd(to + LANES, (__m512d)second);
      return;
    }
#elif defined(__AVX2__)
    if (streamed) {
      _mm256_stream_pd(to, (__m256d)first);
      _mm256_stream_pd(to + LANES, (__m256d)second);
      return;
    }
#endif
    (void)streamed;
    store_vector(to, first);
    store_vector(to + LANES, second);
  }
};

// gcc 12 converts halves of a vector by themselves where it is not told otherwise.
#if defined(__AVX512F__)
// Two halves, joined only where they are streamed: they leave the conversion as such. (Input gradients in the cache take 0.93
// of the time.)
template <> struct Group<float> {
  typedef __m256 Vector;
  __m256 first, second;

  Group(Doubles first, Doubles second)
      : first(_mm512_cvtpd_ps((__m512d)first)), second(_mm512_cvtpd_ps((__m512d)second)) {}

  GroupFloats joined() const { return (GroupFloats)_mm512_insertf32x8(_mm512_castps256_ps512(first), second, 1); }

  void make_canonical() {
    const __m256 nan = _mm256_set1_ps(__builtin_nanf(""));
    first = canonical(first, nan);
    second = canonical(second, nan);
  }

  static void witness(const Group& a, const Group& b, Vector& nan) {
    nan = _mm256_fmadd_ps(a.first, b.second, nan);
    nan = _mm256_fmadd_ps(a.second, b.first, nan);
  }

  void store(float* to, bool streamed) const {
    if (streamed) return _mm512_stream_ps(to, (__m512)joined());
    store_vector(to, first);
    store_vector(to + LANES, second);
  }
};
#else
template <> struct Group<float> {
  typedef GroupFloats Vector;
  GroupFloats values;

  Group(Doubles first, Doubles second) {
#if defined(__AVX2__)
    values = (GroupFloats)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)second), _mm256_cvtpd_ps((__m256d)first));
#else
    Floats halves[2] = {__builtin_convertvector(first, Floats), __builtin_convertvector(second, Floats)};
    values = load_vector<GroupFloats>(halves);
#endif
  }

  GroupFloats joined() const { return values; }

  void make_canonical() { values = canonical(values, GroupFloats{} + __builtin_nanf("")); }

  static void witness(const Group& a, const Group& b, Vector& nan) { nan = roughly_fused(a.values, b.values, nan); }

  void store(float* to, bool streamed) const {
#if defined(__AVX2__)
    if (streamed) return _mm256_stream_ps(to, (__m256)values);
#endif
    (void)streamed;
    store_vector(to, values);
  }
};
#endif

// Whether there is a Group<T>.
template <class T> constexpr bool HAS_GROUPS = true;

#if defined(__F16C__) && defined(__AVX2__)
// Values rounded to odd in binary32: its 24 bits are more than the 13 that make the second rounding innocent. Below 2^-126
// binary32 rounds once more, but binary16 has ±0 there; above 2^128 both are infinite.
template <> struct Group<Half> {
  typedef GroupFloats Vector;
  GroupFloats values;

  Group(Doubles first, Doubles second) : values(Group<float>(rounded_to_odd(first), rounded_to_odd(second)).joined()) {}

  // The nearest number of 24 bits towards 0, its last bit set if others were lost.
  static Doubles rounded_to_odd(Doubles value) {
    const Longs lost = Longs{} + 0x1fffffff;
    Longs bits = (Longs)value;
    return (Doubles)((bits | ((bits & lost) + lost)) & ~lost);
  }

  void make_canonical() { values = canonical(values, GroupFloats{} + __builtin_nanf("")); }

  static void witness(const Group& a, const Group& b, Vector& nan) { nan = roughly_fused(a.values, b.values, nan); }

  void store(Half* to, bool streamed) const {
#if defined(__AVX512F__)
    __m256i halves = _mm512_cvtps_ph((__m512)values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (streamed) return _mm256_stream_si256((__m256i*)to, halves);
#else
    __m128i halves = _mm256_cvtps_ph((__m256)values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (streamed) return _mm_stream_si128((__m128i*)to, halves);
#endif
    store_vector(to, halves);
  }
};
#else
template <> constexpr bool HAS_GROUPS<Half> = false;
#endif

template <class T> static SHARED void make_canonical(T* values, int64_t count) {
  for (int64_t i = 0; i < count; i++) values[i] = rounded<T>(widened(values[i]));
}

// Streamed values reach memory before what the thread writes next.
static inline void end_stream() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

// Groups that a line of the cache holds, 1 where it is no larger.
template <class T> constexpr int GROUPS_OF_A_LINE = GROUP * sizeof(T) >= 64 ? 1 : 64 / (GROUP * sizeof(T));

// Whether rows are streamed several at once, line by line.
template <class T> constexpr bool STREAMED_IN_LINES = GROUPS_OF_A_LINE<T> <= 2;

// Operands of neighbouring columns, and of one channel. LOADED says that they do not stay in registers.
template <int COUNT> struct ColumnOperands {
  static constexpr bool LOADED = true;
  const double* operands[COUNT];

  void get(int64_t j, Doubles (&values)[COUNT]) const {
    for (int i = 0; i < COUNT; i++) values[i] = load(operands[i] + j);
  }
  void get(int64_t j, double (&values)[COUNT]) const {
    for (int i = 0; i < COUNT; i++) values[i] = operands[i][j];
  }
};

// As vectors: gcc 12 makes them anew in each iteration where they are numbers.
template <int COUNT> struct ChannelOperands {
  static constexpr bool LOADED = false;
  Doubles operands[COUNT];

  ChannelOperands(const double* const (&of_channels)[COUNT], int64_t channel) {
    for (int i = 0; i < COUNT; i++) operands[i] = broadcast(of_channels[i][channel]);
  }

  void get(int64_t, Doubles (&values)[COUNT]) const {
    for (int i = 0; i < COUNT; i++) values[i] = operands[i];
  }
  void get(int64_t, double (&values)[COUNT]) const {
    for (int i = 0; i < COUNT; i++) values[i] = operands[i][0];
  }
};

// One array more than the inputs: where the result goes.
template <class Pass, class T> struct Arrays {
  const T* inputs[Pass::INPUTS];
  T* result;

  Arrays at(int64_t offset) const {
    Arrays moved;
    for (int i = 0; i < Pass::INPUTS; i++) moved.inputs[i] = inputs[i] + offset;
    moved.result = result + offset;
    return moved;
  }
};

// Elements before the first from which COUNT can be streamed together.
template <int COUNT, class T> static inline int64_t elements_before(const T* values) {
  return (int64_t)(-(uintptr_t)values % (COUNT * sizeof(T)) / sizeof(T));
}

template <class Pass, class T, class Operands>
static inline void compute_element(const Arrays<Pass, T>& arrays, int64_t j, const Operands& operands) {
  double inputs[Pass::INPUTS], numbers[Pass::OPERANDS];
  for (int i = 0; i < Pass::INPUTS; i++) inputs[i] = widened(arrays.inputs[i][j]);
  operands.get(j, numbers);
  arrays.result[j] = rounded<T>(Pass::element(inputs, numbers));
}

// Whether values lie so that what is stored has the last 12 bits of an address that is loaded next: a processor that looks at
// those first takes the one for the other, and waits. (Measured on a Zen 4 with results one line farther on in their pages than
// x: backwards inference of f32 takes 0.55 to 0.77 of the time, input gradients of rows of 4 KiB 0.78 to 0.89, of 1 KiB 1.05. Not
// worth it with results two lines or more farther on, nor for f64, of which a step is two lines: 1.2 to 1.4 times.)
template <class Pass, class T> static inline bool stores_hold_up_loads(const Arrays<Pass, T>& arrays, int64_t stride) {
  if (IS_F64<T> || (Pass::INPUTS > 1 && stride * (int64_t)sizeof(T) < 2048)) return false;
  bool next = false;
  for (int i = 0; i < Pass::INPUTS; i++) {
    uintptr_t ahead = ((uintptr_t)arrays.result - (uintptr_t)arrays.inputs[i]) % 4096;
    next |= ahead > 0 && ahead <= 64;
  }
  return next;
}

// ROWS rows, `stride` apart, GROUPS groups of each at a time. Returns whether there may have been NaNs. NANS says that there
// are some, as a rule. BACKWARDS goes from the last group to the first.
template <bool STREAM, bool NANS, int ROWS, int GROUPS, bool BACKWARDS, class Pass, class T, class Operands>
static SHARED bool compute_rows_at_once(Arrays<Pass, T> arrays, int64_t stride, int64_t count, Operands operands) {
  constexpr int STEP = GROUPS * GROUP, PAIR = ROWS % 2 == 0 ? 2 : 1, SIDE_BY_SIDE = GROUPS == 1 ? ROWS : PAIR;
  int64_t j = 0;
  if (STREAM) {
    int64_t before = elements_before<STEP>(arrays.result);
    for (; j < before && j < count; j++) {
      for (int row = 0; row < ROWS; row++) compute_element<Pass>(arrays.at(row * stride), j, operands);
    }
  }
  typename Group<T>::Vector nan = {};
  const int64_t first = j, end = j < count ? count - (count - j) % STEP : j;
  for (int64_t at = first; at < end; at += STEP) {
    j = BACKWARDS ? first + (end - STEP - at) : at;
    for (int i = 0; STREAM && i < Pass::INPUTS; i++) {
      if (ROWS == 1) prefetch_ahead(arrays.inputs[i] + j);
      for (int row = ROWS; ROWS > 1 && row < 2 * ROWS; row++) prefetch_group<2>(arrays.inputs[i] + row * stride + j);
    }
    // As many rows as registers suffice for.
    BN_UNROLL_2
    for (int from = 0; from < ROWS; from += SIDE_BY_SIDE) {
      Doubles results[GROUPS][SIDE_BY_SIDE][2];
      BN_UNROLL_4
      for (int part = 0; part < 2 * GROUPS; part++) {
        Doubles numbers[Pass::OPERANDS], inputs[Pass::INPUTS];
        operands.get(j + part * LANES, numbers);
        BN_UNROLL_4
        for (int row = 0; row < SIDE_BY_SIDE; row++) {
          for (int i = 0; i < Pass::INPUTS; i++) {
            inputs[i] = load(arrays.inputs[i] + (from + row) * stride + j + part * LANES);
          }
          results[part / 2][row][part % 2] = Pass::compute(inputs, numbers);
        }
      }
      BN_UNROLL_4
      for (int row = 0; row < SIDE_BY_SIDE; row += PAIR) {
        T* to = arrays.result + (from + row) * stride + j;
        BN_UNROLL_4
        for (int g = 0; g < GROUPS; g++) {
          Group<T> group(results[g][row][0], results[g][row][1]);
          Group<T> next(results[g][row + PAIR - 1][0], results[g][row + PAIR - 1][1]);
          if (NANS) group.make_canonical();
          if (NANS && PAIR == 2) next.make_canonical();
          group.store(to + g * GROUP, STREAM);
          if (PAIR == 2) next.store(to + stride + g * GROUP, STREAM);
          if (!NANS) Group<T>::witness(group, next, nan);
        }
      }
    }
  }
  bool any_nan = any(nan != nan);
  for (int row = 0; any_nan && row < ROWS; row++) make_canonical(arrays.result + row * stride + first, end - first);
  for (j = end; j < count; j++) {
    for (int row = 0; row < ROWS; row++) compute_element<Pass>(arrays.at(row * stride), j, operands);
  }
  return any_nan;
}

// Several rows at once load operands less often. They are streamed a whole line at a time: the halves of a line must reach
// memory together. (Measured for 64 to 2000 columns: several rows take 0.5 to 0.8 of the time; with half a line at a time 1.2 to
// 1.6, rows 4 KiB apart 4 times.) Streamed NaNs would have to be read back from there, so after the first ones each vector is
// asked for them.
template <bool STREAM, class Pass, class T, class Operands>
static void compute_rows(const Arrays<Pass, T>& arrays, int64_t rows, int64_t stride, int64_t count,
                         const Operands& operands) {
  constexpr bool LINES = STREAM && STREAMED_IN_LINES<T> && Operands::LOADED && Pass::ROWS > 1;
  constexpr int MOST = STREAM && !LINES ? 1 : Pass::ROWS, GROUPS = LINES ? GROUPS_OF_A_LINE<T> : 1;
  constexpr auto forwards = compute_rows_at_once<STREAM, false, MOST, GROUPS, false, Pass, T, Operands>;
  constexpr auto backwards = compute_rows_at_once<STREAM, false, MOST, GROUPS, LINES, Pass, T, Operands>;
  auto compute = LINES && stores_hold_up_loads(arrays, stride) ? backwards : forwards;
  bool any_nan = false;
  int64_t row = 0;
  if (!LINES || stride % (GROUPS * GROUP) == 0) {
    for (; row + MOST <= rows && !(STREAM && any_nan); row += MOST) {
      any_nan = compute(arrays.at(row * stride), stride, count, operands);
    }
  }
  for (; LINES && row < rows && !any_nan; row++) {
    any_nan = compute_rows_at_once<STREAM, false, 1, 1, false>(arrays.at(row * stride), stride, count, operands);
  }
  for (; row < rows; row++) {
    compute_rows_at_once<STREAM, STREAM, 1, 1, false>(arrays.at(row * stride), stride, count, operands);
  }
}

// One group, with operands for each half. NANS as above.
template <bool STREAM, bool NANS, class Pass, class T>
static inline void compute_group(const Arrays<Pass, T>& arrays, int64_t j, const Doubles (&first)[Pass::OPERANDS],
                                 const Doubles (&second)[Pass::OPERANDS], typename Group<T>::Vector& nan) {
  Doubles inputs[2][Pass::INPUTS];
  for (int i = 0; i < Pass::INPUTS; i++) {
    if (STREAM) prefetch_ahead(arrays.inputs[i] + j);
    inputs[0][i] = load(arrays.inputs[i] + j);
    inputs[1][i] = load(arrays.inputs[i] + j + LANES);
  }
  Group<T> group(Pass::compute(inputs[0], first), Pass::compute(inputs[1], second));
  if (NANS) group.make_canonical();
  group.store(arrays.result + j, STREAM);
  if (!NANS) Group<T>::witness(group, group, nan);
}

// The runs of neighbouring channels of one sample, in the order of memory: a group may hold the end of one run and the
// beginning of the next. A run is a group at least. Returns whether there may have been NaNs.
template <bool STREAM, bool NANS, class Pass, class T>
static SHARED bool compute_neighbouring_runs(Arrays<Pass, T> arrays, int64_t channels, int64_t inner,
                                             const double* const (&operands)[Pass::OPERANDS]) {
  const int64_t count = channels * inner;
  if (count == 0) return false;
  int64_t j = 0, c = 0, end = inner;
  ChannelOperands<Pass::OPERANDS> of_channel(operands, c);
  if (STREAM) {
    int64_t before = elements_before<GROUP>(arrays.result);
    for (; j < before && j < count; j++) compute_element<Pass>(arrays, j, of_channel);
  }
  typename Group<T>::Vector nan = {};
  const int64_t first = j;
  while (j + GROUP <= count) {
    for (; j + GROUP <= end; j += GROUP) {
      compute_group<STREAM, NANS>(arrays, j, of_channel.operands, of_channel.operands, nan);
    }
    if (end == count) break;
    ChannelOperands<Pass::OPERANDS> of_next(operands, ++c);
    if (j < end) {
      Doubles halves[2][Pass::OPERANDS];
      for (int half = 0; half < 2; half++) {
        Longs ended = half_of(first_lanes((int)(end - j)), half);
        for (int i = 0; i < Pass::OPERANDS; i++) {
          halves[half][i] = ended ? of_channel.operands[i] : of_next.operands[i];
        }
      }
      compute_group<STREAM, NANS>(arrays, j, halves[0], halves[1], nan);
      j += GROUP;
    }
    of_channel = of_next;
    end += inner;
  }
  bool any_nan = any(nan != nan);
  if (any_nan) make_canonical(arrays.result + first, j - first);
  for (; j < count; j++) compute_element<Pass>(arrays, j, of_channel);
  return any_nan;
}

// Channels whose values are neighbours, and which are neighbours themselves. After the first NaNs each vector is asked for
// them.
template <bool STREAM, class Pass, class T>
static void compute_samples(const Block& block, const Arrays<Pass, T>& arrays,
                            const double* const (&operands)[Pass::OPERANDS]) {
  bool any_nan = false;
  for (int64_t o = 0; o < block.outer; o++) {
    Arrays<Pass, T> sample = arrays.at(o * block.outer_stride);
    if (any_nan) {
      compute_neighbouring_runs<STREAM, true>(sample, block.channels, block.inner, operands);
    } else {
      any_nan = compute_neighbouring_runs<STREAM, false>(sample, block.channels, block.inner, operands);
    }
  }
}

// Pieces of such runs.
template <bool STREAM, class Pass, class T>
static void compute_runs(const Block& block, const Arrays<Pass, T>& arrays,
                         const double* const (&operands)[Pass::OPERANDS]) {
  for (int64_t c = 0; c < block.channels; c++) {
    ChannelOperands<Pass::OPERANDS> of_channel(operands, c);
    compute_rows<STREAM>(arrays.at(c * block.channel_stride), block.outer, block.outer_stride, block.inner, of_channel);
  }
}

// How long folded rows should be. Where values are streamed through the first-level cache, fewer operands stay in it, but
// longer rows are better where several are streamed at once. (Measured on a Zen 4 for 64 columns: of f32 by single rows
// inference takes 0.86 of the time with 256 columns, of several rows 0.94 with 512; input gradients of f32 take 0.85 with
// 256, of f64 0.8 with 512.)
template <bool STREAM, class Pass, class T> static constexpr int64_t folded_columns(int64_t most) {
  if (!STREAM) return most;
  if (!STREAMED_IN_LINES<T>) return 1024 / Pass::OPERANDS;
  return Pass::INPUTS == 1 || IS_F64<T> ? most : most / 2;
}

// Neighbouring channels of one or a few values: rows of many columns. Short rows are folded, several to one.
template <bool STREAM, class Pass, class T>
static void compute_columns(const Block& block, const Arrays<Pass, T>& arrays,
                            const double* const (&operands)[Pass::OPERANDS]) {
  constexpr int MOST = 512;  // columns whose operands stay in the first-level cache
  int64_t period = block.channels * block.inner, folds = 1;
  while (block.outer_stride == period && 2 * period * folds <= MOST && block.outer >= 8 * folds &&
         (2 * period * folds <= folded_columns<STREAM, Pass, T>(MOST) || period * folds * sizeof(T) % 64 != 0)) {
    folds *= 2;
  }
  int64_t rows = block.outer / folds, rest = block.outer % folds, stride = folds * block.outer_stride;
  if (folds == 1 && block.inner == 1) {
    ColumnOperands<Pass::OPERANDS> columns;
    for (int i = 0; i < Pass::OPERANDS; i++) columns.operands[i] = operands[i];
    compute_rows<STREAM>(arrays, rows, stride, period, columns);
    return;
  }
  double copies[Pass::OPERANDS][MOST];
  ColumnOperands<Pass::OPERANDS> columns;
  for (int i = 0; i < Pass::OPERANDS; i++) columns.operands[i] = copies[i];
  for (int64_t first = 0; first < folds * period; first += MOST) {
    int64_t count = folds * period - first < MOST ? folds * period - first : MOST;
    int64_t channel = first / block.inner % block.channels, index = first % block.inner;
    int64_t once = count < period ? count : period;
    for (int64_t j = 0; j < once; j++) {
      for (int i = 0; i < Pass::OPERANDS; i++) copies[i][j] = operands[i][channel];
      if (++index < block.inner) continue;
      index = 0;
      if (++channel == block.channels) channel = 0;
    }
    for (int64_t j = once; j < count; j += once) {
      for (int i = 0; i < Pass::OPERANDS; i++) memcpy(copies[i] + j, copies[i], sizeof(double) * once);
    }
    compute_rows<STREAM>(arrays.at(first), rows, stride, count, columns);
  }
  if (rest > 0) compute_rows<STREAM>(arrays.at(rows * stride), 1, 0, rest * period, columns);
}

template <bool STREAM, class Pass, class T>
static void compute_in_order(const Block& block, const Arrays<Pass, T>& arrays,
                             const double* const (&operands)[Pass::OPERANDS]) {
  if (block.channel_stride != block.inner) {
    compute_runs<STREAM>(block, arrays, operands);
  } else if (block.inner < GROUP) {
    compute_columns<STREAM>(block, arrays, operands);
  } else {
    compute_samples<STREAM>(block, arrays, operands);
  }
}

// Fewer bytes in one piece than this are not streamed: their ends share lines with others.
constexpr int64_t SHORT_PIECE = 512;

template <class Pass, class T>
static void compute_block(const Block& block, const Arrays<Pass, T>& arrays,
                          const double* const (&operands)[Pass::OPERANDS], bool streamed) {
  int64_t sample = block.channels * block.inner, piece = block.inner;
  if (block.channel_stride == block.inner) piece = block.outer_stride == sample ? block.outer * sample : sample;
  if (streamed && piece * (int64_t)sizeof(T) >= SHORT_PIECE && (uintptr_t)arrays.result % sizeof(T) == 0) {
    compute_in_order<true>(block, arrays, operands);
    end_stream();
  } else {
    compute_in_order<false>(block, arrays, operands);
  }
}

// To take away +0 changes nothing: a pass whose operands are all +0 in one place may do without them.
static bool all_positive_zeros(int64_t count, const double* values) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t bits;
    memcpy(&bits, values + i, sizeof bits);
    if (bits != 0) return false;
  }
  return true;
}

// With few values of a channel, looking at its operands takes longer than what it saves.
static bool worth_a_look(const Block& block) { return block.outer * block.inner >= 16; }
