#include "kernels.inl"

extern const Kernels kernels_avx2;
const Kernels kernels_avx2 = BN_KERNELS;
