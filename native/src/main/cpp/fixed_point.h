// Exact sums as fixed-point integers: two's complement, 64-bit limbs, least first (batchnorm.h names the formats).
// Only static functions: every instruction set compiles its own copy.
#ifndef BATCHNORM_FIXED_POINT_H
#define BATCHNORM_FIXED_POINT_H

#include <stdint.h>
#include <string.h>

#include "batchnorm.h"

typedef unsigned __int128 bn_u128;

struct FixedPoint {
  int lowest;
  int limbs;
  int terms;
};

static inline FixedPoint linear_format(int type) {
  return type == BN_F64 ? FixedPoint{BN_F64_LOWEST, BN_F64_LIMBS, BN_F64_TERMS}
                        : FixedPoint{BN_F32_LOWEST, BN_F32_LIMBS, BN_F32_TERMS};
}

static inline FixedPoint product_format(int type_a, int type_b) {
  return type_a == BN_F64 || type_b == BN_F64
             ? FixedPoint{BN_F64_PRODUCT_LOWEST, BN_F64_PRODUCT_LIMBS, BN_F64_PRODUCT_TERMS}
             : FixedPoint{BN_F32_PRODUCT_LOWEST, BN_F32_PRODUCT_LIMBS, BN_F32_PRODUCT_TERMS};
}

// The significand and exponent of a finite binary64: |value| = significand · 2^exponent.
static inline uint64_t significand_of(double value, int* exponent, bool* negative) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  int field = (int)(bits >> 52) & 0x7ff;
  uint64_t fraction = bits & 0xfffffffffffffULL;
  *negative = (bits >> 63) != 0;
  *exponent = (field == 0 ? 1 : field) - 1075;
  return field == 0 ? fraction : fraction | 0x10000000000000ULL;
}

// Adds ±(words[0] + 2^64·words[1] + 2^128·words[2]) · 2^(64·first) and lets the carry run.
static inline void fixed_add_words(uint64_t* limbs, int count, int first, const uint64_t words[3], bool negative) {
  uint64_t flip = negative ? ~(uint64_t)0 : 0;
  unsigned carry = negative;  // −w = ~w + 1
  int i = first;
  for (int k = 0; k < 3 && i < count; k++, i++) {
    bn_u128 sum = (bn_u128)limbs[i] + (words[k] ^ flip) + carry;
    limbs[i] = (uint64_t)sum;
    carry = (unsigned)(sum >> 64);
  }
  // Above the words stand zeros (flipped: ones), which change nothing once they meet the carry that undoes them.
  for (; i < count && carry != (unsigned)negative; i++) {
    bn_u128 sum = (bn_u128)limbs[i] + flip + carry;
    limbs[i] = (uint64_t)sum;
    carry = (unsigned)(sum >> 64);
  }
}

// Adds significand · 2^exponent, where bits below the format's lowest are known to be zero.
static inline void fixed_add_shifted(uint64_t* limbs, FixedPoint format, bn_u128 significand, int exponent,
                                     bool negative) {
  int position = exponent - format.lowest;
  if (position < 0) {
    significand >>= -position;
    position = 0;
  }
  int shift = position & 63;
  uint64_t low = (uint64_t)significand, high = (uint64_t)(significand >> 64);
  uint64_t words[3] = {low << shift, high << shift, 0};
  if (shift != 0) {
    words[1] |= low >> (64 - shift);
    words[2] = high >> (64 - shift);
  }
  fixed_add_words(limbs, format.limbs, position >> 6, words, negative);
}

// Adds a finite value.
static inline void fixed_add(uint64_t* limbs, FixedPoint format, double value) {
  int exponent;
  bool negative;
  uint64_t significand = significand_of(value, &exponent, &negative);
  if (significand != 0) {
    fixed_add_shifted(limbs, format, significand, exponent, negative);
  }
}

// Adds the exact product of two finite values.
static inline void fixed_add_product(uint64_t* limbs, FixedPoint format, double a, double b) {
  int exponent_a, exponent_b;
  bool negative_a, negative_b;
  bn_u128 product = (bn_u128)significand_of(a, &exponent_a, &negative_a) *
                    significand_of(b, &exponent_b, &negative_b);
  if (product != 0) {
    fixed_add_shifted(limbs, format, product, exponent_a + exponent_b, negative_a != negative_b);
  }
}

// Adds another sum of the same format.
static inline void fixed_merge(uint64_t* limbs, const uint64_t* other, int count) {
  unsigned carry = 0;
  for (int i = 0; i < count; i++) {
    bn_u128 sum = (bn_u128)limbs[i] + other[i] + carry;
    limbs[i] = (uint64_t)sum;
    carry = (unsigned)(sum >> 64);
  }
}

#endif
