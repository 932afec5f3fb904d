// The speed of memory: what a pass that does nothing but move its bytes takes, on a number of threads, in seconds.
// Loads and stores are AVX; stores are non-temporal. Threads are not pinned, as those of the engines are not.
#pragma once

#include <immintrin.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace floors {

constexpr int64_t step = 64;  // bytes a loop takes at once; arrays are cut at multiples of it, and the rest is left out

// Runs part(from, to) on the threads, which share the bytes evenly; their start is not counted.
template <class Part>
double seconds(int threads, int64_t bytes, Part part) {
  using clock = std::chrono::steady_clock;
  std::atomic<int> waiting{0}, working{threads - 1};
  std::atomic<bool> go{false};
  auto at = [&](int thread) { return bytes / step * thread / threads * step; };
  std::vector<std::thread> helpers;
  for (int t = 1; t < threads; t++) {
    helpers.emplace_back([&, t] {
      waiting++;
      while (!go) _mm_pause();
      part(at(t), at(t + 1));
      working--;
    });
  }
  while (waiting < threads - 1) _mm_pause();
  clock::time_point start = clock::now();
  go = true;
  part(at(0), at(1));
  while (working > 0) _mm_pause();
  double elapsed = std::chrono::duration<double>(clock::now() - start).count();
  for (std::thread& helper : helpers) helper.join();
  return elapsed;
}

__attribute__((target("avx"))) inline void read_part(const char* x, int64_t from, int64_t to) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0;
  for (int64_t i = from; i < to; i += step) {
    s0 = _mm256_xor_ps(s0, _mm256_loadu_ps(reinterpret_cast<const float*>(x + i)));
    s1 = _mm256_xor_ps(s1, _mm256_loadu_ps(reinterpret_cast<const float*>(x + i + 32)));
  }
  volatile float keep = _mm256_cvtss_f32(_mm256_xor_ps(s0, s1));
  (void)keep;
}

__attribute__((target("avx"))) inline void copy_part(const char* x, char* y, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; i += step) {
    __m256 x0 = _mm256_loadu_ps(reinterpret_cast<const float*>(x + i));
    __m256 x1 = _mm256_loadu_ps(reinterpret_cast<const float*>(x + i + 32));
    _mm256_stream_ps(reinterpret_cast<float*>(y + i), x0);
    _mm256_stream_ps(reinterpret_cast<float*>(y + i + 32), x1);
  }
  _mm_sfence();
}

__attribute__((target("avx"))) inline void triad_part(
    const char* dy, const char* x, char* dx, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; i += step) {
    __m256 dy0 = _mm256_loadu_ps(reinterpret_cast<const float*>(dy + i));
    __m256 dy1 = _mm256_loadu_ps(reinterpret_cast<const float*>(dy + i + 32));
    __m256 x0 = _mm256_loadu_ps(reinterpret_cast<const float*>(x + i));
    __m256 x1 = _mm256_loadu_ps(reinterpret_cast<const float*>(x + i + 32));
    _mm256_stream_ps(reinterpret_cast<float*>(dx + i), _mm256_xor_ps(dy0, x0));
    _mm256_stream_ps(reinterpret_cast<float*>(dx + i + 32), _mm256_xor_ps(dy1, x1));
  }
  _mm_sfence();
}

}  // namespace floors

inline double floor_read(int threads, int64_t bytes, const char* x) {
  return floors::seconds(threads, bytes, [=](int64_t from, int64_t to) { floors::read_part(x, from, to); });
}

// y begins at a multiple of 32 bytes.
inline double floor_copy(int threads, int64_t bytes, const char* x, char* y) {
  return floors::seconds(threads, bytes, [=](int64_t from, int64_t to) { floors::copy_part(x, y, from, to); });
}

// dx begins at a multiple of 32 bytes.
inline double floor_triad(int threads, int64_t bytes, const char* dy, const char* x, char* dx) {
  return floors::seconds(threads, bytes, [=](int64_t from, int64_t to) { floors::triad_part(dy, x, dx, from, to); });
}
