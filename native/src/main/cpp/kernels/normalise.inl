// The normalise pass (F5).

template <class X, class Y>
static inline Y normalised(X x, double mean, double mean_lo, double a, double beta) {
  double d = ((double)widened(x) - mean) - mean_lo;
  return rounded<Y>(__builtin_fma(d, a, beta));  // (F5) y = RN_T(fma(d, a, β))
}

template <class X, class Y>
static void normalise(const Block& block, const void* x_values, const Normalisation& n, void* y_values) {
  for (int64_t o = 0; o < block.outer; o++) {
    const X* x = (const X*)x_values + o * block.outer_stride;
    Y* y = (Y*)y_values + o * block.outer_stride;
    if (block.inner == 1 && block.channel_stride == 1) {
      BN_INDEPENDENT
      for (int64_t c = 0; c < block.channels; c++) {
        y[c] = normalised<X, Y>(x[c], n.mean[c], n.mean_lo[c], n.a[c], n.beta[c]);
      }
      continue;
    }
    for (int64_t c = 0; c < block.channels; c++, x += block.channel_stride, y += block.channel_stride) {
      double mean = n.mean[c], mean_lo = n.mean_lo[c], a = n.a[c], beta = n.beta[c];
      BN_INDEPENDENT
      for (int64_t i = 0; i < block.inner; i++) y[i] = normalised<X, Y>(x[i], mean, mean_lo, a, beta);
    }
  }
}
