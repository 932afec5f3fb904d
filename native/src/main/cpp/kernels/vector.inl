// The vectors of an instruction set: binary64 lanes for arithmetic, a group of twice as many columns for bit patterns. A
// new instruction set needs a line in each block that starts with #if, and works without.

#if defined(__AVX512F__)
constexpr int LANES = 8;
#elif defined(__AVX2__)
constexpr int LANES = 4;
#else
constexpr int LANES = 2;
#endif

// Columns that are summed side by side: two vectors of binary64, one of their 32-bit patterns.
constexpr int GROUP = 2 * LANES;

typedef double Doubles __attribute__((vector_size(8 * LANES)));
typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int64_t Longs __attribute__((vector_size(8 * LANES)));
typedef float GroupFloats __attribute__((vector_size(4 * GROUP)));
typedef uint32_t Words __attribute__((vector_size(4 * GROUP)));
typedef int32_t Ints __attribute__((vector_size(4 * GROUP)));
typedef int32_t HalfInts __attribute__((vector_size(4 * LANES)));

template <class V> static inline V load_vector(const void* from) {
  V vector;
  memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class V> static inline void store_vector(void* to, V vector) { memcpy(to, &vector, sizeof vector); }

template <class V> static inline V shuffled(V vector, V order) {
#if defined(__clang__)
  V result;
  for (size_t i = 0; i < sizeof(V) / sizeof(vector[0]); i++) result[i] = vector[order[i]];
  return result;
#else
  return __builtin_shuffle(vector, order);
#endif
}

// Not a sum with 0, which would lose the sign of −0.
static inline Doubles broadcast(double value) {
  Doubles values = {};
  for (int i = 0; i < LANES; i++) values[i] = value;
  return values;
}

// a·b + c, rounded once.
static inline Doubles fused(Doubles a, Doubles b, Doubles c) {
#if defined(__AVX512F__)
  return (Doubles)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__)
  return (Doubles)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
  return (Doubles)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
  for (int i = 0; i < LANES; i++) c[i] = __builtin_fma(a[i], b[i], c[i]);
  return c;
#endif
}

// a·b + c, rounded in some way or other.
static inline Doubles roughly_fused(Doubles a, Doubles b, Doubles c) {
#if defined(__FMA__) || defined(__aarch64__)
  return fused(a, b, c);
#else
  return a * b + c;
#endif
}

static inline GroupFloats roughly_fused(GroupFloats a, GroupFloats b, GroupFloats c) {
#if defined(__AVX512F__)
  return (GroupFloats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (GroupFloats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (GroupFloats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

// a·b + c for an a·b of at most 53 bits: the same with and without a fused operation.
static inline Doubles plus_exact_product(Doubles a, Doubles b, Doubles c) { return roughly_fused(a, b, c); }

// a + b and a − b where multipliers would be idle: processors that add on other units than they multiply on (AMD's Zen) then
// do both side by side. (On a Zen 4; others are unmeasured. The 1 takes a register: f64 statistics of runs, which have none to
// spare on AVX2, take 1.06 of the time there.)
#if defined(__FMA__)
// 1, which compilers do not know, lest they see an addition.
static inline Doubles hidden_one() {
  Doubles one = broadcast(1);
  __asm__("" : "+v"(one));
  return one;
}

static inline Doubles sum_by_multiplier(Doubles a, Doubles b) { return fused(a, hidden_one(), b); }
static inline Doubles difference_by_multiplier(Doubles a, Doubles b) { return fused(-b, hidden_one(), a); }
#else
static inline Doubles sum_by_multiplier(Doubles a, Doubles b) { return a + b; }
static inline Doubles difference_by_multiplier(Doubles a, Doubles b) { return a - b; }
#endif

// LANES neighbouring values, widened exactly.
static inline Doubles load(const double* from) { return load_vector<Doubles>(from); }

// gcc 12 converts halves of a vector by themselves where it is not told otherwise.
static inline Doubles load(const float* from) {
#if defined(__AVX512F__)
  return (Doubles)_mm512_cvtps_pd(load_vector<__m256>(from));
#elif defined(__AVX2__)
  return (Doubles)_mm256_cvtps_pd(load_vector<__m128>(from));
#else
  return __builtin_convertvector(load_vector<Floats>(from), Doubles);
#endif
}

static inline Doubles load(const Half* from) {
#if defined(__AVX512F__)
  return (Doubles)_mm512_cvtps_pd(_mm256_cvtph_ps(load_vector<__m128i>(from)));
#elif defined(__F16C__)
  return (Doubles)_mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i*)from)));
#else
  Doubles values = {};
  for (int i = 0; i < LANES; i++) values[i] = widened(from[i]);
  return values;
#endif
}

// Asks for the lines of GROUP neighbouring values; LOCALITY as __builtin_prefetch has it.
template <int LOCALITY, class T> static inline void prefetch_group(const T* from) {
  constexpr int BYTES = GROUP * sizeof(T), LINE = 64;
  __builtin_prefetch(from, 0, LOCALITY);
  if (BYTES > LINE) __builtin_prefetch((const char*)from + LINE, 0, LOCALITY);
}

// Asks for what follows the values that are loaded now: the processor's own looking ahead ends with a page. (Measured
// beyond the cache, f32: statistics of NCHW take 0.77 of the time, inference 0.83 to 0.87, input gradients 0.84 to 0.95.)
template <class T> static inline void prefetch_ahead(const T* from) {
  constexpr int AHEAD = 2048;  // bytes
  prefetch_group<3>(from + AHEAD / sizeof(T));
}

template <class V> static inline V smaller(V a, V b) { return a < b ? a : b; }
template <class V> static inline V larger(V a, V b) { return a > b ? a : b; }

// The patterns of |x| for GROUP neighbouring values: with m the bits of |x|, m + 2^31 − 1. Unsigned they are ordered like
// |x|, and signed too, except that 0 comes last. A binary64 is told by its upper 32 bits, and whether the lower ones are
// all 0.
constexpr uint32_t PATTERN_OF_0 = 0x7fffffff;

static inline Words pattern_of(Words bits) { return (bits & 0x7fffffff) + PATTERN_OF_0; }

static inline Words patterns(const float* from) { return pattern_of(load_vector<Words>(from)); }

static inline Words patterns(const Half* from) {
#if defined(__AVX512F__)
  Words bits = (Words)_mm512_cvtph_ps(load_vector<__m256i>(from));
#elif defined(__F16C__)
  Words bits = (Words)_mm256_cvtph_ps(load_vector<__m128i>(from));
#else
  Words bits = {};
  for (int i = 0; i < GROUP; i++) {
    float value = widened(from[i]);
    memcpy((char*)&bits + 4 * i, &value, 4);
  }
#endif
  return pattern_of(bits);
}

// In the order that the two shuffles leave: pairs of the first vector and of the second, by turns.
static inline Words patterns(const double* from) {
#if defined(__AVX512F__)
  __m512 first = load_vector<__m512>(from), second = load_vector<__m512>(from + LANES);
  Words high = (Words)_mm512_shuffle_ps(first, second, 0xdd), low = (Words)_mm512_shuffle_ps(first, second, 0x88);
#elif defined(__AVX2__)
  __m256 first = load_vector<__m256>(from), second = load_vector<__m256>(from + LANES);
  Words high = (Words)_mm256_shuffle_ps(first, second, 0xdd), low = (Words)_mm256_shuffle_ps(first, second, 0x88);
#else
  Words high, low;
  for (int i = 0; i < GROUP; i++) {
    uint64_t bits;
    memcpy(&bits, from + i, sizeof bits);
    high[i] = (uint32_t)(bits >> 32);
    low[i] = (uint32_t)bits;
  }
#endif
  return pattern_of(high | smaller(low, Words{} + 1));
}

// The exponent field of a pattern, that of 0 for the pattern of 0.
template <class T> static inline Ints exponent_field(Words pattern) {
  constexpr int FRACTION = sizeof(Wide<T>) == 4 ? 23 : 20;
  return (Ints)((pattern - PATTERN_OF_0) >> FRACTION);
}

// Patterns of T in the order of their columns.
template <class T> static inline Words in_column_order(Words patterns) {
  if (sizeof(Wide<T>) == 4) return patterns;
#if defined(__AVX512F__)
  const Words order = {0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
#elif defined(__AVX2__)
  const Words order = {0, 1, 4, 5, 2, 3, 6, 7};
#else
  const Words order = {0, 1, 2, 3};
#endif
  return shuffled(patterns, order);
}

static inline Doubles absolute(Doubles x) { return (Doubles)((Longs)x & INT64_MAX); }

// The value where the mask is −1, 0 where it is 0.
static inline Doubles masked(Doubles value, Longs mask) { return (Doubles)((Longs)value & mask); }

// The lower or upper half of a group's integers, as those of binary64 lanes, and back.
static inline Longs half_of(Ints group, int half) {
  return __builtin_convertvector(load_vector<HalfInts>((const char*)&group + half * sizeof(HalfInts)), Longs);
}

static inline Ints group_of(Longs first, Longs second) {
  HalfInts halves[2] = {__builtin_convertvector(first, HalfInts), __builtin_convertvector(second, HalfInts)};
  return load_vector<Ints>(halves);
}

// −1 in the first `count` lanes, 0 in the others.
static inline Ints first_lanes(int count) {
  Ints lanes = {};
  for (int i = 0; i < GROUP; i++) lanes[i] = i;
  return lanes < count;
}

// Whether a lane is not 0.
template <class V> static inline bool any(V mask) {
  uint64_t words[sizeof(V) / 8], all = 0;
  memcpy(words, &mask, sizeof mask);
  for (uint64_t word : words) all |= word;
  return all != 0;
}
