// The C ABI: the same bits on any number of threads and for every cut, for calls that overlap, and whatever the
// caller's floating-point environment is, which comes back as it was.
#include <cmath>
#include <functional>
#include <thread>

#include "data.h"
#include "instruction_sets.h"
#include "sums.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace {

std::string shown(const bn_view& v) {
  return std::to_string(v.outer) + "x" + std::to_string(v.channels) + "x" + std::to_string(v.inner);
}

// All that the passes over one chunk give.
template <class DY, class X, class R>
struct Outputs {
  Sums sums, gradients;
  std::vector<R> y, dx, frozen_dx;

  explicit Outputs(bn_view v)
      : sums(v.channels, TYPE<X>, TYPE<X>),
        gradients(v.channels, TYPE<DY>, TYPE<X>),
        y(v.outer * v.channels * v.inner, (R)42.0),
        dx(y),
        frozen_dx(y) {
    sums.prefill(3);
    gradients.prefill(4);
  }
};

template <class DY, class X, class R>
struct Chunk {
  bn_view view;
  std::vector<DY> dy;
  std::vector<X> x;
  std::vector<double> p[8];

  Chunk(Random& random, bn_view v, int kind) : view(v) {
    int64_t n = v.outer * v.channels * v.inner;
    dy = values_of<DY>(random, kind, n);
    x = values_of<X>(random, kind, n);
    for (std::vector<double>& values : p) values = values_of<double>(random, PLAIN, v.channels);
  }

  void run(bn_how how, Outputs<DY, X, R>& out) const {
    bn_add_statistics(how, view, TYPE<X>, x.data(), out.sums.view());
    bn_add_gradient_sums(how, view, TYPE<DY>, dy.data(), TYPE<X>, x.data(), out.gradients.view());
    bn_normalise(how, view, TYPE<X>, x.data(), p[0].data(), p[1].data(), p[2].data(), p[3].data(), TYPE<R>,
                 out.y.data());
    bn_input_gradient(how, view, TYPE<DY>, dy.data(), TYPE<X>, x.data(), p[0].data(), p[1].data(), p[2].data(),
                      p[4].data(), p[5].data(), p[6].data(), TYPE<R>, out.dx.data());
    bn_frozen_input_gradient(how, view, TYPE<DY>, dy.data(), p[2].data(), TYPE<R>, out.frozen_dx.data());
  }

  // The slow truth.
  Outputs<DY, X, R> expected() const {
    Outputs<DY, X, R> out(view);
    auto rounded = [](double value) { return (R)(value != value ? __builtin_nan("") : value); };
    int64_t at = 0;
    for (int64_t o = 0; o < view.outer; o++) {
      for (int64_t c = 0; c < view.channels; c++) {
        for (int64_t i = 0; i < view.inner; i++, at++) {
          out.sums.add(c, x[at], x[at], true);
          out.gradients.add(c, dy[at], x[at], false);
          double d = ((double)x[at] - p[0][c]) - p[1][c], t = ((double)dy[at] - p[4][c]) - p[5][c];
          out.y[at] = rounded(std::fma(d, p[2][c], p[3][c]));
          out.dx[at] = rounded(p[2][c] * std::fma(-d, p[6][c], t));
          out.frozen_dx[at] = rounded(p[2][c] * (double)dy[at]);
        }
      }
    }
    return out;
  }
};

template <class DY, class X, class R>
void check_outputs(const Outputs<DY, X, R>& expected, const Outputs<DY, X, R>& found) {
  CHECK_SUMS(expected.sums, found.sums);
  CHECK_SUMS(expected.gradients, found.gradients);
  CHECK_ALL_EQUAL(expected.y.data(), found.y.data(), found.y.size());
  CHECK_ALL_EQUAL(expected.dx.data(), found.dx.data(), found.dx.size());
  CHECK_ALL_EQUAL(expected.frozen_dx.data(), found.frozen_dx.data(), found.frozen_dx.size());
}

template <class DY, class X, class R>
void check_threads(Random& random, bn_view view, int kind, const std::vector<int>& threads) {
  Chunk<DY, X, R> chunk(random, view, kind);
  Outputs<DY, X, R> expected = chunk.expected();
  for (const InstructionSet& set : instruction_sets()) {
    if (SANITIZED && &set != &instruction_sets().back()) continue;  // kernels_test watches each of them
    for (int n : threads) {
      at_case("dy f", 8 * sizeof(DY), ", x f", 8 * sizeof(X), ", results f", 8 * sizeof(R), ", ", set.name, ", ", n,
              " threads, ", shown(view), ", ", name_of(kind));
      Outputs<DY, X, R> found(view);
      chunk.run({set.isa, n}, found);
      check_outputs(expected, found);
    }
  }
}

// 32768 values are a part: eight parts need 262144.
const bn_view CUTS[] = {
    {40000, 7, 1},   // rows, sums merged
    {64, 4099, 1},   // channels that need no merging
    {16, 9, 1900},   // channels of many inner values
    {3, 9, 9999},    // channels, for elements too
    {2, 3, 45001},   // inner values, on more threads than rows and channels
    {1, 1, 280001},  // inner values of one channel
    {9, 2, 15001},   // rows of many inner values
    {3000, 11, 8},   // rows of few inner values
    {8, 32768, 1},   // all rows, one each
    {1, 65537, 1},   // one row
    {1, 2, 32768},   // two parts exactly
    {1, 1, 65535},   // one part short of two
    {520, 4109, 1},  // long rows, beyond the caches on one thread: f32
    {260, 4109, 1},  // and f64
    {0, 5, 3},      {3, 0, 5}, {3, 5, 0}, {1, 1, 1},
};

void all_cuts(Random& random) {
  const std::vector<int> threads = SANITIZED ? std::vector<int>{1, 3, 8} : std::vector<int>{1, 2, 3, 8};
  int turn = 0;
  for (const bn_view& view : CUTS) {
    int kind = turn % KINDS;
    switch (turn++ % 6) {
      case 0:
        check_threads<float, float, float>(random, view, kind, threads);
        break;
      case 1:
        check_threads<double, double, double>(random, view, kind, threads);
        break;
      case 2:
        check_threads<float, double, float>(random, view, kind, threads);
        break;
      case 3:
        check_threads<Half, Half, Half>(random, view, kind, threads);
        break;
      case 4:
        check_threads<Half, float, Half>(random, view, kind, threads);
        break;
      default:
        check_threads<double, float, double>(random, view, kind, threads);
        break;
    }
  }
}

// More threads than rows and than channels, and parts of one inner value.
void many_threads(Random& random) { check_threads<float, float, float>(random, {129, 129, 257}, PLAIN, {130}); }

// Calls that overlap, each with helpers of its own.
void concurrent_calls(Random& random) {
  typedef Chunk<float, double, float> Task;
  std::vector<Task> tasks;
  std::vector<Outputs<float, double, float>> expected;
  for (const bn_view& view : {bn_view{16, 9, 700}, bn_view{20000, 5, 1}, bn_view{1, 1, 100001}, bn_view{2, 3, 11}}) {
    tasks.emplace_back(random, view, FAR_FROM_ZERO);
    expected.push_back(tasks.back().expected());
  }
  at_case("concurrent calls");
  const InstructionSet best = instruction_sets().back();
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < 2 * tasks.size(); caller++) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < scaled(16); round++) {
        size_t i = (caller + round) % tasks.size();
        Outputs<float, double, float> found(tasks[i].view);
        tasks[i].run({best.isa, 1 + (int)caller % 4}, found);
        check_outputs(expected[i], found);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

#if defined(__x86_64__)

struct Parameters {
  double values[11];
};

// Every pass per channel, on sums whose results are sensitive to rounding and flushing.
Parameters parameters_of(bn_how how, Sums& sums, Sums& gradients) {
  Parameters r;
  double* v = r.values;
  const double mean = 0x1.23456789abcdep-3, variance = 0x1.3p-1060;
  bn_parameters(how, 1, BN_F64, sums.view(), 0x1p-1074, v, v + 1, v + 2, v + 3);
  bn_unbiased_variance(how, 1, BN_F64, sums.view(), v + 4);
  bn_given_inverse_std(how, 1, &variance, 0x1p-1074, v + 5);
  bn_gradient_parameters(how, 1, BN_F64, BN_F64, gradients.view(), sums.view(), 0x1p-1074, BN_F32, v + 6, v + 7, v + 8,
                         v + 9, v + 10);
  double dgamma, dbeta;
  bn_frozen_gradient_parameters(how, 1, BN_F64, BN_F64, gradients.view(), &mean, &variance, 0x1p-1074, BN_F64, &dgamma,
                                &dbeta);
  if (bits_of(dgamma) != 0) v[10] = dgamma;
  return r;
}

// Rounding up, down, to zero; flush to zero with subnormals read as zero; no exception masked.
const unsigned MODES[] = {0x1f80, 0x5f80, 0x3f80, 0x7f80, 0x9fc0, 0xffc0, 0x0000, 0x1fbf};

// Returns what the processor keeps of it: under valgrind not every bit.
unsigned set_environment(unsigned mode) {
  _mm_setcsr(mode);
  return _mm_getcsr();
}

template <class DY, class X, class R>
void passes_in_environments(Random& random) {
  for (const bn_view& view : {bn_view{37, 5, 3}, bn_view{40000, 7, 1}, bn_view{1, 2, 140001}}) {
    for (int kind : {PLAIN, SUBNORMAL, EXTREMES, SPECIAL}) {
      Chunk<DY, X, R> chunk(random, view, kind);
      Outputs<DY, X, R> expected = chunk.expected();
      for (const InstructionSet& set : instruction_sets()) {
        for (unsigned mode : MODES) {
          if (SANITIZED && (mode != 0xffc0 || kind == PLAIN)) continue;
          int threads = view.outer == 37 ? 1 : 3;
          at_case("MXCSR ", mode, ", x f", 8 * sizeof(X), ", ", set.name, ", ", shown(view), ", ", name_of(kind));
          Outputs<DY, X, R> found(view);
          unsigned before = _mm_getcsr();
          unsigned kept = set_environment(mode);
          chunk.run({set.isa, threads}, found);
          unsigned after = _mm_getcsr();
          _mm_setcsr(before);
          CHECK_EQUAL(kept, after);
          check_outputs(expected, found);
        }
      }
    }
  }
}

void environments(Random& random) {
  passes_in_environments<double, float, float>(random);
  passes_in_environments<Half, Half, Half>(random);
  for (int round = 0; round < scaled(200); round++) {
    Sums sums(1, BN_F64, BN_F64), gradients(1, BN_F64, BN_F64);
    for (int i = 0; i < 3; i++) {
      double x = random_double(random, round % 2 == 0 ? -3 : -1040, round % 2 == 0 ? 3 : -1020),
             dy = random_double(random, -3, 3);
      sums.add(0, x, x, true);
      gradients.add(0, dy, x, false);
    }
    Parameters expected = parameters_of({BN_BASELINE, 1}, sums, gradients);
    for (unsigned mode : MODES) {
      at_case("MXCSR ", mode, ", parameters, round ", round);
      unsigned before = _mm_getcsr();
      unsigned kept = set_environment(mode);
      Parameters found = parameters_of({BN_BASELINE, 1}, sums, gradients);
      unsigned after = _mm_getcsr();
      _mm_setcsr(before);
      CHECK_EQUAL(kept, after);
      CHECK_ALL_EQUAL(expected.values, found.values, 11);
    }
  }
}

#else

void environments(Random&) { printf("skipped: floating-point environments, which need MXCSR\n"); }

#endif

void in_place(Random& random) {
  at_case("in place");
  bn_view view = {16, 9, 1900};
  Chunk<float, float, float> chunk(random, view, PLAIN);
  Outputs<float, float, float> expected = chunk.expected();
  for (const InstructionSet& set : instruction_sets()) {
    for (int threads : {1, 3}) {
      bn_how how = {set.isa, threads};
      const std::vector<double>* p = chunk.p;
      std::vector<float> y = chunk.x, dx = chunk.dy, dx_over_x = chunk.x, frozen = chunk.dy;
      bn_normalise(how, view, BN_F32, y.data(), p[0].data(), p[1].data(), p[2].data(), p[3].data(), BN_F32, y.data());
      CHECK_ALL_EQUAL(expected.y.data(), y.data(), y.size());
      bn_input_gradient(how, view, BN_F32, dx.data(), BN_F32, chunk.x.data(), p[0].data(), p[1].data(), p[2].data(),
                        p[4].data(), p[5].data(), p[6].data(), BN_F32, dx.data());
      CHECK_ALL_EQUAL(expected.dx.data(), dx.data(), dx.size());
      bn_input_gradient(how, view, BN_F32, chunk.dy.data(), BN_F32, dx_over_x.data(), p[0].data(), p[1].data(),
                        p[2].data(), p[4].data(), p[5].data(), p[6].data(), BN_F32, dx_over_x.data());
      CHECK_ALL_EQUAL(expected.dx.data(), dx_over_x.data(), dx.size());
      bn_frozen_input_gradient(how, view, BN_F32, frozen.data(), p[2].data(), BN_F32, frozen.data());
      CHECK_ALL_EQUAL(expected.frozen_dx.data(), frozen.data(), frozen.size());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Random random = start(argc, argv);
  CHECK_EQUAL(1, bn_isa_available(BN_BASELINE));
  CHECK_EQUAL(0, bn_isa_available(BN_ISA_COUNT));
  all_cuts(random);
  in_place(random);
  concurrent_calls(random);
  environments(random);
  many_threads(random);
}
