#include "integer.h"

#include <assert.h>
#include <string.h>

#include "fixed_point.h"

namespace {

void trim(Integer& a) {
  while (a.count > 0 && a.limbs[a.count - 1] == 0) a.count--;
  int zeros = 0;
  while (zeros < a.count && a.limbs[zeros] == 0) zeros++;
  if (zeros > 0) {
    memmove(a.limbs, a.limbs + zeros, sizeof(uint64_t) * (a.count - zeros));
    a.count -= zeros;
    a.exponent += 64 * zeros;
  }
}

Integer sum(const Integer& a, const Integer& b, bool negate_b) {
  bool b_negative = b.negative != negate_b;
  if (b.is_zero()) return a;
  if (a.is_zero()) {
    Integer result = b;
    result.negative = b_negative;
    return result;
  }
  Integer result;
  result.exponent = a.exponent < b.exponent ? a.exponent : b.exponent;
  uint64_t other[Integer::MOST];
  int count = shifted_limbs(a, a.exponent - result.exponent, result.limbs);
  int other_count = shifted_limbs(b, b.exponent - result.exponent, other);
  for (; count < other_count; count++) result.limbs[count] = 0;
  for (; other_count < count; other_count++) other[other_count] = 0;
  result.negative = a.negative;
  uint64_t carry = 0;
  if (a.negative == b_negative) {
    for (int i = 0; i < count; i++) {
      bn_u128 s = (bn_u128)result.limbs[i] + other[i] + carry;
      result.limbs[i] = (uint64_t)s;
      carry = (uint64_t)(s >> 64);
    }
    if (carry != 0) result.limbs[count++] = carry;
  } else {
    for (int i = 0; i < count; i++) {
      bn_u128 s = (bn_u128)result.limbs[i] - other[i] - carry;
      result.limbs[i] = (uint64_t)s;
      carry = (uint64_t)(s >> 64) & 1;
    }
    if (carry != 0) {  // b was larger: take the complement and the other sign
      result.negative = !result.negative;
      for (int i = 0; i < count; i++) {
        result.limbs[i] = ~result.limbs[i] + carry;
        carry = carry != 0 && result.limbs[i] == 0;
      }
    }
  }
  result.count = count;
  trim(result);
  return result;
}

}  // namespace

int shifted_limbs(const Integer& a, int shift, uint64_t* limbs) {
  int whole = shift / 64, bits = shift % 64;
  memset(limbs, 0, sizeof(uint64_t) * whole);
  uint64_t carried = 0;
  for (int i = 0; i < a.count; i++) {
    limbs[whole + i] = a.limbs[i] << bits | carried;
    carried = bits == 0 ? 0 : a.limbs[i] >> (64 - bits);
  }
  int count = whole + a.count;
  if (carried != 0) limbs[count++] = carried;
  return count;
}

Integer Integer::of(uint64_t value) {
  Integer result;
  result.limbs[0] = value;
  result.count = value != 0;
  return result;
}

Integer Integer::of(double finite) {
  Integer result;
  result.limbs[0] = significand_of(finite, &result.exponent, &result.negative);
  result.count = result.limbs[0] != 0;
  return result;
}

Integer Integer::of(const uint64_t* twos_complement, int limbs, int lowest) {
  Integer result;
  result.negative = twos_complement[limbs - 1] >> 63 != 0;
  uint64_t flip = result.negative ? ~(uint64_t)0 : 0, carry = result.negative;
  for (int i = 0; i < limbs; i++) {
    result.limbs[i] = (twos_complement[i] ^ flip) + carry;
    carry = carry != 0 && result.limbs[i] == 0;
  }
  result.count = limbs;
  result.exponent = lowest;
  trim(result);
  return result;
}

int Integer::bits() const { return count == 0 ? 0 : 64 * count - __builtin_clzll(limbs[count - 1]); }

Integer plus(const Integer& a, const Integer& b) { return sum(a, b, false); }

Integer minus(const Integer& a, const Integer& b) { return sum(a, b, true); }

Integer times(const Integer& a, const Integer& b) {
  Integer result;
  if (a.is_zero() || b.is_zero()) return result;
  result.negative = a.negative != b.negative;
  result.exponent = a.exponent + b.exponent;
  result.count = a.count + b.count;
  assert(result.count <= Integer::MOST);
  memset(result.limbs, 0, sizeof(uint64_t) * result.count);
  for (int i = 0; i < a.count; i++) {
    uint64_t carry = 0;
    for (int j = 0; j < b.count; j++) {
      bn_u128 s = (bn_u128)a.limbs[i] * b.limbs[j] + result.limbs[i + j] + carry;
      result.limbs[i + j] = (uint64_t)s;
      carry = (uint64_t)(s >> 64);
    }
    result.limbs[i + b.count] = carry;
  }
  trim(result);
  return result;
}
