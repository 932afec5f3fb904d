// The statistics pass: x → exact Σx, Σx² per channel.

template <class X> static bool add_statistics(const Block& block, const void* x, const bn_sums& sums, SumRoads* roads) {
  return add_sums<true>(block, (const X*)x, (const X*)x, sums, roads);
}
