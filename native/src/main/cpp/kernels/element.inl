// What an element is in memory and in arithmetic: f16 is widened to binary32, exactly, where it is loaded. RN_T rounds
// it to its type, once from binary64, with every NaN the one NaN (x86 makes others by itself).

// A binary16 by its bits: 1 of sign, 5 of exponent (bias 15), 10 of fraction.
struct Half {
  uint16_t bits;
};

static inline float widened(float value) { return value; }
static inline double widened(double value) { return value; }

static inline float widened(Half value) {
  uint32_t size = (uint32_t)(value.bits & 0x7fff) << 13;  // 13 = 23 − 10 bits of fraction
  uint32_t normal = size + ((127 - 15) << 23), special = normal + ((127 - 15) << 23), bits = size + ((127 - 14) << 23);
  float subnormal;
  memcpy(&subnormal, &bits, sizeof bits);
  subnormal -= 0x1p-14f;  // 2^-14·(1 + fraction) − 2^-14, exactly
  memcpy(&bits, &subnormal, sizeof bits);
  bits = size < (uint32_t)1 << 23 ? bits : size < (uint32_t)31 << 23 ? normal : special;
  bits |= (uint32_t)(value.bits & 0x8000) << 16;
  float result;
  memcpy(&result, &bits, sizeof bits);
  return result;
}

// The type in which arithmetic sees a T.
template <class T> using Wide = decltype(widened(T()));

template <class T> static inline T rounded(double value);

template <> inline float rounded<float>(double value) {
  return value == value ? (float)value : __builtin_nanf("");
}

template <> inline double rounded<double>(double value) {
  return value == value ? value : __builtin_nan("");
}

// With 2^e the power of two below |value|, but at least 2^-14, |value| + 2^(e+42) has its last bit at 2^(e−10), that of
// a binary16: the one addition rounds, and what it adds to the bits of 2^(e+42) is the significand. Inlined always, or
// the loops around it are not vectorised.
template <> inline __attribute__((always_inline)) Half rounded<Half>(double value) {
  double size = __builtin_fabs(value);
  size = size < 65536 ? size : 65536;  // rounds to infinity, as does what is from 65520 on
  double normal = size > 0x1p-14 ? size : 0x1p-14;
  uint64_t power, sum, bits;
  memcpy(&power, &normal, sizeof power);
  power = (power & (uint64_t)0x7ff << 52) + ((uint64_t)42 << 52);
  double shifter;
  memcpy(&shifter, &power, sizeof power);
  shifter += size;
  memcpy(&sum, &shifter, sizeof sum);
  memcpy(&bits, &value, sizeof bits);
  // The leading bit of a normal's significand counts as the one its exponent field lacks here.
  uint64_t result = (sum - power) + (power >> 42) - ((uint64_t)(1023 + 42 - 14) << 10);
  result |= bits >> 48 & 0x8000;
  return Half{(uint16_t)(value == value ? result : 0x7e00)};
}
