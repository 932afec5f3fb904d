// Exact sums of products of two columns by products of matrices (Ozaki, Ogita, Oishi and Rump, Error-free
// transformations of matrix multiplication, 2012). Rows are cut into slices, on one grid for each column: a slice is
// an integer of at most SLICE_BITS − 1 bits in units of its grid. So many rows of products of two slices add up to less
// than 2^53 units, and whatever the order, no sum rounds. (docs/math.md, "Slices".)

// Rows of x as binary64, and the largest size in each column; what is not finite is 0.
template <class X>
static void widen_rows(const void* x, int64_t rows, int64_t columns, double* to, double* largest) {
  const X* from = (const X*)x;
  for (int64_t j = 0; j < columns; j++) largest[j] = 0;
  for (int64_t r = 0; r < rows; r++, from += columns, to += columns) {
    BN_INDEPENDENT
    for (int64_t j = 0; j < columns; j++) {
      double value = widened(from[j]);
      value = value - value == 0 ? value : 0;
      double magnitude = __builtin_fabs(value);
      to[j] = value;
      largest[j] = magnitude > largest[j] ? magnitude : largest[j];
    }
  }
}

// Takes a slice off the rest: multiples of the last bit of shift[j], which is 1.5·2^k. Returns how many values have a
// rest still.
static int64_t cut_slice(int64_t rows, int64_t columns, const double* shift, double* rest, double* slice) {
  int64_t left = 0;
  for (int64_t r = 0; r < rows; r++, rest += columns, slice += columns) {
    int64_t left_in_row = 0;
    BN_INDEPENDENT
    for (int64_t j = 0; j < columns; j++) {
      double cut = (rest[j] + shift[j]) - shift[j], remains = rest[j] - cut;
      slice[j] = cut;
      rest[j] = remains;
      left_in_row += remains != 0;
    }
    left += left_in_row;
  }
  return left;
}

// Adds a number to the sum of a pair. Returns whether limbs were missing.
template <int TERMS> static inline bool add_to_pair(const PairSums& sums, int64_t pair, double value) {
  for (int k = 0; k < TERMS && value != 0; k++) {
    double& term = sums.terms[k * sums.stride + pair];
    term = two_sum(term, value, &value);
  }
  if (value == 0) return false;
  if (sums.limbs == nullptr) return true;
  fixed_add(sums.limbs + pair * sums.format.limbs, sums.format, value);
  return false;
}

// Adds `count` numbers to the sums of pairs that follow each other.
template <bool WIDE>
static bool add_to_pairs(int64_t count, const double* numbers, const PairSums& sums, int64_t first) {
  constexpr int TERMS = WIDE ? BN_F64_PRODUCT_TERMS : BN_F32_PRODUCT_TERMS;
  bool missing = false;
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    Doubles terms[TERMS], rest;
    for (int k = 0; k < TERMS; k++) terms[k] = load(sums.terms + k * sums.stride + first + i);
    rest = add_to_terms<TERMS>(terms, load(numbers + i));
    for (int k = 0; k < TERMS; k++) store_vector(sums.terms + k * sums.stride + first + i, terms[k]);
    if (!any(rest != 0)) continue;
    for (int lane = 0; lane < LANES; lane++) missing |= add_to_pair<TERMS>(sums, first + i + lane, rest[lane]);
  }
  for (; i < count; i++) missing |= add_to_pair<TERMS>(sums, first + i, numbers[i]);
  return missing;
}

// Adds the product of two finite values to the sum of a pair, by integers where RN(a·b) and its error may not do.
template <bool WIDE> static bool add_product_to_pair(const PairSums& sums, int64_t pair, double a, double b) {
  double product = a * b, magnitude = __builtin_fabs(product);
  if (!WIDE) return add_to_pair<BN_F32_PRODUCT_TERMS>(sums, pair, product);
  if (a == 0 || b == 0) return false;
  if (magnitude >= 0x1p-960 && magnitude <= 0x1p960) {
    bool missing = add_to_pair<BN_F64_PRODUCT_TERMS>(sums, pair, product);
    return missing | add_to_pair<BN_F64_PRODUCT_TERMS>(sums, pair, __builtin_fma(a, b, -product));
  }
  if (sums.limbs == nullptr) return true;
  fixed_add_product(sums.limbs + pair * sums.format.limbs, sums.format, a, b);
  return false;
}

// Rows of x less mean and mean_lo.
template <class X>
static void centre_rows(const void* x, int64_t rows, int64_t columns, const double* mean, const double* mean_lo,
                        double* to) {
  const X* from = (const X*)x;
  for (int64_t r = 0; r < rows; r++, from += columns, to += columns) {
    BN_INDEPENDENT
    for (int64_t j = 0; j < columns; j++) to[j] = (widened(from[j]) - mean[j]) - mean_lo[j];
  }
}

// RN((m·P − S·G)/m²) for the pairs of one column with others (R2): S is the sum of each of those, G of the one.
template <bool WIDE>
static void covariances(int64_t pairs, const SumTerms& p, const SumTerms& s, const double* g, double* covariance,
                        int64_t* undecided) {
  double m[BN_BLOCK], inverse_m[BN_BLOCK], terms[BN_F64_TERMS][BN_BLOCK];
  const double* of_g[BN_F64_TERMS] = {terms[0], terms[1], terms[2]};
  for (int k = 0; k < BN_F64_TERMS; k++) {
    for (int64_t c = 0; c < pairs; c++) terms[k][c] = g[k];
  }
  LinearSums sums, sum;
  ProductSums products;
  Nears b;
  convert_counts(pairs, s.counts, m, inverse_m, undecided);
  int parts = larger(sort_linear<WIDE>(pairs, s.linear, sums, undecided),
                     sort_linear<WIDE>(pairs, of_g, sum, undecided));
  parts = larger(parts, sort_products<WIDE>(pairs, p.product, products, undecided) - 1);
  covariation_of(parts, pairs, m, products, sums, sum, b);
  round_variances(pairs, b, m, inverse_m, 0, covariance, undecided);
}
