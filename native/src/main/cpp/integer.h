// Exact numbers ±limbs · 2^exponent of up to MOST limbs, as the formulas per channel need them: small when the data are
// tame (zero limbs at either end are dropped), never more than (m·Σdy·x)² of binary64 sums.
#ifndef BATCHNORM_INTEGER_H
#define BATCHNORM_INTEGER_H

#include <stdint.h>

struct Integer {
  // (m·B)² is the largest: (63 + 4260 bits)², shifted by less than 130 bits for a quotient.
  enum { MOST = 144 };

  bool negative = false;
  int count = 0;  // 0 is the number 0; else the highest and lowest limbs are not 0
  int exponent = 0;
  uint64_t limbs[MOST];

  static Integer of(uint64_t value);
  static Integer of(double finite);

  // An integer in two's complement, least limb first, in units of 2^lowest.
  static Integer of(const uint64_t* twos_complement, int limbs, int lowest);

  bool is_zero() const { return count == 0; }

  // Bits from the highest one down to the unit 2^exponent.
  int bits() const;
};

// a's limbs shifted left by `shift` bits, at least 0. Returns how many; needs room for shift / 64 + 1 more than a has.
int shifted_limbs(const Integer& a, int shift, uint64_t* limbs);

Integer plus(const Integer& a, const Integer& b);
Integer minus(const Integer& a, const Integer& b);
Integer times(const Integer& a, const Integer& b);

#endif
