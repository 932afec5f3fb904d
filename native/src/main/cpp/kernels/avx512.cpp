#include "kernels.inl"

extern const Kernels kernels_avx512;
const Kernels kernels_avx512 = BN_KERNELS;
