// How the element passes go through memory. An element's result depends on it and on operands of its channel; the passes
// differ in how many arrays they read and in what they compute, which a Pass tells:
//
//   Pass::OPERANDS                 numbers per channel
//   Pass::INPUTS                   arrays read
//   Pass::compute(inputs, operands)  the result of LANES elements, before it is rounded to its type
//   Pass::element(inputs, operands)  the result of one

template <class T> static inline void store(T* to, Doubles value);

template <> inline void store<double>(double* to, Doubles value) {
  store_vector(to, value == value ? value : broadcast(__builtin_nan("")));
}

// gcc 12 converts halves of a vector by themselves where it is not told otherwise.
static inline Floats narrowed(Doubles value) {
#if defined(__AVX512F__)
  Floats result = (Floats)_mm512_cvtpd_ps((__m512d)value);
#elif defined(__AVX2__)
  Floats result = (Floats)_mm256_cvtpd_ps((__m256d)value);
#else
  Floats result = __builtin_convertvector(value, Floats);
#endif
  return result == result ? result : Floats{} + __builtin_nanf("");
}

template <> inline void store<float>(float* to, Doubles value) { store_vector(to, narrowed(value)); }

// Past the caches, where the instruction set can and `to` is aligned to the vector.
static inline void stream(double* to, Doubles value) {
  value = value == value ? value : broadcast(__builtin_nan(""));
#if defined(__AVX512F__)
  _mm512_stream_pd(to, (__m512d)value);
#elif defined(__AVX2__)
  _mm256_stream_pd(to, (__m256d)value);
#else
  store_vector(to, value);
#endif
}

static inline void stream(float* to, Doubles value) {
#if defined(__AVX512F__)
  _mm256_stream_ps(to, (__m256)narrowed(value));
#elif defined(__AVX2__)
  _mm_stream_ps(to, (__m128)narrowed(value));
#else
  store_vector(to, narrowed(value));
#endif
}

// Streamed values reach memory before what the thread writes next.
static inline void end_stream() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

// Operands of neighbouring columns, and of one channel.
template <int COUNT> struct ColumnOperands {
  const double* operands[COUNT];

  void get(int64_t j, Doubles (&values)[COUNT]) const {
    for (int i = 0; i < COUNT; i++) values[i] = load(operands[i] + j);
  }
  void get(int64_t j, double (&values)[COUNT]) const {
    for (int i = 0; i < COUNT; i++) values[i] = operands[i][j];
  }
  ColumnOperands from(int64_t first) const {
    ColumnOperands result;
    for (int i = 0; i < COUNT; i++) result.operands[i] = operands[i] + first;
    return result;
  }
};

template <int COUNT> struct ChannelOperands {
  double operands[COUNT];

  void get(int64_t, Doubles (&values)[COUNT]) const {
    for (int i = 0; i < COUNT; i++) values[i] = broadcast(operands[i]);
  }
  void get(int64_t, double (&values)[COUNT]) const {
    for (int i = 0; i < COUNT; i++) values[i] = operands[i];
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

template <class Pass, class T, class Operands>
static inline void compute_element(const Arrays<Pass, T>& arrays, int64_t j, const Operands& operands) {
  double inputs[Pass::INPUTS], numbers[Pass::OPERANDS];
  for (int i = 0; i < Pass::INPUTS; i++) inputs[i] = arrays.inputs[i][j];
  operands.get(j, numbers);
  arrays.result[j] = rounded<T>(Pass::element(inputs, numbers));
}

// Two rows at once, so that operands are loaded once for both; they may be the same row, and results their inputs.
template <bool STREAM, class Pass, class T, class Operands>
static SHARED void compute_two_rows(const Arrays<Pass, T>& first, const Arrays<Pass, T>& second, int64_t count,
                                    const Operands& operands) {
  const bool two = first.result != second.result;
  int64_t j = 0;
  auto one_by_one = [&](int64_t end) {
    for (; j < end; j++) {
      compute_element<Pass>(first, j, operands);
      if (two) compute_element<Pass>(second, j, operands);
    }
  };
  if (STREAM) {
    int64_t before = (int64_t)(-(uintptr_t)first.result % (LANES * sizeof(T)) / sizeof(T));
    one_by_one(before < count ? before : count);
  }
  for (; j + LANES <= count; j += LANES) {
    Doubles numbers[Pass::OPERANDS], inputs[2][Pass::INPUTS];
    operands.get(j, numbers);
    for (int i = 0; i < Pass::INPUTS; i++) {
      inputs[0][i] = load(first.inputs[i] + j);
      inputs[1][i] = load(second.inputs[i] + j);
    }
    Doubles result = Pass::compute(inputs[0], numbers), other = Pass::compute(inputs[1], numbers);
    if (STREAM) {
      stream(first.result + j, result);
      stream(second.result + j, other);
    } else {
      store(first.result + j, result);
      store(second.result + j, other);
    }
  }
  one_by_one(count);
}

// Rows `stride` apart, in pairs where vectors of both are aligned alike.
template <bool STREAM, class Pass, class T, class Operands>
static void compute_rows(const Arrays<Pass, T>& arrays, int64_t rows, int64_t stride, int64_t count,
                         const Operands& operands) {
  bool pairs = !STREAM || stride % LANES == 0;
  for (int64_t row = 0; row < rows;) {
    bool two = pairs && row + 1 < rows;
    compute_two_rows<STREAM>(arrays.at(row * stride), arrays.at((row + two) * stride), count, operands);
    row += 1 + two;
  }
}

// Channels whose values are neighbours: each run is two rows of half its length, and what is left.
template <bool STREAM, class Pass, class T>
static void compute_runs(const Block& block, const Arrays<Pass, T>& arrays,
                         const double* const (&operands)[Pass::OPERANDS]) {
  for (int64_t c = 0; c < block.channels; c++) {
    ChannelOperands<Pass::OPERANDS> of_channel;
    for (int i = 0; i < Pass::OPERANDS; i++) of_channel.operands[i] = operands[i][c];
    for (int64_t o = 0; o < block.outer; o++) {
      Arrays<Pass, T> run = arrays.at(o * block.outer_stride + c * block.channel_stride);
      int64_t half = block.inner / 2 / LANES * LANES, rest = block.inner - 2 * half;
      if (half > 0) compute_two_rows<STREAM>(run, run.at(half), half, of_channel);
      if (rest > 0) compute_two_rows<STREAM>(run.at(2 * half), run.at(2 * half), rest, of_channel);
    }
  }
}

// Neighbouring channels of one or a few values: rows of many columns. Short rows are folded, several to one.
template <bool STREAM, class Pass, class T>
static void compute_columns(const Block& block, const Arrays<Pass, T>& arrays,
                            const double* const (&operands)[Pass::OPERANDS]) {
  constexpr int MOST = 512;  // columns whose operands stay in the first-level cache
  int64_t period = block.channels * block.inner, folds = 1;
  while (block.outer_stride == period && 2 * period * folds <= MOST && block.outer >= 8 * folds) folds *= 2;
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
    for (int64_t j = 0; j < count; j++) {
      for (int i = 0; i < Pass::OPERANDS; i++) copies[i][j] = operands[i][channel];
      if (++index < block.inner) continue;
      index = 0;
      if (++channel == block.channels) channel = 0;
    }
    compute_rows<STREAM>(arrays.at(first), rows, stride, count, columns);
  }
  if (rest > 0) compute_rows<STREAM>(arrays.at(rows * stride), 1, 0, rest * period, columns);
}

// Fewer bytes of a run than this are not streamed: its ends share lines with its neighbours'.
constexpr int64_t SHORT_RUN = 512;

template <class Pass, class T>
static void compute_block(const Block& block, const Arrays<Pass, T>& arrays,
                          const double* const (&operands)[Pass::OPERANDS], bool streamed) {
  streamed &= (uintptr_t)arrays.result % sizeof(T) == 0;
  if (block.inner < 8 && block.channel_stride == block.inner) {
    if (streamed) {
      compute_columns<true>(block, arrays, operands);
    } else {
      compute_columns<false>(block, arrays, operands);
    }
  } else if (streamed && block.inner * (int64_t)sizeof(T) >= SHORT_RUN) {
    compute_runs<true>(block, arrays, operands);
  } else {
    compute_runs<false>(block, arrays, operands);
  }
  if (streamed) end_stream();
}
