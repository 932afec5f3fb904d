// Exact sums of a tile in binary64 arithmetic, and the slow road for the columns that do not qualify.
//
// A tile is some rows × some columns; every column has its own numbers, so a vector holds neighbouring columns. Two sums
// are kept, of a and of the products a·b:
//
//   f32        Σa in one binary64: n values with exponents from e to e + s are multiples of 2^(e−23) and stay below
//              n·2^(e+s+1), so nothing is ever rounded while 24 + s + t ≤ 53, n ≤ 2^t.
//   f64        Σa as high + low: TwoSum gives each rounding error of high exactly; an error is at most half an ulp of
//              n·2^(e+s+1), n of them stay below 2^53 multiples of 2^(e−52) while s + 2t ≤ 54.
//   f32·f32    the product has 48 bits and is exact; high + low as above with multiples of 2^(ea+eb−46):
//              sa + sb + 2t ≤ 59.
//   otherwise  p = RN(a·b) and e = fma(a, b, −p) are exact together; p in high + low while sa + sb + 2t ≤ 53, e in
//              another pair (sa + sb + 2t ≤ 55); e is exact while the smallest exponents add to at least −970. No factor
//              may be subnormal: its product's leading bit lies lower than its exponent says, and RN(a·b) is finer.
//   f16        is widened to f32 where it is loaded, and always qualifies: Σa adds multiples of 2^-24 below 2^16, and
//              16 + 24 + t ≤ 53. f16·f16 are multiples of 2^-48 below 2^32; an error of high is at most 2^(32+t−54),
//              n of them stay below 2^53 multiples of 2^-48, as 32 + 48 + 2t − 54 ≤ 53.
//
// The exponents are not guessed: the loop tracks the largest and smallest bit pattern of each column, and the column is
// judged afterwards. (numerics: Shewchuk 1997 for TwoSum, Ogita, Rump and Oishi 2005 for the error bound.)

// Rows of a tile: t = 8.
constexpr int TILE_ROWS = 256, TILE_LOG_ROWS = 8;

// Columns of a tile: its arrays are 8 KiB (f32 statistics) to 20 KiB (f64 gradient sums), which an L1 cache holds.
constexpr int TILE_COLUMNS = 256;

// Bit patterns of |x| as signed integers: ordered like |x|, and INT_MAX stands for "no value yet".
template <class T> struct Bits;
template <> struct Bits<float> {
  typedef int32_t Int;
  static constexpr int TYPE = BN_F32, FRACTION = 23, BIAS = 127, MAX_FIELD = 255;
};
template <> struct Bits<double> {
  typedef int64_t Int;
  static constexpr int TYPE = BN_F64, FRACTION = 52, BIAS = 1023, MAX_FIELD = 2047;
};

template <class T> constexpr typename Bits<T>::Int LARGEST_PATTERN = ~(uint64_t)0 >> (65 - 8 * sizeof(T));

template <class T> static inline typename Bits<T>::Int magnitude_bits(T value) {
  typename Bits<T>::Int bits;
  memcpy(&bits, &value, sizeof bits);
  return bits & LARGEST_PATTERN<T>;
}

// The largest bit pattern, and the smallest of the non-zero ones less one (a zero wraps to the largest integer).
template <class T> struct Extremes {
  typename Bits<T>::Int largest[TILE_COLUMNS];
  typename Bits<T>::Int smallest[TILE_COLUMNS];
};

// Exponents of a column's non-zero values; subnormals count as one below the smallest normal exponent.
struct ExponentRange {
  bool any;
  bool finite;
  int lowest;
  int highest;
  bool normal;
  int spread() const { return highest - lowest; }
};

template <class T> static inline ExponentRange exponent_range(const Extremes<T>& extremes, int column) {
  int highest = (int)(extremes.largest[column] >> Bits<T>::FRACTION);
  bool any = extremes.largest[column] != 0;
  int lowest = any ? (int)((extremes.smallest[column] + 1) >> Bits<T>::FRACTION) : highest;
  return ExponentRange{any, highest != Bits<T>::MAX_FIELD, lowest - Bits<T>::BIAS, highest - Bits<T>::BIAS,
                       lowest > 0};
}

template <class A, class B> struct Tile {
  static constexpr bool LINEAR_EXACT = Bits<A>::TYPE == BN_F32;
  static constexpr bool PRODUCT_EXACT = Bits<A>::TYPE == BN_F32 && Bits<B>::TYPE == BN_F32;
  double sum[TILE_COLUMNS], sum_low[TILE_COLUMNS];
  double high[TILE_COLUMNS], low[TILE_COLUMNS];
  double error_high[TILE_COLUMNS], error_low[TILE_COLUMNS];
  Extremes<A> a;
  Extremes<B> b;
};

// s + e = x + y exactly (Knuth's TwoSum).
static inline void two_sum(double x, double y, double* s, double* e) {
  double sum = x + y;
  double part = sum - x;
  *e = (x - (sum - part)) + (y - part);
  *s = sum;
}

template <class A, class B> static void tile_clear(Tile<A, B>& tile, int columns) {
  for (int j = 0; j < columns; j++) {
    tile.sum[j] = tile.sum_low[j] = 0;
    tile.high[j] = tile.low[j] = tile.error_high[j] = tile.error_low[j] = 0;
    tile.a.largest[j] = 0;
    tile.a.smallest[j] = LARGEST_PATTERN<A>;
    tile.b.largest[j] = 0;
    tile.b.smallest[j] = LARGEST_PATTERN<B>;
  }
}

// Adds ROWS rows of contiguous columns. SAME says that b is a (Σx, Σx²).
template <int ROWS, bool SAME, class A, class B>
static inline void tile_add_rows(Tile<Wide<A>, Wide<B>>& tile, const A* a, const B* b, int64_t stride, int columns) {
  typedef Tile<Wide<A>, Wide<B>> Sums;
  typedef typename Bits<Wide<A>>::Int BitsA;
  typedef typename Bits<Wide<B>>::Int BitsB;
  BN_INDEPENDENT
  for (int j = 0; j < columns; j++) {
    double sum = tile.sum[j], sum_low = tile.sum_low[j];
    double high = tile.high[j], low = tile.low[j];
    double error_high = tile.error_high[j], error_low = tile.error_low[j];
    BitsA largest_a = tile.a.largest[j], smallest_a = tile.a.smallest[j];
    BitsB largest_b = tile.b.largest[j], smallest_b = tile.b.smallest[j];
    BN_UNROLL_4
    for (int r = 0; r < ROWS; r++) {
      Wide<A> value_a = widened(a[r * stride + j]);
      Wide<B> value_b = SAME ? (Wide<B>)value_a : widened(b[r * stride + j]);
      BitsA bits_a = magnitude_bits(value_a);
      BitsA before_a = (bits_a - 1) & LARGEST_PATTERN<Wide<A>>;
      largest_a = bits_a > largest_a ? bits_a : largest_a;
      smallest_a = before_a < smallest_a ? before_a : smallest_a;
      if (!SAME) {
        BitsB bits_b = magnitude_bits(value_b);
        BitsB before_b = (bits_b - 1) & LARGEST_PATTERN<Wide<B>>;
        largest_b = bits_b > largest_b ? bits_b : largest_b;
        smallest_b = before_b < smallest_b ? before_b : smallest_b;
      }
      double u = value_a, v = value_b, e;
      if (Sums::LINEAR_EXACT) {
        sum += u;
      } else {
        two_sum(sum, u, &sum, &e);
        sum_low += e;
      }
      double p = u * v;
      two_sum(high, p, &high, &e);
      low += e;
      if (!Sums::PRODUCT_EXACT) {
        two_sum(error_high, __builtin_fma(u, v, -p), &error_high, &e);
        error_low += e;
      }
    }
    tile.sum[j] = sum;
    tile.high[j] = high;
    tile.low[j] = low;
    tile.a.largest[j] = largest_a;
    tile.a.smallest[j] = smallest_a;
    if (!Sums::LINEAR_EXACT) tile.sum_low[j] = sum_low;
    if (!Sums::PRODUCT_EXACT) {
      tile.error_high[j] = error_high;
      tile.error_low[j] = error_low;
    }
    if (!SAME) {
      tile.b.largest[j] = largest_b;
      tile.b.smallest[j] = smallest_b;
    }
  }
}

template <bool SAME, class A, class B>
static void tile_add(Tile<Wide<A>, Wide<B>>& tile, const A* a, const B* b, int64_t stride, int64_t rows, int columns) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    tile_add_rows<4, SAME>(tile, a + r * stride, b + r * stride, stride, columns);
  }
  for (; r < rows; r++) {
    tile_add_rows<1, SAME>(tile, a + r * stride, b + r * stride, stride, columns);
  }
}

// Whether the numbers of a column of a·b are exact.
template <bool SAME, class A, class B>
static inline bool tile_is_exact(const Tile<Wide<A>, Wide<B>>& tile, int column) {
  ExponentRange a = exponent_range(tile.a, column);
  ExponentRange b;
  if constexpr (SAME) {
    b = a;
  } else {
    b = exponent_range(tile.b, column);
  }
  if (!a.finite || !b.finite) return false;
  if (!a.any && !b.any) return true;
  typedef Tile<Wide<A>, Wide<B>> Sums;
  constexpr bool F16_A = std::is_same_v<A, Half>, F16_B = std::is_same_v<B, Half>;
  int t = TILE_LOG_ROWS;
  bool linear = F16_A || (Sums::LINEAR_EXACT ? 24 + a.spread() + t <= 53
                                             : a.spread() + 2 * t <= 54 && a.highest + 1 + t <= 1023);
  bool product = (F16_A && F16_B) || (Sums::PRODUCT_EXACT
                                          ? a.spread() + b.spread() + 2 * t <= 59
                                          : a.normal && b.normal && a.spread() + b.spread() + 2 * t <= 53 &&
                                                a.lowest + b.lowest >= -970 && a.highest + b.highest + 2 + t <= 1023);
  // Where one of the two is zero throughout, so are the products.
  return linear && (product || !a.any || !b.any);
}

// The registers of one channel.
struct ChannelSums {
  int32_t* flags;
  uint64_t* linear;
  uint64_t* product;
  FixedPoint linear_format;
  FixedPoint product_format;
};

static inline ChannelSums channel_sums(bn_sums sums, int64_t channel, int type_a, int type_b) {
  FixedPoint linear = linear_format(type_a), product = product_format(type_a, type_b);
  uint64_t* limbs = sums.limbs + channel * (linear.limbs + product.limbs);
  return ChannelSums{sums.flags + channel, limbs, limbs + linear.limbs, linear, product};
}

// Adds a column's numbers, which are exact, to its channel.
template <class A, class B>
static inline void tile_drain(const Tile<A, B>& tile, int column, const ChannelSums& sums) {
  fixed_add(sums.linear, sums.linear_format, tile.sum[column]);
  fixed_add(sums.product, sums.product_format, tile.high[column]);
  fixed_add(sums.product, sums.product_format, tile.low[column]);
  if (!Tile<A, B>::LINEAR_EXACT) {
    fixed_add(sums.linear, sums.linear_format, tile.sum_low[column]);
  }
  if (!Tile<A, B>::PRODUCT_EXACT) {
    fixed_add(sums.product, sums.product_format, tile.error_high[column]);
    fixed_add(sums.product, sums.product_format, tile.error_low[column]);
  }
}

static inline int flag_of(double value) {
  if (value != value) return BN_NAN;
  if (value - value != 0) return value > 0 ? BN_POSITIVE_INFINITY : BN_NEGATIVE_INFINITY;
  return 0;
}

// The slow road: adds one value and its product, whatever they are.
template <bool SAME> static inline void add_slowly(const ChannelSums& sums, double a, double b) {
  int flag_a = flag_of(a), flag_b = SAME ? 0 : flag_of(b);
  if (flag_a == 0) fixed_add(sums.linear, sums.linear_format, a);
  if ((flag_a | flag_b) == 0) fixed_add_product(sums.product, sums.product_format, a, b);
  *sums.flags |= flag_a | (flag_b != 0 ? BN_PRODUCT_NOT_FINITE : 0);
}

// Neighbouring channels of few inner values: columns are channel·inner + i, rows are the outer axis.
template <bool SAME, class A, class B>
static void add_columns(const Block& block, const A* a, const B* b, bn_sums sums) {
  Tile<Wide<A>, Wide<B>> tile;
  int64_t columns = block.channels * block.inner;
  for (int64_t first = 0; first < columns; first += TILE_COLUMNS) {
    int width = (int)(columns - first < TILE_COLUMNS ? columns - first : TILE_COLUMNS);
    for (int64_t row = 0; row < block.outer; row += TILE_ROWS) {
      int64_t rows = block.outer - row < TILE_ROWS ? block.outer - row : TILE_ROWS;
      int64_t at = row * block.outer_stride + first;
      tile_clear(tile, width);
      tile_add<SAME>(tile, a + at, b + at, block.outer_stride, rows, width);
      for (int j = 0; j < width; j++) {
        ChannelSums channel = channel_sums(sums, (first + j) / block.inner, Bits<Wide<A>>::TYPE, Bits<Wide<B>>::TYPE);
        if (tile_is_exact<SAME, A, B>(tile, j)) {
          tile_drain(tile, j, channel);
          continue;
        }
        for (int64_t r = 0; r < rows; r++) {
          int64_t here = at + r * block.outer_stride + j;
          add_slowly<SAME>(channel, widened(a[here]), widened(b[here]));
        }
      }
    }
  }
}

// Channels of many inner values: a channel's contiguous run is seen as rows of LANES columns, for f16 as many as fill a
// vector of 512 bits.
template <bool SAME, class A, class B>
static void add_runs(const Block& block, const A* a, const B* b, bn_sums sums) {
  constexpr bool F16 = std::is_same_v<A, Half> || std::is_same_v<B, Half>;
  constexpr int LANES = F16 ? 32 : 16, MOST = LANES * TILE_ROWS;
  Tile<Wide<A>, Wide<B>> tile;
  int64_t rows_per_run = (block.inner + LANES - 1) / LANES;
  int64_t runs = rows_per_run < TILE_ROWS ? TILE_ROWS / rows_per_run : 1;
  for (int64_t c = 0; c < block.channels; c++) {
    ChannelSums channel = channel_sums(sums, c, Bits<Wide<A>>::TYPE, Bits<Wide<B>>::TYPE);
    for (int64_t outer = 0; outer < block.outer; outer += runs) {
      int64_t outer_end = outer + runs < block.outer ? outer + runs : block.outer;
      for (int64_t first = 0; first < block.inner; first += MOST) {
        int64_t length = block.inner - first < MOST ? block.inner - first : MOST;
        int64_t full = length / LANES;
        int rest = (int)(length - full * LANES);
        tile_clear(tile, LANES);
        for (int64_t o = outer; o < outer_end; o++) {
          int64_t at = o * block.outer_stride + c * block.channel_stride + first;
          tile_add<SAME>(tile, a + at, b + at, LANES, full, LANES);
          tile_add<SAME>(tile, a + at + full * LANES, b + at + full * LANES, LANES, 1, rest);
        }
        bool exact = true;
        for (int j = 0; j < LANES; j++) exact &= tile_is_exact<SAME, A, B>(tile, j);
        if (exact) {
          for (int j = 0; j < LANES; j++) tile_drain(tile, j, channel);
          continue;
        }
        for (int64_t o = outer; o < outer_end; o++) {
          int64_t at = o * block.outer_stride + c * block.channel_stride + first;
          for (int64_t i = 0; i < length; i++) add_slowly<SAME>(channel, widened(a[at + i]), widened(b[at + i]));
        }
      }
    }
  }
}

template <bool SAME, class A, class B>
static void add_sums(const Block& block, const A* a, const B* b, bn_sums sums) {
  constexpr int FEW = 16;
  if (block.inner < FEW && block.channel_stride == block.inner) {
    add_columns<SAME>(block, a, b, sums);
  } else {
    add_runs<SAME>(block, a, b, sums);
  }
  for (int64_t c = 0; c < block.channels; c++) sums.counts[c] += block.outer * block.inner;
}
