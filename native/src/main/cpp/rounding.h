// RN_T: an exact number rounded once to binary32 or binary64, to nearest, ties to even. Overflow gives an infinity, an
// exact 0 gives +0, a non-zero number that rounds to 0 keeps its sign. The type is BN_F32 or BN_F64.
#ifndef BATCHNORM_ROUNDING_H
#define BATCHNORM_ROUNDING_H

#include "integer.h"

// RN_T(n / d), d not 0.
double ratio(const Integer& n, const Integer& d, int type);

// RN_T(n / √d), d positive.
double ratio_to_root(const Integer& n, const Integer& d, int type);

#endif
