#include "blas.h"

#include <atomic>
#include <mutex>

#include "batchnorm.h"

#if __has_include(<dlfcn.h>)
#define BN_HAS_DLOPEN 1
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#endif

#if defined(__linux__)
#include <sched.h>
#endif

namespace {

struct OpenBlas {
  Blas functions;
  void (*set_num_threads)(int threads);
  const char* (*config)();
  const char* (*core)();  // may be null
};

std::mutex opening;
OpenBlas library;
std::atomic<const OpenBlas*> opened{nullptr};

#ifdef BN_HAS_DLOPEN

thread_local char reason[1024];

// Lets the calling thread see one processor. OpenBLAS starts a thread for each further one while it is loaded, and they
// look for work for some 20 ms before they sleep; its environment variable cannot be set while other threads run.
class OneProcessor {
 public:
#if defined(__linux__)
  OneProcessor() {
    int current = sched_getcpu();
    found_ = current >= 0 && current < CPU_SETSIZE && sched_getaffinity(0, sizeof before_, &before_) == 0;
    if (!found_) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(current, &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  ~OneProcessor() {
    if (found_) sched_setaffinity(0, sizeof before_, &before_);
  }

 private:
  cpu_set_t before_;
  bool found_;
#else
  OneProcessor() {}
  ~OneProcessor() {}
#endif
};

const char* because(const char* what) {
  snprintf(reason, sizeof reason, "%s", what);
  return reason;
}

const char* because_of_linker() {
  const char* error = dlerror();
  return because(error != nullptr ? error : "the linker does not say why");
}

// The libraries opened so far, the last of them OpenBLAS; closed again unless they are kept.
class Libraries {
 public:
  ~Libraries() {
    while (count_ > 0) dlclose(handles_[--count_]);
  }

  bool open(const char* path) {
    void* handle = count_ < MOST ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (handle == nullptr) return false;
    handles_[count_++] = handle;
    return true;
  }

  template <class F> bool find(const char* name, F* function) {
    *function = (F)dlsym(handles_[count_ - 1], name);
    return *function != nullptr;
  }

  void keep() { count_ = 0; }

 private:
  static const int MOST = 8;
  void* handles_[MOST];
  int count_ = 0;
};

// OpenBLAS believes who names its kernels: those of another processor would end the process by a signal.
bool runs_here(const char* (*core)()) {
#if defined(__x86_64__)
  const struct {
    const char* core;
    int isa;
  } needs[] = {{"SkylakeX", BN_AVX512}, {"Cooperlake", BN_AVX512}, {"SapphireRapids", BN_AVX512},
               {"Haswell", BN_AVX2},    {"Zen", BN_AVX2},           {"Excavator", BN_AVX2}};
  for (const auto& need : needs) {
    if (core != nullptr && strcmp(core(), need.core) == 0) return bn_isa_available(need.isa) != 0;
  }
#else
  (void)core;
#endif
  return true;
}

const char* open(const char* paths) {
  Libraries libraries;
  {
    OneProcessor only;
    for (const char* path = paths; *path != 0; path += strlen(path) + 1) {
      if (!libraries.open(path)) return because_of_linker();
    }
  }
  if (*paths == 0) return because("no library was named");
  OpenBlas& found = library;
  if (!libraries.find("cblas_dsyrk", &found.functions.dsyrk) ||
      !libraries.find("cblas_dsyr2k", &found.functions.dsyr2k) ||
      !libraries.find("cblas_dgemm", &found.functions.dgemm) ||
      !libraries.find("openblas_set_num_threads", &found.set_num_threads) ||
      !libraries.find("openblas_get_config", &found.config)) {
    return because_of_linker();
  }
  libraries.find("openblas_get_corename", &found.core);
  if (!runs_here(found.core)) return because("OPENBLAS_CORETYPE asks for kernels that this processor cannot run");
  if (strstr(found.config(), "USE64BITINT") != nullptr) return because("its integers have 64 bits, expected 32");
  found.set_num_threads(1);
  libraries.keep();
  return nullptr;
}

#else

const char* open(const char*) { return "this system has no dlopen"; }

#endif

}  // namespace

const Blas* blas() {
  const OpenBlas* found = opened.load(std::memory_order_acquire);
  return found == nullptr ? nullptr : &found->functions;
}

const char* bn_blas_open(const char* libraries) {
  std::lock_guard<std::mutex> lock(opening);
  if (blas() != nullptr) return nullptr;
  const char* why_not = open(libraries);
  if (why_not == nullptr) opened.store(&library, std::memory_order_release);
  return why_not;
}

const char* bn_blas_config(void) {
  const OpenBlas* found = opened.load(std::memory_order_acquire);
  return found == nullptr ? nullptr : found->config();
}

const char* bn_blas_core(void) {
  const OpenBlas* found = opened.load(std::memory_order_acquire);
  return found == nullptr || found->core == nullptr ? nullptr : found->core();
}
