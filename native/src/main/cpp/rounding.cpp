#include "rounding.h"

#include <math.h>

#include "batchnorm.h"
#include "fixed_point.h"

namespace {

// A positive number (bits + r) · 2^exponent, 0 ≤ r < 1, where r is not 0 exactly if inexact.
struct Truncated {
  bn_u128 bits;
  int exponent;
  bool inexact;
};

int length(bn_u128 value) {
  uint64_t high = (uint64_t)(value >> 64), low = (uint64_t)value;
  return high != 0 ? 128 - __builtin_clzll(high) : low != 0 ? 64 - __builtin_clzll(low) : 0;
}

double rounded(const Truncated& number, bool negative, int type) {
  int precision = type == BN_F32 ? 24 : 53, lowest = type == BN_F32 ? -149 : -1074;
  int bits = length(number.bits), dropped = bits - precision;
  if (dropped < lowest - number.exponent) dropped = lowest - number.exponent;
  double result = 0;
  if (dropped <= bits) {
    bn_u128 half = (bn_u128)1 << (dropped - 1);
    bn_u128 rest = number.bits & (half - 1);
    uint64_t kept = dropped < 128 ? (uint64_t)(number.bits >> dropped) : 0;
    if ((number.bits & half) != 0 && (rest != 0 || number.inexact || (kept & 1) != 0)) kept++;
    result = ldexp((double)kept, number.exponent + dropped);
    if (type == BN_F32) result = (float)result;
  }
  return negative ? -result : result;
}

// |n / d| to `bits` or up to two more bits, at most 127 (Knuth, The Art of Computer Programming 2, 4.3.1, Algorithm D).
// The exponent of the result is even if even_exponent asks for it.
Truncated quotient(const Integer& n, const Integer& d, int bits, bool even_exponent) {
  int shift = bits + d.bits() - n.bits();
  int exponent = n.exponent - d.exponent - shift;
  if (even_exponent && (exponent & 1) != 0) {
    shift++;
    exponent--;
  }
  // The divisor's highest bit must be set; the same extra shift goes to the dividend.
  int normal = __builtin_clzll(d.limbs[d.count - 1]);
  uint64_t u[Integer::MOST + 4], v[Integer::MOST + 4];
  int u_count = shifted_limbs(n, (shift > 0 ? shift : 0) + normal, u);
  int v_count = shifted_limbs(d, (shift < 0 ? -shift : 0) + normal, v);
  // A shift of the divisor by other than whole limbs may unset its highest bit: normalise again.
  int again = __builtin_clzll(v[v_count - 1]);
  if (again > 0) {
    for (int i = v_count - 1; i >= 0; i--) v[i] = v[i] << again | (i > 0 ? v[i - 1] >> (64 - again) : 0);
    uint64_t top = u[u_count - 1] >> (64 - again);
    for (int i = u_count - 1; i >= 0; i--) u[i] = u[i] << again | (i > 0 ? u[i - 1] >> (64 - again) : 0);
    if (top != 0) u[u_count++] = top;
  }
  u[u_count] = 0;
  bn_u128 q = 0;
  for (int j = u_count - v_count; j >= 0; j--) {
    bn_u128 top = (bn_u128)u[j + v_count] << 64 | u[j + v_count - 1];
    bn_u128 digit = u[j + v_count] >= v[v_count - 1] ? ~(uint64_t)0 : top / v[v_count - 1];
    uint64_t estimate = (uint64_t)digit;
    // Multiply and subtract; the estimate is at most two too large when the divisor is normalised.
    uint64_t borrow = 0, carry = 0;
    for (int i = 0; i < v_count; i++) {
      bn_u128 product = (bn_u128)estimate * v[i] + carry;
      carry = (uint64_t)(product >> 64);
      bn_u128 difference = (bn_u128)u[i + j] - (uint64_t)product - borrow;
      u[i + j] = (uint64_t)difference;
      borrow = (uint64_t)(difference >> 64) & 1;
    }
    bn_u128 difference = (bn_u128)u[j + v_count] - carry - borrow;
    u[j + v_count] = (uint64_t)difference;
    borrow = (uint64_t)(difference >> 64) & 1;
    while (borrow != 0) {
      estimate--;
      uint64_t back = 0;
      for (int i = 0; i < v_count; i++) {
        bn_u128 s = (bn_u128)u[i + j] + v[i] + back;
        u[i + j] = (uint64_t)s;
        back = (uint64_t)(s >> 64);
      }
      bn_u128 s = (bn_u128)u[j + v_count] + back;
      u[j + v_count] = (uint64_t)s;
      borrow -= (uint64_t)(s >> 64);
    }
    q = q << 64 | estimate;
  }
  bool inexact = false;
  for (int i = 0; i < v_count; i++) inexact |= u[i] != 0;
  return Truncated{q, exponent, inexact};
}

// ⌊√value⌋ for value < 2^127.
uint64_t floor_of_root(bn_u128 value) {
  if (value == 0) return 0;
  double estimate = sqrt((double)value);
  uint64_t root = (uint64_t)estimate;
  root = (uint64_t)(((bn_u128)root + value / root) / 2);  // one Newton step from 53 bits to all
  while ((bn_u128)root * root > value) root--;
  while ((bn_u128)(root + 1) * (root + 1) <= value) root++;
  return root;
}

}  // namespace

double ratio(const Integer& n, const Integer& d, int type) {
  if (n.is_zero()) return 0;
  return rounded(quotient(n, d, 64, false), n.negative != d.negative, type);
}

double ratio_to_root(const Integer& n, const Integer& d, int type) {
  if (n.is_zero()) return 0;
  Truncated square = quotient(times(n, n), d, 124, true);
  uint64_t root = floor_of_root(square.bits);
  bool inexact = square.inexact || (bn_u128)root * root != square.bits;
  return rounded(Truncated{root, square.exponent / 2, inexact}, n.negative, type);
}
