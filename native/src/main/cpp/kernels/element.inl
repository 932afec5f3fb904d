// Rounding an element to its type: RN_T, with every NaN the one NaN (x86 makes others by itself).

template <class T> static inline T rounded(double value);

template <> inline float rounded<float>(double value) {
  return value == value ? (float)value : __builtin_nanf("");
}

template <> inline double rounded<double>(double value) {
  return value == value ? value : __builtin_nan("");
}
