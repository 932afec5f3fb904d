// Checks that print what they expected, what they found, and the command that repeats the run. The first failure ends
// the run.
#ifndef BATCHNORM_TEST_CHECK_H
#define BATCHNORM_TEST_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sstream>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
const bool SANITIZED = true;
#else
const bool SANITIZED = false;
#endif

// How often a random case is repeated: less where every access is watched.
inline int scaled(int times) { return SANITIZED ? (times + 7) / 8 : times; }

// splitmix64 (Steele, Lea, Flood 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  // From 0 to bound − 1.
  int64_t below(int64_t bound) { return (int64_t)(bits() % (uint64_t)bound); }

  // From low to high, both included.
  int between(int low, int high) { return low + (int)below((int64_t)high - low + 1); }

  bool one_in(int n) { return below(n) == 0; }

  // In [0, 1).
  double uniform() { return (double)(bits() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

struct Run {
  const char* program = "";
  uint64_t seed = 1;
  std::string what;
};

inline Run& run() {
  static Run instance;
  return instance;
}

inline Random start(int argc, char** argv) {
  run().program = argv[0];
  if (argc > 1) run().seed = strtoull(argv[1], nullptr, 0);
  return Random(run().seed);
}

// Names the case at hand, for failures.
template <class... Parts>
void at_case(const Parts&... parts) {
  std::ostringstream out;
  out.precision(17);
  (out << ... << parts);
  run().what = out.str();
}

[[noreturn]] inline void fail(const char* file, int line, const std::string& message) {
  fprintf(stderr, "%s:%d: %s\n  in: %s\n  repeat: %s %llu\n", file, line, message.c_str(), run().what.c_str(),
          run().program, (unsigned long long)run().seed);
  exit(1);
}

inline uint64_t bits_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline uint64_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <class T>
std::string shown(const T& value) {
  std::ostringstream out;
  if constexpr (std::is_floating_point_v<T>) {
    out.precision(17);
    out << value << " (0x" << std::hex << bits_of(value) << ")";
  } else {
    out << value;
  }
  return out.str();
}

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    return bits_of(a) == bits_of(b);  // −0 is not 0, and a NaN is itself
  } else {
    return a == b;
  }
}

template <class T>
void check_equal(const char* file, int line, const char* expression, const T& expected, const T& found) {
  if (!same(expected, found)) {
    fail(file, line, std::string(expression) + ": expected " + shown(expected) + ", found " + shown(found));
  }
}

// Compares arrays and names the first element that differs.
template <class T>
void check_all_equal(const char* file, int line, const char* expression, const T* expected, const T* found, size_t n) {
  if (n == 0 || memcmp(expected, found, n * sizeof(T)) == 0) return;
  for (size_t i = 0; i < n; i++) {
    if (!same(expected[i], found[i])) {
      fail(file, line,
           std::string(expression) + "[" + std::to_string(i) + "]: expected " + shown(expected[i]) + ", found " +
               shown(found[i]));
    }
  }
}

#define CHECK_EQUAL(expected, found) \
  check_equal<std::decay_t<decltype(found)>>(__FILE__, __LINE__, #found, expected, found)
#define CHECK_ALL_EQUAL(expected, found, n) check_all_equal(__FILE__, __LINE__, #found, expected, found, n)
#define CHECK(condition) \
  if (!(condition)) fail(__FILE__, __LINE__, #condition)

#endif
