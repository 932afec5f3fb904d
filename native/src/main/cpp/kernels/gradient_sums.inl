// The gradient sums pass: dy, x → exact Σdy, Σdy·x per channel.

template <class DY, class X>
static bool add_gradient_sums(const Block& block, const void* dy, const void* x, const bn_sums& sums, SumRoads* roads) {
  return add_sums<false>(block, (const DY*)dy, (const X*)x, sums, roads);
}
