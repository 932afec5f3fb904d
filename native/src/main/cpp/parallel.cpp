#include "parallel.h"

#include <fenv.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace {

// Round to nearest, no flush to zero, exceptions masked; restores what it found.
class IeeeArithmetic {
 public:
#if defined(__x86_64__)
  IeeeArithmetic() : found_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~IeeeArithmetic() { _mm_setcsr(found_); }

 private:
  unsigned found_;
#else
  IeeeArithmetic() {
    fegetenv(&found_);
    fesetenv(FE_DFL_ENV);
  }
  ~IeeeArithmetic() { fesetenv(&found_); }

 private:
  fenv_t found_;
#endif
};

// Passes follow each other within microseconds, and waking a thread takes longer than many of them: who waits looks for
// work for this long before it sleeps.
const std::chrono::microseconds AWAKE{60};

// Whether the condition came true while awake.
template <class F> bool await(const F& condition) {
  auto end = std::chrono::steady_clock::now() + AWAKE;
  do {
    for (int i = 0; i < 64; i++) {
      if (condition()) return true;
#if defined(__x86_64__)
      _mm_pause();
#endif
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

// Where a helper sleeps. Linux often wakes a thread on the processor of the thread that wakes it, though others are idle,
// and the two then share that processor for longer than a pass takes (seen on two processors: 1.4 ms instead of 0.6).
// So a helper that sleeps on the processor of who wakes it is kept off there until it is awake.
class Place {
 public:
#if defined(__linux__)
  void fall_asleep() {
    thread_ = gettid();
    processor_ = sched_getcpu();
  }

  void wake_elsewhere() {
    if (processor_ < 0 || processor_ != sched_getcpu()) return;
    if (sched_getaffinity(thread_, sizeof allowed_, &allowed_) != 0) return;
    cpu_set_t others = allowed_;
    CPU_CLR(processor_, &others);
    moved_ = CPU_COUNT(&others) > 0 && sched_setaffinity(thread_, sizeof others, &others) == 0;
    processor_ = -1;
  }

  // Stays where it is, but may go anywhere again.
  void settle() {
    if (moved_) sched_setaffinity(0, sizeof allowed_, &allowed_);
    moved_ = false;
    processor_ = -1;
  }

 private:
  pid_t thread_ = 0;
  int processor_ = -1;  // of a helper that sleeps
  bool moved_ = false;
  cpu_set_t allowed_;
#else
  void fall_asleep() {}
  void wake_elsewhere() {}
  void settle() {}
#endif
};

struct Job {
  int64_t tasks;
  void (*run)(const void*, int64_t);
  const void* context;
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> done{0};
  std::mutex mutex;
  std::condition_variable all_done;

  void work() {
    IeeeArithmetic ieee;
    int64_t ended = 0;
    for (int64_t task; (task = next.fetch_add(1)) < tasks; ended++) run(context, task);
    std::lock_guard<std::mutex> lock(mutex);
    done += ended;
    if (done == tasks) all_done.notify_all();
  }

  void wait() {
    if (await([this] { return done == tasks; })) return;
    std::unique_lock<std::mutex> lock(mutex);
    all_done.wait(lock, [this] { return done == tasks; });
  }
};

// Threads that live as long as the process; started when a call first asks for them.
class Pool {
 public:
  void offer(const std::shared_ptr<Job>& job, int helpers) {
    std::lock_guard<std::mutex> lock(mutex_);
    // Where no more threads or memory are to be had: any number of threads and offers will do, none included.
    try {
      while ((int)places_.size() < helpers) {
        places_.emplace_back();
        try {
          std::thread([this, place = &places_.back()] { serve(*place); }).detach();
        } catch (const std::exception&) {
          places_.pop_back();
          break;
        }
      }
    } catch (const std::exception&) {
    }
    try {
      for (int i = 0; i < helpers && i < (int)places_.size(); i++) offers_.push_back(job);
    } catch (const std::exception&) {
    }
    offered_count_ = (int64_t)offers_.size();
    for (Place& place : places_) place.wake_elsewhere();
    offered_.notify_all();
  }

 private:
  void serve(Place& place) {
    for (;;) {
      std::shared_ptr<Job> job;
      await([this] { return offered_count_ > 0; });
      {
        std::unique_lock<std::mutex> lock(mutex_);
        place.fall_asleep();
        offered_.wait(lock, [this] { return !offers_.empty(); });
        place.settle();
        job = offers_.front();
        offers_.pop_front();
        offered_count_ = (int64_t)offers_.size();
      }
      job->work();
    }
  }

  std::mutex mutex_;
  std::condition_variable offered_;
  std::deque<Place> places_;  // of the helpers; a deque's elements stay where they are
  std::deque<std::shared_ptr<Job>> offers_;
  std::atomic<int64_t> offered_count_{0};  // the size of offers_, to look at without the lock
};

// Never destroyed: its threads may outlive static destruction.
Pool& pool() {
  static Pool* const instance = new Pool;
  return *instance;
}

}  // namespace

void parallel_tasks(int threads, int64_t tasks, void (*run)(const void*, int64_t), const void* context) {
  if (threads <= 1 || tasks <= 1) {
    IeeeArithmetic ieee;
    for (int64_t task = 0; task < tasks; task++) run(context, task);
    return;
  }
  std::shared_ptr<Job> job;
  try {
    job = std::make_shared<Job>();
  } catch (const std::bad_alloc&) {
    return parallel_tasks(1, tasks, run, context);
  }
  job->tasks = tasks;
  job->run = run;
  job->context = context;
  pool().offer(job, (int)(threads - 1 < tasks - 1 ? threads - 1 : tasks - 1));
  job->work();
  job->wait();
}
