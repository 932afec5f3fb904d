// The normalise pass (F5).

struct NormalisePass {
  static constexpr int INPUTS = 1, OPERANDS = 4, ROWS = 4;  // x; mean, mean_lo, a, β

  static Doubles compute(const Doubles (&x)[1], const Doubles (&n)[4]) {
    Doubles d = difference_by_multiplier(x[0], n[0]) - n[1];
    return fused(d, n[2], n[3]);
  }

  static double element(const double (&x)[1], const double (&n)[4]) {
    double d = (x[0] - n[0]) - n[1];
    return __builtin_fma(d, n[2], n[3]);  // (F5) y = RN_T(fma(d, a, β))
  }
};

// Where mean_lo is +0, as with given statistics, and often with a power of two of values a channel.
struct ShortNormalisePass {
  static constexpr int INPUTS = 1, OPERANDS = 3, ROWS = 4;  // x; mean, a, β

  static Doubles compute(const Doubles (&x)[1], const Doubles (&n)[3]) {
    return fused(difference_by_multiplier(x[0], n[0]), n[1], n[2]);
  }

  static double element(const double (&x)[1], const double (&n)[3]) {
    return __builtin_fma(x[0] - n[0], n[1], n[2]);  // (F5) with d = x − mean
  }
};

// Types that differ, and f16 where the instruction set has no conversions.
template <class X, class Y>
static void normalise_to(const Block& block, const X* x_values, const Normalisation& n, Y* y_values) {
  for (int64_t o = 0; o < block.outer; o++) {
    const X* x = x_values + o * block.outer_stride;
    Y* y = y_values + o * block.outer_stride;
    if (block.inner == 1 && block.channel_stride == 1) {
      BN_INDEPENDENT
      for (int64_t c = 0; c < block.channels; c++) {
        y[c] = rounded<Y>(NormalisePass::element({widened(x[c])}, {n.mean[c], n.mean_lo[c], n.a[c], n.beta[c]}));
      }
      continue;
    }
    for (int64_t c = 0; c < block.channels; c++, x += block.channel_stride, y += block.channel_stride) {
      double mean = n.mean[c], mean_lo = n.mean_lo[c], a = n.a[c], beta = n.beta[c];
      BN_INDEPENDENT
      for (int64_t i = 0; i < block.inner; i++) {
        y[i] = rounded<Y>(NormalisePass::element({widened(x[i])}, {mean, mean_lo, a, beta}));
      }
    }
  }
}

template <class X, class Y>
static void normalise(const Block& block, const void* x, const Normalisation& n, void* y, bool streamed) {
  if constexpr (std::is_same_v<X, Y> && HAS_GROUPS<X>) {
    if (worth_a_look(block) && all_positive_zeros(block.channels, n.mean_lo)) {
      const double* const operands[3] = {n.mean, n.a, n.beta};
      return compute_block<ShortNormalisePass, X>(block, {{(const X*)x}, (Y*)y}, operands, streamed);
    }
    const double* const operands[4] = {n.mean, n.mean_lo, n.a, n.beta};
    compute_block<NormalisePass, X>(block, {{(const X*)x}, (Y*)y}, operands, streamed);
  } else {
    (void)streamed;
    normalise_to(block, (const X*)x, n, (Y*)y);
  }
}
