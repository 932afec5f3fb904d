// The statistics pass: x → exact count, Σx, Σx² per channel.

template <class X> static void add_statistics(const Block& block, const void* x, bn_sums sums) {
  add_sums<true>(block, (const X*)x, (const X*)x, sums);
}
