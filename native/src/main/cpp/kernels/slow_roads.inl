// What does not fit windows: exact all the same, by more work.

// The registers of one channel: its terms, `stride` apart, and its limbs, which may be missing.
struct ChannelSums {
  int32_t* flags;
  double* terms;
  int64_t stride;
  uint64_t* limbs;
  FixedPoint linear;
  FixedPoint product;
};

template <class A, class B> static inline ChannelSums channel_sums(const bn_sums& sums, int64_t channel) {
  FixedPoint linear = linear_format(FORMAT<A>), product = product_format(FORMAT<A>, FORMAT<B>);
  uint64_t* limbs = sums.limbs == nullptr ? nullptr : sums.limbs + channel * (linear.limbs + product.limbs);
  return ChannelSums{sums.flags + channel, sums.terms + channel, sums.stride, limbs, linear, product};
}

// Adds a number to the linear sum or that of the products, to the limbs what no term can hold. Returns whether limbs were
// missing for that.
template <class A, class B>
static inline bool add_number(const ChannelSums& sums, bool product, double value) {
  typedef Kind<A, B> K;
  int first = product ? K::LINEAR_TERMS : 0, end = product ? K::TERMS : K::LINEAR_TERMS;
  for (int k = first; k < end && value != 0; k++) {
    double& term = sums.terms[k * sums.stride];
    term = two_sum(term, value, &value);
  }
  if (value == 0) return false;
  if (sums.limbs == nullptr) return true;
  fixed_add(sums.limbs + (product ? sums.linear.limbs : 0), product ? sums.product : sums.linear, value);
  return false;
}

// Adds the terms `more` to others, vectors or numbers; `more` is then what no term can hold.
template <class K, class V> static inline void merge(V (&terms)[K::TERMS], V (&more)[K::TERMS]) {
  for (int k = 0; k < K::LINEAR_TERMS; k++) more[k] = add_to_terms<K::LINEAR_TERMS>(terms, more[k]);
  for (int k = K::LINEAR_TERMS; k < K::TERMS; k++) {
    more[k] = add_to_terms<K::PRODUCT_TERMS>(terms + K::LINEAR_TERMS, more[k]);
  }
}

// Adds the terms of channels to those of others. Returns whether limbs were missing; then the sums are spoilt.
template <class A, class B> static bool merge_terms(int64_t channels, const bn_sums& from, const bn_sums& into) {
  typedef Kind<A, B> K;
  bool missing = false;
  int64_t c = 0;
  for (; c + LANES <= channels; c += LANES) {
    Doubles terms[K::TERMS], more[K::TERMS];
    for (int k = 0; k < K::TERMS; k++) {
      terms[k] = load(into.terms + k * into.stride + c);
      more[k] = load(from.terms + k * from.stride + c);
    }
    merge<K>(terms, more);
    Longs left = {};
    for (int k = 0; k < K::TERMS; k++) {
      store_vector(into.terms + k * into.stride + c, terms[k]);
      left |= more[k] != 0;
    }
    for (int i = 0; i < LANES && any(left); i++) {
      ChannelSums channel = channel_sums<A, B>(into, c + i);
      for (int k = 0; k < K::TERMS; k++) missing |= add_number<A, B>(channel, k >= K::LINEAR_TERMS, more[k][i]);
    }
  }
  for (; c < channels; c++) {
    ChannelSums channel = channel_sums<A, B>(into, c);
    for (int k = 0; k < K::TERMS; k++) {
      missing |= add_number<A, B>(channel, k >= K::LINEAR_TERMS, from.terms[k * from.stride + c]);
    }
  }
  return missing;
}

// Σa and Σa·b of GROUP columns as unevaluated sums of more terms than a channel has, every value carried through all of
// them: some five times the work of a window, for any exponents that leave no rest. (Shewchuk 1997, growing expansions.)
template <bool SAME, class A, class B> struct Expansions {
  static constexpr int LINEAR = 3, PRODUCT = Kind<A, B>::PRODUCT_EXACT ? 4 : 5;
  Doubles linear[2][LINEAR], product[2][PRODUCT];
  Longs rest[2];

  template <class StoredA, class StoredB> void add(const StoredA* a, const StoredB* b) {
    for (int half = 0; half < 2; half++) {
      Doubles u = load(a + half * LANES);
      add(half, u, SAME ? u : load(b + half * LANES));
    }
  }

  void add(int half, Doubles u, Doubles v) {
    Doubles p = u * v;
    rest[half] |= add_to_terms<LINEAR>(linear[half], u) != 0;
    rest[half] |= add_to_terms<PRODUCT>(product[half], p) != 0;
    if (!Kind<A, B>::PRODUCT_EXACT) rest[half] |= add_to_terms<PRODUCT>(product[half], fused(u, v, -p)) != 0;
  }

  // Adds column j to its channel. Returns whether limbs were missing.
  SHARED bool drain(int j, const ChannelSums& sums) const {
    bool missing = false;
    for (int k = 0; k < LINEAR; k++) missing |= add_number<A, B>(sums, false, linear[j / LANES][k][j % LANES]);
    for (int k = 0; k < PRODUCT; k++) missing |= add_number<A, B>(sums, true, product[j / LANES][k][j % LANES]);
    return missing;
  }
};

static inline int flag_of(double value) {
  if (value != value) return BN_NAN;
  if (value - value != 0) return value > 0 ? BN_POSITIVE_INFINITY : BN_NEGATIVE_INFINITY;
  return 0;
}

// Adds one value and its product, whatever they are, to the limbs. Returns whether those were missing.
template <bool SAME> static inline bool add_slowly(const ChannelSums& sums, double a, double b) {
  int flag_a = flag_of(a), flag_b = SAME ? 0 : flag_of(b);
  *sums.flags |= flag_a | (flag_b != 0 ? BN_PRODUCT_NOT_FINITE : 0);
  if (sums.limbs == nullptr) return (flag_a == 0 && a != 0) || ((flag_a | flag_b) == 0 && a * b != 0);
  if (flag_a == 0) fixed_add(sums.limbs, sums.linear, a);
  if ((flag_a | flag_b) == 0) fixed_add_product(sums.limbs + sums.linear.limbs, sums.product, a, b);
  return false;
}
