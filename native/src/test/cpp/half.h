// Binary16 by its definition: a list of all its numbers, and of two neighbours the nearer one.
#ifndef BATCHNORM_TEST_HALF_H
#define BATCHNORM_TEST_HALF_H

#include <math.h>

#include <algorithm>

#include "batchnorm.h"
#include "check.h"

const int HALF_INFINITY = 0x7c00, HALF_NAN = 0x7e00;

// The numbers of bits 0 to 0x7c00, where infinity stands for 2^16.
inline const std::vector<double>& half_numbers() {
  static const std::vector<double> numbers = [] {
    std::vector<double> result;
    for (int k = 0; k < 1024; k++) result.push_back(ldexp(k, -24));
    for (int e = -14; e <= 15; e++) {
      for (int k = 0; k < 1024; k++) result.push_back(ldexp(1024 + k, e - 10));
    }
    result.push_back(65536);
    return result;
  }();
  return numbers;
}

struct Half {
  uint16_t bits = 0;

  Half() {}

  // The nearest number, of two the one with even bits; every NaN is 0x7e00.
  explicit Half(double value) {
    const std::vector<double>& numbers = half_numbers();
    if (value != value) {
      bits = HALF_NAN;
      return;
    }
    double size = fabs(value);
    int above = (int)(std::lower_bound(numbers.begin(), numbers.end(), size) - numbers.begin());
    int found = above;
    if (above > HALF_INFINITY) {
      found = HALF_INFINITY;
    } else if (above > 0) {
      double middle = (numbers[above - 1] + numbers[above]) / 2;
      if (size < middle || (size == middle && above % 2 != 0)) found = above - 1;
    }
    bits = (uint16_t)(found | (signbit(value) ? 0x8000 : 0));
  }

  static Half of_bits(int bits) {
    Half half;
    half.bits = (uint16_t)bits;
    return half;
  }

  operator double() const {
    int size = bits & 0x7fff;
    double value = size > HALF_INFINITY ? __builtin_nan("") : size == HALF_INFINITY ? HUGE_VAL : half_numbers()[size];
    return bits > 0x7fff && value == value ? -value : value;
  }
};

inline std::string shown(const Half& value) {
  std::ostringstream out;
  out.precision(17);
  out << (double)value << " (0x" << std::hex << value.bits << ")";
  return out.str();
}

inline bool same(const Half& a, const Half& b) { return a.bits == b.bits; }

// What a type is: its number in batchnorm.h, bits of its significand, exponents of its smallest and largest number.
template <class T>
constexpr int TYPE = sizeof(T) == 2 ? BN_F16 : sizeof(T) == 4 ? BN_F32 : BN_F64;
template <class T>
constexpr int PRECISION = sizeof(T) == 2 ? 11 : sizeof(T) == 4 ? 24 : 53;
template <class T>
constexpr int LOWEST = sizeof(T) == 2 ? -24 : sizeof(T) == 4 ? -149 : -1074;
template <class T>
constexpr int HIGHEST = sizeof(T) == 2 ? 15 : sizeof(T) == 4 ? 127 : 1023;

#endif
