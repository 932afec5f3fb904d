// The input gradient pass (B3), and with frozen statistics (B4).

struct InputGradientPass {
  static constexpr int INPUTS = 2, OPERANDS = 6, ROWS = 4;  // dy, x; mean, mean_lo, a, k1, k1_lo, k2

  static Doubles compute(const Doubles (&v)[2], const Doubles (&n)[6]) {
    Doubles d = difference_by_multiplier(v[1], n[0]) - n[1];
    Doubles t = difference_by_multiplier(v[0], n[3]) - n[4];
    return n[2] * fused(-d, n[5], t);
  }

  static double element(const double (&v)[2], const double (&n)[6]) {
    double d = (v[1] - n[0]) - n[1];
    double t = (v[0] - n[3]) - n[4];
    double w = __builtin_fma(-d, n[5], t);
    return n[2] * w;  // (B3) dx = RN_T(a·w)
  }
};

// Where mean_lo and k1_lo are +0, as often with a power of two of values a channel.
struct ShortInputGradientPass {
  static constexpr int INPUTS = 2, OPERANDS = 4, ROWS = 4;  // dy, x; mean, a, k1, k2

  static Doubles compute(const Doubles (&v)[2], const Doubles (&n)[4]) {
    return n[1] * fused(-difference_by_multiplier(v[1], n[0]), n[3], v[0] - n[2]);
  }

  static double element(const double (&v)[2], const double (&n)[4]) {
    return n[1] * __builtin_fma(-(v[1] - n[0]), n[3], v[0] - n[2]);  // (B3)
  }
};

struct FrozenInputGradientPass {
  static constexpr int INPUTS = 1, OPERANDS = 1, ROWS = 1;  // dy; a

  static Doubles compute(const Doubles (&dy)[1], const Doubles (&a)[1]) { return a[0] * dy[0]; }

  static double element(const double (&dy)[1], const double (&a)[1]) { return a[0] * dy[0]; }  // (B4) dx = RN_T(a·dy)
};

// Types that differ, and f16 where the instruction set has no conversions.
template <class DY, class X, class DX>
static void input_gradient_to(const Block& block, const DY* dy_values, const X* x_values, const InputGradient& g,
                              DX* dx_values) {
  for (int64_t o = 0; o < block.outer; o++) {
    const DY* dy = dy_values + o * block.outer_stride;
    const X* x = x_values + o * block.outer_stride;
    DX* dx = dx_values + o * block.outer_stride;
    if (block.inner == 1 && block.channel_stride == 1) {
      BN_INDEPENDENT
      for (int64_t c = 0; c < block.channels; c++) {
        dx[c] = rounded<DX>(
            InputGradientPass::element({widened(dy[c]), widened(x[c])},
                                       {g.mean[c], g.mean_lo[c], g.a[c], g.k1[c], g.k1_lo[c], g.k2[c]}));
      }
      continue;
    }
    for (int64_t c = 0; c < block.channels; c++) {
      double mean = g.mean[c], mean_lo = g.mean_lo[c], a = g.a[c], k1 = g.k1[c], k1_lo = g.k1_lo[c], k2 = g.k2[c];
      BN_INDEPENDENT
      for (int64_t i = 0; i < block.inner; i++) {
        dx[i] = rounded<DX>(
            InputGradientPass::element({widened(dy[i]), widened(x[i])}, {mean, mean_lo, a, k1, k1_lo, k2}));
      }
      dy += block.channel_stride;
      x += block.channel_stride;
      dx += block.channel_stride;
    }
  }
}

template <class DY, class X, class DX>
static void input_gradient(const Block& block, const void* dy, const void* x, const InputGradient& g, void* dx,
                           bool streamed) {
  if constexpr (std::is_same_v<DY, X> && std::is_same_v<X, DX> && HAS_GROUPS<X>) {
    if (worth_a_look(block) && all_positive_zeros(block.channels, g.mean_lo) &&
        all_positive_zeros(block.channels, g.k1_lo)) {
      const double* const operands[4] = {g.mean, g.a, g.k1, g.k2};
      return compute_block<ShortInputGradientPass, X>(block, {{(const X*)dy, (const X*)x}, (X*)dx}, operands, streamed);
    }
    const double* const operands[6] = {g.mean, g.mean_lo, g.a, g.k1, g.k1_lo, g.k2};
    compute_block<InputGradientPass, X>(block, {{(const X*)dy, (const X*)x}, (X*)dx}, operands, streamed);
  } else {
    (void)streamed;
    input_gradient_to(block, (const DY*)dy, (const X*)x, g, (DX*)dx);
  }
}

template <class DY, class DX>
static void frozen_input_gradient(const Block& block, const void* dy_values, const double* a, void* dx_values,
                                  bool streamed) {
  if constexpr (std::is_same_v<DY, DX> && HAS_GROUPS<DY>) {
    const double* const operands[1] = {a};
    compute_block<FrozenInputGradientPass, DY>(block, {{(const DY*)dy_values}, (DX*)dx_values}, operands, streamed);
    return;
  }
  for (int64_t o = 0; o < block.outer; o++) {
    for (int64_t c = 0; c < block.channels; c++) {
      const DY* dy = (const DY*)dy_values + o * block.outer_stride + c * block.channel_stride;
      DX* dx = (DX*)dx_values + o * block.outer_stride + c * block.channel_stride;
      BN_INDEPENDENT
      for (int64_t i = 0; i < block.inner; i++) {
        dx[i] = rounded<DX>(FrozenInputGradientPass::element({widened(dy[i])}, {a[c]}));
      }
    }
  }
}
