// The input gradient pass (B3), and with frozen statistics (B4).

template <class DY, class X, class DX>
static inline DX input_gradient_of(DY dy, X x, double mean, double mean_lo, double a, double k1, double k1_lo,
                                   double k2) {
  double d = ((double)widened(x) - mean) - mean_lo;
  double t = ((double)widened(dy) - k1) - k1_lo;
  double w = __builtin_fma(-d, k2, t);
  return rounded<DX>(a * w);  // (B3) dx = RN_T(a·w)
}

template <class DY, class X, class DX>
static void input_gradient(const Block& block, const void* dy_values, const void* x_values, const InputGradient& g,
                           void* dx_values) {
  for (int64_t o = 0; o < block.outer; o++) {
    const DY* dy = (const DY*)dy_values + o * block.outer_stride;
    const X* x = (const X*)x_values + o * block.outer_stride;
    DX* dx = (DX*)dx_values + o * block.outer_stride;
    if (block.inner == 1 && block.channel_stride == 1) {
      BN_INDEPENDENT
      for (int64_t c = 0; c < block.channels; c++) {
        dx[c] = input_gradient_of<DY, X, DX>(dy[c], x[c], g.mean[c], g.mean_lo[c], g.a[c], g.k1[c], g.k1_lo[c],
                                             g.k2[c]);
      }
      continue;
    }
    for (int64_t c = 0; c < block.channels; c++) {
      double mean = g.mean[c], mean_lo = g.mean_lo[c], a = g.a[c], k1 = g.k1[c], k1_lo = g.k1_lo[c], k2 = g.k2[c];
      BN_INDEPENDENT
      for (int64_t i = 0; i < block.inner; i++) {
        dx[i] = input_gradient_of<DY, X, DX>(dy[i], x[i], mean, mean_lo, a, k1, k1_lo, k2);
      }
      dy += block.channel_stride;
      x += block.channel_stride;
      dx += block.channel_stride;
    }
  }
}

template <class DY, class DX>
static void frozen_input_gradient(const Block& block, const void* dy_values, const double* a, void* dx_values) {
  for (int64_t o = 0; o < block.outer; o++) {
    for (int64_t c = 0; c < block.channels; c++) {
      const DY* dy = (const DY*)dy_values + o * block.outer_stride + c * block.channel_stride;
      DX* dx = (DX*)dx_values + o * block.outer_stride + c * block.channel_stride;
      BN_INDEPENDENT
      for (int64_t i = 0; i < block.inner; i++) dx[i] = rounded<DX>(a[c] * (double)widened(dy[i]));  // (B4)
    }
  }
}
