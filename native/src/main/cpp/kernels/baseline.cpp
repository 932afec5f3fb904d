#include "kernels.inl"

extern const Kernels kernels_baseline;
const Kernels kernels_baseline = BN_KERNELS;
