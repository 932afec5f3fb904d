// The gradient sums pass: dy, x → exact count, Σdy, Σdy·x per channel.

template <class DY, class X>
static void add_gradient_sums(const Block& block, const void* dy, const void* x, bn_sums sums) {
  add_sums<false>(block, (const DY*)dy, (const X*)x, sums);
}
