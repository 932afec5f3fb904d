// The slow truth: exact numbers ±digits · 2^exponent in school arithmetic, sharing nothing with the main sources, and
// what it means to be rounded once, said as an inequality.
#ifndef BATCHNORM_TEST_EXACT_H
#define BATCHNORM_TEST_EXACT_H

#include <math.h>
#include <stdint.h>

#include <algorithm>
#include <vector>

#include "check.h"

typedef std::vector<uint32_t> Digits;  // base 2^32, least first, no zeros on top

struct Exact {
  bool negative = false;
  Digits digits;
  int exponent = 0;

  Exact() {}

  Exact(double value) {
    int power;
    double fraction = frexp(value, &power);
    *this = Exact((int64_t)ldexp(fraction, 53));
    exponent = power - 53;
  }

  Exact(int64_t value) : negative(value < 0) {
    for (uint64_t rest = negative ? 0 - (uint64_t)value : value; rest != 0; rest >>= 32) {
      digits.push_back((uint32_t)rest);
    }
  }

  bool is_zero() const { return digits.empty(); }
  int sign() const { return is_zero() ? 0 : negative ? -1 : 1; }
};

inline void drop_zeros(Digits& a) {
  while (!a.empty() && a.back() == 0) a.pop_back();
}

inline int compare_digits(const Digits& a, const Digits& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

inline Digits add_digits(const Digits& a, const Digits& b) {
  Digits sum;
  uint64_t carry = 0;
  for (size_t i = 0; i < a.size() || i < b.size() || carry != 0; i++) {
    carry += (uint64_t)(i < a.size() ? a[i] : 0) + (i < b.size() ? b[i] : 0);
    sum.push_back((uint32_t)carry);
    carry >>= 32;
  }
  return sum;
}

// a − b, where a is not the smaller one.
inline Digits subtract_digits(const Digits& a, const Digits& b) {
  Digits difference;
  int64_t borrow = 0;
  for (size_t i = 0; i < a.size(); i++) {
    int64_t digit = (int64_t)a[i] - (i < b.size() ? b[i] : 0) - borrow;
    borrow = digit < 0;
    difference.push_back((uint32_t)(digit + (borrow << 32)));
  }
  drop_zeros(difference);
  return difference;
}

inline Digits multiply_digits(const Digits& a, const Digits& b) {
  Digits product(a.size() + b.size());
  for (size_t i = 0; i < a.size(); i++) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.size() || carry != 0; j++) {
      carry += (uint64_t)a[i] * (j < b.size() ? b[j] : 0) + product[i + j];
      product[i + j] = (uint32_t)carry;
      carry >>= 32;
    }
  }
  drop_zeros(product);
  return product;
}

// In units of 2^exponent, which is not above the number's own.
inline Digits in_units(const Exact& a, int exponent) {
  int shift = a.exponent - exponent;
  Digits shifted(shift / 32);
  shifted.insert(shifted.end(), a.digits.begin(), a.digits.end());
  return multiply_digits(shifted, Digits{(uint32_t)1 << shift % 32});
}

inline Exact operator-(Exact a) {
  a.negative = !a.negative;
  return a;
}

inline Exact operator+(const Exact& a, const Exact& b) {
  if (a.is_zero()) return b;
  if (b.is_zero()) return a;
  Exact sum;
  sum.exponent = std::min(a.exponent, b.exponent);
  Digits u = in_units(a, sum.exponent), v = in_units(b, sum.exponent);
  bool swap = compare_digits(u, v) < 0;
  sum.negative = swap ? b.negative : a.negative;
  sum.digits = a.negative == b.negative ? add_digits(u, v) : swap ? subtract_digits(v, u) : subtract_digits(u, v);
  return sum;
}

inline Exact operator-(const Exact& a, const Exact& b) { return a + -b; }

inline Exact operator*(const Exact& a, const Exact& b) {
  Exact product;
  product.negative = a.negative != b.negative;
  product.digits = multiply_digits(a.digits, b.digits);
  product.exponent = a.exponent + b.exponent;
  return product;
}

inline int compare(const Exact& a, const Exact& b) { return (a - b).sign(); }

inline Exact magnitude(Exact a) {
  a.negative = false;
  return a;
}

inline Exact power_of_two(int exponent) {
  Exact result((int64_t)1);
  result.exponent = exponent;
  return result;
}

// Two's complement, least limb first, in units of 2^lowest.
inline Exact exact_of_limbs(const uint64_t* limbs, int count, int lowest) {
  Exact result;
  for (int i = 0; i < count; i++) {
    result.digits.push_back((uint32_t)limbs[i]);
    result.digits.push_back((uint32_t)(limbs[i] >> 32));
  }
  drop_zeros(result.digits);
  if (limbs[count - 1] >> 63 != 0) result = result - power_of_two(64 * count);
  result.exponent += lowest;
  return result;
}

inline std::string shown(const Exact& a) {
  std::ostringstream out;
  out << (a.negative ? "-0x" : "0x") << std::hex;
  for (size_t i = a.digits.size(); i-- > 0;) {
    out.width(i + 1 == a.digits.size() ? 0 : 8);
    out.fill('0');
    out << a.digits[i];
  }
  out << std::dec << "p" << a.exponent;
  return out.str();
}

enum Quantity { RATIO, RATIO_TO_ROOT };

// Whether r = RN_T(n/d) or RN_T(n/√d): no neighbour is nearer, and at a midpoint r is the even one. T is binary32
// or 64.
inline bool is_rounded(const Exact& n, const Exact& d, Quantity quantity, bool binary32, double r) {
  if (n.is_zero()) return bits_of(r) == 0;
  if (r != r || (r < 0 || bits_of(r) >> 63 != 0) != (n.negative != d.negative)) return false;
  r = fabs(r);
  if (binary32 && (double)(float)r != r) return false;
  double infinity = HUGE_VAL;
  auto exact = [&](double value) { return value == infinity ? power_of_two(binary32 ? 128 : 1024) : Exact(value); };
  double below = binary32 ? (double)nextafterf((float)r, 0) : nextafter(r, 0);
  double above = binary32 ? (double)nextafterf((float)r, (float)infinity) : nextafter(r, infinity);
  bool even = ((binary32 ? bits_of((float)r) : bits_of(r)) & 1) == 0;
  // The sign of |n/d| − (u + v)/2.
  auto side_of_middle = [&](double u, double v) {
    Exact middle = (exact(u) + exact(v)) * power_of_two(-1), a = magnitude(n), b = magnitude(d);
    return quantity == RATIO ? compare(a, middle * b) : compare(a * a, middle * middle * b);
  };
  int lower = r == 0 ? 1 : side_of_middle(below, r), upper = r == infinity ? -1 : side_of_middle(r, above);
  return (lower > 0 || (lower == 0 && even)) && (upper < 0 || (upper == 0 && even));
}

inline void check_rounded(const char* file, int line, const char* expression, const Exact& n, const Exact& d,
                          Quantity quantity, bool binary32, double found) {
  if (is_rounded(n, d, quantity, binary32, found)) return;
  fail(file, line,
       std::string(expression) + ": " + shown(found) + " is not the rounded value of " + shown(n) + " over " +
           (quantity == RATIO ? "" : "the root of ") + shown(d));
}

#define CHECK_ROUNDED(n, d, quantity, binary32, found) \
  check_rounded(__FILE__, __LINE__, #found, n, d, quantity, binary32, found)

// A finite binary64 with a random significand: sometimes short, all ones or a power of two.
inline double random_double(Random& random, int lowest_exponent, int highest_exponent, int precision = 53) {
  uint64_t significand = random.bits() >> (64 - precision) | (uint64_t)1 << (precision - 1);
  switch (random.below(6)) {
    case 0:
      significand = ((uint64_t)1 << precision) - 1;
      break;
    case 1:
      significand = (uint64_t)1 << (precision - 1);
      break;
    case 2:
      significand &= ~(uint64_t)0 << random.below(precision);
      break;
    case 3:
      significand = ((uint64_t)1 << (precision - 1)) + 1;
      break;
    default:
      break;
  }
  int exponent = random.between(lowest_exponent, highest_exponent);
  double value = ldexp((double)significand, exponent - (precision - 1));
  return random.one_in(2) ? -value : value;
}

#endif
